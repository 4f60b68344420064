//! The loops over samples: sums, sum minus own part, and the soft limiter.
//!
//! They are written so that the compiler turns them into vector code on any machine, for plain SSE2 too: sixteen-bit
//! lanes with saturating arithmetic wherever that is exact, because that doubles the samples in one instruction. Those that
//! run for each port are compiled for wider vectors as well; pulp chooses at run time what the processor has.

use crate::gain::{Gain, Ramp};
use pulp::Arch;

/// From here up the limiter bends; below, samples pass unchanged. -2.5 dB of full scale.
pub(crate) const KNEE: i32 = 24_575;

/// How far above the knee a sum still makes a difference.
const KNEE_WIDTH: i16 = 16_383;

/// Brings a sum into the range of `i16` without the harsh edge of clipping: unchanged up to [`KNEE`], from there a
/// parabola with the same slope, that meets full scale flat. Odd and monotonic.
#[inline]
pub(crate) fn limit(sum: i32) -> i16 {
    let sum = sum.clamp(-FAR_OUT, FAR_OUT);
    let above = knee((sum - KNEE).clamp(0, KNEE_WIDTH.into()) as i16);
    let below = knee((-KNEE - sum).clamp(0, KNEE_WIDTH.into()) as i16);
    (sum.clamp(-KNEE, KNEE) as i16) + above - below
}

/// A sum far beyond the end of the curve.
const FAR_OUT: i32 = 1 << 20;

/// The part of the curve beyond the knee: `d - d²/2¹⁵` for `0 <= d <= KNEE_WIDTH`.
#[inline]
fn knee(d: i16) -> i16 {
    d - ((i32::from(d * 2) * i32::from(d)) >> 16) as i16
}

/// Adds one to four voices to the sums.
pub(crate) fn accumulate(sum: &mut [i32], voices: [&[i16]; 4]) {
    let [v0, v1, v2, v3] = voices.map(|v| &v[..sum.len()]);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (i, sum) in sum.iter_mut().enumerate() {
                *sum += (i32::from(v0[i]) + i32::from(v1[i])) + (i32::from(v2[i]) + i32::from(v3[i]));
            }
        },
    );
}

/// Adds one voice to the sums.
pub(crate) fn accumulate_one(sum: &mut [i32], voice: &[i16]) {
    for (sum, &v) in sum.iter_mut().zip(voice) {
        *sum += i32::from(v);
    }
}

/// Adds one voice to another, in place.
pub(crate) fn add(voice: &mut [i16], other: &[i16]) {
    for (sample, &more) in voice.iter_mut().zip(other) {
        *sample = limit(i32::from(*sample) + i32::from(more));
    }
}

/// Adds one voice whose factor glides.
pub(crate) fn accumulate_gliding(sum: &mut [i32], voice: &[i16], from: f32, to: f32) {
    let step = (to - from) / voice.len() as f32;
    for (n, (sum, &v)) in sum.iter_mut().zip(voice).enumerate() {
        *sum = sum.saturating_add(scaled(v, from + step * (n + 1) as f32));
    }
}

/// Lets a sum glide from what it was to what it is. Where both are the same nothing changes.
pub(crate) fn cross(sum: &mut [i32], was: &[i32]) {
    let step = 1.0 / sum.len() as f32;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (n, (sum, &was)) in sum.iter_mut().zip(was).enumerate() {
                let factor = step * (n as i32 + 1) as f32;
                *sum = was + ((*sum - was) as f32 * factor) as i32;
            }
        },
    );
}

/// Sets `out` to a sum without one voice.
pub(crate) fn without(sum: &[i32], voice: &[i16], out: &mut [i32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((out, &sum), &v) in out.iter_mut().zip(sum).zip(voice) {
                *out = sum - i32::from(v);
            }
        },
    );
}

/// Takes one voice away.
pub(crate) fn take_away(sum: &mut [i32], voice: &[i16]) {
    for (sum, &v) in sum.iter_mut().zip(voice) {
        *sum -= i32::from(v);
    }
}

/// Adds one voice at a steady gain.
pub(crate) fn accumulate_scaled(sum: &mut [i32], voice: &[i16], gain: Gain) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (sum, &v) in sum.iter_mut().zip(voice) {
                *sum = sum.saturating_add(gain.apply(v));
            }
        },
    );
}

/// Lets the gain of a frame glide, or stay, in place.
pub(crate) fn scale(frame: &mut [i16], ramp: Ramp) {
    match ramp.steady_gain() {
        Some(Gain::UNITY) => {}
        Some(gain) => frame
            .iter_mut()
            .for_each(|sample| *sample = limit(gain.apply(*sample))),
        None => glide(frame, ramp),
    }
}

/// Lets the gain of a frame glide, in place.
pub(crate) fn glide(frame: &mut [i16], ramp: Ramp) {
    let factors = ramp.factors(frame.len());
    for (sample, factor) in frame.iter_mut().zip(factors) {
        *sample = limit(scaled(*sample, factor));
    }
}

/// Lets the gain of a sum glide, or stay, in place.
pub(crate) fn scale_sum(sum: &mut [i32], ramp: Ramp) {
    let factors = ramp.factors(sum.len());
    for (sum, factor) in sum.iter_mut().zip(factors) {
        *sum = (*sum as f32 * factor) as i32;
    }
}

