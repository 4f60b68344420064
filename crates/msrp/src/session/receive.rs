//! Requests that arrive (RFC 4975 §7.3): whose they are, what is taken, and what is answered.

use super::{AbortReason, CloseReason, Delivery, Message, MsrpSession, Reports, SessionEvent};
use crate::chunk::{
    ByteRange, Continuation, FailureReport, FieldName, Head, HeadWriter, Method, ReportStatus, StartLine,
    StatusCode, SuccessReport, TransactionId, is_media_type,
};
use crate::discarded::Discarded;
use crate::framer::Frame;
use crate::message::{Incoming, IncomingId, Place};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

/// Messages on their way in.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// `None` also while a chunk passes whose body nobody wants: a response, a report, a request that was answered already.
    current: Option<Current>,
    incoming: Vec<Incoming>,
    /// What was refused lately: chunks that were on the way meanwhile are refused as well, and do not begin anew.
    refused: VecDeque<Refused>,
    next: u64,
    discarded: Discarded,
}

/// The SEND that is being read.
#[derive(Debug)]
struct Current {
    head: Head,
    /// What it is a chunk of, unless it has no body.
    message: Option<IncomingId>,
    place: Place,
}

#[derive(Debug)]
struct Refused {
    message_id: Box<str>,
    status: StatusCode,
    by_owner: bool,
}

/// How many refused messages are remembered.
const REFUSED: usize = 128;

impl Inbox {
    fn remember(&mut self, message_id: &str, status: StatusCode, by_owner: bool) {
        if self.refused.len() == REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back(Refused {
            message_id: message_id.into(),
            status,
            by_owner,
        });
    }

    /// The message that the chunk which is being read is a part of, and where there it is.
    fn piece_of(&mut self) -> Option<(&mut Incoming, &mut Place)> {
        let Current { message, place, .. } = self.current.as_mut()?;
        let mut incoming = self.incoming.iter_mut();
        Some((incoming.find(|incoming| Some(incoming.key) == *message)?, place))
    }

    fn position(&self, message_id: &str) -> Option<usize> {
        self.incoming
            .iter()
            .position(|incoming| *incoming.message_id == *message_id)
    }

    /// The status with which the message of a chunk was refused. One that begins at its first byte is sent again, and
    /// judged again unless the owner did not want it.
    fn refused_before(&mut self, message_id: &str, place: Place) -> Option<StatusCode> {
        let index = self
            .refused
            .iter()
            .position(|refused| *refused.message_id == *message_id)?;
        if place.is_first() && !self.refused[index].by_owner {
            self.refused.remove(index);
            return None;
        }
        Some(self.refused[index].status)
    }
}

impl MsrpSession {
    /// Refuses an incoming message: the sender is told to stop (413), now if a chunk of it is arriving, else with its
    /// next chunk.
    pub fn reject(&mut self, message: IncomingId) {
        let Some(index) = self
            .inbox
            .incoming
            .iter()
            .position(|incoming| incoming.key == message)
        else {
            return;
        };
        let incoming = self.inbox.incoming.swap_remove(index);
        self.inbox
            .remember(&incoming.message_id, StatusCode::STOP_SENDING, true);
        if self
            .inbox
            .current
            .as_ref()
            .is_some_and(|current| current.message == Some(message))
            && let Some(Current { head, .. }) = self.inbox.current.take()
        {
            self.inbox.discarded.begin(&head);
            self.respond(&head, StatusCode::STOP_SENDING);
        }
        self.tell_aborted(message, AbortReason::ByOwner);
    }

    /// Reports on a message or a part of it ([`Reports::Manual`]; failures that show late under any setting). `head` is
    /// that of the message. Does nothing when the sender does not want to know (RFC 4975 §7.1.3, §7.1.4).
    pub fn report(&mut self, head: &Head, range: ByteRange, status: StatusCode) {
        let is_wanted = if status.is_success() {
            head.success_report() == Ok(SuccessReport::Yes)
        } else {
            head.failure_report() != Ok(FailureReport::No)
        };
        if is_wanted {
            self.write_report(head, range, status);
        }
    }

    pub(super) fn handle_frame(&mut self, now: Instant, frame: Frame) {
        match frame {
            Frame::Head(head) => self.handle_head(now, head),
            Frame::Body(data) => self.handle_body(&data),
            Frame::End(flag) => self.handle_end(now, flag),
        }
    }

