//! What goes in and out of a core: bytes with the path they took or shall take.

use crate::Transport;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;

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
}

impl Path {
    /// A path between two addresses.
    pub fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            transport,
            local,
            remote,
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
