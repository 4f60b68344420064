//! Requests and responses on the wire: their heads, header values and end-lines (RFC 4975 §7, §9).
//!
//! A chunk is a [`Head`], a body of any length unless it has none, and an end-line with a [`Continuation`]. Bodies pass
//! through the [`framer`](crate::framer) in pieces; here is what surrounds them.

mod head;
mod id;
mod scan;
mod value;
mod write;

pub use head::{FieldError, FieldName, Head, StartLine};
pub use id::{BadIdent, TransactionId, TransactionIds};
pub use scan::{HeadError, HeadErrorKind, Limits};
pub(crate) use scan::{Scanned, Scanner};
pub(crate) use value::SMALL_CHUNK;
pub use value::{
    BadValue, ByteRange, Continuation, FailureReport, Method, ReportStatus, StatusCode, SuccessReport,
    is_media_type,
};
pub(crate) use write::check_value;
pub use write::{BadField, HeadWriter, write_end_line};

#[cfg(test)]
mod tests;