/// One sample at a factor between two steady gains.
#[inline]
pub(crate) fn scaled(sample: i16, factor: f32) -> i32 {
    (f32::from(sample) * factor) as i32
}

/// The largest absolute value.
pub(crate) fn peak(sum: &[i32]) -> i32 {
    let (low, high) = sum
        .iter()
        .fold((0, 0), |(low, high): (i32, i32), &s| (low.min(s), high.max(s)));
    high.max(-low)
}

/// Limits whole sums.
pub(crate) fn limit_all(sum: &[i32], out: &mut [i16]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (out, &sum) in out.iter_mut().zip(sum) {
                *out = limit(sum);
            }
        },
    );
}

/// A sum as two `i16` so that `sum - own`, clipped to `i16`, needs only sixteen-bit lanes.
///
/// `base` is the sum clipped, `rest` what the clip took away, clipped again. Then
/// `(base - own) + rest`, saturating, equals `clip(sum - own)` for each `own`: where `rest` itself was clipped, the sum
/// is so far out that no `own` brings the difference back into range.
#[derive(Clone, Debug, Default)]
struct Split {
    base: Vec<i16>,
    rest: Vec<i16>,
}

impl Split {
    fn resize(&mut self, len: usize) {
        self.base.resize(len, 0);
        self.rest.resize(len, 0);
    }

    fn set(&mut self, sum: &[i32], offset: i32) {
        for ((base, rest), &sum) in self.base.iter_mut().zip(&mut self.rest).zip(sum) {
            let sum = sum + offset;
            *base = clip(sum);
            *rest = clip(sum - i32::from(*base));
        }
    }
}

/// One bridge's sum, prepared for handing each member the sum without its own part.
#[derive(Clone, Debug, Default)]
pub(crate) struct MixMinus {
    sum: Split,
    above: Split,
    below: Split,
    peak: i32,
}

impl MixMinus {
    pub(crate) fn new(len: usize) -> Self {
        let mut new = Self::default();
        new.sum.resize(len);
        new.above.resize(len);
        new.below.resize(len);
        new
    }

    /// Takes a new sum, from which voices of up to `loudest` will be taken away. The planes of the limiter are filled
    /// only if one of them may need them.
    pub(crate) fn prepare(&mut self, sum: &[i32], loudest: u16) {
        self.peak = peak(sum);
        self.sum.set(sum, 0);
        if self.peak + i32::from(loudest) > KNEE {
            self.above.set(sum, -KNEE);
            self.below.set(sum, KNEE);
        }
    }

    /// `out = limit(sum - own)`, where no sample of `own` is larger than `own_peak`.
    pub(crate) fn without(&self, own: &[i16], own_peak: u16, out: &mut [i16]) {
        if self.peak + i32::from(own_peak) <= KNEE {
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    for ((out, &base), &own) in out.iter_mut().zip(&self.sum.base).zip(own) {
                        *out = base.wrapping_sub(own);
                    }
                },
            );
        } else {
            self.limited_without(own, out);
        }
    }

    fn limited_without(&self, own: &[i16], out: &mut [i16]) {
        let n = out.len();
        let (sum, sum_rest) = (&self.sum.base[..n], &self.sum.rest[..n]);
        let (above, above_rest) = (&self.above.base[..n], &self.above.rest[..n]);
        let (below, below_rest) = (&self.below.base[..n], &self.below.rest[..n]);
        let own = &own[..n];
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for i in 0..n {
                    let mid = sum[i].saturating_sub(own[i]).saturating_add(sum_rest[i]);
                    let over = above[i].saturating_sub(own[i]).saturating_add(above_rest[i]);
                    let under = below[i].saturating_sub(own[i]).saturating_add(below_rest[i]);
                    let over = knee(over.clamp(0, KNEE_WIDTH));
                    let under = knee(-under.clamp(-KNEE_WIDTH, 0));
                    out[i] = mid.clamp(-KNEE as i16, KNEE as i16) + over - under;
                }
            },
        );
    }
}

fn clip(sum: i32) -> i16 {
    sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn limiter_is_exact_below_the_knee_and_reaches_full_scale_without_a_jump() {
        assert!((-KNEE..=KNEE).all(|s| i32::from(limit(s)) == s));
        for s in KNEE..KNEE + 20_000 {
            let step = i32::from(limit(s + 1)) - i32::from(limit(s));
            assert!((0..=1).contains(&step), "step {step} at {s}");
            assert_eq!(limit(s), -limit(-s));
        }
        assert_eq!(limit(i32::MAX / 2), i16::MAX);
        assert_eq!(limit(i32::MIN / 2), -i16::MAX);
    }

    proptest! {
        #[test]
        fn sum_minus_own_in_sixteen_bits_equals_the_plain_way(
            rows in prop::collection::vec((-200_000..200_000_i32, any::<i16>()), 1..50),
        ) {
            let (sum, own): (Vec<i32>, Vec<i16>) = rows.into_iter().unzip();
            let mut mix = MixMinus::new(sum.len());
            let loudest = own.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
            mix.prepare(&sum, loudest);
            let mut out = vec![0; sum.len()];
            mix.without(&own, loudest, &mut out);
            let plain: Vec<i16> = sum.iter().zip(&own).map(|(s, o)| limit(s - i32::from(*o))).collect();
            prop_assert_eq!(out, plain);
        }
    }
}
