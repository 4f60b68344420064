//! Pairs of UDP ports for RTP and RTCP, and the plane that hands them out.

use super::media_thread::{MediaThread, Order};
use crate::media::{LocalMedia, MediaCommand, MediaPlane, OpenError, StreamId};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

/// The two sockets of one stream, non-blocking.
pub(super) struct Sockets {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
}

/// Opens ports from a range and sends commands to the media thread.
pub(super) struct UdpPlane {
    thread: MediaThread,
    range: RangeInclusive<u16>,
    next_port: u16,
    next_stream: u32,
}

impl UdpPlane {
    /// A plane whose first attempt is at `first_try`, somewhere in the range: a restarted program does not meet the
    /// packets of the call before.
    pub(super) fn new(thread: MediaThread, range: RangeInclusive<u16>, first_try: u16) -> Self {
        Self {
            thread,
            range,
            next_port: first_try & !1,
            next_stream: 0,
        }
    }

    fn bind_pair(&mut self, local: IpAddr) -> Result<Sockets, OpenError> {
        // RTP at an even port, RTCP at the next (RFC 3550 §11); port 0 would be any.
        let first = self
            .range
            .start()
            .checked_next_multiple_of(2)
            .unwrap_or(u16::MAX)
            .max(2);
        let last = *self.range.end();
        let pairs = last.saturating_sub(first).div_ceil(2);
        for _ in 0..pairs {
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

impl MediaPlane for UdpPlane {
    /// Connecting a UDP socket sends nothing, and tells which of our addresses leads to the peer.
    fn local_ip(&mut self, peer: IpAddr) -> Result<IpAddr, OpenError> {
        let any: IpAddr = if peer.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let probe = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect((peer, 9))?;
            socket.local_addr()
        });
        probe.map(|local| local.ip()).map_err(|cause| OpenError::NoWay {
            peer,
            cause: cause.to_string(),
        })
    }

    fn open(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        let system = |error: io::Error| OpenError::System {
            address: local,
            cause: error.to_string(),
        };
        let sockets = self.bind_pair(local)?;
        let (rtp, rtcp) = (
            sockets.rtp.local_addr().map_err(system)?,
            sockets.rtcp.local_addr().map_err(system)?,
        );
        let stream = StreamId(self.next_stream);
        self.next_stream = self.next_stream.wrapping_add(1);
        self.thread.send(Order::Open(stream, sockets));
        Ok(LocalMedia { stream, rtp, rtcp })
    }

    fn send(&mut self, command: MediaCommand) {
        self.thread.send(Order::Engine(command));
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
    use crate::media::MediaConfig;
    use offhook_sansio::{Entropy, WallClock};
    use std::time::{Duration, Instant};

    fn plane(range: RangeInclusive<u16>, first_try: u16) -> UdpPlane {
        let wall_clock = WallClock::new(Instant::now(), Duration::ZERO);
        let entropy = Entropy::from_number(1);
        let thread = MediaThread::spawn(MediaConfig::default(), wall_clock, entropy, Box::new(|_| None));
        UdpPlane::new(thread.expect("a thread"), range, first_try)
    }

    #[test]
    fn pairs_begin_at_an_even_port_within_the_range_wherever_the_search_begins() {
        for first_try in [0, 43_000, 43_005, 65_535] {
            let sockets = plane(43_001..=43_019, first_try).bind_pair(Ipv4Addr::LOCALHOST.into());
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
    fn ranges_without_a_pair_are_exhausted_and_named() {
        #[expect(clippy::reversed_empty_ranges, reason = "what a person may have typed")]
        for range in [
            65_535..=65_535,
            43_021..=43_022,
            50_000..=50_000,
            50_002..=50_000,
            0..=1,
        ] {
            let error = plane(range.clone(), 1)
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
        let sockets = plane(43_030..=43_033, 43_030).bind_pair(Ipv4Addr::LOCALHOST.into());
        assert_eq!(
            sockets.expect("the second pair").rtp.local_addr().unwrap().port(),
            43_032
        );
        drop(taken);
    }
}
