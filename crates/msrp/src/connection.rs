//! A connection and the sessions on it: one, or several that share it (RFC 4975 §5.4).

use crate::chunk::{Continuation, FieldName, Head, HeadWriter, Limits, Method, StatusCode};
use crate::discarded::Discarded;
use crate::framer::{Frame, Framer};
use crate::outbound::Burst;
use crate::session::{CloseReason, MsrpSession, SessionConfig, State};
use bytes::{Buf, Bytes, BytesMut};
use offhook_sansio::{Entropy, earliest};
use std::time::{Duration, Instant};

/// A connection with the sessions on it, as a plain value.
///
/// It is driven like a session, which it takes the place of: append received bytes to [`input`](Self::input), call
/// [`handle_input`](Self::handle_input), write what [`poll_transmit`](Self::poll_transmit) gives. Commands are given to
/// the sessions, and events taken from them, by [`session`](Self::session); one that is over and has nothing left to say
/// is forgotten.
///
/// Sessions take turns in writing, a burst each; while another has something to write, none leaves a long chunk open. What
/// arrives is for the session whose id To-Path ends with. The end or failure of one session does not concern the others;
/// the end of the connection, a chunk that stands still and what is no chunk end all of them.
///
/// A session whose owner takes no events is told by [`set_full`](Self::set_full). Nothing is read then, so that its peer
/// waits and nothing is lost; but where other sessions are not full, no longer than its
/// [`SessionConfig::hold_up`](crate::SessionConfig::hold_up). From then on the connection goes on for the others, and
/// messages for this session are refused with 413, which tells their sender to try again later, until its owner takes some
/// events.
///
/// A SEND for a session that is not here is [`asked`](Self::asked) about, and nothing more is read until it is decided by
/// [`accept`](Self::accept) or [`refuse`](Self::refuse).
#[derive(Debug)]
pub struct SharedConnection {
    framer: Framer,
    limits: Limits,
    members: Vec<Member>,
    next_key: u64,
    reading: Reading,
    /// Who is the next to write, as an index.
    turn: usize,
    /// Answers that are no session's.
    urgent: BytesMut,
    stall_timeout: Duration,
    /// When what is being read will have stood still for too long.
    stalled_at: Option<Instant>,
    discarded: Discarded,
    /// How much of a message may be read after it was refused.
    most_discarded: u64,
}

/// Names a session on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(u64);

#[derive(Debug)]
struct Member {
    key: SessionKey,
    session: MsrpSession,
}

/// Whose chunk is being read.
#[derive(Debug)]
enum Reading {
    /// One that was refused, or is for nobody.
    Nobodys,
    Of(SessionKey),
    /// It is to be decided.
    Asked(Box<Head>),
}

impl SharedConnection {
    /// The connection of a session, which may have read some of it already.
    pub fn new(now: Instant, mut session: MsrpSession) -> (Self, SessionKey) {
        let key = SessionKey(0);
        let config = session.config();
        let mut connection = Self {
            limits: config.head_limits,
            stall_timeout: config.stall_timeout,
            most_discarded: config.discarded_bytes,
            framer: session.take_framer(),
            members: vec![Member { key, session }],
            next_key: 1,
            reading: Reading::Of(key),
            turn: 0,
            urgent: BytesMut::new(),
            stalled_at: None,
            discarded: Discarded::default(),
        };
        connection.handle_input(now);
        (connection, key)
    }

    /// Adds a session of ours, which binds the connection by an empty SEND.
    pub fn connect(&mut self, now: Instant, config: SessionConfig, entropy: Entropy) -> SessionKey {
        self.add(MsrpSession::connected(now, config, entropy))
    }

    /// The SEND for a session that is not here.
    pub fn asked(&self) -> Option<&Head> {
        match &self.reading {
            Reading::Asked(head) => Some(head),
            Reading::Nobodys | Reading::Of(_) => None,
        }
    }

    /// Adds the session that was [`asked`](Self::asked) for. `None` when none was.
    pub fn accept(&mut self, now: Instant, config: SessionConfig, entropy: Entropy) -> Option<SessionKey> {
        let head = self.take_asked()?;
        let framer = Framer::new(self.limits);
        let key = self.add(MsrpSession::accepted(now, config, entropy, framer, Some(head)));
        self.reading = Reading::Of(key);
        self.handle_input(now);
        Some(key)
    }

    /// Answers the SEND that was [`asked`](Self::asked) about with this status: 481 when the session is not known, 506
    /// when it is on another connection.
    pub fn refuse(&mut self, now: Instant, status: StatusCode) {
        if let Some(head) = self.take_asked() {
            self.discarded.begin(&head);
            refuse(&mut self.urgent, &head, status);
            self.handle_input(now);
        }
    }

