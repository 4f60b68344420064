//! What runs over the TCP connections of one local address.

use super::connection_config::ConnectionConfig;
#[cfg(feature = "tls")]
use super::tls::{self, Tls};
#[cfg(feature = "websocket")]
use super::websocket::{self, WebSocketConfig, WebSocketStream};
use crate::endpoint::TransportFailure;
use offhook_sansio::Transport;
use std::io;
use std::sync::Arc;
#[cfg(feature = "tls")]
use std::time::Duration;
use tokio::net::TcpStream;
#[cfg(feature = "tls")]
use tokio::time::timeout;

/// TLS in either role.
#[cfg(feature = "tls")]
pub(super) type TlsStream = tokio_rustls::TlsStream<TcpStream>;

#[derive(Clone, Debug)]
pub(super) enum Protocol {
    Tcp,
    #[cfg(feature = "tls")]
    Tls(Tls),
    #[cfg(feature = "websocket")]
    Ws(Arc<WebSocketConfig>),
    #[cfg(feature = "websocket")]
    Wss(Tls, Arc<WebSocketConfig>),
}

/// A connection that is ready for SIP.
#[derive(Debug)]
pub(super) enum Link {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
    #[cfg(feature = "websocket")]
    Ws(Box<WebSocketStream<TcpStream>>),
    #[cfg(feature = "websocket")]
    Wss(Box<WebSocketStream<TlsStream>>),
}

/// Whom we want at the other end of a connection that we open: a name, or an address as text.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "websocket"),
    allow(dead_code, reason = "plain TCP asks nobody, and TLS for the name alone")
)]
pub(super) struct Wanted {
    /// `None` when nobody knows any more.
    pub(super) name: Option<Arc<str>>,
    pub(super) port: u16,
}

impl Protocol {
    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Tcp => Transport::Tcp,
            #[cfg(feature = "tls")]
            Self::Tls(_) => Transport::Tls,
            #[cfg(feature = "websocket")]
            Self::Ws(_) => Transport::Ws,
            #[cfg(feature = "websocket")]
            Self::Wss(..) => Transport::Wss,
        }
    }

    /// Whether connections can be accepted: over TLS not without a certificate.
    pub(super) fn accepts(&self) -> bool {
        match self {
            Self::Tcp => true,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.server().is_some(),
            #[cfg(feature = "websocket")]
            Self::Ws(_) => true,
            #[cfg(feature = "websocket")]
            Self::Wss(tls, _) => tls.server().is_some(),
        }
    }

    /// The same with other certificates.
    #[cfg(feature = "tls")]
    pub(super) fn with_tls(&self, tls: &Tls) -> Self {
        match self {
            Self::Tls(_) => Self::Tls(tls.clone()),
            #[cfg(feature = "websocket")]
            Self::Wss(_, websocket) => Self::Wss(tls.clone(), Arc::clone(websocket)),
            other => other.clone(),
        }
    }

    /// Makes a connection ready that was accepted.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        limits: &ConnectionConfig,
    ) -> Result<Link, TransportFailure> {
        let _ = limits;
        match self {
            Self::Tcp => Ok(Link::Tcp(stream)),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Ok(Link::Tls(Box::new(accept_tls(tls, stream).await?))),
            #[cfg(feature = "websocket")]
            Self::Ws(config) => {
                let accepting = Box::pin(websocket::accept(stream, config, &limits.parse.limits));
                let stream = in_time(config.handshake_timeout, accepting).await?;
                Ok(Link::Ws(Box::new(stream)))
            }
            #[cfg(feature = "websocket")]
            Self::Wss(tls, config) => {
                let stream = accept_tls(tls, stream).await?;
                let accepting = Box::pin(websocket::accept(stream, config, &limits.parse.limits));
                let stream = in_time(config.handshake_timeout, accepting).await?;
                Ok(Link::Wss(Box::new(stream)))
            }
        }
    }

    /// Makes a connection ready that we opened.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        wanted: &Wanted,
        limits: &ConnectionConfig,
    ) -> Result<Link, TransportFailure> {
        let _ = (wanted, limits);
        match self {
            Self::Tcp => Ok(Link::Tcp(stream)),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
                let stream = connect_tls(tls, stream, wanted, false).await?;
                Ok(Link::Tls(Box::new(stream)))
            }
            #[cfg(feature = "websocket")]
            Self::Ws(config) => {
                let connecting = Box::pin(websocket::connect(stream, wanted, config, &limits.parse.limits));
                let stream = in_time(config.handshake_timeout, connecting).await?;
                Ok(Link::Ws(Box::new(stream)))
            }
            #[cfg(feature = "websocket")]
            Self::Wss(tls, config) => {
                let stream = connect_tls(tls, stream, wanted, true).await?;
                let connecting = Box::pin(websocket::connect(stream, wanted, config, &limits.parse.limits));
                let stream = in_time(config.handshake_timeout, connecting).await?;
                Ok(Link::Wss(Box::new(stream)))
            }
        }
    }
}

#[cfg(feature = "tls")]
impl Wanted {
    pub(super) fn name(&self) -> Result<&Arc<str>, TransportFailure> {
        self.name.as_ref().ok_or(TransportFailure::NoName)
    }
}

/// Whom the certificate of the other end names; the handshake has checked it (RFC 5922 §7.4). None where there is none.
#[cfg(feature = "tls")]
pub(super) fn proven_domains(stream: &TlsStream) -> Vec<String> {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let domains = certificate.and_then(|certificate| tls::certified_domains(certificate));
    domains.unwrap_or_default()
}

/// What an error of a connection means, whatever runs over it.
pub(super) fn failure(error: &io::Error) -> TransportFailure {
    #[cfg(feature = "tls")]
    return tls::failure(error);
    #[cfg(not(feature = "tls"))]
    return TransportFailure::from(error);
}

#[cfg(feature = "tls")]
async fn accept_tls(tls: &Tls, stream: TcpStream) -> Result<TlsStream, TransportFailure> {
    let config = tls.server().ok_or(TransportFailure::NoLocalAddress)?;
    let accepting = async {
        let accepted = tokio_rustls::TlsAcceptor::from(config).accept(stream).await;
        accepted.map_err(|error| tls::failure(&error))
    };
    Ok(in_time(tls.timeout(), accepting).await?.into())
}

#[cfg(feature = "tls")]
async fn connect_tls(
    tls: &Tls,
    stream: TcpStream,
    wanted: &Wanted,
    is_websocket: bool,
) -> Result<TlsStream, TransportFailure> {
    let name = wanted.name()?;
    let name = rustls::pki_types::ServerName::try_from(name.to_string())
        .map_err(|_| TransportFailure::Tls(format!("no certificate can be for {name}")))?;
    let connecting = async {
        let connector = tokio_rustls::TlsConnector::from(tls.client(is_websocket));
        let connected = connector.connect(name, stream).await;
        connected.map_err(|error| tls::failure(&error))
    };
    Ok(in_time(tls.timeout(), connecting).await?.into())
}

#[cfg(feature = "tls")]
async fn in_time<T>(
    patience: Duration,
    handshake: impl Future<Output = Result<T, TransportFailure>>,
) -> Result<T, TransportFailure> {
    timeout(patience, handshake)
        .await
        .map_err(|_| TransportFailure::HandshakeTimeout(patience))?
}
