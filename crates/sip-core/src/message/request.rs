//! Requests (RFC 3261 §7.1).

use bytes::{Bytes, BytesMut};

use super::Method;
use crate::header::{HeaderName, Headers};
use crate::uri::{Uri, UriError};

/// A request. Cloning copies the list of header fields, not the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    method: Method,
    uri: Bytes,
    headers: Headers,
    body: Bytes,
}

impl Request {
    /// A request without header fields or body.
    pub fn new(method: Method, uri: impl Into<Uri>) -> Self {
        Self {
            method,
            uri: uri.into().as_bytes().clone(),
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    pub(crate) fn from_parts(method: Method, uri: Bytes, headers: Headers, body: Bytes) -> Self {
        Self {
            method,
            uri,
            headers,
            body,
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

    /// Removes the body and the header fields that describe it.
    pub fn clear_body(&mut self) {
        super::remove_body_headers(&mut self.headers);
        self.body = Bytes::new();
    }

    /// The request as it goes on the wire; Content-Length is made to fit the body.
    pub fn to_bytes(&self) -> Bytes {
        let start_line = self.method.as_bytes().len() + self.uri.len() + 16;
        let mut out = BytesMut::with_capacity(start_line + self.headers.written_len() + self.body.len());
        self.write_to(&mut out);
        out.freeze()
    }

    /// Appends the request as it goes on the wire.
    pub fn write_to(&self, out: &mut BytesMut) {
        out.extend_from_slice(self.method.as_bytes());
        out.extend_from_slice(b" ");
        out.extend_from_slice(&self.uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        self.headers.write_to(out, self.body.len());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }
}
