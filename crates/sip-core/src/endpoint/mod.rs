//! The endpoint: one user agent, made of transactions, dialogs and the usages inside them.
//!
//! Bytes and time go in, bytes and events come out; see [`Endpoint`].

mod config;
mod core;
mod event;
mod requests;

pub use config::{Body, EndpointConfig, EndpointLimits, Route};
pub use core::SendError;
pub use event::{EndpointEvent, Statistics, Trace};

pub(crate) use core::{Core, Owner, body_of};

use crate::invitation::{CommandError, Invitation, InvitationId, InvitationMut, Invite};
use crate::registration::{Register, RegisterError, Registration, RegistrationId, RegistrationState};
use crate::transaction::{Essentials, RespondError, Schedule, TransactionEvent, TransactionId, Transactions};
use crate::{HeaderName, Message, Response};
use offhook_sansio::{Entropy, Path, Received, Transmit, Transport};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

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
    invitations: BTreeMap<InvitationId, Invitation>,
    schedule: Schedule<InvitationId>,
    registrations: BTreeMap<RegistrationId, Registration>,
    refreshes: Schedule<RegistrationId>,
    next_id: u64,
}

impl Endpoint {
    /// An endpoint without addresses.
    pub fn new(config: EndpointConfig, entropy: Entropy) -> Self {
        Self {
            core: Core::new(config, entropy),
            invitations: BTreeMap::new(),
            schedule: Schedule::new(),
            registrations: BTreeMap::new(),
            refreshes: Schedule::new(),
            next_id: 0,
        }
    }

    /// Says that messages can be sent from, and come to, this address. It must be one that peers can reach, not
    /// `0.0.0.0`: it stands in Via and Contact.
    pub fn add_local(&mut self, transport: Transport, address: SocketAddr) {
        self.core.add_local(transport, address);
    }

    /// Takes an address back. Calls that use it are not touched.
    pub fn remove_local(&mut self, transport: Transport, address: SocketAddr) {
        self.core.remove_local(transport, address);
    }

    /// What it was configured with.
    pub fn config(&self) -> &EndpointConfig {
        &self.core.config
    }

    /// Switches [`EndpointEvent::Trace`] on or off.
    pub fn set_trace(&mut self, trace: bool) {
        self.core.config.trace = trace;
    }

    /// Counters since the beginning.
    pub fn statistics(&self) -> Statistics {
        self.core.statistics
    }

    /// The transactions, to look at.
    pub fn transactions(&self) -> &Transactions {
        &self.core.transactions
    }

    /// How many calls exist, including those that are over but whose transactions are not.
    pub fn invitation_count(&self) -> usize {
        self.invitations.len()
    }

