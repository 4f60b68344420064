//! Changing a session that stands (RFC 3261 §14).

use super::early::{OfferReceived, Order};
use super::{
    Cancel, Cause, DescriptionKind, Invitation, InvitationEvent, InvitationState, InviteKind, Originator,
    ReceivedInvite, SentInvite, Timer, Unanswered, failure_cause, internal, push_extra,
};
use crate::endpoint::{Body, Core, SendError, body_of};
use crate::header::RAck;
use crate::transaction::{Essentials, Failure, TransactionId};
use crate::{Method, Request, Response, StatusCode};
use std::time::{Duration, Instant};

/// RFC 3261 §14.1: how long to wait after a 491, in steps of 10 ms: the owner of the Call-ID longer than the other.
const OWNER_WAITS: (u32, u32) = (210, 400);
const OTHER_WAITS: (u32, u32) = (0, 200);
const STEP: Duration = Duration::from_millis(10);

impl Invitation {
    pub(super) fn send_reinvite(&mut self, core: &mut Core, now: Instant) -> Result<(), SendError> {
        let offer = self.offer.clone();
        self.send_invite_inside(core, now, offer.clone(), InviteKind::Change)?;
        match offer {
            Some(offer) => self.descriptions.offer(offer),
            // What the peer offered in answer to an earlier attempt is void.
            None => drop(self.descriptions.roll_back()),
        }
        Ok(())
    }

    pub(super) fn send_invite_inside(
        &mut self,
        core: &mut Core,
        now: Instant,
        offer: Option<Body>,
        kind: InviteKind,
    ) -> Result<(), SendError> {
        let Some(dialog) = &mut self.dialog else {
            return Ok(());
        };
        let path = core.path_in_dialog(dialog);
        let mut request = dialog.request(Method::Invite);
        self.session.ask(request.headers_mut(), &core.config);
        if let Some(offer) = offer {
            request.set_body(&offer.content_type, offer.bytes);
        }
        self.complete(core, &mut request, path);
        if kind == InviteKind::Change {
            push_extra(request.headers_mut(), &self.change_headers);
        }
        core.push_via(&mut request, path);
        let number = SentInvite::number_of(&request);
        let id = self.send(core, now, request.clone(), path)?;
        self.path = path;
        self.sent.push(SentInvite::new(id, request, number, kind));
        Ok(())
    }

    /// The re-INVITE whose final response is awaited.
    pub(super) fn open_reinvite(&self) -> Option<usize> {
        self.sent
            .iter()
            .position(|sent| sent.kind != InviteKind::Initial && !sent.is_answered)
    }

    /// RFC 3262 §4, §5: a reliable response gets its PRACK, and the description in it counts. An offer is left to the
    /// owner, whose answer goes in the PRACK.
    pub(super) fn handle_reinvite_provisional(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        response: &Response,
    ) {
        let sent = &mut self.sent[index];
        let number = sent.number;
        let has_offer = !sent.request.body().is_empty();
        let Order::Next(rack) = sent.provisionals.take(response, number) else {
            return;
        };
        match body_of(response.headers(), response.body()) {
            Some(body) if self.descriptions.take_answer(&body) => {
                let kind = DescriptionKind::Answer;
                self.emit(core, InvitationEvent::Description { kind, body });
                self.tell_agreed(core);
            }
            Some(body) if !has_offer && sent.provisionals.offer == OfferReceived::No => {
                sent.provisionals.offer = OfferReceived::Unanswered(rack);
                self.want_answer(core, body);
                return;
            }
            _ => {}
        }
        let Some(dialog) = self.dialog.as_ref().map(|dialog| dialog.id().clone()) else {
            return;
        };
        if let Err(error) = self.send_prack(core, now, &dialog, &rack, None) {
            tracing::debug!(%error, "a PRACK could not be sent");
        }
    }

    /// Leaves the peer's offer to the owner.
    fn want_answer(&mut self, core: &mut Core, body: Body) {
        let kind = DescriptionKind::Offer;
        self.descriptions.take_offer(body.clone());
        self.emit(core, InvitationEvent::Description { kind, body });
        self.emit(core, InvitationEvent::AnswerWanted);
    }

