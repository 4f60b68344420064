//! How much delay the network asks for: the spread of the packets' transit times.

use std::time::Duration;

use crate::time::{duration_to_ticks, ticks_to_duration};

/// Width of one step of the histogram, and how many there are: half a second in all.
const STEP: Duration = Duration::from_millis(5);
const STEPS: usize = 100;

/// What one packet weighs in the histogram: about the last 192 packets (4 s) count.
const WEIGHT: f32 = 1.0 / 192.0;

/// The part of packets that may come later than the delay covers.
const LATE_PART: f32 = 0.03;

/// Packets after which the fastest transit of before is forgotten, so that clock drift does not add up.
const WINDOW: u32 = 128;

/// Estimates the delay that nearly all packets need over the fastest one, in ticks of media time.
#[derive(Debug)]
pub(super) struct DelayEstimator {
    clock_rate: u32,
    step: i64,
    histogram: [f32; STEPS],
    fastest: Option<i64>,
    fastest_before: Option<i64>,
    seen: u32,
    target: i64,
    floor: i64,
    ceiling: i64,
}

impl DelayEstimator {
    /// Starts with the belief that packets come up to `initial` late.
    pub(super) fn new(clock_rate: u32, floor: Duration, initial: Duration, ceiling: Duration) -> Self {
        let mut estimator = Self {
            clock_rate,
            step: duration_to_ticks(STEP, clock_rate).max(1),
            histogram: [0.0; STEPS],
            fastest: None,
            fastest_before: None,
            seen: 0,
            target: duration_to_ticks(initial, clock_rate),
            floor: duration_to_ticks(floor, clock_rate),
            ceiling: duration_to_ticks(ceiling, clock_rate),
        };
        let place = ((estimator.target - 1).max(0) / estimator.step).min(STEPS as i64 - 1);
        estimator.histogram[place as usize] = 1.0;
        estimator
    }

    /// Takes a packet's transit (its arrival minus its timestamp) into account.
    pub(super) fn observe(&mut self, transit: i64) {
        // A sender that paused without counting, or counted without sending, begins anew.
        if self
            .base()
            .is_some_and(|base| (transit - base).abs() > i64::from(self.clock_rate))
        {
            self.forget_transits();
        }
        self.fastest = Some(self.fastest.map_or(transit, |fastest| fastest.min(transit)));
        let late = transit - self.base().unwrap_or(transit);
        let place = ((late / self.step).max(0) as usize).min(STEPS - 1);
        for part in &mut self.histogram {
            *part *= 1.0 - WEIGHT;
        }
        self.histogram[place] += WEIGHT;
        self.seen += 1;
        if self.seen == WINDOW {
            self.seen = 0;
            self.fastest_before = self.fastest.take();
        }
        self.target = self.wanted().clamp(self.floor, self.ceiling);
    }

    /// The delay to keep, in ticks.
    pub(super) fn target(&self) -> i64 {
        self.target
    }

    /// The delay to keep.
    pub(super) fn target_duration(&self) -> Duration {
        ticks_to_duration(self.target, self.clock_rate)
    }

    /// How long after the fastest packet of its kind one of this timestamp is played if it is played now.
    pub(super) fn delay_at(&self, now: i64, timestamp: i64) -> i64 {
        self.base().map_or(0, |base| now - timestamp - base)
    }

    /// Forgets where the fastest packets lie, but not how they spread.
    pub(super) fn forget_transits(&mut self) {
        self.fastest = None;
        self.fastest_before = None;
        self.seen = 0;
    }

    /// The transit of the fastest packet of late.
    fn base(&self) -> Option<i64> {
        match (self.fastest, self.fastest_before) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// The upper edge of the step below which all but [`LATE_PART`] of the packets lie.
    fn wanted(&self) -> i64 {
        let mut below = 0.0;
        for (place, part) in self.histogram.iter().enumerate() {
            below += part;
            if below > 1.0 - LATE_PART {
                return (place as i64 + 1) * self.step;
            }
        }
        self.ceiling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimator() -> DelayEstimator {
        let ms = Duration::from_millis;
        DelayEstimator::new(8000, ms(20), ms(40), ms(400))
    }

    #[test]
    fn the_target_rises_within_a_second_and_falls_within_half_a_minute() {
        let mut delay = estimator();
        for packet in 0..50 {
            delay.observe(if packet % 4 == 0 { 800 } else { 0 });
        }
        assert!((800..=880).contains(&delay.target()), "{}", delay.target());
        for _ in 0..1500 {
            delay.observe(0);
        }
        assert_eq!(delay.target_duration(), Duration::from_millis(20));
    }

    #[test]
    fn the_target_stays_within_its_bounds() {
        let mut delay = estimator();
        for packet in 0..200 {
            delay.observe(packet % 2 * 7000);
        }
        assert_eq!(delay.target_duration(), Duration::from_millis(400));
    }

    #[test]
    fn drift_does_not_add_up() {
        let mut delay = estimator();
        for packet in 0..100_000 {
            delay.observe(packet / 10);
        }
        assert_eq!(delay.target_duration(), Duration::from_millis(20));
        assert!(delay.delay_at(10_000 + 160, 0) < 200);
    }

    #[test]
    fn a_leap_of_the_senders_clock_begins_anew() {
        let mut delay = estimator();
        delay.observe(0);
        delay.observe(80_000);
        assert_eq!(delay.delay_at(80_320, 0), 320);
    }
}
