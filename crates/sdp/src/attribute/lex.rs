//! The small forms of which attribute values are made (RFC 8866 §9).

use crate::Text;
use crate::text::breaks_line;
use std::fmt::{self, Display, Write};
use std::str::FromStr;

/// The value without the spaces around it. CR, LF and NUL stand in no value: they would be lost in a [`Text`].
pub(super) fn line_value(value: &str) -> Option<&str> {
    (!value.bytes().any(breaks_line)).then(|| value.trim())
}

/// True for a `token` (RFC 8866 §9): no space, no separators.
pub(super) fn is_token(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'{'..=b'~'
                )
        })
}

/// True for visible characters without a space between them.
pub(super) fn is_visible(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter > ' ' && letter != '\x7f')
}

/// True for so many `ice-char` (RFC 8839 §5.1).
pub(super) fn is_ice(word: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&word.len())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// A number of digits alone: `parse` would take a sign.
pub(super) fn decimal<N: FromStr>(digits: &str) -> Option<N> {
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten()
}

/// All words of a value, when each has the form.
pub(super) fn all_words(value: &str, valid: fn(&str) -> bool) -> Option<Vec<Text>> {
    value
        .split_ascii_whitespace()
        .map(|word| valid(word).then(|| word.into()))
        .collect()
}

/// Writes words with one space between them.
pub(super) fn write_words(
    f: &mut fmt::Formatter<'_>,
    words: impl IntoIterator<Item = impl Display>,
) -> fmt::Result {
    write_separated(f, ' ', words)
}

/// Writes parts with one character between them.
pub(super) fn write_separated(
    f: &mut fmt::Formatter<'_>,
    separator: char,
    parts: impl IntoIterator<Item = impl Display>,
) -> fmt::Result {
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            f.write_char(separator)?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}

/// Bytes as pairs of hexadecimal digits between colons (RFC 8122 §5, RFC 5547 §6). Digits of both cases are read.
pub(super) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    text.split(':')
        .map(|pair| match pair.as_bytes() {
            [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
            _ => None,
        })
        .collect()
}

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Writes bytes as pairs of upper-case hexadecimal digits between colons.
pub(super) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    write_separated(f, ':', bytes.iter().map(|byte| HexPair(*byte)))
}

struct HexPair(u8);

impl Display for HexPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_hold_no_separators() {
        for word in ["a", "A1-b_c.d!e", "{}|~^`"] {
            assert!(is_token(word), "{word}");
        }
        for word in ["", "a b", "a:b", "a/b", "a\"", "(a)", "\u{e4}"] {
            assert!(!is_token(word), "{word}");
        }
    }

    #[test]
    fn numbers_have_no_sign() {
        assert_eq!(decimal::<u8>("255"), Some(255));
        for text in ["", "+1", "-1", "256", " 1", "0x1"] {
            assert_eq!(decimal::<u8>(text), None, "{text}");
        }
    }

    #[test]
    fn pairs_of_digits_are_bytes() {
        assert_eq!(hex_bytes("0a:FF"), Some(vec![10, 255]));
        for text in ["", "A", "AA:", "AA:B", "AAB", "G0"] {
            assert_eq!(hex_bytes(text), None, "{text}");
        }
    }
}
