//! When ticks are due: by the system's clock, or by that of a sound card.
//!
//! A card's crystal is up to some 100 ppm beside the system's. A mixer that follows its card gives it exactly what it takes, so
//! that nothing has to be put in or left out. The card's callback only notes how far it is ([`DeviceClock`]); the driver of
//! the mixer reads that between two ticks and lets its next tick come a little sooner or later ([`TickClock`]). Ticks stay
//! evenly spaced, however long the card's blocks are, and go on without it when it is lost.

use crate::mixer::TickLength;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How far a device's own clock has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// Samples that the device has taken, or given, so far.
    pub samples: u64,
    /// Samples a second of the device, in hertz.
    pub rate: u32,
    /// When it took the last of them.
    pub at: Instant,
}

/// The clock of a device: advanced by its callback, read by the mixer's thread. Neither waits for the other.
#[derive(Debug)]
pub struct DeviceClock {
    rate: u32,
    origin: Instant,
    /// Nanoseconds since the origin; [`WRITING`] while the callback changes both.
    at: AtomicU64,
    samples: AtomicU64,
}

/// No time of a reading.
const WRITING: u64 = u64::MAX;

impl DeviceClock {
    /// A clock at 0, of a device at `rate` hertz.
    pub fn new(rate: u32, now: Instant) -> Self {
        Self {
            rate,
            origin: now,
            at: AtomicU64::new(0),
            samples: AtomicU64::new(0),
        }
    }

    /// The device took or gave so many samples more. Only one thread may call this.
    pub fn advance(&self, now: Instant, samples: usize) {
        let at = now.saturating_duration_since(self.origin).as_nanos() as u64;
        self.at.store(WRITING, Ordering::SeqCst);
        self.samples.fetch_add(samples as u64, Ordering::SeqCst);
        self.at.store(at, Ordering::SeqCst);
    }

    /// How far it is; `None` before the device began, and in the moment in which it is advanced.
    pub fn read(&self) -> Option<ClockReading> {
        let at = self.at.load(Ordering::SeqCst);
        let samples = self.samples.load(Ordering::SeqCst);
        let is_whole = at != WRITING && at == self.at.load(Ordering::SeqCst) && samples > 0;
        is_whole.then(|| ClockReading {
            samples,
            rate: self.rate,
            at: self.origin + Duration::from_nanos(at),
        })
    }
}

/// Tells a driver when the ticks of its mixer are due: each a tick's length after the one before, or in step with the clock
/// of a device.
#[derive(Clone, Debug)]
pub struct TickClock {
    /// A tick by the book, in seconds.
    tick: f64,
    due: Instant,
    followed: Option<Followed>,
    /// By how much the device is faster than the system's clock: 0.001 is one part in a thousand.
    drift: f64,
    speed: f64,
}

/// The device, since it is followed.
#[derive(Clone, Copy, Debug)]
struct Followed {
    first: ClockReading,
    last: ClockReading,
    /// What the mixer ticked, in seconds of sound, until the tick that is due next.
    ticked: f64,
}

impl TickClock {
    /// A device that is faster or slower by more than this part is followed no further: its ring lets samples out or in.
    pub const MOST_DRIFT: f64 = 0.01;

    /// A device that has not called for so long is not followed; ticks come by the system's clock until it calls again.
    pub const STALE: Duration = Duration::from_secs(1);

    /// A clock whose first tick is due at `first`.
    pub fn new(tick: TickLength, first: Instant) -> Self {
        Self {
            tick: tick.duration().as_secs_f64(),
            due: first,
            followed: None,
            drift: 0.0,
            speed: 1.0,
        }
    }

    /// When the next tick is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// How fast ticks come in step with a device: 1 is as fast as by the system's clock. `None` while no device is followed.
    pub fn followed_speed(&self) -> Option<f64> {
        self.followed.map(|_| self.speed)
    }

    /// The tick that was due was made; `reading` is how far the device to follow has come, if there is one.
    pub fn advance(&mut self, reading: Option<ClockReading>) {
        let length = self.tick / self.speed;
        if let Some(followed) = &mut self.followed {
            followed.ticked += self.tick;
        }
        self.due += Duration::from_secs_f64(length);
        match (reading, &self.followed) {
            (Some(reading), Some(followed)) if reading == followed.last => {}
            (Some(reading), _) => self.follow(reading),
            (None, _) => {}
        }
        let is_stale =
            |followed: &Followed| self.due.saturating_duration_since(followed.last.at) > Self::STALE;
        if self.followed.as_ref().is_some_and(is_stale) {
            (self.followed, self.speed) = (None, 1.0);
        }
    }

