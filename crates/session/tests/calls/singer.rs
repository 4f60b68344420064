//! Parties with a tone each: the tones prove who hears whom.

use offhook_audio_mixer::{AudioPort, Produced, Role, Tick};
use offhook_testkit::audio::tone_level;
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(crate) const RATE: u32 = 8_000;
/// What is listened to at a time.
pub(crate) const WINDOW: usize = RATE as usize / 5;
/// Louder than this is heard, in dBFS; tones are sung with -12.
pub(crate) const HEARD: f64 = -30.0;
/// Longer than any change takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sings one tone, and keeps the last of what it hears.
#[derive(Clone)]
pub(crate) struct Singer {
    /// All tones that there are.
    all: &'static [f64],
    hz: f64,
    sung: u64,
    heard: Arc<Mutex<Vec<i16>>>,
}

impl Singer {
    pub(crate) fn among(all: &'static [f64], hz: f64) -> Self {
        Self {
            all,
            hz,
            sung: 0,
            heard: Arc::default(),
        }
    }

    pub(crate) fn sing(&mut self, frame: &mut [i16]) {
        for sample in frame {
            let phase = TAU * self.hz * self.sung as f64 / f64::from(RATE);
            *sample = (phase.sin() * 8_000.0) as i16;
            self.sung += 1;
        }
    }

    fn hears(&self, hz: f64) -> bool {
        let heard = self.heard.lock().unwrap();
        heard.len() == WINDOW && tone_level(&heard, RATE, hz) > HEARD
    }

    /// Waits until exactly these tones are heard of all.
    pub(crate) async fn comes_to_hear(&self, wanted: &[f64]) {
        let patience = Instant::now() + PATIENCE;
        loop {
            let now: Vec<f64> = self.all.iter().copied().filter(|hz| self.hears(*hz)).collect();
            if now == wanted {
                return;
            }
            assert!(
                Instant::now() < patience,
                "{} hears {now:?}, not {wanted:?}",
                self.hz
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl AudioPort for Singer {
    fn sample_rate(&self) -> u32 {
        RATE
    }
    fn role(&self) -> Role {
        Role::BOTH
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        self.sing(frame);
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        let mut heard = self.heard.lock().unwrap();
        heard.extend_from_slice(frame);
        let surplus = heard.len().saturating_sub(WINDOW);
        heard.drain(..surplus);
    }
}
