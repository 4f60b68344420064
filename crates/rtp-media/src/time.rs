//! Media time: instants counted in ticks of a payload's RTP clock.

use std::time::{Duration, Instant};

/// Ticks per second of the media time in which packets of all clock rates are put in order and played: the rates of
/// nearly all codecs divide it.
pub(crate) const MEDIA_RATE: u32 = 48_000;

/// Turns instants into ticks of an RTP clock, counted from an epoch of our own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MediaClock {
    epoch: Instant,
    rate: u32,
}

impl MediaClock {
    /// A clock of `rate` ticks per second that reads zero at `epoch`.
    pub(crate) fn new(epoch: Instant, rate: u32) -> Self {
        Self { epoch, rate }
    }

    /// Ticks from the epoch to `now`; zero for an instant before it.
    pub(crate) fn ticks(&self, now: Instant) -> i64 {
        duration_to_ticks(now.saturating_duration_since(self.epoch), self.rate)
    }
}

/// How many whole ticks of a clock of `rate` Hz fit in a duration.
pub(crate) fn duration_to_ticks(duration: Duration, rate: u32) -> i64 {
    let rate = u64::from(rate);
    let ticks = duration.as_secs() * rate + u64::from(duration.subsec_nanos()) * rate / 1_000_000_000;
    ticks as i64
}

/// How long `ticks` of a clock of `rate` Hz last; zero for negative ticks.
pub(crate) fn ticks_to_duration(ticks: i64, rate: u32) -> Duration {
    let nanos = ticks.max(0) as u128 * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(nanos as u64)
}

/// Extends 32-bit RTP timestamps into a count that does not wrap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimestampUnroller {
    last: Option<(u32, i64)>,
}

impl TimestampUnroller {
    /// The extended timestamp: the one nearest to the last that was seen (RFC 3550 §5.1: it wraps).
    pub(crate) fn extend(&mut self, timestamp: u32) -> i64 {
        let extended = match self.last {
            None => i64::from(timestamp),
            Some((last, extended)) => extended + i64::from(timestamp.wrapping_sub(last) as i32),
        };
        self.last = Some((timestamp, extended));
        extended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_follow_the_clock_rate() {
        let t0 = Instant::now();
        let clock = MediaClock::new(t0, 8000);
        assert_eq!(clock.ticks(t0 + Duration::from_millis(20)), 160);
        assert_eq!(clock.ticks(t0 + Duration::from_secs(100_000)), 800_000_000);
        assert_eq!(ticks_to_duration(960, 48_000), Duration::from_millis(20));
    }

    #[test]
    fn timestamps_are_extended_over_the_wrap_both_ways() {
        let mut unroller = TimestampUnroller::default();
        assert_eq!(unroller.extend(0xffff_ff00), 0xffff_ff00);
        assert_eq!(unroller.extend(0x0000_0010), 0x1_0000_0010);
        assert_eq!(unroller.extend(0xffff_ff80), 0xffff_ff80);
    }
}
