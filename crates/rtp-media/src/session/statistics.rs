//! What a stream counted, as plain data.

use super::{CallQuality, Impairment};
use crate::rtcp::VoipMetrics;
use crate::srtp::SrtpError;
use std::time::Duration;

/// Packets that were thrown away before they reached the jitter buffer, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounts {
    /// Not RTP or RTCP, or broken.
    pub malformed: u64,
    /// RTP with a payload type that was not agreed.
    pub unknown_payload: u64,
    /// From an address that has not proved itself: see [`Statistics`].
    pub unproven_address: u64,
    /// Of a source that has not sent two packets in sequence (RFC 3550 A.1).
    pub probation: u64,
    /// With a sequence number far from the last one.
    pub out_of_range: u64,
    /// With our own SSRC (RFC 3550 §8.2): the peer's first one, after which we have another SSRC, and all of a stranger's.
    pub own_ssrc: u64,
    /// Of an SSRC other than the stream's, in an RTCP datagram.
    pub foreign_rtcp: u64,
    /// SRTP whose tag is not the peer's: forged, damaged, or plain RTP where a key was agreed.
    pub forged: u64,
    /// SRTP that was received before, or is too old to know.
    pub replayed: u64,
    /// SRTCP that says it is not encrypted.
    pub unencrypted: u64,
    /// SRTP of a source beyond those that are remembered ([`MAX_SOURCES`](crate::srtp::MAX_SOURCES)).
    pub too_many_sources: u64,
    /// SRTP beyond the life of the peer's key.
    pub key_exhausted: u64,
    /// SRTP, or what passes for it, before DTLS gave the keys.
    pub unkeyed: u64,
    /// DTLS that is malformed, of a stranger, too late, beyond its limits, or was not agreed on.
    pub dtls: u64,
}

impl DropCounts {
    /// All causes together.
    pub fn total(&self) -> u64 {
        self.malformed
            + self.unknown_payload
            + self.unproven_address
            + self.probation
            + self.out_of_range
            + self.own_ssrc
            + self.foreign_rtcp
            + self.forged
            + self.replayed
            + self.unencrypted
            + self.too_many_sources
            + self.key_exhausted
            + self.unkeyed
            + self.dtls
    }

    /// Counts what SRTP refused.
    pub(crate) fn count(&mut self, refused: SrtpError) {
        let counter = match refused {
            SrtpError::Forged => &mut self.forged,
            SrtpError::Replayed => &mut self.replayed,
            SrtpError::Unencrypted => &mut self.unencrypted,
            SrtpError::TooManySources => &mut self.too_many_sources,
            SrtpError::KeyExhausted => &mut self.key_exhausted,
            SrtpError::NoKeyYet => &mut self.unkeyed,
            SrtpError::Malformed { .. } | SrtpError::BufferTooSmall { .. } | SrtpError::SequenceReused(_) => {
                &mut self.malformed
            }
        };
        *counter += 1;
    }
}

/// What the peer reported of our stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteReport {
    /// The part lost between its last two reports, 0 to 1 in steps of 1/256: here in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the stream began; negative with duplicates.
    pub cumulative_lost: i32,
    /// Interarrival jitter that it measured.
    pub jitter: Duration,
}

/// What a stream counted since it began. Counters do not start over when a source changes its SSRC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Payload octets sent.
    pub octets_sent: u64,
    /// RTP packets received and accepted, late ones included.
    pub packets_received: u64,
    /// Payload octets of those.
    pub octets_received: u64,
    /// Packets that the sequence numbers say were lost on the way.
    pub packets_lost: u64,
    /// Packets received a second time.
    pub duplicates: u64,
    /// Packets received too late to be played.
    pub late: u64,
    /// Packets that were held and thrown away to catch up, or too long to be held.
    pub discarded: u64,
    /// Payloads that the decoder refused.
    pub undecodable: u64,
    /// Times that loss concealment had to make something up.
    pub concealments: u64,
    /// How much audio was made up for packets that were lost or late.
    pub concealed: Duration,
    /// Interarrival jitter (RFC 3550 A.8).
    pub jitter: Duration,
    /// Delay that the jitter buffer aims at.
    pub target_delay: Duration,
    /// Periods taken out of the audio, and put in, to follow that delay and the sender's clock.
    pub shortened: u64,
    /// See `shortened`.
    pub lengthened: u64,
    /// Time to the peer and back, once it answered one of our sender reports.
    pub round_trip: Option<Duration>,
    /// What the peer last said of our stream.
    pub remote: Option<RemoteReport>,
    /// What the peer last said of how it hears us (RFC 3611), if it was asked to.
    pub remote_metrics: Option<VoipMetrics>,
    /// How what is heard sounds by the numbers, from packets not played and delay; once packets came. The delay from mouth to
    /// ear is taken to be half of the round trip, and what the jitter buffer and the packets themselves take.
    pub quality: Option<CallQuality>,
    /// Packets that silence detection did not send.
    pub suppressed: u64,
    /// Comfort noise packets received.
    pub comfort_noise: u64,
    /// RTCP datagrams sent.
    pub rtcp_sent: u64,
    /// RTCP datagrams received and accepted.
    pub rtcp_received: u64,
    /// Packets dropped, by cause.
    pub dropped: DropCounts,
    /// Datagrams made but never taken by [`poll_transmit`](crate::AudioTransport::poll_transmit) in time.
    pub overflowed: u64,
    /// Ticks that whoever calls [`read`](crate::AudioTransport::read) and [`write`](crate::AudioTransport::write) left out since
    /// it was too late for them. A transport cannot know: its owner fills this in, zero until then.
    pub skipped_ticks: u64,
}

impl Statistics {
    /// Fills in how what is heard sounds.
    pub(crate) fn estimate_quality(&mut self, codec: Impairment, ptime_ms: u32) {
        let came = self.packets_received.saturating_sub(self.late + self.discarded);
        let expected = self.packets_received + self.packets_lost;
        if expected == 0 {
            return;
        }
        let missing = (expected - came) as f32 / expected as f32;
        let way = self.round_trip.unwrap_or_default() / 2;
        let delay = way + self.target_delay + Duration::from_millis(u64::from(ptime_ms));
        self.quality = Some(CallQuality::estimate(codec, missing, delay));
    }
}
