//! Which streams are in which bridge. What they hear there is the media side's affair.

use super::SessionManager;
use crate::SessionError;
use crate::media::{BridgeCommand, MediaCommand, StreamBridgeId, StreamId};
use std::collections::BTreeMap;

/// The bridges that are open, and their streams in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Bridges {
    open: BTreeMap<StreamBridgeId, Vec<StreamId>>,
    next: u32,
}

impl Bridges {
    fn of(&self, stream: StreamId) -> Option<StreamBridgeId> {
        let mut open = self.open.iter();
        open.find(|(_, streams)| streams.contains(&stream))
            .map(|(id, _)| *id)
    }

    /// A stream has ended.
    pub(super) fn forget(&mut self, stream: StreamId) {
        for streams in self.open.values_mut() {
            streams.retain(|&member| member != stream);
        }
    }
}

impl SessionManager {
    /// Opens a bridge between audio streams (`AudioBridge` of the documents). The voice device is in it.
    pub fn open_bridge(&mut self) -> StreamBridgeId {
        let id = StreamBridgeId(self.bridges.next);
        self.bridges.next += 1;
        self.bridges.open.insert(id, Vec::new());
        self.command_bridge(id, BridgeCommand::Open);
        id
    }

    /// Closes a bridge: its streams are spoken and heard on the voice device again. Does nothing if it is closed.
    pub fn close_bridge(&mut self, id: StreamBridgeId) {
        if self.bridges.open.remove(&id).is_some() {
            self.command_bridge(id, BridgeCommand::Close);
        }
    }

    /// Lets an audio stream, which may not have started yet, hear all others in a bridge, and be heard by them. It leaves by
    /// itself when it ends. False if it was in it already.
    ///
    /// # Errors
    /// When there is no such audio stream, it is in another bridge, or the bridge is closed.
    pub fn add_to_bridge(&mut self, id: StreamBridgeId, stream: StreamId) -> Result<bool, SessionError> {
        if !self.is_audio(stream) {
            return Err(SessionError::NoAudioStream(stream));
        }
        match self.bridges.of(stream) {
            Some(other) if other == id => return Ok(false),
            Some(_) => return Err(SessionError::InAnotherBridge(stream)),
            None => {}
        }
        let streams = self.bridges.open.get_mut(&id);
        streams.ok_or(SessionError::NoBridge)?.push(stream);
        self.command_bridge(id, BridgeCommand::AddStream(stream));
        Ok(true)
    }

    /// Takes a stream out of a bridge.
    ///
    /// # Errors
    /// When it is not in it, or the bridge is closed.
    pub fn remove_from_bridge(&mut self, id: StreamBridgeId, stream: StreamId) -> Result<(), SessionError> {
        let streams = self.bridges.open.get_mut(&id).ok_or(SessionError::NoBridge)?;
        let place = streams.iter().position(|&member| member == stream);
        streams.remove(place.ok_or(SessionError::NotInBridge(stream))?);
        self.command_bridge(id, BridgeCommand::RemoveStream(stream));
        Ok(())
    }

    /// The streams in a bridge, in the order in which they came; none if it is closed.
    pub fn bridged(&self, id: StreamBridgeId) -> &[StreamId] {
        self.bridges.open.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Has something done with a bridge besides its streams: its ports, and whether the voice device is in it.
    pub(crate) fn command_bridge(&mut self, bridge: StreamBridgeId, command: BridgeCommand) {
        self.plane.send(MediaCommand::Bridge { bridge, command });
    }

    fn is_audio(&self, stream: StreamId) -> bool {
        let owner = self.by_stream.get(&stream).and_then(|id| self.sessions.get(id));
        owner.is_some_and(|session| session.has_audio(stream))
    }
}
