//! Linear prediction: filters, how they are found and what they do to a signal (RFC 3951 §3.2 and §3.3).

use super::mode::{IlbcMode, LONGEST};
use std::f32::consts::PI;

/// Coefficients of a prediction filter but the first, which is one.
pub(super) const ORDER: usize = 10;

/// A(z): one, and its coefficients.
pub(super) type Filter = [f32; ORDER + 1];

/// The filter that does nothing.
pub(super) const FLAT: Filter = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];

/// The last samples of a filter, the latest first.
pub(super) type Memory = [f32; ORDER];

/// Samples before a frame that its analysis sees, in the mode of 20 ms and of 30 ms (§3.2).
const LOOK_BACK: [usize; 2] = [80, 60];

/// Samples under a window.
const WINDOW: usize = 240;

/// How much the formants are widened (§3.2.2).
const CHIRP: f32 = 0.9;

/// A white floor beneath the signal (§3.2.1).
const FLOOR: f32 = 1.0001;

/// How far the smoothing of the spectrum reaches, in radians per sample: 60 Hz (§3.2.1).
const SMOOTHING: f32 = 2.0 * PI * 60.0 / 8000.0;

/// The scalar product, in lanes that a processor can take at once.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// A(z/`factor`).
pub(super) fn widened(filter: &Filter, factor: f32) -> Filter {
    let mut power = 1.0;
    filter.map(|coefficient| {
        let widened = coefficient * power;
        power *= factor;
        widened
    })
}

/// What prediction leaves over: the signal through A(z).
pub(super) fn analyse(filter: &Filter, memory: &mut Memory, samples: &mut [f32]) {
    for sample in samples {
        let rest = *sample + dot(&filter[1..], memory);
        remember(memory, *sample);
        *sample = rest;
    }
}

/// The signal of which prediction leaves this: through 1/A(z).
pub(super) fn synthesise(filter: &Filter, memory: &mut Memory, samples: &mut [f32]) {
    for sample in samples {
        *sample -= dot(&filter[1..], memory);
        remember(memory, *sample);
    }
}

fn remember(memory: &mut Memory, sample: f32) {
    memory.copy_within(..ORDER - 1, 1);
    memory[0] = sample;
}

/// Evens the samples out in time without changing their spectrum: the all-pass filter that has A(z) below and A(z) read
/// backwards above, in a circle (§3.5.2). The samples and as many zeros pass it, and what comes late is added to the beginning.
pub(super) fn disperse(filter: &Filter, samples: &mut [f32]) {
    let mut above = [0.0; ORDER + 1];
    let (mut below, mut late): (Memory, [f32; 64]) = ([0.0; ORDER], [0.0; 64]);
    let late = &mut late[..samples.len()];
    let mut pass = |sample: f32| {
        above.copy_within(..ORDER, 1);
        above[0] = sample;
        let forward: f32 = above.iter().zip(filter.iter().rev()).map(|(a, b)| a * b).sum();
        let passed = forward - dot(&filter[1..], &below);
        remember(&mut below, passed);
        passed
    };
    for sample in &mut *samples {
        *sample = pass(*sample);
    }
    for sample in &mut *late {
        *sample = pass(0.0);
    }
    for (sample, late) in samples.iter_mut().zip(late) {
        *sample += *late;
    }
}

/// Takes what is below the voice out of a signal: two zeros and two poles (§3.1 and §4.8).
#[derive(Clone, Debug)]
pub(super) struct HighPass {
    zeros: [f32; 3],
    poles: [f32; 2],
    inputs: [f32; 2],
    outputs: [f32; 2],
}

impl HighPass {
    /// For what is captured: from 90 Hz (Appendix A.28).
    pub(super) const CAPTURED: Self = Self::new(
        [0.927_274_4, -1.854_494_1, 0.927_274_4],
        [-1.905_946_5, 0.911_402_4],
    );

    /// For what is heard: from 65 Hz (Appendix A.30).
    pub(super) const HEARD: Self = Self::new(
        [0.939_805_8, -1.879_583_4, 0.939_805_8],
        [-1.933_073_5, 0.935_892],
    );

    const fn new(zeros: [f32; 3], poles: [f32; 2]) -> Self {
        Self {
            zeros,
            poles,
            inputs: [0.0; 2],
            outputs: [0.0; 2],
        }
    }

    pub(super) fn next(&mut self, sample: f32) -> f32 {
        let [one, two] = self.inputs;
        let passed = self.zeros[0] * sample + self.zeros[1] * one + self.zeros[2] * two
            - self.poles[0] * self.outputs[0]
            - self.poles[1] * self.outputs[1];
        self.inputs = [sample, one];
        self.outputs = [passed, self.outputs[0]];
        passed
    }
}

/// Finds the filters that predict a frame.
pub(super) struct Prediction {
    look_back: usize,
    /// The end of the frame before, and the frame.
    signal: [f32; LONGEST + LOOK_BACK[1]],
    /// For the first set in the mode of 30 ms: even to both sides.
    even: [f32; WINDOW],
    /// For the last set: leaning to the end of the frame.
    leaning: [f32; WINDOW],
    /// What smooths the spectrum.
    lags: Filter,
}

