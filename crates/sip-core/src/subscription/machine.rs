//! One subscription, the subscriber's side: SUBSCRIBE, refresh, end, and the way back (RFC 6665 §4.1.2).

use super::{Subscribe, SubscriptionEvent, SubscriptionId, SubscriptionState};
use crate::client::{
    Asker, Client, ContactDraft, Done, Draft, Outcome, Trouble, asked_for, refresh_after, retry_after, unsent,
};
use crate::dialog::{Dialog, DialogId};
use crate::endpoint::{Core, EndpointEvent, Owner, SendError, Usage};
use crate::header::{Event, MinExpires};
use crate::invitation::{Cause, Refer};
use crate::transaction::{Schedule, TransactionEvent};
use crate::{HeaderName, Headers, Method, StatusCode};
use offhook_sansio::{Deadlines, Path, Timer as TimerKey};
use std::time::{Duration, Instant};

/// How long the notifier may take to let go when the subscription is closed: the user waits at the door.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A subscription that ended sooner than this is not begun again at once a second time: two sides that are both quick
/// would keep each other busy for ever.
const LASTING: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(super) id: SubscriptionId,
    pub(super) state: SubscriptionState,
    pub(super) what: Subscribe,
    pub(super) event: Event,
    pub(super) client: Client,
    /// Made by the first NOTIFY (RFC 6665 §4.4.1).
    pub(super) dialog: Option<Dialog>,
    /// What the peer's half of the dialog's name is not known of yet: where further notifiers are found.
    pub(super) half: Option<DialogId>,
    /// How many notifiers have answered, this one among them.
    pub(super) notifiers: usize,
    pub(super) is_fork: bool,
    /// Raised by a 423 over what was asked for.
    least: u32,
    failures: u32,
    /// Ends without our doing, one soon after the other.
    hurries: u32,
    began_at: Option<Instant>,
    pub(super) expires_at: Option<Instant>,
    pub(super) leaving: Leaving,
    pub(super) is_closing: bool,
    pub(super) timers: Deadlines<Timer, 5>,
    told: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Refresh, or begin again.
    Send,
    /// No NOTIFY came: Timer N (RFC 6665 §4.1.2.4).
    NoNotify,
    /// It was not refreshed in time.
    Expiry,
    /// No more notifiers are taken.
    Forks,
    /// The notifier does not let us go.
    Close,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[Self::Send, Self::NoNotify, Self::Expiry, Self::Forks, Self::Close];
    fn index(self) -> usize {
        self as usize
    }
}

impl Usage for Subscription {
    type Id = SubscriptionId;

    fn is_over(&self) -> bool {
        self.is_closing && self.state.is_idle()
    }

    fn update_schedule(&mut self, schedule: &mut Schedule<SubscriptionId>) {
        schedule.update(self.id, &mut self.told, self.timers.soonest());
    }

    fn bury(&mut self, _: &mut Core, schedule: &mut Schedule<SubscriptionId>) {
        schedule.update(self.id, &mut self.told, None);
    }

    fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        while let Some(timer) = self.timers.take_expired(now) {
            match timer {
                Timer::Send if self.state.is_idle() => {
                    if let Err(error) = self.begin(core, now) {
                        self.fail(core, now, Trouble::Unreachable, unsent(&error));
                    }
                }
                Timer::Send => self.refresh(core, now),
                Timer::NoNotify | Timer::Close => {
                    let cause = internal(StatusCode::REQUEST_TIMEOUT, "no NOTIFY came");
                    self.terminate(core, now, cause, None, Again::AtOnce);
                }
                Timer::Expiry => {
                    let cause = internal(StatusCode::REQUEST_TIMEOUT, "the subscription expired");
                    self.terminate(core, now, cause, None, Again::AtOnce);
                }
                Timer::Forks => self.leave_half(core),
            }
        }
    }

    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent) {
        let is_inside = self.dialog.is_some();
        let outcome = self.client.handle(core, now, event, self.dialog.as_mut());
        match outcome {
            Some(Outcome::Done(done)) if done.trouble.is_none() => self.handle_success(core, now, &done),
            Some(Outcome::Done(done)) if is_inside => self.handle_refresh_failure(core, now, *done),
            Some(Outcome::Done(done)) => self.handle_refusal(core, now, *done),
            Some(Outcome::Provisional(_)) | None => {}
        }
    }

    fn handle_broken(&mut self, _: &mut Core, _: Instant, path: Path) {
        if let Some(dialog) = &mut self.dialog {
            dialog.forget_flow(path);
        }
    }
}

