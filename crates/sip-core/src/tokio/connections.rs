//! All connections, accepted and opened, by their paths.

use super::connection::{Connection, LINGER, News, Opening, Pinging};
use super::connection_config::ConnectionConfig;
use super::listener::Listener;
use super::local::LocalChange;
use super::protocol::{Protocol, Wanted};
use super::sources::{Place, is_same_port};
use super::system_entropy;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::transports::{BindError, Broken, Readable};
use crate::KeepAlive;
use crate::endpoint::TransportFailure;
use bytes::Bytes;
use offhook_sansio::{Entropy, Path, Transport};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// How many messages may wait for the driver, of all connections; their senders wait when there are more.
const NEWS: usize = 64;

/// Listeners, and one table of connections. The local end of a path is the listener's address, whatever port a
/// connection that we opened has.
#[derive(Debug)]
pub(super) struct Connections {
    config: ConnectionConfig,
    listeners: Vec<Listener>,
    /// Where listeners went whose address was changed: dialogs may know the old one.
    moved: HashMap<(Transport, SocketAddr), SocketAddr>,
    table: HashMap<Path, Entry>,
    /// How many were accepted from each address.
    sources: HashMap<IpAddr, usize>,
    /// Paths of connections that we closed, to be told.
    broken: VecDeque<Broken>,
    news: mpsc::Receiver<News>,
    news_in: mpsc::Sender<News>,
    next_id: u64,
    entropy: Entropy,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    queue: mpsc::Sender<Bytes>,
    pinging: watch::Sender<Pinging>,
    task: JoinHandle<()>,
    is_ours: bool,
    /// A message has come by it.
    is_proven: bool,
    /// Who opened it has proven who he is.
    is_authenticated: bool,
    /// Since when it is there, or when its newest message came.
    since: Instant,
}

impl Connections {
    pub(super) fn new(config: ConnectionConfig) -> io::Result<Self> {
        let (news_in, news) = mpsc::channel(NEWS);
        Ok(Self {
            config,
            listeners: Vec::new(),
            moved: HashMap::new(),
            table: HashMap::new(),
            sources: HashMap::new(),
            broken: VecDeque::new(),
            news,
            news_in,
            next_id: 0,
            entropy: system_entropy().map_err(|error| io::Error::other(error.to_string()))?,
        })
    }

    pub(super) fn listen(
        &mut self,
        address: SocketAddr,
        place: Place,
        protocol: Protocol,
    ) -> Result<SocketAddr, BindError> {
        self.next_id += 1;
        let (id, news) = (self.next_id, self.news_in.clone());
        let listener = Listener::open(id, address, place, protocol, news)
            .map_err(|cause| BindError::new(address, cause))?;
        let address = listener.address;
        self.listeners.push(listener);
        Ok(address)
    }

    pub(super) fn locals(&self) -> impl Iterator<Item = (Transport, SocketAddr)> {
        self.listeners
            .iter()
            .map(|listener| (listener.protocol.transport(), listener.address))
    }

    /// Those that stand for all addresses of this machine.
    pub(super) fn everywhere(&self) -> impl Iterator<Item = (Transport, SocketAddr)> {
        self.listeners
            .iter()
            .filter(|listener| listener.is_everywhere())
            .map(|listener| (listener.protocol.transport(), listener.address))
    }

    /// Moves all listeners of this transport to another port, or with `None` closes them. All new ones are opened first.
    pub(super) fn set_port(
        &mut self,
        transport: Transport,
        port: Option<u16>,
    ) -> Result<Vec<LocalChange>, BindError> {
        self.reopen(port, |protocol| {
            (protocol.transport() == transport).then(|| protocol.clone())
        })
    }

    /// Gives all listeners of WebSocket over TLS other certificates.
    #[cfg(feature = "tls")]
    pub(super) fn set_tls_of_websockets(&mut self, tls: &Tls) {
        for listener in &mut self.listeners {
            if listener.protocol.transport() == Transport::Wss {
                listener.protocol = listener.protocol.with_tls(tls);
            }
        }
    }

    /// Gives all listeners of plain TLS other certificates, and another port.
    #[cfg(feature = "tls")]
    pub(super) fn set_tls(&mut self, port: Option<u16>, tls: &Tls) -> Result<Vec<LocalChange>, BindError> {
        let other = |protocol: &Protocol| protocol.transport() == Transport::Tls;
        self.reopen(port, |protocol| other(protocol).then(|| protocol.with_tls(tls)))
    }

