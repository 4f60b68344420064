//! Files and pipes in place of a microphone and a loudspeaker.

use super::choice::{DeviceError, DeviceEvent, Direction};
use super::lasting::OpenDevice;
use super::ring::{self, Counters, DeviceStats, Inlet, Outlet};
use crate::file::{PlayerOptions, RecorderEvent, Recording, WaveFile, WavePlayer, WaveRecorder};
use crate::port::{AudioPort, Produced, Role, Tick};
use rtrb::Consumer;
use std::cell::Cell;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// A device made of files: headless systems and tests hear and speak by it.
///
/// The microphone plays a wave file of any format once, then it is silent; the loudspeaker records a 16-bit wave file. Where
/// there is a named pipe or another special file instead, it is read or written as raw 16-bit little-endian mono samples
/// at the device's rate, by a thread of its own; the mixer's clock paces both.
pub struct FileDevice {
    rate: u32,
    microphone: Option<Microphone>,
    loudspeaker: Option<Loudspeaker>,
}

enum Microphone {
    Wave(WavePlayer),
    Pipe(Outlet),
}

enum Loudspeaker {
    Wave(WaveRecorder),
    Pipe(Inlet),
}

/// The application's end of a [`FileDevice`]. When it is dropped, the recording is complete and its file closed.
#[derive(Debug)]
pub struct FileHandle {
    recording: Option<Recording>,
    failures: Receiver<DeviceError>,
    counters: Arc<Counters>,
    looks: Cell<u64>,
}

impl FileDevice {
    /// How much sound waits for a pipe before samples are lost.
    pub const BUFFER: Duration = Duration::from_secs(1);

    /// Opens a device at `rate` hertz, the mixer's; a wave file is brought to it.
    ///
    /// This reads the whole input file: call it before the port goes to the mixer's thread. A pipe is opened by its thread,
    /// which waits for the program at its other end.
    ///
    /// # Errors
    /// [`DeviceError::System`] with the cause when a file cannot be played or made.
    pub fn open(
        input: Option<&Path>,
        output: Option<&Path>,
        rate: u32,
    ) -> Result<(Self, FileHandle), DeviceError> {
        let (told, failures) = channel();
        let counters = Arc::new(Counters::default());
        let mut handle = FileHandle {
            recording: None,
            failures,
            counters: Arc::clone(&counters),
            looks: Cell::new(0),
        };
        let microphone = input
            .map(|path| Microphone::open(path, rate, &counters, told.clone()))
            .transpose()?;
        let loudspeaker = match output {
            None => None,
            Some(path) if is_special(path) => Some(Loudspeaker::pipe(path, rate, &counters, told)?),
            Some(path) => {
                let (port, recording) =
                    WaveRecorder::start(path, rate).map_err(|error| failed(Direction::Output, error))?;
                handle.recording = Some(recording);
                Some(Loudspeaker::Wave(port))
            }
        };
        let device = Self {
            rate,
            microphone,
            loudspeaker,
        };
        Ok((device, handle))
    }
}

impl AudioPort for FileDevice {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role {
            producer: self.microphone.is_some(),
            consumer: self.loudspeaker.is_some(),
        }
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        match &mut self.microphone {
            None => Produced::Silence,
            Some(Microphone::Wave(player)) => player.produce(tick, frame),
            Some(Microphone::Pipe(outlet)) => {
                if outlet.pull(frame) {
                    Produced::Audio
                } else {
                    Produced::Silence
                }
            }
        }
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        match &mut self.loudspeaker {
            None => {}
            Some(Loudspeaker::Wave(recorder)) => recorder.consume(tick, frame),
            // What a slow reader has no room for is lost, as in a sound card.
            Some(Loudspeaker::Pipe(inlet)) => inlet.push(frame),
        }
    }
}

impl fmt::Debug for FileDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileDevice")
            .field("rate", &self.rate)
            .field("role", &self.role())
            .finish_non_exhaustive()
    }
}

impl FileHandle {
    /// What pipes lost so far.
    pub fn stats(&self) -> DeviceStats {
        self.counters.stats()
    }
}

