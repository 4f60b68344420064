//! URIs: `sip:` and `sips:` (RFC 3261 §19.1), `tel:` (RFC 3966), and any other kept as it is.

mod compare;
mod escape;
mod host;
mod params;
mod sip;
mod tel;

pub use escape::{escape_header, escape_user, unescape};
pub use host::Host;
pub use sip::SipUri;
pub use tel::TelUri;

pub(crate) use host::host_end;
use sip::Parts;

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::parse::lex;

/// A URI as it stands in a request line or between `<` and `>`.
///
/// Derived equality is by spelling; [`Uri::is_equivalent`] compares as RFC 3261 §19.1.4 says.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Uri {
    /// `sip:` or `sips:`
    Sip(SipUri),
    /// `tel:`
    Tel(TelUri),
    /// Any other scheme.
    Other(OtherUri),
}

/// Why a URI is malformed. Offsets count from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// No scheme, or one with bytes that no scheme has.
    #[error("no scheme")]
    NoScheme,
    /// A byte that may not stand where it does.
    #[error("unexpected byte 0x{byte:02x} at {offset}")]
    Unexpected {
        /// Where.
        offset: usize,
        /// Which.
        byte: u8,
    },
    /// `%` without two hexadecimal digits behind it.
    #[error("broken escape at {offset}")]
    BadEscape {
        /// Where the `%` stands.
        offset: usize,
    },
    /// The host is missing or malformed.
    #[error("bad host at {offset}")]
    BadHost {
        /// Where it should stand.
        offset: usize,
    },
    /// The port is no number up to 65535.
    #[error("bad port at {offset}")]
    BadPort {
        /// Where it stands.
        offset: usize,
    },
    /// Something ends too early: an empty user before `@`, a parameter or header without name.
    #[error("something is missing at {offset}")]
    Missing {
        /// Where.
        offset: usize,
    },
    /// Longer than 65,535 bytes.
    #[error("{len} bytes are too long for a URI")]
    TooLong {
        /// Its length.
        len: usize,
    },
}

impl Uri {
    /// Reads a URI, keeping `text` as its storage.
    ///
    /// # Errors
    /// Where the text is no URI at all, or a malformed `sip:`/`sips:` one.
    pub fn parse(text: Bytes) -> Result<Self, UriError> {
        if is_sip(&text) {
            return SipUri::parse(text).map(Self::Sip);
        }
        Self::read_other(&text, || text.clone())
    }

    /// Reads a URI that `keep` makes a copy of, which is asked for where the URI is sound.
    #[inline]
    pub(crate) fn read(text: &[u8], keep: impl FnOnce() -> Bytes) -> Result<Self, UriError> {
        if is_sip(text) {
            let parts = Parts::find(text)?;
            return Ok(Self::Sip(SipUri::from_checked(keep(), parts)));
        }
        Self::read_other(text, keep)
    }

    /// Reads a URI of any scheme but `sip` and `sips`.
    fn read_other(text: &[u8], keep: impl FnOnce() -> Bytes) -> Result<Self, UriError> {
        let colon = memchr::memchr(b':', text).ok_or(UriError::NoScheme)?;
        let scheme = &text[..colon];
        let named = scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
        if !named {
            return Err(UriError::NoScheme);
        }
        if text.len() > usize::from(u16::MAX) {
            return Err(UriError::TooLong { len: text.len() });
        }
        if colon + 1 == text.len() {
            return Err(UriError::Missing { offset: text.len() });
        }
        escape::check(text, colon + 1..text.len(), lex::is_uric_byte)?;
        let raw = keep();
        if scheme.eq_ignore_ascii_case(b"tel") {
            return TelUri::parse(raw).map(Self::Tel);
        }
        Ok(Self::Other(OtherUri { raw, colon }))
    }

    /// The SIP or SIPS URI, if it is one.
    pub fn as_sip(&self) -> Option<&SipUri> {
        match self {
            Self::Sip(uri) => Some(uri),
            _ => None,
        }
    }

    /// The scheme as it is spelt.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Sip(uri) => uri.scheme(),
            Self::Tel(uri) => uri.scheme(),
            Self::Other(uri) => uri.scheme(),
        }
    }

    /// The whole text.
    pub fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Sip(uri) => uri.as_bytes(),
            Self::Tel(uri) => uri.as_bytes(),
            Self::Other(uri) => &uri.raw,
        }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        lex::ascii(self.as_bytes())
    }

    /// What the grammar forbids in it and [`Policy::Lenient`](crate::Policy::Lenient) lets pass: `#` in the user part
    /// of a SIP URI, `_` in its host.
    pub fn deviation(&self) -> Option<UriError> {
        self.as_sip()?.deviation()
    }

    /// Equality of RFC 3261 §19.1.4 for SIP URIs (an IP address never equals the name it has), of RFC 3966
    /// §4 for numbers, and by spelling with the scheme in any case for others.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sip(a), Self::Sip(b)) => a.is_equivalent(b),
            (Self::Tel(a), Self::Tel(b)) => a.is_equivalent(b),
            (Self::Other(a), Self::Other(b)) => {
                a.scheme().eq_ignore_ascii_case(b.scheme()) && a.rest() == b.rest()
            }
            _ => false,
        }
    }
}

/// Whether `text` begins with `sip:` or `sips:`.
fn is_sip(text: &[u8]) -> bool {
    text.len() >= 4
        && text[..3].eq_ignore_ascii_case(b"sip")
        && (text[3] == b':' || (text[3] | 0x20 == b's' && text.get(4) == Some(&b':')))
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<SipUri> for Uri {
    fn from(uri: SipUri) -> Self {
        Self::Sip(uri)
    }
}

/// A URI of a scheme that this crate has no type for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OtherUri {
    raw: Bytes,
    colon: usize,
}

impl OtherUri {
    /// The scheme as it is spelt.
    pub fn scheme(&self) -> &str {
        lex::ascii(&self.raw[..self.colon])
    }

    /// What stands behind the colon.
    pub fn rest(&self) -> &str {
        lex::ascii(&self.raw[self.colon + 1..])
    }
}

impl fmt::Debug for OtherUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(lex::ascii(&self.raw))
    }
}

#[cfg(test)]
mod tests;
