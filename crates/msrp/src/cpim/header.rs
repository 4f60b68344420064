//! A header field of the message itself.

use super::escape::{escape, find_unquoted, split_unquoted, unescape, unquote};
use std::borrow::Cow;

/// A message header field (RFC 3862 §3.6): `Subject:;lang=fr Objet`. It is kept as the line that it is on the wire, escapes
/// and all, because §2.2 wants all octets of it preserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    line: String,
    colon: usize,
    value: usize,
}

impl Header {
    /// Reads a line. A blank that is missing before the value is forgiven.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let colon = line.find(':')?;
        let name = &line[..colon];
        if name.is_empty() || name.contains(|found: char| found.is_whitespace() || found.is_control()) {
            return None;
        }
        let rest = &line[colon + 1..];
        let value = if rest.starts_with(';') {
            // A quote that does not end is not one.
            find_unquoted(rest, ' ').or_else(|| rest.find(' '))
        } else {
            Some(0)
        };
        let value = value.map_or(line.len(), |at| {
            colon + 1 + at + usize::from(rest[at..].starts_with(' '))
        });
        Some(Self {
            line: line.to_owned(),
            colon,
            value,
        })
    }

    /// A header field with this value, which is escaped here. `None` when nothing is left of the name without the characters
    /// that no name has. No line ends with blanks (§2.2), so the value does not.
    pub(super) fn new(prefix: &str, name: &str, value: &str) -> Option<Self> {
        Self::from_wire(prefix, name, "", escape(value).trim_end_matches(' '))
    }

    /// A header field of parameters and a value that are escaped already.
    pub(super) fn from_wire(prefix: &str, name: &str, parameters: &str, value: &str) -> Option<Self> {
        let (prefix, name) = (self::name(prefix), self::name(name));
        let dot = if prefix.is_empty() { "" } else { "." };
        let name = (!name.is_empty()).then_some(name)?;
        Self::parse(&format!("{prefix}{dot}{name}:{parameters} {value}"))
    }

    /// As on the wire, without the line break.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// Prefix and name. Without a prefix the first is empty.
    pub(super) fn name(&self) -> (&str, &str) {
        split_name(&self.line[..self.colon])
    }

    /// All that is between the colon and the blank: `;lang=fr`.
    pub(super) fn parameters(&self) -> &str {
        self.line[self.colon + 1..self.value].trim_end_matches(' ')
    }

    /// What a parameter says.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut parameters = split_unquoted(self.parameters(), ';').filter_map(|one| one.split_once('='));
        let (_, value) = parameters.find(|(known, _)| *known == name)?;
        Some(unquote(value))
    }

    /// The value as on the wire.
    pub(super) fn value(&self) -> &str {
        &self.line[self.value..]
    }

    /// The value without escapes.
    pub(super) fn text(&self) -> Cow<'_, str> {
        unescape(self.value())
    }
}

/// Prefix and name (§3.4). Nothing before a dot is no prefix.
pub(super) fn split_name(name: &str) -> (&str, &str) {
    let split = name.split_once('.').filter(|(prefix, _)| !prefix.is_empty());
    split.unwrap_or(("", name))
}

/// A name without the characters that no name has.
pub(super) fn name(text: &str) -> String {
    text.chars().filter(|found| is_name_character(*found)).collect()
}

/// NAMECHAR of §3.6.
fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-^_`|~".contains(character)
}

/// TOKENCHAR of §3.6.
pub(super) fn is_token_character(character: char) -> bool {
    is_name_character(character) || character == '.' || !character.is_ascii()
}
