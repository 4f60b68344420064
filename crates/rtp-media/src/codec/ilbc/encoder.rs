//! The encoder (RFC 3951 §3).

use super::excitation::ExcitationEncoder;
use super::filter::{Filter, HighPass, Memory, ORDER, Prediction, analyse, widened};
use super::frame::Frame;
use super::lsf::{self, Frequencies};
use super::mode::{IlbcMode, LONGEST, MOST_SUB_BLOCKS, SUB_BLOCK};
use super::tables::MEAN_FREQUENCIES;
use crate::codec::{CodecError, Encoder};

/// How far the filter is taken back for the perceptual weighting (§3.4).
const WEIGHTING: f32 = 0.4222;

/// Makes frames.
struct IlbcEncoder {
    mode: IlbcMode,
    high_pass: HighPass,
    prediction: Prediction,
    /// The frame before's last frequencies, as they were found.
    frequencies: Frequencies,
    /// The same as they were sent.
    sent: Frequencies,
    memory: Memory,
    excitation: ExcitationEncoder,
}

pub(in crate::codec) fn encoder(mode: IlbcMode) -> Box<dyn Encoder> {
    Box::new(IlbcEncoder {
        mode,
        high_pass: HighPass::CAPTURED,
        prediction: Prediction::new(mode),
        frequencies: MEAN_FREQUENCIES,
        sent: MEAN_FREQUENCIES,
        memory: [0.0; ORDER],
        excitation: ExcitationEncoder::new(),
    })
}

impl IlbcEncoder {
    fn frame(&mut self, pcm: &[i16]) -> Frame {
        let mut samples = [0.0; LONGEST];
        let samples = &mut samples[..pcm.len()];
        for (sample, pcm) in samples.iter_mut().zip(pcm) {
            *sample = self.high_pass.next(f32::from(*pcm));
        }
        let mut frame = Frame {
            empty: 0,
            ..Frame::EMPTY
        };
        let (filters, weights) = self.filters(samples, &mut frame);
        for (samples, filter) in samples.chunks_mut(SUB_BLOCK).zip(&filters) {
            analyse(filter, &mut self.memory, samples);
        }
        self.excitation
            .encode(self.mode, samples, &filters, &weights, &mut frame);
        frame
    }

    /// The filters of each sub-block as the decoder will have them, and those that weight the error.
    fn filters(
        &mut self,
        samples: &[f32],
        frame: &mut Frame,
    ) -> ([Filter; MOST_SUB_BLOCKS], [Filter; MOST_SUB_BLOCKS]) {
        let mut before = self.frequencies;
        let found = self.prediction.of(samples).map(|filter| {
            // A filter of which not all are found has a spectrum too sharp to matter for long: the last ones stay.
            before = lsf::from_filter(&filter).unwrap_or(before);
            before
        });
        frame.frequencies = found.map(|frequencies| lsf::quantize(&frequencies));
        let sent = frame.frequencies.map(lsf::dequantize);
        let filters = lsf::interpolate(self.mode, &self.sent, &sent);
        let weights = lsf::interpolate(self.mode, &self.frequencies, &found);
        self.frequencies = lsf::last_set(self.mode, &found);
        self.sent = lsf::last_set(self.mode, &sent);
        (filters, weights.map(|filter| widened(&filter, WEIGHTING)))
    }
}

impl Encoder for IlbcEncoder {
    fn encode(&mut self, pcm: &[i16], payload: &mut [u8]) -> Result<usize, CodecError> {
        let (samples, octets) = (self.mode.samples(), self.mode.octets());
        if pcm.is_empty() || !pcm.len().is_multiple_of(samples) {
            return Err(CodecError::Frame { samples: pcm.len() });
        }
        let (need, have) = (pcm.len() / samples * octets, payload.len());
        let room = payload
            .get_mut(..need)
            .ok_or(CodecError::BufferTooSmall { need, have })?;
        for (pcm, octets) in pcm.chunks_exact(samples).zip(room.chunks_exact_mut(octets)) {
            self.frame(pcm).write(self.mode, octets);
        }
        Ok(need)
    }
}
