//! Another sample rate, for a codec that comes in place of the one that the transport runs at.
//!
//! The filter is rubato's, a windowed sinc with a row for each place that an output sample takes between two input samples. Here
//! packets of any length go in, and each gives all that it makes at the other rate.

use super::CodecError;
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler as _, Resizable as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

/// Samples of the lower rate over which the filter reaches. Half of them are its delay: 2 ms at 8 kHz.
const REACH: usize = 32;

/// What of the lower rate's band passes; above that the filter falls, so that little folds back: what it can of a voice of 3400 Hz
/// at 8 kHz.
const PASSED: f32 = 0.94;

/// Samples beyond the need that wait in the queue, against rounding of positions.
const SLACK: usize = 1;

/// Changes the sample rate of one stream by a ratio of whole numbers. Allocates nothing after it was made.
#[derive(Debug)]
pub(crate) struct Resampler {
    sinc: Async<f32>,
    up: usize,
    down: usize,
    /// Input that is not used up: `queue[..filled]`.
    queue: Box<[f32]>,
    filled: usize,
    /// Zeros in the queue at the beginning, so that the filter finds what it reaches for.
    primed: usize,
    output: Box<[f32]>,
    /// What of an output sample the input makes that has come so far, in parts of `down`.
    phase: usize,
}

