//! Publications: giving state to a server that composes it for others, and keeping it there (RFC 3903).

mod machine;

pub(crate) use machine::Publication;

use crate::endpoint::{Body, Core, Route, Usage};
use crate::invitation::Cause;
use crate::transaction::Schedule;
use crate::{NameAddr, Response};
use bytes::Bytes;
use offhook_digest::Credentials;
use std::time::{Duration, Instant};

/// Names a publication within its endpoint; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(pub(crate) u64);

/// What to publish for whom, see [`Endpoint::add_publication`](crate::Endpoint::add_publication).
#[derive(Clone, Debug)]
pub struct Publish {
    /// Whose state: From, To, and the Request-URI.
    pub aor: NameAddr,
    /// The event package, as `presence`.
    pub event: String,
    /// The ways to the server, tried in order until one gives a 2xx.
    pub routes: Vec<Route>,
    /// How long the state shall stand, in seconds. Default 600. The server may grant less.
    pub expires: u32,
    /// For challenges.
    pub credentials: Option<Credentials>,
    /// More header fields for each PUBLISH: name and value.
    pub extra_headers: Vec<(String, String)>,
}

impl Publish {
    /// State of an address of record for one event package along one route.
    pub fn new(aor: NameAddr, event: impl Into<String>, route: Route) -> Self {
        Self {
            aor,
            event: event.into(),
            routes: vec![route],
            expires: 600,
            credentials: None,
            extra_headers: Vec::new(),
        }
    }
}

/// A publication cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// There is no route.
    #[error("no route")]
    NoRoute,
    /// The name of the event package is no token.
    #[error("{0:?} is no name of an event package")]
    Event(String),
    /// There are as many as [`EndpointLimits::publications`](crate::EndpointLimits::publications) allows.
    #[error("{limit} publications exist")]
    Limit {
        /// The limit.
        limit: usize,
    },
}

/// Where a publication stands. The names are those of the SIP SIMPLE API.
///
/// ```text
///   Unpublished -- publish() or retry --> Publishing -- 2xx --> Published
///       ^  ^                                |    ^                 |
///       |  +----------- failure ------------+    +-- publish(), ---+
///       |                                           refresh        |
///       +---- any answer, or none ---- Unpublishing <- unpublish() +
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublicationState {
    /// The server has nothing of us, as far as we know.
    Unpublished,
    /// A PUBLISH with state, or one that refreshes it, is on its way.
    Publishing,
    /// The server has our state.
    Published,
    /// A PUBLISH with Expires 0 is on its way.
    Unpublishing,
}

/// What a publication tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublicationEvent {
    /// The state changed.
    StateChanged {
        /// From.
        previous: PublicationState,
        /// To.
        state: PublicationState,
    },
    /// The server has our state, for the first time or again.
    Succeeded {
        /// How long it is good.
        expires: Duration,
        /// The 2xx.
        response: Response,
    },
    /// It failed along all routes, and will be tried again.
    Failed {
        /// Why, along the last one.
        cause: Cause,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// The state was taken back, as was wanted. It may be published again.
    Ended,
    /// The state is taken back for us, but the server did not agree, and keeps it until it expires.
    NotEnded {
        /// Why.
        cause: Cause,
    },
}

/// One publication of an [`Endpoint`](crate::Endpoint), to look at and to command. Drain the endpoint after each command.
///
/// Commands are queued: while a PUBLISH is on its way, the newest of them waits, for it says all that the server shall
/// know in the end (RFC 3903 §4 allows one request at a time).
#[derive(Debug)]
pub struct PublicationMut<'a> {
    publication: &'a mut Publication,
    core: &'a mut Core,
    schedule: &'a mut Schedule<PublicationId>,
}

impl<'a> PublicationMut<'a> {
    pub(crate) fn new(
        publication: &'a mut Publication,
        core: &'a mut Core,
        schedule: &'a mut Schedule<PublicationId>,
    ) -> Self {
        Self {
            publication,
            core,
            schedule,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> PublicationState {
        self.publication.state()
    }

    /// What was wanted.
    pub fn settings(&self) -> &Publish {
        self.publication.what()
    }

    /// How long the newest success is good still.
    pub fn expires_in(&self, now: Instant) -> Option<Duration> {
        self.publication.expires_in(now)
    }

    /// The entity tag of the state at the server.
    pub fn etag(&self) -> Option<&Bytes> {
        self.publication.etag()
    }

    /// Changes how long the state shall stand, in seconds, from the next PUBLISH on.
    pub fn set_expires(&mut self, seconds: u32) {
        self.publication.set_expires(seconds);
    }

    /// Publishes this, in place of what was published before. It is refreshed before it expires, and sent again in full
    /// where the server has lost it (412).
    pub fn publish(&mut self, now: Instant, body: Body) {
        self.publication.publish(self.core, now, body);
        self.settle();
    }

    /// Refreshes now, or tries again now, instead of when the timer says. Does nothing while a PUBLISH is on its way.
    pub fn refresh(&mut self, now: Instant) {
        self.publication.refresh(self.core, now);
        self.settle();
    }

    /// Takes the state back. Later it may be published again.
    pub fn unpublish(&mut self, now: Instant) {
        self.publication.unpublish(self.core, now);
        self.settle();
    }

    fn settle(&mut self) {
        self.publication.update_schedule(self.schedule);
    }
}
