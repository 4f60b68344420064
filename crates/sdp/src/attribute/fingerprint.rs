//! `a=fingerprint`: which certificate the author will show (RFC 8122).

use super::lex::{hex_bytes, is_token, write_hex};
use super::typed::{tokens, typed_attribute};
use std::fmt;

/// The digest of a certificate (RFC 8122 §5).
///
/// Several lines with one hash function name several certificates; with several functions the strongest known one
/// counts (RFC 8122 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// What the digest was made with.
    pub hash: HashFunction,
    /// The digest, of the length that the function gives; at most [`Fingerprint::MAX_LEN`] bytes.
    pub digest: Vec<u8>,
}

tokens! {
    /// A hash function by its registered name (RFC 8122 §5). MD5 and MD2 are known by name and never good enough.
    HashFunction {
        /// 20 bytes.
        Sha1 = "sha-1",
        /// 28 bytes.
        Sha224 = "sha-224",
        /// 32 bytes: what all must have.
        Sha256 = "sha-256",
        /// 48 bytes.
        Sha384 = "sha-384",
        /// 64 bytes.
        Sha512 = "sha-512",
        /// 16 bytes; must not be used.
        Md5 = "md5",
        /// 16 bytes; must not be used.
        Md2 = "md2",
    }
}

impl HashFunction {
    /// Bytes of a digest; `None` for a function that we do not know.
    pub fn digest_len(&self) -> Option<usize> {
        Some(match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
            Self::Md5 | Self::Md2 => 16,
            Self::Other(_) => return None,
        })
    }
}

impl Fingerprint {
    /// The longest digest that is read, in bytes: twice that of SHA-512.
    pub const MAX_LEN: usize = 128;

    fn read(value: &str) -> Option<Self> {
        let (hash, digest) = value.split_once(' ').filter(|(hash, _)| is_token(hash))?;
        let hash = HashFunction::from(hash);
        let digest = digest.trim();
        let digest = (digest.len() < 3 * Self::MAX_LEN)
            .then(|| hex_bytes(digest))
            .flatten()?;
        let fits = hash.digest_len().is_none_or(|len| len == digest.len());
        fits.then_some(Self { hash, digest })
    }
}

typed_attribute!(Fingerprint, "fingerprint");

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash)?;
        write_hex(f, &self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_read_and_written_back() {
        let value = "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:\
                     7C:AB:4A:AD";
        let fingerprint: Fingerprint = value.parse().unwrap();
        assert_eq!(fingerprint.hash, HashFunction::Sha256);
        assert_eq!(fingerprint.to_string(), value);
        assert_eq!(value.to_lowercase().parse(), Ok(fingerprint));
    }

    #[test]
    fn digests_of_another_length_are_malformed() {
        for value in [
            String::new(),
            "sha-256".to_owned(),
            "sha-256 ".to_owned(),
            "sha-256 12:DF".to_owned(),
            format!("sha-1 {}", ["AB"; 21].join(":")),
            format!("sha-1 {}", ["A"; 20].join(":")),
            format!("new {}", ["AB"; 129].join(":")),
        ] {
            assert!(value.parse::<Fingerprint>().is_err(), "{value}");
        }
        assert!(
            format!("new {}", ["AB"; 128].join(":"))
                .parse::<Fingerprint>()
                .is_ok()
        );
    }
}
