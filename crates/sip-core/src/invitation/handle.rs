//! What the owner of an endpoint can do with a call.

use super::{Cause, CommandError, Ending, Invitation, InvitationId, InvitationState, Originator};
use super::{ending_status, push_extra};
use crate::auth::Auth;
use crate::dialog::Dialog;
use crate::endpoint::{Body, Core, Route, Usage};
use crate::transaction::{RespondError, Schedule, TransactionId};
use crate::{Method, NameAddr, StatusCode, Uri};
use offhook_digest::Credentials;
use offhook_sansio::{Path, Transport};
use std::time::Instant;

/// One call of an [`Endpoint`](crate::Endpoint), to look at and to command. Drain the endpoint after each command.
#[derive(Debug)]
pub struct InvitationMut<'a> {
    pub(super) invitation: &'a mut Invitation,
    /// The call whose place it takes.
    replaced: Option<&'a mut Invitation>,
    pub(super) core: &'a mut Core,
    schedule: &'a mut Schedule<InvitationId>,
    extra_headers: Vec<(String, String)>,
}

impl<'a> InvitationMut<'a> {
    pub(crate) fn new(
        invitation: &'a mut Invitation,
        replaced: Option<&'a mut Invitation>,
        core: &'a mut Core,
        schedule: &'a mut Schedule<InvitationId>,
    ) -> Self {
        Self {
            invitation,
            replaced,
            core,
            schedule,
            extra_headers: Vec::new(),
        }
    }

    /// More header fields for what the next command sends: the response of [`respond_provisionally`](Self::respond_provisionally),
    /// [`accept`](Self::accept), [`reject`](Self::reject) and [`respond_to_reinvite`](Self::respond_to_reinvite), and the
    /// request of [`reinvite`](Self::reinvite), also where that must be sent again.
    #[must_use = "they go with the next command of what is returned"]
    pub fn with_headers(mut self, extra_headers: &[(String, String)]) -> Self {
        self.extra_headers = extra_headers.to_vec();
        self
    }

    /// Its name.
    pub fn id(&self) -> InvitationId {
        self.invitation.id
    }

    /// Where it stands.
    pub fn state(&self) -> InvitationState {
        self.invitation.state
    }

    /// True where we sent the first INVITE.
    pub fn is_outgoing(&self) -> bool {
        self.invitation.is_outgoing
    }

    /// Our address: From of our INVITE, or To of the peer's.
    pub fn local(&self) -> &NameAddr {
        &self.invitation.local
    }

    /// The peer's address: To of our INVITE, or From of the peer's.
    pub fn remote(&self) -> &NameAddr {
        &self.invitation.remote
    }

    /// Who called.
    pub fn caller(&self) -> &NameAddr {
        if self.is_outgoing() {
            self.local()
        } else {
            self.remote()
        }
    }

    /// Who was called.
    pub fn callee(&self) -> &NameAddr {
        if self.is_outgoing() {
            self.remote()
        } else {
            self.local()
        }
    }

    /// The Request-URI of the first INVITE.
    pub fn request_uri(&self) -> &Uri {
        &self.invitation.request_uri
    }

    /// Call-ID; `None` once the call is over.
    pub fn call_id(&self) -> Option<&str> {
        (self.state() != InvitationState::Disconnected).then(|| self.invitation.call_id.as_str())
    }

    /// The route in use; `None` for an incoming call.
    pub fn route(&self) -> Option<&Route> {
        self.invitation.routes.get(self.invitation.route)
    }

    /// The user name of the credentials; `None` without any.
    pub fn auth_username(&self) -> Option<&str> {
        self.invitation.auth.username()
    }

    /// The way by which the newest INVITE went or came.
    pub fn path(&self) -> Path {
        self.invitation.path
    }

    /// The transport of [`path`](Self::path).
    pub fn transport(&self) -> Transport {
        self.invitation.path.transport
    }

    /// Our Contact.
    pub fn local_contact(&self) -> NameAddr {
        self.invitation.contact(self.core, self.invitation.path)
    }

    /// Sets what later requests of this call answer challenges with: for an incoming call, whose INVITE needed none.
    pub fn set_credentials(&mut self, credentials: Credentials) {
        self.invitation.auth = Auth::new(Some(credentials), &mut self.core.entropy);
    }

    /// The interval of the session timer in seconds, and whether we are who refreshes it (RFC 4028); `None` where none
    /// runs.
    pub fn session_interval(&self) -> Option<(u32, bool)> {
        self.invitation.session.agreed()
    }

    /// The dialog, from the moment at which it is known which one it is.
    pub fn dialog(&self) -> Option<&Dialog> {
        self.invitation.dialog.as_ref()
    }

