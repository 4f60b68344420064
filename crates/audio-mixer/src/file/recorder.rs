//! Records what a port hears to a wave file, by a thread of its own.

use crate::port::{AudioPort, Role, Tick};
use hound::{SampleFormat, WavSpec, WavWriter};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use thiserror::Error;

/// A port that records what it hears: 16-bit mono PCM. Made by [`WaveRecorder::start`] together with its
/// [`Recording`], which stays with the application while the port sits in the mixer.
///
/// Dropping the port ends the recording; the file is then closed by the writer's thread.
#[derive(Debug)]
pub struct WaveRecorder {
    rate: u32,
    ring: Producer<i16>,
    shared: Arc<Shared>,
}

/// The application's end of a recording. Dropping it lets the recording go on until its port is dropped.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    shared: Arc<Shared>,
    writer: JoinHandle<Result<Summary, RecordError>>,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// Samples in the file.
    pub samples: u64,
    /// Samples a second, in hertz.
    pub sample_rate: u32,
    /// Samples that were lost because the disk was too slow for [`WaveRecorder::BUFFER`].
    pub overruns: u64,
}

impl Summary {
    /// How long the recording plays.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples as f64 / f64::from(self.sample_rate))
    }
}

/// Why nothing, or not all, was recorded. In all cases the system is at fault, or the path.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum RecordError {
    /// The folders above the file cannot be made.
    #[error("cannot make the folder {}: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be opened for writing.
    #[error("cannot write {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed after the beginning. The file is valid and holds what was written until then.
    #[error("recording to {} broke off after {samples} samples: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Samples in the file.
        samples: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that writes cannot be started, or panicked.
    #[error("no thread to write {}", path.display())]
    Thread {
        /// The file.
        path: PathBuf,
    },
}

/// What the port, the application and the writer tell each other.
#[derive(Debug, Default)]
struct Shared {
    paused: AtomicBool,
    finish: AtomicBool,
    ended: AtomicBool,
    overruns: AtomicU64,
}

impl WaveRecorder {
    /// How much sound waits for the disk before samples are lost.
    pub const BUFFER: Duration = Duration::from_secs(2);

    /// How often the header is brought up to date, so that a crash costs no more than this.
    pub const CHECKPOINT: Duration = Duration::from_secs(1);

    /// Opens `path` for a recording at `rate` hertz, which should be the mixer's, and makes the folders above it. A file
    /// of that name is overwritten. Nothing is left behind when opening fails.
    ///
    /// This touches the disk: call it before the port goes to the mixer's thread.
    pub fn start(path: impl Into<PathBuf>, rate: u32) -> Result<(Self, Recording), RecordError> {
        let path = path.into();
        let file = open(&path, rate)?;
        let (ring, samples) = RingBuffer::new(rate as usize * Self::BUFFER.as_secs() as usize);
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            path: path.clone(),
            rate,
            file,
            samples,
            shared: Arc::clone(&shared),
            written: 0,
        };
        let thread = thread::Builder::new().name("offhook-wave-writer".into());
        let writer = thread.spawn(move || writer.run()).map_err(|_| {
            discard(&path);
            RecordError::Thread { path: path.clone() }
        })?;
        let port = Self {
            rate,
            ring,
            shared: Arc::clone(&shared),
        };
        Ok((port, Recording { path, shared, writer }))
    }
}

impl AudioPort for WaveRecorder {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::CONSUMER
    }

    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        if self.shared.paused.load(Ordering::Relaxed) || self.shared.finish.load(Ordering::Relaxed) {
            return;
        }
        let (_, lost) = self.ring.push_partial_slice(frame);
        if !lost.is_empty() {
            self.shared
                .overruns
                .fetch_add(lost.len() as u64, Ordering::Relaxed);
        }
    }
}

impl Recording {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the recording goes on: neither finished nor broken off. It does while paused.
    pub fn is_active(&self) -> bool {
        !self.shared.ended.load(Ordering::Acquire) && !self.shared.finish.load(Ordering::Relaxed)
    }

    /// Leaves out what is heard from now on.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::Relaxed);
    }

    /// Records again.
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::Relaxed);
    }

    /// Whether the recording is paused.
    pub fn is_paused(&self) -> bool {
        self.shared.paused.load(Ordering::Relaxed)
    }

    /// Samples lost so far because the disk was too slow.
    pub fn overruns(&self) -> u64 {
        self.shared.overruns.load(Ordering::Relaxed)
    }

    /// Ends the recording, waits until all that was heard is on its way to the disk and the file is closed, and tells
    /// how it went. Blocks for about as long as the disk needs.
    pub fn finish(self) -> Result<Summary, RecordError> {
        self.shared.finish.store(true, Ordering::Release);
        self.writer.thread().unpark();
        let path = self.path;
        self.writer.join().unwrap_or(Err(RecordError::Thread { path }))
    }
}

/// The writer's thread.
struct Writer {
    path: PathBuf,
    rate: u32,
    file: WavWriter<BufWriter<File>>,
    samples: Consumer<i16>,
    shared: Arc<Shared>,
    written: u64,
}

impl Writer {
    fn run(mut self) -> Result<Summary, RecordError> {
        let shared = Arc::clone(&self.shared);
        let result = self.write_all().and_then(|()| self.file.finalize());
        shared.ended.store(true, Ordering::Release);
        match result {
            Ok(()) => Ok(Summary {
                path: self.path,
                samples: self.written,
                sample_rate: self.rate,
                overruns: shared.overruns.load(Ordering::Relaxed),
            }),
            Err(error) => Err(RecordError::Write {
                path: self.path,
                samples: self.written,
                source: system(error),
            }),
        }
    }

    fn write_all(&mut self) -> Result<(), hound::Error> {
        let mut unsaved = 0;
        loop {
            // Asked before the ring is emptied, so that nothing put in before is left in it.
            let over = self.shared.finish.load(Ordering::Acquire) || self.samples.is_abandoned();
            while let Ok(sample) = self.samples.pop() {
                if self.written == MAX_SAMPLES_IN_FILE {
                    let full = io::Error::new(io::ErrorKind::FileTooLarge, "a wave file ends at 4 GiB");
                    return Err(hound::Error::IoError(full));
                }
                self.file.write_sample(sample)?;
                self.written += 1;
                unsaved += 1;
            }
            if over {
                return Ok(());
            }
            if unsaved >= u64::from(self.rate) * WaveRecorder::CHECKPOINT.as_secs() {
                self.file.flush()?;
                unsaved = 0;
            }
            thread::park_timeout(NAP);
        }
    }
}

fn open(path: &Path, rate: u32) -> Result<WavWriter<BufWriter<File>>, RecordError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|source| RecordError::Folder {
            folder: folder.into(),
            source,
        })?;
    }
    let failed = |source| RecordError::Open {
        path: path.into(),
        source,
    };
    let file = File::create(path).map_err(failed)?;
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let header = WavWriter::new(BufWriter::new(file), spec).and_then(|mut writer| {
        writer.flush()?;
        Ok(writer)
    });
    header.map_err(|error| {
        discard(path);
        failed(system(error))
    })
}

/// Takes away a file that was just made and will not be written.
fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::debug!(%error, "an empty recording could not be removed");
    }
}

fn system(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// How long the writer sleeps when the ring is empty.
const NAP: Duration = Duration::from_millis(20);

/// The 32-bit sizes of a wave file, less the header, in 16-bit samples.
const MAX_SAMPLES_IN_FILE: u64 = (u32::MAX as u64 - 64) / 2;
