//! When to send RTCP (RFC 3550 §6.2 and §6.3).

use offhook_sansio::Entropy;
use std::time::{Duration, Instant};

/// Least mean time between reports (RFC 3550 §6.2); half of it before the first.
pub const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// e - 3/2: what timer reconsideration shortens the mean interval by, and so must be made up for (§6.3.1).
const COMPENSATION: f64 = 1.218_28;

/// The part of the RTCP bandwidth that senders share while they are few (§6.2).
const SENDER_PART: f64 = 0.25;

/// Who takes part in a session, as far as the interval depends on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Membership {
    /// All members, we among them.
    pub members: u32,
    /// Those of them that send media.
    pub senders: u32,
    /// True when we are one of the senders.
    pub we_send: bool,
    /// RTCP's share of the session's bandwidth, in octets per second: usually 5 % (§6.2).
    pub bandwidth: f64,
}

/// The deterministic calculated interval Td of RFC 3550 §6.3.1.
pub fn mean_interval(of: &Membership, average_size: f64, initial: bool) -> Duration {
    let (senders, members) = (f64::from(of.senders), f64::from(of.members.max(1)));
    let (share, sharing) = if senders > members * SENDER_PART {
        (1.0, members)
    } else if of.we_send {
        (SENDER_PART, senders.max(1.0))
    } else {
        (1.0 - SENDER_PART, members - senders)
    };
    let least = if initial { MIN_INTERVAL / 2 } else { MIN_INTERVAL };
    let bandwidth = (of.bandwidth * share).max(1.0);
    least.max(Duration::from_secs_f64(
        (average_size * sharing / bandwidth).clamp(0.0, 3600.0),
    ))
}

/// The randomised interval T: half to one and a half of the mean, over e - 3/2.
pub fn interval(of: &Membership, average_size: f64, initial: bool, entropy: &mut Entropy) -> Duration {
    let spread = 0.5 + f64::from(entropy.u32()) / f64::from(u32::MAX);
    mean_interval(of, average_size, initial).mul_f64(spread / COMPENSATION)
}

/// The transmission timer of one session, with reconsideration (§6.3.6).
#[derive(Debug)]
pub struct Schedule {
    previous: Instant,
    next: Instant,
    /// Mean size of all RTCP datagrams, their UDP and IP headers included.
    average_size: f64,
    initial: bool,
}

/// Octets of an IPv4 and a UDP header, which count as well (§6.2).
const LOWER_HEADERS: f64 = 28.0;

impl Schedule {
    /// Joins a session at `now` (§6.3.2). `first_size` is the probable size of the first report.
    pub fn new(now: Instant, of: &Membership, first_size: usize, entropy: &mut Entropy) -> Self {
        let average_size = first_size as f64 + LOWER_HEADERS;
        Self {
            previous: now,
            next: now + interval(of, average_size, true, entropy),
            average_size,
            initial: true,
        }
    }

    /// When to call [`is_due`](Self::is_due) next.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// True when a report is to be sent now; reconsiders the interval otherwise. After sending, say
    /// [`sent`](Self::sent).
    pub fn is_due(&mut self, now: Instant, of: &Membership, entropy: &mut Entropy) -> bool {
        if now < self.next {
            return false;
        }
        let at = self.previous + interval(of, self.average_size, self.initial, entropy);
        if at <= now {
            return true;
        }
        self.next = at;
        false
    }

    /// Counts a datagram that was sent on schedule and sets the timer for the next.
    pub fn sent(&mut self, now: Instant, size: usize, of: &Membership, entropy: &mut Entropy) {
        self.count(size);
        self.previous = now;
        self.initial = false;
        self.next = now + interval(of, self.average_size, false, entropy);
    }

    /// Counts the size of a datagram that was sent or received (§6.3.3).
    pub fn count(&mut self, size: usize) {
        self.average_size += (size as f64 + LOWER_HEADERS - self.average_size) / 16.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Membership = Membership {
        members: 2,
        senders: 2,
        we_send: true,
        bandwidth: 400.0,
    };

    #[test]
    fn a_call_of_two_reports_every_five_seconds_and_first_after_half_of_that() {
        assert_eq!(mean_interval(&CALL, 120.0, false), MIN_INTERVAL);
        assert_eq!(mean_interval(&CALL, 120.0, true), MIN_INTERVAL / 2);
    }

    #[test]
    fn many_members_share_the_bandwidth() {
        let crowd = |we_send| Membership {
            members: 1000,
            senders: 10,
            we_send,
            bandwidth: 400.0,
        };
        // 990 receivers at 100 octets share 300 octets/s; 10 senders share 100.
        assert_eq!(
            mean_interval(&crowd(false), 100.0, false),
            Duration::from_secs(330)
        );
        assert_eq!(mean_interval(&crowd(true), 100.0, false), Duration::from_secs(10));
    }

    #[test]
    fn intervals_are_spread_from_half_to_one_and_a_half_over_the_compensation() {
        let mut entropy = Entropy::from_number(3);
        let drawn: Vec<f64> = (0..2000)
            .map(|_| interval(&CALL, 120.0, false, &mut entropy).as_secs_f64())
            .collect();
        let low = drawn.iter().copied().fold(f64::MAX, f64::min);
        let high = drawn.iter().copied().fold(0.0, f64::max);
        assert!(
            (2.05..2.2).contains(&low) && (6.0..6.16).contains(&high),
            "{low} {high}"
        );
    }

    #[test]
    fn reports_come_every_five_seconds_on_average() {
        let mut entropy = Entropy::from_number(9);
        let start = Instant::now();
        let mut schedule = Schedule::new(start, &CALL, 100, &mut entropy);
        let (mut now, mut reports) = (start, 0);
        while now < start + Duration::from_secs(5000) {
            now = schedule.next();
            if schedule.is_due(now, &CALL, &mut entropy) {
                reports += 1;
                schedule.sent(now, 100, &CALL, &mut entropy);
            }
        }
        assert!((900..1150).contains(&reports), "{reports}");
    }
}