/// How far `unsubscribe` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    /// The notifier is not known yet, or a SUBSCRIBE is on its way.
    Wanted,
    /// A SUBSCRIBE with Expires 0 was sent.
    Sent,
}

/// When an end allows to begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Never.
    No,
    /// At once.
    AtOnce,
    /// After this span, or one of our choice.
    Later(Option<Duration>),
}

impl Subscription {
    pub(crate) fn new(core: &mut Core, id: SubscriptionId, event: Event, what: Subscribe) -> Self {
        let asker = Asker {
            from: what.from.clone(),
            to: what.to.clone(),
            request_uri: what.request_uri.clone(),
            routes: what.routes.clone(),
            credentials: what.credentials.clone(),
            extra_headers: what.extra_headers.clone(),
        };
        Self {
            id,
            state: SubscriptionState::Null,
            client: Client::new(core, Owner::Subscription(id), asker),
            what,
            event,
            dialog: None,
            half: None,
            notifiers: 0,
            is_fork: false,
            least: 0,
            failures: 0,
            hurries: 0,
            began_at: None,
            expires_at: None,
            leaving: Leaving::No,
            is_closing: false,
            timers: Deadlines::new(),
            told: None,
        }
    }

    pub(crate) fn state(&self) -> &SubscriptionState {
        &self.state
    }

    pub(crate) fn what(&self) -> &Subscribe {
        &self.what
    }

    pub(crate) fn auth_username(&self) -> Option<&str> {
        self.client.auth_username()
    }

    pub(crate) fn dialog(&self) -> Option<&Dialog> {
        self.dialog.as_ref()
    }

    pub(crate) fn expires_in(&self, now: Instant) -> Option<Duration> {
        self.expires_at.map(|at| at.saturating_duration_since(now))
    }

    /// Asks once: nothing is refreshed and nothing begun again.
    pub(super) fn is_poll(&self) -> bool {
        self.what.expires == 0
    }

    /// Sends the SUBSCRIBE outside of dialogs, with a fresh Call-ID and tag (RFC 6665 §4.1.2.2).
    pub(super) fn begin(&mut self, core: &mut Core, now: Instant) -> Result<(), SendError> {
        self.timers.stop_all();
        self.client.renew(core);
        (self.leaving, self.notifiers) = (Leaving::No, 0);
        let draft = self.draft(self.wanted());
        self.client.send(core, now, &draft)?;
        let half = DialogId {
            call_id: self.client.call_id().as_bytes().clone(),
            local_tag: bytes::Bytes::copy_from_slice(self.client.tag().as_bytes()),
            remote_tag: bytes::Bytes::new(),
        };
        core.dialogs.join(half.clone(), Owner::Subscription(self.id));
        self.half = Some(half);
        self.began_at = Some(now);
        self.start_timer_n(core, now);
        self.set_state(core, SubscriptionState::Sent, Cause::Local);
        Ok(())
    }

    pub(super) fn start_timer_n(&mut self, core: &Core, now: Instant) {
        let give_up = core.transactions.timing().give_up();
        // A little longer than the transaction, so that its end, which says more, comes first.
        let at = now + give_up + Duration::from_millis(1);
        self.timers.set(Timer::NoNotify, at);
    }

    pub(super) fn refresh(&mut self, core: &mut Core, now: Instant) {
        if !self.client.is_busy() && self.leaving == Leaving::No {
            let wanted = self.wanted();
            self.send_inside(core, now, wanted);
        }
    }

    /// True when it would have been begun again.
    pub(super) fn stop_waiting(&mut self) -> bool {
        let is_waiting =
            self.state == SubscriptionState::Terminated && self.timers.get(Timer::Send).is_some();
        if is_waiting {
            self.timers.stop(Timer::Send);
        }
        is_waiting
    }

