//! What is left: thirteen regular pulses for each subframe (EN 300 961 §5.2.13 to §5.2.17).

use super::SUBFRAME;
use super::math::{mult, mult_r, peak};

/// Pulses of a subframe.
pub(super) const PULSES: usize = 13;

/// The weighting filter (table 5.4).
const WEIGHTS: [i32; 11] = [-134, -374, 0, 2054, 5741, 8192, 5741, 2054, 0, -374, -134];

/// Normalized inverse mantissas and mantissas of the loudest pulse (tables 5.5 and 5.6).
const INVERSE: [i16; 8] = [29_128, 26_215, 23_832, 21_846, 20_165, 18_725, 17_476, 16_384];
const MANTISSA: [i16; 8] = [18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767];

/// The pulses of a subframe as they are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulses {
    /// On which of the four grids they lie.
    pub(super) grid: u8,
    /// The loudest, coded.
    pub(super) peak: u8,
    /// Each, in eighths of the loudest.
    pub(super) heights: [u8; PULSES],
}

impl Pulses {
    /// Codes what neither filter explained.
    pub(super) fn encode(rest: &[i16; SUBFRAME]) -> Self {
        let weighted = weigh(rest);
        let (mut grid, mut energy) = (0, 0);
        for candidate in 0..4 {
            let pulses = weighted[candidate..].iter().step_by(3).take(PULSES);
            let sum = pulses.map(|pulse| i32::from(pulse >> 2).pow(2)).sum::<i32>() << 1;
            if sum > energy {
                (grid, energy) = (candidate, sum);
            }
        }
        let pulses: [i16; PULSES] = std::array::from_fn(|i| weighted[grid + 3 * i]);
        let peak = code_peak(peak(&pulses));
        let (exponent, mantissa) = scale(peak);
        let heights = pulses.map(|pulse| {
            let height = mult(pulse << (6 - exponent), INVERSE[mantissa]) >> 12;
            (height + 4) as u8 & 7
        });
        Self {
            grid: grid as u8,
            peak,
            heights,
        }
    }

    /// The subframe that the far end makes of them (§5.2.16, §5.2.17).
    pub(super) fn decode(&self) -> [i16; SUBFRAME] {
        let (exponent, mantissa) = scale(self.peak);
        let shift = 6 - exponent;
        let half = if shift > 0 { 1 << (shift - 1) } else { 0 };
        let mut rest = [0; SUBFRAME];
        let places = rest[usize::from(self.grid & 3)..].iter_mut().step_by(3);
        for (place, height) in places.zip(self.heights) {
            let pulse = ((i16::from(height & 7) << 1) - 7) << 12;
            *place = mult_r(MANTISSA[mantissa], pulse).saturating_add(half) >> shift;
        }
        rest
    }
}

/// §5.2.13. Beyond the ends of the subframe there is nothing.
fn weigh(rest: &[i16; SUBFRAME]) -> [i16; SUBFRAME] {
    const REACH: usize = WEIGHTS.len() / 2;
    let mut padded = [0; SUBFRAME + 2 * REACH];
    padded[REACH..][..SUBFRAME].copy_from_slice(rest);
    std::array::from_fn(|place| {
        let around = padded[place..].iter().zip(WEIGHTS);
        let sum: i32 = around.map(|(sample, weight)| i32::from(*sample) * weight).sum();
        ((sum + 4096) >> 13).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    })
}

/// The loudest pulse in six bits (§5.2.15): three of an exponent, three of a mantissa.
fn code_peak(peak: i16) -> u8 {
    let exponent = (16 - (peak >> 9).leading_zeros()).min(6);
    ((peak >> (exponent + 5)) + (exponent << 3) as i16) as u8
}

/// Exponent and mantissa of a coded peak.
fn scale(peak: u8) -> (i16, usize) {
    let mut exponent = if peak > 15 { i16::from(peak >> 3) - 1 } else { 0 };
    let mut mantissa = i16::from(peak) - (exponent << 3);
    if mantissa == 0 {
        return (-4, 7);
    }
    while mantissa <= 7 {
        mantissa = mantissa << 1 | 1;
        exponent -= 1;
    }
    (exponent, (mantissa - 8) as usize)
}
