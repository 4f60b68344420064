//! What a request and its responses have for one hop only: the way, and the messages that go no further.

use crate::header::{CSeq, MaxForwards, Via};
use crate::{HeaderName, Headers, Host, Method, Request, Response};
use bytes::Bytes;
use offhook_sansio::{Path, Transport};
use std::net::SocketAddr;

/// The largest request that goes over UDP, in bytes, where the path MTU is not known (RFC 3261 §18.1.1).
const LARGEST_DATAGRAM: usize = 1300;

/// The request of that size as it goes along `stream` instead of a path over UDP that it is too large for: with another Via. `None`
/// where it is not.
pub(super) fn over_stream(request: &Request, size: usize, path: Path, stream: Path) -> Option<Request> {
    if path.transport != Transport::Udp || size <= LARGEST_DATAGRAM {
        return None;
    }
    let via = request.headers().typed::<Via>()?.ok()?;
    let host = Host::from(stream.local.ip());
    let via = Via::new(stream.transport, &host, Some(stream.local.port()), via.branch()?);
    let mut request = request.clone();
    request.headers_mut().replace_first_value(&via);
    Some(request)
}

/// RFC 3261 §18.2.2 with RFC 3581 §4, for a Via that says where the request came from.
pub(crate) fn reply_path(via: &Via, path: Path) -> Path {
    if path.transport.is_reliable() || via.rport().is_some() {
        return path;
    }
    sent_by_path(via, path)
}

/// To the port that a Via names, at the address where the request came from.
pub(super) fn sent_by_path(via: &Via, path: Path) -> Path {
    let port = via.port().unwrap_or_else(|| path.transport.default_port());
    Path {
        remote: SocketAddr::new(path.remote.ip(), port),
        ..path
    }
}

/// RFC 3261 §17.1.1.3.
pub(super) fn ack_for_rejection(invite: &Request, response: &Response) -> Bytes {
    let mut ack = hop_request(invite, Method::Ack);
    ack.headers_mut().copy_from(response.headers(), HeaderName::To);
    ack.to_bytes()
}

/// RFC 3261 §9.1.
pub(crate) fn cancel_for(invite: &Request) -> Request {
    let mut cancel = hop_request(invite, Method::Cancel);
    cancel.headers_mut().copy_from(invite.headers(), HeaderName::To);
    cancel
}

/// What ACK and CANCEL have in common with their INVITE: all but To.
fn hop_request(invite: &Request, method: Method) -> Request {
    let mut request = Request::from_parts(
        method.clone(),
        invite.uri_bytes().clone(),
        Headers::new(),
        Bytes::new(),
    );
    let from = invite.headers();
    let to = request.headers_mut();
    if let Some(Ok(via)) = from.typed::<Via>() {
        to.push_typed(&via);
    }
    to.copy_from(from, HeaderName::Route);
    to.push_typed(&MaxForwards(70));
    to.copy_from(from, HeaderName::From);
    to.copy_from(from, HeaderName::CallId);
    if let Some(Ok(cseq)) = from.typed::<CSeq>() {
        to.push_typed(&CSeq::new(cseq.number, method));
    }
    request
}