    /// Leaves out the ticks that are more than `most` late, as after a stop of the whole program; gives how many.
    pub fn skip(&mut self, now: Instant, most: Duration) -> u64 {
        let late = now.saturating_duration_since(self.due + most).as_secs_f64();
        let left_out = (late / self.tick).ceil();
        let time = left_out * self.tick;
        self.due += Duration::from_secs_f64(time);
        if let Some(followed) = &mut self.followed {
            followed.ticked += time;
        }
        left_out as u64
    }

    /// Goes on at another time, as after a stop on purpose.
    pub fn restart(&mut self, first: Instant) {
        (self.due, self.followed, self.speed) = (first, None, 1.0);
    }

    /// A phase-locked loop of second order: `ahead` is by how much the device is before the mixer.
    fn follow(&mut self, reading: ClockReading) {
        let until_due = signed_seconds(reading.at, self.due);
        let begun = Followed {
            first: reading,
            last: reading,
            ticked: until_due,
        };
        let Some(followed) = self.followed.filter(|followed| followed.is_followed_by(&reading)) else {
            self.followed = Some(begun);
            return;
        };
        let taken = (reading.samples - followed.first.samples) as f64 / f64::from(reading.rate);
        let ahead = taken - (followed.ticked - until_due * self.speed);
        if ahead.abs() > JUMP {
            // A stop of either side is not made up for: the rings were refilled meanwhile.
            self.followed = Some(begun);
            return;
        }
        let time = signed_seconds(followed.last.at, reading.at);
        let bounds = -Self::MOST_DRIFT..=Self::MOST_DRIFT;
        self.drift = clamp(self.drift + BANDWIDTH * BANDWIDTH * ahead * time, &bounds);
        self.speed = 1.0 + clamp(self.drift + std::f64::consts::SQRT_2 * BANDWIDTH * ahead, &bounds);
        self.followed = Some(Followed {
            last: reading,
            ..followed
        });
    }
}

impl Followed {
    /// Whether the reading is a later one of the same device.
    fn is_followed_by(&self, reading: &ClockReading) -> bool {
        reading.rate == self.last.rate && reading.samples >= self.last.samples && reading.at >= self.last.at
    }
}

fn signed_seconds(from: Instant, to: Instant) -> f64 {
    if to >= from {
        (to - from).as_secs_f64()
    } else {
        -(from - to).as_secs_f64()
    }
}

fn clamp(value: f64, bounds: &std::ops::RangeInclusive<f64>) -> f64 {
    value.clamp(*bounds.start(), *bounds.end())
}

/// How fast the loop follows, in radians a second: 0.1 Hz. A card that calls 10 ms late moves a tick by a tenth of a
/// millisecond then, and one that is 200 ppm off is met within seconds.
const BANDWIDTH: f64 = 0.63;

