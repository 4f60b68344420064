//! The values of the header fields that MSRP acts on.

use std::fmt;
use std::str::FromStr;

/// The method of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Carries a message or a part of it (RFC 4975 §7.1.1).
    Send,
    /// Says what became of a message (RFC 4975 §7.1.2).
    Report,
    /// Asks a relay for a place (RFC 4976 §5.1).
    Auth,
    /// Asks a chat room for a name (RFC 7701 §7).
    Nickname,
    /// Any other word of capital letters.
    Other(Box<str>),
}

impl Method {
    /// The word on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Send => "SEND",
            Self::Report => "REPORT",
            Self::Auth => "AUTH",
            Self::Nickname => "NICKNAME",
            Self::Other(word) => word,
        }
    }
}

impl FromStr for Method {
    type Err = BadValue;

    /// Methods are compared in their case (RFC 4975 §9).
    fn from_str(text: &str) -> Result<Self, BadValue> {
        Ok(match text {
            "SEND" => Self::Send,
            "REPORT" => Self::Report,
            "AUTH" => Self::Auth,
            "NICKNAME" => Self::Nickname,
            _ if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                return Err(BadValue);
            }
            _ => Self::Other(text.into()),
        })
    }
}

/// The status of a response or report: three digits (RFC 4975 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(u16);

impl StatusCode {
    /// Success.
    pub const OK: Self = Self(200);
    /// The request could not be understood.
    pub const BAD_REQUEST: Self = Self(400);
    /// Credentials are wanted (RFC 4976 §5.1).
    pub const UNAUTHORIZED: Self = Self(401);
    /// Not allowed.
    pub const FORBIDDEN: Self = Self(403);
    /// No answer came in time.
    pub const TIMEOUT: Self = Self(408);
    /// Stop sending this message.
    pub const STOP_SENDING: Self = Self(413);
    /// The media type is not understood.
    pub const UNSUPPORTED_MEDIA: Self = Self(415);
    /// A parameter is out of bounds.
    pub const OUT_OF_BOUNDS: Self = Self(423);
    /// A nickname that is none (RFC 7701 §7.1).
    pub const BAD_NICKNAME: Self = Self(424);
    /// A nickname that is reserved or in use (RFC 7701 §7.1).
    pub const NICKNAME_TAKEN: Self = Self(425);
    /// No such session.
    pub const NO_SESSION: Self = Self(481);
    /// The method is not understood.
    pub const UNKNOWN_METHOD: Self = Self(501);
    /// The session is bound to another connection.
    pub const ALREADY_BOUND: Self = Self(506);

    /// A code from 100 to 999.
    pub fn new(code: u16) -> Option<Self> {
        (100..1000).contains(&code).then_some(Self(code))
    }

    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// True from 200 to 299.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.0)
    }

    /// Code and comment, for people.
    pub fn in_words(self) -> String {
        format!("{self} {}", self.comment()).trim_end().to_owned()
    }

    /// A comment for people.
    pub fn comment(self) -> &'static str {
        match self.0 {
            200 => "OK",
            400 => "Bad request",
            401 => "Unauthorized",
            403 => "Forbidden",
            408 => "Timeout",
            413 => "Stop sending message",
            415 => "Media type not supported",
            423 => "Parameter out of bounds",
            424 => "Malformed nickname",
            425 => "Nickname reserved or already in use",
            481 => "No such session",
            501 => "Unknown method",
            506 => "Session already bound",
            _ => "",
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for StatusCode {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        if text.len() != 3 {
            return Err(BadValue);
        }
        Self::new(digits(text)? as u16).ok_or(BadValue)
    }
}

/// The flag that ends an end-line (RFC 4975 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Continuation {
    /// `$`: the last chunk of its message.
    Last,
    /// `+`: more chunks follow.
    More,
    /// `#`: the message is given up.
    Aborted,
}

impl Continuation {
    /// The byte on the wire.
    pub fn as_byte(self) -> u8 {
        match self {
            Self::Last => b'$',
            Self::More => b'+',
            Self::Aborted => b'#',
        }
    }

    /// The flag of a byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'$' => Some(Self::Last),
            b'+' => Some(Self::More),
            b'#' => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// The longest chunk that need not be interruptible, in bytes of its body. A longer one has an open end, and none but the last of
/// a message shall be shorter (RFC 4975 §7.1.1).
pub(crate) const SMALL_CHUNK: u64 = 2048;

/// Where a chunk lies in its message (RFC 4975 §7.1.1): `start-end/total`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The place of the first byte, at least 1.
    pub start: u64,
    /// The place of the last byte; `None` is `*`: not known yet, or the chunk may be interrupted. One less than `start`
    /// when there is no byte.
    pub end: Option<u64>,
    /// The size of the message; `None` is `*`: not known yet.
    pub total: Option<u64>,
}

