//! What a session runs over: TCP, or TLS over it.

use super::connect::ConnectError;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection, whatever protects it.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Connection for S {}

pub(super) type Stream = Box<dyn Connection>;

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
}

impl ClientTls {
    /// Protects a connection to a host, whose certificate has to be for it.
    #[cfg(feature = "tls")]
    pub(super) async fn protect(&self, stream: TcpStream, host: &str) -> Result<Stream, ConnectError> {
        let config = self.config.clone().ok_or(ConnectError::Secure)?;
        let name = rustls::pki_types::ServerName::try_from(host.to_owned())
            .map_err(|_| crate::uri::UriError::Host)?;
        let stream = tokio_rustls::TlsConnector::from(config)
            .connect(name, stream)
            .await?;
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
}

impl ServerTls {
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