    /// Calls somebody.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<InvitationId, CommandError> {
        let limit = self.core.config.limits.invitations;
        if self.invitations.len() >= limit {
            return Err(CommandError::Limit { limit });
        }
        if invite.routes.is_empty() {
            return Err(CommandError::NoRoute);
        }
        let id = self.fresh_id();
        let mut invitation = Invitation::start(&mut self.core, now, id, invite)?;
        invitation.update_schedule(&mut self.schedule);
        self.invitations.insert(id, invitation);
        Ok(id)
    }

    /// A call; `None` once it is over and nothing can come for it any more.
    pub fn invitation(&mut self, id: InvitationId) -> Option<InvitationMut<'_>> {
        let invitation = self.invitations.get_mut(&id)?;
        Some(InvitationMut::new(invitation, &mut self.core, &mut self.schedule))
    }

    /// Registers an address of record, and keeps it registered until [`unregister`](Self::unregister).
    pub fn register(&mut self, now: Instant, register: Register) -> Result<RegistrationId, RegisterError> {
        let limit = self.core.config.limits.registrations;
        if self.registrations.len() >= limit {
            return Err(RegisterError::Limit { limit });
        }
        if register.routes.is_empty() {
            return Err(RegisterError::NoRoute);
        }
        self.next_id += 1;
        let id = RegistrationId(self.next_id);
        let mut registration = Registration::start(&mut self.core, now, id, register)?;
        registration.update_schedule(&mut self.refreshes);
        self.registrations.insert(id, registration);
        Ok(id)
    }

    /// Where a registration stands; `None` once it is over.
    pub fn registration_state(&self, id: RegistrationId) -> Option<RegistrationState> {
        self.registrations.get(&id).map(Registration::state)
    }

    /// How long the newest success of a registration is good still.
    pub fn registration_expires_in(&self, now: Instant, id: RegistrationId) -> Option<Duration> {
        self.registrations.get(&id)?.expires_in(now)
    }

    /// Changes how long a registration shall last, in seconds, from its next refresh on.
    pub fn set_registration_expires(&mut self, id: RegistrationId, seconds: u32) {
        if let Some(registration) = self.registrations.get_mut(&id) {
            registration.set_expires(seconds);
        }
    }

    /// Registers again at once: after a change of network, or when the user is impatient. Does nothing while a
    /// REGISTER is on its way.
    pub fn refresh_registration(&mut self, now: Instant, id: RegistrationId) {
        self.with_registration(id, |registration, core| registration.refresh(core, now));
    }

    /// Takes a registration back: REGISTER with Expires 0, behind one that is on its way. It is given 2 s.
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) {
        self.with_registration(id, |registration, core| registration.unregister(core, now));
    }

    /// Ends all calls, each as its state wants it, and all registrations.
    pub fn end_all(&mut self, now: Instant) {
        let registrations: Vec<RegistrationId> = self.registrations.keys().copied().collect();
        for id in registrations {
            self.unregister(now, id);
        }
        let ids: Vec<InvitationId> = self.invitations.keys().copied().collect();
        for id in ids {
            if let Some(mut invitation) = self.invitation(id) {
                // One that ends already is content.
                let _ = invitation.end(now);
            }
        }
    }

    /// True when all calls and registrations are over for their owner.
    pub fn is_idle(&self) -> bool {
        self.registrations.is_empty() && self.invitations.values().all(Invitation::is_disconnected)
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
            for invitation in self.invitations.values_mut() {
                invitation.forget_flow(path);
            }
        }
        self.core.transactions.handle_transport_error(now, path);
        self.handle_transactions(now);
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.transactions.handle_timeout(now);
        self.handle_transactions(now);
        while let Some(id) = self.schedule.due(now) {
            self.with_invitation(id, |invitation, core| invitation.handle_timeout(core, now));
        }
        while let Some(id) = self.refreshes.due(now) {
            self.with_registration(id, |registration, core| registration.handle_timeout(core, now));
        }
        self.handle_transactions(now);
    }

    /// The next message to send.
    #[must_use = "a message that is taken and not sent is lost"]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.core.transactions.poll_transmit()?;
        self.core.statistics.sent += 1;
        if self.core.config.trace {
            self.core.trace(true, transmit.path, &transmit.bytes);
        }
        Some(transmit)
    }

    /// The next thing to know.
    #[must_use = "an event that is taken and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.core.events.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let transactions = self.core.transactions.poll_timeout();
        self.refreshes.soonest_or(self.schedule.soonest_or(transactions))
    }

    fn fresh_id(&mut self) -> InvitationId {
        self.next_id += 1;
        InvitationId(self.next_id)
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
            match self.core.owners.get(&id).copied() {
                Some(Owner::Invitation(owner)) => self.tell_invitation(now, owner, &event),
                Some(Owner::Registration(owner)) => self.tell_registration(now, owner, &event),
                Some(Owner::Nobody) | None => {}
            }
            if let TransactionEvent::Ended { id } = event {
                self.core.owners.remove(&id);
            }
        }
    }

    fn tell_invitation(&mut self, now: Instant, owner: InvitationId, event: &TransactionEvent) {
        self.with_invitation(owner, |invitation, core| match event {
            TransactionEvent::Response { id, response, path } => {
                invitation.handle_response(core, now, *id, response, *path);
            }
            TransactionEvent::Failed { id, failure } => invitation.handle_failure(core, now, *id, *failure),
            TransactionEvent::Ack { request, .. } => {
                if let Ok(essentials) = Essentials::of_request(request) {
                    invitation.handle_ack(core, now, &essentials, request);
                }
            }
            TransactionEvent::Ended { id } => invitation.handle_ended(*id),
        });
    }

    fn tell_registration(&mut self, now: Instant, owner: RegistrationId, event: &TransactionEvent) {
        self.with_registration(owner, |registration, core| match event {
            TransactionEvent::Response { id, response, .. } => {
                registration.handle_response(core, now, *id, response);
            }
            TransactionEvent::Failed { id, failure } => registration.handle_failure(core, now, *id, *failure),
            TransactionEvent::Ack { .. } | TransactionEvent::Ended { .. } => {}
        });
    }

    /// Lets a registration act, and keeps its deadline and its life up to date.
    fn with_registration(&mut self, id: RegistrationId, act: impl FnOnce(&mut Registration, &mut Core)) {
        let Some(registration) = self.registrations.get_mut(&id) else {
            return;
        };
        act(registration, &mut self.core);
        registration.update_schedule(&mut self.refreshes);
        if registration.is_over() {
            self.registrations.remove(&id);
        }
    }

    /// Lets a call act, and keeps its deadline and its life up to date.
    fn with_invitation<R>(
        &mut self,
        id: InvitationId,
        act: impl FnOnce(&mut Invitation, &mut Core) -> R,
    ) -> Option<R> {
        let invitation = self.invitations.get_mut(&id)?;
        let result = act(invitation, &mut self.core);
        invitation.update_schedule(&mut self.schedule);
        if invitation.is_over()
            && let Some(mut invitation) = self.invitations.remove(&id)
        {
            self.schedule.update(id, &mut invitation.told, None);
        }
        Some(result)
    }
}
