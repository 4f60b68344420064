//! What an endpoint tells its owner.

use super::TransportFailure;
use crate::Request;
use crate::invitation::{InvitationEvent, InvitationId};
use crate::registration::{RegistrationEvent, RegistrationId};
use crate::transaction::TransactionId;
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
