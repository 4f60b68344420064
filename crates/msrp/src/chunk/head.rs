//! The head of a chunk: start line and header fields.

use super::{
    BadValue, ByteRange, FailureReport, HeadError, Limits, Method, ReportStatus, Scanned, Scanner,
    StatusCode, SuccessReport, TransactionId,
};
use crate::uri::{MsrpPath, UriError};
use bytes::Bytes;
use smallvec::SmallVec;
use std::str::FromStr;

/// Start line and header fields of a request or response, as they came: marked in one pass, typed when asked for.
#[derive(Clone, Debug)]
pub struct Head {
    bytes: Bytes,
    id: TransactionId,
    start: StartLine,
    /// Where the comment of a response lies.
    comment: (u16, u16),
    fields: SmallVec<[Field; 12]>,
    repeated: Option<FieldName>,
}

/// What kind of chunk it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartLine {
    /// A request with this method.
    Request(Method),
    /// A response with this status.
    Response(StatusCode),
}

impl Head {
    /// Reads a head and nothing else: the lines from `MSRP` to the empty line or the end-line, which is left out.
    ///
    /// # Errors
    /// When the bytes are no head, or go on after it; a head that is cut short is `Ok(None)`.
    pub fn parse(bytes: &Bytes, limits: &Limits) -> Result<Option<Self>, HeadError> {
        let mut scanner = Scanner::default();
        Ok(match scanner.scan(bytes, limits)? {
            Scanned::Incomplete => None,
            Scanned::Body { len } | Scanned::End { len, .. } => {
                Some(Self::marked(bytes.slice(..len), scanner))
            }
        })
    }

    /// A head whose scan is over.
    pub(crate) fn marked(bytes: Bytes, scanner: Scanner) -> Self {
        let what = text(&bytes, scanner.what);
        let (start, comment) = if scanner.is_response {
            let status = what.get(..3).and_then(|code| code.parse().ok());
            let from = (scanner.what.0 + 4).min(scanner.what.1);
            (
                StartLine::Response(status.unwrap_or(StatusCode::BAD_REQUEST)),
                (from, scanner.what.1),
            )
        } else {
            let method = what.parse().unwrap_or_else(|BadValue| Method::Other(what.into()));
            (StartLine::Request(method), (0, 0))
        };
        Self {
            id: scanner.id.expect("a scan ends after the start line"),
            start,
            comment,
            fields: scanner.fields,
            repeated: scanner.repeated,
            bytes,
        }
    }

    /// The same head in memory of its own, where it keeps no buffer of the connection alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            bytes: Bytes::copy_from_slice(&self.bytes),
            ..self.clone()
        }
    }

    /// The transaction identifier.
    pub fn transaction_id(&self) -> &TransactionId {
        &self.id
    }

    /// Method or status.
    pub fn start_line(&self) -> &StartLine {
        &self.start
    }

    /// The method, when it is a request.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            StartLine::Request(method) => Some(method),
            StartLine::Response(_) => None,
        }
    }

    /// The status, when it is a response.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.start {
            StartLine::Response(status) => Some(*status),
            StartLine::Request(_) => None,
        }
    }

    /// The comment of a response, empty when there is none.
    pub fn comment(&self) -> &str {
        text(&self.bytes, self.comment)
    }

    /// The bytes from `MSRP` to the last header field's CRLF.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// All header fields in order, names as written.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|field| {
            (
                text(&self.bytes, (field.begin, field.name_end)),
                text(&self.bytes, (field.value, field.value_end)),
            )
        })
    }

    /// The first header field of a known name, as text.
    pub fn field(&self, name: FieldName) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.name == name)?;
        Some(text(&self.bytes, (field.value, field.value_end)))
    }

    /// The first header field of any name, in any case, as text.
    pub fn field_named(&self, name: &str) -> Option<&str> {
        self.fields()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The first known name that came a second time. RFC 4975 §9 has each header field once, and a request in which the
    /// ends could read different values is answered 400.
    pub fn repeated(&self) -> Option<FieldName> {
        self.repeated
    }

    /// To-Path: where the chunk goes.
    pub fn to_path(&self) -> Result<MsrpPath, FieldError> {
        self.path(FieldName::ToPath)
    }

    /// From-Path: the way back.
    pub fn from_path(&self) -> Result<MsrpPath, FieldError> {
        self.path(FieldName::FromPath)
    }

    /// Use-Path: the relays to put before our own URI (RFC 4976 §5.1).
    pub fn use_path(&self) -> Result<MsrpPath, FieldError> {
        self.path(FieldName::UsePath)
    }

    /// Message-ID.
    pub fn message_id(&self) -> Option<&str> {
        self.field(FieldName::MessageId)
    }

    /// Byte-Range; `None` when absent.
    pub fn byte_range(&self) -> Result<Option<ByteRange>, FieldError> {
        self.typed(FieldName::ByteRange)
    }

    /// Success-Report, `No` when absent.
    pub fn success_report(&self) -> Result<SuccessReport, FieldError> {
        Ok(self.typed(FieldName::SuccessReport)?.unwrap_or_default())
    }

    /// Failure-Report, `Yes` when absent.
    pub fn failure_report(&self) -> Result<FailureReport, FieldError> {
        Ok(self.typed(FieldName::FailureReport)?.unwrap_or_default())
    }

    /// Status of a REPORT; `None` when absent.
    pub fn report_status(&self) -> Result<Option<ReportStatus>, FieldError> {
        self.typed(FieldName::Status)
    }

    /// Content-Type as text; [`is_media_type`](super::is_media_type) says whether it is one.
    pub fn content_type(&self) -> Option<&str> {
        self.field(FieldName::ContentType)
    }

    /// Expires or Min-Expires in seconds (RFC 4976 §5.1).
    pub fn seconds(&self, name: FieldName) -> Result<Option<u32>, FieldError> {
        self.typed(name)
    }

    fn path(&self, name: FieldName) -> Result<MsrpPath, FieldError> {
        let value = self.field(name).ok_or(FieldError::Missing(name))?;
        value.parse().map_err(|error| FieldError::Path { name, error })
    }

    fn typed<T: FromStr>(&self, name: FieldName) -> Result<Option<T>, FieldError> {
        self.field(name)
            .map(|value| value.parse().map_err(|_| FieldError::Malformed(name)))
            .transpose()
    }
}

