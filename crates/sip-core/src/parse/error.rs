//! Why a message was refused, and what can still be said to its sender.

use crate::header::{Headers, Via};
use crate::message::{Method, Response, StatusCode};
use std::net::SocketAddr;

/// A message that could not be parsed.
///
/// Where it was a request, [`ParseError::rejected`] holds what is needed to answer it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct ParseError {
    /// Where in the message the first fault is.
    pub offset: usize,
    /// What it is.
    pub kind: ParseErrorKind,
    /// The request as far as it could be read; `None` for a response, or where not even the method is clear.
    pub rejected: Option<Box<RejectedRequest>>,
    /// On a stream: whether the end of this message is known all the same, so that the next one can be
    /// read. Otherwise the connection must be closed.
    pub framing_intact: bool,
}

/// What is wrong with a message as a whole. Faults inside a header field value are
/// [`HeaderError`](crate::header::HeaderError)s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Nothing but line ends.
    #[error("no message")]
    Empty,
    /// The first line is neither a request line nor a status line.
    #[error("malformed start line")]
    BadStartLine,
    /// A request line or status line of another SIP version.
    #[error("not SIP/2.0")]
    UnsupportedVersion,
    /// A status outside 100..=699.
    #[error("malformed status code")]
    BadStatus,
    /// A header line without a colon, or without a token before it.
    #[error("malformed header line")]
    BadHeaderLine,
    /// A CR that no LF follows.
    #[error("CR without LF")]
    BareCr,
    /// An LF that no CR precedes; refused by [`Policy::Strict`](crate::parse::Policy::Strict) only.
    #[error("LF without CR")]
    BareLf,
    /// The empty line behind the header fields is missing.
    #[error("no empty line behind the header")]
    UnterminatedHead,
    /// Larger than [`Limits`](crate::parse::Limits) allow.
    #[error("more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much would have been accepted.
        limit: usize,
    },
    /// Content-Length is no number, negative, or beyond 32 bits.
    #[error("malformed Content-Length")]
    BadContentLength,
    /// Content-Length stands there twice, even if it says the same.
    #[error("more than one Content-Length")]
    DuplicateContentLength,
    /// A message on a stream without Content-Length (RFC 3261 §18.3).
    #[error("no Content-Length on a stream")]
    MissingContentLength,
    /// A datagram that ends before its body does (RFC 3261 §18.3).
    #[error("body of {actual} bytes where Content-Length says {expected}")]
    ShortBody {
        /// Content-Length.
        expected: usize,
        /// What is there.
        actual: usize,
    },
}

impl ParseErrorKind {
    /// The status that answers a request with this fault (RFC 3261 §18.3, §21.4.1, §21.5.6, §21.5.7).
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnsupportedVersion => StatusCode::VERSION_NOT_SUPPORTED,
            Self::TooLarge { .. } => StatusCode::MESSAGE_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

impl ParseError {
    /// The response to send, where there is a request that may be answered: not an ACK, and with the Via that
    /// the response must follow. Its status is [`ParseErrorKind::status`].
    pub fn response(&self) -> Option<Response> {
        let rejected = self.rejected.as_ref()?;
        rejected.response(self.kind.status())
    }
}

impl ParseError {
    /// The whole response to a request that came from `source`, and the Via that says where to send it.
    pub(crate) fn reply(&self, source: SocketAddr, tag: &str) -> Option<(Via, Response)> {
        let mut response = self.response()?;
        let mut via = response.headers().typed::<Via>()?.ok()?;
        via.note_source(source);
        response.headers_mut().replace_first_value(&via);
        let status = response.status();
        response.set_reason(&format!("{}: {}", status.default_reason(), self.kind));
        Some((via, response.with_to_tag(tag)))
    }
}

/// As much of a malformed request as could be read.
#[derive(Clone, Debug)]
pub struct RejectedRequest {
    pub(crate) method: Method,
    pub(crate) headers: Headers,
}

impl RejectedRequest {
    /// The first word of the request line.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The header fields on lines that were well-formed.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// A response with the Via, From, To, Call-ID and CSeq that were found. `None` for an ACK, and where there
    /// is no Via to send it by.
    pub fn response(&self, status: StatusCode) -> Option<Response> {
        if self.method == Method::Ack || !self.headers.contains(crate::HeaderName::Via) {
            return None;
        }
        Some(Response::for_headers(&self.headers, status))
    }
}
