//! The packet types of RFC 3550 §6.4 to §6.7, extended reports (RFC 3611), and feedback (RFC 4585) by its header.

use super::extended::{self, VoipMetrics};
use super::kind;
use crate::ids::Ssrc;

/// What a sender says of its stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock when the report was sent, as a 64-bit NTP timestamp.
    pub ntp: u64,
    /// The same instant in ticks of the RTP clock.
    pub rtp_timestamp: u32,
    /// Packets sent since the stream began, wrapping.
    pub packets: u32,
    /// Payload octets sent since the stream began, wrapping.
    pub octets: u32,
}

/// What a receiver says of one source (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source that is spoken of.
    pub ssrc: Ssrc,
    /// The part of its packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative with duplicates. 24 bits on the wire: written clamped.
    pub cumulative_lost: i32,
    /// The highest sequence number received, with the number of wraps in the upper 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the RTP clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP timestamp of the last sender report; zero without one.
    pub last_sender_report: u32,
    /// Time since that report was received, in 1/65536 s; zero without one.
    pub delay_since_last_sender_report: u32,
}

impl ReportBlock {
    pub(super) const LEN: usize = 24;

    fn read(bytes: &[u8; Self::LEN]) -> Self {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            ssrc: Ssrc(word(0)),
            fraction_lost: bytes[4],
            // The shift pair extends the sign of the 24 bits.
            cumulative_lost: ((word(4) << 8) as i32) >> 8,
            highest_sequence: word(8),
            jitter: word(12),
            last_sender_report: word(16),
            delay_since_last_sender_report: word(20),
        }
    }
}

/// One item of a source description (RFC 3550 §6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// The source described.
    pub ssrc: Ssrc,
    /// The item's type; 1 is CNAME.
    pub kind: u8,
    /// Its text, UTF-8 if the peer keeps to the RFC.
    pub text: &'a [u8],
}

/// One packet of a compound.
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub enum RtcpPacket<'a> {
    /// A sender report.
    SenderReport {
        /// Who reports.
        ssrc: Ssrc,
        /// What it sent.
        info: SenderInfo,
        /// What it received: read with [`RtcpPacket::reports`].
        blocks: &'a [u8],
    },
    /// A receiver report.
    ReceiverReport {
        /// Who reports.
        ssrc: Ssrc,
        /// What it received: read with [`RtcpPacket::reports`].
        blocks: &'a [u8],
    },
    /// Source descriptions: read with [`RtcpPacket::items`].
    SourceDescription {
        /// The chunks as they are on the wire, checked.
        chunks: &'a [u8],
    },
    /// Sources leave.
    Goodbye {
        /// Who leaves, four octets each.
        sources: &'a [u8],
        /// Why, if it was said.
        reason: Option<&'a [u8]>,
    },
    /// Application-defined (RFC 3550 §6.7).
    Application {
        /// Which of its kind, 0 to 31.
        subtype: u8,
        /// Who sends it.
        ssrc: Ssrc,
        /// Whose it is: four letters, by their case.
        name: [u8; 4],
        /// What it says; a multiple of four octets.
        data: &'a [u8],
    },
    /// Feedback of RFC 4585: only the header is read.
    Feedback {
        /// 205 for the transport layer, 206 for a payload.
        kind: u8,
        /// The feedback message type.
        format: u8,
        /// Who sends it.
        sender: Ssrc,
        /// The source it is about.
        media: Ssrc,
    },
    /// An extended report (RFC 3611).
    ExtendedReport {
        /// Who reports.
        ssrc: Ssrc,
        /// The blocks: read with [`RtcpPacket::voip_metrics`].
        blocks: &'a [u8],
    },
    /// A type we do not know; receivers pass over it (RFC 3550 §6.1).
    Unknown {
        /// The packet type.
        kind: u8,
    },
}

impl<'a> RtcpPacket<'a> {
    /// The report blocks of a sender or receiver report; nothing for other packets.
    pub fn reports(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        let blocks = match self {
            Self::SenderReport { blocks, .. } | Self::ReceiverReport { blocks, .. } => blocks,
            _ => &[][..],
        };
        blocks.as_chunks().0.iter().map(ReportBlock::read)
    }

