//! What message streams and the media side say to each other.

use super::StreamId;
use super::rfb::{RfbCommand, RfbEvent, RfbTask};
use offhook_msrp::chunk::StatusCode;
use offhook_msrp::fingerprint::Fingerprint;
use offhook_msrp::nickname::Nickname;
use offhook_msrp::session::Message;
use offhook_msrp::{MsrpPath, OutgoingMessage, SessionConfig};
use offhook_sdp::attribute::FileHash;
use std::any::Any;
use std::fmt;
use std::path::PathBuf;

/// The MSRP end that was opened for a stream: it listens already, for the peer may connect as soon as it knows the path; or it has a
/// place at a relay.
#[derive(Clone, Debug)]
pub struct LocalMsrp {
    /// The stream's name from now on.
    pub stream: StreamId,
    /// Where messages are received: the value of `a=path` (RFC 4975 §8.2), as it is without TLS. At a relay, as the relay has it.
    pub path: MsrpPath,
    /// Which certificate it shows in TLS: the value of `a=fingerprint`. `None` where it knows no TLS, and at a relay, which shows
    /// its own.
    pub fingerprint: Option<Fingerprint>,
}

/// A place at our relay that was got before the offer, which names it (RFC 4976 §5.1): the path, and the connection to the relay,
/// that only whoever made it can use.
pub struct RelayPlace {
    path: MsrpPath,
    connection: Box<dyn Any + Send>,
}

impl RelayPlace {
    /// A place with this path, and whatever the [`MediaPlane`](super::MediaPlane) needs to use it.
    pub fn new(path: MsrpPath, connection: impl Any + Send) -> Self {
        let connection = Box::new(connection);
        Self { path, connection }
    }

    /// Our path: the relay's URI before our own.
    pub fn path(&self) -> &MsrpPath {
        &self.path
    }

    /// What the place was made with; `None` when that was something else.
    pub fn into_connection<T: Any>(self) -> Option<Box<T>> {
        self.connection.downcast().ok()
    }
}

impl fmt::Debug for RelayPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayPlace({})", self.path)
    }
}

/// Which end opens the connection (RFC 6135 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionRole {
    /// We connect.
    Active,
    /// We wait for the peer.
    Passive,
}

/// What a message stream wants of the media side.
#[derive(Debug)]
pub enum MsrpCommand {
    /// Connect, or take the peer's connection, and begin.
    Start(Box<MsrpStart>),
    /// Send a message. Its fate comes with the Message-ID that it was given.
    Send(Box<OutgoingMessage>, String),
    /// Ask the chat room for a nickname; [`MsrpEvent::NicknameAnswered`] tells the outcome.
    RequestNickname(Nickname),
    /// Report a message as delivered, where its sender wants to know. Not before the session has told it: the sender may
    /// say goodbye as soon as it has the report.
    Report(Box<Message>),
    /// Report what became of the file that was received. Not before the session knows of it: the sender may say goodbye as
    /// soon as it has the report.
    ReportFile,
    /// Take nothing more from the peer of a conversation, which has to wait: the application does not read.
    Pause,
    /// Go on.
    Resume,
    /// For a shared desktop.
    Rfb(RfbCommand),
}

/// What was negotiated for a message stream.
#[derive(Debug)]
pub struct MsrpStart {
    /// Both paths, and what is accepted; with TLS also the fingerprints that the peer's certificate has to have.
    pub config: SessionConfig,
    /// Whether the connection is protected by TLS.
    pub is_secure: bool,
    /// Who connects.
    pub role: ConnectionRole,
    /// What is to be done besides messages.
    pub task: MsrpTask,
}

/// What the media side does by itself on the connection of a message stream, so that a file never passes through
/// the signalling side.
#[derive(Clone, Debug)]
pub enum MsrpTask {
    /// Nothing: messages are told and taken one by one.
    Messages,
    /// Sends one file, then closes.
    SendFile(FileToSend),
    /// Receives one file.
    ReceiveFile(FileToReceive),
    /// Carries a desktop between the connection and a VNC program, or the application.
    ShareDesktop(RfbTask),
}

/// A file to send.
#[derive(Clone, Debug)]
pub struct FileToSend {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size, as it was offered: one that differs by now is a failure.
    pub size: u64,
    /// The first byte to send: the receiver has those before it.
    pub start: u64,
    /// Its media type.
    pub content_type: String,
}

/// A file to receive.
#[derive(Clone, Debug)]
pub struct FileToReceive {
    /// The folder that it shall lie in. It must exist.
    pub directory: PathBuf,
    /// Its name: one without any path, already made safe.
    pub name: String,
    /// Its size, where it was told.
    pub size: Option<u64>,
    /// Its hashes, where they were told: SHA-1 and SHA-256 are checked.
    pub hashes: Vec<FileHash>,
    /// Whether what comes is kept when the connection breaks, so that another try goes on from there. Only where the size and a
    /// hash were told.
    pub can_resume: bool,
    /// The first byte that the sender was asked for: those before it are here, from a try that broke off.
    pub start: u64,
}

/// What the media side tells of a message stream.
#[derive(Debug)]
pub enum MsrpEvent {
    /// The connection is bound to the session: messages flow.
    Ready,
    /// A message arrived.
    Message(Box<Message>),
    /// A message was taken by the peer, as far as its Failure-Report tells.
    Sent {
        /// Which.
        message_id: String,
    },
    /// The peer reports that the message was delivered.
    Delivered {
        /// Which.
        message_id: String,
    },
    /// A message was not taken, or not delivered.
    NotDelivered {
        /// Which.
        message_id: String,
        /// The peer's status, a relay's, or 408.
        status: u16,
        /// In words.
        reason: String,
    },
    /// The answer to the request for a nickname (RFC 7701 §7.1).
    NicknameAnswered {
        /// Which was asked for.
        nickname: Nickname,
        /// 200 when it is ours; 424 and 425 say that it is malformed or taken.
        status: StatusCode,
    },
    /// The file goes on where an earlier try broke off.
    FileResumed {
        /// The first byte that goes over.
        at: u64,
    },
    /// Bytes of the file went over so far.
    Progress {
        /// Acknowledged by, or received from, the peer.
        transferred: u64,
        /// All of it, where it is known.
        size: Option<u64>,
    },
    /// The file is over: sent and acknowledged, or received, checked and in its place.
    FileDone {
        /// Where it lies.
        path: PathBuf,
    },
    /// The file will not be complete.
    FileFailed {
        /// Why, in words for a person.
        reason: String,
    },
    /// Of a shared desktop.
    Rfb(RfbEvent),
    /// The connection is over, or was never bound.
    Closed {
        /// Why, in words for a person.
        reason: String,
    },
}
