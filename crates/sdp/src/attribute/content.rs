//! `a=label` and `a=content`: what a section is to the application (RFC 4574, RFC 4796).

use super::lex::{is_token, write_separated};
use super::typed::{tokens, typed_attribute, word_attribute};
use std::fmt;

word_attribute! {
    /// `a=label`: a name of the section that other documents refer to (RFC 4574 §4).
    Label, "label", is_token
}

/// `a=content`: what the stream shows (RFC 4796 §5). At least one tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Content(pub Vec<ContentTag>);

tokens! {
    /// What a stream shows (RFC 4796 §5).
    ContentTag {
        /// A presentation.
        Slides = "slides",
        /// The one who speaks.
        Speaker = "speaker",
        /// Sign language.
        SignLanguage = "sl",
        /// The main stream of its kind.
        Main = "main",
        /// A second stream of its kind.
        Alternative = "alt",
    }
}

impl Content {
    fn read(value: &str) -> Option<Self> {
        value
            .split(',')
            .map(|tag| is_token(tag.trim()).then(|| tag.trim().into()))
            .collect::<Option<_>>()
            .map(Self)
    }
}

typed_attribute!(Content, "content");

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_separated(f, ',', &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_between_commas() {
        let content: Content = "slides,sl,new".parse().unwrap();
        assert_eq!(
            content.0,
            [
                ContentTag::Slides,
                ContentTag::SignLanguage,
                ContentTag::Other("new".into())
            ]
        );
        assert_eq!(content.to_string(), "slides,sl,new");
        for value in ["", "main,", "main alt"] {
            assert!(value.parse::<Content>().is_err(), "{value}");
        }
    }

    #[test]
    fn a_label_is_one_token() {
        assert_eq!("1".parse::<Label>().unwrap().as_str(), "1");
        assert!("a b".parse::<Label>().is_err());
    }
}
