//! Reliable provisional responses, the callee's side (RFC 3262 §3): sent until their PRACK comes, one at a time.

use super::{Asked, DescriptionKind, Invitation, InvitationEvent, Originator, Timer, internal};
use crate::dialog::DialogId;
use crate::endpoint::{Core, Reliability, body_of};
use crate::header::{RAck, RSeq};
use crate::transaction::{Essentials, RespondError, TransactionId};
use crate::{HeaderName, Method, Request, Response, StatusCode};
use offhook_sansio::Entropy;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How many reliable responses may wait behind the one that is being sent. More than anybody sends in one call.
const MOST_QUEUED: usize = 16;

/// The reliable provisional responses to one INVITE.
#[derive(Debug)]
pub(super) struct ReliableProvisionals {
    invite: TransactionId,
    /// CSeq of the INVITE.
    number: u32,
    /// The number of the newest that was sent.
    rseq: u32,
    waiting: Option<Waiting>,
    /// Those that come after it, without RSeq yet.
    queue: VecDeque<Response>,
    /// The 2xx, which must not pass a response with a description (RFC 3262 §3).
    held: Option<Response>,
}

#[derive(Debug)]
struct Waiting {
    response: Response,
    interval: Duration,
    give_up: Instant,
    carries: Option<DescriptionKind>,
}

impl ReliableProvisionals {
    /// RFC 3262 §3: the first number lies between 1 and 2^31 - 1, so that there is room behind it.
    fn new(invite: TransactionId, number: u32, entropy: &mut Entropy) -> Self {
        Self {
            invite,
            number,
            rseq: entropy.below(0x7fff_fffe),
            waiting: None,
            queue: VecDeque::new(),
            held: None,
        }
    }

    fn matches(&self, rack: &RAck) -> bool {
        self.waiting.is_some()
            && rack.rseq == self.rseq
            && rack.cseq == self.number
            && rack.method == Method::Invite
    }

    /// Whether a 2xx must wait.
    pub(super) fn blocks_success(&self) -> bool {
        let described = |response: &Response| !response.body().is_empty();
        self.waiting
            .as_ref()
            .is_some_and(|waiting| waiting.carries.is_some())
            || self.queue.iter().any(described)
    }

    pub(super) fn hold(&mut self, success: Response) {
        self.held = Some(success);
    }

    /// A final response is out: nothing more is sent, but the PRACK for the newest is good still.
    pub(super) fn stop(&mut self) {
        self.queue.clear();
        self.held = None;
    }
}

impl Invitation {
    /// Whether the peer has acknowledged one: then UPDATE may be sent before the call is answered (RFC 3311 §5.1).
    pub(super) fn has_sent_reliably(&self) -> bool {
        self.reliable
            .as_ref()
            .is_some_and(|reliable| reliable.waiting.is_none() && reliable.queue.is_empty())
    }

    /// Whether a provisional response to the INVITE that waits goes out reliably.
    pub(super) fn is_reliable(&self, core: &Core, status: StatusCode) -> bool {
        let Some(received) = &self.received else {
            return false;
        };
        if status == StatusCode::TRYING {
            return false;
        }
        let headers = received.request.headers();
        let is_supported = || headers.has_token(HeaderName::Supported, "100rel");
        match core.config.reliability {
            Reliability::Off => false,
            Reliability::Supported => headers.has_token(HeaderName::Require, "100rel"),
            Reliability::Preferred | Reliability::Required => {
                headers.has_token(HeaderName::Require, "100rel") || is_supported()
            }
        }
    }

    /// Sends a provisional response reliably, or puts it behind the one whose PRACK is awaited.
    pub(super) fn respond_reliably(
        &mut self,
        core: &mut Core,
        now: Instant,
        mut response: Response,
    ) -> Result<(), RespondError> {
        let Some(received) = &self.received else {
            return Err(RespondError::Answered);
        };
        let (id, number) = (received.id, received.number);
        let headers = response.headers_mut();
        headers.push(HeaderName::Require, "100rel");
        // RFC 3311 §5.1: so the caller learns whether it may send UPDATE.
        core.describe(headers, &[]);
        let reliable = match &mut self.reliable {
            Some(reliable) if reliable.invite == id => reliable,
            other => other.insert(Box::new(ReliableProvisionals::new(id, number, &mut core.entropy))),
        };
        if reliable.waiting.is_some() {
            if reliable.queue.len() < MOST_QUEUED {
                reliable.queue.push_back(response);
            }
            return Ok(());
        }
        self.send_reliable(core, now, response)
    }

