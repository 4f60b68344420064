//! Fourier transforms of recordings.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;
use std::f64::consts::TAU;

/// The strongest frequency in hertz, to a fraction of what the duration resolves. `None` for silence.
pub fn dominant_tone(samples: &[i16], rate: u32) -> Option<f64> {
    let n = samples.len();
    let power = power(&mut windowed(samples));
    let (peak, &strongest) = power
        .iter()
        .enumerate()
        .skip(1)
        .max_by(|a, b| a.1.total_cmp(b.1))?;
    if strongest <= 0.0 {
        return None;
    }
    // The three bins around the peak of a Hann window lie close to a parabola in decibels.
    let db = |bin: usize| power.get(bin).copied().unwrap_or(0.0).max(f64::MIN_POSITIVE).ln();
    let (left, middle, right) = (db(peak - 1), db(peak), db(peak + 1));
    let curve = left - 2.0 * middle + right;
    let offset = if curve < 0.0 {
        (0.5 * (left - right) / curve).clamp(-0.5, 0.5)
    } else {
        0.0
    };
    Some((peak as f64 + offset) * f64::from(rate) / n as f64)
}

/// The mean power spectrum of frames of `size` samples that overlap by half, in dBFS of each frequency: `size / 2 + 1`
/// values from 0 Hz to half the rate.
pub(super) fn mean_spectrum(samples: &[i16], size: usize) -> Vec<f64> {
    let mut mean = vec![0.0; size / 2 + 1];
    let mut frames = 0.0;
    for frame in samples.windows(size).step_by(size / 2) {
        for (mean, power) in mean.iter_mut().zip(power(&mut windowed(frame))) {
            *mean += power;
        }
        frames += 1.0;
    }
    // A Hann window halves amplitudes; a sine of amplitude A shows as (A n / 4)² and has the power A² / 2.
    let scale = 8.0 / (size as f64 * 32_768.0).powi(2) / f64::max(frames, 1.0);
    mean.into_iter()
        .map(|power| 10.0 * (power * scale).max(1e-14).log10())
        .collect()
}

/// Transforms both to the spectrum of the length `len`, padded with silence.
pub(super) fn spectra(a: &[i16], b: &[i16], len: usize) -> [Vec<Complex<f64>>; 2] {
    [a, b].map(|samples| {
        let mut padded: Vec<f64> = samples.iter().map(|&s| f64::from(s)).collect();
        padded.resize(len, 0.0);
        transform(&mut padded)
    })
}

/// The way back from a spectrum to `len` samples.
pub(super) fn inverse(mut spectrum: Vec<Complex<f64>>, len: usize) -> Vec<f64> {
    let fft = RealFftPlanner::new().plan_fft_inverse(len);
    let mut out = fft.make_output_vec();
    // The transform of a real signal has real ends; rounding may have left a trace there.
    for end in [0, len / 2] {
        spectrum[end].im = 0.0;
    }
    fft.process(&mut spectrum, &mut out)
        .expect("lengths come from the plan");
    for sample in &mut out {
        *sample /= len as f64;
    }
    out
}

fn transform(samples: &mut [f64]) -> Vec<Complex<f64>> {
    let fft = RealFftPlanner::new().plan_fft_forward(samples.len());
    let mut out = fft.make_output_vec();
    fft.process(samples, &mut out)
        .expect("lengths come from the plan");
    out
}

fn power(samples: &mut [f64]) -> Vec<f64> {
    if samples.is_empty() {
        return Vec::new();
    }
    transform(samples).into_iter().map(|bin| bin.norm_sqr()).collect()
}

/// Under a Hann window.
fn windowed(samples: &[i16]) -> Vec<f64> {
    let n = samples.len() as f64;
    let hann = |i: usize| 0.5 - 0.5 * (TAU * i as f64 / n).cos();
    samples
        .iter()
        .enumerate()
        .map(|(i, &s)| f64::from(s) * hann(i))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dominant_tone_is_found_between_bins() {
        for hz in [425.0, 440.3, 1336.7, 3399.9] {
            let wave = |i| (9000.0 * (TAU * hz * f64::from(i) / 8000.0).sin()) as i16;
            let tone: Vec<i16> = (0..4000).map(wave).collect();
            let found = dominant_tone(&tone, 8000);
            assert!(found.is_some_and(|f| (f - hz).abs() < 0.3), "{hz}: {found:?}");
        }
        assert_eq!(dominant_tone(&[0; 800], 8000), None);
        assert_eq!(dominant_tone(&[], 8000), None);
    }

    #[test]
    fn a_sine_shows_in_the_spectrum_at_its_level() {
        let wave = |i| (16_384.0 * (TAU * 1000.0 * f64::from(i) / 8000.0).sin()) as i16;
        let tone: Vec<i16> = (0..16_000).map(wave).collect();
        let spectrum = mean_spectrum(&tone, 1024);
        assert!((spectrum[128] + 9.03).abs() < 0.05, "{}", spectrum[128]);
        assert!(spectrum[300] < -80.0);
    }
}
