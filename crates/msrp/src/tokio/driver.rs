//! The task that owns a connection and the sessions on it.

use super::handle::SessionHandle;
use super::inbox::SessionEvents;
use super::seat::{Seat, Seats};
use super::sharing::{Join, Verdict, Visitors};
use crate::chunk::StatusCode;
use crate::connection::SharedConnection;
use crate::outbound::Burst;
use crate::session::{MsrpSession, SessionEvent};
use bytes::Buf;
use offhook_sansio::earliest;
use std::any::Any;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

/// A session on its connection: commands by [`handle`](Self::handle), events by [`next_event`](Self::next_event).
///
/// Events must be taken: while [`EVENTS`](Self::EVENTS) of them wait, or such that carry
/// [`SessionConfig::inbox_bytes`](crate::SessionConfig::inbox_bytes), nothing is read from the connection and the peer has
/// to wait. Other sessions on the same connection wait as well, but no longer than
/// [`SessionConfig::hold_up`](crate::SessionConfig::hold_up) without any event taken; then this one's messages are refused
/// with 413 until some are.
#[derive(Debug)]
pub struct MsrpConnection {
    handle: SessionHandle,
    events: SessionEvents,
}

impl MsrpConnection {
    /// How many events may wait.
    pub const EVENTS: usize = 1024;
    /// How many commands may wait.
    pub(super) const COMMANDS: usize = 256;

    pub(super) fn new(handle: SessionHandle, events: SessionEvents) -> Self {
        Self { handle, events }
    }

    /// Runs a session over a connection in a task of its own.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn(session: MsrpSession, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::spawn_with(session, stream, Box::new(()), Company::default())
    }

    /// Like [`spawn`](Self::spawn), and drops `guard` when the session is over. Others may join it on its connection.
    pub(super) fn spawn_with(
        session: MsrpSession,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        guard: Box<dyn Any + Send>,
        company: Company,
    ) -> Self {
        let (seat, ours) = Seat::new(guard);
        let (connection, key) = SharedConnection::new(Instant::now(), session);
        let mut seats = Seats::default();
        seats.add(key, seat);
        let (reader, writer) = tokio::io::split(stream);
        let task = Task {
            connection,
            seats,
            company,
            burst: None,
            unflushed: false,
            unread_since: None,
            read: 0,
        };
        tokio::spawn(task.run(reader, writer));
        ours
    }

    /// What commands are given to.
    pub fn handle(&self) -> &SessionHandle {
        &self.handle
    }

    /// The next event; `None` after `SessionEvent::Closed`.
    pub async fn next_event(&mut self) -> Option<SessionEvent> {
        self.events.recv().await
    }

    /// The events, to look at what comes before the connection is handed over.
    pub(super) fn events(&mut self) -> &mut SessionEvents {
        &mut self.events
    }

    /// Takes the connection apart, for an application that commands and listens in different places.
    pub fn split(self) -> (SessionHandle, SessionEvents) {
        (self.handle, self.events)
    }
}

/// Who may join the first session of a connection. Nobody by default.
#[derive(Default)]
pub(super) struct Company {
    /// Sessions of ours.
    pub(super) joins: Option<mpsc::Receiver<Join>>,
    /// Sessions of the peer.
    pub(super) visitors: Option<Visitors>,
}

struct Task {
    connection: SharedConnection,
    seats: Seats,
    company: Company,
    /// What is being written.
    burst: Option<Burst>,
    /// Something was written and not flushed.
    unflushed: bool,
    /// Since when nothing of what waits was taken.
    unread_since: Option<Instant>,
    /// How much was read since other tasks had their turn.
    read: usize,
}

/// How much is read at a time.
const READ: usize = 256 * 1024;
/// How long the peer may take to close after us.
const LINGER: Duration = Duration::from_secs(1);

