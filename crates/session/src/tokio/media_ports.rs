//! Pairs of UDP ports for RTP and RTCP.

use crate::media::OpenError;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

/// The two sockets of one stream, non-blocking.
pub(super) struct Sockets {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
}

/// The range from which ports are taken, in pairs.
pub(super) struct RtpPorts {
    range: RangeInclusive<u16>,
    next_port: u16,
}

impl RtpPorts {
    /// A range whose first attempt is somewhere in it, wherever a random number leads: a restarted program does not meet the packets
    /// of the call before, nor one program the ports of another that has just given them to its tool.
    pub(super) fn new(range: RangeInclusive<u16>, random: u16) -> Self {
        let mut ports = Self { range, next_port: 0 };
        let (first, pairs) = (ports.first(), ports.pairs());
        ports.next_port = first.saturating_add(2 * (random % pairs.max(1)));
        ports
    }

    /// RTP at an even port, RTCP at the next (RFC 3550 §11); port 0 would be any.
    fn first(&self) -> u16 {
        let first = self.range.start().checked_next_multiple_of(2);
        first.unwrap_or(u16::MAX).max(2)
    }

    fn pairs(&self) -> u16 {
        self.range.end().saturating_sub(self.first()).div_ceil(2)
    }

    /// Two sockets at neighbouring ports, the first one even.
    pub(super) fn bind_pair(&mut self, local: IpAddr) -> Result<Sockets, OpenError> {
        let (first, last) = (self.first(), *self.range.end());
        for _ in 0..self.pairs() {
            if !(first..last).contains(&self.next_port) {
                self.next_port = first;
            }
            let port = self.next_port;
            self.next_port = port.wrapping_add(2);
            match bind(local, port).and_then(|rtp| {
                Ok(Sockets {
                    rtp,
                    rtcp: bind(local, port + 1)?,
                })
            }) {
                Ok(sockets) => return Ok(sockets),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    return Err(OpenError::System {
                        address: local,
                        cause: error.to_string(),
                    });
                }
            }
        }
        Err(OpenError::RangeExhausted {
            address: local,
            first: *self.range.start(),
            last,
        })
    }
}

fn bind(address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(SocketAddr::new(address, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn pairs_begin_at_an_even_port_within_the_range_wherever_the_search_begins() {
        for first_try in [0, 43_000, 43_005, 65_535] {
            let sockets = RtpPorts::new(43_001..=43_019, first_try).bind_pair(Ipv4Addr::LOCALHOST.into());
            let sockets = sockets.expect("nobody has them all");
            let (rtp, rtcp) = (
                sockets.rtp.local_addr().unwrap(),
                sockets.rtcp.local_addr().unwrap(),
            );
            assert!(
                rtp.port().is_multiple_of(2) && rtcp.port() == rtp.port() + 1,
                "{rtp} {rtcp}"
            );
            assert!((43_002..=43_018).contains(&rtp.port()), "{rtp}");
        }
    }

    #[test]
    fn the_search_begins_anywhere_in_the_range() {
        let begins = |random: u16| RtpPorts::new(50_000..=50_500, random).next_port;
        let begins: std::collections::BTreeSet<u16> = (0..=u16::MAX).map(begins).collect();
        let all: Vec<u16> = (50_000..50_500).step_by(2).collect();
        assert!(begins.into_iter().eq(all));
    }

    #[test]
    fn ranges_without_a_pair_are_exhausted_and_named() {
        #[expect(clippy::reversed_empty_ranges, reason = "what a person may have typed")]
        for range in [
            65_535..=65_535,
            43_021..=43_022,
            50_000..=50_000,
            50_002..=50_000,
            0..=1,
        ] {
            let error = RtpPorts::new(range.clone(), 1)
                .bind_pair(Ipv4Addr::LOCALHOST.into())
                .err();
            assert!(
                matches!(error, Some(OpenError::RangeExhausted { .. })),
                "{range:?}: {error:?}"
            );
        }
    }

    #[test]
    fn a_pair_whose_second_port_is_taken_is_passed_over() {
        let taken = UdpSocket::bind("127.0.0.1:43031").expect("free");
        let sockets = RtpPorts::new(43_030..=43_033, 43_030).bind_pair(Ipv4Addr::LOCALHOST.into());
        assert_eq!(
            sockets.expect("the second pair").rtp.local_addr().unwrap().port(),
            43_032
        );
        drop(taken);
    }
}
