//! Our requests inside the dialog other than INVITE and BYE: sent, retried once where the peer wants a password
//! (RFC 3261 §22.2), and what their end means for the call (RFC 5057 §5).

use super::referral::ReferralId;
use super::{Cause, DescriptionKind, Invitation, InvitationEvent, Originator, failure_cause, push_extra};
use crate::dialog::{Dialog, DialogId};
use crate::endpoint::{Body, Core, SendError, body_of};
use crate::header::Contact;
use crate::transaction::{Failure, TransactionId};
use crate::{HeaderName, Method, Request, Response, StatusCode};
use std::time::Instant;

/// A request of ours that wants its final response.
#[derive(Debug)]
pub(super) struct SentRequest {
    id: TransactionId,
    /// What its owner knows it by: the id of its first attempt.
    name: TransactionId,
    dialog: DialogId,
    purpose: Purpose,
    /// As it was before Via and credentials, for a second attempt; `None` after that.
    again: Option<Request>,
}

/// Why we sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The owner wanted it.
    Owner,
    Prack {
        has_offer: bool,
    },
    Update {
        has_offer: bool,
    },
    /// UPDATE as a refresh of the session (RFC 4028 §7.4).
    Refresh,
    Refer(ReferralId),
    Notify(ReferralId),
}

/// How far a failure reaches (RFC 5057 §5.1, Table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Transaction,
    Usage,
    Dialog,
}

impl Reach {
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            404 | 410 | 416 | 482..=485 | 502 | 604 => Self::Dialog,
            405 | 480 | 481 | 489 | 501 => Self::Usage,
            _ => Self::Transaction,
        }
    }
}

impl Invitation {
    /// Sends a request that has all but Contact, our description, credentials and Via.
    pub(super) fn send_inside(
        &mut self,
        core: &mut Core,
        now: Instant,
        dialog: &DialogId,
        mut request: Request,
        purpose: Purpose,
    ) -> Result<TransactionId, SendError> {
        let path = match self.find_dialog(dialog) {
            Some(dialog) => core.path_in_dialog(dialog),
            None => self.path,
        };
        if matches!(
            request.method(),
            Method::Update | Method::Refer | Method::Subscribe | Method::Notify
        ) && !request.headers().contains(HeaderName::Contact)
        {
            let contact = self.contact(core, path);
            request.headers_mut().push_typed(&Contact::Addr(contact));
        }
        let again = request.clone();
        self.complete(core, &mut request, path);
        core.push_via(&mut request, path);
        let id = self.send(core, now, request, path)?;
        self.requests.push(SentRequest {
            id,
            name: id,
            dialog: dialog.clone(),
            purpose,
            again: Some(again),
        });
        Ok(id)
    }

    /// A request of the owner: INFO, MESSAGE and the like.
    pub(super) fn send_for_owner(
        &mut self,
        core: &mut Core,
        now: Instant,
        method: Method,
        body: Option<&Body>,
        extra: &[(String, String)],
    ) -> Result<Option<TransactionId>, SendError> {
        let Some(dialog) = &mut self.dialog else {
            return Ok(None);
        };
        let id = dialog.id().clone();
        let mut request = dialog.request(method);
        push_extra(request.headers_mut(), extra);
        if let Some(body) = body {
            request.set_body(&body.content_type, body.bytes.clone());
        }
        self.send_inside(core, now, &id, request, Purpose::Owner)
            .map(Some)
    }

    pub(super) fn find_dialog(&mut self, id: &DialogId) -> Option<&mut Dialog> {
        let forks = self.forks.iter_mut().map(|fork| &mut fork.dialog);
        let mut dialogs = self.dialog.iter_mut().chain(forks);
        dialogs.find(|dialog| dialog.id() == id)
    }

