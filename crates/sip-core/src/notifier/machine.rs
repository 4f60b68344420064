//! One subscription of somebody else, the notifier's side (RFC 6665 §4.2).

use super::{
    IncomingSubscriptionEvent, IncomingSubscriptionId, IncomingSubscriptionState, TerminationReason,
};
use crate::client::{Asker, Client, ContactDraft, Done, Draft, Outcome, Trouble, unsent};
use crate::dialog::{Dialog, DialogError};
use crate::endpoint::{Body, Core, EndpointEvent, Owner, Usage};
use crate::header::{Contact, Event, ReferredBy, SubscriptionState as StateHeader, Substate, TypedHeader};
use crate::invitation::{Cause, InDialog};
use crate::subscription::ends_subscription;
use crate::transaction::{Essentials, Schedule, TransactionEvent, TransactionId};
use crate::{HeaderName, Method, NameAddr, Request, Response, StatusCode};
use offhook_sansio::{Deadlines, Path, Timer as TimerKey};
use std::time::{Duration, Instant};

/// How long a SUBSCRIBE may wait for the owner: well below timer F of its sender (RFC 6665 §4.2.1.1).
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct IncomingSubscription {
    id: IncomingSubscriptionId,
    state: IncomingSubscriptionState,
    event: Event,
    dialog: Dialog,
    client: Client,
    contact_user: String,
    path: Path,
    /// The SUBSCRIBE that waits for its answer.
    received: Option<(TransactionId, Request)>,
    granted: Duration,
    expires_at: Option<Instant>,
    /// The newest state.
    body: Option<Body>,
    /// It must be told.
    is_dirty: bool,
    begun: Begun,
    /// What the last NOTIFY says.
    end: Option<(TerminationReason, Option<Duration>)>,
    timers: Deadlines<Timer, 2>,
    told: Option<Instant>,
}

/// A SUBSCRIBE that may begin a subscription.
#[derive(Debug)]
pub(crate) struct Offered<'a> {
    pub(crate) transaction: TransactionId,
    pub(crate) request: &'a Request,
    pub(crate) path: Path,
    pub(crate) event: Event,
    pub(crate) expires: Duration,
    pub(crate) begun: Begun,
}

/// By which request a subscription was begun.
#[derive(Clone, Debug)]
pub(crate) enum Begun {
    Subscribe,
    /// A REFER, which may do without NOTIFYs.
    Refer {
        refer_to: NameAddr,
        wants_notify: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The owner does not answer.
    Answer,
    /// It was not refreshed.
    Expiry,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[Self::Answer, Self::Expiry];
    fn index(self) -> usize {
        self as usize
    }
}

impl Usage for IncomingSubscription {
    type Id = IncomingSubscriptionId;

    fn is_over(&self) -> bool {
        self.state == IncomingSubscriptionState::Terminated && !self.client.is_busy() && !self.is_dirty
    }

    fn update_schedule(&mut self, schedule: &mut Schedule<IncomingSubscriptionId>) {
        schedule.update(self.id, &mut self.told, self.timers.soonest());
    }

    fn bury(&mut self, core: &mut Core, schedule: &mut Schedule<IncomingSubscriptionId>) {
        let owner = Owner::IncomingSubscription(self.id);
        core.dialogs.leave(self.dialog.id(), owner);
        schedule.update(self.id, &mut self.told, None);
    }

    fn handle_timeout(&mut self, core: &mut Core, now: Instant) {
        while let Some(timer) = self.timers.take_expired(now) {
            match timer {
                Timer::Answer => self.pend(core, now),
                Timer::Expiry => self.end(core, now, TerminationReason::Timeout, None),
            }
        }
    }

    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent) {
        let outcome = self.client.handle(core, now, event, Some(&mut self.dialog));
        if let Some(Outcome::Done(done)) = outcome {
            self.handle_answer(core, now, *done);
        }
    }

