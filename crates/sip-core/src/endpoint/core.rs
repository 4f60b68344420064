//! What all usages of an endpoint share: the transactions, our addresses, and how our messages look.

use super::aliases::Aliases;
use super::config::{Body, EndpointConfig, Route};
use super::description::Description;
use super::dialogs::Dialogs;
use super::event::{EndpointEvent, Statistics};
use super::gruus::Gruus;
use super::locals::Locals;
use super::servers::Servers;
use super::stateless::StatelessTags;
use crate::ask::AskId;
use crate::dialog::Dialog;
use crate::flow::{KeepAlive, StunId};
use crate::header::{CallId, Via};
use crate::invitation::InvitationId;
use crate::notifier::IncomingSubscriptionId;
use crate::pager::{PagerId, Targets};
use crate::publication::PublicationId;
use crate::registration::RegistrationId;
use crate::subscription::SubscriptionId;
use crate::transaction::{IdMap, RequestError, TransactionId, Transactions};
use crate::{HeaderName, Headers, Host, NameAddr, Request, Response, SipUri, StatusCode};
use offhook_sansio::{Entropy, Outbox, Path, ServerId, Transport};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// A usage, or what else is told about a transaction or a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Invitation(InvitationId),
    Registration(RegistrationId),
    Publication(PublicationId),
    Subscription(SubscriptionId),
    IncomingSubscription(IncomingSubscriptionId),
    Ask(AskId),
    Pager(PagerId),
    /// The endpoint itself answered: nobody wants to know.
    Nobody,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: EndpointConfig,
    description: Description,
    pub(super) stateless_tags: StatelessTags,
    pub(crate) entropy: Entropy,
    pub(crate) transactions: Transactions,
    pub(crate) owners: IdMap<Owner>,
    pub(crate) dialogs: Dialogs,
    pub(crate) events: Outbox<EndpointEvent>,
    pub(crate) statistics: Statistics,
    pub(crate) targets: Targets,
    /// STUN requests that wait for their answer, and whose flow they ask about.
    pub(crate) probes: HashMap<StunId, RegistrationId>,
    /// Registrations whose flow stands (RFC 5626 §4.5): of which address of record, and of which device.
    pub(crate) standing: HashMap<RegistrationId, (String, String)>,
    /// What the driver has to know.
    pub(crate) keep_alives: Outbox<KeepAlive>,
    pub(crate) gruus: Gruus,
    pub(super) locals: Locals,
    pub(super) aliases: Aliases,
    servers: Servers,
    /// What a WebSocket client calls itself, whom nobody can connect to (RFC 7118 §5, Appendix B.1); made with the first
    /// address of such a transport.
    invalid: Option<Host>,
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
    pub(crate) fn new(config: EndpointConfig, mut entropy: Entropy) -> Self {
        Self {
            transactions: Transactions::new(config.timing, config.limits.transactions),
            description: Description::new(&config),
            stateless_tags: StatelessTags::new(&mut entropy),
            servers: Servers::new(config.limits.server_names),
            aliases: Aliases::new(
                config.connection_reuse,
                config.limits.aliased_connections,
                config.limits.aliases_per_connection,
            ),
            config,
            entropy,
            owners: IdMap::default(),
            dialogs: Dialogs::default(),
            events: Outbox::new(),
            statistics: Statistics::default(),
            targets: Targets::default(),
            probes: HashMap::new(),
            standing: HashMap::new(),
            keep_alives: Outbox::new(),
            gruus: Gruus::default(),
            locals: Locals::default(),
            invalid: None,
        }
    }

    pub(crate) fn add_local(&mut self, transport: Transport, address: SocketAddr) {
        self.locals.add(transport, address);
        if is_websocket(transport) && self.invalid.is_none() {
            let name = format!("{}.invalid", self.entropy.hex(12));
            self.invalid = name.parse().ok();
        }
    }

    /// The path from one of our addresses; the first that was added of this transport and family.
    pub(crate) fn path_to(&self, transport: Transport, remote: SocketAddr) -> Result<Path, SendError> {
        self.locals
            .path_to(transport, remote)
            .ok_or(SendError::NoLocalAddress { transport, remote })
    }

    /// The path along a route, to the server that the route is meant for where the transport asks for it; or by a
    /// connection of that server's own (RFC 5923).
    pub(crate) fn path_of(&mut self, route: &Route) -> Result<Path, SendError> {
        let path = self.path_to(route.transport, route.address)?;
        let path = match &route.domain {
            Some(domain) => self.meant_for(path, domain),
            None => self.meant_for(path, &Host::from(route.address.ip())),
        };
        Ok(self.by_alias(path))
    }

    fn meant_for(&mut self, path: Path, host: &Host) -> Path {
        if needs_server(path.transport) {
            path.to_server(self.servers.id(host))
        } else {
            Path { server: None, ..path }
        }
    }

    /// What the server of a path must prove to be.
    pub(crate) fn server_name(&self, id: ServerId) -> Option<&Arc<str>> {
        self.servers.name(id)
    }

    /// The path of the next request inside a dialog (RFC 3261 §8.1.2). There is no DNS here: to a URI whose host is a
    /// name the way is the one by which the dialog began. So it is to a peer that began it over a connection of its
    /// own, for as long as that holds, and so it is by an alias (RFC 5923).
    ///
    /// At the address where the dialog began is still the server that it began with; at another address the server
    /// must prove to be that address.
    pub(crate) fn path_in_dialog(&mut self, dialog: &Dialog) -> Path {
        let flow = dialog.flow();
        let Some(uri) = dialog.next_hop().as_sip() else {
            return flow;
        };
        let Some(ip) = uri.host().ip() else { return flow };
        let transport = transport_in_dialog(uri, flow.transport);
        if dialog.has_own_flow() && transport == flow.transport && ip == flow.remote.ip() {
            return flow;
        }
        let port = uri.port().unwrap_or_else(|| transport.default_port());
        let remote = SocketAddr::new(ip, port);
        if self.aliases.leads_to(flow, (transport, remote)) {
            return flow;
        }
        let path = if transport == flow.transport && remote.is_ipv4() == flow.local.is_ipv4() {
            Path { remote, ..flow }
        } else {
            let Ok(path) = self.path_to(transport, remote) else {
                return flow;
            };
            path
        };
        let path = match flow.server.filter(|_| ip == flow.remote.ip()) {
            Some(server) if needs_server(transport) => path.to_server(server),
            _ => self.meant_for(path, &uri.host()),
        };
        self.by_alias(path)
    }

    /// Our Contact for messages along this path: the GRUU of the account whose Contacts have this user part (RFC 5627
    /// §4.4, §4.4.1), or else an address of ours.
    pub(crate) fn contact(&self, user: &str, path: Path) -> NameAddr {
        match self.gruus.open(user) {
            Some(gruu) => NameAddr::new(gruu.clone()),
            None => self.binding(user, path),
        }
    }

    /// The same where it shall not be seen whose Contact it is: the temporary GRUU (RFC 5627 §3.3, §4.4), or else an
    /// address of ours without the user (RFC 3323 §4.1.1.2).
    pub(crate) fn anonymous_contact(&self, user: &str, path: Path) -> NameAddr {
        match self.gruus.anonymous(user) {
            Some(gruu) => NameAddr::new(gruu.clone()),
            None => self.binding("anonymous", path),
        }
    }

    /// Our address along this path, for the registrar to find us by.
    pub(crate) fn binding(&self, user: &str, path: Path) -> NameAddr {
        let (host, port) = self.sent_by(path);
        let uri = SipUri::of_user(user, host, port);
        let uri = match path.transport {
            Transport::Udp => uri,
            // RFC 7118 §5.2: for both.
            Transport::Ws | Transport::Wss => uri.with_param("transport", "ws"),
            Transport::Tcp | Transport::Tls => uri.with_param("transport", path.transport.as_param()),
        };
        NameAddr::new(uri.into())
    }

    /// Where we say that we can be reached along this path.
    fn sent_by(&self, path: Path) -> (Host, Option<u16>) {
        match &self.invalid {
            Some(invalid) if is_websocket(path.transport) && path.server.is_some() => (invalid.clone(), None),
            _ => (Host::from(path.local.ip()), Some(path.local.port())),
        }
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
        let (host, port) = self.sent_by(path);
        let mut via = Via::new(path.transport, &host, port, &branch);
        if self.aliases.wants_alias(&path) {
            via.params.set_flag("alias");
        }
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

    /// Refuses a request, and says why behind the usual reason phrase.
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        id: TransactionId,
        request: &Request,
        status: StatusCode,
        why: &str,
    ) {
        let mut response = self.response_to(request, status);
        response.set_reason(&format!("{}: {why}", status.default_reason()));
        self.answer(now, id, response);
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
    pub(crate) fn describe_in_request(&self, headers: &mut Headers, more: &[&str]) {
        if !self.config.user_agent.is_empty() {
            headers.push(HeaderName::UserAgent, &self.config.user_agent);
        }
        self.describe(headers, more);
    }

    /// `more` are extensions that only this message names.
    pub(crate) fn describe(&self, headers: &mut Headers, more: &[&str]) {
        headers.push_all(self.description.brief());
        let own = || self.config.extensions();
        let mut more = more
            .iter()
            .copied()
            .filter(|tag| own().all(|own| own != *tag))
            .peekable();
        if more.peek().is_some() {
            let supported: Vec<&str> = own().chain(more).collect();
            headers.set(HeaderName::Supported, supported.join(", "));
        }
    }

    /// The whole truth about us, for those who ask (RFC 3261 §11.2).
    pub(super) fn describe_fully(&self, headers: &mut Headers) {
        headers.push_all(self.description.brief());
        headers.push_all(self.description.bodies());
    }

    /// The value of Allow.
    pub(crate) fn allow(&self) -> &str {
        self.description.allow()
    }
}

fn is_websocket(transport: Transport) -> bool {
    matches!(transport, Transport::Ws | Transport::Wss)
}

/// Whether whoever opens a connection must say whom it wants.
fn needs_server(transport: Transport) -> bool {
    transport.is_secure() || is_websocket(transport)
}

/// By what a URI is reached inside a dialog that goes by `flow`.
fn transport_in_dialog(uri: &SipUri, flow: Transport) -> Transport {
    let named = uri.transport().and_then(|name| name.parse().ok());
    match named {
        // RFC 7118 §5.2 has one name for both.
        Some(Transport::Ws) if flow == Transport::Wss => flow,
        Some(transport) => transport,
        None if uri.is_secure() && !flow.is_secure() => Transport::Tls,
        None => flow,
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
