//! The states of a session and the moves between them.

use std::fmt;

/// The state of a [`Session`](crate::Session): the documents' names, from birth to end. [`SessionState::after`] is the whole
/// machine, and `docs/session-states.svg` its picture.
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
    /// We said goodbye and wait for the answer; or a stream has not ended yet.
    Terminating,
    /// Over. Nothing more happens.
    Terminated,
}

impl SessionState {
    /// All of them, from birth to end.
    pub const ALL: [Self; 11] = [
        Self::Null,
        Self::Connecting,
        Self::Incoming,
        Self::Accepting,
        Self::Connected,
        Self::SendingProposal,
        Self::ReceivedProposal,
        Self::AcceptingProposal,
        Self::CancellingProposal,
        Self::Terminating,
        Self::Terminated,
    ];

    /// The state that a trigger leads to; `None` where it does not fit: a command is refused there, and what happens on the
    /// wire is answered without a change.
    #[must_use]
    pub fn after(self, trigger: SessionTrigger) -> Option<Self> {
        let mut fitting = MOVES
            .iter()
            .filter(|(of, from, _)| *of == trigger && from.contains(&self));
        fitting.next().map(|(.., to)| to.unwrap_or(self))
    }

    /// True from the first message to the last: the session takes part in signalling.
    pub fn is_active(self) -> bool {
        !matches!(self, Self::Null | Self::Terminated)
    }
}

/// What moves a [`Session`](crate::Session), or is done in it: commands of the application, and what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionTrigger {
    /// Command: call somebody.
    Connect,
    /// Command: say that it rings.
    Ring,
    /// Command: accept a call.
    Accept,
    /// Command: refuse a call.
    Reject,
    /// Command: send a caller elsewhere.
    Redirect,
    /// Command: hold. Carried out as soon as it can be.
    Hold,
    /// Command: resume. Carried out as soon as it can be.
    Unhold,
    /// Command: send a digit.
    SendDigits,
    /// Command: propose streams. Refused while a change of ours is under way, too.
    AddStreams,
    /// Command: end a stream.
    RemoveStream,
    /// Command: take our proposal back.
    CancelProposal,
    /// Command: accept the other side's proposal.
    AcceptProposal,
    /// Command: refuse it.
    RejectProposal,
    /// Command: ask the other side to call somebody else.
    Transfer,
    /// Command: call whom the other side asked us to call, where it did.
    AcceptTransfer,
    /// Command: refuse to.
    RejectTransfer,
    /// Command: end the session. Allowed once more while it ends: whoever is late means the same.
    End,
    /// Somebody calls.
    Invited,
    /// Both sides have agreed, and the streams run.
    Started,
    /// The other side proposes streams.
    Proposed,
    /// It takes its proposal back.
    ProposalWithdrawn,
    /// Our proposal has its final answer.
    ProposalAnswered,
    /// The other side's proposal, which we accepted, is acknowledged.
    ProposalConfirmed,
    /// The other side ends the session, refuses it, or is not there; or nothing is left of it here.
    Ending,
    /// Nothing more comes from the signalling below, nor from a stream.
    Ended,
}

/// The states in which both sides have agreed and media flows.
const ESTABLISHED: &[SessionState] = &[
    SessionState::Connected,
    SessionState::SendingProposal,
    SessionState::ReceivedProposal,
    SessionState::AcceptingProposal,
    SessionState::CancellingProposal,
];

/// The states of a session that is not over, nor about to be.
const LIVING: &[SessionState] = &[
    SessionState::Connecting,
    SessionState::Incoming,
    SessionState::Accepting,
    SessionState::Connected,
    SessionState::SendingProposal,
    SessionState::ReceivedProposal,
    SessionState::AcceptingProposal,
    SessionState::CancellingProposal,
];

