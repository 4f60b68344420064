//! Tones that telephones make: ringing, busy, keys.

use crate::port::{AudioPort, Produced, Role, Tick};
use std::f64::consts::TAU;
use std::time::Duration;

/// One or two frequencies at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Frequencies in hertz; a frequency of 0 is absent.
    pub hz: [u32; 2],
    /// Level of each frequency in decibels below full scale. Default -13: two of them stay 7 dB below
    /// clipping, loud enough for any DTMF receiver.
    pub dbfs: f64,
}

impl Tone {
    /// A tone of one or two frequencies at the default level.
    pub fn new(hz: [u32; 2]) -> Self {
        Self { hz, dbfs: -13.0 }
    }

    /// The tone of a key (ITU-T Q.23): `0`-`9`, `*`, `#`, `A`-`D`. `None` for all else.
    pub fn dtmf(key: char) -> Option<Self> {
        const ROWS: [u32; 4] = [697, 770, 852, 941];
        const COLUMNS: [u32; 4] = [1209, 1336, 1477, 1633];
        let at = "123A456B789C*0#D".find(key.to_ascii_uppercase())?;
        Some(Self::new([ROWS[at / 4], COLUMNS[at % 4]]))
    }
}

/// When a tone sounds and when it is silent, and for how long in all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cadence {
    /// What sounds.
    pub tone: Tone,
    /// How long it sounds.
    pub on: Duration,
    /// How long it is silent then.
    pub off: Duration,
    /// How often; `None` is without end.
    pub times: Option<u32>,
}

impl Cadence {
    /// Ringing as most of Europe hears it (ITU-T E.180): 425 Hz, 1 s on, 4 s off.
    pub fn ringback() -> Self {
        Self::endless([425, 0], 1000, 4000)
    }

    /// Ringing as North America hears it: 440 and 480 Hz, 2 s on, 4 s off.
    pub fn ringback_north_america() -> Self {
        Self::endless([440, 480], 2000, 4000)
    }

    /// Busy (ITU-T E.180): 425 Hz, half a second on, half off.
    pub fn busy() -> Self {
        Self::endless([425, 0], 500, 500)
    }

    /// Another call waits, as North America hears it: 440 Hz, 0.3 s every 10 s.
    pub fn call_waiting() -> Self {
        Self::endless([440, 0], 300, 9700)
    }

    /// A call is still on hold: a soft 425 Hz, 0.2 s every 15 s. No standard has such a tone.
    pub fn hold_reminder() -> Self {
        let reminder = Self::endless([425, 0], 200, 14_800);
        Self {
            tone: Tone {
                dbfs: -24.0,
                ..reminder.tone
            },
            ..reminder
        }
    }

    /// One press of a key: 100 ms, then a gap of 60 ms (ITU-T Q.24 asks for at least 40 ms each).
    pub fn dtmf(key: char) -> Option<Self> {
        Some(Self {
            tone: Tone::dtmf(key)?,
            on: Duration::from_millis(100),
            off: Duration::from_millis(60),
            times: Some(1),
        })
    }

    fn endless(hz: [u32; 2], on: u64, off: u64) -> Self {
        Self {
            tone: Tone::new(hz),
            on: Duration::from_millis(on),
            off: Duration::from_millis(off),
            times: None,
        }
    }
}

/// A port that sounds a [`Cadence`]. Each burst begins and ends with a short glide, so that it does not click.
#[derive(Clone, Debug)]
pub struct TonePlayer {
    rate: u32,
    cadence: Option<Cadence>,
    /// Samples since the cadence began.
    at: u64,
    ending: Option<Ending>,
}

/// A burst that was cut short glides out.
#[derive(Clone, Copy, Debug)]
struct Ending {
    /// Samples until it is silent.
    left: u64,
    /// What plays then.
    next: Option<Cadence>,
}

impl TonePlayer {
    /// Length of the glide at either end of a burst: short against the 40 ms of a key, long against a click.
    pub const EDGE: Duration = Duration::from_millis(4);

    /// A player at `rate` hertz, silent until [`play`](Self::play).
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            cadence: None,
            at: 0,
            ending: None,
        }
    }

    /// Plays a cadence from its beginning with the next tick, instead of what is playing: a burst glides out first.
    pub fn play(&mut self, cadence: Cadence) {
        self.follow(Some(cadence));
    }

    /// Is silent from the next tick on; a burst glides out within it.
    pub fn stop(&mut self) {
        self.follow(None);
    }

    fn follow(&mut self, next: Option<Cadence>) {
        if let Some(ending) = &mut self.ending {
            ending.next = next;
        } else if self.cadence.is_some_and(|cadence| self.sounds(&cadence)) {
            let left = self.samples_in(Self::EDGE);
            self.ending = Some(Ending { left, next });
        } else {
            self.cadence = next;
            self.at = 0;
        }
    }

    fn sounds(&self, cadence: &Cadence) -> bool {
        self.at > 0 && self.at % self.period(cadence) < self.samples_in(cadence.on)
    }

    fn period(&self, cadence: &Cadence) -> u64 {
        let on = self.samples_in(cadence.on);
        on.saturating_add(self.samples_in(cadence.off)).max(1)
    }

    /// How loud the burst still is, from 1 to 0, while it glides out.
    fn glide_out(&mut self, edge: u64) -> f64 {
        let Some(ending) = &mut self.ending else {
            return 1.0;
        };
        ending.left = ending.left.saturating_sub(1);
        ending.left as f64 / edge as f64
    }

    /// Whether a cadence is playing, its pauses included, or will when the last burst has glided out.
    pub fn is_active(&self) -> bool {
        match &self.ending {
            Some(ending) => ending.next.is_some(),
            None => self.cadence.is_some(),
        }
    }

    fn samples_in(&self, time: Duration) -> u64 {
        let samples = time.as_micros() * u128::from(self.rate) / 1_000_000;
        u64::try_from(samples).unwrap_or(u64::MAX)
    }
}

