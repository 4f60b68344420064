//! A codec that may come, and what makes of it audio at the transport's rate.

use crate::codec::{AudioCodec, CodecError, Decoder, MAX_PACKET_MS, Resampler};
use crate::ids::PayloadType;
use crate::jitter::Packet;
use crate::time::MEDIA_RATE;

/// Concealment comes in multiples of this part of a second: 2.5 ms, the shortest frame of Opus.
const QUANTUM: usize = 400;

/// Decodes the packets of one payload type.
pub(super) struct Voice {
    number: PayloadType,
    codec: AudioCodec,
    decoder: Box<dyn Decoder>,
    /// Samples per second of the codec, and of what comes out.
    from: u32,
    to: u32,
    resampling: Option<Resampling>,
}

struct Resampling {
    resampler: Resampler,
    /// Audio at the codec's rate.
    decoded: Box<[i16]>,
}

/// What a packet held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Samples at the transport's rate.
    pub(super) samples: usize,
    /// How long it lasts, in media time.
    pub(super) ticks: i64,
}

impl Voice {
    pub(super) fn new(number: PayloadType, codec: AudioCodec, sample_rate: u32) -> Result<Self, CodecError> {
        let from = codec.spec().sample_rate;
        let longest = samples(MAX_PACKET_MS, from);
        let resampling = Resampler::new(from, sample_rate, longest)?.map(|resampler| Resampling {
            resampler,
            decoded: vec![0; longest].into_boxed_slice(),
        });
        Ok(Self {
            number,
            codec,
            decoder: codec.decoder()?,
            from,
            to: sample_rate,
            resampling,
        })
    }

    /// Its number and codec.
    pub(super) fn format(&self) -> (PayloadType, AudioCodec) {
        (self.number, self.codec)
    }

    /// Samples per second that come out.
    pub(super) fn sample_rate(&self) -> u32 {
        self.to
    }

    /// The same under another number.
    pub(super) fn numbered(self, number: PayloadType) -> Self {
        Self { number, ..self }
    }

    /// Decodes a payload to `pcm`.
    pub(super) fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<Heard, CodecError> {
        let Some(Resampling { resampler, decoded }) = &mut self.resampling else {
            let samples = self.decoder.decode(payload, pcm)?;
            return Ok(self.heard(samples, samples));
        };
        let raw = self.decoder.decode(payload, decoded)?;
        let samples = resampler.process(&decoded[..raw], pcm);
        Ok(self.heard(raw, samples))
    }

    /// Makes up about `wanted` samples.
    pub(super) fn conceal(&mut self, wanted: usize, pcm: &mut [i16]) -> Heard {
        let raw = self.to_conceal(wanted, pcm.len());
        let Some(Resampling { resampler, decoded }) = &mut self.resampling else {
            self.decoder.conceal(&mut pcm[..raw]);
            return self.heard(raw, raw);
        };
        self.decoder.conceal(&mut decoded[..raw]);
        let samples = resampler.process(&decoded[..raw], pcm);
        self.heard(raw, samples)
    }

    /// Brings about `wanted` lost samples back from the packet behind them, if that holds them.
    pub(super) fn recover(&mut self, next: Packet<'_>, wanted: usize, pcm: &mut [i16]) -> Option<Heard> {
        if next.payload_type != self.number {
            return None;
        }
        let raw = self.to_conceal(wanted, pcm.len());
        let Some(Resampling { resampler, decoded }) = &mut self.resampling else {
            let recovered = self.decoder.recover(next.payload, &mut pcm[..raw]);
            return recovered.then(|| self.heard(raw, raw));
        };
        if !self.decoder.recover(next.payload, &mut decoded[..raw]) {
            return None;
        }
        let samples = resampler.process(&decoded[..raw], pcm);
        Some(self.heard(raw, samples))
    }

    /// Begins as if nothing had been heard, after another codec spoke.
    pub(super) fn restart(&mut self) {
        self.decoder.restart();
        if let Some(Resampling { resampler, .. }) = &mut self.resampling {
            resampler.restart();
        }
    }

    /// Samples at the codec's rate that make `wanted` ones, at least.
    fn to_conceal(&self, wanted: usize, room: usize) -> usize {
        let (from, to) = (self.from as usize, self.to as usize);
        let quantum = from / QUANTUM;
        let most = match &self.resampling {
            Some(resampling) => resampling.decoded.len(),
            None => room,
        };
        let raw = (wanted * from).div_ceil(to);
        raw.next_multiple_of(quantum)
            .clamp(quantum, most / quantum * quantum)
    }

    fn heard(&self, raw: usize, samples: usize) -> Heard {
        Heard {
            samples,
            ticks: raw as i64 * i64::from(MEDIA_RATE) / i64::from(self.from),
        }
    }
}

/// Samples in that many milliseconds.
pub(super) fn samples(ms: u32, sample_rate: u32) -> usize {
    (u64::from(sample_rate) * u64::from(ms)).div_ceil(1000) as usize
}
