//! Dialogs: what two user agents share between a request and the end of what it began (RFC 3261 §12).
//!
//! A [`Dialog`] makes the requests inside it and judges the peer's; who sends them, and what the dialog is for, is
//! the business of a usage such as the invitation.

mod route_set;
mod sequence;

pub use route_set::RouteSet;
pub use sequence::{OutOfOrder, Sequence};

use crate::header::{CSeq, CallId, Contact, From, HeaderError, MaxForwards, To, Via};
use crate::transaction::{EssentialError, Essentials};
use crate::{Headers, Method, NameAddr, Request, Response, Uri};
use bytes::Bytes;
use offhook_sansio::{Path, Transport};
use std::net::SocketAddr;

/// What names a dialog: Call-ID and both tags (RFC 3261 §12). The peer's may be empty (RFC 2543).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: Bytes,
    /// Our tag.
    pub local_tag: Bytes,
    /// The peer's tag.
    pub remote_tag: Bytes,
}

impl DialogId {
    /// The dialog that a request from the peer belongs to, if any.
    pub fn of_request(essentials: &Essentials) -> Option<Self> {
        Some(Self {
            call_id: essentials.call_id.as_bytes().clone(),
            local_tag: essentials.to.tag_bytes()?,
            remote_tag: essentials.from.tag_bytes().unwrap_or_default(),
        })
    }
}

/// A message cannot begin a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialogError {
    /// It lacks what every message has.
    #[error(transparent)]
    Essential(#[from] EssentialError),
    /// It has no Contact with a URI, so there is no way to reach the peer.
    #[error("no Contact")]
    NoContact,
    /// Record-Route is malformed.
    #[error("Record-Route: {0}")]
    RecordRoute(HeaderError),
}

/// A dialog, early or confirmed.
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    call_id: CallId,
    local: NameAddr,
    remote: NameAddr,
    sequence: Sequence,
    route_set: RouteSet,
    remote_target: Uri,
    flow: Path,
    has_own_flow: bool,
}

impl Dialog {
    /// The caller's side: from the response to the INVITE, which came along `flow` (RFC 3261 §12.1.2).
    pub fn of_response(response: &Response, flow: Path) -> Result<Self, DialogError> {
        let essentials = Essentials::of(response.headers())?;
        let route_set = RouteSet::of_response(response.headers()).map_err(DialogError::RecordRoute)?;
        Ok(Self {
            id: DialogId {
                call_id: essentials.call_id.as_bytes().clone(),
                local_tag: essentials.from.tag_bytes().unwrap_or_default(),
                remote_tag: essentials.to.tag_bytes().unwrap_or_default(),
            },
            sequence: Sequence::new(essentials.cseq.number, None),
            call_id: essentials.call_id,
            local: essentials.from.0,
            remote: essentials.to.0,
            route_set,
            remote_target: contact(response.headers()).ok_or(DialogError::NoContact)?,
            flow,
            has_own_flow: false,
        })
    }

    /// The callee's side: from the INVITE, which came along `flow`, and the tag that our responses have (RFC 3261
    /// §12.1.1).
    pub fn of_request(request: &Request, local_tag: &str, flow: Path) -> Result<Self, DialogError> {
        let essentials = Essentials::of_request(request)?;
        Self::of_essentials(&essentials, request.headers(), local_tag, flow)
    }

    /// The same for a request whose [`Essentials`] have been read.
    pub(crate) fn of_essentials(
        essentials: &Essentials,
        headers: &Headers,
        local_tag: &str,
        flow: Path,
    ) -> Result<Self, DialogError> {
        let route_set = RouteSet::of_request(headers).map_err(DialogError::RecordRoute)?;
        Ok(Self {
            id: DialogId {
                call_id: essentials.call_id.as_bytes().clone(),
                local_tag: Bytes::copy_from_slice(local_tag.as_bytes()),
                remote_tag: essentials.from.tag_bytes().unwrap_or_default(),
            },
            sequence: Sequence::new(0, Some(essentials.cseq.number)),
            call_id: essentials.call_id.clone(),
            local: essentials.to.0.clone().with_tag(local_tag),
            remote: essentials.from.0.clone(),
            route_set,
            remote_target: contact(headers).ok_or(DialogError::NoContact)?,
            flow,
            has_own_flow: flow.transport.is_reliable() && headers.typed_all::<Via>().count() == 1,
        })
    }

