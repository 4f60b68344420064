//! Writes RTP packets into a buffer of the caller's.

use super::{HEADER_LEN, RtpHeader};
use crate::ids::Ssrc;

/// Why a packet could not be written. Always the caller's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpWriteError {
    /// The buffer is too small.
    #[error("packet needs {need} bytes, buffer has {have}")]
    BufferTooSmall {
        /// Bytes of the whole packet.
        need: usize,
        /// Bytes of the buffer.
        have: usize,
    },
    /// More than 15 contributing sources (RFC 3550 §5.1).
    #[error("{0} contributing sources, at most 15 fit")]
    TooManyCsrcs(usize),
    /// The extension's length is not a multiple of four, or over 65535 words (RFC 3550 §5.3.1).
    #[error("header extension of {0} bytes")]
    ExtensionLength(usize),
}

/// Everything of a packet but its payload; most packets need only the header.
#[derive(Clone, Copy, Debug)]
pub struct RtpWriter<'a> {
    header: RtpHeader,
    csrcs: &'a [Ssrc],
    extension: Option<(u16, &'a [u8])>,
    padding: u8,
}

impl<'a> RtpWriter<'a> {
    /// A packet with a fixed header only.
    pub fn new(header: RtpHeader) -> Self {
        Self {
            header,
            csrcs: &[],
            extension: None,
            padding: 0,
        }
    }

    /// Adds contributing sources, at most 15.
    #[must_use]
    pub fn csrcs(mut self, csrcs: &'a [Ssrc]) -> Self {
        self.csrcs = csrcs;
        self
    }

    /// Adds a header extension: the profile's number and data of whole 32-bit words.
    #[must_use]
    pub fn extension(mut self, profile: u16, data: &'a [u8]) -> Self {
        self.extension = Some((profile, data));
        self
    }

    /// Adds octets of padding, their count included; zero means none.
    #[must_use]
    pub fn padding(mut self, octets: u8) -> Self {
        self.padding = octets;
        self
    }

    /// Octets before the payload: write the payload from there on to have it [framed in place](Self::frame).
    pub fn header_len(&self) -> usize {
        HEADER_LEN + self.csrcs.len() * 4 + self.extension.map_or(0, |(_, data)| 4 + data.len())
    }

    /// Writes the whole packet; returns its length.
    pub fn write(&self, payload: &[u8], buffer: &mut [u8]) -> Result<usize, RtpWriteError> {
        let start = self.header_len();
        let end = start + payload.len();
        let have = buffer.len();
        let room = buffer.get_mut(start..end).ok_or(RtpWriteError::BufferTooSmall {
            need: end + usize::from(self.padding),
            have,
        })?;
        room.copy_from_slice(payload);
        self.frame(payload.len(), buffer)
    }

    /// Writes header and padding around `payload_len` octets that already lie in the buffer, from
    /// [`header_len`](Self::header_len) on; returns the packet's length.
    pub fn frame(&self, payload_len: usize, buffer: &mut [u8]) -> Result<usize, RtpWriteError> {
        if self.csrcs.len() > 15 {
            return Err(RtpWriteError::TooManyCsrcs(self.csrcs.len()));
        }
        if let Some((_, data)) = self.extension
            && (data.len() % 4 != 0 || data.len() / 4 > usize::from(u16::MAX))
        {
            return Err(RtpWriteError::ExtensionLength(data.len()));
        }
        let payload_end = self.header_len() + payload_len;
        let need = payload_end + usize::from(self.padding);
        let have = buffer.len();
        let packet = buffer
            .get_mut(..need)
            .ok_or(RtpWriteError::BufferTooSmall { need, have })?;

        let flags = u8::from(self.padding > 0) << 5 | u8::from(self.extension.is_some()) << 4;
        packet[0] = 0x80 | flags | self.csrcs.len() as u8;
        packet[1] = u8::from(self.header.marker) << 7 | self.header.payload_type.number();
        packet[2..4].copy_from_slice(&self.header.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&self.header.timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.header.ssrc.0.to_be_bytes());
        let mut at = HEADER_LEN;
        for csrc in self.csrcs {
            packet[at..at + 4].copy_from_slice(&csrc.0.to_be_bytes());
            at += 4;
        }
        if let Some((profile, data)) = self.extension {
            packet[at..at + 2].copy_from_slice(&profile.to_be_bytes());
            packet[at + 2..at + 4].copy_from_slice(&((data.len() / 4) as u16).to_be_bytes());
            packet[at + 4..at + 4 + data.len()].copy_from_slice(data);
        }
        if let Some((count, zeros)) = packet[payload_end..].split_last_mut() {
            zeros.fill(0);
            *count = self.padding;
        }
        Ok(need)
    }
}
