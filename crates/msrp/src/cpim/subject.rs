//! What a message is about.

use super::header::Header;

/// What a message is about, in one language (RFC 3862 §4.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subject {
    /// It.
    pub text: String,
    /// The tag of the language (RFC 3066), if it is told.
    pub language: Option<String>,
}

impl Subject {
    /// A subject in no language that is told.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            language: None,
        }
    }

    pub(super) fn read(header: &Header) -> Self {
        let language = header.parameter("lang").filter(|tag| is_language(tag));
        Self {
            text: header.text().into_owned(),
            language: language.map(std::borrow::Cow::into_owned),
        }
    }
}

/// True when a text is a tag of a language (RFC 3066 §2.1).
pub(super) fn is_language(tag: &str) -> bool {
    let is_subtag =
        |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let primary = tag.split('-').next().unwrap_or_default();
    primary.bytes().all(|byte| byte.is_ascii_alphabetic()) && tag.split('-').all(is_subtag)
}
