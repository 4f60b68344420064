//! How loud: of the whole, and of one tone in it.

use std::f64::consts::TAU;

/// The root mean square of the samples, 0..=32768. 0 for none.
pub fn rms(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    (energy / samples.len().max(1) as f64).sqrt()
}

/// The level of the samples in dBFS; negative infinity for silence.
pub fn dbfs(samples: &[i16]) -> f64 {
    20.0 * (rms(samples) / FULL_SCALE).log10()
}

/// The level of the tone of `hz` hertz in the samples, in dBFS, by Goertzel's algorithm: what [`dbfs`] would say if this
/// tone were all there is. Tones nearer to each other than one over the duration are not told apart.
pub fn tone_level(samples: &[i16], rate: u32, hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in samples {
        (last, before) = (f64::from(sample) + coefficient * last - before, last);
    }
    let power = last * last + before * before - coefficient * last * before;
    let n = samples.len().max(1) as f64;
    // A sine of amplitude A has the power (A n / 2)²; its root mean square is A / √2.
    10.0 * (2.0 * power.max(0.0) / (n * n) / FULL_SCALE.powi(2)).log10()
}

/// The largest amplitude.
const FULL_SCALE: f64 = 32_768.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, amplitude: f64) -> Vec<i16> {
        let wave = |i| (amplitude * (TAU * hz * f64::from(i) / 8000.0).sin()) as i16;
        (0..8000).map(wave).collect()
    }

    #[test]
    fn a_pure_tone_has_the_same_level_by_both_measures() {
        let tone = sine(1000.0, 16_384.0);
        assert!((dbfs(&tone) + 9.03).abs() < 0.01, "{}", dbfs(&tone));
        assert!((tone_level(&tone, 8000, 1000.0) + 9.03).abs() < 0.01);
        assert!(tone_level(&tone, 8000, 1500.0) < -80.0);
    }

    #[test]
    fn silence_is_infinitely_low() {
        assert_eq!(dbfs(&[]).to_string(), "-inf");
        assert_eq!(dbfs(&[0; 100]).to_string(), "-inf");
    }
}
