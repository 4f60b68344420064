//! One publication: the four operations of RFC 3903 Table 1, and what is between them.

use super::{PublicationEvent, PublicationId, PublicationState, Publish};
use crate::client::{
    Asker, Client, Done, Draft, Outcome, Trouble, asked_for, refresh_after, retry_after, unsent,
};
use crate::endpoint::{Body, Core, EndpointEvent, Owner, Usage};
use crate::header::{Expires, MinExpires, SipEtag};
use crate::invitation::Cause;
use crate::transaction::{Schedule, TransactionEvent};
use crate::{HeaderName, Headers, Method, Response, StatusCode};
use bytes::Bytes;
use offhook_sansio::{Deadlines, Timer as TimerKey};
use std::time::{Duration, Instant};

/// How long the server may take to answer when the publication is closed: the user waits at the door.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Publication {
    id: PublicationId,
    state: PublicationState,
    what: Publish,
    client: Client,
    /// What the server shall have; `None` when it shall have nothing.
    body: Option<Body>,
    /// The server has something else.
    is_changed: bool,
    /// Of what the server has.
    etag: Option<Bytes>,
    /// On its way.
    operation: Option<Operation>,
    /// Raised by a 423 over what was asked for.
    least: u32,
    failures: u32,
    is_closing: bool,
    expires_at: Option<Instant>,
    timers: Deadlines<Timer, 2>,
    told: Option<Instant>,
}

/// RFC 3903 Table 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Initial,
    Refresh,
    Modify,
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Refresh or retry.
    Send,
    /// The server does not let us go.
    Close,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[Self::Send, Self::Close];
    fn index(self) -> usize {
        self as usize
    }
}

impl Usage for Publication {
    type Id = PublicationId;

    fn is_over(&self) -> bool {
        self.is_closing && self.operation.is_none()
    }

    fn update_schedule(&mut self, schedule: &mut Schedule<PublicationId>) {
        schedule.update(self.id, &mut self.told, self.timers.soonest());
    }

    fn bury(&mut self, _: &mut Core, schedule: &mut Schedule<PublicationId>) {
        schedule.update(self.id, &mut self.told, None);
    }

    fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        while let Some(timer) = self.timers.take_expired(now) {
            match timer {
                Timer::Send => self.advance(core, now, true),
                Timer::Close => {
                    let status = StatusCode::REQUEST_TIMEOUT;
                    let reason = "timeout".to_owned();
                    self.finish_removal(core, Some(Cause::Internal { status, reason }));
                }
            }
        }
    }

    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent) {
        if let Some(Outcome::Done(done)) = self.client.handle(core, now, event, None)
            && let Some(operation) = self.operation.take()
        {
            self.handle_outcome(core, now, operation, *done);
        }
    }
}

impl Publication {
    pub(crate) fn new(core: &mut Core, id: PublicationId, what: Publish) -> Self {
        let asker = Asker {
            from: what.aor.clone(),
            to: what.aor.clone(),
            request_uri: what.aor.uri.clone(),
            routes: what.routes.clone(),
            credentials: what.credentials.clone(),
            extra_headers: what.extra_headers.clone(),
        };
        Self {
            id,
            state: PublicationState::Unpublished,
            client: Client::new(core, Owner::Publication(id), asker),
            what,
            body: None,
            is_changed: false,
            etag: None,
            operation: None,
            least: 0,
            failures: 0,
            is_closing: false,
            expires_at: None,
            timers: Deadlines::new(),
            told: None,
        }
    }

    pub(crate) fn state(&self) -> PublicationState {
        self.state
    }

    pub(crate) fn what(&self) -> &Publish {
        &self.what
    }

    pub(crate) fn etag(&self) -> Option<&Bytes> {
        self.etag.as_ref()
    }

    pub(crate) fn expires_in(&self, now: Instant) -> Option<Duration> {
        self.expires_at.map(|at| at.saturating_duration_since(now))
    }

