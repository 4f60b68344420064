//! RTP packets as they lie on the wire (RFC 3550 §5.1).
//!
//! [`RtpPacket`] borrows a datagram and reads its parts in place; [`RtpWriter`] writes into a buffer of the
//! caller's. Neither allocates.

mod writer;

pub use writer::{RtpWriteError, RtpWriter};

use crate::ids::{PayloadType, Ssrc};

/// Octets of the fixed header, without CSRC list and extension.
pub const HEADER_LEN: usize = 12;

/// The fields of the fixed header that differ from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Marker: for audio, the first packet of a talk spurt (RFC 3551 §4.1).
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Sequence number, one more for each packet, wrapping.
    pub sequence: u16,
    /// Timestamp of the first sample, in ticks of the payload's clock, wrapping.
    pub timestamp: u32,
    /// Who sent it.
    pub ssrc: Ssrc,
}

/// Why bytes are not an RTP packet. Always the peer's fault (or not RTP at all).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// The datagram ends before the header does.
    #[error("RTP header needs {need} bytes, datagram has {have}")]
    Truncated {
        /// Bytes that header, CSRC list and extension take.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The version is not 2.
    #[error("RTP version {0}, expected 2")]
    Version(u8),
    /// The padding count is zero or larger than what follows the header (RFC 3550 §5.1).
    #[error("padding of {padding} bytes in {have} bytes of payload")]
    Padding {
        /// The count in the last octet.
        padding: u8,
        /// Bytes after the header.
        have: usize,
    },
}

/// A parsed RTP packet that borrows the datagram.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    header: RtpHeader,
    csrcs: &'a [u8],
    extension: Option<(u16, &'a [u8])>,
    payload: &'a [u8],
    padding: u8,
}

impl<'a> RtpPacket<'a> {
    /// Reads a datagram.
    ///
    /// ```
    /// use offhook_rtp_media::packet::RtpPacket;
    /// let bytes = [0x80, 0x80, 0, 7, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 0xff, 0xff];
    /// let packet = RtpPacket::parse(&bytes)?;
    /// assert!(packet.header().marker);
    /// assert_eq!(packet.header().sequence, 7);
    /// assert_eq!(packet.payload(), [0xff, 0xff]);
    /// # Ok::<(), offhook_rtp_media::packet::RtpError>(())
    /// ```
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let have = bytes.len();
        let (fixed, rest) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(RtpError::Truncated {
                need: HEADER_LEN,
                have,
            })?;
        if fixed[0] >> 6 != 2 {
            return Err(RtpError::Version(fixed[0] >> 6));
        }
        let csrc_len = usize::from(fixed[0] & 0x0f) * 4;
        let (csrcs, rest) = rest.split_at_checked(csrc_len).ok_or(RtpError::Truncated {
            need: HEADER_LEN + csrc_len,
            have,
        })?;
        let (extension, rest) = if fixed[0] & 0x10 == 0 {
            (None, rest)
        } else {
            let (profile, data, rest) = split_extension(rest).map_err(|need| RtpError::Truncated {
                need: HEADER_LEN + csrc_len + need,
                have,
            })?;
            (Some((profile, data)), rest)
        };
        let padding = if fixed[0] & 0x20 == 0 {
            0
        } else {
            match rest.last() {
                Some(&padding) if padding > 0 && usize::from(padding) <= rest.len() => padding,
                last => {
                    return Err(RtpError::Padding {
                        padding: last.copied().unwrap_or(0),
                        have: rest.len(),
                    });
                }
            }
        };
        Ok(Self {
            header: RtpHeader {
                marker: fixed[1] & 0x80 != 0,
                payload_type: PayloadType::from_octet(fixed[1]),
                sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
                timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
                ssrc: Ssrc(u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])),
            },
            csrcs,
            extension,
            payload: &rest[..rest.len() - usize::from(padding)],
            padding,
        })
    }

    /// The fixed header.
    pub fn header(&self) -> &RtpHeader {
        &self.header
    }

    /// The contributing sources, at most 15, in order.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.csrcs
            .chunks_exact(4)
            .map(|octets| Ssrc(u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]])))
    }

    /// The header extension, skipped by us: the profile's number (0xbede for one-byte elements of RFC 8285) and
    /// its data.
    pub fn extension(&self) -> Option<(u16, &'a [u8])> {
        self.extension
    }

    /// The payload, without padding.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Octets of padding behind the payload, its count included; zero when there is none.
    pub fn padding(&self) -> u8 {
        self.padding
    }
}

/// True when a datagram on a port shared by both is RTCP: its second octet is 192 to 223 (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

/// Where the payload begins, whatever is in it: of an encrypted packet nothing behind the header can be read.
pub(crate) fn payload_start(bytes: &[u8]) -> Result<usize, RtpError> {
    let have = bytes.len();
    let fixed = bytes.first_chunk::<HEADER_LEN>().ok_or(RtpError::Truncated {
        need: HEADER_LEN,
        have,
    })?;
    if fixed[0] >> 6 != 2 {
        return Err(RtpError::Version(fixed[0] >> 6));
    }
    let mut need = HEADER_LEN + usize::from(fixed[0] & 0x0f) * 4;
    if fixed[0] & 0x10 != 0 {
        let words = bytes.get(need + 2..need + 4);
        need += 4 + words.map_or(0, |words| {
            usize::from(u16::from_be_bytes([words[0], words[1]])) * 4
        });
    }
    if need > have {
        return Err(RtpError::Truncated { need, have });
    }
    Ok(need)
}

/// Splits the extension off; the error is how many bytes it needs (RFC 3550 §5.3.1).
fn split_extension(bytes: &[u8]) -> Result<(u16, &[u8], &[u8]), usize> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(4usize)?;
    let len = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
    let (data, rest) = rest.split_at_checked(len).ok_or(4 + len)?;
    Ok((u16::from_be_bytes([head[0], head[1]]), data, rest))
}

#[cfg(test)]
mod tests;
