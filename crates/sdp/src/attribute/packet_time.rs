//! `a=ptime` and `a=maxptime`: how much media is in a packet (RFC 8866 §6.4, §6.5).

use super::typed::typed_attribute;
use std::fmt;
use std::time::Duration;

/// How much media the receiver wants in one packet: more than zero, at most a minute, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ptime(pub Duration);

/// How much media the receiver takes in one packet at most: more than zero, at most a minute, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaxPtime(pub Duration);

impl Ptime {
    fn read(value: &str) -> Option<Self> {
        milliseconds(value).map(Self)
    }
}

impl MaxPtime {
    fn read(value: &str) -> Option<Self> {
        milliseconds(value).map(Self)
    }
}

typed_attribute!(Ptime, "ptime");
typed_attribute!(MaxPtime, "maxptime");

impl fmt::Display for Ptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_milliseconds(f, self.0)
    }
}

impl fmt::Display for MaxPtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_milliseconds(f, self.0)
    }
}

/// Reads a positive number of milliseconds, whole or decimal, to the microsecond. Above a minute it is no packet time.
fn milliseconds(text: &str) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    let micros = (number * 1000.0).round();
    (1.0..=60_000_000.0)
        .contains(&micros)
        .then(|| Duration::from_micros(micros as u64))
}

fn write_milliseconds(f: &mut fmt::Formatter<'_>, time: Duration) -> fmt::Result {
    let (whole, rest) = (time.as_millis(), time.subsec_micros() % 1000);
    match rest {
        0 => write!(f, "{whole}"),
        _ => f.write_str(format!("{whole}.{rest:03}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_times_may_be_decimal() {
        for (text, micros) in [
            ("20", 20_000),
            ("2.5", 2_500),
            ("0.125", 125),
            ("60000", 60_000_000),
        ] {
            let ptime = Ptime(Duration::from_micros(micros));
            assert_eq!(text.parse(), Ok(ptime));
            assert_eq!(ptime.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_malformed() {
        for text in ["", "0", "-20", "NaN", "inf", "1e300", "0.0001", "60001", "20 ms"] {
            assert!(text.parse::<Ptime>().is_err(), "{text}");
            assert!(text.parse::<MaxPtime>().is_err(), "{text}");
        }
    }
}
