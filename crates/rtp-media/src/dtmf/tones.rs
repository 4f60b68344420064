//! Digits as tones in the audio (ITU-T Q.23, Q.24), for peers without telephone-events.

use super::Digit;
use std::f32::consts::TAU;
use std::time::Duration;

/// The tones of the rows and of the columns of the keypad, in hertz (Q.23).
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// The keypad, as event codes: `123A`, `456B`, `789C`, `*0#D`.
const KEYPAD: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

/// Peak of each of the two tones, of full scale: the pair is at -12 dBFS.
const PEAK: f32 = 0.25;

/// How long a tone glides in and out, so that it does not click.
const GLIDE: Duration = Duration::from_millis(5);

/// The frequencies of a key.
fn frequencies(digit: Digit) -> [f32; 2] {
    let place = |row: usize| KEYPAD[row].iter().position(|event| *event == digit.event());
    (0..4)
        .find_map(|row| Some([ROWS[row], COLUMNS[place(row)?]]))
        .expect("each digit has its place")
}

/// Writes a part of a digit's tones: `place` samples after their beginning, of `length` in all.
pub(crate) fn write_tones(digit: Digit, sample_rate: u32, place: usize, length: usize, pcm: &mut [i16]) {
    let rate = sample_rate as f32;
    let glide = GLIDE.as_secs_f32() * rate;
    let [row, column] = frequencies(digit).map(|hertz| TAU * hertz / rate);
    for (sample, place) in pcm.iter_mut().zip(place..) {
        let edge = place.min(length.saturating_sub(place)) as f32 / glide;
        let wave = (place as f32 * row).sin() + (place as f32 * column).sin();
        *sample = (wave * PEAK * edge.min(1.0) * f32::from(i16::MAX)) as i16;
    }
}

/// Length of the pieces in which tones are looked for: short enough that two of them lie in the 40 ms that Q.24 calls a digit,
/// and long enough to tell the tones of neighbouring rows from each other.
const PIECE: Duration = Duration::from_micros(12_750);

/// Quieter than this, as a mean square of full scale, nothing is a digit: -45 dBFS.
const QUIETEST: f32 = 3.2e-5;

/// How much louder the column's tone may be than the row's, and the row's than the column's: 8 and 4 dB (Q.24 table A.1).
const TWIST: f32 = 6.3;
const REVERSE_TWIST: f32 = 2.5;

/// How much louder a tone must be than the others of its group: 8 dB.
const APART: f32 = 6.3;

/// How much of all that is heard the two tones are at least.
const PURE: f32 = 0.8;

/// Pieces that make a digit, and pieces without it that end it.
const ENOUGH: u32 = 2;

/// Listens for digits.
#[derive(Debug)]
pub(crate) struct ToneDetector {
    filters: [Goertzel; 8],
    energy: f32,
    heard: usize,
    piece: usize,
    sample_rate: u32,
    /// The digit that sounds or may, and for how many pieces.
    sounding: Option<(Digit, u32)>,
    /// Pieces in a row without it.
    missing: u32,
}

impl ToneDetector {
    pub(crate) fn new(sample_rate: u32) -> Self {
        let mut frequencies = ROWS.into_iter().chain(COLUMNS);
        Self {
            filters: std::array::from_fn(|_| {
                Goertzel::new(frequencies.next().unwrap_or_default(), sample_rate)
            }),
            energy: 0.0,
            heard: 0,
            piece: (PIECE.as_secs_f32() * sample_rate as f32) as usize,
            sample_rate,
            sounding: None,
            missing: 0,
        }
    }

    /// Listens to audio; tells each digit that is over, and how long it was.
    pub(crate) fn listen(&mut self, pcm: &[i16], mut pressed: impl FnMut(Digit, Duration)) {
        let mut rest = pcm;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(self.piece - self.heard));
            rest = later;
            self.heard += now.len();
            for sample in now {
                let sample = f32::from(*sample) / 32768.0;
                self.energy += sample * sample;
                for filter in &mut self.filters {
                    filter.take(sample);
                }
            }
            if self.heard == self.piece {
                let found = self.judge();
                if let Some((digit, pieces)) = self.follow(found) {
                    let samples = self.piece as f64 * f64::from(pieces);
                    pressed(
                        digit,
                        Duration::from_secs_f64(samples / f64::from(self.sample_rate)),
                    );
                }
                self.heard = 0;
                self.energy = 0.0;
            }
        }
    }

    /// The digit of a full piece; the filters begin anew.
    fn judge(&mut self) -> Option<Digit> {
        let piece = self.piece as f32;
        let powers = self.filters.each_mut().map(Goertzel::power);
        if self.energy < QUIETEST * piece {
            return None;
        }
        let (row, low) = loudest(&powers[..4])?;
        let (column, high) = loudest(&powers[4..])?;
        // A sine that fills the piece has all its energy in one filter, times half of the length.
        let pure = low + high >= PURE * self.energy * piece / 2.0;
        let level = high <= low * TWIST && low <= high * REVERSE_TWIST;
        (pure && level)
            .then(|| Digit::from_event(KEYPAD[row][column]))
            .flatten()
    }

    /// What is over after another piece.
    fn follow(&mut self, found: Option<Digit>) -> Option<(Digit, u32)> {
        match (&mut self.sounding, found) {
            (Some((digit, pieces)), Some(found)) if *digit == found => {
                *pieces += 1 + std::mem::take(&mut self.missing);
                None
            }
            (Some((_, pieces)), _) if *pieces >= ENOUGH && self.missing + 1 < ENOUGH => {
                self.missing += 1;
                None
            }
            (sounding, found) => {
                self.missing = 0;
                let over = std::mem::replace(sounding, found.map(|digit| (digit, 1)));
                over.filter(|(_, pieces)| *pieces >= ENOUGH)
            }
        }
    }
}

