//! GSM full rate, 13 kbit/s (ETSI EN 300 961, once GSM 06.10), in frames of 33 octets (RFC 3551 §4.5.8).
//!
//! Bit for bit what the standard's integers give, which the tests show against frames of the reference program.

mod long_term;
mod math;
mod pulses;
mod short_term;

use super::{CodecError, Concealer, Decoder, Encoder, room};
use long_term::{History, Pitch};
use math::mult_r;
use pulses::Pulses;
use short_term::{AreaRatios, Lattice, ORDER};

/// Samples of a frame, of 20 ms.
const FRAME: usize = 160;

/// Samples of each of its four subframes.
const SUBFRAME: usize = 40;

/// Octets of a frame.
const FRAME_LEN: usize = 33;

/// The first four bits of a frame (RFC 3551 §4.5.8.1).
const SIGNATURE: u8 = 0xd;

/// Bits of each area ratio.
const RATIO_BITS: [u32; ORDER] = [6, 6, 5, 5, 4, 4, 3, 3];

/// Pre-emphasis and its undoing, as fractions of 32768 (EN 300 961 §5.2.3 and §5.3.5).
const EMPHASIS: i16 = 28_180;

/// A frame as it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Frame {
    ratios: [u8; ORDER],
    subframes: [(Pitch, Pulses); 4],
}

impl Frame {
    fn write(&self, octets: &mut [u8; FRAME_LEN]) {
        let mut bits = BitWriter { octets, place: 0 };
        bits.put(SIGNATURE, 4);
        for (ratio, width) in self.ratios.into_iter().zip(RATIO_BITS) {
            bits.put(ratio, width);
        }
        for (pitch, pulses) in &self.subframes {
            bits.put(pitch.lag, 7);
            bits.put(pitch.gain, 2);
            bits.put(pulses.grid, 2);
            bits.put(pulses.peak, 6);
            for height in pulses.heights {
                bits.put(height, 3);
            }
        }
    }

    fn read(octets: &[u8; FRAME_LEN]) -> Option<Self> {
        let mut bits = BitReader { octets, place: 0 };
        if bits.take(4) != SIGNATURE {
            return None;
        }
        let mut frame = Self::default();
        for (ratio, width) in frame.ratios.iter_mut().zip(RATIO_BITS) {
            *ratio = bits.take(width);
        }
        for (pitch, pulses) in &mut frame.subframes {
            pitch.lag = bits.take(7);
            pitch.gain = bits.take(2);
            pulses.grid = bits.take(2);
            pulses.peak = bits.take(6);
            for height in &mut pulses.heights {
                *height = bits.take(3);
            }
        }
        Some(frame)
    }
}

struct BitWriter<'a> {
    octets: &'a mut [u8; FRAME_LEN],
    place: u32,
}

impl BitWriter<'_> {
    /// The highest bit first.
    fn put(&mut self, value: u8, width: u32) {
        for bit in (0..width).rev() {
            let octet = &mut self.octets[(self.place / 8) as usize];
            *octet = *octet << 1 | (value >> bit & 1);
            self.place += 1;
        }
    }
}

struct BitReader<'a> {
    octets: &'a [u8; FRAME_LEN],
    place: u32,
}

impl BitReader<'_> {
    fn take(&mut self, width: u32) -> u8 {
        (0..width).fold(0, |value, _| {
            let octet = self.octets[(self.place / 8) as usize];
            let bit = octet >> (7 - self.place % 8) & 1;
            self.place += 1;
            value << 1 | bit
        })
    }
}

/// Makes frames.
struct GsmEncoder {
    high_pass: HighPass,
    ratios: AreaRatios,
    lattice: Lattice,
    history: History,
}

pub(super) fn encoder() -> Box<dyn Encoder> {
    Box::new(GsmEncoder {
        high_pass: HighPass::default(),
        ratios: AreaRatios::default(),
        lattice: Lattice::default(),
        history: History::new(),
    })
}

