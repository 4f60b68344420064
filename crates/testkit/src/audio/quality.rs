//! How good a recording is, against what was sent.

use super::align::align;
use super::level::dbfs;
use super::spectrum::dominant_tone;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;
use thiserror::Error;

/// What [`compare`] measured.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Quality {
    /// Samples a second of both, in hertz.
    pub rate: u32,
    /// How much later the source is heard in the recording, in samples; negative if the recording began later.
    pub delay_samples: f64,
    /// Normalised correlation of what overlaps, fractions of a sample taken out; up to 1.
    pub correlation: f64,
    /// Segmental signal-to-noise ratio of what overlaps, in decibels, within [`SNR_LIMITS`].
    pub segmental_snr: f64,
    /// How much louder the recording is than the source where they overlap, in decibels.
    pub gain_db: f64,
    /// Level of the source, in dBFS.
    pub source_dbfs: f64,
    /// Level of the recording where it overlaps, in dBFS.
    pub recording_dbfs: f64,
    /// Strongest frequency of the source, in hertz.
    pub source_tone: Option<f64>,
    /// Strongest frequency of the recording, in hertz.
    pub recording_tone: Option<f64>,
    /// How much of both was compared.
    pub compared: Duration,
}

/// What a recording must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Least correlation. Default 0.95.
    pub correlation: f64,
    /// Least segmental signal-to-noise ratio in decibels. Default 30, which only a codec without loss of its own reaches
    /// against the plain source; give a companded source as the reference for G.711.
    pub segmental_snr: f64,
    /// Most difference in level, either way, in decibels. Default 1.
    pub gain_db: f64,
    /// Most delay. Default 1 s.
    pub delay: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            correlation: 0.95,
            segmental_snr: 30.0,
            gain_db: 1.0,
            delay: Duration::from_secs(1),
        }
    }
}

/// The first threshold that a recording does not reach.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Shortfall {
    /// Another sound, or too much damage.
    #[error("correlation {found:.4} is below {least:.4}")]
    Correlation {
        /// What was measured.
        found: f64,
        /// What was asked for.
        least: f64,
    },
    /// Too much noise.
    #[error("segmental SNR {found:.1} dB is below {least:.1} dB")]
    Snr {
        /// What was measured.
        found: f64,
        /// What was asked for.
        least: f64,
    },
    /// Too loud or too soft.
    #[error("level differs by {found:+.1} dB, more than {most:.1} dB")]
    Gain {
        /// What was measured.
        found: f64,
        /// What was asked for.
        most: f64,
    },
    /// Too late.
    #[error("delay {found:.3} s is more than {most:.3} s")]
    Delay {
        /// What was measured, in seconds.
        found: f64,
        /// What was asked for, in seconds.
        most: f64,
    },
}

impl Quality {
    /// The delay in seconds; negative if the recording began later.
    pub fn delay_seconds(&self) -> f64 {
        self.delay_samples / f64::from(self.rate)
    }

    /// Whether the recording is good enough, or where it falls short first.
    pub fn check(&self, thresholds: &Thresholds) -> Result<(), Shortfall> {
        let Thresholds {
            correlation,
            segmental_snr,
            gain_db,
            delay,
        } = *thresholds;
        if self.correlation < correlation {
            let (found, least) = (self.correlation, correlation);
            Err(Shortfall::Correlation { found, least })
        } else if self.segmental_snr < segmental_snr {
            let (found, least) = (self.segmental_snr, segmental_snr);
            Err(Shortfall::Snr { found, least })
        } else if self.gain_db.abs() > gain_db {
            let (found, most) = (self.gain_db, gain_db);
            Err(Shortfall::Gain { found, most })
        } else if self.delay_seconds() > delay.as_secs_f64() {
            let (found, most) = (self.delay_seconds(), delay.as_secs_f64());
            Err(Shortfall::Delay { found, most })
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "correlation {:.4}, segmental SNR {:.1} dB, gain {:+.2} dB, delay {:.1} ms, {:.1} s compared",
            self.correlation,
            self.segmental_snr,
            self.gain_db,
            self.delay_seconds() * 1000.0,
            self.compared.as_secs_f64(),
        )
    }
}

/// Aligns a recording with its source and measures what overlaps. Both have the same rate.
pub fn compare(source: &[i16], recording: &[i16], rate: u32) -> Quality {
    let alignment = align(source, recording);
    let (reference, heard) = alignment.overlap(source, recording);
    Quality {
        rate,
        delay_samples: alignment.delay_samples as f64 + alignment.fraction,
        correlation: correlation(&reference, heard),
        segmental_snr: segmental_snr(&reference, heard, rate),
        gain_db: dbfs(heard) - dbfs(&reference),
        source_dbfs: dbfs(source),
        recording_dbfs: dbfs(heard),
        source_tone: dominant_tone(&reference, rate),
        recording_tone: dominant_tone(heard, rate),
        compared: Duration::from_secs_f64(heard.len() as f64 / f64::from(rate)),
    }
}

