//! The excitation of a frame: the start state, and around it pieces that each build on what is known (RFC 3951 §3.6 and §4.3).

use super::codebook::{Codebook, MEMORY, SHORT_MEMORY};
use super::filter::{Filter, ORDER, synthesise};
use super::frame::{Frame, Shape};
use super::mode::{IlbcMode, LONGEST, MOST_SUB_BLOCKS, SUB_BLOCK};
use super::{search, state};
use std::ops::Range;

/// A piece of the excitation that is coded from the adaptive codebook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Where it lies in the frame.
    pub(super) place: Range<usize>,
    /// What is known by then; it touches the piece.
    known: Range<usize>,
    /// Samples of the codebook's memory.
    memory: usize,
    /// Whether it is the first whole sub-block.
    narrow: bool,
}

impl Target {
    /// Whether it comes before what is known: then all is read backwards.
    pub(super) fn is_backward(&self) -> bool {
        self.place.start < self.known.start
    }

    /// The excitation that is known, with the sample that touches the piece last, and silence where there is none.
    pub(super) fn memory<'a>(&self, excitation: &[f32], room: &'a mut [f32; MEMORY]) -> &'a mut [f32] {
        let room = &mut room[..self.memory];
        let known = &excitation[self.known.clone()];
        let taken = known.len().min(self.memory);
        let (silence, end) = room.split_at_mut(self.memory - taken);
        silence.fill(0.0);
        if self.is_backward() {
            end.copy_from_slice(&known[..taken]);
            end.reverse();
        } else {
            end.copy_from_slice(&known[known.len() - taken..]);
        }
        room
    }

    pub(super) fn fill(&self, codebook: &mut Codebook, memory: &[f32]) {
        codebook.fill(memory, self.place.len(), self.narrow);
    }
}

/// The pieces in the order in which they are coded: what the start state leaves of its sub-blocks, those after it, and those
/// before it from the nearest on.
pub(super) fn targets(mode: IlbcMode, start: u8, state_first: u8) -> impl Iterator<Item = Target> {
    let state = state::place(mode, start, state_first);
    let pair = (usize::from(start) - 1) * SUB_BLOCK..(usize::from(start) + 1) * SUB_BLOCK;
    let rest = Target {
        place: if state_first == 1 {
            state.end..pair.end
        } else {
            pair.start..state.start
        },
        known: state,
        memory: SHORT_MEMORY,
        narrow: false,
    };
    let last = mode.samples();
    let after = (pair.end..last)
        .step_by(SUB_BLOCK)
        .map(move |begin| (begin, pair.start..begin));
    let before = (0..pair.start)
        .step_by(SUB_BLOCK)
        .rev()
        .map(move |begin| (begin, begin + SUB_BLOCK..last));
    let others = after.chain(before);
    let others = others.enumerate().map(|(number, (begin, known))| Target {
        place: begin..begin + SUB_BLOCK,
        known,
        memory: MEMORY,
        narrow: number == 0,
    });
    std::iter::once(rest).chain(others)
}

/// The excitation that a frame stands for.
pub(super) fn decode(
    mode: IlbcMode,
    frame: &Frame,
    filters: &[Filter; MOST_SUB_BLOCKS],
    codebook: &mut Codebook,
) -> [f32; LONGEST] {
    let mut excitation = decode_state(mode, frame, filters);
    let mut room = [0.0; MEMORY];
    for (target, shape) in targets(mode, frame.start, frame.state_first).zip(frame.shapes()) {
        target.fill(codebook, target.memory(&excitation, &mut room));
        construct(codebook, &target, *shape, &mut excitation);
    }
    excitation
}

fn decode_state(mode: IlbcMode, frame: &Frame, filters: &[Filter; MOST_SUB_BLOCKS]) -> [f32; LONGEST] {
    let mut excitation = [0.0; LONGEST];
    let place = state::place(mode, frame.start, frame.state_first);
    let filter = &filters[place.start / SUB_BLOCK];
    state::decode(frame, filter, &mut excitation[place]);
    excitation
}

