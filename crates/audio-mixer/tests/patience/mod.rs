//! Waiting for what another thread does, within bounds that a busy machine keeps.

#![allow(dead_code, reason = "each test uses some of it")]

use offhook_audio_mixer::{AudioPort, Produced, Role, Tick};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < patience, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A port that counts the ticks of its mixer.
#[derive(Clone, Default)]
pub(crate) struct Metronome(Arc<AtomicU64>);

impl Metronome {
    /// Waits until the mixer has ticked so often again.
    pub(crate) fn wait(&self, ticks: u64) {
        let due = self.0.load(Ordering::Relaxed) + ticks;
        wait_for("the clock stands still", || {
            (self.0.load(Ordering::Relaxed) >= due).then_some(())
        });
    }
}

impl AudioPort for Metronome {
    fn sample_rate(&self) -> u32 {
        8_000
    }
    fn role(&self) -> Role {
        Role::PRODUCER
    }
    fn produce(&mut self, _: &Tick, _: &mut [i16]) -> Produced {
        self.0.fetch_add(1, Ordering::Relaxed);
        Produced::Silence
    }
}