/// A header field that is wanted is not there, or cannot be read. The chunk's framing is not affected.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// It is not there.
    #[error("{0:?} is missing")]
    Missing(FieldName),
    /// Its value is malformed or contradicts itself.
    #[error("{0:?} is malformed")]
    Malformed(FieldName),
    /// It holds a path that is not one.
    #[error("{name:?}: {error}")]
    Path {
        /// Which of the paths.
        name: FieldName,
        /// What is wrong with it.
        error: UriError,
    },
}

/// A mark: which header field lies where in the head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: FieldName,
    pub(crate) begin: u16,
    pub(crate) name_end: u16,
    pub(crate) value: u16,
    pub(crate) value_end: u16,
}

/// The names of the header fields that MSRP and its extensions define. They are read in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldName {
    /// `To-Path` (RFC 4975).
    ToPath,
    /// `From-Path` (RFC 4975).
    FromPath,
    /// `Message-ID` (RFC 4975).
    MessageId,
    /// `Byte-Range` (RFC 4975).
    ByteRange,
    /// `Success-Report` (RFC 4975).
    SuccessReport,
    /// `Failure-Report` (RFC 4975).
    FailureReport,
    /// `Status` (RFC 4975).
    Status,
    /// `Content-Type` (RFC 4975).
    ContentType,
    /// `Use-Path` (RFC 4976).
    UsePath,
    /// `Expires` (RFC 4976).
    Expires,
    /// `Min-Expires` (RFC 4976).
    MinExpires,
    /// `Max-Expires` (RFC 4976).
    MaxExpires,
    /// `WWW-Authenticate` (RFC 4976).
    WwwAuthenticate,
    /// `Authorization` (RFC 4976).
    Authorization,
    /// `Authentication-Info` (RFC 4976).
    AuthenticationInfo,
    /// `Use-Nickname` (RFC 7701).
    UseNickname,
    /// Any other.
    Other,
}

impl FieldName {
    const NAMES: [(&'static str, Self); 16] = [
        ("To-Path", Self::ToPath),
        ("From-Path", Self::FromPath),
        ("Message-ID", Self::MessageId),
        ("Byte-Range", Self::ByteRange),
        ("Success-Report", Self::SuccessReport),
        ("Failure-Report", Self::FailureReport),
        ("Status", Self::Status),
        ("Content-Type", Self::ContentType),
        ("Use-Path", Self::UsePath),
        ("Expires", Self::Expires),
        ("Min-Expires", Self::MinExpires),
        ("Max-Expires", Self::MaxExpires),
        ("WWW-Authenticate", Self::WwwAuthenticate),
        ("Authorization", Self::Authorization),
        ("Authentication-Info", Self::AuthenticationInfo),
        ("Use-Nickname", Self::UseNickname),
    ];

    pub(crate) fn of(name: &[u8]) -> Self {
        Self::NAMES
            .iter()
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
            .map_or(Self::Other, |(_, name)| *name)
    }

    /// The name as RFCs write it; empty for [`Other`](Self::Other).
    pub fn as_str(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == self)
            .map_or("", |(name, _)| name)
    }
}

fn text(bytes: &Bytes, (from, to): (u16, u16)) -> &str {
    str::from_utf8(&bytes[usize::from(from)..usize::from(to)]).unwrap_or_default()
}
