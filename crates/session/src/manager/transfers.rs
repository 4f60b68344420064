//! Transfers among the sessions of a user agent: commands, and who is told of what.

use super::SessionManager;
use crate::SessionError;
use crate::session::{Connect, Referrer, Session, SessionId};
use offhook_sip_core::invitation::Refer;
use offhook_sip_core::{InvitationId, StatusCode, Uri};
use std::time::Instant;
use tracing::debug;

impl SessionManager {
    /// Asks the other side of a connected session to call somebody else: a blind transfer (RFC 5589 §6). How that goes comes
    /// as events; when the other side's call stands, the session ends. Holding it first is good manners.
    pub fn transfer(&mut self, now: Instant, id: SessionId, target: Uri) -> Result<(), SessionError> {
        self.with(now, id, |session, cx| session.transfer(cx, Refer::new(target)))
    }

    /// Asks the other side of a connected session to take our place in another one: an attended transfer (RFC 5589 §7). When
    /// it has, both of ours end.
    pub fn transfer_to(&mut self, now: Instant, id: SessionId, other: SessionId) -> Result<(), SessionError> {
        let other = self.sessions.get(&other).ok_or(SessionError::Unknown)?;
        let invitation = self.endpoint.invitation(other.invitation());
        let invitation = invitation.ok_or(SessionError::Unknown)?;
        let refer = Refer::replacing(invitation.dialog().ok_or(SessionError::Unknown)?);
        self.with(now, id, |session, cx| session.transfer(cx, refer))
    }

    /// Does what the other side's transfer asks for: calls its target, in a session of its own, along the routes of `connect`
    /// and with its streams. The other side is told how that call gets on. This session goes on until somebody ends
    /// it.
    pub fn accept_transfer(
        &mut self,
        now: Instant,
        id: SessionId,
        connect: Connect<'_>,
    ) -> Result<SessionId, SessionError> {
        let (refer, referrer) = self.with(now, id, Session::accept_transfer)?;
        let placed = self.place(now, connect, Some((&refer, referrer)));
        if let Err(error) = &placed {
            let reason = error.to_string();
            self.tell_referrer(now, referrer, StatusCode::SERVICE_UNAVAILABLE, &reason);
        }
        self.settle(now);
        placed
    }

    /// Refuses the other side's transfer, usually with 603.
    pub fn reject_transfer(
        &mut self,
        now: Instant,
        id: SessionId,
        code: StatusCode,
    ) -> Result<(), SessionError> {
        self.with(now, id, |session, cx| session.reject_transfer(cx, code))
    }

    /// Tells who asked for a call, and the session in which they did, how it gets on.
    pub(super) fn tell_referrer(&mut self, now: Instant, referrer: Referrer, code: StatusCode, reason: &str) {
        if let Some(mut invitation) = self.endpoint.invitation(referrer.invitation)
            && let Err(error) = invitation.notify(now, referrer.referral, code, Some(reason))
        {
            debug!(%error, "who asked for a call is not told of it");
        }
        let Some(id) = self.session_of(referrer.invitation) else {
            return;
        };
        let (mut cx, _, sessions) = self.apart(now);
        if let Some(session) = sessions.get_mut(&id) {
            session.handle_transfer_progress(&mut cx, referrer.referral, code, reason);
        }
        self.collect(now, id);
    }

    /// The session whose place another wants to take (RFC 3891).
    pub(super) fn replaced_by(&mut self, invitation: InvitationId) -> Option<SessionId> {
        let replaced = self.endpoint.invitation(invitation)?.replaces()?;
        self.session_of(replaced)
    }

    /// Whether a session is about to take the place of another.
    pub(super) fn note_replaced_by(&mut self, id: SessionId, is_replaced: bool) {
        let invitation = self.sessions.get(&id).map(Session::invitation);
        let replaced = invitation.and_then(|invitation| self.replaced_by(invitation));
        if let Some(session) = replaced.and_then(|replaced| self.sessions.get_mut(&replaced)) {
            session.note_replaced(is_replaced);
        }
    }
}
