//! The endpoint: one user agent, made of transactions, dialogs and the usages inside them.
//!
//! Bytes and time go in, bytes and events come out; see [`Endpoint`].

mod aliases;
mod asks;
mod config;
mod core;
mod description;
mod dialogs;
mod event;
mod failure;
mod flows;
mod gruus;
mod invitations;
mod locals;
mod notifiers;
mod publications;
mod registrations;
mod requests;
mod servers;
mod stateless;
mod subscriptions;
mod usages;

pub use aliases::ConnectionReuse;
pub use config::{Body, EndpointConfig, EndpointLimits, Reliability, Route, SessionTimerConfig};
pub use core::SendError;
pub use event::{EndpointEvent, ReceivedMessage, Statistics, Trace};
pub use failure::TransportFailure;
pub use locals::SourceAddresses;

pub(crate) use core::{Core, Owner, body_of};
pub(crate) use usages::Usage;

use crate::ask::Asking;
use crate::flow::{KeepAlive, StunMessage};
use crate::invitation::Invitation;
use crate::notifier::IncomingSubscription;
use crate::pager::Pager;
use crate::publication::Publication;
use crate::registration::Registration;
use crate::subscription::Subscription;
use crate::transaction::{Essentials, RespondError, TransactionEvent, TransactionId, Transactions};
use crate::{EventPackageError, HeaderName, Message, Response};
use offhook_sansio::{Entropy, Path, Received, ServerId, Transmit, Transport};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use usages::Usages;

/// A SIP user agent without I/O (RFC 3261), client and server.
///
/// It is driven as `offhook_sansio` says: after each command or `handle_*`, call
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) until both give `None`, then sleep
/// until [`poll_timeout`](Self::poll_timeout).
///
/// ```
/// use offhook_sansio::{Entropy, Received, Path, Transport};
/// use offhook_sip_core::{Body, Endpoint, EndpointConfig, EndpointEvent, Invite, InvitationState, Route};
/// use std::time::{Duration, Instant};
///
/// let (alice, bob) = ("192.0.2.1:5060".parse()?, "192.0.2.2:5060".parse()?);
/// let now = Instant::now();
/// let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_number(1));
/// endpoint.add_local(Transport::Udp, alice);
///
/// let mut invite = Invite::new(
///     "Alice <sip:alice@a.test>".parse()?,
///     "sip:bob@192.0.2.2".parse()?,
///     Route::new(Transport::Udp, bob),
/// );
/// invite.offer = Some(Body::sdp("v=0\r\n"));
/// let call = endpoint.invite(now, invite)?;
///
/// let sent = endpoint.poll_transmit().expect("the INVITE");
/// assert_eq!(sent.path.remote, bob);
/// assert!(sent.bytes.starts_with(b"INVITE sip:bob@192.0.2.2 SIP/2.0\r\n"));
/// assert!(matches!(endpoint.poll_event(), Some(EndpointEvent::Invitation { id, .. }) if id == call));
/// assert_eq!(endpoint.invitation(call).unwrap().state(), InvitationState::Calling);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Endpoint {
    core: Core,
    invitations: Usages<Invitation>,
    registrations: Usages<Registration>,
    publications: Usages<Publication>,
    subscriptions: Usages<Subscription>,
    notifiers: Usages<IncomingSubscription>,
    asks: Usages<Asking>,
    pagers: Usages<Pager>,
    next_id: u64,
}

impl Endpoint {
    /// An endpoint without addresses.
    pub fn new(config: EndpointConfig, entropy: Entropy) -> Self {
        Self {
            core: Core::new(config, entropy),
            invitations: Usages::new(),
            registrations: Usages::new(),
            publications: Usages::new(),
            subscriptions: Usages::new(),
            notifiers: Usages::new(),
            asks: Usages::new(),
            pagers: Usages::new(),
            next_id: 0,
        }
    }

    /// Says that messages can be sent from, and come to, this address. It must be one that peers can reach, not
    /// `0.0.0.0`: it stands in Via and Contact.
    pub fn add_local(&mut self, transport: Transport, address: SocketAddr) {
        self.core.add_local(transport, address);
    }

    /// Says that a local address stands for all addresses of this machine, at its port: each peer is told the one that
    /// leads to it, as [`set_source_addresses`](Self::set_source_addresses) says, and this one where that does not know.
    pub fn set_everywhere(&mut self, transport: Transport, address: SocketAddr) {
        self.core.locals.set_everywhere(transport, address);
    }

    /// Says whom to ask which address leads to a peer. Without it nobody is asked.
    pub fn set_source_addresses(&mut self, sources: SourceAddresses) {
        self.core.locals.set_sources(sources);
    }