fn construct(codebook: &Codebook, target: &Target, shape: Shape, excitation: &mut [f32; LONGEST]) {
    let piece = &mut excitation[target.place.clone()];
    codebook.construct(shape, piece);
    if target.is_backward() {
        piece.reverse();
    }
}

/// Finds the indices of a frame's excitation.
pub(super) struct ExcitationEncoder {
    /// The codebook as the decoder has it, and what is left of it after perceptual weighting.
    codebook: Codebook,
    weighted: Codebook,
}

impl ExcitationEncoder {
    pub(super) const fn new() -> Self {
        Self {
            codebook: Codebook::EMPTY,
            weighted: Codebook::EMPTY,
        }
    }

    /// Codes what prediction leaves of a frame. `filters` are those that the decoder has, `weights` the perceptual weighting of
    /// each sub-block (§3.4).
    pub(super) fn encode(
        &mut self,
        mode: IlbcMode,
        residual: &[f32],
        filters: &[Filter; MOST_SUB_BLOCKS],
        weights: &[Filter; MOST_SUB_BLOCKS],
        frame: &mut Frame,
    ) {
        (frame.start, frame.state_first) = state::locate(mode, residual);
        let place = state::place(mode, frame.start, frame.state_first);
        let sub_block = place.start / SUB_BLOCK;
        state::encode(&residual[place], &filters[sub_block], &weights[sub_block], frame);
        let mut excitation = decode_state(mode, frame, filters);
        let targets = targets(mode, frame.start, frame.state_first);
        for (target, shape) in targets.zip(frame.shapes_mut()) {
            let weight = &weights[target.place.start / SUB_BLOCK];
            *shape = self.search(&target, residual, &excitation, weight);
            construct(&self.codebook, &target, *shape, &mut excitation);
        }
    }

    fn search(&mut self, target: &Target, residual: &[f32], excitation: &[f32], weight: &Filter) -> Shape {
        let mut room = [0.0; MEMORY];
        let memory = target.memory(excitation, &mut room);
        target.fill(&mut self.codebook, memory);
        let mut piece = [0.0; SUB_BLOCK];
        let piece = &mut piece[..target.place.len()];
        piece.copy_from_slice(&residual[target.place.clone()]);
        if target.is_backward() {
            piece.reverse();
        }
        // §3.6.2: memory and piece are weighted as one signal.
        let mut before = [0.0; ORDER];
        synthesise(weight, &mut before, memory);
        synthesise(weight, &mut before, piece);
        target.fill(&mut self.weighted, memory);
        search::search(&self.weighted, piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_coded_in_the_order_of_figure_3_5() {
        let places: Vec<_> = targets(IlbcMode::Ms30, 2, 0)
            .map(|target| (target.place.clone(), target.is_backward()))
            .collect();
        let wanted = [
            (40..62, true),
            (120..160, false),
            (160..200, false),
            (200..240, false),
            (0..40, true),
        ];
        assert_eq!(places, wanted);
        let places: Vec<_> = targets(IlbcMode::Ms20, 3, 1).map(|target| target.place).collect();
        assert_eq!(places, [137..160, 40..80, 0..40]);
    }

    #[test]
    fn the_memory_ends_where_the_piece_begins() {
        let excitation: [f32; LONGEST] = std::array::from_fn(|place| place as f32);
        let mut room = [7.0; MEMORY];
        // What is oldest in it: silence where little is known, and else what is 147 samples away.
        let oldest = [0, 0, 0, 53, 186];
        for (target, oldest) in targets(IlbcMode::Ms30, 2, 0).zip(oldest) {
            let memory = target.memory(&excitation, &mut room);
            let touching = if target.is_backward() {
                target.place.end
            } else {
                target.place.start - 1
            };
            assert_eq!(memory.last(), Some(&(touching as f32)));
            assert_eq!(memory[0] as i32, oldest, "{target:?}");
        }
    }
}
