//! Challenges and credentials (RFC 3261 §20.6, §20.7, §20.27, §20.28, §20.44): the scheme, and the rest as text for
//! whoever knows the scheme.

use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader, unquote};
use crate::parse::lex::{self, Cursor};

/// Authentication-Info: what a server says behind a successful authentication: the next nonce, and the proof
/// that it knows the password (RFC 3261 §20.6, RFC 7616 §3.5).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AuthenticationInfo(Bytes);

impl AuthenticationInfo {
    /// The value of this parameter without quotes: `nextnonce`, `qop`, `rspauth`, `cnonce`, `nc`.
    pub fn get(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        infos(&self.0).find_map(|info| {
            let (key, value) = split(info)?;
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| unquote(value))
        })
    }
}

impl fmt::Debug for AuthenticationInfo {
    /// The names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = infos(&self.0).filter_map(|info| Some(lex::ascii(split(info)?.0)));
        f.debug_set().entries(names).finish()
    }
}

impl TypedHeader for AuthenticationInfo {
    const NAME: HeaderName<'static> = HeaderName::AuthenticationInfo;

    /// `ainfo *(COMMA ainfo)`, each `token EQUAL (token / quoted-string)`.
    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut offset = 0;
        for info in infos(&value) {
            let known = split(info).is_some_and(|(key, value)| {
                let quoted = value.first() == Some(&b'"');
                lex::is_token(key)
                    && if quoted {
                        lex::quoted_end(value, 0) == Some(value.len())
                    } else {
                        lex::is_token(value)
                    }
            });
            if !known {
                return Err(Cursor::at(&value, offset).unexpected());
            }
            offset += info.len() + 1;
        }
        Ok(Self(value.to_bytes()))
    }

    fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0);
    }
}

/// The pieces between commas outside of quotes, white space and all; at least one.
fn infos(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = lex::list_element_end(text);
        rest = text.get(end + 1..);
        Some(&text[..end])
    })
}

fn split(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr::memchr(b'=', info)?;
    Some((lex::trimmed(&info[..equals]), lex::trimmed(&info[equals + 1..])))
}

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
