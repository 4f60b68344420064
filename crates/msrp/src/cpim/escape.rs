//! The escapes of header values (RFC 3862 §2.3).

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes backslashes and control characters.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(|character: char| character == '\\' || character.is_ascii_control()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            control if control.is_ascii_control() => {
                // Writing to memory does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// Undoes escapes; of one that is not known the backslash is dropped.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match rest.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('u') => match code_point(rest.as_str()) {
                Some(character) => {
                    out.push(character);
                    rest.nth(3);
                }
                None => out.push('u'),
            },
            Some(other) => out.push(other),
            None => {}
        }
    }
    Cow::Owned(out)
}

fn code_point(text: &str) -> Option<char> {
    let digits = text
        .get(..4)
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}
