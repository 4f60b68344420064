//! Messages on their way out: a fair queue that cuts them into chunks (RFC 4975 §7.1.1).

use crate::chunk::{
    BadField, ByteRange, Continuation, FailureReport, HeadWriter, Method, SMALL_CHUNK, SuccessReport,
    TransactionId, TransactionIds, write_end_line,
};
use crate::end_line::{EndLineGuard, Free};
use bytes::{Bytes, BytesMut};
use queue::{Length, Queue, Queued};
use std::collections::VecDeque;
use std::num::NonZeroU32;

mod burst;
mod queue;

pub use burst::Burst;

/// A message to send.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    pub(crate) content_type: String,
    pub(crate) body: Body,
    pub(crate) start: u64,
    pub(crate) message_id: Option<String>,
    pub(crate) success: SuccessReport,
    pub(crate) failure: FailureReport,
    pub(crate) fields: Vec<(String, String)>,
}

/// Where the bytes of a message come from.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Whole(Bytes),
    Streamed { size: Option<u64> },
}

impl OutgoingMessage {
    /// A message that is there in full.
    pub fn new(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::with_body(content_type.into(), Body::Whole(body.into()))
    }

    /// A message whose bytes are supplied while it is sent, by `MsrpSession::supply`. `size` is all of it, when known.
    pub fn streamed(content_type: impl Into<String>, size: Option<u64>) -> Self {
        Self::with_body(content_type.into(), Body::Streamed { size })
    }

    fn with_body(content_type: String, body: Body) -> Self {
        Self {
            content_type,
            body,
            start: 0,
            message_id: None,
            success: SuccessReport::No,
            failure: FailureReport::Yes,
            fields: Vec::new(),
        }
    }

    /// All of it, when known.
    pub(crate) fn size(&self) -> Option<u64> {
        match &self.body {
            Body::Whole(bytes) => Some(bytes.len() as u64),
            Body::Streamed { size } => *size,
        }
    }

    /// Leaves out what the receiver has already: sends from this byte on, counted from 0. Bytes of a streamed message
    /// are supplied from there as well. What is left out counts as delivered: that the receiver has it is the caller's
    /// knowledge, by [`SessionConfig::held`](crate::SessionConfig::held) of its session. Something has to be left to send.
    #[must_use]
    pub fn starting_at(mut self, byte: u64) -> Self {
        self.start = byte;
        self
    }

    /// Uses this Message-ID, as for a message that is sent again on another session (RFC 4975 §5.4). Without it a new
    /// one is made. One that is in use by a message still being sent is refused.
    #[must_use]
    pub fn with_message_id(mut self, id: impl Into<String>) -> Self {
        self.message_id = Some(id.into());
        self
    }

    /// Asks for reports of delivery. Off by default.
    #[must_use]
    pub fn with_success_report(mut self, wish: SuccessReport) -> Self {
        self.success = wish;
        self
    }

    /// Says which failures are to be told. All by default.
    #[must_use]
    pub fn with_failure_report(mut self, wish: FailureReport) -> Self {
        self.failure = wish;
        self
    }

    /// Adds a header field to each chunk, before Content-Type. Those that MSRP itself writes are refused when the message is
    /// sent.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}

/// A chunk was written in full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) id: TransactionId,
    pub(crate) message: u64,
    pub(crate) len: u64,
    pub(crate) wish: FailureReport,
    /// It was the last of its message.
    pub(crate) last: bool,
    /// The peer took it before it was all there.
    pub(crate) answered: bool,
}

/// Bytes of a streamed message were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSupplied {
    /// There is no such message, or not so much of it.
    Unwanted,
    /// So many bytes wait to be sent that no more are taken.
    Full,
}

/// The chunk that is being written.
#[derive(Debug)]
struct Open {
    id: TransactionId,
    guard: EndLineGuard,
    len: u64,
    /// How long it may become.
    most: u64,
    /// Its body contains our end-line from here on: it must end.
    collided: bool,
    answered: bool,
}

