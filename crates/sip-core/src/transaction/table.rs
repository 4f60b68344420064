//! All transactions of one endpoint.

use super::client_invite::ClientInvite;
use super::client_other::ClientOther;
use super::event::{
    Incoming, RequestError, RespondError, TransactionEvent, TransactionId, TransactionLimits,
};
use super::hop::{ack_for_rejection, over_stream, reply_path, sent_by_path};
use super::id_map::IdMap;
use super::key::{ClientKey, Essentials, MergeKey, ServerKey};
use super::machine::{Act, Class};
use super::schedule::Schedule;
use super::server_invite::ServerInvite;
use super::server_other::ServerOther;
use super::timing::Timing;
use crate::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use offhook_sansio::{Outbox, Path, Transmit, Transport};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Instant;

/// All transactions of one endpoint, client and server. Drained as `offhook_sansio` says.
#[derive(Debug)]
pub struct Transactions {
    timing: Timing,
    limits: TransactionLimits,
    next_id: u64,
    clients: IdMap<Client>,
    client_keys: HashMap<ClientKey, TransactionId>,
    servers: IdMap<Server>,
    server_keys: HashMap<ServerKey, TransactionId>,
    merge_keys: HashMap<MergeKey, TransactionId>,
    sources: HashMap<IpAddr, usize>,
    schedule: Schedule<TransactionId>,
    transmits: Outbox<Transmit>,
    events: Outbox<TransactionEvent>,
}

#[derive(Debug)]
struct Client {
    machine: ClientMachine,
    key: ClientKey,
    /// For the ACK; of an INVITE only.
    request: Option<Request>,
    wire: Bytes,
    ack: Option<Bytes>,
    path: Path,
    /// The request over UDP, until the stream that it went over for its size gives an answer (RFC 3261 §18.1.1).
    over_udp: Option<Box<(Request, Path)>>,
    told: Option<Instant>,
}

#[derive(Debug)]
enum ClientMachine {
    Invite(ClientInvite),
    Other(ClientOther),
}

#[derive(Debug)]
struct Server {
    machine: ServerMachine,
    key: ServerKey,
    merge_key: Option<MergeKey>,
    /// What a 100 is made for when the user takes his time; of an INVITE only.
    trying: Option<Box<Request>>,
    newest: Option<Bytes>,
    /// Where responses go.
    path: Path,
    /// Where they go when the connection by which the request came is gone (RFC 3261 §18.2.2).
    sent_by: Option<Path>,
    source: IpAddr,
    told: Option<Instant>,
}

#[derive(Debug)]
enum ServerMachine {
    Invite(ServerInvite),
    Other(ServerOther),
}

impl Client {
    fn start_over(&mut self, now: Instant, timing: &Timing, (request, path): (Request, Path)) -> Act {
        self.machine = ClientMachine::start(now, timing, &request, path);
        self.wire = request.to_bytes();
        self.path = path;
        self.request = self.request.is_some().then_some(request);
        Act::Send
    }
}

impl ClientMachine {
    fn start(now: Instant, timing: &Timing, request: &Request, path: Path) -> Self {
        let reliable = path.transport.is_reliable();
        if *request.method() == Method::Invite {
            Self::Invite(ClientInvite::start(now, timing, reliable))
        } else {
            Self::Other(ClientOther::start(now, timing, reliable))
        }
    }

    fn handle_transport_error(&mut self) -> Act {
        match self {
            Self::Invite(machine) => machine.handle_transport_error(),
            Self::Other(machine) => machine.handle_transport_error(),
        }
    }
}

impl ServerMachine {
    fn owes_response(&self) -> bool {
        match self {
            Self::Invite(machine) => machine.owes_response(),
            Self::Other(_) => true,
        }
    }
}

impl Transactions {
    /// A table without transactions.
    pub fn new(timing: Timing, limits: TransactionLimits) -> Self {
        Self {
            timing,
            limits,
            next_id: 0,
            clients: IdMap::default(),
            client_keys: HashMap::new(),
            servers: IdMap::default(),
            server_keys: HashMap::new(),
            merge_keys: HashMap::new(),
            sources: HashMap::new(),
            schedule: Schedule::new(),
            transmits: Outbox::new(),
            events: Outbox::new(),
        }
    }

    /// The timer values.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// How many client transactions exist.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }

    /// How many server transactions exist.
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// How many IP addresses have server transactions.
    pub fn source_count(&self) -> usize {
        self.sources.len()
    }

    /// Sends a request, whose topmost Via must have a fresh branch.
    pub fn send_request(
        &mut self,
        now: Instant,
        request: Request,
        path: Path,
    ) -> Result<TransactionId, RequestError> {
        self.send_request_or(now, request, path, None)
    }

