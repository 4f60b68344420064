//! Lists of tokens: methods, option tags, languages, event packages (RFC 3261 §20.5, §20.12, §20.13, §20.29, §20.32, §20.37, §20.40;
//! RFC 6665 §8.2.2).

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader};
use crate::message::Method;
use crate::parse::lex::{self, Cursor};

macro_rules! token_lists {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// One value holds the whole list of one field; [`Headers::typed_all`](super::Headers::typed_all) goes
        /// over repeated fields, and [`Headers::has_token`](super::Headers::has_token) looks into all of them.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(Bytes);

        impl $name {
            /// The list of these tokens.
            pub fn new<T: AsRef<str>>(tokens: impl IntoIterator<Item = T>) -> Self {
                Self(join(tokens))
            }

            /// The tokens in order.
            pub fn iter(&self) -> impl Iterator<Item = &str> {
                tokens(&self.0)
            }

            /// Whether `token` is in the list, in any case.
            pub fn contains(&self, token: &str) -> bool {
                self.iter().any(|item| item.eq_ignore_ascii_case(token))
            }

            /// Whether the list is empty.
            pub fn is_empty(&self) -> bool {
                self.iter().next().is_none()
            }
        }

        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;

            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                check(value)?;
                Ok(Self(value.to_bytes()))
            }

            fn write(&self, out: &mut BytesMut) {
                out.extend_from_slice(&self.0);
            }
        }
    )*};
}

token_lists! {
    /// Allow: the methods that the sender understands (RFC 3261 §20.5).
    Allow;
    /// Supported: the extensions that the sender understands (RFC 3261 §20.37).
    Supported;
    /// Require: the extensions that the receiver must understand (RFC 3261 §20.32).
    Require;
    /// Proxy-Require: the extensions that proxies must understand (RFC 3261 §20.29).
    ProxyRequire;
    /// Unsupported: the required extensions that a server lacks, in a 420 (RFC 3261 §20.40).
    Unsupported;
    /// Allow-Events: the event packages that the sender serves (RFC 6665 §8.2.2).
    AllowEvents;
    /// Content-Encoding: how the body is encoded (RFC 3261 §20.12).
    ContentEncoding;
    /// Content-Language: the languages of the body (RFC 3261 §20.13).
    ContentLanguage;
    /// Request-Disposition: how the caller wants proxies to treat the request (RFC 3841 §9.1).
    RequestDisposition;
    /// Privacy: what the sender asks the network to hide; `;` separates its values (RFC 3323 §4.2).
    Privacy;
}

impl Allow {
    /// The list of these methods.
    pub fn methods(methods: &[Method]) -> Self {
        Self::new(methods.iter().map(Method::as_str))
    }

    /// Whether `method` is in the list; methods compare with case.
    pub fn allows(&self, method: &Method) -> bool {
        self.iter().any(|item| item == method.as_str())
    }
}

fn join<T: AsRef<str>>(tokens: impl IntoIterator<Item = T>) -> Bytes {
    let mut out = BytesMut::new();
    for token in tokens {
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(token.as_ref().as_bytes());
    }
    out.freeze()
}

fn tokens(list: &[u8]) -> impl Iterator<Item = &str> {
    list.split(|&byte| is_separator(byte))
        .map(|item| lex::ascii(lex::trimmed(item)))
        .filter(|item| !item.is_empty())
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b',' | b';')
}

/// Each place holds one token; an empty list is one too. Empty places (`a,,b`), which HTTP's rule for lists tells
/// readers to skip, are lenient.
fn check(list: HeaderValue<'_>) -> Result<(), HeaderError> {
    let mut offset = 0;
    for item in list.split(|&byte| is_separator(byte)) {
        let token = lex::trim(item);
        if list.is_strict() && token.is_empty() && !list.is_empty() {
            return Err(Cursor::at(list.as_slice(), offset + item.len()).unexpected());
        }
        for at in token {
            if !lex::is_token_byte(item[at]) {
                return Err(HeaderError::Unexpected {
                    offset: offset + at,
                    byte: item[at],
                });
            }
        }
        offset += item.len() + 1;
    }
    Ok(())
}
