//! What a session runs over: TCP, or TLS over it.

use super::connect::ConnectError;
use crate::fingerprint::Fingerprint;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection, whatever protects it.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {
    /// The certificate that the peer showed, in DER form.
    fn peer_certificate(&self) -> Option<&[u8]>;
}

impl Connection for TcpStream {
    fn peer_certificate(&self) -> Option<&[u8]> {
        None
    }
}

#[cfg(feature = "tls")]
impl Connection for tokio_rustls::client::TlsStream<TcpStream> {
    fn peer_certificate(&self) -> Option<&[u8]> {
        Some(self.get_ref().1.peer_certificates()?.first()?.as_ref())
    }
}

#[cfg(feature = "tls")]
impl Connection for tokio_rustls::server::TlsStream<TcpStream> {
    fn peer_certificate(&self) -> Option<&[u8]> {
        Some(self.get_ref().1.peer_certificates()?.first()?.as_ref())
    }
}

pub(super) type Stream = Box<dyn Connection>;

/// Whether the peer that showed this certificate is who its SDP says by fingerprints, if it says so (RFC 4975 §14.4).
pub(super) fn is_announced(certificate: Option<&[u8]>, announced: &[Fingerprint]) -> bool {
    #[cfg(feature = "tls")]
    let is_shown = certificate.is_some_and(|shown| Fingerprint::any_matches(announced, shown));
    #[cfg(not(feature = "tls"))]
    let is_shown = certificate.is_some();
    announced.is_empty() || is_shown
}

/// After how much silence the system asks whether the peer's machine is still there, and in which steps: a peer that lost
/// its power is found within two minutes even where nothing is sent.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_secs(15));

/// Small messages leave at once, and a dead peer is noticed.
pub(super) fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = socket2::TcpKeepalive::new()
        .with_time(KEEP_ALIVE.0)
        .with_interval(KEEP_ALIVE.1);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// How the connecting end protects connections to `msrps` URIs.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientTls {
    #[cfg(feature = "tls")]
    pub(super) config: Option<std::sync::Arc<rustls::ClientConfig>>,
    /// The configuration takes any certificate: fingerprints have to say which.
    pub(super) needs_fingerprints: bool,
}

impl ClientTls {
    /// Fails where nothing would say whom to trust.
    pub(super) fn check(&self, announced: &[Fingerprint]) -> Result<(), ConnectError> {
        if self.needs_fingerprints && announced.is_empty() {
            Err(ConnectError::NoFingerprint)
        } else {
            Ok(())
        }
    }

    /// Whether connections that the other opens are protected as ours are, and show the same of us.
    #[cfg(feature = "tls")]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.config, &other.config) {
            (Some(own), Some(theirs)) => {
                std::sync::Arc::ptr_eq(own, theirs) && self.needs_fingerprints == other.needs_fingerprints
            }
            (own, theirs) => own.is_none() && theirs.is_none(),
        }
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "the same call with the feature `tls`")]
    pub(super) fn is_same(&self, _other: &Self) -> bool {
        true
    }

    /// Protects a connection to a host, whose certificate has to be for it.
    #[cfg(feature = "tls")]
    pub(super) async fn protect(&self, stream: TcpStream, host: &str) -> Result<Stream, ConnectError> {
        let config = self.config.clone().ok_or(ConnectError::Secure)?;
        let name = rustls::pki_types::ServerName::try_from(host.to_owned())
            .map_err(|_| crate::uri::UriError::Host)?;
        let stream = tokio_rustls::TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(ConnectError::Handshake)?;
        Ok(Box::new(stream))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "the same call with the feature `tls`")]
    pub(super) async fn protect(&self, _stream: TcpStream, _host: &str) -> Result<Stream, ConnectError> {
        Err(ConnectError::Secure)
    }
}

/// How the accepting end protects connections, if it does.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerTls {
    #[cfg(feature = "tls")]
    pub(super) config: Option<std::sync::Arc<rustls::ServerConfig>>,
    /// The configuration takes any certificate: fingerprints have to say which.
    pub(super) needs_fingerprints: bool,
}

impl ServerTls {
    /// Fails where nothing would say whom to trust.
    pub(super) fn check(&self, announced: &[Fingerprint]) -> Result<(), ConnectError> {
        if self.needs_fingerprints && announced.is_empty() {
            Err(ConnectError::NoFingerprint)
        } else {
            Ok(())
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn is_secure(&self) -> bool {
        self.config.is_some()
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "the same call with the feature `tls`")]
    pub(super) fn is_secure(&self) -> bool {
        false
    }

    #[cfg(feature = "tls")]
    pub(super) async fn protect(self, stream: TcpStream) -> std::io::Result<Stream> {
        Ok(match self.config {
            Some(config) => Box::new(tokio_rustls::TlsAcceptor::from(config).accept(stream).await?),
            None => Box::new(stream),
        })
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_async, reason = "the same call with the feature `tls`")]
    pub(super) async fn protect(self, stream: TcpStream) -> std::io::Result<Stream> {
        Ok(Box::new(stream))
    }
}
