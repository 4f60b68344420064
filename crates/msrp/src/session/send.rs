//! What the owner wants sent.

use super::{MsrpSession, OutgoingId, State, Tracked};
use crate::chunk::{BadField, Continuation, FieldName, HeadWriter, Method, TransactionIds, is_media_type};
use crate::nickname::Nickname;
use crate::outbound::{NotSupplied, OutgoingMessage};
use crate::transaction::What;
use bytes::Bytes;
use std::time::Instant;

impl MsrpSession {
    /// Queues a message.
    ///
    /// # Errors
    /// When the session closes, the queue is full, or the message has fields that cannot be written, or the Message-ID of one
    /// that is still being sent.
    pub fn send(&mut self, message: OutgoingMessage) -> Result<OutgoingId, SendError> {
        if matches!(self.state, State::Closing | State::Closed) {
            return Err(SendError::Closing);
        }
        check(&message)?;
        self.check_room()?;
        if let Some(id) = &message.message_id
            && self.is_under_way(id)
        {
            return Err(SendError::IdInUse);
        }
        let made = self.message_ids.next_id();
        let key = TransactionIds::number_of(&made).unwrap_or_default();
        let message_id = message
            .message_id
            .clone()
            .unwrap_or_else(|| made.as_str().to_owned());
        let size = message.size();
        self.tracked
            .insert(key, Tracked::new(&message_id, &message, size));
        self.outbound.push(key, &message_id, message);
        Ok(OutgoingId(key))
    }

    /// Chunks of two messages under one Message-ID would be taken for one message (RFC 4975 §7.1.1).
    fn is_under_way(&self, message_id: &str) -> bool {
        let mut tracked = self.tracked.values();
        tracked.any(|tracked| tracked.has_id(message_id)) || self.outbound.has(message_id)
    }

    /// Whether another message would be taken now.
    ///
    /// # Errors
    /// [`SendError::QueueFull`] or [`SendError::BytesFull`] when too much waits already.
    pub fn check_room(&self) -> Result<(), SendError> {
        if self.tracked.len() >= self.config.queued {
            Err(SendError::QueueFull(self.config.queued))
        } else if self.outbound.is_full() {
            Err(SendError::BytesFull(self.outbound.waiting()))
        } else {
            Ok(())
        }
    }

    /// Supplies the next bytes of a streamed message, as [`SessionEvent::WantsData`](super::SessionEvent::WantsData) asks for.
    ///
    /// # Errors
    /// When there is no such message any more, or the bytes go beyond the size that was told; and
    /// [`SendError::BytesFull`] when too much waits already: then they are asked for again.
    pub fn supply(&mut self, message: OutgoingId, data: Bytes) -> Result<(), SendError> {
        let supplied = self.outbound.supply(message.0, data);
        supplied.map_err(|refused| match refused {
            NotSupplied::Unwanted => SendError::NotTaken,
            NotSupplied::Full => SendError::BytesFull(self.outbound.waiting()),
        })
    }

    /// Says that a streamed message was supplied in full.
    ///
    /// # Errors
    /// When there is no such message any more, or it is not as long as was told.
    pub fn finish(&mut self, message: OutgoingId) -> Result<(), SendError> {
        if self.outbound.finish(message.0) {
            Ok(())
        } else {
            Err(SendError::NotTaken)
        }
    }

    /// Gives up a message that is being sent; the receiver is told by an end-line with `#`. Nothing more is told of it.
    pub fn abort(&mut self, message: OutgoingId) {
        self.outbound.abort(message.0, true);
        self.tracked.remove(&message.0);
        self.reportable.remove(&message.0);
    }

    /// Gives up all that is being sent or waits for it, as [`abort`](Self::abort) does, so that the session can be closed at once.
    pub fn abort_all(&mut self) {
        for message in std::mem::take(&mut self.tracked).into_keys() {
            self.outbound.abort(message, true);
        }
    }

    /// Asks the chat room for a nickname; [`SessionEvent::NicknameAnswered`](super::SessionEvent::NicknameAnswered) tells the outcome (RFC 7701 §7.1).
    ///
    /// # Errors
    /// When the session is not active.
    pub fn request_nickname(&mut self, now: Instant, nickname: &Nickname) -> Result<(), SendError> {
        if self.state != State::Active {
            return Err(SendError::Closing);
        }
        let id = self.ids.next_id();
        let (to, from) = (&self.outbound.to_path, &self.outbound.from_path);
        HeadWriter::request(&mut self.urgent, &id, &Method::Nickname, to, from)?
            .field(FieldName::UseNickname.as_str(), &nickname.to_string())?
            .end(Continuation::Last);
        let deadline = now + self.config.response_timeout;
        self.transactions.open(id, deadline, What::Nickname);
        Ok(())
    }
}

/// Whether a message can be written so that a peer understands it.
fn check(message: &OutgoingMessage) -> Result<(), SendError> {
    let id = message.message_id.as_deref().unwrap_or("none");
    if id.parse::<crate::chunk::TransactionId>().is_err() {
        return Err(SendError::BadField);
    }
    let name_is_good = |name: &str| {
        let is_text = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        // The others are written here.
        !name.is_empty() && is_text && FieldName::of(name.as_bytes()) == FieldName::Other
    };
    crate::chunk::check_value(&message.content_type)?;
    for (name, value) in &message.fields {
        crate::chunk::check_value(value)?;
        if !name_is_good(name) {
            return Err(SendError::BadField);
        }
    }
    if !is_media_type(&message.content_type) {
        return Err(SendError::BadField);
    }
    match message.size() {
        Some(size) if message.start > 0 && message.start >= size => {
            Err(SendError::NoSuchByte(message.start, size))
        }
        _ => Ok(()),
    }
}

/// A message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The session closes or is closed.
    #[error("the session closes")]
    Closing,
    /// As many messages as [`SessionConfig::queued`](super::SessionConfig::queued) allows wait for their outcome.
    #[error("{0} messages wait already")]
    QueueFull(usize),
    /// So many bytes wait to be written, and [`SessionConfig::queued_bytes`](super::SessionConfig::queued_bytes) allows no more: the peer does not read.
    #[error("{0} bytes wait to be sent already")]
    BytesFull(u64),
    /// Content-Type is no `type/subtype`, a Message-ID has characters that it may not have, or another field has, or is one that is
    /// not the application's to write.
    #[error("a header field that cannot be written")]
    BadField,
    /// The message has the Message-ID of one that was given before, and whose outcome is not known yet.
    #[error("a message with the same Message-ID is still being sent")]
    IdInUse,
    /// The message is to be sent from a byte on that it does not have: nothing of it would be left to send.
    #[error("a message of {1} bytes cannot be sent from byte {0} on")]
    NoSuchByte(u64, u64),
    /// There is no such message any more, or more or fewer bytes were supplied than was told.
    #[error("the message takes no such bytes")]
    NotTaken,
}

impl From<BadField> for SendError {
    fn from(_: BadField) -> Self {
        Self::BadField
    }
}
