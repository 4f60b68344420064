//! TLS (RFC 5246, RFC 8446) as SIP uses it: whom a certificate names and whom we believe (RFC 5922).

mod identity;
mod options;
mod verify;

pub use identity::certified_domains;
pub use options::{Certificate, ClientCertificates, TlsError, TlsOptions, TlsVersion, Trust};

use crate::endpoint::TransportFailure;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, ServerConfig};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// [`TlsOptions`] with their files read and found good. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    /// For SIP, and for WebSocket.
    sip: Arc<ClientConfig>,
    https: Arc<ClientConfig>,
    server: Option<Arc<ServerConfig>>,
    timeout: Duration,
}

impl Tls {
    /// The client's end for other protocols than SIP, where a certificate has to be for the host as on the web (RFC 6125): relays
    /// of MSRP for example.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        self.client(true)
    }

    /// The client's end: SIP and WebSocket compare names by different rules.
    pub(super) fn client(&self, is_websocket: bool) -> Arc<ClientConfig> {
        Arc::clone(if is_websocket { &self.https } else { &self.sip })
    }

    /// The server's end; without a certificate there is none.
    pub(super) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.server.clone()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// What a handshake's error means.
pub(super) fn failure(error: &io::Error) -> TransportFailure {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return TransportFailure::from(error);
    };
    match error {
        Error::InvalidCertificate(error) => certificate_failure(error),
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::AccessDenied,
        ) => TransportFailure::OurCertificate,
        error => TransportFailure::Tls(error.to_string()),
    }
}

fn certificate_failure(error: &CertificateError) -> TransportFailure {
    match error {
        CertificateError::NotValidForNameContext { expected, presented } => TransportFailure::WrongName {
            wanted: expected.to_str().into_owned(),
            found: presented.clone(),
        },
        CertificateError::UnknownIssuer => TransportFailure::UnknownIssuer,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TransportFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TransportFailure::NotYetValid
        }
        error => TransportFailure::Certificate(error.to_string()),
    }
}
