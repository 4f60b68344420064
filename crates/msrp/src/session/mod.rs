//! A session: messages in both directions over one connection (RFC 4975 §5.4, §7).

mod config;
mod event;
mod hold_up;
mod member;
mod receive;
mod reports;
mod send;

pub use crate::message::{IncomingId, MessageLimits};
pub use crate::outbound::{Burst, OutgoingMessage};
pub use config::{Delivery, PathMatching, Reports, SessionConfig};
pub use event::{AbortReason, CloseReason, Message, OutgoingId, SessionEvent};
pub use send::SendError;

use crate::chunk::{Continuation, FailureReport, Head, HeadWriter, Method, StatusCode, TransactionIds};
use crate::framer::{Frame, Framer};
use crate::outbound::Outbound;
use crate::relay::{RelayClient, RelayEvent};
use crate::setup::Role;
use crate::trace::{ChunkTracer, Tracing};
use crate::transaction::{Pending, Transactions, What};
use bytes::{Buf, BytesMut};
use offhook_sansio::{Deadlines, Entropy, Outbox, Timer, earliest};

use hold_up::Hearing;
use receive::Inbox;
use reports::Tracked;
use std::collections::BTreeMap;
use std::time::Instant;

/// A session of messages over one connection, as a plain value.
///
/// Append received bytes to [`input`](Self::input) and call [`handle_input`](Self::handle_input); after that, and after
/// every command, write what [`poll_transmit`](Self::poll_transmit) gives until it says `None`, then take the events.
/// `poll_transmit` makes bytes only when it is asked: ask again when the connection can take more.
///
/// ```text
///            bound (200 to our empty SEND,          close()            all sent
///            or the peer's first SEND)              │                  and answered
/// Connecting ─────────────────────────► Active ─────┴─────► Closing ──────────────► Closed
///     └── timeout, refusal ──────────────┴── connection lost, nonsense ──┴────────────►
/// ```
#[derive(Debug)]
pub struct MsrpSession {
    config: SessionConfig,
    state: State,
    framer: Framer,
    inbox: Inbox,
    outbound: Outbound,
    transactions: Transactions,
    tracked: BTreeMap<u64, Tracked>,
    /// Messages that are sent and answered, and may still be reported about.
    reportable: BTreeMap<u64, Tracked>,
    ids: TransactionIds,
    message_ids: TransactionIds,
    timers: Deadlines<SessionTimer, 4>,
    hearing: Hearing,
    /// Sees what passes, while somebody wants to.
    tracing: Option<Box<Tracing>>,
    /// Renews our place at the relay that the connection goes to.
    relay: Option<Box<RelayClient>>,
    /// Responses, reports and empty requests: they go before messages.
    urgent: BytesMut,
    scratch: BytesMut,
    events: Outbox<SessionEvent>,
}

/// The states of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The connection is there, but not bound to the session yet.
    Connecting,
    /// Messages flow.
    Active,
    /// Nothing new is taken; what is queued is sent and answered.
    Closing,
    /// Over. The connection is to be closed once everything is written.
    Closed,
}

#[derive(Clone, Copy, Debug)]
enum SessionTimer {
    Bind,
    KeepAlive,
    Stall,
    HoldUp,
}

impl Timer for SessionTimer {
    const ALL: &'static [Self] = &[Self::Bind, Self::KeepAlive, Self::Stall, Self::HoldUp];

    fn index(self) -> usize {
        self as usize
    }
}

/// When this much waits to be written, nothing more is to be read: who asks much must take the answers.
const URGENT_LIMIT: usize = 256 * 1024;

impl MsrpSession {
    /// The session of the end that opened the connection: it binds it by an empty SEND (RFC 4975 §5.4).
    pub fn connected(now: Instant, config: SessionConfig, entropy: Entropy) -> Self {
        let framer = Framer::new(config.head_limits);
        let mut session = Self::new(now, config, entropy, framer);
        session.send_empty(now, What::Bind);
        session
    }

    /// The session of the end that took the connection: the peer's first SEND binds it.
    ///
    /// The framer is the one that has read the connection so far, and `head` the head that it gave if it was asked to
    /// find out whose session this is.
    pub fn accepted(
        now: Instant,
        config: SessionConfig,
        entropy: Entropy,
        framer: Framer,
        head: Option<Head>,
    ) -> Self {
        let mut session = Self::new(now, config, entropy, framer);
        if let Some(head) = head {
            session.take_frame(now, Frame::Head(head));
        }
        session.handle_input(now);
        session
    }

    /// The session of an end that is at a relay: `relay` has its place there, on this connection, and the framer has
    /// read it so far: up to the head of the peer's first request, if there was one. The path of the place becomes our path.
    pub fn relayed(
        now: Instant,
        mut config: SessionConfig,
        entropy: Entropy,
        framer: Framer,
        first: Option<Head>,
        relay: RelayClient,
        role: Role,
    ) -> Self {
        if let Some(path) = relay.path() {
            config.local_path = path.clone();
        }
        let mut session = Self::new(now, config, entropy, framer);
        session.relay = Some(Box::new(relay));
        if role == Role::Active {
            session.send_empty(now, What::Bind);
        }
        if let Some(head) = first {
            session.take_frame(now, Frame::Head(head));
        }
        session.handle_input(now);
        session.follow_relay_client();
        session
    }

