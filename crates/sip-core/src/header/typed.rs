//! What every typed header field can do.

use std::ops::{Deref, Range};

use bytes::{Bytes, BytesMut};

use super::HeaderName;
use crate::parse::Policy;
use crate::uri::UriError;

/// A header field value with structure: parsed on demand, written back as it was read.
///
/// Implement it for a header field of your own and [`Headers::typed`](super::Headers::typed) reads it:
/// ```
/// use bytes::{Bytes, BytesMut};
/// use offhook_sip_core::header::HeaderValue;
/// use offhook_sip_core::{HeaderError, HeaderName, Headers, TypedHeader};
///
/// struct Colour(Bytes);
/// impl TypedHeader for Colour {
///     const NAME: HeaderName<'static> = HeaderName::Other("X-Colour");
///     fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
///         if value.is_empty() { Err(HeaderError::Truncated { offset: 0 }) } else { Ok(Self(value.to_bytes())) }
///     }
///     fn write(&self, out: &mut BytesMut) {
///         out.extend_from_slice(&self.0);
///     }
/// }
///
/// let mut headers = Headers::new();
/// headers.push("x-colour", "red");
/// assert_eq!(headers.typed::<Colour>().unwrap().unwrap().0, "red");
/// ```
pub trait TypedHeader: Sized {
    /// The name of the field.
    const NAME: HeaderName<'static>;

    /// Whether one field may hold several values with commas between them (RFC 3261 §7.3.1). `parse` then
    /// gets one of them.
    const LIST: bool = false;

    /// Reads one value, without white space around it and without line folding.
    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError>;

    /// Appends the value, without name and line end.
    fn write(&self, out: &mut BytesMut);

    /// The value as bytes of its own.
    fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        self.write(&mut out);
        out.freeze()
    }
}

/// A header field value as [`TypedHeader::parse`] gets it: text that can give slices of the message that it
/// came in, so that a value which is only looked at costs no reference count.
#[derive(Clone, Copy, Debug)]
pub struct HeaderValue<'a> {
    text: &'a [u8],
    /// The message that `text` lies in; `None` where slices must be copied.
    home: Option<&'a Bytes>,
    policy: Policy,
}

impl<'a> HeaderValue<'a> {
    pub(crate) fn new(text: &'a [u8], home: Option<&'a Bytes>, policy: Policy) -> Self {
        Self { text, home, policy }
    }

    /// The same to be read by this policy: that of the message it came in, or [`Policy::Lenient`].
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Whether what the grammar forbids is to be refused even where real phones send it.
    pub fn is_strict(&self) -> bool {
        self.policy == Policy::Strict
    }

    /// The text.
    pub fn as_slice(&self) -> &'a [u8] {
        self.text
    }

    /// Part of the text as bytes of their own: a slice of the message where it came from the wire.
    ///
    /// # Panics
    /// Where `range` lies outside the text.
    pub fn slice(&self, range: Range<usize>) -> Bytes {
        let part = &self.text[range];
        match self.home {
            Some(home) if !part.is_empty() => home.slice_ref(part),
            _ => Bytes::copy_from_slice(part),
        }
    }

    /// The whole text as bytes of their own.
    pub fn to_bytes(&self) -> Bytes {
        self.slice(0..self.text.len())
    }
}

impl Deref for HeaderValue<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.text
    }
}

impl<'a> From<&'a Bytes> for HeaderValue<'a> {
    fn from(bytes: &'a Bytes) -> Self {
        Self {
            text: bytes,
            home: Some(bytes),
            policy: Policy::default(),
        }
    }
}

impl<'a> From<&'a str> for HeaderValue<'a> {
    fn from(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            home: None,
            policy: Policy::default(),
        }
    }
}

/// Why a header field value is malformed. Offsets count from the start of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// A byte that the grammar does not allow where it stands.
    #[error("unexpected byte 0x{byte:02x} at {offset}")]
    Unexpected {
        /// Where.
        offset: usize,
        /// Which.
        byte: u8,
    },
    /// The value ends where more is needed.
    #[error("value ends at {offset}, where more is needed")]
    Truncated {
        /// The value's length.
        offset: usize,
    },
    /// A quoted string without its closing quote.
    #[error("the quote opened at {offset} is not closed")]
    UnclosedQuote {
        /// Where it opens.
        offset: usize,
    },
    /// A number that its field cannot hold.
    #[error("number at {offset} is out of range")]
    OutOfRange {
        /// Where it starts.
        offset: usize,
    },
    /// A URI inside the value is malformed.
    #[error("URI: {0}")]
    Uri(#[from] UriError),
}
