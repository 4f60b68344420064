#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| offhook_fuzz::wav::wave_file(data));
