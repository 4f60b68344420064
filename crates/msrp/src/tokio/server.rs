//! One listening socket for many sessions.

use super::accept::Arrival;
use super::connect::{ConnectError, TurnedAway};
use super::door::Door;
use super::driver::{Company, MsrpConnection};
use super::entropy;
use super::sharing::{Visitor, Visitors};
use super::stream::ServerTls;
use super::transport::MsrpTransport;
use crate::chunk::{Head, Limits, StatusCode};
use crate::session::SessionConfig;
use crate::uri::{MsrpPath, MsrpUri};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How a server treats connections before they are bound to a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// How many connections may be there and have said nothing whole. Default 256, at least 1: one more, and the oldest of them is
    /// closed, so that they keep nobody out.
    pub unbound: usize,
    /// How long a connection may take for its first head. Default 10 s.
    pub head_timeout: Duration,
    /// What its first head may cost.
    pub limits: Limits,
    /// Protects connections by TLS; the URIs that are made become `msrps`. Default: none.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Protects connections by TLS between ends that show certificates of their own making, in the place of `tls`: each
    /// session then needs [`SessionConfig::peer_fingerprints`]. Default: none.
    #[cfg(feature = "tls")]
    pub identity: Option<super::TlsIdentity>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            unbound: 256,
            head_timeout: Duration::from_secs(10),
            limits: Limits::default(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            identity: None,
        }
    }
}

impl ServerConfig {
    #[cfg(feature = "tls")]
    fn server_tls(&self) -> ServerTls {
        let identity = self.identity.as_ref();
        ServerTls {
            config: identity
                .map(|identity| Arc::clone(&identity.server))
                .or_else(|| self.tls.clone()),
            needs_fingerprints: identity.is_some(),
        }
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "the same call with the feature `tls`")]
    fn server_tls(&self) -> ServerTls {
        ServerTls::default()
    }
}

/// Takes connections for any number of sessions on one port. Requests for sessions that nobody expects are refused with
/// 481, second connections to a session with 506. Several sessions may come on one connection, with each other or one
/// after the other (RFC 4975 §5.4); where certificates are announced, that of the connection has to be the one of each.
/// Closes its port when dropped: sessions go on, and nobody waits for those that were expected any more.
#[derive(Debug)]
pub struct MsrpServer {
    address: SocketAddr,
    tls: ServerTls,
    expected: Sessions,
    patience: Duration,
    task: JoinHandle<()>,
}

/// The sessions that are expected or in use, by session id, and where those who come for them are to go.
pub(super) type Sessions = Arc<Mutex<HashMap<String, mpsc::Sender<Caller>>>>;

/// Somebody who wants a session.
pub(super) enum Caller {
    /// On a connection of its own.
    Alone(Box<Arrival>),
    /// On one where other sessions are.
    Visitor(Box<Visitor>),
}

impl Caller {
    fn head(&self) -> &Head {
        match self {
            Self::Alone(arrival) => &arrival.head,
            Self::Visitor(visitor) => &visitor.head,
        }
    }

    /// Hands it to who expects its session; gives it back with the status to refuse it with.
    pub(super) fn announce(self, expected: &Sessions) -> Result<(), (Self, StatusCode)> {
        let Ok(to_path) = self.head().to_path() else {
            return Err((self, StatusCode::BAD_REQUEST));
        };
        let id = to_path.last().session_id();
        let Some(place) = id.and_then(|id| lock(expected).get(id).cloned()) else {
            return Err((self, StatusCode::NO_SESSION));
        };
        place.try_send(self).map_err(|error| match error {
            mpsc::error::TrySendError::Full(caller) | mpsc::error::TrySendError::Closed(caller) => {
                (caller, StatusCode::ALREADY_BOUND)
            }
        })
    }

    fn check(&self, config: &SessionConfig) -> Result<(), StatusCode> {
        match self {
            Self::Alone(arrival) => arrival.check(config),
            Self::Visitor(visitor) => visitor.check(config),
        }
    }

    fn refuse(self, status: StatusCode) {
        match self {
            Self::Alone(arrival) => {
                tokio::spawn(arrival.refuse(status));
            }
            Self::Visitor(visitor) => visitor.refuse(status),
        }
    }
}

impl MsrpServer {
    /// Listens on an address, port 0 for any.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn bind(address: SocketAddr, config: ServerConfig) -> Result<Self, ConnectError> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let expected = Sessions::default();
        let (tls, patience) = (config.server_tls(), config.head_timeout);
        let task = tokio::spawn(listen(listener, config, Arc::clone(&expected)));
        Ok(Self {
            address,
            tls,
            expected,
            patience,
            task,
        })
    }

    /// Where the server listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Expects a session from now on; the peer may connect before [`Expected::complete`] is called. Without a URI one is
    /// made from the address on which the server listens; one of the caller's may name another, such as that of a router
    /// which forwards the port.
    ///
    /// # Errors
    /// When the session id is expected already, or the URI has none.
    pub fn prepare(&self, local_uri: Option<MsrpUri>) -> Result<Expected, ConnectError> {
        let uri = match local_uri {
            Some(uri) => uri,
            None => MsrpUri::new_session(self.address, self.tls.is_secure(), &mut entropy()?),
        };
        let id = uri
            .session_id()
            .ok_or(crate::uri::UriError::SessionId)?
            .to_owned();
        let (sender, callers) = mpsc::channel(1);
        match lock(&self.expected).entry(id.clone()) {
            Entry::Occupied(_) => return Err(ConnectError::AlreadyPrepared),
            Entry::Vacant(place) => place.insert(sender),
        };
        Ok(Expected {
            local_path: uri.into(),
            callers,
            patience: self.patience,
            tls: self.tls.clone(),
            place: Place {
                id,
                expected: Arc::clone(&self.expected),
            },
        })
    }
}

