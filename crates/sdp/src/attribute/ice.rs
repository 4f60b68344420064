//! The credentials and options of ICE (RFC 8839 §5.4, §5.6); candidates stand in `candidate.rs`.

use super::lex::is_ice;
use super::typed::{typed_attribute, word_attribute, words_attribute};
use crate::Text;
use std::fmt;

word_attribute! {
    /// `a=ice-ufrag`: 4 to 256 letters, digits, `+` and `/` (RFC 8839 §5.4). Send at most 32.
    IceUfrag, "ice-ufrag", |value| is_ice(value, 4, 256)
}

words_attribute! {
    /// `a=ice-options`: extensions of ICE that the author knows: `ice2`, `trickle`, ... (RFC 8839 §5.6).
    IceOptions, "ice-options", 1.., |word| is_ice(word, 1, 256) || word.starts_with("google-")
}

/// `a=ice-pwd`: 22 to 256 letters, digits, `+` and `/` (RFC 8839 §5.4). `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct IcePwd(Text);

impl IcePwd {
    /// The value.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(value: &str) -> Option<Self> {
        is_ice(value, 22, 256).then(|| Self(value.into()))
    }
}

typed_attribute!(IcePwd, "ice-pwd");

impl fmt::Display for IcePwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IcePwd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IcePwd({} characters)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_the_lengths_of_the_rfc() {
        assert_eq!("8hhY".parse::<IceUfrag>().unwrap().as_str(), "8hhY");
        assert_eq!(
            "asd88fgpdd777uzjYhagZg".parse::<IcePwd>().unwrap().as_str(),
            "asd88fgpdd777uzjYhagZg"
        );
        for len in [3, 257] {
            assert!("a".repeat(len).parse::<IceUfrag>().is_err(), "{len}");
        }
        for len in [21, 257] {
            assert!("a".repeat(len).parse::<IcePwd>().is_err(), "{len}");
        }
        assert!("a b c".parse::<IceUfrag>().is_err());
        assert!("ab-c".parse::<IceUfrag>().is_err());
    }

    #[test]
    fn options_are_words() {
        let options: IceOptions = "ice2 rtp+ecn".parse().unwrap();
        assert!(options.contains("ice2") && !options.contains("trickle"));
        assert_eq!(options.to_string(), "ice2 rtp+ecn");
        assert!("google-ice trickle".parse::<IceOptions>().is_ok());
        assert!("".parse::<IceOptions>().is_err());
    }

    #[test]
    fn a_password_is_not_shown_by_debug() {
        let password: IcePwd = "asd88fgpdd777uzjYhagZg".parse().unwrap();
        assert_eq!(format!("{password:?}"), "IcePwd(22 characters)");
    }
}
