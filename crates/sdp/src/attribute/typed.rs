//! What typed attributes have in common.

use super::{Attribute, Attributes};
use crate::Text;
use std::fmt;
use std::str::FromStr;

/// An attribute that has a type of its own: the value is read with `FromStr` and written with `Display`.
///
/// [`Attributes::get`] and [`Attributes::all`] find it in a list; `Attribute::from(&typed)` is its line.
///
/// ```
/// use offhook_sdp::attribute::Setup;
/// use offhook_sdp::{Attribute, Attributes};
///
/// let mut attributes = Attributes::new();
/// assert_eq!(attributes.get::<Setup>(), Ok(None));
/// attributes.push(Attribute::from(&Setup::ActPass));
/// assert_eq!(attributes.get::<Setup>(), Ok(Some(Setup::ActPass)));
/// attributes.set(Attribute::with_value("setup", "sideways"));
/// assert!(attributes.get::<Setup>().is_err());
/// ```
pub trait TypedAttribute: FromStr<Err = MalformedAttribute> + fmt::Display {
    /// The name in front of the colon.
    const NAME: &'static str;
}

/// An attribute's value does not have the form that its RFC gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed value of attribute {0}")]
pub struct MalformedAttribute(pub &'static str);

impl<A: TypedAttribute> From<&A> for Attribute {
    /// The line of a typed attribute. An empty value is written as a property attribute.
    fn from(typed: &A) -> Self {
        let value = Text::from(format_args!("{typed}"));
        Self {
            name: Text::from_static(A::NAME),
            value: (!value.is_empty()).then_some(value),
        }
    }
}

impl Attributes {
    /// The first attribute of this type: `None` when it is absent.
    ///
    /// # Errors
    /// When the first one is there and malformed. RFC 8866 §5.13 has receivers ignore what they do not understand;
    /// for keys and fingerprints that would be a downgrade, so the caller decides.
    pub fn get<A: TypedAttribute>(&self) -> Result<Option<A>, MalformedAttribute> {
        self.all().next().transpose()
    }

    /// All attributes of this type, in order, each well-formed or not.
    pub fn all<A: TypedAttribute>(&self) -> impl Iterator<Item = Result<A, MalformedAttribute>> + '_ {
        self.named(A::NAME).map(|value| value.unwrap_or_default().parse())
    }

    /// True when a property attribute is there.
    ///
    /// # Errors
    /// When it stands there with a value, which it must not have.
    pub fn has(&self, property: Property) -> Result<bool, MalformedAttribute> {
        let name = property.as_str();
        match self.named(name).next() {
            None => Ok(false),
            Some(None) => Ok(true),
            Some(Some(_)) => Err(MalformedAttribute(name)),
        }
    }
}

/// Attributes that say something by being there, without a value.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Property {
    /// `rtcp-mux`: RTP and RTCP may share a port (RFC 5761 §5.1.1).
    RtcpMux,
    /// `rtcp-rsize`: RTCP packets of reduced size are taken (RFC 5506 §5).
    RtcpRsize,
    /// `bundle-only`: the section is used inside its bundle or not at all (RFC 9143 §6).
    BundleOnly,
    /// `ice-lite`: the author does not check connectivity (RFC 8839 §5.3). Session level.
    IceLite,
    /// `ice-mismatch`: the offer came with a default address that is no candidate (RFC 8839 §5.3).
    IceMismatch,
    /// `end-of-candidates`: no more candidates will be trickled (RFC 8840 §4.1).
    EndOfCandidates,
    /// `msrp-cema`: the connection of `c=` and `m=` counts, not that of the path (RFC 6714 §4).
    MsrpCema,
    /// `extmap-allow-mixed`: header extensions of both forms in one stream (RFC 8285 §6).
    ExtmapAllowMixed,
}

impl Property {
    /// The attribute's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RtcpMux => "rtcp-mux",
            Self::RtcpRsize => "rtcp-rsize",
            Self::BundleOnly => "bundle-only",
            Self::IceLite => "ice-lite",
            Self::IceMismatch => "ice-mismatch",
            Self::EndOfCandidates => "end-of-candidates",
            Self::MsrpCema => "msrp-cema",
            Self::ExtmapAllowMixed => "extmap-allow-mixed",
        }
    }
}

impl From<Property> for Attribute {
    fn from(property: Property) -> Self {
        Self::new(Text::from_static(property.as_str()))
    }
}

/// An attribute whose value is one word of a given form.
macro_rules! word_attribute {
    ($(#[$doc:meta])* $type:ident, $name:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $type($crate::Text);

        impl $type {
            /// The value.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $crate::attribute::TypedAttribute for $type {
            const NAME: &'static str = $name;
        }

        impl std::str::FromStr for $type {
            type Err = $crate::attribute::MalformedAttribute;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                $crate::attribute::lex::line_value(value)
                    .filter(|value| valid(value))
                    .map(|value| Self(value.into()))
                    .ok_or($crate::attribute::MalformedAttribute($name))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// An attribute whose value is one or more words between spaces, each of a given form.
macro_rules! words_attribute {
    ($(#[$doc:meta])* $type:ident, $name:literal, $least:literal.., $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $type(Vec<$crate::Text>);

        impl $type {
            /// The words, in order.
            pub fn words(&self) -> &[$crate::Text] {
                &self.0
            }

            /// True when the word is among them.
            pub fn contains(&self, word: &str) -> bool {
                self.0.iter().any(|other| *other == *word)
            }
        }

        impl $crate::attribute::TypedAttribute for $type {
            const NAME: &'static str = $name;
        }

        impl std::str::FromStr for $type {
            type Err = $crate::attribute::MalformedAttribute;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                $crate::attribute::lex::line_value(value)
                    .and_then(|value| $crate::attribute::lex::all_words(value, valid))
                    .filter(|words| ($least..).contains(&words.len()))
                    .map(Self)
                    .ok_or($crate::attribute::MalformedAttribute($name))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::attribute::lex::write_words(f, &self.0)
            }
        }
    };
}

/// Gives a type with `fn read(&str) -> Option<Self>` its name and its `FromStr`.
macro_rules! typed_attribute {
    ($type:ident, $name:literal) => {
        impl $crate::attribute::TypedAttribute for $type {
            const NAME: &'static str = $name;
        }

        impl std::str::FromStr for $type {
            type Err = $crate::attribute::MalformedAttribute;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                $crate::attribute::lex::line_value(value)
                    .and_then(Self::read)
                    .ok_or($crate::attribute::MalformedAttribute($name))
            }
        }
    };
}

/// An enumeration of tokens, any other token kept as it is. Tokens are compared without regard to case.
macro_rules! tokens {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $token:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
            /// Any other token.
            Other($crate::Text),
        }

        impl $type {
            /// The token.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $token,)+
                    Self::Other(token) => token,
                }
            }
        }

        impl From<&str> for $type {
            fn from(token: &str) -> Self {
                $(if token.eq_ignore_ascii_case($token) {
                    return Self::$variant;
                })+
                Self::Other(token.into())
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use tokens;
pub(super) use {typed_attribute, word_attribute, words_attribute};
