//! The task that owns a session and its connection.

use super::handle::{Command, DeliverError, SessionHandle};
use crate::outbound::Burst;
use crate::session::{MsrpSession, OutgoingId, SessionEvent, State};
use bytes::Buf;
use std::any::Any;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};

/// A session on its connection: commands by [`handle`](Self::handle), events by [`next_event`](Self::next_event).
///
/// Events must be taken: while [`EVENTS`](Self::EVENTS) of them wait, nothing is read from the connection.
#[derive(Debug)]
pub struct MsrpConnection {
    handle: SessionHandle,
    events: mpsc::Receiver<SessionEvent>,
}

impl MsrpConnection {
    /// How many events may wait.
    pub const EVENTS: usize = 1024;
    /// How many commands may wait.
    const COMMANDS: usize = 256;

    /// Runs a session over a connection in a task of its own.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn(session: MsrpSession, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::spawn_with(session, stream, Box::new(()))
    }

    /// Like [`spawn`](Self::spawn), and drops `guard` when the session is over.
    pub(super) fn spawn_with(
        session: MsrpSession,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        guard: Box<dyn Any + Send>,
    ) -> Self {
        let (commands_in, commands) = mpsc::channel(Self::COMMANDS);
        let (events_in, events) = mpsc::channel(Self::EVENTS);
        let (reader, writer) = tokio::io::split(stream);
        let task = Task {
            session,
            burst: None,
            unflushed: false,
            events: events_in,
            waiters: HashMap::new(),
            stalled: false,
            commands_over: false,
            guard,
        };
        tokio::spawn(task.run(reader, writer, commands));
        Self {
            handle: SessionHandle::new(commands_in),
            events,
        }
    }

    /// What commands are given to.
    pub fn handle(&self) -> &SessionHandle {
        &self.handle
    }

    /// The next event; `None` after `SessionEvent::Closed`.
    pub async fn next_event(&mut self) -> Option<SessionEvent> {
        self.events.recv().await
    }

    /// Takes the connection apart, for an application that commands and listens in different places.
    pub fn split(self) -> (SessionHandle, mpsc::Receiver<SessionEvent>) {
        (self.handle, self.events)
    }
}

struct Task {
    session: MsrpSession,
    /// What is being written.
    burst: Option<Burst>,
    /// Something was written and not flushed.
    unflushed: bool,
    events: mpsc::Sender<SessionEvent>,
    waiters: HashMap<OutgoingId, oneshot::Sender<Result<(), DeliverError>>>,
    /// The channel of events is full.
    stalled: bool,
    commands_over: bool,
    /// Dropped with the session.
    guard: Box<dyn Any + Send>,
}

/// How much is read at a time.
const READ: usize = 256 * 1024;
/// How long the peer may take to close after us.
const LINGER: Duration = Duration::from_secs(1);

impl Task {
    async fn run<S: AsyncRead + AsyncWrite>(
        mut self,
        mut reader: ReadHalf<S>,
        mut writer: WriteHalf<S>,
        mut commands: mpsc::Receiver<Command>,
    ) {
        let sleep = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        let room = self.events.clone();
        loop {
            if self.burst.is_none() {
                self.burst = self.session.poll_transmit(Instant::now());
            }
            self.pass_events();
            if self.session.state() == State::Closed && self.burst.is_none() && !self.stalled {
                break;
            }
            let deadline = self.session.poll_timeout();
            if let Some(deadline) = deadline
                && sleep.deadline().into_std() != deadline
            {
                sleep.as_mut().reset(deadline.into());
            }
            let may_read =
                !self.stalled && self.session.wants_input() && self.session.state() != State::Closed;
            let input = self.session.input();
            if input.capacity() - input.len() < READ / 4 {
                input.reserve(READ);
            }
            tokio::select! {
                written = write(&mut writer, &mut self.burst, &mut self.unflushed), if self.burst.is_some() || self.unflushed => {
                    if written.is_err() {
                        self.burst = None;
                        self.unflushed = false;
                        self.session.handle_closed();
                    }
                }
                read = reader.read_buf(input), if may_read => match read {
                    Ok(count @ 1..) => {
                        self.session.handle_input(Instant::now());
                        self.pass_events();
                        if count >= READ / 4 {
                            // Whoever takes the events has his turn, and the buffer, still in the processor's cache, is
                            // free again: reading on would fill one buffer after another.
                            tokio::task::yield_now().await;
                        }
                    }
                    Ok(0) | Err(_) => self.session.handle_closed(),
                },
                command = commands.recv(), if !self.commands_over => self.obey(command),
                () = &mut sleep, if deadline.is_some() => self.session.handle_timeout(Instant::now()),
                _ = room.reserve(), if self.stalled => {}
            }
        }
        drop(commands);
        drop((room, self.events, self.guard)); // nobody needs to wait for the rest
        let _ = writer.shutdown().await;
        // Closing with bytes unread would reset the connection, and what the peer has not read yet would be lost.
        let mut rest = vec![0; 4096];
        let drain = async { while let Ok(1..) = reader.read(&mut rest).await {} };
        let _ = tokio::time::timeout(LINGER, drain).await;
    }

    fn obey(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Run(run)) => run(&mut self.session),
            Some(Command::Deliver(message, reply)) => match self.session.send(*message) {
                Ok(message) => {
                    self.waiters.insert(message, reply);
                }
                Err(error) => {
                    let _ = reply.send(Err(error.into()));
                }
            },
            None => {
                self.commands_over = true;
                self.session.close();
            }
        }
    }

    fn pass_events(&mut self) {
        self.stalled = false;
        loop {
            let permit = match self.events.try_reserve() {
                Ok(permit) => Some(permit),
                Err(mpsc::error::TrySendError::Full(())) => {
                    self.stalled = true;
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(())) => None,
            };
            let Some(event) = self.session.poll_event() else {
                return;
            };
            let outcome = match &event {
                SessionEvent::SendDone { message } => Some((message, Ok(()))),
                SessionEvent::SendFailed { message, status } => {
                    Some((message, Err(DeliverError::Failed(*status))))
                }
                _ => None,
            };
            if let Some((message, outcome)) = outcome
                && let Some(waiter) = self.waiters.remove(message)
            {
                // Who waits for one message hears of it there and not by an event.
                let _ = waiter.send(outcome);
                continue;
            }
            if let Some(permit) = permit {
                permit.send(event);
            }
        }
    }
}

/// Writes what the connection takes of a burst; without one, pushes out what TLS holds back because the socket did not
/// take it.
async fn write<S: AsyncRead + AsyncWrite>(
    writer: &mut WriteHalf<S>,
    burst: &mut Option<Burst>,
    unflushed: &mut bool,
) -> std::io::Result<()> {
    let Some(bytes) = burst else {
        writer.flush().await?;
        *unflushed = false;
        return Ok(());
    };
    if writer.write_buf(bytes).await? == 0 {
        return Err(std::io::ErrorKind::WriteZero.into());
    }
    *unflushed = true;
    if !bytes.has_remaining() {
        *burst = None;
    }
    Ok(())
}
