//! Header fields that hold an address: From, To, Contact, Route, Record-Route, Reply-To
//! (RFC 3261 §20.10, §20.20, §20.30, §20.31, §20.34, §20.39).

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut, Range};

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader, quote, unquote};
use crate::parse::lex::{self, Cursor};
use crate::uri::Uri;

/// `"Display name" <uri>;param=value`.
///
/// ```
/// use offhook_sip_core::NameAddr;
/// let mut alice: NameAddr = r#""Alice \"A\" L." <sip:alice@a.test>;tag=1"#.parse().unwrap();
/// assert_eq!(alice.display_name(), r#"Alice "A" L."#);
/// assert_eq!(alice.tag(), Some("1"));
/// alice.set_tag("2");
/// assert_eq!(alice.to_string(), r#""Alice \"A\" L." <sip:alice@a.test>;tag=2"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// As it stands before the `<`, with its quotes.
    display: Bytes,
    /// The address.
    pub uri: Uri,
    /// The parameters of the header field, behind the `>`.
    pub params: Params,
}

impl NameAddr {
    /// An address without display name or parameters.
    pub fn new(uri: Uri) -> Self {
        Self {
            display: Bytes::new(),
            uri,
            params: Params::new(),
        }
    }

    /// The same with a display name; it is quoted as needed.
    #[must_use]
    pub fn with_display_name(mut self, name: &str) -> Self {
        self.set_display_name(name);
        self
    }

    /// The same with a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: &str) -> Self {
        self.set_tag(tag);
        self
    }

    /// The display name without quotes and escapes; empty where there is none.
    pub fn display_name(&self) -> Cow<'_, str> {
        match unquote(&self.display) {
            Cow::Borrowed(text) => String::from_utf8_lossy(text),
            Cow::Owned(text) => Cow::Owned(String::from_utf8_lossy(&text).into_owned()),
        }
    }

    /// The display name as it stands on the wire, with its quotes.
    pub fn raw_display_name(&self) -> &[u8] {
        &self.display
    }

    /// Sets the display name, or removes it where `name` is empty.
    pub fn set_display_name(&mut self, name: &str) {
        let mut text = BytesMut::new();
        if !name.is_empty() {
            quote(name.as_bytes(), &mut text);
        }
        self.display = text.freeze();
    }

    /// The `tag` parameter: one half of a dialog's name.
    pub fn tag(&self) -> Option<&str> {
        self.params.get_str("tag")
    }

    /// The `tag` as a slice of the message.
    pub fn tag_bytes(&self) -> Option<Bytes> {
        self.params.get_bytes("tag")
    }

    /// Sets the `tag`.
    pub fn set_tag(&mut self, tag: &str) {
        self.params.set("tag", tag);
    }

    /// `expires` of a Contact, in seconds; `None` where absent or malformed (RFC 3261 §20.10).
    pub fn expires(&self) -> Option<u32> {
        lex::number(self.params.get("expires")?).ok()
    }

    /// `q` of a Contact in thousandths, 0 to 1000; `None` where absent or malformed (RFC 3261 §20.10).
    pub fn q(&self) -> Option<u16> {
        super::q_thousandths(self.params.get("q")?)
    }

    fn read(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        cursor.skip_ws();
        let start = cursor.pos();
        let display = if cursor.peek() == Some(b'<') {
            start..start
        } else if cursor.peek() == Some(b'"') {
            let quoted = cursor.quoted()?;
            cursor.skip_ws();
            quoted
        } else {
            let mut name = cursor.tokens();
            if cursor.peek() != Some(b'<') {
                if lex::find(cursor.rest(), b'<').is_none() {
                    return Self::read_addr_spec(value, Cursor::at(value.as_slice(), start));
                }
                if !value.is_strict() {
                    let of_name = |b| b >= b' ' && !matches!(b, b'"' | b'<' | b'>' | b',' | b';' | 0x7f);
                    name.end = cursor.take_while(of_name).end;
                }
            }
            let trimmed = lex::trim(&value[name]);
            start + trimmed.start..start + trimmed.end
        };
        cursor.expect(b'<')?;
        let start = cursor.pos();
        let len = lex::find(cursor.rest(), b'>');
        let end = start + len.ok_or(HeaderError::Truncated { offset: value.len() })?;
        let uri = read_uri(value, start..end)?;
        cursor.advance(end + 1 - start);
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self {
            display: value.slice(display),
            uri,
            params,
        })
    }

    /// An address without brackets: `;` begins the parameters of the header field, and neither `?` nor `,`
    /// may stand in it (RFC 3261 §20).
    fn read_addr_spec(value: HeaderValue<'_>, mut cursor: Cursor<'_>) -> Result<Self, HeaderError> {
        let uri = cursor.take_while(|b| b > b' ' && !matches!(b, b';' | b'?' | b','));
        if uri.is_empty() || matches!(cursor.peek(), Some(b'?' | b',')) {
            return Err(cursor.unexpected());
        }
        let uri = read_uri(value, uri)?;
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self {
            display: Bytes::new(),
            uri,
            params,
        })
    }

    pub(crate) fn write_to(&self, out: &mut BytesMut) {
        if !self.display.is_empty() {
            out.extend_from_slice(&self.display);
            out.extend_from_slice(b" ");
        }
        out.extend_from_slice(b"<");
        out.extend_from_slice(self.uri.as_bytes());
        out.extend_from_slice(b">");
        self.params.write(out);
    }
}