/// The queue. The front message is the one whose chunk is open.
#[derive(Debug)]
pub(crate) struct Outbound {
    queue: Queue,
    open: Option<Open>,
    chunk_size: u64,
    /// Bytes of bodies that are there to be sent.
    waiting: u64,
    /// With so many of them nothing more is taken or asked for.
    most_waiting: u64,
    /// Other sessions on the connection want to write.
    pub(crate) neighbours_wait: bool,
    pub(crate) to_path: String,
    pub(crate) from_path: String,
    pub(crate) sent: VecDeque<Sent>,
    pub(crate) wants_data: VecDeque<u64>,
}

/// A body above this is not copied into the write buffer but written from where it lies.
const COPIED: usize = 4096;
/// The most of a body in one burst: about what a socket takes at once, and how long others wait for their turn.
const PIECE: usize = 256 * 1024;
/// A burst of small messages ends here.
const BURST: usize = 64 * 1024;
/// A streamed message with less than this asks for more.
const LOW_WATER: u64 = 512 * 1024;

impl Outbound {
    /// `most_begun` long messages take turns.
    pub(crate) fn new(
        chunk_size: NonZeroU32,
        most_begun: usize,
        most_waiting: u64,
        (to_path, from_path): (String, String),
    ) -> Self {
        Self {
            queue: Queue::new(most_begun),
            open: None,
            chunk_size: u64::from(chunk_size.get()),
            waiting: 0,
            most_waiting,
            neighbours_wait: false,
            to_path,
            from_path,
            sent: VecDeque::new(),
            wants_data: VecDeque::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many bytes of bodies wait to be sent.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// True when no more bytes are to be taken for now.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= self.most_waiting
    }

    /// Whether something of a message with this Message-ID is still to be written, be it that it was given up.
    pub(crate) fn has(&self, message_id: &str) -> bool {
        self.queue
            .iter()
            .any(|message| *message.message_id == *message_id)
    }

    pub(crate) fn push(&mut self, key: u64, message_id: &str, message: OutgoingMessage) {
        let (data, size) = match message.body {
            Body::Whole(bytes) => {
                let size = bytes.len() as u64;
                (bytes.slice(message.start.min(size) as usize..), Some(size))
            }
            Body::Streamed { size } => (Bytes::new(), size),
        };
        self.waiting += data.len() as u64;
        let is_short = size.is_some_and(|size| {
            let rest = size.saturating_sub(message.start);
            rest == data.len() as u64 && rest <= self.chunk_size.min(SMALL_CHUNK)
        });
        self.queue.push(Queued {
            key,
            message_id: message_id.into(),
            content_type: message.content_type,
            fields: message.fields,
            success: message.success,
            failure: message.failure,
            available: data.len() as u64,
            data: VecDeque::from([data]),
            at: message.start,
            size,
            begun: false,
            asked: false,
            aborted: false,
            length: if is_short { Length::Short } else { Length::Long },
        });
    }

    /// More bytes of a streamed message. What is refused because there is no room is asked for again once there is.
    pub(crate) fn supply(&mut self, key: u64, data: Bytes) -> Result<(), NotSupplied> {
        let is_full = self.is_full();
        let Some(message) = self.queue.get_mut(key).filter(|message| !message.aborted) else {
            return Err(NotSupplied::Unwanted);
        };
        let end = message.at + message.available + data.len() as u64;
        if message.size.is_some_and(|size| end > size) {
            return Err(NotSupplied::Unwanted);
        }
        message.asked = false;
        if is_full {
            return Err(NotSupplied::Full);
        }
        self.waiting += data.len() as u64;
        message.available += data.len() as u64;
        message.data.push_back(data);
        Ok(())
    }

    /// All bytes of a streamed message were supplied. False when its size says otherwise.
    pub(crate) fn finish(&mut self, key: u64) -> bool {
        let Some(message) = self.queue.get_mut(key).filter(|message| !message.aborted) else {
            return false;
        };
        let end = message.at + message.available;
        *message.size.get_or_insert(end) == end
    }

    /// Gives a message up. With `tell`, an end-line with `#` will say so if the receiver has a part of it; a chunk that
    /// is open ends with `#` in any case.
    pub(crate) fn abort(&mut self, key: u64, tell: bool) -> bool {
        let is_open = self.open_chunk().is_some_and(|(_, open)| open == key);
        let Some(message) = self.queue.get_mut(key) else {
            return false;
        };
        self.waiting -= message.available;
        if is_open || (tell && message.begun) {
            message.give_up();
        } else {
            self.queue.remove(key);
        }
        true
    }

    /// Gives up all messages. The receiver is told of the one whose chunk is open, which ends.
    pub(crate) fn give_up(&mut self) {
        self.queue.truncate(usize::from(self.open.is_some()));
        self.waiting = 0;
        if let Some(message) = self.queue.front_mut() {
            message.give_up();
        }
    }

    /// Gives up all messages, and says nothing about it.
    pub(crate) fn clear(&mut self) {
        self.queue.truncate(0);
        self.waiting = 0;
        self.open = None;
    }

    /// The identifier of the chunk that is being written, and its message.
    pub(crate) fn open_chunk(&self) -> Option<(&TransactionId, u64)> {
        Some((&self.open.as_ref()?.id, self.queue.front()?.key))
    }

    /// How much of the chunk that is being written is, if it is one of this message.
    pub(crate) fn open_len(&self, key: u64) -> u64 {
        let is_its = self.queue.front().is_some_and(|message| message.key == key);
        self.open.as_ref().filter(|_| is_its).map_or(0, |open| open.len)
    }

    /// The peer took the chunk that is being written, of which it has the head.
    pub(crate) fn answer_open(&mut self) {
        if let Some(open) = &mut self.open {
            open.answered = true;
        }
    }

    /// True when there is something to write.
    pub(crate) fn can_write(&self) -> bool {
        self.queue.can_go_on(self.is_full())
    }

    /// Ends the open chunk for other traffic; it goes on later in a new one, unless it was given up. Where there is more of the
    /// body, some of it goes before the end-line: some peers lose an end-line that begins what they read.
    pub(crate) fn interrupt(&mut self, out: &mut BytesMut, ids: &mut TransactionIds) {
        if self.open.is_some() {
            out.extend_from_slice(&self.next_piece(COPIED));
            self.end(out, ids);
        }
    }

    /// Writes what is due after what `out` has already, up to one burst. `room` says how many transactions may be opened.
    pub(crate) fn write(&mut self, out: &mut BytesMut, ids: &mut TransactionIds, room: usize) -> Burst {
        while out.len() < BURST {
            if self.open.is_none() {
                if self.sent.len() >= room || !self.turn() {
                    break;
                }
                self.open_next(out, ids);
                if self.open.is_none() {
                    continue;
                }
            }
            let piece = self.next_piece(PIECE);
            if piece.is_empty() && !self.is_due_to_end() {
                break;
            }
            if piece.len() <= COPIED {
                out.extend_from_slice(&piece);
                self.end_if_due(out, ids);
            } else {
                let mut tail = BytesMut::new();
                self.end_if_due(&mut tail, ids);
                return Burst {
                    parts: [out.split().freeze(), piece, tail.freeze()],
                };
            }
        }
        out.split().freeze().into()
    }

    /// Brings a message that has something to send to the front. False when there is none.
    fn turn(&mut self) -> bool {
        for _ in 0..self.queue.turns() {
            let Some(front) = self.queue.front_mut() else {
                break;
            };
            if self.waiting < self.most_waiting {
                front.ask(&mut self.wants_data);
            }
            if front.can_go_on() {
                return true;
            }
            self.queue.rotate();
        }
        self.queue.call_stand_in(self.is_full())
    }

    /// Writes the head of the front message's next chunk.
    fn open_next(&mut self, out: &mut BytesMut, ids: &mut TransactionIds) {
        let Some(message) = self.queue.front_mut() else {
            return;
        };
        message.drop_empty();
        let rest = message.rest();
        let most = rest.unwrap_or(u64::MAX).min(self.chunk_size);
        let first = message.available.min(most).min(PIECE as u64);
        let mut id = ids.next_id();
        let mut guard = EndLineGuard::new(&id);
        let peeked = message
            .data
            .front()
            .map_or(&[][..], |data| &data[..data.len().min(first as usize)]);
        while guard.is_in(peeked) {
            ids.renew();
            id = ids.next_id();
            guard = EndLineGuard::new(&id);
        }
        let is_short = most <= SMALL_CHUNK && first == most && peeked.len() as u64 == first;
        let range = ByteRange {
            start: message.at + 1,
            // A last chunk without bytes has an open end; only an empty message is `1-0/0`.
            end: (is_short && (most > 0 || message.at == 0)).then_some(message.at + most),
            total: message.size,
        };
        let begin = out.len();
        if write_head(out, &id, (&self.to_path, &self.from_path), message, range).is_err() {
            // The fields were checked when the message was queued.
            out.truncate(begin);
            self.waiting -= message.available;
            self.queue.pop_front();
            return;
        }
        message.begun = true;
        self.open = Some(Open {
            id,
            guard,
            len: 0,
            most,
            collided: false,
            answered: false,
        });
    }

    /// Takes the next bytes of the open chunk, at most so many, and none that would write our own end-line.
    fn next_piece(&mut self, most: usize) -> Bytes {
        let (Some(open), Some(message)) = (&mut self.open, self.queue.front_mut()) else {
            return Bytes::new();
        };
        message.drop_empty();
        let Some(data) = message.data.front_mut().filter(|_| !open.collided) else {
            return Bytes::new();
        };
        let mut len = (data.len().min(most) as u64).min(open.most - open.len) as usize;
        if open.len > 0
            && let Free::Part(part) = open.guard.check(&data[..len])
        {
            open.collided = true;
            len = part;
        }
        let piece = data.split_to(len);
        open.guard.pass(&piece);
        open.len += len as u64;
        message.at += len as u64;
        message.available -= len as u64;
        self.waiting -= len as u64;
        if self.waiting < self.most_waiting {
            message.ask(&mut self.wants_data);
        }
        piece
    }

    fn is_due_to_end(&self) -> bool {
        let (Some(open), Some(message)) = (&self.open, self.queue.front()) else {
            return false;
        };
        let others_wait = self.queue.turns() > 1 || self.neighbours_wait;
        let is_starved = message.available == 0;
        message.aborted
            || open.collided
            || open.len >= open.most
            || message.rest() == Some(0)
            || (open.len >= SMALL_CHUNK && (others_wait || is_starved))
            || (is_starved && others_wait && open.len > 0)
    }

    fn end_if_due(&mut self, out: &mut BytesMut, ids: &mut TransactionIds) {
        if self.is_due_to_end() {
            self.end(out, ids);
        }
    }

    /// Ends the open chunk as its message stands.
    fn end(&mut self, out: &mut BytesMut, ids: &mut TransactionIds) {
        let collided = self.open.as_ref().is_some_and(|open| open.collided);
        if collided {
            ids.renew();
        }
        let flag = match self.queue.front() {
            Some(message) if message.aborted => Continuation::Aborted,
            Some(message) if message.rest() == Some(0) => Continuation::Last,
            _ => Continuation::More,
        };
        self.close(out, flag);
    }

    fn close(&mut self, out: &mut BytesMut, flag: Continuation) {
        let (Some(open), Some(message)) = (self.open.take(), self.queue.front()) else {
            return;
        };
        write_end_line(out, &open.id, true, flag);
        let last = flag != Continuation::More;
        if !message.aborted {
            self.sent.push_back(Sent {
                id: open.id,
                message: message.key,
                len: open.len,
                wish: message.failure,
                last,
                answered: open.answered,
            });
        }
        if last {
            self.queue.pop_front();
        } else {
            self.queue.rotate();
        }
    }
}

fn write_head(
    out: &mut BytesMut,
    id: &TransactionId,
    (to_path, from_path): (&str, &str),
    message: &Queued,
    range: ByteRange,
) -> Result<(), BadField> {
    let mut head = HeadWriter::request(out, id, &Method::Send, to_path, from_path)?
        .field("Message-ID", &message.message_id)?
        .byte_range(range);
    if message.success == SuccessReport::Yes {
        head = head.field("Success-Report", "yes")?;
    }
    if message.failure != FailureReport::Yes {
        head = head.field("Failure-Report", message.failure.as_str())?;
    }
    for (name, value) in &message.fields {
        head = head.field(name, value)?;
    }
    head.content_type(&message.content_type)
}

#[cfg(test)]
mod tests;
