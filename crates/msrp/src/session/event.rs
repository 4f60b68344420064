//! What a session tells its owner.

use crate::chunk::{ByteRange, Head, HeadError, StatusCode};
use crate::message::IncomingId;
use crate::nickname::Nickname;
use crate::relay::RelayError;
use crate::uri::MsrpPath;
use bytes::Bytes;

/// Names a message that was given to a session to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutgoingId(pub(crate) u64);

impl std::fmt::Display for OutgoingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a session tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The connection is bound to the session: messages flow.
    Ready,
    /// A complete message ([`Delivery::Collected`](super::Delivery::Collected)).
    Message(Message),
    /// A message begins ([`Delivery::Pieces`](super::Delivery::Pieces)).
    MessageBegan {
        /// Names it in what follows.
        message: IncomingId,
        /// The head of the chunk that told of it first.
        head: Head,
        /// Its size, when known.
        size: Option<u64>,
    },
    /// A piece of it. Pieces come as chunks come: nearly always in order, and where they overlap the later counts.
    MessageData {
        /// Which message.
        message: IncomingId,
        /// Where in it the piece belongs, from 0.
        at: u64,
        /// The bytes.
        data: Bytes,
    },
    /// It is complete.
    MessageEnded {
        /// Which message.
        message: IncomingId,
        /// How long it is.
        size: u64,
    },
    /// A message of which something was there will never be complete. Told with either [`Delivery`](super::Delivery), and when the
    /// session ends before its last event.
    MessageAborted {
        /// Which message: where messages are collected, nothing else was told of it.
        message: IncomingId,
        /// Why.
        reason: AbortReason,
    },
    /// Bytes of a message were taken by the peer. Told for messages of more than one chunk.
    SendProgress {
        /// Which message.
        message: OutgoingId,
        /// How many of its bytes were acknowledged.
        acknowledged: u64,
    },
    /// A streamed message can go on: more is to be supplied.
    WantsData {
        /// Which message.
        message: OutgoingId,
    },
    /// A message was sent, and as far as its Failure-Report tells the next hop took it: with `yes` all chunks were answered,
    /// with `partial` and `no` none was refused for 30 s, or while twice [`SessionConfig::unanswered`](super::SessionConfig::unanswered)
    /// such chunks were sent after it; with `no` that says nothing. Without a relay the next hop is the peer.
    /// With one, only a report of success tells that the peer has it; of failure a relay tells by
    /// [`SendFailed`](Self::SendFailed), which may come after this.
    SendDone {
        /// Which message.
        message: OutgoingId,
    },
    /// A message was refused, or not answered (408). Nothing more of it is sent. A report of failure may come late: it is
    /// understood of the 4096 messages that were answered last. One that says that bytes were lost on the way, and not that the
    /// receiver does not want them, ends the session as well ([`CloseReason::NotDelivered`]).
    SendFailed {
        /// Which message.
        message: OutgoingId,
        /// The peer's status, a relay's, or 408 made here.
        status: StatusCode,
    },
    /// A report of success: this range was delivered (RFC 4975 §7.3.2).
    Reported {
        /// Which message.
        message: OutgoingId,
        /// What was delivered, as the peer says; `None` is all of it.
        range: Option<ByteRange>,
        /// All of the message is delivered by now, counting in what
        /// [`starting_at`](crate::OutgoingMessage::starting_at) left out.
        complete: bool,
    },
    /// The peer asks for a nickname: answer by `MsrpSession::answer_nickname`. Told when
    /// [`SessionConfig::takes_nicknames`](super::SessionConfig::takes_nicknames) is set.
    NicknameWanted {
        /// The request.
        request: Head,
        /// The name.
        nickname: Nickname,
    },
    /// The answer to our request for a nickname: ours with 200; 424 and 425 say that it is malformed or taken, 408 that
    /// nobody answered (RFC 7701 §7.1).
    NicknameAnswered(StatusCode),
    /// Our relay renewed the place, and it is somewhere else now: tell the peer of this path by a new offer, and make the
    /// next session with it, before the old place expires (RFC 4976 §9.4).
    RelayMoved(MsrpPath),
    /// The session is over. Messages that were not told to be done or failed have an unknown outcome.
    Closed(CloseReason),
}

/// A complete message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The head of the chunk that completed it.
    pub head: Head,
    /// All bytes.
    pub body: Bytes,
}

/// Bodies below this are copied out of the buffer that the connection was read into, so that a short message that is
/// kept does not keep the whole buffer.
const DETACHED: usize = 16 * 1024;

impl Message {
    pub(super) fn detached(head: &Head, body: Bytes) -> Self {
        let body = if body.len() < DETACHED {
            Bytes::copy_from_slice(&body)
        } else {
            body
        };
        Self {
            head: head.detached(),
            body,
        }
    }

    /// Its Message-ID.
    pub fn message_id(&self) -> &str {
        self.head.message_id().unwrap_or_default()
    }

    /// Its Content-Type.
    pub fn content_type(&self) -> &str {
        self.head.content_type().unwrap_or_default()
    }
}

/// Why an incoming message will not be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortReason {
    /// The sender gave it up.
    BySender,
    /// The owner refused it.
    ByOwner,
    /// It broke a rule or a limit, and was refused with this status.
    Refused(StatusCode),
    /// The session ended in the middle of it.
    SessionEnded,
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The owner closed it, and all that was queued was sent and, where that must be, answered.
    #[error("closed by its owner")]
    ByOwner,
    /// The connection ended.
    #[error("the connection ended")]
    ConnectionLost,
    /// The connection was not bound in time.
    #[error("not bound in time")]
    BindTimeout,
    /// The peer refused to bind the connection.
    #[error("refused with {}", .0.in_words())]
    BindRefused(StatusCode),
    /// The peer does not know the session any more: it answered a message with 481 (RFC 4975 §10.8).
    #[error("the peer knows nothing of the session any more (481)")]
    Unknown,
    /// A report of failure says that bytes of a message of ours did not arrive. The session has failed then (RFC 4975 §7.2):
    /// negotiate another, and send the message there. A report of 400, 403, 413, 415 or 501 refuses its message alone.
    #[error("bytes were lost on the way to the peer: {}", .0.in_words())]
    NotDelivered(StatusCode),
    /// An empty request was not answered, or refused.
    #[error("an empty request was answered with {}, or not at all", .0.in_words())]
    KeepAliveFailed(StatusCode),
    /// A chunk stood still, or a head took too long.
    #[error("the peer stood still inside of a chunk")]
    Stalled,
    /// The peer read nothing of what was written to it ([`SessionConfig::unread_timeout`](crate::SessionConfig::unread_timeout)).
    #[error("the peer reads nothing")]
    Unread,
    /// The peer sent something that is no chunk.
    #[error("the peer sent something that is no chunk: {0}")]
    Unintelligible(HeadError),
    /// The peer went on with what was refused.
    #[error("the peer went on with what was refused")]
    Flood,
    /// Our relay did not renew the place.
    #[error("our relay did not renew the place: {0}")]
    Relay(RelayError),
}
