//! One registration: REGISTER, refresh, retry, and REGISTER with Expires 0.

use super::flow::Flow;
use super::granted::Granted;
use super::{Register, RegistrationEvent, RegistrationId, RegistrationState};
use crate::client::{
    Asker, Client, ContactDraft, Done, Draft, Outcome, Trouble, asked_for, flow_retry_after, refresh_after,
    refresh_with_gruu_after, retry_after,
};
use crate::endpoint::{Core, EndpointEvent, Owner, SendError, Usage};
use crate::header::{MinExpires, Params};
use crate::invitation::Cause;
use crate::transaction::{Schedule, TransactionEvent};
use crate::{Method, NameAddr, Response, StatusCode};
use offhook_sansio::{Deadlines, Path, Timer as TimerKey};
use std::time::{Duration, Instant};

/// How long the registrar may take to answer when we leave: the user waits at the door.
const UNREGISTER_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Registration {
    pub(super) id: RegistrationId,
    state: RegistrationState,
    pub(super) what: Register,
    pub(super) client: Client,
    /// Raised by a 423 over what was asked for.
    least: u32,
    failures: u32,
    /// The first hop knows nothing of RFC 5626 (439), so we do without.
    without_outbound: bool,
    leaving: Leaving,
    is_over: bool,
    granted: Option<Granted>,
    pub(super) flow: Option<Flow>,
    expires_at: Option<Instant>,
    pub(super) timers: Deadlines<Timer, 4>,
    told: Option<Instant>,
}

