//! Nicknames as chat rooms take them (RFC 7701 §7.1).

use std::fmt;
use std::str::FromStr;

/// A nickname, without the quotes that it has on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nickname(String);

impl Nickname {
    /// The longest nickname, in bytes (RFC 7701 §7.1).
    pub const MAX_LEN: usize = 1023;

    /// A nickname to ask for.
    ///
    /// # Errors
    /// When it is empty, too long, or has control characters.
    pub fn new(name: impl Into<String>) -> Result<Self, BadNickname> {
        let name = name.into();
        if name.is_empty() || name.len() > Self::MAX_LEN || name.chars().any(char::is_control) {
            return Err(BadNickname);
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Nickname {
    type Err = BadNickname;

    /// Reads the value of Use-Nickname: a quoted string.
    fn from_str(text: &str) -> Result<Self, BadNickname> {
        let inner = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .ok_or(BadNickname)?;
        let mut name = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(char) = chars.next() {
            match char {
                // RFC 4975 §9: only a backslash and a quote are escaped.
                '\\' => match chars.next() {
                    Some(escaped @ ('\\' | '"')) => name.push(escaped),
                    _ => return Err(BadNickname),
                },
                '"' => return Err(BadNickname),
                char => name.push(char),
            }
        }
        Self::new(name)
    }
}

impl fmt::Display for Nickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"")
    }
}

/// The text is no nickname: answered 424.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a nickname of 1 to {} bytes in quotes", Nickname::MAX_LEN)]
pub struct BadNickname;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicknames_are_quoted_and_escaped() {
        for (wire, name) in [
            ("\"Alice the great\"", Some("Alice the great")),
            ("\"a \\\"b\\\" \\\\\"", Some("a \"b\" \\")),
            ("\"\u{fc}\u{4e2d}\"", Some("\u{fc}\u{4e2d}")),
            ("\"\"", None),
            ("Alice", None),
            ("\"a\\n\"", None),
            ("\"a\"b\"", None),
            ("\"a\\\"", None),
            ("\"", None),
        ] {
            let read = wire.parse::<Nickname>().ok();
            assert_eq!(read.as_ref().map(Nickname::as_str), name, "{wire}");
            if let Some(read) = read {
                assert_eq!(read.to_string(), wire);
            }
        }
        assert!(Nickname::new("x".repeat(1023)).is_ok() && Nickname::new("x".repeat(1024)).is_err());
    }
}