    /// The subscriber's side: from the first NOTIFY, which came along `flow`, the tag of our SUBSCRIBE and its number. The
    /// NOTIFY's own number is still to be [taken](Self::take_request) (RFC 6665 §4.4.1).
    pub fn of_notify(
        request: &Request,
        local_tag: &str,
        flow: Path,
        number: u32,
    ) -> Result<Self, DialogError> {
        let dialog = Self::of_request(request, local_tag, flow)?;
        Ok(Self {
            sequence: Sequence::new(number, None),
            ..dialog
        })
    }

    /// The dialog's name.
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Our own address, with our tag.
    pub fn local(&self) -> &NameAddr {
        &self.local
    }

    /// The peer's address, with its tag.
    pub fn remote(&self) -> &NameAddr {
        &self.remote
    }

    /// Where the peer wants to be reached: its Contact.
    pub fn remote_target(&self) -> &Uri {
        &self.remote_target
    }

    /// The proxies in between.
    pub fn route_set(&self) -> &RouteSet {
        &self.route_set
    }

    /// The way by which the dialog began, for peers whose addresses are names that nobody looked up.
    pub fn flow(&self) -> Path {
        self.flow
    }

    /// Whether the peer itself, and no proxy, opened the connection by which the dialog began. It is the peer's as its
    /// Contact is, and reaches it where nobody can connect to that; see [`forget_flow`](Self::forget_flow).
    pub fn has_own_flow(&self) -> bool {
        self.has_own_flow
    }

    /// A connection broke: the next request goes to the Contact.
    pub fn forget_flow(&mut self, path: Path) {
        self.has_own_flow &= self.flow != path;
    }

    /// An address of ours is another now: requests go from there.
    pub fn move_local(&mut self, transport: Transport, from: SocketAddr, to: SocketAddr) {
        if (self.flow.transport, self.flow.local) == (transport, from) {
            self.flow.local = to;
        }
    }

    /// The URI whose address the next request goes to (RFC 3261 §8.1.2).
    pub fn next_hop(&self) -> &Uri {
        self.route_set.first().unwrap_or(&self.remote_target)
    }

    /// The next request inside the dialog, without Via (RFC 3261 §12.2.1.1).
    pub fn request(&mut self, method: Method) -> Request {
        let number = self.sequence.next_local();
        self.build(method, number)
    }

    /// Gives a request that is sent once more, with a password, a number of its own (RFC 3261 §22.2).
    pub(crate) fn renumber(&mut self, request: &mut Request) -> u32 {
        let number = self.sequence.next_local();
        let cseq = CSeq::new(number, request.method().clone());
        request.headers_mut().set_typed(&cseq);
        number
    }

    /// The ACK for a 2xx to the INVITE of this number (RFC 3261 §13.2.2.4).
    pub fn ack(&self, number: u32) -> Request {
        self.build(Method::Ack, number)
    }

    /// Judges the number of the peer's request (RFC 3261 §12.2.2).
    pub fn take_request(&mut self, cseq: &CSeq) -> Result<(), OutOfOrder> {
        self.sequence.take_remote(cseq.number)
    }

    /// Takes the Contact of a target refresh request or its 2xx (RFC 3261 §12.2.1.2, §12.2.2).
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(target) = contact(headers) {
            self.remote_target = target;
        }
    }

    /// Takes what the 2xx says over what an early response of the same dialog said (RFC 3261 §13.2.2.4): the
    /// route set is computed again.
    pub(crate) fn confirm(&mut self, response: &Response) {
        self.refresh_target(response.headers());
        if let Ok(route_set) = RouteSet::of_response(response.headers()) {
            self.route_set = route_set;
        }
    }

    fn build(&self, method: Method, number: u32) -> Request {
        let mut request = Request::new(method.clone(), self.route_set.request_uri(&self.remote_target));
        self.route_set.apply(&mut request, &self.remote_target);
        let headers = request.headers_mut();
        headers.push_typed(&MaxForwards(70));
        headers.push_typed(&From(self.local.clone()));
        headers.push_typed(&To(self.remote.clone()));
        headers.push_typed(&self.call_id);
        headers.push_typed(&CSeq::new(number, method));
        request
    }
}

/// The URI of the first Contact.
fn contact(headers: &Headers) -> Option<Uri> {
    headers
        .typed::<Contact>()?
        .ok()?
        .addr()
        .map(|address| address.uri.clone())
}
