//! The escapes of header values (RFC 3862 §2.3), and the quotes that keep blanks and separators from counting (§3.6).

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
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('\\') {
        out.push_str(before);
        if let Some((character, after)) = ucs_2(escaped) {
            out.push(character);
            rest = after;
            continue;
        }
        let mut characters = escaped.chars();
        match characters.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character of `uxxxx`, and what comes after it. Escapes name UCS-2 characters, so one beyond U+FFFF takes two of
/// them; half of one is no character.
fn ucs_2(text: &str) -> Option<(char, &str)> {
    let (first, rest) = unit(text)?;
    let second = rest.strip_prefix('\\').and_then(unit);
    if let Some((second, rest)) = second
        && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        && character > '\u{ffff}'
    {
        return Some((character, rest));
    }
    let character = char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((character, rest))
}

fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.strip_prefix('u')?.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((unit, rest))
}

/// Where a character stands for the first time outside of double quotes.
pub(super) fn find_unquoted(text: &str, wanted: char) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let mut characters = text.char_indices();
    let found = characters.find(|(_, character)| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match character {
            '\\' if is_quoted => is_escaped = !was_escaped,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        !is_quoted && *character == wanted
    });
    found.map(|(at, _)| at)
}

/// The pieces between separators that are not in double quotes.
pub(super) fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(at) = find_unquoted(text, separator) else {
            return Some(text);
        };
        rest = Some(&text[at + separator.len_utf8()..]);
        Some(&text[..at])
    })
}

/// What a value of a parameter says, in quotes or not.
pub(super) fn unquote(text: &str) -> Cow<'_, str> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    unescape(inner.unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_ucs_2() {
        for (text, read) in [
            (r"\ud83d\ude00", "\u{1f600}"),
            (r"a\u0021\u00E4b", "a!äb"),
            (r"\ud83d", "\u{fffd}"),
            (r"\ud83dx", "\u{fffd}x"),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
            (r"\u0041\u0042", "AB"),
            (r"\u12", "u12"),
            (r"\u+123", "u+123"),
            (r#"\"\'\\\x"#, "\"'\\x"),
            (r"\b\t\n\r", "\u{8}\t\n\r"),
            ("end\\", "end"),
        ] {
            assert_eq!(unescape(text), read, "{text}");
        }
    }

    #[test]
    fn separators_in_quotes_do_not_count() {
        let pieces: Vec<_> = split_unquoted(r#"a,"b,\",c",,d"#, ',').collect();
        assert_eq!(pieces, ["a", r#""b,\",c""#, "", "d"]);
        assert_eq!(split_unquoted("", ',').collect::<Vec<_>>(), [""]);
        assert_eq!(
            find_unquoted(r#"\" ""#, ' '),
            None,
            "no escapes outside of quotes"
        );
        assert_eq!(unquote(r#""a\"b""#), "a\"b");
    }
}
