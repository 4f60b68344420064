//! UPDATE, both ways, early and established (RFC 3311), and whatever else brings an offer outside of INVITE.

use super::request::Purpose;
use super::{
    Cause, CommandError, Invitation, InvitationEvent, InvitationMut, InvitationState, Timer, push_extra,
};
use crate::dialog::DialogId;
use crate::endpoint::{Body, Core, SendError, body_of};
use crate::header::Contact;
use crate::transaction::{Essentials, RespondError, TransactionId};
use crate::{HeaderName, Method, Request, Response, StatusCode};
use std::time::{Duration, Instant};

/// The peer's UPDATE or PRACK whose offer wants our answer.
#[derive(Debug)]
pub(super) struct Asked {
    id: TransactionId,
    request: Request,
    dialog: Option<DialogId>,
}

impl Asked {
    pub(super) fn new(id: TransactionId, request: &Request, dialog: Option<DialogId>) -> Self {
        let request = request.clone();
        Self { id, request, dialog }
    }
}

/// An UPDATE that met the peer's and is to be sent again.
#[derive(Debug)]
pub(super) struct WaitingUpdate {
    dialog: DialogId,
    body: Option<Body>,
    extra: Vec<(String, String)>,
    /// It has been sent more than once.
    is_repeated: bool,
}

impl Invitation {
    /// The dialog in which an UPDATE of ours goes: that of the call, or the newest early one with a reliable response.
    fn update_dialog(&self) -> Option<DialogId> {
        if let Some(dialog) = &self.dialog {
            return Some(dialog.id().clone());
        }
        let fork = self.forks.iter().rev().find(|fork| fork.is_reliable())?;
        Some(fork.id().clone())
    }

    pub(super) fn send_update(
        &mut self,
        core: &mut Core,
        now: Instant,
        dialog: &DialogId,
        body: Option<Body>,
        extra: &[(String, String)],
    ) -> Result<(), SendError> {
        let Some(mut request) = self
            .find_dialog(dialog)
            .map(|dialog| dialog.request(Method::Update))
        else {
            return Ok(());
        };
        push_extra(request.headers_mut(), extra);
        self.session.ask(request.headers_mut(), &core.config);
        let has_offer = body.is_some();
        if let Some(body) = &body {
            request.set_body(&body.content_type, body.bytes.clone());
        }
        self.send_inside(core, now, dialog, request, Purpose::Update { has_offer })?;
        if let Some(body) = &body {
            self.descriptions_of(&dialog.remote_tag).offer(body.clone());
        }
        let is_repeated = self.update.is_some();
        self.update = Some(Box::new(WaitingUpdate {
            dialog: dialog.clone(),
            body,
            extra: extra.to_vec(),
            is_repeated,
        }));
        Ok(())
    }

    pub(super) fn conclude_update(
        &mut self,
        core: &mut Core,
        now: Instant,
        dialog: &DialogId,
        has_offer: bool,
        cause: &Cause,
    ) {
        if let Some(wait) = self.update_again_in(core, cause) {
            self.descriptions_of(&dialog.remote_tag).roll_back();
            self.timers.set(Timer::Update, now + wait);
            return;
        }
        self.update = None;
        if let Cause::Response(response) = cause
            && response.status().is_success()
        {
            if let Some(dialog) = self.find_dialog(dialog) {
                dialog.refresh_target(response.headers());
            }
            self.take_session(core, now, response);
        }
        self.conclude_exchange(core, dialog, has_offer, cause);
        if !self.is_disconnected() {
            let cause = cause.clone();
            self.emit(core, InvitationEvent::UpdateAnswered { cause });
        }
    }

    /// RFC 3311 §5.1, §5.3: a 491 is glare, to be met as that of a re-INVITE; a 500 with Retry-After says when, once.
    fn update_again_in(&mut self, core: &mut Core, cause: &Cause) -> Option<Duration> {
        let waiting = self.update.as_ref()?;
        match cause.status()? {
            StatusCode::REQUEST_PENDING => Some(self.glare_wait(core)),
            StatusCode::SERVER_INTERNAL_ERROR if !waiting.is_repeated => cause.retry_after(),
            _ => None,
        }
    }

