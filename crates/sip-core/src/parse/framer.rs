//! Messages out of a stream (RFC 3261 §18.3), with the keep-alives of RFC 5626 §3.5.1 between them.

use std::num::NonZeroUsize;

use bytes::{Buf, Bytes, BytesMut};

use super::{Framing, ParseError, ParseErrorKind, ParseOptions, scan};
use crate::message::Message;

/// Cuts a byte stream (TCP, TLS) into messages.
///
/// Put what was read into [`Framer::buffer`] or [`Framer::push`], then call [`Framer::next_frame`] until it says
/// [`Framed::Incomplete`]. Memory is bounded by the limits of head and body.
///
/// ```
/// use offhook_sip_core::parse::{Framed, Framer, ParseOptions};
/// let mut framer = Framer::new(ParseOptions::default());
/// framer.push(b"\r\n\r\nOPTIONS sip:a.test SIP/2.0\r\nContent-Le");
/// assert!(matches!(framer.next_frame(), Ok(Framed::Ping)));
/// assert!(matches!(framer.next_frame(), Ok(Framed::Incomplete { .. })));
/// framer.push(b"ngth: 2\r\n\r\nhi");
/// assert!(matches!(framer.next_frame(), Ok(Framed::Message(_))));
/// ```
#[derive(Debug)]
pub struct Framer {
    options: ParseOptions,
    buffer: BytesMut,
    /// How far the search for the end of the head has come.
    searched: usize,
    /// Bytes of the whole message, once its head is there.
    wanted: Option<usize>,
    /// Set by an error that lost the framing; nothing can be read behind it.
    broken: bool,
}

/// What stands next on a stream.
#[derive(Clone, Debug)]
pub enum Framed {
    /// More bytes are needed before anything can be said: at least so many, as far as is known.
    Incomplete {
        /// How many at least.
        at_least: NonZeroUsize,
    },
    /// A double CRLF: the peer keeps the flow alive and wants a single CRLF back (RFC 5626 §4.4.1).
    Ping,
    /// A single CRLF: the answer to our ping, or the line end that may precede a message.
    Pong,
    /// A message.
    Message(Message),
}

/// What stands next on a stream, a message unread.
#[derive(Debug)]
pub(crate) enum Cut {
    Incomplete { at_least: NonZeroUsize },
    Ping,
    Pong,
    Message(Bytes),
}

const ONE: NonZeroUsize = NonZeroUsize::MIN;

impl Framer {
    /// An empty stream.
    pub fn new(options: ParseOptions) -> Self {
        Self {
            options,
            buffer: BytesMut::new(),
            searched: 0,
            wanted: None,
            broken: false,
        }
    }

    /// Where to read into. Append only.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Appends bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether part of a message is waiting for the rest.
    pub fn is_mid_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Takes the next thing off the stream.
    ///
    /// # Errors
    /// A malformed message. Where [`ParseError::framing_intact`] says so it has been taken off and the stream
    /// goes on; otherwise the connection must be closed, and every further call gives an error.
    pub fn next_frame(&mut self) -> Result<Framed, ParseError> {
        let message = match self.next_cut()? {
            Cut::Incomplete { at_least } => return Ok(Framed::Incomplete { at_least }),
            Cut::Ping => return Ok(Framed::Ping),
            Cut::Pong => return Ok(Framed::Pong),
            Cut::Message(bytes) => bytes,
        };
        let parsed = super::parse(message, &self.options, Framing::Stream);
        if let Err(error) = &parsed {
            self.broken = !error.framing_intact;
        }
        parsed.map(Framed::Message)
    }

