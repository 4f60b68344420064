//! Streams that hear each other.

use super::session::post_surely;
use super::user_agent::{CommandError, UserAgent};
use crate::SessionManager;
use crate::media::{BridgeCommand, PortId, StreamBridgeId, StreamId};
use offhook_audio_mixer::AudioPort;
use offhook_sip_core::tokio::Handle;
use std::sync::atomic::{AtomicU32, Ordering};

/// A full mesh of audio streams and ports, with the voice device in it (`AudioBridge` of the documents, as a conference has one).
///
/// A stream is in one bridge at a time. While it is, the voice device hears it through the bridge, and speaks to it there;
/// afterwards it is on the voice device again. Dropping a bridge closes it.
pub struct StreamBridge {
    id: StreamBridgeId,
    handle: Handle<SessionManager>,
    ports: AtomicU32,
}

impl UserAgent {
    /// Opens a bridge between audio streams of this user agent's sessions.
    pub async fn open_bridge(&self) -> Result<StreamBridge, CommandError> {
        let id = self.handle.call(|manager, _| manager.open_bridge()).await?;
        Ok(StreamBridge {
            id,
            handle: self.handle.clone(),
            ports: AtomicU32::new(0),
        })
    }
}

impl StreamBridge {
    /// Adds an audio stream, which may not have started yet. It leaves by itself when it ends. False if it was in it already.
    ///
    /// # Errors
    /// When there is no such audio stream, or it is in another bridge.
    pub async fn add(&self, stream: StreamId) -> Result<bool, CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, _| manager.add_to_bridge(id, stream))
            .await??)
    }

    /// Takes a stream out.
    ///
    /// # Errors
    /// When it is not in the bridge.
    pub async fn remove(&self, stream: StreamId) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, _| manager.remove_from_bridge(id, stream))
            .await??)
    }

    /// The streams in it, in the order in which they came.
    pub async fn streams(&self) -> Result<Vec<StreamId>, CommandError> {
        let id = self.id;
        let streams = self.handle.call(move |manager, _| manager.bridged(id).to_vec());
        Ok(streams.await?)
    }

    /// Adds a port that is heard by all, and hears all: a player, a recorder.
    pub async fn add_port(&self, port: impl AudioPort + 'static) -> Result<PortId, CommandError> {
        let name = PortId(self.ports.fetch_add(1, Ordering::Relaxed));
        let audio: Box<dyn AudioPort> = Box::new(port);
        self.command(BridgeCommand::AddPort { port: name, audio }).await?;
        Ok(name)
    }

    /// Takes a port away that [`add_port`](Self::add_port) put there. Does nothing if it is gone.
    pub async fn remove_port(&self, port: PortId) -> Result<(), CommandError> {
        self.command(BridgeCommand::RemovePort(port)).await
    }

    /// Whether the voice device takes part. Default true.
    pub async fn set_voice_device(&self, takes_part: bool) -> Result<(), CommandError> {
        self.command(BridgeCommand::SetDevice(takes_part)).await
    }

    async fn command(&self, command: BridgeCommand) -> Result<(), CommandError> {
        let id = self.id;
        Ok(self
            .handle
            .call(move |manager, _| manager.command_bridge(id, command))
            .await?)
    }
}

impl Drop for StreamBridge {
    fn drop(&mut self) {
        let id = self.id;
        post_surely(&self.handle, move |manager, _| manager.close_bridge(id));
    }
}
