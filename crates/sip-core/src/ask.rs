//! Requests of any method outside of dialogs: OPTIONS, INFO and what is not known yet (RFC 3261 §8.1, §11.1).

use crate::client::{Asker, Client, ContactDraft, Draft, Outcome};
use crate::endpoint::{Body, Core, EndpointEvent, Owner, Route, SendError, Usage};
use crate::invitation::Cause;
use crate::transaction::{Schedule, TransactionEvent};
use crate::{HeaderName, Method, NameAddr, Response, Uri};
use offhook_digest::Credentials;
use std::time::Instant;

/// Names a request outside of dialogs within its endpoint; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub(crate) u64);

/// A request outside of dialogs, see [`Endpoint::ask`](crate::Endpoint::ask).
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked. INVITE, ACK, CANCEL and BYE belong to calls, SUBSCRIBE and NOTIFY to subscriptions.
    pub method: Method,
    /// Who asks: the From header field, without tag.
    pub from: NameAddr,
    /// Who is asked: the To header field.
    pub to: NameAddr,
    /// The Request-URI, most often that of `to`.
    pub request_uri: Uri,
    /// The ways to go, tried in order: the next one after a transport error, a timeout or a 503 (RFC 3263 §4.3).
    pub routes: Vec<Route>,
    /// The user part of our Contact; `None` for a request without one.
    pub contact_user: Option<String>,
    /// For challenges.
    pub credentials: Option<Credentials>,
    /// The body.
    pub body: Option<Body>,
    /// More header fields: name and value.
    pub extra_headers: Vec<(String, String)>,
}

impl Ask {
    /// A request without body from one URI to another along one route.
    pub fn new(method: Method, from: NameAddr, to: Uri, route: Route) -> Self {
        Self {
            method,
            from,
            to: NameAddr::new(to.clone()),
            request_uri: to,
            routes: vec![route],
            contact_user: None,
            credentials: None,
            body: None,
            extra_headers: Vec::new(),
        }
    }

    /// Asks what somebody can do (RFC 3261 §11.1).
    pub fn options(from: NameAddr, to: Uri, route: Route) -> Self {
        let user = from.uri.as_sip().and_then(|uri| uri.user()).map(str::to_owned);
        Self {
            contact_user: Some(user.unwrap_or_default()),
            ..Self::new(Method::Options, from, to, route)
        }
    }
}

/// A request cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The method belongs to a usage of its own.
    #[error("{0} is not sent by this command")]
    IllegalMethod(Method),
    /// There is no route.
    #[error("no route")]
    NoRoute,
    /// There are as many as [`EndpointLimits::asks`](crate::EndpointLimits::asks) allows.
    #[error("{limit} requests wait for their response")]
    Limit {
        /// The limit.
        limit: usize,
    },
    /// It could not be sent along any route.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// What becomes of a request outside of dialogs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AskEvent {
    /// A provisional response.
    Provisional {
        /// The response.
        response: Response,
    },
    /// The final response, or what stands in for it. The last event.
    Answered {
        /// A response, or why there is none.
        cause: Cause,
        /// The route that it was sent along last.
        route: Route,
    },
}

#[derive(Debug)]
pub(crate) struct Asking {
    id: AskId,
    client: Client,
    is_over: bool,
}

impl Asking {
    pub(crate) fn start(core: &mut Core, now: Instant, id: AskId, ask: Ask) -> Result<Self, SendError> {
        let mut draft = Draft::new(ask.method.clone());
        draft.contact = ask.contact_user.as_deref().map(ContactDraft::target);
        if ask.method == Method::Options {
            let accept = core.config.accept.join(", ");
            draft.headers.push((HeaderName::Accept, accept));
        }
        draft.body = ask.body;
        let asker = Asker {
            from: ask.from,
            to: ask.to,
            request_uri: ask.request_uri,
            routes: ask.routes,
            credentials: ask.credentials,
            extra_headers: ask.extra_headers,
        };
        let mut client = Client::new(core, Owner::Ask(id), asker);
        client.send(core, now, &draft)?;
        Ok(Self {
            id,
            client,
            is_over: false,
        })
    }

    fn emit(&self, core: &mut Core, event: AskEvent) {
        core.events.push(EndpointEvent::Ask { id: self.id, event });
    }
}

impl Usage for Asking {
    type Id = AskId;

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn update_schedule(&mut self, _: &mut Schedule<AskId>) {}

    fn bury(&mut self, _: &mut Core, _: &mut Schedule<AskId>) {}

    fn handle_timeout(&mut self, _: &mut Core, _: Instant) {}

    fn handle_transaction(&mut self, core: &mut Core, now: Instant, event: &TransactionEvent) {
        match self.client.handle(core, now, event, None) {
            Some(Outcome::Provisional(response)) => self.emit(core, AskEvent::Provisional { response }),
            Some(Outcome::Done(done)) => {
                let cause = done.cause;
                self.is_over = true;
                let route = self.client.last_route().clone();
                self.emit(core, AskEvent::Answered { cause, route });
            }
            None => {}
        }
    }
}