    /// Takes an address back. Calls that use it are not touched.
    pub fn remove_local(&mut self, transport: Transport, address: SocketAddr) {
        self.core.locals.remove(transport, address);
    }

    /// Says that an address of ours is another now: new requests, and those inside of dialogs that went by datagrams,
    /// have it in Via and Contact. Connections stay, for as long as they hold. Peers learn it by the next request that
    /// refreshes their target; see [`refresh_registration`](Self::refresh_registration) and re-INVITE.
    pub fn move_local(&mut self, transport: Transport, from: SocketAddr, to: SocketAddr) {
        let is_everywhere = self.core.locals.replace(transport, from, to);
        if transport.is_reliable() {
            return;
        }
        let moved = |local: SocketAddr| {
            if is_everywhere && local.port() == from.port() {
                Some(SocketAddr::new(local.ip(), to.port()))
            } else {
                (local == from).then_some(to)
            }
        };
        for id in self.invitations.ids() {
            self.invitations.with(&mut self.core, id, |invitation, _| {
                invitation.move_local(transport, moved);
            });
        }
    }

    /// The name that the server of a [`Path`] must prove to have, which whoever opens a connection has to check; `None`
    /// when it is not known any more: see [`EndpointLimits::server_names`].
    pub fn server_name(&self, id: ServerId) -> Option<Arc<str>> {
        self.core.server_name(id).cloned()
    }

    /// What it was configured with.
    pub fn config(&self) -> &EndpointConfig {
        &self.core.config
    }

    /// Switches [`EndpointEvent::Trace`] on or off.
    pub fn set_trace(&mut self, trace: bool) {
        self.core.config.trace = trace;
    }

    /// Couples an event package to the bodies that its NOTIFYs may have, so that it can be subscribed to.
    pub fn add_event<T: Into<String>>(
        &mut self,
        package: &str,
        accept: impl IntoIterator<Item = T>,
    ) -> Result<(), EventPackageError> {
        self.core.config.events.add(package, accept)
    }

    /// Changes the value of User-Agent and Server, from the next message on.
    pub fn set_user_agent(&mut self, user_agent: impl Into<String>) {
        self.core.config.user_agent = user_agent.into();
    }

    /// Counters since the beginning.
    pub fn statistics(&self) -> Statistics {
        self.core.statistics
    }

    /// The transactions, to look at.
    pub fn transactions(&self) -> &Transactions {
        &self.core.transactions
    }

    /// Ends all calls, each as its state wants it, and all registrations, publications and subscriptions.
    pub fn end_all(&mut self, now: Instant) {
        for id in self.registrations.ids() {
            self.unregister(now, id);
        }
        for id in self.publications.ids() {
            self.close_publication(now, id);
        }
        for id in self.subscriptions.ids() {
            self.close_subscription(now, id);
        }
        for id in self.notifiers.ids() {
            self.notifiers.with(&mut self.core, id, |subscription, core| {
                subscription.close(core, now);
            });
        }
        for id in self.invitations.ids() {
            if let Some(mut invitation) = self.invitation(id) {
                // One that ends already is content.
                let _ = invitation.end(now);
            }
        }
    }

    /// True when all calls, registrations, requests and messages are over for their owner.
    pub fn is_idle(&self) -> bool {
        self.registrations.is_empty()
            && self.publications.is_empty()
            && self.subscriptions.is_empty()
            && self.notifiers.is_empty()
            && self.asks.is_empty()
            && self.pagers.is_empty()
            && self.invitations.iter().all(Invitation::is_disconnected)
    }

    /// Answers a request that came out as [`EndpointEvent::Request`]. Make the response with
    /// [`Response::for_request`]; a To tag is added where none is.
    pub fn respond(
        &mut self,
        now: Instant,
        id: TransactionId,
        response: Response,
    ) -> Result<(), RespondError> {
        let mut response = response.with_to_tag(&self.core.fresh_tag());
        if !self.core.config.user_agent.is_empty() && !response.headers().contains(HeaderName::Server) {
            let server = self.core.config.user_agent.as_str();
            response.headers_mut().push(HeaderName::Server, server);
        }
        self.core.transactions.respond(now, id, &response)
    }

    /// Takes bytes from the network.
    pub fn handle_received(&mut self, now: Instant, received: Received) {
        self.core.statistics.received += 1;
        if !received.path.transport.is_reliable() && StunMessage::is_stun(&received.bytes) {
            self.handle_stun(now, &received);
            return;
        }
        if self.core.config.trace {
            self.core.trace(false, received.path, &received.bytes);
        }
        let Received { path, bytes } = received;
        match Message::parse(bytes, &self.core.config.parse) {
            Ok(Message::Request(request)) => self.handle_request(now, path, request),
            Ok(Message::Response(response)) => self.handle_response(now, path, response),
            Err(error) => self.core.reject_malformed(&error, path),
        }
        self.handle_transactions(now);
    }

