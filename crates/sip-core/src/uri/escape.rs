//! `%HH` escapes (RFC 3261 §19.1.2).

use std::borrow::Cow;
use std::ops::Range;

use super::UriError;
use crate::parse::lex;

/// `text` with its `%HH` escapes resolved, once: `%2541` becomes `%41`, not `A`. A broken escape stays.
///
/// ```
/// use offhook_sip_core::uri::unescape;
/// assert_eq!(&*unescape(b"sip%3Auser%40x"), b"sip:user@x");
/// ```
pub fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut pos = 0;
    while pos < text.len() {
        if let Some(byte) = escaped_byte(&text[pos..]) {
            plain.push(byte);
            pos += 3;
        } else {
            plain.push(text[pos]);
            pos += 1;
        }
    }
    Cow::Owned(plain)
}

/// `text` with everything escaped that may not stand in the user part of a SIP URI.
///
/// ```
/// use offhook_sip_core::uri::escape_user;
/// assert_eq!(escape_user("alice@home"), "alice%40home");
/// ```
pub fn escape_user(text: &str) -> String {
    escape(text.as_bytes(), |b| {
        lex::is_user_byte(b) && b != b'%' && b != b'#'
    })
}

/// `text` with everything escaped that may not stand in the value of a URI's header field, `sip:a@b?Name=value`.
///
/// ```
/// use offhook_sip_core::uri::escape_header;
/// assert_eq!(escape_header("1@a;to-tag=2"), "1%40a%3Bto-tag%3D2");
/// ```
pub fn escape_header(text: &str) -> String {
    escape(text.as_bytes(), |b| {
        b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b)
    })
}

pub(super) fn escape(text: &[u8], plain: impl Fn(u8) -> bool) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii() && plain(byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)] as char);
            out.push(HEX[usize::from(byte & 15)] as char);
        }
    }
    out
}

/// The byte that the `%HH` at the start of `text` stands for.
pub(super) fn escaped_byte(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |b: &u8| (*b as char).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// Whether all bytes in `range` are accepted and each `%` begins an escape.
pub(super) fn check(text: &[u8], range: Range<usize>, accept: impl Fn(u8) -> bool) -> Result<(), UriError> {
    for offset in range {
        let byte = text[offset];
        if !accept(byte) {
            return Err(UriError::Unexpected { offset, byte });
        }
        if byte == b'%' && escaped_byte(&text[offset..]).is_none() {
            return Err(UriError::BadEscape { offset });
        }
    }
    Ok(())
}
