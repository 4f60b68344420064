//! A wave file in memory, mono, at the rate of the mixer that will play it.

use super::rated::Rated;
use super::riff::{Fault, Format, Head, up_to};
use crate::mixer::{MAX_PORT_RATE, MIN_RATE};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The most samples that a loaded file may have, mono and at the mixer's rate: ten minutes at 48 kHz, an hour at 8 kHz, 58 MB.
/// Longer recordings are no prompts.
pub const MAX_SAMPLES: usize = 48_000 * 60 * 10;

/// What a wave file holds. Cheap to clone: all clones share the samples.
#[derive(Clone, PartialEq, Eq)]
pub struct WaveFile {
    path: Option<Arc<Path>>,
    rate: u32,
    samples: Arc<[i16]>,
    missing: Duration,
}

/// Why a wave file cannot be played.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum WaveError {
    /// There is no such file.
    #[error("{} does not exist: check the path", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is a pipe or a device: only ordinary files are read whole.
    #[error("{} is no ordinary file: write the sound to one first", path.display())]
    Special {
        /// The pipe or device.
        path: PathBuf,
    },
    /// The file is of another kind, whatever its name says.
    #[error("{} is not a wave file (no RIFF/WAVE header): convert it to .wav first", path.display())]
    NotAWave {
        /// The file.
        path: PathBuf,
    },
    /// The file calls itself a wave file but contradicts itself.
    #[error("{} is a damaged wave file: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file is a wave file of a kind that is not played.
    #[error(
        "{} has samples in an unsupported format; PCM of 8, 16, 24 or 32 bits, floats of 32 or 64, A-law and µ-law at \
         1000..=384000 Hz are supported: convert it",
        path.display()
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
    },
    /// The caller's fault: no port plays at such a rate.
    #[error("cannot play at {rate} Hz: {MIN_RATE} to {MAX_PORT_RATE} Hz are possible")]
    Rate {
        /// The rate asked for, in hertz.
        rate: u32,
    },
    /// The file is too long to be held in memory: more than [`MAX_SAMPLES`].
    #[error("{} is longer than {limit:?}, the most that is kept in memory at the mixer's rate: cut it", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How long [`MAX_SAMPLES`] are.
        limit: Duration,
    },
    /// The system refused to give the file's contents.
    #[error("cannot read {}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WaveFile {
    /// Reads a whole file and brings it to `rate` hertz, 8000 to 192000: the rate of the mixer, so that no tick resamples it.
    pub fn load(path: impl AsRef<Path>, rate: u32) -> Result<Self, WaveError> {
        let path = path.as_ref();
        let system = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => WaveError::Missing { path: path.into() },
            _ => WaveError::System {
                path: path.into(),
                source,
            },
        };
        // Whoever opens a pipe waits for the program at its other end.
        let there = fs::metadata(path).map_err(system)?;
        if !there.is_file() && !there.is_dir() {
            return Err(WaveError::Special { path: path.into() });
        }
        let file = File::open(path).map_err(system)?;
        Self::read(path, BufReader::new(file), rate)
    }

    /// Reads a wave file from bytes; `name` is what errors call it.
    pub fn read(name: impl AsRef<Path>, reader: impl Read, rate: u32) -> Result<Self, WaveError> {
        let path = name.as_ref();
        if !(MIN_RATE..=MAX_PORT_RATE).contains(&rate) {
            return Err(WaveError::Rate { rate });
        }
        let (samples, missing) = read(reader, rate).map_err(|fault| fault.about(path.into(), rate))?;
        Ok(Self {
            path: Some(path.into()),
            rate,
            samples: samples.into(),
            missing,
        })
    }

    /// A sound that a program made itself, as if it had been in a file.
    pub fn from_samples(rate: u32, samples: impl Into<Arc<[i16]>>) -> Self {
        Self {
            path: None,
            rate,
            samples: samples.into(),
            missing: Duration::ZERO,
        }
    }

    /// The file, or what it was called; `None` of a sound that a program made itself.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Samples a second, in hertz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How much more sound the file's header promises than there is: it was cut off. Zero of a whole file, and of a stream that
    /// was written without knowing its length.
    pub fn missing(&self) -> Duration {
        self.missing
    }

    /// The sound.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }
}

impl std::fmt::Debug for WaveFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WaveFile({} samples at {} Hz)", self.samples.len(), self.rate)
    }
}

impl Fault {
    /// For a mixer of `rate` hertz.
    fn about(self, path: PathBuf, rate: u32) -> WaveError {
        match self {
            Self::NotAWave => WaveError::NotAWave { path },
            Self::Damaged(reason) => WaveError::Damaged { path, reason },
            Self::Unsupported => WaveError::Unsupported { path },
            Self::TooLong => WaveError::TooLong {
                path,
                limit: Duration::from_secs(MAX_SAMPLES as u64 / u64::from(rate.max(1))),
            },
            Self::System(source) => WaveError::System { path, source },
        }
    }
}

/// The samples of a file, and how much sound is missing of what its header promises. A block of them is held at a time.
fn read(mut file: impl Read, rate: u32) -> Result<(Vec<i16>, Duration), Fault> {
    let head = Head::read(&mut file)?;
    let Format { rate: from, .. } = head.format;
    if from != rate && !FILE_RATES.contains(&from) {
        return Err(Fault::Unsupported);
    }
    let frame_len = head.format.frame_len();
    let at_once = (BLOCK / frame_len).max(1) as u64;
    let mut sound = Rated::new(from, rate).ok_or(Fault::Unsupported)?;
    let mut samples = Vec::new();
    while sound.taken() < head.frames {
        let wanted = at_once.min(head.frames - sound.taken()) * frame_len as u64;
        let block = up_to(wanted, &mut file)?;
        for frame in block.chunks_exact(frame_len) {
            sound.take(head.format.mono(frame), &mut samples);
            if sound.len() > MAX_SAMPLES as u64 {
                return Err(Fault::TooLong);
            }
        }
        if (block.len() as u64) < wanted {
            break;
        }
    }
    sound.finish(&mut samples);
    let missing = head.missing(sound.taken()) as f64 / f64::from(from);
    Ok((samples, Duration::from_secs_f64(missing)))
}

/// Rates of files that are played, in hertz.
const FILE_RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// Bytes of samples that are read at a time, or one frame of all its channels.
const BLOCK: usize = 64 * 1024;
