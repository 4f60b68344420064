//! Streams that are added to and removed from the sessions of a user agent: commands.

use super::SessionManager;
use crate::SessionError;
use crate::media::StreamId;
use crate::session::{Session, SessionId};
use crate::stream::MediaStream;
use offhook_sip_core::StatusCode;
use std::time::Instant;

impl SessionManager {
    /// Proposes to add streams to a connected session, as soon as no other change is under way; up to 16 such proposals wait.
    pub fn add_streams(
        &mut self,
        now: Instant,
        id: SessionId,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        let local_ip = self.local_ip_of(id)?;
        self.with(now, id, |session, cx| session.add_streams(cx, local_ip, streams))
    }

    /// Removes a stream from a connected session. It ends at once, whatever the other side says.
    pub fn remove_stream(
        &mut self,
        now: Instant,
        id: SessionId,
        stream: StreamId,
    ) -> Result<(), SessionError> {
        self.with(now, id, |session, cx| session.remove_stream(cx, stream))
    }

    /// Takes our proposal of streams back.
    pub fn cancel_proposal(&mut self, now: Instant, id: SessionId) -> Result<(), SessionError> {
        self.with(now, id, Session::cancel_proposal)
    }

    /// Accepts a proposal with these streams, each for the first proposed section that it takes.
    pub fn accept_proposal(
        &mut self,
        now: Instant,
        id: SessionId,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        let local_ip = self.local_ip_of(id)?;
        self.with(now, id, |session, cx| {
            session.accept_proposal(cx, local_ip, streams)
        })
    }

    /// Refuses a proposal, usually with 488.
    pub fn reject_proposal(
        &mut self,
        now: Instant,
        id: SessionId,
        code: StatusCode,
    ) -> Result<(), SessionError> {
        self.with(now, id, |session, cx| session.reject_proposal(cx, code))
    }
}
