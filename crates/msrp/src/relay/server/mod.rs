//! A relay (RFC 4976 §6): gives places to its users, and passes on what comes for them and from them.

mod auth;
mod config;
mod connection;
mod forward;
mod place;
mod route;

pub use config::{RelayConfig, RelayUser};

use crate::chunk::{Continuation, FieldName, Head, HeadWriter, Method, StartLine, StatusCode};
use crate::framer::Frame;
use bytes::{Bytes, BytesMut};
use connection::{Awaited, Connection, Inbound, Waiting};
use offhook_digest::{QopOptions, Verifier, VerifierConfig};
use offhook_sansio::{Entropy, Outbox};
use place::Place;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// Names a connection of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A relay for any number of connections, as a plain value.
///
/// Tell it of connections by [`handle_connected`](Self::handle_connected) and [`handle_closed`](Self::handle_closed);
/// append what is received to [`input`](Self::input) and call [`handle_input`](Self::handle_input), but read only while
/// [`wants_input`](Self::wants_input). After each call take the events; one of them says for which connections
/// [`poll_transmit`](Self::poll_transmit) has something.
///
/// Bodies pass in pieces as they arrive and are never collected: of a message the relay holds what one connection was
/// read and another has not taken yet, [`RelayConfig::queued_bytes`] and one read at most. Chunks that come at the same
/// time for one connection take turns, each interrupted by `+` and going on in a new chunk.
///
/// Relays know each other by their certificates (RFC 4976 §6.3): tell of one that was shown, and verified, by
/// [`set_certificate`](Self::set_certificate). The client at the far end of a relay proves who it is by its password all the
/// same; but its place is then good on any connection to that relay, and a relay is not closed for the wrong passwords of its
/// clients.
#[derive(Debug)]
pub struct MsrpRelay {
    config: RelayConfig,
    verifier: Verifier,
    entropy: Entropy,
    connections: HashMap<ConnectionId, Connection>,
    next: u64,
    /// By session id.
    places: HashMap<Box<str>, Place>,
    /// When to look at what. Entries may be early: what they are about says whether it is time.
    agenda: BTreeSet<(Instant, Due)>,
    events: Outbox<RelayServerEvent>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Connection(ConnectionId),
    Place(Box<str>),
}

/// The certificate that the other end of a connection showed, as far as a relay asks about it.
pub trait PeerCertificate: std::fmt::Debug + Send {
    /// Whether it is for the host of this name (its subjectAltName, RFC 4976 §6.3).
    fn is_for(&self, host: &str) -> bool;
}

/// What a relay tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayServerEvent {
    /// A connection is to be opened to this URI; tell of failure by [`MsrpRelay::handle_closed`]. What waits for it is
    /// there already.
    Connect {
        /// Its name from now on.
        connection: ConnectionId,
        /// Whom to connect to. Without a port: by SRV, RFC 4976 §8.
        uri: crate::uri::MsrpUri,
    },
    /// Bytes may wait for this connection, or it may be read again.
    Ready(ConnectionId),
    /// The connection is to be closed once everything is written.
    Close(ConnectionId),
}

impl MsrpRelay {
    /// A relay without connections.
    pub fn new(config: RelayConfig, mut entropy: Entropy) -> Self {
        let mut verifier = VerifierConfig::new(config.realm.clone());
        verifier.qop = QopOptions::AUTH; // RFC 4976 §9.1
        Self {
            verifier: Verifier::new(verifier, entropy.fork()),
            entropy,
            connections: HashMap::new(),
            next: 0,
            places: HashMap::new(),
            agenda: BTreeSet::new(),
            events: Outbox::new(),
            config,
        }
    }

