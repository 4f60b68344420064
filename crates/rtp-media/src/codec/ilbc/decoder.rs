//! The decoder (RFC 3951 §4).

use super::codebook::Codebook;
use super::conceal::Continuation;
use super::enhancer::History;
use super::excitation;
use super::filter::{FLAT, Filter, HighPass, Memory, ORDER, synthesise};
use super::frame::Frame;
use super::lsf::{self, Frequencies};
use super::mode::{IlbcMode, MOST_SUB_BLOCKS, SUB_BLOCK};
use super::tables::MEAN_FREQUENCIES;
use crate::codec::{CodecError, Decoder};

/// What a filter's output never reaches with sound in it: a frame that was made to ring is cut off here.
const TOO_LOUD: f32 = 1e6;

/// Reads frames of both modes: their lengths tell which it is.
struct IlbcDecoder {
    mode: IlbcMode,
    /// The last frequencies of the frame before.
    frequencies: Frequencies,
    codebook: Codebook,
    history: History,
    continuation: Continuation,
    /// The last two sub-blocks' filters: the enhancer gives their excitation late.
    late: [Filter; 2],
    memory: Memory,
    high_pass: HighPass,
}

pub(in crate::codec) fn decoder() -> Box<dyn Decoder> {
    Box::new(IlbcDecoder::new(IlbcMode::Ms30))
}

impl IlbcDecoder {
    fn new(mode: IlbcMode) -> Self {
        Self {
            mode,
            frequencies: MEAN_FREQUENCIES,
            codebook: Codebook::EMPTY,
            history: History::SILENCE,
            continuation: Continuation::NONE,
            late: [FLAT; 2],
            memory: [0.0; ORDER],
            high_pass: HighPass::HEARD,
        }
    }

    fn frame(&mut self, frame: &Frame, pcm: &mut [i16]) {
        let filters = self.filters(frame);
        let samples = self.mode.samples();
        let excitation = &mut excitation::decode(self.mode, frame, &filters, &mut self.codebook)[..samples];
        if self.continuation.lost() > 0 {
            self.continuation.merge_into(excitation);
            self.late = [self.late[1]; 2];
        }
        self.history.push(excitation);
        let mut enhanced = self.history.enhance(self.mode);
        let last = self.mode.sub_blocks() - 1;
        let late = std::mem::replace(&mut self.late, [filters[last - 1], filters[last]]);
        let in_turn = late[2 - self.mode.delay() / SUB_BLOCK..].iter().chain(&filters);
        let blocks = enhanced[..samples].chunks_mut(SUB_BLOCK);
        for ((block, filter), pcm) in blocks.zip(in_turn).zip(pcm.chunks_mut(SUB_BLOCK)) {
            self.synthesise(filter, block, pcm);
        }
    }

    /// The filter of each sub-block (§4.1).
    fn filters(&mut self, frame: &Frame) -> [Filter; MOST_SUB_BLOCKS] {
        let sets = frame.frequencies.map(lsf::dequantize);
        let filters = lsf::interpolate(self.mode, &self.frequencies, &sets);
        self.frequencies = lsf::last_set(self.mode, &sets);
        filters
    }

    fn synthesise(&mut self, filter: &Filter, excitation: &mut [f32], pcm: &mut [i16]) {
        synthesise(filter, &mut self.memory, excitation);
        if !excitation.iter().all(|sample| sample.abs() < TOO_LOUD) {
            excitation.fill(0.0);
            self.memory = [0.0; ORDER];
        }
        for (pcm, sample) in pcm.iter_mut().zip(excitation) {
            // The conversion holds what is too loud at the ends of the range.
            *pcm = self.high_pass.next(*sample).round() as i16;
        }
    }

    /// Makes up at most a sub-block.
    fn continued(&mut self, pcm: &mut [i16]) {
        let (lost, delay) = (self.continuation.lost(), self.mode.delay());
        let mut excitation = [0.0; SUB_BLOCK];
        let excitation = &mut excitation[..pcm.len()];
        self.continuation.continue_from(&self.history, excitation);
        self.history.push(excitation);
        excitation.copy_from_slice(self.history.late(pcm.len(), delay));
        // What the enhancer held back comes first, with its own filter.
        let filter = if lost + SUB_BLOCK < delay {
            self.late[0]
        } else {
            self.late[1]
        };
        self.synthesise(&filter, excitation, pcm);
    }
}

impl Decoder for IlbcDecoder {
    fn decode(&mut self, payload: &[u8], pcm: &mut [i16]) -> Result<usize, CodecError> {
        let mode = IlbcMode::of_payload(payload.len()).ok_or(CodecError::Payload { len: payload.len() })?;
        let frames = payload.chunks_exact(mode.octets());
        let (need, have) = (frames.len() * mode.samples(), pcm.len());
        let pcm = pcm
            .get_mut(..need)
            .ok_or(CodecError::BufferTooSmall { need, have })?;
        if mode != self.mode {
            *self = Self::new(mode);
        }
        for (octets, pcm) in frames.zip(pcm.chunks_exact_mut(mode.samples())) {
            match Frame::read(mode, octets) {
                Some(frame) => self.frame(&frame, pcm),
                None => self.conceal(pcm),
            }
        }
        Ok(need)
    }

    fn conceal(&mut self, pcm: &mut [i16]) {
        for pcm in pcm.chunks_mut(SUB_BLOCK) {
            self.continued(pcm);
        }
    }

    fn restart(&mut self) {
        *self = Self::new(self.mode);
    }
}
