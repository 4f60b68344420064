//! What the owner of an endpoint can do with a subscription of somebody else.

use super::{IncomingSubscription, IncomingSubscriptionId, IncomingSubscriptionState, TerminationReason};
use crate::dialog::Dialog;
use crate::endpoint::{Body, Core, Usage};
use crate::header::Event;
use crate::transaction::Schedule;
use crate::{NameAddr, StatusCode};
use std::time::{Duration, Instant};

/// A command to a subscription of somebody else was not carried out; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The subscription is not in a state for it.
    #[error("{command} in state {state}")]
    IllegalState {
        /// The state.
        state: IncomingSubscriptionState,
        /// The command.
        command: &'static str,
    },
    /// It was begun by a SUBSCRIBE, not by a REFER.
    #[error("it is not about a referral")]
    NoReferral,
    /// The status does not refuse.
    #[error("{0} is no refusal")]
    IllegalStatus(StatusCode),
}

/// One subscription of somebody else, to look at and to command. Drain the endpoint after each command.
#[derive(Debug)]
pub struct IncomingSubscriptionMut<'a> {
    subscription: &'a mut IncomingSubscription,
    core: &'a mut Core,
    schedule: &'a mut Schedule<IncomingSubscriptionId>,
}

impl<'a> IncomingSubscriptionMut<'a> {
    pub(crate) fn new(
        subscription: &'a mut IncomingSubscription,
        core: &'a mut Core,
        schedule: &'a mut Schedule<IncomingSubscriptionId>,
    ) -> Self {
        Self {
            subscription,
            core,
            schedule,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> IncomingSubscriptionState {
        self.subscription.state()
    }

    /// The package, with its `id`.
    pub fn event(&self) -> &Event {
        self.subscription.event()
    }

    /// Who wants to know: From of the SUBSCRIBE.
    pub fn subscriber(&self) -> &NameAddr {
        self.subscription.dialog().remote()
    }

    /// Its dialog.
    pub fn dialog(&self) -> &Dialog {
        self.subscription.dialog()
    }

    /// How long it stands unless it is refreshed.
    pub fn expires_in(&self, now: Instant) -> Duration {
        self.subscription.expires_in(now)
    }

    /// Allows it, and sends the state; without one the NOTIFY only says that the subscription stands. From `Incoming` or
    /// `Pending`, to `Active`; to `Terminated` where the state was asked for once.
    pub fn accept(&mut self, now: Instant, body: Option<Body>) -> Result<(), NotifyError> {
        use IncomingSubscriptionState::{Incoming, Pending};
        self.expect(&[Incoming, Pending], "accept")?;
        self.subscription.accept(self.core, now, body);
        self.settle();
        Ok(())
    }

    /// Answers it with 200 and a NOTIFY that says `pending`, since somebody must allow it first. From `Incoming`, to
    /// `Pending`.
    pub fn pend(&mut self, now: Instant) -> Result<(), NotifyError> {
        self.expect(&[IncomingSubscriptionState::Incoming], "pend")?;
        self.subscription.pend(self.core, now);
        self.settle();
        Ok(())
    }

    /// Refuses it: with this status from `Incoming`, and with a NOTIFY that says `rejected` from `Pending`. To
    /// `Terminated`.
    pub fn reject(&mut self, now: Instant, status: StatusCode) -> Result<(), NotifyError> {
        use IncomingSubscriptionState::{Incoming, Pending};
        self.expect(&[Incoming, Pending], "reject")?;
        if status.is_provisional() || status.is_success() {
            return Err(NotifyError::IllegalStatus(status));
        }
        self.subscription.reject(self.core, now, status);
        self.settle();
        Ok(())
    }

    /// Sends the state. One NOTIFY is on its way at a time; the newest state waits for its answer. In `Active`.
    pub fn notify(&mut self, now: Instant, body: Body) -> Result<(), NotifyError> {
        self.expect(&[IncomingSubscriptionState::Active], "notify")?;
        self.subscription.notify(self.core, now, body);
        self.settle();
        Ok(())
    }

    /// Tells who has sent a REFER the newest status of the call that it asked for (RFC 3515 §2.4.5); a final one ends the
    /// subscription. In `Active`.
    ///
    /// # Errors
    /// [`NotifyError::NoReferral`] for a subscription that a SUBSCRIBE has begun.
    pub fn notify_status(
        &mut self,
        now: Instant,
        status: StatusCode,
        reason: Option<&str>,
    ) -> Result<(), NotifyError> {
        self.expect(&[IncomingSubscriptionState::Active], "notify_status")?;
        if !self.subscription.is_referral() {
            return Err(NotifyError::NoReferral);
        }
        let body = Body::sipfrag(status, reason);
        self.subscription
            .notify_status(self.core, now, body, !status.is_provisional());
        self.settle();
        Ok(())
    }

    /// Ends it with a NOTIFY that says why, and when it may be begun again. From `Pending` or `Active`, to `Terminated`.
    pub fn end(
        &mut self,
        now: Instant,
        reason: TerminationReason,
        retry_after: Option<Duration>,
    ) -> Result<(), NotifyError> {
        use IncomingSubscriptionState::{Active, Pending};
        self.expect(&[Pending, Active], "end")?;
        self.subscription.end(self.core, now, reason, retry_after);
        self.settle();
        Ok(())
    }

    fn expect(&self, wanted: &[IncomingSubscriptionState], command: &'static str) -> Result<(), NotifyError> {
        let state = self.state();
        if wanted.contains(&state) {
            return Ok(());
        }
        Err(NotifyError::IllegalState { state, command })
    }

    fn settle(&mut self) {
        self.subscription.update_schedule(self.schedule);
    }
}