    pub(crate) fn set_expires(&mut self, seconds: u32) {
        self.what.expires = seconds;
    }

    pub(crate) fn publish(&mut self, core: &mut Core, now: Instant, body: Body) {
        if self.is_closing {
            return;
        }
        self.body = Some(body);
        self.is_changed = true;
        self.advance(core, now, false);
    }

    pub(crate) fn refresh(&mut self, core: &mut Core, now: Instant) {
        if self.body.is_some() {
            self.advance(core, now, true);
        }
    }

    pub(crate) fn unpublish(&mut self, core: &mut Core, now: Instant) {
        if self.body.take().is_some() {
            self.advance(core, now, false);
        }
    }

    /// Takes the state back and then ends.
    pub(crate) fn close(&mut self, core: &mut Core, now: Instant) {
        self.is_closing = true;
        self.unpublish(core, now);
        if self.operation.is_some() {
            self.timers.set(Timer::Close, now + CLOSE_TIMEOUT);
        }
    }

    /// Sends what brings the server nearer to what it shall have, unless a PUBLISH is on its way.
    fn advance(&mut self, core: &mut Core, now: Instant, is_due: bool) {
        if self.operation.is_some() {
            return;
        }
        if self.expires_at.take_if(|at| *at <= now).is_some() {
            self.etag = None;
        }
        let operation = match (&self.body, &self.etag) {
            (None, Some(_)) => Operation::Remove,
            (None, None) => {
                self.finish_removal(core, None);
                return;
            }
            (Some(_), None) => Operation::Initial,
            (Some(_), Some(_)) if self.is_changed => Operation::Modify,
            (Some(_), Some(_)) if is_due => Operation::Refresh,
            (Some(_), Some(_)) => return,
        };
        self.timers.stop(Timer::Send);
        self.set_state(
            core,
            match operation {
                Operation::Remove => PublicationState::Unpublishing,
                _ => PublicationState::Publishing,
            },
        );
        let draft = self.draft(operation);
        match self.client.send(core, now, &draft) {
            Ok(()) => {
                self.operation = Some(operation);
                self.is_changed = false;
            }
            Err(error) if operation == Operation::Remove => {
                self.finish_removal(core, Some(unsent(&error)));
            }
            Err(error) => self.wait_and_retry(core, now, Trouble::Unreachable, unsent(&error)),
        }
    }

    fn draft(&self, operation: Operation) -> Draft {
        let mut draft = Draft::new(Method::Publish);
        draft.headers.push((HeaderName::Event, self.what.event.clone()));
        if operation != Operation::Initial
            && let Some(etag) = &self.etag
        {
            let etag = String::from_utf8_lossy(etag).into_owned();
            draft.headers.push((HeaderName::SipIfMatch, etag));
        }
        draft.expires = Some(match operation {
            Operation::Remove => 0,
            _ => self.what.expires.max(self.least),
        });
        if matches!(operation, Operation::Initial | Operation::Modify) {
            draft.body.clone_from(&self.body);
        }
        draft
    }

    fn handle_outcome(&mut self, core: &mut Core, now: Instant, operation: Operation, done: Done) {
        let status = done.cause.status();
        if done.trouble.is_none() {
            self.succeed(core, now, operation, &done);
        } else if operation == Operation::Remove {
            // RFC 3903 §5: by a 412 the server says that it has nothing of us.
            let is_gone = status == Some(StatusCode::CONDITIONAL_REQUEST_FAILED);
            self.finish_removal(core, (!is_gone).then_some(done.cause));
            self.resume(core, now);
        } else if status == Some(StatusCode::CONDITIONAL_REQUEST_FAILED) && operation != Operation::Initial {
            self.etag = None;
            self.expires_at = None;
            self.advance(core, now, true);
        } else if status == Some(StatusCode::INTERVAL_TOO_BRIEF) && self.raise(&done.cause) {
            self.is_changed |= operation != Operation::Refresh;
            self.advance(core, now, true);
        } else if self.body.is_none() {
            // Taken back meanwhile.
            self.advance(core, now, false);
        } else {
            self.is_changed |= operation != Operation::Refresh;
            self.fail(core, now, operation, done);
        }
    }

