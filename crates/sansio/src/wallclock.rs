//! Civil time for cores that know only monotonic time.

use std::time::{Duration, Instant};

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970), RFC 5905 §6.
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;

/// An anchor between the monotonic clock and civil time, given once by the driver.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    instant: Instant,
    since_unix_epoch: Duration,
}

impl WallClock {
    /// Says that `instant` was this long after 1970-01-01T00:00:00Z.
    pub fn new(instant: Instant, since_unix_epoch: Duration) -> Self {
        Self {
            instant,
            since_unix_epoch,
        }
    }

    /// The time since the Unix epoch at `now`.
    pub fn unix(&self, now: Instant) -> Duration {
        match now.checked_duration_since(self.instant) {
            Some(later) => self.since_unix_epoch + later,
            None => self.since_unix_epoch.saturating_sub(self.instant - now),
        }
    }

    /// The 64-bit NTP timestamp at `now`: seconds since 1900 in the upper half, fraction in the lower
    /// (RFC 3550 §4). Wraps in 2036 as the format does.
    pub fn ntp(&self, now: Instant) -> u64 {
        let unix = self.unix(now);
        let seconds = unix.as_secs().wrapping_add(NTP_TO_UNIX_SECONDS) & 0xffff_ffff;
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        (seconds << 32) | fraction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_counts_from_1900_in_binary_fractions() {
        let t0 = Instant::now();
        let clock = WallClock::new(t0, Duration::ZERO);
        assert_eq!(clock.ntp(t0) >> 32, 2_208_988_800);
        assert_eq!(
            clock.ntp(t0 + Duration::from_millis(500)) & 0xffff_ffff,
            0x8000_0000
        );
    }

    #[test]
    fn an_instant_before_the_anchor_is_earlier() {
        let before = Instant::now();
        let t0 = before + Duration::from_secs(1);
        let clock = WallClock::new(t0, Duration::from_secs(100));
        assert_eq!(clock.unix(before), Duration::from_secs(99));
    }
}
