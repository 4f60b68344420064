//! Ending a call: CANCEL, BYE or refusal, as the state wants it (RFC 3261 §9.1, §15).

use super::{Cancel, Cause, Invitation, InvitationState, Originator, SentBye, Timer, push_extra};
use crate::dialog::Dialog;
use crate::endpoint::Core;
use crate::transaction::{TransactionId, cancel_for};
use crate::{HeaderName, Method, Response, StatusCode};
use std::time::{Duration, Instant};

/// How a call is to end: `disconnect` of the documents.
#[derive(Clone, Debug)]
pub struct Ending {
    /// With what the peer's INVITE is refused, where it was not accepted yet. Default 603.
    pub status: StatusCode,
    /// More header fields for the refusal, the CANCEL or the BYE, such as Reason (RFC 3326) or Retry-After.
    pub extra_headers: Vec<(String, String)>,
    /// How long the peer may take to answer before the call counts as over. Default
    /// [`EndpointConfig::end_timeout`](crate::EndpointConfig::end_timeout).
    pub timeout: Option<Duration>,
}

impl Default for Ending {
    fn default() -> Self {
        Self {
            status: StatusCode::DECLINE,
            extra_headers: Vec::new(),
            timeout: None,
        }
    }
}

impl Invitation {
    /// Ends the call from any state in which it lives.
    pub(super) fn end(&mut self, core: &mut Core, now: Instant, ending: &Ending) {
        let timeout = ending.timeout.unwrap_or(core.config.end_timeout);
        self.goodbye.clone_from(&ending.extra_headers);
        match self.state {
            InvitationState::Null | InvitationState::Disconnecting | InvitationState::Disconnected => {}
            InvitationState::Incoming => self.decline(core, now, ending),
            InvitationState::Early if !self.is_outgoing => self.decline(core, now, ending),
            // Accepted, but the 2xx waits for a PRACK.
            InvitationState::Connecting if self.received.is_some() => self.decline(core, now, ending),
            InvitationState::Calling | InvitationState::Early => {
                self.begin_end(core, now, timeout);
                if let Some(index) = self.sent.iter().position(|sent| !sent.is_answered) {
                    self.cancel(core, now, index);
                }
            }
            InvitationState::Connecting if self.is_unacked() => {
                self.begin_end(core, now, timeout);
                self.bye_after_ack = true;
            }
            InvitationState::Connecting
            | InvitationState::Confirmed
            | InvitationState::Reinviting
            | InvitationState::Reinvited => {
                self.refuse_received(core, now, StatusCode::REQUEST_TERMINATED);
                self.answer_success(core, None);
                self.begin_end(core, now, timeout);
                self.send_bye(core, now, None);
            }
        }
    }

    fn decline(&mut self, core: &mut Core, now: Instant, ending: &Ending) {
        if let Some(response) = self.response(core, ending.status, None, &ending.extra_headers)
            && let Err(error) = self.respond(core, now, &response)
        {
            tracing::debug!(%error, "an INVITE could not be refused");
        }
        self.finish(core, now, Originator::Local, Cause::Local);
    }

    fn begin_end(&mut self, core: &mut Core, now: Instant, timeout: Duration) {
        self.set_state(core, InvitationState::Disconnecting, Cause::Local);
        self.timers.stop(Timer::Glare);
        self.timers.set(Timer::End, now + timeout);
    }

    /// The peer does not answer our end in time. One whose ACK we waited for has not even been told of it: without
    /// a BYE it would go on with a call that is none.
    pub(super) fn give_up_on_end(&mut self, core: &mut Core, now: Instant) {
        if std::mem::take(&mut self.bye_after_ack) {
            self.send_bye(core, now, None);
        }
        let cause = super::internal(StatusCode::REQUEST_TIMEOUT, "timeout");
        self.finish(core, now, Originator::Local, cause);
    }

