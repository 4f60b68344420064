//! The `t=`, `r=` and `z=` lines: when the session takes place.

use std::fmt;

/// When a session is active (RFC 8866 §5.9), in seconds since 1900 (NTP). Calls use `0 0`: unbounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timing {
    /// Start, or 0 for "always was".
    pub start: u64,
    /// End, or 0 for "no end".
    pub stop: u64,
    /// When it is repeated.
    pub repeats: Vec<Repeat>,
}

/// A repetition of a [`Timing`] (RFC 8866 §5.10). All in seconds; `7d` is read and written as `604800`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repeat {
    /// From one repetition to the next.
    pub interval: i64,
    /// How long each lasts.
    pub duration: i64,
    /// Distances from the start time.
    pub offsets: Vec<i64>,
}

/// A change of the clocks between repetitions (RFC 8866 §5.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ZoneAdjustment {
    /// When the change happens, in seconds since 1900.
    pub time: u64,
    /// By how many seconds.
    pub offset: i64,
}

impl fmt::Display for Timing {
    /// Writes the value of the `t=` line, without the repetitions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.start, self.stop)
    }
}

impl fmt::Display for Repeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interval, self.duration)?;
        self.offsets.iter().try_for_each(|offset| write!(f, " {offset}"))
    }
}

impl fmt::Display for ZoneAdjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time, self.offset)
    }
}

/// Reads seconds with an optional unit `d`, `h`, `m` or `s` (RFC 8866 §9, `typed-time`).
pub(crate) fn typed_time(text: &str) -> Option<i64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'd' => (&text[..text.len() - 1], 86_400),
        b'h' => (&text[..text.len() - 1], 3_600),
        b'm' => (&text[..text.len() - 1], 60),
        b's' => (&text[..text.len() - 1], 1),
        _ => (text, 1),
    };
    if digits.starts_with('+') {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_times_become_seconds() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("7d", Some(604_800)),
            ("25h", Some(90_000)),
            ("-1h", Some(-3_600)),
            ("3m", Some(180)),
            ("9s", Some(9)),
            ("", None),
            ("d", None),
            ("+1", None),
            ("1w", None),
            ("9223372036854775807d", None),
        ] {
            assert_eq!(typed_time(text), seconds, "{text}");
        }
    }
}
