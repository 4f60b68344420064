//! What the owner of an endpoint can do with a subscription.

use super::{Subscribe, Subscription, SubscriptionId, SubscriptionState};
use crate::dialog::Dialog;
use crate::endpoint::{Core, SendError, Usage};
use crate::transaction::Schedule;
use std::time::{Duration, Instant};

/// A command to a subscription was not carried out; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The subscription is not in a state for it.
    #[error("{command} in state {state}")]
    IllegalState {
        /// The state.
        state: SubscriptionState,
        /// The command.
        command: &'static str,
    },
    /// There is no route.
    #[error("no route")]
    NoRoute,
    /// The endpoint does not know the event package, see [`Endpoint::add_event`](crate::Endpoint::add_event).
    #[error("event package {0:?} is not known")]
    UnknownEvent(String),
    /// There are as many as [`EndpointLimits::subscriptions`](crate::EndpointLimits::subscriptions) allows.
    #[error("{limit} subscriptions exist")]
    Limit {
        /// The limit.
        limit: usize,
    },
    /// The SUBSCRIBE could not be sent along any route.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// One subscription of an [`Endpoint`](crate::Endpoint), to look at and to command. Drain the endpoint after each command.
#[derive(Debug)]
pub struct SubscriptionMut<'a> {
    subscription: &'a mut Subscription,
    core: &'a mut Core,
    schedule: &'a mut Schedule<SubscriptionId>,
}

impl<'a> SubscriptionMut<'a> {
    pub(crate) fn new(
        subscription: &'a mut Subscription,
        core: &'a mut Core,
        schedule: &'a mut Schedule<SubscriptionId>,
    ) -> Self {
        Self {
            subscription,
            core,
            schedule,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> &SubscriptionState {
        self.subscription.state()
    }

    /// What was wanted.
    pub fn settings(&self) -> &Subscribe {
        self.subscription.what()
    }

    /// The user name of the credentials; `None` without any.
    pub fn auth_username(&self) -> Option<&str> {
        self.subscription.auth_username()
    }

    /// Its dialog, from the first NOTIFY on.
    pub fn dialog(&self) -> Option<&Dialog> {
        self.subscription.dialog()
    }

    /// How long it stands still unless it is refreshed.
    pub fn expires_in(&self, now: Instant) -> Option<Duration> {
        self.subscription.expires_in(now)
    }

    /// Sends the SUBSCRIBE that begins it, and keeps it alive from then on. In `Null` and `Terminated`.
    pub fn subscribe(&mut self, now: Instant) -> Result<(), SubscribeError> {
        let result = self.expect(true, "subscribe");
        let result = result.and_then(|()| Ok(self.subscription.begin(self.core, now)?));
        self.settle();
        result
    }

    /// Refreshes now, instead of when the timer says; the notifier sends its state again (RFC 6665 §4.4.3). In any state
    /// from the first NOTIFY on.
    pub fn refresh(&mut self, now: Instant) -> Result<(), SubscribeError> {
        if !self.state().is_established() {
            return Err(self.illegal("refresh"));
        }
        self.subscription.refresh(self.core, now);
        self.settle();
        Ok(())
    }

    /// Sends a SUBSCRIBE with Expires 0, as soon as the notifier is known. In any state but `Null` and `Terminated`; the
    /// last NOTIFY, or 64*T1 without any, leads to `Terminated`. In `Terminated` it only stops a subscription that would
    /// be begun again.
    pub fn unsubscribe(&mut self, now: Instant) -> Result<(), SubscribeError> {
        let was_waiting = self.subscription.stop_waiting();
        let result = if was_waiting {
            Ok(())
        } else {
            self.expect(false, "unsubscribe")
        };
        if result.is_ok() && !was_waiting {
            self.subscription.end(self.core, now);
        }
        self.settle();
        result
    }

    fn expect(&self, is_idle: bool, command: &'static str) -> Result<(), SubscribeError> {
        if self.state().is_idle() == is_idle {
            return Ok(());
        }
        Err(self.illegal(command))
    }

    fn illegal(&self, command: &'static str) -> SubscribeError {
        let state = self.state().clone();
        SubscribeError::IllegalState { state, command }
    }

    fn settle(&mut self) {
        self.subscription.update_schedule(self.schedule);
    }
}
