//! Whether a message that parsed makes sense: the checks before dispatch (RFC 3261 §8.1.3, §8.2, §16.3).

use super::{Method, Request, Response, StatusCode};
use crate::header::{
    CSeq, CallId, Contact, From, HeaderError, HeaderName, Headers, MaxForwards, RecordRoute, Route, To,
    TypedHeader, Via,
};
use crate::parse::{ParseOptions, Policy};
use crate::uri::{Uri, UriError};

/// Why a request must be refused, and with which status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {fault}")]
pub struct Rejection {
    /// The status to answer with.
    pub status: StatusCode,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a message that parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A field that every message has is missing.
    #[error("no {0}")]
    Missing(HeaderName<'static>),
    /// A field that may stand once is there more often.
    #[error("more than one {0}")]
    Repeated(HeaderName<'static>),
    /// A field that routing depends on is malformed.
    #[error("{0}: {1}")]
    Malformed(HeaderName<'static>, HeaderError),
    /// CSeq names another method than the request line (RFC 3261 §8.1.1.5).
    #[error("the method in CSeq differs")]
    MethodMismatch,
    /// The Request-URI is malformed, or has headers, which none may (RFC 3261 §19.1.1).
    #[error("Request-URI: {0}")]
    RequestUri(UriError),
    /// The Request-URI has headers (RFC 3261 §19.1.1, table 1).
    #[error("the Request-URI has headers")]
    UriHeaders,
    /// The Request-URI is of a scheme that nobody here serves.
    #[error("unknown URI scheme")]
    UriScheme,
}

impl Request {
    /// The checks that come before any processing: mandatory fields there, once, and well-formed; CSeq and
    /// Request-URI sound. An endpoint answers with the status of the error.
    ///
    /// Not looked at: fields that a faulty value of which may be ignored (Date, Expires, ...), and all that
    /// depends on who serves the request: Require (420), bodies (415), methods (405, 501). `tel:` is let
    /// through (RFC 3261 §8.2.2.1 leaves the schemes to the server).
    ///
    /// # Errors
    /// 400, or 416 for a Request-URI of a scheme other than `sip`, `sips` and `tel`.
    pub fn check(&self, options: &ParseOptions) -> Result<(), Rejection> {
        let fault = match self.find_fault(options) {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        let status = match fault {
            Fault::UriScheme => StatusCode::UNSUPPORTED_URI_SCHEME,
            _ => StatusCode::BAD_REQUEST,
        };
        Err(Rejection { status, fault })
    }

    fn find_fault(&self, options: &ParseOptions) -> Result<(), Fault> {
        let cseq = common(self.headers())?;
        if &cseq.method != self.method() {
            return Err(Fault::MethodMismatch);
        }
        all::<Route>(self.headers())?;
        match self.headers().count(HeaderName::MaxForwards) {
            0 if options.policy == Policy::Strict => return Err(Fault::Missing(HeaderName::MaxForwards)),
            0 | 1 => {}
            _ => return Err(Fault::Repeated(HeaderName::MaxForwards)),
        }
        if options.policy == Policy::Strict {
            one::<MaxForwards>(self.headers())?;
        }
        if self.method() != &Method::Register {
            no_star(self.headers())?;
        }
        let uri = self.uri().map_err(Fault::RequestUri)?;
        if let Some(error) = uri.deviation().filter(|_| options.policy == Policy::Strict) {
            return Err(Fault::RequestUri(error));
        }
        match uri {
            Uri::Sip(uri) if !uri.headers_str().is_empty() => Err(Fault::UriHeaders),
            Uri::Other(_) => Err(Fault::UriScheme),
            _ => Ok(()),
        }
    }
}

impl Response {
    /// The checks that come before any processing. A response that fails is dropped (RFC 3261 §8.1.3.5 and
    /// §18.1.2 leave no other way).
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), Fault> {
        common(self.headers())?;
        Ok(())
    }
}

/// The fields that every message has (RFC 3261 §8.1.1), and those that routing needs where they are there.
fn common(headers: &Headers) -> Result<CSeq, Fault> {
    if !headers.contains(HeaderName::Via) {
        return Err(Fault::Missing(HeaderName::Via));
    }
    all::<Via>(headers)?;
    one::<From>(headers)?;
    one::<To>(headers)?;
    one::<CallId>(headers)?;
    let cseq = one::<CSeq>(headers)?;
    all::<Contact>(headers)?;
    all::<RecordRoute>(headers)?;
    cseq.ok_or(Fault::Missing(HeaderName::CSeq))
}

/// A field that is there once; Max-Forwards alone may be absent.
fn one<H: TypedHeader>(headers: &Headers) -> Result<Option<H>, Fault> {
    match headers.count(H::NAME) {
        0 if H::NAME == HeaderName::MaxForwards => Ok(None),
        0 => Err(Fault::Missing(H::NAME)),
        1 => headers
            .typed::<H>()
            .transpose()
            .map_err(|error| Fault::Malformed(H::NAME, error)),
        _ => Err(Fault::Repeated(H::NAME)),
    }
}

fn all<H: TypedHeader>(headers: &Headers) -> Result<(), Fault> {
    headers
        .typed_all::<H>()
        .try_for_each(|value| value.map(drop))
        .map_err(|error| Fault::Malformed(H::NAME, error))
}

/// `Contact: *` is for REGISTER only (RFC 3261 §10.2.2).
fn no_star(headers: &Headers) -> Result<(), Fault> {
    if headers
        .typed_all::<Contact>()
        .any(|contact| matches!(contact, Ok(Contact::Star)))
    {
        let error = HeaderError::Unexpected {
            offset: 0,
            byte: b'*',
        };
        return Err(Fault::Malformed(HeaderName::Contact, error));
    }
    Ok(())
}
