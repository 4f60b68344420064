#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| offhook_fuzz::dtls::dtls_ops(data));
