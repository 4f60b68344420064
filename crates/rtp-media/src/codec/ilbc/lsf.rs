//! Line spectral frequencies: how the filter is sent (RFC 3951 §3.2.3 to §3.2.6).

use super::filter::{Filter, ORDER};
use super::lsf_tables::{FIRST, SECOND, THIRD};
use super::mode::{IlbcMode, MOST_SUB_BLOCKS};
use std::f32::consts::PI;

/// The frequencies of a filter in radians, rising.
pub(super) type Frequencies = [f32; ORDER];

/// What two neighbours keep between them: 50 Hz (§3.2.5).
const MARGIN: f32 = 0.039;

/// Where the lowest and the highest may be: some hertz within 0 and 4000.
#[expect(clippy::approx_constant, reason = "both sides have this number, not π")]
const RANGE: std::ops::RangeInclusive<f32> = 0.01..=3.14;

/// Steps in which zeros are looked for. The bandwidth of each formant was widened, so that they lie well apart.
const STEPS: usize = 200;

/// How often a step in which a zero lies is halved.
const HALVINGS: usize = 10;

/// The frequencies of a filter; `None` when not all are found, as with a filter that is unstable.
pub(super) fn from_filter(filter: &Filter) -> Option<Frequencies> {
    // A(z) ± z^-11 A(1/z), and of each the zero taken out that it always has. What is left reads the same from both ends.
    let (mut sum, mut difference) = ([1.0; 6], [1.0; 6]);
    for i in 1..6 {
        let (early, late) = (filter[i], filter[ORDER + 1 - i]);
        sum[i] = early + late - sum[i - 1];
        difference[i] = early - late + difference[i - 1];
    }
    let mut found = [0.0; ORDER];
    let mut from = 0.0;
    for (number, place) in found.iter_mut().enumerate() {
        // Their zeros lie in turns on the unit circle.
        let polynomial = if number % 2 == 0 { &sum } else { &difference };
        *place = next_zero(polynomial, from)?;
        from = *place;
    }
    Some(found)
}