    pub(super) fn answer_reinvite_in_prack(
        &mut self,
        core: &mut Core,
        now: Instant,
        rack: &RAck,
        answer: Option<&Body>,
    ) -> Result<(), SendError> {
        let Some(dialog) = self.dialog.as_ref().map(|dialog| dialog.id().clone()) else {
            return Ok(());
        };
        let is_agreed = answer.is_some_and(|answer| self.descriptions.answer(answer));
        self.send_prack(core, now, &dialog, rack, answer.cloned())?;
        if is_agreed {
            self.tell_agreed(core);
        } else {
            self.fail_exchange(core, "the offer was not answered");
        }
        Ok(())
    }

    pub(super) fn handle_reinvite_success(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        response: &Response,
    ) {
        let _ = self.auth.can_answer(response);
        if let Some(dialog) = &mut self.dialog {
            dialog.refresh_target(response.headers());
        }
        let sent = &self.sent[index];
        let (id, request, number) = (sent.id, sent.request.clone(), sent.number);
        let was_cancelled = sent.cancel != Cancel::No;
        let body = body_of(response.headers(), response.body());
        self.take_session(core, now, response);
        if self.state != InvitationState::Reinviting {
            self.acknowledge(core, id, &request, number, None);
            return;
        }
        // RFC 6337 §2.2: after an exchange over reliable responses a description in the 2xx repeats what is known.
        let is_described = self.sent[index].provisionals.offer == OfferReceived::Answered;
        if self.offer.is_none()
            && !is_described
            && let Some(body) = body
        {
            self.unanswered = Some(Unanswered {
                invite: id,
                request,
                number,
            });
            self.want_answer(core, body);
            return;
        }
        self.acknowledge(core, id, &request, number, None);
        if let Some(body) = body.filter(|_| !is_described) {
            let is_answer = self.descriptions.take_answer(&body);
            let kind = DescriptionKind::Answer;
            self.emit(core, InvitationEvent::Description { kind, body });
            if is_answer {
                self.tell_agreed(core);
            }
        } else {
            self.fail_exchange(core, "the 2xx brings no answer");
        }
        self.set_state(
            core,
            InvitationState::Confirmed,
            Cause::Response(response.clone()),
        );
        if was_cancelled {
            tracing::debug!(at = ?now, "a re-INVITE was accepted before its CANCEL arrived");
        }
    }

    pub(super) fn handle_reinvite_rejected(
        &mut self,
        core: &mut Core,
        now: Instant,
        response: &Response,
        was_cancelled: bool,
    ) {
        let answerable = self.auth.can_answer(response);
        if self.state != InvitationState::Reinviting {
            return;
        }
        let cause = Cause::Response(response.clone());
        match response.status() {
            StatusCode::REQUEST_PENDING if !was_cancelled => {
                let wait = self.glare_wait(core);
                self.descriptions.roll_back();
                self.timers.set(Timer::Glare, now + wait);
            }
            StatusCode::SESSION_INTERVAL_TOO_SMALL if self.session.raise(response) => {
                self.retry_reinvite(core, now);
            }
            // RFC 3261 §12.2.1.2: the peer knows no such dialog.
            StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => {
                self.send_bye(core, now, None);
                self.finish(core, now, Originator::Remote, cause);
            }
            _ if answerable => self.retry_reinvite(core, now),
            _ => self.fail_reinvite(core, cause),
        }
    }

    /// RFC 3261 §14.1: the owner of the Call-ID waits longer, so that one of both comes first.
    pub(super) fn glare_wait(&self, core: &mut Core) -> Duration {
        let (low, high) = if self.is_outgoing {
            OWNER_WAITS
        } else {
            OTHER_WAITS
        };
        STEP * (low + core.entropy.below(high - low + 1))
    }

    pub(super) fn handle_refresh_failure(&mut self, core: &mut Core, now: Instant, failure: Failure) {
        self.descriptions.roll_back();
        if self.state.is_established() {
            self.send_bye(core, now, None);
            self.finish(core, now, Originator::Local, failure_cause(failure));
        }
    }