    fn take_asked(&mut self) -> Option<Head> {
        match std::mem::replace(&mut self.reading, Reading::Nobodys) {
            Reading::Asked(head) => Some(*head),
            other => {
                self.reading = other;
                None
            }
        }
    }

    fn add(&mut self, session: MsrpSession) -> SessionKey {
        let key = SessionKey(self.next_key);
        self.next_key += 1;
        self.members.push(Member { key, session });
        key
    }

    /// A session on this connection; `None` once it is over and forgotten.
    pub fn session(&mut self, key: SessionKey) -> Option<&mut MsrpSession> {
        let mut members = self.members.iter_mut();
        let member = members.find(|member| member.key == key)?;
        Some(&mut member.session)
    }

    /// How many sessions there are. With none the connection is to be closed.
    pub fn session_count(&self) -> usize {
        let is_here = |member: &&Member| !member.session.is_forgettable();
        self.members.iter().filter(is_here).count()
    }

    /// The buffer that received bytes are appended to.
    pub fn input(&mut self) -> &mut BytesMut {
        self.framer.input()
    }

    /// False while nothing more should be read: what was asked is not decided, so much waits to be written that the
    /// answers would not be taken, a session is full, or all sessions are over.
    pub fn wants_input(&self) -> bool {
        self.asked().is_none()
            && !self.is_over()
            && !self.is_held_up()
            && self.members.iter().all(|member| member.session.may_answer())
    }

    /// Whether it waits for the owner of a session to take events.
    fn is_held_up(&self) -> bool {
        let mut sessions = self.living();
        sessions.clone().all(MsrpSession::is_full)
            || sessions.any(|session| session.is_full() && !session.is_deaf())
    }

    fn living(&self) -> impl Iterator<Item = &MsrpSession> + Clone {
        let sessions = self.members.iter().map(|member| &member.session);
        sessions.filter(|session| session.state() != State::Closed)
    }

    /// Says that the owner of a session has no room for more of its events, or has room again. Tell each change, and once
    /// more when some but not all were taken.
    pub fn set_full(&mut self, now: Instant, key: SessionKey, is_full: bool) {
        let was_held_up = self.is_held_up();
        if let Some(session) = self.session(key) {
            session.set_full(now, is_full);
        }
        if was_held_up && !self.is_held_up() {
            self.stalled_at = None; // the peer's time begins anew
            self.watch_for_stall(now);
        }
    }

    /// Reads what was appended to [`input`](Self::input).
    pub fn handle_input(&mut self, now: Instant) {
        while !self.is_over() && self.asked().is_none() {
            match self.framer.next_frame() {
                Ok(Some(Frame::Head(head))) => self.begin(now, head),
                Ok(Some(frame)) => self.go_on(now, frame),
                Ok(None) => {
                    self.watch_for_stall(now);
                    break;
                }
                Err(error) => self.end_all(&CloseReason::Unintelligible(error)),
            }
        }
        if self.asked().is_some() {
            self.stalled_at = None; // it is we who stand still
        }
        for member in &mut self.members {
            member.session.after_input();
        }
    }

    /// The connection ended: nothing can be sent or received any more.
    pub fn handle_closed(&mut self) {
        self.take_asked();
        self.urgent.clear();
        for member in &mut self.members {
            member.session.handle_closed();
        }
    }

    /// How long the peer may read nothing while something is written to it: as long as the most patient session says; while
    /// there is none, 1 s.
    pub fn unread_timeout(&self) -> Option<Duration> {
        let mut sessions = self.living();
        sessions.try_fold(Duration::from_secs(1), |longest, session| {
            Some(longest.max(session.config().unread_timeout?))
        })
    }