    fn new(now: Instant, config: SessionConfig, mut entropy: Entropy, framer: Framer) -> Self {
        let own = config.local_path.last().to_string();
        let to_path = config.full_remote_path();
        let mut timers = Deadlines::new();
        timers.set(SessionTimer::Bind, now + config.bind_timeout);
        Self {
            state: State::Connecting,
            framer,
            inbox: Inbox::default(),
            outbound: Outbound::new(
                config.chunk_size,
                config.begun,
                config.queued_bytes,
                (to_path, own),
            ),
            transactions: Transactions::default(),
            tracked: BTreeMap::new(),
            reportable: BTreeMap::new(),
            ids: TransactionIds::new(entropy.fork()),
            message_ids: TransactionIds::new(entropy),
            timers,
            hearing: Hearing::default(),
            tracing: config
                .tracer
                .clone()
                .map(|tracer| Box::new(Tracing::new(Box::new(tracer)))),
            relay: None,
            urgent: BytesMut::new(),
            scratch: BytesMut::new(),
            events: Outbox::new(),
            config,
        }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The configuration.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Shows all chunks to a tracer from now on, or to nobody, in the place of [`SessionConfig::tracer`]. A chunk that is under way when a tracer comes is not shown.
    pub fn set_tracer(&mut self, tracer: Option<Box<dyn ChunkTracer>>) {
        self.tracing = tracer.map(|tracer| Box::new(Tracing::new(tracer)));
    }

    /// Closes the session once all that is queued is sent and answered.
    pub fn close(&mut self) {
        match self.state {
            State::Connecting => self.end(CloseReason::ByOwner),
            State::Active => {
                self.state = State::Closing;
                self.settle();
            }
            State::Closing | State::Closed => {}
        }
    }

    /// The buffer that received bytes are appended to.
    pub fn input(&mut self) -> &mut BytesMut {
        self.framer.input()
    }

    /// False while so much waits to be written, or to be heard by the owner, that nothing more should be read.
    pub fn wants_input(&self) -> bool {
        self.may_answer() && !self.is_full()
    }

    /// Reads what was appended to [`input`](Self::input).
    pub fn handle_input(&mut self, now: Instant) {
        while self.state != State::Closed {
            match self.framer.next_frame() {
                Ok(Some(frame)) => self.take_frame(now, frame),
                Ok(None) => {
                    self.watch_for_stall(now);
                    break;
                }
                Err(error) => self.end(CloseReason::Unintelligible(error)),
            }
        }
        self.settle();
    }

    /// The connection ended: nothing can be sent or received any more.
    pub fn handle_closed(&mut self) {
        let is_done = self.outbound.is_empty() && self.transactions.wanted() == 0;
        let reason = match self.state {
            State::Closing if is_done => CloseReason::ByOwner,
            _ => CloseReason::ConnectionLost,
        };
        self.end(reason);
        self.outbound.clear();
        self.urgent.clear();
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(pending) = self.transactions.take_expired(now) {
            self.settle_transaction(pending, silence(pending.what));
        }
        if let Some(relay) = &mut self.relay {
            relay.handle_timeout(now);
            self.follow_relay_client();
        }
        while let Some(timer) = self.timers.take_expired(now) {
            match timer {
                SessionTimer::Bind => self.end(CloseReason::BindTimeout),
                // While nothing is read, it is we who stand still, and an answer would not be heard.
                SessionTimer::KeepAlive if self.is_full() => self.keep_alive_later(now),
                SessionTimer::Stall if self.is_full() => self.watch_for_stall(now),
                SessionTimer::KeepAlive => self.send_empty(now, What::KeepAlive),
                SessionTimer::Stall => self.end(CloseReason::Stalled),
                SessionTimer::HoldUp => self.become_deaf(),
            }
        }
        self.settle();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        let relay = self.relay.as_ref().and_then(|relay| relay.poll_timeout());
        earliest(
            earliest(self.timers.soonest(), relay),
            self.transactions.deadline(),
        )
    }

    /// The next bytes to write, all in one write if possible.
    #[must_use = "bytes that are taken and dropped are lost"]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Burst> {
        let is_over = self.state == State::Closed;
        if is_over && self.urgent.is_empty() && !self.is_inside_chunk() {
            return None;
        }
        let between_chunks = self.outbound.open_chunk().is_none();
        let mut out = std::mem::take(&mut self.scratch);
        if !self.urgent.is_empty() || is_over {
            self.outbound.interrupt(&mut out, &mut self.ids);
            out.extend_from_slice(&self.urgent);
            self.urgent.clear();
        }
        let room = match self.state {
            State::Active | State::Closing => {
                self.config.unanswered.saturating_sub(self.transactions.wanted())
            }
            State::Connecting | State::Closed => 0,
        };
        let burst = self.outbound.write(&mut out, &mut self.ids, room);
        self.scratch = out;
        self.book_sent(now);
        self.settle();
        if !burst.has_remaining() {
            return None;
        }
        if let Some(tracing) = &mut self.tracing {
            tracing.sent(burst.clone(), between_chunks);
        }
        self.keep_alive_later(now);
        Some(burst)
    }

