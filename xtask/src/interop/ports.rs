//! Ports of a scenario's own, so that two scenarios, or two people, never hear each other.

use super::disagreement::Disagreement;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Everybody lives here: nothing leaves the machine.
pub(super) const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Ports in a block: two agents with a SIP, a TLS and a control port, and ten media ports for each.
const COUNT: u16 = 40;
/// Below Linux's range for outgoing connections (32768 and up).
const FIRST: u16 = 20_000;
const BLOCKS: u16 = 300;

/// A block of ports that was free when the scenario began.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortBlock {
    base: u16,
}

/// One of two agents of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    First,
    Second,
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
        let first = self.base + 20 + 10 * seat.index();
        (first, first + 9)
    }

    /// First and last port of the block, for a capture filter.
    pub(super) fn range(self) -> (u16, u16) {
        (self.base, self.base + COUNT - 1)
    }

    pub(super) fn is_sip(self, port: u16) -> bool {
        port == self.sip(Seat::First) || port == self.sip(Seat::Second)
    }

    pub(super) fn is_media(self, port: u16) -> bool {
        let (first, _) = self.media(Seat::First);
        let (_, last) = self.media(Seat::Second);
        (first..=last).contains(&port)
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
    fn index(self) -> u16 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seats_of_a_block_share_no_port() {
        let block = PortBlock { base: 20_000 };
        let (_, first_ends) = block.media(Seat::First);
        let (second_begins, second_ends) = block.media(Seat::Second);
        assert!(first_ends < second_begins);
        assert!(second_ends <= block.range().1);
        assert!(block.sip(Seat::First) + 1 < block.control(Seat::First));
        assert!(block.control(Seat::First) < block.sip(Seat::Second));
        assert!(!block.is_media(block.control(Seat::Second)));
        assert!(block.is_sip(block.sip(Seat::Second)));
    }

    #[test]
    fn a_block_with_a_taken_port_is_passed_over() {
        let block = PortBlock::find(0).unwrap();
        let _taken = UdpSocket::bind((LOOPBACK, block.sip(Seat::Second))).unwrap();
        assert_ne!(PortBlock::find(0).unwrap().base, block.base);
    }
}
