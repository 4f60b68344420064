//! Which address of this machine leads to a peer.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer of the system is believed: who walks from one network into another is told so this much later.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// How many answers are kept; with one more all are forgotten.
const KEPT: usize = 1024;

/// Asks the system, and keeps what it said for a while. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    since: Option<Instant>,
    by_peer: HashMap<IpAddr, Option<IpAddr>>,
}

impl Sources {
    /// The address from which this peer is reached; `None` where no route leads there.
    pub(super) fn towards(&self, peer: IpAddr) -> Option<IpAddr> {
        let now = Instant::now();
        // Nothing that runs under this lock can panic half-way through a change.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = known.since.is_some_and(|since| now < since + KEPT_FOR);
        if !is_fresh || known.by_peer.len() >= KEPT {
            known.by_peer.clear();
            known.since = Some(now);
        }
        *known
            .by_peer
            .entry(peer)
            .or_insert_with(|| routed_address(peer).ok())
    }
}

/// What peers call a socket.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Each of them, or those for whom there is no better answer.
    pub(super) advertised: IpAddr,
    /// It stands for all addresses of this machine: each peer calls it by the one that leads to it.
    pub(super) everywhere: Option<Sources>,
}

impl Place {
    /// All peers call it by this address.
    pub(super) fn at(advertised: IpAddr) -> Self {
        Self {
            advertised,
            everywhere: None,
        }
    }

    /// What a socket is called that is bound to this address.
    pub(super) fn of(bound: IpAddr, sources: &Sources) -> Self {
        if bound.is_unspecified() {
            Self {
                advertised: default_address(bound.is_ipv4()),
                everywhere: Some(sources.clone()),
            }
        } else {
            Self::at(bound)
        }
    }
}

/// Whether two addresses differ in the IP address at most, and not in its family.
pub(super) fn is_same_port(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.is_ipv4() == other.is_ipv4()
}

/// The address of this machine on its default route; without one only this machine itself can be reached, by loopback.
fn default_address(v4: bool) -> IpAddr {
    // RFC 5737 and RFC 3849: addresses for documentation, which a default route leads to.
    let (somewhere, loopback): (IpAddr, IpAddr) = if v4 {
        (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::LOCALHOST.into())
    } else {
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
        (documentation.into(), Ipv6Addr::LOCALHOST.into())
    };
    routed_address(somewhere).unwrap_or(loopback)
}

/// Connecting a UDP socket sends nothing, and tells from which address it would be sent.
fn routed_address(peer: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((peer, 5060))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_reaches_itself_from_the_address_that_is_asked_for() {
        let sources = Sources::default();
        for peer in ["127.0.0.1", "127.0.0.1"] {
            let peer: IpAddr = peer.parse().expect("valid");
            assert_eq!(sources.towards(peer), Some(peer));
        }
        let ours = default_address(true);
        assert_eq!(sources.towards(ours), Some(ours));
        assert_eq!(
            sources.clone().known.lock().expect("no panic").by_peer.len(),
            1 + usize::from(!ours.is_loopback())
        );
    }
}
