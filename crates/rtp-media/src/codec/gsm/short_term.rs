//! What the mouth does to the sound: eight reflection coefficients, coded as logarithmic area ratios (EN 300 961 §5.2.4 to
//! §5.2.10 and §5.3.4).

use super::math::{div, mult, mult_r, norm, peak};
use super::{FRAME, SUBFRAME};

/// Coefficients of the filter.
pub(super) const ORDER: usize = 8;

/// How a coefficient is quantized (table 5.1): A, B, and the bounds.
struct Quantizer {
    a: i16,
    b: i16,
    inverse_a: i16,
    max: i16,
    min: i16,
}

const fn quantizer(a: i16, b: i16, inverse_a: i16, max: i16) -> Quantizer {
    Quantizer {
        a,
        b,
        inverse_a,
        max,
        min: -max - 1,
    }
}

const QUANTIZERS: [Quantizer; ORDER] = [
    quantizer(20_480, 0, 13_107, 31),
    quantizer(20_480, 0, 13_107, 31),
    quantizer(20_480, 2048, 13_107, 15),
    quantizer(20_480, -2560, 13_107, 15),
    quantizer(13_964, 94, 19_223, 7),
    quantizer(15_360, -1792, 17_476, 7),
    quantizer(8534, -341, 31_454, 3),
    quantizer(9036, -1144, 29_708, 3),
];

/// Where in a frame the coefficients of the last frame give way to those of this one (§5.2.9.1).
const STRETCHES: [std::ops::Range<usize>; 4] = [0..13, 13..27, 27..40, 40..FRAME];

/// Finds the coefficients of a frame. Of a loud frame this leaves out the lowest bits, as the standard does.
pub(super) fn analyse(frame: &mut [i16; FRAME]) -> [u8; ORDER] {
    let reflections = reflections(autocorrelation(frame));
    let mut coded = [0; ORDER];
    for ((code, reflection), quantizer) in coded.iter_mut().zip(reflections).zip(&QUANTIZERS) {
        let ratio = mult(quantizer.a, area_ratio(reflection))
            .saturating_add(quantizer.b)
            .saturating_add(256)
            >> 9;
        *code = (ratio.clamp(quantizer.min, quantizer.max) - quantizer.min) as u8;
    }
    coded
}

/// §5.2.4.
fn autocorrelation(frame: &mut [i16; FRAME]) -> [i32; ORDER + 1] {
    let peak = peak(frame);
    let scale = if peak == 0 {
        0
    } else {
        4 - norm(i32::from(peak) << 16) as i32
    };
    if scale > 0 {
        let factor = 16_384 >> (scale - 1);
        for sample in frame.iter_mut() {
            *sample = mult_r(*sample, factor);
        }
    }
    let mut correlation = [0; ORDER + 1];
    for (lag, sum) in correlation.iter_mut().enumerate() {
        let products = frame[lag..].iter().zip(frame.iter());
        *sum = products
            .map(|(one, other)| i32::from(*one) * i32::from(*other))
            .sum::<i32>()
            << 1;
    }
    if scale > 0 {
        for sample in frame.iter_mut() {
            *sample <<= scale;
        }
    }
    correlation
}

/// The Schur recursion (§5.2.5).
fn reflections(correlation: [i32; ORDER + 1]) -> [i16; ORDER] {
    let mut found = [0; ORDER];
    if correlation[0] == 0 {
        return found;
    }
    let shift = norm(correlation[0]);
    let mut p = correlation.map(|sum| ((sum << shift) >> 16) as i16);
    let mut k = p;
    for (step, reflection) in found.iter_mut().enumerate() {
        let magnitude = p[1].saturating_abs();
        if p[0] < magnitude {
            break;
        }
        *reflection = div(magnitude, p[0]);
        if p[1] > 0 {
            *reflection = -*reflection;
        }
        p[0] = p[0].saturating_add(mult_r(p[1], *reflection));
        for m in 1..ORDER - step {
            let next = p[m + 1];
            p[m] = next.saturating_add(mult_r(k[m], *reflection));
            k[m] = k[m].saturating_add(mult_r(next, *reflection));
        }
    }
    found
}