    /// RFC 3261 §9.1: at once where a provisional response has come, else when one comes.
    pub(super) fn cancel(&mut self, core: &mut Core, now: Instant, index: usize) {
        if self.sent[index].had_provisional {
            self.send_cancel(core, now, index);
        } else {
            self.sent[index].cancel = Cancel::Wanted;
        }
    }

    pub(super) fn send_cancel(&mut self, core: &mut Core, now: Instant, index: usize) {
        let sent = &mut self.sent[index];
        sent.cancel = Cancel::Sent;
        let (mut cancel, path) = match core.transactions.sent_invite(sent.id) {
            Some((invite, path)) => (cancel_for(invite), path),
            None => (cancel_for(&sent.request), self.path),
        };
        push_extra(cancel.headers_mut(), &self.goodbye);
        if let Err(error) = self.send(core, now, cancel, path) {
            tracing::debug!(%error, "a CANCEL could not be sent");
        }
        let give_up = core.transactions.timing().give_up();
        self.timers.set(Timer::Cancelled, now + give_up);
    }

    /// The owner did not answer the peer's offer before the end.
    pub(super) fn refuse_asked(&mut self, core: &mut Core, now: Instant) {
        if self.asked.is_some() {
            let status = StatusCode::REQUEST_TERMINATED;
            if let Err(error) = self.answer_asked(core, now, status, None) {
                tracing::debug!(%error, "an offer could not be refused");
            }
        }
    }

    /// RFC 3261 §9.1: without a final response 64*T1 after the CANCEL, or after the end of the call, the INVITE counts
    /// as cancelled.
    pub(super) fn forget_cancelled(&mut self, core: &mut Core, now: Instant) {
        let is_over = self.is_disconnected();
        let forgotten: Vec<TransactionId> = self
            .sent
            .iter()
            .filter(|sent| !sent.is_answered && (is_over || sent.cancel == Cancel::Sent))
            .map(|sent| sent.id)
            .collect();
        for id in &forgotten {
            core.transactions.forget_request(*id);
        }
        if forgotten.is_empty() {
            return;
        }
        let cause = super::internal(StatusCode::REQUEST_TERMINATED, "no answer to CANCEL");
        match self.state {
            InvitationState::Reinviting => self.fail_reinvite(core, cause),
            _ => self.finish(core, now, Originator::Local, cause),
        }
    }

    /// The BYE of the call's own dialog.
    pub(super) fn send_bye(&mut self, core: &mut Core, now: Instant, reason: Option<&str>) {
        let Some(mut dialog) = self.dialog.take() else {
            return;
        };
        if let Some(id) = self.send_bye_in(core, now, &mut dialog, reason) {
            self.byes.push(SentBye { id, of_fork: false });
        }
        self.dialog = Some(dialog);
    }

    pub(super) fn send_bye_in(
        &mut self,
        core: &mut Core,
        now: Instant,
        dialog: &mut Dialog,
        reason: Option<&str>,
    ) -> Option<TransactionId> {
        let path = core.path_in_dialog(dialog);
        let mut bye = dialog.request(Method::Bye);
        if let Some(reason) = reason {
            bye.headers_mut().push(HeaderName::Reason, reason);
        } else {
            push_extra(bye.headers_mut(), &self.goodbye);
        }
        self.complete(core, &mut bye, path);
        core.push_via(&mut bye, path);
        self.send(core, now, bye, path)
            .inspect_err(|error| tracing::debug!(%error, "a BYE could not be sent"))
            .ok()
    }

    pub(super) fn handle_bye_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        response: &Response,
    ) {
        if response.status().is_provisional() {
            return;
        }
        let bye = self.byes.swap_remove(index);
        let answerable = self.auth.can_answer(response);
        if bye.of_fork {
            return;
        }
        if answerable && self.dialog.is_some() {
            self.send_bye(core, now, None);
            return;
        }
        self.finish(core, now, Originator::Local, Cause::Response(response.clone()));
    }
}
