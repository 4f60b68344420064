//! The way in: packets checked, then made readable.

use super::SrtpError;
use super::cipher::{ENCRYPTED, INDEX_WORD, Place, RtcpCipher, RtpCipher};
use super::key::MasterKey;
use super::replay::ReplayWindow;
use crate::ids::Ssrc;
use crate::packet::payload_start;
use std::fmt;

/// Sources that are remembered for each of RTP and RTCP. A peer has one, and another when it changes its SSRC; further ones
/// are refused: to forget one would let its packets be replayed.
pub const MAX_SOURCES: usize = 16;

/// Checks and decrypts what one participant sends, RTP and RTCP, under one master key (RFC 3711 §3.3, §3.4).
///
/// Nothing of a packet is believed before its tag was checked: a forged one changes no state. Each packet is taken once.
/// Nothing here allocates once it is made.
pub struct SrtpReceiver {
    rtp: RtpCipher,
    rtcp: RtcpCipher,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl SrtpReceiver {
    /// Begins under a key. A source's first packet is taken for one before its first roll-over.
    pub fn new(key: &MasterKey) -> Self {
        Self {
            rtp: RtpCipher::new(key),
            rtcp: RtcpCipher::new(key),
            rtp_sources: Sources::default(),
            rtcp_sources: Sources::default(),
        }
    }

    /// Goes on under another key. Roll-over counters are kept (RFC 3711 §3.3.1); RTCP indices begin anew.
    pub fn rekey(&mut self, key: &MasterKey) {
        self.rtp = RtpCipher::new(key);
        self.rtcp = RtcpCipher::new(key);
        for (_, window) in &mut self.rtp_sources.0 {
            *window = window.rekeyed();
        }
        self.rtcp_sources.0.clear();
    }

    /// Checks an RTP packet and decrypts it in place; returns its new length.
    ///
    /// # Errors
    /// When it is no SRTP packet, was seen before, or is not the key holder's; the octets mean nothing then.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let len = packet.len();
        let payload = payload_start(packet).map_err(|_| SrtpError::Malformed { len })?;
        let ssrc = Ssrc(u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]));
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let known = self.rtp_sources.find(ssrc)?;
        let index = match &known {
            Some(window) => {
                let index = window.estimate(sequence)?;
                window.check(index)?;
                index
            }
            None => u64::from(sequence),
        };
        let len = self.rtp.unprotect(Place { ssrc, index }, packet, payload)?;
        match known {
            Some(window) => window.accept(index),
            None => self.rtp_sources.add(ssrc, index),
        }
        Ok(len)
    }

    /// Checks an RTCP compound and decrypts it in place; returns its new length.
    ///
    /// # Errors
    /// As for RTP, and when it says that it is not encrypted.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let len = packet.len();
        let malformed = SrtpError::Malformed { len };
        let at = self.rtcp.index_at(len).ok_or(malformed)?;
        let word = *packet[at..].first_chunk::<INDEX_WORD>().ok_or(malformed)?;
        let number = u32::from_be_bytes(word);
        if number & ENCRYPTED == 0 {
            return Err(SrtpError::Unencrypted);
        }
        let index = u64::from(number & !ENCRYPTED);
        let ssrc = Ssrc(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]));
        let known = self.rtcp_sources.find(ssrc)?;
        if let Some(window) = &known {
            window.check(index)?;
        }
        let len = self.rtcp.unprotect(Place { ssrc, index }, packet, word)?;
        match known {
            Some(window) => window.accept(index),
            None => self.rtcp_sources.add(ssrc, index),
        }
        Ok(len)
    }
}

impl fmt::Debug for SrtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpReceiver")
            .field("rtp_sources", &self.rtp_sources.0.len())
            .field("rtcp_sources", &self.rtcp_sources.0.len())
            .finish_non_exhaustive()
    }
}

/// Sources that have proved themselves, at most [`MAX_SOURCES`].
#[derive(Debug)]
struct Sources(Vec<(Ssrc, ReplayWindow)>);

impl Default for Sources {
    fn default() -> Self {
        Self(Vec::with_capacity(MAX_SOURCES))
    }
}

impl Sources {
    /// The source's window, or `None` when it would be a new one.
    fn find(&mut self, ssrc: Ssrc) -> Result<Option<&mut ReplayWindow>, SrtpError> {
        let full = self.0.len() == MAX_SOURCES;
        match self.0.iter_mut().find(|(known, _)| *known == ssrc) {
            Some((_, window)) => Ok(Some(window)),
            None if full => Err(SrtpError::TooManySources),
            None => Ok(None),
        }
    }

    fn add(&mut self, ssrc: Ssrc, index: u64) {
        self.0.push((ssrc, ReplayWindow::new(index)));
    }
}
