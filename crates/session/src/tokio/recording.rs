//! Recordings of audio streams: their files, opened and closed where blocking does no harm.

use super::CommandError;
use super::session::Session;
use crate::media::Attachment;
use crate::stream::numbered;
use crate::{AudioStream, Parties, RecordedParties, StreamError, recording_name};
use offhook_audio_mixer::{AudioPort, RecordError, Recording, Summary, WaveRecorder};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How an audio stream is recorded. By default both sides on one channel, to a file in the present folder that is called after
/// the time and the participants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingOptions {
    /// The file, which is overwritten if it is there; `None` for one in `folder` by the name of
    /// [`recording_name`], with a number where that is taken.
    pub path: Option<PathBuf>,
    /// Where files lie that are given no name; made if it is not there. Default the present one.
    pub folder: PathBuf,
    /// Whom it keeps, and on which channels.
    pub parties: RecordedParties,
}

impl Session {
    /// Records the session's first audio stream to a wave file of 16 bits at the rate of the mixer, and gives its path. Nothing
    /// is recorded while either side holds. It ends with the stream, or with [`stop_recording`](Self::stop_recording).
    ///
    /// # Errors
    /// When no audio stream runs, it is recorded already, or the file cannot be written.
    pub async fn start_recording(&self, options: RecordingOptions) -> Result<PathBuf, CommandError> {
        self.with_stream(None, |audio: &mut AudioStream, _| audio.recordable())
            .await?;
        let path = match options.path {
            Some(path) => path,
            None => free_name(&options.folder, &self.recording_name().await?),
        };
        let (rate, parties) = (self.mixer_rate(), options.parties);
        let start = {
            let path = path.clone();
            move || start_recorder(&path, rate, parties).map_err(Arc::new)
        };
        let (ports, recording) = on_disk(path, start).await?;
        let path = recording.path().to_owned();
        self.with_stream(None, move |audio: &mut AudioStream, cx| {
            audio.start_recording(cx, ports, recording)
        })
        .await?;
        Ok(path)
    }

    /// Ends the recording of the session's first audio stream, waits until its file is closed, and tells what is in it.
    ///
    /// # Errors
    /// When nothing is recorded, or the recording broke off.
    pub async fn stop_recording(&self) -> Result<Summary, CommandError> {
        let stopped = self.with_stream(None, |audio: &mut AudioStream, cx| audio.stop_recording(cx));
        let recording = stopped.await?;
        Ok(on_disk(recording.path().to_owned(), move || recording.finish()).await?)
    }

    async fn recording_name(&self) -> Result<String, CommandError> {
        let id = self.id();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let named = self.handle.call(move |manager, _| {
            let session = manager.session(id)?;
            let parties = Parties {
                local: session.local_identity(),
                remote: session.remote_identity(),
            };
            Some(recording_name(parties, now))
        });
        let over = StreamError::NotRunning("audio");
        Ok(named.await?.ok_or(crate::SessionError::from(over))?)
    }
}

/// Does what waits for the disk where nobody waits for it but this task.
async fn on_disk<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T, Arc<RecordError>> + Send + 'static,
) -> Result<T, Arc<RecordError>> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Arc::new(RecordError::Thread { path })))
}

/// The ports of a recorder, and what they are to their stream.
type Ports = Vec<(Attachment, Box<dyn AudioPort>)>;

fn start_recorder(
    path: &Path,
    rate: u32,
    parties: RecordedParties,
) -> Result<(Ports, Recording), RecordError> {
    let (recorders, recording) = match parties {
        RecordedParties::Separate => {
            let (left, right, recording) = WaveRecorder::start_stereo(path, rate)?;
            (vec![left, right], recording)
        }
        RecordedParties::Mixed | RecordedParties::Remote => {
            let (recorder, recording) = WaveRecorder::start(path, rate)?;
            (vec![recorder], recording)
        }
    };
    let boxed = |recorder| Box::new(recorder) as Box<dyn AudioPort>;
    let attachments = parties.attachments().iter().copied();
    Ok((
        attachments.zip(recorders.into_iter().map(boxed)).collect(),
        recording,
    ))
}

/// The first of a file's names that is not there.
fn free_name(folder: &Path, name: &str) -> PathBuf {
    let further = (1..).map(|number| numbered(name, number));
    let mut names = std::iter::once(name.to_owned())
        .chain(further)
        .map(|name| folder.join(name));
    names
        .find(|path| !path.exists())
        .unwrap_or_else(|| folder.join(name))
}
