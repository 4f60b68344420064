//! One session from its first event to its last: events, orders, limits, and where a transfer leads.

use crate::call::{not_established, settle};
use crate::desktop::tell_viewer_wanted;
use crate::exit::{Code, Failure};
use crate::files::file_to_send;
use crate::interrupt::Interrupt;
use crate::lines::Lines;
use crate::media::Recorded;
use crate::orders::{Kind, Order, refused};
use crate::report::Reporter;
use crate::room::Room;
use crate::setup::failure;
use offhook::{
    AudioStream, ChatMessage, ChatStream, CommandError, DesktopSharingStream, DeviceMixer,
    ExternalMediaStream, FileTransferStream, MediaStream, NameAddr, Originator, RfbRole, Session,
    SessionError, SessionEvent, SessionId, StatusCode, StreamEvent, StreamId, Streams,
};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Ends of a call that the other side never answers: later than any timer of SIP.
const LAST_RESORT: Duration = Duration::from_secs(40);

/// What a session does without an order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// How long it may ring.
    pub(crate) ring: Option<Duration>,
    /// How long it may last.
    pub(crate) talk: Option<Duration>,
    pub(crate) answer: Answer,
    /// What of a call is accepted, where nobody says what: these, or all that can be.
    pub(crate) kinds: &'static [Kind],
}

/// What happens to what the other side proposes: the session itself, and what it wants to add.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Answer {
    /// What is ordered.
    #[default]
    AsOrdered,
    /// It is accepted, a session after this time.
    Accept(Duration),
    /// A session is refused.
    Reject(StatusCode),
}

/// An order as a session gets it.
pub(crate) enum Ask {
    /// What a person has typed.
    Typed(String),
    Order(Order),
    /// Connect it with another one of ours.
    TransferTo(SessionId),
}

/// Where orders come from.
pub(crate) enum Orders<'a> {
    /// A person at the keyboard, who may interrupt as well.
    Typed {
        lines: &'a mut Lines,
        interrupt: &'a Interrupt,
    },
    /// Somebody who looks after several sessions.
    Given(mpsc::Receiver<Ask>),
}

impl Orders<'_> {
    /// The next one; none ever where there will be none.
    async fn next(&mut self) -> Ask {
        match self {
            Self::Typed { lines, interrupt } => tokio::select! {
                Some(line) = lines.next() => Ask::Typed(line),
                () = interrupt.wait() => Ask::Order(Order::HangUp),
            },
            Self::Given(asked) => match asked.recv().await {
                Some(ask) => ask,
                None => pending().await,
            },
        }
    }

    /// Refuses what comes too late.
    fn close(&mut self, reporter: Reporter) {
        let Self::Given(asked) = self else { return };
        asked.close();
        while let Ok(late) = asked.try_recv() {
            if !matches!(late, Ask::Order(Order::HangUp)) {
                refused(reporter, "the session is over");
            }
        }
    }
}

/// A session with what belongs to it here.
pub(crate) struct Place {
    pub(crate) session: Session,
    /// Its streams that are not over.
    streams: Vec<StreamId>,
    recorded: Vec<Recorded>,
    /// Those that shall be sent, while they are read for their hashes: that may take long.
    files: JoinSet<Result<FileTransferStream, Failure>>,
    /// Rings until it is answered.
    ringing: Option<Arc<DeviceMixer>>,
    /// What the other side proposes and nobody has answered.
    proposed: Option<Proposed>,
    answer_at: Option<Instant>,
    /// When to hang up, or, once we have, when to give up.
    deadline: Option<Instant>,
    hung_up: bool,
    /// Why, where it was our fault.
    refusal: Option<Failure>,
    /// Somebody has answered, be it provisionally.
    is_there: bool,
    is_established: bool,
    held: Held,
}

/// What waits for an answer.
struct Proposed {
    streams: Streams,
    /// The session itself, not a change of it.
    is_new: bool,
}

/// Who holds.
#[derive(Default)]
struct Held {
    here: bool,
    there: bool,
}

