//! The callee's side: INVITE received, its responses, the 2xx until its ACK (RFC 3261 §13.3, §9.2).

use super::{
    Cause, DescriptionKind, Descriptions, Invitation, InvitationEvent, InvitationId, InvitationState,
    Originator, Peer, ReceivedInvite, RedirectPolicy, SessionTimer, Timer, Unacked, internal, push_extra,
};
use crate::auth::Auth;
use crate::dialog::{Dialog, DialogError};
use crate::endpoint::{Body, Core, Owner, body_of};
use crate::header::Contact;
use crate::transaction::{Essentials, RespondError, TransactionId};
use crate::{HeaderName, Request, Response, StatusCode};
use offhook_sansio::{Deadlines, Path};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// RFC 3261 §13.3.1.1.
const REMIND_EACH: Duration = Duration::from_mins(1);

impl Invitation {
    /// Takes the INVITE that begins a call.
    pub(crate) fn receive(
        core: &mut Core,
        id: InvitationId,
        transaction: TransactionId,
        request: &Request,
        essentials: &Essentials,
        path: Path,
    ) -> Result<Self, DialogError> {
        let local_tag = core.fresh_tag();
        let dialog = Dialog::of_essentials(essentials, request.headers(), &local_tag, path)?;
        core.dialogs.join(dialog.id().clone(), Owner::Invitation(id));
        let body = body_of(request.headers(), request.body());
        let request_uri = request.uri().ok();
        let contact_user = request_uri
            .as_ref()
            .and_then(|uri| uri.as_sip()?.user())
            .unwrap_or_default()
            .to_owned();
        let mut peer = Peer::default();
        peer.learn(request.headers());
        let mut descriptions = Descriptions::default();
        if let Some(offer) = &body {
            descriptions.take_offer(offer.clone());
        }
        let mut invitation = Self {
            id,
            state: InvitationState::Null,
            is_outgoing: false,
            local: essentials.to.0.clone(),
            remote: essentials.from.0.clone(),
            local_tag,
            call_id: essentials.call_id.clone(),
            request_uri: request_uri.unwrap_or_else(|| essentials.to.uri.clone()),
            contact_user,
            is_anonymous: false,
            extra_headers: Vec::new(),
            change_headers: Vec::new(),
            routes: Vec::new(),
            route: 0,
            path,
            auth: Auth::new(None, &mut core.entropy),
            number: essentials.cseq.number,
            offer: None,
            sent: Vec::new(),
            received: Some(ReceivedInvite {
                id: transaction,
                request: request.clone(),
                number: essentials.cseq.number,
                is_described: false,
                provisional: None,
            }),
            unacked: None,
            dialog: Some(dialog),
            forks: Vec::new(),
            descriptions,
            reliable: None,
            asked: None,
            update: None,
            prack_offer: None,
            session: SessionTimer::default(),
            peer,
            redirects: RedirectPolicy::Tell,
            redirection: None,
            replaces: None,
            acks: Vec::new(),
            unanswered: None,
            byes: Vec::new(),
            requests: Vec::new(),
            referrals: Vec::new(),
            next_referral: 0,
            goodbye: Vec::new(),
            bye_after_ack: false,
            transactions: BTreeSet::from([transaction]),
            timers: Deadlines::new(),
            told: None,
        };
        invitation.set_state(core, InvitationState::Incoming, Cause::Request(request.clone()));
        if let Some(body) = body {
            let kind = DescriptionKind::Offer;
            invitation.emit(core, InvitationEvent::Description { kind, body });
        }
        Ok(invitation)
    }

    /// Answers the INVITE or re-INVITE that waits.
    pub(super) fn respond(
        &mut self,
        core: &mut Core,
        now: Instant,
        response: &Response,
    ) -> Result<(), RespondError> {
        let Some(received) = &mut self.received else {
            return Err(RespondError::Answered);
        };
        let (id, number) = (received.id, received.number);
        if response.status().is_success()
            && let Some(reliable) = &mut self.reliable
            && reliable.blocks_success()
        {
            reliable.hold(response.clone());
            return Ok(());
        }
        core.transactions.respond(now, id, response)?;
        if response.status().is_provisional() {
            received.provisional = Some(response.clone());
            self.timers.set(Timer::Remind, now + REMIND_EACH);
            return Ok(());
        }
        self.timers.stop(Timer::Remind);
        self.timers.stop(Timer::Reliable);
        self.received = None;
        if let Some(reliable) = &mut self.reliable {
            reliable.stop();
        }
        if response.status().is_success() {
            self.take_own_success(core, now, id, number, response);
        } else {
            self.fail_exchange(core, "the offer was refused");
        }
        Ok(())
    }

    /// Our 2xx is out: its description counts, and it is repeated until the ACK comes.
    fn take_own_success(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        number: u32,
        response: &Response,
    ) {
        let timing = core.transactions.timing();
        let (t1, give_up) = (timing.t1, timing.give_up());
        let body = body_of(response.headers(), response.body());
        let is_answer = body.as_ref().is_some_and(|body| self.descriptions.answer(body));
        if is_answer {
            self.tell_agreed(core);
        } else if let Some(offer) = &body {
            self.descriptions.offer(offer.clone());
        } else {
            self.fail_exchange(core, "our 2xx has no answer");
        }
        let sent = core.transactions.newest_response(id);
        let sent = sent.unwrap_or_else(|| response.to_bytes());
        self.unacked = Some(Unacked {
            number,
            bytes: sent,
            id,
            interval: t1,
            has_offer: body.is_some() && !is_answer,
        });
        self.timers.set(Timer::Success, now + t1);
        self.timers.set(Timer::MissingAck, now + give_up);
    }

