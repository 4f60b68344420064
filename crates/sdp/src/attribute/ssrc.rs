//! `a=ssrc` and `a=ssrc-group`: the sources of a stream (RFC 5576 §4).

use super::lex::{decimal, is_token};
use super::typed::{tokens, typed_attribute};
use crate::{Attribute, Text};
use std::fmt;

/// What is said of one source (RFC 5576 §4.1): `1234 cname:user@example.com`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ssrc {
    /// The source.
    pub id: u32,
    /// An attribute of the source: `cname`, `previous-ssrc`, `fmtp`, ...
    pub attribute: Attribute,
}

impl Ssrc {
    fn read(value: &str) -> Option<Self> {
        let (id, attribute) = value.split_once(' ')?;
        let attribute = attribute.trim();
        let (name, value) = match attribute.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (attribute, None),
        };
        Some(Self {
            id: decimal(id)?,
            attribute: Attribute {
                name: Some(name).filter(|name| is_token(name))?.into(),
                value: value.map(Text::from),
            },
        })
    }
}

typed_attribute!(Ssrc, "ssrc");

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.attribute)
    }
}

/// Sources that belong together (RFC 5576 §4.2): `FID 1 2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SsrcGroup {
    /// In which way.
    pub semantics: SsrcSemantics,
    /// The sources, at most [`SsrcGroup::MAX_LEN`]; may be none.
    pub ids: Vec<u32>,
}

tokens! {
    /// How sources belong together (RFC 5576 §4.2).
    SsrcSemantics {
        /// One stream and its repair or repetition.
        Fid = "FID",
        /// Forward error correction (RFC 5956).
        FecFr = "FEC-FR",
        /// Layers or qualities of one picture, as browsers write it.
        Sim = "SIM",
    }
}

impl SsrcGroup {
    /// Sources of one group at most. The RFC sets no limit; groups have two or three.
    pub const MAX_LEN: usize = 64;

    fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let semantics = words.next().filter(|word| is_token(word))?.into();
        let ids: Vec<_> = words
            .take(Self::MAX_LEN + 1)
            .map(decimal)
            .collect::<Option<_>>()?;
        (ids.len() <= Self::MAX_LEN).then_some(Self { semantics, ids })
    }
}

typed_attribute!(SsrcGroup, "ssrc-group");

impl fmt::Display for SsrcGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.semantics)?;
        self.ids.iter().try_for_each(|id| write!(f, " {id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_rfc_are_read_and_written_back() {
        for value in ["314159 cname:user@example.com", "4294967295 msid:a b", "1 x"] {
            assert_eq!(value.parse::<Ssrc>().unwrap().to_string(), value);
        }
        for value in ["FID 11111 22222", "FEC-FR 1 2", "NEW", "SIM 1 2 3"] {
            assert_eq!(value.parse::<SsrcGroup>().unwrap().to_string(), value);
        }
    }

    #[test]
    fn broken_lines_are_malformed() {
        for value in [
            "",
            "1",
            "1 ",
            "-1 cname:x",
            "4294967296 cname:x",
            "1 :x",
            "x cname:y",
        ] {
            assert!(value.parse::<Ssrc>().is_err(), "{value}");
        }
        for value in [
            String::new(),
            "FID x".to_owned(),
            format!("FID{}", " 1".repeat(65)),
        ] {
            assert!(value.parse::<SsrcGroup>().is_err(), "{value}");
        }
    }
}
