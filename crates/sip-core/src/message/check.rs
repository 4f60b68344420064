//! Whether a message that parsed makes sense: the checks before dispatch (RFC 3261 §8.1.3, §8.2, §16.3).

use super::{Method, Request, Response, StatusCode};
use crate::header::{
    CSeq, CallId, Contact, From, HeaderError, HeaderName, Headers, MaxForwards, RecordRoute, Route, Tally,
    To, TypedHeader, Via,
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
    /// Max-Forwards is 0, and the request should go on.
    #[error("no hops are left")]
    NoHops,
    /// The Request-URI is of a scheme that nobody here serves.
    #[error("unknown URI scheme")]
    UriScheme,
}

/// RFC 3261 §8.1.1.6, §16.6 step 3.
const MOST_HOPS: u8 = 70;

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
        self.find_fault(options).map_err(Into::into)
    }

    /// The same for a request whose [`Essentials`](crate::transaction::Essentials) have been read: what they prove is
    /// not parsed again.
    pub(crate) fn check_beyond_essentials(&self, options: &ParseOptions) -> Result<(), Rejection> {
        let tally = Tally::of(self.headers());
        beyond_essentials(self.headers(), tally)
            .and_then(|()| self.find_fault_in_rest(options, tally))
            .map_err(Into::into)
    }

    /// Takes one hop from Max-Forwards, which is 70 where there is none: for an element that forwards the request (RFC
    /// 3261 §16.6 step 3).
    ///
    /// Nobody else asks. A request has arrived when it is at the user agent that it is for, whatever is left: an endpoint
    /// serves it (§8.2), and so may a proxy answer an OPTIONS with no hop left that it would have forwarded (§11, §16.3
    /// step 3).
    ///
    /// # Errors
    /// 483 where no hop is left, and 400 where Max-Forwards cannot be read; the request is as it was.
    pub fn take_hop(&mut self) -> Result<(), Rejection> {
        let left = match self.headers().typed::<MaxForwards>() {
            None => MOST_HOPS,
            Some(Ok(MaxForwards(0))) => return Err(Fault::NoHops.into()),
            Some(Ok(MaxForwards(hops))) => hops - 1,
            Some(Err(error)) => return Err(Fault::Malformed(HeaderName::MaxForwards, error).into()),
        };
        self.headers_mut().set_typed(&MaxForwards(left));
        Ok(())
    }

    fn find_fault(&self, options: &ParseOptions) -> Result<(), Fault> {
        let cseq = common(self.headers())?;
        if &cseq.method != self.method() {
            return Err(Fault::MethodMismatch);
        }
        self.find_fault_in_rest(options, Tally::of(self.headers()))
    }

    fn find_fault_in_rest(&self, options: &ParseOptions, tally: Tally) -> Result<(), Fault> {
        if tally.has(HeaderName::Route) {
            all::<Route>(self.headers())?;
        }
        if tally.repeats(HeaderName::MaxForwards) {
            return Err(Fault::Repeated(HeaderName::MaxForwards));
        }
        if options.policy == Policy::Strict {
            if !tally.has(HeaderName::MaxForwards) {
                return Err(Fault::Missing(HeaderName::MaxForwards));
            }
            one::<MaxForwards>(self.headers())?;
        }
        if tally.has(HeaderName::Contact) && self.method() != &Method::Register {
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

impl std::convert::From<Fault> for Rejection {
    fn from(fault: Fault) -> Self {
        let status = match fault {
            Fault::UriScheme => StatusCode::UNSUPPORTED_URI_SCHEME,
            Fault::NoHops => StatusCode::TOO_MANY_HOPS,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, fault }
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

/// What [`common`] looks at beyond the first Via and the first of each other field that names the transaction.
fn beyond_essentials(headers: &Headers, tally: Tally) -> Result<(), Fault> {
    if tally.repeats(HeaderName::Via)
        || headers
            .get(HeaderName::Via)
            .is_some_and(|via| via.contains(&b','))
    {
        all::<Via>(headers)?;
    }
    let once = [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ];
    if let Some(name) = once.into_iter().find(|name| tally.repeats(*name)) {
        return Err(Fault::Repeated(name));
    }
    if tally.has(HeaderName::Contact) {
        all::<Contact>(headers)?;
    }
    if tally.has(HeaderName::RecordRoute) {
        all::<RecordRoute>(headers)?;
    }
    Ok(())
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
    let has_star = |value: &[u8]| value.contains(&b'*');
    if headers.get_all(HeaderName::Contact).any(has_star)
        && headers
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::transaction::Essentials;
    use bytes::Bytes;

    /// An OPTIONS with these lines in place of the Via.
    fn request(lines: &str) -> Request {
        let text = format!(
            "OPTIONS sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK1{lines}\r\nFrom: <sip:a@a.test>;tag=1\r\n\
             To: <sip:b@b.test>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        match Message::parse(Bytes::from(text), &ParseOptions::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_the_essentials_prove_need_not_be_checked_again() {
        let faulty = [
            ", nonsense",
            "\r\nVia: nonsense",
            "\r\nFrom: <sip:c@c.test>;tag=2",
            "\r\nTo: <sip:c@c.test>",
            "\r\ni: 2",
            "\r\nCSeq: 2 OPTIONS",
            "\r\nMax-Forwards: 1\r\nMax-Forwards: 2",
            "\r\nContact: <sip:a@",
            "\r\nContact: *",
            "\r\nContact: <sip:a@a.test>, *",
            "\r\nRoute: nonsense",
            "\r\nRecord-Route: <sip:@>",
        ];
        for lines in faulty {
            let request = request(lines);
            Essentials::of_request(&request).expect("they are sound");
            for policy in [Policy::Lenient, Policy::Strict] {
                let options = ParseOptions::default().with_policy(policy);
                let beyond = request.check_beyond_essentials(&options);
                assert!(beyond.is_err(), "{lines:?}");
                assert_eq!(beyond, request.check(&options), "{lines:?}");
            }
        }
        for sound in ["", ", SIP/2.0/TCP c.test", "\r\nContact: <sip:*@a.test>"] {
            let options = ParseOptions::default();
            assert_eq!(
                request(sound).check_beyond_essentials(&options),
                Ok(()),
                "{sound:?}"
            );
        }
    }
}