/// What all that a session does takes.
#[derive(Clone, Copy)]
struct Desk<'a> {
    room: &'a Room,
    plan: Plan,
    reporter: Reporter,
}

impl Place {
    pub(crate) fn incoming(session: Session) -> Self {
        Self::outgoing(session, Vec::new())
    }

    pub(crate) fn outgoing(session: Session, recorded: Vec<Recorded>) -> Self {
        Self {
            session,
            streams: Vec::new(),
            recorded,
            files: JoinSet::new(),
            ringing: None,
            proposed: None,
            answer_at: None,
            deadline: None,
            hung_up: false,
            refusal: None,
            is_there: false,
            is_established: false,
            held: Held::default(),
        }
    }

    /// Rings on this until the session is answered.
    pub(crate) fn ring_on(&mut self, alert: Arc<DeviceMixer>) {
        self.ringing = Some(alert);
    }

    /// Tells what happens and does what is ordered and planned, until the session is over.
    pub(crate) async fn run(
        mut self,
        room: &Room,
        plan: Plan,
        reporter: Reporter,
        orders: &mut Orders<'_>,
    ) -> Result<(), Failure> {
        let desk = Desk { room, plan, reporter };
        self.deadline = plan.ring.map(|ring| Instant::now() + ring);
        let outcome = self.follow(desk, orders).await;
        orders.close(reporter);
        let mut settled = Ok(());
        for recorded in self.recorded {
            let kept = settle(recorded, self.is_established, reporter).await;
            settled = settled.and(kept);
        }
        outcome.and(settled)
    }

    async fn follow(&mut self, desk: Desk<'_>, orders: &mut Orders<'_>) -> Result<(), Failure> {
        loop {
            tokio::select! {
                event = self.session.next_event() => {
                    let Some(event) = event else {
                        return Err(Failure::new(Code::Internal, "the application has stopped"));
                    };
                    desk.reporter.session(&event);
                    if let Some(outcome) = self.take(event, desk).await {
                        return outcome;
                    }
                }
                ask = orders.next(), if !self.hung_up => {
                    if let Err(error) = self.obey(ask, desk).await {
                        refused(desk.reporter, &error.message);
                    }
                }
                Some(Ok(file)) = self.files.join_next(), if !self.hung_up => {
                    if let Err(error) = self.send_file(file).await {
                        refused(desk.reporter, &error.message);
                    }
                }
                () = until(self.answer_at) => self.answer(desk).await,
                () = until(self.deadline) => {
                    if self.hung_up {
                        let message = "the other side does not answer the end of the call";
                        return Err(Failure::new(Code::Internal, message));
                    }
                    if desk.plan.ring.is_some() && !self.is_there {
                        self.refusal = Some(nobody_there("not in the time to ring"));
                    }
                    self.hang_up().await;
                }
            }
        }
    }

    /// What an event means for the program; `Some` when the session is over.
    async fn take(&mut self, event: SessionEvent, desk: Desk<'_>) -> Option<Result<(), Failure>> {
        match event {
            SessionEvent::NewIncoming { streams, .. } => self.ring(streams, desk).await,
            SessionEvent::GotProposal {
                originator: Originator::Remote,
                streams,
            } => {
                let is_new = false;
                self.proposed = Some(Proposed { streams, is_new });
                if let Answer::Accept(_) = desk.plan.answer {
                    self.answer(desk).await;
                }
            }
            // Taken back, or refused.
            SessionEvent::GotRejectProposal { .. } => self.proposed = None,
            SessionEvent::TransferNewIncoming { target, .. } => self.go_on_with(target, desk).await,
            SessionEvent::DidStart { .. } => {
                self.is_established = true;
                for recorded in &self.recorded {
                    recorded.tell_start(desk.reporter);
                }
                if !self.hung_up {
                    self.deadline = desk.plan.talk.map(|talk| Instant::now() + talk);
                    desk.room
                        .media
                        .begin_recording(&self.session, desk.reporter)
                        .await;
                }
            }
            SessionEvent::DidChangeHoldState {
                originator, on_hold, ..
            } => self.note_hold(originator, on_hold),
            SessionEvent::GotRingIndication | SessionEvent::GotProvisionalResponse { .. } => {
                self.is_there = true;
            }
            SessionEvent::Stream { stream, event } => match event {
                StreamEvent::DidInitialize => {
                    self.streams.push(stream);
                    tell_viewer_wanted(&self.session, Some(stream), desk.reporter).await;
                }
                StreamEvent::DidEnd => self.streams.retain(|other| *other != stream),
                _ => {}
            },
            SessionEvent::DidEnd { .. } => return Some(Ok(())),
            SessionEvent::DidFail {
                originator,
                code,
                reason,
                ..
            } => return Some(Err(self.why_not(originator, code, &reason))),
            _ => {}
        }
        None
    }

