//! Ports of a scenario's own, so that two scenarios, or two people, never hear each other.

use super::disagreement::Disagreement;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Everybody lives here: nothing leaves the machine.
pub(super) const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Ports in a block: three agents with a SIP, a TLS and a control port, and ten media ports for each.
const COUNT: u16 = 48;
/// Where the media ports of a block begin.
const FIRST_MEDIA: u16 = 16;
/// Below Linux's range for outgoing connections (32768 and up).
const FIRST: u16 = 20_000;
const BLOCKS: u16 = 250;

/// A block of ports that was free when the scenario began.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortBlock {
    base: u16,
}

/// One of the agents of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    First,
    Second,
    Third,
}

impl PortBlock {
    /// The first free block after one that depends on this process and the scenario's number.
    pub(super) fn find(number: usize) -> Result<Self, Disagreement> {
        let begin = (std::process::id() as usize * 7 + number) % usize::from(BLOCKS);
        (0..BLOCKS)
            .map(|step| (begin as u16 + step) % BLOCKS)
            .map(|block| Self {
                base: FIRST + block * COUNT,
            })
            .find(|block| block.is_free())
            .ok_or(Disagreement::NoFreePorts { count: COUNT })
    }

    /// SIP over UDP; baresip also listens for TLS on the next port.
    pub(super) fn sip(self, seat: Seat) -> u16 {
        self.base + 4 * seat.index()
    }

    /// Where baresip takes commands.
    pub(super) fn control(self, seat: Seat) -> u16 {
        self.base + 4 * seat.index() + 2
    }

    /// First and last port for RTP and RTCP.
    pub(super) fn media(self, seat: Seat) -> (u16, u16) {
        let first = self.base + FIRST_MEDIA + 10 * seat.index();
        (first, first + 9)
    }

    /// First and last port of the block, for a capture filter.
    pub(super) fn range(self) -> (u16, u16) {
        (self.base, self.base + COUNT - 1)
    }

    pub(super) fn is_sip(self, port: u16) -> bool {
        Seat::ALL.iter().any(|seat| port == self.sip(*seat))
    }

    pub(super) fn is_media(self, port: u16) -> bool {
        (self.base + FIRST_MEDIA..self.base + COUNT).contains(&port)
    }

    fn is_free(self) -> bool {
        let (first, last) = self.range();
        (first..=last).all(|port| {
            let address = SocketAddr::from((LOOPBACK, port));
            UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok()
        })
    }
}

impl Seat {
    pub(super) const ALL: [Self; 3] = [Self::First, Self::Second, Self::Third];

    fn index(self) -> u16 {
        match self {
            Self::First => 0,
            Self::Second => 1,
            Self::Third => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_seats_of_a_block_share_no_port() {
        let block = PortBlock { base: 20_000 };
        let mut taken = HashSet::new();
        for seat in Seat::ALL {
            let (first_media, last_media) = block.media(seat);
            let signalling = [block.sip(seat), block.sip(seat) + 1, block.control(seat)];
            assert!(signalling.iter().all(|port| !block.is_media(*port)));
            assert!((first_media..=last_media).all(|port| block.is_media(port)));
            assert!(block.is_sip(block.sip(seat)) && !block.is_sip(block.control(seat)));
            for port in signalling.into_iter().chain(first_media..=last_media) {
                assert!(taken.insert(port), "{port} is there twice");
                assert!(port <= block.range().1);
            }
        }
    }

    #[test]
    fn a_block_with_a_taken_port_is_passed_over() {
        let block = PortBlock::find(0).unwrap();
        let _taken = UdpSocket::bind((LOOPBACK, block.sip(Seat::Second))).unwrap();
        assert_ne!(PortBlock::find(0).unwrap().base, block.base);
    }
}