    fn handle_broken(&mut self, _: &mut Core, _: Instant, path: Path) {
        self.dialog.forget_flow(path);
    }
}

impl IncomingSubscription {
    pub(crate) fn receive(
        core: &mut Core,
        now: Instant,
        id: IncomingSubscriptionId,
        offered: Offered<'_>,
    ) -> Result<Self, DialogError> {
        let local_tag = core.fresh_tag();
        let dialog = Dialog::of_request(offered.request, &local_tag, offered.path)?;
        let owner = Owner::IncomingSubscription(id);
        core.dialogs.join(dialog.id().clone(), owner);
        let asker = Asker {
            from: dialog.local().clone(),
            to: dialog.remote().clone(),
            request_uri: dialog.remote_target().clone(),
            routes: Vec::new(),
            credentials: None,
            extra_headers: Vec::new(),
        };
        let request_uri = offered.request.uri().ok();
        let contact_user = request_uri
            .as_ref()
            .and_then(|uri| uri.as_sip()?.user())
            .unwrap_or_default()
            .to_owned();
        let mut subscription = Self {
            id,
            state: IncomingSubscriptionState::Incoming,
            event: offered.event.clone(),
            client: Client::new(core, owner, asker),
            dialog,
            contact_user,
            path: offered.path,
            received: Some((offered.transaction, offered.request.clone())),
            granted: offered.expires,
            expires_at: None,
            body: matches!(offered.begun, Begun::Refer { .. })
                .then(|| Body::sipfrag(StatusCode::TRYING, None)),
            is_dirty: false,
            begun: offered.begun.clone(),
            end: None,
            timers: Deadlines::new(),
            told: None,
        };
        subscription.timers.set(Timer::Answer, now + ANSWER_WITHIN);
        let (request, path) = (Box::new(offered.request.clone()), offered.path);
        let event = match offered.begun {
            Begun::Subscribe => IncomingSubscriptionEvent::Received {
                event: offered.event,
                expires: offered.expires,
                request,
                path,
            },
            Begun::Refer {
                refer_to,
                wants_notify,
            } => IncomingSubscriptionEvent::Referred {
                refer_to,
                referred_by: match request.headers().typed::<ReferredBy>() {
                    Some(Ok(ReferredBy(who))) => Some(who),
                    _ => None,
                },
                wants_notify,
                request,
                path,
            },
        };
        subscription.emit(core, event);
        Ok(subscription)
    }

    pub(crate) fn state(&self) -> IncomingSubscriptionState {
        self.state
    }

    pub(crate) fn event(&self) -> &Event {
        &self.event
    }

    pub(crate) fn dialog(&self) -> &Dialog {
        &self.dialog
    }

    pub(crate) fn expires_in(&self, now: Instant) -> Duration {
        self.expires_at
            .map_or(self.granted, |at| at.saturating_duration_since(now))
    }

    pub(super) fn accept(&mut self, core: &mut Core, now: Instant, body: Option<Body>) {
        if body.is_some() || !self.is_referral() {
            self.body = body;
        }
        self.confirm(core, now, IncomingSubscriptionState::Active);
    }

    pub(super) fn pend(&mut self, core: &mut Core, now: Instant) {
        self.confirm(core, now, IncomingSubscriptionState::Pending);
    }

    /// 200, if the SUBSCRIBE waits still, and a NOTIFY at once (RFC 6665 §4.2.1.2).
    fn confirm(&mut self, core: &mut Core, now: Instant, state: IncomingSubscriptionState) {
        self.timers.stop(Timer::Answer);
        if let Some((id, request)) = self.received.take() {
            self.grant(core, now, id, &request);
        }
        if matches!(
            self.begun,
            Begun::Refer {
                wants_notify: false,
                ..
            }
        ) {
            return self.finish(core, Cause::Local);
        }
        self.set_state(core, state);
        if self.granted.is_zero() {
            self.end(core, now, TerminationReason::Timeout, None);
        } else {
            self.send_notify(core, now);
        }
    }