    /// Sends a 180, or another provisional response, perhaps with early media. From `Incoming` or `Early`, to
    /// `Early`. It goes reliably (RFC 3262) where the peer demands it, or knows it and
    /// [`EndpointConfig::reliability`](crate::EndpointConfig::reliability) prefers it; then its body is the answer, or
    /// the offer where the INVITE had none.
    pub fn respond_provisionally(
        &mut self,
        now: Instant,
        status: StatusCode,
        body: Option<&Body>,
    ) -> Result<(), CommandError> {
        const COMMAND: &str = "respond_provisionally";
        self.expect_incoming(COMMAND)?;
        if !status.is_provisional() {
            return Err(CommandError::IllegalStatus {
                status,
                command: COMMAND,
            });
        }
        self.respond(now, status, None, body, &[])?;
        if status != StatusCode::TRYING {
            self.invitation
                .set_state(self.core, InvitationState::Early, Cause::Local);
        }
        Ok(())
    }

    /// Sends a 180.
    pub fn ring(&mut self, now: Instant) -> Result<(), CommandError> {
        self.respond_provisionally(now, StatusCode::RINGING, None)
    }

    /// Accepts. The peer's INVITE is answered with 200, from `Incoming` or `Early` to `Connecting`, with the
    /// answer, or with an offer where the INVITE had none; a body is left out where reliable responses have settled
    /// both already. The offer in the peer's 2xx or reliable response
    /// ([`AnswerWanted`](super::InvitationEvent::AnswerWanted)) is answered in the ACK, to `Confirmed`, or in the
    /// PRACK. A call that this one [replaces](Self::replaces) is ended.
    pub fn accept(&mut self, now: Instant, body: Option<&Body>) -> Result<(), CommandError> {
        if self.invitation.unanswered.is_some() && self.state() == InvitationState::Connecting {
            self.invitation.answer_success(self.core, body);
            self.invitation
                .set_state(self.core, InvitationState::Confirmed, Cause::Local);
            return Ok(());
        }
        if self.invitation.unanswered.is_some() && self.state() == InvitationState::Reinviting {
            self.invitation.answer_reinvite_success(self.core, body);
            return Ok(());
        }
        if self.invitation.answer_in_prack(self.core, now, body)? {
            self.settle();
            return Ok(());
        }
        self.expect_incoming("accept")?;
        self.respond(now, StatusCode::OK, None, body, &[])?;
        self.invitation
            .set_state(self.core, InvitationState::Connecting, Cause::Local);
        if let Some(replaced) = &mut self.replaced {
            replaced.end(self.core, now, &Ending::default());
            replaced.update_schedule(self.schedule);
        }
        self.settle();
        Ok(())
    }

    /// Refuses the peer's INVITE with any status from 300, and a reason phrase other than the usual one if given.
    /// From `Incoming` or `Early`, to `Disconnected`.
    pub fn reject(
        &mut self,
        now: Instant,
        status: StatusCode,
        reason: Option<&str>,
        extra_headers: &[(String, String)],
    ) -> Result<(), CommandError> {
        const COMMAND: &str = "reject";
        self.expect_incoming(COMMAND)?;
        ending_status(status, COMMAND)?;
        self.respond(now, status, reason, None, extra_headers)?;
        self.invitation
            .finish(self.core, now, Originator::Local, Cause::Local);
        self.settle();
        Ok(())
    }

    /// Whether [`reinvite`](Self::reinvite) would send one now: no other INVITE of this dialog is under way, the ACK of the last one
    /// included, and no offer.
    pub fn may_reinvite(&self) -> bool {
        self.expect_idle().is_ok()
    }

    fn expect_idle(&self) -> Result<(), CommandError> {
        self.expect(InvitationState::Confirmed, "reinvite")?;
        if self.invitation.is_unacked() || self.invitation.open_reinvite().is_some() {
            return Err(CommandError::InviteInProgress);
        }
        if !self.invitation.descriptions.is_idle() {
            return Err(CommandError::OfferInProgress);
        }
        Ok(())
    }

    /// Offers to change the session; without a body the peer makes the offer. From `Confirmed`, to `Reinviting`.
    /// A 491 of the peer is met as RFC 3261 §14.1 says: by waiting and sending it again.
    pub fn reinvite(&mut self, now: Instant, body: Option<Body>) -> Result<(), CommandError> {
        self.expect_idle()?;
        self.invitation.offer = body;
        self.invitation.change_headers = std::mem::take(&mut self.extra_headers);
        self.invitation.send_reinvite(self.core, now)?;
        self.invitation
            .set_state(self.core, InvitationState::Reinviting, Cause::Local);
        self.settle();
        Ok(())
    }

    /// Takes our re-INVITE back, with a CANCEL. In `Reinviting`; the peer's 487, or its 2xx that was quicker, or
    /// no answer within 64*T1, leads to `Confirmed`.
    pub fn cancel_reinvite(&mut self, now: Instant) -> Result<(), CommandError> {
        self.expect(InvitationState::Reinviting, "cancel_reinvite")?;
        if let Some(index) = self.invitation.open_reinvite() {
            self.invitation.cancel(self.core, now, index);
        } else if self.invitation.unanswered.is_none() {
            self.invitation.fail_reinvite(self.core, Cause::Local);
        }
        self.settle();
        Ok(())
    }

