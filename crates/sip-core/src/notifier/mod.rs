//! Subscriptions of others: telling them about state of ours (RFC 6665 §4.2). Our own are in
//! [`subscription`](crate::subscription).

mod handle;
mod machine;

pub use handle::{IncomingSubscriptionMut, NotifyError};

pub(crate) use machine::{Begun, IncomingSubscription, Offered};

use crate::header::Event;
use crate::invitation::Cause;
use crate::{NameAddr, Request};
use offhook_sansio::Path;
use std::fmt;
use std::time::Duration;

/// Names a subscription of somebody else within its endpoint; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncomingSubscriptionId(pub(crate) u64);

/// Where a subscription of somebody else stands.
///
/// ```text
///   Incoming -- accept() --> Active -- end(), expiry, no answer to a NOTIFY --> Terminated
///      |  |                    ^                                                    ^
///      |  +-- pend(), 2 s --> Pending -------------------------------------------> -+
///      +-- reject() --------------------------------------------------------------> +
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IncomingSubscriptionState {
    /// The SUBSCRIBE waits for its answer: `resp_wait` of RFC 6665 §4.2.2.
    Incoming,
    /// It was answered, and somebody must allow it first.
    Pending,
    /// It stands.
    Active,
    /// It is over.
    Terminated,
}

impl fmt::Display for IncomingSubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incoming => "incoming",
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Terminated => "terminated",
        })
    }
}

/// Why a subscription ends: `reason` of Subscription-State (RFC 6665 §4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TerminationReason {
    /// It shall be begun again at once, perhaps elsewhere.
    Deactivated,
    /// It shall be begun again later.
    Probation,
    /// It is not allowed any more.
    Rejected,
    /// It was not refreshed.
    Timeout,
    /// Nobody allowed it in time.
    GiveUp,
    /// What it was about does not exist any more.
    NoResource,
    /// What it is about does not change.
    Invariant,
}

impl TerminationReason {
    /// As it stands in Subscription-State.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::GiveUp => "giveup",
            Self::NoResource => "noresource",
            Self::Invariant => "invariant",
        }
    }
}

/// What a subscription of somebody else tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum IncomingSubscriptionEvent {
    /// Somebody wants to subscribe. Answer it at once; after 2 s it counts as
    /// [pending](IncomingSubscriptionMut::pend), for no SUBSCRIBE may wait for a person (RFC 6665 §4.2.1.1). The first
    /// event.
    Received {
        /// The package, with its `id`.
        event: Event,
        /// How long it may last; zero asks for the state once.
        expires: Duration,
        /// The whole request.
        request: Box<Request>,
        /// The way it came.
        path: Path,
    },
    /// Somebody asks us to call somebody else, outside of calls (RFC 3515 §2.4.2). With [`accept`](IncomingSubscriptionMut::accept)
    /// it is a subscription to what becomes of that, told by [`notify_status`](IncomingSubscriptionMut::notify_status);
    /// after 2 s it is accepted as pending. Where `wants_notify` is false (RFC 4488), acceptance ends it. The first event.
    Referred {
        /// Whom to call.
        refer_to: NameAddr,
        /// Who wants it (RFC 3892).
        referred_by: Option<NameAddr>,
        /// Whether the peer wants to know what becomes of it.
        wants_notify: bool,
        /// The whole request.
        request: Box<Request>,
        /// The way it came.
        path: Path,
    },
    /// The state changed.
    StateChanged {
        /// From.
        previous: IncomingSubscriptionState,
        /// To.
        state: IncomingSubscriptionState,
    },
    /// It was refreshed, and the state was sent again.
    Refreshed {
        /// How long it may last now.
        expires: Duration,
    },
    /// A NOTIFY was answered.
    Notified {
        /// A response, or why there is none.
        cause: Cause,
    },
    /// It is over. Comes behind the change to [`Terminated`](IncomingSubscriptionState::Terminated).
    Ended {
        /// The peer's request or response, or what stands for it, or [`Local`](Cause::Local).
        cause: Cause,
    },
}
