//! RFB data on its way between an MSRP connection and a VNC program, or the application.

use super::file_transfer::ended;
use super::msrp_streams::{Teller, finish, tell_closed};
use crate::media::{
    MsrpCommand, MsrpEvent, RFB_PIECE, RFB_PIECES_GIVEN, RFB_PIECES_TOLD, RfbCommand, RfbContext, RfbEvent,
    RfbTask,
};
use crate::stream::RFB_TYPE;
use bytes::{Bytes, BytesMut};
use offhook_msrp::session::{CloseReason, Delivery, IncomingId, SessionEvent};
use offhook_msrp::tokio::{MsrpConnection, SessionHandle};
use offhook_msrp::{OutgoingMessage, SessionConfig};
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tracing::debug;

/// The largest message, in bytes: one that fits into a chunk is sent in its turn, so the data keeps its order. Others may
/// overtake each other.
const MESSAGE: usize = 2048;

/// How many messages may wait for their response. With 512 KiB on the way a link of 50 ms carries 10 MB a second, and a viewer
/// that takes 17 KiB a second still answers within the 30 s of RFC 4975 §7.1.1.
const UNANSWERED: usize = 256;

/// With how many bytes waiting to be written nothing more is read from the VNC program.
const QUEUED_BYTES: u64 = 256 * 1024;

/// With how many bytes waiting to be taken the peer has to wait.
const INBOX_BYTES: u64 = 256 * 1024;

/// How much of the peer's data is kept for a VNC program that is not connected yet: the first words of RFB are few.
const EARLY_BYTES: usize = 64 * 1024;

/// How much is read from a VNC program at a time.
const READ: usize = 64 * 1024;

/// Small queues, so that a slow viewer slows the server down, and what it sees is not old.
pub(super) fn configure(config: &mut SessionConfig) {
    config.delivery = Delivery::Pieces;
    config.unanswered = UNANSWERED;
    config.queued_bytes = QUEUED_BYTES;
    config.inbox_bytes = INBOX_BYTES;
    config.unread_timeout = None; // a viewer may pause as long as it likes
}

/// What a desktop stream is for on this side.
pub(super) struct Desktop {
    pub(super) task: RfbTask,
    /// Where the viewer shall come.
    pub(super) viewer: Option<std::net::TcpListener>,
}

/// How the sharing of a desktop ends.
enum Over {
    /// By its session.
    Ended,
    /// By the peer.
    Closed(String),
    /// With the connection.
    Lost(CloseReason),
    /// By the VNC program.
    Failed(RfbContext, String),
}

/// Carries a desktop over its connection until one of the three ends it.
pub(super) async fn share_desktop(
    teller: &Teller,
    mut connection: MsrpConnection,
    mut commands: mpsc::Receiver<MsrpCommand>,
    desktop: Desktop,
) {
    let over = match desktop.task {
        RfbTask::Application => with_application(teller, &mut connection, &mut commands).await,
        _ => with_program(teller, &mut connection, &mut commands, desktop).await,
    };
    match over {
        Over::Ended => return finish(connection).await,
        Over::Closed(reason) => tell_closed(teller, &mut commands, reason).await,
        Over::Lost(reason) => tell_closed(teller, &mut commands, teller.why(&reason)).await,
        Over::Failed(context, reason) => {
            teller
                .tell(MsrpEvent::Rfb(RfbEvent::Failed { context, reason }))
                .await;
        }
    }
    ended(&mut commands).await;
    finish(connection).await;
}

/// The VNC viewer or server is a program of its own.
async fn with_program(
    teller: &Teller,
    connection: &mut MsrpConnection,
    commands: &mut mpsc::Receiver<MsrpCommand>,
    desktop: Desktop,
) -> Over {
    let name = match desktop.task {
        RfbTask::Server { .. } => "the VNC server",
        _ => "the VNC viewer",
    };
    let mut incoming = Incoming::default();
    let connected = tokio::select! {
        connected = connect(desktop) => connected,
        over = incoming.gather(connection) => return over,
        () = ended(commands) => return Over::Ended,
    };
    let (stream, address) = match connected {
        Ok(connected) => connected,
        Err(reason) => return Over::Failed(RfbContext::Connecting, reason),
    };
    let connected = RfbEvent::Connected { address };
    teller.tell(MsrpEvent::Rfb(connected)).await;
    let (reader, writer) = stream.into_split();
    let handle = connection.handle().clone();
    tokio::select! {
        over = to_program(incoming, connection, writer, name) => over,
        over = from_program(reader, &handle, name) => over,
        () = ended(commands) => Over::Ended,
    }
}