impl Task {
    async fn run<S: AsyncRead + AsyncWrite>(mut self, mut reader: ReadHalf<S>, mut writer: WriteHalf<S>) {
        let sleep = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(sleep);
        loop {
            self.let_visitors_ask();
            if self.burst.is_none() {
                self.burst = self.connection.poll_transmit(Instant::now());
            }
            self.seats.pass_events(Instant::now(), &mut self.connection);
            if self.is_over() {
                if self.take_last_join() {
                    continue;
                }
                break;
            }
            let deadline = earliest(self.connection.poll_timeout(), self.unread_at());
            if let Some(deadline) = deadline
                && sleep.deadline().into_std() != deadline
            {
                sleep.as_mut().reset(deadline.into());
            }
            let may_read = self.connection.wants_input();
            let input = self.connection.input();
            // From its beginning again when nobody holds what was read into it.
            let is_free = input.is_empty() && input.try_reclaim(READ);
            if !is_free && input.capacity() - input.len() < READ / 4 {
                input.reserve(READ);
            }
            let Company { joins, visitors } = &mut self.company;
            tokio::select! {
                written = write(&mut writer, &mut self.burst, &mut self.unflushed), if self.burst.is_some() || self.unflushed => {
                    self.unread_since = None;
                    if written.is_err() {
                        self.burst = None;
                        self.unflushed = false;
                        self.connection.handle_closed();
                    }
                }
                read = reader.read_buf(input), if may_read => match read {
                    Ok(count @ 1..) => {
                        self.connection.handle_input(Instant::now());
                        self.seats.pass_events(Instant::now(), &mut self.connection);
                        self.read += count;
                        if self.read >= READ / 4 {
                            // Whoever takes the events has his turn, and the buffer, still in the processor's cache, is
                            // free again: reading on would fill one buffer after another.
                            self.read = 0;
                            tokio::task::yield_now().await;
                        }
                    }
                    Ok(0) | Err(_) => self.connection.handle_closed(),
                },
                from = self.seats.next() => self.seats.obey(from, &mut self.connection),
                join = Join::next(joins) => self.take(join),
                verdict = Visitors::verdict(visitors) => self.judge(verdict),
                () = &mut sleep, if deadline.is_some() => self.handle_timeout(),
            }
        }
        drop((self.seats, self.company)); // nobody needs to wait for the rest
        let _ = writer.shutdown().await;
        // Closing with bytes unread would reset the connection, and what the peer has not read yet would be lost.
        let mut rest = vec![0; 4096];
        let drain = async { while let Ok(1..) = reader.read(&mut rest).await {} };
        let _ = tokio::time::timeout(LINGER, drain).await;
    }

    /// When the peer will have read nothing for too long, while something waits to be written.
    fn unread_at(&mut self) -> Option<Instant> {
        if self.burst.is_none() && !self.unflushed {
            self.unread_since = None;
            return None;
        }
        let timeout = self.connection.unread_timeout()?;
        Some(*self.unread_since.get_or_insert_with(Instant::now) + timeout)
    }

    fn handle_timeout(&mut self) {
        let now = Instant::now();
        self.connection.handle_timeout(now);
        if self.unread_at().is_some_and(|at| at <= now) {
            self.burst = None;
            self.unflushed = false;
            self.connection.handle_unread();
        }
    }

    fn is_over(&self) -> bool {
        let is_empty = self.connection.session_count() == 0 && self.seats.is_empty();
        is_empty && self.connection.asked().is_none() && self.burst.is_none()
    }

    /// Adds a session of ours.
    fn take(
        &mut self,
        Join {
            config,
            entropy,
            seat,
        }: Join,
    ) {
        let key = self.connection.connect(Instant::now(), config, entropy);
        self.seats.add(key, seat);
    }

    /// The connection is to be closed, unless somebody joined at the last moment; from then on nobody can.
    fn take_last_join(&mut self) -> bool {
        let Some(joins) = &mut self.company.joins else {
            return false;
        };
        joins.close();
        let last = joins.try_recv();
        last.is_ok_and(|join| {
            self.take(join);
            true
        })
    }

    /// Asks whether sessions that the peer begins on this connection are expected.
    fn let_visitors_ask(&mut self) {
        while let Some(head) = self.connection.asked() {
            let announced = match &mut self.company.visitors {
                Some(visitors) => visitors.announce(head),
                None => Err(StatusCode::NO_SESSION),
            };
            match announced {
                Ok(()) => return,
                Err(status) => self.connection.refuse(Instant::now(), status),
            }
        }
    }

    fn judge(&mut self, verdict: Verdict) {
        let now = Instant::now();
        match verdict {
            Verdict::Refuse(status) => self.connection.refuse(now, status),
            Verdict::Accept(join) => {
                let Join {
                    config,
                    entropy,
                    seat,
                } = *join;
                if let Some(key) = self.connection.accept(now, config, entropy) {
                    self.seats.add(key, seat);
                }
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
