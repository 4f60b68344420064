//! Writes a compound of RTCP packets into a buffer of the caller's.

use super::ApplicationPacket;
use super::extended::VoipMetrics;
use super::kind;
use super::packets::{ReportBlock, SenderInfo};
use crate::ids::Ssrc;

/// Most report blocks or sources of one packet: what its five-bit count holds.
const MAX_COUNT: usize = 31;

/// Why a packet could not be written. Always the caller's fault.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtcpWriteError {
    /// The buffer is too small.
    #[error("packet needs {need} bytes, buffer has {have} left")]
    BufferTooSmall {
        /// Bytes of the packet.
        need: usize,
        /// Bytes left in the buffer.
        have: usize,
    },
    /// More than 31 report blocks, or a subtype above 31.
    #[error("{0} report blocks, or a subtype of that; at most 31 fit")]
    TooManyBlocks(usize),
    /// A text is longer than 255 octets.
    #[error("text of {0} bytes, at most 255 fit")]
    TextTooLong(usize),
}

/// A compound in the making. Begin with a report and follow with a CNAME (RFC 3550 §6.1).
#[derive(Debug)]
pub struct RtcpWriter<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> RtcpWriter<'b> {
    /// Begins at the start of a buffer.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Adds a sender report.
    pub fn sender_report(
        &mut self,
        ssrc: Ssrc,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<&mut Self, RtcpWriteError> {
        let packet = self.packet(kind::SR, blocks.len(), 24 + blocks.len() * ReportBlock::LEN)?;
        put(packet, 0, ssrc.0);
        put(packet, 4, (info.ntp >> 32) as u32);
        put(packet, 8, info.ntp as u32);
        put(packet, 12, info.rtp_timestamp);
        put(packet, 16, info.packets);
        put(packet, 20, info.octets);
        put_blocks(&mut packet[24..], blocks);
        Ok(self)
    }

    /// Adds a receiver report; without blocks when nothing was received.
    pub fn receiver_report(
        &mut self,
        ssrc: Ssrc,
        blocks: &[ReportBlock],
    ) -> Result<&mut Self, RtcpWriteError> {
        let packet = self.packet(kind::RR, blocks.len(), 4 + blocks.len() * ReportBlock::LEN)?;
        put(packet, 0, ssrc.0);
        put_blocks(&mut packet[4..], blocks);
        Ok(self)
    }

    /// Adds a source description with one CNAME.
    pub fn cname(&mut self, ssrc: Ssrc, cname: &str) -> Result<&mut Self, RtcpWriteError> {
        let len = text_len(cname)?;
        // At least one null octet ends the chunk, and the chunk is a multiple of four long.
        let body = (4 + 2 + cname.len() + 4) / 4 * 4;
        let packet = self.packet(kind::SDES, 1, body)?;
        packet.fill(0);
        put(packet, 0, ssrc.0);
        packet[4] = 1;
        packet[5] = len;
        packet[6..6 + cname.len()].copy_from_slice(cname.as_bytes());
        Ok(self)
    }

    /// Adds a goodbye of one source; an empty reason is left out.
    pub fn bye(&mut self, ssrc: Ssrc, reason: &str) -> Result<&mut Self, RtcpWriteError> {
        let len = text_len(reason)?;
        let body = if reason.is_empty() {
            4
        } else {
            4 + (1 + reason.len()).next_multiple_of(4)
        };
        let packet = self.packet(kind::BYE, 1, body)?;
        packet.fill(0);
        put(packet, 0, ssrc.0);
        if !reason.is_empty() {
            packet[4] = len;
            packet[5..5 + reason.len()].copy_from_slice(reason.as_bytes());
        }
        Ok(self)
    }

    /// Adds an extended report with the metrics of the call as it is heard from `about` (RFC 3611 §4.7).
    pub fn voip_metrics(
        &mut self,
        ssrc: Ssrc,
        about: Ssrc,
        metrics: &VoipMetrics,
    ) -> Result<&mut Self, RtcpWriteError> {
        let packet = self.packet(kind::XR, 0, 4 + VoipMetrics::LEN)?;
        put(packet, 0, ssrc.0);
        packet[4..].copy_from_slice(&metrics.to_bytes(about));
        Ok(self)
    }

    /// Adds a packet of an application's own (RFC 3550 §6.7), padded with zeros to a multiple of four octets.
    pub fn application(
        &mut self,
        ssrc: Ssrc,
        packet: &ApplicationPacket,
    ) -> Result<&mut Self, RtcpWriteError> {
        let (count, data) = (usize::from(packet.subtype), &packet.data);
        let body = self.packet(kind::APP, count, 8 + data.len().next_multiple_of(4))?;
        body.fill(0);
        put(body, 0, ssrc.0);
        body[4..8].copy_from_slice(&packet.name);
        body[8..8 + data.len()].copy_from_slice(data);
        Ok(self)
    }

    /// Octets written so far: the compound's length.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes a header and gives the body's room. `body` is a multiple of four.
    fn packet(&mut self, kind: u8, count: usize, body: usize) -> Result<&mut [u8], RtcpWriteError> {
        if count > MAX_COUNT {
            return Err(RtcpWriteError::TooManyBlocks(count));
        }
        let have = self.buffer.len() - self.len;
        let need = 4 + body;
        let packet = self
            .buffer
            .get_mut(self.len..self.len + need)
            .ok_or(RtcpWriteError::BufferTooSmall { need, have })?;
        self.len += need;
        packet[0] = 0x80 | count as u8;
        packet[1] = kind;
        packet[2..4].copy_from_slice(&((body / 4) as u16).to_be_bytes());
        Ok(&mut packet[4..])
    }
}

fn put(packet: &mut [u8], at: usize, word: u32) {
    packet[at..at + 4].copy_from_slice(&word.to_be_bytes());
}

fn put_blocks(body: &mut [u8], blocks: &[ReportBlock]) {
    for (body, block) in body.chunks_exact_mut(ReportBlock::LEN).zip(blocks) {
        let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        put(body, 0, block.ssrc.0);
        put(body, 4, u32::from(block.fraction_lost) << 24 | lost);
        put(body, 8, block.highest_sequence);
        put(body, 12, block.jitter);
        put(body, 16, block.last_sender_report);
        put(body, 20, block.delay_since_last_sender_report);
    }
}

fn text_len(text: &str) -> Result<u8, RtcpWriteError> {
    u8::try_from(text.len()).map_err(|_| RtcpWriteError::TextTooLong(text.len()))
}