    /// Like [`send_request`](Self::send_request), but a request that is too large for UDP goes along `stream`, if there
    /// is one, with the Via that this needs; and over UDP after all when that fails (RFC 3261 §18.1.1).
    pub fn send_request_or(
        &mut self,
        now: Instant,
        request: Request,
        path: Path,
        stream: Option<Path>,
    ) -> Result<TransactionId, RequestError> {
        if *request.method() == Method::Ack {
            return Err(RequestError::Ack);
        }
        let limit = self.limits.client;
        if self.clients.len() >= limit {
            return Err(RequestError::Limit { limit });
        }
        let essentials = Essentials::of_request(&request).map_err(|_| RequestError::Unnamed)?;
        let key = ClientKey::of(&essentials).ok_or(RequestError::Unnamed)?;
        if self.client_keys.contains_key(&key) {
            return Err(RequestError::BranchInUse);
        }
        let id = self.fresh_id();
        let wire = request.to_bytes();
        let detour =
            stream.and_then(|stream| Some((over_stream(&request, wire.len(), path, stream)?, stream)));
        let (request, wire, path, over_udp) = match detour {
            Some((other, stream)) => {
                let wire = other.to_bytes();
                (other, wire, stream, Some(Box::new((request, path))))
            }
            None => (request, wire, path, None),
        };
        let machine = ClientMachine::start(now, &self.timing, &request, path);
        let request = matches!(machine, ClientMachine::Invite(_)).then_some(request);
        self.send(path, wire.clone());
        self.client_keys.insert(key.clone(), id);
        let client = Client {
            machine,
            key,
            request,
            wire,
            ack: None,
            path,
            over_udp,
            told: None,
        };
        self.clients.insert(id, client);
        self.settle_client(id);
        Ok(id)
    }

    /// Sends bytes that belong to no transaction: ACK to a 2xx, repeated 2xx, stateless responses.
    pub fn send(&mut self, path: Path, bytes: Bytes) {
        self.transmits.push(Transmit { path, bytes });
    }

