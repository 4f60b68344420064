//! The adaptive codebook: pieces of the excitation so far, in 256 guises (RFC 3951 §3.6.3).

use super::frame::Shape;
use super::mode::SUB_BLOCK;
use super::tables::{EXPANSION, FIRST_GAINS, SECOND_GAINS, THIRD_GAINS};

/// Samples of the memory for a sub-block, and for what the start state leaves over (§3.6).
pub(super) const MEMORY: usize = 147;
pub(super) const SHORT_MEMORY: usize = 85;

/// Vectors that repeat delays shorter than a sub-block: 20 to 39 samples.
const AUGMENTED: usize = SUB_BLOCK / 2;

/// Vectors of the base codebook in the later stages of the first sub-block, where the memory is mostly empty (table 3.1).
const NARROW_BASE: usize = 44;

/// Samples over which an augmented vector goes from its end to its beginning.
const JOINT: usize = 5;

/// Between this and its opposite is the gain of the stage before taken to be when the next is scaled (§3.6.4.2).
const LEAST_SCALE: f32 = 0.1;

/// The vectors that a piece of the excitation can be made of.
pub(super) struct Codebook {
    /// Base and expanded section.
    sections: [Section; 2],
    /// Samples of the memory, and of each vector.
    memory: usize,
    len: usize,
    /// Whether the later stages know only a part.
    narrow: bool,
}

/// One half of the codebook.
struct Section {
    memory: [f32; MEMORY],
    augmented: [[f32; SUB_BLOCK]; AUGMENTED],
}

impl Section {
    const EMPTY: Self = Self {
        memory: [0.0; MEMORY],
        augmented: [[0.0; SUB_BLOCK]; AUGMENTED],
    };

    /// Makes the vectors whose delay is shorter than they are (§3.6.3.3).
    fn augment(&mut self) {
        for (number, vector) in self.augmented.iter_mut().enumerate() {
            let delay = AUGMENTED + number;
            let (period, end) = (&self.memory[MEMORY - delay..], delay - JOINT);
            vector[..end].copy_from_slice(&period[..end]);
            for (place, sample) in vector[end..delay].iter_mut().enumerate() {
                let before = self.memory[MEMORY - delay - JOINT + place];
                let part = 0.2 * place as f32;
                *sample = (1.0 - part) * period[end + place] + part * before;
            }
            vector[delay..].copy_from_slice(&period[..SUB_BLOCK - delay]);
        }
    }
}

impl Codebook {
    pub(super) const EMPTY: Self = Self {
        sections: [Section::EMPTY, Section::EMPTY],
        memory: 0,
        len: 0,
        narrow: false,
    };

    /// Makes the vectors of `len` samples from a memory. `narrow` is for the first sub-block.
    pub(super) fn fill(&mut self, memory: &[f32], len: usize, narrow: bool) {
        (self.memory, self.len, self.narrow) = (memory.len(), len, narrow);
        let [base, expanded] = &mut self.sections;
        base.memory[..memory.len()].copy_from_slice(memory);
        for (place, sample) in expanded.memory[..memory.len()].iter_mut().enumerate() {
            // x(k - i + 4), and nothing outside.
            let tap = |i: usize| (place + 4).checked_sub(i).and_then(|k| memory.get(k));
            *sample = (EXPANSION.iter().enumerate())
                .filter_map(|(i, factor)| Some(factor * tap(i)?))
                .sum();
        }
        if len == SUB_BLOCK {
            base.augment();
            expanded.augment();
        }
    }

    /// Vectors that slide over the memory, and those of each half with the augmented ones.
    fn base(&self) -> usize {
        self.memory + 1 - self.len
    }

    fn half(&self) -> usize {
        self.base() + if self.len == SUB_BLOCK { AUGMENTED } else { 0 }
    }

    /// How many vectors a stage chooses from.
    pub(super) fn vectors(&self, stage: usize) -> usize {
        if self.is_narrow(stage) {
            2 * (NARROW_BASE + AUGMENTED)
        } else {
            2 * self.half()
        }
    }

    fn is_narrow(&self, stage: usize) -> bool {
        self.narrow && stage > 0
    }

    /// The vector that an index stands for at a stage: in each half, first those at growing delays, then the augmented ones
    /// (§3.6.4). In the mode of 20 ms two numbers have no vector for the short piece: they stand for the last.
    pub(super) fn vector(&self, stage: usize, index: usize) -> &[f32] {
        let index = index.min(self.vectors(stage) - 1);
        let (half, base) = if self.is_narrow(stage) {
            (NARROW_BASE + AUGMENTED, NARROW_BASE)
        } else {
            (self.half(), self.base())
        };
        let section = &self.sections[index / half];
        let place = index % half;
        if place >= base {
            return &section.augmented[place - base];
        }
        let end = self.memory - place;
        &section.memory[end - self.len..end]
    }

