//! The NOTIFYs that a subscriber gets (RFC 6665 §4.1.3, §4.4.1).

use super::machine::{Again, Leaving, Timer};
use super::{Subscription, SubscriptionEvent, SubscriptionId, SubscriptionState};
use crate::dialog::Dialog;
use crate::endpoint::{Body, Core, Owner, body_of};
use crate::header::{Contact, Event, RecordRoute, SubscriptionState as StateHeader, TypedHeader};
use crate::invitation::Cause;
use crate::transaction::{Essentials, TransactionId};
use crate::{HeaderName, Request, StatusCode};
use offhook_sansio::Path;
use std::time::{Duration, Instant};

/// What became of a NOTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notified {
    /// It was answered.
    Done,
    /// It is about another subscription.
    NotOurs,
    /// It comes from one more notifier, for whom a subscription is to be made.
    Fork,
}

impl Subscription {
    /// Takes a NOTIFY of our dialog, or, while that is not known whole, one that may begin it.
    pub(crate) fn handle_notify(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        path: Path,
        essentials: &Essentials,
        request: &Request,
    ) -> Notified {
        let Some(Ok(event)) = request.headers().typed::<Event>() else {
            return Notified::NotOurs;
        };
        // RFC 3515 §2.4.6: that of a REFER may have an id which the SUBSCRIBEs that follow must have, too.
        let is_first_of_referral =
            self.what.refer.is_some() && self.dialog.is_none() && event.package() == self.event.package();
        if is_first_of_referral {
            self.event = event.clone();
        }
        if !event.matches(&self.event) {
            return Notified::NotOurs;
        }
        let remote_tag = essentials.from.tag_bytes().unwrap_or_default();
        let is_known = self
            .dialog
            .as_ref()
            .map(|dialog| dialog.id().remote_tag == remote_tag);
        match is_known {
            Some(true) => {}
            Some(false) if self.half.is_some() && self.notifiers < self.what.notifiers => {
                self.notifiers += 1;
                return Notified::Fork;
            }
            Some(false) => return Notified::NotOurs,
            None => {
                if let Err(reason) = self.establish(core, path, request) {
                    core.refuse(now, id, request, StatusCode::BAD_REQUEST, &reason);
                    return Notified::Done;
                }
            }
        }
        self.take(core, now, id, path, essentials, request, event);
        Notified::Done
    }

    /// The subscription of one more notifier.
    pub(crate) fn fork(&self, core: &mut Core, id: SubscriptionId) -> Self {
        let mut fork = Self::new(core, id, self.event.clone(), self.what.clone());
        fork.client.continue_from(&self.client);
        (fork.is_fork, fork.is_closing) = (true, true);
        fork.state = SubscriptionState::Sent;
        fork.emit(core, SubscriptionEvent::Forked { of: self.id });
        fork
    }

