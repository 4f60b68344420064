//! Hears digits: one report per event, whatever is lost of its packets (RFC 4733 §2.5.2).

use super::{Digit, TelephoneEvent};
use std::time::{Duration, Instant};

/// An event whose packets stop without an end is over after this long (RFC 4733 §2.5.2.2: three packet times at
/// least; losses in a row make it worth waiting for more).
const SILENCE: Duration = Duration::from_millis(200);

/// The event being heard, and the last one reported.
#[derive(Debug, Default)]
pub(crate) struct DtmfReceiver {
    current: Option<Heard>,
    reported: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    digit: Digit,
    timestamp: i64,
    duration: u16,
    over_at: Instant,
}

/// A digit that was pressed, and for how many ticks.
pub(crate) type Pressed = (Digit, u16);

impl DtmfReceiver {
    /// Takes the payload of a packet and its timestamp, extended. Returns the digits that are over now: one of before whose end was lost,
    /// and this one.
    pub(crate) fn receive(&mut self, now: Instant, timestamp: i64, payload: &[u8]) -> [Option<Pressed>; 2] {
        let Some(event) = TelephoneEvent::parse(payload) else {
            return [None; 2];
        };
        let Some(digit) = Digit::from_event(event.event) else {
            return [None; 2];
        };
        if self.reported.is_some_and(|reported| timestamp <= reported) {
            return [None; 2];
        }
        let mut before = None;
        let mut duration = event.duration;
        match self.current {
            Some(current) if current.timestamp == timestamp => duration = duration.max(current.duration),
            // A straggler of an event before the current one, whose end was lost and is reported already.
            Some(current) if timestamp < current.timestamp => return [None; 2],
            Some(_) => before = self.finish(),
            None => {}
        }
        self.current = Some(Heard {
            digit,
            timestamp,
            duration,
            over_at: now + SILENCE,
        });
        [before, if event.end { self.finish() } else { None }]
    }

    /// When the current event is over if nothing more of it comes.
    pub(crate) fn over_at(&self) -> Option<Instant> {
        self.current.map(|current| current.over_at)
    }

    /// The current event, if it is over by now.
    pub(crate) fn take_over(&mut self, now: Instant) -> Option<Pressed> {
        if self.over_at()? > now {
            return None;
        }
        self.finish()
    }

    /// Forgets all, for a new source.
    pub(crate) fn reset(&mut self) -> Option<Pressed> {
        let pressed = self.finish();
        self.reported = None;
        pressed
    }

    fn finish(&mut self) -> Option<Pressed> {
        let current = self.current.take()?;
        self.reported = Some(current.timestamp);
        Some((current.digit, current.duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds (timestamp, event, end, duration) and returns the digits reported, with a last wait.
    fn hear(packets: &[(u32, u8, bool, u16)]) -> Vec<(u8, u16)> {
        let now = Instant::now();
        let mut receiver = DtmfReceiver::default();
        let mut heard = Vec::new();
        for &(timestamp, event, end, duration) in packets {
            let payload = TelephoneEvent {
                event,
                end,
                volume: 10,
                duration,
            }
            .to_bytes();
            heard.extend(
                receiver
                    .receive(now, timestamp.into(), &payload)
                    .into_iter()
                    .flatten(),
            );
        }
        assert_eq!(receiver.take_over(now), None);
        heard.extend(receiver.take_over(now + SILENCE));
        heard
            .into_iter()
            .map(|(digit, ticks)| (digit.event(), ticks))
            .collect()
    }

    #[test]
    fn a_digit_is_reported_once_though_its_end_comes_three_times() {
        let packets = [
            (0, 1, false, 160),
            (0, 1, true, 320),
            (0, 1, true, 320),
            (0, 1, true, 320),
        ];
        assert_eq!(hear(&packets), [(1, 320)]);
    }

    #[test]
    fn a_lost_end_is_made_up_for_by_the_next_digit_or_by_time() {
        assert_eq!(
            hear(&[(0, 1, false, 160), (4000, 2, false, 480)]),
            [(1, 160), (2, 480)]
        );
    }

    #[test]
    fn a_lone_end_packet_is_enough() {
        assert_eq!(hear(&[(0, 7, true, 1280)]), [(7, 1280)]);
    }

    #[test]
    fn the_same_digit_twice_is_two_digits_and_stragglers_are_none() {
        let packets = [
            (100, 3, true, 320),
            (4000, 3, true, 320),
            (100, 3, true, 320),
            (4000, 3, false, 160),
        ];
        assert_eq!(hear(&packets), [(3, 320), (3, 320)]);
    }

    #[test]
    fn events_that_are_no_digits_are_passed_over() {
        assert_eq!(hear(&[(0, 32, true, 320)]), []);
    }
}