impl AudioPort for TonePlayer {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::PRODUCER
    }

    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        if let Some(Ending { left: 0, next }) = self.ending {
            self.cadence = next;
            self.at = 0;
            self.ending = None;
        }
        let Some(cadence) = self.cadence else {
            return Produced::Silence;
        };
        let (on, edge) = (self.samples_in(cadence.on), self.samples_in(Self::EDGE).max(1));
        let period = self.period(&cadence);
        let amplitude = 32_767.0 * 10_f64.powf(cadence.tone.dbfs / 20.0);
        let steps = cadence
            .tone
            .hz
            .map(|hz| TAU * f64::from(hz) / f64::from(self.rate));
        let mut sounded = false;
        for sample in frame.iter_mut() {
            let (burst, at) = (self.at / period, self.at % period);
            let over = cadence.times.is_some_and(|times| burst >= u64::from(times));
            if over {
                self.cadence = None;
            }
            *sample = 0;
            if !over && at < on {
                sounded = true;
                let glide = (at.min(on - at) as f64 / edge as f64).min(1.0);
                let wave: f64 = steps.iter().map(|step| (step * at as f64).sin()).sum();
                *sample = (amplitude * glide * self.glide_out(edge) * wave) as i16;
            }
            self.at += 1;
        }
        if let Some(ending) = &mut self.ending {
            // A tick is longer than a glide.
            ending.left = 0;
        }
        if sounded {
            Produced::Audio
        } else {
            Produced::Silence
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn tick() -> Tick {
        Tick {
            now: Instant::now(),
            index: 0,
            duration: Duration::from_millis(20),
        }
    }

    fn sound(cadence: Cadence, rate: u32, ticks: usize) -> (TonePlayer, Vec<i16>) {
        let mut player = TonePlayer::new(rate);
        player.play(cadence);
        let mut out = Vec::new();
        for _ in 0..ticks {
            let mut frame = vec![0; rate as usize / 50];
            player.produce(&tick(), &mut frame);
            out.extend(frame);
        }
        (player, out)
    }

    #[test]
    fn the_longest_times_are_times() {
        let mut cadence = Cadence::dtmf('5').expect("a key");
        (cadence.on, cadence.off) = (Duration::MAX, Duration::MAX);
        let (player, out) = sound(cadence, 48_000, 3);
        assert!(player.is_active() && out.iter().any(|&sample| sample != 0));
    }

    #[test]
    fn a_key_sounds_for_a_tenth_of_a_second_with_soft_edges_then_is_over() {
        let cadence = Cadence::dtmf('5').expect("a key");
        assert_eq!(cadence.tone.hz, [770, 1336]);
        let (player, out) = sound(cadence, 8_000, 12);
        assert!(!player.is_active());
        assert!(
            out[0].abs() < 50 && out[799].abs() < 500,
            "{} {}",
            out[0],
            out[799]
        );
        assert!(out[..800].iter().any(|&s| s > 12_000));
        assert!(out[800..].iter().all(|&s| s == 0));
    }

    #[test]
    fn busy_alternates_each_half_second() {
        let (player, out) = sound(Cadence::busy(), 16_000, 150);
        assert!(player.is_active());
        for (half, sounds) in out.chunks(8_000).zip([true, false].into_iter().cycle()) {
            assert_eq!(half.iter().any(|&s| s != 0), sounds);
        }
    }

    /// The greatest step from one sample to the next.
    fn step(samples: &[i16]) -> u16 {
        let steps = samples.windows(2).map(|pair| pair[1].abs_diff(pair[0]));
        steps.max().unwrap_or(0)
    }

    #[test]
    fn a_burst_that_is_stopped_or_replaced_glides_out() {
        let steady = step(&sound(Cadence::busy(), 16_000, 20).1);
        for next in [None, Some(Cadence::call_waiting())] {
            for ticks in 1..10 {
                let (mut player, mut out) = sound(Cadence::busy(), 16_000, ticks);
                match next {
                    Some(cadence) => player.play(cadence),
                    None => player.stop(),
                }
                assert_eq!(player.is_active(), next.is_some());
                for _ in 0..3 {
                    let mut frame = vec![0; 320];
                    if player.produce(&tick(), &mut frame) == Produced::Silence {
                        frame.fill(0);
                    }
                    out.extend(frame);
                }
                let cut = step(&out);
                assert!(
                    cut <= steady + steady / 4,
                    "{next:?} after {ticks}: {cut}, not {steady}"
                );
                let glided = &out[ticks * 320 + 64..(ticks + 1) * 320];
                assert!(glided.iter().all(|&s| s == 0), "the burst is over after 4 ms");
                assert_eq!(out[(ticks + 1) * 320..].iter().any(|&s| s != 0), next.is_some());
            }
        }
    }

    #[test]
    fn a_cadence_can_be_stopped_and_begun_anew_in_its_pause() {
        let (mut player, _) = sound(Cadence::busy(), 16_000, 30);
        player.stop();
        assert!(!player.is_active());
        player.play(Cadence::hold_reminder());
        let mut frame = vec![0; 320];
        assert_eq!(player.produce(&tick(), &mut frame), Produced::Audio);
        assert!(frame.iter().any(|&s| s > 1_500) && frame.iter().all(|&s| s < 2_100));
    }

    #[test]
    fn only_keys_have_tones() {
        assert_eq!("0123456789*#ABCDd".chars().filter_map(Tone::dtmf).count(), 17);
        assert_eq!(Tone::dtmf('x'), None);
    }
}