    fn handle_head(&mut self, now: Instant, head: Head) {
        match head.start_line() {
            StartLine::Response(status) => {
                let status = *status;
                self.inbox.discarded.begin(&head);
                self.handle_response(head.transaction_id(), status);
            }
            StartLine::Request(Method::Report) => {
                self.inbox.discarded.begin(&head);
                self.handle_report(&head);
            }
            StartLine::Request(Method::Send) => match self.begin_send(now, &head) {
                Ok((message, place)) => {
                    self.become_active();
                    self.inbox.current = Some(Current { head, message, place });
                }
                Err(status) => {
                    self.inbox.discarded.begin(&head);
                    self.respond(&head, status);
                }
            },
            StartLine::Request(Method::Nickname) if self.config.takes_nicknames => {
                self.inbox.discarded.begin(&head);
                self.handle_nickname(&head);
            }
            StartLine::Request(_) => {
                self.inbox.discarded.begin(&head);
                let status = match self.check_paths(&head) {
                    Ok(()) => StatusCode::UNKNOWN_METHOD,
                    Err(status) => status,
                };
                self.respond(&head, status);
            }
        }
    }

    /// Answers a request for a nickname: 200 when it is the peer's now, else 403, 424 or 425 (RFC 7701 §7.1).
    pub fn answer_nickname(&mut self, request: &Head, status: StatusCode) {
        self.respond(request, status);
    }

    fn handle_nickname(&mut self, head: &Head) {
        let wanted = head
            .field(FieldName::UseNickname)
            .and_then(|name| name.parse().ok());
        match (self.check_paths(head), wanted) {
            (Err(status), _) => self.respond(head, status),
            (Ok(()), None) => self.respond(head, StatusCode::BAD_NICKNAME),
            (Ok(()), Some(_)) if self.is_deaf() => self.respond(head, StatusCode::FORBIDDEN),
            (Ok(()), Some(nickname)) => {
                self.become_active(); // as a SEND would, and before it is told
                self.events.push(SessionEvent::NicknameWanted {
                    request: head.detached(),
                    nickname,
                });
            }
        }
    }

    /// Judges a SEND by its head; the message that it is a chunk of, and its place there.
    fn begin_send(&mut self, now: Instant, head: &Head) -> Result<(Option<IncomingId>, Place), StatusCode> {
        self.check_paths(head)?;
        let bad = StatusCode::BAD_REQUEST;
        head.failure_report().map_err(|_| bad)?;
        head.success_report().map_err(|_| bad)?;
        let message_id = head.message_id();
        if message_id.is_some_and(|id| id.parse::<TransactionId>().is_err()) {
            return Err(bad); // both are an `ident` (RFC 4975 §9)
        }
        let range = head.byte_range().map_err(|_| bad)?;
        let place = Place::of(range);
        let known = message_id.and_then(|id| self.inbox.position(id));
        match head.content_type() {
            Some(content_type) if !is_media_type(content_type) => return Err(bad),
            Some(content_type) if !self.config.accepts(content_type) => {
                return Err(StatusCode::UNSUPPORTED_MEDIA);
            }
            // Without a body it may still end a message, or give it up (RFC 4975 §9).
            None if known.is_none() => return Ok((None, place)),
            _ => {}
        }
        let message_id = message_id.ok_or(bad)?;
        if let Some(status) = self.inbox.refused_before(message_id, place) {
            return Err(status);
        }
        if self.is_deaf() {
            self.refuse_unheard(message_id);
            return Err(StatusCode::STOP_SENDING);
        }
        let index = match known {
            Some(index) => index,
            None if !range.is_some_and(ByteRange::is_whole) && !self.has_place(now) => {
                self.inbox.remember(message_id, StatusCode::STOP_SENDING, false);
                return Err(StatusCode::STOP_SENDING);
            }
            None => {
                let key = IncomingId(self.inbox.next);
                self.inbox.next += 1;
                let collect = self.config.delivery == Delivery::Collected;
                let held = self.config.held.remove(message_id).unwrap_or(0);
                self.inbox
                    .incoming
                    .push(Incoming::new(key, message_id, now, collect).with_held(held));
                self.inbox.incoming.len() - 1
            }
        };
        let incoming = &mut self.inbox.incoming[index];
        incoming.heard_at = now;
        let key = incoming.key;
        let begun = incoming.begin(range, &self.config.message_limits);
        if known.is_none() && begun.is_err() {
            self.inbox.incoming.pop(); // nobody heard of it
            self.inbox.remember(message_id, StatusCode::STOP_SENDING, false);
        } else if known.is_none() && self.config.delivery == Delivery::Pieces {
            let size = incoming.total();
            self.become_active(); // a first message binds the session, which is told before the message
            self.events.push(SessionEvent::MessageBegan {
                message: key,
                head: head.clone(),
                size,
            });
        } else if let Err(status) = begun {
            self.drop_message(key, AbortReason::Refused(status));
        }
        begun.map(|()| (Some(key), place))
    }

