//! A frame as it is sent: its indices, and how their bits lie (RFC 3951 §3.8).

use super::mode::IlbcMode;

/// Samples of the longer start state.
pub(super) const LONGEST_STATE: usize = 58;

/// Bits of an index that belong to each of the three classes of sensitivity.
type Widths = [u32; 3];

/// A piece of the excitation as the sum of three vectors of the adaptive codebook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Which vector each stage takes.
    pub(super) vectors: [u8; 3],
    /// The index of each stage's gain.
    pub(super) gains: [u8; 3],
}

/// The indices of a frame. In the mode of 20 ms, the last ones stay zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// The three parts of each set of line spectral frequencies.
    pub(super) frequencies: [[u8; 3]; 2],
    /// The sub-block in which the start state ends, counted from zero: it takes this one and the one before.
    pub(super) start: u8,
    /// One when the start state is at the beginning of its two sub-blocks, zero when at the end.
    pub(super) state_first: u8,
    /// How large the start state's samples are.
    pub(super) scale: u8,
    /// The start state's samples.
    pub(super) state: [u8; LONGEST_STATE],
    /// What the start state leaves of its two sub-blocks.
    pub(super) rest: Shape,
    /// The other sub-blocks, in the order in which they are coded.
    pub(super) others: [Shape; 4],
    /// One in a frame that says nothing.
    pub(super) empty: u8,
}

impl Frame {
    pub(super) const EMPTY: Self = Self {
        frequencies: [[0; 3]; 2],
        start: 0,
        state_first: 0,
        scale: 0,
        state: [0; LONGEST_STATE],
        rest: Shape {
            vectors: [0; 3],
            gains: [0; 3],
        },
        others: [Shape {
            vectors: [0; 3],
            gains: [0; 3],
        }; 4],
        empty: 1,
    };

    /// Writes the bits: those of the first class, in the order of table 3.2, then of the second, then of the third.
    pub(super) fn write(mut self, mode: IlbcMode, octets: &mut [u8]) {
        octets.fill(0);
        let mut place = 0;
        for class in 0..3 {
            self.each_index(mode, &mut |index, widths| {
                let later: u32 = widths[class + 1..].iter().sum();
                for bit in (later..later + widths[class]).rev() {
                    octets[place / 8] |= (*index >> bit & 1) << (7 - place % 8);
                    place += 1;
                }
            });
        }
    }

    /// Reads the bits. `None` when they say that nothing is in them, or give the start state a place that is not there: such a
    /// frame counts as lost.
    pub(super) fn read(mode: IlbcMode, octets: &[u8]) -> Option<Self> {
        let mut frame = Self::EMPTY;
        frame.empty = 0;
        let mut place = 0;
        for class in 0..3 {
            frame.each_index(mode, &mut |index, widths| {
                for _ in 0..widths[class] {
                    *index = *index << 1 | octets[place / 8] >> (7 - place % 8) & 1;
                    place += 1;
                }
            });
        }
        let there = (1..mode.sub_blocks()).contains(&usize::from(frame.start));
        (there && frame.empty == 0).then_some(frame)
    }

    /// What is coded from the adaptive codebook, in the order of coding.
    pub(super) fn shapes(&self) -> impl Iterator<Item = &Shape> {
        std::iter::once(&self.rest).chain(&self.others)
    }

    pub(super) fn shapes_mut(&mut self) -> impl Iterator<Item = &mut Shape> {
        std::iter::once(&mut self.rest).chain(&mut self.others)
    }

    /// Shows each index with its widths, in the order of table 3.2.
    fn each_index(&mut self, mode: IlbcMode, show: &mut dyn FnMut(&mut u8, Widths)) {
        let short = mode == IlbcMode::Ms20;
        let sets = if short { 1 } else { 2 };
        for frequencies in &mut self.frequencies[..sets] {
            for (index, width) in frequencies.iter_mut().zip([6, 7, 7]) {
                show(index, [width, 0, 0]);
            }
        }
        show(&mut self.start, [if short { 2 } else { 3 }, 0, 0]);
        show(&mut self.state_first, [1, 0, 0]);
        show(&mut self.scale, [6, 0, 0]);
        for index in &mut self.state[..mode.state()] {
            show(index, [0, 1, 2]);
        }
        let (rest, others) = if short {
            (&REST_20, OTHERS_20.as_slice())
        } else {
            (&REST_30, OTHERS_30.as_slice())
        };
        for (index, widths) in self.rest.vectors.iter_mut().zip(rest.vectors) {
            show(index, widths);
        }
        for (index, widths) in self.rest.gains.iter_mut().zip(rest.gains) {
            show(index, widths);
        }
        for (shape, bits) in self.others.iter_mut().zip(others) {
            for (index, widths) in shape.vectors.iter_mut().zip(bits.vectors) {
                show(index, widths);
            }
        }
        for (shape, bits) in self.others.iter_mut().zip(others) {
            for (index, widths) in shape.gains.iter_mut().zip(bits.gains) {
                show(index, widths);
            }
        }
        show(&mut self.empty, [0, 0, 1]);
    }
}

