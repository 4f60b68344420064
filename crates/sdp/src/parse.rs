//! From text to types, in one pass over the lines.

use crate::text::breaks_line;
use crate::timing::typed_time;
use crate::{
    Attribute, Attributes, Bandwidth, Connection, Limits, Media, Origin, ParseError, ParseErrorKind,
    ParseOptions, Policy, Repeat, SessionDescription, Text, Timing, ZoneAdjustment,
};
use std::num::NonZeroU16;

impl SessionDescription {
    /// Reads a description with default limits, leniently (see [`Policy::Lenient`]).
    ///
    /// # Errors
    /// A [`ParseError`] that names the line, its field and what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::parse_with(bytes, &ParseOptions::default())
    }

    /// Reads a description with the given limits and policy.
    ///
    /// # Errors
    /// A [`ParseError`] that names the line, its field and what is wrong with it.
    pub fn parse_with(bytes: &[u8], options: &ParseOptions) -> Result<Self, ParseError> {
        let limit = options.limits.bytes;
        if bytes.len() > limit {
            let actual = bytes.len();
            return Err(error(1, None, ParseErrorKind::TooLong { limit, actual }));
        }
        match (std::str::from_utf8(bytes), options.policy) {
            (Ok(text), _) => Parser::new(options).run(text),
            (Err(_), Policy::Lenient) => Parser::new(options).run(&String::from_utf8_lossy(bytes)),
            (Err(invalid), Policy::Strict) => {
                let before = &bytes[..invalid.valid_up_to()];
                let line = before.split(|byte| *byte == b'\n').count();
                Err(error(line, None, ParseErrorKind::NotUtf8))
            }
        }
    }
}

impl std::str::FromStr for SessionDescription {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text.as_bytes())
    }
}

/// The fields of the session part in the order of RFC 8866 §9; a letter's place is its rank.
const SESSION_ORDER: &[u8] = b"vosiuepcbtrzkam";
/// The same for a media part.
const MEDIA_ORDER: &[u8] = b"micbka";

struct Parser<'a> {
    limits: &'a Limits,
    strict: bool,
    /// Some line holds a CR or NUL, and each has to be looked at.
    unclean: bool,
    /// Number of the current line, from 1, and its letter.
    line: usize,
    field: u8,
    /// Rank of the last field in its section, for the strict policy.
    rank: usize,
    version_seen: bool,
    origin: Option<Origin>,
    name: Option<Text>,
    session: Fields,
    uri: Option<Text>,
    emails: Vec<Text>,
    phones: Vec<Text>,
    times: Vec<Timing>,
    zones: Vec<ZoneAdjustment>,
    media: Vec<Media>,
}

/// What a session part and a media part have in common.
#[derive(Default)]
struct Fields {
    info: Option<Text>,
    connection: Option<Connection>,
    bandwidths: Vec<Bandwidth>,
    key: Option<Text>,
    attributes: Attributes,
}

impl<'a> Parser<'a> {
    fn new(options: &'a ParseOptions) -> Self {
        Self {
            limits: &options.limits,
            strict: options.policy == Policy::Strict,
            unclean: false,
            line: 0,
            field: 0,
            rank: 0,
            version_seen: false,
            origin: None,
            name: None,
            session: Fields::default(),
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            times: Vec::new(),
            zones: Vec::new(),
            media: Vec::new(),
        }
    }

    fn run(mut self, text: &str) -> Result<SessionDescription, ParseError> {
        self.unclean = unclean(text.as_bytes());
        let mut rest = text;
        while !rest.is_empty() {
            let (line, after) = match memchr::memchr(b'\n', rest.as_bytes()) {
                Some(end) => (&rest[..end], &rest[end + 1..]),
                None => (rest, ""),
            };
            let ended = line.len() < rest.len();
            let from_here = std::mem::replace(&mut rest, after);
            self.line += 1;
            self.field = 0;
            if self.line > self.limits.lines {
                return Err(self.error(ParseErrorKind::TooManyLines(self.limits.lines)));
            }
            self.whole_line(line, ended, from_here)
                .map_err(|kind| self.error(kind))?;
        }
        self.line += 1;
        self.field = 0;
        self.finish()
    }