    /// A call that comes in.
    async fn ring(&mut self, streams: Streams, desk: Desk<'_>) {
        let is_new = true;
        self.proposed = Some(Proposed { streams, is_new });
        // A caller that has gone already says so with the session's events.
        let _ = match desk.plan.answer {
            Answer::AsOrdered => self.session.send_ring_indication().await,
            Answer::Accept(after) => {
                self.answer_at = Some(Instant::now() + after);
                self.session.send_ring_indication().await
            }
            Answer::Reject(code) => {
                self.proposed = None;
                self.session.reject(code).await
            }
        };
    }

    /// Why a call was not established.
    fn why_not(&mut self, originator: Originator, code: u16, reason: &str) -> Failure {
        match (originator, code, self.refusal.take()) {
            (Originator::Local, 408 | 503, _) if !self.hung_up => nobody_there(reason),
            (_, _, Some(refusal)) => refusal,
            // We hung up between the 200 and the ACK: no status tells.
            (_, 0, None) if self.hung_up => Failure::new(Code::NotAnswered, reason),
            (_, _, None) => not_established(code, reason),
        }
    }

    /// What is recorded under a name of its own pauses by itself.
    fn note_hold(&mut self, originator: Originator, on_hold: bool) {
        match originator {
            Originator::Local => self.held.here = on_hold,
            Originator::Remote => self.held.there = on_hold,
        }
        for recorded in &self.recorded {
            recorded.set_paused(self.held.here || self.held.there);
        }
    }

    async fn obey(&mut self, ask: Ask, desk: Desk<'_>) -> Result<(), Failure> {
        let order = match ask {
            Ask::Order(order) => order,
            Ask::Typed(line) => match self.understand(&line)? {
                Some(order) => order,
                None => return Ok(()),
            },
            Ask::TransferTo(other) => return done(self.session.transfer_to(other).await),
        };
        match order {
            Order::Accept(kinds) => self.accept(&kinds, desk).await,
            Order::Reject(code) => self.reject(code).await,
            Order::Add(kinds) => {
                let (streams, recorded) = desk.room.streams(&kinds)?;
                self.recorded.extend(recorded);
                done(self.session.add_streams(streams).await)
            }
            Order::Remove(kind) => self.remove(kind).await,
            Order::RemoveFile(which) => {
                let file = self.find_file(which).await;
                self.remove_found(file).await
            }
            Order::Cancel => done(self.session.cancel_proposal().await),
            Order::SendFile(path) => {
                self.files.spawn(async move { file_to_send(&path).await });
                Ok(())
            }
            Order::Say(text) => done(self.session.send_message(ChatMessage::text(text)).await),
            Order::Join => self.meet(true, desk).await,
            Order::Leave => self.meet(false, desk).await,
            Order::HangUp => {
                self.hang_up().await;
                Ok(())
            }
            Order::Change(change) => done(change.carry_out(&self.session).await),
        }
    }

