//! The end that opens the connection.

use super::driver::{Company, MsrpConnection};
use super::entropy;
use super::sharing::SharedConnections;
use super::stream::{ClientTls, Stream, is_announced, tune};
use super::transport::{MsrpTransport, ReadError};
use crate::chunk::StatusCode;
use crate::framer::Framer;
use crate::session::{CloseReason, MsrpSession, SessionConfig, SessionEvent};
use crate::uri::{MsrpPath, MsrpUri, RECOMMENDED_PORT, UriError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Opens a connection to the peer, without a relay.
#[derive(Debug)]
pub struct ConnectorDirect {
    local_path: MsrpPath,
    tls: ClientTls,
    sharing: Option<SharedConnections>,
}

impl ConnectorDirect {
    /// How long a connection may take to open.
    const TIMEOUT: Duration = Duration::from_secs(30);

    /// Prepares a path for SDP. Without a URI one is made from this machine's address. Nobody connects to it.
    ///
    /// # Errors
    /// When there is no randomness for the session id.
    pub fn prepare(local_uri: Option<MsrpUri>) -> Result<Self, ConnectError> {
        let local_uri = match local_uri {
            Some(uri) => uri,
            None => own_uri(false)?,
        };
        Ok(Self {
            local_path: local_uri.into(),
            tls: ClientTls::default(),
            sharing: None,
        })
    }

    /// Uses a connection of these if there is one to the peer, and lets other sessions use the one that is opened else
    /// (RFC 4975 §5.4). Without it the session has a connection of its own.
    #[must_use]
    pub fn sharing(mut self, connections: &SharedConnections) -> Self {
        self.sharing = Some(connections.clone());
        self
    }

    /// Protects the connection by TLS with this configuration, which says whom to trust. Our URI becomes `msrps`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, config: std::sync::Arc<rustls::ClientConfig>) -> Self {
        self.tls.config = Some(config);
        self.local_path = self.local_path.last().clone().with_secure(true).into();
        self
    }

    /// Protects the connection by TLS between two ends that show certificates of their own making: the peer's has to have
    /// one of [`SessionConfig::peer_fingerprints`]. Our URI becomes `msrps`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_identity(mut self, identity: &super::TlsIdentity) -> Self {
        self.tls.needs_fingerprints = true;
        self.with_tls(std::sync::Arc::clone(&identity.client))
    }

    /// Our path, for the SDP attribute `path`.
    pub fn local_path(&self) -> &MsrpPath {
        &self.local_path
    }

    /// The defaults for a session between our path and the peer's.
    pub fn session_config(&self, remote_path: MsrpPath) -> SessionConfig {
        SessionConfig::new(self.local_path().clone(), remote_path)
    }

    /// Connects to the first URI of the configured remote path, and binds the connection to the session. The local path
    /// of the configuration is replaced by ours.
    ///
    /// # Errors
    /// When no connection can be opened, or the peer does not bind it to the session.
    pub async fn complete(self, mut config: SessionConfig) -> Result<MsrpConnection, ConnectError> {
        config.local_path = self.local_path;
        let target = first_hop(&config).clone();
        let mut company = Company::default();
        if let Some(connections) = &self.sharing {
            self.tls.check(&config.peer_fingerprints)?;
            if let Some(joined) = connections.join(&target, &self.tls, &config).await? {
                return Ok(joined);
            }
        }
        let stream = dial_peer(&config, &self.tls).await?;
        if let Some(connections) = &self.sharing {
            company = connections.register(&target, &self.tls, &stream);
        }
        let session = MsrpSession::connected(Instant::now(), config, entropy()?);
        ready(MsrpConnection::spawn_with(session, stream, Box::new(()), company)).await
    }

    /// Like [`complete`](Self::complete), for chunks one by one instead of a session.
    ///
    /// # Errors
    /// When no connection can be opened, or the peer does not bind it to the session.
    pub async fn open(self, mut config: SessionConfig) -> Result<MsrpTransport, ConnectError> {
        config.local_path = self.local_path;
        let stream = dial_peer(&config, &self.tls).await?;
        let within = config.bind_timeout;
        let transport = MsrpTransport::new(stream, Framer::new(config.head_limits), None, config)?;
        tokio::time::timeout(within, transport.bind())
            .await
            .unwrap_or(Err(ConnectError::BindTimeout(None)))
    }
}

/// Opens the connection of a session, to the peer that its fingerprints announce.
async fn dial_peer(config: &SessionConfig, tls: &ClientTls) -> Result<Stream, ConnectError> {
    tls.check(&config.peer_fingerprints)?;
    let stream = dial_uri(first_hop(config), tls).await?;
    if is_announced(stream.peer_certificate(), &config.peer_fingerprints) {
        Ok(stream)
    } else {
        Err(ConnectError::Fingerprint)
    }
}