    /// RFC 6665 §4.4.1: the NOTIFY, and not the 2xx to the SUBSCRIBE, begins the dialog.
    fn establish(&mut self, core: &mut Core, path: Path, request: &Request) -> Result<(), String> {
        let number = self.client.number();
        let dialog =
            Dialog::of_notify(request, self.client.tag(), path, number).map_err(|error| error.to_string())?;
        core.dialogs
            .join(dialog.id().clone(), Owner::Subscription(self.id));
        self.dialog = Some(dialog);
        if self.is_fork {
            return Ok(());
        }
        self.notifiers = 1;
        match self.timers.get(Timer::NoNotify) {
            Some(at) if self.what.notifiers > 1 => self.timers.set(Timer::Forks, at),
            _ => self.leave_half(core),
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what every request inside a dialog comes with"
    )]
    fn take(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        path: Path,
        essentials: &Essentials,
        request: &Request,
        event: Event,
    ) {
        if let Some(dialog) = &mut self.dialog
            && let Err(error) = dialog.take_request(&essentials.cseq)
        {
            // RFC 3261 §12.2.2: what it says is older than what we know.
            let status = StatusCode::SERVER_INTERNAL_ERROR;
            core.refuse(now, id, request, status, &error.to_string());
            return;
        }
        let state = match request.headers().typed::<StateHeader>() {
            Some(Ok(state)) => state,
            Some(Err(error)) => {
                let reason = format!("Subscription-State: {error}");
                core.refuse(now, id, request, StatusCode::BAD_REQUEST, &reason);
                return;
            }
            None => {
                core.refuse(now, id, request, StatusCode::BAD_REQUEST, "no Subscription-State");
                return;
            }
        };
        let body = body_of(request.headers(), request.body());
        if body.as_ref().is_some_and(|body| !self.accepts(body)) {
            self.refuse_type(core, now, id, request);
            return;
        }
        self.confirm(core, now, id, path, request);
        // One that crossed our leaving is not the last.
        if self.leaving != Leaving::Sent && !self.is_poll() {
            self.timers.stop(Timer::NoNotify);
        }
        if let Some(dialog) = &mut self.dialog {
            dialog.refresh_target(request.headers());
        }
        self.apply(core, now, &state, request, body, event);
    }

    fn apply(
        &mut self,
        core: &mut Core,
        now: Instant,
        state: &StateHeader,
        request: &Request,
        body: Option<Body>,
        event: Event,
    ) {
        let cause = Cause::Request(request.clone());
        let next = SubscriptionState::of(&state.state);
        let is_over = next == SubscriptionState::Terminated;
        if !is_over {
            self.set_state(core, next, cause.clone());
            if let Some(seconds) = state.expires() {
                self.set_expiry(now, seconds);
            }
        }
        let notified = SubscriptionEvent::Notified {
            body,
            event,
            request: Box::new(request.clone()),
        };
        self.emit(core, notified);
        if is_over {
            let reason = state.reason().map(str::to_owned);
            let again = again_after_end(state);
            self.terminate(core, now, cause, reason, again);
        } else {
            self.leave(core, now);
        }
    }

    /// The 200, with what a response that begins a dialog has (RFC 3261 §12.1.1).
    fn confirm(&self, core: &mut Core, now: Instant, id: TransactionId, path: Path, request: &Request) {
        let mut response = core.response_to(request, StatusCode::OK);
        let headers = response.headers_mut();
        headers.copy_from(request.headers(), RecordRoute::NAME);
        headers.push_typed(&Contact::Addr(core.contact(&self.what.contact_user, path)));
        core.answer(now, id, response);
    }

    fn accepts(&self, body: &Body) -> bool {
        let Some(accept) = &self.what.accept else {
            return true;
        };
        let media = |text: &str| {
            text.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        };
        let got = media(&body.content_type);
        accept.iter().any(|wanted| {
            let wanted = media(wanted);
            let all_of = wanted.strip_suffix('*');
            wanted == got || all_of.is_some_and(|prefix| prefix == "*/" || got.starts_with(prefix))
        })
    }

    /// RFC 3261 §8.2.3.
    fn refuse_type(&self, core: &mut Core, now: Instant, id: TransactionId, request: &Request) {
        let mut response = core.response_to(request, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let accept = self.what.accept.clone().unwrap_or_default().join(", ");
        response.headers_mut().push(HeaderName::Accept, accept);
        core.answer(now, id, response);
    }
}

/// RFC 6665 §4.1.3: what each reason lets us do.
fn again_after_end(state: &StateHeader) -> Again {
    let asked = state
        .retry_after()
        .map(|seconds| Duration::from_secs(u64::from(seconds)));
    match state.reason() {
        Some("rejected" | "noresource" | "invariant") => Again::No,
        Some("deactivated" | "timeout") => Again::AtOnce,
        Some("giveup") if asked.is_none() => Again::AtOnce,
        _ => Again::Later(asked),
    }
}
