//! RTCP packets as they lie on the wire (RFC 3550 §6).
//!
//! [`Compound`] checks a whole datagram first (§6.1 and A.2) and then hands out its packets, which borrow it.
//! Reduced-size datagrams (RFC 5506) are accepted and [told apart](Compound::is_reduced_size). [`RtcpWriter`]
//! writes compounds into a buffer of the caller's. [`schedule`] says when.

mod application;
mod extended;
mod packets;
pub mod schedule;
mod writer;

pub use application::ApplicationPacket;
pub use extended::{BurstMetrics, VoipMetrics};
pub use packets::{ReportBlock, RtcpPacket, SdesItem, SenderInfo};
pub use writer::{RtcpWriteError, RtcpWriter};

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
pub(crate) mod kind {
    pub(crate) const SR: u8 = 200;
    pub(crate) const RR: u8 = 201;
    pub(crate) const SDES: u8 = 202;
    pub(crate) const BYE: u8 = 203;
    pub(crate) const APP: u8 = 204;
    pub(crate) const RTPFB: u8 = 205;
    pub(crate) const PSFB: u8 = 206;
    /// RFC 3611 §2.
    pub(crate) const XR: u8 = 207;
}

/// Why a datagram is not RTCP. Always the peer's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpError {
    /// The datagram is empty, or ends within a packet's header or before its length says.
    #[error("RTCP packet at byte {offset} needs {need} bytes, {have} are left")]
    Truncated {
        /// Where the packet begins.
        offset: usize,
        /// Its length, or that of a header.
        need: usize,
        /// Bytes from there to the end.
        have: usize,
    },
    /// A packet's version is not 2.
    #[error("RTCP version {version} at byte {offset}, expected 2")]
    Version {
        /// Where the packet begins.
        offset: usize,
        /// What it says.
        version: u8,
    },
    /// Padding in a packet that is not the last, or a count that cannot be.
    #[error("padding of the RTCP packet at byte {offset}")]
    Padding {
        /// Where the packet begins.
        offset: usize,
    },
    /// A packet is shorter than its counts and its type require.
    #[error("body of the RTCP packet of type {kind} at byte {offset}")]
    Body {
        /// Where the packet begins.
        offset: usize,
        /// The packet type.
        kind: u8,
    },
}

/// A checked datagram of one or more RTCP packets.
#[derive(Clone, Copy, Debug)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Checks all packets of a datagram; nothing of a datagram with one broken packet is used.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtcpError> {
        let mut offset = 0;
        loop {
            let raw = Raw::split(bytes, offset)?;
            raw.typed()?;
            offset += raw.len;
            if offset == bytes.len() {
                return Ok(Self { bytes });
            }
            if raw.padded {
                return Err(RtcpError::Padding {
                    offset: offset - raw.len,
                });
            }
        }
    }

    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = RtcpPacket<'a>> + use<'a> {
        let bytes = self.bytes;
        let mut offset = 0;
        std::iter::from_fn(move || {
            let raw = Raw::split(bytes, offset).ok()?;
            offset += raw.len;
            raw.typed().ok()
        })
    }

    /// True when the first packet is no report: allowed only where RFC 5506 was agreed.
    pub fn is_reduced_size(&self) -> bool {
        !matches!(self.bytes.get(1), Some(&(kind::SR | kind::RR)))
    }
}

/// One packet with its header split off.
#[derive(Clone, Copy)]
struct Raw<'a> {
    offset: usize,
    /// Whole length, header and padding included.
    len: usize,
    kind: u8,
    count: u8,
    padded: bool,
    /// What is between header and padding.
    body: &'a [u8],
}

impl<'a> Raw<'a> {
    fn split(bytes: &'a [u8], offset: usize) -> Result<Self, RtcpError> {
        let rest = &bytes[offset..];
        let truncated = |need| RtcpError::Truncated {
            offset,
            need,
            have: rest.len(),
        };
        let head = rest.first_chunk::<4>().ok_or(truncated(4))?;
        if head[0] >> 6 != 2 {
            return Err(RtcpError::Version {
                offset,
                version: head[0] >> 6,
            });
        }
        let len = (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1) * 4;
        let body = rest.get(4..len).ok_or(truncated(len))?;
        let padded = head[0] & 0x20 != 0;
        let body = if padded {
            let padding = usize::from(body.last().copied().unwrap_or(0));
            if padding == 0 || padding % 4 != 0 || padding > body.len() {
                return Err(RtcpError::Padding { offset });
            }
            &body[..body.len() - padding]
        } else {
            body
        };
        Ok(Self {
            offset,
            len,
            kind: head[1],
            count: head[0] & 0x1f,
            padded,
            body,
        })
    }

    fn typed(&self) -> Result<RtcpPacket<'a>, RtcpError> {
        packets::read(self.kind, self.count, self.body).ok_or(RtcpError::Body {
            offset: self.offset,
            kind: self.kind,
        })
    }
}

#[cfg(test)]
mod tests;
