//! Where in a recording a sound begins.

use super::spectrum::{inverse, spectra};
use realfft::num_complex::Complex;
use std::f64::consts::TAU;

/// How a recording lies against its source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// Index in the recording of the first sample of the source, to the nearest whole. Negative if the recording began
    /// later than the source.
    pub delay_samples: i64,
    /// What the true delay is longer than that, -0.5..=0.5 samples: filters delay by fractions.
    pub fraction: f64,
    /// Normalised correlation of what overlaps, -1..=1. Independent of gain; 1 is the same wave. 0 if one is silent.
    pub correlation: f64,
}

impl Alignment {
    /// The overlapping parts: the source, moved by the fraction of a sample, and the recording.
    pub fn overlap<'a>(&self, source: &[i16], recording: &'a [i16]) -> (Vec<i16>, &'a [i16]) {
        let (from_source, from_recording) = self.starts();
        let n = overlap(source.len(), recording.len(), self.delay_samples);
        let moved = shifted(source, self.fraction);
        (
            moved[from_source..from_source + n].to_vec(),
            &recording[from_recording..from_recording + n],
        )
    }

    fn starts(&self) -> (usize, usize) {
        (
            (-self.delay_samples).max(0) as usize,
            self.delay_samples.max(0) as usize,
        )
    }
}

/// Finds the source in the recording: the delay at which the two correlate best, among all delays at which at least
/// half of the shorter one overlaps.
pub fn align(source: &[i16], recording: &[i16]) -> Alignment {
    let nothing = Alignment {
        delay_samples: 0,
        fraction: 0.0,
        correlation: 0.0,
    };
    if source.is_empty() || recording.is_empty() {
        return nothing;
    }
    let len = (source.len() + recording.len()).next_power_of_two().max(4);
    let [sent, heard] = spectra(source, recording, len);
    let cross: Vec<Complex<f64>> = sent
        .iter()
        .zip(&heard)
        .map(|(sent, heard)| sent.conj() * heard)
        .collect();
    let correlation = inverse(cross.clone(), len);
    let (source_energy, recording_energy) = (energies(source), energies(recording));
    let needed = source.len().min(recording.len()).div_ceil(2);
    let (first, last) = (-(source.len() as i64) + 1, recording.len() as i64 - 1);
    let normalised = |delay: i64| {
        let n = overlap(source.len(), recording.len(), delay);
        let (s, r) = ((-delay).max(0) as usize, delay.max(0) as usize);
        let energy =
            (source_energy[s + n] - source_energy[s]) * (recording_energy[r + n] - recording_energy[r]);
        let at = delay.rem_euclid(len as i64) as usize;
        if n < needed || energy <= 0.0 {
            0.0
        } else {
            correlation[at] / energy.sqrt()
        }
    };
    let candidates = (first..=last).map(|delay| (delay, normalised(delay)));
    let best = candidates.max_by(|(_, x), (_, y)| x.total_cmp(y));
    let Some((delay_samples, likeness)) = best.filter(|(_, likeness)| *likeness > 0.0) else {
        return nothing;
    };
    Alignment {
        delay_samples,
        fraction: fraction(&cross, len, delay_samples),
        // Rounding in the transform may leave a trace above 1.
        correlation: likeness.min(1.0),
    }
}

/// How many samples overlap at a delay.
fn overlap(source: usize, recording: usize, delay: i64) -> usize {
    let end = (source as i64 + delay).min(recording as i64);
    (end - delay.max(0)).max(0) as usize
}

/// Sums of squares up to each index.
fn energies(samples: &[i16]) -> Vec<f64> {
    let mut sum = 0.0;
    let squares = samples.iter().map(|&s| f64::from(s).powi(2));
    std::iter::once(0.0)
        .chain(squares.map(|square| {
            sum += square;
            sum
        }))
        .collect()
}

/// The top of the correlation between samples: its value at any delay is a sum over the cross spectrum.
fn fraction(cross: &[Complex<f64>], len: usize, delay: i64) -> f64 {
    let at = |fraction: f64| -> f64 {
        let step = Complex::from_polar(1.0, TAU * (delay as f64 + fraction) / len as f64);
        let mut turn = Complex::new(1.0, 0.0);
        let turned = cross.iter().map(|c| {
            let part = c.re * turn.re - c.im * turn.im;
            turn *= step;
            part
        });
        turned.sum()
    };
    let (mut low, mut high) = (-0.6, 0.6);
    while high - low > 1e-3 {
        let third = (high - low) / 3.0;
        if at(low + third) < at(high - third) {
            low += third;
        } else {
            high -= third;
        }
    }
    f64::midpoint(low, high).clamp(-0.5, 0.5)
}

/// The samples, later by a fraction of a sample.
fn shifted(samples: &[i16], fraction: f64) -> Vec<i16> {
    if fraction.abs() < 0.01 || samples.is_empty() {
        return samples.to_vec();
    }
    let len = (samples.len() + GUARD).next_power_of_two();
    let [mut spectrum, _] = spectra(samples, &[], len);
    for (bin, value) in spectrum.iter_mut().enumerate() {
        *value *= Complex::from_polar(1.0, -TAU * fraction * bin as f64 / len as f64);
    }
    let moved = inverse(spectrum, len);
    moved[..samples.len()].iter().map(|s| s.round() as i16).collect()
}

/// Silence after the samples, so that their end does not wrap round to their beginning.
const GUARD: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tune;

    #[test]
    fn a_delayed_and_softer_copy_is_found_to_the_sample() {
        let source = tune(16_000, 3.0);
        for delay in [0_usize, 1, 319, 12_345] {
            let mut recording = vec![3; delay];
            recording.extend(source.iter().map(|s| s / 3));
            let found = align(&source, &recording);
            assert_eq!(found.delay_samples, delay as i64);
            assert!(
                found.correlation > 0.999 && found.fraction.abs() < 0.01,
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_recording_that_began_late_has_a_negative_delay() {
        let source = tune(8_000, 3.0);
        let found = align(&source, &source[4321..]);
        assert_eq!(found.delay_samples, -4321);
        let (a, b) = found.overlap(&source, &source[4321..]);
        assert_eq!(a, b);
    }

    #[test]
    fn fractions_of_a_sample_are_found_and_taken_out() {
        let source = tune(16_000, 2.0);
        let late = shifted(&source, 0.3);
        let found = align(&source, &late);
        assert!(
            found.delay_samples == 0 && (found.fraction - 0.3).abs() < 0.01,
            "{found:?}"
        );
        let (moved, recording) = found.overlap(&source, &late);
        let worst = moved.iter().zip(recording).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst < Some(100), "{worst:?}");
    }

    #[test]
    fn silence_and_strangers_do_not_correlate() {
        let source = tune(8_000, 2.0);
        assert!(align(&source, &vec![0; 16_000]).correlation.abs() < 1e-9);
        assert!(align(&[], &source).correlation.abs() < 1e-9);
        let noise: Vec<i16> = (0..16_000_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 18) as i16 - 8192)
            .collect();
        assert!(
            align(&source, &noise).correlation < 0.2,
            "{:?}",
            align(&source, &noise)
        );
    }
}
