//! What an application holds of a session that runs in a task.

use crate::chunk::StatusCode;
use crate::outbound::OutgoingMessage;
use crate::session::{IncomingId, MsrpSession, OutgoingId, SendError};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

pub(super) enum Command {
    Run(Box<dyn FnOnce(&mut MsrpSession) + Send>),
    Send(
        Box<OutgoingMessage>,
        oneshot::Sender<Result<OutgoingId, SendError>>,
    ),
    Deliver(Box<OutgoingMessage>, oneshot::Sender<Result<(), DeliverError>>),
    Supply(OutgoingId, Bytes, oneshot::Sender<Result<(), SendError>>),
}

/// Commands to a session that runs in a task. Cheap to clone; when the last one is dropped, the session sends what is
/// queued and closes.
///
/// Commands are obeyed in their order. While as much waits to be sent as the configuration allows
/// ([`queued`](crate::SessionConfig::queued), [`queued_bytes`](crate::SessionConfig::queued_bytes)), a message waits, and
/// all commands after it: so a sender is as slow as its peer. Who rather hears of it sends by [`with`](Self::with).
#[derive(Clone, Debug)]
pub struct SessionHandle {
    commands: mpsc::Sender<Command>,
}

impl SessionHandle {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Runs a function on the session inside its task and returns what it returns. Many small messages are best queued
    /// by one call.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn with<R: Send + 'static>(
        &self,
        run: impl FnOnce(&mut MsrpSession) -> R + Send + 'static,
    ) -> Result<R, SessionGone> {
        let (reply, result) = oneshot::channel();
        let run = Box::new(move |session: &mut MsrpSession| {
            // The caller may have gone meanwhile.
            let _ = reply.send(run(session));
        });
        self.commands
            .send(Command::Run(run))
            .await
            .map_err(|_| SessionGone)?;
        result.await.map_err(|_| SessionGone)
    }

    /// Queues a message, as soon as there is room; its fate is told by events.
    ///
    /// # Errors
    /// When the session is over, or does not take the message.
    pub async fn send(&self, message: OutgoingMessage) -> Result<OutgoingId, SendError> {
        let (reply, result) = oneshot::channel();
        let command = Command::Send(Box::new(message), reply);
        self.commands
            .send(command)
            .await
            .map_err(|_| SendError::Closing)?;
        result.await.unwrap_or(Err(SendError::Closing))
    }

    /// Sends a message and waits until the next hop has taken it, as far as its Failure-Report tells: with `no`, which nobody
    /// answers, this returns at once. Without a relay the next hop is the peer. With one, what becomes of the message
    /// further on is told by events: [`SendFailed`](crate::SessionEvent::SendFailed), and
    /// [`Reported`](crate::SessionEvent::Reported) where reports of success are asked for.
    ///
    /// # Errors
    /// When the peer refused it or did not answer, or the session is over.
    pub async fn deliver(&self, message: OutgoingMessage) -> Result<(), DeliverError> {
        let (reply, result) = oneshot::channel();
        let command = Command::Deliver(Box::new(message), reply);
        self.commands
            .send(command)
            .await
            .map_err(|_| DeliverError::Gone(SessionGone))?;
        result.await.unwrap_or(Err(DeliverError::Gone(SessionGone)))
    }

    /// Supplies bytes of a streamed message, as soon as there is room.
    ///
    /// # Errors
    /// When the message takes no such bytes.
    pub async fn supply(&self, message: OutgoingId, data: Bytes) -> Result<(), SendError> {
        let (reply, result) = oneshot::channel();
        let command = Command::Supply(message, data, reply);
        self.commands
            .send(command)
            .await
            .map_err(|_| SendError::Closing)?;
        result.await.unwrap_or(Err(SendError::Closing))
    }

    /// Ends a streamed message.
    ///
    /// # Errors
    /// When the message is not as long as was told.
    pub async fn finish(&self, message: OutgoingId) -> Result<(), SendError> {
        self.with(move |session| session.finish(message))
            .await
            .unwrap_or(Err(SendError::Closing))
    }

    /// Refuses an incoming message.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn reject(&self, message: IncomingId) -> Result<(), SessionGone> {
        self.with(move |session| session.reject(message)).await
    }

    /// Closes the session once all that is queued is sent and answered; `SessionEvent::Closed` tells when.
    ///
    /// # Errors
    /// When the session is over already.
    pub async fn close(&self) -> Result<(), SessionGone> {
        self.with(MsrpSession::close).await
    }
}

/// The session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct SessionGone;

/// A message was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliverError {
    /// The session did not take it.
    #[error(transparent)]
    NotSent(#[from] SendError),
    /// The peer refused it, or did not answer in time (408).
    #[error("the message failed with status {0}")]
    Failed(StatusCode),
    /// The session ended before the outcome was known.
    #[error(transparent)]
    Gone(#[from] SessionGone),
}
