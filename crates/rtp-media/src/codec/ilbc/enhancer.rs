//! The enhancer: makes the excitation more periodic where it is periodic (RFC 3951 §4.6).

use super::filter::dot;
use super::mode::{IlbcMode, LONGEST};
use super::tables::UPSAMPLING;
use std::ops::RangeInclusive;

/// Samples that are enhanced, and whose period is estimated, at a time.
const BLOCK: usize = 80;

/// Blocks that the enhancer sees, those of the frame among them.
const BLOCKS: usize = 8;

/// The periods that are looked for, in samples (§4.6.1).
pub(super) const PERIODS: RangeInclusive<usize> = 20..=120;

/// Samples kept: what the enhancer sees, and before it what the period of the oldest block is measured by.
const KEPT: usize = *PERIODS.end() + BLOCKS * BLOCK;

/// Where what the enhancer sees begins.
const FIRST: usize = KEPT - BLOCKS * BLOCK;

/// Quarters of a sample: how finely the place of a period is found.
const QUARTERS: usize = 4;

/// Samples around the expected place that are searched, on each side.
const AROUND: usize = 2;

/// Samples beyond a vector that are needed to find it between samples.
const REACH: usize = 3;

/// Weights of the sequences one, two and three periods away (§4.6.3): (1 - cos(2π(4 - n) / 8)) / 2.
const WEIGHTS: [f32; 3] = [0.853_553_4, 0.5, 0.146_446_6];

/// The part of the power that the enhancer may change (§4.6.4).
const MOST_CHANGE: f32 = 0.05;

/// The last of the excitation, as it was decoded or made up.
pub(super) struct History {
    samples: [f32; KEPT],
    /// The period of each block that the enhancer sees.
    periods: [usize; BLOCKS],
    /// Blocks at the end of which the period is not known yet.
    unknown: usize,
}

impl History {
    pub(super) const SILENCE: Self = Self {
        samples: [0.0; KEPT],
        periods: [*PERIODS.end(); BLOCKS],
        unknown: 0,
    };

    /// Takes what comes next, at most a frame.
    pub(super) fn push(&mut self, excitation: &[f32]) {
        let kept = KEPT - excitation.len();
        self.samples.copy_within(excitation.len().., 0);
        self.samples[kept..].copy_from_slice(excitation);
        if excitation.len().is_multiple_of(BLOCK) {
            let blocks = excitation.len() / BLOCK;
            self.periods.copy_within(blocks.., 0);
            self.unknown = (self.unknown + blocks).min(BLOCKS);
        } else {
            // What was made up in parts of a block moved all blocks.
            self.unknown = BLOCKS;
        }
    }

    /// So many samples that end so many before the last.
    pub(super) fn late(&self, len: usize, delay: usize) -> &[f32] {
        &self.samples[KEPT - delay - len..KEPT - delay]
    }

    /// The period of the end, and how alike its last two are, from zero to one.
    pub(super) fn last_period(&self) -> (usize, f32) {
        self.period(KEPT - BLOCK)
    }

    /// As much as a frame, enhanced, and so late that the enhancer could look ahead.
    pub(super) fn enhance(&mut self, mode: IlbcMode) -> [f32; LONGEST] {
        for block in BLOCKS - self.unknown..BLOCKS {
            self.periods[block] = self.period(FIRST + block * BLOCK).0;
        }
        self.unknown = 0;
        let begin = KEPT - mode.samples() - mode.delay();
        let mut enhanced = [0.0; LONGEST];
        for (number, block) in enhanced[..mode.samples()].chunks_mut(BLOCK).enumerate() {
            let begin = begin + number * BLOCK;
            let neighbours = self.neighbours(begin);
            blend(&self.samples[begin..begin + BLOCK], &neighbours, block);
        }
        enhanced
    }

    /// The period of a block, and how alike the block is to what is a period before.
    fn period(&self, begin: usize) -> (usize, f32) {
        let block = &self.samples[begin..begin + BLOCK];
        let power = dot(block, block);
        let square = |place: usize| f64::from(self.samples[place]).powi(2);
        // What goes back by a sample has one more at its beginning and one less at its end. Doubles, as nothing may be left over
        // where a loud sample has come and gone.
        let nearest = begin - PERIODS.start();
        let mut earlier_power: f64 = (nearest..nearest + BLOCK).map(square).sum();
        let mut best = (*PERIODS.end(), 0.0);
        for period in PERIODS {
            let place = begin - period;
            let common = dot(block, &self.samples[place..place + BLOCK]);
            let likeness = common / (power * earlier_power as f32).sqrt().max(1e-9);
            if likeness > best.1 {
                best = (period, likeness);
            }
            if period < *PERIODS.end() {
                earlier_power += square(place - 1) - square(place + BLOCK - 1);
            }
        }
        best
    }

    /// The weighted sum of the sequences that lie one, two and three periods before a block and after it, as far as they are
    /// there (§4.6.2 and §4.6.3).
    fn neighbours(&self, begin: usize) -> [f32; BLOCK] {
        let mut sum = [0.0; BLOCK];
        for forward in [false, true] {
            let mut place = begin;
            for weight in WEIGHTS {
                let block = (place + BLOCK / 2 - FIRST) / BLOCK;
                let period = self.periods[block.min(BLOCKS - 1)];
                let expected = if forward { place + period } else { place - period };
                let margin = AROUND + REACH;
                if expected < FIRST + margin || expected + BLOCK + margin >= KEPT {
                    break;
                }
                let quarters = self.best_place(begin, expected);
                self.add_between(quarters, weight, &mut sum);
                place = (quarters + QUARTERS / 2) / QUARTERS;
            }
        }
        sum
    }

