//! Request methods (RFC 3261 §7.1); case-sensitive.

use std::fmt;

use bytes::Bytes;

use crate::header::HeaderValue;
use crate::parse::lex;

macro_rules! methods {
    ($($variant:ident $text:literal $rfc:literal;)*) => {
        /// What a request asks for. Comparison is case-sensitive, as RFC 3261 §7.1 says.
        ///
        /// ```
        /// use offhook_sip_core::Method;
        /// assert_eq!(Method::new("INVITE"), Some(Method::Invite));
        /// assert_eq!(Method::new("invite").unwrap().as_str(), "invite"); // another method
        /// assert_eq!(Method::new("IN VITE"), None);
        /// ```
        #[derive(Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Method {
            $(#[doc = concat!($text, ", RFC ", $rfc)] $variant,)*
            /// Any other token. Made by [`Method::new`] only, so that it never holds a known name.
            Other(Bytes),
        }

        impl Method {
            fn known(text: &[u8]) -> Option<Self> {
                $(if text == $text.as_bytes() {
                    return Some(Self::$variant);
                })*
                None
            }

            /// The method as it stands on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => lex::ascii(text),
                }
            }
        }
    };
}

methods! {
    Invite "INVITE" "3261";
    Ack "ACK" "3261";
    Bye "BYE" "3261";
    Cancel "CANCEL" "3261";
    Options "OPTIONS" "3261";
    Register "REGISTER" "3261";
    Info "INFO" "6086";
    Prack "PRACK" "3262";
    Update "UPDATE" "3311";
    Subscribe "SUBSCRIBE" "6665";
    Notify "NOTIFY" "6665";
    Refer "REFER" "3515";
    Message "MESSAGE" "3428";
    Publish "PUBLISH" "3903";
}

impl Method {
    /// The method that `text` names, or `None` if it is no token.
    pub fn new(text: &str) -> Option<Self> {
        Self::known(text.as_bytes()).or_else(|| {
            lex::is_token(text.as_bytes()).then(|| Self::Other(Bytes::copy_from_slice(text.as_bytes())))
        })
    }

    /// The method in `wire[range]`, which must be a token.
    pub(crate) fn from_wire(wire: &Bytes, range: std::ops::Range<usize>) -> Self {
        Self::known(&wire[range.clone()]).unwrap_or_else(|| Self::Other(wire.slice(range)))
    }

    /// The method in `value[range]`, which must be a token.
    pub(crate) fn from_value(value: HeaderValue<'_>, range: std::ops::Range<usize>) -> Self {
        Self::known(&value[range.clone()]).unwrap_or_else(|| Self::Other(value.slice(range)))
    }

    /// The method as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_in_another_case_is_another_method() {
        assert_eq!(
            Method::new("Bye"),
            Some(Method::Other(Bytes::from_static(b"Bye")))
        );
        assert_ne!(Method::new("Bye"), Some(Method::Bye));
    }

    #[test]
    fn an_odd_token_is_kept_byte_for_byte() {
        let odd = "!interesting-Method0123456789_*+`.%indeed'~";
        assert_eq!(Method::new(odd).unwrap().as_str(), odd);
        assert_eq!(Method::new(""), None);
        assert_eq!(Method::new("A(B"), None);
    }
}