/// Normalised correlation of two sounds that lie on each other; 0 if one is silent.
fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let product =
        |x: &[i16], y: &[i16]| -> f64 { x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum() };
    let energy = (product(a, a) * product(b, b)).sqrt();
    if energy > 0.0 { product(a, b) / energy } else { 0.0 }
}

/// The mean over segments of [`SEGMENT`] of the ratio of the reference's energy to that of the difference, each segment
/// within [`SNR_LIMITS`], in decibels. Segments in which the reference is silent (below -60 dBFS) do not count. Gain is
/// not made up for. The two must be aligned. The lower limit if no segment counts.
pub fn segmental_snr(reference: &[i16], recording: &[i16], rate: u32) -> f64 {
    let size = ((SEGMENT.as_millis() as usize * rate as usize) / 1000).max(1);
    let segments = reference.chunks_exact(size).zip(recording.chunks_exact(size));
    let audible = segments.filter(|(reference, _)| dbfs(reference) > SILENT_DBFS);
    let ratios: Vec<f64> = audible
        .map(|(reference, recording)| snr(reference, recording))
        .collect();
    if ratios.is_empty() {
        return *SNR_LIMITS.start();
    }
    ratios.iter().sum::<f64>() / ratios.len() as f64
}

fn snr(reference: &[i16], recording: &[i16]) -> f64 {
    let energy: f64 = reference.iter().map(|&s| f64::from(s).powi(2)).sum();
    let pairs = reference.iter().zip(recording);
    let noise: f64 = pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    let (least, most) = SNR_LIMITS.into_inner();
    if noise == 0.0 {
        most
    } else {
        (10.0 * (energy / noise).log10()).clamp(least, most)
    }
}

/// Length of a segment: 20 ms, within which speech stands still.
pub const SEGMENT: Duration = Duration::from_millis(20);

/// The limits of one segment's ratio, in decibels: -10 and 35, the usual ones (Hansen and Pellom, ICSLP 1998; Loizou, *Speech
/// Enhancement*, §11.1). Above 35 nobody hears a difference; below -10 a segment is lost however bad it is. A threshold
/// of 30 leaves room below the cap: it is missed when more than one segment in nine is lost.
pub const SNR_LIMITS: RangeInclusive<f64> = -10.0..=35.0;

/// Below this a segment is silent.
const SILENT_DBFS: f64 = -60.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tune;

    #[test]
    fn the_same_sound_later_is_as_good_as_can_be() {
        let source = tune(16_000, 3.0);
        let mut recording = vec![0; 4000];
        recording.extend(&source);
        let quality = compare(&source, &recording, 16_000);
        assert_eq!(quality.check(&Thresholds::default()), Ok(()));
        assert!((quality.segmental_snr - 35.0).abs() < 1e-9, "{quality}");
        assert!((quality.delay_seconds() - 0.25).abs() < 1e-4, "{quality}");
    }

    #[test]
    fn noise_of_a_known_level_is_measured_as_such() {
        let source: Vec<i16> = (0..16_000)
            .map(|i| if i % 2 == 0 { 10_000 } else { -10_000 })
            .collect();
        let noisy: Vec<i16> = source
            .iter()
            .enumerate()
            .map(|(i, s)| s + if i % 4 < 2 { 1000 } else { -1000 })
            .collect();
        let snr = segmental_snr(&source, &noisy, 8_000);
        assert!((snr - 20.0).abs() < 0.01, "{snr}");
    }

    #[test]
    fn losses_noise_gain_and_delay_each_fall_short() {
        let source = tune(8_000, 2.0);
        let thresholds = Thresholds::default();
        let verdict = |recording: &[i16], thresholds| compare(&source, recording, 8_000).check(thresholds);
        let halved: Vec<i16> = source.iter().map(|s| s / 2).collect();
        let any_noise = Thresholds {
            segmental_snr: -10.0,
            ..thresholds
        };
        assert!(
            matches!(verdict(&halved, &any_noise), Err(Shortfall::Gain { found, .. }) if (found + 6.0).abs() < 0.1)
        );
        let mut late = vec![0; 9_000];
        late.extend(&source);
        assert!(matches!(
            verdict(&late, &thresholds),
            Err(Shortfall::Delay { .. })
        ));
        let mut lossy = source.clone();
        for lost in lossy.chunks_mut(160).step_by(5) {
            lost.fill(0);
        }
        let any_likeness = Thresholds {
            correlation: 0.5,
            ..thresholds
        };
        assert!(matches!(
            verdict(&lossy, &any_likeness),
            Err(Shortfall::Snr { .. })
        ));
        assert!(matches!(
            verdict(&vec![0; 16_000], &thresholds),
            Err(Shortfall::Correlation { .. })
        ));
    }
}