    /// Whether one more message may be incomplete; if need be, the one goes for it that nothing comes of.
    fn has_place(&mut self, now: Instant) -> bool {
        let limits = self.config.message_limits;
        let incoming = &self.inbox.incoming;
        if incoming.len() < limits.at_once {
            return true;
        }
        let Some(stalest) = incoming.iter().min_by_key(|incoming| incoming.heard_at) else {
            return false;
        };
        if stalest.heard_at + limits.idle > now {
            return false;
        }
        self.drop_message(stalest.key, AbortReason::Refused(StatusCode::STOP_SENDING));
        true
    }

    fn handle_body(&mut self, data: &Bytes) {
        match &self.inbox.current {
            Some(Current { head, .. }) if head.content_type().is_some() => {}
            current => {
                if current.is_some() {
                    self.refuse(StatusCode::BAD_REQUEST);
                }
                if self.inbox.discarded.add(data.len()) > self.config.discarded_bytes {
                    self.end(CloseReason::Flood);
                }
                return;
            }
        }
        if self.is_deaf() {
            return self.refuse(StatusCode::STOP_SENDING);
        }
        // However the transport cut the body, all bytes before the first that is too many are told.
        let fitting = self.room().min(data.len() as u64) as usize;
        if self.take_piece(data.slice(..fitting)) && fitting < data.len() {
            self.take_piece(data.slice(fitting..=fitting));
        }
    }

    /// How many bytes of the chunk that is being read have room in its message.
    fn room(&mut self) -> u64 {
        let limits = self.config.message_limits;
        match self.inbox.piece_of() {
            Some((incoming, place)) => incoming.room(place, &limits),
            None => 0,
        }
    }

    /// Takes bytes of the chunk that is being read. False when it was refused for them.
    fn take_piece(&mut self, data: Bytes) -> bool {
        let Some((incoming, place)) = self.inbox.piece_of().filter(|_| !data.is_empty()) else {
            return true;
        };
        let message = incoming.key;
        match incoming.piece(place, &data, &self.config.message_limits) {
            Ok(at) if self.config.delivery == Delivery::Pieces => {
                self.events.push(SessionEvent::MessageData { message, at, data });
                true
            }
            Ok(_) => true,
            Err(status) => {
                self.refuse(status);
                false
            }
        }
    }

    fn handle_end(&mut self, now: Instant, flag: Continuation) {
        let Some(Current { head, message, place }) = self.inbox.current.take() else {
            return;
        };
        let found = message.and_then(|key| {
            self.inbox
                .incoming
                .iter()
                .position(|incoming| incoming.key == key)
        });
        let Some(index) = found else {
            self.respond(&head, StatusCode::OK);
            return;
        };
        let key = self.inbox.incoming[index].key;
        if flag == Continuation::Aborted {
            self.respond(&head, StatusCode::OK);
            self.drop_message(key, AbortReason::BySender);
            return;
        }
        self.inbox.incoming[index].heard_at = now;
        // One that said to be whole has no place to wait in.
        let is_too_many = self.inbox.incoming.len() > self.config.message_limits.at_once;
        let ended = match self.inbox.incoming[index].end(place, flag) {
            Ok(false) if is_too_many => Err(StatusCode::STOP_SENDING),
            ended => ended,
        };
        match ended {
            Ok(complete) => {
                self.respond(&head, StatusCode::OK);
                let total = self.inbox.incoming[index].total();
                self.report_success(&head, place.arrived(total), complete);
                if complete {
                    let incoming = self.inbox.incoming.swap_remove(index);
                    self.tell_complete(&head, incoming);
                }
            }
            Err(status) => {
                self.respond(&head, status);
                self.drop_message(key, AbortReason::Refused(status));
            }
        }
    }

