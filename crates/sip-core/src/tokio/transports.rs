//! The sockets of a driver.

use super::connection_config::ConnectionConfig;
use super::connections::Connections;
use super::local::LocalChange;
use super::protocol::Protocol;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::udp::UdpTransport;
#[cfg(feature = "websocket")]
use super::websocket::WebSocketConfig;
use crate::KeepAlive;
use crate::endpoint::TransportFailure;
use offhook_sansio::{Path, Received, Transmit, Transport};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdUdpSocket};
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
    udp: Vec<UdpTransport>,
    /// Where UDP sockets went whose port was changed.
    moved: Vec<(SocketAddr, SocketAddr)>,
    connections: Option<Connections>,
    connection_config: ConnectionConfig,
    memory: Option<MemoryTransport>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct MemoryTransport {
    local: (Transport, SocketAddr),
    arriving: mpsc::Receiver<Received>,
    sent: mpsc::Sender<Transmit>,
}

/// Where something can be taken from.
#[derive(Clone, Debug)]
pub(super) enum Readable {
    Udp(usize),
    Message(Received),
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
    /// or `::` it is the address from which the default route leaves this machine: behind a NAT, and with several
    /// networks, name the right one with [`bind_udp_as`](Self::bind_udp_as).
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn bind_udp(&mut self, address: SocketAddr) -> Result<SocketAddr, BindError> {
        self.bind_udp_as(address, advertised(address))
    }

    /// Opens a UDP socket that peers reach at another IP address.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn bind_udp_as(&mut self, address: SocketAddr, advertised: IpAddr) -> Result<SocketAddr, BindError> {
        let udp = UdpTransport::bind(address, advertised).map_err(|cause| BindError::new(address, cause))?;
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
        self.bind_tcp_as(address, advertised(address))
    }

    /// Listens for TCP connections at an address that peers know by another IP address.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn bind_tcp_as(&mut self, address: SocketAddr, advertised: IpAddr) -> Result<SocketAddr, BindError> {
        self.listen(address, advertised, Protocol::Tcp)
    }

    /// Listens for TLS connections where there is a certificate. Without one the port is held, for it stands in Via and
    /// Contact, and connections are opened only.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[cfg(feature = "tls")]
    pub fn bind_tls(&mut self, address: SocketAddr, tls: Tls) -> Result<SocketAddr, BindError> {
        self.listen(address, advertised(address), Protocol::Tls(tls))
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
        self.listen(address, advertised(address), Protocol::Ws(websocket.into()))
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
        self.listen(address, advertised(address), Protocol::Wss(tls, websocket.into()))
    }

    fn listen(
        &mut self,
        address: SocketAddr,
        advertised: IpAddr,
        protocol: Protocol,
    ) -> Result<SocketAddr, BindError> {
        let connections = match self.connections.take() {
            Some(connections) => connections,
            None => Connections::new(self.connection_config.clone())
                .map_err(|cause| BindError::new(address, cause))?,
        };
        self.connections
            .insert(connections)
            .listen(address, advertised, protocol)
    }

    /// Moves all sockets of this transport to another port, or with `None` closes them. All new ones are opened first.
    pub(super) fn set_port(
        &mut self,
        transport: Transport,
        port: Option<u16>,
    ) -> Result<Vec<LocalChange>, BindError> {
        if transport != Transport::Udp {
            let connections = self.connections.as_mut();
            return connections.map_or(Ok(Vec::new()), |connections| {
                connections.set_port(transport, port)
            });
        }
        let Some(port) = port else {
            let gone = self.udp.drain(..);
            return Ok(gone
                .map(|udp| LocalChange::Removed(transport, udp.address))
                .collect());
        };
        let mut changes = Vec::new();
        let mut opened = Vec::new();
        for (index, udp) in self.udp.iter().enumerate() {
            let from = udp.address;
            if from.port() == port {
                continue;
            }
            let new = udp
                .reopened(port)
                .map_err(|cause| BindError::new(SocketAddr::new(from.ip(), port), cause))?;
            let to = new.address;
            changes.push(LocalChange::Moved { transport, from, to });
            opened.push((index, new));
        }
        for (index, new) in opened {
            let old = std::mem::replace(&mut self.udp[index], new);
            // What transactions still have to say goes from the new port.
            self.moved.retain(|(moved, _)| *moved != self.udp[index].address);
            self.moved
                .iter_mut()
                .filter(|(_, to)| *to == old.address)
                .for_each(|(_, to)| *to = self.udp[index].address);
            self.moved.push((old.address, self.udp[index].address));
        }
        Ok(changes)
    }

    /// See [`Handle::set_tls_options`](super::Handle::set_tls_options).
    #[cfg(feature = "tls")]
    pub(super) fn set_tls(&mut self, port: Option<u16>, tls: &Tls) -> Result<Vec<LocalChange>, BindError> {
        let connections = self.connections.as_mut();
        connections.map_or(Ok(Vec::new()), |connections| connections.set_tls(port, tls))
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
        let at = |address| self.udp.iter().find(move |udp| udp.address == address);
        let moved = || self.moved.iter().find(|(from, _)| *from == path.local);
        at(path.local).or_else(|| at(moved()?.1))
    }
}

/// What peers shall call a socket that is opened for this address.
fn advertised(address: SocketAddr) -> IpAddr {
    if address.ip().is_unspecified() {
        default_address(address.is_ipv4())
    } else {
        address.ip()
    }
}

/// The address of this machine on its default route; without one only this machine itself can be reached, by loopback.
fn default_address(v4: bool) -> IpAddr {
    let loopback = || {
        if v4 {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        }
    };
    routed_address(v4).unwrap_or_else(|_| loopback())
}

/// Connecting a UDP socket sends nothing, and tells from which address it would be sent.
fn routed_address(v4: bool) -> io::Result<IpAddr> {
    let (any, somewhere): (IpAddr, IpAddr) = if v4 {
        // RFC 5737 and RFC 3849: addresses for documentation, which a default route leads to.
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
    } else {
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        (Ipv6Addr::UNSPECIFIED.into(), documentation.into())
    };
    let socket = StdUdpSocket::bind((any, 0))?;
    socket.connect((somewhere, 5060))?;
    Ok(socket.local_addr()?.ip())
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
