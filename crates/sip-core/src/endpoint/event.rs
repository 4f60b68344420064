//! What an endpoint tells its owner.

use super::{Body, TransportFailure};
use crate::ask::{AskEvent, AskId};
use crate::invitation::{InvitationEvent, InvitationId};
use crate::notifier::{IncomingSubscriptionEvent, IncomingSubscriptionId};
use crate::pager::{MessageEvent, MessageId};
use crate::publication::{PublicationEvent, PublicationId};
use crate::registration::{RegistrationEvent, RegistrationId};
use crate::subscription::{SubscriptionEvent, SubscriptionId};
use crate::transaction::TransactionId;
use crate::{NameAddr, Request};
use bytes::Bytes;
use offhook_sansio::Path;

/// What an [`Endpoint`](crate::Endpoint) tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EndpointEvent {
    /// About a call. The first event of an incoming one changes its state to
    /// [`Incoming`](crate::InvitationState::Incoming).
    Invitation {
        /// Which.
        id: InvitationId,
        /// What.
        event: InvitationEvent,
    },
    /// About a registration.
    Registration {
        /// Which.
        id: RegistrationId,
        /// What.
        event: RegistrationEvent,
    },
    /// About a publication.
    Publication {
        /// Which.
        id: PublicationId,
        /// What.
        event: PublicationEvent,
    },
    /// About a subscription of ours.
    Subscription {
        /// Which.
        id: SubscriptionId,
        /// What.
        event: SubscriptionEvent,
    },
    /// About a subscription of somebody else.
    IncomingSubscription {
        /// Which.
        id: IncomingSubscriptionId,
        /// What.
        event: IncomingSubscriptionEvent,
    },
    /// About a request of ours outside of dialogs.
    Ask {
        /// Which.
        id: AskId,
        /// What.
        event: AskEvent,
    },
    /// About a message of ours.
    Message {
        /// Which.
        id: MessageId,
        /// What.
        event: MessageEvent,
    },
    /// A message for us, outside of calls, where MESSAGE is [allowed](crate::EndpointConfig::allow) (RFC 3428 §7); one inside
    /// a call is a [`Request`](Self::Request). Answer it with
    /// [`Endpoint::respond`](crate::Endpoint::respond) at once: 200 says that it was shown or kept.
    MessageReceived(Box<ReceivedMessage>),
    /// A request whose method the endpoint allows but does not serve by itself. Answer it with
    /// [`Endpoint::respond`](crate::Endpoint::respond).
    Request {
        /// Its transaction.
        id: TransactionId,
        /// The call inside which it was sent.
        invitation: Option<InvitationId>,
        /// The request.
        request: Request,
        /// The way it came.
        path: Path,
    },
    /// A connection that we opened, or wanted to open, is not there; for whoever has to mend it. What was to go by it
    /// fails, or takes another way, and says so itself.
    TransportFailed {
        /// Between whom.
        path: Path,
        /// Why.
        failure: TransportFailure,
    },
    /// A message that was sent or received, where [`EndpointConfig::trace`](crate::EndpointConfig::trace) is on.
    Trace(Trace),
}

/// A MESSAGE that came for us.
#[derive(Clone, Debug)]
pub struct ReceivedMessage {
    /// Its transaction, to be answered.
    pub id: TransactionId,
    /// Who wrote it: From.
    pub from: NameAddr,
    /// To whom: To.
    pub to: NameAddr,
    /// The content; without one it is of no use, but legal.
    pub body: Option<Body>,
    /// The whole request.
    pub request: Request,
    /// The way it came.
    pub path: Path,
}

/// A message as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// True for one that we sent.
    pub sent: bool,
    /// Its way.
    pub path: Path,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Counters since the endpoint was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages that arrived, good or bad.
    pub received: u64,
    /// Messages that were sent, each repetition counted.
    pub sent: u64,
    /// Arrived, but malformed and not to be answered.
    pub dropped_malformed: u64,
    /// Malformed or unacceptable requests that were answered without further ado.
    pub rejected: u64,
    /// Responses that belong to no request of ours.
    pub dropped_stray_responses: u64,
    /// ACKs that belong to no call of ours.
    pub dropped_stray_acks: u64,
    /// Requests of a source that had too many transactions.
    pub dropped_source_limit: u64,
    /// Requests refused with 503 because a table was full.
    pub refused_full: u64,
}
