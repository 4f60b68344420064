//! Content-Type, Accept and Content-Disposition (RFC 3261 §20.1, §20.11, §20.15).

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader};
use crate::parse::lex::{self, Cursor};

/// `type/subtype;param=value`. In an Accept either may be `*`.
///
/// ```
/// use offhook_sip_core::header::{ContentType, TypedHeader};
/// let content = ContentType::parse("Application/SDP; charset=utf-8".into()).unwrap().0;
/// assert!(content.is("application", "sdp"));
/// assert_eq!(content.params.get_str("charset"), Some("utf-8"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType {
    kind: Bytes,
    subtype: Bytes,
    /// `charset`, `boundary`, `q` ...
    pub params: Params,
}

impl MediaType {
    /// `kind/subtype`, or `None` where one of them is no token.
    pub fn new(kind: &str, subtype: &str) -> Option<Self> {
        let token =
            |text: &str| lex::is_token(text.as_bytes()).then(|| Bytes::copy_from_slice(text.as_bytes()));
        Some(Self {
            kind: token(kind)?,
            subtype: token(subtype)?,
            params: Params::new(),
        })
    }

    /// The part before the `/`, as it is spelt.
    pub fn kind(&self) -> &str {
        lex::ascii(&self.kind)
    }

    /// The part behind the `/`, as it is spelt.
    pub fn subtype(&self) -> &str {
        lex::ascii(&self.subtype)
    }

    /// Whether it is this type, in any case, whatever the parameters.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind().eq_ignore_ascii_case(kind) && self.subtype().eq_ignore_ascii_case(subtype)
    }

    /// Whether this range of an Accept covers `other`, whatever the parameters.
    pub fn covers(&self, other: &Self) -> bool {
        let fits = |range: &str, name: &str| range == "*" || range.eq_ignore_ascii_case(name);
        fits(self.kind(), other.kind()) && fits(self.subtype(), other.subtype())
    }

    /// `q` of an Accept in thousandths; 1000 where absent or malformed.
    pub fn q(&self) -> u16 {
        self.params
            .get("q")
            .and_then(super::q_thousandths)
            .unwrap_or(1000)
    }

    fn read(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let kind = cursor.token()?;
        cursor.skip_ws();
        cursor.expect(b'/')?;
        cursor.skip_ws();
        let subtype = cursor.token()?;
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self {
            kind: value.slice(kind),
            subtype: value.slice(subtype),
            params,
        })
    }

    fn write_to(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.kind);
        out.extend_from_slice(b"/");
        out.extend_from_slice(&self.subtype);
        self.params.write(out);
    }
}

/// Content-Type: what the body is (RFC 3261 §20.15).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentType(pub MediaType);

/// Accept: what bodies the sender takes; one value of the list (RFC 3261 §20.1). An empty Accept takes none,
/// an absent one `application/sdp`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Accept(pub MediaType);

/// Content-Disposition: what the body is for (RFC 3261 §20.11, RFC 3261 §13.2.1 for `session`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentDisposition {
    kind: Bytes,
    /// `handling` and others.
    pub params: Params,
}

impl ContentDisposition {
    /// A disposition of this token, or `None` where it is none.
    pub fn new(kind: &str) -> Option<Self> {
        let is_token = lex::is_token(kind.as_bytes());
        is_token.then(|| Self {
            kind: Bytes::copy_from_slice(kind.as_bytes()),
            params: Params::new(),
        })
    }

    /// `session`, `render`, `early-session` ...; compare without regard to case.
    pub fn kind(&self) -> &str {
        lex::ascii(&self.kind)
    }

    /// Whether a receiver that does not understand the body may ignore it: `handling=optional`. The default is
    /// `required`.
    pub fn is_optional(&self) -> bool {
        self.params
            .get("handling")
            .is_some_and(|value| value.eq_ignore_ascii_case(b"optional"))
    }
}

impl TypedHeader for ContentType {
    const NAME: HeaderName<'static> = HeaderName::ContentType;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        MediaType::read(value).map(Self)
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.write_to(out);
    }
}

impl TypedHeader for Accept {
    const NAME: HeaderName<'static> = HeaderName::Accept;
    const LIST: bool = true;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        MediaType::read(value).map(Self)
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.write_to(out);
    }
}

impl TypedHeader for ContentDisposition {
    const NAME: HeaderName<'static> = HeaderName::ContentDisposition;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let kind = cursor.token()?;
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self {
            kind: value.slice(kind),
            params,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.kind);
        self.params.write(out);
    }
}