impl Resampler {
    /// From one rate to another, for at most `longest` samples at once. `None` where both are the same.
    pub(crate) fn new(from: u32, to: u32, longest: usize) -> Result<Option<Self>, CodecError> {
        if from == to {
            return Ok(None);
        }
        let common = common_divisor(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        let parameters = SincInterpolationParameters::new(reach(up, down), WindowFunction::Blackman)
            .f_cutoff(PASSED)
            .oversampling_factor(up)
            .interpolation(SincInterpolationType::Nearest);
        let ratio = up as f64 / down as f64;
        let most = longest * up / down + 1;
        let mut sinc = Async::new_sinc(ratio, 1.0, &parameters, most, 1, FixedAsync::Output)
            .map_err(|_| CodecError::Parameters)?;
        sinc.set_chunk_size(1).map_err(|_| CodecError::Parameters)?;
        let primed = sinc.input_frames_next() + SLACK;
        let room = sinc.input_frames_max() + longest + primed;
        Ok(Some(Self {
            sinc,
            up,
            down,
            queue: vec![0.0; room].into_boxed_slice(),
            filled: primed,
            primed,
            output: vec![0.0; most].into_boxed_slice(),
            phase: 0,
        }))
    }

    /// Forgets what was put in.
    pub(crate) fn restart(&mut self) {
        self.sinc.reset();
        self.queue[..self.primed].fill(0.0);
        self.filled = self.primed;
        self.phase = 0;
    }

    /// By how many input samples sound comes out later than it went in.
    fn delay(&self) -> f64 {
        let (up, down) = (self.up as f64, self.down as f64);
        // The first sample that comes out lies a step behind the beginning; the row that is taken is one too early.
        (reach(self.up, self.down) / 2 + self.primed) as f64 - (down + 1.0) / up
    }

    /// Turns all of `input` into what it makes at the other rate; returns the samples written to `output`, which has room for
    /// them.
    pub(crate) fn process(&mut self, input: &[i16], output: &mut [i16]) -> usize {
        let begin = self.filled;
        self.filled += input.len();
        for (place, sample) in self.queue[begin..self.filled].iter_mut().zip(input) {
            *place = f32::from(*sample);
        }
        let parts = self.phase + input.len() * self.up;
        self.phase = parts % self.down;
        let len = parts / self.down;
        let used = self.filter(len).unwrap_or(0);
        self.queue.copy_within(used..self.filled, 0);
        self.filled -= used;
        for (place, sample) in output[..len].iter_mut().zip(&self.output) {
            *place = sample.round_ties_even() as i16;
        }
        len
    }

    /// Makes so many samples; returns how much of the queue is used up. `None` for none, and for errors that the library has only
    /// for lengths other than those it was made for.
    fn filter(&mut self, len: usize) -> Option<usize> {
        self.sinc.set_chunk_size(len).ok()?;
        let input = SequentialSlice::new(&self.queue, 1, self.filled).ok()?;
        let mut output = SequentialSlice::new_mut(&mut self.output, 1, len).ok()?;
        let done = self
            .sinc
            .process_into_buffer(&input, &mut output, None::<&Indexing>);
        let (used, _) = done.ok()?;
        Some(used)
    }
}

/// What is left of `sound` from a place on, at another rate. What lies before it is what the filter rings with; what comes after
/// is not known, so the last sample goes on.
pub(crate) fn rest_at_rate(sound: &[i16], place: usize, from: u32, to: u32) -> Result<Vec<i16>, CodecError> {
    let longest = sound.len() + 2 * reach(from as usize, to as usize) + reach(to as usize, from as usize);
    let Some(mut resampler) = Resampler::new(from, to, longest)? else {
        return Ok(sound[place..].to_vec());
    };
    let mut input = sound.to_vec();
    input.resize(longest, sound.last().copied().unwrap_or_default());
    let mut output = vec![0; resampler.output.len()];
    let len = resampler.process(&input, &mut output);
    output.truncate(len);
    let ratio = f64::from(to) / f64::from(from);
    let begin = ((place as f64 + resampler.delay()) * ratio).round() as usize;
    let rest = ((sound.len() - place) as f64 * ratio) as usize;
    Ok(output.into_iter().skip(begin).take(rest).collect())
}

/// Length of the filter in samples of the input.
fn reach(up: usize, down: usize) -> usize {
    REACH * down.div_ceil(up)
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_testkit::audio::{dbfs, tone_level};
    use std::f64::consts::TAU;

    fn tone(rate: u32, frequency: f64, samples: usize) -> Vec<i16> {
        let step = frequency / f64::from(rate) * TAU;
        (0..samples)
            .map(|n| ((n as f64 * step).sin() * 10_000.0) as i16)
            .collect()
    }

    /// A tone in frames of 20 ms through the resampler.
    fn resampled(from: u32, to: u32, frequency: f64) -> Vec<i16> {
        let frame = (from / 50) as usize;
        let mut resampler = Resampler::new(from, to, frame).unwrap().unwrap();
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

    /// How much of a tone is left, and how far below it all else lies, in dB. The tone has whole periods in 20 ms.
    fn response(from: u32, to: u32, frequency: f64) -> (f64, f64) {
        let heard = resampled(from, to, frequency);
        let tail = &heard[to as usize / 10..];
        let (heard, all) = (tone_level(tail, to, frequency), dbfs(tail));
        let power = |decibels: f64| 10f64.powf(decibels / 10.0);
        let rest = (power(all) - power(heard)).max(1e-12);
        let sent = dbfs(&tone(from, frequency, from as usize));
        (heard - sent, heard - 10.0 * rest.log10())
    }

    fn every_pair() -> impl Iterator<Item = (u32, u32)> {
        let pairs = RATES.into_iter().flat_map(|from| RATES.map(|to| (from, to)));
        pairs.filter(|(from, to)| from != to)
    }

    #[test]
    fn tones_up_to_four_fifths_of_the_band_keep_their_level_and_stay_clean() {
        assert!(Resampler::new(8000, 8000, 1).unwrap().is_none());
        for (from, to) in every_pair() {
            for part in [0.05, 0.2, 0.3, 0.4] {
                let frequency = (f64::from(from.min(to)) * part / 50.0).round() * 50.0;
                let (level, clean) = response(from, to, frequency);
                assert!(level.abs() < 0.2, "{from} to {to}, {frequency} Hz: {level} dB");
                assert!(
                    clean > 60.0,
                    "{from} to {to}, {frequency} Hz: only {clean} dB below"
                );
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        for (from, to) in every_pair().filter(|(from, to)| from > to) {
            for part in [0.56, 0.6, 0.75, 1.0] {
                let frequency = f64::from(to) * part;
                if frequency > f64::from(from) / 2.0 {
                    continue;
                }
                let heard = resampled(from, to, frequency);
                let loudest = heard[to as usize / 10..]
                    .iter()
                    .map(|sample| sample.unsigned_abs());
                let loudest = loudest.max();
                assert!(loudest < Some(10), "{from} to {to}, {frequency} Hz: {loudest:?}");
            }
        }
    }

    #[test]
    fn sound_is_as_late_as_is_told() {
        for (from, to) in every_pair() {
            let resampler = Resampler::new(from, to, 1).unwrap().unwrap();
            let delay = resampler.delay() * f64::from(to) / f64::from(from);
            assert!(resampler.delay() / f64::from(from) < 0.0025);
            let heard = resampled(from, to, 1000.0);
            assert_eq!(heard.len(), to as usize, "{from} to {to}");
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
    fn what_is_left_of_a_sound_goes_on_at_another_rate_where_it_was() {
        for (from, to) in every_pair() {
            let (sound, place) = (tone(from, 700.0, from as usize / 20), from as usize / 50);
            let rest = rest_at_rate(&sound, place, from, to).unwrap();
            assert_eq!(rest.len(), (to as usize * 30).div_ceil(1000));
            let step = 700.0 / f64::from(to) * TAU;
            // It begins at the nearest sample, and the last of it rings with what is not known.
            let nearest = 10_000.0 * step / 2.0 + 50.0;
            let known = &rest[..rest.len() - to as usize / 400];
            for (n, sample) in known.iter().enumerate() {
                let due = ((n as f64 + f64::from(to) / 50.0) * step).sin() * 10_000.0;
                let apart = (f64::from(*sample) - due).abs();
                assert!(apart < nearest, "{from} to {to}, sample {n}: {sample}, not {due}");
            }
        }
        assert_eq!(rest_at_rate(&[], 0, 8000, 16_000), Ok(Vec::new()));
        assert_eq!(rest_at_rate(&[1, 2], 1, 8000, 8000), Ok(vec![2]));
    }

    proptest::proptest! {
        /// Packets of any length, even none: nothing is asked for that is not there, and after a restart nothing is left.
        #[test]
        fn how_sound_is_cut_into_packets_does_not_matter(
            from in 0..RATES.len(), to in 0..RATES.len(),
            lens in proptest::collection::vec(0..700_usize, 1..30),
        ) {
            let (from, to) = (RATES[from], RATES[to]);
            let Some(mut resampler) = Resampler::new(from, to, 20_000).unwrap() else {
                return Ok(());
            };
            let sound = tone(from, 440.0, lens.iter().sum());
            let mut output = vec![0; 20_000 * 6 + 1];
            let len = resampler.process(&sound, &mut output);
            proptest::prop_assert_eq!(len, sound.len() * to as usize / from as usize);
            let whole = output[..len].to_vec();
            resampler.restart();
            let (mut rest, mut parts) = (&sound[..], Vec::new());
            for len in lens {
                let (part, behind) = rest.split_at(len);
                let len = resampler.process(part, &mut output);
                parts.extend_from_slice(&output[..len]);
                rest = behind;
            }
            proptest::prop_assert_eq!(parts, whole);
        }
    }
}
