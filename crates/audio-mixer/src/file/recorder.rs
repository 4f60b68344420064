//! Records what a port hears to a wave file, by a thread of its own.

use super::place::Place;
use super::rated::Rated;
use super::writer::{self, GAP, Rates, Side, Writer};
use crate::mixer::{MAX_PORT_RATE, MIN_RATE, TickLength};
use crate::port::{AudioPort, Role, Tick};
use rtrb::{Producer, RingBuffer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use thiserror::Error;

/// A port that records what it hears: 16-bit PCM. Made by [`WaveRecorder::start`] together with its
/// [`Recording`], which stays with the application while the port sits in the mixer.
///
/// Dropping the port (both of a stereo recording) ends the recording; the file is then closed by the writer's thread. A port whose
/// recording was finished or broke off leaves its mixer by itself.
/// A recording is not started twice: to record to the same file anew, start another one.
#[derive(Debug)]
pub struct WaveRecorder {
    /// The port's, which is the file's where that has whole frames in each tick.
    rate: u32,
    /// Samples, and gaps as [`GAP`] plus their length.
    ring: Producer<i32>,
    /// Samples and gaps given so far.
    position: u64,
    shared: Arc<Shared>,
}

/// The application's end of a recording. Dropping it lets the recording go on until its port is dropped.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<Result<Summary, RecordError>>>,
    outcome: Option<Result<Summary, Arc<RecordError>>>,
}

/// What happened to a [`Recording`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RecorderEvent {
    /// The recording is complete and the file closed.
    DidEnd(Summary),
    /// The recording broke off; nothing more is written.
    DidFail(Arc<RecordError>),
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// Samples in the file, of each channel.
    pub samples: u64,
    /// Samples a second, in hertz.
    pub sample_rate: u32,
    /// 1, or 2 of a stereo recording.
    pub channels: u16,
    /// Samples that were lost because the disk was too slow for [`WaveRecorder::BUFFER`].
    pub overruns: u64,
}

impl Summary {
    /// How long the recording plays.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples as f64 / f64::from(self.sample_rate))
    }
}

/// Why nothing, or not all, was recorded. The system is at fault, or the path, but for [`Rate`](Self::Rate).
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum RecordError {
    /// The caller's fault: no file is recorded at such a rate. Nothing was touched.
    #[error("cannot record at {rate} Hz: {MIN_RATE} to {MAX_PORT_RATE} Hz are possible")]
    Rate {
        /// The rate, in hertz.
        rate: u32,
    },
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
        /// Samples in the file, of each channel.
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

/// What the ports, the application and the writer tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    paused: AtomicBool,
    pub(super) finish: AtomicBool,
    /// What was recorded is not wanted.
    pub(super) discard: AtomicBool,
    pub(super) ended: AtomicBool,
    pub(super) overruns: AtomicU64,
    tick: Latch,
}

/// What both ports of a stereo recording go by in one tick, so that a pause begins for both at once. Written on the
/// mixer's thread only.
#[derive(Debug, Default)]
struct Latch {
    /// Number of the tick, plus one.
    seen: AtomicU64,
    paused: AtomicBool,
    /// Ticks recorded so far, this one included.
    recorded: AtomicU64,
}

impl Shared {
    /// Neither finished nor broken off.
    fn goes_on(&self) -> bool {
        !self.ended.load(Ordering::Acquire) && !self.finish.load(Ordering::Relaxed)
    }

    /// How many ticks are in the recording with this one; `None` while it is paused or finished.
    fn enter(&self, tick: &Tick) -> Option<u64> {
        let latch = &self.tick;
        if latch.seen.swap(tick.index + 1, Ordering::Relaxed) != tick.index + 1 {
            let paused = self.paused.load(Ordering::Relaxed) || self.finish.load(Ordering::Relaxed);
            latch.paused.store(paused, Ordering::Relaxed);
            latch.recorded.fetch_add(u64::from(!paused), Ordering::Relaxed);
        }
        let recorded = latch.recorded.load(Ordering::Relaxed);
        (!latch.paused.load(Ordering::Relaxed)).then_some(recorded)
    }
}

impl WaveRecorder {
    /// How much sound waits for the disk before samples are lost.
    pub const BUFFER: Duration = Duration::from_secs(2);

    /// How often the header is brought up to date, so that a crash costs no more than this, and up to a second more at a rate
    /// that has no whole number of samples in 10 ms.
    pub const CHECKPOINT: Duration = Duration::from_secs(1);

    /// Opens `path` for a recording at `rate` hertz, 8000 to 192000, which should be the mixer's, and makes the folders above it. A
    /// rate that has no whole number of samples in 10 ms, as 11025 has none, is kept as well: the port then takes the next rate
    /// that has, and the writer's thread resamples. A file of that name is overwritten; a device or a pipe is refused, for the header is brought up to date again and again, and so
    /// is a file that another recording is being written to. A file that was made is removed again when this fails.
    ///
    /// This touches the disk: call it before the port goes to the mixer's thread.
    pub fn start(path: impl Into<PathBuf>, rate: u32) -> Result<(Self, Recording), RecordError> {
        let ([port], recording) = Self::record(Place::at(path.into()), rate)?;
        Ok((port, recording))
    }

    /// As [`start`](Self::start), but an older file of that name stands until the recording is over: it grows as `path` with `.part` behind
    /// it, and takes the name when it is closed. It does not if it broke off, or if nothing was heard: then the older file
    /// stays, and only where there is none the name is taken all the same.
    pub fn start_aside(path: impl Into<PathBuf>, rate: u32) -> Result<(Self, Recording), RecordError> {
        let ([port], recording) = Self::record(Place::aside(path.into()), rate)?;
        Ok((port, recording))
    }

