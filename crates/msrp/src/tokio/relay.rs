//! The ends that are reached through relays (RFC 4976 §5).

use super::connect::{ConnectError, dial, own_uri, ready};
use super::driver::MsrpConnection;
use super::entropy;
use super::stream::{ClientTls, Stream};
use super::transport::MsrpTransport;
use crate::chunk::Head;
use crate::framer::{Frame, Framer};
use crate::relay::{RelayClient, RelayClientConfig, RelayEvent, RelayTarget};
use crate::session::{MsrpSession, SessionConfig};
use crate::setup::Role;
use crate::uri::{MsrpPath, MsrpUri, RECOMMENDED_PORT, UriError};
use offhook_digest::{Credentials, Secret};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Which relay to use, and as whom.
#[derive(Clone, Debug)]
pub struct MsrpRelaySettings {
    domain: String,
    credentials: Credentials,
    host: Option<(String, u16)>,
    is_secure: bool,
    expires: Option<Duration>,
    wants_proof: bool,
    further: Vec<RelayTarget>,
    tls: ClientTls,
    resolver: Arc<dyn RelayResolver>,
}

impl MsrpRelaySettings {
    /// The relay of a domain, found by SRV if there is a [resolver](Self::with_resolver), and else at the domain's own
    /// address and port 2855 (RFC 4976 §8). Its certificate has to be for the domain.
    pub fn new(domain: impl Into<String>, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self {
            domain: domain.into(),
            credentials: Credentials::new(username, password),
            host: None,
            is_secure: true,
            expires: None,
            wants_proof: false,
            further: Vec::new(),
            tls: ClientTls::default(),
            resolver: Arc::new(WithoutSrv),
        }
    }

