//! `a=mid` and `a=group`: sections that belong together (RFC 5888; BUNDLE of RFC 9143).

use super::lex::{all_words, is_token};
use super::typed::{tokens, typed_attribute, word_attribute};
use crate::Text;
use std::fmt;

word_attribute! {
    /// `a=mid`: the name of a section, different from all others (RFC 5888 §4).
    Mid, "mid", is_token
}

/// `a=group`: sections that belong together (RFC 5888 §5). Session level.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// In which way.
    pub semantics: GroupSemantics,
    /// The [`Mid`]s of the sections, at most [`Group::MAX_LEN`]; may be none.
    pub mids: Vec<Text>,
}

tokens! {
    /// How sections belong together.
    GroupSemantics {
        /// Played in step (RFC 5888 §7).
        Ls = "LS",
        /// One flow in several sections (RFC 5888 §8).
        Fid = "FID",
        /// All over one transport (RFC 9143 §5).
        Bundle = "BUNDLE",
    }
}

impl Group {
    /// Sections of one group at most: as many as a description has by default.
    pub const MAX_LEN: usize = 64;

    fn read(value: &str) -> Option<Self> {
        let (semantics, mids) = value.split_once(' ').unwrap_or((value, ""));
        let mids = all_words(mids, is_token).filter(|mids| mids.len() <= Self::MAX_LEN)?;
        is_token(semantics).then(|| Self {
            semantics: semantics.into(),
            mids,
        })
    }
}

typed_attribute!(Group, "group");

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.semantics)?;
        self.mids.iter().try_for_each(|mid| write!(f, " {mid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_the_rfcs_are_read_and_written_back() {
        for value in ["LS 1 2", "FID 1 2", "BUNDLE foo bar", "BUNDLE", "NEW a"] {
            assert_eq!(value.parse::<Group>().unwrap().to_string(), value);
        }
        assert_eq!(
            "bundle 0".parse::<Group>().unwrap().semantics,
            GroupSemantics::Bundle
        );
    }

    #[test]
    fn broken_values_are_malformed() {
        for value in [
            String::new(),
            "BUNDLE a/b".to_owned(),
            format!("BUNDLE{}", " 1".repeat(65)),
        ] {
            assert!(value.parse::<Group>().is_err(), "{value}");
        }
        for value in ["", "a b", "a:b"] {
            assert!(value.parse::<Mid>().is_err(), "{value}");
        }
    }
}