    /// Ends it as soon as that is possible.
    pub(super) fn end(&mut self, core: &mut Core, now: Instant) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Wanted;
        }
        self.timers.stop(Timer::Send);
        self.leave(core, now);
    }

    /// Ends it and then forgets it.
    pub(crate) fn close(&mut self, core: &mut Core, now: Instant) {
        self.is_closing = true;
        if self.state.is_idle() {
            self.timers.stop_all();
            return;
        }
        self.timers.set(Timer::Close, now + CLOSE_TIMEOUT);
        self.end(core, now);
    }

    /// Sends the SUBSCRIBE with Expires 0, if that is wanted and possible.
    pub(super) fn leave(&mut self, core: &mut Core, now: Instant) {
        if self.leaving == Leaving::Wanted && !self.client.is_busy() && self.dialog.is_some() {
            self.leaving = Leaving::Sent;
            self.send_inside(core, now, 0);
        }
    }

    fn send_inside(&mut self, core: &mut Core, now: Instant, expires: u32) {
        let draft = self.draft(expires);
        let Some(dialog) = &mut self.dialog else { return };
        match self.client.send_inside(core, now, dialog, draft) {
            Ok(()) => self.start_timer_n(core, now),
            Err(error) => {
                let cause = unsent(&error);
                self.terminate(core, now, cause, None, Again::Later(None));
            }
        }
    }

    fn draft(&self, expires: u32) -> Draft {
        if let (Some(refer), None) = (&self.what.refer, &self.dialog) {
            return self.refer_draft(refer);
        }
        let mut draft = Draft::new(Method::Subscribe);
        draft.contact = Some(ContactDraft::target(&self.what.contact_user));
        let event = crate::header::TypedHeader::to_bytes(&self.event);
        let event = String::from_utf8_lossy(&event).into_owned();
        draft.headers.push((HeaderName::Event, event));
        if let Some(accept) = &self.what.accept {
            draft.headers.push((HeaderName::Accept, accept.join(", ")));
        }
        draft.supported.clone_from(&self.what.supported);
        draft.expires = Some(expires);
        draft
    }

    fn refer_draft(&self, refer: &Refer) -> Draft {
        let mut draft = Draft::new(Method::Refer);
        draft.contact = Some(ContactDraft::target(&self.what.contact_user));
        let mut push = |name: HeaderName<'static>, value: String| draft.headers.push((name, value));
        push(HeaderName::ReferTo, refer.refer_to.to_string());
        if let Some(referred_by) = &refer.referred_by {
            push(HeaderName::ReferredBy, referred_by.to_string());
        }
        if refer.without_subscription {
            push(HeaderName::ReferSub, "false".to_owned());
            draft.supported = vec!["norefersub"];
        }
        draft
    }

    fn wanted(&self) -> u32 {
        if self.is_poll() {
            return 0;
        }
        self.what.expires.max(self.least)
    }

    fn handle_success(&mut self, core: &mut Core, now: Instant, done: &Done) {
        let Cause::Response(response) = &done.cause else {
            return;
        };
        self.failures = 0;
        if self.state == SubscriptionState::Sent {
            self.set_state(core, SubscriptionState::Accepted, done.cause.clone());
        }
        let refer_sub = response.headers().get_str(HeaderName::ReferSub);
        let is_silent = refer_sub.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
        if self.what.refer.is_some() && is_silent {
            // RFC 4488 §4: there is no subscription.
            return self.terminate(core, now, done.cause.clone(), None, Again::No);
        }
        if response.status() == StatusCode::NO_NOTIFICATION {
            self.timers.stop(Timer::NoNotify);
        }
        let asked = done.draft.expires.unwrap_or_default();
        if asked > 0 {
            let said = response.headers().get_str(HeaderName::Expires);
            let granted = said.and_then(|text| text.trim().parse().ok()).unwrap_or(asked);
            self.set_expiry(now, granted.min(asked));
        }
        self.leave(core, now);
    }

    /// How long it stands, as the notifier says.
    pub(super) fn set_expiry(&mut self, now: Instant, seconds: u32) {
        if self.leaving != Leaving::No {
            return;
        }
        let expires = Duration::from_secs(u64::from(seconds));
        self.expires_at = Some(now + expires);
        self.timers.set(Timer::Expiry, now + expires);
        self.timers.set(Timer::Send, now + refresh_after(expires));
    }

    /// The SUBSCRIBE that should have begun it.
    fn handle_refusal(&mut self, core: &mut Core, now: Instant, done: Done) {
        let trouble = done.trouble.unwrap_or(Trouble::Silent);
        if trouble == Trouble::Refused(StatusCode::INTERVAL_TOO_BRIEF) && self.raise(&done.cause) {
            let draft = self.draft(self.wanted());
            if self.client.send(core, now, &draft).is_ok() {
                self.start_timer_n(core, now);
                return;
            }
        }
        self.fail(core, now, trouble, done.cause);
    }

    fn fail(&mut self, core: &mut Core, now: Instant, trouble: Trouble, cause: Cause) {
        self.failures = self.failures.saturating_add(1);
        let asked = cause.headers().and_then(asked_for).unwrap_or_default();
        let wait = retry_after(trouble, self.failures, &mut core.entropy).max(asked);
        self.terminate(core, now, cause, None, Again::Later(Some(wait)));
    }

    /// A SUBSCRIBE inside the dialog (RFC 6665 §4.1.2.2).
    fn handle_refresh_failure(&mut self, core: &mut Core, now: Instant, done: Done) {
        let trouble = done.trouble.unwrap_or(Trouble::Silent);
        let is_brief = trouble == Trouble::Refused(StatusCode::INTERVAL_TOO_BRIEF);
        if self.leaving == Leaving::Sent || ends_subscription(trouble) {
            self.terminate(core, now, done.cause, None, Again::AtOnce);
        } else if is_brief && self.raise(&done.cause) {
            let wanted = self.wanted();
            self.send_inside(core, now, wanted);
        } else {
            // It stands for as long as it was granted, so there is time to try again.
            self.timers.stop(Timer::NoNotify);
            self.failures = self.failures.saturating_add(1);
            let wait = retry_after(trouble, self.failures, &mut core.entropy);
            if self.expires_at.is_some_and(|at| now + wait < at) {
                self.timers.set(Timer::Send, now + wait);
            }
            let cause = done.cause;
            self.emit(core, SubscriptionEvent::RefreshFailed { cause });
            self.leave(core, now);
        }
    }

    fn raise(&mut self, cause: &Cause) -> bool {
        let Some(Ok(MinExpires(least))) = cause.headers().and_then(Headers::typed) else {
            return false;
        };
        let is_more = least > self.wanted() && !self.is_poll();
        self.least = self.least.max(least);
        is_more
    }

    /// The end, and when it is begun again.
    pub(super) fn terminate(
        &mut self,
        core: &mut Core,
        now: Instant,
        cause: Cause,
        reason: Option<String>,
        again: Again,
    ) {
        self.leave_half(core);
        if let Some(dialog) = self.dialog.take() {
            core.dialogs.leave(dialog.id(), Owner::Subscription(self.id));
        }
        self.client.forget();
        self.timers.stop_all();
        self.expires_at = None;
        let again_after = self.again_after(core, now, again);
        if let Some(wait) = again_after {
            self.timers.set(Timer::Send, now + wait);
        }
        self.set_state(core, SubscriptionState::Terminated, cause.clone());
        self.emit(
            core,
            SubscriptionEvent::Ended {
                cause,
                reason,
                again_after,
            },
        );
    }

    fn again_after(&mut self, core: &mut Core, now: Instant, again: Again) -> Option<Duration> {
        let is_wanted = self.what.again && self.leaving == Leaving::No && !self.is_closing && !self.is_fork;
        if again == Again::No || !is_wanted || self.is_poll() {
            return None;
        }
        let lasted = self.began_at.map_or(Duration::ZERO, |at| now - at);
        self.hurries = if lasted >= LASTING { 0 } else { self.hurries + 1 };
        let mut patience = |failures| retry_after(Trouble::Silent, failures, &mut core.entropy);
        Some(match again {
            Again::Later(wait) => wait.unwrap_or_else(|| patience(self.hurries)),
            Again::AtOnce | Again::No if self.hurries <= 1 => Duration::ZERO,
            Again::AtOnce | Again::No => patience(self.hurries - 1),
        })
    }

    /// No other notifier is taken from now on.
    pub(super) fn leave_half(&mut self, core: &mut Core) {
        self.timers.stop(Timer::Forks);
        if let Some(half) = self.half.take() {
            core.dialogs.leave(&half, Owner::Subscription(self.id));
        }
    }

    pub(super) fn set_state(&mut self, core: &mut Core, state: SubscriptionState, cause: Cause) {
        if self.state == state {
            return;
        }
        let previous = std::mem::replace(&mut self.state, state.clone());
        tracing::debug!(subscription = self.id.0, %previous, %state, "subscription");
        self.emit(
            core,
            SubscriptionEvent::StateChanged {
                previous,
                state,
                cause,
            },
        );
    }

    pub(super) fn emit(&self, core: &mut Core, event: SubscriptionEvent) {
        core.events
            .push(EndpointEvent::Subscription { id: self.id, event });
    }
}

/// Whether a refused SUBSCRIBE or NOTIFY inside a dialog ends the subscription (RFC 6665 §4.1.2.2, §4.2.2, RFC 5057 §5.1).
pub(crate) fn ends_subscription(trouble: Trouble) -> bool {
    match trouble {
        Trouble::Refused(status) => matches!(
            status.as_u16(),
            404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604
        ),
        Trouble::Silent => true,
        Trouble::Unreachable => false,
    }
}

pub(super) fn internal(status: StatusCode, reason: &str) -> Cause {
    Cause::Internal {
        status,
        reason: reason.to_owned(),
    }
}
