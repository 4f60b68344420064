//! The values of lines: their parts, and what they say.

use crate::text::{find, str_of};
use crate::timing::typed_time;
use crate::{Bandwidth, Connection, Formats, Origin, ParseErrorKind, Repeat, Text, Timing, ZoneAdjustment};

/// A piece of one line, which knows what was received behind it, for [`Text::from_prefix`].
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    from_here: &'a [u8],
    len: usize,
}

impl<'a> Value<'a> {
    /// The first bytes of a text: a piece of one line, and clean.
    pub(crate) fn new(from_here: &'a [u8], len: usize) -> Self {
        Self { from_here, len }
    }

    pub(crate) fn as_bytes(self) -> &'a [u8] {
        &self.from_here[..self.len]
    }

    pub(crate) fn as_str(self) -> &'a str {
        str_of(self.as_bytes())
    }

    pub(crate) fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Takes the next part between spaces, and the space behind it.
    pub(crate) fn word(&mut self) -> Option<Self> {
        let start = self.as_bytes().iter().position(|byte| *byte != b' ')?;
        self.skip(start);
        let space = find(self.as_bytes(), b' ');
        let len = space.unwrap_or(self.len);
        let word = Self::new(self.from_here, len);
        self.skip(len + usize::from(space.is_some()));
        Some(word)
    }

    fn skip(&mut self, len: usize) {
        *self = Self::new(&self.from_here[len..], self.len - len);
    }

    /// All parts between spaces.
    pub(crate) fn words(mut self) -> impl Iterator<Item = Value<'a>> {
        std::iter::from_fn(move || self.word())
    }

    /// Nothing but spaces is left.
    fn is_over(self) -> bool {
        self.as_bytes().iter().all(|byte| *byte == b' ')
    }
}

impl From<Value<'_>> for Text {
    fn from(value: Value<'_>) -> Self {
        Self::from_prefix(value.from_here, value.len)
    }
}

/// Digits as a number: `parse` would take a sign.
pub(crate) fn number<N: TryFrom<u64>>(digits: &[u8], what: &'static str) -> Result<N, ParseErrorKind> {
    let number = digits.iter().try_fold(0u64, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    });
    number
        .filter(|_| !digits.is_empty())
        .and_then(|number| N::try_from(number).ok())
        .ok_or(ParseErrorKind::Number(what))
}

pub(crate) fn origin(mut value: Value<'_>, strict: bool) -> Result<Origin, ParseErrorKind> {
    const EXPECTED: ParseErrorKind =
        ParseErrorKind::Syntax("<username> <id> <version> <network> <type> <address>");
    let (Some(username), Some(id), Some(version)) = (value.word(), value.word(), value.word()) else {
        return Err(EXPECTED);
    };
    let session_id = origin_number(id.as_bytes(), "session id", strict)?;
    let session_version = origin_number(version.as_bytes(), "session version", strict)?;
    let (net_type, address_type, address) = address(value).ok_or(EXPECTED)?;
    Ok(Origin {
        username: username.into(),
        session_id,
        session_version,
        net_type,
        address_type,
        address,
    })
}

/// RFC 8866 allows any number of digits, RFC 3264 §5 no more than 63 bits. Beyond 64 bits the low ones are kept:
/// they still tell versions apart.
fn origin_number(digits: &[u8], what: &'static str, strict: bool) -> Result<u64, ParseErrorKind> {
    match number(digits, what) {
        Err(_) if !strict && digits.iter().all(u8::is_ascii_digit) => {
            let digits = digits.iter().map(|byte| u64::from(byte - b'0'));
            Ok(digits.fold(0, |number: u64, digit| {
                number.wrapping_mul(10).wrapping_add(digit)
            }))
        }
        read => read,
    }
}

pub(crate) fn connection(value: Value<'_>) -> Result<Connection, ParseErrorKind> {
    let (net_type, address_type, address) =
        address(value).ok_or(ParseErrorKind::Syntax("<network> <type> <address>"))?;
    Ok(Connection {
        net_type,
        address_type,
        address,
    })
}

/// `<network> <type> <address>`, with which `o=` and `c=` end.
fn address(mut value: Value<'_>) -> Option<(Text, Text, Text)> {
    let usual = match value.from_here.first_chunk() {
        // Almost all say so, and a line that ended before would have its end among these bytes.
        Some(b"IN IP4 ") => Some("IP4"),
        Some(b"IN IP6 ") => Some("IP6"),
        _ => None,
    };
    let (net_type, address_type) = match usual {
        Some(address_type) => {
            value.skip("IN IP4 ".len());
            (Text::from_static("IN"), Text::from_static(address_type))
        }
        None => (value.word()?.into(), value.word()?.into()),
    };
    let address = value.word()?.into();
    value.is_over().then_some((net_type, address_type, address))
}

/// The formats with which `m=` ends.
pub(crate) fn formats(value: Value<'_>, limit: usize) -> Result<Formats, ParseErrorKind> {
    let (mut words, mut spaces, mut after_space) = (0, 0, true);
    for byte in value.as_bytes() {
        let is_space = *byte == b' ';
        spaces += usize::from(is_space);
        words += usize::from(after_space && !is_space);
        after_space = is_space;
    }
    if words > limit {
        Err(ParseErrorKind::TooManyFormats(limit))
    } else if words > spaces {
        Ok(Formats::from_tidy(value.into())) // there are no more spaces than have to be
    } else {
        Ok(value.words().map(Value::as_str).collect())
    }
}

pub(crate) fn bandwidth(value: &str) -> Result<Bandwidth, ParseErrorKind> {
    let (kind, value) = value
        .split_once(':')
        .ok_or(ParseErrorKind::Syntax("<type>:<bandwidth>"))?;
    Ok(Bandwidth {
        kind: Text::from_clean(kind),
        value: number(value.trim().as_bytes(), "bandwidth")?,
    })
}

pub(crate) fn timing(mut value: Value<'_>) -> Result<Timing, ParseErrorKind> {
    if value.as_bytes() == b"0 0" {
        return Ok(Timing::default()); // as in all calls
    }
    match (value.word(), value.word()) {
        (Some(start), Some(stop)) if value.is_over() => Ok(Timing {
            start: number(start.as_bytes(), "start time")?,
            stop: number(stop.as_bytes(), "stop time")?,
            repeats: Vec::new(),
        }),
        _ => Err(ParseErrorKind::Syntax("<start> <stop>")),
    }
}

pub(crate) fn repeat(value: Value<'_>) -> Result<Repeat, ParseErrorKind> {
    let mut times = value
        .words()
        .map(|word| typed_time(word.as_str()).ok_or(ParseErrorKind::Number("repeat time")));
    match (times.next(), times.next()) {
        (Some(interval), Some(duration)) => Ok(Repeat {
            interval: interval?,
            duration: duration?,
            offsets: times.collect::<Result<_, _>>()?,
        }),
        _ => Err(ParseErrorKind::Syntax("<interval> <duration> <offsets>")),
    }
}

pub(crate) fn zones(value: Value<'_>) -> Result<Vec<ZoneAdjustment>, ParseErrorKind> {
    let mut parts = value.words();
    let mut zones = Vec::new();
    while let Some(time) = parts.next() {
        let offset = parts.next().and_then(|offset| typed_time(offset.as_str()));
        zones.push(ZoneAdjustment {
            time: number(time.as_bytes(), "adjustment time")?,
            offset: offset.ok_or(ParseErrorKind::Number("adjustment offset"))?,
        });
    }
    Ok(zones)
}
