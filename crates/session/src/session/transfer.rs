//! Transfers, all three roles (RFC 5589): who asks, who is asked, and, by Replaces, whose place is taken.

use super::{Context, Session};
use crate::{SessionError, SessionEvent, SessionState, SessionTrigger};
use offhook_sip_core::header::{ReferTo, ReferredBy};
use offhook_sip_core::invitation::{Cause, Refer, ReferralId};
use offhook_sip_core::{InvitationEvent, InvitationId, NameAddr, Request, StatusCode};
use tracing::debug;

/// The transfer of a session. There is one at a time: a second REFER is answered with 480.
#[derive(Debug, Default)]
pub(super) enum Transfer {
    /// None.
    #[default]
    None,
    /// We asked the other side to call somebody else.
    Asked {
        id: ReferralId,
        /// It said that it will.
        is_accepted: bool,
    },
    /// The other side asks, and the application has not decided yet.
    Wanted { id: ReferralId, request: Box<Request> },
    /// The other side asked, and another session of ours makes the call.
    Calling(ReferralId),
}

/// For whom a call is made: who asked for it is told how it gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Referrer {
    pub(crate) invitation: InvitationId,
    pub(crate) referral: ReferralId,
}

impl Session {
    /// Asks the other side to call somebody else, or to take our place in another session.
    pub(crate) fn transfer(&mut self, cx: &mut Context<'_>, refer: Refer) -> Result<(), SessionError> {
        self.permit(SessionTrigger::Transfer)?;
        if !matches!(self.transfer, Transfer::None) {
            return Err(SessionError::TransferInProgress);
        }
        let refer = Refer {
            referred_by: Some(NameAddr::new(self.local_identity.uri.clone())),
            ..refer
        };
        let mut invitation = cx
            .endpoint
            .invitation(self.invitation)
            .ok_or(SessionError::Unknown)?;
        let id = invitation.refer(cx.now, &refer)?;
        self.transfer = Transfer::Asked {
            id,
            is_accepted: false,
        };
        let target = refer.refer_to;
        self.emit(cx.now, SessionEvent::TransferNewOutgoing { target });
        Ok(())
    }

