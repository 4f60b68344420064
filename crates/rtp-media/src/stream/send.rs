//! The way out: captured audio gathered to packets and encoded.

use crate::codec::{AudioCodec, CodecError, CodecSpec, Encoder};

/// Gathers captured audio to packets.
pub(super) struct Sender {
    encoder: Box<dyn Encoder>,
    /// Audio of the packet in the making; `gathered` samples of it are there.
    pcm: Box<[i16]>,
    gathered: usize,
    /// Ticks of one packet.
    ticks: u32,
    /// The next packet begins a talk spurt.
    pub(super) marker: bool,
}

impl Sender {
    pub(super) fn new(codec: AudioCodec, ptime_ms: u32, remote_fmtp: &str) -> Result<Self, CodecError> {
        let CodecSpec {
            sample_rate,
            clock_rate,
            ..
        } = codec.spec();
        Ok(Self {
            encoder: codec.encoder(remote_fmtp)?,
            pcm: vec![0; (sample_rate / 1000 * ptime_ms) as usize].into_boxed_slice(),
            gathered: 0,
            ticks: clock_rate / 1000 * ptime_ms,
            marker: true,
        })
    }

    /// Takes as much of a frame as the packet in the making holds; returns what is left of the frame, and whether
    /// the packet is full.
    pub(super) fn gather<'f>(&mut self, frame: &'f [i16]) -> (&'f [i16], bool) {
        let taken = frame.len().min(self.pcm.len() - self.gathered);
        let (now, later) = frame.split_at(taken);
        self.pcm[self.gathered..self.gathered + taken].copy_from_slice(now);
        self.gathered += taken;
        let full = self.gathered == self.pcm.len();
        if full {
            self.gathered = 0;
        }
        (later, full)
    }

    /// Ticks of one packet.
    pub(super) fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Encodes the full packet.
    pub(super) fn encode(&mut self, payload: &mut [u8]) -> Result<usize, CodecError> {
        self.encoder.encode(&self.pcm, payload)
    }

    /// Tells the encoder what the peer loses, in 1/256.
    pub(super) fn expect_loss(&mut self, fraction: u8) {
        self.encoder.expect_loss((u32::from(fraction) * 100 / 256) as u8);
    }
}
