//! Gains in fixed point, and ramps between them so that nothing clicks.

use std::fmt;

/// How much louder or softer a sound becomes: a factor from 0 to [`Gain::MAX`], in steps of 1/4096.
///
/// Fixed point because a mix must be the same on each machine, sample by sample.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gain(u16);

impl Gain {
    /// Factor 0.
    pub const SILENT: Self = Self(0);
    /// Factor 1: samples pass unchanged.
    pub const UNITY: Self = Self(1 << FRACTION);
    /// The largest gain, just below a factor of 16 (24 dB).
    pub const MAX: Self = Self(u16::MAX);

    /// The gain that multiplies amplitudes by `factor`, clamped to 0..=[`MAX`](Self::MAX). Not-a-number is silence.
    pub fn from_factor(factor: f32) -> Self {
        // `as` saturates and turns NaN into 0.
        Self((factor * f32::from(Self::UNITY.0)).round() as u16)
    }

    /// The gain of `percent` of the amplitude: 100 is [`UNITY`](Self::UNITY), and 1599 about the most.
    pub fn from_percent(percent: u16) -> Self {
        Self::from_factor(f32::from(percent) / 100.0)
    }

    /// The gain of `db` decibels: 0 is [`UNITY`](Self::UNITY), -6 about half the amplitude.
    pub fn from_db(db: f32) -> Self {
        Self::from_factor(10_f32.powf(db / 20.0))
    }

    /// The factor on amplitudes.
    pub fn factor(self) -> f32 {
        f32::from(self.0) / f32::from(Self::UNITY.0)
    }

    /// One sample with this gain, rounded down. It may leave the range of `i16`.
    #[inline]
    pub fn apply(self, sample: i16) -> i32 {
        (i32::from(sample) * i32::from(self.0)) >> FRACTION
    }
}

impl Default for Gain {
    fn default() -> Self {
        Self::UNITY
    }
}

impl fmt::Debug for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gain({:.4})", self.factor())
    }
}

/// A gain that glides to its target over the whole of the next tick, then stays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    from: Gain,
    to: Gain,
}

impl Ramp {
    /// No glide: at `gain` from the start.
    pub(crate) fn steady(gain: Gain) -> Self {
        Self { from: gain, to: gain }
    }

    /// From silence up to `gain`.
    pub(crate) fn fade_in(gain: Gain) -> Self {
        Self {
            from: Gain::SILENT,
            to: gain,
        }
    }

    /// From unity down to silence.
    pub(crate) fn fade_out() -> Self {
        Self {
            from: Gain::UNITY,
            to: Gain::SILENT,
        }
    }

    /// Where the last tick ended.
    pub(crate) fn begin(self) -> Gain {
        self.from
    }

    /// Glides from where the last tick ended to `gain`.
    pub(crate) fn aim(&mut self, gain: Gain) {
        self.to = gain;
    }

    /// The gain for this whole tick, if it does not glide.
    pub(crate) fn steady_gain(self) -> Option<Gain> {
        (self.from == self.to).then_some(self.to)
    }

    /// The tick is over: the target is reached.
    pub(crate) fn advance(&mut self) {
        self.from = self.to;
    }

    /// The gain as a factor for each of the `len` samples of this tick.
    pub(crate) fn factors(self, len: usize) -> impl Iterator<Item = f32> {
        let from = self.from.factor();
        let step = (self.to.factor() - from) / len as f32;
        (1..=len).map(move |i| from + step * i as f32)
    }
}

/// Bits behind the binary point.
const FRACTION: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unity_changes_no_sample() {
        assert!((i16::MIN..=i16::MAX).all(|s| Gain::UNITY.apply(s) == i32::from(s)));
    }

    #[test]
    fn gains_outside_the_range_are_clamped() {
        assert_eq!(Gain::from_factor(-1.0), Gain::SILENT);
        assert_eq!(Gain::from_factor(f32::NAN), Gain::SILENT);
        assert_eq!(Gain::from_db(200.0), Gain::MAX);
        assert_eq!(Gain::from_percent(100), Gain::UNITY);
    }

    #[test]
    fn a_ramp_ends_at_its_target_and_stays() {
        let mut ramp = Ramp::fade_in(Gain::UNITY);
        let last = ramp.factors(320).last();
        assert!(last.is_some_and(|g| (g - 1.0).abs() < 1e-4), "{last:?}");
        assert_eq!(ramp.steady_gain(), None);
        ramp.advance();
        assert_eq!(ramp.steady_gain(), Some(Gain::UNITY));
    }
}
