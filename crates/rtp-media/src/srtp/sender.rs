//! The way out: packets of ours made unreadable to others.

use super::cipher::{Place, RtcpCipher, RtpCipher};
use super::key::MasterKey;
use super::replay::LAST_RTP_INDEX;
use super::{KeyLifetime, SrtpError};
use crate::ids::Ssrc;
use crate::packet::payload_start;
use std::fmt;

/// Protects what one participant sends, RTP and RTCP, under one master key (RFC 3711 §3.3, §3.4). Nothing here allocates.
///
/// ```
/// use offhook_rtp_media::srtp::{MasterKey, SrtpReceiver, SrtpSender, SrtpSuite};
///
/// let key = MasterKey::new(SrtpSuite::AesCm128HmacSha1_80, &[7; 30])?;
/// let (mut sender, mut receiver) = (SrtpSender::new(&key), SrtpReceiver::new(&key));
/// let packet = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, b'h', b'i'];
/// let mut buffer = [0; 64];
/// buffer[..14].copy_from_slice(&packet);
/// let len = sender.protect_rtp(&mut buffer, 14)?;
/// assert_eq!(len, 14 + 10);
/// let len = receiver.unprotect_rtp(&mut buffer[..len])?;
/// assert_eq!(buffer[..len], packet);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SrtpSender {
    rtp: RtpCipher,
    rtcp: RtcpCipher,
    overhead: usize,
    lifetime: KeyLifetime,
    /// Of the source that we are now, the last index used.
    last: Option<Place>,
    rtp_sent: u64,
    rtcp_sent: u64,
}

impl SrtpSender {
    /// Begins under a key, with the longest lifetime.
    pub fn new(key: &MasterKey) -> Self {
        Self::with_lifetime(key, KeyLifetime::default())
    }

    /// Begins under a key that lives shorter, as a `crypto` attribute may ask for (RFC 4568 §6.1).
    pub fn with_lifetime(key: &MasterKey, lifetime: KeyLifetime) -> Self {
        Self {
            rtp: RtpCipher::new(key),
            rtcp: RtcpCipher::new(key),
            overhead: key.suite().rtp_overhead(),
            lifetime: lifetime.bounded(),
            last: None,
            rtp_sent: 0,
            rtcp_sent: 0,
        }
    }

    /// Goes on under another key. The roll-over counter is kept (RFC 3711 §3.3.1).
    pub fn rekey(&mut self, key: &MasterKey, lifetime: KeyLifetime) {
        let last = self.last;
        *self = Self::with_lifetime(key, lifetime);
        self.last = last;
    }

    /// Protects the RTP packet in `buffer[..len]`; returns its new length, which is that of the suite's
    /// [overhead](super::SrtpSuite::rtp_overhead) more.
    ///
    /// # Errors
    /// When it is no RTP packet, the buffer is too small, its sequence number does not follow the last one of its SSRC, or
    /// the key has lived out its life. The packet is unchanged then, and must not be sent.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        fits(buffer, len, self.overhead)?;
        let payload = payload_start(&buffer[..len]).map_err(|_| SrtpError::Malformed { len })?;
        let ssrc = Ssrc(u32::from_be_bytes([buffer[8], buffer[9], buffer[10], buffer[11]]));
        let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
        let index = match self.last {
            Some(last) if last.ssrc == ssrc => next_index(last.index, sequence)?,
            _ => u64::from(sequence),
        };
        if self.rtp_sent >= self.lifetime.rtp || index > LAST_RTP_INDEX {
            return Err(SrtpError::KeyExhausted);
        }
        let place = Place { ssrc, index };
        self.last = Some(place);
        self.rtp_sent += 1;
        Ok(self.rtp.protect(place, buffer, payload, len))
    }

    /// Protects the RTCP compound in `buffer[..len]`; returns its new length.
    ///
    /// # Errors
    /// When it is no RTCP packet, the buffer is too small, or the key has lived out its life.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SrtpError> {
        fits(buffer, len, self.rtcp.overhead())?;
        if len < super::cipher::RTCP_CLEAR {
            return Err(SrtpError::Malformed { len });
        }
        if self.rtcp_sent >= self.lifetime.rtcp {
            return Err(SrtpError::KeyExhausted);
        }
        let ssrc = Ssrc(u32::from_be_bytes([buffer[4], buffer[5], buffer[6], buffer[7]]));
        let index = self.rtcp_sent;
        self.rtcp_sent += 1;
        Ok(self.rtcp.protect(Place { ssrc, index }, buffer, len))
    }

    /// RTP packets that may still be sent under this key.
    pub fn packets_left(&self) -> u64 {
        self.lifetime.rtp - self.rtp_sent
    }
}

impl fmt::Debug for SrtpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpSender")
            .field("rtp_sent", &self.rtp_sent)
            .field("rtcp_sent", &self.rtcp_sent)
            .finish_non_exhaustive()
    }
}

/// The index of a packet of ours. It only grows: two packets under one index would share a keystream.
fn next_index(last: u64, sequence: u16) -> Result<u64, SrtpError> {
    let ahead = sequence.wrapping_sub(last as u16);
    if ahead == 0 || ahead >= 0x8000 {
        return Err(SrtpError::SequenceReused(sequence));
    }
    Ok(last + u64::from(ahead))
}

fn fits(buffer: &[u8], len: usize, overhead: usize) -> Result<(), SrtpError> {
    let (need, have) = (len + overhead, buffer.len());
    if have < need {
        return Err(SrtpError::BufferTooSmall { need, have });
    }
    Ok(())
}
