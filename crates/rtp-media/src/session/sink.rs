//! What we send: numbers of the next packet and counters for sender reports.

use crate::ids::{PayloadType, Ssrc};
use crate::packet::RtpHeader;
use offhook_sansio::Entropy;
use std::time::Instant;

/// Send state of our source. Sequence number and timestamp begin at random (RFC 3550 §5.1).
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) ssrc: Ssrc,
    sequence: u16,
    timestamp: u32,
    /// When the current timestamp was reached: what a sender report extrapolates from.
    stamped: Option<Instant>,
    /// Packets and payload octets sent under this SSRC: a sender report's counts, modulo 2^32.
    pub(super) packets: u32,
    pub(super) octets: u32,
}

impl Sink {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        Self {
            ssrc: Ssrc(entropy.u32()),
            // In the lower half: a receiver of SRTP that misses the first packets would else take one from behind the first
            // roll-over for one before it (RFC 3711 §3.3.1).
            sequence: entropy.u32() as u16 & 0x7fff,
            timestamp: entropy.u32(),
            stamped: None,
            packets: 0,
            octets: 0,
        }
    }

    /// Begins anew under another SSRC, after a collision (RFC 3550 §8.2).
    pub(super) fn renew(&mut self, entropy: &mut Entropy) {
        let old = self.ssrc;
        while self.ssrc == old {
            self.ssrc = Ssrc(entropy.u32());
        }
        self.packets = 0;
        self.octets = 0;
    }

    /// The timestamp of the sample that is captured next.
    pub(super) fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// Lets media time pass: `ticks` of the clock, up to `now`.
    pub(super) fn advance(&mut self, ticks: u32, now: Instant) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
        self.stamped = Some(now);
    }

    /// The header of the next packet, and counts it.
    pub(super) fn next_header(
        &mut self,
        marker: bool,
        payload_type: PayloadType,
        timestamp: u32,
        payload_len: usize,
    ) -> RtpHeader {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload_len as u32);
        RtpHeader {
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc: self.ssrc,
        }
    }

    /// The timestamp that belongs to `now`, for a sender report (RFC 3550 §6.4.1).
    pub(super) fn timestamp_at(&self, now: Instant, clock_rate: u32) -> u32 {
        let since = self.stamped.map_or(0, |stamped| {
            crate::time::duration_to_ticks(now.saturating_duration_since(stamped), clock_rate)
        });
        self.timestamp.wrapping_add(since as u32)
    }
}
