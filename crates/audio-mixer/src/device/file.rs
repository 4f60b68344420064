//! Files and pipes in place of a microphone and a loudspeaker.

use super::choice::{DeviceError, DeviceEvent, Direction};
use super::lasting::OpenDevice;
use super::ring::{self, Counters, DeviceStats, Inlet, Outlet};
use crate::file::{
    EndReason, PlayerEvent, PlayerEvents, PlayerOptions, RecorderEvent, Recording, WaveFile, WavePlayer,
    WaveRecorder,
};
use crate::port::{AudioPort, Produced, Role, Tick};
use rtrb::Consumer;
use std::cell::Cell;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// A device made of files: headless systems and tests hear and speak by it.
///
/// The microphone plays a wave file of any format once, then it is silent; the loudspeaker records a 16-bit wave file, beside an
/// older one of that name until it is closed ([`WaveRecorder::start_aside`]). Where
/// there is a named pipe or another special file instead, it is read or written as raw 16-bit little-endian mono samples
/// at the device's rate, by a thread of its own; the mixer's clock paces both.
///
/// The two directions have nothing to do with each other: when one breaks, the other goes on. A file that broke is not begun
/// anew: played from its beginning again, or written over what it holds, it would not be what was lost. A pipe is opened again,
/// for the next program at its other end.
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
    /// Of the microphone's file.
    spoken: Option<Spoken>,
    events: Receiver<DeviceEvent>,
    counters: Arc<Counters>,
    looks: Cell<u64>,
}

/// What happens to the file that the microphone plays.
#[derive(Debug)]
struct Spoken {
    path: PathBuf,
    events: PlayerEvents,
}

impl Spoken {
    /// That it ended too soon.
    fn poll_cut(&mut self) -> Option<DeviceEvent> {
        let event = std::iter::from_fn(|| self.events.poll_event());
        let missing = event.filter_map(|event| match event {
            PlayerEvent::DidEnd {
                reason: EndReason::CutOff { missing },
                ..
            } => Some(missing),
            _ => None,
        });
        let missing = missing.last()?.as_secs_f64();
        let cause = format_args!(
            "{} is cut off: {missing:.2} s of it are missing",
            self.path.display()
        );
        Some(DeviceEvent::Interrupted(failed(Direction::Input, cause)))
    }
}

impl FileDevice {
    /// How much sound waits for a pipe before samples are lost.
    pub const BUFFER: Duration = Duration::from_secs(1);