    fn tell_complete(&mut self, head: &Head, incoming: Incoming) {
        self.events.push(match self.config.delivery {
            Delivery::Collected => SessionEvent::Message(Message::detached(head, incoming.into_body())),
            Delivery::Pieces => SessionEvent::MessageEnded {
                message: incoming.key,
                size: incoming.total().unwrap_or_default(),
            },
        });
    }

    /// Refuses the chunk that is being read, and its message with it.
    fn refuse(&mut self, status: StatusCode) {
        if let Some(Current { head, message, .. }) = self.inbox.current.take() {
            self.inbox.discarded.begin(&head);
            self.respond(&head, status);
            if let Some(key) = message {
                self.drop_message(key, AbortReason::Refused(status));
            }
        }
    }

    /// Refuses a message because nobody takes what is told, and what there is of it already.
    fn refuse_unheard(&mut self, message_id: &str) {
        let mut incoming = self.inbox.incoming.iter();
        let known = incoming.find(|incoming| *incoming.message_id == *message_id);
        match known.map(|incoming| incoming.key) {
            Some(key) => self.drop_message(key, AbortReason::Refused(StatusCode::STOP_SENDING)),
            None => self.inbox.remember(message_id, StatusCode::STOP_SENDING, false),
        }
    }

    fn drop_message(&mut self, key: IncomingId, reason: AbortReason) {
        let Some(index) = self
            .inbox
            .incoming
            .iter()
            .position(|incoming| incoming.key == key)
        else {
            return;
        };
        let incoming = self.inbox.incoming.swap_remove(index);
        if let AbortReason::Refused(status) = reason {
            self.inbox.remember(&incoming.message_id, status, false);
        }
        self.tell_aborted(key, reason);
    }

    /// The session ends, and what is not complete with it.
    pub(super) fn give_up_incoming(&mut self) {
        self.inbox.current = None;
        for incoming in std::mem::take(&mut self.inbox.incoming) {
            self.tell_aborted(incoming.key, AbortReason::SessionEnded);
        }
    }

    fn tell_aborted(&mut self, message: IncomingId, reason: AbortReason) {
        self.events.push(SessionEvent::MessageAborted { message, reason });
    }

    /// Whether a request belongs to this session. Nearly all repeat our paths to the letter.
    fn check_paths(&self, head: &Head) -> Result<(), StatusCode> {
        let repeats = head.field(FieldName::ToPath) == Some(&self.outbound.from_path)
            && head.field(FieldName::FromPath) == Some(&self.outbound.to_path);
        if repeats && head.repeated().is_none() {
            Ok(())
        } else {
            self.config.check_paths(head)
        }
    }

    /// Answers a request if its sender wants that answer (RFC 4975 §7.2).
    fn respond(&mut self, head: &Head, status: StatusCode) {
        let wish = head.failure_report().unwrap_or_default();
        let back = head.field(FieldName::FromPath).unwrap_or_default();
        let back = match head.method() {
            Some(Method::Send) => back.split(' ').next().unwrap_or_default(),
            _ => back,
        };
        if !wish.wants(status) || back.is_empty() {
            return;
        }
        let from = &self.outbound.from_path;
        if let Ok(head) = HeadWriter::response(&mut self.urgent, head.transaction_id(), status, back, from) {
            head.end(Continuation::Last);
        }
    }

    fn report_success(&mut self, head: &Head, arrived: ByteRange, complete: bool) {
        if head.success_report() != Ok(SuccessReport::Yes) {
            return;
        }
        let range = match self.config.reports {
            Reports::PerChunk => arrived,
            Reports::PerMessage if complete => ByteRange::whole(arrived.total.unwrap_or_default()),
            Reports::PerMessage | Reports::Manual => return,
        };
        self.write_report(head, range, StatusCode::OK);
    }

    fn write_report(&mut self, head: &Head, range: ByteRange, status: StatusCode) {
        let (Some(back), Some(message_id)) = (head.field(FieldName::FromPath), head.message_id()) else {
            return;
        };
        let id = self.ids.next_id();
        let value = ReportStatus {
            namespace: 0,
            status,
            comment: (!status.comment().is_empty()).then(|| status.comment().into()),
        };
        let from = &self.outbound.from_path;
        let written = HeadWriter::request(&mut self.urgent, &id, &Method::Report, back, from)
            .and_then(|report| report.field("Message-ID", message_id))
            .and_then(|report| report.byte_range(range).field("Status", &value.to_string()));
        if let Ok(report) = written {
            report.end(Continuation::Last);
        }
    }
}
