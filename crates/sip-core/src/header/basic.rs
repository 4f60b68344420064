//! Call-ID, In-Reply-To, and fields of one number (RFC 3261 §20.8, §20.14, §20.19, §20.21 to §20.23; RFC 3262
//! §7.1; RFC 5393 §5.2; RFC 5626 §10).

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader, write_number};
use crate::parse::lex::{self, Cursor};

/// Call-ID: names a call or a registration; compared byte for byte (RFC 3261 §20.8).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CallId(Bytes);

impl CallId {
    /// A Call-ID of this text, or `None` where it is empty or has white space or control characters.
    pub fn new(text: impl Into<Bytes>) -> Option<Self> {
        Self::parse(HeaderValue::from(&text.into())).ok()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The text; `""` for one that is not UTF-8.
    pub fn as_str(&self) -> &str {
        lex::ascii(&self.0)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TypedHeader for CallId {
    const NAME: HeaderName<'static> = HeaderName::CallId;

    /// `word ["@" word]`. What a word may hold differs among real phones, so any visible bytes do.
    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        if value.is_empty() || lex::has_invisible(&value) {
            let mut cursor = Cursor::new(value.as_slice());
            cursor.take_while(|b| b > b' ' && b != 0x7f);
            return Err(cursor.unexpected());
        }
        Ok(Self(value.to_bytes()))
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0);
    }
}

macro_rules! number_headers {
    ($($(#[$doc:meta])* $name:ident($type:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $type);

        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;

            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                lex::number(&value).map(Self)
            }

            fn write(&self, out: &mut BytesMut) {
                write_number(out, u64::from(self.0));
            }
        }
    )*};
}

number_headers! {
    /// Max-Forwards: how many more hops a request may take, 0 to 255 (RFC 3261 §20.22).
    MaxForwards(u8);
    /// Content-Length: bytes in the body (RFC 3261 §20.14). Written by the message itself.
    ContentLength(u32);
    /// Expires: seconds until the registration, subscription, invitation or publication ends (RFC 3261 §20.19).
    Expires(u32);
    /// Min-Expires: the shortest refresh interval that a server accepts, in seconds (RFC 3261 §20.23).
    MinExpires(u32);
    /// Flow-Timer: after how many seconds without a keep-alive a server takes the flow for dead
    /// (RFC 5626 §10).
    FlowTimer(u32);
    /// Max-Breadth: into how many branches at a time the request may be forked (RFC 5393 §5.2).
    MaxBreadth(u32);
    /// RSeq: the number of a reliable provisional response (RFC 3262 §7.1).
    RSeq(u32);
}

/// In-Reply-To: a call that this one returns; one value of the list (RFC 3261 §20.21).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InReplyTo(pub CallId);

impl TypedHeader for InReplyTo {
    const NAME: HeaderName<'static> = HeaderName::InReplyTo;
    const LIST: bool = true;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        CallId::parse(value).map(Self)
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.write(out);
    }
}
