//! A relay on Tokio's sockets.

use super::connect::{ConnectError, dial_uri};
use super::door::Door;
use super::entropy;
use super::stream::{ClientTls, ServerTls, Stream, tune};
use crate::relay::server::{ConnectionId, MsrpRelay, PeerCertificate, RelayConfig, RelayServerEvent};
use bytes::Buf;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A relay that runs: it listens, connects and forwards in tasks of its own, until it is dropped.
#[derive(Debug)]
pub struct RelayServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What all tasks of a relay share.
#[derive(Debug)]
struct Shared {
    core: Mutex<Core>,
    /// The agenda may have become shorter.
    agenda: Notify,
    outward: ClientTls,
}

#[derive(Debug)]
struct Core {
    relay: MsrpRelay,
    connections: HashMap<ConnectionId, Arc<Wake>>,
}

/// How the task of a connection is told.
#[derive(Debug, Default)]
struct Wake {
    ready: Notify,
    closing: std::sync::atomic::AtomicBool,
}

/// How much is read at a time.
const READ: usize = 64 * 1024;
/// How long a TLS handshake may take, and the last words of a connection.
const PATIENCE: Duration = Duration::from_secs(10);

impl RelayServer {
    /// Listens on an address, port 0 for any. A port 0 in the relay's own URI is replaced by the port that was got.
    ///
    /// # Errors
    /// When the address cannot be listened on, or there is no randomness.
    pub async fn bind(address: SocketAddr, config: RelayConfig) -> Result<Self, ConnectError> {
        Self::start(address, config, ServerTls::default(), ClientTls::default()).await
    }

    /// Like [`bind`](Self::bind), with TLS: `inward` for those who connect, `outward` for those it connects to. Relays know
    /// each other by their certificates when `inward` has a verifier of clients, which has to let clients without a certificate
    /// pass, and `outward` shows the relay's own.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    #[cfg(feature = "tls")]
    pub async fn bind_tls(
        address: SocketAddr,
        config: RelayConfig,
        inward: Arc<rustls::ServerConfig>,
        outward: Arc<rustls::ClientConfig>,
    ) -> Result<Self, ConnectError> {
        let inward = ServerTls {
            config: Some(inward),
            needs_fingerprints: false,
        };
        let outward = ClientTls {
            config: Some(outward),
            needs_fingerprints: false,
        };
        Self::start(address, config, inward, outward).await
    }

    async fn start(
        address: SocketAddr,
        mut config: RelayConfig,
        inward: ServerTls,
        outward: ClientTls,
    ) -> Result<Self, ConnectError> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        if config.uri.port().is_none_or(|port| port == 0) {
            config.uri = config.uri.with_port(address.port());
        }
        let shared = Arc::new(Shared {
            core: Mutex::new(Core {
                relay: MsrpRelay::new(config, entropy()?),
                connections: HashMap::new(),
            }),
            agenda: Notify::new(),
            outward,
        });
        let tasks = vec![
            tokio::spawn(listen(listener, inward, Arc::clone(&shared))),
            tokio::spawn(keep_time(Arc::clone(&shared))),
        ];
        Ok(Self {
            address,
            shared,
            tasks,
        })
    }

    /// Where the relay listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many places are given out.
    pub fn place_count(&self) -> usize {
        self.shared.lock().relay.place_count()
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.shared.lock().relay.connection_count()
    }
}

impl Drop for RelayServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for wake in self.shared.lock().connections.values() {
            wake.close();
        }
    }
}

impl Wake {
    fn close(&self) {
        self.closing.store(true, std::sync::atomic::Ordering::Release);
        self.ready.notify_one();
    }

    fn is_closing(&self) -> bool {
        self.closing.load(std::sync::atomic::Ordering::Acquire)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Core> {
        // Nothing panics half way through a change of the relay; if it did, its connections would be closed with it.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the relay, and then what it asks for.
    fn with<R>(self: &Arc<Self>, act: impl FnOnce(&mut MsrpRelay) -> R) -> R {
        let mut core = self.lock();
        let result = act(&mut core.relay);
        while let Some(event) = core.relay.poll_event() {
            match event {
                RelayServerEvent::Connect { connection, uri } => {
                    let wake = core.connections.entry(connection).or_default();
                    tokio::spawn(connect(Arc::clone(self), connection, uri, Arc::clone(wake)));
                }
                RelayServerEvent::Ready(connection) => {
                    if let Some(wake) = core.connections.get(&connection) {
                        wake.ready.notify_one();
                    }
                }
                RelayServerEvent::Close(connection) => {
                    if let Some(wake) = core.connections.get(&connection) {
                        wake.close();
                    }
                }
            }
        }
        drop(core);
        self.agenda.notify_one();
        result
    }
}

async fn listen(listener: TcpListener, tls: ServerTls, shared: Arc<Shared>) {
    let most = shared.lock().relay.config().connections;
    let mut door: Door<Stream> = Door::new(most);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => door.enter(protect(stream, tls.clone())),
                // Out of file descriptors, most likely: others have to end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            stream = door.next() => {
                if let Ok(stream) = stream {
                    admit(&shared, stream, tls.is_secure());
                }
            }
        }
    }
}

