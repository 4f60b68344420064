//! How loud a slot was in the last tick.

use std::fmt;

/// The peak level of one tick of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Level(u16);

impl Level {
    /// Nothing to hear.
    pub const SILENCE: Self = Self(0);

    /// The largest amplitude in `samples`.
    pub fn of(samples: &[i16]) -> Self {
        // -32768 has no positive twin in i16; the two extremes apart vectorise and do not overflow.
        let (low, high) = pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                samples
                    .iter()
                    .fold((0, 0), |(low, high): (i16, i16), &s| (low.min(s), high.max(s)))
            },
        );
        Self(low.unsigned_abs().max(high.unsigned_abs()))
    }

    /// The amplitude, 0..=32768.
    pub fn peak(self) -> u16 {
        self.0
    }

    /// Decibels below full scale: 0 is the loudest, silence is negative infinity.
    pub fn dbfs(self) -> f32 {
        20.0 * (f32::from(self.0) / 32768.0).log10()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dBFS", self.dbfs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_zero_db_and_silence_is_minus_infinity() {
        assert_eq!(Level::of(&[i16::MIN, 5]).dbfs().to_string(), "0");
        assert_eq!(Level::of(&[]).to_string(), "-inf dBFS");
        assert!((Level::of(&[100, -16384, 3]).dbfs() + 6.02).abs() < 0.01);
    }
}