    /// Says yes to the other side's transfer. Gives its REFER, which says whom to call, and who is to be told of it.
    pub(crate) fn accept_transfer(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<(Request, Referrer), SessionError> {
        let (id, request) = self.take_wanted(SessionTrigger::AcceptTransfer)?;
        let mut invitation = cx
            .endpoint
            .invitation(self.invitation)
            .ok_or(SessionError::Unknown)?;
        invitation.accept_refer(cx.now, id)?;
        self.transfer = Transfer::Calling(id);
        self.emit(cx.now, SessionEvent::TransferDidStart);
        let referrer = Referrer {
            invitation: self.invitation,
            referral: id,
        };
        Ok((request, referrer))
    }

    /// Says no to it.
    pub(crate) fn reject_transfer(
        &mut self,
        cx: &mut Context<'_>,
        code: StatusCode,
    ) -> Result<(), SessionError> {
        let (id, _) = self.take_wanted(SessionTrigger::RejectTransfer)?;
        if let Some(mut invitation) = cx.endpoint.invitation(self.invitation) {
            invitation.reject_refer(cx.now, id, code)?;
        }
        self.fail_transfer(cx, code.as_u16(), code.default_reason());
        Ok(())
    }

    fn take_wanted(&mut self, command: SessionTrigger) -> Result<(ReferralId, Request), SessionError> {
        self.permit(command)?;
        match std::mem::take(&mut self.transfer) {
            Transfer::Wanted { id, request } => Ok((id, *request)),
            other => {
                self.transfer = other;
                Err(self.illegal(command))
            }
        }
    }

    /// Takes what the signalling below tells of referrals.
    pub(super) fn handle_referral_event(&mut self, cx: &mut Context<'_>, event: InvitationEvent) {
        match event {
            InvitationEvent::Refer { id, request } => self.handle_refer(cx, id, request),
            InvitationEvent::ReferAnswered {
                id,
                cause,
                is_subscribed,
            } => self.handle_refer_answered(cx, id, &cause, is_subscribed),
            InvitationEvent::ReferNotified {
                id,
                status,
                reason,
                is_last,
            } => self.handle_refer_notified(cx, id, status, reason, is_last),
            InvitationEvent::ReferralEnded { id, cause } if self.transfer.id() == Some(id) => {
                let code = cause.status().map_or(0, StatusCode::as_u16);
                self.fail_transfer(cx, code, &cause.reason());
            }
            _ => {}
        }
    }

    fn handle_refer(&mut self, cx: &mut Context<'_>, id: ReferralId, request: Request) {
        let target = request.headers().typed::<ReferTo>().and_then(Result::ok);
        let is_free = self.state == SessionState::Connected && matches!(self.transfer, Transfer::None);
        let Some(ReferTo(target)) = target.filter(|_| is_free) else {
            let code = if is_free {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::TEMPORARILY_UNAVAILABLE
            };
            if let Some(mut invitation) = cx.endpoint.invitation(self.invitation)
                && let Err(error) = invitation.reject_refer(cx.now, id, code)
            {
                debug!(%error, "a REFER is no longer there to be refused");
            }
            return;
        };
        let referred_by = request.headers().typed::<ReferredBy>().and_then(Result::ok);
        let is_attended = target.uri.as_sip().is_some_and(|uri| {
            uri.headers()
                .any(|(name, _)| name.eq_ignore_ascii_case("Replaces"))
        });
        let request = Box::new(request);
        self.transfer = Transfer::Wanted { id, request };
        let event = SessionEvent::TransferNewIncoming {
            target,
            referred_by: referred_by.map(|ReferredBy(by)| by),
            is_attended,
        };
        self.emit(cx.now, event);
    }

    fn handle_refer_answered(
        &mut self,
        cx: &mut Context<'_>,
        id: ReferralId,
        cause: &Cause,
        is_subscribed: bool,
    ) {
        if self.transfer.id() != Some(id) {
            return;
        }
        match cause.status().filter(|status| status.is_success()) {
            Some(_) if is_subscribed => self.note_transfer_accepted(cx),
            Some(_) => {
                // RFC 4488: nobody will tell how it went on.
                self.note_transfer_accepted(cx);
                self.complete_transfer(cx);
            }
            None => {
                let code = cause.status().map_or(0, StatusCode::as_u16);
                self.fail_transfer(cx, code, &cause.reason());
            }
        }
    }

    /// A NOTIFY may overtake the 202 (RFC 6665 §4.4.1): either tells that the other side will call.
    fn note_transfer_accepted(&mut self, cx: &mut Context<'_>) {
        if let Transfer::Asked { is_accepted, .. } = &mut self.transfer
            && !std::mem::replace(is_accepted, true)
        {
            self.emit(cx.now, SessionEvent::TransferDidStart);
        }
    }

    fn handle_refer_notified(
        &mut self,
        cx: &mut Context<'_>,
        id: ReferralId,
        status: Option<StatusCode>,
        reason: String,
        is_last: bool,
    ) {
        if self.transfer.id() != Some(id) {
            return;
        }
        self.note_transfer_accepted(cx);
        match status {
            Some(code) if code.is_success() => self.complete_transfer(cx),
            Some(code) if code.is_final() => self.fail_transfer(cx, code.as_u16(), &reason),
            Some(code) if !is_last => self.emit(cx.now, SessionEvent::TransferGotProgress { code, reason }),
            _ if is_last => self.fail_transfer(cx, 0, "the other side does not say how its call went"),
            _ => {}
        }
    }

    /// The other side talks to whom it was sent to: this session has done its work (RFC 5589 §6.1).
    fn complete_transfer(&mut self, cx: &mut Context<'_>) {
        self.transfer = Transfer::None;
        self.emit(cx.now, SessionEvent::TransferDidEnd);
        if let Err(error) = self.end(cx) {
            debug!(%error, "the session is over already");
        }
    }

    pub(super) fn fail_transfer(&mut self, cx: &mut Context<'_>, code: u16, reason: &str) {
        self.transfer = Transfer::None;
        let reason = reason.to_owned();
        self.emit(cx.now, SessionEvent::TransferDidFail { code, reason });
    }

    /// A session that ends takes its transfer along, unless the call that it led to goes on without it.
    pub(super) fn abandon_transfer(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.transfer, Transfer::None | Transfer::Calling(_)) {
            self.fail_transfer(cx, 0, "the session ended first");
        }
    }

    /// How the call gets on that the other side asked for. Who asked is told by the manager, the application here.
    pub(crate) fn handle_transfer_progress(
        &mut self,
        cx: &mut Context<'_>,
        referral: ReferralId,
        code: StatusCode,
        reason: &str,
    ) {
        if self.transfer.id() != Some(referral) {
            return;
        }
        if code.is_provisional() {
            let reason = reason.to_owned();
            self.emit(cx.now, SessionEvent::TransferGotProgress { code, reason });
        } else if code.is_success() {
            // Who sent us away hangs up.
            self.transfer = Transfer::None;
            self.emit(cx.now, SessionEvent::TransferDidEnd);
        } else {
            self.fail_transfer(cx, code.as_u16(), reason);
        }
    }
}

impl Transfer {
    /// The referral that it is about.
    fn id(&self) -> Option<ReferralId> {
        match self {
            Self::None => None,
            Self::Asked { id, .. } | Self::Wanted { id, .. } | Self::Calling(id) => Some(*id),
        }
    }
}

/// What an event of a call that somebody asked for means to who asked: the newest status of the call.
pub(crate) fn progress_of(event: &SessionEvent) -> Option<(StatusCode, &str)> {
    match event {
        SessionEvent::GotRingIndication => Some((StatusCode::RINGING, "Ringing")),
        SessionEvent::GotProvisionalResponse { code, reason } => Some((*code, reason)),
        SessionEvent::DidStart { .. } => Some((StatusCode::OK, "OK")),
        SessionEvent::DidFail { code, reason, .. } => {
            let code = StatusCode::new(*code).filter(|code| code.is_final() && !code.is_success());
            Some((code.unwrap_or(StatusCode::SERVICE_UNAVAILABLE), reason))
        }
        _ => None,
    }
}
