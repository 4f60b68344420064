//! Finds the end of a head in bytes that arrive in pieces, and marks what is where, in one pass.

use super::head::{Field, FieldName};
use super::{Continuation, TransactionId};
use smallvec::SmallVec;

/// What a head may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of start line and header fields. Default 16 KiB: two paths of 16 relays fit; at most 65535 are kept.
    pub head_bytes: usize,
    /// Header fields. Default 64: requests in the field have fewer than 12.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16 * 1024,
            fields: 64,
        }
    }
}

/// What is wrong with the bytes of a head. The stream cannot be followed beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {at} of the chunk")]
pub struct HeadError {
    /// What is wrong.
    pub kind: HeadErrorKind,
    /// Where, in bytes from the begin of the chunk.
    pub at: usize,
}

/// The ways in which a head can be wrong.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadErrorKind {
    /// The first line is not `MSRP id method` or `MSRP id status comment`.
    #[error("no start line")]
    StartLine,
    /// A line that ends without CR.
    #[error("a line feed without a carriage return")]
    BareLineFeed,
    /// A line without a colon, or without a name before it.
    #[error("no header field")]
    Field,
    /// Bytes that are not UTF-8, or control characters.
    #[error("bytes that are not text")]
    NotText,
    /// More bytes than [`Limits::head_bytes`].
    #[error("the head is too long")]
    TooLong,
    /// More header fields than [`Limits::fields`].
    #[error("too many header fields")]
    TooManyFields,
    /// A response that goes on after its head (RFC 4975 §7.2).
    #[error("a response with a body")]
    ResponseWithBody,
}

/// How the scan of a head went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// The head goes on beyond the bytes that are there.
    Incomplete,
    /// The head is `len` bytes long and an empty line follows, and a body.
    Body { len: usize },
    /// The head is `len` bytes long and its end-line follows: `skip` bytes.
    End {
        len: usize,
        skip: usize,
        flag: Continuation,
    },
}

/// The state of the pass: it goes on where it stopped, so that a head that comes byte by byte is read once.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// The begin of the line that is not complete yet.
    line: usize,
    /// From where on no line feed was seen.
    searched: usize,
    pub(crate) id: Option<TransactionId>,
    pub(crate) is_response: bool,
    /// What follows the identifier in the start line.
    pub(crate) what: (u16, u16),
    pub(crate) fields: SmallVec<[Field; 12]>,
    /// The known names that came, a bit each.
    seen: u32,
    pub(crate) repeated: Option<FieldName>,
}

impl Scanner {
    /// Goes on in `bytes`, which begin with the start line and have grown since the last call.
    pub(crate) fn scan(&mut self, bytes: &[u8], limits: &Limits) -> Result<Scanned, HeadError> {
        let most = limits.head_bytes.min(usize::from(u16::MAX));
        loop {
            let Some(found) = memchr::memchr(b'\n', &bytes[self.searched..]) else {
                self.searched = bytes.len();
                if bytes.len() > most {
                    return Err(error(HeadErrorKind::TooLong, bytes.len()));
                }
                return Ok(Scanned::Incomplete);
            };
            let feed = self.searched + found;
            if feed >= most {
                return Err(error(HeadErrorKind::TooLong, feed));
            }
            if feed == self.line || bytes[feed - 1] != b'\r' {
                return Err(error(HeadErrorKind::BareLineFeed, feed));
            }
            let line = &bytes[self.line..feed - 1];
            let begin = self.line;
            if let Some(id) = self.id {
                if line.is_empty() {
                    if self.is_response {
                        return Err(error(HeadErrorKind::ResponseWithBody, begin));
                    }
                    return Ok(Scanned::Body { len: begin });
                }
                if let Some(flag) = end_line(line, &id) {
                    return Ok(Scanned::End {
                        len: begin,
                        skip: feed + 1 - begin,
                        flag,
                    });
                }
                self.field(line, begin, limits)?;
            } else {
                self.start_line(line)?;
            }
            self.line = feed + 1;
            self.searched = self.line;
        }
    }

    fn start_line(&mut self, line: &[u8]) -> Result<(), HeadError> {
        let bad = error(HeadErrorKind::StartLine, 0);
        let rest = line.strip_prefix(b"MSRP ").ok_or(bad)?;
        let space = memchr::memchr(b' ', rest).ok_or(bad)?;
        self.id = Some(TransactionId::from_bytes(&rest[..space]).map_err(|_| bad)?);
        let what = &rest[space + 1..];
        let is_status = what.len() >= 3
            && what[..3].iter().all(u8::is_ascii_digit)
            && what[0] != b'0'
            && matches!(what.get(3), None | Some(b' '));
        if !is_status && (what.is_empty() || !what.iter().all(u8::is_ascii_uppercase)) {
            return Err(bad);
        }
        if is_status && !is_text(what) {
            return Err(error(HeadErrorKind::NotText, 0));
        }
        self.is_response = is_status;
        self.what = ((line.len() - what.len()) as u16, line.len() as u16);
        Ok(())
    }

    fn field(&mut self, line: &[u8], begin: usize, limits: &Limits) -> Result<(), HeadError> {
        if self.fields.len() >= limits.fields {
            return Err(error(HeadErrorKind::TooManyFields, begin));
        }
        let colon = memchr::memchr(b':', line)
            .filter(|colon| *colon > 0 && line[..*colon].iter().all(|byte| is_token_char(*byte)))
            .ok_or(error(HeadErrorKind::Field, begin))?;
        if !is_text(&line[colon + 1..]) {
            return Err(error(HeadErrorKind::NotText, begin));
        }
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let from = colon + 1 + line[colon + 1..].iter().take_while(blank).count();
        let to = line.len() - line[from..].iter().rev().take_while(blank).count();
        let name = FieldName::of(&line[..colon]);
        if name != FieldName::Other {
            let bit = 1 << name as u32;
            if self.seen & bit != 0 {
                self.repeated = self.repeated.or(Some(name));
            }
            self.seen |= bit;
        }
        self.fields.push(Field {
            name,
            begin: begin as u16,
            name_end: (begin + colon) as u16,
            value: (begin + from) as u16,
            value_end: (begin + to) as u16,
        });
        Ok(())
    }
}

/// The flag, when a line (without its CRLF) is the end-line of this transaction.
fn end_line(line: &[u8], id: &TransactionId) -> Option<Continuation> {
    let rest = line.strip_prefix(b"-------")?.strip_prefix(id.as_bytes())?;
    match rest {
        [flag] => Continuation::from_byte(*flag),
        _ => None,
    }
}

fn error(kind: HeadErrorKind, at: usize) -> HeadError {
    HeadError { kind, at }
}

fn is_text(bytes: &[u8]) -> bool {
    if bytes.is_ascii() {
        bytes
            .iter()
            .all(|byte| *byte >= b' ' && *byte != 0x7f || *byte == b'\t')
    } else {
        str::from_utf8(bytes).is_ok()
            && bytes
                .iter()
                .all(|byte| *byte >= b' ' && *byte != 0x7f || *byte == b'\t')
    }
}

/// A byte of a `token` (RFC 4975 §9).
pub(super) fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte)
}
