//! Fingerprints of certificates, as the SDP attribute `fingerprint` carries them (RFC 8122 §5, RFC 4975 §14.4).

use std::fmt;
use std::str::FromStr;

/// A hash of a certificate's DER form: `SHA-256 4A:AD:...`. It says which certificate of its own making the peer will show.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: FingerprintHash,
    digest: Vec<u8>,
}

/// The hash functions of fingerprints. The weaker ones are read (RFC 4975 shows SHA-1), and count only where the peer
/// offers nothing stronger; MD5 and MD2 are not taken at all (RFC 8122 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FingerprintHash {
    /// SHA-1, 20 bytes: read for old peers, never offered.
    Sha1,
    /// SHA-256, 32 bytes: what we offer.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

impl FingerprintHash {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name in SDP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    #[cfg(feature = "tls")]
    fn of(self, certificate: &[u8]) -> Vec<u8> {
        use ring::digest;
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, certificate).as_ref().to_vec()
    }
}

impl Fingerprint {
    /// The SHA-256 fingerprint of a certificate in DER form: what we offer.
    #[cfg(feature = "tls")]
    pub fn of_certificate(der: &[u8]) -> Self {
        let hash = FingerprintHash::Sha256;
        Self {
            hash,
            digest: hash.of(der),
        }
    }

    /// The hash function.
    pub fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// Whether a certificate in DER form is one of those that the peer announced. Of several hash functions only the
    /// strongest counts, so that nobody can fall back on a weaker one (RFC 8122 §5.1).
    #[cfg(feature = "tls")]
    pub fn any_matches(announced: &[Self], der: &[u8]) -> bool {
        let Some(strongest) = announced.iter().map(|fingerprint| fingerprint.hash).max() else {
            return false;
        };
        let shown = strongest.of(der);
        announced
            .iter()
            .any(|fingerprint| fingerprint.hash == strongest && fingerprint.digest == shown)
    }
}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    /// Reads the value of the attribute; hash names and digits in any case.
    fn from_str(text: &str) -> Result<Self, BadFingerprint> {
        let (name, digits) = text.trim().split_once(' ').ok_or(BadFingerprint::Syntax)?;
        let hash = FingerprintHash::ALL
            .into_iter()
            .find(|hash| hash.as_str().eq_ignore_ascii_case(name))
            .ok_or(BadFingerprint::UnknownHash)?;
        let digest: Option<Vec<u8>> = digits
            .trim()
            .split(':')
            .map(|pair| {
                let is_pair = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
                is_pair.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
            })
            .collect();
        let digest = digest.ok_or(BadFingerprint::Syntax)?;
        if digest.len() != hash.digest_len() {
            return Err(BadFingerprint::Length(digest.len()));
        }
        Ok(Self { hash, digest })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.as_str())?;
        for (index, byte) in self.digest.iter().enumerate() {
            let lead = if index == 0 { ' ' } else { ':' };
            write!(f, "{lead}{byte:02X}")?;
        }
        Ok(())
    }
}

/// The text is no fingerprint that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFingerprint {
    /// Not `hash XX:XX:...`.
    #[error("not a hash name and pairs of hexadecimal digits")]
    Syntax,
    /// A hash function that is not known, or too weak.
    #[error("a hash function that is not taken")]
    UnknownHash,
    /// So many bytes, which is not what the hash function gives.
    #[error("{0} bytes, which the hash function does not give")]
    Length(usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one of RFC 4975, figure 19.
    const OF_THE_RFC: &str = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";

    #[test]
    fn the_fingerprint_of_the_rfc_is_read_and_written() {
        let fingerprint: Fingerprint = OF_THE_RFC.to_lowercase().parse().unwrap();
        assert_eq!(fingerprint.to_string(), OF_THE_RFC);
        assert_eq!(fingerprint.hash(), FingerprintHash::Sha1);
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        for (text, error) in [
            ("", BadFingerprint::Syntax),
            ("SHA-1", BadFingerprint::Syntax),
            ("MD5 00:01", BadFingerprint::UnknownHash),
            ("SHA-256 00:01", BadFingerprint::Length(2)),
            ("SHA-1 +1:02", BadFingerprint::Syntax),
            ("SHA-1 0001", BadFingerprint::Syntax),
        ] {
            assert_eq!(text.parse::<Fingerprint>(), Err(error), "{text}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn only_the_strongest_hash_counts() {
        let good = Fingerprint::of_certificate(b"certificate");
        let weak = Fingerprint {
            hash: FingerprintHash::Sha1,
            digest: FingerprintHash::Sha1.of(b"certificate"),
        };
        let wrong = Fingerprint::of_certificate(b"another");
        assert!(Fingerprint::any_matches(
            std::slice::from_ref(&weak),
            b"certificate"
        ));
        assert!(!Fingerprint::any_matches(
            &[weak.clone(), wrong.clone()],
            b"certificate"
        ));
        assert!(Fingerprint::any_matches(&[weak, wrong, good], b"certificate"));
        assert!(!Fingerprint::any_matches(&[], b"certificate"));
    }
}