    pub(super) fn retry_update(&mut self, core: &mut Core, now: Instant) {
        let Some(waiting) = self.update.take() else { return };
        let WaitingUpdate {
            dialog, body, extra, ..
        } = *waiting;
        let is_free = self.descriptions_of(&dialog.remote_tag).is_idle() || body.is_none();
        if !is_free || self.find_dialog(&dialog).is_none() {
            let cause = super::internal(StatusCode::REQUEST_PENDING, "the peer's offer came first");
            self.emit(core, InvitationEvent::UpdateAnswered { cause });
            return;
        }
        let sent = self.send_update(core, now, &dialog, body, &extra);
        if let Some(update) = &mut self.update {
            update.is_repeated = true;
        }
        if let Err(error) = sent {
            let cause = super::internal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            self.emit(core, InvitationEvent::UpdateAnswered { cause });
        }
    }

    /// The peer's UPDATE (RFC 3311 §5.2).
    pub(super) fn handle_update(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        essentials: &Essentials,
        request: &Request,
    ) {
        let Some(dialog) = DialogId::of_request(essentials).filter(|_| !self.is_disconnected()) else {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            let response = core.response_to(request, status);
            return core.answer(now, id, response);
        };
        if let Some(refusal) = core.refuse_interval(request) {
            return core.answer(now, id, refusal);
        }
        let offer = body_of(request.headers(), request.body());
        let Some(offer) = offer else {
            self.accept_update(core, now, id, Some(&dialog), request, None);
            return;
        };
        // An INVITE that leaves the offer to us is an exchange under way, too.
        let is_asked = self.asked.is_some()
            || self
                .received
                .as_ref()
                .is_some_and(|received| !received.is_described);
        let descriptions = self.descriptions_of(&dialog.remote_tag);
        if descriptions.is_theirs() || is_asked && !descriptions.is_ours() {
            let response = core.response_to(request, StatusCode::SERVER_INTERNAL_ERROR);
            let response = core.with_retry_after(response);
            return core.answer(now, id, response);
        }
        if descriptions.is_ours() {
            let response = core.response_to(request, StatusCode::REQUEST_PENDING);
            return core.answer(now, id, response);
        }
        descriptions.take_offer(offer);
        self.ask(core, now, Asked::new(id, request, Some(dialog)));
    }

    /// Leaves an offer to the owner. He has until the peer gives up: 64*T1.
    pub(super) fn ask(&mut self, core: &mut Core, now: Instant, asked: Asked) {
        let request = asked.request.clone();
        let give_up = now + core.transactions.timing().give_up();
        self.timers.set(Timer::Asked, give_up);
        self.asked = Some(Box::new(asked));
        self.emit(core, InvitationEvent::Update { request });
    }

    pub(super) fn answer_asked(
        &mut self,
        core: &mut Core,
        now: Instant,
        status: StatusCode,
        body: Option<&Body>,
    ) -> Result<(), CommandError> {
        let Some(asked) = self.asked.take() else {
            return Err(CommandError::Respond(RespondError::Answered));
        };
        self.timers.stop(Timer::Asked);
        let remote_tag = asked.dialog.as_ref().map(|dialog| dialog.remote_tag.clone());
        let remote_tag = remote_tag.unwrap_or_default();
        if status.is_success() {
            let descriptions = self.descriptions_of(&remote_tag);
            let answer = body.or(descriptions.local()).cloned();
            let agreed = answer.as_ref().is_some_and(|answer| descriptions.answer(answer));
            let Asked { id, request, dialog } = *asked;
            self.accept_update(core, now, id, dialog.as_ref(), &request, answer.as_ref());
            if agreed && self.is_dialog(&remote_tag) {
                self.tell_agreed(core);
            }
        } else {
            self.descriptions_of(&remote_tag).roll_back();
            let response = core.response_to(&asked.request, status);
            core.answer(now, asked.id, response);
        }
        self.go_on_after_prack(core, now);
        Ok(())
    }

    pub(super) fn give_up_on_answer(&mut self, core: &mut Core, now: Instant) {
        // The peer gives up at the same time: nobody hears it, but the transaction ends.
        if let Err(error) = self.answer_asked(core, now, StatusCode::SERVER_INTERNAL_ERROR, None) {
            tracing::debug!(%error, "an offer is not there any more");
        }
    }

    fn accept_update(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        dialog: Option<&DialogId>,
        request: &Request,
        answer: Option<&Body>,
    ) {
        let mut response = core.response_to(request, StatusCode::OK);
        if *request.method() == Method::Update {
            if let Some(dialog) = dialog.and_then(|dialog| self.find_dialog(dialog)) {
                dialog.refresh_target(request.headers());
            }
            let contact = self.contact(core, self.path);
            let headers = response.headers_mut();
            headers.push_typed(&Contact::Addr(contact));
            core.describe(headers, &[]);
            self.agree_update(core, now, request, &mut response);
        }
        if let Some(answer) = answer {
            response.set_body(&answer.content_type, answer.bytes.clone());
        }
        core.answer(now, id, response);
    }

