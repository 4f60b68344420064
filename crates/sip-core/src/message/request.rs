//! Requests (RFC 3261 §7.1).

use std::ops::{Deref, DerefMut};

use bytes::{Bytes, BytesMut};

use super::{Entity, Method};
use crate::header::Headers;
use crate::uri::{Uri, UriError};

/// A request: a request line and an [`Entity`]. Cloning copies the list of header fields, not the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    method: Method,
    uri: Bytes,
    entity: Entity,
}

impl Request {
    /// A request without header fields or body.
    pub fn new(method: Method, uri: impl Into<Uri>) -> Self {
        Self {
            method,
            uri: uri.into().as_bytes().clone(),
            entity: Entity::default(),
        }
    }

    pub(crate) fn from_parts(method: Method, uri: Bytes, headers: Headers, body: Bytes) -> Self {
        Self {
            method,
            uri,
            entity: Entity { headers, body },
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI.
    ///
    /// # Errors
    /// Where it is malformed: answer with 400.
    pub fn uri(&self) -> Result<Uri, UriError> {
        Uri::parse(self.uri.clone())
    }

    /// The Request-URI as it stands.
    pub fn uri_bytes(&self) -> &Bytes {
        &self.uri
    }

    /// Sends the request elsewhere.
    pub fn set_uri(&mut self, uri: impl Into<Uri>) {
        self.uri = uri.into().as_bytes().clone();
    }

    /// The request as it goes on the wire; Content-Length is made to fit the body.
    pub fn to_bytes(&self) -> Bytes {
        let start_line = self.method.as_bytes().len() + self.uri.len() + 16;
        let mut out = BytesMut::with_capacity(start_line + self.entity.written_len());
        self.write_to(&mut out);
        out.freeze()
    }

    /// Appends the request as it goes on the wire.
    pub fn write_to(&self, out: &mut BytesMut) {
        out.extend_from_slice(self.method.as_bytes());
        out.extend_from_slice(b" ");
        out.extend_from_slice(&self.uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        self.entity.write_message(out);
    }
}

impl Deref for Request {
    type Target = Entity;

    fn deref(&self) -> &Entity {
        &self.entity
    }
}

impl DerefMut for Request {
    fn deref_mut(&mut self) -> &mut Entity {
        &mut self.entity
    }
}
