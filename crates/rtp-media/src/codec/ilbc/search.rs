//! The search for the vectors and gains that make up a piece of the excitation (RFC 3951 §3.6.4 and §3.7).

use super::codebook::{Codebook, quantize_gain};
use super::filter::dot;
use super::frame::Shape;
use super::mode::SUB_BLOCK;
use super::tables::FIRST_GAINS;

/// No vector is taken that would be louder than it was by this (§3.6.4.1).
const MOST_GAIN: f32 = 1.3;

/// How far the first gain may be raised to keep the power (§3.7).
const MOST_RAISE: f32 = 2.0;

/// The vectors and gains that come nearest to a piece: one stage after the other takes its best.
pub(super) fn search(codebook: &Codebook, piece: &[f32]) -> Shape {
    let mut shape = Shape::default();
    let mut left = [0.0; SUB_BLOCK];
    let left = &mut left[..piece.len()];
    left.copy_from_slice(piece);
    let (mut gain, mut first) = (0.0, 0.0);
    for stage in 0..3 {
        let (index, wanted) = best_vector(codebook, stage, left);
        shape.vectors[stage] = index;
        (shape.gains[stage], gain) = quantize_gain(stage, wanted, gain);
        if stage == 0 {
            first = gain;
        }
        let vector = codebook.vector(stage, usize::from(index));
        for (sample, from) in left.iter_mut().zip(vector) {
            *sample -= gain * from;
        }
    }
    for (left, piece) in left.iter_mut().zip(piece) {
        *left = piece - *left;
    }
    shape.gains[0] = raised(shape.gains[0], first, dot(piece, piece), dot(left, left));
    shape
}

/// The vector that explains the most of what is left, and its gain.
fn best_vector(codebook: &Codebook, stage: usize, left: &[f32]) -> (u8, f32) {
    let (mut best, mut explained) = ((0, 0.0), 0.0);
    for index in 0..codebook.vectors(stage) {
        let vector = codebook.vector(stage, index);
        let (common, power) = (dot(vector, left), dot(vector, vector));
        if power <= f32::MIN_POSITIVE || (stage == 0 && common <= 0.0) {
            continue;
        }
        let gain = common / power;
        if common * gain > explained && gain.abs() < MOST_GAIN {
            (best, explained) = ((index as u8, gain), common * gain);
        }
    }
    best
}

/// The first gain's index, raised as long as what is coded has less power than what was to be coded (§3.7): the others are parts
/// of it and rise along.
fn raised(index: u8, gain: f32, wanted: f32, coded: f32) -> u8 {
    let fits = |raised: &f32| coded * raised * raised < wanted * gain * gain && *raised <= MOST_RAISE * gain;
    let higher = FIRST_GAINS.iter().skip(usize::from(index) + 1);
    index + higher.take_while(|gain| fits(gain)).count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ilbc::codebook::MEMORY;

    fn memory() -> Vec<f32> {
        let mut noise = 1_u32;
        let next = |_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 20) as f32 - 2048.0
        };
        (0..MEMORY).map(next).collect()
    }

    #[test]
    fn a_piece_that_stands_in_the_codebook_is_found() {
        let mut codebook = Codebook::EMPTY;
        codebook.fill(&memory(), SUB_BLOCK, false);
        for index in [0, 30, 107, 108, 127, 128, 200, 236, 255] {
            let piece: Vec<f32> = codebook
                .vector(0, index)
                .iter()
                .map(|sample| sample * 0.9)
                .collect();
            let shape = search(&codebook, &piece);
            assert_eq!(usize::from(shape.vectors[0]), index);
            let mut coded = [0.0; SUB_BLOCK];
            codebook.construct(shape, &mut coded);
            let error: f32 = coded.iter().zip(&piece).map(|(a, b)| (a - b).powi(2)).sum();
            assert!(error < 0.01 * dot(&piece, &piece), "{index}");
        }
    }

    #[test]
    fn what_resembles_nothing_keeps_its_power_as_far_as_may_be() {
        assert_eq!(raised(7, FIRST_GAINS[7], 9.0, 1.0), 15);
        assert_eq!(raised(7, FIRST_GAINS[7], 1.5, 1.0), 8);
        assert_eq!(raised(7, FIRST_GAINS[7], 0.5, 1.0), 7);
        assert_eq!(raised(31, FIRST_GAINS[31], 9.0, 1.0), 31);
    }

    #[test]
    fn silence_and_an_empty_codebook_find_nothing() {
        let mut codebook = Codebook::EMPTY;
        codebook.fill(&[0.0; MEMORY], SUB_BLOCK, false);
        assert_eq!(search(&codebook, &[100.0; SUB_BLOCK]).vectors, [0; 3]);
    }
}
