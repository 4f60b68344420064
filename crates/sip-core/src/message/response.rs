//! Responses (RFC 3261 §7.2, §8.2.6).

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use bytes::{Bytes, BytesMut};

use super::{Entity, Request, StatusCode};
use crate::header::{HeaderName, Headers, To};
use crate::parse::lex;

/// A response: a status line and an [`Entity`]. Cloning copies the list of header fields, not the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: StatusCode,
    reason: Bytes,
    entity: Entity,
}

/// How many header fields to make room for: what is echoed, and what describes us.
const USUAL_HEADERS: usize = 16;

impl Response {
    /// A response with the default reason phrase and no header fields.
    pub fn new(status: StatusCode) -> Self {
        let reason = Bytes::from_static(status.default_reason().as_bytes());
        Self {
            status,
            reason,
            entity: Entity::default(),
        }
    }

    /// The response to `request`: Via, From, To, Call-ID and CSeq are copied byte for byte, and Timestamp into
    /// a 100 (RFC 3261 §8.2.6).
    pub fn for_request(request: &Request, status: StatusCode) -> Self {
        Self::for_headers(request.headers(), status)
    }

    pub(crate) fn for_headers(request: &Headers, status: StatusCode) -> Self {
        let mut response = Self::new(status);
        response.entity.headers.reserve(USUAL_HEADERS);
        let echoed = [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ];
        for name in echoed {
            response.entity.headers.copy_from(request, name);
        }
        if status == StatusCode::TRYING {
            response.entity.headers.copy_from(request, HeaderName::Timestamp);
        }
        response
    }

    pub(crate) fn from_parts(status: StatusCode, reason: Bytes, headers: Headers, body: Bytes) -> Self {
        Self {
            status,
            reason,
            entity: Entity { headers, body },
        }
    }

    /// The same with `tag` in To, unless To has one already (RFC 3261 §8.2.6.2).
    #[must_use]
    pub fn with_to_tag(mut self, tag: &str) -> Self {
        let headers = &mut self.entity.headers;
        let Some(Ok(mut to)) = headers.typed::<To>() else {
            return self;
        };
        if to.tag().is_some() {
            return self;
        }
        let is_open = headers.get(HeaderName::To).is_some_and(|to| to.ends_with(b";"));
        if lex::is_token(tag.as_bytes()) && !is_open {
            headers.extend_value(HeaderName::To, &[b";tag=", tag.as_bytes()]);
        } else {
            to.set_tag(tag);
            headers.set_typed(&to);
        }
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The reason phrase; bytes that are not UTF-8 are replaced.
    pub fn reason(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.reason)
    }

    /// The reason phrase as it stands.
    pub fn reason_bytes(&self) -> &Bytes {
        &self.reason
    }

    /// Sets the reason phrase. CR and LF become spaces.
    pub fn set_reason(&mut self, reason: &str) {
        self.reason = Bytes::from(reason.replace(['\r', '\n'], " "));
    }

    /// The response as it goes on the wire; Content-Length is made to fit the body.
    pub fn to_bytes(&self) -> Bytes {
        let len = self.reason.len() + self.entity.written_len() + 16;
        let mut out = BytesMut::with_capacity(len);
        self.write_to(&mut out);
        out.freeze()
    }

    /// Appends the response as it goes on the wire.
    pub fn write_to(&self, out: &mut BytesMut) {
        out.extend_from_slice(b"SIP/2.0 ");
        crate::header::write_number(out, u64::from(self.status.as_u16()));
        out.extend_from_slice(b" ");
        out.extend_from_slice(&self.reason);
        out.extend_from_slice(b"\r\n");
        self.entity.write_message(out);
    }
}

impl Deref for Response {
    type Target = Entity;

    fn deref(&self) -> &Entity {
        &self.entity
    }
}

impl DerefMut for Response {
    fn deref_mut(&mut self) -> &mut Entity {
        &mut self.entity
    }
}