    fn error(&self, kind: ParseErrorKind) -> ParseError {
        let field = (self.field != 0).then(|| char::from(self.field));
        error(self.line, field, kind)
    }

    /// `from_here` is the text from the line's start to the end of all, for [`Text::from_prefix`].
    fn whole_line(&mut self, line: &str, ended: bool, from_here: &str) -> Result<(), ParseErrorKind> {
        if line.len() > self.limits.line_bytes {
            return Err(ParseErrorKind::LineTooLong(self.limits.line_bytes));
        }
        let (line, carriage_return) = match line.strip_suffix('\r') {
            Some(line) => (line, true),
            None => (line, false),
        };
        if self.strict && !(carriage_return && ended) {
            return Err(ParseErrorKind::LineEnd);
        }
        if self.unclean && line.bytes().any(breaks_line) {
            return Err(ParseErrorKind::ControlCharacter);
        }
        match line.as_bytes() {
            [] if !self.strict => Ok(()),
            [field, b'=', ..] if field.is_ascii_lowercase() => {
                self.field = *field;
                self.place()?;
                self.field_value(&line[2..], &from_here[2..])
            }
            _ => Err(ParseErrorKind::NotAField),
        }
    }

    /// Checks that the field may stand here.
    fn place(&mut self) -> Result<(), ParseErrorKind> {
        if !self.strict {
            return Ok(());
        }
        let order = if self.media.is_empty() || self.field == b'm' {
            SESSION_ORDER
        } else {
            MEDIA_ORDER
        };
        match order.iter().position(|field| *field == self.field) {
            // A second `t=` may follow the `r=` and `z=` of the first.
            Some(rank) if rank >= self.rank || self.field == b't' && self.rank <= rank + 2 => {
                self.rank = if self.field == b'm' { 0 } else { rank };
                Ok(())
            }
            None if !SESSION_ORDER.contains(&self.field) => Err(ParseErrorKind::UnknownField),
            _ => Err(ParseErrorKind::OutOfOrder),
        }
    }

    fn field_value(&mut self, value: &str, from_here: &str) -> Result<(), ParseErrorKind> {
        let strict = self.strict;
        match (self.field, self.media.last_mut()) {
            (b'a', Some(media)) => push_attribute(&mut media.attributes, value, from_here, self.limits)?,
            (b'a', None) => push_attribute(&mut self.session.attributes, value, from_here, self.limits)?,
            (b'm', _) => self.media_line(value)?,
            (b'i', _) if value.is_empty() => {}
            (b'i', Some(media)) => once(&mut media.info, Text::from_clean(value), strict)?,
            (b'i', None) => once(&mut self.session.info, Text::from_clean(value), strict)?,
            (b'k', Some(media)) => once(&mut media.key, Text::from_clean(value), strict)?,
            (b'k', None) => once(&mut self.session.key, Text::from_clean(value), strict)?,
            (b'c', Some(media)) => {
                let connection = connection(value)?;
                if media.connection.is_none() {
                    media.connection = Some(connection);
                } else {
                    media.more_connections.push(connection);
                }
            }
            (b'c', None) => once(&mut self.session.connection, connection(value)?, strict)?,
            (b'b', Some(media)) => media.bandwidths.push(bandwidth(value)?),
            (b'b', None) => self.session.bandwidths.push(bandwidth(value)?),
            // The rest belongs to the session part. Behind an `m=` line the strict policy has refused it by now.
            (b'v', _) if value.trim() == "0" => {
                let repeated = std::mem::replace(&mut self.version_seen, true);
                if strict && repeated {
                    return Err(ParseErrorKind::Repeated);
                }
            }
            (b'v', _) => return Err(ParseErrorKind::Version),
            (b'o', _) => once(&mut self.origin, origin(value, strict)?, strict)?,
            (b's', _) if value.is_empty() && strict => {
                return Err(ParseErrorKind::Syntax("a name, a space or -"));
            }
            (b's', _) => {
                let name = if value.is_empty() { "-" } else { value };
                once(&mut self.name, Text::from_clean(name), strict)?;
            }
            (b'u', _) => once(&mut self.uri, Text::from_clean(value), strict)?,
            (b'e', _) => self.emails.push(Text::from_clean(value)),
            (b'p', _) => self.phones.push(Text::from_clean(value)),
            (b't', _) => self.times.push(timing(value)?),
            (b'r', _) => match self.times.last_mut() {
                Some(timing) => timing.repeats.push(repeat(value)?),
                None if strict => return Err(ParseErrorKind::OutOfOrder),
                None => {}
            },
            (b'z', _) => self.zones.extend(zones(value)?),
            _ => {} // unknown: skipped (RFC 8866 §5); the strict policy has refused it
        }
        Ok(())
    }

