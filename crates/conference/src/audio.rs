//! `AudioConference`.

use offhook_session::SessionError;
use offhook_session::media::StreamId;
use offhook_session::tokio::{CommandError, StreamBridge, UserAgent};
use std::sync::atomic::{AtomicBool, Ordering};

/// A full mesh of audio streams with the voice device in it: all hear all others, and nobody hears itself.
///
/// A stream may be added before it starts, is in one conference at a time, and leaves by itself when it ends. Dropping a
/// conference ends it: its streams go on, each alone with the voice device again.
pub struct AudioConference {
    bridge: StreamBridge,
    on_hold: AtomicBool,
}

impl AudioConference {
    /// A conference without streams.
    ///
    /// # Errors
    /// When the user agent has stopped.
    pub async fn new(agent: &UserAgent) -> Result<Self, ConferenceError> {
        Ok(Self {
            bridge: agent.open_bridge().await?,
            on_hold: AtomicBool::new(false),
        })
    }

    /// Adds an audio stream. Does nothing if it is in the conference already.
    ///
    /// # Errors
    /// When there is no such audio stream, or it is in another conference.
    pub async fn add(&self, stream: StreamId) -> Result<(), ConferenceError> {
        self.bridge.add(stream).await?;
        Ok(())
    }

    /// Takes a stream out: it is alone with the voice device again.
    ///
    /// # Errors
    /// [`ConferenceError::NotAMember`] when it is not in the conference.
    pub async fn remove(&self, stream: StreamId) -> Result<(), ConferenceError> {
        match self.bridge.remove(stream).await {
            Err(CommandError::Session(SessionError::NotInBridge(stream))) => {
                Err(ConferenceError::NotAMember(stream))
            }
            removed => Ok(removed?),
        }
    }

    /// Takes the voice device out of the conference: the others go on without us. Whether the streams themselves are on hold does
    /// not change.
    ///
    /// # Errors
    /// When the user agent has stopped.
    pub async fn hold(&self) -> Result<(), ConferenceError> {
        self.set_hold(true).await
    }

    /// Puts the voice device back into the conference.
    ///
    /// # Errors
    /// When the user agent has stopped.
    pub async fn unhold(&self) -> Result<(), ConferenceError> {
        self.set_hold(false).await
    }

    /// Whether the voice device is out of the conference.
    pub fn on_hold(&self) -> bool {
        self.on_hold.load(Ordering::Acquire)
    }

    /// What joins the streams. Ports added to it are heard by all and hear all, us included: a file that is played, a recording
    /// of everything.
    pub fn bridge(&self) -> &StreamBridge {
        &self.bridge
    }

    /// The streams, in the order in which they came.
    ///
    /// # Errors
    /// When the user agent has stopped.
    pub async fn streams(&self) -> Result<Vec<StreamId>, ConferenceError> {
        Ok(self.bridge.streams().await?)
    }

    async fn set_hold(&self, on_hold: bool) -> Result<(), ConferenceError> {
        self.bridge.set_voice_device(!on_hold).await?;
        self.on_hold.store(on_hold, Ordering::Release);
        Ok(())
    }
}

/// Why a conference does not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConferenceError {
    /// The caller's fault: the stream is not in the conference (`ValueError` of the documents).
    #[error("the stream {} is not in the conference", _0.0)]
    NotAMember(StreamId),
    /// There is no such audio stream, it is in another conference, or the user agent has stopped.
    #[error(transparent)]
    Command(#[from] CommandError),
}