    /// Like [`next_frame`](Self::next_frame), for who hands the bytes of a message to an endpoint. An error has lost
    /// the framing.
    pub(crate) fn next_cut(&mut self) -> Result<Cut, ParseError> {
        if self.broken {
            return Err(Self::lost(ParseErrorKind::BadStartLine));
        }
        if self.wanted.is_none() {
            if let Some(cut) = self.line_ends() {
                return Ok(cut);
            }
            let Some(head) = self.head_end() else {
                return self.incomplete_head();
            };
            self.wanted = Some(self.message_len(head)?);
        }
        let wanted = self.wanted.unwrap_or_default();
        if let Some(missing) = NonZeroUsize::new(wanted.saturating_sub(self.buffer.len())) {
            return Ok(Cut::Incomplete { at_least: missing });
        }
        self.wanted = None;
        self.searched = 0;
        Ok(Cut::Message(self.buffer.split_to(wanted).freeze()))
    }

    /// Takes CRLFs off the front. A lone CRLF at the end of what has arrived may be half a ping, but waiting for
    /// more would keep a pong from its reader: two in one go are a ping.
    fn line_ends(&mut self) -> Option<Cut> {
        // Left over where a peer counted one byte of its body too few; the scan skips it too.
        let stray = self.buffer.iter().take_while(|&&b| b == b'\n').count();
        self.buffer.advance(stray);
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.advance(4);
            return Some(Cut::Ping);
        }
        if self.buffer.starts_with(b"\r\n") {
            if self.buffer.len() == 3 && self.buffer[2] == b'\r' {
                return Some(Cut::Incomplete { at_least: ONE });
            }
            self.buffer.advance(2);
            return Some(Cut::Pong);
        }
        if self.buffer.is_empty() || &self.buffer[..] == b"\r" {
            return Some(Cut::Incomplete { at_least: ONE });
        }
        None
    }

    /// Where the head ends: behind an LF that follows LF or LF CR. The scan stops at the same place.
    fn head_end(&mut self) -> Option<usize> {
        // Look back over a line end that was cut by the segment's edge.
        let from = self.searched.saturating_sub(3);
        let text = &self.buffer[..];
        for lf in memchr::memchr_iter(b'\n', &text[from..]).map(|at| from + at) {
            match text[lf + 1..] {
                [b'\n', ..] => return Some(lf + 2),
                [b'\r', b'\n', ..] => return Some(lf + 3),
                _ => {}
            }
        }
        self.searched = text.len();
        None
    }

    fn incomplete_head(&mut self) -> Result<Cut, ParseError> {
        let limit = self.options.limits.head_bytes;
        if self.buffer.len() > limit {
            // The scan of what is there finds the limit exceeded, and what can be answered.
            let bytes = self.buffer.split().freeze();
            self.broken = true;
            return Err(match super::parse(bytes, &self.options, Framing::Stream) {
                Err(error) => error,
                Ok(_) => Self::lost(ParseErrorKind::TooLarge {
                    what: "bytes of head",
                    limit,
                }),
            });
        }
        Ok(Cut::Incomplete { at_least: ONE })
    }

    /// Length of the message whose head ends at `head`.
    fn message_len(&mut self, head: usize) -> Result<usize, ParseError> {
        let scan = scan::scan(&self.buffer[..head], &self.options, Framing::Stream);
        let limits = &self.options.limits;
        let too_large = match scan.content_length {
            Some(length) if length > limits.body_bytes => Some(("bytes of body", limits.body_bytes)),
            Some(length) if head + length > limits.message_bytes => {
                Some(("bytes of message", limits.message_bytes))
            }
            _ => None,
        };
        match scan.content_length {
            Some(length) if too_large.is_none() && !scan.head_faulty => Ok(head + length),
            _ => {
                self.broken = true;
                let bytes = self.buffer.split().freeze();
                let mut error = match super::parse(bytes, &self.options, Framing::Stream) {
                    Err(error) => error,
                    Ok(_) => Self::lost(ParseErrorKind::BadContentLength),
                };
                if let Some((what, limit)) = too_large.filter(|_| !scan.head_faulty) {
                    error.kind = ParseErrorKind::TooLarge { what, limit };
                }
                error.framing_intact = false;
                Err(error)
            }
        }
    }

    fn lost(kind: ParseErrorKind) -> ParseError {
        ParseError {
            offset: 0,
            kind,
            rejected: None,
            framing_intact: false,
        }
    }
}
