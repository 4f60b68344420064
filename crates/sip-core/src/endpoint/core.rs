//! What all usages of an endpoint share: the transactions, our addresses, and how our messages look.

use super::config::{Body, EndpointConfig, Route};
use super::dialogs::Dialogs;
use super::event::{EndpointEvent, Statistics};
use crate::dialog::Dialog;
use crate::header::{CallId, Via};
use crate::invitation::InvitationId;
use crate::registration::RegistrationId;
use crate::transaction::{RequestError, TransactionId, Transactions};
use crate::{HeaderName, Headers, Host, Method, NameAddr, Request, Response, SipUri, StatusCode};
use offhook_sansio::{Entropy, Outbox, Path, Transport};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

/// A usage, or what else is told about a transaction or a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Invitation(InvitationId),
    Registration(RegistrationId),
    /// The endpoint itself answered: nobody wants to know.
    Nobody,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: EndpointConfig,
    pub(crate) entropy: Entropy,
    pub(crate) transactions: Transactions,
    pub(crate) owners: HashMap<TransactionId, Owner>,
    pub(crate) dialogs: Dialogs,
    pub(crate) events: Outbox<EndpointEvent>,
    pub(crate) statistics: Statistics,
    locals: Vec<(Transport, SocketAddr)>,
}

/// Why a request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// None of our addresses is of this transport and address family.
    #[error("no local {transport} address to reach {remote} from")]
    NoLocalAddress {
        /// The transport.
        transport: Transport,
        /// Where the request should go.
        remote: SocketAddr,
    },
    /// The transaction layer refused.
    #[error(transparent)]
    Transaction(#[from] RequestError),
}

impl Core {
    pub(crate) fn new(config: EndpointConfig, entropy: Entropy) -> Self {
        Self {
            transactions: Transactions::new(config.timing, config.limits.transactions),
            config,
            entropy,
            owners: HashMap::new(),
            dialogs: Dialogs::default(),
            events: Outbox::new(),
            statistics: Statistics::default(),
            locals: Vec::new(),
        }
    }

    pub(crate) fn add_local(&mut self, transport: Transport, address: SocketAddr) {
        if !self.locals.contains(&(transport, address)) {
            self.locals.push((transport, address));
        }
    }

    pub(crate) fn remove_local(&mut self, transport: Transport, address: SocketAddr) {
        self.locals.retain(|local| *local != (transport, address));
    }

    /// The path from one of our addresses; the first that was added of this transport and family.
    pub(crate) fn path_to(&self, transport: Transport, remote: SocketAddr) -> Result<Path, SendError> {
        self.locals
            .iter()
            .find(|(own, local)| *own == transport && local.is_ipv4() == remote.is_ipv4())
            .map(|(_, local)| Path::new(transport, *local, remote))
            .ok_or(SendError::NoLocalAddress { transport, remote })
    }

    pub(crate) fn path_of(&self, route: &Route) -> Result<Path, SendError> {
        self.path_to(route.transport, route.address)
    }

    /// The path of the next request inside a dialog (RFC 3261 §8.1.2). There is no DNS here: to a URI whose host is a
    /// name the way is the one by which the dialog began. So it is to a peer that began it over a connection of its
    /// own, for as long as that holds.
    pub(crate) fn path_in_dialog(&self, dialog: &Dialog) -> Path {
        let flow = dialog.flow();
        let Some(uri) = dialog.next_hop().as_sip() else {
            return flow;
        };
        let Some(ip) = uri.host().ip() else { return flow };
        let named = uri.transport().and_then(|name| name.parse().ok());
        let transport = named.unwrap_or(if uri.is_secure() && !flow.transport.is_secure() {
            Transport::Tls
        } else {
            flow.transport
        });
        if dialog.has_own_flow() && transport == flow.transport && ip == flow.remote.ip() {
            return flow;
        }
        let port = uri.port().unwrap_or_else(|| transport.default_port());
        let remote = SocketAddr::new(ip, port);
        if transport == flow.transport && remote.is_ipv4() == flow.local.is_ipv4() {
            return Path { remote, ..flow };
        }
        self.path_to(transport, remote).unwrap_or(flow)
    }

    /// Our Contact for messages along this path.
    pub(crate) fn contact(user: &str, path: Path) -> NameAddr {
        let mut uri = SipUri::new(Host::from(path.local.ip()))
            .with_user(user)
            .with_port(path.local.port());
        if path.transport != Transport::Udp {
            uri = uri.with_param("transport", path.transport.as_param());
        }
        NameAddr::new(uri.into())
    }

    pub(crate) fn fresh_tag(&mut self) -> String {
        self.entropy.hex(16)
    }

    pub(crate) fn fresh_call_id(&mut self) -> CallId {
        let text = self.entropy.hex(32);
        CallId::new(text).expect("hexadecimal digits are a Call-ID")
    }

    /// Puts our Via with a new branch on top.
    pub(crate) fn push_via(&mut self, request: &mut Request, path: Path) {
        let branch = format!("{}{}", Via::MAGIC_COOKIE, self.entropy.hex(20));
        let host = Host::from(path.local.ip());
        let via = Via::new(path.transport, &host, Some(path.local.port()), &branch);
        request.headers_mut().push_front_typed(&via);
    }

    /// Sends a request that has its Via already.
    pub(crate) fn send_request(
        &mut self,
        now: Instant,
        request: Request,
        path: Path,
        owner: Owner,
    ) -> Result<TransactionId, SendError> {
        let stream = self.path_to(Transport::Tcp, path.remote).ok();
        let id = self.transactions.send_request_or(now, request, path, stream)?;
        self.owners.insert(id, owner);
        Ok(id)
    }

    /// A response with our Server header field.
    pub(crate) fn response_to(&self, request: &Request, status: StatusCode) -> Response {
        let mut response = Response::for_request(request, status);
        if !self.config.user_agent.is_empty() {
            response
                .headers_mut()
                .push(HeaderName::Server, &self.config.user_agent);
        }
        response
    }

    /// Answers a request that no usage wants, with a tag of its own in To.
    pub(crate) fn answer(&mut self, now: Instant, id: TransactionId, response: Response) {
        let response = response.with_to_tag(&self.fresh_tag());
        self.owners.insert(id, Owner::Nobody);
        if self.transactions.respond(now, id, &response).is_err() {
            tracing::debug!(
                status = response.status().as_u16(),
                "a request was answered before"
            );
        }
    }

    /// User-Agent, Allow and Supported: what a request that begins or refreshes a dialog says of us (RFC 3261
    /// §13.2.1).
    pub(crate) fn describe_in_request(&self, headers: &mut Headers) {
        if !self.config.user_agent.is_empty() {
            headers.push(HeaderName::UserAgent, &self.config.user_agent);
        }
        self.describe(headers);
    }

    pub(crate) fn describe(&self, headers: &mut Headers) {
        headers.push(HeaderName::Allow, self.allow());
        if !self.config.supported.is_empty() {
            headers.push(HeaderName::Supported, self.config.supported.join(", "));
        }
    }

    pub(crate) fn allow(&self) -> String {
        let methods: Vec<&str> = self.config.allow.iter().map(Method::as_str).collect();
        methods.join(", ")
    }
}

/// The body of a message, with its type.
pub(crate) fn body_of(headers: &Headers, bytes: &bytes::Bytes) -> Option<Body> {
    if bytes.is_empty() {
        return None;
    }
    let content_type = headers.get_str(HeaderName::ContentType).unwrap_or_default();
    Some(Body::new(content_type, bytes.clone()))
}
