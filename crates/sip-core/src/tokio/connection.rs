//! The task of one connection: bytes to messages, messages to bytes, and who is silent for too long.

use super::connection_config::ConnectionConfig;
#[cfg(feature = "tls")]
use super::protocol::proven_domains;
use super::protocol::{Link, Protocol, Wanted, failure};
use super::watch::{Due, Watch};
#[cfg(feature = "websocket")]
use super::websocket::{self, Frame, WebSocketStream};
use crate::ParseError;
use crate::endpoint::TransportFailure;
use crate::parse::{Cut, Framer};
use bytes::Bytes;
#[cfg(feature = "websocket")]
use futures_util::{Stream, StreamExt};
use offhook_sansio::{Entropy, Path, Received};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// How much is read at a time, in bytes: two usual messages.
const READ_BYTES: usize = 4096;

/// RFC 5626 §4.4.1.
const PING: Bytes = Bytes::from_static(b"\r\n\r\n");
const PONG: Bytes = Bytes::from_static(b"\r\n");

/// How long what was said last may take to reach a peer whose connection is being closed.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What connections and listeners tell their table.
#[derive(Debug)]
pub(super) enum News {
    Accepted {
        stream: TcpStream,
        listener: u64,
        remote: SocketAddr,
    },
    Message {
        id: u64,
        received: Received,
    },
    /// Of an accepted connection: whom the client's certificate names.
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS has certificates"))]
    Authenticated {
        id: u64,
        path: Path,
        identities: Vec<String>,
    },
    Closed {
        id: u64,
        path: Path,
        failure: TransportFailure,
    },
}

/// How a connection comes to be.
#[derive(Debug)]
pub(super) enum Opening {
    Accepted(TcpStream),
    /// To be opened, from this address of ours if it matters.
    ToServer(Wanted, Option<IpAddr>),
}

/// Between which times pings go to a peer that must answer them (RFC 5626 §4.4.1); `None` as long as nobody has said.
pub(super) type Pinging = Option<RangeInclusive<Duration>>;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) path: Path,
    pub(super) protocol: Protocol,
    pub(super) config: ConnectionConfig,
    pub(super) news: mpsc::Sender<News>,
    /// The queue's other end is the table's, so that the connection ends with it.
    pub(super) queue: mpsc::WeakSender<Bytes>,
    /// How it is kept alive, where a server counts on it.
    pub(super) pinging: watch::Receiver<Pinging>,
    pub(super) entropy: Entropy,
}

