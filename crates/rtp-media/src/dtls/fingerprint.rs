//! Digests of certificates, as signalling carries them (RFC 8122 §5).

use ring::digest::{self, Algorithm};
use std::fmt;

/// A hash function that is good enough to name a certificate: SHA-1 and MD5 are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FingerprintHash {
    /// `sha-256`: what all must have (RFC 8122 §5).
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl FingerprintHash {
    /// Its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// The one with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512]
            .into_iter()
            .find(|hash| hash.name().eq_ignore_ascii_case(name))
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// The fingerprint of a certificate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CertificateFingerprint {
    /// What the digest was made with.
    pub hash: FingerprintHash,
    /// The digest.
    pub digest: Vec<u8>,
}

impl CertificateFingerprint {
    /// Of a certificate in DER.
    pub fn of(hash: FingerprintHash, certificate: &[u8]) -> Self {
        Self {
            hash,
            digest: digest::digest(hash.algorithm(), certificate).as_ref().to_vec(),
        }
    }

    /// Whether it is that of a certificate in DER.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        *self == Self::of(self.hash, certificate)
    }
}

impl fmt::Debug for CertificateFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash.name())?;
        self.digest.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

/// Whether a certificate is one that signalling named: of several functions the strongest counts, of several digests with
/// it any (RFC 8122 §5.1).
pub(super) fn is_named(fingerprints: &[CertificateFingerprint], certificate: &[u8]) -> bool {
    let strongest = fingerprints.iter().map(|fingerprint| fingerprint.hash).max();
    fingerprints
        .iter()
        .filter(|fingerprint| Some(fingerprint.hash) == strongest)
        .any(|fingerprint| fingerprint.matches(certificate))
}
