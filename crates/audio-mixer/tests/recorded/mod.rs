//! What a recorder is given, and what it wrote.

use hound::WavReader;
use offhook_audio_mixer::Tick;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) fn tick(index: u64) -> Tick {
    Tick {
        now: Instant::now(),
        index,
        duration: Duration::from_millis(20),
    }
}

pub(crate) fn samples_of(path: &Path) -> Vec<i16> {
    let mut reader = WavReader::open(path).expect("a wave file");
    reader.samples().map(|s| s.expect("whole")).collect()
}
