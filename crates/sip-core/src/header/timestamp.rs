//! Timestamp (RFC 3261 §20.38) and MIME-Version (RFC 3261 §20.24): numbers with a dot.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader, write_number};
use crate::parse::lex::{self, Cursor};

/// Timestamp: when the client sent the request, in its own count of seconds, and how long the server held it.
///
/// ```
/// use offhook_sip_core::header::{Timestamp, TypedHeader};
/// let stamp = Timestamp::parse("54.25 0.5".into()).unwrap();
/// assert_eq!(stamp.sent().as_millis(), 54_250);
/// assert_eq!(stamp.delay().unwrap().as_millis(), 500);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Timestamp {
    /// As it stands, since it is to be returned unchanged (RFC 3261 §8.2.6.1).
    sent: Bytes,
    delay: Bytes,
}

impl Timestamp {
    /// A request sent at `sent` by the client's count.
    pub fn new(sent: Duration) -> Self {
        Self {
            sent: decimal(sent),
            delay: Bytes::new(),
        }
    }

    /// The same with how long the server held the request before it answered.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = decimal(delay);
        self
    }

    /// The client's count; digits below the nanosecond are cut off.
    pub fn sent(&self) -> Duration {
        duration(&self.sent)
    }

    /// How long the server held the request.
    pub fn delay(&self) -> Option<Duration> {
        (!self.delay.is_empty()).then(|| duration(&self.delay))
    }
}

impl TypedHeader for Timestamp {
    const NAME: HeaderName<'static> = HeaderName::Timestamp;

    /// `1*(DIGIT) [ "." *(DIGIT) ] [ LWS delay ]`
    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        cursor.number::<u64>()?;
        fraction(&mut cursor);
        let sent = value.slice(0..cursor.pos());
        if cursor.is_end() {
            let delay = Bytes::new();
            return Ok(Self { sent, delay });
        }
        if !cursor.peek().is_some_and(lex::is_ws) {
            return Err(cursor.unexpected());
        }
        cursor.skip_ws();
        let start = cursor.pos();
        cursor.take_while(|byte| byte.is_ascii_digit());
        fraction(&mut cursor);
        let delay = value.slice(start..cursor.pos());
        cursor.expect_end()?;
        Ok(Self { sent, delay })
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.sent);
        if !self.delay.is_empty() {
            out.extend_from_slice(b" ");
            out.extend_from_slice(&self.delay);
        }
    }
}

fn fraction(cursor: &mut Cursor<'_>) {
    if cursor.eat(b'.') {
        cursor.take_while(|byte| byte.is_ascii_digit());
    }
}

fn decimal(time: Duration) -> Bytes {
    format!("{}.{:03}", time.as_secs(), time.subsec_millis()).into()
}

fn duration(text: &[u8]) -> Duration {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    let nanos = fraction
        .iter()
        .chain(std::iter::repeat(&b'0'))
        .take(9)
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Duration::new(lex::number(whole).unwrap_or(0), nanos)
}

/// MIME-Version: the version of MIME that the body follows, 1.0 (RFC 3261 §20.24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MimeVersion {
    /// 1
    pub major: u8,
    /// 0
    pub minor: u8,
}

impl TypedHeader for MimeVersion {
    const NAME: HeaderName<'static> = HeaderName::MimeVersion;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let major = cursor.number()?;
        cursor.expect(b'.')?;
        let minor = cursor.number()?;
        cursor.expect_end()?;
        Ok(Self { major, minor })
    }

    fn write(&self, out: &mut BytesMut) {
        write_number(out, self.major.into());
        out.extend_from_slice(b".");
        write_number(out, self.minor.into());
    }
}