    /// Where around `expected` the samples are most like the block, in quarters.
    fn best_place(&self, begin: usize, expected: usize) -> usize {
        let block = &self.samples[begin..begin + BLOCK];
        // Beside the five likenesses nothing is known.
        let mut likeness = [0.0; 2 * (AROUND + REACH) + 1];
        let lowest = expected - AROUND;
        for (offset, likeness) in likeness[REACH..=REACH + 2 * AROUND].iter_mut().enumerate() {
            *likeness = dot(block, &self.samples[lowest + offset..][..BLOCK]);
        }
        let mut best = (0, f32::NEG_INFINITY);
        for quarter in 0..=2 * AROUND * QUARTERS {
            let likeness = between(&likeness, REACH * QUARTERS + quarter);
            if likeness > best.1 {
                best = (quarter, likeness);
            }
        }
        lowest * QUARTERS + best.0
    }

    /// Adds the samples that begin at so many quarters.
    fn add_between(&self, quarters: usize, weight: f32, sum: &mut [f32; BLOCK]) {
        for (place, sample) in sum.iter_mut().enumerate() {
            *sample += weight * between(&self.samples, quarters + place * QUARTERS);
        }
    }
}

/// The value at a place counted in quarters of a sample.
fn between(samples: &[f32], quarters: usize) -> f32 {
    let filter = &UPSAMPLING[quarters % QUARTERS];
    let samples = &samples[quarters / QUARTERS - REACH..][..=2 * REACH];
    // The filter runs against time.
    filter.iter().zip(samples.iter().rev()).map(|(a, b)| a * b).sum()
}

/// Replaces a block by its neighbours at the same power, or, where that would change too much of it, by as much of them as may
/// be (§4.6.4 and §4.6.5).
///
/// What is sought is `share * neighbours + own * block`, of which the distance to the block has [`MOST_CHANGE`] of the block's
/// power. (The formula for A in §4.6.5 has a plus where a minus is due: with it, the distance would not be that.)
fn blend(block: &[f32], neighbours: &[f32; BLOCK], enhanced: &mut [f32]) {
    let (power, around, common) = (
        dot(block, block),
        dot(neighbours, neighbours),
        dot(neighbours, block),
    );
    let (mut share, mut own) = (0.0, 1.0);
    if power > 0.0 && around > 0.0 {
        let same_power = (power / around).sqrt();
        let apart = around * power - common * common;
        if 2.0 * (power - same_power * common) < MOST_CHANGE * power {
            (share, own) = (same_power, 0.0);
        } else if apart > 1e-4 * power * power {
            share = power * ((MOST_CHANGE - MOST_CHANGE * MOST_CHANGE / 4.0) / apart).sqrt();
            own = 1.0 - MOST_CHANGE / 2.0 - share * common / power;
        }
    }
    for ((sample, block), neighbour) in enhanced.iter_mut().zip(block).zip(neighbours) {
        *sample = own * block + share * neighbour;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: &mut u32) -> f32 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 16) as f32 / 65_536.0 - 0.5
    }

    /// Pulses at a period, with noise of this amplitude between -1/2 and 1/2 of it.
    fn pulses(period: f32, loudness: f32) -> ([f32; KEPT], [f32; KEPT]) {
        let mut seed = 1;
        let clean = std::array::from_fn(|n| {
            let phase = (n as f32 / period).fract() * period;
            (-phase * 0.3).exp() * (phase * 0.9).cos() * 1000.0
        });
        let noisy = clean.map(|sample| sample + loudness * noise(&mut seed));
        (clean, noisy)
    }

    fn distance(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    #[test]
    fn noise_on_a_voice_becomes_less_and_little_changes() {
        for mode in [IlbcMode::Ms20, IlbcMode::Ms30] {
            for period in [35.0, 50.25, 80.5] {
                let (clean, noisy) = pulses(period, 150.0);
                let mut history = History::SILENCE;
                for frame in noisy.chunks(mode.samples()) {
                    history.push(frame);
                }
                let (clean, noisy) = [&clean, &noisy]
                    .map(|all| &all[KEPT - mode.delay() - mode.samples()..KEPT - mode.delay()])
                    .into();
                let enhanced = &history.enhance(mode)[..mode.samples()];
                let (before, after) = (distance(noisy, clean), distance(enhanced, clean));
                assert!(after < 0.7 * before, "{mode:?} {period}: {after} of {before}");
                for (enhanced, noisy) in enhanced.chunks(BLOCK).zip(noisy.chunks(BLOCK)) {
                    assert!(distance(enhanced, noisy) <= 1.001 * MOST_CHANGE * dot(noisy, noisy));
                }
            }
        }
    }

    #[test]
    fn periods_are_found_and_silence_has_none() {
        let mut history = History::SILENCE;
        assert!(history.last_period().1 <= 0.0);
        assert!(
            history
                .enhance(IlbcMode::Ms30)
                .iter()
                .all(|sample| sample.abs() <= 0.0)
        );
        for period in [25, 50, 100] {
            for frame in pulses(period as f32, 20.0).1.chunks(LONGEST) {
                history.push(frame);
            }
            let (found, likeness) = history.last_period();
            assert!(
                found % period == 0 && likeness > 0.9,
                "{period} {found} {likeness}"
            );
        }
    }

    #[test]
    fn places_between_samples_are_those_between() {
        let slow: Vec<f32> = (0..20).map(|n| (n as f32 * 0.4).sin()).collect();
        for quarter in 20..50 {
            let wanted = (quarter as f32 / 4.0 * 0.4).sin();
            assert!((between(&slow, quarter) - wanted).abs() < 0.09, "{quarter}");
        }
    }
}