/// The next frequency above `from` where such a polynomial changes its sign.
fn next_zero(polynomial: &[f32; 6], from: f32) -> Option<f32> {
    let step = PI / STEPS as f32;
    let mut low = from;
    let positive = on_circle(polynomial, low) > 0.0;
    while low < PI {
        let high = low + step;
        if (on_circle(polynomial, high) > 0.0) != positive {
            let (mut low, mut high) = (low, high);
            for _ in 0..HALVINGS {
                let middle = f32::midpoint(low, high);
                if (on_circle(polynomial, middle) > 0.0) == positive {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            return Some(f32::midpoint(low, high));
        }
        low = high;
    }
    None
}

/// The polynomial at a frequency, but for a factor that has no zero: a sum of cosines, by Clenshaw's rule.
fn on_circle(polynomial: &[f32; 6], frequency: f32) -> f32 {
    let x = 2.0 * frequency.cos();
    let (mut now, mut before) = (0.0, 0.0);
    for coefficient in &polynomial[..5] {
        (now, before) = (coefficient + x * now - before, now);
    }
    polynomial[5] / 2.0 + x * now / 2.0 - before
}

/// The filter with these frequencies.
pub(super) fn to_filter(frequencies: &Frequencies) -> Filter {
    // Sum and difference as products of their zeros, without those that they always have.
    let mut products = [[0.0; ORDER + 2]; 2];
    for (side, product) in products.iter_mut().enumerate() {
        product[0] = 1.0;
        for (pair, frequency) in frequencies.iter().skip(side).step_by(2).enumerate() {
            let x = -2.0 * frequency.cos();
            for i in (1..=2 * pair + 2).rev() {
                let older = if i > 1 { product[i - 2] } else { 0.0 };
                product[i] += x * product[i - 1] + older;
            }
        }
        let sign = if side == 0 { 1.0 } else { -1.0 };
        for i in (1..ORDER + 2).rev() {
            product[i] += sign * product[i - 1];
        }
    }
    std::array::from_fn(|i| f32::midpoint(products[0][i], products[1][i]))
}

/// The nearest that can be sent, part by part (§3.2.4).
pub(super) fn quantize(frequencies: &Frequencies) -> [u8; 3] {
    [
        nearest(&FIRST, &frequencies[..3]),
        nearest(&SECOND, &frequencies[3..6]),
        nearest(&THIRD, &frequencies[6..]),
    ]
}

fn nearest<const N: usize>(codebook: &[[f32; N]], wanted: &[f32]) -> u8 {
    let distance =
        |entry: &[f32; N]| -> f32 { entry.iter().zip(wanted).map(|(a, b)| (a - b) * (a - b)).sum() };
    let mut best = (0, f32::INFINITY);
    for (index, entry) in codebook.iter().enumerate() {
        let distance = distance(entry);
        if distance < best.1 {
            best = (index, distance);
        }
    }
    best.0 as u8
}

/// What was sent, moved apart where it makes no stable filter.
pub(super) fn dequantize(indices: [u8; 3]) -> Frequencies {
    let [first, second, third] = indices.map(usize::from);
    let mut frequencies = [0.0; ORDER];
    frequencies[..3].copy_from_slice(&FIRST[first]);
    frequencies[3..6].copy_from_slice(&SECOND[second]);
    frequencies[6..].copy_from_slice(&THIRD[third]);
    move_apart(&mut frequencies);
    frequencies
}

/// The stability check (§3.2.5; how far and how often is what Appendix A.40 says, as both sides must do the same).
fn move_apart(frequencies: &mut Frequencies) {
    for _ in 0..2 {
        for k in 0..ORDER - 1 {
            let (low, high) = (frequencies[k], frequencies[k + 1]);
            if high < low {
                frequencies[k + 1] = low + MARGIN / 2.0;
            } else if high - low < MARGIN {
                frequencies[k] = low - MARGIN / 2.0;
                frequencies[k + 1] = high + MARGIN / 2.0;
            }
            frequencies[k] = frequencies[k].clamp(*RANGE.start(), *RANGE.end());
        }
    }
}

/// The filter of each sub-block, on the way from the last frequencies of the frame before (§3.2.6 and §3.2.7). In the mode of
/// 20 ms, only the first set counts.
pub(super) fn interpolate(
    mode: IlbcMode,
    before: &Frequencies,
    sets: &[Frequencies; 2],
) -> [Filter; MOST_SUB_BLOCKS] {
    std::array::from_fn(|sub_block| {
        let (from, to, part) = match (mode, sub_block) {
            (IlbcMode::Ms20, _) => (before, &sets[0], (sub_block.min(3) + 1) as f32 / 4.0),
            (IlbcMode::Ms30, 0) => (before, &sets[0], 0.5),
            (IlbcMode::Ms30, _) => (&sets[0], &sets[1], (sub_block.min(4) - 1) as f32 / 3.0),
        };
        to_filter(&std::array::from_fn(|i| from[i] + (to[i] - from[i]) * part))
    })
}

/// The set that the next frame sets out from.
pub(super) fn last_set(mode: IlbcMode, sets: &[Frequencies; 2]) -> Frequencies {
    match mode {
        IlbcMode::Ms20 => sets[0],
        IlbcMode::Ms30 => sets[1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::ilbc::tables::MEAN_FREQUENCIES;

    #[test]
    fn frequencies_and_filters_are_two_views_of_the_same() {
        for index in 0..64 {
            let wanted = dequantize([index, index * 2, 127 - index]);
            let found = from_filter(&to_filter(&wanted)).unwrap();
            for (found, wanted) in found.iter().zip(wanted) {
                assert!((found - wanted).abs() < 2e-3, "{found} {wanted}");
            }
        }
        let flat = from_filter(&[1., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.]).unwrap();
        for (number, frequency) in flat.iter().enumerate() {
            assert!((frequency - PI * (number + 1) as f32 / 11.0).abs() < 1e-3);
        }
    }

    #[test]
    fn all_that_can_be_sent_rises_and_is_quantized_as_itself() {
        for first in 0..64 {
            for second in (0..128).step_by(5) {
                for third in (0..128).step_by(7) {
                    let frequencies = dequantize([first, second, third]);
                    assert!(
                        frequencies.is_sorted(),
                        "{first} {second} {third}: {frequencies:?}"
                    );
                }
            }
        }
        let mut wanted = [0.0; ORDER];
        for index in 0..64 {
            wanted[..3].copy_from_slice(&FIRST[index]);
            wanted[3..6].copy_from_slice(&SECOND[index + 64]);
            wanted[6..].copy_from_slice(&THIRD[index + 64]);
            assert_eq!(
                quantize(&wanted).map(usize::from),
                [index, index + 64, index + 64]
            );
        }
    }

    #[test]
    fn sub_blocks_go_from_the_frame_before_to_this_one() {
        let sets = [dequantize([1, 2, 3]), dequantize([40, 50, 60])];
        let short = interpolate(IlbcMode::Ms20, &MEAN_FREQUENCIES, &sets);
        let long = interpolate(IlbcMode::Ms30, &MEAN_FREQUENCIES, &sets);
        for (filter, set) in [(short[3], 0), (long[1], 0), (long[4], 1), (long[5], 1)] {
            for (ours, wanted) in filter.iter().zip(to_filter(&sets[set])) {
                assert!((ours - wanted).abs() < 1e-4, "{ours} {wanted}");
            }
        }
    }
}
