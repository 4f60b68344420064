//! Whether a card that reports an error still works.

use super::choice::DeviceError;
use std::time::{Duration, Instant};

/// A direction of a card that reported an error, which it may get over: ALSA's plugin for PulseAudio reports one while a stream
/// begins, and goes on.
#[derive(Debug, Default)]
pub(super) struct Doubt(Option<Pending>);

#[derive(Debug)]
struct Pending {
    cause: DeviceError,
    since: Instant,
    /// How often the card had called until then.
    calls: u64,
}

impl Doubt {
    /// How long a card may be silent after an error: a slow sink of PulseAudio wakes up every two seconds. Less than
    /// `LastingDevice::STALL`, so that the cause is told.
    pub(super) const GRACE: Duration = Duration::from_millis(2_500);

    /// The card reported an error. An earlier one that it did not get over stays the cause.
    pub(super) fn begin(&mut self, now: Instant, calls: u64, cause: DeviceError) {
        self.settle(calls);
        self.0.get_or_insert(Pending {
            cause,
            since: now,
            calls,
        });
    }

    /// Why the card is lost, once, if it did not call in time.
    pub(super) fn verdict(&mut self, now: Instant, calls: u64) -> Option<DeviceError> {
        self.settle(calls);
        let over = |pending: &mut Pending| now.saturating_duration_since(pending.since) >= Self::GRACE;
        self.0.take_if(over).map(|pending| pending.cause)
    }

    fn settle(&mut self, calls: u64) {
        self.0.take_if(|pending| calls > pending.calls);
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::Direction;
    use super::*;

    fn failed(message: &str) -> DeviceError {
        DeviceError::System {
            direction: Direction::Output,
            message: message.to_owned(),
        }
    }

    const MOMENT: Duration = Duration::from_millis(10);

    #[test]
    fn a_card_that_calls_again_was_not_lost() {
        let (mut doubt, now) = (Doubt::default(), Instant::now());
        doubt.begin(now, 7, failed("an I/O error"));
        assert_eq!(doubt.verdict(now + MOMENT, 7), None);
        assert_eq!(doubt.verdict(now + 2 * MOMENT, 8), None);
        assert_eq!(doubt.verdict(now + 2 * Doubt::GRACE, 8), None);
    }

    #[test]
    fn a_card_that_only_reports_errors_is_lost_by_the_first_of_them_in_time() {
        let (mut doubt, now) = (Doubt::default(), Instant::now());
        for n in 0..400 {
            doubt.begin(now + n * MOMENT, 7, failed(&format!("error {n}")));
            let verdict = doubt.verdict(now + n * MOMENT, 7);
            let due = (n == 250).then(|| failed("error 0"));
            assert_eq!(verdict, due, "after {n} errors");
        }
    }

    #[test]
    fn an_error_after_the_card_called_is_one_of_its_own() {
        let (mut doubt, now) = (Doubt::default(), Instant::now());
        doubt.begin(now, 7, failed("first"));
        doubt.begin(now + Doubt::GRACE, 9, failed("second"));
        assert_eq!(doubt.verdict(now + Doubt::GRACE, 9), None);
        assert_eq!(doubt.verdict(now + 2 * Doubt::GRACE, 9), Some(failed("second")));
    }
}
