//! Subscriptions: being told about somebody's state (RFC 6665 §4.1). Those of others here are in
//! [`notifier`](crate::notifier).

mod handle;
mod machine;
mod notify;
mod state;

pub use handle::{SubscribeError, SubscriptionMut};
pub use state::SubscriptionState;

pub(crate) use machine::{Subscription, ends_subscription};
pub(crate) use notify::Notified;

use crate::endpoint::{Body, Route};
use crate::header::Event;
use crate::invitation::{Cause, Refer};
use crate::{NameAddr, Request, Uri};
use offhook_digest::Credentials;
use std::time::Duration;

/// Names a subscription of ours within its endpoint; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub(crate) u64);

/// What to subscribe to, see [`Endpoint::add_subscription`](crate::Endpoint::add_subscription).
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Who wants to know: the From header field, without tag.
    pub from: NameAddr,
    /// Whose state: the To header field.
    pub to: NameAddr,
    /// The Request-URI, most often that of `to`.
    pub request_uri: Uri,
    /// The event package, as `presence`; the endpoint must [know](crate::EndpointConfig::events) it.
    pub event: String,
    /// The ways to go, tried in order: the next one after a transport error, a timeout or a 503 (RFC 3263 §4.3).
    pub routes: Vec<Route>,
    /// The user part of our Contact.
    pub contact_user: String,
    /// How long the subscription shall last, in seconds. Default 600. 0 asks once: the state comes, and the subscription
    /// is over (RFC 6665 §4.4.3).
    pub expires: u32,
    /// Bodies that are understood, said in Accept; `None` takes those that the endpoint knows of the event package.
    pub accept: Option<Vec<String>>,
    /// Extensions that are understood here alone, said in Supported: `eventlist` and the like.
    pub supported: Vec<&'static str>,
    /// How many notifiers may answer, where a proxy forks the SUBSCRIBE (RFC 6665 §4.1.4). Default 1: the first NOTIFY
    /// counts, and other notifiers get a 481. Each one more is a subscription of its own, told by
    /// [`Forked`](SubscriptionEvent::Forked).
    pub notifiers: usize,
    /// Whether to subscribe again when the subscription ends without our doing, when its end allows that (RFC 6665
    /// §4.1.3). Default yes.
    pub again: bool,
    /// Begins it with this REFER instead of a SUBSCRIBE (RFC 3515 §2.4.4): see [`refer`](Self::refer). Default none.
    pub refer: Option<Refer>,
    /// For challenges.
    pub credentials: Option<Credentials>,
    /// More header fields for each SUBSCRIBE: name and value.
    pub extra_headers: Vec<(String, String)>,
}

impl Subscribe {
    /// The state of one URI, told to another, along one route.
    pub fn new(from: NameAddr, to: Uri, event: impl Into<String>, route: Route) -> Self {
        let contact_user = from
            .uri
            .as_sip()
            .and_then(|uri| uri.user())
            .unwrap_or_default()
            .to_owned();
        Self {
            from,
            to: NameAddr::new(to.clone()),
            request_uri: to,
            event: event.into(),
            routes: vec![route],
            contact_user,
            expires: 600,
            accept: None,
            supported: Vec::new(),
            notifiers: 1,
            again: true,
            refer: None,
            credentials: None,
            extra_headers: Vec::new(),
        }
    }

    /// Asks somebody outside of calls to call somebody else (RFC 3515), and to tell what becomes of it:
    /// [`Body::sipfrag_status`] of each [`Notified`](SubscriptionEvent::Notified). Where the peer agrees to tell nothing
    /// (RFC 4488), the state is `Terminated` with its 2xx.
    pub fn refer(from: NameAddr, to: Uri, refer: Refer, route: Route) -> Self {
        let mut subscribe = Self::new(from, to, "refer", route);
        subscribe.extra_headers.clone_from(&refer.extra_headers);
        subscribe.accept = Some(vec!["message/sipfrag".to_owned()]);
        (subscribe.refer, subscribe.again, subscribe.expires) = (Some(refer), false, 180);
        subscribe
    }
}

/// What a subscription tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SubscriptionEvent {
    /// The state changed.
    StateChanged {
        /// From.
        previous: SubscriptionState,
        /// To.
        state: SubscriptionState,
        /// Why.
        cause: Cause,
    },
    /// A NOTIFY came in order; it has been answered with 200.
    Notified {
        /// What the state is; `None` where the NOTIFY says nothing but that the subscription stands or ends.
        body: Option<Body>,
        /// The package with its `id`.
        event: Event,
        /// The whole request.
        request: Box<Request>,
    },
    /// One more notifier answered the SUBSCRIBE of another subscription: this is one of its own, and not begun again when
    /// it ends. The first event of it.
    Forked {
        /// The subscription whose SUBSCRIBE was forked.
        of: SubscriptionId,
    },
    /// A SUBSCRIBE that should have refreshed the subscription failed, which stands still until it expires.
    RefreshFailed {
        /// Why.
        cause: Cause,
    },
    /// The subscription is over. Comes behind the change to [`Terminated`](SubscriptionState::Terminated).
    Ended {
        /// Why.
        cause: Cause,
        /// `reason` of Subscription-State (RFC 6665 §4.1.3).
        reason: Option<String>,
        /// When it is begun again by itself; `None` when that is up to the owner.
        again_after: Option<Duration>,
    },
}