impl Drop for MsrpServer {
    fn drop(&mut self) {
        self.task.abort();
        lock(&self.expected).clear();
    }
}

/// A session that a server expects. Dropping it makes the server forget it.
#[derive(Debug)]
pub struct Expected {
    local_path: MsrpPath,
    callers: mpsc::Receiver<Caller>,
    /// How long others on the same connection may take to be expected.
    patience: Duration,
    tls: ServerTls,
    place: Place,
}

impl Expected {
    /// Our path, for the SDP attribute `path`.
    pub fn local_path(&self) -> &MsrpPath {
        &self.local_path
    }

    /// The defaults for a session between our path and the peer's.
    pub fn session_config(&self, remote_path: MsrpPath) -> SessionConfig {
        SessionConfig::new(self.local_path().clone(), remote_path)
    }

    /// Waits for the peer of the configured remote path. The local path of the configuration is replaced by ours.
    ///
    /// # Errors
    /// When nobody binds the session within [`SessionConfig::bind_timeout`], or the server is dropped before.
    pub async fn complete(mut self, mut config: SessionConfig) -> Result<MsrpConnection, ConnectError> {
        match self.caller(&mut config, Ok).await? {
            Caller::Alone(arrival) => {
                let expected = Arc::clone(&self.place.expected);
                let visitors = Visitors::new(expected, self.patience, arrival.certificate());
                let company = Company {
                    visitors: Some(visitors),
                    ..Company::default()
                };
                arrival.into_session(config, Box::new(self.place), company).await
            }
            Caller::Visitor(visitor) => visitor.into_session(config, Box::new(self.place)).await,
        }
    }

    /// Like [`complete`](Self::complete), for chunks one by one instead of a session: the SEND that binds the connection is
    /// the first to be read, and to be answered. It has the connection to itself: on one where other sessions are, the peer is
    /// refused with 506, and has to open another.
    ///
    /// # Errors
    /// As [`complete`](Self::complete).
    pub async fn open(mut self, mut config: SessionConfig) -> Result<MsrpTransport, ConnectError> {
        let alone = |caller| match caller {
            Caller::Alone(arrival) => Ok(arrival),
            visitor @ Caller::Visitor(_) => Err(visitor),
        };
        let arrival = self.caller(&mut config, alone).await?;
        Ok(arrival.into_transport(config)?.guarding(Box::new(self.place)))
    }

    /// The peer of the configured remote path. Others are refused with 481, 403 or the like; the peer itself with 506 where
    /// it does not fit.
    async fn caller<C>(
        &mut self,
        config: &mut SessionConfig,
        fitting: impl Fn(Caller) -> Result<C, Caller>,
    ) -> Result<C, ConnectError> {
        config.local_path = self.local_path.clone();
        self.tls.check(&config.peer_fingerprints)?;
        let deadline = tokio::time::Instant::now() + config.bind_timeout;
        let mut last = None;
        loop {
            let Ok(caller) = tokio::time::timeout_at(deadline, self.callers.recv()).await else {
                return Err(ConnectError::BindTimeout(last));
            };
            let caller = caller.ok_or(ConnectError::ServerGone)?;
            let (caller, status) = match caller.check(config) {
                Ok(()) => match fitting(caller) {
                    Ok(caller) => return Ok(caller),
                    Err(caller) => (caller, StatusCode::ALREADY_BOUND),
                },
                Err(status) => (caller, status),
            };
            caller.refuse(status);
            last = Some(TurnedAway::Refused(status));
        }
    }
}

/// A place in the table of sessions, given up when dropped.
#[derive(Debug)]
struct Place {
    id: String,
    expected: Sessions,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.expected).remove(&self.id);
    }
}

async fn listen(listener: TcpListener, config: ServerConfig, expected: Sessions) {
    let mut door = Door::new(config.unbound);
    let tls = config.server_tls();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    door.enter(Arrival::receive(stream, tls.clone(), config.limits, config.head_timeout));
                }
                // Out of file descriptors, most likely: others have to end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            arrival = door.next() => {
                if let Ok(arrival) = arrival
                    && let Err((Caller::Alone(arrival), status)) = Caller::Alone(Box::new(arrival)).announce(&expected)
                {
                    door.refuse(*arrival, status);
                }
            }
        }
    }
}

fn lock(expected: &Sessions) -> std::sync::MutexGuard<'_, HashMap<String, mpsc::Sender<Caller>>> {
    // Nothing panics while it holds the lock, and a table of senders cannot be half changed.
    expected.lock().unwrap_or_else(PoisonError::into_inner)
}
