//! The attributes of a file transfer but the selector: identifier, disposition, dates, icon and range (RFC 5547 §6).

use super::lex::{decimal, is_token, is_visible};
use super::typed::{tokens, typed_attribute, word_attribute};
use crate::Text;
use std::fmt;

word_attribute! {
    /// `a=file-transfer-id`: tells a new transfer from a repeated description (RFC 5547 §8.1). An answer repeats it.
    FileTransferId, "file-transfer-id", is_token
}

word_attribute! {
    /// `a=file-icon`: the `cid:` URL of a body with a preview (RFC 5547 §6, RFC 2392).
    FileIcon, "file-icon", is_cid_url
}

fn is_cid_url(value: &str) -> bool {
    let (scheme, id) = value.split_once(':').unwrap_or_default();
    scheme.eq_ignore_ascii_case("cid") && is_visible(id)
}

tokens! {
    /// `a=file-disposition`: what the receiver should do with the file (RFC 5547 §7). Default `render`.
    FileDisposition {
        /// Show it at once.
        Render = "render",
        /// Keep it until the user acts.
        Attachment = "attachment",
    }
}

impl FileDisposition {
    fn read(value: &str) -> Option<Self> {
        is_token(value).then(|| value.into())
    }
}

typed_attribute!(FileDisposition, "file-disposition");

/// `a=file-date`: when the file was made, changed and last read (RFC 5547 §6). At least one of them.
///
/// Dates are kept as RFC 5322 text, such as `Mon, 15 May 2006 15:01:31 +0300`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileDate {
    /// `creation:`
    pub creation: Option<Text>,
    /// `modification:`
    pub modification: Option<Text>,
    /// `read:`
    pub read: Option<Text>,
}

impl FileDate {
    fn read(value: &str) -> Option<Self> {
        let mut dates = Self::default();
        let mut rest = value;
        while !rest.is_empty() {
            let (name, quoted) = rest.split_once(":\"")?;
            let (date, after) = quoted.split_once('"')?;
            let place = match name {
                "creation" => &mut dates.creation,
                "modification" => &mut dates.modification,
                "read" => &mut dates.read,
                _ => return None,
            };
            if place.is_some() || !is_date(date) || !(after.is_empty() || after.starts_with(' ')) {
                return None;
            }
            *place = Some(date.into());
            rest = after.trim_start();
        }
        (dates != Self::default()).then_some(dates)
    }
}

typed_attribute!(FileDate, "file-date");

impl fmt::Display for FileDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for (name, date) in [
            ("creation", &self.creation),
            ("modification", &self.modification),
            ("read", &self.read),
        ] {
            if let Some(date) = date {
                write!(f, "{space}{name}:\"{date}\"")?;
                space = " ";
            }
        }
        Ok(())
    }
}

/// The shape of a date-time with a numeric zone (RFC 5322 §3.3): `[Mon, ]15 May 2006 15:01[:31] +0300`.
fn is_date(text: &str) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let date = match text.split_once(',') {
        Some((day, date)) if DAYS.contains(&day) => date,
        Some(_) => return false,
        None => text,
    };
    let parts: Vec<_> = date.split_ascii_whitespace().collect();
    let [day, month, year, time, zone] = parts[..] else {
        return false;
    };
    let below = |digits: &str, limit: u8| digits.len() == 2 && decimal(digits).is_some_and(|n: u8| n < limit);
    let time: Vec<_> = time.split(':').collect();
    let is_time = match time[..] {
        [hour, minute] => below(hour, 24) && below(minute, 60),
        [hour, minute, second] => below(hour, 24) && below(minute, 60) && below(second, 61),
        _ => false,
    };
    let zone = zone.strip_prefix(['+', '-']).unwrap_or_default();
    day.len() <= 2
        && decimal(day).is_some_and(|day: u8| (1..=31).contains(&day))
        && MONTHS.contains(&month)
        && year.len() == 4
        && decimal::<u16>(year).is_some()
        && is_time
        && zone.len() == 4
        && decimal::<u16>(zone).is_some()
}

/// `a=file-range`: which bytes of the file are sent, counted from 1, the last one included (RFC 5547 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileRange {
    /// The first byte: 1 or more.
    pub start: u64,
    /// The last byte; `None` for `*`, the end of the file.
    pub stop: Option<u64>,
}

impl Default for FileRange {
    /// The whole file: what holds when nothing is said.
    fn default() -> Self {
        Self { start: 1, stop: None }
    }
}

impl FileRange {
    fn read(value: &str) -> Option<Self> {
        let (start, stop) = value.split_once('-')?;
        let start: u64 = decimal(start).filter(|start| *start > 0)?;
        let stop = match stop {
            "*" => None,
            number => Some(decimal(number).filter(|stop| *stop >= start)?),
        };
        Some(Self { start, stop })
    }
}

typed_attribute!(FileRange, "file-range");

impl fmt::Display for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stop {
            Some(stop) => write!(f, "{}-{stop}", self.start),
            None => write!(f, "{}-*", self.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_any_order_and_written_in_one() {
        let creation = "creation:\"Mon, 15 May 2006 15:01:31 +0300\"";
        let read = "read:\"1 Jan 2009 00:00 -0800\"";
        assert_eq!(creation.parse::<FileDate>().unwrap().to_string(), creation);
        let both: FileDate = format!("{read} {creation}").parse().unwrap();
        assert_eq!(both.to_string(), format!("{creation} {read}"));
        for value in [
            String::new(),
            "creation:yesterday".to_owned(),
            "creation:\"yesterday\"".to_owned(),
            "creation:\"Mon, 15 May 2006 25:01:31 +0300\"".to_owned(),
            "creation:\"Mon, 15 May 2006 15:01:31 GMT\"".to_owned(),
            "creation:\"Xxx, 15 May 2006 15:01:31 +0300\"".to_owned(),
            "sold:\"Mon, 15 May 2006 15:01:31 +0300\"".to_owned(),
            format!("{creation}{read}"),
            format!("{creation} {creation}"),
            format!("{creation} x"),
        ] {
            assert!(value.parse::<FileDate>().is_err(), "{value}");
        }
    }

    #[test]
    fn ranges_count_from_one_and_do_not_end_before_they_start() {
        for value in ["1-32349", "1-*", "7-7"] {
            assert_eq!(value.parse::<FileRange>().unwrap().to_string(), value);
        }
        for value in ["", "1", "0-5", "5-4", "-5", "1-", "*-5", "+1-5"] {
            assert!(value.parse::<FileRange>().is_err(), "{value}");
        }
        assert_eq!("1-*".parse(), Ok(FileRange::default()));
    }

    #[test]
    fn identifier_icon_and_disposition_are_one_word() {
        assert!(
            "vBnG916bdberum2fFEABR1FR3ExZMUrd"
                .parse::<FileTransferId>()
                .is_ok()
        );
        assert!("a b".parse::<FileTransferId>().is_err());
        assert!("cid:id2@alicepc.example.com".parse::<FileIcon>().is_ok());
        for value in ["", "cid:", "http://x", "cid:a b"] {
            assert!(value.parse::<FileIcon>().is_err(), "{value}");
        }
        assert_eq!("attachment".parse(), Ok(FileDisposition::Attachment));
        assert!("".parse::<FileDisposition>().is_err());
    }
}