    fn is_dialog(&self, remote_tag: &[u8]) -> bool {
        self.dialog
            .as_ref()
            .is_some_and(|dialog| dialog.id().remote_tag == remote_tag)
    }

    /// Both sides have said what they want.
    pub(super) fn tell_agreed(&self, core: &mut Core) {
        if let (Some(local), Some(remote)) = (self.descriptions.local(), self.descriptions.remote()) {
            let (local, remote) = (local.clone(), remote.clone());
            self.emit(core, InvitationEvent::Negotiated { local, remote });
        }
    }

    /// An offer of the call's own dialog came to nothing.
    pub(super) fn fail_exchange(&mut self, core: &mut Core, reason: &str) {
        if self.descriptions.roll_back() {
            let reason = reason.to_owned();
            self.emit(core, InvitationEvent::NegotiationFailed { reason });
        }
    }
}

/// Offers outside of INVITE.
impl InvitationMut<'_> {
    /// Sends an UPDATE (RFC 3311): with a body, an offer that changes the session; without, a refresh of the session
    /// and of our Contact. It may be sent while the call is set up still, once a response was received or sent
    /// reliably. What the peer says comes as a [`Description`](InvitationEvent::Description) and
    /// [`UpdateAnswered`](InvitationEvent::UpdateAnswered). A 491 is met by waiting and sending it again.
    ///
    /// # Errors
    /// [`CommandError::OfferInProgress`] where an offer of either side waits for its answer.
    pub fn update(
        &mut self,
        now: Instant,
        body: Option<Body>,
        extra_headers: &[(String, String)],
    ) -> Result<(), CommandError> {
        let state = self.state();
        let is_early =
            state == InvitationState::Early && (self.is_outgoing() || self.invitation.has_sent_reliably());
        let dialog = self
            .invitation
            .update_dialog()
            .filter(|_| is_early || state.is_established());
        let Some(dialog) = dialog else {
            return Err(CommandError::IllegalState {
                state,
                command: "update",
            });
        };
        let is_busy = self.invitation.update.is_some()
            || self.invitation.asked.is_some()
            || body.is_some() && !self.invitation.descriptions_of(&dialog.remote_tag).is_idle();
        if is_busy {
            return Err(CommandError::OfferInProgress);
        }
        self.invitation
            .send_update(self.core, now, &dialog, body, extra_headers)?;
        self.settle();
        Ok(())
    }

    /// Answers an [`Update`](InvitationEvent::Update): the offer in the peer's UPDATE or PRACK. A success without a body
    /// repeats the description that is in use, as the documents want it.
    ///
    /// # Errors
    /// [`RespondError::Answered`] where none waits; [`CommandError::IllegalStatus`] for a provisional status.
    pub fn respond_to_update(
        &mut self,
        now: Instant,
        status: StatusCode,
        body: Option<&Body>,
    ) -> Result<(), CommandError> {
        if !status.is_final() {
            return Err(CommandError::IllegalStatus {
                status,
                command: "respond_to_update",
            });
        }
        self.invitation.answer_asked(self.core, now, status, body)?;
        self.settle();
        Ok(())
    }

    /// Keeps an offer for the next PRACK (RFC 3262 §5): it goes with the acknowledgement of the next reliable response
    /// in whose dialog the first exchange is complete. Before the call is answered only.
    pub fn offer_in_prack(&mut self, offer: Body) -> Result<(), CommandError> {
        let state = self.state();
        if !self.is_outgoing() || !matches!(state, InvitationState::Calling | InvitationState::Early) {
            return Err(CommandError::IllegalState {
                state,
                command: "offer_in_prack",
            });
        }
        self.invitation.prack_offer = Some(offer);
        Ok(())
    }
}

impl Core {
    /// A 200 that says no more.
    pub(super) fn accept(&mut self, now: Instant, id: TransactionId, request: &Request) {
        let response = self.response_to(request, StatusCode::OK);
        self.answer(now, id, response);
    }

    /// RFC 3261 §14.2: 0 to 10 seconds.
    pub(super) fn with_retry_after(&mut self, mut response: Response) -> Response {
        let seconds = self.entropy.below(11);
        response
            .headers_mut()
            .push(HeaderName::RetryAfter, seconds.to_string());
        response
    }
}
