//! From text to types, in one pass over the lines.

use crate::text::{breaks_line, find};
use crate::value::{Value, bandwidth, connection, formats, number, origin, repeat, timing, zones};
use crate::{
    Attributes, Bandwidth, Connection, Limits, Media, Origin, ParseError, ParseErrorKind, ParseOptions,
    Policy, SessionDescription, Text, Timing, ZoneAdjustment,
};
use std::ops::Range;

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
            (Ok(text), _) => Parser::new(text, options).run(),
            (Err(_), Policy::Lenient) => Parser::new(&String::from_utf8_lossy(bytes), options).run(),
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
    text: &'a str,
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
    timing: Option<Timing>,
    more_timings: Vec<Timing>,
    zones: Vec<ZoneAdjustment>,
    media: Vec<Media>,
    /// How many `a=` lines the current section has.
    attributes: usize,
    /// Where those of them stand that are not copied yet, one behind the other.
    block: Range<usize>,
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
    fn new(text: &'a str, options: &'a ParseOptions) -> Self {
        Self {
            text,
            limits: &options.limits,
            strict: options.policy == Policy::Strict,
            unclean: unclean(text.as_bytes()),
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
            timing: None,
            more_timings: Vec::new(),
            zones: Vec::new(),
            media: Vec::new(),
            attributes: 0,
            block: 0..0,
        }
    }

    fn run(mut self) -> Result<SessionDescription, ParseError> {
        let bytes = self.text.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            let found = find(&bytes[start..], b'\n');
            let end = found.map_or(bytes.len(), |len| start + len);
            let next = bytes.len().min(end + 1);
            self.line += 1;
            self.field = 0;
            if self.line > self.limits.lines {
                return Err(self.error(ParseErrorKind::TooManyLines(self.limits.lines)));
            }
            self.whole_line(start..end, next)
                .map_err(|kind| self.error(kind))?;
            start = next;
        }
        self.line += 1;
        self.field = 0;
        self.finish()
    }

    fn error(&self, kind: ParseErrorKind) -> ParseError {
        let field = (self.field != 0).then(|| char::from(self.field));
        error(self.line, field, kind)
    }

    /// Reads a line, behind which the next one begins.
    fn whole_line(&mut self, line: Range<usize>, next: usize) -> Result<(), ParseErrorKind> {
        if line.len() > self.limits.line_bytes {
            return Err(ParseErrorKind::LineTooLong(self.limits.line_bytes));
        }
        let start = line.start;
        let line = &self.text.as_bytes()[line];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_tidy = start + line.len() + 2 == next;
        if self.strict && !is_tidy {
            return Err(ParseErrorKind::LineEnd);
        }
        if self.unclean && line.iter().copied().any(breaks_line) {
            return Err(ParseErrorKind::ControlCharacter);
        }
        match line {
            [] if !self.strict => Ok(()),
            [field, b'=', value @ ..] if field.is_ascii_lowercase() => {
                self.field = *field;
                self.place()?;
                if *field == b'a' {
                    return self.attribute(start..next, value, is_tidy);
                }
                self.field_value(Value::new(&self.text.as_bytes()[start + 2..], value.len()))
            }
            _ => Err(ParseErrorKind::NotAField),
        }
    }

    /// Notes an attribute. Lines that stand as they are to be written are copied together.
    fn attribute(&mut self, line: Range<usize>, value: &[u8], is_tidy: bool) -> Result<(), ParseErrorKind> {
        if self.attributes == self.limits.attributes {
            return Err(ParseErrorKind::TooManyAttributes(self.limits.attributes));
        }
        self.attributes += 1;
        if let [] | [b':', ..] = value {
            return Err(ParseErrorKind::Syntax("a name"));
        }
        if !is_tidy {
            self.copy_attributes();
            let value = &self.text[line.start + 2..][..value.len()];
            self.section_attributes().push_line(value);
        } else if self.block.end == line.start {
            self.block.end = line.end;
        } else {
            self.copy_attributes();
            self.block = line;
        }
        Ok(())
    }

    fn copy_attributes(&mut self) {
        let lines = &self.text[std::mem::take(&mut self.block)];
        self.section_attributes().push_lines(lines);
    }

    fn section_attributes(&mut self) -> &mut Attributes {
        match self.media.last_mut() {
            Some(media) => &mut media.attributes,
            None => &mut self.session.attributes,
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

    fn field_value(&mut self, value: Value<'_>) -> Result<(), ParseErrorKind> {
        let strict = self.strict;
        match (self.field, self.media.last_mut()) {
            (b'm', _) => self.media_line(value)?,
            (b'i', _) if value.is_empty() => {}
            (b'i', Some(media)) => once(&mut media.info, value.into(), strict)?,
            (b'i', None) => once(&mut self.session.info, value.into(), strict)?,
            (b'k', Some(media)) => once(&mut media.key, value.into(), strict)?,
            (b'k', None) => once(&mut self.session.key, value.into(), strict)?,
            (b'c', Some(media)) => {
                let connection = connection(value)?;
                if media.connection.is_none() {
                    media.connection = Some(connection);
                } else {
                    media.more_connections.push(connection);
                }
            }
            (b'c', None) => once(&mut self.session.connection, connection(value)?, strict)?,
            (b'b', Some(media)) => media.bandwidths.push(bandwidth(value.as_str())?),
            (b'b', None) => self.session.bandwidths.push(bandwidth(value.as_str())?),
            // The rest belongs to the session part. Behind an `m=` line the strict policy has refused it by now.
            (b'v', _) if value.as_bytes().trim_ascii() == b"0" => {
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
            (b's', _) if value.is_empty() => once(&mut self.name, Text::from_static("-"), strict)?,
            (b's', _) => once(&mut self.name, value.into(), strict)?,
            (b'u', _) => once(&mut self.uri, value.into(), strict)?,
            (b'e', _) => self.emails.push(value.into()),
            (b'p', _) => self.phones.push(value.into()),
            (b't', _) if self.timing.is_none() => self.timing = Some(timing(value)?),
            (b't', _) => self.more_timings.push(timing(value)?),
            (b'r', _) => match self.more_timings.last_mut().or(self.timing.as_mut()) {
                Some(timing) => timing.repeats.push(repeat(value)?),
                None if strict => return Err(ParseErrorKind::OutOfOrder),
                None => {}
            },
            (b'z', _) => self.zones.extend(zones(value)?),
            _ => {} // unknown: skipped (RFC 8866 §5); the strict policy has refused it
        }
        Ok(())
    }

    fn media_line(&mut self, mut value: Value<'_>) -> Result<(), ParseErrorKind> {
        const EXPECTED: ParseErrorKind = ParseErrorKind::Syntax("<media> <port> <protocol> <formats>");
        const NUMBER_OF_PORTS: &str = "number of ports";
        if self.media.len() == self.limits.media {
            return Err(ParseErrorKind::TooManyMedia(self.limits.media));
        }
        let (Some(kind), Some(ports), Some(protocol)) = (value.word(), value.word(), value.word()) else {
            return Err(EXPECTED);
        };
        let ports = ports.as_bytes();
        let (port, count) = match find(ports, b'/') {
            Some(slash) => (&ports[..slash], number(&ports[slash + 1..], NUMBER_OF_PORTS)?),
            None => (ports, 1),
        };
        if count == 0 {
            // It would be written like one of one: the text would not come back.
            return Err(ParseErrorKind::Number(NUMBER_OF_PORTS));
        }
        let mut media = Media::new(kind.as_str().into(), number(port, "port")?, protocol);
        media.port_count = count;
        media.formats = formats(value, self.limits.formats)?;
        if self.strict && media.formats.is_empty() {
            return Err(EXPECTED);
        }
        if self.media.capacity() == 0 {
            self.media.reserve_exact(2); // what calls have; the four of `push` are too large for malloc's fast path
        }
        self.copy_attributes();
        self.attributes = 0;
        self.media.push(media);
        Ok(())
    }

    fn finish(mut self) -> Result<SessionDescription, ParseError> {
        self.copy_attributes();
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
            if self.timing.is_none() {
                return missing('t');
            }
            let anywhere = self.session.connection.is_some();
            if !anywhere && self.media.iter().any(|media| media.connection.is_none()) {
                return missing('c');
            }
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
            timing: self.timing.unwrap_or_default(),
            more_timings: self.more_timings,
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
    let stray =
        |(byte, next): (&u8, &u8)| u8::from(*byte == 0) | u8::from(*byte == b'\r') & u8::from(*next != b'\n');
    let pairs = bytes.iter().zip(bytes.iter().skip(1));
    bytes.last() == Some(&0) || pairs.fold(0, |found, pair| found | stray(pair)) != 0
}