    pub(super) fn reject(&mut self, core: &mut Core, now: Instant, status: StatusCode) {
        let Some((id, request)) = self.received.take() else {
            self.end(core, now, TerminationReason::Rejected, None);
            return;
        };
        let response = core.response_to(&request, status);
        core.answer(now, id, response.with_to_tag(self.local_tag()));
        self.finish(core, Cause::Local);
    }

    pub(super) fn notify(&mut self, core: &mut Core, now: Instant, body: Body) {
        self.body = Some(body);
        self.send_notify(core, now);
    }

    /// How a referral stands; the last NOTIFY of all where that is final (RFC 3515 §2.4.7).
    pub(super) fn notify_status(&mut self, core: &mut Core, now: Instant, body: Body, is_final: bool) {
        self.body = Some(body);
        if is_final {
            self.end(core, now, TerminationReason::NoResource, None);
        } else {
            self.send_notify(core, now);
        }
    }

    /// The last NOTIFY, with the newest state where there is one that may be told.
    pub(crate) fn end(
        &mut self,
        core: &mut Core,
        now: Instant,
        reason: TerminationReason,
        retry_after: Option<Duration>,
    ) {
        if self.end.is_some() || self.state == IncomingSubscriptionState::Terminated {
            return;
        }
        let is_told =
            self.state == IncomingSubscriptionState::Active && reason != TerminationReason::Rejected;
        if !is_told {
            // RFC 3515 §2.4.5: the NOTIFYs of a REFER always say how it stands.
            let declined = || Body::sipfrag(StatusCode::DECLINE, None);
            self.body = self.is_referral().then(declined);
        }
        self.end = Some((reason, retry_after));
        self.is_dirty = true;
        self.finish(core, Cause::Local);
        self.send_notify(core, now);
    }

    /// Ends it as its state wants it: the endpoint stops.
    pub(crate) fn close(&mut self, core: &mut Core, now: Instant) {
        if self.state == IncomingSubscriptionState::Incoming {
            self.reject(core, now, StatusCode::TEMPORARILY_UNAVAILABLE);
        } else {
            self.end(core, now, TerminationReason::Deactivated, None);
        }
    }

    /// Takes any request inside the dialog.
    pub(crate) fn handle_request(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        essentials: &Essentials,
        request: &Request,
    ) -> InDialog {
        if let Err(error) = self.dialog.take_request(&essentials.cseq) {
            let status = StatusCode::SERVER_INTERNAL_ERROR;
            core.refuse(now, id, request, status, &error.to_string());
            return InDialog::Done;
        }
        let is_refresh = *request.method() == Method::Subscribe
            && matches!(request.headers().typed::<Event>(), Some(Ok(event)) if event.matches(&self.event));
        if !is_refresh {
            return InDialog::NotOurs;
        }
        if self.state == IncomingSubscriptionState::Terminated || self.received.is_some() {
            let status = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            core.refuse(now, id, request, status, "no such subscription");
            return InDialog::Done;
        }
        let expires = match core.subscription_expires(request) {
            Ok(expires) => expires,
            Err(response) => {
                core.answer(now, id, *response);
                return InDialog::Done;
            }
        };
        self.granted = expires;
        self.dialog.refresh_target(request.headers());
        self.grant(core, now, id, request);
        if expires.is_zero() {
            self.end(core, now, TerminationReason::Timeout, None);
        } else {
            self.emit(core, IncomingSubscriptionEvent::Refreshed { expires });
            self.send_notify(core, now);
        }
        InDialog::Done
    }

    /// Begun by a REFER.
    pub(super) fn is_referral(&self) -> bool {
        matches!(self.begun, Begun::Refer { .. })
    }

