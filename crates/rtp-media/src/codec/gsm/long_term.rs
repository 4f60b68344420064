//! What the voice's pitch repeats: a lag and a gain for each subframe (EN 300 961 §5.2.11, §5.2.12 and §5.3.2).

use super::math::{mult, mult_r, norm, peak};
use super::{FRAME, SUBFRAME};

/// Lags that are looked at, in samples.
const SHORTEST: usize = 40;
const LONGEST: usize = 120;

/// Bounds between the coded gains (table 5.3a), and the gains (table 5.3b).
const DECISIONS: [i16; 3] = [6554, 16_384, 26_214];
const GAINS: [i16; 4] = [3277, 11_469, 21_299, 32_767];

/// How a subframe follows from what came before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pitch {
    pub(super) lag: u8,
    pub(super) gain: u8,
}

/// The residual as the far end knows it: what is behind, and the frame that is being made.
#[derive(Debug)]
pub(super) struct History {
    samples: [i16; LONGEST + FRAME],
    /// The last lag that could be used; a broken one is replaced by it (§5.3.2).
    lag: usize,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            samples: [0; LONGEST + FRAME],
            lag: SHORTEST,
        }
    }

    /// Forgets what no lag reaches any more.
    pub(super) fn begin_frame(&mut self) {
        self.samples.copy_within(FRAME.., 0);
    }

    /// The residual of the whole frame.
    pub(super) fn frame(&self) -> &[i16; FRAME] {
        self.samples.last_chunk().expect("a frame at the end")
    }

    /// Where a subframe begins.
    fn place(number: usize) -> usize {
        LONGEST + number * SUBFRAME
    }

    /// Finds where a subframe of the residual was heard before (§5.2.11).
    pub(super) fn search(&self, number: usize, residual: &[i16; SUBFRAME]) -> Pitch {
        let peak = peak(residual);
        let shift = if peak == 0 { 0 } else { norm(i32::from(peak) << 16) };
        let scale = 6_u32.saturating_sub(shift);
        let wanted = residual.map(|sample| i32::from(sample >> scale));
        let place = Self::place(number);
        let (mut lag, mut likeness) = (SHORTEST, 0);
        for candidate in SHORTEST..=LONGEST {
            let before = &self.samples[place - candidate..][..SUBFRAME];
            let sum: i32 = wanted
                .iter()
                .zip(before)
                .map(|(one, other)| one * i32::from(*other))
                .sum();
            if sum > likeness {
                (lag, likeness) = (candidate, sum);
            }
        }
        let likeness = (likeness << 1) >> (6 - scale);
        let before = &self.samples[place - lag..][..SUBFRAME];
        let power = before
            .iter()
            .map(|sample| i32::from(sample >> 3).pow(2))
            .sum::<i32>()
            << 1;
        let gain = if likeness <= 0 {
            0
        } else if likeness >= power {
            3
        } else {
            let shift = norm(power);
            let (part, whole) = (
                ((likeness << shift) >> 16) as i16,
                ((power << shift) >> 16) as i16,
            );
            DECISIONS
                .iter()
                .position(|bound| part <= mult(whole, *bound))
                .unwrap_or(DECISIONS.len()) as u8
        };
        Pitch { lag: lag as u8, gain }
    }

    /// What a subframe is expected to be.
    pub(super) fn expected(&mut self, number: usize, pitch: Pitch) -> [i16; SUBFRAME] {
        let lag = usize::from(pitch.lag);
        if (SHORTEST..=LONGEST).contains(&lag) {
            self.lag = lag;
        }
        let before = &self.samples[Self::place(number) - self.lag..][..SUBFRAME];
        let gain = GAINS[usize::from(pitch.gain & 3)];
        std::array::from_fn(|i| mult_r(gain, before[i]))
    }

    /// Takes in what a subframe became.
    pub(super) fn heard(&mut self, number: usize, expected: &[i16; SUBFRAME], rest: &[i16; SUBFRAME]) {
        let place = Self::place(number);
        for ((sample, expected), rest) in self.samples[place..].iter_mut().zip(expected).zip(rest) {
            *sample = rest.saturating_add(*expected);
        }
    }
}
