//! Ports that play from and record to memory: for tests in virtual time, and for sounds that a program makes itself.

use crate::port::{AudioPort, Produced, Role, Tick};
use std::sync::Arc;

/// Plays samples once, then is silent.
#[derive(Clone, Debug)]
pub struct SamplesPlayer {
    rate: u32,
    samples: Arc<[i16]>,
    next: usize,
}

impl SamplesPlayer {
    /// Plays `samples`, recorded at `rate` hertz, from the next tick on.
    pub fn new(rate: u32, samples: impl Into<Arc<[i16]>>) -> Self {
        Self {
            rate,
            samples: samples.into(),
            next: 0,
        }
    }

    /// Whether all has been played.
    pub fn is_finished(&self) -> bool {
        self.next >= self.samples.len()
    }

    /// Starts again from the beginning.
    pub fn rewind(&mut self) {
        self.next = 0;
    }
}

impl AudioPort for SamplesPlayer {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::PRODUCER
    }

    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        let rest = &self.samples[self.next..];
        if rest.is_empty() {
            return Produced::Silence;
        }
        let n = rest.len().min(frame.len());
        frame[..n].copy_from_slice(&rest[..n]);
        frame[n..].fill(0);
        self.next += n;
        Produced::Audio
    }
}

/// Records what it hears, up to a limit that is allocated at once.
#[derive(Clone, Debug)]
pub struct SamplesRecorder {
    rate: u32,
    samples: Vec<i16>,
    limit: usize,
    dropped: u64,
}

impl SamplesRecorder {
    /// Records at `rate` hertz, at most `limit` samples; later ones are counted as dropped.
    pub fn new(rate: u32, limit: usize) -> Self {
        Self {
            rate,
            samples: Vec::with_capacity(limit),
            limit,
            dropped: 0,
        }
    }

    /// What was heard so far.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// The recording itself.
    pub fn into_samples(self) -> Vec<i16> {
        self.samples
    }

    /// Samples that came after the limit.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl AudioPort for SamplesRecorder {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::CONSUMER
    }

    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        let n = frame.len().min(self.limit - self.samples.len());
        self.samples.extend_from_slice(&frame[..n]);
        self.dropped += (frame.len() - n) as u64;
    }
}