async fn protect(stream: TcpStream, tls: ServerTls) -> std::io::Result<Stream> {
    tune(&stream)?;
    let arriving = tls.protect(stream);
    let arrived = tokio::time::timeout(PATIENCE, arriving).await;
    arrived.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

fn admit(shared: &Arc<Shared>, stream: Stream, is_secure: bool) {
    let admitted = shared.with(|relay| {
        let connection = relay.handle_connected(Instant::now(), is_secure)?;
        if let Some(shown) = verified_certificate(&stream) {
            relay.set_certificate(connection, shown);
        }
        Some(connection)
    });
    let Some(connection) = admitted else {
        return;
    };
    let wake = Arc::new(Wake::default());
    shared.lock().connections.insert(connection, Arc::clone(&wake));
    tokio::spawn(serve(Arc::clone(shared), connection, stream, wake));
}

/// The certificate that who connected showed. The configuration's verifier took it, or there would be no connection.
#[cfg(feature = "tls")]
fn verified_certificate(stream: &Stream) -> Option<Box<dyn PeerCertificate>> {
    let shown = stream.peer_certificate()?.to_vec();
    Some(Box::new(HostCertificate(shown.into())))
}

#[cfg(not(feature = "tls"))]
fn verified_certificate(_stream: &Stream) -> Option<Box<dyn PeerCertificate>> {
    None
}

/// A certificate that is asked for names.
#[cfg(feature = "tls")]
#[derive(Debug)]
struct HostCertificate(rustls::pki_types::CertificateDer<'static>);

#[cfg(feature = "tls")]
impl PeerCertificate for HostCertificate {
    fn is_for(&self, host: &str) -> bool {
        let name = rustls::pki_types::ServerName::try_from(host.trim_matches(['[', ']']));
        let shown = rustls::server::ParsedCertificate::try_from(&self.0);
        let (Ok(name), Ok(shown)) = (name, shown) else {
            return false;
        };
        rustls::client::verify_server_name(&shown, &name).is_ok()
    }
}

async fn connect(shared: Arc<Shared>, connection: ConnectionId, uri: crate::uri::MsrpUri, wake: Arc<Wake>) {
    match dial_uri(&uri, &shared.outward).await {
        Ok(stream) => serve(shared, connection, stream, wake).await,
        Err(_) => forget(&shared, connection),
    }
}

fn forget(shared: &Arc<Shared>, connection: ConnectionId) {
    shared.with(|relay| relay.handle_closed(Instant::now(), connection));
    shared.lock().connections.remove(&connection);
}

/// Carries bytes between the relay and one connection.
async fn serve(shared: Arc<Shared>, connection: ConnectionId, stream: Stream, wake: Arc<Wake>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut received = bytes::BytesMut::with_capacity(READ);
    let mut unsent = bytes::Bytes::new();
    let mut unflushed = false;
    loop {
        let (next, may_read) = shared.with(|relay| {
            let next = unsent
                .is_empty()
                .then(|| relay.poll_transmit(connection))
                .flatten();
            (next, relay.wants_input(connection))
        });
        if let Some(next) = next {
            unsent = next;
        }
        if wake.is_closing() && unsent.is_empty() {
            break;
        }
        received.reserve(READ);
        tokio::select! {
            written = write(&mut writer, &mut unsent, &mut unflushed), if unflushed || !unsent.is_empty() => {
                if written.is_err() {
                    break;
                }
            }
            read = reader.read_buf(&mut received), if may_read => match read {
                Ok(1..) => shared.with(|relay| {
                    relay.input(connection).extend_from_slice(&received.split());
                    relay.handle_input(Instant::now(), connection);
                }),
                _ => break,
            },
            () = wake.ready.notified() => {}
        }
    }
    forget(&shared, connection);
    let last_words = async {
        let _ = writer.shutdown().await;
        while let Ok(1..) = reader.read_buf(&mut received).await {
            received.clear();
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), last_words).await;
}

/// Writes what the connection takes; when all is written, pushes out what TLS holds back.
async fn write(
    writer: &mut WriteHalf<Stream>,
    unsent: &mut bytes::Bytes,
    unflushed: &mut bool,
) -> std::io::Result<()> {
    if unsent.is_empty() {
        writer.flush().await?;
        *unflushed = false;
        return Ok(());
    }
    let count = writer.write(unsent).await?;
    if count == 0 {
        return Err(std::io::ErrorKind::WriteZero.into());
    }
    unsent.advance(count);
    *unflushed = true;
    Ok(())
}

/// Runs what is due.
async fn keep_time(shared: Arc<Shared>) {
    loop {
        let deadline = shared.lock().relay.poll_timeout();
        let due = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => shared.with(|relay| relay.handle_timeout(Instant::now())),
            () = shared.agenda.notified() => {}
        }
    }
}