    fn succeed(&mut self, core: &mut Core, now: Instant, operation: Operation, done: &Done) {
        self.failures = 0;
        if operation == Operation::Remove {
            self.finish_removal(core, None);
            self.resume(core, now);
            return;
        }
        let Cause::Response(response) = &done.cause else {
            return;
        };
        let asked = done.draft.expires.unwrap_or_default();
        let expires = granted(response).unwrap_or(asked).min(asked.max(1));
        let expires = Duration::from_secs(u64::from(expires));
        // Without an entity tag the state can neither be refreshed nor changed: it will be published anew.
        self.etag = match response.headers().typed::<SipEtag>() {
            Some(Ok(etag)) => Some(etag.0),
            _ => None,
        };
        self.expires_at = Some(now + expires);
        self.timers.set(Timer::Send, now + refresh_after(expires));
        self.set_state(core, PublicationState::Published);
        let response = response.clone();
        self.emit(core, PublicationEvent::Succeeded { expires, response });
        if self.is_changed || self.body.is_none() {
            self.advance(core, now, false);
        }
    }

    /// Takes the next route, or waits and begins again with the first.
    fn fail(&mut self, core: &mut Core, now: Instant, operation: Operation, done: Done) {
        let draft = self.draft(operation);
        if self.client.try_next_route(core, now, &draft) {
            self.is_changed = false;
            self.operation = Some(operation);
            return;
        }
        let trouble = done.trouble.unwrap_or(Trouble::Silent);
        self.wait_and_retry(core, now, trouble, done.cause);
    }

    fn wait_and_retry(&mut self, core: &mut Core, now: Instant, trouble: Trouble, cause: Cause) {
        self.failures = self.failures.saturating_add(1);
        let asked = cause.headers().and_then(asked_for).unwrap_or_default();
        let retry_after = retry_after(trouble, self.failures, &mut core.entropy).max(asked);
        self.timers.set(Timer::Send, now + retry_after);
        self.set_state(core, PublicationState::Unpublished);
        self.emit(core, PublicationEvent::Failed { cause, retry_after });
    }

    fn finish_removal(&mut self, core: &mut Core, refused: Option<Cause>) {
        self.timers.stop_all();
        self.client.forget();
        self.operation = None;
        self.etag = None;
        self.expires_at = None;
        self.set_state(core, PublicationState::Unpublished);
        self.emit(
            core,
            match refused {
                Some(cause) => PublicationEvent::NotEnded { cause },
                None => PublicationEvent::Ended,
            },
        );
    }

    /// Something was published while it was taken back.
    fn resume(&mut self, core: &mut Core, now: Instant) {
        if self.body.is_some() {
            self.advance(core, now, false);
        }
    }

    /// RFC 3903 §5: a 423 names the least that the server takes; false when that is nothing new.
    fn raise(&mut self, cause: &Cause) -> bool {
        let Some(Ok(MinExpires(least))) = cause.headers().and_then(Headers::typed) else {
            return false;
        };
        let is_more = least > self.what.expires.max(self.least);
        self.least = self.least.max(least);
        is_more && self.body.is_some()
    }

    fn set_state(&mut self, core: &mut Core, state: PublicationState) {
        let previous = std::mem::replace(&mut self.state, state);
        if previous != state {
            self.emit(core, PublicationEvent::StateChanged { previous, state });
        }
    }

    fn emit(&self, core: &mut Core, event: PublicationEvent) {
        core.events
            .push(EndpointEvent::Publication { id: self.id, event });
    }
}

fn granted(response: &Response) -> Option<u32> {
    match response.headers().typed::<Expires>() {
        Some(Ok(Expires(seconds))) if seconds > 0 => Some(seconds),
        _ => None,
    }
}
