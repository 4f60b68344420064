//! The end of a session at which its application sits: commands come from there, events go there.

use super::driver::MsrpConnection;
use super::handle::{Command, DeliverError, SessionHandle};
use crate::chunk::FailureReport;
use crate::connection::{SessionKey, SharedConnection};
use crate::session::{MsrpSession, OutgoingId, SessionEvent, State};
use std::any::Any;
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

/// What a task has of the application of one session.
pub(super) struct Seat {
    commands: mpsc::Receiver<Command>,
    commands_over: bool,
    events: mpsc::Sender<SessionEvent>,
    /// While the channel of events is full: waits for room.
    room: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    waiters: HashMap<OutgoingId, oneshot::Sender<Result<(), DeliverError>>>,
    /// Dropped with the session.
    _guard: Box<dyn Any + Send>,
}

impl Seat {
    /// A seat, and what the application has of it; `guard` is dropped when the session is over.
    pub(super) fn new(guard: Box<dyn Any + Send>) -> (Self, MsrpConnection) {
        let (commands_in, commands) = mpsc::channel(MsrpConnection::COMMANDS);
        let (events, events_out) = mpsc::channel(MsrpConnection::EVENTS);
        let seat = Self {
            commands,
            commands_over: false,
            events,
            room: None,
            waiters: HashMap::new(),
            _guard: guard,
        };
        (
            seat,
            MsrpConnection::new(SessionHandle::new(commands_in), events_out),
        )
    }

    fn obey(&mut self, command: Option<Command>, session: &mut MsrpSession) {
        match command {
            Some(Command::Run(run)) => run(session),
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

    /// Hands events over until there is no room. True when the session is over, and its application knows.
    pub(super) fn pass_events(&mut self, session: &mut MsrpSession) -> bool {
        self.room = None;
        loop {
            let permit = match self.events.try_reserve() {
                Ok(permit) => Some(permit),
                Err(mpsc::error::TrySendError::Full(())) => {
                    self.room = Some(wait_for_room(self.events.clone()));
                    return false;
                }
                Err(mpsc::error::TrySendError::Closed(())) => None,
            };
            let Some(event) = session.poll_event() else {
                return session.state() == State::Closed;
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

fn wait_for_room(events: mpsc::Sender<SessionEvent>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { drop(events.reserve().await) })
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

    pub(super) fn is_stalled(&self) -> bool {
        self.0.iter().any(|(_, seat)| seat.room.is_some())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands events over, and forgets the sessions that are over.
    pub(super) fn pass_events(&mut self, connection: &mut SharedConnection) {
        self.0.retain_mut(|(key, seat)| {
            let session = connection.session(*key);
            session.is_some_and(|session| !seat.pass_events(session))
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
