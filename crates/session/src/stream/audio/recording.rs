//! Recording an audio stream (`start_recording` and `stop_recording` of the documents).

use super::AudioStream;
use crate::media::{Attachment, MediaCommand, PortId, StreamId};
use crate::stream::file::safe_name;
use crate::stream::{AudioEvent, Parties, StreamContext, StreamError, StreamEvent};
use offhook_audio_mixer::{AudioPort, RecorderEvent, Recording};
use offhook_msrp::cpim::rfc3339;
use offhook_sip_core::{NameAddr, Uri};
use std::path::Path;
use std::time::Duration;

/// Whom a recording of an audio stream keeps, and on which channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RecordedParties {
    /// Both on one channel, as somebody hears them who listens in.
    #[default]
    Mixed,
    /// Each on a channel of its own: we on the left, the other side on the right.
    Separate,
    /// The other side alone.
    Remote,
}

impl RecordedParties {
    /// What the recorder of each channel is to its stream.
    #[must_use]
    pub fn attachments(self) -> &'static [Attachment] {
        match self {
            Self::Mixed => &[Attachment::Witnesses],
            Self::Separate => &[Attachment::Overhears, Attachment::Listens],
            Self::Remote => &[Attachment::Listens],
        }
    }
}

/// What a recording is called that was given no name: when it began (UTC), and who takes part, we first; like
/// `20261122-024500-alice@a.test-bob@b.test.wav`. Names of peers are made safe.
#[must_use]
pub fn recording_name(parties: Parties<'_>, since_unix_epoch: Duration) -> String {
    let date = rfc3339(Duration::from_secs(since_unix_epoch.as_secs()));
    let date = date.replace(['-', ':', 'Z'], "").replace('T', "-");
    let name = format!("{date}-{}-{}.wav", party(parties.local), party(parties.remote));
    safe_name(&name)
}

/// `user@host` of a party, without what leads into folders.
fn party(name: &NameAddr) -> String {
    let text = match &name.uri {
        Uri::Sip(uri) => match uri.user() {
            Some(user) => format!("{user}@{}", uri.host()),
            None => uri.host().to_string(),
        },
        other => other.to_string(),
    };
    text.replace(['/', '\\'], "_")
}

/// A recording that goes on, with the ports through which it hears.
pub(super) struct Recorded {
    recording: Recording,
    ports: Vec<PortId>,
}

impl AudioStream {
    /// Records the running stream through these ports, which belong to the recording, each attached as
    /// [`RecordedParties::attachments`] says. Nothing is recorded while either side holds.
    ///
    /// # Errors
    /// When the stream does not run, or is recorded already.
    pub fn start_recording(
        &mut self,
        cx: &mut StreamContext<'_>,
        ports: Vec<(Attachment, Box<dyn AudioPort>)>,
        recording: Recording,
    ) -> Result<(), StreamError> {
        let stream = self.recordable()?;
        let path = recording.path().to_owned();
        cx.tell(StreamEvent::Audio(AudioEvent::WillStartRecording {
            path: path.clone(),
        }));
        let ports = ports.into_iter().map(|(attachment, audio)| {
            let port = self.next_port();
            cx.plane.send(MediaCommand::Attach {
                stream,
                port,
                attachment,
                audio,
            });
            port
        });
        let ports = ports.collect();
        self.recorded = Some(Recorded { recording, ports });
        self.pause_recording_on_hold();
        cx.tell(StreamEvent::Audio(AudioEvent::DidStartRecording { path }));
        Ok(())
    }

    /// Whether a recording can begin; on which stream of the media side.
    ///
    /// # Errors
    /// As [`start_recording`](Self::start_recording).
    pub fn recordable(&self) -> Result<StreamId, StreamError> {
        if self.running.is_none() {
            return Err(StreamError::NotRunning("audio"));
        }
        match &self.recorded {
            Some(Recorded { recording, .. }) => {
                Err(StreamError::AlreadyRecording(recording.path().to_owned()))
            }
            None => Ok(self.stream()?.stream),
        }
    }

    /// Ends the recording and gives it back: [finish](Recording::finish) it where blocking does no harm.
    ///
    /// # Errors
    /// When nothing is recorded.
    pub fn stop_recording(&mut self, cx: &mut StreamContext<'_>) -> Result<Recording, StreamError> {
        let Recorded { recording, ports } = self.recorded.take().ok_or(StreamError::NotRecording)?;
        let path = recording.path().to_owned();
        cx.tell(StreamEvent::Audio(AudioEvent::WillStopRecording {
            path: path.clone(),
        }));
        self.release(cx, ports);
        cx.tell(StreamEvent::Audio(AudioEvent::DidStopRecording { path }));
        Ok(recording)
    }

    /// The file that the stream is recorded to at present (`recording_filename`).
    pub fn recording_path(&self) -> Option<&Path> {
        self.recorded.as_ref().map(|recorded| recorded.recording.path())
    }

    /// Nothing is recorded while either side holds.
    pub(super) fn pause_recording_on_hold(&self) {
        let Some(Recorded { recording, .. }) = &self.recorded else {
            return;
        };
        let by_remote = self
            .running
            .as_ref()
            .is_some_and(|running| running.on_hold_by_remote);
        if self.on_hold_by_local || by_remote {
            recording.pause();
        } else {
            recording.resume();
        }
    }

    /// Tells if the recording has broken off: the disk is full, say.
    pub(super) fn notice_failed_recording(&mut self, cx: &mut StreamContext<'_>) {
        let Some(Recorded { recording, .. }) = &mut self.recorded else {
            return;
        };
        let Some(RecorderEvent::DidFail(error)) = recording.poll_event() else {
            return;
        };
        let Some(Recorded { recording, ports }) = self.recorded.take() else {
            return;
        };
        self.release(cx, ports);
        cx.tell(StreamEvent::Audio(AudioEvent::RecordingDidFail {
            path: recording.path().to_owned(),
            reason: error.to_string(),
        }));
    }

    fn release(&self, cx: &mut StreamContext<'_>, ports: Vec<PortId>) {
        let Some(stream) = self.local().map(|local| local.stream) else {
            return;
        };
        for port in ports {
            cx.plane.send(MediaCommand::Detach { stream, port });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(local: &str, remote: &str) -> String {
        let [local, remote] = [local, remote].map(|text| text.parse::<NameAddr>().unwrap());
        let parties = Parties {
            local: &local,
            remote: &remote,
        };
        recording_name(parties, Duration::from_millis(1_795_315_500_900))
    }

    #[test]
    fn a_recording_is_called_after_its_time_and_parties() {
        assert_eq!(
            name("\"Alice\" <sip:alice@a.test;x=y>", "<sip:bob@b.test:5080>"),
            "20261122-024500-alice@a.test-bob@b.test.wav"
        );
        assert_eq!(
            name("<sip:a.test>", "<sips:..%2F..%2Fetc@[2001:db8::1]>"),
            "20261122-024500-a.test-..%2F..%2Fetc@[2001_db8__1].wav"
        );
        assert_eq!(
            name("<sip:alice@a.test>", "<sip:../etc/x@b.test>"),
            "20261122-024500-alice@a.test-.._etc_x@b.test.wav"
        );
    }
}
