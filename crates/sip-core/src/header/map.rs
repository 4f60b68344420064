//! The header fields of one message, in wire order and original spelling.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::name::{self, KNOWN, UNKNOWN};
use super::typed_all::TypedAll;
use super::{HeaderError, HeaderName, HeaderValue, TypedHeader};
use crate::parse::{Policy, lex};

/// An ordered multimap of header fields.
///
/// Fields that came from the wire stay slices of the message; those that were added live in one buffer of
/// their own. Nothing is interpreted until [`Headers::typed`] asks, and what was not touched prints byte for
/// byte as it came.
///
/// ```
/// use offhook_sip_core::header::{Contact, MaxForwards};
/// use offhook_sip_core::{HeaderName, Headers};
///
/// let mut headers = Headers::new();
/// headers.push_typed(&MaxForwards(70));
/// headers.push("Contact", "<sip:a@b.test>, <sip:c@d.test>");
/// assert_eq!(headers.get(HeaderName::MaxForwards), Some(&b"70"[..]));
/// assert_eq!(headers.typed_all::<Contact>().count(), 2);
/// assert!(headers.typed::<offhook_sip_core::header::CSeq>().is_none());
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    /// The message that was parsed.
    wire: Bytes,
    /// Lines that were added, and values that had to be unfolded.
    extra: BytesMut,
    /// How much of `extra` no entry refers to any more.
    garbage: usize,
    pub(super) entries: Vec<Entry>,
    /// How values are to be read.
    policy: Policy,
}

/// One field: where its line and its value are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) line: u32,
    /// Behind the line's CRLF.
    pub(crate) line_end: u32,
    pub(crate) value: u32,
    pub(crate) value_end: u32,
    pub(crate) name_len: u16,
    pub(crate) id: u8,
    pub(crate) place: Place,
}

/// Which buffer an [`Entry`] points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Line and value in `wire`.
    Wire,
    /// Line and value in `wire`, but the line cannot be repeated as it is (it ends without CR).
    WireUntidy,
    /// Line in `wire`, its unfolded value in `extra`.
    WireFolded,
    /// The same, but the line cannot be repeated as it is.
    WireFoldedUntidy,
    /// Line and value in `extra`.
    Extra,
}