    /// Opens a device at `rate` hertz, the mixer's; a wave file is brought to it.
    ///
    /// This reads the whole input file: call it before the port goes to the mixer's thread. A pipe is opened by its thread,
    /// which waits for the program at its other end, and again for the next one when that has gone.
    ///
    /// # Errors
    /// [`DeviceError::System`] with the cause when a file cannot be played or made.
    pub fn open(
        input: Option<&Path>,
        output: Option<&Path>,
        rate: u32,
    ) -> Result<(Self, FileHandle), DeviceError> {
        let (told, events) = channel();
        let counters = Arc::new(Counters::default());
        let mut handle = FileHandle {
            recording: None,
            spoken: None,
            events,
            counters: Arc::clone(&counters),
            looks: Cell::new(0),
        };
        let microphone = input
            .map(|path| Microphone::open(path, rate, &counters, told.clone(), &mut handle))
            .transpose()?;
        let loudspeaker = match output {
            None => None,
            Some(path) if is_special(path) => Some(Loudspeaker::pipe(path, rate, &counters, told)?),
            Some(path) => {
                let (port, recording) = WaveRecorder::start_aside(path, rate)
                    .map_err(|error| failed(Direction::Output, error))?;
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
        if let Some(RecorderEvent::DidFail(error)) = broken {
            return Some(DeviceEvent::Interrupted(failed(Direction::Output, error)));
        }
        let cut = self.spoken.as_mut().and_then(Spoken::poll_cut);
        cut.or_else(|| self.events.try_recv().ok())
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
        told: Sender<DeviceEvent>,
        handle: &mut FileHandle,
    ) -> Result<Self, DeviceError> {
        if is_special(path) {
            return Self::pipe(path, rate, counters, told);
        }
        let file = WaveFile::load(path, rate).map_err(|error| failed(Direction::Input, error))?;
        let (mut player, events) = WavePlayer::new(file, PlayerOptions::default()).with_events();
        player.start();
        handle.spoken = Some(Spoken {
            path: path.into(),
            events,
        });
        Ok(Self::Wave(player))
    }

    fn pipe(
        path: &Path,
        rate: u32,
        counters: &Arc<Counters>,
        told: Sender<DeviceEvent>,
    ) -> Result<Self, DeviceError> {
        let (inlet, outlet) = ring::ring(rate, counters, |c| &c.input);
        let read = ReadPipe {
            path: path.into(),
            inlet,
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
        told: Sender<DeviceEvent>,
    ) -> Result<Self, DeviceError> {
        let room = rate as usize * FileDevice::BUFFER.as_secs() as usize;
        let (inlet, samples) = ring::inlet(room, counters, |c| &c.output);
        let write = WritePipe {
            path: path.into(),
            samples,
        };
        spawn(Direction::Output, told, write)?;
        Ok(Self::Pipe(inlet))
    }
}

/// What a pipe's thread does again and again.
trait PipeEnd: Send + 'static {
    /// Whether the device is closed.
    fn is_over(&self) -> bool;

    /// Opens the pipe, which waits for the other end, and carries sound until that goes. Calls `flows` when some went through.
    fn carry(&mut self, flows: &mut dyn FnMut()) -> io::Result<()>;
}

struct ReadPipe {
    path: PathBuf,
    inlet: Inlet,
}

impl PipeEnd for ReadPipe {
    fn is_over(&self) -> bool {
        self.inlet.is_abandoned()
    }

    fn carry(&mut self, flows: &mut dyn FnMut()) -> io::Result<()> {
        let mut pipe = File::open(&self.path)?;
        let mut bytes = [0; CHUNK];
        let mut kept = 0;
        while !self.is_over() {
            let read = pipe.read(&mut bytes[kept..])?;
            if read == 0 {
                return Ok(());
            }
            flows();
            let there = kept + read;
            let whole = there - there % 2;
            self.inlet.begin(whole / 2);
            for pair in bytes[..whole].chunks_exact(2) {
                while self.inlet.is_full() && !self.is_over() {
                    thread::sleep(NAP);
                }
                self.inlet.push_one(i16::from_le_bytes([pair[0], pair[1]]));
            }
            bytes.copy_within(whole..there, 0);
            kept = there - whole;
        }
        Ok(())
    }
}

struct WritePipe {
    path: PathBuf,
    samples: Consumer<i16>,
}

impl PipeEnd for WritePipe {
    fn is_over(&self) -> bool {
        self.samples.is_abandoned() && self.samples.is_empty()
    }

    fn carry(&mut self, flows: &mut dyn FnMut()) -> io::Result<()> {
        let mut pipe = OpenOptions::new().write(true).open(&self.path)?;
        let mut bytes = Vec::with_capacity(CHUNK);
        while !self.is_over() {
            while let (true, Ok(sample)) = (bytes.len() < CHUNK, self.samples.pop()) {
                bytes.extend(sample.to_le_bytes());
            }
            if bytes.is_empty() {
                thread::sleep(NAP);
                continue;
            }
            pipe.write_all(&bytes)?;
            flows();
            bytes.clear();
        }
        Ok(())
    }
}

/// Lets a thread do what may block. It ends with the port; while it waits for a program at the other end, only when one comes.
fn spawn(direction: Direction, told: Sender<DeviceEvent>, mut end: impl PipeEnd) -> Result<(), DeviceError> {
    let thread = thread::Builder::new().name("offhook-pipe".into());
    let spawned = thread.spawn(move || {
        let mut broken = false;
        while !end.is_over() {
            let mut flows = || {
                // A device that was closed does not want to know.
                if std::mem::take(&mut broken) {
                    let _ = told.send(DeviceEvent::Resumed(direction));
                }
            };
            if let Err(error) = end.carry(&mut flows)
                && !broken
            {
                broken = true;
                let _ = told.send(DeviceEvent::Interrupted(failed(direction, error)));
            }
            thread::sleep(AGAIN);
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

/// How long after its end a pipe is opened again.
const AGAIN: Duration = Duration::from_millis(100);
