//! The sockets of a driver.

use super::changes::Homes;
use super::connection_config::ConnectionConfig;
use super::connections::Connections;
use super::protocol::Protocol;
use super::sources::{Place, Sources, is_same_port};
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::udp::UdpTransport;
#[cfg(feature = "websocket")]
use super::websocket::WebSocketConfig;
use crate::KeepAlive;
use crate::endpoint::{SourceAddresses, TransportFailure};
use offhook_sansio::{Path, Received, Transmit, Transport};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::mpsc;

/// The largest datagram there is.
const MAX_DATAGRAM_BYTES: usize = 65_536;

/// How many messages wait in a network in memory.
const MEMORY_QUEUE: usize = 1024;

/// An address cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Another program, or another socket of this one, uses the port.
    #[error("{0} is in use")]
    InUse(SocketAddr),
    /// The address is not one of this machine.
    #[error("{0} is not an address of this machine")]
    NotLocal(SocketAddr),
    /// The port needs rights that this program has not.
    #[error("no permission to use {0}")]
    Denied(SocketAddr),
    /// Anything else that the system said.
    #[error("cannot use {address}: {cause}")]
    System {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
}

impl BindError {
    pub(super) fn new(address: SocketAddr, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::AddrNotAvailable => Self::NotLocal(address),
            io::ErrorKind::PermissionDenied => Self::Denied(address),
            _ => Self::System { address, cause },
        }
    }
}

/// The network's end of [`Transports::in_memory`].
#[derive(Debug)]
pub struct InMemory {
    /// What is put in here arrives at the core.
    pub deliver: mpsc::Sender<Received>,
    /// What the core sends.
    pub sent: mpsc::Receiver<Transmit>,
}

/// The sockets by which a [`Driver`](super::Driver) sends and receives.
///
/// The local end of a connection's path is the address that its listener was opened for, whatever port a connection that we
/// opened really has: it is the one that peers find in Via and Contact (RFC 3261 §18.1.1). A message goes by the
/// connection that exists between the two ends of its path, or a new one. Nothing is lost in silence: a connection
/// that cannot be opened, breaks, or is not read from by the peer gives a transport error for its path.
#[derive(Debug, Default)]
pub struct Transports {
    pub(super) udp: Vec<UdpTransport>,
    /// Where UDP sockets went whose port was changed.
    pub(super) moved: Vec<(SocketAddr, SocketAddr)>,
    pub(super) connections: Option<Connections>,
    connection_config: ConnectionConfig,
    pub(super) memory: Option<MemoryTransport>,
    /// Where transports are opened that are added later.
    pub(super) homes: Homes,
    pub(super) sources: Sources,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct MemoryTransport {
    local: (Transport, SocketAddr),
    arriving: mpsc::Receiver<Received>,
    sent: mpsc::Sender<Transmit>,
}

/// Where something can be taken from.
#[derive(Clone, Debug)]
pub(super) enum Readable {
    Udp(usize),
    Message(Received),
    /// Who opened a connection has proven to be one of these domains.
    Authenticated(Path, Vec<String>),
    Broken(Broken),
}

/// No more messages come or go between these ends, unless by a new connection.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub(super) path: Path,
    pub(super) failure: TransportFailure,
    /// It was a connection that we opened.
    pub(super) is_ours: bool,
}

impl Transports {
    /// How many datagrams are taken from a socket before anything else gets its turn.
    pub(super) const BATCH: usize = 64;

    /// No sockets.
    pub fn new() -> Self {
        Self {
            buffer: vec![0; MAX_DATAGRAM_BYTES],
            ..Self::default()
        }
    }

