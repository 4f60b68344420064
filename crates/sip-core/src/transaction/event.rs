//! What goes in and out of a table of transactions.

use super::machine::Failure;
use crate::{Request, Response, StatusCode};
use offhook_sansio::Path;

/// Names a transaction within its [`Transactions`](super::Transactions); never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub(super) u64);

/// How many transactions may exist at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLimits {
    /// Client transactions. Default 65,536.
    pub client: usize,
    /// Server transactions. Default 131,072: over UDP each lives 32 s after its answer, so this is 4,000 requests
    /// per second, at about 1 kB each.
    pub server: usize,
    /// Server transactions of requests from one IP address. Default 65,536: half, so that no single peer can keep
    /// out all others, while one proxy can still bring most of the traffic.
    pub server_per_source: usize,
}

impl Default for TransactionLimits {
    fn default() -> Self {
        Self {
            client: 65_536,
            server: 131_072,
            server_per_source: 65_536,
        }
    }
}

/// What a transaction tells its user.
#[derive(Clone, Debug)]
pub enum TransactionEvent {
    /// A response to one of our requests. Each repetition of a 2xx to an INVITE is told too (RFC 6026).
    Response {
        /// The client transaction.
        id: TransactionId,
        /// The response.
        response: Response,
        /// The way it came.
        path: Path,
    },
    /// An ACK with the branch of an INVITE that was accepted: its sender does not know that an ACK to a 2xx is a
    /// transaction of its own.
    Ack {
        /// The server transaction.
        id: TransactionId,
        /// The ACK.
        request: Request,
    },
    /// A client transaction got no response, or a server transaction no ACK, or neither could be sent.
    Failed {
        /// The transaction.
        id: TransactionId,
        /// Why.
        failure: Failure,
    },
    /// The transaction is over and its id means nothing any more. Comes last, and once.
    Ended {
        /// The transaction.
        id: TransactionId,
    },
}

impl TransactionEvent {
    /// Whose event it is.
    pub fn id(&self) -> TransactionId {
        match self {
            Self::Response { id, .. }
            | Self::Ack { id, .. }
            | Self::Failed { id, .. }
            | Self::Ended { id } => *id,
        }
    }
}

/// What [`Transactions::handle_request`](super::Transactions::handle_request) makes of a request.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// A new request, to be answered with [`Transactions::respond`](super::Transactions::respond).
    New(TransactionId),
    /// An ACK that belongs to no INVITE transaction: the one for a 2xx.
    Ack,
    /// A retransmission, or an ACK for a rejection. It is done with.
    Absorbed,
    /// Another copy of a request that is being answered already, to be refused with 482 (RFC 3261 §8.2.2.2).
    Merged(TransactionId),
    /// One source has too many transactions; the request is best dropped.
    SourceLimit,
    /// There are too many transactions; a 503 may be sent without one.
    Limit,
}

/// A request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// There are as many client transactions as [`TransactionLimits::client`] allows.
    #[error("{limit} client transactions exist")]
    Limit {
        /// The limit.
        limit: usize,
    },
    /// The request has no usable Via with a branch, or lacks another header field that names it.
    #[error("the request lacks what names its transaction")]
    Unnamed,
    /// The branch was used before.
    #[error("the branch is in use")]
    BranchInUse,
    /// An ACK has no transaction: send it as it is.
    #[error("an ACK has no transaction")]
    Ack,
}

/// A response cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// The transaction does not exist any more.
    #[error("the transaction does not exist")]
    Unknown,
    /// A final response has been sent before.
    #[error("the request has been answered")]
    Answered,
    /// RFC 4320 §4: no 1xx other than 100, and no 408, to anything but an INVITE.
    #[error("{0} must not be sent to a request that is not INVITE")]
    Forbidden(StatusCode),
}
