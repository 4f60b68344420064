//! What a call plays and records.

use crate::args::MediaArgs;
use crate::exit::{Code, Failure};
use crate::orders::refused;
use crate::report::Reporter;
use offhook::{
    Attachment, AudioCodec, AudioStream, DeviceChoice, DeviceOptions, PlayerOptions, RecordError,
    RecordedParties, Recording, RecordingOptions, Session, SrtpPolicy, WaveFile, WavePlayer, WaveRecorder,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Samples a second of what is recorded: the widest codec's, so that nothing is lost.
const RECORD_RATE: u32 = 48_000;

/// What was checked before any call: codecs that exist, and a file that can be played.
pub(crate) struct Media {
    codecs: Vec<AudioCodec>,
    tune: Option<WaveFile>,
    hold_music: Option<WaveFile>,
    record: Option<PathBuf>,
    /// For what is recorded under names of its own.
    record_dir: Option<PathBuf>,
    parties: RecordedParties,
    srtp: SrtpPolicy,
    dtls_srtp: SrtpPolicy,
    use_device: bool,
    devices: Option<DeviceOptions>,
    /// How many there were so far.
    calls: AtomicU64,
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
        let load = |path: &Option<PathBuf>| path.as_deref().map(load).transpose();
        let (tune, hold_music) = (load(&args.play)?, load(&args.hold_music)?);
        if let Some(path) = &args.recording.record {
            check_writable(path)?;
        }
        if let Some(folder) = &args.recording.record_dir {
            std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
            check_writable(&folder.join(format!(".offhook-{}", std::process::id())))?;
        }
        args.refuse_same_file(None)?;
        Ok(Self {
            codecs,
            tune,
            hold_music,
            record: args.recording.record.clone(),
            record_dir: args.recording.record_dir.clone(),
            parties: args.recording.record_as.into(),
            srtp: args.srtp.into(),
            dtls_srtp: args.dtls_srtp.into(),
            use_device: args.wants_device(),
            devices: args.chosen_devices(),
            calls: AtomicU64::new(0),
        })
    }

    /// The same for calls that share a device, as those have to that are to hear each other.
    pub(crate) fn on_voice_device(mut self) -> Self {
        self.use_device |= self.devices.take().is_some();
        self
    }

    /// The audio stream of the next call, and its recording.
    pub(crate) fn next_stream(&self) -> Result<(AudioStream, Option<Recorded>), Failure> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let mut stream = AudioStream::offer()
            .with_codecs(&self.codecs)
            .with_srtp(self.srtp)
            .with_dtls_srtp(self.dtls_srtp);
        if let Some(music) = &self.hold_music {
            stream = stream.with_hold_music(music.clone());
        }
        if let Some(devices) = &self.devices {
            stream = stream.with_device(numbered_device(devices, call));
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
        let (stream, recording) = self
            .recorded(stream, numbered(path, call))
            .map_err(|error| Failure::new(Code::Record, error))?;
        Ok((stream, Some(Recorded(Some(recording)))))
    }

    fn recorded(
        &self,
        mut stream: AudioStream,
        path: PathBuf,
    ) -> Result<(AudioStream, Recording), RecordError> {
        let (recorders, recording) = if self.parties == RecordedParties::Separate {
            let (left, right, recording) = WaveRecorder::start_stereo_aside(path, RECORD_RATE)?;
            (vec![left, right], recording)
        } else {
            let (recorder, recording) = WaveRecorder::start_aside(path, RECORD_RATE)?;
            (vec![recorder], recording)
        };
        for (attachment, recorder) in self.parties.attachments().iter().zip(recorders) {
            stream = stream.with_port(*attachment, recorder);
        }
        Ok((stream, recording))
    }

    /// Begins to record a call that was established, where each is recorded under a name of its own.
    pub(crate) async fn begin_recording(&self, session: &Session, reporter: Reporter) {
        let Some(folder) = self.record_dir.clone() else {
            return;
        };
        let options = RecordingOptions {
            folder,
            parties: self.parties,
            ..RecordingOptions::default()
        };
        if let Err(error) = session.start_recording(options).await {
            refused(reporter, &error.to_string());
        }
    }
}