/// What lies further apart was torn apart, and is no drift, in seconds.
const JUMP: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    /// A card whose blocks come at its own speed, each somewhat late.
    struct Card {
        clock: DeviceClock,
        start: Instant,
        block: usize,
        ppm: f64,
        jitter: f64,
        calls: u64,
        dice: u64,
    }

    const RATE: u32 = 48_000;

    impl Card {
        fn new(start: Instant, block: usize, ppm: f64, jitter: f64) -> Self {
            Self {
                clock: DeviceClock::new(RATE, start),
                start,
                block,
                ppm,
                jitter,
                calls: 0,
                dice: 0x5EED,
            }
        }

        /// Makes the calls that are due until `now`.
        fn run(&mut self, now: Instant) {
            loop {
                let blocks = (self.calls + 1) as f64 * self.block as f64;
                let time = blocks / (f64::from(RATE) * (1.0 + self.ppm / 1e6));
                let mut dice = self.dice;
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let late = self.jitter * (dice >> 11) as f64 / (1_u64 << 53) as f64;
                let at = self.start + Duration::from_secs_f64(time + late);
                if at > now {
                    return;
                }
                (self.dice, self.calls) = (dice, self.calls + 1);
                self.clock.advance(at, self.block);
            }
        }
    }

    /// Ticks for a time; by how many samples the ticks are before the card, least and most, in the second half.
    fn follow(clock: &mut TickClock, card: &mut Card, time: Duration) -> (f64, f64) {
        let (begin, mut ticks) = (clock.due(), 0_u64);
        let (mut least, mut most) = (f64::MAX, f64::MIN);
        while clock.due() < begin + time {
            let now = clock.due();
            card.run(now);
            clock.advance(card.clock.read());
            ticks += 1;
            if now > begin + time / 2 {
                let due = (now - card.start).as_secs_f64() * f64::from(RATE) * (1.0 + card.ppm / 1e6);
                let before = ticks as f64 * f64::from(RATE) / 50.0 - due;
                (least, most) = (least.min(before), most.max(before));
            }
        }
        (least, most)
    }

    #[test]
    fn ticks_keep_step_with_a_card_for_an_hour() {
        for (ppm, block, jitter) in [
            (0.0, 480, 0.0),
            (150.0, 480, 0.002),
            (-300.0, 960, 0.005),
            (300.0, 2_048, 0.01),
            (-2_000.0, 441, 0.01),
        ] {
            let start = Instant::now();
            let mut clock = TickClock::new(TickLength::Ms20, start);
            let mut card = Card::new(start, block, ppm, jitter);
            let (least, most) = follow(&mut clock, &mut card, Duration::from_hours(1));
            // A third of the jitter is left at the most, and a millisecond and a half of how it was met.
            assert!(
                most - least < 72.0 + 0.3 * jitter * f64::from(RATE),
                "{ppm} ppm, blocks of {block}: {least} to {most}"
            );
            let off = (clock.speed - 1.0) * 1e6 - ppm;
            assert!(off.abs() < 50.0 + jitter * 1e6, "{ppm} ppm: {off} beside it");
        }
    }

    #[test]
    fn a_card_that_stops_calling_is_no_clock_any_more_and_one_again_when_it_calls() {
        let start = Instant::now();
        let mut clock = TickClock::new(TickLength::Ms20, start);
        let mut card = Card::new(start, 480, 500.0, 0.0);
        follow(&mut clock, &mut card, Duration::from_mins(1));
        let speed = clock.followed_speed().expect("it calls");
        assert!((speed - 1.000_5).abs() < 0.000_05, "{speed}");
        let (begin, last) = (clock.due(), card.clock.read());
        for _ in 0..500 {
            clock.advance(last);
        }
        assert_eq!(clock.followed_speed(), None);
        let time = (clock.due() - begin).as_secs_f64();
        assert!((time - 10.0).abs() < 0.001, "{time} s");
        // Another card, from 0 on.
        let mut card = Card::new(clock.due(), 960, -500.0, 0.0);
        follow(&mut clock, &mut card, Duration::from_mins(1));
        let speed = clock.followed_speed().expect("it calls");
        assert!((speed - 0.999_5).abs() < 0.000_05, "{speed}");
    }

    #[test]
    fn without_a_card_ticks_come_by_the_book_and_late_ones_are_left_out() {
        let start = Instant::now();
        let mut clock = TickClock::new(TickLength::Ms10, start);
        (0..100).for_each(|_| clock.advance(None));
        assert_eq!(clock.due() - start, Duration::from_secs(1));
        let most = Duration::from_millis(200);
        assert_eq!(clock.skip(clock.due() + most, most), 0);
        assert_eq!(clock.skip(clock.due() + Duration::from_secs(5), most), 480);
        assert_eq!(clock.due() - start, Duration::from_millis(5_800));
    }

    #[test]
    fn a_card_that_is_far_off_does_not_drag_the_ticks_along() {
        let start = Instant::now();
        let mut clock = TickClock::new(TickLength::Ms20, start);
        let mut card = Card::new(start, 480, 100_000.0, 0.0);
        follow(&mut clock, &mut card, Duration::from_mins(1));
        let off = (clock.speed - 1.0).abs();
        assert!(off < TickClock::MOST_DRIFT + 1e-9, "{off}");
    }

    #[test]
    fn a_reading_is_whole_while_the_card_calls() {
        let start = Instant::now();
        let clock = DeviceClock::new(8_000, start);
        assert_eq!(clock.read(), None, "it has not begun");
        std::thread::scope(|scope| {
            let card = &clock;
            scope.spawn(move || {
                for n in 1..=20_000_u64 {
                    card.advance(start + Duration::from_micros(n), 1);
                }
            });
            let mut last = 0;
            while last < 20_000 {
                let Some(reading) = clock.read() else { continue };
                assert_eq!(reading.at - start, Duration::from_micros(reading.samples));
                assert!(reading.samples >= last);
                last = reading.samples;
            }
        });
    }
}
