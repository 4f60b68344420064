//! The caller's side: INVITE, its responses, the ACK for each 2xx (RFC 3261 §13.2, RFC 3263 §4.3).

use super::{
    Cancel, Cause, DescriptionKind, Descriptions, EarlyDialog, Invitation, InvitationEvent, InvitationId,
    InvitationState, Invite, InviteKind, Originator, Peer, ReceivedProvisionals, SentAck, SentBye,
    SentInvite, SessionTimer, Unanswered, failure_cause, internal, push_extra,
};
use crate::auth::Auth;
use crate::dialog::{Dialog, DialogError};
use crate::endpoint::{Body, Core, Owner, Reliability, SendError, body_of};
use crate::header::{CSeq, From, MaxForwards, To};
use crate::transaction::{Failure, TransactionId};
use crate::{HeaderName, Host, Method, NameAddr, Request, Response, SipUri, StatusCode};
use offhook_sansio::{Deadlines, Path};
use std::collections::BTreeSet;
use std::time::Instant;

impl Invitation {
    /// Sends the INVITE along the first route that can be used.
    pub(crate) fn start(
        core: &mut Core,
        now: Instant,
        id: InvitationId,
        invite: Invite,
    ) -> Result<Self, SendError> {
        let first = core.path_of(&invite.routes[0]);
        let auth = Auth::new(invite.credentials, &mut core.entropy);
        let mut invitation = Self {
            id,
            state: InvitationState::Null,
            is_outgoing: true,
            local: if invite.is_anonymous {
                anonymous()
            } else {
                invite.from
            },
            remote: invite.to,
            local_tag: core.fresh_tag(),
            call_id: core.fresh_call_id(),
            request_uri: invite.request_uri,
            contact_user: invite.contact_user,
            is_anonymous: invite.is_anonymous,
            extra_headers: invite.extra_headers,
            change_headers: Vec::new(),
            path: first.or_else(|error| {
                let mut others = invite.routes.iter().filter_map(|route| core.path_of(route).ok());
                others.next().ok_or(error)
            })?,
            routes: invite.routes,
            route: 0,
            auth,
            number: 0,
            offer: invite.offer,
            sent: Vec::new(),
            received: None,
            unacked: None,
            dialog: None,
            forks: Vec::new(),
            descriptions: Descriptions::default(),
            reliable: None,
            asked: None,
            update: None,
            prack_offer: None,
            session: SessionTimer::default(),
            peer: Peer::default(),
            redirects: invite.redirects,
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
            transactions: BTreeSet::new(),
            timers: Deadlines::new(),
            told: None,
        };
        invitation.send_initial(core, now)?;
        invitation.set_state(core, InvitationState::Calling, Cause::Local);
        Ok(invitation)
    }

    /// Sends the INVITE along the route in use, or the next that can be used.
    fn send_initial(&mut self, core: &mut Core, now: Instant) -> Result<(), SendError> {
        loop {
            match self.send_initial_along_route(core, now) {
                Ok(()) => return Ok(()),
                Err(error) if self.route + 1 == self.routes.len() => return Err(error),
                Err(_) => self.route += 1,
            }
        }
    }

    fn send_initial_along_route(&mut self, core: &mut Core, now: Instant) -> Result<(), SendError> {
        let route = &self.routes[self.route];
        let path = core.path_of(route)?;
        self.number += 1;
        let mut request = Request::new(Method::Invite, self.request_uri.clone());
        let headers = request.headers_mut();
        route.write_to(headers);
        headers.push_typed(&MaxForwards(70));
        headers.push_typed(&From(self.local.clone().with_tag(&self.local_tag)));
        headers.push_typed(&To(self.remote.clone()));
        headers.push_typed(&self.call_id);
        headers.push_typed(&CSeq::new(self.number, Method::Invite));
        if core.config.reliability == Reliability::Required {
            headers.push(HeaderName::Require, "100rel");
        }
        self.session.ask(headers, &core.config);
        if let Some(offer) = &self.offer {
            request.set_body(&offer.content_type, offer.bytes.clone());
        }
        self.complete(core, &mut request, path);
        push_extra(request.headers_mut(), &self.extra_headers);
        if self.is_anonymous && !request.headers().contains(HeaderName::Privacy) {
            request.headers_mut().push(HeaderName::Privacy, "id");
        }
        core.push_via(&mut request, path);
        let id = self.send(core, now, request.clone(), path)?;
        self.path = path;
        self.sent
            .push(SentInvite::new(id, request, self.number, InviteKind::Initial));
        Ok(())
    }