    /// As [`start`](Self::start), but with two ports: what the first hears goes to the left channel (me), what the second hears to the
    /// right one (they). While only one of them is connected to something, the other channel is silent.
    pub fn start_stereo(path: impl Into<PathBuf>, rate: u32) -> Result<(Self, Self, Recording), RecordError> {
        let ([left, right], recording) = Self::record(Place::at(path.into()), rate)?;
        Ok((left, right, recording))
    }

    /// A [stereo recording](Self::start_stereo) that takes its name [when it is over](Self::start_aside).
    pub fn start_stereo_aside(
        path: impl Into<PathBuf>,
        rate: u32,
    ) -> Result<(Self, Self, Recording), RecordError> {
        let ([left, right], recording) = Self::record(Place::aside(path.into()), rate)?;
        Ok((left, right, recording))
    }

    fn record<const CHANNELS: usize>(
        place: Place,
        rate: u32,
    ) -> Result<([Self; CHANNELS], Recording), RecordError> {
        if !(MIN_RATE..=MAX_PORT_RATE).contains(&rate) {
            return Err(RecordError::Rate { rate });
        }
        // Whole frames in ticks of any length: those of 20 ms are two of 10.
        let port_rate = rate.next_multiple_of(TickLength::Ms10.per_second());
        let sounds: Option<Vec<_>> = (0..CHANNELS).map(|_| Rated::new(port_rate, rate)).collect();
        let mut sounds = sounds.ok_or(RecordError::Rate { rate })?.into_iter();
        let (file, made) = writer::open(&place, rate, CHANNELS as u16)?;
        let shared = Arc::new(Shared::default());
        let mut sides = Vec::with_capacity(CHANNELS);
        let ports = std::array::from_fn(|_| {
            let (ring, samples) = RingBuffer::new(port_rate as usize * Self::BUFFER.as_secs() as usize);
            sides.extend(sounds.next().map(|sound| Side::new(samples, sound)));
            Self {
                rate: port_rate,
                ring,
                position: 0,
                shared: Arc::clone(&shared),
            }
        });
        let rates = Rates {
            port: port_rate,
            file: rate,
        };
        let writer = Writer::new(place.clone(), rates, file, sides, Arc::clone(&shared));
        let thread = thread::Builder::new().name("offhook-wave-writer".into());
        let writer = thread.spawn(move || writer.run()).map_err(|_| {
            made.discard(&place.written);
            RecordError::Thread {
                path: place.name.clone(),
            }
        })?;
        let recording = Recording {
            path: place.name,
            shared,
            writer: Some(writer),
            outcome: None,
        };
        Ok((ports, recording))
    }

    fn lost(&self, samples: u64) {
        self.shared.overruns.fetch_add(samples, Ordering::Relaxed);
    }
}

impl AudioPort for WaveRecorder {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::CONSUMER
    }

    fn is_over(&self) -> bool {
        !self.shared.goes_on()
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        let Some(recorded) = self.shared.enter(tick) else {
            return;
        };
        let due = recorded * frame.len() as u64;
        let gap = due.saturating_sub(self.position + frame.len() as u64);
        // The other port was connected while this one was not.
        if gap > 0 && self.ring.push(GAP + gap.min(GAP as u64) as i32).is_err() {
            return self.lost(frame.len() as u64);
        }
        let room = self.ring.slots().min(frame.len());
        let (kept, lost) = frame.split_at(room);
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            chunk.fill_from_iter(kept.iter().map(|&sample| i32::from(sample)));
        }
        self.position += gap + room as u64;
        if !lost.is_empty() {
            self.lost(lost.len() as u64);
        }
    }
}

impl Recording {
    /// The file that it will be, by its absolute path: where the program was when the recording began does not matter.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the recording goes on: neither finished nor broken off. It does while paused.
    pub fn is_active(&self) -> bool {
        self.shared.goes_on()
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

    /// How the recording ended, once, when it did: by itself because its ports were dropped, or because it broke off.
    /// Does not wait.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<RecorderEvent> {
        if !self.writer.as_ref()?.is_finished() {
            return None;
        }
        Some(match self.join() {
            Ok(summary) => RecorderEvent::DidEnd(summary),
            Err(error) => RecorderEvent::DidFail(error),
        })
    }

    /// Ends the recording, waits until all that was heard is on its way to the disk and the file is closed, and tells
    /// how it went. Blocks for about as long as the disk needs.
    pub fn finish(mut self) -> Result<Summary, Arc<RecordError>> {
        self.end()
    }

    /// Ends the recording and removes what was recorded. Blocks likewise.
    pub fn discard(mut self) {
        self.shared.discard.store(true, Ordering::Relaxed);
        if let Err(error) = self.end() {
            tracing::debug!(%error, "a recording that is not wanted");
        }
    }

    fn end(&mut self) -> Result<Summary, Arc<RecordError>> {
        self.shared.finish.store(true, Ordering::Release);
        if let Some(writer) = &self.writer {
            writer.thread().unpark();
        }
        self.join()
    }

    fn join(&mut self) -> Result<Summary, Arc<RecordError>> {
        let ended = self.writer.take().map(|writer| {
            let path = self.path.clone();
            let result = writer.join().unwrap_or(Err(RecordError::Thread { path }));
            result.map_err(Arc::new)
        });
        self.outcome = ended.or_else(|| self.outcome.take());
        let gone = || {
            Err(Arc::new(RecordError::Thread {
                path: self.path.clone(),
            }))
        };
        self.outcome.clone().unwrap_or_else(gone)
    }
}