impl GsmEncoder {
    fn frame(&mut self, pcm: &[i16; FRAME]) -> Frame {
        let mut samples = pcm.map(|sample| self.high_pass.next(sample));
        let ratios = short_term::analyse(&mut samples);
        self.ratios.follow(ratios);
        self.lattice.analyse(&self.ratios, &mut samples);
        self.history.begin_frame();
        let mut frame = Frame {
            ratios,
            ..Frame::default()
        };
        let (residuals, _) = samples.as_chunks::<SUBFRAME>();
        for (number, residual) in residuals.iter().enumerate() {
            let pitch = self.history.search(number, residual);
            let expected = self.history.expected(number, pitch);
            let rest = std::array::from_fn(|i| residual[i].saturating_sub(expected[i]));
            let pulses = Pulses::encode(&rest);
            self.history.heard(number, &expected, &pulses.decode());
            frame.subframes[number] = (pitch, pulses);
        }
        frame
    }
}

impl Encoder for GsmEncoder {
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let (frames, rest) = pcm.as_chunks::<FRAME>();
        if frames.is_empty() || !rest.is_empty() {
            return Err(CodecError::Frame { samples: pcm.len() });
        }
        let payload = room(payload, frames.len() * FRAME_LEN)?;
        let (octets, _) = payload.as_chunks_mut::<FRAME_LEN>();
        for (pcm, octets) in frames.iter().zip(octets) {
            self.frame(pcm).write(octets);
        }
        Ok(payload.len())
    }
}

/// Takes the offset out of what was captured, and makes the treble louder (§5.2.1 to §5.2.3).
#[derive(Debug, Default)]
struct HighPass {
    before: i16,
    slow: i32,
    emphasised: i16,
}

impl HighPass {
    fn next(&mut self, sample: i16) -> i16 {
        // Thirteen bits count.
        let sample = (sample >> 3) << 2;
        let step = i32::from(sample - self.before) << 15;
        self.before = sample;
        // A product of 31 by 16 bits.
        let (high, low) = ((self.slow >> 15) as i16, (self.slow & 0x7fff) as i16);
        let step = step + i32::from(mult_r(low, 32_735));
        self.slow = (i32::from(high) * 32_735).saturating_add(step);
        let level = (self.slow.saturating_add(16_384) >> 15) as i16;
        let emphasised = level.saturating_add(mult_r(self.emphasised, -EMPHASIS));
        self.emphasised = level;
        emphasised
    }
}

/// Reads frames.
struct GsmDecoder {
    ratios: AreaRatios,
    lattice: Lattice,
    history: History,
    emphasised: i16,
    concealer: Concealer,
}

pub(super) fn decoder() -> Box<dyn Decoder> {
    Box::new(GsmDecoder {
        ratios: AreaRatios::default(),
        lattice: Lattice::default(),
        history: History::new(),
        emphasised: 0,
        concealer: Concealer::new(8000),
    })
}

impl GsmDecoder {
    fn frame(&mut self, frame: &Frame, pcm: &mut [i16; FRAME]) {
        self.history.begin_frame();
        for (number, (pitch, pulses)) in frame.subframes.iter().enumerate() {
            let expected = self.history.expected(number, *pitch);
            self.history.heard(number, &expected, &pulses.decode());
        }
        self.ratios.follow(frame.ratios);
        pcm.copy_from_slice(self.history.frame());
        self.lattice.synthesise(&self.ratios, pcm);
        // §5.3.5 to §5.3.7: de-emphasis, and the three bits that say nothing.
        for sample in pcm {
            self.emphasised = sample.saturating_add(mult_r(self.emphasised, EMPHASIS));
            *sample = self.emphasised.saturating_add(self.emphasised) & !7;
        }
    }
}

impl Decoder for GsmDecoder {
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        let broken = CodecError::Payload { len: payload.len() };
        let (frames, rest) = payload.as_chunks::<FRAME_LEN>();
        if frames.is_empty() || !rest.is_empty() {
            return Err(broken);
        }
        let pcm = room(pcm, frames.len() * FRAME)?;
        let (samples, _) = pcm.as_chunks_mut::<FRAME>();
        for (octets, samples) in frames.iter().zip(samples) {
            let frame = Frame::read(octets).ok_or(broken)?;
            self.frame(&frame, samples);
        }
        self.concealer.heard(pcm);
        Ok(pcm.len())
    }

    fn conceal(&mut self, pcm: &mut [i16]) {
        self.concealer.conceal(pcm);
    }

    fn restart(&mut self) {
        self.ratios = AreaRatios::default();
        self.lattice = Lattice::default();
        self.history = History::new();
        self.emphasised = 0;
        self.concealer.restart();
    }
}

#[cfg(test)]
mod tests;