    /// What a typed line means. While a call waits to be answered, an empty line accepts it, and what is no order declines it.
    fn understand(&self, line: &str) -> Result<Option<Order>, Failure> {
        let word = line.trim().to_lowercase();
        if self.proposed.as_ref().is_some_and(|proposed| proposed.is_new) {
            return Ok(Some(match (&*word, Order::read(line)) {
                ("" | "y" | "a", _) => Order::Accept(Vec::new()),
                (_, Ok(order @ (Order::Accept(_) | Order::Reject(_)))) => order,
                _ => Order::Reject(StatusCode::DECLINE),
            }));
        }
        if word.is_empty() {
            return Ok(None);
        }
        let order = Order::read(line);
        order
            .map(Some)
            .map_err(|misread| Failure::new(Code::Usage, misread.told("")))
    }

    /// Accepts what is proposed, as planned.
    async fn answer(&mut self, desk: Desk<'_>) {
        self.answer_at = None;
        let is_new = self.proposed.as_ref().is_some_and(|proposed| proposed.is_new);
        let Err(failure) = self.accept(&[], desk).await else {
            return;
        };
        if is_new {
            // Nobody is there who could try again.
            self.refusal = Some(failure);
            self.hang_up().await;
        } else {
            refused(desk.reporter, &failure.message);
            // Over already, as a rule.
            let _ = self.reject(StatusCode::TEMPORARILY_UNAVAILABLE).await;
        }
    }

    /// Accepts what is proposed, or what of it is wanted.
    async fn accept(&mut self, wanted: &[Kind], desk: Desk<'_>) -> Result<(), Failure> {
        let Some(Proposed { streams, is_new }) = self.proposed.take() else {
            return Err(nothing_proposed());
        };
        let wanted = match wanted {
            [] if is_new => desk.plan.kinds,
            wanted => wanted,
        };
        // Who proposes nothing that is known leaves the offer to us (RFC 3261 §13.2.1), or hears that there is nothing in common.
        let (answers, recorded) = match (wanted, is_new && streams.is_empty()) {
            ([], true) => desk.room.streams(&[Kind::Audio])?,
            (wanted, true) => desk.room.streams(wanted)?,
            (wanted, false) => desk.room.answers(&streams, wanted)?,
        };
        self.recorded.extend(recorded);
        self.ringing = None;
        let session = &self.session;
        let refusal = StatusCode::NOT_ACCEPTABLE_HERE;
        let accepted = match (answers.is_empty(), is_new) {
            (true, true) => session.reject(refusal).await,
            (true, false) => session.reject_proposal(refusal).await,
            (false, true) => session.accept_with(answers).await,
            (false, false) => session.accept_proposal(answers).await,
        };
        match accepted {
            // The other side gave up this very moment: the events tell.
            Err(CommandError::Session(SessionError::Unknown | SessionError::IllegalState { .. }))
                if is_new =>
            {
                Ok(())
            }
            Err(error @ (CommandError::Device(_) | CommandError::Relay(_) | CommandError::RelayTls(_))) => {
                // Nothing was answered yet.
                self.proposed = Some(Proposed { streams, is_new });
                done::<()>(Err(error))
            }
            accepted => done(accepted),
        }
    }

    async fn reject(&mut self, code: StatusCode) -> Result<(), Failure> {
        self.answer_at = None;
        self.ringing = None;
        match self.proposed.take() {
            Some(Proposed { is_new: true, .. }) => done(self.session.reject(code).await),
            Some(_) => done(self.session.reject_proposal(code).await),
            None => Err(nothing_proposed()),
        }
    }

    async fn remove(&self, kind: Kind) -> Result<(), Failure> {
        let stream = match kind {
            Kind::Audio => self.find(|_: &AudioStream| true).await,
            Kind::Files => self.find(|_: &FileTransferStream| true).await,
            Kind::Chat => self.find(|_: &ChatStream| true).await,
            Kind::Tool => self.find(|_: &ExternalMediaStream| true).await,
            Kind::Share => self.find(|desktop| role(desktop) == RfbRole::Server).await,
            Kind::View => self.find(|desktop| role(desktop) == RfbRole::Viewer).await,
        };
        self.remove_found(stream).await
    }

