//! Who we are in a handshake.

use super::fingerprint::{CertificateFingerprint, FingerprintHash};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::{RTCCryptoProvider, SignatureScheme, default_provider};
use std::fmt;
use std::sync::Arc;

/// A self-signed certificate would be no better with a name: peers look at its fingerprint alone.
const SUBJECT: &str = "offhook";

/// A certificate with its private key: ECDSA on the curve P-256. Cheap to clone; `Debug` hides the key.
///
/// One for each process is enough: who is called twice then sees that it is the same caller. One that is made anew for each
/// call tells nobody that.
#[derive(Clone)]
pub struct DtlsCertificate {
    pub(super) chain: Arc<Certificate>,
    pub(super) provider: Arc<dyn RTCCryptoProvider>,
}

impl DtlsCertificate {
    /// A fresh one, self-signed. Its key comes from the system's generator.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, CertificateError> {
        let made = || {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let certificate = CertificateParams::new(vec![SUBJECT.to_owned()])?.self_signed(&key)?;
            Ok::<_, rcgen::Error>((certificate.der().to_vec(), key.serialize_der()))
        };
        let (certificate, key) = made().map_err(|_| CertificateError::NoRandomness)?;
        Self::from_der(certificate, &key)
    }

    /// One of the application's: the certificate in DER, and its key as PKCS #8 in DER.
    ///
    /// # Errors
    /// When the key is none of ECDSA on P-256.
    pub fn from_der(certificate: Vec<u8>, key: &[u8]) -> Result<Self, CertificateError> {
        let provider = default_provider().map_err(|_| CertificateError::NoRandomness)?;
        let key = provider
            .crypto()
            .import_signing_key(SignatureScheme::EcdsaP256Sha256, key)
            .map_err(|_| CertificateError::Key)?;
        Ok(Self {
            chain: Arc::new(Certificate::from_signing_key(vec![certificate.into()], key)),
            provider,
        })
    }

    /// Its fingerprint, for our session description.
    pub fn fingerprint(&self, hash: FingerprintHash) -> CertificateFingerprint {
        CertificateFingerprint::of(hash, &self.chain.certificate[0])
    }
}

impl PartialEq for DtlsCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain.certificate == other.chain.certificate
    }
}

impl Eq for DtlsCertificate {}

impl fmt::Debug for DtlsCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DtlsCertificate")
            .field(&self.fingerprint(FingerprintHash::Sha256))
            .finish()
    }
}

/// Why there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The system's generator does not answer.
    #[error("the system gives no randomness for a key")]
    NoRandomness,
    /// Not a private key of ECDSA on P-256 as PKCS #8 in DER.
    #[error("the private key is none of ECDSA on P-256 (PKCS #8, DER)")]
    Key,
}
