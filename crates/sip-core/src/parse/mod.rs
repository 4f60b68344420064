//! From bytes to a [`Message`]: one pass that finds start line, header fields and body.
//!
//! Datagrams and streams go through the same routine (`scan.rs`), so that no two readers of one message can
//! disagree on where it ends. Values are not looked into here, except for Content-Length.

mod error;
mod framer;
pub(crate) mod lex;
mod limits;
mod scan;
mod start_line;

pub use error::{ParseError, ParseErrorKind, RejectedRequest};
#[cfg(feature = "tokio")]
pub(crate) use framer::Cut;
pub use framer::{Framed, Framer};
pub use limits::Limits;

use bytes::Bytes;

use crate::header::Headers;
use crate::message::{Message, Method, Request, Response};
use scan::Scan;
use start_line::StartLine;

/// How to treat what the grammar forbids but real phones send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Refuse all that the grammar of RFC 3261 does not allow.
    Strict,
    /// Accept these deviations, and no other (the default):
    ///
    /// - lines that end in LF alone (hand-made messages, some gateways);
    /// - a datagram whose head ends without the empty line (small devices sending bodiless requests);
    /// - a status line without the space behind its code where there is no reason phrase;
    /// - one `;` behind the last parameter of a header field (`Via: ...;rport;`);
    /// - display names without quotes that hold more than tokens (`Jürgen (office) <sip:...>`);
    /// - `_` in host names, which administrators choose though DNS host names have none;
    /// - `#` in the user part of a URI (service codes: `sip:*31#@pbx`);
    /// - empty places in lists of tokens (`Allow: INVITE,,BYE`), which HTTP tells readers to skip;
    /// - in [`Request::check`]: a missing or malformed Max-Forwards (RFC 2543 had none to require).
    ///
    /// All of them leave no doubt what is meant. White space before a colon is legal, and read under both.
    #[default]
    Lenient,
}

/// How to parse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseOptions {
    /// What to accept beyond the grammar. Default [`Policy::Lenient`].
    pub policy: Policy,
    /// How much to accept.
    pub limits: Limits,
}

impl ParseOptions {
    /// Sets [`ParseOptions::policy`].
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets [`ParseOptions::limits`].
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

/// Where a message came from, as far as its end is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The datagram ends it.
    Datagram,
    /// Content-Length ends it.
    Stream,
}

impl Message {
    /// Reads one whole message: a datagram, or what a [`Framer`] cut from a stream.
    ///
    /// Empty lines before the start line are skipped (RFC 3261 §7.5); bytes behind the body are discarded, and
    /// without Content-Length the body is the rest (§18.3).
    ///
    /// # Errors
    /// Where the message as a whole is malformed or exceeds `options.limits`. Header field values are not
    /// looked into: see [`Headers::typed`] and [`Request::check`].
    pub fn parse(bytes: Bytes, options: &ParseOptions) -> Result<Self, ParseError> {
        parse(bytes, options, Framing::Datagram)
    }
}

pub(crate) fn parse(bytes: Bytes, options: &ParseOptions, framing: Framing) -> Result<Message, ParseError> {
    let mut scan = scan::scan(&bytes, options, framing);
    let body = match body_range(&scan, bytes.len(), options, framing) {
        Ok(range) => range,
        Err((offset, kind)) => {
            scan.note(offset, kind);
            bytes.len()..bytes.len()
        }
    };
    if scan.error.is_some() {
        return Err(refuse(bytes, scan, options, framing));
    }
    let body = bytes.slice(body);
    match scan.start {
        Some(StartLine::Request { method, uri }) => {
            let method = Method::from_wire(&bytes, method);
            let uri = bytes.slice(uri);
            let headers = Headers::from_wire(bytes, scan.extra, scan.entries, options.policy);
            Ok(Message::Request(Request::from_parts(method, uri, headers, body)))
        }
        Some(StartLine::Status { status, reason }) => {
            let reason = bytes.slice(reason);
            let headers = Headers::from_wire(bytes, scan.extra, scan.entries, options.policy);
            Ok(Message::Response(Response::from_parts(
                status, reason, headers, body,
            )))
        }
        None => {
            scan.note(0, ParseErrorKind::BadStartLine);
            Err(refuse(bytes, scan, options, framing))
        }
    }
}

/// Where the body is (RFC 3261 §18.3).
fn body_range(
    scan: &Scan,
    len: usize,
    options: &ParseOptions,
    framing: Framing,
) -> Result<std::ops::Range<usize>, (usize, ParseErrorKind)> {
    let start = scan.end.unwrap_or(len);
    let actual = len - start;
    let wanted = match scan.content_length {
        Some(expected) if expected > actual => {
            return Err((start, ParseErrorKind::ShortBody { expected, actual }));
        }
        Some(expected) => expected,
        None if framing == Framing::Stream => return Err((start, ParseErrorKind::MissingContentLength)),
        None => actual,
    };
    let limits = &options.limits;
    let too_large = |what, limit| Err((start, ParseErrorKind::TooLarge { what, limit }));
    if wanted > limits.body_bytes {
        return too_large("bytes of body", limits.body_bytes);
    }
    if wanted.saturating_add(start) > limits.message_bytes {
        return too_large("bytes of message", limits.message_bytes);
    }
    Ok(start..start + wanted)
}

fn refuse(bytes: Bytes, scan: Scan, options: &ParseOptions, framing: Framing) -> ParseError {
    let (offset, kind) = scan.error.unwrap_or((0, ParseErrorKind::BadStartLine));
    // A fault in the start line says nothing about where the message ends; one in the head may.
    let harmless = matches!(
        kind,
        ParseErrorKind::BadStartLine | ParseErrorKind::UnsupportedVersion | ParseErrorKind::BadStatus
    );
    let framing_intact = framing == Framing::Datagram
        || (harmless && !scan.head_faulty && scan.end.is_some() && scan.content_length.is_some());
    let rejected = start_line::method_of_broken(&bytes, scan.first_line).map(|method| {
        let method = Method::from_wire(&bytes, method);
        Box::new(RejectedRequest {
            method,
            headers: Headers::from_wire(bytes, scan.extra, scan.entries, options.policy),
        })
    });
    ParseError {
        offset,
        kind,
        rejected,
        framing_intact,
    }
}

/// Header fields and body of one part of a multipart body. A part need not have header fields (RFC 2046 §5.1).
pub(crate) fn scan_part(part: Bytes, limits: &Limits) -> Result<(Headers, Bytes), ParseErrorKind> {
    let options = ParseOptions::default().with_limits(*limits);
    let scan = scan::scan_fields(&part, &options);
    if let Some((_, kind)) = scan.error {
        return Err(kind);
    }
    let body = part.slice(scan.end.unwrap_or(part.len())..);
    Ok((
        Headers::from_wire(part, scan.extra, scan.entries, options.policy),
        body,
    ))
}
