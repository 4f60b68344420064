//! What TLS is told: whom to trust, and who we are.

use super::Tls;
use super::verify::Verifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

static ONLY_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// What TLS is told; [`load`](Self::load) reads the files.
///
/// ```no_run
/// use offhook_sip_core::tokio::{Certificate, TlsOptions, Transports};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options = TlsOptions {
///     certificate: Some(Certificate::Files { chain: "phone.crt".into(), key: "phone.key".into() }),
///     ..TlsOptions::default()
/// };
/// let mut transports = Transports::new();
/// transports.bind_tls("0.0.0.0:5061".parse()?, options.load()?)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// Whose signature makes us believe a certificate, of servers and of clients. Default [`Trust::System`].
    pub trust: Trust,
    /// Who we are. Default nobody: without a certificate connections are opened and none is accepted.
    pub certificate: Option<Certificate>,
    /// Whether servers must prove who they are (RFC 5922 §7.3). Default yes. Without it TLS protects from those who
    /// listen, not from those who stand in between; it is for laboratories.
    pub verify_server: bool,
    /// Whether who connects to us must prove who he is (RFC 5922 §7.4). Default no: phones have no certificates, and
    /// are asked for a password.
    pub client_certificates: ClientCertificates,
    /// The oldest version spoken. Default 1.2, as RFC 8996 and RFC 9325 want it: older ones do not exist here.
    pub minimum_version: TlsVersion,
    /// How long a handshake may take. Default 3 s, as users of SIP SIMPLE clients know it.
    pub handshake_timeout: Duration,
}

/// Whose signature makes a certificate believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those whom the operating system trusts.
    System,
    /// The authorities in this PEM file, and nobody else.
    CaFile(PathBuf),
    /// The authorities in this PEM text, and nobody else.
    CaPem(Vec<u8>),
}

/// A certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub enum Certificate {
    /// In PEM files, which may be the same one.
    Files {
        /// The certificate, then those that lead to the authority.
        chain: PathBuf,
        /// The private key: PKCS #8, PKCS #1 or SEC 1.
        key: PathBuf,
    },
    /// In PEM text.
    Pem {
        /// The certificate, then those that lead to the authority.
        chain: Vec<u8>,
        /// The private key.
        key: Vec<u8>,
    },
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Files { chain, key } => f
                .debug_struct("Files")
                .field("chain", chain)
                .field("key", key)
                .finish(),
            Self::Pem { .. } => f.debug_struct("Pem").finish_non_exhaustive(),
        }
    }
}

/// What is asked of those who connect to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// No certificate.
    #[default]
    NotAsked,
    /// A certificate, if they have one: then it must be good.
    Optional,
    /// A good certificate.
    Required,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

/// TLS cannot be used as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is no PEM.
    #[error("cannot read {}: {cause}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        cause: pem::Error,
    },
    /// PEM text is no PEM.
    #[error("cannot read a certificate or key: {0}")]
    Pem(pem::Error),
    /// No certificate is where one should be.
    #[error("there is no certificate in {0}")]
    NoCertificate(String),
    /// The system has no list of authorities, and no other was named.
    #[error("the system has no list of trusted authorities; name a CA file")]
    NoSystemTrust,
    /// The private key is another certificate's.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// Anything else that is wrong with the certificate, the key or the authorities.
    #[error("the certificate, its key or an authority cannot be used: {0}")]
    Unusable(String),
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            trust: Trust::System,
            certificate: None,
            verify_server: true,
            client_certificates: ClientCertificates::default(),
            minimum_version: TlsVersion::default(),
            handshake_timeout: Duration::from_secs(3),
        }
    }
}

impl TlsOptions {
    /// Reads the files, and checks that they fit.
    pub fn load(&self) -> Result<Tls, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let certificate = self.certificate.as_ref().map(Certificate::read).transpose()?;
        let asks_clients = certificate.is_some() && self.client_certificates != ClientCertificates::NotAsked;
        let roots = if self.verify_server || asks_clients {
            self.trust.read()?
        } else {
            RootCertStore::empty()
        };
        let server = match &certificate {
            Some(certificate) => Some(self.server(&provider, roots.clone(), certificate.clone_parts())?),
            None => None,
        };
        let algorithms = provider.signature_verification_algorithms;
        let (sip, https) = if self.verify_server {
            (
                Verifier::Sip(roots.clone(), algorithms),
                Verifier::Https(roots, algorithms),
            )
        } else {
            (Verifier::Off(algorithms), Verifier::Off(algorithms))
        };
        Ok(Tls {
            sip: self.client(&provider, sip, certificate.as_ref())?,
            https: self.client(&provider, https, certificate.as_ref())?,
            server,
            timeout: self.handshake_timeout,
        })
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.minimum_version {
            TlsVersion::V1_2 => rustls::ALL_VERSIONS,
            TlsVersion::V1_3 => ONLY_1_3,
        }
    }

    fn client(
        &self,
        provider: &Arc<CryptoProvider>,
        verifier: Verifier,
        certificate: Option<&Loaded>,
    ) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(self.versions())
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match certificate.map(Loaded::clone_parts) {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(unusable)?,
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    fn server(
        &self,
        provider: &Arc<CryptoProvider>,
        roots: RootCertStore,
        (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(self.versions())
            .map_err(unusable)?;
        let clients = || WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let broken = |error: rustls::server::VerifierBuilderError| TlsError::Unusable(error.to_string());
        let builder = match self.client_certificates {
            ClientCertificates::NotAsked => builder.with_no_client_auth(),
            ClientCertificates::Optional => {
                let clients = clients().allow_unauthenticated().build().map_err(broken)?;
                builder.with_client_cert_verifier(clients)
            }
            ClientCertificates::Required => {
                builder.with_client_cert_verifier(clients().build().map_err(broken)?)
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(unusable)?;
        Ok(Arc::new(config))
    }
}

impl Trust {
    fn read(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let certificates = match self {
            Self::System => {
                // Some of a system's list may be broken: the others hold.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(TlsError::NoSystemTrust);
                }
                return Ok(roots);
            }
            Self::CaFile(path) => certificates_in_file(path)?,
            Self::CaPem(text) => certificates_in_text(text)?,
        };
        for certificate in certificates {
            roots.add(certificate).map_err(unusable)?;
        }
        Ok(roots)
    }
}

/// A certificate and its key, read.
struct Loaded {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Loaded {
    fn clone_parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }
}

impl Certificate {
    fn read(&self) -> Result<Loaded, TlsError> {
        match self {
            Self::Files { chain, key } => Ok(Loaded {
                chain: certificates_in_file(chain)?,
                key: PrivateKeyDer::from_pem_file(key).map_err(|cause| of_file(key, cause))?,
            }),
            Self::Pem { chain, key } => Ok(Loaded {
                chain: certificates_in_text(chain)?,
                key: PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Pem)?,
            }),
        }
    }
}

fn certificates_in_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|cause| of_file(path, cause))?
        .collect();
    some_in(found.map_err(|cause| of_file(path, cause))?, || {
        path.display().to_string()
    })
}

fn certificates_in_text(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    some_in(found.map_err(TlsError::Pem)?, || "the text".to_owned())
}

fn some_in<T>(found: Vec<T>, place: impl FnOnce() -> String) -> Result<Vec<T>, TlsError> {
    if found.is_empty() {
        return Err(TlsError::NoCertificate(place()));
    }
    Ok(found)
}

fn of_file(path: &Path, cause: pem::Error) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        cause,
    }
}

fn unusable(error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => TlsError::KeyMismatch,
        error => TlsError::Unusable(error.to_string()),
    }
}
