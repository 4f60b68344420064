//! A bound connection without a session on it: chunks as the application makes and reads them.

use super::connect::ConnectError;
use super::entropy;
use super::stream::Stream;
use crate::chunk::{
    BadField, ByteRange, Continuation, Head, HeadWriter, Method, SMALL_CHUNK, StatusCode, TransactionId,
    TransactionIds, is_media_type, write_end_line,
};
use crate::framer::Framer;
use crate::segment::{Chunk, ChunkError, ChunkReader};
use crate::session::{CloseReason, SessionConfig};
use bytes::{Bytes, BytesMut};
use std::any::Any;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Low-level access to a connection that is bound to a session: nothing is answered, reported or reassembled here.
///
/// Made by `open` of [`ConnectorDirect`](super::ConnectorDirect), [`AcceptorDirect`](super::AcceptorDirect), the ends at
/// relays and [`Expected`](super::Expected); most applications want `complete`, which runs a session.
#[derive(Debug)]
pub struct MsrpTransport {
    stream: Stream,
    reader: ChunkReader,
    config: SessionConfig,
    to_path: String,
    from_path: String,
    ids: TransactionIds,
    message_ids: TransactionIds,
    /// The request that bound the connection, whose answer did not come yet because the peer spoke first.
    binding: Option<TransactionId>,
    /// What it said.
    early: Option<Chunk>,
    /// Dropped with the connection.
    _guard: Box<dyn Any + Send + Sync>,
}

/// A SEND to make. What is `None` is made up.
#[derive(Clone, Debug, Default)]
pub struct SendChunk {
    /// The transaction identifier; it may not be in the body behind seven hyphens.
    pub transaction_id: Option<TransactionId>,
    /// The message that the chunk belongs to.
    pub message_id: Option<String>,
    /// Content-Type; without it the chunk has no body.
    pub content_type: Option<String>,
    /// The bytes.
    pub data: Bytes,
    /// Where they begin in the message, from 1; 0 counts as 1.
    pub start: u64,
    /// The size of the message. Without it the end of these bytes, where they are the last, else not known (`*`).
    pub total: Option<u64>,
    /// The flag; without it `$` when the bytes reach the end of the message, or that is not told, else `+`.
    pub continuation: Option<Continuation>,
}

impl MsrpTransport {
    pub(super) fn new(
        stream: Stream,
        framer: Framer,
        head: Option<Head>,
        config: SessionConfig,
    ) -> Result<Self, ConnectError> {
        let mut entropy = entropy()?;
        Ok(Self {
            stream,
            reader: ChunkReader::new(framer, head, ChunkReader::WHOLE),
            to_path: config.full_remote_path(),
            from_path: config.local_path.last().to_string(),
            config,
            ids: TransactionIds::new(entropy.fork()),
            message_ids: TransactionIds::new(entropy),
            binding: None,
            early: None,
            _guard: Box::new(()),
        })
    }

    /// Drops `guard` with the connection.
    pub(super) fn guarding(self, guard: Box<dyn Any + Send + Sync>) -> Self {
        Self {
            _guard: guard,
            ..self
        }
    }

    /// Binds the connection as the end that opened it: an empty SEND, and its response. A peer that sends before it answers
    /// knows the session as well: what it sent is the first chunk to be read.
    pub(super) async fn bind(mut self) -> Result<Self, ConnectError> {
        let id = self.ids.next_id();
        let request = self
            .make_chunk(SendChunk {
                transaction_id: Some(id),
                ..SendChunk::default()
            })
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.write(&request).await?;
        loop {
            let chunk = self.next_chunk(None).await?;
            let chunk = chunk.ok_or(ConnectError::NotBound(CloseReason::ConnectionLost))?;
            match chunk.head.status() {
                Some(_) if *chunk.head.transaction_id() != id => {} // it answers nothing
                Some(status) if status.is_success() => return Ok(self),
                Some(status) => return Err(ConnectError::NotBound(CloseReason::BindRefused(status))),
                None => match self.check_incoming_send(&chunk.head) {
                    Ok(()) => {
                        (self.binding, self.early) = (Some(id), Some(chunk));
                        return Ok(self);
                    }
                    Err(status) => {
                        if let Ok(answer) = self.make_response(&chunk.head, status) {
                            self.write(&answer).await?;
                        }
                    }
                },
            }
        }
    }

