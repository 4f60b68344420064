//! Dates as RFC 3339 writes them.

use std::time::Duration;

const DAY: i64 = 86_400;

/// `2001-02-01T17:16:49.123Z`; without the fraction when it is zero. Years beyond 9999 are written as 9999's last second.
pub fn rfc3339(since_1970: Duration) -> String {
    let last = Duration::from_secs(253_402_300_799);
    let time = since_1970.min(last);
    let seconds = time.as_secs() as i64;
    let (year, month, day) = civil(seconds / DAY);
    let of_day = seconds % DAY;
    let fraction = match time.subsec_millis() {
        0 => String::new(),
        millis => format!(".{millis:03}"),
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// The time since 1970 that a date tells; `None` when it is no date, or before 1970.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = number(date.get(..4)?, 4, 9999)?;
    let month = number(date.get(5..7)?, 2, 12)?;
    let day = number(date.get(8..10)?, 2, 31)?;
    let is_dashed = date.as_bytes()[4] == b'-' && date.as_bytes()[7] == b'-';
    if !is_dashed || month == 0 || civil(days(year, month, day)) != (year, month, day) {
        return None;
    }
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2, 23)?, number(parts.next()?, 2, 59)?);
    let second = number(parts.next()?, 2, 60)?;
    if parts.next().is_some() || fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit())
    {
        return None;
    }
    let nanos = format!("{:0<9}", fraction.get(..9).unwrap_or(fraction))
        .parse()
        .ok()?;
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    // A leap second is the last one of a month in Greenwich (RFC 3339 §5.7).
    if second == 60 && (seconds.rem_euclid(DAY) != 0 || civil(seconds.div_euclid(DAY)).2 != 1) {
        return None;
    }
    Some(Duration::new(u64::try_from(seconds).ok()?, nanos))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    let (sign, zone) = zone.split_at_checked(1)?;
    let sign = match (sign, zone) {
        ("Z" | "z", "") => return Some(0),
        ("+", _) => 1,
        ("-", _) => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.split_once(':')?;
    Some(sign * (number(hours, 2, 23)? * 3600 + number(minutes, 2, 59)? * 60))
}

/// A number of so many digits.
fn number(text: &str, digits: usize, most: i64) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number <= most)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, which is counted in eras of 400 years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day, `days` after 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_read_with_their_zone() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2001-02-02T10:48:54-05:00", Some(981_128_934)),
            ("2000-02-29T12:00:00.5+01:30", Some(951_820_200)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800)),
            ("1969-12-31T23:00:00-02:00", Some(3600)),
            ("1969-12-31T23:00:00Z", None),
            ("2001-02-29T00:00:00Z", None),
            ("2001-00-01T00:00:00Z", None),
            ("2001-13-01T00:00:00Z", None),
            ("2001-02-02T24:00:00Z", None),
            ("2001-02-02T10:48Z", None),
            ("2001-02-02T10:48:54", None),
            ("2001-02-02T10:48:54.Z", None),
            ("2001/02/02T10:48:54Z", None),
            ("2008-04-04T17:16:49z", Some(1_207_329_409)),
            ("2008-04-04t12:16:49-05:00", Some(1_207_329_409)),
            ("2008-04-04T17:16:49z05:00", None),
            ("2008-04-04T17:16:49Z05:00", None),
            ("2008-04-04T17:16:49+05", None),
            ("2008-04-04T17:16:49+0005:00", None),
            ("2008-04-04T0017:16:49Z", None),
            ("2008-04-04T17:0016:49Z", None),
            ("2008-04-04T17:16:0049Z", None),
            ("2008-04-04T17:16:60Z", None),
            ("2016-12-31T18:59:60-05:00", Some(1_483_228_800)),
            ("2001-02-02", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|time| time.as_secs()), seconds, "{text}");
        }
        assert_eq!(
            parse("1970-01-01T00:00:00.123456789123Z").unwrap().subsec_nanos(),
            123_456_789
        );
    }

    proptest! {
        #[test]
        fn any_time_is_printed_and_read(millis in 0..253_402_300_799_000_u64) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(parse(&rfc3339(time)), Some(time));
        }

        #[test]
        fn any_text_is_a_date_or_not(text in "[0-9TZ:+. -]{0,30}|\\PC{0,30}") {
            let _ = parse(&text);
        }
    }
}
