//! Requests and responses (RFC 3261 §7).

mod check;
mod entity;
mod method;
mod multipart;
mod request;
mod response;
mod status;

pub use check::{Fault, Rejection};
pub use entity::Entity;
pub use method::Method;
pub use multipart::{Multipart, MultipartError};
pub use request::Request;
pub use response::Response;
pub use status::{InvalidStatus, StatusClass, StatusCode};

use std::ops::{Deref, DerefMut};

use bytes::{Bytes, BytesMut};

/// A SIP message. Its header fields and body are those of the [`Entity`] that it dereferences to.
///
/// ```
/// use offhook_sip_core::header::{CSeq, From};
/// use offhook_sip_core::{Message, Method, ParseOptions};
///
/// let wire = "OPTIONS sip:bob@b.test SIP/2.0\r\n\
///     Via: SIP/2.0/UDP a.test;branch=z9hG4bK1\r\n\
///     From: Alice <sip:alice@a.test>;tag=1\r\n\
///     To: <sip:bob@b.test>\r\n\
///     Call-ID: 1@a.test\r\n\
///     CSeq: 7 OPTIONS\r\n\
///     Content-Length: 0\r\n\r\n";
/// let Message::Request(request) = Message::parse(wire.into(), &ParseOptions::default())? else {
///     unreachable!("it begins with a method")
/// };
/// assert_eq!(request.method(), &Method::Options);
/// assert_eq!(request.headers().typed::<From>().unwrap()?.tag(), Some("1"));
/// assert_eq!(request.headers().typed::<CSeq>().unwrap()?.number, 7);
/// assert_eq!(request.to_bytes(), wire);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// From client to server.
    Request(Request),
    /// From server to client.
    Response(Response),
}

impl Message {
    /// The request, if it is one.
    pub fn as_request(&self) -> Option<&Request> {
        match self {
            Self::Request(request) => Some(request),
            Self::Response(_) => None,
        }
    }

    /// The response, if it is one.
    pub fn as_response(&self) -> Option<&Response> {
        match self {
            Self::Request(_) => None,
            Self::Response(response) => Some(response),
        }
    }

    /// The message as it goes on the wire; Content-Length is made to fit the body.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// Appends the message as it goes on the wire.
    pub fn write_to(&self, out: &mut BytesMut) {
        match self {
            Self::Request(request) => request.write_to(out),
            Self::Response(response) => response.write_to(out),
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

impl Deref for Message {
    type Target = Entity;

    fn deref(&self) -> &Entity {
        match self {
            Self::Request(request) => request,
            Self::Response(response) => response,
        }
    }
}

impl DerefMut for Message {
    fn deref_mut(&mut self) -> &mut Entity {
        match self {
            Self::Request(request) => request,
            Self::Response(response) => response,
        }
    }
}