    /// No sockets but a network in memory: for tests that pause Tokio's clock, and for transports of your own. Up to
    /// 1,024 messages wait in each direction; what is sent beyond is lost, as in a network.
    pub fn in_memory(transport: Transport, local: SocketAddr) -> (Self, InMemory) {
        let (deliver, arriving) = mpsc::channel(MEMORY_QUEUE);
        let (out, sent) = mpsc::channel(MEMORY_QUEUE);
        let memory = MemoryTransport {
            local: (transport, local),
            arriving,
            sent: out,
        };
        let transports = Self {
            memory: Some(memory),
            ..Self::default()
        };
        (transports, InMemory { deliver, sent })
    }

    /// Opens a UDP socket and gives the address that peers shall use. Port 0 lets the system choose. For `0.0.0.0`
    /// or `::` each peer finds in Via and Contact the address of this machine that leads to it; given is that from which
    /// the default route leaves. Behind a NAT, name the right one with [`bind_udp_as`](Self::bind_udp_as).
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn bind_udp(&mut self, address: SocketAddr) -> Result<SocketAddr, BindError> {
        let place = self.place_of(address);
        self.bind_udp_at(address, place)
    }

    /// Opens a UDP socket that peers reach at another IP address.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn bind_udp_as(&mut self, address: SocketAddr, advertised: IpAddr) -> Result<SocketAddr, BindError> {
        self.bind_udp_at(address, Place::at(advertised))
    }

    pub(super) fn bind_udp_at(&mut self, address: SocketAddr, place: Place) -> Result<SocketAddr, BindError> {
        let udp = UdpTransport::bind(address, &place).map_err(|cause| BindError::new(address, cause))?;
        self.homes.add(address.ip(), place);
        let address = udp.address;
        self.udp.push(udp);
        Ok(address)
    }

    /// Listens for TCP connections and gives the address that peers shall use, as [`bind_udp`](Self::bind_udp) does. It
    /// is also from where connections are opened.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn bind_tcp(&mut self, address: SocketAddr) -> Result<SocketAddr, BindError> {
        let place = self.place_of(address);
        self.listen(address, place, Protocol::Tcp)
    }

    /// Listens for TCP connections at an address that peers know by another IP address.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn bind_tcp_as(&mut self, address: SocketAddr, advertised: IpAddr) -> Result<SocketAddr, BindError> {
        self.listen(address, Place::at(advertised), Protocol::Tcp)
    }

    /// Listens for TLS connections where there is a certificate. Without one the port is held, for it stands in Via and
    /// Contact, and connections are opened only.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(feature = "tls")]
    pub fn bind_tls(&mut self, address: SocketAddr, tls: Tls) -> Result<SocketAddr, BindError> {
        let place = self.place_of(address);
        self.listen(address, place, Protocol::Tls(tls))
    }

    /// Listens for WebSocket connections (RFC 7118).
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(feature = "websocket")]
    pub fn bind_ws(
        &mut self,
        address: SocketAddr,
        websocket: WebSocketConfig,
    ) -> Result<SocketAddr, BindError> {
        let place = self.place_of(address);
        self.listen(address, place, Protocol::Ws(websocket.into()))
    }

    /// Listens for WebSocket connections over TLS, as [`bind_tls`](Self::bind_tls) does. Names in certificates are
    /// compared as on the web.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(feature = "websocket")]
    pub fn bind_wss(
        &mut self,
        address: SocketAddr,
        websocket: WebSocketConfig,
        tls: Tls,
    ) -> Result<SocketAddr, BindError> {
        let place = self.place_of(address);
        self.listen(address, place, Protocol::Wss(tls, websocket.into()))
    }

    fn place_of(&self, address: SocketAddr) -> Place {
        Place::of(address.ip(), &self.sources)
    }

    pub(super) fn listen(
        &mut self,
        address: SocketAddr,
        place: Place,
        protocol: Protocol,
    ) -> Result<SocketAddr, BindError> {
        let connections = match self.connections.take() {
            Some(connections) => connections,
            None => Connections::new(self.connection_config.clone())
                .map_err(|cause| BindError::new(address, cause))?,
        };
        let local = self
            .connections
            .insert(connections)
            .listen(address, place.clone(), protocol)?;
        self.homes.add(address.ip(), place);
        Ok(local)
    }

    /// Sets limits and times of connections; before the first [`bind_tcp`](Self::bind_tcp).
    #[must_use]
    pub fn with_connections(mut self, config: ConnectionConfig) -> Self {
        self.connection_config = config;
        self
    }

    /// What there is, for [`Endpoint::add_local`](crate::Endpoint::add_local).
    pub fn locals(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self.udp.iter().map(|udp| (Transport::Udp, udp.address));
        let connected = self.connections.iter().flat_map(Connections::locals);
        udp.chain(connected)
            .chain(self.memory.iter().map(|memory| memory.local))
            .collect()
    }

    /// Those of [`locals`](Self::locals) that stand for all addresses of this machine.
    pub(super) fn everywhere(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self.udp.iter().filter(|udp| udp.is_everywhere());
        let udp = udp.map(|udp| (Transport::Udp, udp.address));
        let connected = self.connections.iter().flat_map(Connections::everywhere);
        udp.chain(connected).collect()
    }

    /// Which of those addresses leads to a peer.
    pub(super) fn sources(&self) -> SourceAddresses {
        let sources = self.sources.clone();
        SourceAddresses::new(move |peer| sources.towards(peer))
    }

    /// Waits until one of the transports has something.
    pub(super) async fn readable(&mut self) -> Readable {
        poll_fn(|context| {
            for (index, udp) in self.udp.iter_mut().enumerate() {
                if let Poll::Ready(Some(path)) = udp.poll_broken(context) {
                    return Poll::Ready(Readable::Broken(Broken {
                        path,
                        failure: TransportFailure::Unreachable,
                        is_ours: false,
                    }));
                }
                if udp.poll_recv_ready(context).is_ready() {
                    return Poll::Ready(Readable::Udp(index));
                }
            }
            if let Some(memory) = &mut self.memory
                && let Poll::Ready(Some(received)) = memory.arriving.poll_recv(context)
            {
                return Poll::Ready(Readable::Message(received));
            }
            if let Some(connections) = &mut self.connections {
                return connections.poll_readable(context);
            }
            Poll::Pending
        })
        .await
    }

    /// Takes one message from a socket that is readable.
    pub(super) fn try_receive(&mut self, index: usize) -> Option<Received> {
        self.udp.get(index)?.try_receive(&mut self.buffer)
    }

    /// Whether sending along this path opens a connection to a server whose name must be known.
    pub(super) fn wants_name(&self, path: &Path) -> bool {
        let connected = |connections: &Connections| connections.is_connected(path);
        path.server.is_some() && !self.connections.as_ref().is_some_and(connected)
    }

    /// Sends one message, or puts it into its connection's queue; the name is the server's, where it
    /// [is wanted](Self::wants_name).
    pub(super) async fn send(
        &mut self,
        transmit: &Transmit,
        server: Option<Arc<str>>,
    ) -> Result<(), TransportFailure> {
        let Transmit { path, bytes } = transmit;
        if let Some(memory) = self.memory_from(path) {
            return match memory.sent.try_send(transmit.clone()) {
                Err(mpsc::error::TrySendError::Closed(_)) => Err(TransportFailure::Closed),
                // A network whose queue is full loses what comes.
                Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
            };
        }
        if path.transport != Transport::Udp {
            let connections = self
                .connections
                .as_mut()
                .ok_or(TransportFailure::NoLocalAddress)?;
            return connections.send(*path, bytes.clone(), server);
        }
        let udp = self.udp_from(path).ok_or(TransportFailure::NoLocalAddress)?;
        let sent = udp.send(bytes, path.remote).await;
        sent.map_err(|error| TransportFailure::from(&error))
    }

    /// Changes how a connection is kept alive; does nothing where it is gone.
    pub(super) fn keep_alive(&mut self, keep_alive: KeepAlive) {
        if let Some(connections) = &mut self.connections {
            connections.keep_alive(keep_alive);
        }
    }

    /// Closes the connections, once what waits is written or the peer is too slow for it.
    pub(super) async fn close(&mut self) {
        if let Some(connections) = self.connections.take() {
            connections.close().await;
        }
    }

    fn memory_from(&self, path: &Path) -> Option<&MemoryTransport> {
        self.memory
            .as_ref()
            .filter(|memory| memory.local == (path.transport, path.local))
    }

    fn udp_from(&self, path: &Path) -> Option<&UdpTransport> {
        let at = |address| self.udp.iter().find(move |udp| udp.serves(address));
        let moved = || self.moved.iter().find(|(from, _)| *from == path.local);
        let moved_everywhere = || {
            let mut all = self.moved.iter();
            all.find(|(from, to)| {
                is_same_port(*from, path.local) && at(*to).is_some_and(UdpTransport::is_everywhere)
            })
        };
        at(path.local)
            .or_else(|| at(moved()?.1))
            .or_else(|| at(moved_everywhere()?.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[tokio::test]
    async fn a_port_that_is_taken_is_said_to_be() {
        let mut transports = Transports::new();
        let first = transports
            .bind_udp("127.0.0.1:0".parse().expect("valid"))
            .expect("free");
        assert!(matches!(transports.bind_udp(first), Err(BindError::InUse(address)) if address == first));
        let elsewhere = "192.0.2.1:0".parse().expect("valid");
        assert!(matches!(
            transports.bind_udp(elsewhere),
            Err(BindError::NotLocal(_))
        ));
    }

    #[tokio::test]
    async fn datagrams_go_there_and_back_with_their_paths() {
        let mut transports = Transports::new();
        let loopback = "127.0.0.1:0".parse().expect("valid");
        let a = transports.bind_udp(loopback).expect("free");
        let b = transports.bind_udp(loopback).expect("free");
        let transmit = Transmit {
            path: Path::new(Transport::Udp, a, b),
            bytes: Bytes::from_static(b"hello"),
        };
        transports.send(&transmit, None).await.expect("loopback");
        let Readable::Udp(index) = transports.readable().await else {
            panic!("there are only sockets")
        };
        let received = transports.try_receive(index).expect("readable");
        assert_eq!(received.path, Path::new(Transport::Udp, b, a));
        assert_eq!(received.bytes, "hello");
        assert_eq!(transports.try_receive(index), None);
        let unknown = Transmit {
            path: Path::new(Transport::Tcp, a, b),
            ..transmit
        };
        assert!(transports.send(&unknown, None).await.is_err());
    }

    #[tokio::test]
    async fn a_network_in_memory_carries_both_ways_and_loses_what_nobody_takes() {
        let local = "192.0.2.1:5060".parse().expect("valid");
        let remote = "192.0.2.2:5060".parse().expect("valid");
        let path = Path::new(Transport::Tcp, local, remote);
        let (mut transports, mut network) = Transports::in_memory(Transport::Tcp, local);
        assert_eq!(transports.locals(), [(Transport::Tcp, local)]);
        let bytes = Bytes::from_static(b"hello");
        for _ in 0..2 * MEMORY_QUEUE {
            let bytes = bytes.clone();
            transports
                .send(&Transmit { path, bytes }, None)
                .await
                .expect("lost, not refused");
        }
        assert_eq!(network.sent.len(), MEMORY_QUEUE);
        assert_eq!(network.sent.recv().await.map(|sent| sent.path), Some(path));
        let received = Received {
            path,
            bytes: bytes.clone(),
        };
        network
            .deliver
            .send(received.clone())
            .await
            .expect("there is room");
        assert!(matches!(transports.readable().await, Readable::Message(got) if got == received));
        drop(network);
        assert!(transports.send(&Transmit { path, bytes }, None).await.is_err());
    }
}
