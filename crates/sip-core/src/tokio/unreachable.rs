//! The network's word that a datagram did not arrive: ICMP errors, which RFC 3261 §18.4 and §8.1.3.1 take for a
//! transport error, so that a call to a port where nobody listens fails at once and not after 32 seconds.
//!
//! An unconnected socket hears of them only where the system keeps a queue of errors: on Linux. Elsewhere the timers of
//! SIP do the work.

#[cfg(target_os = "linux")]
pub(super) use linux::{listen, take};

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{listen, take};

/// True for errors that an earlier datagram caused, perhaps one to another peer.
pub(super) fn is_late_news(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable
    )
}

#[cfg(target_os = "linux")]
mod linux {
    use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
    use std::io::IoSliceMut;
    use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
    use std::os::fd::{AsFd, AsRawFd};

    /// Errors taken at a time; the rest is for the next turn.
    const BATCH: usize = 64;

    /// Asks the system to keep errors for this socket. Where it will not, errors are not heard: no reason to fail.
    pub(in super::super) fn listen(socket: &impl AsFd, is_ipv4: bool) {
        let asked = if is_ipv4 {
            setsockopt(socket, sockopt::Ipv4RecvErr, &true)
        } else {
            setsockopt(socket, sockopt::Ipv6RecvErr, &true)
        };
        if let Err(error) = asked {
            tracing::debug!(%error, "the system keeps no errors for a socket");
        }
    }

    /// The peers that datagrams could not be delivered to.
    pub(in super::super) fn take(socket: &impl AsRawFd) -> Vec<SocketAddr> {
        let mut peers = Vec::new();
        // Only whom it was sent to matters, not what.
        let mut head = [0; 1];
        while peers.len() < BATCH {
            let mut parts = [IoSliceMut::new(&mut head)];
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let Ok(message) = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, None, flags) else {
                break;
            };
            peers.extend(message.address.as_ref().and_then(peer));
        }
        peers
    }

    fn peer(address: &SockaddrStorage) -> Option<SocketAddr> {
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::net::SocketAddr;

    pub(in super::super) fn listen<S>(_: &S, _: bool) {}

    pub(in super::super) fn take<S>(_: &S) -> Vec<SocketAddr> {
        Vec::new()
    }
}
