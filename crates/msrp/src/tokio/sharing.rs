//! Several sessions on one connection (RFC 4975 §5.4): ours to the same peer, and those of a peer at our server.

use super::connect::{ConnectError, ready};
use super::driver::{Company, MsrpConnection};
use super::entropy;
use super::seat::Seat;
use super::server::{Caller, Sessions};
use super::stream::{ClientTls, Stream, is_announced};
use crate::chunk::{Head, StatusCode};
use crate::session::{CloseReason, SessionConfig};
use crate::uri::{MsrpUri, RECOMMENDED_PORT};
use offhook_sansio::Entropy;
use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Connections that the sessions of an application share: give it to each
/// [`ConnectorDirect::sharing`](super::ConnectorDirect::sharing). Cheap to clone; the connections end with their last
/// session.
///
/// A session joins a connection that was opened to the same scheme, host and port with the same TLS configuration, and
/// whose peer showed the certificate that the session's peer announced, if any was. A peer that refuses another session on
/// a connection is connected to anew.
#[derive(Clone, Debug, Default)]
pub struct SharedConnections(Arc<Mutex<Vec<Open>>>);

/// A connection that may be joined.
#[derive(Clone, Debug)]
struct Open {
    peer: Peer,
    tls: ClientTls,
    certificate: Option<Arc<[u8]>>,
    joins: mpsc::Sender<Join>,
}

/// Whom a connection was opened to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Peer {
    is_secure: bool,
    host: String,
    port: u16,
}

impl Peer {
    fn of(uri: &MsrpUri) -> Self {
        Self {
            is_secure: uri.is_secure(),
            host: uri.host().to_ascii_lowercase(),
            port: uri.port().unwrap_or(RECOMMENDED_PORT),
        }
    }
}

/// How many sessions may be about to join a connection.
const JOINS: usize = 16;

impl SharedConnections {
    /// No connections yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Begins the session on a connection to its peer. `None` when there is none, or the peer does not want it there.
    pub(super) async fn join(
        &self,
        target: &MsrpUri,
        tls: &ClientTls,
        config: &SessionConfig,
    ) -> Result<Option<MsrpConnection>, ConnectError> {
        let Some(open) = self.find(&Peer::of(target), tls, config) else {
            return Ok(None);
        };
        let (seat, ours) = Seat::new(Box::new(()));
        let join = Join {
            config: config.clone(),
            entropy: entropy()?,
            seat,
        };
        if open.joins.send(join).await.is_err() {
            return Ok(None); // it ended this moment
        }
        match ready(ours).await {
            Ok(connection) => Ok(Some(connection)),
            Err(ConnectError::NotBound(CloseReason::BindRefused(_) | CloseReason::ConnectionLost)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A connection was opened: says who may join it.
    pub(super) fn register(&self, target: &MsrpUri, tls: &ClientTls, stream: &Stream) -> Company {
        let (sender, joins) = mpsc::channel(JOINS);
        self.lock().push(Open {
            peer: Peer::of(target),
            tls: tls.clone(),
            certificate: stream.peer_certificate().map(Into::into),
            joins: sender,
        });
        Company {
            joins: Some(joins),
            ..Company::default()
        }
    }

    fn find(&self, peer: &Peer, tls: &ClientTls, config: &SessionConfig) -> Option<Open> {
        let fits = |open: &&Open| {
            open.peer == *peer
                && open.tls.is_same(tls)
                && is_announced(open.certificate.as_deref(), &config.peer_fingerprints)
        };
        self.lock().iter().find(fits).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        // Nothing panics while it holds the lock.
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|open| !open.joins.is_closed());
        open
    }
}

/// A session that joins others on their connection.
pub(super) struct Join {
    pub(super) config: SessionConfig,
    pub(super) entropy: Entropy,
    pub(super) seat: Seat,
}

impl Join {
    /// The next one; never when nobody can join.
    pub(super) async fn next(joins: &mut Option<mpsc::Receiver<Self>>) -> Self {
        if let Some(receiver) = joins {
            if let Some(join) = receiver.recv().await {
                return join;
            }
            *joins = None;
        }
        std::future::pending().await
    }
}

/// The sessions of a server that may come on a connection where one is already.
pub(super) struct Visitors {
    expected: Sessions,
    within: Duration,
    certificate: Option<Arc<[u8]>>,
    /// The one that is being decided, and until when.
    undecided: Option<(oneshot::Receiver<Verdict>, Instant)>,
}

/// What is to be done with a session that came on a connection where others are.
pub(super) enum Verdict {
    Accept(Box<Join>),
    Refuse(StatusCode),
}

impl Visitors {
    pub(super) fn new(expected: Sessions, within: Duration, certificate: Option<Arc<[u8]>>) -> Self {
        Self {
            expected,
            within,
            certificate,
            undecided: None,
        }
    }

    /// Tells who expects the session that this request begins, unless that is done already.
    pub(super) fn announce(&mut self, head: &Head) -> Result<(), StatusCode> {
        if self.undecided.is_some() {
            return Ok(());
        }
        let (reply, verdict) = oneshot::channel();
        let visitor = Visitor {
            head: head.clone(),
            certificate: self.certificate.clone(),
            reply,
        };
        let announced = Caller::Visitor(Box::new(visitor)).announce(&self.expected);
        announced.map_err(|(_, status)| status)?;
        self.undecided = Some((verdict, Instant::now() + self.within));
        Ok(())
    }

    /// What was decided; never while nothing is to be.
    pub(super) async fn verdict(visitors: &mut Option<Self>) -> Verdict {
        let Some(undecided) = visitors.as_mut().map(|visitors| &mut visitors.undecided) else {
            return std::future::pending().await;
        };
        let Some((verdict, until)) = undecided else {
            return std::future::pending().await;
        };
        let decided = tokio::time::timeout_at(*until, verdict).await;
        *undecided = None;
        match decided {
            Ok(Ok(verdict)) => verdict,
            // Nobody expects it any more, or nobody said so in time.
            Ok(Err(_)) | Err(_) => Verdict::Refuse(StatusCode::NO_SESSION),
        }
    }
}

/// Somebody who wants a session on a connection where others are.
pub(super) struct Visitor {
    pub(super) head: Head,
    certificate: Option<Arc<[u8]>>,
    reply: oneshot::Sender<Verdict>,
}

impl Visitor {
    /// Whether it is the session's peer who is here: by its paths, and by its certificate if that was announced.
    pub(super) fn check(&self, config: &SessionConfig) -> Result<(), StatusCode> {
        config.check_paths(&self.head)?;
        if is_announced(self.certificate.as_deref(), &config.peer_fingerprints) {
            Ok(())
        } else {
            Err(StatusCode::FORBIDDEN)
        }
    }

    pub(super) fn refuse(self, status: StatusCode) {
        // Its connection may have ended meanwhile.
        let _ = self.reply.send(Verdict::Refuse(status));
    }

    /// Starts the session; `guard` is dropped when it is over.
    pub(super) async fn into_session(
        self,
        config: SessionConfig,
        guard: Box<dyn Any + Send>,
    ) -> Result<MsrpConnection, ConnectError> {
        let (seat, ours) = Seat::new(guard);
        let join = Join {
            config,
            entropy: entropy()?,
            seat,
        };
        // When its connection has ended, so has the session, which `ready` finds.
        let _ = self.reply.send(Verdict::Accept(Box::new(join)));
        ready(ours).await
    }
}
