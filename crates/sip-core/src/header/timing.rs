//! Retry-After, Session-Expires, Min-SE (RFC 3261 §20.33, RFC 4028 §4, §5): seconds with parameters.

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader, write_number};
use crate::parse::lex::{self, Cursor};

/// Who refreshes a session (RFC 4028 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The client of the transaction that set it up.
    Uac,
    /// The server.
    Uas,
}

/// Session-Expires: seconds until the session ends unless it is refreshed (RFC 4028 §4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    /// Seconds.
    pub seconds: u32,
    /// `refresher` and others.
    pub params: Params,
}

impl SessionExpires {
    /// An interval, and who is to refresh where that is decided.
    pub fn new(seconds: u32, refresher: Option<Refresher>) -> Self {
        let mut params = Params::new();
        match refresher {
            Some(Refresher::Uac) => params.set("refresher", "uac"),
            Some(Refresher::Uas) => params.set("refresher", "uas"),
            None => {}
        }
        Self { seconds, params }
    }

    /// Who is to refresh; `None` where undecided or malformed.
    pub fn refresher(&self) -> Option<Refresher> {
        let value = self.params.get("refresher")?;
        if value.eq_ignore_ascii_case(b"uac") {
            Some(Refresher::Uac)
        } else if value.eq_ignore_ascii_case(b"uas") {
            Some(Refresher::Uas)
        } else {
            None
        }
    }
}

/// Min-SE: the shortest session interval that somebody on the path accepts, in seconds (RFC 4028 §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MinSe {
    /// Seconds; 90 is the least that may be said.
    pub seconds: u32,
    /// Extensions.
    pub params: Params,
}

impl MinSe {
    /// An interval.
    pub fn new(seconds: u32) -> Self {
        Self {
            seconds,
            params: Params::new(),
        }
    }
}

/// Retry-After: when to ask again (RFC 3261 §20.33).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryAfter {
    /// Seconds to wait.
    pub seconds: u32,
    /// `(text)` behind the number, with its parentheses.
    comment: Bytes,
    /// `duration` and others.
    pub params: Params,
}

impl RetryAfter {
    /// A wait.
    pub fn new(seconds: u32) -> Self {
        Self {
            seconds,
            comment: Bytes::new(),
            params: Params::new(),
        }
    }

    /// The comment with its parentheses; empty where there is none.
    pub fn comment(&self) -> &[u8] {
        &self.comment
    }

    /// `duration`: for how many seconds the called party will then be reachable.
    pub fn duration(&self) -> Option<u32> {
        lex::number(self.params.get("duration")?).ok()
    }
}

impl TypedHeader for RetryAfter {
    const NAME: HeaderName<'static> = HeaderName::RetryAfter;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let seconds = cursor.number()?;
        cursor.skip_ws();
        let start = cursor.pos();
        skip_comment(&mut cursor)?;
        let comment = value.slice(start..cursor.pos());
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self {
            seconds,
            comment,
            params,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        write_number(out, u64::from(self.seconds));
        if !self.comment.is_empty() {
            out.extend_from_slice(b" ");
            out.extend_from_slice(&self.comment);
        }
        self.params.write(out);
    }
}

/// `comment = LPAREN *(ctext / quoted-pair / comment) RPAREN` (RFC 3261 §25.1).
fn skip_comment(cursor: &mut Cursor<'_>) -> Result<(), HeaderError> {
    let mut depth = 0_usize;
    loop {
        match cursor.peek() {
            Some(b'(') => depth += 1,
            Some(b')') if depth > 0 => depth -= 1,
            Some(b'\\') if depth > 0 => cursor.advance(1),
            Some(_) if depth > 0 => {}
            None if depth > 0 => return Err(cursor.unexpected()),
            _ => return Ok(()),
        }
        cursor.advance(1);
        if depth == 0 {
            return Ok(());
        }
    }
}

macro_rules! seconds_headers {
    ($($name:ident)*) => {$(
        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;

            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                let mut cursor = Cursor::new(value.as_slice());
                let seconds = cursor.number()?;
                let params = Params::parse_rest(value, &mut cursor)?;
                Ok(Self { seconds, params })
            }

            fn write(&self, out: &mut BytesMut) {
                write_number(out, u64::from(self.seconds));
                self.params.write(out);
            }
        }
    )*};
}

seconds_headers! { SessionExpires MinSe }
