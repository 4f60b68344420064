//! Messages on their own, outside of calls (RFC 3428, pager mode).

use crate::client::{Asker, Client, Draft, Outcome, unsent};
use crate::endpoint::{Body, Core, EndpointEvent, Owner, Route, Usage};
use crate::invitation::Cause;
use crate::transaction::{Schedule, TransactionEvent};
use crate::{Method, NameAddr, Uri};
use offhook_digest::Credentials;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// Names a message that we send within its endpoint; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub(crate) u64);

/// A message to somebody, see [`Endpoint::send_message`](crate::Endpoint::send_message).
#[derive(Clone, Debug)]
pub struct PagerMessage {
    /// Who writes: the From header field, without tag.
    pub from: NameAddr,
    /// To whom: the To header field.
    pub to: NameAddr,
    /// The Request-URI, most often that of `to`.
    pub request_uri: Uri,
    /// The ways to go, tried in order: the next one after a transport error, a timeout or a 503 (RFC 3263 §4.3).
    pub routes: Vec<Route>,
    /// For challenges.
    pub credentials: Option<Credentials>,
    /// The content. RFC 3428 §8 wants the whole MESSAGE within 1300 bytes where a proxy on the way may use UDP; a larger
    /// one goes over TCP where that is known.
    pub body: Body,
    /// How long it is of interest, in seconds; `None` says nothing (RFC 3428 §4).
    pub expires: Option<u32>,
    /// More header fields: name and value.
    pub extra_headers: Vec<(String, String)>,
}

impl PagerMessage {
    /// A message from one URI to another along one route.
    pub fn new(from: NameAddr, to: Uri, route: Route, body: Body) -> Self {
        Self {
            from,
            to: NameAddr::new(to.clone()),
            request_uri: to,
            routes: vec![route],
            credentials: None,
            body,
            expires: None,
            extra_headers: Vec::new(),
        }
    }
}

/// A message cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// There is no route.
    #[error("no route")]
    NoRoute,
    /// As many messages wait for this target as
    /// [`EndpointLimits::messages_per_target`](crate::EndpointLimits::messages_per_target) allows.
    #[error("{limit} messages wait for this target")]
    TargetLimit {
        /// The limit.
        limit: usize,
    },
    /// As many messages wait as [`EndpointLimits::messages`](crate::EndpointLimits::messages) allows.
    #[error("{limit} messages wait")]
    Limit {
        /// The limit.
        limit: usize,
    },
}

/// What becomes of a message that we send.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MessageEvent {
    /// The final response, or what stands in for it; a 2xx says that it arrived, a 202 that it will. The last event.
    Answered {
        /// To whom the message was.
        to: NameAddr,
        /// A response, or why there is none.
        cause: Cause,
    },
}

/// Names a target that messages wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PagerId(pub(crate) u64);

/// All messages to one target: one on its way, the others waiting (RFC 3428 §8).
#[derive(Debug)]
pub(crate) struct Pager {
    id: PagerId,
    sent: Option<(MessageId, Client)>,
    waiting: VecDeque<(MessageId, PagerMessage)>,
}

/// Which targets messages wait for.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    ids: HashMap<String, PagerId>,
    names: HashMap<PagerId, String>,
    messages: usize,
}

impl Targets {
    pub(crate) fn get(&self, target: &str) -> Option<PagerId> {
        self.ids.get(target).copied()
    }

    pub(crate) fn insert(&mut self, target: String, id: PagerId) {
        self.names.insert(id, target.clone());
        self.ids.insert(target, id);
    }

    fn remove(&mut self, id: PagerId) {
        if let Some(target) = self.names.remove(&id) {
            self.ids.remove(&target);
        }
    }

    /// Messages to all targets.
    pub(crate) fn messages(&self) -> usize {
        self.messages
    }
}

impl Pager {
    pub(crate) fn new(id: PagerId) -> Self {
        Self {
            id,
            sent: None,
            waiting: VecDeque::new(),
        }
    }

    /// Messages on their way and waiting.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.sent.is_some()) + self.waiting.len()
    }

    pub(crate) fn push(&mut self, core: &mut Core, now: Instant, id: MessageId, message: PagerMessage) {
        core.targets.messages += 1;
        self.waiting.push_back((id, message));
        self.send_next(core, now);
    }

    fn send_next(&mut self, core: &mut Core, now: Instant) {
        while self.sent.is_none()
            && let Some((id, message)) = self.waiting.pop_front()
        {
            let mut draft = Draft::new(Method::Message);
            draft.body = Some(message.body);
            draft.expires = message.expires;
            let asker = Asker {
                from: message.from,
                to: message.to,
                request_uri: message.request_uri,
                routes: message.routes,
                credentials: message.credentials,
                extra_headers: message.extra_headers,
            };
            let mut client = Client::new(core, Owner::Pager(self.id), asker);
            match client.send(core, now, &draft) {
                Ok(()) => self.sent = Some((id, client)),
                Err(error) => answer(core, id, &client, unsent(&error)),
            }
        }
        if self.is_over() {
            core.targets.remove(self.id);
        }
    }
}

fn answer(core: &mut Core, id: MessageId, client: &Client, cause: Cause) {
    core.targets.messages -= 1;
    let to = client.asker().to.clone();
    let event = MessageEvent::Answered { to, cause };
    core.events.push(EndpointEvent::Message { id, event });
}

impl Usage for Pager {
    type Id = PagerId;

    fn is_over(&self) -> bool {
        self.sent.is_none() && self.waiting.is_empty()
    }

    fn update_schedule(&mut self, _: &mut Schedule<PagerId>) {}

    fn bury(&mut self, _: &mut Core, _: &mut Schedule<PagerId>) {}

    fn handle_timeout(&mut self, _: &mut Core, _: Instant) {}

    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent) {
        let Some((id, mut client)) = self.sent.take() else {
            return;
        };
        if let Some(Outcome::Done(done)) = client.handle(core, now, event, None) {
            answer(core, id, &client, done.cause);
            self.send_next(core, now);
        } else {
            self.sent = Some((id, client));
        }
    }
}
