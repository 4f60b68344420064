//! Where to send when packets come from elsewhere than the SDP said (symmetric RTP, RFC 4961).
//!
//! A peer behind a NAT cannot know the address we see. So we follow its packets; but whoever can send us a packet
//! could then draw our audio to himself, or be heard (the "RTP bleed" attack). The rules here:
//!
//! - We send to, and hear, the address of the SDP until it proves wrong.
//! - Another address must prove itself by [`PROOF`] packets in sequence, of one SSRC and of the agreed payload
//!   type, while the present address sends nothing for [`SILENCE`] (or has never sent anything). One packet from
//!   the present address undoes the proof.
//! - Packets of an address that has not proved itself are not played.
//! - After we heard the present address once, only the SSRC that it used may move: a NAT that rebinds keeps the
//!   SSRC, a stranger would have to guess 32 bits.
//! - New addresses from signalling start over, and so does one from which DTLS proved who the peer is.
//!
//! What remains: who sees the packets can imitate them. Only SRTP helps against that.

use crate::ids::Ssrc;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Packets in sequence that an unexpected address must send before it is believed: 80 ms of audio.
pub const PROOF: u8 = 4;

/// How long an address that was heard must be silent before another one may replace it.
pub const SILENCE: Duration = Duration::from_secs(1);

/// What a packet's source address means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The address we send to.
    Known,
    /// An address that has just proved itself; it is now the one we send to.
    Moved { from: SocketAddr },
    /// An address that has not proved itself.
    Unproven,
}

#[derive(Debug)]
pub(super) struct Latch {
    current: SocketAddr,
    /// When the current address was heard last, and by which SSRC.
    heard: Option<(Instant, Ssrc)>,
    candidate: Option<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: Ssrc,
    next: u16,
    proof: u8,
}

impl Latch {
    pub(super) fn new(remote: SocketAddr) -> Self {
        Self {
            current: remote,
            heard: None,
            candidate: None,
        }
    }

    /// The address to send to.
    pub(super) fn remote(&self) -> SocketAddr {
        self.current
    }

    /// The address packets came from, once any came from the one we send to.
    pub(super) fn received(&self) -> Option<SocketAddr> {
        self.heard.map(|_| self.current)
    }

    /// Takes an address that proved itself otherwise; returns the one before when it is another.
    pub(super) fn trust(&mut self, from: SocketAddr) -> Option<SocketAddr> {
        if from == self.current {
            return None;
        }
        self.heard = None;
        self.candidate = None;
        Some(std::mem::replace(&mut self.current, from))
    }

    /// Judges a well-formed packet of an agreed payload type.
    pub(super) fn judge(&mut self, now: Instant, from: SocketAddr, ssrc: Ssrc, sequence: u16) -> Origin {
        if from == self.current {
            self.heard = Some((now, ssrc));
            self.candidate = None;
            return Origin::Known;
        }
        if let Some((last, known)) = self.heard
            && (ssrc != known || now.saturating_duration_since(last) < SILENCE)
        {
            return Origin::Unproven;
        }
        let proof = match &self.candidate {
            Some(seen) if seen.from == from && seen.ssrc == ssrc && seen.next == sequence => seen.proof + 1,
            _ => 1,
        };
        if proof < PROOF {
            self.candidate = Some(Candidate {
                from,
                ssrc,
                next: sequence.wrapping_add(1),
                proof,
            });
            return Origin::Unproven;
        }
        self.candidate = None;
        self.heard = Some((now, ssrc));
        Origin::Moved {
            from: std::mem::replace(&mut self.current, from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "192.0.2.1:4000";
    const NAT: &str = "198.51.100.7:61000";
    const STRANGER: &str = "203.0.113.9:9";

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// Feeds packets (milliseconds, address, ssrc, sequence) and returns where we send afterwards.
    fn after(packets: &[(u64, &str, u32, u16)]) -> String {
        let t0 = Instant::now();
        let mut latch = Latch::new(addr(SDP));
        for &(ms, from, ssrc, sequence) in packets {
            latch.judge(t0 + Duration::from_millis(ms), addr(from), Ssrc(ssrc), sequence);
        }
        latch.remote().to_string()
    }

    #[test]
    fn four_packets_in_sequence_from_one_address_move_us_there() {
        assert_eq!(after(&[(0, NAT, 1, 1), (20, NAT, 1, 2), (40, NAT, 1, 3)]), SDP);
        assert_eq!(
            after(&[(0, NAT, 1, 1), (20, NAT, 1, 2), (40, NAT, 1, 3), (60, NAT, 1, 4)]),
            NAT
        );
    }

    #[test]
    fn stray_packets_never_add_up() {
        let stray = [
            (0, NAT, 1, 1),
            (20, NAT, 1, 9),
            (40, NAT, 2, 10),
            (60, STRANGER, 2, 11),
            (80, NAT, 1, 2),
        ];
        assert_eq!(after(&stray), SDP);
    }

    #[test]
    fn an_address_in_use_is_not_displaced() {
        let mut packets = Vec::new();
        for n in 0..100u16 {
            packets.push((u64::from(n) * 20, SDP, 1, n));
            packets.push((u64::from(n) * 20 + 1, STRANGER, 1, n));
        }
        assert_eq!(after(&packets), SDP);
    }

    #[test]
    fn a_silent_address_is_displaced_only_by_its_own_ssrc() {
        let run = |ssrc, start| {
            let mut packets = vec![(0, SDP, 1, 0)];
            packets.extend((0..10u16).map(|n| (start + u64::from(n) * 20, NAT, ssrc, n)));
            after(&packets)
        };
        assert_eq!(run(1, 1500), NAT);
        assert_eq!(run(2, 1500), SDP);
        assert_eq!(run(1, 300), SDP);
    }
}
