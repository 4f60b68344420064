//! Header fields of free text: User-Agent, Server, Subject, Organization (RFC 3261 §20.25, §20.35, §20.36,
//! §20.41), and of one word: Priority (RFC 3261 §20.26), SIP-ETag, SIP-If-Match (RFC 3903 §11.3), Content-ID
//! (RFC 8262 §2).

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader};
use crate::parse::lex::{self, Cursor};

macro_rules! text_headers {
    ($($(#[$doc:meta])* $name:ident $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub Bytes);

        impl $name {
            /// The text; bytes that are not UTF-8 are replaced.
            pub fn text(&self) -> Cow<'_, str> {
                String::from_utf8_lossy(&self.0)
            }
        }

        impl std::convert::From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Bytes::copy_from_slice(text.as_bytes()))
            }
        }

        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;

            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                $check(&value)?;
                Ok(Self(value.to_bytes()))
            }

            fn write(&self, out: &mut BytesMut) {
                out.extend_from_slice(&self.0);
            }
        }
    )*};
}

text_headers! {
    /// User-Agent: the program that sends the request (RFC 3261 §20.41).
    UserAgent any;
    /// Server: the program that answers (RFC 3261 §20.35).
    Server any;
    /// Subject: what the call is about (RFC 3261 §20.36).
    Subject any;
    /// Organization: whose program it is (RFC 3261 §20.25).
    Organization any;
    /// Priority: how urgent the request is to its receiver: `emergency`, `urgent`, `normal` or `non-urgent`
    /// (RFC 3261 §20.26).
    Priority token;
    /// Content-ID: names a body or a part of one, with its angle brackets (RFC 8262 §2, RFC 2392).
    ContentId bracketed;
    /// Content-Transfer-Encoding: how a part of a body is encoded; `binary` in SIP (RFC 2045 §6, RFC 3261 §7.4.2).
    ContentTransferEncoding token;
    /// SIP-ETag: names the published state (RFC 3903 §11.3.1).
    SipEtag token;
    /// SIP-If-Match: which published state a PUBLISH refreshes, changes or removes (RFC 3903 §11.3.2).
    SipIfMatch token;
}

/// TEXT-UTF8: anything, since a line has no line ends in it.
#[expect(clippy::unnecessary_wraps, reason = "same shape as `token`")]
fn any(_: &[u8]) -> Result<(), HeaderError> {
    Ok(())
}

fn token(value: &[u8]) -> Result<(), HeaderError> {
    if lex::is_token(value) {
        return Ok(());
    }
    let mut cursor = Cursor::new(value);
    cursor.take_while(lex::is_token_byte);
    Err(cursor.unexpected())
}

/// `<id>`, the id without white space (RFC 2045 §7).
fn bracketed(value: &[u8]) -> Result<(), HeaderError> {
    let mut cursor = Cursor::new(value);
    cursor.expect(b'<')?;
    let id = cursor.take_while(|byte| byte > b' ' && byte != b'>' && byte != b'<' && byte != 0x7f);
    if id.is_empty() {
        return Err(cursor.unexpected());
    }
    cursor.expect(b'>')?;
    cursor.expect_end()
}
