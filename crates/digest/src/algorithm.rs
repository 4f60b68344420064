//! The hash algorithms and qualities of protection.

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};
use std::fmt;
use std::str::FromStr;

/// A digest algorithm (RFC 7616 §3.3, §6.1), weakest first: the order of the variants is the order of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `MD5`, the default where a challenge names none. Broken as a hash, still what most SIP servers offer.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`: SHA-512 with its own initial values, cut to 256 bits (FIPS 180-4).
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

impl Algorithm {
    /// All algorithms, weakest first.
    pub const ALL: [Self; 6] = [
        Self::Md5,
        Self::Md5Sess,
        Self::Sha256,
        Self::Sha256Sess,
        Self::Sha512_256,
        Self::Sha512_256Sess,
    ];

    /// The token as registered.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// True for the `-sess` forms, whose secret is bound to the first nonce and cnonce of a session.
    pub fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }

    /// The lower-case hexadecimal hash of the parts joined by colons: `KD` and `H` of RFC 7616 §3.3.
    pub(crate) fn hash(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => hash::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => hash::<Sha256>(parts),
            Self::Sha512_256 | Self::Sha512_256Sess => hash::<Sha512_256>(parts),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no [`Algorithm`] of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown digest algorithm {0:?}")]
pub struct UnknownAlgorithm(pub String);

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Reads the token in any case.
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}

/// What an answer protects (RFC 7616 §3.3 `qop`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qop {
    /// The user, the method and the URI.
    Auth,
    /// The same, and the body.
    AuthInt,
}

impl Qop {
    /// The token as registered.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    /// Reads the token in any case.
    pub(crate) fn from_token(text: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt]
            .into_iter()
            .find(|qop| qop.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Qop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which qualities of protection a server offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QopOptions {
    /// `auth` is offered.
    pub auth: bool,
    /// `auth-int` is offered.
    pub auth_int: bool,
}

impl QopOptions {
    /// Only `auth`: what survives intermediaries that touch the body.
    pub const AUTH: Self = Self {
        auth: true,
        auth_int: false,
    };
    /// Both.
    pub const BOTH: Self = Self {
        auth: true,
        auth_int: true,
    };

    /// True when nothing is offered.
    pub fn is_empty(self) -> bool {
        !self.auth && !self.auth_int
    }

    /// True when `qop` is offered.
    pub fn contains(self, qop: Qop) -> bool {
        match qop {
            Qop::Auth => self.auth,
            Qop::AuthInt => self.auth_int,
        }
    }
}

impl fmt::Display for QopOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.auth, self.auth_int) {
            (true, true) => "auth,auth-int",
            (true, false) => "auth",
            (false, true) => "auth-int",
            (false, false) => "",
        })
    }
}

fn hash<D: Digest>(parts: &[&[u8]]) -> String {
    let mut hasher = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_in_any_case() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.as_str().to_lowercase().parse(), Ok(algorithm));
        }
        assert_eq!(
            "SHA-1".parse::<Algorithm>(),
            Err(UnknownAlgorithm("SHA-1".to_owned()))
        );
    }

    #[test]
    fn the_hashes_are_the_ones_of_their_standards() {
        // RFC 1321 A.5 and FIPS 180-4 examples for "abc".
        assert_eq!(Algorithm::Md5.hash(&[b"abc"]), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            Algorithm::Sha256.hash(&[b"abc"]),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            Algorithm::Sha512_256.hash(&[b"abc"]),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
        );
    }

    #[test]
    fn parts_are_joined_by_colons() {
        assert_eq!(Algorithm::Md5.hash(&[b"a", b"b"]), Algorithm::Md5.hash(&[b"a:b"]));
    }
}
