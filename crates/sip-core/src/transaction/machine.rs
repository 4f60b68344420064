//! What the four machines have in common.

use crate::StatusCode;

/// What the owner of a machine does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing.
    Nothing,
    /// Send the request (client) or the newest response (server).
    Send,
    /// Tell the user about the response or ACK that caused the step.
    Pass,
    /// Acknowledge a final response and tell the user about it.
    AckAndPass,
    /// Acknowledge a repeated final response.
    Ack,
    /// Send a 100 in the user's place.
    SendTrying,
    /// Tell the user that the transaction failed.
    Fail(Failure),
}

/// How a transaction can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No response in time (timers B and F), or no ACK in time (timer H).
    #[error("timed out")]
    Timeout,
    /// The transport could not deliver.
    #[error("the transport failed")]
    Transport,
}

/// A response as the machines see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Provisional,
    Success,
    Failure,
}

impl From<StatusCode> for Class {
    fn from(status: StatusCode) -> Self {
        if status.is_provisional() {
            Self::Provisional
        } else if status.is_success() {
            Self::Success
        } else {
            Self::Failure
        }
    }
}