    fn reopen(
        &mut self,
        port: Option<u16>,
        change: impl Fn(&Protocol) -> Option<Protocol>,
    ) -> Result<Vec<LocalChange>, BindError> {
        let mut changes = Vec::new();
        let mut opened = Vec::new();
        for (index, listener) in self.listeners.iter().enumerate() {
            let Some(protocol) = change(&listener.protocol) else {
                continue;
            };
            let (transport, from) = (protocol.transport(), listener.address);
            let Some(port) = port else {
                changes.push(LocalChange::Removed(transport, from));
                continue;
            };
            let stays = port == from.port() && protocol.accepts() == listener.protocol.accepts();
            if stays {
                opened.push((index, None, protocol));
                continue;
            }
            let new = listener
                .reopened(port, protocol.clone(), self.news_in.clone())
                .map_err(|cause| BindError::new(SocketAddr::new(from.ip(), port), cause))?;
            let to = new.address;
            changes.push(LocalChange::Moved { transport, from, to });
            opened.push((index, Some(new), protocol));
        }
        if port.is_none() {
            self.listeners
                .retain(|listener| change(&listener.protocol).is_none());
        }
        for (index, new, protocol) in opened {
            match new {
                Some(new) => {
                    let old = self.listeners[index].address;
                    self.moved.insert((protocol.transport(), old), new.address);
                    self.listeners[index] = new;
                }
                None => self.listeners[index].protocol = protocol,
            }
        }
        Ok(changes)
    }

    /// Where we listen now for who knows this address.
    fn listener_at(&self, transport: Transport, address: SocketAddr) -> Option<&Listener> {
        let at = |address| {
            let here = move |listener: &&Listener| {
                listener.protocol.transport() == transport && listener.serves(address)
            };
            self.listeners.iter().find(here)
        };
        let moved = |from: SocketAddr| {
            let exactly = self.moved.get(&(transport, from));
            let by_port = || {
                let mut all = self.moved.iter();
                all.find(|((kind, known), to)| {
                    *kind == transport
                        && is_same_port(*known, from)
                        && at(**to).is_some_and(Listener::is_everywhere)
                })
            };
            exactly.copied().or_else(|| Some(*by_port()?.1))
        };
        // Moved once more than it was moved, it would lead round.
        let mut address = address;
        for _ in 0..=self.moved.len() {
            if let Some(listener) = at(address) {
                return Some(listener);
            }
            address = moved(address)?;
        }
        None
    }

    /// Whether there is a connection along this path.
    pub(super) fn is_connected(&self, path: &Path) -> bool {
        self.table.contains_key(path)
    }