/// §5.2.6.
fn area_ratio(reflection: i16) -> i16 {
    let magnitude = reflection.saturating_abs();
    let ratio = match magnitude {
        ..22_118 => magnitude >> 1,
        22_118..31_130 => magnitude - 11_059,
        _ => (magnitude - 26_112) << 2,
    };
    if reflection < 0 { -ratio } else { ratio }
}

/// The coefficients of the last frame and of this one, as both ends know them.
#[derive(Debug, Default)]
pub(super) struct AreaRatios {
    previous: [i16; ORDER],
    current: [i16; ORDER],
}

impl AreaRatios {
    /// The next frame (§5.2.8).
    pub(super) fn follow(&mut self, coded: [u8; ORDER]) {
        self.previous = self.current;
        for ((ratio, code), quantizer) in self.current.iter_mut().zip(coded).zip(&QUANTIZERS) {
            let step = (i16::from(code) + quantizer.min) << 10;
            let scaled = mult_r(quantizer.inverse_a, step.saturating_sub(quantizer.b << 1));
            *ratio = scaled.saturating_add(scaled);
        }
    }

    /// Each stretch of the frame with its reflection coefficients (§5.2.9).
    pub(super) fn stretches(&self) -> impl Iterator<Item = (std::ops::Range<usize>, [i16; ORDER])> + '_ {
        STRETCHES.into_iter().enumerate().map(|(number, stretch)| {
            let reflections = std::array::from_fn(|i| {
                let (before, now) = (self.previous[i], self.current[i]);
                reflection(match number {
                    0 => (before >> 2).saturating_add(now >> 2).saturating_add(before >> 1),
                    1 => (before >> 1).saturating_add(now >> 1),
                    2 => (before >> 2).saturating_add(now >> 2).saturating_add(now >> 1),
                    _ => now,
                })
            });
            (stretch, reflections)
        })
    }
}

/// Back from the ratio (§5.2.9.2).
fn reflection(ratio: i16) -> i16 {
    let magnitude = ratio.saturating_abs();
    let reflection = match magnitude {
        ..11_059 => magnitude << 1,
        11_059..20_070 => magnitude + 11_059,
        _ => (magnitude >> 2).saturating_add(26_112),
    };
    if ratio < 0 { -reflection } else { reflection }
}

/// The filter's memory.
#[derive(Debug, Default)]
pub(super) struct Lattice([i16; ORDER + 1]);

impl Lattice {
    /// Takes the mouth out of a frame (§5.2.10): what is left is the residual.
    pub(super) fn analyse(&mut self, ratios: &AreaRatios, frame: &mut [i16; FRAME]) {
        for (stretch, reflections) in ratios.stretches() {
            for sample in &mut frame[stretch] {
                let (mut forward, mut saved) = (*sample, *sample);
                for (state, reflection) in self.0.iter_mut().zip(reflections) {
                    let before = std::mem::replace(state, saved);
                    saved = before.saturating_add(mult_r(reflection, forward));
                    forward = forward.saturating_add(mult_r(reflection, before));
                }
                *sample = forward;
            }
        }
    }

    /// Puts it back (§5.3.4).
    pub(super) fn synthesise(&mut self, ratios: &AreaRatios, frame: &mut [i16; FRAME]) {
        for (stretch, reflections) in ratios.stretches() {
            for sample in &mut frame[stretch] {
                for (place, reflection) in reflections.iter().enumerate().rev() {
                    let state = self.0[place];
                    *sample = sample.saturating_sub(mult_r(*reflection, state));
                    self.0[place + 1] = state.saturating_add(mult_r(*reflection, *sample));
                }
                self.0[0] = *sample;
            }
        }
    }
}

const _: () = assert!(FRAME == 4 * SUBFRAME);
