//! Date (RFC 3261 §20.17).

use std::time::Duration;

use bytes::BytesMut;

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader};
use crate::parse::lex::{self, Cursor};

/// Date: when the message was sent, to the second. Always GMT on the wire.
///
/// ```
/// use offhook_sip_core::header::{Date, TypedHeader};
/// let date = Date::parse("Sat, 13 Nov 2010 23:29:00 GMT".into()).unwrap();
/// assert_eq!(date.unix, 1_289_690_940);
/// assert_eq!(date.to_bytes(), "Sat, 13 Nov 2010 23:29:00 GMT");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub unix: u64,
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// 1970-01-01 was a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

impl Date {
    /// The date that lies so long after 1970-01-01 00:00 UTC.
    pub fn from_unix(since_epoch: Duration) -> Self {
        Self {
            unix: since_epoch.as_secs(),
        }
    }
}

impl TypedHeader for Date {
    const NAME: HeaderName<'static> = HeaderName::Date;

    /// `rfc1123-date`. The name of the day is not compared with the date; another zone than GMT is refused, as
    /// RFC 3261 has no other.
    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let start = cursor.pos();
        let name = cursor.token()?;
        if !DAYS
            .iter()
            .any(|day| day.as_bytes().eq_ignore_ascii_case(&value[name.clone()]))
        {
            return Err(HeaderError::OutOfRange { offset: start });
        }
        cursor.expect(b',')?;
        let day: u64 = field(&mut cursor, 1, 31)?;
        cursor.skip_ws();
        let offset = cursor.pos();
        let month = cursor.token()?;
        let month = MONTHS
            .iter()
            .position(|name| name.eq_ignore_ascii_case(&value[month.clone()]))
            .ok_or(HeaderError::OutOfRange { offset })? as u64
            + 1;
        let year: u64 = field(&mut cursor, 1970, 9999)?;
        let hour: u64 = field(&mut cursor, 0, 23)?;
        cursor.expect(b':')?;
        let minute: u64 = field(&mut cursor, 0, 59)?;
        cursor.expect(b':')?;
        let second: u64 = field(&mut cursor, 0, 60)?;
        cursor.skip_ws();
        let zone = cursor.pos();
        if !cursor.rest().eq_ignore_ascii_case(b"GMT") {
            return Err(HeaderError::OutOfRange { offset: zone });
        }
        let days = days_before(year, month) + day - 1;
        Ok(Self {
            unix: days * 86_400 + hour * 3600 + minute * 60 + second,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        use std::fmt::Write as _;
        let days = self.unix / 86_400;
        let (year, month, day) = civil(days);
        let second = self.unix % 86_400;
        let name = DAYS[(days % 7) as usize];
        let month = lex::ascii(MONTHS[month as usize - 1]);
        // Writing to memory cannot fail.
        let _ = write!(
            out,
            "{name}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
    }
}

fn field(cursor: &mut Cursor<'_>, low: u64, high: u64) -> Result<u64, HeaderError> {
    cursor.skip_ws();
    let offset = cursor.pos();
    let value = cursor.number()?;
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(HeaderError::OutOfRange { offset })
    }
}

/// Days from 1970-01-01 to the first of this month. Years are counted from March, so that the leap day is the
/// last of its year.
fn days_before(year: u64, month: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + leap_days + (153 * month + 2) / 5 - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let mut year = 1970 + days / 366;
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days_before(year, month + 1) <= days {
        month += 1;
    }
    (year, month, days - days_before(year, month) + 1)
}
