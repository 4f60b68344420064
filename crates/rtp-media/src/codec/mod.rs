//! Audio codecs: one frame of PCM in, one payload out, and back.
//!
//! PCM is 16-bit mono at the codec's own [sample rate](CodecSpec::sample_rate); a mixer resamples at its edge.
//! Encoders and decoders allocate when they are made and not again (Opus's port allocates inside; see the
//! figures in the crate's README).

mod comfort_noise;
mod conceal;
mod g711;
#[cfg(feature = "g722")]
mod g722;
#[cfg(feature = "gsm")]
mod gsm;
#[cfg(feature = "ilbc")]
mod ilbc;
mod l16;
#[cfg(feature = "opus")]
mod opus;
mod resampler;
mod spec;
pub(crate) mod waveform;

pub use comfort_noise::{COMFORT_NOISE_PAYLOAD, ComfortNoise};
pub(crate) use comfort_noise::{NoiseMaker, level};
pub use g711::{Law, a_law_decode, a_law_encode, u_law_decode, u_law_encode};
#[cfg(feature = "g722")]
pub use g722::{G722Decoder, G722Encoder};
#[cfg(feature = "ilbc")]
pub use ilbc::IlbcMode;
pub use l16::L16;
#[cfg(feature = "opus")]
pub use opus::OpusParameters;
pub(crate) use resampler::{Resampler, rest_at_rate};
pub use spec::{AudioCodec, CodecSpec, UnknownCodec};

use conceal::Concealer;

/// Longest audio one packet may carry, in milliseconds: what Opus allows (RFC 7587 §4.2), and ample for the rest.
pub const MAX_PACKET_MS: u32 = 120;

/// Why a codec refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The peer's fault: the payload is not what this codec makes.
    #[error("payload of {len} bytes is broken")]
    Payload {
        /// Octets of the payload.
        len: usize,
    },
    /// The caller's fault: the codec cannot encode a frame of this many samples.
    #[error("frame of {samples} samples")]
    Frame {
        /// Samples of the frame.
        samples: usize,
    },
    /// The caller's fault, or a payload longer than [`MAX_PACKET_MS`]: the result does not fit.
    #[error("result needs {need} places, buffer has {have}")]
    BufferTooSmall {
        /// Octets or samples of the result.
        need: usize,
        /// Octets or samples of the buffer.
        have: usize,
    },
    /// The codec could not be made with these parameters.
    #[error("codec parameters are out of range")]
    Parameters,
}

/// The places of a buffer that a result of `need` of them takes.
fn room<T>(buffer: &mut [T], need: usize) -> Result<&mut [T], CodecError> {
    let have = buffer.len();
    let room = buffer.get_mut(..need);
    room.ok_or(CodecError::BufferTooSmall { need, have })
}

/// Turns frames of PCM into payloads.
pub trait Encoder: Send {
    /// Encodes one frame; returns the octets written to `payload`. Zero octets mean that there is nothing worth
    /// sending (discontinuous transmission).
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError>;

    /// Tells the encoder which part of its packets the peer says is lost, in percent, so that it may add
    /// redundancy. Does nothing for codecs without any.
    fn expect_loss(&mut self, percent: u8) {
        let _ = percent;
    }
}

/// Turns payloads into PCM and makes up for those that are lost.
pub trait Decoder: Send {
    /// Decodes one payload; returns the samples written to `pcm`.
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError>;

    /// Fills `pcm` with what may have been in a packet that is lost. The length is a multiple of 2.5 ms.
    fn conceal(&mut self, pcm: &mut [i16]);

    /// Fills `pcm` with the lost frame from the redundancy in the packet that came after it. False when there is
    /// none: then nothing was written.
    fn recover(&mut self, next_payload: &[u8], pcm: &mut [i16]) -> bool {
        let _ = (next_payload, pcm);
        false
    }

    /// Begins as if nothing had been decoded, after another codec was heard in between: what the encoder remembers by now is
    /// not what was heard last, and a decoder that begins from nothing starts softly.
    fn restart(&mut self);
}