    /// Takes a response; false when it belongs to no transaction.
    pub fn handle_response(
        &mut self,
        now: Instant,
        path: Path,
        essentials: &Essentials,
        response: Response,
    ) -> bool {
        let Some(id) = ClientKey::of(essentials).and_then(|key| self.client_keys.get(&key).copied()) else {
            return false;
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return false;
        };
        client.over_udp = None;
        let class = Class::from(response.status());
        let act = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.handle_response(now, &self.timing, class),
            ClientMachine::Other(machine) => machine.handle_response(now, &self.timing, class),
        };
        if act == Act::AckAndPass
            && let Some(request) = &client.request
        {
            client.ack = Some(ack_for_rejection(request, &response));
        }
        self.act_for_client(id, act, Some((response, path)));
        true
    }

    /// Takes a request, whose topmost Via must already say where it came from (RFC 3261 §18.2.1): responses go
    /// to where that Via says (RFC 3261 §18.2.2, RFC 3581). `maddr` is not obeyed: it would let anybody aim our
    /// responses.
    pub fn handle_request(
        &mut self,
        now: Instant,
        path: Path,
        essentials: &Essentials,
        request: &Request,
    ) -> Incoming {
        let place = match self.server_keys.entry(ServerKey::of(request, essentials)) {
            Entry::Occupied(known) => {
                let id = *known.get();
                self.handle_known_request(now, id, request);
                return Incoming::Absorbed;
            }
            Entry::Vacant(place) => place,
        };
        if *request.method() == Method::Ack {
            return Incoming::Ack;
        }
        if self.servers.len() >= self.limits.server {
            return Incoming::Limit;
        }
        let source = path.remote.ip();
        let of_source = self.sources.entry(source).or_default();
        if *of_source >= self.limits.server_per_source {
            return Incoming::SourceLimit;
        }
        *of_source += 1;
        self.next_id += 1;
        let id = TransactionId(self.next_id);
        let merging = MergeKey::of(essentials).map(|key| self.merge_keys.entry(key));
        let merged = matches!(merging, Some(Entry::Occupied(_)));
        let merge_key = match merging {
            Some(Entry::Vacant(place)) => Some(place.insert_entry(id).key().clone()),
            _ => None,
        };
        let reliable = path.transport.is_reliable();
        let (machine, trying) = if *request.method() == Method::Invite {
            let machine = ServerInvite::start(now, &self.timing, reliable);
            (ServerMachine::Invite(machine), Some(Box::new(request.clone())))
        } else {
            (ServerMachine::Other(ServerOther::start(reliable)), None)
        };
        let server = Server {
            machine,
            key: place.key().clone(),
            merge_key,
            trying,
            newest: None,
            path: reply_path(&essentials.via, path),
            // A WebSocket client cannot be connected to (RFC 7118 §5).
            sent_by: matches!(path.transport, Transport::Tcp | Transport::Tls)
                .then(|| sent_by_path(&essentials.via, path)),
            source,
            told: None,
        };
        place.insert(id);
        self.servers.insert(id, server);
        self.settle_server(id);
        if merged {
            Incoming::Merged(id)
        } else {
            Incoming::New(id)
        }
    }

    /// The INVITE transaction that a CANCEL wants to cancel (RFC 3261 §9.2).
    pub fn cancelled_by(&self, cancel: &Request, essentials: &Essentials) -> Option<TransactionId> {
        let key = ServerKey::of_cancelled(cancel, essentials);
        self.server_keys.get(&key).copied()
    }

    /// The newest response of a server transaction, as it was sent.
    pub(crate) fn newest_response(&self, id: TransactionId) -> Option<Bytes> {
        self.servers.get(&id)?.newest.clone()
    }

    /// True until a final response was sent.
    pub fn is_unanswered(&self, id: TransactionId) -> bool {
        self.servers.get(&id).is_some_and(|server| match &server.machine {
            ServerMachine::Invite(machine) => machine.is_unanswered(),
            ServerMachine::Other(machine) => machine.is_unanswered(),
        })
    }

    /// Where the responses of a server transaction go.
    pub fn reply_path(&self, id: TransactionId) -> Option<Path> {
        self.servers.get(&id).map(|server| server.path)
    }

    /// Answers a request. A 2xx to an INVITE may be sent again for as long as the transaction lives.
    pub fn respond(
        &mut self,
        now: Instant,
        id: TransactionId,
        response: &Response,
    ) -> Result<(), RespondError> {
        let server = self.servers.get_mut(&id).ok_or(RespondError::Unknown)?;
        let status = response.status();
        let act = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.respond(now, &self.timing, status.into()),
            ServerMachine::Other(_) if is_forbidden_by_rfc_4320(status) => {
                return Err(RespondError::Forbidden(status));
            }
            ServerMachine::Other(machine) => machine.respond(now, &self.timing, status.into()),
        };
        if act == Act::Nothing {
            return Err(RespondError::Answered);
        }
        server.newest = Some(response.to_bytes());
        if status.is_final() {
            server.trying = None;
        }
        self.act_for_server(id, act, None);
        Ok(())
    }

    /// An INVITE as it was sent, and where to: what its CANCEL must equal.
    pub(crate) fn sent_invite(&self, id: TransactionId) -> Option<(&Request, Path)> {
        let client = self.clients.get(&id)?;
        Some((client.request.as_ref()?, client.path))
    }

    /// Forgets a request without waiting for its response (RFC 3261 §9.1, at the end).
    pub fn forget_request(&mut self, id: TransactionId) {
        if let Some(mut client) = self.clients.remove(&id) {
            self.schedule.update(id, &mut client.told, None);
            self.client_keys.remove(&client.key);
            self.events.push(TransactionEvent::Ended { id });
        }
    }

    /// Something could not be sent along this path.
    pub fn handle_transport_error(&mut self, now: Instant, path: Path) {
        let same_way = |other: &Path| {
            (other.transport, other.remote, other.server) == (path.transport, path.remote, path.server)
        };
        let mut hit: Vec<TransactionId> = self
            .clients
            .iter()
            .filter(|(_, client)| same_way(&client.path))
            .map(|(id, _)| *id)
            .collect();
        hit.sort_unstable();
        for id in hit {
            let Some(client) = self.clients.get_mut(&id) else {
                continue;
            };
            let act = match client.over_udp.take() {
                Some(over_udp) => client.start_over(now, &self.timing, *over_udp),
                None => client.machine.handle_transport_error(),
            };
            self.act_for_client(id, act, None);
        }
        let mut hit: Vec<TransactionId> = self
            .servers
            .iter()
            .filter(|(_, server)| same_way(&server.path))
            .map(|(id, _)| *id)
            .collect();
        hit.sort_unstable();
        for id in hit {
            let Some(server) = self.servers.get_mut(&id) else {
                continue;
            };
            if let Some(sent_by) = server.sent_by.take().filter(|other| *other != server.path) {
                server.path = sent_by;
                let is_owed = server.machine.owes_response() && server.newest.is_some();
                self.act_for_server(id, if is_owed { Act::Send } else { Act::Nothing }, None);
                continue;
            }
            let act = match &mut server.machine {
                ServerMachine::Invite(machine) => machine.handle_transport_error(),
                ServerMachine::Other(machine) => machine.handle_transport_error(),
            };
            self.act_for_server(id, act, None);
        }
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.schedule.due(now) {
            if let Some(client) = self.clients.get_mut(&id) {
                let act = match &mut client.machine {
                    ClientMachine::Invite(machine) => machine.handle_timeout(now),
                    ClientMachine::Other(machine) => machine.handle_timeout(now, &self.timing),
                };
                self.act_for_client(id, act.unwrap_or(Act::Nothing), None);
            } else if let Some(server) = self.servers.get_mut(&id) {
                let act = match &mut server.machine {
                    ServerMachine::Invite(machine) => machine.handle_timeout(now, &self.timing),
                    ServerMachine::Other(machine) => machine.handle_timeout(now),
                };
                self.act_for_server(id, act.unwrap_or(Act::Nothing), None);
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.schedule.soonest()
    }

    /// The next message to send.
    #[must_use = "a message that is taken and not sent is lost"]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop()
    }

    /// The next thing for the user.
    #[must_use = "an event that is taken and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<TransactionEvent> {
        self.events.pop()
    }

    fn fresh_id(&mut self) -> TransactionId {
        self.next_id += 1;
        TransactionId(self.next_id)
    }

    fn handle_known_request(&mut self, now: Instant, id: TransactionId, request: &Request) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let is_ack = *request.method() == Method::Ack;
        let act = match &mut server.machine {
            ServerMachine::Invite(machine) if is_ack => machine.handle_ack(now, &self.timing),
            ServerMachine::Invite(machine) => machine.handle_retransmission(),
            ServerMachine::Other(machine) => machine.handle_retransmission(),
        };
        let ack = (act == Act::Pass).then(|| request.clone());
        self.act_for_server(id, act, ack);
    }

    fn act_for_client(&mut self, id: TransactionId, act: Act, response: Option<(Response, Path)>) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        match act {
            Act::Send => {
                let (path, bytes) = (client.path, client.wire.clone());
                self.send(path, bytes);
            }
            Act::Ack | Act::AckAndPass => {
                if let Some(ack) = client.ack.clone() {
                    let path = client.path;
                    self.send(path, ack);
                }
            }
            Act::Fail(failure) => self.events.push(TransactionEvent::Failed { id, failure }),
            Act::Nothing | Act::Pass | Act::SendTrying => {}
        }
        if matches!(act, Act::Pass | Act::AckAndPass)
            && let Some((response, path)) = response
        {
            self.events
                .push(TransactionEvent::Response { id, response, path });
        }
        self.settle_client(id);
    }

    fn act_for_server(&mut self, id: TransactionId, act: Act, ack: Option<Request>) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if act == Act::SendTrying {
            let request = server.trying.take();
            server.newest =
                request.map(|request| Response::for_request(&request, StatusCode::TRYING).to_bytes());
        }
        match act {
            Act::Send | Act::SendTrying => {
                if let Some(bytes) = server.newest.clone() {
                    let path = server.path;
                    self.send(path, bytes);
                }
            }
            Act::Fail(failure) => self.events.push(TransactionEvent::Failed { id, failure }),
            Act::Nothing | Act::Pass | Act::Ack | Act::AckAndPass => {}
        }
        if let Some(request) = ack {
            self.events.push(TransactionEvent::Ack { id, request });
        }
        self.settle_server(id);
    }

    /// Brings the schedule up to date after a step, and removes what is over.
    fn settle_client(&mut self, id: TransactionId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let (over, wanted) = match &client.machine {
            ClientMachine::Invite(machine) => (machine.is_terminated(), machine.poll_timeout()),
            ClientMachine::Other(machine) => (machine.is_terminated(), machine.poll_timeout()),
        };
        self.schedule.update(id, &mut client.told, wanted);
        if over && let Some(client) = self.clients.remove(&id) {
            self.client_keys.remove(&client.key);
            self.events.push(TransactionEvent::Ended { id });
        }
    }

    fn settle_server(&mut self, id: TransactionId) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let (over, wanted) = match &server.machine {
            ServerMachine::Invite(machine) => (machine.is_terminated(), machine.poll_timeout()),
            ServerMachine::Other(machine) => (machine.is_terminated(), machine.poll_timeout()),
        };
        self.schedule.update(id, &mut server.told, wanted);
        if !over {
            return;
        }
        let Some(server) = self.servers.remove(&id) else {
            return;
        };
        self.server_keys.remove(&server.key);
        if let Some(merge_key) = &server.merge_key {
            self.merge_keys.remove(merge_key);
        }
        if let Some(of_source) = self.sources.get_mut(&server.source) {
            *of_source -= 1;
            if *of_source == 0 {
                self.sources.remove(&server.source);
            }
        }
        self.events.push(TransactionEvent::Ended { id });
    }
}

/// RFC 4320 §4.1 and §4.2.
fn is_forbidden_by_rfc_4320(status: StatusCode) -> bool {
    status == StatusCode::REQUEST_TIMEOUT || (status.is_provisional() && status != StatusCode::TRYING)
}
