//! RAck (RFC 3262 §7.2).

use bytes::BytesMut;

use super::{HeaderError, HeaderName, HeaderValue, TypedHeader, write_number};
use crate::message::Method;
use crate::parse::lex::{self, Cursor};

/// RAck: which reliable provisional response a PRACK acknowledges (RFC 3262 §7.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RAck {
    /// The RSeq of that response.
    pub rseq: u32,
    /// The number of its CSeq.
    pub cseq: u32,
    /// The method of its CSeq.
    pub method: Method,
}

impl TypedHeader for RAck {
    const NAME: HeaderName<'static> = HeaderName::RAck;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let rseq = cursor.number()?;
        space(&mut cursor)?;
        let cseq = cursor.number()?;
        space(&mut cursor)?;
        let method = cursor.token()?;
        cursor.expect_end()?;
        Ok(Self {
            rseq,
            cseq,
            method: Method::from_value(value, method),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        write_number(out, u64::from(self.rseq));
        out.extend_from_slice(b" ");
        write_number(out, u64::from(self.cseq));
        out.extend_from_slice(b" ");
        out.extend_from_slice(self.method.as_bytes());
    }
}

fn space(cursor: &mut Cursor<'_>) -> Result<(), HeaderError> {
    if !cursor.peek().is_some_and(lex::is_ws) {
        return Err(cursor.unexpected());
    }
    cursor.skip_ws();
    Ok(())
}
