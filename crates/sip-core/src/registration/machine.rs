//! One registration: REGISTER, refresh, retry, and REGISTER with Expires 0.

use super::retry::{Trouble, asked_for, refresh_after, retry_after};
use super::{Register, RegistrationEvent, RegistrationId, RegistrationState};
use crate::auth::Auth;
use crate::endpoint::{Core, EndpointEvent, Owner, SendError, Usage};
use crate::header::{
    CSeq, CallId, Contact, Expires, From, MaxForwards, MinExpires, Route as RouteHeader, To,
};
use crate::invitation::Cause;
use crate::transaction::{Failure, Schedule, TransactionEvent, TransactionId};
use crate::{HeaderName, Method, NameAddr, Request, Response, StatusCode};
use offhook_sansio::{Deadlines, Path, Timer as TimerKey};
use std::time::{Duration, Instant};

/// How long the registrar may take to answer when we leave: the user waits at the door.
const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Registration {
    id: RegistrationId,
    state: RegistrationState,
    what: Register,
    tag: String,
    call_id: CallId,
    number: u32,
    auth: Auth,
    /// The one in use.
    route: usize,
    /// The REGISTER that waits for its final response.
    pending: Option<Pending>,
    /// Raised by a 423 over what was asked for.
    least: u32,
    failures: u32,
    /// `unregister` was called while a REGISTER was on its way.
    leaves: bool,
    is_over: bool,
    contact: Option<NameAddr>,
    expires_at: Option<Instant>,
    timers: Deadlines<Timer, 2>,
    told: Option<Instant>,
}

#[derive(Debug)]
struct Pending {
    id: TransactionId,
    path: Path,
    expires: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// Refresh or retry.
    Send,
    /// The registrar does not let us go.
    Leave,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[Self::Send, Self::Leave];
    fn index(self) -> usize {
        self as usize
    }
}

impl Usage for Registration {
    type Id = RegistrationId;

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn update_schedule(&mut self, schedule: &mut Schedule<RegistrationId>) {
        let wanted = if self.is_over { None } else { self.timers.soonest() };
        schedule.update(self.id, &mut self.told, wanted);
    }

    fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        while let Some(timer) = self.timers.take_expired(now) {
            match timer {
                Timer::Send => self.begin(core, now),
                Timer::Leave => self.finish(
                    core,
                    Some(Cause::Internal {
                        status: StatusCode::REQUEST_TIMEOUT,
                        reason: "timeout".to_owned(),
                    }),
                ),
            }
        }
    }

    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent) {
        match event {
            TransactionEvent::Response { id, response, .. } => self.handle_response(core, now, *id, response),
            TransactionEvent::Failed { id, failure } => self.handle_failure(core, now, *id, *failure),
            TransactionEvent::Ack { .. } | TransactionEvent::Ended { .. } => {}
        }
    }

    fn unschedule(&mut self, schedule: &mut Schedule<RegistrationId>) {
        schedule.update(self.id, &mut self.told, None);
    }
}

impl Registration {
    pub(crate) fn start(
        core: &mut Core,
        now: Instant,
        id: RegistrationId,
        what: Register,
    ) -> Result<Self, SendError> {
        let mut registration = Self {
            id,
            state: RegistrationState::Unregistered,
            tag: core.fresh_tag(),
            call_id: core.fresh_call_id(),
            number: 0,
            auth: Auth::new(what.credentials.clone(), &mut core.entropy),
            what,
            route: 0,
            pending: None,
            least: 0,
            failures: 0,
            leaves: false,
            is_over: false,
            contact: None,
            expires_at: None,
            timers: Deadlines::new(),
            told: None,
        };
        registration.send_along_routes(core, now)?;
        registration.set_state(core, RegistrationState::Registering);
        Ok(registration)
    }

    pub(crate) fn state(&self) -> RegistrationState {
        self.state
    }

    /// How long the newest success is good still.
    pub(crate) fn expires_in(&self, now: Instant) -> Option<Duration> {
        self.expires_at.map(|at| at.saturating_duration_since(now))
    }

    pub(crate) fn set_expires(&mut self, seconds: u32) {
        self.what.expires = seconds;
    }