    /// Connects to this host and port instead of looking the domain up.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<String>, port: u16) -> Self {
        self.host = Some((host.into(), port));
        self
    }

    /// Connects without TLS. RFC 4976 §9.2 forbids that; for tests.
    #[must_use]
    pub fn without_tls(mut self) -> Self {
        self.is_secure = false;
        self
    }

    /// Protects the connection by TLS with this configuration, which says whom to trust.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        self.tls.config = Some(config);
        self
    }

    /// The same where no configuration of TLS was given yet.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_default_tls(mut self, config: &Arc<rustls::ClientConfig>) -> Self {
        self.tls.config.get_or_insert_with(|| Arc::clone(config));
        self
    }

    /// Whether the connection to the relay is protected by TLS.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Finds relays of the domain by this.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn RelayResolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Asks for a place of this lifetime. Without it the relay chooses.
    #[must_use]
    pub fn with_expires(mut self, expires: Duration) -> Self {
        self.expires = Some(expires);
        self
    }

    /// Wants relays to prove that they know the password as well (RFC 4976 §9.1). A wrong proof is refused even without
    /// this; some relays in the field give none.
    #[must_use]
    pub fn with_proof(mut self) -> Self {
        self.wants_proof = true;
        self
    }

    /// Asks a further relay, reached through those before: `msrps://extra.example.com;tcp`.
    #[must_use]
    pub fn through(
        mut self,
        relay: MsrpUri,
        username: impl Into<String>,
        password: impl Into<Secret>,
    ) -> Self {
        self.further.push(RelayTarget {
            uri: relay,
            credentials: Credentials::new(username, password),
        });
        self
    }

    fn client_config(&self, own: MsrpUri) -> Result<RelayClientConfig, UriError> {
        let scheme = if self.is_secure { "msrps" } else { "msrp" };
        let domain = &self.domain;
        // An address needs a port, even here.
        let is_address = domain.starts_with('[') || domain.parse::<std::net::Ipv4Addr>().is_ok();
        let port = match &self.host {
            Some((_, port)) if is_address => format!(":{port}"),
            None if is_address => format!(":{RECOMMENDED_PORT}"),
            _ => String::new(),
        };
        let first = RelayTarget {
            uri: format!("{scheme}://{domain}{port};tcp").parse()?,
            credentials: self.credentials.clone(),
        };
        let relays = std::iter::once(first).chain(self.further.iter().cloned());
        let mut config = RelayClientConfig::new(own, relays.collect());
        config.expires = self.expires;
        config.wants_proof = self.wants_proof;
        Ok(config)
    }

    /// Opens a connection to the relay: the first address that takes one.
    async fn connect(&self) -> Result<Stream, ConnectError> {
        let addresses = match &self.host {
            Some((host, port)) => vec![RelayAddress {
                host: host.clone(),
                port: *port,
            }],
            None => self.resolver.relays(&self.domain).await?,
        };
        let mut last = io::Error::from(io::ErrorKind::NotFound).into();
        for RelayAddress { host, port } in addresses {
            let name = self.is_secure.then_some(&*self.domain);
            match dial((host.trim_matches(['[', ']']), port), name, &self.tls).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Finds the relays of a domain. MSRP knows no DNS: an application hands in its own, by `offhook-lookup` for example.
pub trait RelayResolver: fmt::Debug + Send + Sync {
    /// The targets of `_msrps._tcp` of a domain in the order in which RFC 2782 wants them tried; the domain itself and
    /// [`RECOMMENDED_PORT`] when there is no such record (RFC 4976 §8).
    fn relays<'a>(&'a self, domain: &'a str) -> Resolving<'a>;
}

/// The answer of a [`RelayResolver`], when it is there.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<RelayAddress>>> + Send + 'a>>;

/// Where a relay may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What is left without SRV.
#[derive(Debug)]
struct WithoutSrv;

impl RelayResolver for WithoutSrv {
    fn relays<'a>(&'a self, domain: &'a str) -> Resolving<'a> {
        let address = RelayAddress {
            host: domain.to_owned(),
            port: RECOMMENDED_PORT,
        };
        Box::pin(std::future::ready(Ok(vec![address])))
    }
}

/// Opens a session through our relay. One use.
#[derive(Debug)]
pub struct ConnectorRelay(Box<AtRelay>);

impl ConnectorRelay {
    /// Connects to the relay and gets a place there, which is renewed until it is used or this is dropped. Without a URI one is
    /// made from this machine's address; nobody connects to it.
    ///
    /// # Errors
    /// When the relay cannot be reached, or gives no place.
    pub async fn prepare(
        relay: &MsrpRelaySettings,
        local_uri: Option<MsrpUri>,
    ) -> Result<Self, ConnectError> {
        Ok(Self(Box::new(AtRelay::prepare(relay, local_uri).await?)))
    }

    /// Our path with that of the relay, for the SDP attribute `path`.
    pub fn local_path(&self) -> &MsrpPath {
        &self.0.path
    }

    /// The defaults for a session between our path and the peer's.
    pub fn session_config(&self, remote_path: MsrpPath) -> SessionConfig {
        SessionConfig::new(self.local_path().clone(), remote_path)
    }

    /// Binds the session by an empty SEND. The local path of the configuration is replaced by ours.
    ///
    /// # Errors
    /// When the session is not bound, or the relay did not renew the place or is gone.
    pub async fn complete(self, config: SessionConfig) -> Result<MsrpConnection, ConnectError> {
        self.0.complete(config, Role::Active).await
    }

    /// Like [`complete`](Self::complete), for chunks one by one instead of a session. Nobody renews the place then.
    ///
    /// # Errors
    /// When the connection is not bound.
    pub async fn open(self, config: SessionConfig) -> Result<MsrpTransport, ConnectError> {
        let within = config.bind_timeout;
        let transport = self.0.open(config).await?;
        tokio::time::timeout(within, transport.bind())
            .await
            .unwrap_or(Err(ConnectError::BindTimeout(None)))
    }
}

/// Takes a session through our relay. One use.
#[derive(Debug)]
pub struct AcceptorRelay(Box<AtRelay>);

impl AcceptorRelay {
    /// Connects to the relay and gets a place there, which is renewed until it is used or this is dropped. Without a URI one is
    /// made from this machine's address; nobody connects to it.
    ///
    /// # Errors
    /// When the relay cannot be reached, or gives no place.
    pub async fn prepare(
        relay: &MsrpRelaySettings,
        local_uri: Option<MsrpUri>,
    ) -> Result<Self, ConnectError> {
        Ok(Self(Box::new(AtRelay::prepare(relay, local_uri).await?)))
    }

    /// Our path with that of the relay, for the SDP attribute `path`.
    pub fn local_path(&self) -> &MsrpPath {
        &self.0.path
    }

    /// The defaults for a session between our path and the peer's.
    pub fn session_config(&self, remote_path: MsrpPath) -> SessionConfig {
        SessionConfig::new(self.local_path().clone(), remote_path)
    }

    /// The same place for the end that opens the session: which end that is may be decided after the path is known
    /// (RFC 6135 §4.2).
    #[must_use]
    pub fn into_connector(self) -> ConnectorRelay {
        ConnectorRelay(self.0)
    }

    /// Waits for the first request of the peer. The local path of the configuration is replaced by ours.
    ///
    /// # Errors
    /// When nobody binds the session within [`SessionConfig::bind_timeout`], or the relay did not renew the place or is gone.
    pub async fn complete(self, config: SessionConfig) -> Result<MsrpConnection, ConnectError> {
        self.0.complete(config, Role::Passive).await
    }

    /// Like [`complete`](Self::complete), for chunks one by one instead of a session: the first that is read is the one
    /// that binds. Nobody renews the place then.
    ///
    /// # Errors
    /// When the relay did not renew the place, or is gone.
    pub async fn open(self, config: SessionConfig) -> Result<MsrpTransport, ConnectError> {
        self.0.open(config).await
    }
}

/// A place at a relay, which a task renews until it is used: that may take as long as a phone rings.
#[derive(Debug)]
struct AtRelay {
    path: MsrpPath,
    keeping: JoinHandle<Result<Place, ConnectError>>,
    /// Ends the task, also by being dropped: then the connection is closed.
    enough: oneshot::Sender<()>,
}

impl AtRelay {
    async fn prepare(relay: &MsrpRelaySettings, own: Option<MsrpUri>) -> Result<Self, ConnectError> {
        let own = match own {
            Some(uri) => uri,
            None => own_uri(relay.is_secure)?,
        };
        let config = relay.client_config(own)?;
        let stream = relay.connect().await?;
        let mut place = Place {
            stream,
            framer: Framer::new(crate::chunk::Limits::default()),
            client: RelayClient::new(Instant::now(), config, entropy()?),
            first: None,
        };
        let path = place.get().await?;
        let (enough, used) = oneshot::channel();
        Ok(Self {
            path,
            keeping: tokio::spawn(place.keep(used)),
            enough,
        })
    }

    async fn take(self) -> Result<Place, ConnectError> {
        // Where the task has ended by itself it says why.
        let _ = self.enough.send(());
        self.keeping.await.map_err(io::Error::other)?
    }

    async fn complete(self, config: SessionConfig, role: Role) -> Result<MsrpConnection, ConnectError> {
        let Place {
            stream,
            framer,
            client,
            first,
        } = self.take().await?;
        let session = MsrpSession::relayed(Instant::now(), config, entropy()?, framer, first, client, role);
        ready(MsrpConnection::spawn(session, stream)).await
    }

    async fn open(self, mut config: SessionConfig) -> Result<MsrpTransport, ConnectError> {
        config.local_path = self.path.clone();
        let place = self.take().await?;
        MsrpTransport::new(place.stream, place.framer, place.first, config)
    }
}

/// A connection to a relay, and who gets a place there and renews it.
#[derive(Debug)]
struct Place {
    stream: Stream,
    framer: Framer,
    client: RelayClient,
    /// The head of the peer's first request, when it is there.
    first: Option<Head>,
}

impl Place {
    /// Carries requests and responses until the relays have decided.
    async fn get(&mut self) -> Result<MsrpPath, ConnectError> {
        loop {
            self.write().await?;
            match self.client.poll_event() {
                Some(RelayEvent::Placed(path) | RelayEvent::Moved(path)) => return Ok(path),
                Some(RelayEvent::Failed(error)) => return Err(error.into()),
                Some(RelayEvent::Renewed) | None => {}
            }
            if !self.take_response()? {
                self.read().await?;
            }
        }
    }

    /// Renews the place until it is used. What the peer sends before that waits.
    async fn keep(mut self, mut used: oneshot::Receiver<()>) -> Result<Self, ConnectError> {
        let mut moved = None;
        loop {
            self.write().await?;
            match self.client.poll_event() {
                Some(RelayEvent::Failed(error)) => return Err(error.into()),
                Some(event @ RelayEvent::Moved(_)) => moved = Some(event),
                Some(RelayEvent::Placed(_) | RelayEvent::Renewed) | None => {}
            }
            if self.take_response()? {
                continue;
            }
            tokio::select! {
                _ = &mut used => {
                    if let Some(event) = moved {
                        self.client.tell_again(event);
                    }
                    return Ok(self);
                }
                read = self.read(), if self.first.is_none() => read?,
            }
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        while let Some(bytes) = self.client.poll_transmit() {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await?;
        }
        Ok(())
    }

    /// Takes what was read up to a response to our client, and no further than to the peer's first request. False when there
    /// is none.
    fn take_response(&mut self) -> io::Result<bool> {
        while self.first.is_none() {
            let frame = self.framer.next_frame();
            match frame.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
                Some(Frame::Head(head)) if head.status().is_none() => self.first = Some(head),
                Some(Frame::Head(head)) if self.client.handle_response(Instant::now(), &head) => {
                    return Ok(true);
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(false)
    }

    /// Reads more, or runs what is due. Nothing is lost when it is not waited for.
    async fn read(&mut self) -> io::Result<()> {
        let input = self.framer.input();
        input.reserve(4096);
        let reading = self.stream.read_buf(input);
        let read = match self.client.poll_timeout() {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), reading).await,
            None => Ok(reading.await),
        };
        match read {
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => drop(read?),
            Err(_) => self.client.handle_timeout(Instant::now()),
        }
        Ok(())
    }
}

/// An end that opens a session, through a relay or without one: what [`get_connector`] gives.
#[derive(Debug)]
pub enum Connector {
    /// Without a relay.
    Direct(super::ConnectorDirect),
    /// Through ours.
    Relay(ConnectorRelay),
}

/// Prepares an end that opens a session; without `relay` it connects to the peer itself.
///
/// # Errors
/// When the relay cannot be reached or gives no place.
pub async fn get_connector(
    relay: Option<&MsrpRelaySettings>,
    local_uri: Option<MsrpUri>,
) -> Result<Connector, ConnectError> {
    Ok(match relay {
        None => Connector::Direct(super::ConnectorDirect::prepare(local_uri)?),
        Some(relay) => Connector::Relay(ConnectorRelay::prepare(relay, local_uri).await?),
    })
}

impl Connector {
    /// Our path, for the SDP attribute `path`.
    pub fn local_path(&self) -> &MsrpPath {
        match self {
            Self::Direct(direct) => direct.local_path(),
            Self::Relay(relay) => relay.local_path(),
        }
    }

    /// The defaults for a session between our path and the peer's.
    pub fn session_config(&self, remote_path: MsrpPath) -> SessionConfig {
        SessionConfig::new(self.local_path().clone(), remote_path)
    }

    /// Opens the session.
    ///
    /// # Errors
    /// As `complete` of what it is.
    pub async fn complete(self, config: SessionConfig) -> Result<MsrpConnection, ConnectError> {
        match self {
            Self::Direct(direct) => direct.complete(config).await,
            Self::Relay(relay) => relay.complete(config).await,
        }
    }
}

/// An end that takes a session, through a relay or without one: what [`get_acceptor`] gives.
#[derive(Debug)]
pub enum Acceptor {
    /// Without a relay.
    Direct(super::AcceptorDirect),
    /// Through ours.
    Relay(AcceptorRelay),
}

/// Prepares an end that takes a session; without `relay` it listens itself, at the address and port of `local_uri` or
/// else at any port of this machine's address.
///
/// # Errors
/// When the relay cannot be reached or gives no place, or the address cannot be listened on.
pub async fn get_acceptor(
    relay: Option<&MsrpRelaySettings>,
    local_uri: Option<MsrpUri>,
) -> Result<Acceptor, ConnectError> {
    Ok(match (relay, local_uri) {
        (Some(relay), local_uri) => Acceptor::Relay(AcceptorRelay::prepare(relay, local_uri).await?),
        (None, Some(uri)) => Acceptor::Direct(super::AcceptorDirect::prepare_uri(uri).await?),
        (None, None) => {
            let uri = own_uri(false)?.with_port(0);
            Acceptor::Direct(super::AcceptorDirect::prepare_uri(uri).await?)
        }
    })
}

impl Acceptor {
    /// Our path, for the SDP attribute `path`.
    pub fn local_path(&self) -> &MsrpPath {
        match self {
            Self::Direct(direct) => direct.local_path(),
            Self::Relay(relay) => relay.local_path(),
        }
    }

    /// The defaults for a session between our path and the peer's.
    pub fn session_config(&self, remote_path: MsrpPath) -> SessionConfig {
        SessionConfig::new(self.local_path().clone(), remote_path)
    }

    /// Waits for the peer.
    ///
    /// # Errors
    /// As `complete` of what it is.
    pub async fn complete(self, config: SessionConfig) -> Result<MsrpConnection, ConnectError> {
        match self {
            Self::Direct(direct) => direct.complete(config).await,
            Self::Relay(relay) => relay.complete(config).await,
        }
    }
}