/// One header field as [`Headers::iter`] gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name; a known one whatever its spelling.
    pub name: HeaderName<'a>,
    /// The name as it is spelt in the message.
    pub spelling: &'a str,
    /// The value, unfolded and without white space around it.
    pub value: &'a [u8],
}

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn from_wire(wire: Bytes, extra: BytesMut, entries: Vec<Entry>, policy: Policy) -> Self {
        Self {
            wire,
            extra,
            garbage: 0,
            entries,
            policy,
        }
    }

    /// The value of the first field of this name.
    pub fn get<'n>(&self, name: impl Into<HeaderName<'n>>) -> Option<&[u8]> {
        let index = self.first(name.into())?;
        Some(self.value(&self.entries[index]))
    }

    /// The value of the first field of this name as text; `None` also where it is not UTF-8.
    pub fn get_str<'n>(&self, name: impl Into<HeaderName<'n>>) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The value of the first field of this name; a slice of the message where it came from the wire.
    pub fn get_bytes<'n>(&self, name: impl Into<HeaderName<'n>>) -> Option<Bytes> {
        let index = self.first(name.into())?;
        Some(self.value_bytes(&self.entries[index]))
    }

    /// The values of all fields of this name, from the top. Comma lists stay whole.
    pub fn get_all<'n>(&self, name: impl Into<HeaderName<'n>>) -> impl Iterator<Item = &[u8]> {
        let name = name.into();
        self.entries
            .iter()
            .filter(move |e| self.matches(e, name))
            .map(|e| self.value(e))
    }

    /// The first value of the field `H`: `None` where the field is absent, an error where it is malformed.
    #[inline]
    pub fn typed<H: TypedHeader>(&self) -> Option<Result<H, HeaderError>> {
        let index = self.first(H::NAME)?;
        let entry = &self.entries[index];
        if !H::LIST {
            return Some(H::parse(self.header_value(entry, self.value(entry))));
        }
        let value = self.value(entry);
        let end = lex::list_element_end(value);
        let element = lex::trim(&value[..end]);
        Some(H::parse(self.header_value(entry, &value[element])))
    }

    /// All values of the field `H` from the top: of repeated fields, and of comma lists within them.
    pub fn typed_all<H: TypedHeader>(&self) -> TypedAll<'_, H> {
        TypedAll::new(self)
    }

    /// Whether a field of this name is there.
    pub fn contains<'n>(&self, name: impl Into<HeaderName<'n>>) -> bool {
        self.first(name.into()).is_some()
    }

    /// How many fields of this name are there.
    pub fn count<'n>(&self, name: impl Into<HeaderName<'n>>) -> usize {
        let name = name.into();
        self.entries.iter().filter(|e| self.matches(e, name)).count()
    }

    /// Whether one of the comma-separated tokens of this field is `token`, without regard to case: option
    /// tags in Supported and Require, event packages, methods.
    pub fn has_token<'n>(&self, name: impl Into<HeaderName<'n>>, token: &str) -> bool {
        self.get_all(name)
            .flat_map(|value| value.split(|&b| b == b','))
            .any(|item| lex::trimmed(item).eq_ignore_ascii_case(token.as_bytes()))
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.entries.iter().map(|entry| {
            let spelling = self.spelling(entry);
            let name = match entry.id {
                UNKNOWN => HeaderName::Other(spelling),
                id => KNOWN[id as usize],
            };
            Field {
                name,
                spelling,
                value: self.value(entry),
            }
        })
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends a field.
    ///
    /// So that no value can smuggle in a header field, CR, LF and NUL in `value` become spaces, and bytes in
    /// `name` that no name may have become `-`.
    pub fn push<'n>(&mut self, name: impl Into<HeaderName<'n>>, value: impl AsRef<[u8]>) {
        let entry = self.append(name.into(), |out| out.extend_from_slice(value.as_ref()));
        self.entries.push(entry);
    }

    /// Puts a field before all others.
    pub fn push_front<'n>(&mut self, name: impl Into<HeaderName<'n>>, value: impl AsRef<[u8]>) {
        let entry = self.append(name.into(), |out| out.extend_from_slice(value.as_ref()));
        self.entries.insert(0, entry);
    }

    /// Appends a field.
    pub fn push_typed<H: TypedHeader>(&mut self, header: &H) {
        let entry = self.append(H::NAME, |out| header.write(out));
        self.entries.push(entry);
    }

    /// Puts a field before all others, as a new top Via or Route.
    pub fn push_front_typed<H: TypedHeader>(&mut self, header: &H) {
        let entry = self.append(H::NAME, |out| header.write(out));
        self.entries.insert(0, entry);
    }

    /// Replaces the first field of this name and drops the others; appends where there is none.
    pub fn set<'n>(&mut self, name: impl Into<HeaderName<'n>>, value: impl AsRef<[u8]>) {
        let name = name.into();
        let entry = self.append(name, |out| out.extend_from_slice(value.as_ref()));
        self.put(name, entry);
    }

    /// Replaces the first field of this name and drops the others; appends where there is none.
    pub fn set_typed<H: TypedHeader>(&mut self, header: &H) {
        let entry = self.append(H::NAME, |out| header.write(out));
        self.put(H::NAME, entry);
    }

    /// Replaces the first value of `H`, leaving all that follow: what a server does to the top Via
    /// (RFC 3261 §18.2.1). Appends where there is none.
    pub fn replace_first_value<H: TypedHeader>(&mut self, header: &H) {
        let Some(index) = self.first(H::NAME) else {
            return self.push_typed(header);
        };
        let rest = self.after_first_value(index);
        let entry = self.append(H::NAME, |out| {
            header.write(out);
            if let Some(rest) = &rest {
                out.extend_from_slice(b", ");
                out.extend_from_slice(rest);
            }
        });
        self.discard(index);
        self.entries[index] = entry;
    }

    /// Removes the first value of a comma list or of repeated fields: pops the top Via or Route. Says
    /// whether there was one.
    pub fn remove_first_value<'n>(&mut self, name: impl Into<HeaderName<'n>>) -> bool {
        let name = name.into();
        let Some(index) = self.first(name) else {
            return false;
        };
        let rest = self.after_first_value(index);
        self.discard(index);
        match rest {
            Some(rest) => {
                let entry = self.append(name, |out| out.extend_from_slice(&rest));
                self.entries[index] = entry;
            }
            None => {
                self.entries.remove(index);
            }
        }
        true
    }

    /// Removes all fields of this name and says how many there were.
    pub fn remove<'n>(&mut self, name: impl Into<HeaderName<'n>>) -> usize {
        let name = name.into();
        let before = self.entries.len();
        for index in (0..before).rev() {
            if self.matches(&self.entries[index], name) {
                self.discard(index);
                self.entries.remove(index);
            }
        }
        before - self.entries.len()
    }

    /// Appends the fields of this name from `other`, byte for byte.
    pub fn copy_from<'n>(&mut self, other: &Self, name: impl Into<HeaderName<'n>>) {
        let name = name.into();
        if self.wire.is_empty() && self.entries.is_empty() {
            self.wire = other.wire.clone();
        }
        let same_wire = self.wire.as_ptr() == other.wire.as_ptr() && self.wire.len() == other.wire.len();
        for entry in other.entries.iter().filter(|e| other.matches(e, name)) {
            let copied = match entry.place {
                Place::Wire | Place::WireUntidy if same_wire => *entry,
                _ => self.append(HeaderName::Other(other.spelling(entry)), |out| {
                    out.extend_from_slice(other.value(entry));
                }),
            };
            self.entries.push(Entry {
                id: entry.id,
                ..copied
            });
        }
    }

    /// Appends all fields of `other`, which were all added to it, in one piece.
    pub(crate) fn push_all(&mut self, other: &Self) {
        debug_assert!(other.entries.iter().all(|entry| entry.place == Place::Extra));
        let shift = self.extra.len() as u32;
        self.extra.extend_from_slice(&other.extra);
        self.entries.extend(other.entries.iter().map(|entry| Entry {
            line: entry.line + shift,
            line_end: entry.line_end + shift,
            value: entry.value + shift,
            value_end: entry.value_end + shift,
            ..*entry
        }));
    }

    /// Makes room for some more fields.
    pub(crate) fn reserve(&mut self, fields: usize) {
        self.entries.reserve(fields);
    }

    /// Writes `more` behind the value of the first field of this name, whose spelling becomes the usual one.
    pub(crate) fn extend_value(&mut self, name: HeaderName<'static>, more: &[&[u8]]) {
        let Some(index) = self.first(name) else { return };
        let value = self.value_bytes(&self.entries[index]);
        let entry = self.append(name, |out| {
            out.extend_from_slice(&value);
            for more in more {
                out.extend_from_slice(more);
            }
        });
        self.discard(index);
        self.entries[index] = entry;
    }

    #[inline]
    fn first(&self, name: HeaderName<'_>) -> Option<usize> {
        match name.id() {
            UNKNOWN => self.entries.iter().position(|e| self.matches(e, name)),
            id => self.entries.iter().position(|e| e.id == id),
        }
    }

    #[inline]
    pub(super) fn matches(&self, entry: &Entry, name: HeaderName<'_>) -> bool {
        match name.id() {
            UNKNOWN => self.matches_text(entry, name),
            id => entry.id == id,
        }
    }

    /// `Other("via")` made by hand names Via all the same.
    #[inline(never)]
    fn matches_text(&self, entry: &Entry, name: HeaderName<'_>) -> bool {
        match name::lookup(name.as_str().as_bytes()) {
            UNKNOWN => entry.id == UNKNOWN && self.spelling(entry).eq_ignore_ascii_case(name.as_str()),
            id => entry.id == id,
        }
    }

    #[inline]
    pub(super) fn value(&self, entry: &Entry) -> &[u8] {
        let range = entry.value as usize..entry.value_end as usize;
        match entry.place {
            Place::Wire | Place::WireUntidy => &self.wire[range],
            Place::WireFolded | Place::WireFoldedUntidy | Place::Extra => &self.extra[range],
        }
    }

    /// `text`, which is all or part of the entry's value, with the buffer that it lies in.
    #[inline]
    pub(super) fn header_value<'a>(&'a self, entry: &Entry, text: &'a [u8]) -> HeaderValue<'a> {
        let home = matches!(entry.place, Place::Wire | Place::WireUntidy).then_some(&self.wire);
        HeaderValue::new(text, home, self.policy)
    }

    fn value_bytes(&self, entry: &Entry) -> Bytes {
        self.sub_value(entry, 0..(entry.value_end - entry.value) as usize)
    }

    fn sub_value(&self, entry: &Entry, part: Range<usize>) -> Bytes {
        let start = entry.value as usize;
        let range = start + part.start..start + part.end;
        match entry.place {
            Place::Wire | Place::WireUntidy => self.wire.slice(range),
            Place::WireFolded | Place::WireFoldedUntidy | Place::Extra => {
                Bytes::copy_from_slice(&self.extra[range])
            }
        }
    }

    fn spelling(&self, entry: &Entry) -> &str {
        let range = entry.line as usize..entry.line as usize + entry.name_len as usize;
        lex::ascii(match entry.place {
            Place::Extra => &self.extra[range],
            _ => &self.wire[range],
        })
    }

    /// What stands behind the first value of a comma list, if anything.
    fn after_first_value(&self, index: usize) -> Option<Bytes> {
        let value = self.value(&self.entries[index]);
        let end = lex::list_element_end(value);
        let rest = lex::trimmed(value.get(end + 1..)?);
        (!rest.is_empty()).then(|| Bytes::copy_from_slice(rest))
    }

    fn put(&mut self, name: HeaderName<'_>, entry: Entry) {
        let Some(first) = self.first(name) else {
            return self.entries.push(entry);
        };
        self.discard(first);
        self.entries[first] = entry;
        for index in (first + 1..self.entries.len()).rev() {
            if self.matches(&self.entries[index], name) {
                self.discard(index);
                self.entries.remove(index);
            }
        }
    }

    fn discard(&mut self, index: usize) {
        let entry = &self.entries[index];
        self.garbage += match entry.place {
            Place::Wire | Place::WireUntidy => 0,
            Place::WireFolded | Place::WireFoldedUntidy => (entry.value_end - entry.value) as usize,
            Place::Extra => (entry.line_end - entry.line) as usize,
        };
    }

    /// Writes a line to `extra`.
    fn append(&mut self, name: HeaderName<'_>, write: impl FnOnce(&mut BytesMut)) -> Entry {
        self.compact_when_wasteful();
        let spelling = name.as_str().as_bytes();
        let spelling = &spelling[..spelling.len().min(usize::from(u16::MAX))];
        if self.extra.capacity() == 0 {
            self.extra.reserve(FIRST_EXTRA);
        }
        let line = self.extra.len();
        self.extra.extend_from_slice(spelling);
        if name.id() == UNKNOWN {
            for byte in &mut self.extra[line..] {
                if !lex::is_token_byte(*byte) {
                    *byte = b'-';
                }
            }
        }
        self.extra.extend_from_slice(b": ");
        let value = self.extra.len();
        write(&mut self.extra);
        for byte in &mut self.extra[value..] {
            if matches!(byte, b'\r' | b'\n' | 0) {
                *byte = b' ';
            }
        }
        let trimmed = lex::trim(&self.extra[value..]);
        let value_end = value + trimmed.end.max(trimmed.start);
        self.extra.truncate(value_end);
        self.extra.extend_from_slice(b"\r\n");
        let id = match name.id() {
            UNKNOWN => name::lookup(spelling),
            id => id,
        };
        Entry {
            line: line as u32,
            line_end: self.extra.len() as u32,
            value: (value + trimmed.start) as u32,
            value_end: value_end as u32,
            name_len: spelling.len() as u16,
            id,
            place: Place::Extra,
        }
    }

    /// A message that lives long (a REGISTER refreshed for weeks) must not grow with every `set`.
    fn compact_when_wasteful(&mut self) {
        if self.extra.len() < COMPACT_ABOVE || self.garbage * 2 < self.extra.len() {
            return;
        }
        let mut packed = BytesMut::with_capacity(self.extra.len());
        for entry in &mut self.entries {
            let from = match entry.place {
                Place::Wire | Place::WireUntidy => continue,
                Place::WireFolded | Place::WireFoldedUntidy => entry.value,
                Place::Extra => entry.line,
            };
            let to = packed.len() as u32;
            let shift = |offset: u32| offset - from + to;
            if entry.place == Place::Extra {
                packed.extend_from_slice(&self.extra[entry.line as usize..entry.line_end as usize]);
                entry.line = shift(entry.line);
                entry.line_end = shift(entry.line_end);
            } else {
                packed.extend_from_slice(&self.extra[entry.value as usize..entry.value_end as usize]);
            }
            entry.value = shift(entry.value);
            entry.value_end = shift(entry.value_end);
        }
        self.extra = packed;
        self.garbage = 0;
    }

    #[cfg(test)]
    pub(crate) fn buffered(&self) -> usize {
        self.extra.len()
    }

    /// Writes all fields, with the Content-Length that `body_len` needs, or as they stand.
    pub(crate) fn write_to(&self, out: &mut BytesMut, body_len: Option<usize>) {
        const LENGTH: u8 = HeaderName::ContentLength.id();
        let mut run = 0..0; // lines of the message that stand side by side go out in one piece
        let mut has_length = false;
        for entry in &self.entries {
            let wrong_length = entry.id == LENGTH
                && body_len.is_some_and(|len| has_length || lex::number(self.value(entry)) != Ok(len));
            let line = entry.line as usize..entry.line_end as usize;
            if matches!(entry.place, Place::Wire | Place::WireFolded) && !wrong_length {
                if line.start != run.end {
                    out.extend_from_slice(&self.wire[run.clone()]);
                    run.start = line.start;
                }
                run.end = line.end;
                has_length |= entry.id == LENGTH;
                continue;
            }
            out.extend_from_slice(&self.wire[run.clone()]);
            run = 0..0;
            if wrong_length {
                if !has_length {
                    out.extend_from_slice(self.spelling(entry).as_bytes());
                    write_length(out, body_len.unwrap_or_default());
                }
            } else if entry.place == Place::Extra {
                out.extend_from_slice(&self.extra[line]);
            } else {
                out.extend_from_slice(self.spelling(entry).as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(self.value(entry));
                out.extend_from_slice(b"\r\n");
            }
            has_length |= entry.id == LENGTH;
        }
        out.extend_from_slice(&self.wire[run]);
        if let Some(len) = body_len.filter(|_| !has_length) {
            out.extend_from_slice(b"Content-Length");
            write_length(out, len);
        }
    }

    /// About how many bytes [`Headers::write_to`] will append.
    pub(crate) fn written_len(&self) -> usize {
        self.entries
            .iter()
            .map(|e| (e.line_end - e.line) as usize + 4)
            .sum::<usize>()
            + 32
    }
}

/// Room for the dozen lines that a fresh message gets.
const FIRST_EXTRA: usize = 512;
/// Below this, garbage is cheaper than tidying.
const COMPACT_ABOVE: usize = 4096;

fn write_length(out: &mut BytesMut, len: usize) {
    out.extend_from_slice(b": ");
    super::write_number(out, len as u64);
    out.extend_from_slice(b"\r\n");
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map()
            .entries(
                self.iter()
                    .map(|field| (field.spelling, String::from_utf8_lossy(field.value))),
            )
            .finish()
    }
}

impl PartialEq for Headers {
    /// The same fields in the same order and spelling.
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}