/// The loudest of a group, unless another is nearly as loud.
fn loudest(powers: &[f32]) -> Option<(usize, f32)> {
    let (place, &most) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let mut others = powers.iter().enumerate().filter(|(other, _)| *other != place);
    others
        .all(|(_, &power)| power * APART <= most)
        .then_some((place, most))
}

/// The power of one frequency (Goertzel's algorithm).
#[derive(Debug)]
struct Goertzel {
    factor: f32,
    before: f32,
    last: f32,
}

impl Goertzel {
    fn new(hertz: f32, sample_rate: u32) -> Self {
        Self {
            factor: 2.0 * (TAU * hertz / sample_rate as f32).cos(),
            before: 0.0,
            last: 0.0,
        }
    }

    fn take(&mut self, sample: f32) {
        let next = sample + self.factor * self.last - self.before;
        self.before = std::mem::replace(&mut self.last, next);
    }

    /// The power since the beginning, and a new beginning.
    fn power(&mut self) -> f32 {
        let (last, before) = (std::mem::take(&mut self.last), std::mem::take(&mut self.before));
        last * last + before * before - self.factor * last * before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits() -> impl Iterator<Item = Digit> {
        (0..16).filter_map(Digit::from_event)
    }

    fn heard(rate: u32, pcm: &[i16]) -> Vec<(Digit, u128)> {
        let mut detector = ToneDetector::new(rate);
        let mut heard = Vec::new();
        for frame in pcm.chunks(rate as usize / 50) {
            detector.listen(frame, |digit, length| heard.push((digit, length.as_millis())));
        }
        heard
    }

    /// A digit between silences, all in milliseconds.
    fn tone(rate: u32, digit: Digit, ms: usize) -> Vec<i16> {
        let samples = |ms: usize| rate as usize * ms / 1000;
        let mut pcm = vec![0; samples(ms + 100)];
        write_tones(
            digit,
            rate,
            0,
            samples(ms),
            &mut pcm[samples(31)..samples(31 + ms)],
        );
        pcm
    }

    #[test]
    fn each_digit_is_heard_once_at_each_rate_and_as_long_as_it_was() {
        for rate in [8000, 16_000, 32_000, 48_000] {
            for digit in digits() {
                for ms in [60, 160, 1000] {
                    let heard = heard(rate, &tone(rate, digit, ms));
                    let [(found, length)] = heard[..] else {
                        panic!("{digit} of {ms} ms at {rate} Hz: {heard:?}");
                    };
                    assert_eq!(found, digit);
                    assert!(length.abs_diff(ms as u128) <= 26, "{ms} ms: {length}");
                }
            }
        }
    }

    #[test]
    fn the_same_digit_twice_is_two_digits() {
        let five = Digit::from_event(5).unwrap();
        let pcm = [tone(8000, five, 60), tone(8000, five, 60)].concat();
        assert_eq!(heard(8000, &pcm).len(), 2);
    }

    #[test]
    fn a_digit_is_heard_with_noise_15_db_below_it_and_when_it_is_quiet() {
        let mut noise = 1_u32;
        for digit in digits() {
            let mut pcm = tone(8000, digit, 100);
            for sample in &mut pcm {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Tones at -12 dBFS; evenly spread noise of 2540 is at -27 dBFS.
                *sample = sample.saturating_add(((noise >> 16) as i16 as i32 * 2540 / 32_768) as i16);
            }
            assert_eq!(heard(8000, &pcm).len(), 1, "{digit}");
            let quiet: Vec<i16> = tone(8000, digit, 100).iter().map(|sample| sample / 32).collect();
            assert_eq!(heard(8000, &quiet).len(), 1, "{digit}");
        }
    }

    #[test]
    fn what_is_no_digit_is_not_heard() {
        let rate = 8000_u32;
        let sines = |hertz: &[f32]| -> Vec<i16> {
            let wave = |n: usize| -> f32 {
                let angle = |hertz: &f32| TAU * hertz * n as f32 / rate as f32;
                hertz.iter().map(|hertz| angle(hertz).sin() * 6000.0).sum()
            };
            (0..rate as usize).map(|n| wave(n) as i16).collect()
        };
        for (what, pcm) in [
            ("silence", vec![0; 8000]),
            ("one tone", sines(&[697.0])),
            ("two of a row", sines(&[697.0, 941.0])),
            ("ringing", sines(&[440.0, 480.0])),
            ("a dial tone", sines(&[350.0, 440.0])),
            ("three tones", sines(&[697.0, 1209.0, 1633.0])),
            ("beside the tones", sines(&[740.0, 1290.0])),
            ("a short burst", tone(rate, Digit::from_event(1).unwrap(), 12)),
        ] {
            assert_eq!(heard(rate, &pcm), [], "{what}");
        }
        let mut noise = 1_u32;
        let hiss: Vec<i16> = (0..80_000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 18) as i16
            })
            .collect();
        assert_eq!(heard(rate, &hiss), [], "noise");
    }
}
