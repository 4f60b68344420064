//! Telephone numbers (RFC 3966).

use std::fmt;

use bytes::Bytes;

use super::{UriError, unescape};
use crate::header::Params;
use crate::parse::lex;

/// A telephone number (RFC 3966).
///
/// ```
/// use offhook_sip_core::Uri;
/// let Ok(Uri::Tel(number)) = "tel:+1-201-555-0123;ext=12".parse() else { unreachable!() };
/// assert_eq!((number.number(), number.digits().as_str()), ("+1-201-555-0123", "+12015550123"));
/// assert!(number.is_global());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TelUri {
    raw: Bytes,
}

impl TelUri {
    /// The text behind `tel:`, whose bytes are those of a URI: `+` and digits, or digits, letters A to F, `*` and
    /// `#` (mostly as `%23`); visual separators in both. A local number without `phone-context`, which RFC 3966
    /// §3 wants, is what every phone sends and therefore read.
    pub(super) fn parse(raw: Bytes) -> Result<Self, UriError> {
        let uri = Self { raw };
        let number = uri.number();
        let digits = number.strip_prefix('+').unwrap_or(number);
        let first = 4 + number.len() - digits.len();
        let local = digits.len() == number.len();
        let mut seen = false;
        let mut rest = digits.as_bytes();
        while let Some(&byte) = rest.first() {
            let escaped = super::escape::escaped_byte(rest);
            let offset = first + digits.len() - rest.len();
            match escaped.unwrap_or(byte) {
                b'0'..=b'9' => seen = true,
                b'a'..=b'f' | b'A'..=b'F' | b'*' | b'#' if local => seen = true,
                b'-' | b'.' | b'(' | b')' => {}
                _ => return Err(UriError::Unexpected { offset, byte }),
            }
            rest = &rest[if escaped.is_some() { 3 } else { 1 }..];
        }
        if !seen {
            return Err(UriError::Missing { offset: first });
        }
        super::sip::check_params(&uri.raw, 4 + number.len())?;
        Ok(uri)
    }

    /// The number as it is spelt, with its visual separators.
    pub fn number(&self) -> &str {
        let rest = &self.raw[4..];
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        lex::ascii(&rest[..end])
    }

    /// The number without visual separators and escapes, letters in lower case.
    pub fn digits(&self) -> String {
        digits(self.number().as_bytes())
    }

    /// Whether the number is global (`+`).
    pub fn is_global(&self) -> bool {
        self.number().starts_with('+')
    }

    /// What stands behind the number: `;phone-context=...`, `;ext=...`.
    pub fn params(&self) -> Params {
        let rest = &self.raw[4..];
        let start = memchr::memchr(b';', rest).unwrap_or(rest.len()) + 4;
        Params::from_checked(self.raw.slice(start..))
    }

    /// `phone-context`: the domain or the first digits of the numbers within which a local number means anything.
    pub fn phone_context(&self) -> Option<String> {
        let context = self.params().get_str("phone-context")?.to_owned();
        Some(context)
    }

    /// `ext`: an extension behind the number.
    pub fn extension(&self) -> Option<String> {
        self.params().get("ext").map(digits)
    }

    /// The scheme as it is spelt.
    pub fn scheme(&self) -> &str {
        lex::ascii(&self.raw[..3])
    }

    /// The whole text.
    pub fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    /// RFC 3966 §4: both global or both local, the same digits, the same parameters in any order. Case never
    /// counts, nor do visual separators in the number, in `ext` and in a `phone-context` that is a number.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        let (a, b) = (self.params(), other.params());
        self.digits() == other.digits() && has_all(&a, &b) && has_all(&b, &a)
    }
}

/// Whether each parameter of `a` stands in `b` as often.
fn has_all(a: &Params, b: &Params) -> bool {
    a.iter().all(|(name, value)| {
        let value = comparable(name, value);
        let times = |params: &Params| {
            let same =
                |(n, v): &(&str, Option<&[u8]>)| n.eq_ignore_ascii_case(name) && comparable(n, *v) == value;
            params.iter().filter(same).count()
        };
        times(a) == times(b)
    })
}

/// A parameter's value in the form that compares byte for byte.
fn comparable(name: &str, value: Option<&[u8]>) -> String {
    let value = value.unwrap_or_default();
    let is_number = name.eq_ignore_ascii_case("ext")
        || (name.eq_ignore_ascii_case("phone-context") && value.starts_with(b"+"));
    if is_number {
        return digits(value);
    }
    String::from_utf8_lossy(&unescape(value)).to_ascii_lowercase()
}

fn digits(number: &[u8]) -> String {
    let plain = unescape(number);
    let digits = plain
        .iter()
        .filter(|byte| !matches!(byte, b'-' | b'.' | b'(' | b')'));
    digits.map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

impl fmt::Debug for TelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(lex::ascii(&self.raw))
    }
}
