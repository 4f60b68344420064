//! The states of a call.

use std::fmt;

/// Where an invitation stands. The names are those of the SIP SIMPLE API.
///
/// ```text
///                +---------------- Null ----------------+
///      invite()  |                                      |  INVITE received
///             Calling                               Incoming
///         1xx    |  \ 2xx                        2xx  / |   ring()
///              Early -- 2xx --> Connecting <-- 2xx -- Early
///                                   | ACK
///    reinvite()  +------------- Confirmed -------------+  re-INVITE received
///             Reinviting -- final --^   ^-- response -- Reinvited
///
///   end() in any of them: Disconnecting;  the peer's end, a failure, or the answer to ours: Disconnected
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvitationState {
    /// Not begun. Only seen as the state before the first.
    Null,
    /// Our INVITE is on its way.
    Calling,
    /// The peer's INVITE has arrived and was not answered yet.
    Incoming,
    /// A provisional response was received or sent.
    Early,
    /// A 2xx was received or sent, its ACK was not.
    Connecting,
    /// The call stands.
    Confirmed,
    /// Our re-INVITE is on its way.
    Reinviting,
    /// The peer's re-INVITE has arrived and was not answered yet.
    Reinvited,
    /// We are ending it, and the peer has not answered.
    Disconnecting,
    /// Over.
    Disconnected,
}

impl InvitationState {
    /// True where the machine may go from here to `next`; all transitions there are. Provisional responses
    /// repeat `Early`.
    pub fn can_become(self, next: Self) -> bool {
        use InvitationState::{
            Calling, Confirmed, Connecting, Disconnected, Disconnecting, Early, Incoming, Null, Reinvited,
            Reinviting,
        };
        match next {
            Null => false,
            Calling | Incoming => self == Null,
            Early => matches!(self, Calling | Incoming | Early),
            Connecting => matches!(self, Calling | Incoming | Early),
            Confirmed => matches!(self, Connecting | Reinviting | Reinvited),
            Reinviting | Reinvited => self == Confirmed,
            Disconnecting => !matches!(self, Null | Disconnecting | Disconnected),
            Disconnected => self != Disconnected,
        }
    }

    /// True where a dialog stands and media flows.
    pub fn is_established(self) -> bool {
        matches!(self, Self::Confirmed | Self::Reinviting | Self::Reinvited)
    }
}

impl fmt::Display for InvitationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::InvitationState::{self, *};

    const ALL: [InvitationState; 10] = [
        Null,
        Calling,
        Incoming,
        Early,
        Connecting,
        Confirmed,
        Reinviting,
        Reinvited,
        Disconnecting,
        Disconnected,
    ];

    #[test]
    fn the_transitions_are_those_of_the_diagram() {
        let check = |from: InvitationState, to: &[InvitationState]| {
            for next in ALL {
                assert_eq!(from.can_become(next), to.contains(&next), "{from} -> {next}");
            }
        };
        check(Null, &[Calling, Incoming, Disconnected]);
        check(Calling, &[Early, Connecting, Disconnecting, Disconnected]);
        check(Incoming, &[Early, Connecting, Disconnecting, Disconnected]);
        check(Early, &[Early, Connecting, Disconnecting, Disconnected]);
        check(Connecting, &[Confirmed, Disconnecting, Disconnected]);
        check(Confirmed, &[Reinviting, Reinvited, Disconnecting, Disconnected]);
        check(Reinviting, &[Confirmed, Disconnecting, Disconnected]);
        check(Reinvited, &[Confirmed, Disconnecting, Disconnected]);
        check(Disconnecting, &[Disconnected]);
        check(Disconnected, &[]);
    }
}