    /// True when the response was to such a request.
    pub(super) fn handle_request_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        response: &Response,
    ) -> bool {
        let Some(index) = self.requests.iter().position(|sent| sent.id == id) else {
            return false;
        };
        if response.status().is_provisional() {
            return true;
        }
        let mut sent = self.requests.swap_remove(index);
        let answerable = self.auth.can_answer(response);
        if answerable
            && let Some(again) = sent.again.take()
            && let Some(id) = self.send_again(core, now, &sent, again)
        {
            self.requests.push(SentRequest { id, ..sent });
            return true;
        }
        self.conclude_request(core, now, &sent, &Cause::Response(response.clone()));
        true
    }

    /// The second attempt, with the password and a number of its own.
    fn send_again(
        &mut self,
        core: &mut Core,
        now: Instant,
        sent: &SentRequest,
        mut request: Request,
    ) -> Option<TransactionId> {
        let dialog = self.find_dialog(&sent.dialog)?;
        let number = dialog.renumber(&mut request);
        let path = core.path_in_dialog(dialog);
        if let Purpose::Refer(id) = sent.purpose {
            self.rename_referral(id, number);
        }
        self.complete(core, &mut request, path);
        core.push_via(&mut request, path);
        self.send(core, now, request, path).ok()
    }

    /// True when the failure was of such a request.
    pub(super) fn handle_request_failure(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        failure: Failure,
    ) -> bool {
        let Some(index) = self.requests.iter().position(|sent| sent.id == id) else {
            return false;
        };
        let sent = self.requests.swap_remove(index);
        self.conclude_request(core, now, &sent, &failure_cause(failure));
        true
    }

    fn conclude_request(&mut self, core: &mut Core, now: Instant, sent: &SentRequest, cause: &Cause) {
        match sent.purpose {
            Purpose::Owner => {
                if !self.is_disconnected() {
                    let (id, cause) = (sent.name, cause.clone());
                    self.emit(core, InvitationEvent::RequestAnswered { id, cause });
                }
            }
            Purpose::Prack { has_offer } => self.conclude_exchange(core, &sent.dialog, has_offer, cause),
            Purpose::Update { has_offer } => self.conclude_update(core, now, &sent.dialog, has_offer, cause),
            Purpose::Refresh => self.conclude_refresh(core, now, cause),
            Purpose::Refer(id) => return self.conclude_refer(core, now, id, cause),
            Purpose::Notify(id) => return self.conclude_notify(core, now, id, cause),
        }
        if let Some(status) = cause.status() {
            self.take_failure(core, now, sent.purpose, status, cause);
        }
    }

    /// Ends the call where the failure of a request inside it means that the peer has it no more (RFC 5057 §5.1), or
    /// that it cannot be reached (RFC 5057 §5.2).
    fn take_failure(
        &mut self,
        core: &mut Core,
        now: Instant,
        purpose: Purpose,
        status: StatusCode,
        cause: &Cause,
    ) {
        if !self.state.is_established() {
            return;
        }
        // INFO, MESSAGE and unknown methods are not what the usage lives by: only what ends the dialog ends it, and
        // an INFO that meets no call.
        let is_integral = purpose != Purpose::Owner;
        let reach = Reach::of(status);
        let is_lost = reach == Reach::Dialog
            || status == StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST
            || is_integral && (reach == Reach::Usage || status == StatusCode::REQUEST_TIMEOUT);
        // RFC 4028 §7.4 lets a refresher that knows no UPDATE fall back; the method alone was refused.
        let is_method = matches!(status.as_u16(), 405 | 501);
        if is_lost && !is_method {
            self.send_bye(core, now, None);
            let by = match cause {
                Cause::Response(_) => Originator::Remote,
                _ => Originator::Local,
            };
            self.finish(core, now, by, cause.clone());
        }
    }

    /// The answer, or its absence, in the 2xx to a PRACK or UPDATE with our offer.
    pub(super) fn conclude_exchange(
        &mut self,
        core: &mut Core,
        dialog: &DialogId,
        has_offer: bool,
        cause: &Cause,
    ) {
        if !has_offer {
            return;
        }
        let is_call = self.dialog.as_ref().is_some_and(|own| own.id() == dialog);
        let is_success = cause.status().is_some_and(StatusCode::is_success);
        let answer = match cause {
            Cause::Response(response) if is_success => body_of(response.headers(), response.body()),
            _ => None,
        };
        let descriptions = self.descriptions_of(&dialog.remote_tag);
        match answer {
            Some(body) if descriptions.take_answer(&body) => {
                let kind = DescriptionKind::Answer;
                if is_call {
                    self.emit(core, InvitationEvent::Description { kind, body });
                    self.tell_agreed(core);
                } else {
                    self.emit(
                        core,
                        InvitationEvent::EarlyDescription {
                            kind,
                            body,
                            remote_tag: dialog.remote_tag.clone(),
                            is_reliable: true,
                        },
                    );
                }
            }
            _ => {
                if descriptions.roll_back() && is_call {
                    let reason = cause.reason();
                    self.emit(core, InvitationEvent::NegotiationFailed { reason });
                }
            }
        }
    }

    /// The call is over: nobody waits for what is on its way, except for the state of a referral.
    pub(super) fn forget_requests(&mut self) {
        self.requests
            .retain(|sent| matches!(sent.purpose, Purpose::Refer(_) | Purpose::Notify(_)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_reach_as_far_as_table_1_of_rfc_5057_says() {
        let check = |reach: Reach, codes: &[u16]| {
            for code in codes {
                let status = StatusCode::new(*code).expect("a status");
                assert_eq!(Reach::of(status), reach, "{code}");
            }
        };
        check(
            Reach::Transaction,
            &[
                400, 401, 402, 403, 406, 407, 408, 412, 413, 414, 415, 417, 420, 421, 422, 423, 428, 429,
                436, 437, 438, 486, 487, 488, 491, 493, 494, 500, 503, 504, 505, 513, 580, 600, 603, 606,
            ],
        );
        check(Reach::Usage, &[405, 480, 481, 489, 501]);
        check(Reach::Dialog, &[404, 410, 416, 482, 483, 484, 485, 502, 604]);
    }
}