    /// The peer read nothing for so long: all sessions end, and nothing more can be written.
    pub fn handle_unread(&mut self) {
        self.end_all(&CloseReason::Unread);
        self.handle_closed();
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for member in &mut self.members {
            member.session.handle_timeout(now);
        }
        if self.stalled_at.is_some_and(|at| at <= now) {
            self.stalled_at = None;
            if self.is_held_up() {
                self.watch_for_stall(now); // it is we who stand still
            } else {
                self.end_all(&CloseReason::Stalled);
            }
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stalled_at = self.stalled_at.filter(|_| !self.is_over());
        let sessions = self.members.iter().map(|member| member.session.poll_timeout());
        sessions.fold(stalled_at, earliest)
    }

    /// The next bytes to write, all in one write if possible.
    #[must_use = "bytes that are taken and dropped are lost"]
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Burst> {
        self.members.retain(|member| !member.session.is_forgettable());
        let count = self.members.len();
        let is_inside = |member: &Member| member.session.is_inside_chunk();
        if let Some(index) = self.members.iter().position(is_inside) {
            return self.transmit_of(now, index);
        }
        if !self.urgent.is_empty() {
            return Some(Burst::from(self.urgent.split().freeze()));
        }
        (0..count).find_map(|step| self.transmit_of(now, (self.turn + step) % count))
    }

    fn transmit_of(&mut self, now: Instant, index: usize) -> Option<Burst> {
        let others_wait = !self.urgent.is_empty()
            || self
                .members
                .iter()
                .enumerate()
                .any(|(other, member)| other != index && member.session.has_something_to_send());
        let session = &mut self.members[index].session;
        session.let_others_write(others_wait);
        let burst = session.poll_transmit(now).filter(Buf::has_remaining)?;
        self.turn = index + 1;
        Some(burst)
    }

    fn is_over(&self) -> bool {
        self.living().next().is_none()
    }

    fn begin(&mut self, now: Instant, head: Head) {
        self.reading = match self.addressee(&head) {
            Some(index) => {
                let Member { key, session } = &mut self.members[index];
                let reading = Reading::Of(*key);
                session.take_frame(now, Frame::Head(head));
                reading
            }
            None if head.status().is_some() => {
                self.discarded.begin(&head);
                // Some peers do not send responses to where the request came from; only one session knows the transaction.
                for member in &mut self.members {
                    member.session.take_frame(now, Frame::Head(head.clone()));
                }
                Reading::Nobodys
            }
            None if head.method() == Some(&Method::Send) => Reading::Asked(Box::new(head)),
            None => {
                self.discarded.begin(&head);
                if head.method() != Some(&Method::Report) {
                    refuse(&mut self.urgent, &head, StatusCode::NO_SESSION);
                }
                Reading::Nobodys
            }
        };
    }

    /// The session that a chunk is for. One that names no session at all is judged by the first.
    fn addressee(&self, head: &Head) -> Option<usize> {
        let is_here = |member: &Member| member.session.state() != State::Closed;
        let to_path = head.field(FieldName::ToPath);
        let by_letter = to_path.and_then(|to| {
            let mut members = self.members.iter();
            members.position(|member| member.session.is_addressed(to) && is_here(member))
        });
        if by_letter.is_some() {
            return by_letter;
        }
        let mut members = self.members.iter();
        match head.to_path() {
            Ok(path) => {
                let id = path.last().session_id()?;
                members.position(|member| member.session.has_session_id(id) && is_here(member))
            }
            Err(_) => members.position(is_here),
        }
    }

    fn go_on(&mut self, now: Instant, frame: Frame) {
        let reader = match self.reading {
            Reading::Of(key) => self
                .session(key)
                .filter(|session| session.state() != State::Closed),
            Reading::Nobodys | Reading::Asked(_) => None,
        };
        let is_end = matches!(frame, Frame::End(_));
        match (reader, frame) {
            (Some(session), frame) => session.take_frame(now, frame),
            (None, Frame::Body(data)) => self.discard(&data),
            (None, Frame::Head(_) | Frame::End(_)) => {}
        }
        if is_end {
            self.reading = Reading::Nobodys;
        }
    }

    fn discard(&mut self, data: &Bytes) {
        if self.discarded.add(data.len()) > self.most_discarded {
            self.end_all(&CloseReason::Flood);
        }
    }

    fn end_all(&mut self, reason: &CloseReason) {
        for member in &mut self.members {
            member.session.end_with(reason.clone());
        }
    }

    fn watch_for_stall(&mut self, now: Instant) {
        if self.framer.is_idle() {
            self.stalled_at = None;
        } else if !self.framer.is_in_head() || self.stalled_at.is_none() {
            // A body may take as long as it likes while it moves; a head has to be there in time.
            self.stalled_at = Some(now + self.stall_timeout);
        }
    }
}

/// Answers a request that is no session's, if its sender wants that.
pub(crate) fn refuse(out: &mut BytesMut, head: &Head, status: StatusCode) {
    if head.status().is_some() || !head.failure_report().unwrap_or_default().wants(status) {
        return;
    }
    let (Some(from), Some(to)) = (head.field(FieldName::FromPath), head.field(FieldName::ToPath)) else {
        return;
    };
    let back = match head.method() {
        Some(Method::Send) => from.split(' ').next().unwrap_or_default(),
        _ => from,
    };
    let own = to.split(' ').next_back().unwrap_or_default();
    if let Ok(response) = HeadWriter::response(out, head.transaction_id(), status, back, own) {
        response.end(Continuation::Last);
    }
}

#[cfg(test)]
mod tests;
