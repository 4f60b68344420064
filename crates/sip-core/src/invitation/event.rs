//! What a call tells its owner.

use super::state::InvitationState;
use crate::endpoint::Body;
use crate::transaction::TransactionId;
use crate::{HeaderName, Headers, Request, Response, StatusCode};

/// What made something happen.
#[derive(Clone, Debug)]
pub enum Cause {
    /// A command of ours.
    Local,
    /// A request of the peer: its method, URI, header fields and body.
    Request(Request),
    /// A response of the peer: its status, reason, header fields and body.
    Response(Response),
    /// Nothing came, or nothing could be sent; told with the status that a response would have had.
    Internal {
        /// 408 for a timeout, 503 for a transport that failed, and so on.
        status: StatusCode,
        /// In words.
        reason: String,
    },
}

impl Cause {
    /// The status, where a response or its absence was the cause.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Response(response) => Some(response.status()),
            Self::Internal { status, .. } => Some(*status),
            Self::Local | Self::Request(_) => None,
        }
    }

    /// The reason in words: of the status line, or what stands in for it.
    pub fn reason(&self) -> String {
        match self {
            Self::Response(response) => response.reason().into_owned(),
            Self::Internal { reason, .. } => reason.clone(),
            Self::Local | Self::Request(_) => String::new(),
        }
    }

    /// The header fields of the message.
    pub fn headers(&self) -> Option<&Headers> {
        match self {
            Self::Request(request) => Some(request.headers()),
            Self::Response(response) => Some(response.headers()),
            Self::Local | Self::Internal { .. } => None,
        }
    }

    /// The body of the message, with its type.
    pub fn body(&self) -> Option<Body> {
        match self {
            Self::Request(request) => crate::endpoint::body_of(request.headers(), request.body()),
            Self::Response(response) => crate::endpoint::body_of(response.headers(), response.body()),
            Self::Local | Self::Internal { .. } => None,
        }
    }

    /// The Reason header field (RFC 3326), as it stands.
    pub fn reason_header(&self) -> Option<&str> {
        self.headers()?.get_str(HeaderName::Reason)
    }
}

/// Whether a session description asks or answers (RFC 3264).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptionKind {
    /// An offer, to be answered.
    Offer,
    /// The answer to our offer.
    Answer,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Originator {
    /// We did, or our end failed.
    Local,
    /// The peer did.
    Remote,
}

/// What a call tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum InvitationEvent {
    /// The state changed; it may be the same as before, for each further provisional response.
    StateChanged {
        /// From.
        previous: InvitationState,
        /// To.
        state: InvitationState,
        /// Why.
        cause: Cause,
    },
    /// A provisional response above 100 to our INVITE. Its body, if any, is a first form of the answer: early
    /// media.
    Provisional {
        /// The response.
        response: Response,
    },
    /// A session description of the peer that counts: in its INVITE, its 2xx or its ACK.
    Description {
        /// Offer or answer.
        kind: DescriptionKind,
        /// The description.
        body: Body,
    },
    /// The peer's 2xx has an offer, since our INVITE had none: give the answer with
    /// [`accept`](super::InvitationMut::accept), which sends the ACK. Comes after the
    /// [`Description`](Self::Description).
    AnswerWanted,
    /// The peer wants to change the session, see [`respond_to_reinvite`](super::InvitationMut::respond_to_reinvite).
    /// Without a body it wants an offer in the 2xx.
    Reinvite {
        /// The request.
        request: Request,
    },
    /// The ACK to our 2xx of the peer's re-INVITE is there: a re-INVITE of our own may follow. Comes after the
    /// [`Description`](Self::Description) that it may have brought.
    ReinviteAcknowledged,
    /// The peer took its re-INVITE back, and it was answered with 487.
    ReinviteCancelled,
    /// The final response to a request that was sent with
    /// [`send_request`](super::InvitationMut::send_request), or what stands in for it.
    RequestAnswered {
        /// Which.
        id: TransactionId,
        /// A response, or why there is none.
        cause: Cause,
    },
    /// Our re-INVITE was refused; the session stands as it was.
    ReinviteFailed {
        /// Why.
        cause: Cause,
    },
    /// The call is over. The last event, directly behind the change to
    /// [`Disconnected`](InvitationState::Disconnected).
    Ended {
        /// Who ended it.
        by: Originator,
        /// With what.
        cause: Cause,
    },
}
