//! L16: samples of 16 bits as they are (RFC 3551 §4.5.11).

use super::{CodecError, Concealer, Decoder, Encoder, room};

/// Rate and channels of linear audio. Here it is one channel: two that come are mixed, and one that goes is said on both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct L16 {
    sample_rate: u32,
    channels: u8,
}

impl L16 {
    /// The rates that are taken: those of RFC 3551 §4.5.11 but 11,025 and 22,050 Hz, which fill no 10 ms.
    pub const RATES: &'static [u32] = &[8000, 16_000, 24_000, 32_000, 44_100, 48_000];

    /// Linear audio of one of the [rates](Self::RATES), of one or two channels; `None` for others.
    pub const fn new(sample_rate: u32, channels: u8) -> Option<Self> {
        let known = matches!(sample_rate, 8000 | 16_000 | 24_000 | 32_000 | 44_100 | 48_000);
        if known && (channels == 1 || channels == 2) {
            Some(Self {
                sample_rate,
                channels,
            })
        } else {
            None
        }
    }

    /// Samples of each channel in a second; also the RTP clock.
    pub const fn sample_rate(self) -> u32 {
        self.sample_rate
    }

    /// One or two.
    pub const fn channels(self) -> u8 {
        self.channels
    }

    /// The number that RFC 3551 §6 gives: 10 and 11, at 44,100 Hz.
    pub(super) const fn static_payload(self) -> Option<u8> {
        match (self.sample_rate, self.channels) {
            (44_100, 2) => Some(10),
            (44_100, _) => Some(11),
            _ => None,
        }
    }

    /// Octets of one sample of all channels.
    const fn octets(self) -> usize {
        2 * self.channels as usize
    }
}

struct L16Encoder(L16);

struct L16Decoder {
    format: L16,
    concealer: Concealer,
}

pub(super) fn encoder(format: L16) -> Box<dyn Encoder> {
    Box::new(L16Encoder(format))
}

pub(super) fn decoder(format: L16) -> Box<dyn Decoder> {
    Box::new(L16Decoder {
        format,
        concealer: Concealer::new(format.sample_rate),
    })
}

impl Encoder for L16Encoder {
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let octets = self.0.octets();
        let payload = room(payload, pcm.len() * octets)?;
        for (place, sample) in payload.chunks_exact_mut(octets).zip(pcm) {
            for channel in place.as_chunks_mut().0 {
                *channel = sample.to_be_bytes();
            }
        }
        Ok(payload.len())
    }
}

impl Decoder for L16Decoder {
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        let octets = self.format.octets();
        if !payload.len().is_multiple_of(octets) {
            return Err(CodecError::Payload { len: payload.len() });
        }
        let pcm = room(pcm, payload.len() / octets)?;
        let samples = payload.as_chunks().0;
        if self.format.channels == 1 {
            for (sample, octets) in pcm.iter_mut().zip(samples) {
                *sample = i16::from_be_bytes(*octets);
            }
        } else {
            for (sample, [left, right]) in pcm.iter_mut().zip(samples.as_chunks().0) {
                *sample = i16::midpoint(i16::from_be_bytes(*left), i16::from_be_bytes(*right));
            }
        }
        self.concealer.heard(pcm);
        Ok(pcm.len())
    }

    fn conceal(&mut self, pcm: &mut [i16]) {
        self.concealer.conceal(pcm);
    }

    fn restart(&mut self) {
        self.concealer.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_go_in_network_order_on_each_channel() {
        let mut payload = [0; 12];
        for (channels, wanted) in [
            (1, &[0x12, 0x34, 0xff, 0xfe][..]),
            (2, &[0x12, 0x34, 0x12, 0x34, 0xff, 0xfe, 0xff, 0xfe]),
        ] {
            let format = L16::new(44_100, channels).unwrap();
            let len = encoder(format).encode(&[0x1234, -2], &mut payload).unwrap();
            assert_eq!(payload[..len], *wanted);
            let mut pcm = [0; 4];
            assert_eq!(decoder(format).decode(&payload[..len], &mut pcm), Ok(2));
            assert_eq!(pcm[..2], [0x1234, -2]);
        }
    }

    #[test]
    fn two_channels_are_heard_as_their_middle() {
        let format = L16::new(16_000, 2).unwrap();
        let channels: [i16; 6] = [1000, 3000, i16::MAX, i16::MAX, i16::MIN, i16::MIN];
        let payload: Vec<u8> = channels.iter().flat_map(|sample| sample.to_be_bytes()).collect();
        let mut pcm = [0; 3];
        assert_eq!(decoder(format).decode(&payload, &mut pcm), Ok(3));
        assert_eq!(pcm, [2000, i16::MAX, i16::MIN]);
    }

    #[test]
    fn broken_payloads_and_small_buffers_are_refused() {
        let format = L16::new(8000, 2).unwrap();
        let mut pcm = [0; 2];
        assert_eq!(
            decoder(format).decode(&[0; 6], &mut pcm),
            Err(CodecError::Payload { len: 6 })
        );
        let small = CodecError::BufferTooSmall { need: 3, have: 2 };
        assert_eq!(decoder(format).decode(&[0; 12], &mut pcm), Err(small));
        let small = CodecError::BufferTooSmall { need: 8, have: 7 };
        assert_eq!(encoder(format).encode(&[0; 2], &mut [0; 7]), Err(small));
    }

    #[test]
    fn only_the_rates_that_fill_10_ms_are_taken() {
        for rate in L16::RATES {
            assert!(rate.is_multiple_of(100));
            assert_eq!(L16::new(*rate, 2).map(L16::sample_rate), Some(*rate));
        }
        for (rate, channels) in [(11_025, 1), (96_000, 1), (48_000, 0), (48_000, 3)] {
            assert_eq!(L16::new(rate, channels), None);
        }
    }
}
