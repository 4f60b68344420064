//! G.722 at 64 kbit/s, from the algorithm of ITU-T G.722 (11/88): two bands of ADPCM behind a QMF filter bank.
//!
//! One octet carries two samples at 16 kHz: six bits of the lower band, two of the upper. Samples are 16 bits at
//! full scale on both ends, as the recommendation's 0 dB convention has it.

mod band;
mod qmf;

use super::{CodecError, Concealer, Decoder, Encoder, room};
use band::{HighBand, LowBand};
use qmf::{Analysis, Synthesis};

/// Samples per second.
const SAMPLE_RATE: u32 = 16_000;

/// Encodes 16 kHz samples, two to an octet.
#[derive(Clone, Debug)]
pub struct G722Encoder {
    filter: Analysis,
    low: LowBand,
    high: HighBand,
}

impl G722Encoder {
    /// An encoder in its initial state.
    pub fn new() -> Self {
        Self {
            filter: Analysis::default(),
            low: LowBand::new(),
            high: HighBand::new(),
        }
    }

    /// Encodes two samples.
    pub fn encode_pair(&mut self, samples: [i16; 2]) -> u8 {
        let (low, high) = self.filter.split(samples);
        self.low.encode(low) | self.high.encode(high) << 6
    }
}

impl Default for G722Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder for G722Encoder {
    /// Encodes an even number of samples.
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let (pairs, rest) = pcm.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(CodecError::Frame { samples: pcm.len() });
        }
        let payload = room(payload, pairs.len())?;
        for (octet, pair) in payload.iter_mut().zip(pairs) {
            *octet = self.encode_pair(*pair);
        }
        Ok(payload.len())
    }
}

/// Decodes octets to two 16 kHz samples each.
#[derive(Clone, Debug)]
pub struct G722Decoder {
    filter: Synthesis,
    low: LowBand,
    high: HighBand,
}

impl G722Decoder {
    /// A decoder in its initial state.
    pub fn new() -> Self {
        Self {
            filter: Synthesis::default(),
            low: LowBand::new(),
            high: HighBand::new(),
        }
    }

    /// Decodes one octet.
    pub fn decode_octet(&mut self, octet: u8) -> [i16; 2] {
        let low = self.low.decode(octet & 0x3f);
        let high = self.high.decode(octet >> 6);
        self.filter.join(low, high)
    }
}

impl Default for G722Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The decoder with concealment. The predictors keep their state over a loss: they adapt within a few milliseconds.
struct Concealing {
    decoder: G722Decoder,
    concealer: Concealer,
}

pub(super) fn decoder() -> Box<dyn Decoder> {
    Box::new(Concealing {
        decoder: G722Decoder::new(),
        concealer: Concealer::new(SAMPLE_RATE),
    })
}

impl Decoder for Concealing {
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        let pcm = room(pcm, payload.len() * 2)?;
        for (pair, octet) in pcm.as_chunks_mut::<2>().0.iter_mut().zip(payload) {
            *pair = self.decoder.decode_octet(*octet);
        }
        self.concealer.heard(pcm);
        Ok(pcm.len())
    }

    fn conceal(&mut self, pcm: &mut [i16]) {
        self.concealer.conceal(pcm);
    }

    fn restart(&mut self) {
        self.decoder = G722Decoder::new();
        self.concealer.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with FFmpeg's codec, which agrees with SpanDSP's: a sweep with noise, overdriven and silent parts, and
    // random octets that visit states no encoder does.
    const SOURCE: &[u8] = include_bytes!("../../../tests/data/g722-source.s16le");
    const ENCODED: &[u8] = include_bytes!("../../../tests/data/g722-encoded.bin");
    const DECODED: &[u8] = include_bytes!("../../../tests/data/g722-decoded.s16le");
    const RANDOM: &[u8] = include_bytes!("../../../tests/data/g722-random.bin");
    const RANDOM_DECODED: &[u8] = include_bytes!("../../../tests/data/g722-random-decoded.s16le");

    fn samples(bytes: &[u8]) -> Vec<i16> {
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|octets| i16::from_le_bytes(*octets))
            .collect()
    }

    #[test]
    fn encoder_equals_the_reference_bit_for_bit() {
        let pcm = samples(SOURCE);
        let mut payload = vec![0; pcm.len() / 2];
        assert_eq!(G722Encoder::new().encode(&pcm, &mut payload), Ok(ENCODED.len()));
        assert_eq!(payload, ENCODED);
    }

    #[test]
    fn decoder_equals_the_reference_bit_for_bit() {
        for (payload, wanted) in [(ENCODED, DECODED), (RANDOM, RANDOM_DECODED)] {
            let mut pcm = vec![0; payload.len() * 2];
            assert_eq!(decoder().decode(payload, &mut pcm), Ok(pcm.len()));
            assert_eq!(pcm, samples(wanted));
        }
    }

    #[test]
    fn odd_frames_and_short_buffers_are_refused() {
        let mut encoder = G722Encoder::new();
        assert_eq!(
            encoder.encode(&[0; 3], &mut [0; 8]),
            Err(CodecError::Frame { samples: 3 })
        );
        let short = Err(CodecError::BufferTooSmall { need: 2, have: 1 });
        assert_eq!(encoder.encode(&[0; 4], &mut [0; 1]), short);
        assert_eq!(decoder().decode(&[0; 1], &mut [0; 1]), short);
    }
}