    /// The piece of the excitation that a shape stands for (§4.4).
    pub(super) fn construct(&self, shape: Shape, piece: &mut [f32]) {
        piece.fill(0.0);
        for (stage, (vector, gain)) in shape.vectors.iter().zip(gains(shape.gains)).enumerate() {
            let vector = self.vector(stage, usize::from(*vector));
            for (sample, from) in piece.iter_mut().zip(vector) {
                *sample += gain * from;
            }
        }
    }
}

/// The gains of the three stages: each is a part of the one before (§3.6.4.2).
fn gains(indices: [u8; 3]) -> [f32; 3] {
    let [first, second, third] = indices.map(usize::from);
    let one = FIRST_GAINS[first];
    let two = SECOND_GAINS[second] * scale(one);
    [one, two, THIRD_GAINS[third] * scale(two)]
}

fn scale(gain: f32) -> f32 {
    gain.abs().max(LEAST_SCALE)
}

/// The index of the gain that is nearest, and that gain, at a stage after one with the gain `before`.
pub(super) fn quantize_gain(stage: usize, gain: f32, before: f32) -> (u8, f32) {
    let (table, scale) = match stage {
        0 => (FIRST_GAINS.as_slice(), 1.0),
        1 => (SECOND_GAINS.as_slice(), scale(before)),
        _ => (THIRD_GAINS.as_slice(), scale(before)),
    };
    let mut best = (0, table[0] * scale);
    for (index, entry) in table.iter().enumerate() {
        if (entry * scale - gain).abs() < (best.1 - gain).abs() {
            best = (index as u8, entry * scale);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A memory in which each sample is its delay, counted from the end.
    fn delays(len: usize) -> Vec<f32> {
        (0..len).map(|place| (len - place) as f32).collect()
    }

    #[test]
    fn sizes_are_those_of_table_3_1() {
        let mut codebook = Codebook::EMPTY;
        for (memory, len, narrow, sizes) in [
            (SHORT_MEMORY, 22, false, [128, 128]),
            (SHORT_MEMORY, 23, false, [126, 126]),
            (MEMORY, 40, true, [256, 128]),
            (MEMORY, 40, false, [256, 256]),
        ] {
            codebook.fill(&delays(memory), len, narrow);
            assert_eq!([0, 1].map(|stage| codebook.vectors(stage)), sizes);
            for stage in 0..3 {
                for index in 0..=255 {
                    assert_eq!(codebook.vector(stage, index).len(), len);
                }
            }
        }
    }

    #[test]
    fn vectors_slide_back_over_the_memory_and_then_repeat_short_delays() {
        let mut codebook = Codebook::EMPTY;
        codebook.fill(&delays(MEMORY), 40, true);
        let first = |stage, index| codebook.vector(stage, index)[0] as usize;
        assert_eq!([0, 1, 107].map(|index| first(0, index)), [40, 41, 147]);
        assert_eq!([0, 43, 44, 63].map(|index| first(1, index)), [40, 83, 20, 39]);
        // Figure 3.11: fifteen samples from a delay of 20, five that go over from 5 to 25, and twenty from 20 on.
        let augmented = codebook.vector(0, 108);
        assert_eq!((augmented[14] as usize, augmented[20] as usize), (6, 20));
        for (sample, wanted) in augmented[15..20].iter().zip([5.0, 8.0, 11.0, 14.0, 17.0]) {
            assert!((sample - wanted).abs() < 1e-4, "{sample} {wanted}");
        }
        // The expanding filter lets a slope pass nearly as it is.
        let expanded = codebook.vector(0, 128 + 60);
        assert!((expanded[3] - 97.0).abs() < 30.0 && first(0, 128 + 108) < 40);
    }

    #[test]
    fn gains_follow_the_one_before() {
        let shape = [31, 15, 0];
        let [one, two, three] = gains(shape);
        assert!((one - 1.200_012).abs() < 1e-6 && (two - one * one).abs() < 1e-5);
        assert!((three + two).abs() < 1e-6);
        assert!((gains([0, 14, 4])[1] - 0.1 * 1.049_988).abs() < 1e-6);
        assert_eq!(quantize_gain(0, 0.3, 0.0).0, 7);
        assert_eq!(quantize_gain(1, -0.6, 0.5), (0, -0.5 * 1.049_988));
    }
}