    /// The metrics of voice calls in an extended report, with the source that they are about; nothing for other packets.
    pub fn voip_metrics(&self) -> impl Iterator<Item = (Ssrc, VoipMetrics)> + use<'a> {
        let blocks = match self {
            Self::ExtendedReport { blocks, .. } => blocks,
            _ => &[][..],
        };
        extended::voip_metrics(blocks)
    }

    /// The items of a source description; nothing for other packets.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + use<'a> {
        let mut rest = match self {
            Self::SourceDescription { chunks } => chunks,
            _ => &[][..],
        };
        let mut current = None;
        std::iter::from_fn(move || {
            loop {
                let ssrc = if let Some(ssrc) = current {
                    ssrc
                } else {
                    let (ssrc, after) = read_ssrc(rest)?;
                    rest = after;
                    current = Some(ssrc);
                    ssrc
                };
                match read_item(rest)? {
                    (Some((kind, text)), after) => {
                        rest = after;
                        return Some(SdesItem { ssrc, kind, text });
                    }
                    (None, after) => {
                        rest = after;
                        current = None;
                    }
                }
            }
        })
    }

    /// The sources that a goodbye names; nothing for other packets.
    pub fn leaving(&self) -> impl Iterator<Item = Ssrc> + use<'a> {
        let sources = match self {
            Self::Goodbye { sources, .. } => sources,
            _ => &[][..],
        };
        sources
            .as_chunks()
            .0
            .iter()
            .map(|octets| Ssrc(u32::from_be_bytes(*octets)))
    }
}

/// Reads a packet's body; `None` when it is shorter than its type and count require.
pub(super) fn read(packet_kind: u8, count: u8, body: &[u8]) -> Option<RtcpPacket<'_>> {
    let count = usize::from(count);
    Some(match packet_kind {
        kind::SR => {
            let (ssrc, rest) = read_ssrc(body)?;
            let (info, rest) = rest.split_first_chunk::<20>()?;
            let word = |at: usize| u32::from_be_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]);
            RtcpPacket::SenderReport {
                ssrc,
                info: SenderInfo {
                    ntp: u64::from(word(0)) << 32 | u64::from(word(4)),
                    rtp_timestamp: word(8),
                    packets: word(12),
                    octets: word(16),
                },
                // What follows the blocks is a profile's extension, which we skip (RFC 3550 §6.4.3).
                blocks: rest.get(..count * ReportBlock::LEN)?,
            }
        }
        kind::RR => {
            let (ssrc, rest) = read_ssrc(body)?;
            RtcpPacket::ReceiverReport {
                ssrc,
                blocks: rest.get(..count * ReportBlock::LEN)?,
            }
        }
        kind::SDES => {
            let mut rest = body;
            for _ in 0..count {
                rest = skip_chunk(rest)?;
            }
            RtcpPacket::SourceDescription {
                chunks: &body[..body.len() - rest.len()],
            }
        }
        kind::BYE => {
            let (sources, rest) = body.split_at_checked(count * 4)?;
            let reason = match rest.split_first() {
                None => None,
                Some((len, text)) => Some(text.get(..usize::from(*len))?),
            };
            RtcpPacket::Goodbye { sources, reason }
        }
        kind::APP => {
            let (ssrc, rest) = read_ssrc(body)?;
            let (name, data) = rest.split_first_chunk()?;
            RtcpPacket::Application {
                subtype: count as u8,
                ssrc,
                name: *name,
                data,
            }
        }
        kind::RTPFB | kind::PSFB => {
            let (sender, rest) = read_ssrc(body)?;
            let (media, _) = read_ssrc(rest)?;
            RtcpPacket::Feedback {
                kind: packet_kind,
                format: count as u8,
                sender,
                media,
            }
        }
        kind::XR => {
            let (ssrc, blocks) = read_ssrc(body)?;
            extended::are_whole(blocks).then_some(RtcpPacket::ExtendedReport { ssrc, blocks })?
        }
        kind => RtcpPacket::Unknown { kind },
    })
}

fn read_ssrc(bytes: &[u8]) -> Option<(Ssrc, &[u8])> {
    let (octets, rest) = bytes.split_first_chunk::<4>()?;
    Some((Ssrc(u32::from_be_bytes(*octets)), rest))
}

/// An item's type and text, and what follows.
type Item<'a> = (Option<(u8, &'a [u8])>, &'a [u8]);

/// Reads one item; without one, the chunk is over and its padding to 32 bits is skipped. All chunks are multiples
/// of four octets long, so the padding is found from the end.
fn read_item(bytes: &[u8]) -> Option<Item<'_>> {
    let (&kind, rest) = bytes.split_first()?;
    if kind == 0 {
        // One to four null octets end a chunk (RFC 3550 §6.5).
        let padding = (bytes.len() - 1) % 4 + 1;
        let (nulls, after) = bytes.split_at_checked(padding)?;
        return nulls.iter().all(|octet| *octet == 0).then_some((None, after));
    }
    let (&len, rest) = rest.split_first()?;
    let (text, after) = rest.split_at_checked(usize::from(len))?;
    Some((Some((kind, text)), after))
}

fn skip_chunk(bytes: &[u8]) -> Option<&[u8]> {
    let (_, mut rest) = read_ssrc(bytes)?;
    loop {
        match read_item(rest)? {
            (Some(_), after) => rest = after,
            (None, after) => return Some(after),
        }
    }
}
