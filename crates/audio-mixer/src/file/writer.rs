//! The thread that writes a recording.

use super::place::{Place, ordinary};
use super::rated::Rated;
use super::recorder::{RecordError, Shared, Summary, WaveRecorder};
use hound::{SampleFormat, WavSpec, WavWriter};
use rtrb::Consumer;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// What lies at and above this in a ring is no sample: the rest of it is how many samples of silence come here.
pub(super) const GAP: i32 = 1 << 20;

/// Samples a second that come from the ports, and that go to the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) port: u32,
    pub(super) file: u32,
}

/// The writer's thread.
pub(super) struct Writer<W: Write + Seek> {
    place: Place,
    rates: Rates,
    file: WavWriter<W>,
    sides: Vec<Side>,
    shared: Arc<Shared>,
    written: u64,
}

/// One channel on its way to the file.
pub(super) struct Side {
    ring: Consumer<i32>,
    /// Silence that is still to be written.
    gap: u64,
    /// Silence that was written already, because the other channel did not wait.
    ahead: u64,
    /// On its way to the rate of the file.
    sound: Rated,
    /// Ready for the file.
    ready: Vec<i16>,
}

impl Side {
    pub(super) fn new(ring: Consumer<i32>, sound: Rated) -> Self {
        Self {
            ring,
            gap: 0,
            ahead: 0,
            sound,
            ready: Vec::new(),
        }
    }

    /// Takes one sample on its way.
    fn take(&mut self) {
        let sample = self.next();
        self.sound.take(sample, &mut self.ready);
    }

    /// How much there is to write at least, gaps included.
    fn ready(&mut self) -> u64 {
        while self.gap == 0 && self.ring.peek().is_ok_and(|&item| item >= GAP) {
            let Ok(item) = self.ring.pop() else { break };
            let gap = (item - GAP) as u64;
            let done = gap.min(self.ahead);
            self.ahead -= done;
            self.gap = gap - done;
        }
        self.gap + self.ring.slots() as u64
    }

    fn next(&mut self) -> i16 {
        self.ready();
        if self.gap > 0 {
            self.gap -= 1;
            return 0;
        }
        if let Ok(sample) = self.ring.pop() {
            return sample as i16;
        }
        self.ahead += 1;
        0
    }
}

impl<W: Write + Seek> Writer<W> {
    pub(super) fn new(
        place: Place,
        rates: Rates,
        file: WavWriter<W>,
        sides: Vec<Side>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            place,
            rates,
            file,
            sides,
            shared,
            written: 0,
        }
    }

    pub(super) fn run(mut self) -> Result<Summary, RecordError> {
        let shared = Arc::clone(&self.shared);
        let channels = self.sides.len() as u16;
        let result = self.write_all();
        // Closed in any case: it writes what it can on its way out.
        let file = self.file;
        let result = result.and_then(|()| file.finalize());
        let result = result.and_then(|()| still_there(&self.place.written));
        let kept = match &result {
            Ok(()) => self.written,
            Err(_) => tell_length(&self.place.written, channels).unwrap_or(self.written),
        };
        if result.is_ok() {
            self.place.await_decision(&shared);
        }
        let wanted = !shared.discard.load(Ordering::Relaxed);
        let whole = result.is_ok() && self.written > 0;
        let settled = self.place.settle(wanted, whole);
        let result = result.and_then(|()| Ok(settled?));
        shared.ended.store(true, Ordering::Release);
        match result {
            Ok(()) => Ok(Summary {
                path: self.place.name,
                samples: self.written,
                sample_rate: self.rates.file,
                channels,
                overruns: shared.overruns.load(Ordering::Relaxed),
            }),
            Err(error) => Err(RecordError::Write {
                path: self.place.name,
                samples: kept,
                source: system(error),
            }),
        }
    }

    fn write_all(&mut self) -> Result<(), hound::Error> {
        let hold = u64::from(self.rates.port) * HOLD.as_millis() as u64 / 1000;
        let mut unsaved = 0;
        loop {
            // Asked before the rings are emptied, so that nothing put in before is left in them.
            let abandoned = self.sides.iter().all(|side| side.ring.is_abandoned());
            let over = abandoned || self.shared.finish.load(Ordering::Acquire);
            let ready = self.sides.iter_mut().map(Side::ready);
            let (least, most) = ready.fold((u64::MAX, 0), |(least, most), n| (least.min(n), most.max(n)));
            // A channel that nobody speaks to does not hold the other one up.
            let count = if over {
                most
            } else {
                least.max(most.saturating_sub(hold))
            };
            for _ in 0..count {
                self.sides.iter_mut().for_each(Side::take);
                self.write_ready()?;
            }
            unsaved += count;
            if over && count == 0 {
                for side in &mut self.sides {
                    side.sound.finish(&mut side.ready);
                }
                return self.write_ready();
            }
            if unsaved >= u64::from(self.rates.port) * WaveRecorder::CHECKPOINT.as_secs() {
                self.file.flush()?;
                still_there(&self.place.written)?;
                unsaved = 0;
            }
            if !over {
                thread::park_timeout(NAP);
            }
        }
    }

    /// All sides took as many samples, so as many are ready of each.
    fn write_ready(&mut self) -> Result<(), hound::Error> {
        let ready = self.sides.iter().map(|side| side.ready.len()).min();
        for at in 0..ready.unwrap_or_default() {
            if self.written == MAX_BYTES / (2 * self.sides.len() as u64) {
                let full = io::Error::new(io::ErrorKind::FileTooLarge, "a wave file ends at 4 GiB");
                return Err(hound::Error::IoError(full));
            }
            for side in &self.sides {
                self.file.write_sample(side.ready[at])?;
            }
            self.written += 1;
        }
        self.sides.iter_mut().for_each(|side| side.ready.clear());
        Ok(())
    }
}