    /// Registers now, instead of when the timer says.
    pub(crate) fn refresh(&mut self, core: &mut Core, now: Instant) {
        if self.pending.is_none() && !self.leaves {
            self.begin(core, now);
        }
    }

    pub(crate) fn unregister(&mut self, core: &mut Core, now: Instant) {
        if self.leaves {
            return;
        }
        self.leaves = true;
        self.timers.stop(Timer::Send);
        self.timers.set(Timer::Leave, now + UNREGISTER_TIMEOUT);
        if self.pending.is_none() {
            self.leave(core, now);
        }
    }

    fn handle_response(&mut self, core: &mut Core, now: Instant, id: TransactionId, response: &Response) {
        if response.status().is_provisional() {
            return;
        }
        let Some(pending) = self.pending.take_if(|pending| pending.id == id) else {
            return;
        };
        let can_answer = self.auth.can_answer(response);
        if response.status().is_success() {
            self.succeed(core, now, &pending, response);
        } else if can_answer {
            self.send_or_fail(core, now, pending.expires);
        } else if response.status() == StatusCode::INTERVAL_TOO_BRIEF && self.raise(response) {
            self.send_or_fail(core, now, self.wanted());
        } else {
            let wait = asked_for(response);
            let trouble = Trouble::Refused(response.status());
            self.fail(core, now, trouble, wait, Cause::Response(response.clone()));
        }
    }

    fn handle_failure(&mut self, core: &mut Core, now: Instant, id: TransactionId, failure: Failure) {
        if self.pending.take_if(|pending| pending.id == id).is_none() {
            return;
        }
        let (trouble, status) = match failure {
            Failure::Timeout => (Trouble::Silent, StatusCode::REQUEST_TIMEOUT),
            Failure::Transport => (Trouble::Unreachable, StatusCode::SERVICE_UNAVAILABLE),
        };
        let reason = failure.to_string();
        self.fail(core, now, trouble, None, Cause::Internal { status, reason });
    }

    /// A round through the routes.
    fn begin(&mut self, core: &mut Core, now: Instant) {
        self.timers.stop(Timer::Send);
        self.set_state(core, RegistrationState::Registering);
        self.send_or_fail(core, now, self.wanted());
    }

    fn leave(&mut self, core: &mut Core, now: Instant) {
        if self.state != RegistrationState::Registered {
            self.finish(core, None);
            return;
        }
        self.set_state(core, RegistrationState::Unregistering);
        self.send_or_fail(core, now, 0);
    }

    fn succeed(&mut self, core: &mut Core, now: Instant, pending: &Pending, response: &Response) {
        self.failures = 0;
        if pending.expires == 0 {
            self.finish(core, None);
            return;
        }
        let ours = core.contact(&self.what.contact_user, pending.path);
        let contacts: Vec<NameAddr> = response
            .headers()
            .typed_all::<Contact>()
            .filter_map(|contact| contact.ok()?.addr().cloned())
            .collect();
        let seconds = granted(response, &contacts, &ours).unwrap_or(pending.expires);
        let expires = Duration::from_secs(u64::from(seconds));
        self.expires_at = Some(now + expires);
        self.timers.set(Timer::Send, now + refresh_after(expires));
        self.contact = Some(ours.clone());
        self.set_state(core, RegistrationState::Registered);
        self.emit(
            core,
            RegistrationEvent::Succeeded {
                contact: ours,
                contacts,
                expires,
                route: self.what.routes[self.route].clone(),
                response: response.clone(),
            },
        );
        if self.leaves {
            self.timers.stop(Timer::Send);
            self.leave(core, now);
        }
    }

    /// Takes the next route, or waits and begins again with the first.
    fn fail(
        &mut self,
        core: &mut Core,
        now: Instant,
        trouble: Trouble,
        asked: Option<Duration>,
        cause: Cause,
    ) {
        if self.leaves {
            let not_ended = self.state == RegistrationState::Unregistering || self.expires_at.is_some();
            self.finish(core, not_ended.then_some(cause));
            return;
        }
        if self.route + 1 < self.what.routes.len() {
            self.route += 1;
            self.send_or_fail(core, now, self.wanted());
            return;
        }
        self.route = 0;
        self.failures = self.failures.saturating_add(1);
        let wait = retry_after(trouble, self.failures, &mut core.entropy).max(asked.unwrap_or_default());
        self.timers.set(Timer::Send, now + wait);
        self.set_state(core, RegistrationState::Unregistered);
        self.emit(
            core,
            RegistrationEvent::Failed {
                cause,
                retry_after: wait,
            },
        );
    }