    fn media_line(&mut self, value: &str) -> Result<(), ParseErrorKind> {
        const EXPECTED: ParseErrorKind = ParseErrorKind::Syntax("<media> <port> <protocol> <formats>");
        if self.media.len() == self.limits.media {
            return Err(ParseErrorKind::TooManyMedia(self.limits.media));
        }
        let mut parts = words(value);
        let (Some(kind), Some(ports), Some(protocol)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(EXPECTED);
        };
        let (port, count) = match ports.split_once('/') {
            // A count of none would be written like one of one: the text would not come back.
            Some((port, count)) => (port, number::<NonZeroU16>(count, "number of ports")?.get()),
            None => (ports, 1),
        };
        let mut media = Media::new(kind.into(), number(port, "port")?, Text::from_clean(protocol));
        media.port_count = count;
        for format in parts {
            if media.formats.len() == self.limits.formats {
                return Err(ParseErrorKind::TooManyFormats(self.limits.formats));
            }
            media.formats.push(Text::from_clean(format));
        }
        if self.strict && media.formats.is_empty() {
            return Err(EXPECTED);
        }
        if self.media.capacity() == 0 {
            self.media.reserve_exact(2); // what calls have; the four of `push` are too large for malloc's fast path
        }
        self.media.push(media);
        Ok(())
    }

    fn finish(self) -> Result<SessionDescription, ParseError> {
        let missing = |field| Err(error(self.line, None, ParseErrorKind::Missing(field)));
        if !self.version_seen {
            return missing('v');
        }
        let Some(origin) = self.origin else {
            return missing('o');
        };
        if self.strict {
            if self.name.is_none() {
                return missing('s');
            }
            if self.times.is_empty() {
                return missing('t');
            }
            let anywhere = self.session.connection.is_some();
            if !anywhere && self.media.iter().any(|media| media.connection.is_none()) {
                return missing('c');
            }
        }
        let mut times = self.times;
        if times.is_empty() {
            times.push(Timing::default());
        }
        Ok(SessionDescription {
            origin,
            name: self.name.unwrap_or_else(|| Text::from_static("-")),
            info: self.session.info,
            uri: self.uri,
            emails: self.emails,
            phones: self.phones,
            connection: self.session.connection,
            bandwidths: self.session.bandwidths,
            times,
            zones: self.zones,
            key: self.session.key,
            attributes: self.session.attributes,
            media: self.media,
        })
    }
}

fn error(line: usize, field: Option<char>, kind: ParseErrorKind) -> ParseError {
    ParseError { line, field, kind }
}

/// Keeps the first value; a second one is skipped, or refused by the strict policy.
fn once<T>(place: &mut Option<T>, value: T, strict: bool) -> Result<(), ParseErrorKind> {
    if strict && place.is_some() {
        return Err(ParseErrorKind::Repeated);
    }
    place.get_or_insert(value);
    Ok(())
}

/// True when a NUL is there, or a CR that LF does not follow. One pass without branches over the whole text is much
/// cheaper than a look at each line.
fn unclean(bytes: &[u8]) -> bool {
    let stray = |(byte, next): (&u8, &u8)| u8::from(*byte == b'\r') & u8::from(*next != b'\n');
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    memchr::memchr(0, bytes).is_some() || pairs.fold(0, |found, pair| found | stray(pair)) != 0
}

