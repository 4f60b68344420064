//! What a call tells its owner.

use super::ReferralId;
use super::state::InvitationState;
use crate::endpoint::Body;
use crate::header::RetryAfter;
use crate::transaction::TransactionId;
use crate::{HeaderName, Headers, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use std::time::Duration;

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

    /// When to try again (RFC 3261 §20.33).
    pub fn retry_after(&self) -> Option<Duration> {
        let header = self.headers()?.typed::<RetryAfter>()?.ok()?;
        Some(Duration::from_secs(u64::from(header.seconds)))
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
///
/// The notifications of the SIP SIMPLE documents are these: `SIPInvitationChangedState` is
/// [`StateChanged`](Self::StateChanged), with `method`, `request_uri`, `code`, `reason`, `headers` and `body` in its
/// [`Cause`]; `SIPInvitationGotSDPUpdate` is [`Negotiated`](Self::Negotiated) where it succeeded and
/// [`NegotiationFailed`](Self::NegotiationFailed) where not. Clients of today also know the sub-states of `connected`
/// (`normal`, `sent_proposal`, `received_proposal`): they are `Confirmed`, `Reinviting` and `Reinvited`.
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
    /// A session description of the peer while the call is set up: early media of one branch. In an unreliable response
    /// it is only a first form of the answer (RFC 3261 §13.2.1); in a reliable one, a PRACK or an UPDATE it counts
    /// for that branch, and the [`Description`](Self::Description) repeats the one of the branch that is answered.
    EarlyDescription {
        /// Offer or answer.
        kind: DescriptionKind,
        /// The description.
        body: Body,
        /// Tells the branches of a forked call apart: the peer's tag.
        remote_tag: Bytes,
        /// Whether it came reliably (RFC 3262).
        is_reliable: bool,
    },
    /// Offer and answer are exchanged: at first, by a re-INVITE of either side, or by an UPDATE.
    Negotiated {
        /// What we said.
        local: Body,
        /// What the peer said.
        remote: Body,
    },
    /// An offer got no answer; what was agreed before, if anything, holds.
    NegotiationFailed {
        /// Why, in words.
        reason: String,
    },
    /// The peer's 2xx or reliable response has an offer, since our INVITE had none: give the answer with
    /// [`accept`](super::InvitationMut::accept), which sends the ACK or PRACK. Comes after the
    /// [`Description`](Self::Description) or [`EarlyDescription`](Self::EarlyDescription).
    AnswerWanted,
    /// The peer offers to change the session by an UPDATE, or by an offer in its PRACK (RFC 3262 §5): answer it at once
    /// with [`respond_to_update`](super::InvitationMut::respond_to_update).
    Update {
        /// The request.
        request: Request,
    },
    /// The end of our [`update`](super::InvitationMut::update), or what stands in for it.
    UpdateAnswered {
        /// A response, or why there is none.
        cause: Cause,
    },
    /// The call goes to another place, where a 3xx sent it and the [policy](super::RedirectPolicy) follows.
    Redirected {
        /// Where to.
        target: Uri,
    },
    /// The peer's INFO; it was answered with 200.
    Info {
        /// Its package (RFC 6086); `None` for the old use.
        package: Option<String>,
        /// Its body, such as a [`DtmfRelay`](super::DtmfRelay).
        body: Option<Body>,
    },
    /// The peer asks us to call somebody else (RFC 3515): answer it with
    /// [`accept_refer`](super::InvitationMut::accept_refer) or
    /// [`reject_refer`](super::InvitationMut::reject_refer). Without an answer it is declined after 64*T1.
    Refer {
        /// Which referral.
        id: ReferralId,
        /// The request; [`Invite::referred`](super::Invite::referred) makes the call that it wants.
        request: Request,
    },
    /// The answer to our [`refer`](super::InvitationMut::refer).
    ReferAnswered {
        /// Which referral.
        id: ReferralId,
        /// A response, or why there is none.
        cause: Cause,
        /// Whether [`ReferNotified`](Self::ReferNotified) will follow.
        is_subscribed: bool,
    },
    /// What became of our referral so far. It may come after the end of the call.
    ReferNotified {
        /// Which referral.
        id: ReferralId,
        /// The status of the call that the peer makes; `None` where its NOTIFY does not say.
        status: Option<StatusCode>,
        /// In the peer's words.
        reason: String,
        /// Whether it was the last.
        is_last: bool,
    },
    /// A referral of either side came to an end before its last NOTIFY. It may come after the end of the call.
    ReferralEnded {
        /// Which.
        id: ReferralId,
        /// Why.
        cause: Cause,
    },
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
        /// Both sides had agreed already, by a reliable response, a PRACK or an UPDATE: what was before is offered again by
        /// [`update`](super::InvitationMut::update) or [`reinvite`](super::InvitationMut::reinvite), so that both know how
        /// it stands (RFC 6141 §3.4). Only the owner can write such an offer.
        was_executed: bool,
    },
    /// The call is over. The last event but for those of its referrals, directly behind the change to
    /// [`Disconnected`](InvitationState::Disconnected).
    Ended {
        /// Who ended it.
        by: Originator,
        /// With what.
        cause: Cause,
    },
}