async fn connect(desktop: Desktop) -> Result<(TcpStream, SocketAddr), String> {
    let connecting = async {
        match (&desktop.task, desktop.viewer) {
            (RfbTask::Server { address, .. }, _) => {
                let stream = TcpStream::connect(address.as_str()).await?;
                let remote = stream.peer_addr()?;
                Ok((stream, remote))
            }
            (_, Some(listener)) => tokio::net::TcpListener::from_std(listener)?.accept().await,
            (_, None) => Err(io::ErrorKind::NotConnected.into()),
        }
    };
    let (limit, what) = match &desktop.task {
        RfbTask::Server { address, timeout } => (*timeout, format!("the VNC server at {address}")),
        RfbTask::Viewer(timeout) => (*timeout, "a VNC viewer".to_owned()),
        RfbTask::Application => (Duration::ZERO, "the application".to_owned()),
    };
    let (stream, address) = match timeout(limit, connecting).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => return Err(format!("no connection with {what}: {error}")),
        Err(_) => return Err(format!("no connection with {what} within {limit:?}")),
    };
    // What is typed and moved is small, and wants to be seen at once.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "small packets will wait for each other");
    }
    Ok((stream, address))
}

/// The peer's data in its order.
#[derive(Default)]
struct Incoming {
    /// Came before there was somebody to take it.
    early: VecDeque<Bytes>,
    early_bytes: usize,
    /// The message that is not complete, and how much of it came.
    open: Option<(IncomingId, u64)>,
}

impl Incoming {
    /// Keeps what comes before there is somebody to take it; returns when the peer leaves.
    async fn gather(&mut self, connection: &mut MsrpConnection) -> Over {
        while self.early_bytes < EARLY_BYTES {
            match self.receive(connection).await {
                Ok(data) => {
                    self.early_bytes += data.len();
                    self.early.push_back(data);
                }
                Err(over) => return over,
            }
        }
        pending().await
    }

    /// The next piece.
    async fn next(&mut self, connection: &mut MsrpConnection) -> Result<Bytes, Over> {
        match self.early.pop_front() {
            Some(data) => Ok(data),
            None => self.receive(connection).await,
        }
    }

    async fn receive(&mut self, connection: &mut MsrpConnection) -> Result<Bytes, Over> {
        loop {
            match connection.next_event().await {
                Some(SessionEvent::MessageData { message, at, data }) => {
                    let expected = self.open.map_or((message, 0), |open| open);
                    if expected != (message, at) {
                        let reason = "the other side sends the desktop's data out of order";
                        return Err(Over::Closed(reason.to_owned()));
                    }
                    self.open = Some((message, at + data.len() as u64));
                    if !data.is_empty() {
                        return Ok(data);
                    }
                }
                Some(SessionEvent::MessageEnded { message, .. }) => {
                    self.open.take_if(|(open, _)| *open == message);
                }
                Some(SessionEvent::MessageAborted { .. }) => {
                    let reason = "the other side gave up in the middle of the desktop's data";
                    return Err(Over::Closed(reason.to_owned()));
                }
                Some(SessionEvent::SendFailed { status, .. }) => {
                    return Err(Over::Closed(format!(
                        "the other side does not take the desktop's data: {status}"
                    )));
                }
                Some(SessionEvent::Closed(reason)) => return Err(Over::Lost(reason)),
                Some(_) => {}
                None => return Err(Over::Closed("the connection ended".to_owned())),
            }
        }
    }
}

