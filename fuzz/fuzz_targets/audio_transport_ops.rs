#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| offhook_fuzz::rtp::audio_transport_ops(data));
