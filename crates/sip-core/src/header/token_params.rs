//! Header fields that are one word with parameters, or a list of such: Accept-Encoding, Accept-Language
//! (RFC 3261 §20.2, §20.3), Refer-Sub (RFC 4488 §4), Info-Package and Recv-Info (RFC 6086 §7), Answer-Mode
//! (RFC 5373 §6), Accept-Contact and Reject-Contact (RFC 3841 §9.2).

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader};
use crate::parse::lex::{self, Cursor};

macro_rules! token_param_headers {
    ($($(#[$doc:meta])* $name:ident list $list:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            token: Bytes,
            /// What stands behind the word.
            pub params: Params,
        }

        impl $name {
            /// This word without parameters, or `None` where it is no token.
            pub fn new(token: &str) -> Option<Self> {
                let is_token = lex::is_token(token.as_bytes());
                is_token.then(|| Self {
                    token: Bytes::copy_from_slice(token.as_bytes()),
                    params: Params::new(),
                })
            }

            /// The word as it is spelt.
            pub fn token(&self) -> &str {
                lex::ascii(&self.token)
            }

            /// Whether the word is this one, in any case.
            pub fn is(&self, token: &str) -> bool {
                self.token().eq_ignore_ascii_case(token)
            }
        }

        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;
            const LIST: bool = $list;

            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                let mut cursor = Cursor::new(value.as_slice());
                let token = cursor.token()?;
                let params = Params::parse_rest(value, &mut cursor)?;
                Ok(Self { token: value.slice(token), params })
            }

            fn write(&self, out: &mut BytesMut) {
                out.extend_from_slice(&self.token);
                self.params.write(out);
            }
        }
    )*};
}

token_param_headers! {
    /// Accept-Encoding: an encoding of bodies that the sender takes, `*` for any; one value of the list
    /// (RFC 3261 §20.2).
    AcceptEncoding list true;
    /// Accept-Language: a language that the sender's user reads, `*` for any; one value of the list
    /// (RFC 3261 §20.3).
    AcceptLanguage list true;
    /// Refer-Sub: whether a REFER makes a subscription, `true` or `false` (RFC 4488 §4).
    ReferSub list false;
    /// Info-Package: what an INFO carries (RFC 6086 §7.1).
    InfoPackage list false;
    /// Recv-Info: an INFO package that the sender takes; one value of the list (RFC 6086 §7.1).
    RecvInfo list true;
    /// Answer-Mode: whether the called device is to answer by itself, `Auto` or `Manual` (RFC 5373 §6).
    AnswerMode list false;
    /// Accept-Contact: `*` and the features that a callee's device should have; one value of the list
    /// (RFC 3841 §9.2).
    AcceptContact list true;
    /// Reject-Contact: `*` and the features that it must not have; one value of the list (RFC 3841 §9.2).
    RejectContact list true;
}

macro_rules! weighted {
    ($($name:ident)*) => {$(
        impl $name {
            /// `q` in thousandths; 1000 where absent or malformed.
            pub fn q(&self) -> u16 {
                self.params.get("q").and_then(super::q_thousandths).unwrap_or(1000)
            }
        }
    )*};
}

weighted! { AcceptEncoding AcceptLanguage }

impl ReferSub {
    /// Whether the sender of the REFER wants the subscription: all but `false` (RFC 4488 §4).
    pub fn is_wanted(&self) -> bool {
        !self.is("false")
    }
}
