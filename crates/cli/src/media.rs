//! What a call plays and records.

use crate::args::{MediaArgs, SrtpArg};
use crate::exit::{Code, Failure};
use offhook::{
    Attachment, AudioCodec, AudioStream, DeviceOptions, PlayerOptions, Recording, SrtpPolicy, WaveFile,
    WavePlayer, WaveRecorder,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Samples a second of what is recorded: the widest codec's, so that nothing is lost.
const RECORD_RATE: u32 = 48_000;

/// What was checked before any call: codecs that exist, and a file that can be played.
pub(crate) struct Media {
    codecs: Vec<AudioCodec>,
    tune: Option<WaveFile>,
    record: Option<PathBuf>,
    srtp: SrtpPolicy,
    dtls_srtp: SrtpPolicy,
    use_device: bool,
    devices: Option<DeviceOptions>,
    /// The highest number of a call so far.
    last: AtomicU64,
}

impl Media {
    /// Checks the options, so that a call does not begin that could not be carried out.
    pub(crate) fn prepare(args: &MediaArgs) -> Result<Self, Failure> {
        let codecs: Result<Vec<AudioCodec>, _> = args.codec.iter().map(|name| name.trim().parse()).collect();
        let codecs = codecs.map_err(|error| {
            let known: Vec<_> = AudioCodec::ALL.iter().map(|codec| codec.spec().name).collect();
            Failure::new(
                Code::Codec,
                format_args!("{error}; choose from {}", known.join(", ")),
            )
        })?;
        let tune = match &args.play {
            Some(path) => {
                Some(WaveFile::load(path, RECORD_RATE).map_err(|error| Failure::new(Code::Play, error))?)
            }
            None => None,
        };
        if let Some(path) = &args.record {
            check_writable(path)?;
        }
        args.refuse_same_file()?;
        Ok(Self {
            codecs,
            tune,
            record: args.record.clone(),
            srtp: policy(args.srtp),
            dtls_srtp: policy(args.dtls_srtp),
            use_device: args.wants_device(),
            devices: args.chosen_devices(),
            last: AtomicU64::new(0),
        })
    }

    /// The same for calls that share a device, as those have to that are to hear each other.
    pub(crate) fn on_voice_device(mut self) -> Self {
        self.use_device |= self.devices.take().is_some();
        self
    }

    /// The audio stream of call number `call`, counted from 1, and its recording.
    pub(crate) fn stream(&self, call: u64) -> Result<(AudioStream, Option<Recorded>), Failure> {
        self.last.fetch_max(call, Ordering::Relaxed);
        let mut stream = AudioStream::offer()
            .with_codecs(&self.codecs)
            .with_srtp(self.srtp)
            .with_dtls_srtp(self.dtls_srtp);
        if let Some(devices) = &self.devices {
            stream = stream.with_device(devices.clone());
        } else if !self.use_device {
            stream = stream.without_device();
        }
        if let Some(tune) = &self.tune {
            let mut player = WavePlayer::new(tune.clone(), PlayerOptions::default());
            player.start();
            stream = stream.with_port(Attachment::Talks, player);
        }
        let Some(path) = &self.record else {
            return Ok((stream, None));
        };
        let path = numbered(path, call);
        let part = part_of(&path);
        let (recorder, recording) =
            WaveRecorder::start(&part, RECORD_RATE).map_err(|error| Failure::new(Code::Record, error))?;
        let recorded = Recorded {
            recording,
            part,
            path,
        };
        Ok((stream.with_port(Attachment::Listens, recorder), Some(recorded)))
    }

    /// The same for a call that another one led to.
    pub(crate) fn next_stream(&self) -> Result<(AudioStream, Option<Recorded>), Failure> {
        self.stream(self.last.load(Ordering::Relaxed) + 1)
    }
}

/// A recording that gets its name only when its call was established: until then an older file of that name stands.
pub(crate) struct Recorded {
    recording: Recording,
    part: PathBuf,
    path: PathBuf,
}

impl Recorded {
    /// Closes the file and gives it its name. Call it when the session is over.
    pub(crate) async fn keep(self) -> Result<(), Failure> {
        let finished = tokio::task::spawn_blocking(move || {
            let outcome = self.recording.finish();
            // What was heard before the disk was full is kept, unless an older file would have to go for it.
            if outcome.is_err() && self.path.exists() {
                let _ = std::fs::remove_file(&self.part);
            } else {
                std::fs::rename(&self.part, &self.path).map_err(|error| unwritable(&self.path, &error))?;
            }
            outcome
                .map(drop)
                .map_err(|error| Failure::new(Code::Record, error))
        });
        finished
            .await
            .unwrap_or_else(|error| Err(Failure::new(Code::Internal, error)))
    }

    /// Closes and removes the file: there was no call.
    pub(crate) async fn discard(self) {
        let finished = tokio::task::spawn_blocking(move || {
            drop(self.recording.finish());
            std::fs::remove_file(self.part)
        });
        // What cannot be removed was never written.
        let _ = finished.await;
    }
}

/// Where a recording grows until its call is over: beside its final place, so that it only needs another name.
fn policy(arg: SrtpArg) -> SrtpPolicy {
    match arg {
        SrtpArg::Off => SrtpPolicy::Off,
        SrtpArg::Optional => SrtpPolicy::Optional,
        SrtpArg::Required => SrtpPolicy::Required,
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// `heard.wav`, `heard-2.wav`, `heard-3.wav`, ...
fn numbered(path: &Path, call: u64) -> PathBuf {
    if call <= 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path
        .extension()
        .map_or(String::new(), |ending| format!(".{}", ending.to_string_lossy()));
    path.with_file_name(format!("{stem}-{call}{ending}"))
}

/// Finds out before the call whether the recording can be written, and leaves everything as it is.
fn check_writable(path: &Path) -> Result<(), Failure> {
    if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        // A device would be replaced by the recording, and a folder cannot be.
        let message = format!(
            "cannot write {}: it is there and is no ordinary file",
            path.display()
        );
        return Err(Failure::new(Code::Record, message));
    }
    let is_new = !path.exists();
    let opened = std::fs::OpenOptions::new()
        .write(true)
        .create_new(is_new)
        .open(path);
    if is_new && opened.is_ok() {
        // That it stays behind, empty, would be no reason not to call.
        let _ = std::fs::remove_file(path);
    }
    opened.map(drop).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Code::Record,
        format_args!("cannot write {}: {error}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_calls_get_further_names() {
        assert_eq!(numbered(Path::new("/a/heard.wav"), 1), Path::new("/a/heard.wav"));
        assert_eq!(
            numbered(Path::new("/a/heard.wav"), 2),
            Path::new("/a/heard-2.wav")
        );
        assert_eq!(numbered(Path::new("heard"), 3), Path::new("heard-3"));
    }
}
