//! The end that takes a connection, for one session.

use super::connect::{ConnectError, TurnedAway, ready};
use super::door::Door;
use super::driver::{Company, MsrpConnection};
use super::entropy;
use super::stream::{ServerTls, Stream, is_announced, tune};
use super::transport::MsrpTransport;
use crate::chunk::{Head, Limits, StatusCode};
use crate::connection::refuse;
use crate::framer::{Frame, Framer};
use crate::session::{MsrpSession, SessionConfig};
use crate::uri::{MsrpPath, MsrpUri};
use bytes::BytesMut;
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Takes one connection, without a relay. The port is closed once the session is bound.
#[derive(Debug)]
pub struct AcceptorDirect {
    listener: TcpListener,
    local_path: MsrpPath,
    tls: ServerTls,
}

impl AcceptorDirect {
    /// Listens on an address, port 0 for any, and prepares the path for SDP with the port that it got.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn prepare(address: SocketAddr) -> Result<Self, ConnectError> {
        let listener = TcpListener::bind(address).await?;
        let uri = MsrpUri::new_session(listener.local_addr()?, false, &mut entropy()?);
        Ok(Self {
            listener,
            local_path: uri.into(),
            tls: ServerTls::default(),
        })
    }

    /// Like [`prepare`](Self::prepare), with a URI of the caller's choice: its host must be an address of this machine.
    /// Port 0 is replaced by the port that was got.
    ///
    /// # Errors
    /// When the URI has no address, or it cannot be listened on.
    pub async fn prepare_uri(uri: MsrpUri) -> Result<Self, ConnectError> {
        let address = uri
            .socket_addr()
            .ok_or(io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let listener = TcpListener::bind(address).await?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            local_path: uri.with_port(port).into(),
            tls: ServerTls::default(),
        })
    }

    /// Takes the connection from a socket that listens already, at the address of this URI.
    pub fn from_listener(listener: TcpListener, uri: MsrpUri) -> Self {
        Self {
            listener,
            local_path: uri.into(),
            tls: ServerTls::default(),
        }
    }

    /// Protects the connection by TLS with this configuration. Our URI becomes `msrps`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
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
        self.with_tls(Arc::clone(&identity.server))
    }

    /// Our path, for the SDP attribute `path`.
    pub fn local_path(&self) -> &MsrpPath {
        &self.local_path
    }

    /// The defaults for a session between our path and the peer's.
    pub fn session_config(&self, remote_path: MsrpPath) -> SessionConfig {
        SessionConfig::new(self.local_path().clone(), remote_path)
    }

    /// Waits for the peer of the configured remote path to connect and bind the session. Others are refused with 481.
    /// The local path of the configuration is replaced by ours.
    ///
    /// # Errors
    /// When nobody binds the session within [`SessionConfig::bind_timeout`].
    pub async fn complete(self, mut config: SessionConfig) -> Result<MsrpConnection, ConnectError> {
        let arrival = self.arrive(&mut config).await?;
        arrival
            .into_session(config, Box::new(()), Company::default())
            .await
    }

    /// Like [`complete`](Self::complete), for chunks one by one instead of a session. The SEND that binds the connection
    /// is the first chunk to be read, and to be answered.
    ///
    /// # Errors
    /// When nobody binds the session within [`SessionConfig::bind_timeout`].
    pub async fn open(self, mut config: SessionConfig) -> Result<MsrpTransport, ConnectError> {
        self.arrive(&mut config).await?.into_transport(config)
    }

    async fn arrive(self, config: &mut SessionConfig) -> Result<Arrival, ConnectError> {
        config.local_path = self.local_path;
        self.tls.check(&config.peer_fingerprints)?;
        let deadline = tokio::time::Instant::now() + config.bind_timeout;
        let limits = config.head_limits;
        let mut door = Door::new(MOST_ARRIVALS);
        let mut last = None;
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    door.enter(Arrival::receive(accepted?.0, self.tls.clone(), limits, config.bind_timeout));
                }
                arrival = door.next() => match arrival.map(|arrival| (arrival.check(config), arrival)) {
                    Ok((Ok(()), arrival)) => return Ok(arrival),
                    Ok((Err(status), arrival)) => {
                        last = Some(TurnedAway::Refused(status));
                        door.refuse(arrival, status);
                    }
                    Err(error) => last = Some(TurnedAway::Left(error)),
                },
                () = tokio::time::sleep_until(deadline) => return Err(ConnectError::BindTimeout(last)),
            }
        }
    }
}

/// How many may be at the door at a time and have said nothing: one more, and the oldest of them goes.
const MOST_ARRIVALS: usize = 16;

/// A connection whose first head was read: now it is known whose session it wants.
#[derive(Debug)]
pub(super) struct Arrival {
    stream: Stream,
    framer: Framer,
    pub(super) head: Head,
}

impl Arrival {
    /// Whether it is the session's peer who is here: by its paths, and by its certificate if that was announced.
    pub(super) fn check(&self, config: &SessionConfig) -> Result<(), StatusCode> {
        config.check_paths(&self.head)?;
        if is_announced(self.stream.peer_certificate(), &config.peer_fingerprints) {
            Ok(())
        } else {
            Err(StatusCode::FORBIDDEN)
        }
    }

    /// Reads the first head, which has to be there in time however slowly it comes.
    pub(super) async fn receive(
        stream: TcpStream,
        tls: ServerTls,
        limits: Limits,
        within: Duration,
    ) -> io::Result<Self> {
        let receiving = async {
            tune(&stream)?;
            Self::read_head(tls.protect(stream).await?, limits).await
        };
        tokio::time::timeout(within, receiving)
            .await
            .unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }

    async fn read_head(mut stream: Stream, limits: Limits) -> io::Result<Self> {
        let mut framer = Framer::new(limits);
        loop {
            match framer.next_frame() {
                Ok(Some(Frame::Head(head))) => return Ok(Self { stream, framer, head }),
                Ok(Some(_)) | Err(_) => return Err(io::ErrorKind::InvalidData.into()),
                Ok(None) => {
                    let input = framer.input();
                    input.reserve(4096);
                    if stream.read_buf(input).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    }

    /// The certificate that the peer showed.
    pub(super) fn certificate(&self) -> Option<Arc<[u8]>> {
        self.stream.peer_certificate().map(Into::into)
    }

    /// Starts the session; `guard` is dropped when it is over. Others may join it on its connection.
    pub(super) async fn into_session(
        self,
        config: SessionConfig,
        guard: Box<dyn Any + Send>,
        company: Company,
    ) -> Result<MsrpConnection, ConnectError> {
        let session = MsrpSession::accepted(Instant::now(), config, entropy()?, self.framer, Some(self.head));
        ready(MsrpConnection::spawn_with(session, self.stream, guard, company)).await
    }

    /// Hands the connection over for chunks one by one.
    pub(super) fn into_transport(self, config: SessionConfig) -> Result<MsrpTransport, ConnectError> {
        MsrpTransport::new(self.stream, self.framer, Some(self.head), config)
    }

    /// Answers the request, if its sender wants that, and closes the connection.
    pub(super) async fn refuse(mut self, status: StatusCode) {
        let mut out = BytesMut::new();
        refuse(&mut out, &self.head, status);
        if out.is_empty() {
            return;
        }
        let stream = &mut self.stream;
        let last_words = async {
            let _ = stream.write_all(&out).await;
            let _ = stream.shutdown().await;
            let mut rest = vec![0; 4096];
            while let Ok(1..) = stream.read(&mut rest).await {}
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), last_words).await;
    }
}