    /// The 200 to a SUBSCRIBE, or the 202 to a REFER.
    fn grant(&mut self, core: &mut Core, now: Instant, id: TransactionId, request: &Request) {
        let is_refer = *request.method() == Method::Refer;
        let status = if is_refer {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        };
        let mut response: Response = core.response_to(request, status);
        let headers = response.headers_mut();
        headers.copy_from(request.headers(), HeaderName::RecordRoute);
        headers.push_typed(&Contact::Addr(core.contact(&self.contact_user, self.path)));
        if !is_refer {
            headers.push(HeaderName::Expires, self.granted.as_secs().to_string());
        } else if matches!(
            self.begun,
            Begun::Refer {
                wants_notify: false,
                ..
            }
        ) {
            headers.push(HeaderName::ReferSub, "false");
        }
        core.describe(headers, &[]);
        core.answer(now, id, response.with_to_tag(self.local_tag()));
        self.expires_at = Some(now + self.granted);
        self.timers.set(Timer::Expiry, now + self.granted);
    }

    fn local_tag(&self) -> &str {
        self.dialog.local().tag().unwrap_or_default()
    }

    fn send_notify(&mut self, core: &mut Core, now: Instant) {
        self.is_dirty = true;
        if self.client.is_busy() {
            return;
        }
        self.is_dirty = false;
        let draft = self.draft(now);
        if let Err(error) = self.client.send_inside(core, now, &mut self.dialog, draft) {
            self.finish(core, unsent(&error));
        }
    }

    fn draft(&self, now: Instant) -> Draft {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut draft = Draft::new(Method::Notify);
        draft.contact = Some(ContactDraft::target(&self.contact_user));
        draft
            .headers
            .push((HeaderName::Event, text(&self.event.to_bytes())));
        let state = text(&self.state_header(now).to_bytes());
        draft.headers.push((HeaderName::SubscriptionState, state));
        if self.state != IncomingSubscriptionState::Pending || self.is_referral() {
            draft.body.clone_from(&self.body);
        }
        draft
    }

    fn state_header(&self, now: Instant) -> StateHeader {
        if let Some((reason, retry_after)) = self.end {
            let mut header = StateHeader::new(Substate::Terminated).with_reason(reason.as_str());
            if let Some(wait) = retry_after {
                header.params.set("retry-after", wait.as_secs().to_string());
            }
            return header;
        }
        let substate = match self.state {
            IncomingSubscriptionState::Active => Substate::Active,
            _ => Substate::Pending,
        };
        let left = u32::try_from(self.expires_in(now).as_secs()).unwrap_or(u32::MAX);
        StateHeader::new(substate).with_expires(left)
    }

    /// RFC 6665 §4.2.2.
    fn handle_answer(&mut self, core: &mut Core, now: Instant, done: Done) {
        let is_end = done
            .trouble
            .is_some_and(|trouble| trouble == Trouble::Unreachable || ends_subscription(trouble));
        let cause = done.cause;
        self.emit(core, IncomingSubscriptionEvent::Notified { cause: cause.clone() });
        if is_end {
            self.is_dirty = false;
            self.finish(core, cause);
        } else if self.is_dirty {
            self.send_notify(core, now);
        }
    }

    fn finish(&mut self, core: &mut Core, cause: Cause) {
        if self.state == IncomingSubscriptionState::Terminated {
            return;
        }
        self.timers.stop_all();
        self.set_state(core, IncomingSubscriptionState::Terminated);
        self.emit(core, IncomingSubscriptionEvent::Ended { cause });
    }

    fn set_state(&mut self, core: &mut Core, state: IncomingSubscriptionState) {
        let previous = std::mem::replace(&mut self.state, state);
        if previous != state {
            self.emit(core, IncomingSubscriptionEvent::StateChanged { previous, state });
        }
    }

    fn emit(&self, core: &mut Core, event: IncomingSubscriptionEvent) {
        core.events
            .push(EndpointEvent::IncomingSubscription { id: self.id, event });
    }
}