#[inline]
fn read_uri(value: HeaderValue<'_>, range: Range<usize>) -> Result<Uri, HeaderError> {
    let uri = Uri::read(&value[range.clone()], || value.slice(range))?;
    if value.is_strict()
        && let Some(error) = uri.deviation()
    {
        return Err(error.into());
    }
    Ok(uri)
}

impl std::str::FromStr for NameAddr {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        Self::read(HeaderValue::from(&Bytes::copy_from_slice(text.as_bytes())))
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = BytesMut::new();
        self.write_to(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

impl std::convert::From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

macro_rules! address_headers {
    ($($(#[$doc:meta])* $name:ident list $list:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub NameAddr);

        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;
            const LIST: bool = $list;

            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                NameAddr::read(value).map(Self)
            }

            fn write(&self, out: &mut BytesMut) {
                self.0.write_to(out);
            }
        }

        impl Deref for $name {
            type Target = NameAddr;

            fn deref(&self) -> &NameAddr {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut NameAddr {
                &mut self.0
            }
        }
    )*};
}

address_headers! {
    /// From: who sends the request (RFC 3261 §20.20).
    From list false;
    /// To: whom it is for (RFC 3261 §20.39).
    To list false;
    /// Route: the next proxies to visit (RFC 3261 §20.34).
    Route list true;
    /// Record-Route: the proxies that want to stay on the path (RFC 3261 §20.30).
    RecordRoute list true;
    /// Reply-To: where to call back (RFC 3261 §20.31).
    ReplyTo list false;
    /// Path: the proxies between a registrar and its user agent (RFC 3327 §4).
    Path list true;
    /// Service-Route: the proxies between a user agent and its home service (RFC 3608 §5).
    ServiceRoute list true;
    /// Refer-To: whom to contact instead (RFC 3515 §2.1).
    ReferTo list false;
    /// Referred-By: who says so (RFC 3892 §3).
    ReferredBy list false;
    /// P-Asserted-Identity: who a trusted network says the caller is (RFC 3325 §9.1).
    PAssertedIdentity list true;
    /// P-Preferred-Identity: which identity a user asks its network to assert (RFC 3325 §9.2).
    PPreferredIdentity list true;
    /// History-Info: an address that the request was sent to before; one value of the list (RFC 7044 §5).
    HistoryInfo list true;
    /// Diversion: who diverted the call, and why; one value of the list (RFC 5806 §4).
    Diversion list true;
    /// P-Associated-URI: further addresses of the registered user (RFC 7315 §4.1).
    PAssociatedUri list true;
}

/// Contact: where a user agent can be reached directly, or `*` to remove all bindings (RFC 3261 §20.10).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Contact {
    /// `*`
    Star,
    /// One address.
    Addr(NameAddr),
}

impl Contact {
    /// The address, unless it is `*`.
    pub fn addr(&self) -> Option<&NameAddr> {
        match self {
            Self::Star => None,
            Self::Addr(addr) => Some(addr),
        }
    }
}

impl TypedHeader for Contact {
    const NAME: HeaderName<'static> = HeaderName::Contact;
    const LIST: bool = true;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        if &value[..] == b"*" {
            Ok(Self::Star)
        } else {
            NameAddr::read(value).map(Self::Addr)
        }
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Star => out.extend_from_slice(b"*"),
            Self::Addr(addr) => addr.write_to(out),
        }
    }
}
