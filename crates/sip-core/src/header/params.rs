//! Parameters behind a value: `;name=value;flag` (RFC 3261 §7.3.1, §25.1 `generic-param`).

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderValue};
use crate::parse::lex::{self, Cursor};

/// The parameters of a header field value or of a URI, kept as text and found on demand.
///
/// Names compare without regard to case. A quoted value keeps its quotes: [`unquote`](crate::header::unquote)
/// takes them off.
///
/// ```
/// use offhook_sip_core::header::Params;
/// let mut params = Params::new();
/// params.set("tag", "88sja8x");
/// params.set_flag("lr");
/// assert_eq!(params.get_str("TAG"), Some("88sja8x"));
/// assert!(params.contains("lr"));
/// assert_eq!(params.to_string(), ";tag=88sja8x;lr");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Params {
    /// Empty, or with `;` first.
    raw: Bytes,
}

impl Params {
    /// None.
    pub const fn new() -> Self {
        Self { raw: Bytes::new() }
    }

    /// Text that a parser has already checked.
    pub(crate) fn from_checked(raw: Bytes) -> Self {
        Self { raw }
    }

    /// The parameters from here to the end of a header field value.
    pub(crate) fn parse_rest(value: HeaderValue<'_>, cursor: &mut Cursor<'_>) -> Result<Self, HeaderError> {
        cursor.skip_ws();
        if cursor.is_end() {
            return Ok(Self::new());
        }
        let start = cursor.pos();
        let end = check(cursor, value.is_strict())?;
        Ok(Self {
            raw: value.slice(start..end),
        })
    }

    /// The text, beginning with `;`, or empty.
    pub fn as_bytes(&self) -> &[u8] {
        &self.raw
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The value of this parameter: empty for one without `=`, `None` where it is absent.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        find(&self.raw, name).map(|found| &self.raw[found.value_start..found.value_end])
    }

    /// [`Params::get`] as text; `None` also where the value is not UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The value as a slice of the message.
    pub fn get_bytes(&self, name: &str) -> Option<Bytes> {
        find(&self.raw, name).map(|found| self.raw.slice(found.value_start..found.value_end))
    }

    /// Whether this parameter is there, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        find(&self.raw, name).is_some()
    }

    /// Name and value of each, in order; the value of a flag is `None`.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let raw = &self.raw[..];
        let mut pos = 0;
        std::iter::from_fn(move || {
            let param = next(raw, pos)?;
            pos = param.end;
            let value = param.has_value.then(|| &raw[param.value_start..param.value_end]);
            Some((lex::ascii(&raw[param.name_start..param.name_end]), value))
        })
    }

    /// Sets a parameter in its place, or appends it. A value that is neither token nor host is quoted.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        let plain = |b: u8| lex::is_token_byte(b) || matches!(b, b'[' | b']' | b':' | b'/' | b'@');
        let quoted = value.len() > 1 && value[0] == b'"' && lex::quoted_end(value, 0) == Some(value.len());
        let mut text = BytesMut::with_capacity(value.len() + 2);
        if quoted || (!value.is_empty() && value.iter().all(|&b| plain(b))) {
            text.extend_from_slice(value);
        } else {
            super::quote(value, &mut text);
        }
        self.put(name, Some(&text));
    }

    /// Sets a parameter without value.
    pub fn set_flag(&mut self, name: &str) {
        self.put(name, None);
    }

    /// Removes a parameter and says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(found) = find(&self.raw, name) else {
            return false;
        };
        let mut out = BytesMut::with_capacity(self.raw.len());
        out.extend_from_slice(&self.raw[..found.start]);
        out.extend_from_slice(&self.raw[found.end..]);
        self.raw = out.freeze();
        true
    }

    /// Puts `name` and an already escaped value.
    pub(crate) fn put(&mut self, name: &str, value: Option<&[u8]>) {
        let found = find(&self.raw, name);
        let (before, after) =
            found.map_or((self.raw.len(), self.raw.len()), |found| (found.start, found.end));
        let mut out = BytesMut::with_capacity(self.raw.len() + name.len() + 2 + value.map_or(0, <[u8]>::len));
        out.extend_from_slice(&self.raw[..before]);
        out.extend_from_slice(b";");
        out.extend(name.bytes().map(|b| if lex::is_token_byte(b) { b } else { b'-' }));
        if let Some(value) = value {
            out.extend_from_slice(b"=");
            out.extend_from_slice(value);
        }
        out.extend_from_slice(&self.raw[after..]);
        self.raw = out.freeze();
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.raw);
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.raw))
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `*( SEMI generic-param )` up to the end of the value, and where the last one ends. One `;` behind it is lenient.
fn check(cursor: &mut Cursor<'_>, strict: bool) -> Result<usize, HeaderError> {
    let mut end = cursor.pos();
    loop {
        cursor.expect(b';')?;
        cursor.skip_ws();
        if cursor.is_end() && !strict {
            return Ok(end);
        }
        cursor.token()?;
        cursor.skip_ws();
        if cursor.eat(b'=') {
            cursor.skip_ws();
            if cursor.peek() == Some(b'"') {
                cursor.quoted()?;
            } else {
                cursor.plain_value()?;
            }
            cursor.skip_ws();
        }
        end = cursor.pos();
        if cursor.is_end() {
            return Ok(end);
        }
    }
}

/// Where one parameter stands in its text.
struct Param {
    /// At its `;`.
    start: usize,
    name_start: usize,
    name_end: usize,
    value_start: usize,
    value_end: usize,
    has_value: bool,
    end: usize,
}

/// The parameter whose `;` is at `pos`. The text has been checked, so this only has to find ends.
fn next(raw: &[u8], pos: usize) -> Option<Param> {
    let mut cursor = Cursor::at(raw, pos);
    if !cursor.eat(b';') {
        return None;
    }
    cursor.skip_ws();
    let name = cursor.checked_name();
    cursor.skip_ws();
    let has_value = cursor.eat(b'=');
    let mut value = cursor.pos()..cursor.pos();
    if has_value {
        cursor.skip_ws();
        value = if cursor.peek() == Some(b'"') {
            cursor.quoted().ok()?
        } else {
            cursor.checked_value()
        };
        cursor.skip_ws();
    }
    Some(Param {
        start: pos,
        name_start: name.start,
        name_end: name.end,
        value_start: value.start,
        value_end: value.end,
        has_value,
        end: cursor.pos(),
    })
}

fn find(raw: &[u8], name: &str) -> Option<Param> {
    let mut pos = 0;
    while let Some(param) = next(raw, pos) {
        if raw[param.name_start..param.name_end].eq_ignore_ascii_case(name.as_bytes()) {
            return Some(param);
        }
        pos = param.end;
    }
    None
}
