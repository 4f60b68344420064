//! A sound to send: the same on each run, pleasant enough to listen to, and unlike itself at any other moment.

use std::f64::consts::TAU;

/// A melody of `seconds` at `rate` hertz, at -20 dBFS: notes of a pentatonic scale, each sung on a vowel, so that its
/// overtones move as in speech, up to 7 kHz or 0.42 of the rate.
///
/// Notes and their lengths follow a fixed random sequence and never repeat for long, so that an alignment is unambiguous.
pub fn tune(rate: u32, seconds: f64) -> Vec<i16> {
    let len = (f64::from(rate) * seconds) as usize;
    let mut sound = vec![0.0; len];
    let mut dice = Dice(0x0FF_400C);
    let (mut start, mut degree) = (0, 4);
    while start < len {
        let length = [0.16, 0.22, 0.3, 0.44][dice.roll(4)];
        // Small steps up and down make a melody; large ones would make a siren.
        degree = (degree + dice.roll(5))
            .saturating_sub(2)
            .clamp(0, SCALE.len() - 1);
        let note = Note {
            hz: SCALE[degree] * (1.0 + 0.004 * dice.roll(3) as f64),
            vowels: [VOWELS[dice.roll(VOWELS.len())], VOWELS[dice.roll(VOWELS.len())]],
            length,
            stress: 0.7 + 0.15 * dice.roll(3) as f64,
        };
        note.sing(&mut sound[start..], f64::from(rate));
        let rest = [0.0, 0.0, 0.03, 0.1][dice.roll(4)];
        start += ((length * 0.92 + rest) * f64::from(rate)) as usize;
    }
    to_level(&sound)
}

struct Note {
    hz: f64,
    /// The vowel it begins with and the one it ends with.
    vowels: [Vowel; 2],
    /// In seconds.
    length: f64,
    stress: f64,
}

impl Note {
    /// Adds the note to what sounds already.
    fn sing(&self, sound: &mut [f64], rate: f64) {
        let top = f64::min(7000.0, 0.42 * rate);
        let len = sound.len().min((self.length * rate) as usize);
        let mut phase = 0.0;
        for (index, stretch) in sound[..len].chunks_mut(STRETCH).enumerate() {
            let start = (index * STRETCH) as f64 / rate;
            let strengths = self.strengths(start, top);
            for (i, sample) in stretch.iter_mut().enumerate() {
                let t = start + i as f64 / rate;
                phase += TAU * self.pitch(t) / rate;
                let attack = (t / 0.015).min(1.0);
                let release = ((self.length - t) / 0.06).clamp(0.0, 1.0);
                let loudness = self.stress * attack * release * (1.0 - 0.45 * t / self.length);
                *sample += loudness * voice(phase, &strengths);
            }
        }
    }

    /// The fundamental at a time of the note, in hertz, with a little vibrato that sets in late, as singers do it.
    fn pitch(&self, t: f64) -> f64 {
        self.hz * (1.0 + 0.006 * t / self.length * (TAU * 5.3 * t).sin())
    }

    /// How strong each overtone is at a time of the note.
    fn strengths(&self, t: f64, top: f64) -> Vec<f64> {
        let hz = self.pitch(t);
        let overtones = (1..).map(|n| f64::from(n) * hz).take_while(|&hz| hz < top);
        overtones.map(|hz| self.strength(hz, t / self.length)).collect()
    }

    /// How strong an overtone of `hz` is: it falls with height, and rises where the vowel of the moment resonates.
    fn strength(&self, hz: f64, part: f64) -> f64 {
        let resonance = |vowel: Vowel| -> f64 {
            let bump = |formant: f64, width: f64| (-((hz - formant) / width).powi(2)).exp();
            bump(vowel[0], 150.0)
                + 0.6 * bump(vowel[1], 250.0)
                + 0.35 * bump(vowel[2], 500.0)
                + 0.12 * bump(5500.0, 1500.0)
        };
        let [from, to] = self.vowels.map(resonance);
        (0.04 + from * (1.0 - part) + to * part) / (1.0 + hz / 2500.0)
    }
}

/// Samples for which the vowel stands still: 2 ms at 8 kHz, a third of one at 48 kHz.
const STRETCH: usize = 16;

/// The sum of overtones at a phase of the fundamental: sin(n x) = 2 cos(x) sin((n - 1) x) - sin((n - 2) x).
fn voice(phase: f64, strengths: &[f64]) -> f64 {
    let (sine, cosine) = phase.sin_cos();
    let (mut now, mut before) = (sine, 0.0);
    let mut sum = 0.0;
    for strength in strengths {
        sum += strength * now;
        (now, before) = (2.0 * cosine * now - before, now);
    }
    sum
}

/// Scales to -20 dBFS.
fn to_level(sound: &[f64]) -> Vec<i16> {
    let energy: f64 = sound.iter().map(|s| s * s).sum();
    let rms = (energy / sound.len().max(1) as f64).sqrt();
    let scale = if rms > 0.0 { 3276.8 / rms } else { 0.0 };
    sound.iter().map(|s| (s * scale).round() as i16).collect()
}

/// Fundamentals in hertz: two octaves of A minor pentatonic.
const SCALE: [f64; 10] = [
    164.8, 196.0, 220.0, 261.6, 293.7, 329.6, 392.0, 440.0, 523.3, 587.3,
];

/// Three resonances in hertz.
type Vowel = [f64; 3];

/// a, e, i, o, u.
const VOWELS: [Vowel; 5] = [
    [800.0, 1150.0, 2900.0],
    [400.0, 1600.0, 2700.0],
    [350.0, 1700.0, 3300.0],
    [450.0, 800.0, 2830.0],
    [325.0, 700.0, 2700.0],
];

/// A fixed sequence of dice.
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as usize % sides
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{align, dbfs};

    #[test]
    fn the_tune_is_the_same_each_time_at_minus_twenty_and_never_clips() {
        for rate in [8_000, 16_000, 48_000] {
            let sound = tune(rate, 4.0);
            assert_eq!(sound.len(), 4 * rate as usize);
            assert_eq!(sound, tune(rate, 4.0));
            assert!((dbfs(&sound) + 20.0).abs() < 0.1);
            let peak = sound.iter().map(|s| s.unsigned_abs()).max();
            assert!(peak < Some(24_000), "{peak:?}");
        }
    }

    #[test]
    fn no_moment_of_the_tune_is_like_another() {
        let sound = tune(16_000, 8.0);
        for second in 0..6 {
            let part = &sound[second * 16_000..][..24_000];
            let others = [&sound[..second * 16_000], &sound[second * 16_000 + 24_000..]];
            for other in others.into_iter().filter(|other| other.len() >= 24_000) {
                let likeness = align(part, other).correlation;
                assert!(likeness < 0.6, "second {second}: {likeness}");
            }
        }
    }
}