/// Why nothing more is read.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("closed by the peer")]
    ByPeer,
    #[error("{0}")]
    System(#[from] io::Error),
    #[error("{0}")]
    Silence(&'static str),
    #[error("no SIP: {0}")]
    Malformed(ParseError),
    #[error("the driver has ended")]
    DriverGone,
}

impl From<End> for TransportFailure {
    fn from(end: End) -> Self {
        match end {
            End::ByPeer | End::DriverGone => Self::Closed,
            End::System(error) => failure(&error),
            End::Silence(reason) => Self::Silent(reason),
            End::Malformed(_) => Self::Malformed,
        }
    }
}

impl Connection {
    pub(super) async fn run(self, opening: Opening, queue: mpsc::Receiver<Bytes>) {
        let is_ours = matches!(opening, Opening::ToServer(..));
        let link = match self.open(opening).await {
            Ok(link) => link,
            Err(failure) => {
                tracing::debug!(path = %self.path, %failure, "cannot connect");
                return self.closed(failure).await;
            }
        };
        match link {
            Link::Tcp(stream) => {
                let (reading, writing) = stream.into_split();
                self.serve(reading, writing, queue, is_ours).await;
            }
            #[cfg(feature = "tls")]
            Link::Tls(stream) => {
                if !is_ours {
                    self.authenticated(proven_domains(&stream)).await;
                }
                let (reading, writing) = tokio::io::split(stream);
                self.serve(reading, writing, queue, is_ours).await;
            }
            #[cfg(feature = "websocket")]
            Link::Ws(stream) => self.serve_frames(*stream, queue, is_ours).await,
            #[cfg(feature = "websocket")]
            Link::Wss(stream) => self.serve_frames(*stream, queue, is_ours).await,
        }
    }

    async fn serve(
        mut self,
        mut reading: impl AsyncRead + Unpin,
        writing: impl AsyncWrite + Unpin,
        queue: mpsc::Receiver<Bytes>,
        is_ours: bool,
    ) {
        let mut written = pin!(write(writing, queue, self.config.write_timeout));
        let end = tokio::select! {
            end = self.read(&mut reading, is_ours) => end,
            result = &mut written => return self.unwritable(result).await,
        };
        let is_refused = matches!(end, End::Malformed(_));
        self.ended(end).await;
        // The table has let go of the queue: what is in it is written, then the stream is closed.
        let _ = timeout(LINGER, written).await;
        if is_refused {
            // Closing on unread bytes would reset the connection, and the refusal be lost.
            let _ = timeout(LINGER, discard(reading)).await;
        }
    }

    /// The same for frames.
    #[cfg(feature = "websocket")]
    async fn serve_frames<S: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        stream: WebSocketStream<S>,
        queue: mpsc::Receiver<Bytes>,
        is_ours: bool,
    ) {
        let (sink, mut frames) = stream.split();
        let mut written = pin!(websocket::write(sink, queue, PING, self.config.write_timeout));
        let frames = (&mut frames).map(|frame| frame.map(Frame::from).map_err(io::Error::other));
        let end = tokio::select! {
            end = self.read_frames(frames, is_ours) => end,
            result = &mut written => return self.unwritable(result).await,
        };
        self.ended(end).await;
        let _ = timeout(LINGER, written).await;
    }

    #[cfg(feature = "tls")]
    async fn authenticated(&self, identities: Vec<String>) {
        let (id, path) = (self.id, self.path);
        if !identities.is_empty() {
            // Without a table nobody needs to know.
            let news = News::Authenticated { id, path, identities };
            let _ = self.news.send(news).await;
        }
    }

    async fn unwritable(&self, result: io::Result<()>) {
        tracing::debug!(path = %self.path, ?result, "a connection is not written to any more");
        let failure = result.err().map_or(TransportFailure::Closed, |error| {
            if error.kind() == io::ErrorKind::TimedOut {
                TransportFailure::Silent("it takes nothing")
            } else {
                failure(&error)
            }
        });
        self.closed(failure).await;
    }

    async fn ended(&self, end: End) {
        tracing::debug!(path = %self.path, %end, "a connection ends");
        self.closed(end.into()).await;
    }

    async fn closed(&self, failure: TransportFailure) {
        let (id, path) = (self.id, self.path);
        // Without a table nobody needs to know.
        let _ = self.news.send(News::Closed { id, path, failure }).await;
    }

    async fn open(&self, opening: Opening) -> Result<Link, TransportFailure> {
        match opening {
            Opening::Accepted(stream) => {
                stream.set_nodelay(true)?;
                self.protocol.accept(stream, &self.config).await
            }
            Opening::ToServer(wanted, source) => {
                let patience = self.config.connect_timeout;
                let stream = timeout(patience, self.connect(source))
                    .await
                    .map_err(|_| TransportFailure::ConnectTimeout(patience))??;
                self.protocol.connect(stream, &wanted, &self.config).await
            }
        }
    }

    async fn connect(&self, source: Option<IpAddr>) -> io::Result<TcpStream> {
        let socket = if self.path.remote.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(self.path.remote).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin), is_ours: bool) -> End {
        let mut framer = Framer::new(self.config.parse);
        let mut watch = Watch::new(Instant::now(), is_ours, &self.config, &mut self.entropy);
        loop {
            if let Err(end) = self.take_messages(&mut framer, &mut watch).await {
                return end;
            }
            framer.buffer().reserve(READ_BYTES);
            let (at, due) = watch.next();
            tokio::select! {
                read = stream.read_buf(framer.buffer()) => match read {
                    Ok(0) => return End::ByPeer,
                    Ok(_) => watch.heard(Instant::now()),
                    Err(error) => return error.into(),
                },
                pinging = told(&mut self.pinging) => watch.keep_alive(pinging, Instant::now(), &mut self.entropy),
                () = sleep_until(at) => match due {
                    Due::Ping => self.ping(&mut watch),
                    Due::Close(reason) => return End::Silence(reason),
                },
            }
        }
    }

    #[cfg(feature = "websocket")]
    async fn read_frames(
        &mut self,
        mut frames: impl Stream<Item = io::Result<Frame>> + Unpin,
        is_ours: bool,
    ) -> End {
        let mut watch = Watch::new(Instant::now(), is_ours, &self.config, &mut self.entropy);
        loop {
            let (at, due) = watch.next();
            tokio::select! {
                frame = frames.next() => {
                    watch.heard(Instant::now());
                    match frame {
                        None | Some(Ok(Frame::Close)) => return End::ByPeer,
                        Some(Ok(Frame::Ping)) => self.send(PONG),
                        Some(Ok(Frame::Pong)) => watch.ponged(),
                        Some(Ok(Frame::Message(bytes))) => match self.hand_on(bytes).await {
                            Ok(()) => watch.got_message(),
                            Err(end) => return end,
                        },
                        Some(Err(error)) => return error.into(),
                    }
                }
                pinging = told(&mut self.pinging) => watch.keep_alive(pinging, Instant::now(), &mut self.entropy),
                () = sleep_until(at) => match due {
                    Due::Ping => self.ping(&mut watch),
                    Due::Close(reason) => return End::Silence(reason),
                },
            }
        }
    }

    fn ping(&mut self, watch: &mut Watch) {
        self.send(PING);
        watch.pinged(Instant::now(), &mut self.entropy);
    }

    async fn hand_on(&self, bytes: Bytes) -> Result<(), End> {
        let path = self.path;
        let message = News::Message {
            id: self.id,
            received: Received { path, bytes },
        };
        self.news.send(message).await.map_err(|_| End::DriverGone)
    }

    /// Hands on all that has arrived whole.
    async fn take_messages(&mut self, framer: &mut Framer, watch: &mut Watch) -> Result<(), End> {
        let mut is_pinged = false;
        loop {
            match framer.next_cut() {
                Ok(Cut::Incomplete { .. }) => break,
                Ok(Cut::Ping) => is_pinged = true,
                Ok(Cut::Pong) => watch.ponged(),
                Ok(Cut::Message(bytes)) => {
                    self.hand_on(bytes).await?;
                    watch.got_message();
                }
                Err(error) => {
                    let tag = self.entropy.hex(16);
                    if let Some((_, refusal)) = error.reply(self.path.remote, &tag) {
                        self.send(refusal.to_bytes());
                    }
                    return Err(End::Malformed(error));
                }
            }
        }
        // One answer to all pings that came together: who does not read them cannot fill the queue.
        if is_pinged {
            self.send(PONG);
        }
        watch.set_mid_message(Instant::now(), framer.is_mid_message());
        Ok(())
    }

    /// Lets the writer say something of ours; where it is that far behind, it is lost.
    fn send(&self, bytes: Bytes) {
        if let Some(queue) = self.queue.upgrade() {
            let _ = queue.try_send(bytes);
        }
    }
}

/// How the connection is kept alive, once that is another way than before.
async fn told(pinging: &mut watch::Receiver<Pinging>) -> RangeInclusive<Duration> {
    while pinging.changed().await.is_ok() {
        if let Some(interval) = pinging.borrow_and_update().clone() {
            return interval;
        }
    }
    // The table has let go of the connection, which ends by itself.
    std::future::pending().await
}

/// Writes until nobody can have more to write, and says so to the peer.
async fn write(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Bytes>,
    patience: Duration,
) -> io::Result<()> {
    while let Some(bytes) = queue.recv().await {
        let writing = async {
            stream.write_all(&bytes).await?;
            // TLS may keep a part of a record until it is asked for.
            stream.flush().await
        };
        timeout(patience, writing).await??;
    }
    stream.shutdown().await
}

async fn discard(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; READ_BYTES];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}
