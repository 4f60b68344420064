//! The start state: the loudest part of the excitation, sample by sample (RFC 3951 §3.5 and §4.2).

use super::filter::{Filter, ORDER, disperse};
use super::frame::{Frame, LONGEST_STATE};
use super::mode::{IlbcMode, SUB_BLOCK};
use super::tables::{STATE_SAMPLES, STATE_SCALES};

/// Where the largest sample lies before it is quantized: the samples' table ends at about four.
const PEAK: f32 = 4.5;

/// Weights of the first samples of two sub-blocks, and of the last, when the loudest are sought.
const EDGE: [f32; 5] = [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0, 4.0 / 6.0, 5.0 / 6.0];

/// Finds the start state: the second of its sub-blocks, and whether it is at the beginning of both (§3.5.1).
pub(super) fn locate(mode: IlbcMode, residual: &[f32]) -> (u8, u8) {
    let bias: &[f32] = match mode {
        IlbcMode::Ms20 => &[0.9, 1.0, 0.9],
        IlbcMode::Ms30 => &[0.8, 0.9, 1.0, 0.9, 0.8],
    };
    let mut best = (1, -1.0);
    for (number, (bias, pair)) in bias.iter().zip(pairs(residual)).enumerate() {
        let power = bias * edged_power(pair);
        if power > best.1 {
            best = (number + 1, power);
        }
    }
    let pair = &residual[(best.0 - 1) * SUB_BLOCK..][..2 * SUB_BLOCK];
    let rest = 2 * SUB_BLOCK - mode.state();
    let first = power(&pair[..rest]) >= power(&pair[mode.state()..]);
    (best.0 as u8, u8::from(first))
}

/// Each two sub-blocks that follow each other.
fn pairs(residual: &[f32]) -> impl Iterator<Item = &[f32]> {
    residual.windows(2 * SUB_BLOCK).step_by(SUB_BLOCK)
}

fn edged_power(pair: &[f32]) -> f32 {
    let last = pair.len() - 1;
    let edges: f32 = EDGE
        .iter()
        .enumerate()
        .map(|(i, weight)| weight * (pair[i].powi(2) + pair[last - i].powi(2)))
        .sum();
    edges + power(&pair[EDGE.len()..pair.len() - EDGE.len()])
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

/// Where the start state lies in the frame.
pub(super) fn place(mode: IlbcMode, start: u8, state_first: u8) -> std::ops::Range<usize> {
    let pair = (usize::from(start) - 1) * SUB_BLOCK;
    let begin = if state_first == 1 {
        pair
    } else {
        pair + 2 * SUB_BLOCK - mode.state()
    };
    begin..begin + mode.state()
}

/// Quantizes the start state. `filter` is what the decoder has for the sub-block in which it begins, `weights` the perceptual
/// weighting of this sub-block.
pub(super) fn encode(residual: &[f32], filter: &Filter, weights: &Filter, frame: &mut Frame) {
    let mut samples = [0.0; LONGEST_STATE];
    let samples = &mut samples[..residual.len()];
    samples.copy_from_slice(residual);
    disperse(filter, samples);
    let peak = samples
        .iter()
        .fold(0.0, |peak: f32, sample| peak.max(sample.abs()));
    frame.scale = nearest(&STATE_SCALES, peak.max(1.0).log10());
    let factor = PEAK / 10_f32.powf(STATE_SCALES[usize::from(frame.scale)]);
    // The error is weighted: what is compared has passed the weighting filter, and so has what was taken so far.
    let (mut wanted, mut taken) = ([0.0; ORDER], [0.0; ORDER]);
    for (sample, index) in samples.iter().zip(&mut frame.state) {
        let predicted = |memory: &[f32; ORDER]| -> f32 {
            -weights[1..].iter().zip(memory).map(|(a, b)| a * b).sum::<f32>()
        };
        let target = sample * factor + predicted(&wanted);
        let expected = predicted(&taken);
        *index = nearest(&STATE_SAMPLES, target - expected);
        for (memory, newest) in [
            (&mut wanted, target),
            (&mut taken, expected + STATE_SAMPLES[usize::from(*index)]),
        ] {
            memory.copy_within(..ORDER - 1, 1);
            memory[0] = newest;
        }
    }
}

/// The start state's samples (§4.2).
pub(super) fn decode(frame: &Frame, filter: &Filter, samples: &mut [f32]) {
    let factor = 10_f32.powf(STATE_SCALES[usize::from(frame.scale)]) / PEAK;
    for (sample, index) in samples.iter_mut().zip(&frame.state) {
        *sample = factor * STATE_SAMPLES[usize::from(*index)];
    }
    // What was dispersed is put together by the same filter in reverse.
    samples.reverse();
    disperse(filter, samples);
    samples.reverse();
}

fn nearest(table: &[f32], wanted: f32) -> u8 {
    let distance = |index: &u8| (table[usize::from(*index)] - wanted).abs();
    (0..table.len() as u8)
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ilbc::filter::{FLAT, widened};

    #[test]
    fn the_loudest_part_is_found_where_it_is() {
        for (mode, sub_blocks) in [(IlbcMode::Ms20, 4), (IlbcMode::Ms30, 6)] {
            for start in 1..sub_blocks {
                for first in [0, 1] {
                    let mut residual = vec![1.0; mode.samples()];
                    residual[place(mode, start, first)].fill(100.0);
                    assert_eq!(locate(mode, &residual), (start, first));
                }
            }
        }
    }

    #[test]
    fn a_state_comes_back_nearly_as_it_was() {
        let filter = widened(&[1.0, -1.2, 0.8, 0.1, -0.3, 0.2, 0.0, 0.1, -0.1, 0.05, 0.02], 0.8);
        for loudness in [20.0, 500.0, 8000.0] {
            let state: Vec<f32> = (0..58).map(|n| (n as f32 * 0.9).sin() * loudness).collect();
            let mut frame = Frame::EMPTY;
            encode(&state, &filter, &FLAT, &mut frame);
            let mut decoded = [0.0; 58];
            decode(&frame, &filter, &mut decoded);
            let error: Vec<f32> = decoded.iter().zip(&state).map(|(a, b)| a - b).collect();
            assert!(
                power(&state) > 15.0 * power(&error),
                "{loudness}: {}",
                power(&state) / power(&error)
            );
        }
    }
}
