//! How the examples reach their peer: TLS and relays, as the command line says.

use crate::common::{Failure, chain, roots};
use clap::Args;
use offhook_msrp::fingerprint::Fingerprint;
use offhook_msrp::tokio::{MsrpRelaySettings, TlsIdentity};
use offhook_msrp::uri::UriError;
use offhook_msrp::{MsrpPath, MsrpUri};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// What is wrong with a URI, and what would be right.
pub(crate) fn in_words(error: UriError) -> String {
    match error {
        UriError::SessionId => format!("{error}: it has letters, digits and -._~+=/ only, and at least one"),
        _ => error.to_string(),
    }
}

/// Reads a path or a URI of the command line.
pub(crate) fn uri<T: FromStr<Err = UriError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(in_words)
}

#[derive(Args)]
pub(crate) struct Protection {
    /// Protect the connection by TLS.
    #[arg(long)]
    pub(crate) tls: bool,
    /// Our certificate, PEM.
    #[arg(long, requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Trust certificates that these sign, PEM. Who listens then wants one of who connects.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Trust any certificate. For tests.
    #[arg(long)]
    no_verify: bool,
    /// The peer shows a certificate of its own making with this fingerprint, `SHA-256 4A:AD:...`; we show ours.
    #[arg(long)]
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl Protection {
    /// The first option of those given that has a meaning with TLS only.
    fn asked(&self) -> Option<&'static str> {
        [
            (self.tls, "--tls"),
            (self.fingerprint.is_some(), "--fingerprint"),
            (self.no_verify, "--no-verify"),
            (self.ca.is_some(), "--ca"),
            (self.cert.is_some(), "--cert"),
        ]
        .into_iter()
        .find_map(|(is_given, option)| is_given.then_some(option))
    }

    /// Whether the scheme of the peer's path says the same as the options: who asks for TLS does not get a connection in
    /// clear.
    fn check(&self, remote_path: &MsrpPath) -> Result<(), Failure> {
        if remote_path.first().is_secure() {
            return if self.tls || self.fingerprint.is_some() {
                Ok(())
            } else {
                Err("the peer's path begins with msrps:, which is by TLS: give --tls, too".into())
            };
        }
        let Some(option) = self.asked() else {
            return Ok(());
        };
        Err(format!(
            "{option} is for TLS, and the peer's path begins with msrp:, which is without: write msrps: there, or \
             leave {option} out"
        )
        .into())
    }

    /// Our own certificate, for an end that is known by fingerprints.
    pub(crate) fn identity(&self) -> Result<Option<TlsIdentity>, Failure> {
        if self.fingerprint.is_none() {
            return Ok(None);
        }
        let (mut chain, key) = self.own()?;
        Ok(Some(
            TlsIdentity::new(chain.swap_remove(0), key).map_err(|error| self.unusable(&error))?,
        ))
    }

    #[allow(dead_code, reason = "only who listens shows it")]
    pub(crate) fn server(&self) -> Result<Arc<ServerConfig>, Failure> {
        let (chain, key) = self.own()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &self.ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(roots(path)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|error| self.unusable(&error))?;
        Ok(Arc::new(config))
    }

    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>, Failure> {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?;
        let builder = if self.no_verify {
            let any = Arc::new(AnyCertificate);
            builder.dangerous().with_custom_certificate_verifier(any)
        } else {
            let roots = match &self.ca {
                Some(path) => roots(path)?,
                None => RootCertStore::empty(),
            };
            builder.with_root_certificates(roots)
        };
        let config = if self.cert.is_some() {
            let (chain, key) = self.own()?;
            let shown = builder.with_client_auth_cert(chain, key);
            shown.map_err(|error| self.unusable(&error))?
        } else {
            builder.with_no_client_auth()
        };
        Ok(Arc::new(config))
    }

    /// Certificate and key do not fit.
    fn unusable(&self, error: &dyn std::error::Error) -> String {
        let name = |path: &Option<PathBuf>| path.as_deref().unwrap_or(Path::new("")).display().to_string();
        format!("{} with {}: {error}", name(&self.cert), name(&self.key))
    }

    /// Our certificate, with those under which it stands, and its key.
    fn own(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return Err("--cert and --key are needed for this: TLS shows who we are".into());
        };
        Ok((
            chain(cert)?,
            PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?,
        ))
    }
}

#[derive(Args)]
pub(crate) struct ThroughRelay {
    /// Use the relay at this host and port.
    #[arg(long, value_name = "HOST:PORT", requires = "relay_user")]
    pub(crate) relay: Option<String>,
    /// The relay's domain, which its certificate is for; without it, the host.
    #[arg(long)]
    relay_domain: Option<String>,
    /// The account at the relay.
    #[arg(long)]
    relay_user: Option<String>,
    /// Its password.
    #[arg(long, default_value = "")]
    relay_password: String,
    /// For how many seconds the place is wanted.
    #[arg(long)]
    relay_expires: Option<u64>,
    /// Connect to the relay without TLS. For tests.
    #[arg(long)]
    relay_plain: bool,
    /// A further relay behind the first, by its URI; same account.
    #[arg(long, value_name = "URI", value_parser = uri::<MsrpUri>)]
    relay_through: Vec<MsrpUri>,
}

impl ThroughRelay {
    /// Whether we may meet a peer of this path with these options. At a relay they are for the relay.
    pub(crate) fn check(&self, protection: &Protection, remote_path: &MsrpPath) -> Result<(), Failure> {
        if self.relay.is_some() {
            return Ok(());
        }
        protection.check(remote_path)
    }

    /// The peer's path: the given one, or else the first line of standard input.
    pub(crate) fn remote_path(
        &self,
        protection: &Protection,
        given: Option<&MsrpPath>,
    ) -> Result<MsrpPath, Failure> {
        let path = match given {
            Some(path) => path.clone(),
            None => path_on_standard_input()?,
        };
        self.check(protection, &path)?;
        Ok(path)
    }

    pub(crate) fn settings(&self, protection: &Protection) -> Result<Option<MsrpRelaySettings>, Failure> {
        let Some(relay) = &self.relay else {
            return Ok(None);
        };
        let (host, port) = relay
            .rsplit_once(':')
            .ok_or_else(|| format!("--relay {relay}: it is HOST:PORT"))?;
        let domain = self.relay_domain.as_deref().unwrap_or(host);
        let user = self.relay_user.as_deref().unwrap_or_default();
        let mut settings = MsrpRelaySettings::new(domain, user, &*self.relay_password)
            .with_host(
                host,
                port.parse()
                    .map_err(|_| format!("--relay {relay}: `{port}` is no port"))?,
            )
            .with_tls(protection.client()?);
        if let Some(seconds) = self.relay_expires {
            settings = settings.with_expires(Duration::from_secs(seconds));
        }
        if self.relay_plain {
            settings = settings.without_tls();
        }
        for further in &self.relay_through {
            settings = settings.through(further.clone(), user, &*self.relay_password);
        }
        Ok(Some(settings))
    }
}

fn path_on_standard_input() -> Result<MsrpPath, Failure> {
    let line = std::io::stdin().lines().next();
    let line = line.ok_or("no path of the peer: standard input ended before it came")??;
    let said = line.trim();
    uri(said).map_err(|error| format!("`{said}` on standard input is no path: {error}").into())
}

/// `--no-verify`.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