    /// The configuration.
    pub fn config(&self) -> &RelayConfig {
        &self.config
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// How many places are given out.
    pub fn place_count(&self) -> usize {
        self.places.len()
    }

    /// Someone connected. When there are too many, who has been there for longest without a request that succeeded goes for it, so
    /// that nobody is kept out by those who say nothing; `None` when there is no such one: close it.
    pub fn handle_connected(&mut self, now: Instant, is_secure: bool) -> Option<ConnectionId> {
        if self.connections.len() >= self.config.connections {
            self.make_room()?;
        }
        Some(self.add_connection(now, is_secure, None))
    }

    /// Closes one connection on probation, unless those that close already make room enough.
    fn make_room(&mut self) -> Option<()> {
        let staying = || self.connections.iter().filter(|(_, one)| !one.is_closing);
        if staying().count() < self.config.connections {
            return Some(());
        }
        let on_probation = staying().filter(|(_, one)| !one.is_trusted);
        let (&oldest, _) = on_probation.min_by_key(|(_, one)| one.idle_at)?;
        self.close(oldest);
        Some(())
    }

    /// Who connected showed a certificate by TLS, and it was signed by somebody who may sign relays.
    pub fn set_certificate(&mut self, connection: ConnectionId, shown: Box<dyn PeerCertificate>) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.certificate = Some(shown);
        }
    }

    fn add_connection(
        &mut self,
        now: Instant,
        is_secure: bool,
        opened: Option<(crate::uri::MsrpUri, String)>,
    ) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        let mut connection = Connection::new(now, &self.config, is_secure, self.entropy.fork());
        if opened.is_some() {
            connection.is_trusted = true;
            connection.idle_at = now + self.config.idle;
            connection.opened = opened;
        }
        self.connections.insert(id, connection);
        self.schedule(id);
        id
    }

    /// The buffer that received bytes are appended to.
    ///
    /// # Panics
    /// When there is no such connection: it was told to be closed.
    pub fn input(&mut self, connection: ConnectionId) -> &mut BytesMut {
        self.connections
            .get_mut(&connection)
            .expect("only connections that are there are read")
            .framer
            .input()
    }

    /// False while nothing should be read from a connection, because what it sends cannot be passed on, or its user
    /// sends too fast. [`RelayServerEvent::Ready`] tells when to ask again.
    pub fn wants_input(&mut self, connection: ConnectionId) -> bool {
        let Some(own) = self.connections.get(&connection) else {
            return false;
        };
        // Room for answers beyond what others may send to it: two relays that have much for each other, and find each
        // other's answers only behind it, would both stand still.
        let most = self.config.queued_bytes.saturating_add(self.config.answer_bytes);
        if own.is_closing || own.paused_until.is_some() || own.out.len() >= most {
            return false;
        }
        let target = match &own.inbound {
            Inbound::Skipped => return true,
            Inbound::Forwarded(forward) => forward.target,
            Inbound::Collected { target, .. } => *target,
        };
        if target == connection {
            // What goes back to where it came from is answered behind what is read here.
            return own.out.len() < self.config.queued_bytes;
        }
        let (queued, unanswered) = (self.config.queued_bytes, self.config.unanswered);
        // From whom answers are awaited is read on: others may wait for those.
        let owes_answers = !own.waiting.is_empty();
        let Some(target) = self.connections.get_mut(&target) else {
            return true;
        };
        let is_full = target.out.len() >= queued || (target.waiting.len() >= unanswered && !owes_answers);
        if is_full && !target.held_up.contains(&connection) {
            target.held_up.push(connection);
        }
        !is_full
    }

    /// Reads what was appended to [`input`](Self::input).
    pub fn handle_input(&mut self, now: Instant, id: ConnectionId) {
        loop {
            let Some(connection) = self.connections.get_mut(&id) else {
                return;
            };
            if connection.is_closing {
                connection.framer.input().clear();
                return;
            }
            if connection.is_trusted {
                connection.idle_at = now + self.config.idle;
            }
            match connection.framer.next_frame() {
                Ok(Some(Frame::Head(head))) => self.handle_head(now, id, &head),
                Ok(Some(Frame::Body(data))) => self.handle_body(now, id, data),
                Ok(Some(Frame::End(flag))) => self.handle_end(now, id, flag),
                Ok(None) => break,
                Err(_) => self.close(id),
            }
        }
        self.schedule(id);
    }

    /// A connection ended, or could not be opened. Places that were asked for on it end, and what it did not answer is
    /// reported to those who sent it, or answered with 408.
    pub fn handle_closed(&mut self, now: Instant, id: ConnectionId) {
        let Some(mut gone) = self.connections.remove(&id) else {
            return;
        };
        self.places
            .retain(|_, place| place.connection != id || place.relay.is_some());
        if let Inbound::Forwarded(forward) = &gone.inbound
            && let Some(target) = self.connections.get_mut(&forward.target)
            && target.open.as_ref().is_some_and(|open| open.request.source == id)
        {
            target.close_chunk(now, &self.config, Continuation::Aborted);
            self.ready(forward.target);
        }
        gone.close_chunk(now, &self.config, Continuation::More);
        for waiting in gone.waiting.drain(..) {
            match waiting.what {
                Awaited::Chunk(range) => self.report(now, &waiting.request, range, StatusCode::TIMEOUT),
                Awaited::Response => self.answer_unanswered(now, &waiting.request),
            }
        }
        for held_up in gone.held_up {
            self.events.push(RelayServerEvent::Ready(held_up));
        }
    }

    /// The next bytes for a connection.
    #[must_use = "bytes that are taken and dropped are lost"]
    pub fn poll_transmit(&mut self, id: ConnectionId) -> Option<Bytes> {
        let connection = self.connections.get_mut(&id)?;
        connection.stuck_since = None;
        if connection.out.is_empty() {
            return None;
        }
        let bytes = connection.out.split().freeze();
        self.release(id);
        Some(bytes)
    }

    /// Lets those read on who found a connection full, once it is not.
    fn release(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.out.len() < self.config.queued_bytes {
            for held_up in connection.held_up.drain(..) {
                self.events.push(RelayServerEvent::Ready(held_up));
            }
        }
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, due)) = self.agenda.first().cloned() {
            if at > now {
                break;
            }
            self.agenda.pop_first();
            match due {
                Due::Connection(id) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.scheduled = None;
                        if !connection.is_closing {
                            self.tend(now, id);
                            self.schedule(id);
                        }
                    }
                }
                Due::Place(session) => match self.places.get(&session).map(|place| place.valid_until) {
                    Some(valid_until) if valid_until <= now => {
                        self.places.remove(&session);
                    }
                    Some(valid_until) => {
                        self.agenda.insert((valid_until, Due::Place(session)));
                    }
                    None => {}
                },
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// The next event.
    #[must_use = "an event that is taken and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<RelayServerEvent> {
        self.events.pop()
    }

    /// Does for a connection what its deadlines say.
    fn tend(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let is_stuck = connection
            .stuck_since
            .is_some_and(|since| since + self.config.response_timeout <= now);
        if connection.idle_at <= now || is_stuck {
            self.close(id);
            return;
        }
        if connection.paused_until.is_some_and(|until| until <= now) {
            connection.paused_until = None;
            self.events.push(RelayServerEvent::Ready(id));
        }
        loop {
            let connection = self.connections.get_mut(&id);
            let waiting = connection.and_then(|connection| {
                let is_due = connection.waiting.front()?.deadline <= now;
                is_due.then(|| connection.waiting.pop_front()).flatten()
            });
            let Some(Waiting { request, what, .. }) = waiting else {
                break;
            };
            self.release(id);
            self.tell_silence(now, &request, what);
        }
    }

    /// An answer did not come in time, or is not awaited any longer.
    fn tell_silence(&mut self, now: Instant, request: &connection::Request, what: Awaited) {
        if let Awaited::Chunk(range) = what
            && request.wish == crate::chunk::FailureReport::Yes
        {
            self.report(now, request, range, StatusCode::TIMEOUT);
        }
    }

    /// Awaits no more answers of a connection than the limit, however much is passed on to it.
    fn bound_waiting(&mut self, now: Instant, id: ConnectionId) {
        let most = self
            .config
            .unanswered
            .saturating_mul(RelayConfig::UNANSWERED_AT_MOST);
        while let Some(connection) = self.connections.get_mut(&id)
            && connection.waiting.len() > most
            && let Some(Waiting { request, what, .. }) = connection.waiting.pop_front()
        {
            self.tell_silence(now, &request, what);
        }
    }

    fn handle_head(&mut self, now: Instant, id: ConnectionId, head: &Head) {
        match head.start_line() {
            StartLine::Response(status) => self.handle_response(now, id, head, *status),
            StartLine::Request(Method::Auth) if self.is_for_us(head) => self.handle_auth(now, id, head),
            StartLine::Request(_) => self.handle_request(now, id, head),
        }
    }

    /// Answers a request of a connection.
    fn respond(&mut self, now: Instant, id: ConnectionId, head: &Head, status: StatusCode) {
        self.respond_with(now, id, head, status, &[]);
    }

    fn respond_with(
        &mut self,
        now: Instant,
        id: ConnectionId,
        head: &Head,
        status: StatusCode,
        fields: &[(FieldName, String)],
    ) {
        let (Some(back), Some(to)) = (head.field(FieldName::FromPath), head.field(FieldName::ToPath)) else {
            return;
        };
        // SEND is answered to the previous hop, everything else to the sender (RFC 4976 §6.4.1).
        let back = match head.method() {
            Some(Method::Send) => back.split(' ').next().unwrap_or_default(),
            Some(Method::Report) | None => return,
            _ => back,
        };
        let own = to.split(' ').next().unwrap_or_default();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let out = connection.between_chunks(now, &self.config);
        let begin = out.len();
        let written =
            HeadWriter::response(out, head.transaction_id(), status, back, own).and_then(|mut head| {
                for (name, value) in fields {
                    head = head.field(name.as_str(), value)?;
                }
                head.end(Continuation::Last);
                Ok(())
            });
        if written.is_err() {
            self.connections
                .get_mut(&id)
                .expect("it was there a moment ago")
                .out
                .truncate(begin);
        }
        self.ready_at(now, id);
    }

    /// Something waits for a connection.
    fn ready(&mut self, id: ConnectionId) {
        self.events.push(RelayServerEvent::Ready(id));
    }

    /// Like [`ready`](Self::ready), and watches that it is taken.
    fn ready_at(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stuck_since.get_or_insert(now);
        }
        self.ready(id);
        self.schedule(id);
    }

    /// A request of a connection failed; too many of them, and it is closed.
    fn count_failure(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.failures += 1;
        if connection.failures >= self.config.failures && connection.relay.is_none() {
            self.close(id);
        }
    }

    fn trust(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.is_trusted = true;
            connection.failures = 0;
            connection.idle_at = now + self.config.idle;
        }
    }

    /// Nothing more is read from a connection, and it ends once it is written.
    fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.is_closing {
            return;
        }
        connection.is_closing = true;
        self.events.push(RelayServerEvent::Close(id));
    }

    /// Enters the next deadline of a connection into the agenda.
    fn schedule(&mut self, id: ConnectionId) {
        // One that closes is the owner's from then on.
        let Some(connection) = self
            .connections
            .get_mut(&id)
            .filter(|connection| !connection.is_closing)
        else {
            return;
        };
        let at = connection.deadline(&self.config);
        if connection.scheduled.is_none_or(|scheduled| at < scheduled) {
            connection.scheduled = Some(at);
            self.agenda.insert((at, Due::Connection(id)));
        }
    }
}

#[cfg(test)]
mod tests;