    pub(super) fn handle_invite_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        response: &Response,
        path: Path,
    ) {
        let status = response.status();
        let sent = &mut self.sent[index];
        let kind = sent.kind;
        if status.is_provisional() {
            sent.had_provisional = true;
            if sent.cancel == Cancel::Wanted {
                self.send_cancel(core, now, index);
            } else if kind == InviteKind::Initial && status != StatusCode::TRYING {
                self.handle_early(core, now, index, response, path);
            } else if kind != InviteKind::Initial {
                self.handle_reinvite_provisional(core, now, index, response);
            }
            return;
        }
        if status.is_success() {
            self.handle_success(core, now, index, response, path);
            return;
        }
        sent.is_answered = true;
        let was_cancelled = sent.cancel != Cancel::No;
        match kind {
            InviteKind::Initial => self.handle_rejected(core, now, response),
            InviteKind::Change => self.handle_reinvite_rejected(core, now, response, was_cancelled),
            InviteKind::Refresh => self.handle_refresh_response(core, now, index, response),
        }
    }

    fn handle_success(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        response: &Response,
        path: Path,
    ) {
        let sent = &mut self.sent[index];
        let (id, kind) = (sent.id, sent.kind);
        sent.is_answered = true;
        let remote_tag = to_tag(response);
        if let Some(ack) = self
            .acks
            .iter()
            .find(|ack| ack.invite == id && ack.remote_tag == remote_tag)
        {
            core.transactions.send(ack.path, ack.bytes.clone());
            return;
        }
        if self
            .unanswered
            .as_ref()
            .is_some_and(|unanswered| unanswered.invite == id)
            && self.is_ours(&remote_tag)
        {
            return;
        }
        match kind {
            InviteKind::Initial => {}
            InviteKind::Change => return self.handle_reinvite_success(core, now, index, response),
            InviteKind::Refresh => return self.handle_refresh_response(core, now, index, response),
        }
        let (dialog, descriptions) = match self.take_dialog(response, path) {
            Ok(dialog) => dialog,
            Err(error) => {
                tracing::debug!(%error, "a 2xx begins no dialog");
                if self.dialog.is_none() {
                    self.finish(
                        core,
                        now,
                        Originator::Local,
                        internal(StatusCode::BAD_REQUEST, "the 2xx begins no dialog"),
                    );
                }
                return;
            }
        };
        let wanted = matches!(self.state, InvitationState::Calling | InvitationState::Early);
        if wanted {
            self.descriptions = descriptions;
            self.establish(core, now, index, dialog, response);
        } else {
            self.refuse_success(core, now, index, dialog);
        }
    }

    /// The first 2xx wins; the early dialogs of other forks are let go when their own 2xx comes, or never does.
    fn establish(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        dialog: Dialog,
        response: &Response,
    ) {
        let _ = self.auth.can_answer(response);
        self.drop_forks(core);
        core.dialogs.join(dialog.id().clone(), Owner::Invitation(self.id));
        self.dialog = Some(dialog);
        self.peer.learn(response.headers());
        self.take_session(core, now, response);
        self.set_state(
            core,
            InvitationState::Connecting,
            Cause::Response(response.clone()),
        );
        if self.take_description(core, response) {
            let sent = &self.sent[index];
            self.unanswered = Some(Unanswered {
                invite: sent.id,
                request: sent.request.clone(),
                number: sent.number,
            });
            self.emit(core, InvitationEvent::AnswerWanted);
            return;
        }
        let sent = &self.sent[index];
        let (id, request, number) = (sent.id, sent.request.clone(), sent.number);
        self.acknowledge(core, id, &request, number, None);
        self.set_state(
            core,
            InvitationState::Confirmed,
            Cause::Response(response.clone()),
        );
    }

    /// Takes the description in the 2xx that begins the call, or the one that this branch gave reliably before; true
    /// where it is an offer that wants an answer.
    fn take_description(&mut self, core: &mut Core, response: &Response) -> bool {
        let kind = DescriptionKind::Answer;
        if self.descriptions.is_idle()
            && let Some(body) = self.descriptions.remote().cloned()
        {
            // RFC 6337 §2.2: the exchange is over, and a description in the 2xx repeats what is known.
            self.emit(core, InvitationEvent::Description { kind, body });
            self.tell_agreed(core);
            return false;
        }
        match body_of(response.headers(), response.body()) {
            Some(body) if self.descriptions.take_answer(&body) => {
                self.emit(core, InvitationEvent::Description { kind, body });
                self.tell_agreed(core);
                false
            }
            Some(body) => {
                self.descriptions.take_offer(body.clone());
                let kind = DescriptionKind::Offer;
                self.emit(core, InvitationEvent::Description { kind, body });
                true
            }
            None => {
                self.fail_exchange(core, "the 2xx brings no answer");
                false
            }
        }
    }

    /// A 2xx that came too late: of another fork, or across our CANCEL (RFC 3261 §13.2.2.4, §15).
    fn refuse_success(&mut self, core: &mut Core, now: Instant, index: usize, dialog: Dialog) {
        let sent = &self.sent[index];
        let (id, request, number) = (sent.id, sent.request.clone(), sent.number);
        self.send_ack(core, &dialog, id, &request, number, None);
        let is_the_call = self.dialog.is_none() && self.state == InvitationState::Disconnecting;
        let mut dialog = dialog;
        let bye = self.send_bye_in(core, now, &mut dialog, None);
        if let Some(id) = bye {
            self.byes.push(SentBye {
                id,
                of_fork: !is_the_call,
            });
        }
        if is_the_call {
            core.dialogs.join(dialog.id().clone(), Owner::Invitation(self.id));
            self.dialog = Some(dialog);
        }
    }

    /// The ACK of the call's own dialog.
    pub(super) fn acknowledge(
        &mut self,
        core: &mut Core,
        invite: TransactionId,
        request: &Request,
        number: u32,
        answer: Option<&Body>,
    ) {
        let Some(dialog) = self.dialog.take() else { return };
        self.send_ack(core, &dialog, invite, request, number, answer);
        self.dialog = Some(dialog);
    }

    fn send_ack(
        &mut self,
        core: &mut Core,
        dialog: &Dialog,
        invite: TransactionId,
        request: &Request,
        number: u32,
        answer: Option<&Body>,
    ) {
        let path = core.path_in_dialog(dialog);
        let mut ack = dialog.ack(number);
        // RFC 3261 §22.1: an ACK cannot be challenged, so it has the credentials of its INVITE.
        for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
            ack.headers_mut().copy_from(request.headers(), name);
        }
        if let Some(answer) = answer {
            ack.set_body(&answer.content_type, answer.bytes.clone());
        }
        core.push_via(&mut ack, path);
        let bytes = ack.to_bytes();
        core.transactions.send(path, bytes.clone());
        self.acks.push(SentAck {
            invite,
            remote_tag: dialog.id().remote_tag.clone(),
            path,
            bytes,
        });
    }

    /// The answer to an offer in the peer's 2xx.
    pub(super) fn answer_success(&mut self, core: &mut Core, answer: Option<&Body>) {
        let Some(unanswered) = self.unanswered.take() else {
            return;
        };
        if !answer.is_some_and(|answer| self.descriptions.answer(answer)) {
            self.fail_exchange(core, "the offer was not answered");
        }
        self.acknowledge(
            core,
            unanswered.invite,
            &unanswered.request,
            unanswered.number,
            answer,
        );
        if answer.is_some() {
            self.tell_agreed(core);
        }
    }

    fn handle_rejected(&mut self, core: &mut Core, now: Instant, response: &Response) {
        let status = response.status();
        let is_ending = self.state == InvitationState::Disconnecting;
        let answerable = self.auth.can_answer(response);
        if is_ending {
            self.finish(core, now, Originator::Local, Cause::Response(response.clone()));
        } else if self.state == InvitationState::Disconnected || self.dialog.is_some() {
            // A fork that lost.
        } else if answerable
            || (status == StatusCode::SERVICE_UNAVAILABLE && self.take_next_route())
            || (status == StatusCode::SESSION_INTERVAL_TOO_SMALL && self.session.raise(response))
            || self.take_redirect(core, response)
        {
            self.try_again(core, now);
        } else {
            self.finish(core, now, Originator::Remote, Cause::Response(response.clone()));
        }
    }

    pub(super) fn handle_invite_failure(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        failure: Failure,
    ) {
        let sent = &mut self.sent[index];
        sent.is_answered = true;
        match sent.kind {
            InviteKind::Initial => {}
            InviteKind::Change => return self.handle_reinvite_failure(core, now, failure),
            InviteKind::Refresh => return self.handle_refresh_failure(core, now, failure),
        }
        if self.dialog.is_some() {
            tracing::debug!("an INVITE failed that was answered before");
        } else if self.state == InvitationState::Calling && self.take_next_route() {
            self.try_again(core, now);
        } else {
            self.finish(core, now, Originator::Local, failure_cause(failure));
        }
    }

    fn take_next_route(&mut self) -> bool {
        let there_is_one = self.route + 1 < self.routes.len();
        self.route += usize::from(there_is_one);
        there_is_one
    }

    fn try_again(&mut self, core: &mut Core, now: Instant) {
        self.drop_forks(core);
        if let Err(error) = self.send_initial(core, now) {
            self.finish(
                core,
                now,
                Originator::Local,
                internal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
            );
        }
    }

    /// The dialog that a 2xx confirms or begins.
    fn take_dialog(
        &mut self,
        response: &Response,
        path: Path,
    ) -> Result<(Dialog, Descriptions), DialogError> {
        let fresh = Dialog::of_response(response, path);
        let remote_tag = to_tag(response);
        let known = self
            .forks
            .iter()
            .position(|fork| fork.id().remote_tag == remote_tag);
        if let Some(index) = known {
            let EarlyDialog {
                mut dialog,
                descriptions,
                ..
            } = self.forks.swap_remove(index);
            dialog.confirm(response);
            return Ok((dialog, descriptions));
        }
        let mut descriptions = Descriptions::default();
        if let Some(offer) = &self.offer {
            descriptions.offer(offer.clone());
        }
        Ok((fresh?, descriptions))
    }

    fn is_ours(&self, remote_tag: &[u8]) -> bool {
        self.dialog
            .as_ref()
            .is_some_and(|dialog| dialog.id().remote_tag == remote_tag)
    }
}

impl SentInvite {
    pub(super) fn new(id: TransactionId, request: Request, number: u32, kind: InviteKind) -> Self {
        Self {
            id,
            request,
            number,
            kind,
            had_provisional: false,
            provisionals: ReceivedProvisionals::default(),
            is_answered: false,
            cancel: Cancel::No,
        }
    }
}

/// Nobody (RFC 3323 §4.1.1.3).
fn anonymous() -> NameAddr {
    let uri = SipUri::of_user("anonymous", Host::Name("anonymous.invalid".into()), None);
    NameAddr::new(uri.into()).with_display_name("Anonymous")
}

pub(super) fn to_tag(response: &Response) -> bytes::Bytes {
    match response.headers().typed::<To>() {
        Some(Ok(to)) => to.tag_bytes().unwrap_or_default(),
        _ => bytes::Bytes::new(),
    }
}