/// Whom to connect to: our first relay, or else the peer or its relay.
fn first_hop(config: &SessionConfig) -> &MsrpUri {
    config.relays().next().unwrap_or(config.remote_path.first())
}

/// Opens a connection to a URI (RFC 4975 §6.2).
pub(super) async fn dial_uri(target: &MsrpUri, tls: &ClientTls) -> Result<Stream, ConnectError> {
    let host = target.host().trim_matches(['[', ']']);
    let port = target.port().unwrap_or(RECOMMENDED_PORT);
    if !target.transport().eq_ignore_ascii_case("tcp") {
        return Err(ConnectError::Transport(target.transport().to_owned()));
    }
    dial((host, port), target.is_secure().then_some(host), tls).await
}

/// Opens a connection, trying all addresses of the host; with a name, protected by TLS with a certificate for that name.
pub(super) async fn dial(
    address: (&str, u16),
    name: Option<&str>,
    tls: &ClientTls,
) -> Result<Stream, ConnectError> {
    let connecting = async {
        let stream = TcpStream::connect(address).await.map_err(|error| {
            let (host, port) = address;
            io::Error::new(error.kind(), format!("no connection to {host}:{port}: {error}"))
        })?;
        tune(&stream)?;
        match name {
            Some(name) => tls.protect(stream, name).await,
            None => Ok(Box::new(stream) as Stream),
        }
    };
    tokio::time::timeout(ConnectorDirect::TIMEOUT, connecting)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// A URI for a session of this machine.
pub(super) fn own_uri(is_secure: bool) -> io::Result<MsrpUri> {
    let address = SocketAddr::new(own_address(), RECOMMENDED_PORT);
    Ok(MsrpUri::new_session(address, is_secure, &mut entropy()?))
}

/// Waits until the connection is bound.
pub(super) async fn ready(mut connection: MsrpConnection) -> Result<MsrpConnection, ConnectError> {
    loop {
        match connection.events().next_new().await {
            Some(SessionEvent::Ready) => return Ok(connection),
            Some(SessionEvent::Closed(reason)) => return Err(ConnectError::NotBound(reason)),
            // A relay may have moved the place meanwhile.
            Some(event) => connection.events().put_back(event),
            None => return Err(ConnectError::NotBound(CloseReason::ConnectionLost)),
        }
    }
}

/// The address by which this machine reaches others; loopback when it reaches nobody. No packet is sent.
fn own_address() -> IpAddr {
    let route = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        Ok::<_, io::Error>(socket.local_addr()?.ip())
    };
    route().unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// Why somebody who connected did not bind the session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TurnedAway {
    /// It was refused: it named another path than ours or its own (481), or showed another certificate than was announced
    /// (403).
    #[error("was refused with {}", .0.in_words())]
    Refused(StatusCode),
    /// It went before it had said for whom it comes, or did not agree on TLS.
    #[error("went before it said what it wants: {0}")]
    Left(#[source] io::Error),
}

fn in_words(last: Option<&TurnedAway>) -> String {
    last.map_or_else(String::new, |last| format!(": the last who connected {last}"))
}

/// No session came to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The peer wants TLS, which was not configured (feature `tls`).
    #[error("msrps needs a configuration of TLS")]
    Secure,
    /// A certificate of the peer's own making cannot be trusted without a fingerprint from its SDP.
    #[error("the peer announced no fingerprint")]
    NoFingerprint,
    /// The peer showed another certificate than its SDP announced, or none.
    #[error("the peer's certificate is not the one that it announced")]
    Fingerprint,
    /// A certificate or key cannot be used.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The other end did not agree on TLS, or showed a certificate that the configuration does not trust: then there is a
    /// `rustls::Error` inside. Another kind of inner error may mean that the other end does not speak TLS at all.
    #[error("no TLS with the other end: {0}")]
    Handshake(#[source] io::Error),
    /// The peer, or the relay, is reached by another transport than TCP, which is all that RFC 4975 §6 knows.
    #[error("no connection by {0}: only tcp is spoken")]
    Transport(String),
    /// No URI could be made.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer did not bind the connection to the session.
    #[error("the connection was not bound: {0}")]
    NotBound(CloseReason),
    /// What the peer sent instead of binding the connection could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Our relay gave no place.
    #[error(transparent)]
    Relay(#[from] crate::relay::RelayError),
    /// Nobody connected and bound in time. Of those who tried, the last one.
    #[error("nobody bound the session in time{}", in_words(.0.as_ref()))]
    BindTimeout(Option<TurnedAway>),
    /// The session id is expected already.
    #[error("the session is prepared already")]
    AlreadyPrepared,
    /// The server is gone.
    #[error("the server is gone")]
    ServerGone,
}