    /// The configuration, with both paths.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Makes a SEND with the paths of this connection, as bytes for [`write`](Self::write).
    ///
    /// # Errors
    /// When the message id is none (RFC 4975 §9, `ident`), the content type is no `type/subtype`, the bytes lie beyond the size
    /// of the message or of any, or the body contains the end-line of the transaction identifier that is to be used.
    pub fn make_chunk(&mut self, chunk: SendChunk) -> Result<Bytes, BadField> {
        let mut id = chunk.transaction_id.unwrap_or_else(|| self.ids.next_id());
        while memchr::memmem::find(&chunk.data, format!("-------{id}").as_bytes()).is_some() {
            if chunk.transaction_id.is_some() {
                return Err(BadField);
            }
            self.ids.renew();
            id = self.ids.next_id();
        }
        let message_id = match chunk.message_id {
            Some(named) => named.parse().map_err(|_| BadField)?,
            None => self.message_ids.next_id(),
        };
        let start = chunk.start.max(1);
        let end = (start - 1).checked_add(chunk.data.len() as u64).ok_or(BadField)?;
        let is_typed = chunk.content_type.as_deref().is_none_or(is_media_type);
        if chunk.total.is_some_and(|total| total < end) || !is_typed {
            return Err(BadField);
        }
        let flag = chunk.continuation.unwrap_or(match chunk.total {
            Some(total) if end < total => Continuation::More,
            _ => Continuation::Last,
        });
        let range = ByteRange {
            start,
            // A longer chunk may be interrupted on its way, and has no end that is sure (RFC 4975 §7.1.1).
            end: (chunk.data.len() as u64 <= SMALL_CHUNK).then_some(end),
            total: chunk.total.or((flag == Continuation::Last).then_some(end)),
        };
        let mut out = BytesMut::new();
        let head = HeadWriter::request(&mut out, &id, &Method::Send, &self.to_path, &self.from_path)?
            .field("Message-ID", message_id.as_str())?
            .byte_range(range);
        match chunk.content_type {
            Some(content_type) => {
                head.content_type(&content_type)?;
                out.extend_from_slice(&chunk.data);
                write_end_line(&mut out, &id, true, flag);
            }
            None => head.end(flag),
        }
        Ok(out.freeze())
    }

    /// Makes the response to a request.
    ///
    /// # Errors
    /// When the request has no path back.
    pub fn make_response(&self, request: &Head, status: StatusCode) -> Result<Bytes, BadField> {
        let back = request.field(crate::chunk::FieldName::FromPath).ok_or(BadField)?;
        let back = back.split(' ').next().unwrap_or_default();
        let mut out = BytesMut::new();
        HeadWriter::response(&mut out, request.transaction_id(), status, back, &self.from_path)?
            .end(Continuation::Last);
        Ok(out.freeze())
    }

    /// Writes bytes and waits until the connection has taken them.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Waits for the next chunk, whole up to [`ChunkReader::WHOLE`]; or, with a `size`, for a segment of a longer one
    /// (see [`ChunkReader::next_chunk`]). `None` when the peer closed the connection.
    ///
    /// # Errors
    /// When the connection is lost, or what arrives cannot be read: it is closed then.
    pub async fn read_chunk(&mut self, size: Option<usize>) -> Result<Option<Chunk>, ReadError> {
        if let Some(chunk) = self.early.take() {
            return Ok(Some(chunk));
        }
        let chunk = self.next_chunk(size).await?;
        match (&chunk, self.binding) {
            (Some(Chunk { head, .. }), Some(binding))
                if *head.transaction_id() == binding && head.status().is_some_and(StatusCode::is_success) =>
            {
                self.binding = None;
                self.next_chunk(size).await
            }
            _ => Ok(chunk),
        }
    }

    async fn next_chunk(&mut self, size: Option<usize>) -> Result<Option<Chunk>, ReadError> {
        loop {
            match self.reader.next_chunk(size) {
                Ok(Some(chunk)) => return Ok(Some(chunk)),
                Ok(None) => {}
                Err(error) => {
                    // What was wrong with it tells more than that the peer went first.
                    let _ = self.stream.shutdown().await;
                    return Err(error.into());
                }
            }
            let input = self.reader.input();
            input.reserve(64 * 1024);
            if self.stream.read_buf(input).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Whether a SEND belongs to this connection.
    ///
    /// # Errors
    /// The status to answer with.
    pub fn check_incoming_send(&self, request: &Head) -> Result<(), StatusCode> {
        self.config.check_paths(request)
    }
}

/// No chunk could be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer sent something that is no chunk, or too large a one.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The connection is lost.
    #[error(transparent)]
    Io(#[from] io::Error),
}
