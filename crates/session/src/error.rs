//! Why a session does not do what was asked.

use crate::media::StreamId;
use crate::{SessionState, SessionTrigger, StreamError};
use offhook_sip_core::CommandError;

/// A refused command. The state is what it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The caller's fault: the session's state does not allow it (`IllegalStateError` of the documents).
    #[error("cannot {command} a session that is {state}")]
    IllegalState {
        /// What was asked.
        command: SessionTrigger,
        /// The state it met.
        state: SessionState,
    },
    /// The caller's fault: no such session, or it is over.
    #[error("the session is over")]
    Unknown,
    /// The caller's fault: a session needs at least one stream.
    #[error("a session needs at least one stream")]
    NoStreams,
    /// The caller's fault: nowhere to send the INVITE.
    #[error("no route to the other side")]
    NoRoute,
    /// The caller's fault: the session is being transferred already.
    #[error("the session is being transferred already")]
    TransferInProgress,
    /// The peer's fault: what its REFER names cannot be called, being no SIP URI or for another method than INVITE.
    #[error("the transfer leads to what cannot be called")]
    NotCallable,
    /// The caller's fault: no running session has such an audio stream.
    #[error("there is no audio stream {}", _0.0)]
    NoAudioStream(StreamId),
    /// The caller's fault: a stream is in one bridge at a time.
    #[error("the stream {} is in another bridge", _0.0)]
    InAnotherBridge(StreamId),
    /// The caller's fault: the stream is not in the bridge that it was to leave.
    #[error("the stream {} is not in the bridge", _0.0)]
    NotInBridge(StreamId),
    /// The caller's fault: the bridge is closed.
    #[error("the bridge is closed")]
    NoBridge,
    /// As many sessions as the limits allow are running.
    #[error("there are {0} sessions already, as many as the limit allows")]
    TooMany(usize),
    /// No media ports, or no address to reach the peer from.
    #[error(transparent)]
    Open(#[from] crate::media::OpenError),
    /// A stream cannot be had.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The offer or answer does not fit what was agreed before.
    #[error(transparent)]
    Negotiation(#[from] offhook_sdp::offer_answer::NegotiationError),
    /// The signalling below refused.
    #[error(transparent)]
    Invitation(#[from] CommandError),
}
