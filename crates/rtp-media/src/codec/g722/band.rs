//! One band's adaptive quantiser and predictor (G.722 §3.2 to §3.6). Block names in comments are those of §6.2.

/// Lower band, encoder: decision levels of the 6-bit quantiser (table 14/G.722).
const Q6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121,
    1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// Lower band, inverse quantisers of six and of four bits (tables 15 and 16/G.722), by code.
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];
const QM4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
];

/// Upper band, inverse quantiser (table 18/G.722), by code.
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];

/// How a code moves the logarithmic scale factor, in both bands (tables 19 and 20/G.722), by code.
const WL: [i32; 16] = [
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
];
const WH: [i32; 4] = [798, -214, 798, -214];

/// Powers of two in 32 steps, for the linear scale factor (table 21/G.722).
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// Saturates to 16 bits.
pub(super) fn saturate(value: i32) -> i32 {
    value.clamp(-0x8000, 0x7fff)
}

/// A reconstructed band sample has 15 bits.
fn limit(value: i32) -> i32 {
    value.clamp(-0x4000, 0x3fff)
}

/// The lower band: six bits.
#[derive(Clone, Debug)]
pub(super) struct LowBand {
    scale: Scale,
    predictor: Predictor,
}

impl LowBand {
    pub(super) fn new() -> Self {
        Self {
            scale: Scale {
                logarithm: 0,
                factor: 32,
            },
            predictor: Predictor::default(),
        }
    }

    /// QUANTL: the code of a sample.
    pub(super) fn encode(&mut self, sample: i32) -> u8 {
        let error = saturate(sample - self.predictor.estimate);
        let magnitude = if error < 0 { !error } else { error };
        // Levels rise, so the first that is too high ends the search.
        let level = Q6[1..]
            .iter()
            .position(|level| magnitude < (level * self.scale.factor) >> 12)
            .map_or(30, |place| place as u8 + 1);
        // Codes of table 17/G.722: the largest errors have the lowest codes of each half.
        let code = match (error < 0, level) {
            (true, 1) => 63,
            (true, 2) => 62,
            (true, level) => 34 - level,
            (false, level) => 62 - level,
        };
        self.adapt(code);
        code
    }

    /// INVQBL: the sample of a code.
    pub(super) fn decode(&mut self, code: u8) -> i32 {
        let difference = (self.scale.factor * QM6[usize::from(code)]) >> 15;
        let sample = limit(self.predictor.estimate + difference);
        self.adapt(code);
        sample
    }

    /// Both ends adapt by the upper four bits only, so that the lower two may be used for data.
    fn adapt(&mut self, code: u8) {
        let code = usize::from(code >> 2);
        let difference = (self.scale.factor * QM4[code]) >> 15;
        self.scale.adapt(WL[code], 18_432, 8);
        self.predictor.adapt(difference);
    }
}

/// The upper band: two bits.
#[derive(Clone, Debug)]
pub(super) struct HighBand {
    scale: Scale,
    predictor: Predictor,
}

impl HighBand {
    pub(super) fn new() -> Self {
        Self {
            scale: Scale {
                logarithm: 0,
                factor: 8,
            },
            predictor: Predictor::default(),
        }
    }

    /// QUANTH: the code of a sample.
    pub(super) fn encode(&mut self, sample: i32) -> u8 {
        let error = saturate(sample - self.predictor.estimate);
        let magnitude = if error < 0 { !error } else { error };
        let large = magnitude >= (564 * self.scale.factor) >> 12;
        let code = u8::from(error >= 0) << 1 | u8::from(!large);
        self.adapt(code);
        code
    }

    /// INVQAH: the sample of a code.
    pub(super) fn decode(&mut self, code: u8) -> i32 {
        let estimate = self.predictor.estimate;
        limit(estimate + self.adapt(code))
    }