/// What the owner wants of a registration in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// `unregister` was called.
    ForGood,
    /// And `refresh` behind it.
    AndBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Refresh or retry.
    Send,
    /// The registrar does not let us go.
    Leave,
    /// The flow is to be kept alive.
    Probe,
    /// What the registrar gave is good no more.
    Lapse,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[Self::Send, Self::Leave, Self::Probe, Self::Lapse];
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
                    now,
                    Some(Cause::Internal {
                        status: StatusCode::REQUEST_TIMEOUT,
                        reason: "timeout".to_owned(),
                    }),
                ),
                Timer::Probe => self.probe(core, now),
                Timer::Lapse => self.drop_gruu(core),
            }
        }
    }

    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent) {
        if let Some(Outcome::Done(done)) = self.client.handle(core, now, event, None) {
            self.handle_outcome(core, now, *done);
        }
    }

    /// RFC 5626 §4.5: the flow by which the registrar reaches us is gone.
    fn handle_broken(&mut self, core: &mut Core, now: Instant, path: Path) {
        if self.leaves() || self.client.is_busy() {
            return;
        }
        if self.flow.as_ref().is_some_and(|flow| flow.path == path) {
            self.replace_flow(core, now, "the connection broke");
        }
    }

    fn bury(&mut self, core: &mut Core, schedule: &mut Schedule<RegistrationId>) {
        self.drop_flow(core);
        self.drop_gruu(core);
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
        let asker = Asker {
            from: what.aor.clone(),
            to: what.aor.clone(),
            request_uri: what.registrar.clone(),
            routes: what.routes.clone(),
            credentials: what.credentials.clone(),
            extra_headers: what.extra_headers.clone(),
        };
        let mut registration = Self {
            id,
            state: RegistrationState::Unregistered,
            client: Client::new(core, Owner::Registration(id), asker),
            what,
            least: 0,
            failures: 0,
            without_outbound: false,
            leaving: Leaving::No,
            is_over: false,
            granted: None,
            flow: None,
            expires_at: None,
            timers: Deadlines::new(),
            told: None,
        };
        let draft = registration.draft(registration.wanted());
        registration.client.send(core, now, &draft)?;
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

    /// What the registrar gave with its newest success.
    pub(crate) fn granted(&self) -> Option<&Granted> {
        self.granted.as_ref()
    }

    pub(crate) fn what(&self) -> &Register {
        &self.what
    }

    pub(crate) fn set_expires(&mut self, seconds: u32) {
        self.what.expires = seconds;
    }

    /// Registers now, instead of when the timer says; or behind the end that is on its way: a registrar that got both at
    /// once could take the older one for the newer (RFC 3261 §10.2).
    pub(crate) fn refresh(&mut self, core: &mut Core, now: Instant) {
        if self.leaves() {
            self.leaving = Leaving::AndBack;
        } else if !self.client.is_busy() {
            self.begin(core, now);
        }
    }

    pub(crate) fn unregister(&mut self, core: &mut Core, now: Instant) {
        let was_leaving = self.leaves();
        self.leaving = Leaving::ForGood;
        if was_leaving {
            return;
        }
        self.timers.stop(Timer::Send);
        self.timers.set(Timer::Leave, now + UNREGISTER_TIMEOUT);
        if !self.client.is_busy() {
            self.leave(core, now);
        }
    }

    fn handle_outcome(&mut self, core: &mut Core, now: Instant, done: Done) {
        match (&done.cause, done.trouble) {
            (Cause::Response(response), None) => self.succeed(core, now, &done, response),
            (Cause::Response(response), Some(Trouble::Refused(StatusCode::INTERVAL_TOO_BRIEF)))
                if self.raise(response) =>
            {
                self.send(core, now, self.wanted());
            }
            (_, Some(Trouble::Refused(StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT)))
                if self.is_outbound() && !self.leaves() =>
            {
                // RFC 5626 §4.2.1.
                self.without_outbound = true;
                self.send(core, now, self.wanted());
            }
            (_, trouble) => self.fail(core, now, trouble.unwrap_or(Trouble::Silent), done),
        }
    }

    /// A round through the routes.
    pub(super) fn begin(&mut self, core: &mut Core, now: Instant) {
        self.timers.stop(Timer::Send);
        self.set_state(core, RegistrationState::Registering);
        self.send(core, now, self.wanted());
    }

    fn leave(&mut self, core: &mut Core, now: Instant) {
        if self.state != RegistrationState::Registered {
            self.finish(core, now, None);
            return;
        }
        self.set_state(core, RegistrationState::Unregistering);
        self.send(core, now, 0);
    }

    fn succeed(&mut self, core: &mut Core, now: Instant, done: &Done, response: &Response) {
        self.failures = 0;
        let asked = done.draft.expires.unwrap_or_default();
        if asked == 0 {
            self.finish(core, now, None);
            return;
        }
        let ours = core.binding(&self.what.contact_user, done.path);
        let granted = Granted::of(response, &ours, &self.what, asked);
        self.expires_at = Some(now + granted.expires);
        let refresh = if self.what.instance_id.is_some() {
            refresh_with_gruu_after(granted.expires)
        } else {
            refresh_after(granted.expires)
        };
        self.timers.set(Timer::Send, now + refresh);
        self.keep_flow(core, now, done.path, &granted);
        if self.what.use_gruu {
            self.timers.set(Timer::Lapse, now + granted.expires);
            core.gruus.keep(&self.what.contact_user, &granted);
        }
        self.set_state(core, RegistrationState::Registered);
        self.emit(
            core,
            RegistrationEvent::Succeeded {
                contact: ours,
                contacts: granted.contacts.clone(),
                expires: granted.expires,
                route: Box::new(self.client.last_route().clone()),
                response: response.clone(),
            },
        );
        self.granted = Some(granted);
        if self.leaves() {
            self.timers.stop(Timer::Send);
            self.leave(core, now);
        }
    }

    /// Takes the next route, or waits and begins again with the first.
    fn fail(&mut self, core: &mut Core, now: Instant, trouble: Trouble, done: Done) {
        if self.leaves() {
            let not_ended = self.state == RegistrationState::Unregistering || self.expires_at.is_some();
            self.finish(core, now, not_ended.then_some(done.cause));
            return;
        }
        let draft = self.draft(self.wanted());
        if !self.client.try_next_route(core, now, &draft) {
            self.wait_and_retry(core, now, trouble, done.cause);
        }
    }

    pub(super) fn wait_and_retry(&mut self, core: &mut Core, now: Instant, trouble: Trouble, cause: Cause) {
        self.failures = self.failures.saturating_add(1);
        let asked = cause.headers().and_then(asked_for).unwrap_or_default();
        let wait = if self.is_outbound() {
            let another_stands = self.another_stands(core);
            flow_retry_after(trouble, self.failures, another_stands, &mut core.entropy)
        } else {
            retry_after(trouble, self.failures, &mut core.entropy)
        };
        let wait = wait.max(asked);
        self.timers.set(Timer::Send, now + wait);
        self.set_state(core, RegistrationState::Unregistered);
        let retry_after = wait;
        self.emit(core, RegistrationEvent::Failed { cause, retry_after });
    }

    pub(super) fn leaves(&self) -> bool {
        self.leaving != Leaving::No
    }

    /// RFC 5627 §4.2, §4.4: it is good until the registration has lapsed, whatever failed in between, and as long as another
    /// flow of the same device stands.
    fn drop_gruu(&mut self, core: &mut Core) {
        if self.what.use_gruu && !self.another_stands(core) {
            core.gruus.remove(&self.what.contact_user);
        }
    }

    fn finish(&mut self, core: &mut Core, now: Instant, refused: Option<Cause>) {
        self.timers.stop_all();
        self.client.forget();
        if self.leaving == Leaving::AndBack {
            self.leaving = Leaving::No;
            self.set_state(core, RegistrationState::Unregistered);
            return self.begin(core, now);
        }
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

    fn send(&mut self, core: &mut Core, now: Instant, expires: u32) {
        let draft = self.draft(expires);
        if let Err(error) = self.client.send(core, now, &draft) {
            let cause = crate::client::unsent(&error);
            if self.leaves() {
                self.finish(core, now, Some(cause));
            } else {
                self.wait_and_retry(core, now, Trouble::Unreachable, cause);
            }
        }
    }

    fn draft(&self, expires: u32) -> Draft {
        let mut params = Params::new();
        let mut supported = vec!["path"];
        if let Some(instance) = &self.what.instance_id {
            params.set("+sip.instance", format!("\"<{instance}>\""));
            supported.push("gruu");
            if let Some(reg_id) = self.what.reg_id.filter(|_| self.is_outbound()) {
                params.set("reg-id", reg_id.to_string());
                supported.push("outbound");
            }
        }
        let mut draft = Draft::new(Method::Register);
        draft.contact = Some(ContactDraft {
            user: self.what.contact_user.clone(),
            params,
            is_binding: true,
        });
        draft.supported = supported;
        draft.expires = Some(expires);
        draft
    }

    fn is_outbound(&self) -> bool {
        self.what.instance_id.is_some() && self.what.reg_id.is_some() && !self.without_outbound
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
            self.granted = None;
            self.drop_flow(core);
        }
    }

    fn emit(&self, core: &mut Core, event: RegistrationEvent) {
        core.events
            .push(EndpointEvent::Registration { id: self.id, event });
    }
}

/// What the registrar is told of us in Contact.
impl Register {
    pub(super) fn is_contact(&self, contact: &NameAddr, ours: &NameAddr) -> bool {
        let instance = self.instance_id.as_deref().and_then(|instance| {
            let said = contact.params.get("+sip.instance")?;
            let said = crate::header::unquote(said);
            Some(said.strip_prefix(b"<")?.strip_suffix(b">")? == instance.as_bytes())
        });
        let reg_id = contact
            .params
            .get_str("reg-id")
            .and_then(|text| text.parse::<u32>().ok());
        match instance {
            Some(is_ours) => is_ours && (reg_id.is_none() || reg_id == self.reg_id),
            None => contact.uri.is_equivalent(&ours.uri),
        }
    }
}