    pub(super) fn handle_reinvite_failure(&mut self, core: &mut Core, now: Instant, failure: Failure) {
        if self.state == InvitationState::Reinviting {
            // RFC 3261 §12.2.1.2: no answer at all means that the dialog is gone.
            self.send_bye(core, now, None);
            self.finish(core, now, Originator::Local, failure_cause(failure));
        }
    }

    pub(super) fn retry_reinvite(&mut self, core: &mut Core, now: Instant) {
        if self.state == InvitationState::Reinviting
            && let Err(error) = self.send_reinvite(core, now)
        {
            let cause = internal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            self.fail_reinvite(core, cause);
        }
    }

    pub(super) fn fail_reinvite(&mut self, core: &mut Core, cause: Cause) {
        self.timers.stop(Timer::Glare);
        self.fail_exchange(core, &cause.reason());
        let was_executed = self.descriptions.has_changed();
        self.set_state(core, InvitationState::Confirmed, cause.clone());
        self.emit(core, InvitationEvent::ReinviteFailed { cause, was_executed });
    }

    /// The peer's re-INVITE, in order and inside our dialog.
    pub(super) fn handle_reinvite(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        essentials: &Essentials,
        request: &Request,
    ) {
        self.take_reinvite_as_ack(core, now, request);
        let waits_after_glare = self.timers.get(Timer::Glare).is_some();
        let refusal = if self.received.is_some() {
            // RFC 3261 §14.2: a second INVITE before the first is answered.
            Some(StatusCode::SERVER_INTERNAL_ERROR)
        } else if self.open_reinvite().is_some()
            || self.is_unacked()
            || self.unanswered.is_some()
            || self.descriptions.is_ours()
        {
            Some(StatusCode::REQUEST_PENDING)
        } else if self.asked.is_some() {
            // RFC 3311 §5.2 for an INVITE that crosses: one exchange after the other.
            Some(StatusCode::SERVER_INTERNAL_ERROR)
        } else if !(self.state.is_established()) {
            Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)
        } else {
            None
        };
        if let Some(status) = refusal {
            let mut response = core.response_to(request, status);
            if status == StatusCode::SERVER_INTERNAL_ERROR {
                response = core.with_retry_after(response);
            }
            core.answer(now, id, response);
            return;
        }
        if let Some(response) = core.refuse_interval(request) {
            return core.answer(now, id, response);
        }
        if waits_after_glare {
            // Our own offer would be about a session that is just being changed.
            let cause = internal(StatusCode::REQUEST_PENDING, "the peer's re-INVITE came first");
            self.fail_reinvite(core, cause);
        }
        if let Some(dialog) = &mut self.dialog {
            dialog.refresh_target(request.headers());
        }
        self.transactions.insert(id);
        core.owners
            .insert(id, crate::endpoint::Owner::Invitation(self.id));
        self.received = Some(ReceivedInvite {
            id,
            request: request.clone(),
            number: essentials.cseq.number,
            is_described: false,
            provisional: None,
        });
        self.peer.learn(request.headers());
        if let Some(offer) = body_of(request.headers(), request.body()) {
            self.descriptions.take_offer(offer);
        }
        self.set_state(core, InvitationState::Reinvited, Cause::Request(request.clone()));
        self.emit(
            core,
            InvitationEvent::Reinvite {
                request: request.clone(),
            },
        );
    }

    /// The peer's re-INVITE was answered without its owner, as no PRACK came.
    pub(super) fn leave_reinvited(&mut self, core: &mut Core, cause: Cause) {
        if self.state == InvitationState::Reinvited {
            self.set_state(core, InvitationState::Confirmed, cause);
            self.emit(core, InvitationEvent::ReinviteCancelled);
        }
    }

    /// What [`accept`](super::InvitationMut::accept) does for an offer in the 2xx to our re-INVITE.
    pub(super) fn answer_reinvite_success(&mut self, core: &mut Core, answer: Option<&Body>) {
        self.answer_success(core, answer);
        self.set_state(core, InvitationState::Confirmed, Cause::Local);
    }
}
