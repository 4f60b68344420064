//! The states of a session and the moves between them.

use std::fmt;

/// The state of a [`Session`](crate::Session): the documents' names, from birth to end.
///
/// ```text
///  Null --connect--> Connecting --2xx--> Connected --end/BYE--> Terminating --> Terminated
///    \                    \--refused, cancelled, nobody there-------------------^
///     --INVITE--> Incoming --accept--> Accepting --ACK--> Connected
///                    \--reject, cancelled--> Terminating --------------------> Terminated
///
///  Connected --add_streams--> SendingProposal --answer--> Connected
///                               \--cancel_proposal--> CancellingProposal --487, 2xx--> Connected
///  Connected --re-INVITE with more streams--> ReceivedProposal --reject, cancelled--> Connected
///                                               \--accept--> AcceptingProposal --ACK--> Connected
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Made, and not yet begun.
    Null,
    /// We call; no final answer yet.
    Connecting,
    /// We are called; the application has not decided yet.
    Incoming,
    /// We said yes and wait for the caller's ACK.
    Accepting,
    /// Both sides agree, media flows.
    Connected,
    /// We want to add streams; the other side has not answered yet.
    SendingProposal,
    /// The other side wants to add streams; the application has not decided yet.
    ReceivedProposal,
    /// We said yes to a proposal and wait for the ACK.
    AcceptingProposal,
    /// We take our proposal back and wait for the answer.
    CancellingProposal,
    /// We said goodbye and wait for the answer.
    Terminating,
    /// Over. Nothing more happens.
    Terminated,
}

impl SessionState {
    /// True from the first message to the last: the session takes part in signalling.
    pub fn is_active(self) -> bool {
        !matches!(self, Self::Null | Self::Terminated)
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Connecting => "connecting",
            Self::Incoming => "incoming",
            Self::Accepting => "accepting",
            Self::Connected => "connected",
            Self::SendingProposal => "sending a proposal",
            Self::ReceivedProposal => "asked for more streams",
            Self::AcceptingProposal => "accepting a proposal",
            Self::CancellingProposal => "cancelling a proposal",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
        })
    }
}

/// Who caused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Originator {
    /// This side.
    Local,
    /// The other party.
    Remote,
}

impl fmt::Display for Originator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Remote => "remote",
        })
    }
}

/// Which side began a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionDirection {
    /// The other party called us.
    Incoming,
    /// We called.
    Outgoing,
}