    async fn remove_found(&self, stream: Option<StreamId>) -> Result<(), Failure> {
        let none = || Failure::new(Code::Usage, "the session has no such stream");
        done(self.session.remove_stream(stream.ok_or_else(none)?).await)
    }

    /// The first stream of a type that is as wanted.
    async fn find<S: MediaStream>(&self, is_wanted: fn(&S) -> bool) -> Option<StreamId> {
        for id in &self.streams {
            if self.look(*id, is_wanted).await == Some(true) {
                return Some(*id);
            }
        }
        None
    }

    /// A file by its name, or by its number from 1.
    async fn find_file(&self, which: String) -> Option<StreamId> {
        let mut number = 0;
        for id in &self.streams {
            let name = |file: &FileTransferStream| file.selector().name.clone();
            let Some(name) = self.look(*id, name).await else {
                continue;
            };
            number += 1;
            if name.is_some_and(|name| name == which) || which.parse() == Ok(number) {
                return Some(*id);
            }
        }
        None
    }

    /// Something of a stream, if it is of that type.
    async fn look<S: MediaStream, R: Send + 'static>(&self, id: StreamId, what: fn(&S) -> R) -> Option<R> {
        let asked = self
            .session
            .with_stream(Some(id), move |stream: &mut S, _| Ok(what(stream)));
        asked.await.ok()
    }

    /// Offers a file that has been read for its hash.
    async fn send_file(&self, stream: Result<FileTransferStream, Failure>) -> Result<(), Failure> {
        done(self.session.add_streams(vec![Box::new(stream?)]).await)
    }

    /// Takes part in the conference, or no longer.
    async fn meet(&self, joins: bool, desk: Desk<'_>) -> Result<(), Failure> {
        let stream = self
            .session
            .audio_stream()
            .await
            .map_err(|error| failure(error.into()))?;
        let remote = self.session.remote_identity().uri.to_string();
        let seated = desk.room.seat(stream, remote, joins, desk.reporter).await;
        seated.map_err(failure)
    }

    /// Calls whom the other side sends us to, as a session of its own.
    async fn go_on_with(&mut self, target: NameAddr, desk: Desk<'_>) {
        if let Err(failure) = self.try_to_go_on_with(target, desk.room).await {
            refused(desk.reporter, &failure.message);
            // Where it was accepted already, the other side has been told why nothing came of it.
            let _ = self.session.reject_transfer(StatusCode::DECLINE).await;
        }
    }

    async fn try_to_go_on_with(&self, target: NameAddr, room: &Room) -> Result<(), Failure> {
        let (stream, recorded) = room.media.next_stream()?;
        let placed = room.app.accept_transfer(&self.session, target, [stream]).await;
        let place = Self::outgoing(placed.map_err(failure)?, recorded.into_iter().collect());
        room.lead(place)
            .map_err(|reason| Failure::new(Code::Internal, reason))
    }

    async fn hang_up(&mut self) {
        // A session that is over already says so with its last event.
        let _ = self.session.end().await;
        (self.answer_at, self.ringing) = (None, None);
        (self.hung_up, self.deadline) = (true, Some(Instant::now() + LAST_RESORT));
    }
}

fn role(desktop: &DesktopSharingStream) -> RfbRole {
    desktop.handler().role()
}

/// What became of a command, as the program tells it.
fn done<T>(outcome: Result<T, CommandError>) -> Result<(), Failure> {
    outcome.map(drop).map_err(|error| failure(error.into()))
}

/// Waits for a time, or for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

fn nothing_proposed() -> Failure {
    Failure::new(Code::Usage, "nothing is proposed")
}

/// No answer at all came over any route: RFC 3261 §8.1.3.1 has us act as if a 408 or a 503 had come.
fn nobody_there(reason: &str) -> Failure {
    Failure::new(
        Code::Unreachable,
        format_args!(
            "nobody answers there ({reason}); check the address, and that somebody listens at that port"
        ),
    )
}
