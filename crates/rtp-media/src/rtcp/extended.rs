//! Extended reports (RFC 3611): the metrics of a voice call. Other blocks are passed over.

use crate::ids::Ssrc;
use std::time::Duration;

/// The type of the block (RFC 3611 §4.7).
pub(super) const VOIP_METRICS: u8 = 7;

/// How a voice call is received (RFC 3611 §4.7). Fields that a peer says it does not know are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoipMetrics {
    /// The part of the packets that was lost on the way, in 1/256.
    pub loss_rate: u8,
    /// The part that came and could not be played in time, in 1/256.
    pub discard_rate: u8,
    /// Bursts of losses and the gaps between them.
    pub bursts: BurstMetrics,
    /// To the peer and back, between the RTP stacks. 0 while it is not known.
    pub round_trip: Duration,
    /// What gathering, the jitter buffer and playing add at the one who reports. 0 when it is not known.
    pub end_system: Duration,
    /// Level of the voice, in dBm0.
    pub signal_level: Option<i8>,
    /// Level of the noise in pauses, in dBm0.
    pub noise_level: Option<i8>,
    /// How far below the voice its echo is, in dB.
    pub residual_echo_return_loss: Option<u8>,
    /// The transmission rating, 0 to 100.
    pub r_factor: Option<u8>,
    /// That of a further network behind the one who reports.
    pub external_r_factor: Option<u8>,
    /// Mean opinion score of listening, in tenths, 10 to 50.
    pub mos_lq: Option<u8>,
    /// Mean opinion score of conversing, in tenths.
    pub mos_cq: Option<u8>,
    /// The receiver configuration byte (§4.7.6): concealment, kind and speed of the jitter buffer.
    pub receiver_configuration: u8,
    /// Delay of the jitter buffer for packets that are on time.
    pub jitter_nominal: Duration,
    /// Its delay for the earliest packet that it would hold.
    pub jitter_maximum: Duration,
    /// The most that delay may become.
    pub jitter_absolute_maximum: Duration,
}

/// Bursts and gaps (RFC 3611 §4.7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BurstMetrics {
    /// The part of the packets within bursts that was not played, in 1/256.
    pub burst_density: u8,
    /// The same of the gaps between bursts.
    pub gap_density: u8,
    /// Mean length of a burst.
    pub burst_duration: Duration,
    /// Mean length of a gap.
    pub gap_duration: Duration,
    /// Packets in a row that end a burst; 16 as the RFC recommends, never 0.
    pub minimum_gap: u8,
}

impl VoipMetrics {
    /// Octets of the block with its head.
    pub(super) const LEN: usize = 36;

    /// Concealment by repetition, an adaptive jitter buffer whose speed is not told (§4.7.6).
    pub const ADAPTIVE_WITH_CONCEALMENT: u8 = 0b1111_0000;

    /// Reads a block behind its head and SSRC.
    fn read(octets: &[u8; Self::LEN - 8]) -> Self {
        let ms = |at: usize| Duration::from_millis(u16::from_be_bytes([octets[at], octets[at + 1]]).into());
        let known = |at: usize| Some(octets[at]).filter(|octet| *octet != UNKNOWN);
        let rating = |at: usize| known(at).filter(|octet| *octet <= 100);
        let score = |at: usize| known(at).filter(|octet| (10..=50).contains(octet));
        Self {
            loss_rate: octets[0],
            discard_rate: octets[1],
            bursts: BurstMetrics {
                burst_density: octets[2],
                gap_density: octets[3],
                burst_duration: ms(4),
                gap_duration: ms(6),
                minimum_gap: octets[15],
            },
            round_trip: ms(8),
            end_system: ms(10),
            signal_level: known(12).map(u8::cast_signed),
            noise_level: known(13).map(u8::cast_signed),
            residual_echo_return_loss: known(14),
            r_factor: rating(16),
            external_r_factor: rating(17),
            mos_lq: score(18),
            mos_cq: score(19),
            receiver_configuration: octets[20],
            jitter_nominal: ms(22),
            jitter_maximum: ms(24),
            jitter_absolute_maximum: ms(26),
        }
    }

    /// The block with its head.
    pub(super) fn to_bytes(self, about: Ssrc) -> [u8; Self::LEN] {
        let mut block = [0; Self::LEN];
        block[0] = VOIP_METRICS;
        block[3] = (Self::LEN / 4 - 1) as u8;
        block[4..8].copy_from_slice(&about.0.to_be_bytes());
        let octets = &mut block[8..];
        octets[..4].copy_from_slice(&[
            self.loss_rate,
            self.discard_rate,
            self.bursts.burst_density,
            self.bursts.gap_density,
        ]);
        for (at, time) in [
            (4, self.bursts.burst_duration),
            (6, self.bursts.gap_duration),
            (8, self.round_trip),
            (10, self.end_system),
            (22, self.jitter_nominal),
            (24, self.jitter_maximum),
            (26, self.jitter_absolute_maximum),
        ] {
            let ms = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
            octets[at..at + 2].copy_from_slice(&ms.to_be_bytes());
        }
        octets[12..22].copy_from_slice(&[
            self.signal_level.map_or(UNKNOWN, i8::cast_unsigned),
            self.noise_level.map_or(UNKNOWN, i8::cast_unsigned),
            self.residual_echo_return_loss.unwrap_or(UNKNOWN),
            self.bursts.minimum_gap,
            self.r_factor.unwrap_or(UNKNOWN),
            self.external_r_factor.unwrap_or(UNKNOWN),
            self.mos_lq.unwrap_or(UNKNOWN),
            self.mos_cq.unwrap_or(UNKNOWN),
            self.receiver_configuration,
            0,
        ]);
        block
    }
}

/// What stands for what is not known.
const UNKNOWN: u8 = 127;

/// The metrics among the blocks of a report, with the source that they are about.
pub(super) fn voip_metrics(blocks: &[u8]) -> impl Iterator<Item = (Ssrc, VoipMetrics)> {
    let mut rest = blocks;
    std::iter::from_fn(move || {
        loop {
            let (kind, body, after) = split_block(rest)?;
            rest = after;
            if kind == VOIP_METRICS
                && let Some((ssrc, body)) = body.split_first_chunk::<4>()
                && let Some(octets) = body.first_chunk()
            {
                return Some((Ssrc(u32::from_be_bytes(*ssrc)), VoipMetrics::read(octets)));
            }
        }
    })
}

/// Whether each block is as long as it says (RFC 3611 §3).
pub(super) fn are_whole(blocks: &[u8]) -> bool {
    let mut rest = blocks;
    while let Some((_, _, after)) = split_block(rest) {
        rest = after;
    }
    rest.is_empty()
}

/// The type of a block, what follows its head, and what follows it.
fn split_block(blocks: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, rest) = blocks.split_first_chunk::<4>()?;
    let len = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
    let (body, after) = rest.split_at_checked(len)?;
    Some((head[0], body, after))
}