    /// Takes the news that something could not be sent along a path, or that its connection broke.
    pub fn handle_transport_error(&mut self, now: Instant, path: Path) {
        if path.transport.is_reliable() {
            self.core.aliases.forget(path);
            self.invitations.handle_broken(&mut self.core, now, path);
            self.subscriptions.handle_broken(&mut self.core, now, path);
            self.notifiers.handle_broken(&mut self.core, now, path);
        }
        self.core.transactions.handle_transport_error(now, path);
        self.handle_transactions(now);
        if path.transport.is_reliable() {
            // Last, so that what they send anew over a new connection is not taken for lost with the old one.
            self.registrations.handle_broken(&mut self.core, now, path);
        }
    }

    /// Takes the same news of a connection that we opened or wanted to open, and tells the reason:
    /// [`EndpointEvent::TransportFailed`].
    pub fn handle_transport_failure(&mut self, now: Instant, path: Path, failure: TransportFailure) {
        self.core
            .events
            .push(EndpointEvent::TransportFailed { path, failure });
        self.handle_transport_error(now, path);
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.transactions.handle_timeout(now);
        self.handle_transactions(now);
        self.invitations.handle_timeout(&mut self.core, now);
        self.registrations.handle_timeout(&mut self.core, now);
        self.publications.handle_timeout(&mut self.core, now);
        self.subscriptions.handle_timeout(&mut self.core, now);
        self.notifiers.handle_timeout(&mut self.core, now);
        self.handle_transactions(now);
    }

    /// The next message to send.
    #[must_use = "a message that is taken and not sent is lost"]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.core.transactions.poll_transmit()?;
        self.core.statistics.sent += 1;
        if self.core.config.trace && !StunMessage::is_stun(&transmit.bytes) {
            self.core.trace(true, transmit.path, &transmit.bytes);
        }
        Some(transmit)
    }

    /// The next thing to know.
    #[must_use = "an event that is taken and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.core.events.pop()
    }

    /// The next connection that is to be kept alive in another way: for whoever drives connections.
    pub fn poll_keep_alive(&mut self) -> Option<KeepAlive> {
        self.core.keep_alives.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let transactions = self.core.transactions.poll_timeout();
        let soonest = self.invitations.soonest_or(transactions);
        let soonest = self.registrations.soonest_or(soonest);
        let soonest = self.publications.soonest_or(soonest);
        let soonest = self.subscriptions.soonest_or(soonest);
        self.notifiers.soonest_or(soonest)
    }

    fn fresh_number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn handle_response(&mut self, now: Instant, path: Path, response: Response) {
        let usable = response
            .check()
            .ok()
            .and_then(|()| Essentials::of(response.headers()).ok());
        let Some(essentials) = usable else {
            self.core.statistics.dropped_malformed += 1;
            return;
        };
        if !self
            .core
            .transactions
            .handle_response(now, path, &essentials, response)
        {
            self.core.statistics.dropped_stray_responses += 1;
        }
    }

    /// Gives what the transactions have to say to whom it concerns.
    fn handle_transactions(&mut self, now: Instant) {
        while let Some(event) = self.core.transactions.poll_event() {
            let id = event.id();
            if let Some(owner) = self.core.owners.get(&id).copied() {
                self.tell(now, owner, &event);
            }
            if let TransactionEvent::Ended { id } = event {
                self.core.owners.remove(&id);
            }
        }
    }

    fn tell(&mut self, now: Instant, owner: Owner, event: &TransactionEvent) {
        let core = &mut self.core;
        match owner {
            Owner::Invitation(id) => self
                .invitations
                .with(core, id, |usage, core| usage.handle_transaction(core, now, event)),
            Owner::Registration(id) => self
                .registrations
                .with(core, id, |usage, core| usage.handle_transaction(core, now, event)),
            Owner::Publication(id) => self
                .publications
                .with(core, id, |usage, core| usage.handle_transaction(core, now, event)),
            Owner::Subscription(id) => self
                .subscriptions
                .with(core, id, |usage, core| usage.handle_transaction(core, now, event)),
            Owner::IncomingSubscription(id) => self
                .notifiers
                .with(core, id, |usage, core| usage.handle_transaction(core, now, event)),
            Owner::Ask(id) => self
                .asks
                .with(core, id, |usage, core| usage.handle_transaction(core, now, event)),
            Owner::Pager(id) => self
                .pagers
                .with(core, id, |usage, core| usage.handle_transaction(core, now, event)),
            Owner::Nobody => None,
        };
    }
}
