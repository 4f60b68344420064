//! The peer's requests inside the call's dialog (RFC 3261 §12.2.2).

use super::{Cause, Invitation, InvitationState, InviteKind, Originator};
use crate::dialog::DialogId;
use crate::endpoint::Core;
use crate::transaction::{Essentials, TransactionId};
use crate::{Method, Request, StatusCode};
use std::time::Instant;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InDialog {
    /// It was answered, or will be.
    Done,
    /// It is in order, and for somebody else to answer.
    NotOurs,
}

impl Invitation {
    /// Takes any request but ACK and CANCEL.
    pub(crate) fn handle_request(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        essentials: &Essentials,
        request: &Request,
    ) -> InDialog {
        let named = DialogId::of_request(essentials);
        let taken = named
            .as_ref()
            .and_then(|named| self.find_dialog(named))
            .map(|dialog| dialog.take_request(&essentials.cseq));
        if let Some(Err(error)) = taken {
            tracing::debug!(%error, "a request is out of order");
            let response = core.response_to(request, StatusCode::SERVER_INTERNAL_ERROR);
            core.answer(now, id, response);
            return InDialog::Done;
        }
        if self.is_gone_for(request.method()) {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            let response = core.response_to(request, status);
            core.answer(now, id, response);
            return InDialog::Done;
        }
        match request.method() {
            Method::Bye => self.handle_bye(core, now, id, request),
            Method::Invite => self.handle_reinvite(core, now, id, essentials, request),
            Method::Prack => self.handle_prack(core, now, id, essentials, request),
            Method::Update => self.handle_update(core, now, id, essentials, request),
            Method::Info => self.handle_info(core, now, id, request),
            Method::Refer => self.handle_refer(core, now, id, essentials, request),
            Method::Notify if self.handle_notify(core, now, id, request) => {}
            Method::Subscribe if self.handle_subscribe(core, now, id, request) => {}
            _ => return InDialog::NotOurs,
        }
        InDialog::Done
    }

    /// Whether a request comes after the end of the call (RFC 5407 §3.2). A BYE that crosses ours is in order; and after
    /// the end the dialog may live on for a referral (RFC 5057 §4.1).
    fn is_gone_for(&self, method: &Method) -> bool {
        let is_of_others = matches!(method, Method::Notify | Method::Subscribe | Method::Options);
        match self.state {
            InvitationState::Disconnected => !is_of_others,
            InvitationState::Disconnecting => !is_of_others && *method != Method::Bye,
            _ => false,
        }
    }

    /// RFC 3261 §15.1.2: the BYE is answered with 200, and an INVITE that waits with 487.
    fn handle_bye(&mut self, core: &mut Core, now: Instant, id: TransactionId, request: &Request) {
        core.accept(now, id, request);
        self.refuse_received(core, now, StatusCode::REQUEST_TERMINATED);
        if let Some(index) = self
            .sent
            .iter()
            .position(|sent| sent.kind == InviteKind::Initial && !sent.is_answered)
        {
            // A BYE inside an early dialog: the other forks shall not ring on.
            self.cancel(core, now, index);
        }
        let by = if self.state == InvitationState::Disconnecting {
            Originator::Local
        } else {
            Originator::Remote
        };
        self.finish(core, now, by, Cause::Request(request.clone()));
    }
}