impl OpenDevice for FileHandle {
    fn poll_event(&mut self) -> Option<DeviceEvent> {
        let broken = self.recording.as_mut().and_then(Recording::poll_event);
        let failure = match broken {
            Some(RecorderEvent::DidFail(error)) => Some(failed(Direction::Output, error)),
            _ => self.failures.try_recv().ok(),
        };
        failure.map(DeviceEvent::Failed)
    }

    fn progress(&self) -> u64 {
        // A file never stalls, and how long a pipe may is up to the program at its other end.
        self.looks.set(self.looks.get() + 1);
        self.looks.get()
    }
}

impl Drop for FileHandle {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.recording.take().map(Recording::finish) {
            tracing::debug!(%error, "the loudspeaker's file is not complete");
        }
    }
}

impl Microphone {
    fn open(
        path: &Path,
        rate: u32,
        counters: &Arc<Counters>,
        told: Sender<DeviceError>,
    ) -> Result<Self, DeviceError> {
        if is_special(path) {
            return Self::pipe(path, rate, counters, told);
        }
        let file = WaveFile::load(path, rate).map_err(|error| failed(Direction::Input, error))?;
        let mut player = WavePlayer::new(file, PlayerOptions::default());
        player.start();
        Ok(Self::Wave(player))
    }

    fn pipe(
        path: &Path,
        rate: u32,
        counters: &Arc<Counters>,
        told: Sender<DeviceError>,
    ) -> Result<Self, DeviceError> {
        let path = path.to_path_buf();
        let (mut inlet, outlet) = ring::ring(rate, counters, |c| &c.input);
        let read = move || {
            let mut pipe = File::open(&path)?;
            let mut bytes = [0; CHUNK];
            let mut kept = 0;
            while !inlet.is_abandoned() {
                let read = pipe.read(&mut bytes[kept..])?;
                if read == 0 {
                    return Ok(());
                }
                let there = kept + read;
                let whole = there - there % 2;
                inlet.begin(whole / 2);
                for pair in bytes[..whole].chunks_exact(2) {
                    while inlet.is_full() && !inlet.is_abandoned() {
                        thread::sleep(NAP);
                    }
                    inlet.push_one(i16::from_le_bytes([pair[0], pair[1]]));
                }
                bytes.copy_within(whole..there, 0);
                kept = there - whole;
            }
            Ok(())
        };
        spawn(Direction::Input, told, read)?;
        Ok(Self::Pipe(outlet))
    }
}

impl Loudspeaker {
    fn pipe(
        path: &Path,
        rate: u32,
        counters: &Arc<Counters>,
        told: Sender<DeviceError>,
    ) -> Result<Self, DeviceError> {
        let path = path.to_path_buf();
        let room = rate as usize * FileDevice::BUFFER.as_secs() as usize;
        let (inlet, samples) = ring::inlet(room, counters, |c| &c.output);
        spawn(Direction::Output, told, move || {
            write_pipe(OpenOptions::new().write(true).open(&path)?, samples)
        })?;
        Ok(Self::Pipe(inlet))
    }
}

fn write_pipe(mut pipe: File, mut samples: Consumer<i16>) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK);
    loop {
        let over = samples.is_abandoned();
        while let (true, Ok(sample)) = (bytes.len() < CHUNK, samples.pop()) {
            bytes.extend(sample.to_le_bytes());
        }
        pipe.write_all(&bytes)?;
        if bytes.is_empty() {
            if over {
                return Ok(());
            }
            thread::sleep(NAP);
        }
        bytes.clear();
    }
}

/// Lets a thread do what may block. It ends with the port, or when the other end does.
fn spawn(
    direction: Direction,
    told: Sender<DeviceError>,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), DeviceError> {
    let thread = thread::Builder::new().name("offhook-pipe".into());
    let spawned = thread.spawn(move || {
        if let Err(error) = work() {
            // A device that was closed does not want to know.
            let _ = told.send(failed(direction, error));
        }
    });
    spawned.map(drop).map_err(|error| failed(direction, error))
}

/// Whether the path is something else than an ordinary file, now.
pub(super) fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

fn failed(direction: Direction, error: impl fmt::Display) -> DeviceError {
    DeviceError::System {
        direction,
        message: error.to_string(),
    }
}

/// Bytes that go through a pipe at once.
const CHUNK: usize = 4096;

/// How long a pipe's thread sleeps when there is nothing to do.
const NAP: Duration = Duration::from_millis(5);