    /// The response that this call gives to its INVITE or re-INVITE; `None` when none waits.
    pub(super) fn response(
        &self,
        core: &Core,
        status: StatusCode,
        body: Option<&Body>,
        extra: &[(String, String)],
    ) -> Option<Response> {
        let request = &self.received.as_ref()?.request;
        let mut response = core.response_to(request, status).with_to_tag(&self.local_tag);
        let headers = response.headers_mut();
        if status.is_provisional() || status.is_success() {
            headers.copy_from(request.headers(), HeaderName::RecordRoute);
            headers.push_typed(&Contact::Addr(self.contact(core, self.path)));
        }
        if status.is_success() {
            core.describe(headers, &[]);
        }
        push_extra(headers, extra);
        if let Some(body) = body {
            response.set_body(&body.content_type, body.bytes.clone());
        }
        Some(response)
    }

    /// RFC 3261 §13.3.1.4: the 2xx is repeated until its ACK comes, over any transport.
    pub(super) fn resend_success(&mut self, core: &mut Core, now: Instant) {
        let t2 = core.transactions.timing().t2;
        let Some(unacked) = &mut self.unacked else { return };
        // The connection by which the INVITE came may be another's by now.
        let path = core.transactions.reply_path(unacked.id).unwrap_or(self.path);
        core.transactions.send(path, unacked.bytes.clone());
        unacked.interval = (unacked.interval * 2).min(t2);
        self.timers.set(Timer::Success, now + unacked.interval);
    }

    pub(super) fn give_up_on_ack(&mut self, core: &mut Core, now: Instant) {
        self.timers.stop(Timer::Success);
        self.unacked = None;
        if self.state == InvitationState::Disconnected {
            return;
        }
        let reason = "SIP;cause=500;text=\"Missing ACK\"".to_owned();
        self.send_bye(core, now, Some(&reason));
        self.finish(
            core,
            now,
            Originator::Local,
            internal(StatusCode::REQUEST_TIMEOUT, "missing ACK"),
        );
    }

    pub(super) fn remind(&mut self, core: &mut Core, now: Instant) {
        let Some(received) = &self.received else { return };
        if let Some(response) = &received.provisional
            && core.transactions.respond(now, received.id, response).is_ok()
        {
            self.timers.set(Timer::Remind, now + REMIND_EACH);
        }
    }

    /// The ACK for our 2xx.
    pub(crate) fn handle_ack(
        &mut self,
        core: &mut Core,
        now: Instant,
        essentials: &Essentials,
        ack: &Request,
    ) {
        let Some(unacked) = self
            .unacked
            .take_if(|unacked| unacked.number == essentials.cseq.number)
        else {
            return;
        };
        if unacked.has_offer && self.state != InvitationState::Disconnecting {
            self.take_answer_in_ack(core, ack);
        }
        self.acknowledged(core, now, ack);
    }

    /// The peer's re-INVITE, which it cannot have sent before it had our 2xx: its ACK is late or lost, and matters only
    /// where it has the answer (RFC 5407 §3.1.4, §3.1.5).
    pub(super) fn take_reinvite_as_ack(&mut self, core: &mut Core, now: Instant, reinvite: &Request) {
        let is_open = self.state != InvitationState::Disconnecting;
        if self
            .unacked
            .take_if(|unacked| is_open && !unacked.has_offer)
            .is_some()
        {
            self.acknowledged(core, now, reinvite);
        }
    }

    fn acknowledged(&mut self, core: &mut Core, now: Instant, by: &Request) {
        self.timers.stop(Timer::Success);
        self.timers.stop(Timer::MissingAck);
        if self.state == InvitationState::Connecting {
            self.set_state(core, InvitationState::Confirmed, Cause::Request(by.clone()));
        } else if self.state == InvitationState::Confirmed {
            self.emit(core, InvitationEvent::ReinviteAcknowledged);
        }
        if std::mem::take(&mut self.bye_after_ack) {
            self.send_bye(core, now, None);
        }
    }

    fn take_answer_in_ack(&mut self, core: &mut Core, ack: &Request) {
        let Some(body) = body_of(ack.headers(), ack.body()) else {
            return self.fail_exchange(core, "the ACK brings no answer to our offer");
        };
        let is_answer = self.descriptions.take_answer(&body);
        let kind = DescriptionKind::Answer;
        self.emit(core, InvitationEvent::Description { kind, body });
        if is_answer {
            self.tell_agreed(core);
        }
    }

    /// A CANCEL for our INVITE transaction; it has been answered itself (RFC 3261 §9.2).
    pub(crate) fn handle_cancel(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        cancel: &Request,
    ) {
        if self.received.as_ref().is_none_or(|received| received.id != id) {
            return;
        }
        self.refuse_received(core, now, StatusCode::REQUEST_TERMINATED);
        if self.state == InvitationState::Reinvited {
            self.set_state(core, InvitationState::Confirmed, Cause::Request(cancel.clone()));
            self.emit(core, InvitationEvent::ReinviteCancelled);
        } else {
            self.finish(core, now, Originator::Remote, Cause::Request(cancel.clone()));
        }
    }

    /// Refuses the INVITE or re-INVITE that waits, if one does.
    pub(super) fn refuse_received(&mut self, core: &mut Core, now: Instant, status: StatusCode) {
        if let Some(response) = self.response(core, status, None, &[])
            && let Err(error) = self.respond(core, now, &response)
        {
            tracing::debug!(%error, "an INVITE could not be refused");
        }
    }

    /// The tag of our responses, which the answer to a CANCEL must have too.
    pub(crate) fn local_tag(&self) -> &str {
        &self.local_tag
    }

    pub(super) fn is_unacked(&self) -> bool {
        self.unacked.is_some()
    }
}