    /// Answers the peer's re-INVITE. A final response leads from `Reinvited` to `Confirmed`, where a refusal leaves
    /// the session as it was.
    ///
    /// # Errors
    /// [`CommandError::ChangesExecuted`] for a refusal after both sides have agreed within the re-INVITE.
    pub fn respond_to_reinvite(
        &mut self,
        now: Instant,
        status: StatusCode,
        body: Option<&Body>,
    ) -> Result<(), CommandError> {
        self.expect(InvitationState::Reinvited, "respond_to_reinvite")?;
        if status.is_final() && !status.is_success() && self.invitation.descriptions.has_changed() {
            return Err(CommandError::ChangesExecuted);
        }
        self.respond(now, status, None, body, &[])?;
        if status.is_final() {
            self.invitation
                .set_state(self.core, InvitationState::Confirmed, Cause::Local);
        }
        Ok(())
    }

    /// Sends a request inside the dialog of an established call: MESSAGE, INFO and the like. What the peer says comes
    /// as [`RequestAnswered`](super::InvitationEvent::RequestAnswered); a challenge is answered once, where there are
    /// credentials.
    ///
    /// # Errors
    /// INVITE, ACK, BYE, CANCEL, PRACK, UPDATE and REFER have commands of their own, or are sent by the call itself:
    /// [`CommandError::IllegalMethod`].
    pub fn send_request(
        &mut self,
        now: Instant,
        method: Method,
        body: Option<&Body>,
        extra_headers: &[(String, String)],
    ) -> Result<TransactionId, CommandError> {
        let state = self.state();
        if matches!(
            method,
            Method::Invite
                | Method::Ack
                | Method::Bye
                | Method::Cancel
                | Method::Prack
                | Method::Update
                | Method::Refer
        ) {
            return Err(CommandError::IllegalMethod(method));
        }
        let illegal = CommandError::IllegalState {
            state,
            command: "send_request",
        };
        if !state.is_established() {
            return Err(illegal);
        }
        self.invitation
            .send_for_owner(self.core, now, method, body, extra_headers)?
            .ok_or(illegal)
    }

    /// Ends the call as its state wants it: CANCEL (once a provisional response has come), BYE (once an ACK has
    /// come), or 603. To `Disconnecting`, and with the peer's answer or
    /// [`end_timeout`](crate::EndpointConfig::end_timeout) to `Disconnected`; by refusal at once.
    pub fn end(&mut self, now: Instant) -> Result<(), CommandError> {
        self.end_with(now, &Ending::default())
    }

    /// [`end`](Self::end) with a status, header fields and a time of one's own: `disconnect` of the documents.
    ///
    /// # Errors
    /// [`CommandError::IllegalStatus`] for a status below 300.
    pub fn end_with(&mut self, now: Instant, ending: &Ending) -> Result<(), CommandError> {
        ending_status(ending.status, "end")?;
        let state = self.state();
        if matches!(
            state,
            InvitationState::Disconnecting | InvitationState::Disconnected
        ) {
            return Err(CommandError::IllegalState {
                state,
                command: "end",
            });
        }
        self.invitation.end(self.core, now, ending);
        self.settle();
        Ok(())
    }

    fn respond(
        &mut self,
        now: Instant,
        status: StatusCode,
        reason: Option<&str>,
        body: Option<&Body>,
        extra: &[(String, String)],
    ) -> Result<(), CommandError> {
        let call = &mut *self.invitation;
        let received = call.received.as_ref().ok_or(RespondError::Answered)?;
        let body = body.filter(|_| !(status.is_success() && received.is_described));
        let mut response = call
            .response(self.core, status, body, extra)
            .ok_or(RespondError::Answered)?;
        push_extra(response.headers_mut(), &std::mem::take(&mut self.extra_headers));
        if let Some(reason) = reason {
            response.set_reason(reason);
        }
        if status.is_success() {
            call.agree_session(self.core, now, &mut response);
        }
        if status.is_provisional() && call.is_reliable(self.core, status) {
            call.respond_reliably(self.core, now, response)?;
        } else {
            call.respond(self.core, now, &response)?;
        }
        self.settle();
        Ok(())
    }

    fn expect(&self, wanted: InvitationState, command: &'static str) -> Result<(), CommandError> {
        let state = self.state();
        if state == wanted {
            return Ok(());
        }
        Err(CommandError::IllegalState { state, command })
    }

    fn expect_incoming(&self, command: &'static str) -> Result<(), CommandError> {
        let state = self.state();
        let answerable =
            !self.is_outgoing() && matches!(state, InvitationState::Incoming | InvitationState::Early);
        if answerable {
            return Ok(());
        }
        Err(CommandError::IllegalState { state, command })
    }

    pub(super) fn settle(&mut self) {
        self.invitation.update_schedule(self.schedule);
    }
}
