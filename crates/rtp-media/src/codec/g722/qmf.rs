//! The quadrature mirror filters that split 16 kHz into two bands of 8 kHz, and join them again (G.722 §3.1, §4.4).

/// The first half of the 24 coefficients of table 11/G.722, every other one; the second half mirrors them.
const COEFFICIENTS: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

const TAPS: usize = 24;

/// Pairs of samples stored behind each other before the line is moved back to its start.
const LINE: usize = 512;

/// The last 24 samples, in a line that is moved back only when its end is reached.
#[derive(Clone, Debug)]
struct DelayLine {
    line: Box<[i32; LINE]>,
    at: usize,
}

impl Default for DelayLine {
    fn default() -> Self {
        Self {
            line: Box::new([0; LINE]),
            at: TAPS - 2,
        }
    }
}

impl DelayLine {
    /// Adds two samples; returns the sums over the even and the odd places.
    fn push(&mut self, first: i32, second: i32) -> (i32, i32) {
        if self.at + 2 > LINE {
            self.line.copy_within(LINE - (TAPS - 2).., 0);
            self.at = TAPS - 2;
        }
        self.line[self.at] = first;
        self.line[self.at + 1] = second;
        self.at += 2;
        let (pairs, _) = self.line[self.at - TAPS..self.at].as_chunks::<2>();
        let (mut even, mut odd) = (0, 0);
        for (place, pair) in pairs.iter().enumerate() {
            even += pair[0] * COEFFICIENTS[place];
            odd += pair[1] * COEFFICIENTS[11 - place];
        }
        (even, odd)
    }
}

/// Splits samples into bands.
#[derive(Clone, Debug, Default)]
pub(super) struct Analysis(DelayLine);

impl Analysis {
    /// The lower and the upper band's sample of two input samples.
    pub(super) fn split(&mut self, samples: [i16; 2]) -> (i32, i32) {
        let (even, odd) = self.0.push(i32::from(samples[0]), i32::from(samples[1]));
        ((odd + even) >> 14, (odd - even) >> 14)
    }
}

/// Joins bands to samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Synthesis(DelayLine);

impl Synthesis {
    /// Two output samples of one of each band.
    pub(super) fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        let (even, odd) = self.0.push(low + high, low - high);
        [odd, even].map(|sum| super::band::saturate(sum >> 11) as i16)
    }
}
