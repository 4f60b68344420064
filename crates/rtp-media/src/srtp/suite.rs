//! Which algorithms protect a stream.

use std::fmt;
use std::str::FromStr;

/// A crypto suite: cipher, authentication and their lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpSuite {
    /// AES-128 in counter mode, HMAC-SHA1 with a tag of 80 bits (RFC 3711 §8, RFC 4568 §6.2.1).
    AesCm128HmacSha1_80,
    /// The same with a tag of 32 bits on RTP; RTCP keeps 80 (RFC 4568 §6.2.2).
    AesCm128HmacSha1_32,
    /// AES-256 in counter mode, HMAC-SHA1 with a tag of 80 bits (RFC 6188 §4).
    AesCm256HmacSha1_80,
    /// The same with a tag of 32 bits on RTP.
    AesCm256HmacSha1_32,
    /// AES-128 in Galois/counter mode, a tag of 128 bits (RFC 7714 §12).
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode, a tag of 128 bits (RFC 7714 §12).
    AeadAes256Gcm,
}

impl SrtpSuite {
    /// All suites, in the order in which we offer them: the one every peer has first, then the stronger ones, and the short
    /// tags last, for they are the easiest to forge.
    pub const ALL: &'static [Self] = &[
        Self::AesCm128HmacSha1_80,
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AesCm128HmacSha1_32,
    ];

    /// The name in a `crypto` attribute (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.2).
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Octets of the master key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt.
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets that an RTP packet grows by.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_32 | Self::AesCm256HmacSha1_32 => 4,
            Self::AesCm128HmacSha1_80 | Self::AesCm256HmacSha1_80 => 10,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }

    /// Octets that an RTCP packet grows by: index and tag.
    pub const fn rtcp_overhead(self) -> usize {
        if self.is_aead() { 4 + 16 } else { 4 + 10 }
    }

    pub(super) const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }
}

impl fmt::Display for SrtpSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No suite of ours has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown crypto suite {0:?}")]
pub struct UnknownSuite(pub String);

impl FromStr for SrtpSuite {
    type Err = UnknownSuite;

    /// Reads the name in a `crypto` attribute, in any case.
    fn from_str(name: &str) -> Result<Self, UnknownSuite> {
        Self::ALL
            .iter()
            .copied()
            .find(|suite| suite.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownSuite(name.to_owned()))
    }
}
