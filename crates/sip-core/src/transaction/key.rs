//! How a message finds its transaction: RFC 3261 §17.1.3 and §17.2.3.

use crate::header::{CSeq, CallId, From, HeaderError, To, Via};
use crate::{HeaderName, Headers, Method, Request, TypedHeader};
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::Arc;

/// The header fields that every message must have and that name its transaction and dialog (RFC 3261 §8.1.1),
/// parsed once.
#[derive(Clone, Debug)]
pub struct Essentials {
    /// The topmost Via.
    pub via: Via,
    /// From.
    pub from: From,
    /// To.
    pub to: To,
    /// Call-ID.
    pub call_id: CallId,
    /// CSeq.
    pub cseq: CSeq,
}

/// A header field that every message must have is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EssentialError {
    /// It is absent.
    #[error("{0} is missing")]
    Missing(HeaderName<'static>),
    /// It is malformed.
    #[error("{0}: {1}")]
    Malformed(HeaderName<'static>, HeaderError),
    /// The method in CSeq is not that of the request line.
    #[error("the method in CSeq is not that of the request")]
    CSeqMethod,
}

impl Essentials {
    /// Parses them from any message.
    pub fn of(headers: &Headers) -> Result<Self, EssentialError> {
        Ok(Self {
            via: required(headers)?,
            from: required(headers)?,
            to: required(headers)?,
            call_id: required(headers)?,
            cseq: required(headers)?,
        })
    }

    /// Parses them from a request and compares its two methods.
    pub fn of_request(request: &Request) -> Result<Self, EssentialError> {
        let essentials = Self::of(request.headers())?;
        if essentials.cseq.method == *request.method() {
            Ok(essentials)
        } else {
            Err(EssentialError::CSeqMethod)
        }
    }
}

fn required<H: TypedHeader>(headers: &Headers) -> Result<H, EssentialError> {
    match headers.typed::<H>() {
        Some(Ok(header)) => Ok(header),
        Some(Err(error)) => Err(EssentialError::Malformed(H::NAME, error)),
        None => Err(EssentialError::Missing(H::NAME)),
    }
}

/// What names a client transaction: its branch, and the method, since a CANCEL has its INVITE's branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey {
    branch: Bytes,
    method: Method,
}

impl ClientKey {
    /// `None` where the topmost Via has no branch: then it was none of ours.
    pub(crate) fn of(essentials: &Essentials) -> Option<Self> {
        Some(Self {
            branch: essentials.via.params.get_bytes("branch")?,
            method: essentials.cseq.method.clone(),
        })
    }
}

/// What names a server transaction. An ACK has the key of its INVITE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerKey(Arc<[u8]>);

impl ServerKey {
    pub(crate) fn of(request: &Request, essentials: &Essentials) -> Self {
        let method = match request.method() {
            Method::Ack => &Method::Invite,
            method => method,
        };
        Self::for_method(request, essentials, method)
    }

    /// The key of the INVITE that a CANCEL wants to cancel (RFC 3261 §9.2).
    pub(crate) fn of_cancelled(request: &Request, essentials: &Essentials) -> Self {
        Self::for_method(request, essentials, &Method::Invite)
    }

    fn for_method(request: &Request, essentials: &Essentials, method: &Method) -> Self {
        let via = &essentials.via;
        let method = method.as_bytes();
        if let Some(branch) = via.rfc3261_branch() {
            let port = via.port().map_or([0; 3], |port| {
                let [high, low] = port.to_be_bytes();
                [1, high, low]
            });
            let mut text = KeyText::new();
            text.add(method);
            text.add(branch);
            text.add_name(via.host_str());
            text.add(&port);
            return Self(text.done());
        }
        // For clients older than RFC 3261, whose branch names nothing: what a retransmission has in common with the
        // request. The To tag is left out, since an ACK has one that its INVITE had not.
        let mut text = KeyText::new();
        text.add(method);
        text.add(request.uri_bytes());
        text.add(essentials.from.params.get("tag").unwrap_or_default());
        text.add(essentials.call_id.as_bytes());
        text.add(&essentials.cseq.number.to_be_bytes());
        text.add(&via.to_bytes());
        Self(text.done())
    }
}

/// What two copies of one request have in common that reached us by different ways (RFC 3261 §8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MergeKey(Arc<[u8]>);

impl MergeKey {
    /// `None` for requests inside a dialog, which cannot be merged.
    pub(crate) fn of(essentials: &Essentials) -> Option<Self> {
        if essentials.to.tag().is_some() {
            return None;
        }
        let mut text = KeyText::new();
        text.add(essentials.call_id.as_bytes());
        text.add(essentials.from.params.get("tag").unwrap_or_default());
        text.add(&essentials.cseq.number.to_be_bytes());
        text.add(essentials.cseq.method.as_bytes());
        Some(Self(text.done()))
    }
}

/// Parts of a message on their way into one text: hashed in one go, and keeping nothing of the message alive. Before each
/// part goes its length, so that no two lists of parts give one text.
struct KeyText(SmallVec<[u8; USUAL_KEY]>);

/// Up to this size a key is put together without a buffer from the heap.
const USUAL_KEY: usize = 256;

impl KeyText {
    fn new() -> Self {
        Self(SmallVec::new())
    }

    fn add(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u32).to_be_bytes());
        self.0.extend_from_slice(part);
    }

    /// Adds a name that compares without case.
    fn add_name(&mut self, name: &str) {
        self.add(name.as_bytes());
        let start = self.0.len() - name.len();
        self.0[start..].make_ascii_lowercase();
    }

    fn done(self) -> Arc<[u8]> {
        Arc::from(&self.0[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(parts: [&str; 3]) -> Arc<[u8]> {
        let mut text = KeyText::new();
        for part in parts {
            text.add(part.as_bytes());
        }
        text.done()
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_eq!(key(["a", "b", ""]), key(["a", "b", ""]));
        for other in [["ab", "", ""], ["a", "", "b"], ["", "a", "b"], ["a", "b", "\0"]] {
            assert_ne!(key(["a", "b", ""]), key(other), "{other:?}");
        }
    }

    #[test]
    fn names_compare_without_case_and_long_parts_are_kept_whole() {
        let named = |name: &str| {
            let mut text = KeyText::new();
            text.add(b"Z9");
            text.add_name(name);
            text.done()
        };
        assert_eq!(named("a.Test"), named("A.tEST"));
        assert_ne!(named("a.test"), named("b.test"));
        let long = "x".repeat(3 * USUAL_KEY);
        assert_ne!(named(&long), named(&long[1..]));
    }
}
