//! Base 64 (RFC 4648 §4): how keys stand in a `crypto` line.

use std::fmt::{self, Write};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Reads base 64. Padding may be missing, as some peers leave it away; what is there must be right.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let partial = digits.len() % 4;
    if partial == 1 || padding > 0 && (partial == 0 || partial + padding != 4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for digit in group {
            bits = bits << 6 | sextet(*digit)?;
        }
        bits <<= 6 * (4 - group.len());
        if group.len() < 4 && bits & (0x00ff_ffff >> (8 * (group.len() - 1))) != 0 {
            return None; // bits beyond the last byte
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

/// Writes base 64 with padding.
pub(super) fn encode(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for at in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
            f.write_char(if at <= group.len() { char::from(digit) } else { '=' })?;
        }
    }
    Ok(())
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Written<'a>(&'a [u8]);

    impl fmt::Display for Written<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            encode(self.0, f)
        }
    }

    #[test]
    fn the_vectors_of_rfc_4648_section_10_hold_both_ways() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text}");
            assert_eq!(
                decode(text.trim_end_matches('=')).as_deref(),
                Some(bytes.as_bytes())
            );
            assert_eq!(Written(bytes.as_bytes()).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_base_64_is_refused() {
        for text in [
            "A", "A===", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9v=", "Zm9v====", "Z g=", "Zm-_",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
