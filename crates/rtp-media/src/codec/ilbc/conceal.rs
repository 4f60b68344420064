//! What the excitation of a lost frame may have been (RFC 3951 §4.5): the last period again and again, with noise where the
//! voice had some, fading out.

use super::enhancer::{History, PERIODS};
use super::mode::SUB_BLOCK;

/// Samples made up at full strength, and after how many it is silent: 20 ms and 100 ms.
const FULL: usize = 160;
const SILENT: usize = 800;

/// How alike the last two periods are in what is all noise, and in what is all voice.
const NOISE: f32 = 0.3;
const VOICE: f32 = 0.7;

/// Samples over which what was made up goes over into what came.
const MERGED: usize = SUB_BLOCK;

/// How far the period is moved, to each side, that it fits what came.
const MOVED: usize = 5;

/// Continues the excitation.
pub(super) struct Continuation {
    /// The last period before the loss.
    cycle: [f32; *PERIODS.end()],
    period: usize,
    /// Where in the period the next sample is.
    phase: usize,
    /// The parts of voice and of noise.
    voice: f32,
    noise: f32,
    /// Samples made up since the last frame; zero when none is lost.
    lost: usize,
    seed: u32,
}

impl Continuation {
    pub(super) const NONE: Self = Self {
        cycle: [0.0; *PERIODS.end()],
        period: *PERIODS.end(),
        phase: 0,
        voice: 0.0,
        noise: 0.0,
        lost: 0,
        seed: 1,
    };

    /// Samples made up since the last frame.
    pub(super) fn lost(&self) -> usize {
        self.lost
    }

    /// Makes up what comes after the history.
    pub(super) fn continue_from(&mut self, history: &History, excitation: &mut [f32]) {
        if self.lost == 0 {
            let (period, likeness) = history.last_period();
            self.cycle[..period].copy_from_slice(history.late(period, 0));
            (self.period, self.phase) = (period, 0);
            self.voice = ((likeness - NOISE) / (VOICE - NOISE)).clamp(0.0, 1.0);
            self.noise = (1.0 - self.voice * self.voice).sqrt();
        }
        for sample in excitation {
            *sample = self.next();
        }
    }

    /// Goes over from what was made up to the first frame after a loss: in the phase in which both are most alike (§4.5.3).
    pub(super) fn merge_into(&mut self, excitation: &mut [f32]) {
        if self.lost == 0 {
            return;
        }
        let begin = &mut excitation[..MERGED];
        let likeness = |moved: &usize| -> f32 {
            begin
                .iter()
                .enumerate()
                .map(|(n, sample)| sample * self.cycle[(self.phase + moved + n) % self.period])
                .sum()
        };
        let moves = (0..=MOVED).chain(self.period - MOVED..self.period);
        let moved = moves.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        self.phase = (self.phase + moved.unwrap_or(0)) % self.period;
        for (place, sample) in begin.iter_mut().enumerate() {
            let part = (place + 1) as f32 / (MERGED + 1) as f32;
            *sample = part * *sample + (1.0 - part) * self.next();
        }
        self.lost = 0;
    }

    fn next(&mut self) -> f32 {
        let faded = self.lost.saturating_sub(FULL) as f32 / (SILENT - FULL) as f32;
        let voiced = self.cycle[self.phase];
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noisy = self.cycle[(self.seed >> 16) as usize % self.period];
        self.phase = (self.phase + 1) % self.period;
        self.lost = (self.lost + 1).min(SILENT);
        (1.0 - faded) * (self.voice * voiced + self.noise * noisy)
    }
}
