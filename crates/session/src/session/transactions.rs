//! Which transactions of SIP are complete: as much as the call's own signalling tells of them.

use super::{Context, Session};
use crate::{Originator, SessionDirection, SessionEvent, SessionState};
use offhook_sip_core::header::CSeq;
use offhook_sip_core::invitation::Cause;
use offhook_sip_core::{InvitationEvent, InvitationState, Method, StatusCode};

/// A transaction that is complete.
struct Transaction {
    originator: Originator,
    method: Method,
    code: StatusCode,
    reason: String,
    ack_received: Option<bool>,
}

impl Transaction {
    /// The other side's INVITE, or re-INVITE, that we answered.
    fn invite_of_theirs(code: StatusCode, ack_received: Option<bool>) -> Self {
        Self {
            originator: Originator::Remote,
            method: Method::Invite,
            code,
            reason: code.default_reason().to_owned(),
            ack_received,
        }
    }

    /// A request of ours, by its response or by what stands in for one.
    fn of_ours(method: Method, code: StatusCode, reason: String) -> Self {
        Self {
            originator: Originator::Local,
            method,
            code,
            reason,
            ack_received: None,
        }
    }

    /// What a request of the other side says that it has done: an ACK or what can only follow one, a CANCEL, a BYE.
    fn by_request(method: &Method) -> Option<Self> {
        Some(match method {
            Method::Ack => Self::invite_of_theirs(StatusCode::OK, Some(true)),
            Method::Invite => Self::invite_of_theirs(StatusCode::OK, None),
            Method::Cancel => Self::invite_of_theirs(StatusCode::REQUEST_TERMINATED, None),
            Method::Bye => Self {
                method: Method::Bye,
                ..Self::invite_of_theirs(StatusCode::OK, None)
            },
            _ => return None,
        })
    }
}

impl Session {
    /// Tells which transaction is complete by what the signalling below tells, before anything that comes of it.
    pub(super) fn tell_transaction(&mut self, cx: &Context<'_>, event: &InvitationEvent) {
        let complete = match event {
            InvitationEvent::StateChanged {
                state: InvitationState::Confirmed,
                cause,
                ..
            }
            | InvitationEvent::Ended { cause, .. } => self.completed_by(cause),
            InvitationEvent::ReinviteAcknowledged => Transaction::by_request(&Method::Ack),
            _ => None,
        };
        if let Some(transaction) = complete {
            self.emit_transaction(cx, transaction);
        }
    }

    /// Tells that we refused the other side's INVITE, or re-INVITE. Nobody says whether its ACK came.
    pub(super) fn tell_refused(&mut self, cx: &Context<'_>, code: StatusCode) {
        self.emit_transaction(cx, Transaction::invite_of_theirs(code, None));
    }

    fn completed_by(&self, cause: &Cause) -> Option<Transaction> {
        match cause {
            // The end of a call that we refused, or an answer of ours whose ACK is still to come.
            Cause::Local => None,
            Cause::Request(request) => Transaction::by_request(request.method()),
            Cause::Response(response) => {
                let method = response.headers().typed::<CSeq>()?.ok()?.method;
                let reason = response.reason().into_owned();
                Some(Transaction::of_ours(method, response.status(), reason))
            }
            Cause::Internal { status, reason } => {
                if self.waits_for_ack() {
                    return Some(Transaction::invite_of_theirs(StatusCode::OK, Some(false)));
                }
                let method = self.unanswered()?;
                Some(Transaction::of_ours(method, *status, reason.clone()))
            }
        }
    }

    /// Whether the other side has our 2xx to its INVITE, or re-INVITE, and has not acknowledged it.
    fn waits_for_ack(&self) -> bool {
        let is_ending_early = self.state == SessionState::Terminating
            && self.direction == SessionDirection::Incoming
            && self.started_at.is_none();
        is_ending_early
            || matches!(
                self.state,
                SessionState::Accepting | SessionState::AcceptingProposal
            )
    }

    /// What of ours waits for its final response.
    fn unanswered(&self) -> Option<Method> {
        match self.state {
            SessionState::Terminating if self.started_at.is_some() || self.confirmed => Some(Method::Bye),
            SessionState::Connecting | SessionState::Terminating => Some(Method::Invite),
            _ => self.exchange.is_ours().then_some(Method::Invite),
        }
    }

    fn emit_transaction(&mut self, cx: &Context<'_>, transaction: Transaction) {
        let Transaction {
            originator,
            method,
            code,
            reason,
            ack_received,
        } = transaction;
        self.emit(
            cx.now,
            SessionEvent::DidProcessTransaction {
                originator,
                method,
                code: code.as_u16(),
                reason,
                ack_received,
            },
        );
    }
}
