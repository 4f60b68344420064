//! The attributes of message sessions: `path`, `accept-types`, `max-size`, `chatroom` (RFC 4975 §8, RFC 7701 §8).

use super::lex::{decimal, is_token, is_visible, write_words};
use super::typed::{typed_attribute, words_attribute};
use crate::Text;
use std::fmt;

words_attribute! {
    /// `a=path`: the MSRP URIs at which the author is reached, the nearest relay first (RFC 4975 §8.1).
    ///
    /// The URIs are not looked into here beyond their scheme, which is that of the `msrp` crate.
    Path, "path", 1.., is_msrp_uri
}

words_attribute! {
    /// `a=chatroom`: what a chat room allows, `nickname` and `private-messages` among it (RFC 7701 §8). May be empty.
    Chatroom, "chatroom", 0.., is_token
}

fn is_msrp_uri(word: &str) -> bool {
    let is_msrp = |(scheme, _): (&str, &str)| {
        scheme.eq_ignore_ascii_case("msrp") || scheme.eq_ignore_ascii_case("msrps")
    };
    is_visible(word) && word.split_once("://").is_some_and(is_msrp)
}

/// `a=accept-types`: which media types the author takes as messages (RFC 4975 §8.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AcceptTypes(pub Vec<FormatEntry>);

/// `a=accept-wrapped-types`: which media types the author takes inside of others, as in CPIM (RFC 4975 §8.6).
///
/// Types of [`AcceptTypes`] are taken inside too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AcceptWrappedTypes(pub Vec<FormatEntry>);

/// A media type with or without parameters, `type/*`, or `*` for all (RFC 4975 §8.6, `format-entry`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FormatEntry(Text);

impl FormatEntry {
    /// All types: `*`.
    pub const ANY: Self = Self(Text::from_static("*"));

    /// Reads an entry; `None` when it is none.
    pub fn new(text: &str) -> Option<Self> {
        let (media_type, parameters) = text.split_once(';').unwrap_or((text, ""));
        let is_type = |(kind, subtype): (&str, &str)| is_token(kind) && is_token(subtype);
        let valid = match media_type {
            "*" => parameters.is_empty(),
            _ => media_type.split_once('/').is_some_and(is_type) && !parameters.contains(' '),
        };
        valid.then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when a message of that media type is taken: parameters are not compared, nor is case.
    pub fn accepts(&self, media_type: &str) -> bool {
        let without = |text: &str| {
            text.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        };
        let (own, other) = (without(&self.0), without(media_type));
        match own.strip_suffix('*') {
            Some(prefix) => other.starts_with(prefix),
            None => own == other,
        }
    }
}

impl fmt::Display for FormatEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AcceptTypes {
    /// True when one of the entries takes that media type.
    pub fn accepts(&self, media_type: &str) -> bool {
        self.0.iter().any(|entry| entry.accepts(media_type))
    }

    fn read(value: &str) -> Option<Self> {
        format_list(value).map(Self)
    }
}

impl AcceptWrappedTypes {
    /// True when one of the entries takes that media type.
    pub fn accepts(&self, media_type: &str) -> bool {
        self.0.iter().any(|entry| entry.accepts(media_type))
    }

    fn read(value: &str) -> Option<Self> {
        format_list(value).map(Self)
    }
}

fn format_list(value: &str) -> Option<Vec<FormatEntry>> {
    let entries: Option<Vec<_>> = value.split_ascii_whitespace().map(FormatEntry::new).collect();
    entries.filter(|entries| !entries.is_empty())
}

typed_attribute!(AcceptTypes, "accept-types");
typed_attribute!(AcceptWrappedTypes, "accept-wrapped-types");

impl fmt::Display for AcceptTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_words(f, &self.0)
    }
}

impl fmt::Display for AcceptWrappedTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_words(f, &self.0)
    }
}

/// `a=max-size`: the largest message the author wishes to receive, in bytes (RFC 4975 §8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaxSize(pub u64);

impl MaxSize {
    fn read(value: &str) -> Option<Self> {
        decimal(value).map(Self)
    }
}

typed_attribute!(MaxSize, "max-size");

impl fmt::Display for MaxSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_accepted_by_name_by_kind_or_all() {
        let types: AcceptTypes = "message/cpim text/* application/im-iscomposing+xml;version=1"
            .parse()
            .unwrap();
        for (media_type, accepted) in [
            ("message/cpim", true),
            ("Message/CPIM", true),
            ("text/plain; charset=utf-8", true),
            ("application/im-iscomposing+xml", true),
            ("message/cpim2", false),
            ("texts/plain", false),
            ("image/png", false),
        ] {
            assert_eq!(types.accepts(media_type), accepted, "{media_type}");
        }
        assert!("*".parse::<AcceptWrappedTypes>().unwrap().accepts("image/png"));
        assert_eq!(FormatEntry::new("*"), Some(FormatEntry::ANY));
    }

    #[test]
    fn broken_lists_are_malformed() {
        for value in [
            "",
            "text",
            "text/",
            "/plain",
            "*/*/x",
            "*;q=1",
            "text/plain,image/png",
            "text/plain;a=\0b",
        ] {
            assert!(value.parse::<AcceptTypes>().is_err(), "{value}");
            assert!(value.parse::<AcceptWrappedTypes>().is_err(), "{value}");
        }
    }

    #[test]
    fn a_path_is_of_msrp_uris() {
        let value = "msrps://relay.example.com:2855/a;tcp msrp://alice.example.com:7394/2s93i9ek2a;tcp";
        let path: Path = value.parse().unwrap();
        assert_eq!(path.words().len(), 2);
        assert_eq!(path.to_string(), value);
        for value in ["", "sip:alice@example.com", "msrp:x", "msrp://a http://b"] {
            assert!(value.parse::<Path>().is_err(), "{value}");
        }
    }

    #[test]
    fn a_chat_room_may_say_nothing_of_itself() {
        let room: Chatroom = "nickname private-messages com.example.chat.foo".parse().unwrap();
        assert!(room.contains("nickname"));
        assert!("".parse::<Chatroom>().unwrap().words().is_empty());
        assert!("a/b".parse::<Chatroom>().is_err());
    }

    #[test]
    fn a_size_is_a_number() {
        assert_eq!("18446744073709551615".parse(), Ok(MaxSize(u64::MAX)));
        for value in ["", "-1", "1k", "18446744073709551616"] {
            assert!(value.parse::<MaxSize>().is_err(), "{value}");
        }
    }
}
