//! Changing the sample rate at a port's edge, one tick in, one tick out.
//!
//! Windowed sinc rather than FFT: an FFT of a whole tick is about twice as fast but delays by half a tick (10 ms), and
//! a call crosses two edges at each end. This filter delays by [`TAPS`]/2 samples of the lower rate, 2 ms at 16 kHz.
//! All rates are in a fixed relation to the mixer's clock, so a filter bank with one phase for each position that the
//! relation can produce is exact, and "nearest phase" needs no interpolation between phases.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

/// A resampler for frames of one tick. After `new` it allocates nothing.
pub(crate) struct Resampler {
    sinc: Async<f32>,
    /// Input not yet used: `queue[..filled]`.
    queue: Vec<f32>,
    filled: usize,
    out: Vec<f32>,
    tick_in: usize,
    /// Half the filter and the zeros put in first, in input samples.
    delay: f64,
    /// Whether sound of an earlier tick is still inside the filter.
    ringing: bool,
}

impl Resampler {
    /// From frames of `tick_in` samples to frames of `tick_out`. `None` if the library refuses the ratio.
    pub(crate) fn new(tick_in: usize, tick_out: usize) -> Option<Self> {
        let ratio = tick_out as f64 / tick_in as f64;
        let parameters = parameters(tick_in, tick_out);
        let sinc = Async::new_sinc(ratio, 1.0, &parameters, tick_out, 1, FixedAsync::Output).ok()?;
        // Primed with zeros so that each tick finds what it needs, also when rounding asks for one sample more.
        let primed = (sinc.input_frames_next() + SLACK).saturating_sub(tick_in);
        // "Nearest" takes the phase after the position, which is one phase early.
        let nearest = match parameters.interpolation {
            SincInterpolationType::Nearest => 1.0 / parameters.oversampling_factor as f64,
            _ => 0.0,
        };
        let capacity = sinc.input_frames_max() + tick_in + primed + SLACK;
        Some(Self {
            queue: vec![0.0; capacity],
            filled: primed,
            delay: parameters.sinc_len as f64 / 2.0 + primed as f64 - nearest,
            out: vec![0.0; tick_out],
            tick_in,
            ringing: false,
            sinc,
        })
    }

    /// By how many output samples, to the nearest, sound comes out later than it went in.
    pub(crate) fn delay(&self) -> usize {
        (self.delay * self.out.len() as f64 / self.tick_in as f64 - 1.0).round() as usize
    }

    /// Whether silence can be skipped: nothing of earlier sound would still come out.
    pub(crate) fn is_silent(&self) -> bool {
        !self.ringing
    }

    /// Resamples one tick.
    pub(crate) fn process(&mut self, input: &[i16], output: &mut [i16]) {
        self.ringing = true;
        self.push(input.iter().map(|&s| f32::from(s)));
        self.pull(output);
    }

    /// Resamples one tick of silence, which lets the end of earlier sound out; into no output, it is dropped.
    pub(crate) fn process_silence(&mut self, output: &mut [i16]) {
        self.push(std::iter::repeat_n(0.0, self.tick_in));
        self.pull(output);
        self.ringing = false;
    }

    fn push(&mut self, samples: impl ExactSizeIterator<Item = f32>) {
        let end = self.filled + samples.len();
        for (slot, sample) in self.queue[self.filled..end].iter_mut().zip(samples) {
            *slot = sample;
        }
        self.filled = end;
    }

    fn pull(&mut self, output: &mut [i16]) {
        let needed = self.sinc.input_frames_next();
        debug_assert!(needed <= self.filled, "primed for {needed}, has {}", self.filled);
        let frames = self.out.len();
        let used = SequentialSlice::new(&self.queue, 1, self.queue.len())
            .ok()
            .zip(SequentialSlice::new_mut(&mut self.out, 1, frames).ok())
            .and_then(|(input, mut out)| {
                self.sinc
                    .process_into_buffer(&input, &mut out, None::<&Indexing>)
                    .ok()
            })
            .map_or(0, |(used, _)| used.min(self.filled));
        self.queue.copy_within(used..self.filled, 0);
        self.filled -= used;
        for (out, &sample) in output.iter_mut().zip(&self.out) {
            *out = sample.round_ties_even() as i16;
        }
    }
}

/// Samples beyond the need of one tick that wait in the queue, against rounding of positions.
const SLACK: usize = 2;

/// Length of the filter in samples of the lower rate.
const TAPS: usize = 64;

/// Filter banks with more phases than this would be large; such odd relations interpolate between phases instead.
const MAX_PHASES: usize = 640;

