//! Header fields and the body that they describe (RFC 2045 §2.4).

use bytes::{Bytes, BytesMut};

use super::{Multipart, MultipartError};
use crate::header::{ContentType, HeaderName, Headers};
use crate::parse::Limits;

/// What requests, responses and the parts of a multipart body have in common: header fields and a body.
///
/// [`Request`](super::Request), [`Response`](super::Response) and [`Message`](super::Message) dereference to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    pub(super) headers: Headers,
    pub(super) body: Bytes,
}

impl Entity {
    /// A body of this type.
    ///
    /// ```
    /// use offhook_sip_core::message::Entity;
    /// assert_eq!(Entity::new("text/plain", "hello").headers().get("c"), Some(&b"text/plain"[..]));
    /// ```
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut entity = Self::default();
        entity.set_body(content_type, body);
        entity
    }

    /// The header fields.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields, to change.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// The body; empty where there is none.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Sets the body and its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
    }

    /// Removes the body and the header fields that describe it (RFC 3261 §20.11 to §20.15).
    pub fn clear_body(&mut self) {
        let describing = [
            HeaderName::ContentType,
            HeaderName::ContentDisposition,
            HeaderName::ContentEncoding,
            HeaderName::ContentLanguage,
            HeaderName::ContentLength,
        ];
        for name in describing {
            self.headers.remove(name);
        }
        self.body = Bytes::new();
    }

    /// The parts of a multipart body (RFC 5621); `None` where Content-Type says that it is none.
    pub fn multipart(&self, limits: &Limits) -> Option<Result<Multipart, MultipartError>> {
        let content = self.headers.typed::<ContentType>()?.ok()?.0;
        content
            .kind()
            .eq_ignore_ascii_case("multipart")
            .then(|| Multipart::split(&content, &self.body, limits))
    }

    /// Makes these parts the body.
    pub fn set_multipart(&mut self, multipart: &Multipart) {
        let boundary = multipart.unused_boundary();
        self.headers.set_typed(&multipart.content_type(&boundary));
        self.body = multipart.join(&boundary);
    }

    /// The body of type `kind/subtype`: this one, or the part that holds it however deep (RFC 5621 §3.1 has user
    /// agents look for a session description this way). Of alternatives the last one counts, which is the one that
    /// its sender likes best (RFC 2046 §5.1.4).
    ///
    /// # Errors
    /// Where a multipart body on the way is malformed, or lies deeper than [`Limits::nesting`].
    pub fn find(&self, kind: &str, subtype: &str, limits: &Limits) -> Result<Option<Self>, MultipartError> {
        self.find_within(kind, subtype, limits, 0)
    }

    fn find_within(
        &self,
        kind: &str,
        subtype: &str,
        limits: &Limits,
        depth: usize,
    ) -> Result<Option<Self>, MultipartError> {
        let Some(Ok(content)) = self.headers.typed::<ContentType>() else {
            return Ok(None);
        };
        if content.0.is(kind, subtype) {
            return Ok(Some(self.clone()));
        }
        let Some(multipart) = self.multipart(limits).transpose()? else {
            return Ok(None);
        };
        if depth == limits.nesting {
            return Err(MultipartError::TooDeep {
                limit: limits.nesting,
            });
        }
        let inside = |part: &Self| part.find_within(kind, subtype, limits, depth + 1).transpose();
        let mut parts = multipart.parts().iter();
        let found = if multipart.subtype().eq_ignore_ascii_case("alternative") {
            parts.rev().find_map(inside)
        } else {
            parts.find_map(inside)
        };
        found.transpose()
    }

    /// Appends header fields, empty line and body as they stand: no Content-Length is made.
    pub(super) fn write_part(&self, out: &mut BytesMut) {
        self.headers.write_to(out, None);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }

    /// Appends the same with the Content-Length that a message needs.
    pub(super) fn write_message(&self, out: &mut BytesMut) {
        self.headers.write_to(out, Some(self.body.len()));
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }

    /// About how many bytes it takes.
    pub(super) fn written_len(&self) -> usize {
        self.headers.written_len() + self.body.len()
    }
}
