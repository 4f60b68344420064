//! Wave files that somebody else made.

use offhook_audio_mixer::{MAX_SAMPLES, WaveFile};

/// Loading bytes as a wave file never panics and never holds more samples than it says.
pub fn wave_file(data: &[u8]) {
    // The first byte picks the mixer's rate; files are small here, so a slow odd ratio is all that can cost time.
    let rate = match data.first() {
        Some(n) if n % 3 == 0 => 8_000,
        Some(n) if n % 3 == 1 => 16_000,
        _ => 48_000,
    };
    let bytes = data.get(1..).unwrap_or_default();
    if let Ok(file) = WaveFile::read("fuzz.wav", bytes, rate) {
        assert_eq!(file.rate(), rate);
        assert!(file.samples().len() <= MAX_SAMPLES);
    }
}