/// From the peer to the VNC program. While that does not read, nothing is taken from the connection.
async fn to_program(
    mut incoming: Incoming,
    connection: &mut MsrpConnection,
    mut writer: impl AsyncWrite + Unpin,
    name: &str,
) -> Over {
    loop {
        let data = match incoming.next(connection).await {
            Ok(data) => data,
            Err(over) => return over,
        };
        if let Err(error) = writer.write_all(&data).await {
            return Over::Failed(RfbContext::Sending, format!("{name} is gone: {error}"));
        }
    }
}

/// From the VNC program to the peer. While the peer does not read, nothing is taken from the program.
async fn from_program(mut reader: impl AsyncRead + Unpin, handle: &SessionHandle, name: &str) -> Over {
    let mut data = BytesMut::with_capacity(READ);
    loop {
        match reader.read_buf(&mut data).await {
            Ok(1..) => {}
            Ok(_) => {
                let reason = format!("{name} closed its connection");
                return Over::Failed(RfbContext::Reading, reason);
            }
            Err(error) => return Over::Failed(RfbContext::Reading, format!("{name} is gone: {error}")),
        }
        send(handle, data.split().freeze()).await;
        data.reserve(READ);
    }
}

/// Sends data, as soon as there is room for it. Never returns once the connection takes nothing more: its events tell why.
async fn send(handle: &SessionHandle, mut data: Bytes) {
    while !data.is_empty() {
        let piece = data.split_to(data.len().min(MESSAGE));
        let message = OutgoingMessage::new(RFB_TYPE, piece);
        if let Err(error) = handle.send(message).await {
            debug!(%error, "a desktop's data has nowhere to go");
            return pending().await;
        }
    }
}

/// The application is the viewer or the server.
async fn with_application(
    teller: &Teller,
    connection: &mut MsrpConnection,
    commands: &mut mpsc::Receiver<MsrpCommand>,
) -> Over {
    let (given, to_send) = mpsc::channel(RFB_PIECES_GIVEN);
    let room = Semaphore::new(RFB_PIECES_TOLD);
    let handle = connection.handle().clone();
    tokio::select! {
        over = to_application(teller, connection, &room) => over,
        over = from_application(teller, to_send, &handle) => over,
        over = obey(commands, &given, &room) => over,
    }
}

/// From the peer to the application, no faster than it takes the pieces.
async fn to_application(teller: &Teller, connection: &mut MsrpConnection, room: &Semaphore) -> Over {
    let mut incoming = Incoming::default();
    loop {
        let mut data = match incoming.next(connection).await {
            Ok(data) => data,
            Err(over) => return over,
        };
        while !data.is_empty() {
            // The semaphore is never closed.
            if let Ok(permit) = room.acquire().await {
                permit.forget();
            }
            let piece = data.split_to(data.len().min(RFB_PIECE));
            // A piece that is kept does not keep all that was read with it.
            let piece = Bytes::copy_from_slice(&piece);
            teller.tell(MsrpEvent::Rfb(RfbEvent::Data(piece))).await;
        }
    }
}

/// From the application to the peer.
async fn from_application(
    teller: &Teller,
    mut to_send: mpsc::Receiver<Bytes>,
    handle: &SessionHandle,
) -> Over {
    while let Some(data) = to_send.recv().await {
        send(handle, data).await;
        teller.tell(MsrpEvent::Rfb(RfbEvent::Sent)).await;
    }
    pending().await
}

/// Does what the session says until it ends the stream.
async fn obey(
    commands: &mut mpsc::Receiver<MsrpCommand>,
    given: &mpsc::Sender<Bytes>,
    room: &Semaphore,
) -> Over {
    while let Some(command) = commands.recv().await {
        match command {
            MsrpCommand::Rfb(RfbCommand::Taken) => room.add_permits(1),
            MsrpCommand::Rfb(RfbCommand::Send(data)) => {
                if given.try_send(data).is_err() {
                    let reason = "more was given than is allowed".to_owned();
                    return Over::Failed(RfbContext::Reading, reason);
                }
            }
            command => debug!(?command, "not for a desktop"),
        }
    }
    Over::Ended
}