    /// Puts a message into the queue of the path's connection, which is opened where there is none: to a server of this
    /// name. That it cannot be opened comes out later, as [`Readable::Broken`].
    pub(super) fn send(
        &mut self,
        path: Path,
        bytes: Bytes,
        server: Option<Arc<str>>,
    ) -> Result<(), TransportFailure> {
        if !self.table.contains_key(&path) {
            self.connect(path, server)?;
        }
        let Some(entry) = self.table.get(&path) else {
            return Err(TransportFailure::Closed);
        };
        let failure = match entry.queue.try_send(bytes) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(_)) => TransportFailure::Silent("too much waits to be sent to it"),
            Err(TrySendError::Closed(_)) => TransportFailure::Closed,
        };
        self.abort(path);
        Err(failure)
    }

    /// Tells a connection how it is kept alive.
    pub(super) fn keep_alive(&mut self, keep_alive: KeepAlive) {
        if let Some(entry) = self.table.get(&keep_alive.path) {
            entry.pinging.send_replace(Some(keep_alive.interval));
        }
    }

    /// What has come by any connection.
    pub(super) fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<Readable> {
        loop {
            if let Some(broken) = self.broken.pop_front() {
                return Poll::Ready(Readable::Broken(broken));
            }
            let news = ready!(self.news.poll_recv(context));
            match news.expect("we have a sender ourselves") {
                News::Accepted {
                    stream,
                    listener,
                    remote,
                } => self.accepted(stream, listener, remote),
                News::Message { id, received } => {
                    if let Some(entry) = self.table.get_mut(&received.path).filter(|entry| entry.id == id) {
                        entry.is_proven = true;
                        entry.since = Instant::now();
                    }
                    return Poll::Ready(Readable::Message(received));
                }
                News::Authenticated { id, path, identities } => {
                    if let Some(entry) = self.table.get_mut(&path).filter(|entry| entry.id == id) {
                        entry.is_authenticated = true;
                        return Poll::Ready(Readable::Authenticated(path, identities));
                    }
                }
                News::Closed { id, path, failure } => {
                    if self.table.get(&path).is_some_and(|entry| entry.id == id)
                        && let Some(entry) = self.remove(path)
                        && entry.is_of_interest()
                    {
                        return Poll::Ready(Readable::Broken(entry.broken(path, failure)));
                    }
                }
            }
        }
    }

    /// Ends all connections, with a moment for what waits to be written.
    pub(super) async fn close(self) {
        drop(self.news);
        let deadline = Instant::now() + LINGER;
        let (queues, tasks): (Vec<_>, Vec<_>) = self
            .table
            .into_values()
            .map(|entry| (entry.queue, entry.task))
            .unzip();
        drop(queues);
        for mut task in tasks {
            if timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }

    fn connect(&mut self, path: Path, server: Option<Arc<str>>) -> Result<(), TransportFailure> {
        let listener = self
            .listener_at(path.transport, path.local)
            .ok_or(TransportFailure::NoLocalAddress)?;
        let (source, protocol) = (listener.source(), listener.protocol.clone());
        if !self.make_room() {
            return Err(TransportFailure::Limit("too many connections"));
        }
        let name = match path.server {
            Some(_) => server,
            None => Some(path.remote.ip().to_string().into()),
        };
        let wanted = Wanted {
            name,
            port: path.remote.port(),
        };
        self.start(path, protocol, Opening::ToServer(wanted, source));
        Ok(())
    }

    fn accepted(&mut self, stream: TcpStream, listener: u64, remote: SocketAddr) {
        let Some(listener) = self.listeners.iter().find(|known| known.id == listener) else {
            return;
        };
        let protocol = listener.protocol.clone();
        let path = Path::new(
            protocol.transport(),
            listener.local_of(stream.local_addr().ok()),
            remote,
        );
        // An older connection with the same ends cannot be alive.
        self.displace(path);
        let source = remote.ip();
        let of_source = self.sources.get(&source).copied().unwrap_or_default();
        if of_source >= self.config.accepted_per_source
            && let Some(victim) = self.victim(Some(source))
        {
            self.displace(victim);
        }
        if self.make_room() {
            *self.sources.entry(source).or_default() += 1;
            self.start(path, protocol, Opening::Accepted(stream));
        }
    }

    fn start(&mut self, path: Path, protocol: Protocol, opening: Opening) {
        let (queue, messages) = mpsc::channel(self.config.queue.max(1));
        self.next_id += 1;
        let id = self.next_id;
        let is_ours = matches!(opening, Opening::ToServer(..));
        let (pinging, told) = watch::channel(None);
        let connection = Connection {
            id,
            path,
            protocol,
            config: self.config.clone(),
            news: self.news_in.clone(),
            queue: queue.downgrade(),
            pinging: told,
            entropy: self.entropy.fork(),
        };
        let task = tokio::spawn(connection.run(opening, messages));
        let entry = Entry {
            id,
            queue,
            pinging,
            task,
            is_ours,
            is_proven: false,
            is_authenticated: false,
            since: Instant::now(),
        };
        self.table.insert(path, entry);
    }

    /// Whether there is room for one more, after one was closed if need be.
    fn make_room(&mut self) -> bool {
        if self.table.len() < self.config.connections {
            return true;
        }
        let victim = self.victim(None);
        if let Some(victim) = victim {
            self.displace(victim);
        }
        victim.is_some()
    }

    /// The connection that is closed for another: see [`ConnectionConfig`].
    fn victim(&self, source: Option<IpAddr>) -> Option<Path> {
        self.table
            .iter()
            .filter(|(path, entry)| !entry.is_ours && source.is_none_or(|source| path.remote.ip() == source))
            .min_by_key(|(_, entry)| (entry.is_proven, entry.since))
            .map(|(path, _)| *path)
    }

    fn displace(&mut self, path: Path) {
        if let Some(entry) = self.abort(path)
            && entry.is_of_interest()
        {
            self.broken
                .push_back(entry.broken(path, TransportFailure::Limit("it gave its place to another")));
        }
    }

    /// Ends a connection at once, whatever it has to write.
    fn abort(&mut self, path: Path) -> Option<Entry> {
        let entry = self.remove(path)?;
        entry.task.abort();
        Some(entry)
    }

    fn remove(&mut self, path: Path) -> Option<Entry> {
        let entry = self.table.remove(&path)?;
        if !entry.is_ours
            && let Some(count) = self.sources.get_mut(&path.remote.ip())
        {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&path.remote.ip());
            }
        }
        Some(entry)
    }
}

impl Entry {
    /// Whether anybody may wait for something by this connection.
    fn is_of_interest(&self) -> bool {
        self.is_ours || self.is_proven || self.is_authenticated
    }

    fn broken(&self, path: Path, failure: TransportFailure) -> Broken {
        Broken {
            path,
            failure,
            is_ours: self.is_ours,
        }
    }
}