    fn finish(&mut self, core: &mut Core, refused: Option<Cause>) {
        self.timers.stop_all();
        self.is_over = true;
        self.set_state(core, RegistrationState::Unregistered);
        self.emit(
            core,
            match refused {
                Some(cause) => RegistrationEvent::NotEnded { cause },
                None => RegistrationEvent::Ended,
            },
        );
    }

    fn send_or_fail(&mut self, core: &mut Core, now: Instant, expires: u32) {
        if let Err(error) = self.send(core, now, expires) {
            let cause = Cause::Internal {
                status: StatusCode::SERVICE_UNAVAILABLE,
                reason: error.to_string(),
            };
            self.fail(core, now, Trouble::Unreachable, None, cause);
        }
    }

    /// The first REGISTER goes along the first route that can be used at all.
    fn send_along_routes(&mut self, core: &mut Core, now: Instant) -> Result<(), SendError> {
        loop {
            match self.send(core, now, self.wanted()) {
                Err(_) if self.route + 1 < self.what.routes.len() => self.route += 1,
                result => return result,
            }
        }
    }

    fn send(&mut self, core: &mut Core, now: Instant, expires: u32) -> Result<(), SendError> {
        let route = &self.what.routes[self.route];
        let path = core.path_of(route)?;
        self.number += 1;
        let mut request = Request::new(Method::Register, self.what.registrar.clone());
        let headers = request.headers_mut();
        if let Some(proxy) = &route.outbound_proxy {
            headers.push_typed(&RouteHeader(NameAddr::new(proxy.clone().into())));
        }
        headers.push_typed(&MaxForwards(70));
        headers.push_typed(&From(self.what.aor.clone().with_tag(&self.tag)));
        headers.push_typed(&To(self.what.aor.clone()));
        headers.push_typed(&self.call_id);
        headers.push_typed(&CSeq::new(self.number, Method::Register));
        headers.push_typed(&Contact::Addr(core.contact(&self.what.contact_user, path)));
        headers.push_typed(&Expires(expires));
        core.describe_in_request(headers);
        for (name, value) in &self.what.extra_headers {
            headers.push(name.as_str(), value);
        }
        self.auth.authorize(&mut request);
        core.push_via(&mut request, path);
        let id = core.send_request(now, request, path, Owner::Registration(self.id))?;
        self.pending = Some(Pending { id, path, expires });
        Ok(())
    }

    fn wanted(&self) -> u32 {
        self.what.expires.max(self.least)
    }

    /// RFC 3261 §10.2.8: a 423 names the least that the registrar takes; false when that is nothing new.
    fn raise(&mut self, response: &Response) -> bool {
        let Some(Ok(MinExpires(least))) = response.headers().typed::<MinExpires>() else {
            return false;
        };
        let is_more = least > self.wanted();
        self.least = self.least.max(least);
        is_more
    }

    fn set_state(&mut self, core: &mut Core, state: RegistrationState) {
        let previous = std::mem::replace(&mut self.state, state);
        if previous != state {
            self.emit(core, RegistrationEvent::StateChanged { previous, state });
        }
        if state == RegistrationState::Unregistered {
            self.expires_at = None;
        }
    }

    fn emit(&self, core: &mut Core, event: RegistrationEvent) {
        core.events
            .push(EndpointEvent::Registration { id: self.id, event });
    }
}

/// What was granted: the parameter of our own Contact, else the Expires header field (RFC 3261 §10.2.4).
fn granted(response: &Response, contacts: &[NameAddr], ours: &NameAddr) -> Option<u32> {
    let own = contacts
        .iter()
        .find(|contact| contact.uri.is_equivalent(&ours.uri));
    own.and_then(NameAddr::expires)
        .or_else(|| {
            response
                .headers()
                .get_str(HeaderName::Expires)?
                .trim()
                .parse()
                .ok()
        })
        .filter(|seconds| *seconds > 0)
}