fn parameters(tick_in: usize, tick_out: usize) -> SincInterpolationParameters {
    let taps = TAPS * tick_in.div_ceil(tick_out);
    let phases = tick_out / gcd(tick_in, tick_out);
    let base = SincInterpolationParameters::new(taps, WindowFunction::Blackman);
    if phases <= MAX_PHASES {
        base.oversampling_factor(phases)
            .interpolation(SincInterpolationType::Nearest)
    } else {
        base.oversampling_factor(128)
            .interpolation(SincInterpolationType::Cubic)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// Level of a tone after resampling, relative to before, in dB; and the rest (distortion, images) below it.
    fn response(rate_in: usize, rate_out: usize, hz: f64) -> (f64, f64) {
        let (tick_in, tick_out) = (rate_in / 50, rate_out / 50);
        let mut resampler = Resampler::new(tick_in, tick_out).expect("a usual ratio");
        let mut out = Vec::new();
        let mut frame = vec![0; tick_out];
        for tick in 0..20 {
            let input: Vec<i16> = (0..tick_in)
                .map(|i| (10_000.0 * (TAU * hz * (tick * tick_in + i) as f64 / rate_in as f64).sin()) as i16)
                .collect();
            resampler.process(&input, &mut frame);
            out.extend_from_slice(&frame);
        }
        let tail = &out[rate_out / 5..];
        let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
        for (i, &s) in tail.iter().enumerate() {
            let (s, phase) = (f64::from(s), TAU * hz * i as f64 / rate_out as f64);
            re += s * phase.cos();
            im += s * phase.sin();
            power += s * s;
        }
        let n = tail.len() as f64;
        let tone = 2.0 * (re * re + im * im) / n;
        (
            10.0 * (tone / (n * 5e7)).log10(),
            10.0 * (tone / (power - tone).max(1.0)).log10(),
        )
    }

    /// All rates of files, codecs and cards that give whole frames of 20 ms.
    const RATES: [usize; 8] = [8_000, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

    fn every_pair() -> impl Iterator<Item = (usize, usize)> {
        let pairs = RATES.into_iter().flat_map(|from| RATES.map(|to| (from, to)));
        pairs.filter(|(from, to)| from != to)
    }

    #[test]
    fn tones_up_to_four_fifths_of_the_band_keep_their_level_and_stay_clean() {
        for (rate_in, rate_out) in every_pair() {
            for part in [0.01, 0.05, 0.1, 0.2, 0.3, 0.35, 0.4, 0.42] {
                let hz = rate_in.min(rate_out) as f64 * part;
                // A whole number of periods in the measured stretch, so that nothing leaks past the tone.
                let hz = (hz / 50.0).round() * 50.0;
                let (level, clean) = response(rate_in, rate_out, hz);
                assert!(level.abs() < 0.2, "{rate_in} to {rate_out}, {hz} Hz: {level} dB");
                assert!(
                    clean > 60.0,
                    "{rate_in} to {rate_out}, {hz} Hz: rest only {clean} dB below"
                );
            }
        }
    }

    #[test]
    fn tones_above_the_new_band_are_taken_away() {
        for (rate_in, rate_out) in every_pair().filter(|(from, to)| from > to) {
            for part in 0..8 {
                // From a little above the new band to the end of the old one.
                let (low, high) = (0.55 * rate_out as f64, 0.5 * rate_in as f64);
                let hz = low + (high - low) * f64::from(part) / 8.0;
                if low > high {
                    continue;
                }
                let left = loudest_of(rate_in, rate_out, hz);
                assert!(
                    left < 10,
                    "{rate_in} to {rate_out}, {hz} Hz: {left} of 10000 left"
                );
            }
        }
    }

    /// What is left of a tone of 10,000.
    fn loudest_of(rate_in: usize, rate_out: usize, hz: f64) -> u16 {
        let (tick_in, tick_out) = (rate_in / 50, rate_out / 50);
        let mut resampler = Resampler::new(tick_in, tick_out).expect("a usual ratio");
        let mut frame = vec![0; tick_out];
        for tick in 0..4 {
            let input: Vec<i16> = (0..tick_in)
                .map(|i| TAU * hz * (tick * tick_in + i) as f64 / rate_in as f64)
                .map(|phase| (10_000.0 * phase.sin()) as i16)
                .collect();
            resampler.process(&input, &mut frame);
        }
        frame.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0)
    }

    #[test]
    fn odd_relations_run_for_long_without_running_dry() {
        for (tick_in, tick_out) in [(441, 480), (480, 441), (1764, 160), (220, 960), (997, 960)] {
            let mut resampler = Resampler::new(tick_in, tick_out).expect("a finite ratio");
            let input = vec![1000; tick_in];
            let mut frame = vec![0; tick_out];
            for _ in 0..3000 {
                resampler.process(&input, &mut frame);
            }
            assert!(
                frame.iter().all(|s| (999..=1001).contains(s)),
                "{tick_in} to {tick_out}"
            );
        }
    }

    #[test]
    fn the_delay_told_is_the_delay_found() {
        for (tick_in, tick_out) in [
            (160, 960),
            (320, 960),
            (960, 320),
            (960, 160),
            (441, 480),
            (147, 640),
            (480, 240),
        ] {
            let mut resampler = Resampler::new(tick_in, tick_out).expect("a usual ratio");
            let bell = |i: usize| (20_000.0 * (-((i as f64 - 2000.0) / 40.0).powi(2)).exp()) as i16;
            let input: Vec<i16> = (0..8000).map(bell).collect();
            let (mut frame, mut at, mut moment, mut weight) = (vec![0; tick_out], 0, 0.0, 0.0);
            for chunk in input.chunks_exact(tick_in) {
                resampler.process(chunk, &mut frame);
                for &sample in &frame {
                    moment += f64::from(at) * f64::from(sample);
                    weight += f64::from(sample);
                    at += 1;
                }
            }
            let found = moment / weight - 2000.0 * tick_out as f64 / tick_in as f64;
            let told = resampler.delay() as f64;
            assert!(
                (found - told).abs() < 0.6,
                "{tick_in} to {tick_out}: {found}, told {told}"
            );
        }
    }
}
