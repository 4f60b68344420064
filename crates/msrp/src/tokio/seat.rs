//! The end of a session at which its application sits: commands come from there, events go there.

use super::driver::MsrpConnection;
use super::handle::{Command, DeliverError, SessionHandle};
use super::inbox::{Inbox, Place};
use crate::chunk::FailureReport;
use crate::connection::{SessionKey, SharedConnection};
use crate::session::{MsrpSession, OutgoingId, SessionEvent, State};
use std::any::Any;
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// What a task has of the application of one session.
pub(super) struct Seat {
    commands: mpsc::Receiver<Command>,
    commands_over: bool,
    /// A message that has to wait until there is room for it, and with it all commands after it.
    held: Option<Command>,
    inbox: Inbox,
    /// While the inbox is full: waits for room.
    room: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    waiters: HashMap<OutgoingId, oneshot::Sender<Result<(), DeliverError>>>,
    /// Dropped with the session.
    _guard: Box<dyn Any + Send>,
}

impl Seat {
    /// A seat, and what the application has of it; `guard` is dropped when the session is over.
    pub(super) fn new(guard: Box<dyn Any + Send>) -> (Self, MsrpConnection) {
        let (commands_in, commands) = mpsc::channel(MsrpConnection::COMMANDS);
        let (inbox, events) = Inbox::new();
        let seat = Self {
            commands,
            commands_over: false,
            held: None,
            inbox,
            room: None,
            waiters: HashMap::new(),
            _guard: guard,
        };
        (seat, MsrpConnection::new(SessionHandle::new(commands_in), events))
    }

    fn obey(&mut self, command: Option<Command>, session: &mut MsrpSession) {
        match command {
            Some(Command::Run(run)) => run(session),
            Some(command) if has_to_wait(&command, session) => self.held = Some(command),
            Some(Command::Send(message, reply)) => {
                // Who asked may have gone; the message goes all the same.
                let _ = reply.send(session.send(*message));
            }
            Some(Command::Supply(message, data, reply)) => {
                let _ = reply.send(session.supply(message, data));
            }
            Some(Command::Deliver(message, reply)) => {
                let is_answered = message.failure != FailureReport::No;
                match session.send(*message) {
                    Ok(message) if is_answered => {
                        self.waiters.insert(message, reply);
                    }
                    sent => {
                        let _ = reply.send(sent.map(drop).map_err(Into::into));
                    }
                }
            }
            None => {
                self.commands_over = true;
                session.close();
            }
        }
    }

    /// Obeys the command that had to wait, if it need not any more.
    fn obey_held(&mut self, session: &mut MsrpSession) {
        if let Some(command) = self.held.take() {
            self.obey(Some(command), session);
        }
    }

    /// Hands events over until there is no room.
    fn pass_events(&mut self, session: &mut MsrpSession) -> Passed {
        let most_bytes = session.config().inbox_bytes;
        let mut some = false;
        loop {
            let place = self.inbox.place(most_bytes);
            if let Place::None = place {
                self.room = Some(self.inbox.room(most_bytes));
                return Passed::UntilFull { some };
            }
            let Some(event) = session.poll_event() else {
                self.room = None;
                return Passed::All;
            };
            some = true;
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
            self.inbox.tell(place, event);
        }
    }
}

/// How far the events of a session were handed over.
enum Passed {
    All,
    UntilFull {
        /// Some were.
        some: bool,
    },
}

/// True when there is no room for what a command would send.
fn has_to_wait(command: &Command, session: &MsrpSession) -> bool {
    let is_living = session.state() != State::Closing && session.state() != State::Closed;
    match command {
        Command::Send(..) | Command::Deliver(..) => is_living && session.check_room().is_err(),
        Command::Supply(..) => session.has_too_many_bytes(),
        Command::Run(_) => false,
    }
}

/// The seats of the sessions on one connection.
#[derive(Default)]
pub(super) struct Seats(Vec<(SessionKey, Seat)>);

/// What comes from an application.
pub(super) enum FromSeat {
    /// A command; `None` when there will be no more.
    Said(SessionKey, Option<Command>),
    /// It took events, and there is room for more.
    Room,
}

impl Seats {
    pub(super) fn add(&mut self, key: SessionKey, seat: Seat) {
        self.0.push((key, seat));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands events over, and forgets the sessions that are over.
    pub(super) fn pass_events(&mut self, now: Instant, connection: &mut SharedConnection) {
        self.0.retain_mut(|(key, seat)| {
            let Some(session) = connection.session(*key) else {
                return false;
            };
            seat.obey_held(session);
            let (was_full, passed) = (session.is_full(), seat.pass_events(session));
            let is_over = session.state() == State::Closed;
            match passed {
                Passed::UntilFull { some } if some || !was_full => connection.set_full(now, *key, true),
                Passed::UntilFull { .. } => {}
                Passed::All => {
                    if was_full {
                        connection.set_full(now, *key, false);
                    }
                    return !is_over;
                }
            }
            true
        });
    }

    /// What comes from one of the applications next. They take turns.
    pub(super) async fn next(&mut self) -> FromSeat {
        std::future::poll_fn(|context| {
            for at in 0..self.0.len() {
                let (key, seat) = &mut self.0[at];
                if seat.has_room(context) {
                    return Poll::Ready(FromSeat::Room);
                }
                if !seat.commands_over
                    && seat.held.is_none()
                    && let Poll::Ready(command) = seat.commands.poll_recv(context)
                {
                    let key = *key;
                    self.0.rotate_left(at + 1);
                    return Poll::Ready(FromSeat::Said(key, command));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Does what an application said.
    pub(super) fn obey(&mut self, from: FromSeat, connection: &mut SharedConnection) {
        let FromSeat::Said(key, command) = from else {
            return;
        };
        let mut seats = self.0.iter_mut();
        let seat = seats.find(|(own, _)| *own == key);
        if let (Some((_, seat)), Some(session)) = (seat, connection.session(key)) {
            seat.obey(command, session);
        }
    }
}

impl Seat {
    /// True when the application took events since it had too many.
    fn has_room(&mut self, context: &mut Context<'_>) -> bool {
        self.room
            .as_mut()
            .is_some_and(|room| room.as_mut().poll(context).is_ready())
    }
}