    fn send_reliable(
        &mut self,
        core: &mut Core,
        now: Instant,
        mut response: Response,
    ) -> Result<(), RespondError> {
        let Some(reliable) = &mut self.reliable else {
            return Err(RespondError::Answered);
        };
        reliable.rseq += 1;
        response.headers_mut().set_typed(&RSeq(reliable.rseq));
        let body = body_of(response.headers(), response.body());
        let carries = body.map(|body| {
            if self.descriptions.answer(&body) {
                DescriptionKind::Answer
            } else {
                self.descriptions.offer(body);
                DescriptionKind::Offer
            }
        });
        let timing = core.transactions.timing();
        let (t1, give_up) = (timing.t1, now + timing.give_up());
        core.transactions.respond(now, reliable.invite, &response)?;
        reliable.waiting = Some(Waiting {
            response,
            interval: t1,
            give_up,
            carries,
        });
        self.timers.set(Timer::Reliable, now + t1);
        if carries.is_some()
            && let Some(received) = &mut self.received
        {
            received.is_described = true;
        }
        if carries == Some(DescriptionKind::Answer) {
            self.tell_agreed(core);
        }
        Ok(())
    }

    /// RFC 3262 §3: repeated at T1, then at doubled intervals; given up after 64*T1 with a 5xx.
    pub(super) fn resend_reliable(&mut self, core: &mut Core, now: Instant) {
        let Some(waiting) = self
            .reliable
            .as_mut()
            .and_then(|reliable| reliable.waiting.as_mut())
        else {
            return;
        };
        if now >= waiting.give_up {
            self.refuse_received(core, now, StatusCode::SERVER_TIMEOUT);
            let cause = internal(StatusCode::SERVER_TIMEOUT, "missing PRACK");
            if self.state.is_established() {
                self.leave_reinvited(core, cause);
            } else {
                self.finish(core, now, Originator::Local, cause);
            }
            return;
        }
        waiting.interval *= 2;
        let at = (now + waiting.interval).min(waiting.give_up);
        let response = waiting.response.clone();
        let invite = self.reliable.as_ref().map(|reliable| reliable.invite);
        if let Some(invite) = invite
            && core.transactions.respond(now, invite, &response).is_ok()
        {
            self.timers.set(Timer::Reliable, at);
        }
    }

    /// The peer's PRACK (RFC 3262 §3, §5).
    pub(super) fn handle_prack(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        essentials: &Essentials,
        request: &Request,
    ) {
        let Some(Ok(rack)) = request.headers().typed::<RAck>() else {
            let mut response = core.response_to(request, StatusCode::BAD_REQUEST);
            response.set_reason("Bad Request: RAck is missing or malformed");
            return core.answer(now, id, response);
        };
        let waiting = self
            .reliable
            .as_mut()
            .filter(|reliable| reliable.matches(&rack))
            .and_then(|reliable| reliable.waiting.take());
        let Some(waiting) = waiting else {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            let response = core.response_to(request, status);
            return core.answer(now, id, response);
        };
        self.timers.stop(Timer::Reliable);
        let body = body_of(request.headers(), request.body());
        match (waiting.carries, body) {
            (Some(DescriptionKind::Offer), Some(answer)) => {
                core.accept(now, id, request);
                if self.descriptions.take_answer(&answer) {
                    let kind = DescriptionKind::Answer;
                    self.emit(core, InvitationEvent::Description { kind, body: answer });
                    self.tell_agreed(core);
                }
            }
            (Some(DescriptionKind::Offer), None) => {
                core.accept(now, id, request);
                self.fail_exchange(core, "the PRACK brings no answer to our offer");
            }
            (_, Some(offer)) if self.descriptions.is_idle() && self.asked.is_none() => {
                self.descriptions.take_offer(offer);
                self.ask(
                    core,
                    now,
                    Asked::new(id, request, DialogId::of_request(essentials)),
                );
            }
            (_, Some(_)) => {
                // RFC 3262 §5: an offer only when the exchange before it is complete.
                let response = core.response_to(request, StatusCode::REQUEST_PENDING);
                core.answer(now, id, response);
            }
            (_, None) => core.accept(now, id, request),
        }
        self.go_on_after_prack(core, now);
    }

    /// The next reliable response, or the 2xx that waited for the last.
    pub(super) fn go_on_after_prack(&mut self, core: &mut Core, now: Instant) {
        if self.asked.is_some() {
            return;
        }
        let Some(reliable) = &mut self.reliable else {
            return;
        };
        if reliable.waiting.is_some() {
            return;
        }
        let sent = if let Some(next) = reliable.queue.pop_front() {
            self.send_reliable(core, now, next)
        } else if let Some(success) = reliable.held.take() {
            self.respond(core, now, &success)
        } else {
            Ok(())
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a response that waited for a PRACK cannot be sent");
        }
    }
}
