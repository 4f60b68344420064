//! Reason (RFC 3326) and Warning (RFC 3261 §20.43): why.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader, quote, unquote, write_number};
use crate::parse::lex::{self, Cursor};

/// Reason: why a request was sent, a BYE or CANCEL above all; one value of the list (RFC 3326 §2).
///
/// ```
/// use offhook_sip_core::header::{Reason, TypedHeader};
/// let reason = Reason::parse("SIP ;cause=200 ;text=\"Call completed elsewhere\"".into()).unwrap();
/// assert_eq!((reason.protocol(), reason.cause()), ("SIP", Some(200)));
/// assert_eq!(reason.text().unwrap(), "Call completed elsewhere");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reason {
    protocol: Bytes,
    /// `cause`, `text` and others.
    pub params: Params,
}

impl Reason {
    /// A reason of this protocol (`SIP`, `Q.850`); `None` where that is no token.
    pub fn new(protocol: &str, cause: u16, text: &str) -> Option<Self> {
        if !lex::is_token(protocol.as_bytes()) {
            return None;
        }
        let mut params = Params::new();
        params.set("cause", cause.to_string());
        if !text.is_empty() {
            let mut quoted = BytesMut::new();
            quote(text.as_bytes(), &mut quoted);
            params.set("text", &quoted);
        }
        Some(Self {
            protocol: Bytes::copy_from_slice(protocol.as_bytes()),
            params,
        })
    }

    /// `SIP`, `Q.850`, ...
    pub fn protocol(&self) -> &str {
        lex::ascii(&self.protocol)
    }

    /// `cause`: a SIP status, a Q.850 cause value ...
    pub fn cause(&self) -> Option<u16> {
        lex::number(self.params.get("cause")?).ok()
    }

    /// `text` without quotes.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        self.params.get("text").map(plain_text)
    }
}

impl TypedHeader for Reason {
    const NAME: HeaderName<'static> = HeaderName::Reason;
    const LIST: bool = true;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let protocol = cursor.token()?;
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self {
            protocol: value.slice(protocol),
            params,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.protocol);
        self.params.write(out);
    }
}

/// Warning: what about the session description does not suit; one value of the list (RFC 3261 §20.43).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// 300 to 399; the RFC lists their meaning.
    pub code: u16,
    agent: Bytes,
    /// With its quotes.
    text: Bytes,
}

impl Warning {
    /// A warning by `agent`, a host (with port) or a pseudonym.
    pub fn new(code: u16, agent: &str, text: &str) -> Self {
        let mut quoted = BytesMut::new();
        quote(text.as_bytes(), &mut quoted);
        let agent = agent.replace(|c: char| c.is_whitespace() || c == '"', "-");
        Self {
            code: code.min(999),
            agent: agent.into(),
            text: quoted.freeze(),
        }
    }

    /// Who warns.
    pub fn agent(&self) -> &str {
        lex::ascii(&self.agent)
    }

    /// The text without quotes.
    pub fn text(&self) -> Cow<'_, str> {
        plain_text(&self.text)
    }
}

impl TypedHeader for Warning {
    const NAME: HeaderName<'static> = HeaderName::Warning;
    const LIST: bool = true;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let code = cursor.number()?;
        if !(100..=999).contains(&code) {
            return Err(HeaderError::OutOfRange { offset: 0 });
        }
        cursor.skip_ws();
        let agent = cursor.take_while(|b| b > b' ' && !matches!(b, b'"' | b','));
        if agent.is_empty() {
            return Err(cursor.unexpected());
        }
        cursor.skip_ws();
        let text = cursor.quoted()?;
        cursor.expect_end()?;
        Ok(Self {
            code,
            agent: value.slice(agent),
            text: value.slice(text),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        write_number(out, u64::from(self.code));
        out.extend_from_slice(b" ");
        out.extend_from_slice(&self.agent);
        out.extend_from_slice(b" ");
        out.extend_from_slice(&self.text);
    }
}

fn plain_text(quoted: &[u8]) -> Cow<'_, str> {
    match unquote(quoted) {
        Cow::Borrowed(text) => String::from_utf8_lossy(text),
        Cow::Owned(text) => Cow::Owned(String::from_utf8_lossy(&text).into_owned()),
    }
}
