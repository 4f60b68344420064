//! Tones that telephones make: ringing, busy, keys.

use crate::port::{AudioPort, Produced, Role, Tick};
use std::f64::consts::TAU;
use std::time::Duration;

/// One or two frequencies at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Frequencies in hertz; a frequency of 0 is absent, and so is one that the player's rate cannot carry: half of it or more.
    pub hz: [u32; 2],
    /// Level of each frequency in decibels of full scale. Default -13: two of them stay 7 dB below
    /// clipping, loud enough for any DTMF receiver. Two above -6, or one above 0, clip; not-a-number is silence.
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

/// A tone and the silence after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// What sounds.
    pub tone: Tone,
    /// How long it sounds.
    pub on: Duration,
    /// How long it is silent then.
    pub off: Duration,
}

/// When tones sound and when it is silent, and for how long in all.
///
/// A custom one is one to [`MAX_BURSTS`](Self::MAX_BURSTS) bursts, played one after the other, again and again:
///
/// ```
/// use offhook_audio_mixer::{Burst, Cadence, Tone};
/// use std::time::Duration;
///
/// // Ringing as Britain hears it: twice, then two seconds of silence.
/// let ring = |off| Burst {
///     tone: Tone::new([400, 450]),
///     on: Duration::from_millis(400),
///     off: Duration::from_millis(off),
/// };
/// let cadence = Cadence::new(&[ring(200), ring(2_000)], None).ok_or("one to eight bursts")?;
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cadence {
    bursts: [Burst; Self::MAX_BURSTS],
    /// How many of them there are.
    len: usize,
    times: Option<u32>,
}

impl Cadence {
    /// Most bursts of a cadence: no telephone network has longer ones, and a tick frees no memory.
    pub const MAX_BURSTS: usize = 8;

    /// Plays these bursts so many times; `None` is without end. `None` comes back of no bursts, and of more than
    /// [`MAX_BURSTS`](Self::MAX_BURSTS).
    pub fn new(bursts: &[Burst], times: Option<u32>) -> Option<Self> {
        let first = *bursts.first()?;
        let mut all = [first; Self::MAX_BURSTS];
        all.get_mut(..bursts.len())?.copy_from_slice(bursts);
        Some(Self {
            bursts: all,
            len: bursts.len(),
            times,
        })
    }

    /// What is played, in turn.
    pub fn bursts(&self) -> &[Burst] {
        &self.bursts[..self.len]
    }

    /// How often; `None` is without end.
    pub fn times(&self) -> Option<u32> {
        self.times
    }

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
        let tone = Tone {
            dbfs: -24.0,
            ..Tone::new([425, 0])
        };
        Self::of(tone, 200, 14_800, None)
    }

    /// One press of a key: 100 ms, then a gap of 60 ms (ITU-T Q.24 asks for at least 40 ms each).
    pub fn dtmf(key: char) -> Option<Self> {
        Some(Self::of(Tone::dtmf(key)?, 100, 60, Some(1)))
    }

    fn endless(hz: [u32; 2], on: u64, off: u64) -> Self {
        Self::of(Tone::new(hz), on, off, None)
    }

    fn of(tone: Tone, on: u64, off: u64, times: Option<u32>) -> Self {
        let burst = Burst {
            tone,
            on: Duration::from_millis(on),
            off: Duration::from_millis(off),
        };
        Self {
            bursts: [burst; Self::MAX_BURSTS],
            len: 1,
            times,
        }
    }
}

