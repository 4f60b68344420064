//! Whether a recording holds what was played. Measured; nothing is taken for granted.

use offhook::{AudioCodec, RecordError, WaveError};
use offhook_testkit::audio::{
    PictureError, Quality, SNR_LIMITS, Shortfall, Thresholds, Track, compare, picture,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Least level of a recording, in dBFS: what is softer is silence.
const AUDIBLE_DBFS: f64 = -60.0;

/// Least part of what was played that must be in the recording.
const LEAST_PART: f64 = 0.98;

/// The two directions of the call.
const DIRECTIONS: [&str; 2] = ["caller to test number", "test number to caller"];

/// What was measured of one direction, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) direction: &'static str,
    pub(crate) quality: Quality,
    pub(crate) fault: Option<Fault>,
}

/// Why the demo failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "{direction}: the recording is silent, {found:.1} dBFS where at least {least:.1} dBFS was expected"
    )]
    Silent {
        direction: &'static str,
        found: f64,
        least: f64,
    },
    #[error("{direction}: the recording is not what was played, {shortfall}")]
    Wrong {
        direction: &'static str,
        shortfall: Shortfall,
    },
    #[error(
        "{direction}: the recording holds {found:.2} s of what was played, at least {least:.2} s was expected"
    )]
    Short {
        direction: &'static str,
        found: f64,
        least: f64,
    },
    #[error("{}: {length:.1} s at {level:.1} dBFS is too short or too soft to be measured", path.display())]
    NothingToPlay { path: PathBuf, level: f64, length: f64 },
    #[error("{}: {cause}", path.display())]
    File {
        path: PathBuf,
        cause: Arc<std::io::Error>,
    },
    #[error(transparent)]
    Wave(Arc<WaveError>),
    #[error(transparent)]
    Record(Arc<RecordError>),
    #[error(transparent)]
    Picture(#[from] PictureError),
}

impl Fault {
    pub(crate) fn file(path: &Path, cause: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            cause: Arc::new(cause),
        }
    }
}

impl From<WaveError> for Fault {
    fn from(error: WaveError) -> Self {
        Self::Wave(Arc::new(error))
    }
}

impl From<Arc<RecordError>> for Fault {
    fn from(error: Arc<RecordError>) -> Self {
        Self::Record(error)
    }
}

impl From<RecordError> for Fault {
    fn from(error: RecordError) -> Self {
        Self::Record(Arc::new(error))
    }
}

/// Measures both directions (the caller's first) against their references, and draws them to a file.
pub(crate) fn judge(
    codec: AudioCodec,
    references: &[Vec<i16>; 2],
    heard: &[Vec<i16>; 2],
    drawing: &Path,
) -> Result<[Verdict; 2], Fault> {
    let rate = codec.spec().sample_rate;
    let track = |index: usize| Track {
        title: DIRECTIONS[index],
        rate,
        source: &references[index],
        recording: &heard[index],
    };
    let title = format!("Offhook demo: {} at {rate} Hz", codec.spec().name);
    let verdict = |index: usize| verdict(codec, DIRECTIONS[index], &references[index], &heard[index]);
    // Transforms of whole recordings: somebody waits.
    std::thread::scope(|scope| {
        let drawn = scope.spawn(|| picture(drawing, &title, &track(0), &track(1)));
        let verdicts = [verdict(0), verdict(1)];
        drawn.join().expect("the drawing thread does not panic")?;
        Ok(verdicts)
    })
}

/// Measures one recording.
fn verdict(codec: AudioCodec, direction: &'static str, reference: &[i16], heard: &[i16]) -> Verdict {
    let rate = codec.spec().sample_rate;
    let quality = compare(reference, heard, rate);
    let least = LEAST_PART * reference.len() as f64 / f64::from(rate);
    let found = quality.compared.as_secs_f64();
    let fault = if quality.recording_dbfs < AUDIBLE_DBFS {
        Some(Fault::Silent {
            direction,
            found: quality.recording_dbfs,
            least: AUDIBLE_DBFS,
        })
    } else if let Err(shortfall) = quality.check(&thresholds(codec)) {
        Some(Fault::Wrong { direction, shortfall })
    } else if found < least {
        Some(Fault::Short {
            direction,
            found,
            least,
        })
    } else {
        None
    };
    Verdict {
        direction,
        quality,
        fault,
    }
}

/// What a recording must reach. G.711 is compared with companded sound, so that every sample should be there; the others
/// change the wave and keep its shape.
fn thresholds(codec: AudioCodec) -> Thresholds {
    match codec {
        AudioCodec::Pcmu | AudioCodec::Pcma => Thresholds::default(),
        _ => Thresholds {
            segmental_snr: *SNR_LIMITS.start(),
            ..Thresholds::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sound::reference;
    use offhook_testkit::audio::tune;

    const CODEC: AudioCodec = AudioCodec::Pcmu;

    /// What two sides play, companded.
    fn two_tunes() -> [Vec<i16>; 2] {
        let melody = reference(CODEC, &tune(8000, 6.0));
        let (first, second) = melody.split_at(24_000);
        [first.to_vec(), second.to_vec()]
    }

    fn fault(reference: &[i16], heard: &[i16]) -> Option<Fault> {
        verdict(CODEC, DIRECTIONS[0], reference, heard).fault
    }

    #[test]
    fn what_was_played_passes_when_it_is_heard_later() {
        let [tune, _] = two_tunes();
        let heard = [vec![0; 2000], tune.clone(), vec![0; 500]].concat();
        assert!(fault(&tune, &heard).is_none());
    }

    #[test]
    fn silence_fails_and_says_how_silent_it_is() {
        let [tune, _] = two_tunes();
        let message = fault(&tune, &vec![0; 26_000])
            .expect("silence is a fault")
            .to_string();
        assert!(
            message.contains("silent, -inf dBFS") && message.contains("-60.0 dBFS"),
            "{message}"
        );
        assert!(matches!(fault(&tune, &[]), Some(Fault::Silent { .. })));
    }

    #[test]
    fn the_other_sides_tune_fails_with_its_correlation_and_the_threshold() {
        let [tune, other] = two_tunes();
        let message = fault(&tune, &other).expect("a swap is a fault").to_string();
        assert!(
            message.contains("correlation 0.") && message.contains("below 0.9500"),
            "{message}"
        );
    }

    #[test]
    fn noise_fails_with_its_ratio_and_the_threshold() {
        let [tune, _] = two_tunes();
        let noisy: Vec<i16> = (0_u32..)
            .zip(&tune)
            .map(|(i, sample)| sample + (i.wrapping_mul(2_654_435_761) >> 23) as i16 - 256)
            .collect();
        let message = fault(&tune, &noisy).expect("noise is a fault").to_string();
        assert!(
            message.contains("segmental SNR") && message.contains("below 30.0 dB"),
            "{message}"
        );
    }

    #[test]
    fn a_recording_that_ends_early_fails_with_its_length() {
        let [tune, _] = two_tunes();
        let message = fault(&tune, &tune[..20_000])
            .expect("a part is a fault")
            .to_string();
        assert!(
            message.contains("holds 2.50 s") && message.contains("2.94 s"),
            "{message}"
        );
    }
}