/// The parts between spaces.
fn words(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let start = rest.bytes().position(|byte| byte != b' ')?;
        rest = &rest[start..];
        let end = rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

fn number<N: std::str::FromStr>(text: &str, what: &'static str) -> Result<N, ParseErrorKind> {
    match text.bytes().next() {
        Some(b'0'..=b'9') => text.parse().map_err(|_| ParseErrorKind::Number(what)),
        _ => Err(ParseErrorKind::Number(what)), // `parse` would take a sign
    }
}

fn push_attribute(
    attributes: &mut Attributes,
    line: &str,
    from_here: &str,
    limits: &Limits,
) -> Result<(), ParseErrorKind> {
    if attributes.len() == limits.attributes {
        return Err(ParseErrorKind::TooManyAttributes(limits.attributes));
    }
    let colon = line.bytes().position(|byte| byte == b':');
    let name_len = colon.unwrap_or(line.len());
    if name_len == 0 {
        return Err(ParseErrorKind::Syntax("a name"));
    }
    attributes.push(Attribute {
        name: Text::from_prefix(from_here, name_len),
        value: colon.map(|colon| Text::from_prefix(&from_here[colon + 1..], line.len() - colon - 1)),
    });
    Ok(())
}

fn origin(value: &str, strict: bool) -> Result<Origin, ParseErrorKind> {
    const EXPECTED: ParseErrorKind =
        ParseErrorKind::Syntax("<username> <id> <version> <network> <type> <address>");
    let mut parts = words(value);
    let mut next = || parts.next().ok_or(EXPECTED);
    let origin = Origin {
        username: Text::from_clean(next()?),
        session_id: origin_number(next()?, "session id", strict)?,
        session_version: origin_number(next()?, "session version", strict)?,
        net_type: Text::from_clean(next()?),
        address_type: Text::from_clean(next()?),
        address: Text::from_clean(next()?),
    };
    match parts.next() {
        None => Ok(origin),
        Some(_) => Err(EXPECTED),
    }
}

/// RFC 8866 allows any number of digits, RFC 3264 §5 no more than 63 bits. Beyond 64 bits the low ones are kept:
/// they still tell versions apart.
fn origin_number(text: &str, what: &'static str, strict: bool) -> Result<u64, ParseErrorKind> {
    let wrong = ParseErrorKind::Number(what);
    text.bytes().try_fold(0u64, |number, byte| {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return Err(wrong);
        }
        match number.checked_mul(10).and_then(|tens| tens.checked_add(digit)) {
            Some(number) => Ok(number),
            None if strict => Err(wrong),
            None => Ok(number.wrapping_mul(10).wrapping_add(digit)),
        }
    })
}

fn connection(value: &str) -> Result<Connection, ParseErrorKind> {
    let mut parts = words(value);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(net_type), Some(address_type), Some(address), None) => Ok(Connection {
            net_type: Text::from_clean(net_type),
            address_type: Text::from_clean(address_type),
            address: Text::from_clean(address),
        }),
        _ => Err(ParseErrorKind::Syntax("<network> <type> <address>")),
    }
}

fn bandwidth(value: &str) -> Result<Bandwidth, ParseErrorKind> {
    let (kind, value) = value
        .split_once(':')
        .ok_or(ParseErrorKind::Syntax("<type>:<bandwidth>"))?;
    Ok(Bandwidth {
        kind: Text::from_clean(kind),
        value: number(value.trim(), "bandwidth")?,
    })
}

fn timing(value: &str) -> Result<Timing, ParseErrorKind> {
    let mut parts = words(value);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(start), Some(stop), None) => Ok(Timing {
            start: number(start, "start time")?,
            stop: number(stop, "stop time")?,
            repeats: Vec::new(),
        }),
        _ => Err(ParseErrorKind::Syntax("<start> <stop>")),
    }
}

fn repeat(value: &str) -> Result<Repeat, ParseErrorKind> {
    let mut times = words(value).map(|word| typed_time(word).ok_or(ParseErrorKind::Number("repeat time")));
    match (times.next(), times.next()) {
        (Some(interval), Some(duration)) => Ok(Repeat {
            interval: interval?,
            duration: duration?,
            offsets: times.collect::<Result<_, _>>()?,
        }),
        _ => Err(ParseErrorKind::Syntax("<interval> <duration> <offsets>")),
    }
}

fn zones(value: &str) -> Result<Vec<ZoneAdjustment>, ParseErrorKind> {
    let mut parts = words(value);
    let mut zones = Vec::new();
    while let Some(time) = parts.next() {
        let offset = parts.next().and_then(typed_time);
        zones.push(ZoneAdjustment {
            time: number(time, "adjustment time")?,
            offset: offset.ok_or(ParseErrorKind::Number("adjustment offset"))?,
        });
    }
    Ok(zones)
}