    /// The next event.
    #[must_use = "an event that is taken and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop()
    }

    fn send_empty(&mut self, now: Instant, what: What) {
        let id = self.ids.next_id();
        let message_id = self.message_ids.next_id();
        let head = HeadWriter::request(
            &mut self.urgent,
            &id,
            &Method::Send,
            &self.outbound.to_path,
            &self.outbound.from_path,
        )
        .and_then(|head| head.field("Message-ID", message_id.as_str()));
        if let Ok(head) = head {
            head.end(Continuation::Last);
        }
        let timeout = match what {
            What::Bind => self.config.bind_timeout,
            _ => self.config.response_timeout,
        };
        self.transactions.open(id, now + timeout, what);
    }

    /// Whether a response is one to our relay client, which takes it then.
    fn is_for_relay_client(&mut self, now: Instant, head: &Head) -> bool {
        let Some(relay) = &mut self.relay else {
            return false;
        };
        let is_its = relay.handle_response(now, head);
        if is_its {
            self.follow_relay_client();
        }
        is_its
    }

    fn follow_relay_client(&mut self) {
        while let Some(relay) = &mut self.relay {
            if let Some(bytes) = relay.poll_transmit() {
                self.urgent.extend_from_slice(&bytes);
            }
            match relay.poll_event() {
                Some(RelayEvent::Moved(path)) => self.events.push(SessionEvent::RelayMoved(path)),
                Some(RelayEvent::Failed(error)) => self.end(CloseReason::Relay(error)),
                Some(RelayEvent::Placed(_) | RelayEvent::Renewed) => {}
                None => return,
            }
        }
    }

    /// The connection is bound.
    fn become_active(&mut self) {
        if self.state == State::Connecting {
            self.state = State::Active;
            self.timers.stop(SessionTimer::Bind);
            self.events.push(SessionEvent::Ready);
        }
    }

    fn end(&mut self, reason: CloseReason) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.timers.stop_all();
            self.outbound.give_up();
            self.give_up_incoming();
            self.events.push(SessionEvent::Closed(reason));
        }
    }

    /// Ends a session that closes and has nothing left to do.
    fn settle(&mut self) {
        let is_done = self.outbound.is_empty() && self.urgent.is_empty() && self.transactions.wanted() == 0;
        if self.state == State::Closing && is_done {
            self.end(CloseReason::ByOwner);
        }
    }

    fn keep_alive_later(&mut self, now: Instant) {
        if let Some(keep_alive) = self.config.keep_alive.filter(|_| self.state == State::Active) {
            self.timers.set(SessionTimer::KeepAlive, now + keep_alive);
        }
    }

    fn watch_for_stall(&mut self, now: Instant) {
        if self.framer.is_idle() {
            self.timers.stop(SessionTimer::Stall);
        } else if !self.framer.is_in_head() || self.timers.get(SessionTimer::Stall).is_none() {
            // A body may take as long as it likes while it moves; a head has to be there in time.
            self.timers
                .set(SessionTimer::Stall, now + self.config.stall_timeout);
        }
    }

    fn settle_transaction(&mut self, pending: Pending, status: StatusCode) {
        match pending.what {
            What::Bind if status.is_success() => self.become_active(),
            What::Bind if status == StatusCode::TIMEOUT => self.end(CloseReason::BindTimeout),
            What::Bind => self.end(CloseReason::BindRefused(status)),
            What::KeepAlive if status.is_success() || (status == StatusCode::TIMEOUT && self.is_full()) => {}
            What::KeepAlive => self.end(CloseReason::KeepAliveFailed(status)),
            What::Nickname => self.events.push(SessionEvent::NicknameAnswered(status)),
            What::Chunk { message, len, .. } => {
                self.settle_chunk(message, len, status);
                // RFC 4975 §10.8: the sender should terminate the session. A relay's silence is none of that.
                if status == StatusCode::NO_SESSION {
                    self.end(CloseReason::Unknown);
                }
            }
        }
    }
}

/// What no response after the timeout means: failure, unless only failures were to be told.
fn silence(what: What) -> StatusCode {
    match what {
        What::Chunk {
            wish: FailureReport::Partial | FailureReport::No,
            ..
        } => StatusCode::OK,
        _ => StatusCode::TIMEOUT,
    }
}

#[cfg(test)]
mod tests;