/// The widths of a shape's indices.
struct ShapeBits {
    vectors: [Widths; 3],
    gains: [Widths; 3],
}

const REST_20: ShapeBits = ShapeBits {
    vectors: [[6, 0, 1], [0, 0, 7], [0, 0, 7]],
    gains: [[2, 0, 3], [1, 1, 2], [0, 0, 3]],
};

const REST_30: ShapeBits = ShapeBits {
    vectors: [[4, 2, 1], [0, 0, 7], [0, 0, 7]],
    gains: [[1, 1, 3], [1, 1, 2], [0, 0, 3]],
};

const OTHERS_20: [ShapeBits; 2] = [
    ShapeBits {
        vectors: [[7, 0, 1], [0, 0, 7], [0, 0, 7]],
        gains: [[1, 2, 2], [1, 1, 2], [0, 0, 3]],
    },
    ShapeBits {
        vectors: [[0, 0, 8], [0, 0, 8], [0, 0, 8]],
        gains: [[1, 1, 3], [0, 2, 2], [0, 0, 3]],
    },
];

const OTHERS_30: [ShapeBits; 4] = [
    ShapeBits {
        vectors: [[6, 1, 1], [0, 0, 7], [0, 0, 7]],
        gains: [[1, 2, 2], [1, 2, 1], [0, 0, 3]],
    },
    ShapeBits {
        vectors: [[0, 7, 1], [0, 0, 8], [0, 0, 8]],
        gains: [[0, 2, 3], [0, 2, 2], [0, 0, 3]],
    },
    LATER_30,
    LATER_30,
];

const LATER_30: ShapeBits = ShapeBits {
    vectors: [[0, 7, 1], [0, 0, 8], [0, 0, 8]],
    gains: [[0, 1, 4], [0, 1, 3], [0, 0, 3]],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classes_have_the_sums_of_the_table() {
        for (mode, sums) in [(IlbcMode::Ms20, [48, 64, 192]), (IlbcMode::Ms30, [64, 96, 240])] {
            let mut found = [0; 3];
            Frame::EMPTY.clone().each_index(mode, &mut |_, widths| {
                for (sum, width) in found.iter_mut().zip(widths) {
                    *sum += width;
                }
            });
            assert_eq!(found, sums);
            assert_eq!(sums.iter().sum::<u32>() as usize, mode.octets() * 8);
        }
    }

    #[test]
    fn bits_are_read_as_they_are_written_and_the_sensitive_ones_come_first() {
        let mut noise = 1_u32;
        for mode in [IlbcMode::Ms20, IlbcMode::Ms30] {
            for _ in 0..500 {
                let mut octets = [0; 50];
                let octets = &mut octets[..mode.octets()];
                for octet in octets.iter_mut() {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *octet = (noise >> 24) as u8;
                }
                octets[mode.octets() - 1] &= !1;
                let Some(frame) = Frame::read(mode, octets) else {
                    continue;
                };
                let mut again = [0xff; 50];
                frame.write(mode, &mut again[..mode.octets()]);
                assert_eq!(again[..mode.octets()], *octets);
                assert_eq!(frame.frequencies[0][0], octets[0] >> 2);
            }
        }
    }

    #[test]
    fn a_frame_that_says_nothing_or_has_no_start_counts_as_lost() {
        for (mode, starts) in [(IlbcMode::Ms20, 1..4), (IlbcMode::Ms30, 1..6)] {
            for start in 0..8 {
                for empty in [0, 1] {
                    let mut octets = [0; 50];
                    let octets = &mut octets[..mode.octets()];
                    let frame = Frame {
                        start,
                        empty,
                        ..Frame::EMPTY
                    };
                    frame.write(mode, octets);
                    let bits = if mode == IlbcMode::Ms20 { 2 } else { 3 };
                    let there = starts.contains(&(start & ((1 << bits) - 1))) && empty == 0;
                    assert_eq!(
                        Frame::read(mode, octets).is_some(),
                        there,
                        "{mode:?} {start} {empty}"
                    );
                }
            }
        }
    }
}
