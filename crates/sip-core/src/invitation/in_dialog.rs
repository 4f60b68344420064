//! The peer's requests inside the call's dialog (RFC 3261 §12.2.2).

use super::{Cause, Invitation, InvitationState, Originator, push_extra};
use crate::dialog::DialogId;
use crate::endpoint::{Body, Core, SendError};
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
        let dialog = self.dialog.iter_mut().chain(&mut self.forks);
        let taken = dialog
            .filter(|dialog| Some(dialog.id()) == named.as_ref())
            .map(|dialog| dialog.take_request(&essentials.cseq))
            .next();
        if let Some(Err(error)) = taken {
            tracing::debug!(%error, "a request is out of order");
            let response = core.response_to(request, StatusCode::SERVER_INTERNAL_ERROR);
            core.answer(now, id, response);
            return InDialog::Done;
        }
        match request.method() {
            Method::Bye => {
                self.handle_bye(core, now, id, request);
                InDialog::Done
            }
            Method::Invite => {
                self.handle_reinvite(core, now, id, essentials, request);
                InDialog::Done
            }
            _ => InDialog::NotOurs,
        }
    }

    /// A request of the owner: INFO, MESSAGE and the like.
    pub(super) fn send_in_dialog(
        &mut self,
        core: &mut Core,
        now: Instant,
        method: Method,
        body: Option<&Body>,
        extra: &[(String, String)],
    ) -> Result<Option<TransactionId>, SendError> {
        let Some(mut dialog) = self.dialog.take() else {
            return Ok(None);
        };
        let path = core.path_in_dialog(&dialog);
        let mut request = dialog.request(method);
        self.dialog = Some(dialog);
        push_extra(request.headers_mut(), extra);
        if let Some(body) = body {
            request.set_body(&body.content_type, body.bytes.clone());
        }
        self.complete(core, &mut request, path);
        core.push_via(&mut request, path);
        let id = self.send(core, now, request, path)?;
        self.others.push(id);
        Ok(Some(id))
    }

    /// RFC 3261 §15.1.2: the BYE is answered with 200, and an INVITE that waits with 487.
    fn handle_bye(&mut self, core: &mut Core, now: Instant, id: TransactionId, request: &Request) {
        let response = core.response_to(request, StatusCode::OK);
        core.answer(now, id, response);
        self.refuse_received(core, now, StatusCode::REQUEST_TERMINATED);
        if let Some(index) = self
            .sent
            .iter()
            .position(|sent| !sent.is_reinvite && !sent.is_answered)
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
