//! Finds chunks in a stream (RFC 4975 §7.1): heads, pieces of bodies as they arrive, and end-lines.

use crate::chunk::{Continuation, Head, HeadError, Limits, Scanned, Scanner, TransactionId};
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

/// What comes next in a stream.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A chunk begins.
    Head(Head),
    /// Bytes of its body, in order, never empty. How a body is cut into pieces says nothing.
    Body(Bytes),
    /// The chunk ends.
    End(Continuation),
}

/// Cuts a stream into chunks without holding bodies back: of a body it keeps at most the 44 bytes that may be the begin
/// of an end-line, so an end-line is found however the transport cut it, and what merely looks like one stays body.
///
/// Append what arrives to [`input`](Self::input) and call [`next_frame`](Self::next_frame) until it says `None`.
///
/// ```
/// use offhook_msrp::framer::{Frame, Framer};
///
/// let mut framer = Framer::new(Default::default());
/// framer.input().extend_from_slice(b"MSRP d93kswow 200 OK\r\nTo-Path: msrp://b.test:1/x;tcp\r\n\
///     From-Path: msrp://a.test:1/y;tcp\r\n-------d93kswow");
/// assert!(framer.next_frame()?.is_none()); // the flag is still to come
/// framer.input().extend_from_slice(b"$\r\n");
/// assert!(matches!(framer.next_frame()?, Some(Frame::Head(head)) if head.status().is_some()));
/// assert!(matches!(framer.next_frame()?, Some(Frame::End(_))));
/// # Ok::<(), offhook_msrp::chunk::HeadError>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
    state: State,
    end_line: Finder<'static>,
}

#[derive(Debug)]
enum State {
    /// Inside the head of a chunk, or before it.
    Head(Scanner),
    /// The end-line that follows a head without body was read.
    Ending(Continuation),
    /// At the first byte of a body. An end-line here means an empty body: some peers leave out the CRLF before it.
    BodyBegin(TransactionId),
    /// Inside a body.
    Body(TransactionId),
    /// The stream cannot be followed any more.
    Broken(HeadError),
}

/// What every end-line after a body begins with.
const END_LINE: &[u8] = b"\r\n-------";

impl Framer {
    /// A framer at the begin of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            state: State::Head(Scanner::default()),
            end_line: Finder::new(END_LINE),
        }
    }

    /// The buffer that received bytes are appended to. What was appended is read by [`next_frame`](Self::next_frame).
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// How many received bytes wait to be read or completed.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// True between two chunks, with nothing received of the next.
    pub fn is_idle(&self) -> bool {
        matches!(&self.state, State::Head(_)) && self.buffer.is_empty()
    }

    /// True inside a head: begun and not complete.
    pub fn is_in_head(&self) -> bool {
        matches!(&self.state, State::Head(_)) && !self.buffer.is_empty()
    }

    /// The next frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no chunk. There is no way to find the next one: the connection has to be closed, and the same
    /// error is returned from then on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, HeadError> {
        loop {
            match &mut self.state {
                State::Head(scanner) => {
                    let scanned = match scanner.scan(&self.buffer, &self.limits) {
                        Ok(scanned) => scanned,
                        Err(error) => {
                            self.state = State::Broken(error);
                            self.buffer.clear();
                            return Err(error);
                        }
                    };
                    return Ok(self.take_head(&scanned));
                }
                State::Ending(flag) => {
                    let flag = *flag;
                    self.state = State::Head(Scanner::default());
                    return Ok(Some(Frame::End(flag)));
                }
                State::BodyBegin(id) => {
                    let id = *id;
                    match end_line_at(&self.buffer, &END_LINE[2..], &id) {
                        EndLine::Incomplete => return Ok(None),
                        EndLine::Not => self.state = State::Body(id),
                        EndLine::Is { flag, len } => return Ok(Some(self.end(len, flag))),
                    }
                }
                State::Body(id) => {
                    let id = *id;
                    return Ok(self.take_body(&id));
                }
                State::Broken(error) => return Err(*error),
            }
        }
    }

    fn take_head(&mut self, scanned: &Scanned) -> Option<Frame> {
        let (len, skip) = match scanned {
            Scanned::Incomplete => return None,
            Scanned::Body { len } => (*len, 2),
            Scanned::End { len, skip, .. } => (*len, *skip),
        };
        let State::Head(scanner) = &mut self.state else {
            return None;
        };
        let bytes = self.buffer.split_to(len).freeze();
        self.buffer.advance(skip);
        let head = Head::marked(bytes, std::mem::take(scanner));
        self.state = match scanned {
            Scanned::End { flag, .. } => State::Ending(*flag),
            _ => State::BodyBegin(*head.transaction_id()),
        };
        Some(Frame::Head(head))
    }

    fn take_body(&mut self, id: &TransactionId) -> Option<Frame> {
        let mut from = 0;
        let free = loop {
            let Some(found) = self.end_line.find(&self.buffer[from..]) else {
                break self.buffer.len() - held_back(&self.buffer);
            };
            let at = from + found;
            match end_line_at(&self.buffer[at..], END_LINE, id) {
                EndLine::Not => from = at + 1,
                EndLine::Is { flag, len } if at == 0 => return Some(self.end(len, flag)),
                EndLine::Is { .. } | EndLine::Incomplete => break at,
            }
        };
        (free > 0).then(|| Frame::Body(self.buffer.split_to(free).freeze()))
    }

    fn end(&mut self, len: usize, flag: Continuation) -> Frame {
        self.buffer.advance(len);
        self.state = State::Head(Scanner::default());
        Frame::End(flag)
    }
}

enum EndLine {
    Is {
        flag: Continuation,
        len: usize,
    },
    Not,
    /// It may become one.
    Incomplete,
}

/// Whether bytes begin with an end-line: `lead`, the identifier, a flag, CRLF.
fn end_line_at(bytes: &[u8], lead: &[u8], id: &TransactionId) -> EndLine {
    let mut rest = bytes;
    for part in [lead, id.as_bytes()] {
        let shared = rest.len().min(part.len());
        if rest[..shared] != part[..shared] {
            return EndLine::Not;
        }
        if shared < part.len() {
            return EndLine::Incomplete;
        }
        rest = &rest[shared..];
    }
    let Some((flag, after)) = rest.split_first() else {
        return EndLine::Incomplete;
    };
    let Some(flag) = Continuation::from_byte(*flag) else {
        return EndLine::Not;
    };
    match after {
        [b'\r', b'\n', ..] => EndLine::Is {
            flag,
            len: bytes.len() - after.len() + 2,
        },
        [] | [b'\r'] => EndLine::Incomplete,
        _ => EndLine::Not,
    }
}

/// How many of the last bytes may be the begin of an end-line.
fn held_back(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(END_LINE.len() - 1)..];
    match memchr::memrchr(b'\r', tail) {
        Some(at) if END_LINE.starts_with(&tail[at..]) => tail.len() - at,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
