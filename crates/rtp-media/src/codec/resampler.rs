//! Another sample rate, for a codec that comes in place of the one that the transport runs at.

use std::f64::consts::{PI, TAU};

/// Samples of the lower rate over which the filter reaches, at least. Half of them are its delay: 1 ms at 8 kHz.
const REACH: usize = 16;

/// What of the lower rate's band passes; above that the filter falls, so that little folds back.
const PASSED: f64 = 0.9;

/// Changes the sample rate of one stream by a ratio of whole numbers: a windowed sinc, one row of it for each place that an
/// output sample takes between two input samples.
#[derive(Debug)]
pub(crate) struct Resampler {
    up: usize,
    down: usize,
    taps: usize,
    /// `up` rows of `taps`.
    rows: Box<[f32]>,
    /// The last `taps - 1` samples of before, and room for a frame.
    window: Box<[f32]>,
    /// Where the next output sample lies: input samples past the ones that are gone, and parts of `up`.
    next: usize,
    phase: usize,
}

impl Resampler {
    /// From one rate to another, for at most `longest` samples at once. `None` where both are the same.
    pub(crate) fn new(from: u32, to: u32, longest: usize) -> Option<Self> {
        if from == to {
            return None;
        }
        let common = common_divisor(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        let taps = REACH * down.div_ceil(up).max(1);
        let cutoff = PASSED / (2 * up.max(down)) as f64;
        let len = (up * taps) as f64;
        let sinc = |place: usize| {
            let offset = place as f64 - len / 2.0;
            let wave = if offset == 0.0 {
                1.0
            } else {
                (TAU * cutoff * offset).sin() / (TAU * cutoff * offset)
            };
            let turn = place as f64 / len;
            let window = 0.42 - 0.5 * (TAU * turn).cos() + 0.08 * (2.0 * PI * 2.0 * turn).cos();
            wave * window * 2.0 * cutoff * up as f64
        };
        let rows = (0..up).flat_map(|phase| (0..taps).map(move |tap| phase + (taps - 1 - tap) * up));
        Some(Self {
            up,
            down,
            taps,
            rows: rows.map(|place| sinc(place) as f32).collect(),
            window: vec![0.0; taps - 1 + longest].into_boxed_slice(),
            next: 0,
            phase: 0,
        })
    }

    /// Forgets what was put in.
    pub(crate) fn restart(&mut self) {
        self.window.fill(0.0);
    }

    /// Turns all of `input` into what it makes at the other rate; returns the samples written to `output`, which has room for
    /// them.
    pub(crate) fn process(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let history = self.taps - 1;
        let filled = history + input.len();
        for (place, sample) in self.window[history..filled].iter_mut().zip(input) {
            *place = f32::from(*sample);
        }
        let mut written = 0;
        while self.next < input.len() {
            let row = &self.rows[self.phase * self.taps..][..self.taps];
            let samples = &self.window[self.next..][..self.taps];
            let sum: f32 = row.iter().zip(samples).map(|(a, b)| a * b).sum();
            output[written] = sum.round() as i16;
            written += 1;
            self.phase += self.down;
            self.next += self.phase / self.up;
            self.phase %= self.up;
        }
        self.next -= input.len();
        self.window.copy_within(filled - history..filled, 0);
        written
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, frequency: f64, samples: usize) -> Vec<i16> {
        let step = frequency / f64::from(rate) * TAU;
        (0..samples)
            .map(|n| ((n as f64 * step).sin() * 10_000.0) as i16)
            .collect()
    }

    /// A tone in frames of 20 ms through the resampler.
    fn resampled(from: u32, to: u32, frequency: f64) -> Vec<i16> {
        let frame = (from / 50) as usize;
        let mut resampler = Resampler::new(from, to, frame).unwrap();
        let mut out = vec![0; (to / 50) as usize + 1];
        let frames = tone(from, frequency, from as usize);
        let frames = frames.chunks(frame);
        frames
            .flat_map(|frame| {
                let len = resampler.process(frame, &mut out);
                out[..len].to_vec()
            })
            .collect()
    }

    const RATES: [u32; 6] = [8000, 16_000, 24_000, 32_000, 44_100, 48_000];

    #[test]
    fn a_tone_keeps_its_length_and_its_form_between_all_rates() {
        for (from, to) in RATES.into_iter().flat_map(|from| RATES.map(|to| (from, to))) {
            if from == to {
                assert!(Resampler::new(from, to, 1).is_none());
                continue;
            }
            let heard = resampled(from, to, 1000.0);
            assert_eq!(heard.len(), to as usize, "{from} to {to}");
            let taps = Resampler::new(from, to, 1).unwrap().taps;
            let delay = taps as f64 / 2.0 / f64::from(from) * f64::from(to);
            let step = 1000.0 / f64::from(to) * TAU;
            let tail = (to / 10) as usize..to as usize;
            let error: f64 = tail
                .clone()
                .map(|n| (f64::from(heard[n]) - ((n as f64 - delay) * step).sin() * 10_000.0).powi(2))
                .sum();
            let power = 10_000.0f64.powi(2) / 2.0 * tail.len() as f64;
            let decibels = 10.0 * (power / error).log10();
            assert!(decibels > 45.0, "{from} to {to}: {decibels} dB");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let heard = resampled(48_000, 8000, 6000.0);
        let loudest = heard[800..].iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest < Some(30), "{loudest:?}");
    }
}
