#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| offhook_fuzz::lookup::lookup_answers(data));
