//! The end of a session: who ended it, why, and what is told of it.

use super::places::Places;
use super::{Context, Session};
use crate::{Originator, SessionError, SessionEvent, SessionState, SessionTrigger};
use offhook_sip_core::invitation::{self, Cause, redirect_targets};
use offhook_sip_core::{Method, NameAddr, StatusCode};
use tracing::debug;

/// Who ended the session, and why.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) originator: Originator,
    pub(super) code: u16,
    pub(super) reason: String,
    /// Where a 3xx says that the other side can be reached.
    pub(super) redirect_identities: Vec<NameAddr>,
}

impl Ending {
    /// For a reason of our own that has no status.
    pub(super) fn local(reason: String) -> Self {
        Self {
            originator: Originator::Local,
            code: 0,
            reason,
            redirect_identities: Vec::new(),
        }
    }

    pub(super) fn of(by: invitation::Originator, cause: &Cause) -> Self {
        let originator = match by {
            invitation::Originator::Local => Originator::Local,
            invitation::Originator::Remote => Originator::Remote,
        };
        let reason = cause
            .reason_header()
            .map_or_else(|| cause.reason(), str::to_owned);
        let reason = match (reason.is_empty(), originator) {
            (false, _) => reason,
            (true, Originator::Local) => "user request".to_owned(),
            (true, Originator::Remote) if is_cancel(cause) => "cancelled".to_owned(),
            (true, Originator::Remote) => "hung up".to_owned(),
        };
        // A request that ends a call that is not established yet is a CANCEL (RFC 3261 §9).
        let code = cause.status().map_or(487, StatusCode::as_u16);
        let redirection = cause.headers().filter(|_| code / 100 == 3);
        Self {
            originator,
            code,
            reason,
            redirect_identities: redirection.map(redirect_targets).unwrap_or_default(),
        }
    }
}

impl Session {
    /// Ends the session in whatever state it is: CANCEL, BYE, or 480 for a call that nobody answered here
    /// (RFC 3261 §21.4.18).
    pub(crate) fn end(&mut self, cx: &mut Context<'_>) -> Result<(), SessionError> {
        self.permit(SessionTrigger::End)?;
        if self.state == SessionState::Terminating {
            return Ok(());
        }
        let (code, reason) = match self.state {
            SessionState::Incoming => {
                self.refuse(cx, StatusCode::TEMPORARILY_UNAVAILABLE, "not answered");
                return Ok(());
            }
            SessionState::Connecting => (487, "cancelled"),
            _ => (0, "user request"),
        };
        let reason = reason.to_owned();
        self.terminate(
            cx,
            Ending {
                code,
                ..Ending::local(reason)
            },
        );
        Ok(())
    }

    /// Ends the session from this side for a reason of our own.
    pub(super) fn terminate(&mut self, cx: &mut Context<'_>, ending: Ending) {
        self.begin_end(cx, ending);
        if let Some(mut invitation) = cx.endpoint.invitation(self.invitation)
            && let Err(error) = invitation.end(cx.now)
        {
            debug!(%error, "the call ends by itself");
        }
    }

    /// Whether another session takes this one's place (RFC 3891): its end, which follows, says so.
    pub(crate) fn note_replaced(&mut self, is_replaced: bool) {
        self.is_replaced = is_replaced;
    }

    /// The first step of every end: remembers the cause, says so, and stops the streams.
    pub(super) fn begin_end(&mut self, cx: &mut Context<'_>, ending: Ending) {
        if self.ending.is_some() {
            return;
        }
        self.abandon_transfer(cx);
        if self.started_at.is_some() {
            self.emit(cx.now, SessionEvent::WillEnd);
        }
        let ending = if self.is_replaced {
            Ending::local("replaced".to_owned())
        } else {
            ending
        };
        self.step(SessionTrigger::Ending);
        self.ending = Some((ending, cx.now));
        self.on_places(cx, Places::end_all);
    }

    /// Nothing more will come from the invitation.
    pub(super) fn finish(&mut self, cx: &mut Context<'_>, cause: Ending) {
        if self.state == SessionState::Terminated {
            return;
        }
        self.begin_end(cx, cause);
        self.is_signalled = true;
        self.end_if_over(cx);
    }

    /// The last step, once neither the invitation nor a stream has anything more to tell.
    pub(super) fn end_if_over(&mut self, cx: &mut Context<'_>) {
        if !self.is_signalled || self.state == SessionState::Terminated || !self.places.are_over() {
            return;
        }
        self.step(SessionTrigger::Ended);
        let Some((ending, ended_at)) = self.ending.clone() else {
            return;
        };
        let Ending {
            originator,
            code,
            reason,
            redirect_identities,
        } = ending;
        let event = match self.started_at {
            Some(start) => SessionEvent::DidEnd {
                originator,
                reason,
                duration: ended_at.saturating_duration_since(start),
            },
            None => SessionEvent::DidFail {
                originator,
                code,
                reason,
                redirect_identities,
            },
        };
        self.emit(cx.now, event);
    }
}

fn is_cancel(cause: &Cause) -> bool {
    matches!(cause, Cause::Request(request) if *request.method() == Method::Cancel)
}