impl ByteRange {
    /// The range of a message that is known in full.
    pub fn whole(size: u64) -> Self {
        Self {
            start: 1,
            end: Some(size),
            total: Some(size),
        }
    }

    /// Whether it says that it is all of a message.
    pub fn is_whole(self) -> bool {
        self.start == 1 && self.end.is_some() && self.end == self.total
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.start)?;
        match self.end {
            Some(end) => write!(f, "{end}/")?,
            None => f.write_str("*/")?,
        }
        match self.total {
            Some(total) => write!(f, "{total}"),
            None => f.write_str("*"),
        }
    }
}

impl FromStr for ByteRange {
    type Err = BadValue;

    /// Reads a range and refuses one that contradicts itself: starts at 0, ends before it starts, or beyond the total.
    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (start, rest) = text.split_once('-').ok_or(BadValue)?;
        let (end, total) = rest.split_once('/').ok_or(BadValue)?;
        let range = Self {
            start: digits(start)?,
            end: star_or_digits(end)?,
            total: star_or_digits(total)?,
        };
        let total = range.total.unwrap_or(u64::MAX);
        let end = range.end.unwrap_or(range.start.saturating_sub(1));
        if range.start == 0 || end > total || end.checked_add(1).is_none_or(|after| after < range.start) {
            return Err(BadValue);
        }
        Ok(range)
    }
}

/// Whether a Content-Type begins with `type/subtype` (RFC 4975 §9, `media-type`); parameters are not looked at.
pub fn is_media_type(text: &str) -> bool {
    let media = text.split(';').next().unwrap_or_default().trim_end();
    media
        .split_once('/')
        .is_some_and(|(family, subtype)| is_token(family) && is_token(subtype))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(super::scan::is_token_char)
}

/// Whether the sender wants to hear of delivery (RFC 4975 §7.1.3). `No` when the header field is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SuccessReport {
    /// REPORT requests shall cover all bytes that arrived.
    Yes,
    /// No reports of success.
    #[default]
    No,
}

impl FromStr for SuccessReport {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        word(text, &[("yes", Self::Yes), ("no", Self::No)])
    }
}

/// Whether the sender wants to hear of failure (RFC 4975 §7.1.4). `Yes` when the header field is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FailureReport {
    /// Each request is answered, and no answer in 30 s is a failure.
    #[default]
    Yes,
    /// Only failures are answered.
    Partial,
    /// Nothing is answered.
    No,
}

impl FailureReport {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partial => "partial",
            Self::No => "no",
        }
    }

    /// True when a request that ends this way is answered (RFC 4975 §7.2).
    pub fn wants(self, status: StatusCode) -> bool {
        match self {
            Self::Yes => true,
            Self::Partial => !status.is_success(),
            Self::No => false,
        }
    }
}

impl FromStr for FailureReport {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let words = [Self::Yes, Self::Partial, Self::No].map(|wish| (wish.as_str(), wish));
        word(text, &words)
    }
}

/// What a word stands for. Literals of the grammar may be written in any case (RFC 4234 §2.3).
fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, BadValue> {
    let mut words = words.iter();
    let found = words.find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, meaning)| *meaning).ok_or(BadValue)
}

/// The value of a Status header field (RFC 4975 §7.1.3): `000 200 OK`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReportStatus {
    /// What the code is about; 0 means the codes of responses, and nothing else is defined.
    pub namespace: u16,
    /// The code.
    pub status: StatusCode,
    /// A comment for people.
    pub comment: Option<Box<str>>,
}

impl FromStr for ReportStatus {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let mut words = text.splitn(3, ' ');
        let namespace = words.next().filter(|word| word.len() == 3).ok_or(BadValue)?;
        Ok(Self {
            namespace: digits(namespace)? as u16,
            status: words.next().ok_or(BadValue)?.parse()?,
            comment: words.next().map(Into::into),
        })
    }
}

impl fmt::Display for ReportStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {}", self.namespace, self.status)?;
        match &self.comment {
            Some(comment) => write!(f, " {comment}"),
            None => Ok(()),
        }
    }
}

/// The text is not a value of the header field that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is malformed or contradicts itself")]
pub struct BadValue;

fn digits(text: &str) -> Result<u64, BadValue> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadValue);
    }
    text.parse().map_err(|_| BadValue)
}

fn star_or_digits(text: &str) -> Result<Option<u64>, BadValue> {
    if text == "*" {
        Ok(None)
    } else {
        digits(text).map(Some)
    }
}
