//! CSeq (RFC 3261 §20.16).

use bytes::BytesMut;

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader, write_number};
use crate::message::Method;
use crate::parse::lex::Cursor;

/// The sequence number and method of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// The number. RFC 3261 §8.1.1.5 wants senders to stay below 2^31; any 32-bit number is read.
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    /// `number method`.
    pub fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }
}

impl TypedHeader for CSeq {
    const NAME: HeaderName<'static> = HeaderName::CSeq;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let number = cursor.number()?;
        if !cursor.peek().is_some_and(crate::parse::lex::is_ws) {
            return Err(cursor.unexpected());
        }
        cursor.skip_ws();
        let token = cursor.token()?;
        cursor.expect_end()?;
        Ok(Self {
            number,
            method: Method::from_value(value, token),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        write_number(out, u64::from(self.number));
        out.extend_from_slice(b" ");
        out.extend_from_slice(self.method.as_bytes());
    }
}
