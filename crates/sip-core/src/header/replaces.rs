//! Replaces, Join and Target-Dialog (RFC 3891 §6.1, RFC 3911 §7.1, RFC 4538 §7): the name of a dialog.

use bytes::{Bytes, BytesMut};

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader};
use crate::parse::lex::Cursor;

macro_rules! dialog_headers {
    ($($(#[$doc:meta])* $name:ident $local:literal $remote:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            call_id: Bytes,
            /// The tags and others.
            pub params: Params,
        }

        impl $name {
            /// The dialog with this Call-ID; tags as the receiver sees them, `local` being its own.
            pub fn new(call_id: &str, local_tag: &str, remote_tag: &str) -> Self {
                let mut params = Params::new();
                params.set($local, local_tag);
                params.set($remote, remote_tag);
                Self { call_id: Bytes::copy_from_slice(call_id.as_bytes()), params }
            }

            /// The Call-ID.
            pub fn call_id(&self) -> &Bytes {
                &self.call_id
            }

            /// The tag of the receiver of this header field.
            pub fn local_tag(&self) -> Option<&str> {
                self.params.get_str($local)
            }

            /// The tag of the other side.
            pub fn remote_tag(&self) -> Option<&str> {
                self.params.get_str($remote)
            }
        }

        impl TypedHeader for $name {
            const NAME: HeaderName<'static> = HeaderName::$name;

            /// Both tags must be there.
            fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
                let (call_id, params) = read(value)?;
                if params.get($local).is_none() || params.get($remote).is_none() {
                    return Err(HeaderError::Truncated { offset: value.len() });
                }
                Ok(Self { call_id, params })
            }

            fn write(&self, out: &mut BytesMut) {
                out.extend_from_slice(&self.call_id);
                self.params.write(out);
            }
        }
    )*};
}

dialog_headers! {
    /// Replaces: the dialog that this INVITE takes the place of (RFC 3891).
    Replaces "to-tag" "from-tag";
    /// Join: the dialog that this INVITE is to be joined with (RFC 3911).
    Join "to-tag" "from-tag";
    /// Target-Dialog: a dialog that proves the sender belongs to the call (RFC 4538).
    TargetDialog "local-tag" "remote-tag";
}

impl Replaces {
    /// `early-only`: replace the dialog only while it rings (RFC 3891 §6.1).
    pub fn early_only(&self) -> bool {
        self.params.contains("early-only")
    }
}

fn read(value: HeaderValue<'_>) -> Result<(Bytes, Params), HeaderError> {
    let mut cursor = Cursor::new(value.as_slice());
    let call_id = cursor.take_while(|b| b > b' ' && !matches!(b, b';' | b',' | 0x7f));
    if call_id.is_empty() {
        return Err(cursor.unexpected());
    }
    let params = Params::parse_rest(value, &mut cursor)?;
    Ok((value.slice(call_id), params))
}
