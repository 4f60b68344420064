//! The one pass over a message's head.

use std::ops::Range;

use bytes::BytesMut;

use super::start_line::{self, StartLine};
use super::{Framing, ParseErrorKind, ParseOptions, Policy, lex};
use crate::header::{Entry, HeaderName, Place, lookup, lookup_usual};

const CONTENT_LENGTH: u8 = HeaderName::ContentLength.id();

/// What the pass found. After a fault it goes on, so that a request can be answered by what follows.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) start: Option<StartLine>,
    pub(crate) first_line: Range<usize>,
    pub(crate) entries: Vec<Entry>,
    /// Values that had to be unfolded.
    pub(crate) extra: BytesMut,
    /// The place of the first Content-Length among `entries`.
    first_length: Option<usize>,
    pub(crate) content_length: Option<usize>,
    /// Where the body begins, once the empty line is found.
    pub(crate) end: Option<usize>,
    /// The first fault.
    pub(crate) error: Option<(usize, ParseErrorKind)>,
    /// Whether any fault lies behind the start line.
    pub(crate) head_faulty: bool,
}

impl Scan {
    pub(crate) fn note(&mut self, offset: usize, kind: ParseErrorKind) {
        self.error.get_or_insert((offset, kind));
    }

    fn note_in_head(&mut self, offset: usize, kind: ParseErrorKind) {
        self.head_faulty = true;
        self.note(offset, kind);
    }
}

/// How many header fields to make room for: more than most messages have.
const USUAL_HEADERS: usize = 24;

pub(crate) fn scan(bytes: &[u8], options: &ParseOptions, framing: Framing) -> Scan {
    let start = bytes.iter().take_while(|&&b| b == b'\r' || b == b'\n').count();
    if start == bytes.len() {
        let mut scan = Scan::default();
        scan.note(0, ParseErrorKind::Empty);
        return scan;
    }
    let mut scan = lines(bytes, start, true, options, framing);
    // Most often it is the last field, and the only one of its name.
    for index in scan.first_length.map_or(0..0, |first| first..scan.entries.len()) {
        let entry = scan.entries[index];
        if entry.id == CONTENT_LENGTH {
            content_length(&mut scan, bytes, &entry);
        }
    }
    scan
}

/// The same where there is no start line, and Content-Length says nothing.
pub(crate) fn scan_fields(bytes: &[u8], options: &ParseOptions) -> Scan {
    lines(bytes, 0, false, options, Framing::Datagram)
}

/// Goes through the lines of the head, from `start` to the empty one.
fn lines(bytes: &[u8], start: usize, mut first: bool, options: &ParseOptions, framing: Framing) -> Scan {
    let mut scan = Scan::default();
    let limit = options.limits.head_bytes.min(super::Limits::HARD_HEAD_BYTES);
    let head = &bytes[..bytes.len().min(start.saturating_add(limit))];
    scan.entries.reserve_exact(USUAL_HEADERS.min(head.len() / 4));
    let mut line = start;
    let mut line_crs = 0;
    while let Some(found) = lex::find(&head[line..], b'\n') {
        let lf = line + found;
        let cr = head[line..lf].last() == Some(&b'\r');
        let end = lf - usize::from(cr);
        line_crs += usize::from(cr);
        if !cr && options.policy == Policy::Strict {
            scan.note_in_head(lf, ParseErrorKind::BareLf);
        }
        let next = lf + 1;
        if end == line {
            scan.end = Some(next);
            break;
        }
        if first {
            first = false;
            scan.first_line = line..end;
            match start_line::read(bytes, line..end, options.policy) {
                Ok(start_line) => scan.start = Some(start_line),
                Err((offset, kind)) => scan.note(offset, kind),
            }
        } else if lex::is_ws(bytes[line]) {
            fold(&mut scan, bytes, line..end, next, cr, options);
        } else {
            field(&mut scan, bytes, line..end, next, cr, options);
        }
        line = next;
    }
    let seen = &head[..scan.end.unwrap_or(head.len())];
    let head = Head {
        start,
        line,
        len: head.len(),
        bare_cr: bare_cr(seen, start, line_crs),
        limit,
        first,
    };
    finish(&mut scan, bytes, &head, options, framing);
    scan
}

/// The first CR from `start` on that ends no line; `line_crs` do. Counting all of them at once costs less than looking
/// for CR in each line beside LF.
fn bare_cr(head: &[u8], start: usize, line_crs: usize) -> Option<usize> {
    let crs = || memchr::memchr_iter(b'\r', &head[start..]);
    if crs().count() == line_crs {
        return None;
    }
    crs()
        .map(|at| start + at)
        .find(|at| head.get(at + 1) != Some(&b'\n'))
}

/// Where the pass stopped.
struct Head {
    start: usize,
    /// Start of the line that was not read.
    line: usize,
    len: usize,
    /// The first CR that ends no line.
    bare_cr: Option<usize>,
    limit: usize,
    /// Whether not even the start line was read.
    first: bool,
}

