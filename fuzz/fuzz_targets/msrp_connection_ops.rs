#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| offhook_fuzz::msrp_connection::msrp_connection_ops(data));