/// A file that somebody removed can be written on, but nobody will ever read it.
fn still_there(path: &Path) -> Result<(), hound::Error> {
    Ok(fs::metadata(path).map(drop)?)
}

/// Where the header tells the length of the file, and that of the samples; where those begin.
const RIFF_LENGTH: u64 = 4;
const DATA_LENGTH: u64 = 40;
const HEADER: u64 = 44;

/// Brings the header of a recording that broke off up to date; gives the samples in the file, of each channel.
fn tell_length(path: &Path, channels: u16) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let frame = 2 * u64::from(channels);
    let samples = file.metadata()?.len().saturating_sub(HEADER) / frame;
    let data = samples * frame;
    for (at, length) in [(RIFF_LENGTH, HEADER - 8 + data), (DATA_LENGTH, data)] {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&length.to_le_bytes())?;
    }
    Ok(samples)
}

/// Whether there was no file of that name before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made(bool);

impl Made {
    /// Takes the file away again if it was just made.
    pub(super) fn discard(self, path: &Path) {
        if self.0
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(%error, "an empty recording could not be removed");
        }
    }
}

fn create(path: &Path) -> io::Result<(File, Made)> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            ordinary(path)?;
            let file = OpenOptions::new().write(true).open(path)?;
            claim(&file)?;
            file.set_len(0)?;
            Ok((file, Made(false)))
        }
        made => {
            let file = made?;
            claim(&file)?;
            Ok((file, Made(true)))
        }
    }
}

/// Two recordings in one file would write over each other. A file system that has no locks cannot tell.
fn claim(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let cause = "another recording is being written to it";
            Err(io::Error::new(io::ErrorKind::ResourceBusy, cause))
        }
        _ => Ok(()),
    }
}

/// A recording's file with its header.
type Opened = (WavWriter<BufWriter<File>>, Made);

/// Opens a file with its header, and the folders above it.
pub(super) fn open(place: &Place, rate: u32, channels: u16) -> Result<Opened, RecordError> {
    place.check().map_err(|source| RecordError::Open {
        path: place.name.clone(),
        source,
    })?;
    let path = place.written.as_path();
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
    let (file, made) = create(path).map_err(failed)?;
    let spec = WavSpec {
        channels,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let header = WavWriter::new(BufWriter::new(file), spec).and_then(|mut writer| {
        writer.flush()?;
        Ok(writer)
    });
    match header {
        Ok(writer) => Ok((writer, made)),
        Err(error) => {
            made.discard(path);
            Err(failed(system(error)))
        }
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

/// How far one channel of a stereo recording may be ahead of the other before that one is taken to be silent.
const HOLD: Duration = Duration::from_millis(500);

/// The 32-bit sizes of a wave file, less the header.
const MAX_BYTES: u64 = u32::MAX as u64 - 64;

#[cfg(test)]
mod tests {
    use super::*;
    use rtrb::RingBuffer;
    use std::io::Cursor;

    /// A disk with room for so many bytes.
    struct SmallDisk(Cursor<Vec<u8>>, usize);

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.position() as usize + bytes.len() > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for SmallDisk {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn the_header_of_a_recording_that_broke_off_tells_what_is_in_the_file() {
        let path = std::env::temp_dir().join(format!("offhook-broke-off-{}.wav", std::process::id()));
        let (mut writer, made) = open(&Place::at(path.clone()), 8_000, 2).expect("writable");
        writer.write_sample(1_i16).expect("room");
        writer.write_sample(2_i16).expect("room");
        writer.finalize().expect("room");
        // The header knows of one pair; three pairs and a half are in the file.
        let mut file = OpenOptions::new().append(true).open(&path).expect("there");
        file.write_all(&[3, 0, 4, 0, 5, 0, 6, 0, 7, 0]).expect("room");
        assert_eq!(tell_length(&path, 2).expect("there"), 3);
        let samples: Vec<i16> = hound::WavReader::open(&path)
            .expect("a valid header")
            .into_samples()
            .map_while(Result::ok)
            .collect();
        assert_eq!(samples, [1, 2, 3, 4, 5, 6]);
        made.discard(&path);
        assert!(!path.exists());
    }

    #[test]
    fn a_disk_that_fills_up_ends_the_recording_with_the_cause() {
        let spec = WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let file = WavWriter::new(SmallDisk(Cursor::default(), 10_044), spec).expect("room for the header");
        let (mut ring, samples) = RingBuffer::new(16_000);
        (0..16_000).for_each(|_| ring.push(7).expect("room"));
        let shared = Arc::new(Shared::default());
        let writer = Writer::new(
            Place::at("full.wav".into()),
            Rates {
                port: 8_000,
                file: 8_000,
            },
            file,
            vec![Side::new(samples, Rated::new(8_000, 8_000).expect("the same"))],
            Arc::clone(&shared),
        );
        let error = writer.run().expect_err("the disk is full");
        let RecordError::Write { samples, source, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((samples, source.kind()), (5_000, io::ErrorKind::StorageFull));
        assert!(shared.ended.load(Ordering::Relaxed));
    }
}