fn finish(scan: &mut Scan, bytes: &[u8], head: &Head, options: &ParseOptions, framing: Framing) {
    if scan.end.is_none() {
        if head.len < bytes.len() {
            scan.note_in_head(
                head.len,
                ParseErrorKind::TooLarge {
                    what: "bytes of head",
                    limit: head.limit,
                },
            );
        } else if head.first || head.line < bytes.len() {
            if head.first {
                scan.first_line = head.start..bytes.len();
            }
            scan.note_in_head(head.line, ParseErrorKind::UnterminatedHead);
        } else if options.policy == Policy::Strict || framing == Framing::Stream {
            scan.note_in_head(head.line, ParseErrorKind::UnterminatedHead);
        }
    }
    // A CR that ends no line could be a line end to somebody else: what is one header field to us would be two
    // to him.
    if let Some(at) = head.bare_cr {
        scan.note_in_head(at, ParseErrorKind::BareCr);
        drop_broken_values(scan, bytes);
    }
}

/// Notes one header line.
#[inline]
fn field(
    scan: &mut Scan,
    bytes: &[u8],
    line: Range<usize>,
    line_end: usize,
    tidy: bool,
    options: &ParseOptions,
) {
    let text = &bytes[line.clone()];
    let Some(Name { id, len, colon }) = name(text, &bytes[line.start..]) else {
        return scan.note_in_head(line.start, ParseErrorKind::BadHeaderLine);
    };
    if line_end - line.start > options.limits.header_bytes {
        note_long(scan, line.start, options);
    }
    if scan.entries.len() >= options.limits.headers {
        let limit = options.limits.headers;
        return scan.note_in_head(
            line.start,
            ParseErrorKind::TooLarge {
                what: "header fields",
                limit,
            },
        );
    }
    if id == CONTENT_LENGTH && scan.first_length.is_none() {
        scan.first_length = Some(scan.entries.len());
    }
    let value = lex::trim(&text[colon + 1..]);
    let base = line.start + colon + 1;
    scan.entries.push(Entry {
        line: line.start as u32,
        line_end: line_end as u32,
        value: (base + value.start) as u32,
        value_end: (base + value.end) as u32,
        name_len: len as u16,
        id,
        place: if tidy { Place::Wire } else { Place::WireUntidy },
    });
}

/// The name that a header line begins with.
struct Name {
    id: u8,
    len: usize,
    colon: usize,
}

/// Reads the name at the start of `line`; `rest` is all that was received from there on.
#[inline]
fn name(line: &[u8], rest: &[u8]) -> Option<Name> {
    if let Some((id, len)) = lookup_usual(rest) {
        return Some(Name { id, len, colon: len });
    }
    let len = lex::token_len(line);
    let colon = len + line[len..].iter().take_while(|&&b| lex::is_ws(b)).count();
    if len == 0 || len > usize::from(u16::MAX) || line.get(colon) != Some(&b':') {
        return None;
    }
    let id = lookup(&line[..len]);
    Some(Name { id, len, colon })
}

/// Joins a line that begins with white space to the field before it: the line end and the white space
/// around it become one space (RFC 3261 §7.3.1).
fn fold(
    scan: &mut Scan,
    bytes: &[u8],
    line: Range<usize>,
    line_end: usize,
    tidy: bool,
    options: &ParseOptions,
) {
    let Some(entry) = scan.entries.last_mut() else {
        return scan.note_in_head(line.start, ParseErrorKind::BadHeaderLine);
    };
    if entry.line_end as usize != line.start {
        return; // the line before was refused
    }
    let more = lex::trimmed(&bytes[line]);
    if matches!(entry.place, Place::Wire | Place::WireUntidy) {
        let so_far = entry.value as usize..entry.value_end as usize;
        entry.value = scan.extra.len() as u32;
        scan.extra.extend_from_slice(&bytes[so_far]);
        entry.place = if entry.place == Place::Wire {
            Place::WireFolded
        } else {
            Place::WireFoldedUntidy
        };
    }
    if !tidy {
        entry.place = Place::WireFoldedUntidy;
    }
    if !more.is_empty() {
        if scan.extra.len() > entry.value as usize {
            scan.extra.extend_from_slice(b" ");
        }
        scan.extra.extend_from_slice(more);
    }
    entry.value_end = scan.extra.len() as u32;
    entry.line_end = line_end as u32;
    let start = entry.line as usize;
    if line_end - start > options.limits.header_bytes {
        note_long(scan, start, options);
    }
}

#[cold]
fn note_long(scan: &mut Scan, offset: usize, options: &ParseOptions) {
    let limit = options.limits.header_bytes;
    scan.note_in_head(
        offset,
        ParseErrorKind::TooLarge {
            what: "bytes of one header field",
            limit,
        },
    );
}

/// Takes the length from a Content-Length field: digits that fit 32 bits, and once only.
fn content_length(scan: &mut Scan, bytes: &[u8], entry: &Entry) {
    let value = value(&scan.extra, bytes, entry);
    let offset = entry.line as usize;
    match lex::number::<u32>(value) {
        _ if scan.content_length.is_some() => {
            scan.note_in_head(offset, ParseErrorKind::DuplicateContentLength);
        }
        Ok(length) => scan.content_length = Some(length as usize),
        Err(_) => scan.note_in_head(offset, ParseErrorKind::BadContentLength),
    }
}

/// A refused request is answered with its own Via, From, To ...: none of them may carry a CR along.
fn drop_broken_values(scan: &mut Scan, bytes: &[u8]) {
    let extra = &scan.extra;
    scan.entries
        .retain(|entry| !value(extra, bytes, entry).contains(&b'\r'));
}

fn value<'a>(extra: &'a [u8], bytes: &'a [u8], entry: &Entry) -> &'a [u8] {
    let range = entry.value as usize..entry.value_end as usize;
    match entry.place {
        Place::Wire | Place::WireUntidy => &bytes[range],
        _ => &extra[range],
    }
}