/// The state machine: what a trigger does in which states, and where it leads; nowhere when there is no state.
const MOVES: &[(SessionTrigger, &[SessionState], Option<SessionState>)] = {
    use SessionState as S;
    use SessionTrigger as T;
    &[
        (T::Connect, &[S::Null], Some(S::Connecting)),
        (T::Invited, &[S::Null], Some(S::Incoming)),
        (T::Ring, &[S::Incoming], None),
        (T::Accept, &[S::Incoming], Some(S::Accepting)),
        (T::Reject, &[S::Incoming], Some(S::Terminating)),
        (T::Redirect, &[S::Incoming], Some(S::Terminating)),
        (T::Started, &[S::Connecting, S::Accepting], Some(S::Connected)),
        (T::Hold, LIVING, None),
        (T::Unhold, LIVING, None),
        (T::SendDigits, ESTABLISHED, None),
        (T::AddStreams, &[S::Connected], Some(S::SendingProposal)),
        (T::RemoveStream, &[S::Connected], None),
        (
            T::CancelProposal,
            &[S::SendingProposal],
            Some(S::CancellingProposal),
        ),
        (
            T::ProposalAnswered,
            &[S::SendingProposal, S::CancellingProposal],
            Some(S::Connected),
        ),
        (T::Proposed, &[S::Connected], Some(S::ReceivedProposal)),
        (T::ProposalWithdrawn, &[S::ReceivedProposal], Some(S::Connected)),
        (
            T::AcceptProposal,
            &[S::ReceivedProposal],
            Some(S::AcceptingProposal),
        ),
        (T::RejectProposal, &[S::ReceivedProposal], Some(S::Connected)),
        (T::ProposalConfirmed, &[S::AcceptingProposal], Some(S::Connected)),
        (T::Transfer, &[S::Connected], None),
        (T::AcceptTransfer, ESTABLISHED, None),
        (T::RejectTransfer, ESTABLISHED, None),
        (T::End, LIVING, Some(S::Terminating)),
        (T::End, &[S::Terminating], None),
        (T::Ending, LIVING, Some(S::Terminating)),
        (T::Ended, &[S::Terminating], Some(S::Terminated)),
    ]
};

impl SessionTrigger {
    /// All of them: first the commands, then what happens.
    pub const ALL: [Self; 25] = [
        Self::Connect,
        Self::Ring,
        Self::Accept,
        Self::Reject,
        Self::Redirect,
        Self::Hold,
        Self::Unhold,
        Self::SendDigits,
        Self::AddStreams,
        Self::RemoveStream,
        Self::CancelProposal,
        Self::AcceptProposal,
        Self::RejectProposal,
        Self::Transfer,
        Self::AcceptTransfer,
        Self::RejectTransfer,
        Self::End,
        Self::Invited,
        Self::Started,
        Self::Proposed,
        Self::ProposalWithdrawn,
        Self::ProposalAnswered,
        Self::ProposalConfirmed,
        Self::Ending,
        Self::Ended,
    ];
}

/// Commands as they stand before "a session"; what happens, by its sign on the wire.
impl fmt::Display for SessionTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Ring => "ring",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Redirect => "redirect",
            Self::Hold => "hold",
            Self::Unhold => "unhold",
            Self::SendDigits => "send digits in",
            Self::AddStreams => "add streams to",
            Self::RemoveStream => "remove a stream from",
            Self::CancelProposal => "cancel a proposal in",
            Self::AcceptProposal => "accept a proposal in",
            Self::RejectProposal => "reject a proposal in",
            Self::Transfer => "transfer",
            Self::AcceptTransfer => "accept a transfer of",
            Self::RejectTransfer => "reject a transfer of",
            Self::End => "end",
            Self::Invited => "INVITE",
            Self::Started => "streams run",
            Self::Proposed => "re-INVITE with more",
            Self::ProposalWithdrawn => "CANCEL",
            Self::ProposalAnswered => "final response",
            Self::ProposalConfirmed => "ACK",
            Self::Ending => "BYE, refusal, failure",
            Self::Ended => "last response",
        })
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
