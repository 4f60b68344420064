//! The task of one connection: bytes to messages, messages to bytes, and who is silent for too long.

use super::connection_config::ConnectionConfig;
use super::watch::{Due, Watch};
use crate::ParseError;
use crate::parse::{Cut, Framer};
use bytes::Bytes;
use offhook_sansio::{Entropy, Path, Received};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
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
        local: SocketAddr,
        remote: SocketAddr,
    },
    Message {
        id: u64,
        received: Received,
    },
    Closed {
        id: u64,
        path: Path,
    },
}

/// How a connection comes to be.
#[derive(Debug)]
pub(super) enum Opening {
    Accepted(TcpStream),
    /// To be opened, from this address of ours if it matters.
    From(Option<IpAddr>),
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) path: Path,
    pub(super) config: ConnectionConfig,
    pub(super) news: mpsc::Sender<News>,
    /// The queue's other end is the table's, so that the connection ends with it.
    pub(super) queue: mpsc::WeakSender<Bytes>,
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

impl Connection {
    pub(super) async fn run(mut self, opening: Opening, queue: mpsc::Receiver<Bytes>) {
        let is_ours = matches!(opening, Opening::From(_));
        let stream = match self.open(opening).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(path = %self.path, %error, "cannot connect");
                return self.closed().await;
            }
        };
        let (mut reading, writing) = stream.into_split();
        let mut written = pin!(write(writing, queue, self.config.write_timeout));
        let end = tokio::select! {
            end = self.read(&mut reading, is_ours) => end,
            result = &mut written => {
                tracing::debug!(path = %self.path, ?result, "a connection is not written to any more");
                return self.closed().await;
            }
        };
        tracing::debug!(path = %self.path, %end, "a connection ends");
        self.closed().await;
        // The table has let go of the queue: what is in it is written, then the stream is closed.
        let _ = timeout(LINGER, written).await;
        if matches!(end, End::Malformed(_)) {
            // Closing on unread bytes would reset the connection, and the refusal be lost.
            let _ = timeout(LINGER, discard(reading)).await;
        }
    }

    async fn closed(&self) {
        let (id, path) = (self.id, self.path);
        // Without a table nobody needs to know.
        let _ = self.news.send(News::Closed { id, path }).await;
    }

    async fn open(&self, opening: Opening) -> io::Result<TcpStream> {
        let stream = match opening {
            Opening::Accepted(stream) => stream,
            Opening::From(source) => {
                let socket = if self.path.remote.is_ipv4() {
                    TcpSocket::new_v4()?
                } else {
                    TcpSocket::new_v6()?
                };
                if let Some(source) = source {
                    socket.bind(SocketAddr::new(source, 0))?;
                }
                let connecting = socket.connect(self.path.remote);
                timeout(self.config.connect_timeout, connecting).await??
            }
        };
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
                () = sleep_until(at) => match due {
                    Due::Ping => {
                        self.send(PING);
                        watch.pinged(Instant::now(), &mut self.entropy);
                    }
                    Due::Close(reason) => return End::Silence(reason),
                },
            }
        }
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
                    let received = Received {
                        path: self.path,
                        bytes,
                    };
                    let message = News::Message {
                        id: self.id,
                        received,
                    };
                    self.news.send(message).await.map_err(|_| End::DriverGone)?;
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

/// Writes until nobody can have more to write, and says so to the peer.
async fn write(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Bytes>,
    patience: Duration,
) -> io::Result<()> {
    while let Some(bytes) = queue.recv().await {
        timeout(patience, stream.write_all(&bytes)).await??;
    }
    stream.shutdown().await
}

async fn discard(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; READ_BYTES];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}
