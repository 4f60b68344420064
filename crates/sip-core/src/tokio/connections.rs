//! All TCP connections, accepted and opened, by their paths.

use super::connection::{Connection, LINGER, News, Opening};
use super::connection_config::ConnectionConfig;
use super::system_entropy;
use super::transports::{BindError, Readable};
use bytes::Bytes;
use offhook_sansio::{Entropy, Path, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// How many messages may wait for the driver, of all connections; their senders wait when there are more.
const NEWS: usize = 64;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long nothing is accepted when the system cannot: it has no file descriptor to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listeners, and one table of connections. The local end of a path is the listener's address, whatever port a
/// connection that we opened has.
#[derive(Debug)]
pub(super) struct Connections {
    config: ConnectionConfig,
    listeners: Vec<Listener>,
    table: HashMap<Path, Entry>,
    /// How many were accepted from each address.
    sources: HashMap<IpAddr, usize>,
    /// Paths of connections that we closed, to be told.
    broken: VecDeque<Path>,
    news: mpsc::Receiver<News>,
    news_in: mpsc::Sender<News>,
    next_id: u64,
    entropy: Entropy,
}

#[derive(Debug)]
struct Listener {
    bound: SocketAddr,
    /// What stands in Via and Contact, and as the local end of paths.
    address: SocketAddr,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    queue: mpsc::Sender<Bytes>,
    task: JoinHandle<()>,
    is_ours: bool,
    /// A message has come by it.
    is_proven: bool,
    /// Since when it is there, or when its newest message came.
    since: Instant,
}

impl Connections {
    pub(super) fn new(config: ConnectionConfig) -> io::Result<Self> {
        let (news_in, news) = mpsc::channel(NEWS);
        Ok(Self {
            config,
            listeners: Vec::new(),
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
        advertised: IpAddr,
    ) -> Result<SocketAddr, BindError> {
        let failed = |cause| BindError::new(address, cause);
        let listener = open_listener(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let address = SocketAddr::new(advertised, bound.port());
        tokio::spawn(accept(listener, address, self.news_in.clone()));
        self.listeners.push(Listener { bound, address });
        Ok(address)
    }

    pub(super) fn locals(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// Puts a message into the queue of the path's connection, which is opened where there is none. That it cannot be
    /// opened comes out later, as [`Readable::Broken`].
    pub(super) fn send(&mut self, path: Path, bytes: Bytes) -> io::Result<()> {
        if !self.table.contains_key(&path) {
            self.connect(path)?;
        }
        let Some(entry) = self.table.get(&path) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let Err(error) = entry.queue.try_send(bytes) else {
            return Ok(());
        };
        self.abort(path);
        Err(io::Error::other(format!("the connection's queue: {error}")))
    }

    /// What has come by any connection.
    pub(super) fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<Readable> {
        loop {
            if let Some(path) = self.broken.pop_front() {
                return Poll::Ready(Readable::Broken(path));
            }
            let news = ready!(self.news.poll_recv(context));
            match news.expect("we have a sender ourselves") {
                News::Accepted {
                    stream,
                    local,
                    remote,
                } => self.accepted(stream, local, remote),
                News::Message { id, received } => {
                    if let Some(entry) = self.table.get_mut(&received.path).filter(|entry| entry.id == id) {
                        entry.is_proven = true;
                        entry.since = Instant::now();
                    }
                    return Poll::Ready(Readable::Message(received));
                }
                News::Closed { id, path } => {
                    if self.table.get(&path).is_some_and(|entry| entry.id == id)
                        && let Some(entry) = self.remove(path)
                        && entry.is_of_interest()
                    {
                        return Poll::Ready(Readable::Broken(path));
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

    fn connect(&mut self, path: Path) -> io::Result<()> {
        let mut listeners = self.listeners.iter();
        let Some(listener) = listeners.find(|listener| listener.address == path.local) else {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "no such local address",
            ));
        };
        let ip = listener.bound.ip();
        let source = (!ip.is_unspecified()).then_some(ip);
        if !self.make_room() {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "too many connections",
            ));
        }
        self.start(path, Opening::From(source));
        Ok(())
    }

    fn accepted(&mut self, stream: TcpStream, local: SocketAddr, remote: SocketAddr) {
        let path = Path::new(Transport::Tcp, local, remote);
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
            self.start(path, Opening::Accepted(stream));
        }
    }

    fn start(&mut self, path: Path, opening: Opening) {
        let (queue, messages) = mpsc::channel(self.config.queue.max(1));
        self.next_id += 1;
        let id = self.next_id;
        let is_ours = matches!(opening, Opening::From(_));
        let connection = Connection {
            id,
            path,
            config: self.config.clone(),
            news: self.news_in.clone(),
            queue: queue.downgrade(),
            entropy: self.entropy.fork(),
        };
        let task = tokio::spawn(connection.run(opening, messages));
        let entry = Entry {
            id,
            queue,
            task,
            is_ours,
            is_proven: false,
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
            self.broken.push_back(path);
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
        self.is_ours || self.is_proven
    }
}

async fn accept(listener: TcpListener, local: SocketAddr, news: mpsc::Sender<News>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = news.closed() => return,
        };
        match accepted {
            Ok((stream, remote)) => {
                let accepted = News::Accepted {
                    stream,
                    local,
                    remote,
                };
                if news.send(accepted).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%local, %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn open_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Elsewhere than on Windows this lets the port be used again while old connections time out, and nothing more.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