impl Prediction {
    pub(super) fn new(mode: IlbcMode) -> Self {
        let look_back = match mode {
            IlbcMode::Ms20 => LOOK_BACK[0],
            IlbcMode::Ms30 => LOOK_BACK[1],
        };
        let even = |i: usize| {
            let nearer = i.min(WINDOW - 1 - i);
            0.5 * (1.0 - (2.0 * PI * (nearer + 1) as f32 / (WINDOW + 1) as f32).cos())
        };
        let leaning = |i: usize| match i {
            0..220 => (PI * (i + 1) as f32 / 441.0).sin().powi(2),
            _ => ((i - 220) as f32 * PI / 40.0).cos(),
        };
        let lag = |i: usize| match i {
            0 => FLOOR,
            _ => (-0.5 * (SMOOTHING * i as f32).powi(2)).exp(),
        };
        Self {
            look_back,
            signal: [0.0; LONGEST + LOOK_BACK[1]],
            even: std::array::from_fn(even),
            leaning: std::array::from_fn(leaning),
            lags: std::array::from_fn(lag),
        }
    }

    /// The filters of a frame: one of all of it in the mode of 20 ms, twice; in that of 30 ms, of its second sub-block and of
    /// its fifth.
    pub(super) fn of(&mut self, frame: &[f32]) -> [Filter; 2] {
        let len = self.look_back + frame.len();
        self.signal[self.look_back..len].copy_from_slice(frame);
        let early = self.predictor(&self.signal[..WINDOW], &self.even);
        let late = self.predictor(&self.signal[len - WINDOW..len], &self.leaning);
        self.signal.copy_within(frame.len()..len, 0);
        match self.look_back {
            80 => [late, late],
            _ => [early, late],
        }
    }

    fn predictor(&self, signal: &[f32], window: &[f32; WINDOW]) -> Filter {
        let windowed: [f32; WINDOW] = std::array::from_fn(|i| signal[i] * window[i]);
        let correlation: Filter =
            std::array::from_fn(|lag| dot(&windowed[lag..], &windowed[..WINDOW - lag]) * self.lags[lag]);
        widened(&levinson_durbin(&correlation), CHIRP)
    }
}

/// The filter that leaves the least of a signal with this autocorrelation.
fn levinson_durbin(correlation: &Filter) -> Filter {
    let mut filter = FLAT;
    let mut left = correlation[0];
    for order in 1..=ORDER {
        if left <= f32::EPSILON * correlation[0] {
            break; // nothing is left to predict
        }
        let missed: f32 = (0..order).map(|i| filter[i] * correlation[order - i]).sum();
        let reflection = -missed / left;
        let before = filter;
        for i in 1..=order {
            filter[i] += reflection * before[order - i];
        }
        left *= 1.0 - reflection * reflection;
    }
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(samples: usize) -> Vec<f32> {
        let mut noise = 1_u32;
        let next = |_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 16) as f32 / 32.0 - 1024.0
        };
        (0..samples).map(next).collect()
    }

    #[test]
    fn prediction_finds_the_filter_that_made_a_signal() {
        let mut filter = FLAT;
        (filter[1], filter[2]) = (-1.2, 0.8);
        let mut signal = noise(2400);
        synthesise(&filter, &mut [0.0; ORDER], &mut signal);
        let mut prediction = Prediction::new(IlbcMode::Ms30);
        let mut sums = [0.0; 3];
        for frame in signal.chunks(240) {
            let found = widened(&prediction.of(frame)[1], 1.0 / CHIRP);
            for (sum, found) in sums.iter_mut().zip(found) {
                *sum += found / 10.0;
            }
        }
        assert!(
            (sums[1] + 1.2).abs() < 0.1 && (sums[2] - 0.8).abs() < 0.1,
            "{sums:?}"
        );
        let [silence, _] = Prediction::new(IlbcMode::Ms20).of(&[0.0; 160]);
        assert!(silence[1..].iter().all(|coefficient| coefficient.abs() <= 0.0));
    }

    #[test]
    fn synthesis_undoes_analysis_and_dispersion_undoes_itself_in_reverse() {
        let filter = widened(&[1.0, -1.2, 0.8, 0.1, -0.3, 0.2, 0.0, 0.1, -0.1, 0.05, 0.02], 0.8);
        let signal = noise(58);
        let mut passed = signal.clone();
        analyse(&filter, &mut [1.0; ORDER], &mut passed);
        synthesise(&filter, &mut [1.0; ORDER], &mut passed);
        let close = |passed: &[f32], most: f32| {
            for (passed, signal) in passed.iter().zip(&signal) {
                assert!((passed - signal).abs() < most, "{passed} {signal}");
            }
        };
        close(&passed, 0.1);
        disperse(&filter, &mut passed);
        passed.reverse();
        disperse(&filter, &mut passed);
        passed.reverse();
        close(&passed, 20.0);
    }

    #[test]
    fn what_is_below_the_voice_does_not_pass() {
        for (mut filter, hertz, least, most) in [
            (HighPass::CAPTURED, 0.0, 0.0, 0.011),
            (HighPass::CAPTURED, 30.0, 0.0, 0.3),
            (HighPass::CAPTURED, 300.0, 0.9, 1.1),
            (HighPass::HEARD, 20.0, 0.0, 0.3),
            (HighPass::HEARD, 200.0, 0.9, 1.1),
        ] {
            let passed = (0..8000).map(|n| filter.next(((n as f32) * hertz * 2.0 * PI / 8000.0).cos()));
            let peak = passed
                .skip(4000)
                .fold(0.0, |peak: f32, sample| peak.max(sample.abs()));
            assert!((least..=most).contains(&peak), "{hertz}: {peak}");
        }
    }
}