    /// Returns the quantised difference.
    fn adapt(&mut self, code: u8) -> i32 {
        let difference = (self.scale.factor * QM2[usize::from(code)]) >> 15;
        self.scale.adapt(WH[usize::from(code)], 22_528, 10);
        self.predictor.adapt(difference);
        difference
    }
}

/// The quantiser's scale factor, as its logarithm and linear.
#[derive(Clone, Debug)]
struct Scale {
    logarithm: i32,
    factor: i32,
}

impl Scale {
    /// LOGSCL and SCALEL, or LOGSCH and SCALEH.
    fn adapt(&mut self, step: i32, most: i32, shift: i32) {
        self.logarithm = (((self.logarithm * 127) >> 7) + step).clamp(0, most);
        let mantissa = ILB[((self.logarithm >> 6) & 31) as usize];
        let shift = shift - (self.logarithm >> 11);
        self.factor = (if shift < 0 {
            mantissa << -shift
        } else {
            mantissa >> shift
        }) << 2;
    }
}

/// Predicts the next sample from two reconstructed samples (poles) and six differences (zeros).
#[derive(Clone, Debug, Default)]
struct Predictor {
    /// The sum of both parts: the estimate of the next sample.
    estimate: i32,
    /// The part of the zeros.
    zeros: i32,
    /// Pole coefficients, the last two reconstructed samples, and the last two partially reconstructed ones.
    a: [i32; 2],
    r: [i32; 2],
    p: [i32; 2],
    /// Zero coefficients and the last six differences.
    b: [i32; 6],
    d: [i32; 6],
}

impl Predictor {
    /// Takes the quantised difference of a sample in (block 4 of §6.2.1).
    fn adapt(&mut self, difference: i32) {
        // RECONS and PARREC.
        let reconstructed = saturate(self.estimate + difference);
        let partial = saturate(self.zeros + difference);
        self.adapt_poles(partial);
        // UPZERO, and DELAYA of the differences. FILTEZ afterwards works on the new ones.
        let step = if difference == 0 { 0 } else { 128 };
        for (coefficient, earlier) in self.b.iter_mut().zip(&self.d) {
            let step = if is_same_sign(*earlier, difference) {
                step
            } else {
                -step
            };
            *coefficient = saturate(step + ((*coefficient * 32_640) >> 15));
        }
        self.d.copy_within(..5, 1);
        self.d[0] = difference;
        self.r = [reconstructed, self.r[0]];
        self.p = [partial, self.p[0]];
        // FILTEP, FILTEZ and PREDIC.
        let poles: i32 = self
            .a
            .iter()
            .zip(&self.r)
            .map(|(a, r)| (a * saturate(r + r)) >> 15)
            .sum();
        let zeros: i32 = self
            .b
            .iter()
            .zip(&self.d)
            .map(|(b, d)| (b * saturate(d + d)) >> 15)
            .sum();
        self.zeros = saturate(zeros);
        self.estimate = saturate(saturate(poles) + self.zeros);
    }

    /// UPPOL2 and UPPOL1.
    fn adapt_poles(&mut self, partial: i32) {
        let [a1, a2] = self.a;
        let same1 = is_same_sign(partial, self.p[0]);
        let same2 = is_same_sign(partial, self.p[1]);
        let four_a1 = saturate(a1 << 2);
        let turned = (if same1 { -four_a1 } else { four_a1 }).min(0x7fff);
        let step = if same2 { 128 } else { -128 };
        let second = (step + (turned >> 7) + ((a2 * 32_512) >> 15)).clamp(-12_288, 12_288);
        let step = if same1 { 192 } else { -192 };
        let bound = saturate(15_360 - second);
        let first = saturate(step + ((a1 * 32_640) >> 15)).clamp(-bound, bound);
        self.a = [first, second];
    }
}

/// Signs as the recommendation compares them: zero is positive.
fn is_same_sign(a: i32, b: i32) -> bool {
    (a < 0) == (b < 0)
}
