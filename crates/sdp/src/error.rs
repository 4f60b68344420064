//! Why a text is not a session description.

/// The peer's text was refused: where, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("session description, line {line}{}: {kind}", field.map(|field| format!(" ({field}=)")).unwrap_or_default())]
pub struct ParseError {
    /// The line, counted from 1. For something that is missing: the line before which it should stand.
    pub line: usize,
    /// The letter that starts the line, if it has one.
    pub field: Option<char>,
    /// What is wrong with it.
    pub kind: ParseErrorKind,
}

/// What is wrong with a line, or with the text as a whole.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// More bytes than [`Limits::bytes`](crate::Limits).
    #[error("{actual} bytes, at most {limit} are read")]
    TooLong {
        /// The limit.
        limit: usize,
        /// The length of the text.
        actual: usize,
    },
    /// More lines than [`Limits::lines`](crate::Limits).
    #[error("more than {0} lines")]
    TooManyLines(usize),
    /// More bytes in one line than [`Limits::line_bytes`](crate::Limits).
    #[error("more than {0} bytes in one line")]
    LineTooLong(usize),
    /// More `m=` lines than [`Limits::media`](crate::Limits).
    #[error("more than {0} media")]
    TooManyMedia(usize),
    /// More `a=` lines in one section than [`Limits::attributes`](crate::Limits).
    #[error("more than {0} attributes in one section")]
    TooManyAttributes(usize),
    /// More formats in one `m=` line than [`Limits::formats`](crate::Limits).
    #[error("more than {0} formats in one media")]
    TooManyFormats(usize),
    /// Bytes that are not UTF-8. Refused by the strict policy only.
    #[error("not UTF-8")]
    NotUtf8,
    /// CR or NUL inside a line.
    #[error("control character inside the line")]
    ControlCharacter,
    /// The line ends with LF alone, or not at all. Refused by the strict policy only.
    #[error("line does not end with CRLF")]
    LineEnd,
    /// The line is not a letter followed by `=`.
    #[error("line is not of the form <letter>=<value>")]
    NotAField,
    /// A letter that the RFC does not define. Refused by the strict policy only.
    #[error("unknown field")]
    UnknownField,
    /// The letter is defined, but not here. Order is refused by the strict policy only.
    #[error("field out of order")]
    OutOfOrder,
    /// A field that may stand only once.
    #[error("field repeated")]
    Repeated,
    /// A field without which a description is none.
    #[error("field {0}= is missing")]
    Missing(char),
    /// `v=` is not 0.
    #[error("unsupported version")]
    Version,
    /// Too few or too many parts in the value.
    #[error("expected {0}")]
    Syntax(&'static str),
    /// A part that must be a number is none, or is out of range.
    #[error("{0} is not a number in range")]
    Number(&'static str),
}