/// A port that sounds a [`Cadence`]. Each burst begins and ends with a short glide, so that it does not click.
#[derive(Clone, Debug)]
pub struct TonePlayer {
    rate: u32,
    cadence: Option<Cadence>,
    /// Which burst of the cadence, how often all of them were played, and samples since it began.
    burst: usize,
    round: u32,
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
            burst: 0,
            round: 0,
            at: 0,
            ending: None,
        }
    }

    /// Plays a cadence from its beginning with the next tick, instead of what is playing: a burst glides out first.
    pub fn play(&mut self, cadence: Cadence) {
        self.follow(Some(&cadence));
    }

    /// Is silent from the next tick on; a burst glides out within it.
    pub fn stop(&mut self) {
        self.follow(None);
    }

    fn follow(&mut self, next: Option<&Cadence>) {
        if let Some(ending) = &mut self.ending {
            ending.next = next.copied();
        } else if self.sounds() {
            let left = self.samples_in(Self::EDGE);
            self.ending = Some(Ending {
                left,
                next: next.copied(),
            });
        } else {
            self.begin(next);
        }
    }

    fn begin(&mut self, cadence: Option<&Cadence>) {
        self.cadence = cadence.copied().filter(|cadence| cadence.times != Some(0));
        (self.burst, self.round, self.at) = (0, 0, 0);
    }

    fn sounds(&self) -> bool {
        let burst = self.cadence.map(|cadence| cadence.bursts[self.burst]);
        self.at > 0 && burst.is_some_and(|burst| self.at < self.samples_in(burst.on))
    }

    /// Goes on to the next burst if this one is over, its silence too. One without any length is passed over, but no more than
    /// all of them once.
    fn go_on(&mut self, cadence: &Cadence) {
        for _ in 0..=cadence.len {
            let burst = &cadence.bursts[self.burst];
            let length = self
                .samples_in(burst.on)
                .saturating_add(self.samples_in(burst.off));
            if self.at < length {
                return;
            }
            self.at = 0;
            self.burst += 1;
            if self.burst == cadence.len {
                self.burst = 0;
                self.round = self.round.saturating_add(1);
                if cadence.times.is_some_and(|times| self.round >= times) {
                    self.cadence = None;
                    return;
                }
            }
        }
        // Nothing in it has a length: it is over.
        self.cadence = None;
    }

    /// Writes a part of a burst, or of the silence after it.
    fn sound(&mut self, burst: &Burst, on: u64, edge: u64, samples: &mut [i16]) {
        let amplitude = 32_767.0 * 10_f64.powf(burst.tone.dbfs / 20.0);
        let carried = burst
            .tone
            .hz
            .map(|hz| if hz < self.rate.div_ceil(2) { hz } else { 0 });
        let steps = carried.map(|hz| TAU * f64::from(hz) / f64::from(self.rate));
        for sample in samples {
            *sample = 0;
            if self.at < on {
                let at = self.at;
                let glide = (at.min(on - at) as f64 / edge as f64).min(1.0);
                let wave: f64 = steps.iter().map(|step| (step * at as f64).sin()).sum();
                *sample = (amplitude * glide * self.glide_out(edge) * wave) as i16;
            }
            self.at = self.at.saturating_add(1);
        }
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
            self.begin(next.as_ref());
            self.ending = None;
        }
        if self.cadence.is_none() {
            return Produced::Silence;
        }
        let edge = self.samples_in(Self::EDGE).max(1);
        let mut sounded = false;
        let mut done = 0;
        while done < frame.len()
            && let Some(cadence) = self.cadence
        {
            self.go_on(&cadence);
            let Some(burst) = self.cadence.map(|cadence| cadence.bursts[self.burst]) else {
                break;
            };
            let (on, off) = (self.samples_in(burst.on), self.samples_in(burst.off));
            let left = on.saturating_add(off) - self.at;
            let part = left.min((frame.len() - done) as u64) as usize;
            sounded |= self.at < on;
            self.sound(&burst, on, edge, &mut frame[done..done + part]);
            done += part;
        }
        frame[done..].fill(0);
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

    fn sound(cadence: &Cadence, rate: u32, ticks: usize) -> (TonePlayer, Vec<i16>) {
        let mut player = TonePlayer::new(rate);
        player.play(*cadence);
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
        let tone = Tone::dtmf('5').expect("a key");
        let (on, off) = (Duration::MAX, Duration::MAX);
        let cadence = Cadence::new(&[Burst { tone, on, off }], Some(1)).expect("one burst");
        let (player, out) = sound(&cadence, 48_000, 3);
        assert!(player.is_active() && out.iter().any(|&sample| sample != 0));
    }

    #[test]
    fn a_key_sounds_for_a_tenth_of_a_second_with_soft_edges_then_is_over() {
        let cadence = Cadence::dtmf('5').expect("a key");
        assert_eq!(cadence.bursts()[0].tone.hz, [770, 1336]);
        let (player, out) = sound(&cadence, 8_000, 12);
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
    fn a_frequency_that_the_rate_cannot_carry_is_absent() {
        for (hz, is_heard) in [(3_999, true), (4_000, false), (5_000, false), (u32::MAX, false)] {
            let tone = burst(hz, 40, 0);
            let cadence = Cadence::new(&[tone], Some(1)).expect("one burst");
            let (_, heard) = sound(&cadence, 8_000, 1);
            assert_eq!(heard.iter().any(|&s| s != 0), is_heard, "{hz} Hz");
        }
    }

    #[test]
    fn busy_alternates_each_half_second() {
        let (player, out) = sound(&Cadence::busy(), 16_000, 150);
        assert!(player.is_active());
        for (half, sounds) in out.chunks(8_000).zip([true, false].into_iter().cycle()) {
            assert_eq!(half.iter().any(|&s| s != 0), sounds);
        }
    }

    fn burst(hz: u32, on: u64, off: u64) -> Burst {
        Burst {
            tone: Tone::new([hz, 0]),
            on: Duration::from_millis(on),
            off: Duration::from_millis(off),
        }
    }

    /// How often a tone of some frequency goes up through zero in a part of a sound.
    fn rises(samples: &[i16]) -> usize {
        samples
            .windows(2)
            .filter(|pair| pair[0] <= 0 && pair[1] > 0)
            .count()
    }

    #[test]
    fn a_custom_cadence_plays_its_bursts_in_turn_as_often_as_told() {
        let bursts = [
            burst(400, 100, 50),
            burst(800, 30, 0),
            burst(0, 0, 0),
            burst(600, 200, 70),
        ];
        let cadence = Cadence::new(&bursts, Some(2)).expect("four bursts");
        let (player, out) = sound(&cadence, 8_000, 60);
        assert!(!player.is_active());
        // Two rounds of 450 ms.
        for round in out[..7_200].chunks(3_600) {
            let parts = [(0..800, 40), (1_200..1_440, 24), (1_440..3_040, 120)];
            for (part, due) in parts {
                let got = rises(&round[part.clone()]);
                assert!(got.abs_diff(due) <= 1, "{part:?}: {got}, not {due}");
            }
            assert!(round[800..1_200].iter().chain(&round[3_040..]).all(|&s| s == 0));
        }
        assert!(out[7_200..].iter().all(|&s| s == 0));
        // The longest step of 800 Hz at this level, and no more at any edge.
        assert!(step(&out) < 4_700, "{}", step(&out));
    }

    #[test]
    fn cadences_without_bursts_times_or_length_are_none_or_over_at_once() {
        assert_eq!(Cadence::new(&[], None), None);
        assert_eq!(
            Cadence::new(&[burst(400, 1, 1); Cadence::MAX_BURSTS + 1], None),
            None
        );
        assert!(Cadence::new(&[burst(400, 1, 1); Cadence::MAX_BURSTS], None).is_some());
        for cadence in [
            Cadence::new(&[burst(400, 0, 0); 3], None),
            Cadence::new(&[burst(400, 10, 0)], Some(0)),
        ] {
            let (player, out) = sound(&cadence.expect("it has bursts"), 8_000, 2);
            assert!(!player.is_active() && out.iter().all(|&s| s == 0));
        }
    }

    /// The greatest step from one sample to the next.
    fn step(samples: &[i16]) -> u16 {
        let steps = samples.windows(2).map(|pair| pair[1].abs_diff(pair[0]));
        steps.max().unwrap_or(0)
    }

    #[test]
    fn a_burst_that_is_stopped_or_replaced_glides_out() {
        let steady = step(&sound(&Cadence::busy(), 16_000, 20).1);
        for next in [None, Some(Cadence::call_waiting())] {
            for ticks in 1..10 {
                let (mut player, mut out) = sound(&Cadence::busy(), 16_000, ticks);
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
        let (mut player, _) = sound(&Cadence::busy(), 16_000, 30);
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
