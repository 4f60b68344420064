//! What goes in and out of a core: bytes with the path they took or shall take.

use crate::Transport;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;

/// Stands for the name that a server must prove to have, such as `example.com`: the core that made it knows the name.
///
/// A number and not the name, so that a [`Path`] is as cheap as its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(pub NonZeroU32);

/// The two ends of a datagram or connection, as this end sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The transport between the two ends.
    pub transport: Transport,
    /// Our address: of datagrams the socket that received, or shall send. Of connections the address at which we listen,
    /// also where we opened the connection ourselves from another port: it is the one that stands in Via and Contact.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Whom we want to reach there, over a transport that asks who is there (TLS and WebSocket) and where we opened, or
    /// shall open, the connection: one address may serve several domains. `None` for datagrams, plain TCP and connections
    /// that were accepted.
    pub server: Option<ServerId>,
}

impl Path {
    /// A path between two addresses.
    pub fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            transport,
            local,
            remote,
            server: None,
        }
    }

    /// The same path, to a server that must prove its name.
    #[must_use]
    pub fn to_server(self, server: ServerId) -> Self {
        Self {
            server: Some(server),
            ..self
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} <-> {}", self.transport, self.local, self.remote)
    }
}

/// Bytes that arrived: one whole datagram, or one whole framed message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Where the bytes came from and to.
    pub path: Path,
    /// The bytes; cores keep slices of them without copying.
    pub bytes: Bytes,
}

/// Bytes to send: one whole datagram, or one whole message on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From where and to where.
    pub path: Path,
    /// What to send.
    pub bytes: Bytes,
}
