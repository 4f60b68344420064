//! Alert-Info, Call-Info and Error-Info (RFC 3261 §20.4, §20.9, §20.18): where more is to be found.

use bytes::BytesMut;

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader};
use crate::parse::lex::Cursor;
use crate::uri::Uri;

macro_rules! info_headers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            /// Where it is: of any scheme.
            pub uri: Uri,
            /// What it is, in words of the field.
            pub params: Params,
        }

        impl $name {
            /// This place, without parameters.
            pub fn new(uri: Uri) -> Self {
                Self { uri, params: Params::new() }
            }
        }

        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;
            const LIST: bool = true;

            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                let (uri, params) = read(value)?;
                Ok(Self { uri, params })
            }

            fn write(&self, out: &mut BytesMut) {
                out.extend_from_slice(b"<");
                out.extend_from_slice(self.uri.as_bytes());
                out.extend_from_slice(b">");
                self.params.write(out);
            }
        }
    )*};
}

info_headers! {
    /// Alert-Info: an alternative ring or ringback tone; one value of the list (RFC 3261 §20.4, RFC 7462 for
    /// `urn:alert:`).
    AlertInfo;
    /// Call-Info: more about the caller or the called; one value of the list (RFC 3261 §20.9).
    CallInfo;
    /// Error-Info: more about an error; one value of the list (RFC 3261 §20.18).
    ErrorInfo;
}

impl CallInfo {
    /// `purpose`: `icon`, `info`, `card`, ... .
    pub fn purpose(&self) -> Option<&str> {
        self.params.get_str("purpose")
    }
}

/// `LAQUOT absoluteURI RAQUOT *( SEMI generic-param)`
fn read(value: HeaderValue<'_>) -> Result<(Uri, Params), HeaderError> {
    let mut cursor = Cursor::new(value.as_slice());
    cursor.expect(b'<')?;
    let uri = cursor.take_while(|byte| byte != b'>');
    cursor.expect(b'>')?;
    let uri = Uri::parse(value.slice(uri))?;
    let params = Params::parse_rest(value, &mut cursor)?;
    Ok((uri, params))
}
