//! Challenges and credentials (RFC 3261 §20.7, §20.27, §20.28, §20.44): the scheme, and the rest as text for
//! whoever knows the scheme.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader};
use crate::parse::lex::{self, Cursor};

/// `scheme SP name=value, name="value" ...`, kept as text: `offhook-digest` reads and writes it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AuthText {
    raw: Bytes,
    scheme_end: usize,
}

impl AuthText {
    /// The value as it stands in the header field.
    ///
    /// # Errors
    /// Where it does not begin with a scheme and at least one parameter, or is not text.
    pub fn new(text: impl Into<Bytes>) -> Result<Self, HeaderError> {
        let raw = text.into();
        let mut cursor = Cursor::new(&raw);
        let scheme_end = cursor.token()?.end;
        if !cursor.peek().is_some_and(lex::is_ws) {
            return Err(cursor.unexpected());
        }
        cursor.skip_ws();
        if cursor.is_end() {
            return Err(cursor.unexpected());
        }
        if let Err(error) = std::str::from_utf8(&raw) {
            let offset = error.valid_up_to();
            return Err(HeaderError::Unexpected {
                offset,
                byte: raw[offset],
            });
        }
        Ok(Self { raw, scheme_end })
    }

    /// The scheme as it is spelt; compare without regard to case.
    pub fn scheme(&self) -> &str {
        lex::ascii(&self.raw[..self.scheme_end])
    }

    /// What stands behind the scheme.
    pub fn params(&self) -> &str {
        lex::ascii(lex::trimmed(&self.raw[self.scheme_end..]))
    }

    /// Scheme and parameters.
    pub fn as_str(&self) -> &str {
        lex::ascii(&self.raw)
    }
}

impl fmt::Debug for AuthText {
    /// The scheme only: nonces and responses do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ..", self.scheme())
    }
}

macro_rules! auth_headers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub AuthText);

        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;

            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                AuthText::new(value.to_bytes()).map(Self)
            }

            fn write(&self, out: &mut BytesMut) {
                out.extend_from_slice(&self.0.raw);
            }
        }
    )*};
}

auth_headers! {
    /// WWW-Authenticate: a user agent's or registrar's challenge, in a 401 (RFC 3261 §20.44).
    WwwAuthenticate;
    /// Proxy-Authenticate: a proxy's challenge, in a 407 (RFC 3261 §20.27).
    ProxyAuthenticate;
    /// Authorization: the answer to a WWW-Authenticate (RFC 3261 §20.7).
    Authorization;
    /// Proxy-Authorization: the answer to a Proxy-Authenticate (RFC 3261 §20.28).
    ProxyAuthorization;
}
