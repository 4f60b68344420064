//! Bodies of several parts (RFC 5621, RFC 2046 §5.1).

use bytes::{Bytes, BytesMut};

use super::Entity;
use crate::header::{ContentType, MediaType, unquote};
use crate::parse::{Limits, ParseErrorKind, lex, scan_part};

/// The parts of a multipart body.
///
/// ```
/// use offhook_sip_core::message::{Entity, Multipart};
/// use offhook_sip_core::{Limits, Method, Request, Uri};
///
/// let mut request = Request::new(Method::Invite, "sip:bob@b.test".parse::<Uri>()?);
/// let parts = [Entity::new("application/sdp", "v=0\r\n"), Entity::new("text/plain", "hello")];
/// request.set_multipart(&Multipart::new("mixed", parts).expect("a token"));
///
/// let limits = Limits::default();
/// let read = request.multipart(&limits).expect("it is one")?;
/// assert_eq!(read.parts()[1].body(), "hello");
/// assert_eq!(request.find("application", "sdp", &limits)?.unwrap().body(), "v=0\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// `multipart/...` with what parameters it came with, but `boundary`.
    kind: MediaType,
    parts: Vec<Entity>,
}

/// Why a multipart body cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// Content-Type has no `boundary`, or one that is no boundary: 1 to 70 bytes (RFC 2046 §5.1.1).
    #[error("no boundary")]
    NoBoundary,
    /// The boundary does not stand in the body.
    #[error("the boundary does not stand in the body")]
    NoParts,
    /// The body ends without the closing boundary: it was cut.
    #[error("the last part is not closed")]
    Unclosed,
    /// More parts than [`Limits::parts`].
    #[error("more than {limit} parts")]
    TooMany {
        /// How many would have been accepted.
        limit: usize,
    },
    /// Multipart bodies within each other, more than [`Limits::nesting`].
    #[error("more than {limit} multipart bodies within each other")]
    TooDeep {
        /// How many would have been accepted.
        limit: usize,
    },
    /// The header fields of a part are malformed.
    #[error("part {part}: {kind}")]
    Part {
        /// Which, from 0.
        part: usize,
        /// How.
        kind: ParseErrorKind,
    },
}

impl Multipart {
    /// Parts of a `multipart/subtype` body (`mixed`, `alternative`, `related`); `None` where `subtype` is no token.
    pub fn new(subtype: &str, parts: impl IntoIterator<Item = Entity>) -> Option<Self> {
        Some(Self {
            kind: MediaType::new("multipart", subtype)?,
            parts: parts.into_iter().collect(),
        })
    }

    /// `mixed`, `alternative`, `related` ... as it is spelt.
    pub fn subtype(&self) -> &str {
        self.kind.subtype()
    }

    /// The parts in order.
    pub fn parts(&self) -> &[Entity] {
        &self.parts
    }

    /// The parts, to change.
    pub fn parts_mut(&mut self) -> &mut Vec<Entity> {
        &mut self.parts
    }

    /// Splits `body` at the boundary that `content` names. What stands before the first and behind the last
    /// boundary is for readers who know no MIME, and left out.
    pub(super) fn split(content: &MediaType, body: &Bytes, limits: &Limits) -> Result<Self, MultipartError> {
        let boundary = content.params.get("boundary").map(unquote);
        let boundary = boundary.filter(|b| (1..=MAX_BOUNDARY).contains(&b.len()));
        let boundary = boundary.ok_or(MultipartError::NoBoundary)?;
        let mut kind = content.clone();
        kind.params.remove("boundary");
        let mut parts = Vec::new();
        let mut open = None;
        for delimiter in delimiters(body, &boundary) {
            if let Some(start) = open {
                if parts.len() == limits.parts {
                    return Err(MultipartError::TooMany { limit: limits.parts });
                }
                let part = body.slice(start..delimiter.start.max(start));
                let (headers, body) = scan_part(part, limits).map_err(|kind| MultipartError::Part {
                    part: parts.len(),
                    kind,
                })?;
                parts.push(Entity { headers, body });
            }
            if delimiter.closes {
                return Ok(Self { kind, parts });
            }
            open = Some(delimiter.end);
        }
        Err(match open {
            Some(_) => MultipartError::Unclosed,
            None => MultipartError::NoParts,
        })
    }

    pub(super) fn content_type(&self, boundary: &str) -> ContentType {
        let mut kind = self.kind.clone();
        kind.params.set("boundary", boundary);
        ContentType(kind)
    }

    /// A boundary that stands in no part.
    pub(super) fn unused_boundary(&self) -> String {
        let taken = |boundary: &str| {
            let stands_in = |part: &Entity| {
                let mut text = BytesMut::new();
                part.write_part(&mut text);
                memchr::memmem::find(&text, boundary.as_bytes()).is_some()
            };
            self.parts.iter().any(stands_in)
        };
        let mut number = 0_u64;
        loop {
            let boundary = format!("part-{number}-of-offhook");
            if !taken(&boundary) {
                return boundary;
            }
            number += 1;
        }
    }

    pub(super) fn join(&self, boundary: &str) -> Bytes {
        let len = self
            .parts
            .iter()
            .map(|part| part.written_len() + boundary.len() + 8);
        let mut out = BytesMut::with_capacity(len.sum::<usize>() + boundary.len() + 8);
        for part in &self.parts {
            out.extend_from_slice(b"--");
            out.extend_from_slice(boundary.as_bytes());
            out.extend_from_slice(b"\r\n");
            part.write_part(&mut out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"--");
        out.extend_from_slice(boundary.as_bytes());
        out.extend_from_slice(b"--\r\n");
        out.freeze()
    }
}

/// RFC 2046 §5.1.1.
const MAX_BOUNDARY: usize = 70;

/// A line that holds a boundary.
struct Delimiter {
    /// At the line end before it, which belongs to it.
    start: usize,
    /// Behind its own line end.
    end: usize,
    closes: bool,
}

/// The boundary lines of `body` in order. A boundary counts at the start of a line only, and only white space may
/// follow it; line ends may be LF alone.
fn delimiters<'a>(body: &'a [u8], boundary: &'a [u8]) -> impl Iterator<Item = Delimiter> + 'a {
    memchr::memmem::find_iter(body, b"--").filter_map(move |dashes| {
        let start = match body[..dashes] {
            [] => 0,
            [.., b'\r', b'\n'] => dashes - 2,
            [.., b'\n'] => dashes - 1,
            _ => return None,
        };
        let rest = body[dashes + 2..].strip_prefix(boundary)?;
        let closes = rest.starts_with(b"--");
        let rest = if closes { &rest[2..] } else { rest };
        let line = memchr::memchr(b'\n', rest);
        let padding = &rest[..line.unwrap_or(rest.len())];
        let padding = padding.strip_suffix(b"\r").unwrap_or(padding);
        padding.iter().all(|&b| lex::is_ws(b)).then(|| Delimiter {
            start,
            end: line.map_or(body.len(), |line| body.len() - rest.len() + line + 1),
            closes,
        })
    })
}
