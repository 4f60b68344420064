//! A wave file in memory, mono, at the rate of the mixer that will play it.

use super::riff::{Format, RiffFault, Sound};
use crate::resample::Resampler;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The most samples that a loaded file may have, before and after it is brought to the mixer's rate: ten minutes at
/// 48 kHz, or 58 MB. Longer recordings are no prompts.
pub const MAX_SAMPLES: usize = 48_000 * 60 * 10;

/// The largest file that is opened, in bytes: [`MAX_SAMPLES`] in 16-bit stereo, and the chunks around them.
pub const MAX_FILE_BYTES: u64 = MAX_SAMPLES as u64 * 4 + 65_536;

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
    /// The file is too long to be held in memory: more than [`MAX_SAMPLES`] or [`MAX_FILE_BYTES`].
    #[error("{} is longer than {limit} samples (ten minutes at 48 kHz): cut it", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit, [`MAX_SAMPLES`].
        limit: usize,
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
    /// Reads a whole file and brings it to `rate` hertz: the rate of the mixer, so that no tick resamples it.
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
        let path = || name.as_ref().to_path_buf();
        let mut bytes = Vec::new();
        reader
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| WaveError::System { path: path(), source })?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(WaveError::TooLong {
                path: path(),
                limit: MAX_SAMPLES,
            });
        }
        let sound = Sound::find(&bytes).map_err(|fault| Fault::from(fault).about(path()))?;
        let Format {
            rate: from, channels, ..
        } = sound.format;
        let samples = mono(sound.samples(), channels).and_then(|mono| at_rate(mono, from, rate));
        Ok(Self {
            path: Some(name.as_ref().into()),
            rate,
            samples: samples.map_err(|fault| fault.about(path()))?.into(),
            missing: Duration::from_secs_f64(sound.missing as f64 / f64::from(from)),
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

/// What is wrong with the bytes, before a path is put to it.
enum Fault {
    NotAWave,
    Damaged(&'static str),
    Unsupported,
    TooLong,
}

impl Fault {
    fn about(self, path: PathBuf) -> WaveError {
        match self {
            Self::NotAWave => WaveError::NotAWave { path },
            Self::Damaged(reason) => WaveError::Damaged { path, reason },
            Self::Unsupported => WaveError::Unsupported { path },
            Self::TooLong => WaveError::TooLong {
                path,
                limit: MAX_SAMPLES,
            },
        }
    }
}

impl From<RiffFault> for Fault {
    fn from(fault: RiffFault) -> Self {
        match fault {
            RiffFault::NotAWave => Self::NotAWave,
            RiffFault::Damaged(reason) => Self::Damaged(reason),
            RiffFault::Unsupported => Self::Unsupported,
        }
    }
}

/// The mean of the channels, as 16-bit samples.
fn mono(mut samples: impl Iterator<Item = f32>, channels: u16) -> Result<Vec<i16>, Fault> {
    let mut out = Vec::new();
    while let Some(first) = samples.next() {
        let rest: f32 = samples.by_ref().take(usize::from(channels) - 1).sum();
        if out.len() == MAX_SAMPLES {
            return Err(Fault::TooLong);
        }
        // `as` saturates, and makes silence of what is not a number.
        out.push(((first + rest) / f32::from(channels)).round() as i16);
    }
    Ok(out)
}

/// Brings a whole sound to another rate, without delay.
fn at_rate(samples: Vec<i16>, from: u32, to: u32) -> Result<Vec<i16>, Fault> {
    if from == to {
        return Ok(samples);
    }
    if !FILE_RATES.contains(&from) || to == 0 {
        return Err(Fault::Unsupported);
    }
    let len = samples.len() as u64 * u64::from(to) / u64::from(from);
    if len > MAX_SAMPLES as u64 {
        return Err(Fault::TooLong);
    }
    let (chunk_in, chunk_out) = chunk(from, to);
    let mut resampler = Resampler::new(chunk_in, chunk_out).ok_or(Fault::Unsupported)?;
    let delay = resampler.delay();
    let mut out = Vec::with_capacity(len as usize + delay + chunk_out);
    let mut frame = vec![0; chunk_out];
    let mut rest = samples.as_slice();
    let mut padded = vec![0; chunk_in];
    while out.len() < len as usize + delay {
        let n = rest.len().min(chunk_in);
        padded[..n].copy_from_slice(&rest[..n]);
        padded[n..].fill(0);
        rest = &rest[n..];
        resampler.process(&padded, &mut frame);
        out.extend_from_slice(&frame);
    }
    out.drain(..delay);
    out.truncate(len as usize);
    Ok(out)
}

/// The smallest chunks of at least 10 ms or so that keep the relation of the two rates exactly.
fn chunk(from: u32, to: u32) -> (usize, usize) {
    let (mut a, mut b) = (from, to);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (from, to) = ((from / a) as usize, (to / a) as usize);
    let times = 480_usize.div_ceil(from.max(to));
    (from * times, to * times)
}

/// Rates of files that are played, in hertz.
const FILE_RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;
