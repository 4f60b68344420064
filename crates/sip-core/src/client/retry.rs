//! When to refresh, and when to try again.

use crate::{HeaderName, Headers, StatusCode};
use offhook_sansio::Entropy;
use std::time::Duration;

/// When to refresh what is good for this long: half a minute before its end, or at half time if that is later.
pub(crate) fn refresh_after(expires: Duration) -> Duration {
    let early = expires.saturating_sub(Duration::from_secs(30));
    early.max(expires / 2).max(Duration::from_secs(1))
}

/// What went wrong with the last of all routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server answered.
    Refused(StatusCode),
    /// It did not.
    Silent,
    /// Nothing could be sent.
    Unreachable,
}

/// RFC 5626 §4.5: the base where all flows failed, that where another stands, and the upper limit.
const BACKOFF_BASE: Duration = Duration::from_secs(30);
const BACKOFF_BASE_OF_MORE_FLOWS: Duration = Duration::from_secs(90);
const BACKOFF_LIMIT: Duration = Duration::from_mins(30);

/// A transaction that begins this much before the end is over by then, answered or not (RFC 5627 §4.2).
const TRANSACTION: Duration = Duration::from_secs(32);

/// When to refresh a registration whose GRUUs must not lapse in between (RFC 5627 §4.2): more than 32 s before its end, or
/// at half time if it is good for 64 s or less.
pub(crate) fn refresh_with_gruu_after(expires: Duration) -> Duration {
    let latest = if expires > 2 * TRANSACTION {
        expires.saturating_sub(TRANSACTION + Duration::from_secs(1))
    } else {
        expires / 2
    };
    refresh_after(expires).min(latest)
}

/// How long to wait after the `failures`-th failure in a row, counted from 1.
///
/// What the server does not know at all is tried each hour; what the user must mend (password, interval) each one or two minutes; what the server should mend, each
/// 15 to 40 s as long as it answers; and one that cannot be reached after 50-100 % of a span that doubles from a minute
/// to half an hour (RFC 5626 §4.5). The spread keeps the phones of a building apart when their server comes back.
pub(crate) fn retry_after(trouble: Trouble, failures: u32, entropy: &mut Entropy) -> Duration {
    let between = |low, high, entropy: &mut Entropy| {
        entropy.duration(Duration::from_secs(low), Duration::from_secs(high))
    };
    match trouble {
        Trouble::Refused(
            StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::BAD_EVENT
            | StatusCode::NOT_IMPLEMENTED,
        ) => Duration::from_hours(1),
        Trouble::Refused(
            StatusCode::UNAUTHORIZED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::INTERVAL_TOO_BRIEF,
        ) => between(60, 120, entropy),
        Trouble::Refused(_) => between(15, 40, entropy),
        Trouble::Silent | Trouble::Unreachable => back_off(BACKOFF_BASE, failures, entropy),
    }
}

/// The same for a flow (RFC 5626 §4.5), which has time where another one stands, and none too little where the server
/// answers.
pub(crate) fn flow_retry_after(
    trouble: Trouble,
    failures: u32,
    another_stands: bool,
    entropy: &mut Entropy,
) -> Duration {
    let base = if another_stands {
        BACKOFF_BASE_OF_MORE_FLOWS
    } else {
        BACKOFF_BASE
    };
    let wait = back_off(base, failures, entropy);
    match trouble {
        Trouble::Refused(_) => wait.max(retry_after(trouble, failures, entropy)),
        Trouble::Silent | Trouble::Unreachable => wait,
    }
}

fn back_off(base: Duration, failures: u32, entropy: &mut Entropy) -> Duration {
    let doublings = failures.min(6);
    let span = (base * (1 << doublings)).min(BACKOFF_LIMIT);
    entropy.duration(span / 2, span)
}

/// The seconds of Retry-After (RFC 3261 §20.33), at most an hour: longer is for the user to decide.
pub(crate) fn asked_for(headers: &Headers) -> Option<Duration> {
    let value = headers.get_str(HeaderName::RetryAfter)?;
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let seconds: u64 = value[..digits].parse().ok()?;
    Some(Duration::from_secs(seconds.min(3600)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Response;

    #[test]
    fn the_refresh_is_half_a_minute_early_or_at_half_time() {
        let seconds = |expires| refresh_after(Duration::from_secs(expires)).as_secs();
        assert_eq!(
            (seconds(600), seconds(60), seconds(40), seconds(1)),
            (570, 30, 20, 1)
        );
    }

    #[test]
    fn gruus_are_refreshed_before_a_transaction_could_outlive_them() {
        let seconds = |expires| refresh_with_gruu_after(Duration::from_secs(expires)).as_secs();
        assert_eq!((seconds(600), seconds(66), seconds(65)), (567, 33, 32));
        assert_eq!((seconds(64), seconds(60), seconds(2)), (32, 30, 1));
    }

    /// RFC 5626 §4.5: W = min(1800, base * 2^failures), and 50 % to 100 % of it.
    #[test]
    fn a_flow_waits_longer_where_another_stands_and_never_less_than_its_table() {
        let mut entropy = Entropy::from_number(2);
        let refused = Trouble::Refused(StatusCode::SERVER_INTERNAL_ERROR);
        for (failures, another_stands, low, high) in [
            (1, false, 30, 60),
            (3, false, 120, 240),
            (1, true, 90, 180),
            (2, true, 180, 360),
            (5, true, 900, 1800),
            (99, true, 900, 1800),
        ] {
            for trouble in [refused, Trouble::Silent, Trouble::Unreachable] {
                for _ in 0..50 {
                    let wait = flow_retry_after(trouble, failures, another_stands, &mut entropy);
                    assert!((low..=high).contains(&wait.as_secs()), "{failures}: {wait:?}");
                }
            }
        }
    }

    #[test]
    fn waits_are_spread_and_double_up_to_half_an_hour_for_a_dead_server() {
        let mut entropy = Entropy::from_number(1);
        for (failures, low, high) in [
            (1, 30, 60),
            (2, 60, 120),
            (3, 120, 240),
            (7, 900, 1800),
            (99, 900, 1800),
        ] {
            for _ in 0..50 {
                let wait = retry_after(Trouble::Silent, failures, &mut entropy);
                assert!((low..=high).contains(&wait.as_secs()), "{failures}: {wait:?}");
            }
        }
        let refused = retry_after(Trouble::Refused(StatusCode::UNAUTHORIZED), 1, &mut entropy);
        assert!((60..=120).contains(&refused.as_secs()));
        let other = retry_after(
            Trouble::Refused(StatusCode::SERVER_INTERNAL_ERROR),
            9,
            &mut entropy,
        );
        assert!((15..=40).contains(&other.as_secs()));
    }

    #[test]
    fn retry_after_is_read_with_its_comment_and_within_reason() {
        let read = |value: &str| {
            let mut response = Response::new(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().push(HeaderName::RetryAfter, value);
            asked_for(response.headers()).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120 (I'm in a meeting)"), Some(120));
        assert_eq!(read("999999"), Some(3600));
        assert_eq!(read("soon"), None);
    }
}