impl MediaArgs {
    /// A file that is to be heard must not be written at the same time, or it would not be what it was the next time; and what
    /// is written must not be written over by something else. `alert` is the device that rings.
    pub(crate) fn refuse_same_file(&self, alert: Option<&DeviceChoice>) -> Result<(), Failure> {
        fn file(choice: Option<&DeviceChoice>) -> Option<&Path> {
            match choice? {
                DeviceChoice::File(path) => Some(path),
                _ => None,
            }
        }
        let inputs = [
            self.play.as_deref(),
            self.hold_music.as_deref(),
            file(self.input_device.as_ref()),
        ];
        let outputs = [
            self.recording.record.as_deref(),
            file(self.output_device.as_ref()),
            file(alert),
        ];
        // What is sent to a terminal or to /dev/null may come from there.
        let ordinary = |path: &&Path| path.is_file() || !path.exists();
        let outputs: Vec<&Path> = outputs.into_iter().flatten().filter(ordinary).collect();
        for (n, output) in outputs.iter().enumerate() {
            let is_it = |other: &Path| is_same(output, other);
            let clash = if inputs.into_iter().flatten().any(is_it) {
                "is played"
            } else if outputs[..n].iter().copied().any(is_it) {
                "is written"
            } else {
                continue;
            };
            let message = format_args!("{} {clash} as well: write to another file", output.display());
            return Err(Failure::new(Code::Record, message));
        }
        Ok(())
    }
}

/// Whether both are one file, by whatever name or link, or would be.
fn is_same(one: &Path, other: &Path) -> bool {
    fn place(path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
    }
    same_file::is_same_file(one, other)
        .unwrap_or_else(|_| place(one).is_some_and(|one| place(other) == Some(one)))
}

/// A recording that gets its name only when its call was established: until then an older file of that name stands. One that is dropped
/// before its call came to be is removed, so that a program that is told to leave meanwhile leaves nothing.
pub(crate) struct Recorded(Option<Recording>);

impl Recorded {
    /// Leaves out what is heard meanwhile.
    pub(crate) fn set_paused(&self, is_paused: bool) {
        match &self.0 {
            Some(recording) if is_paused => recording.pause(),
            Some(recording) => recording.resume(),
            None => {}
        }
    }

    /// Tells that it grows from now on.
    pub(crate) fn tell_start(&self, reporter: Reporter) {
        if let Some(recording) = &self.0 {
            reporter.recording("did_start_recording", "Recording to", recording.path());
        }
    }

    /// Closes the file and gives it its name, and tells so. Call it when the session is over.
    pub(crate) async fn keep(mut self, reporter: Reporter) -> Result<(), Failure> {
        let Some(recording) = self.0.take() else {
            return Ok(());
        };
        let path = recording.path().to_owned();
        let finished = tokio::task::spawn_blocking(move || recording.finish());
        let outcome = finished
            .await
            .map_err(|error| Failure::new(Code::Internal, error))?;
        outcome.map_err(|error| Failure::new(Code::Record, error))?;
        reporter.recording("did_stop_recording", "Recorded", &path);
        Ok(())
    }

    /// Closes and removes the file: there was no call.
    pub(crate) async fn discard(self) {
        // What cannot be removed was never written.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if let Some(recording) = self.0.take() {
            recording.discard();
        }
    }
}

/// Loads what is to be played, and says so if its end is missing: the rest is worth hearing.
fn load(path: &Path) -> Result<WaveFile, Failure> {
    let tune = WaveFile::load(path, RECORD_RATE).map_err(|error| Failure::new(Code::Play, error))?;
    let missing = tune.missing().as_secs_f64();
    if missing > 0.0 {
        let path = path.display();
        // Who closed standard error does not want to know.
        let _ = writeln!(
            std::io::stderr(),
            "{path} is cut off: {missing:.2} s of it are missing"
        );
    }
    Ok(tune)
}

/// What a call hears goes to a file of its own, as a recording does; a pipe is for all of them.
fn numbered_device(devices: &DeviceOptions, call: u64) -> DeviceOptions {
    let output = match &devices.output {
        DeviceChoice::File(path) if path.is_file() || !path.exists() => {
            DeviceChoice::File(numbered(path, call))
        }
        other => other.clone(),
    };
    DeviceOptions {
        output,
        ..devices.clone()
    }
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
