//! The non-INVITE server transaction: RFC 3261 §17.2.2, with what RFC 4320 forbids left to the owner.

use super::Timing;
use super::machine::{Act, Class, Failure};
use std::time::Instant;

/// ```text
///     request received
///            |
///         Trying: absorb repeats
///    1xx |    | 200-699
///   Proceeding: repeat -> resend
///        |    |
///      Completed: repeat -> resend ---- J ----> Terminated
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Debug)]
pub(crate) struct ServerOther {
    state: State,
    /// Timer J, the only one.
    linger: Option<Instant>,
    reliable: bool,
}

impl ServerOther {
    pub(crate) fn start(reliable: bool) -> Self {
        Self {
            state: State::Trying,
            linger: None,
            reliable,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// True until the user has given a final response.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Trying | State::Proceeding)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.linger
    }

    pub(crate) fn handle_retransmission(&mut self) -> Act {
        match self.state {
            State::Proceeding | State::Completed => Act::Send,
            State::Trying | State::Terminated => Act::Nothing,
        }
    }

    /// The user gives a response; `Nothing` means that it comes too late.
    pub(crate) fn respond(&mut self, now: Instant, timing: &Timing, class: Class) -> Act {
        match (self.state, class) {
            (State::Trying | State::Proceeding, Class::Provisional) => {
                self.state = State::Proceeding;
                Act::Send
            }
            (State::Trying | State::Proceeding, _) => {
                if self.reliable {
                    self.state = State::Terminated;
                } else {
                    self.linger = Some(now + timing.give_up());
                    self.state = State::Completed;
                }
                Act::Send
            }
            (State::Completed | State::Terminated, _) => Act::Nothing,
        }
    }

    pub(crate) fn handle_transport_error(&mut self) -> Act {
        match self.state {
            State::Proceeding | State::Completed => {
                self.state = State::Terminated;
                self.linger = None;
                Act::Fail(Failure::Transport)
            }
            State::Trying | State::Terminated => Act::Nothing,
        }
    }

    /// Takes the timer when it is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Act> {
        self.linger.take_if(|at| *at <= now)?;
        self.state = State::Terminated;
        Some(Act::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Completed, Proceeding, Terminated, Trying};

    fn in_state(state: State, now: Instant) -> ServerOther {
        let timing = Timing::default();
        let mut machine = ServerOther::start(false);
        match state {
            Trying => {}
            Proceeding => _ = machine.respond(now, &timing, Class::Provisional),
            Completed => _ = machine.respond(now, &timing, Class::Success),
            Terminated => {
                machine.respond(now, &timing, Class::Success);
                machine.handle_timeout(now + timing.give_up());
            }
        }
        assert_eq!(machine.state, state);
        machine
    }

    #[test]
    fn every_state_meets_every_event() {
        let (now, timing) = (Instant::now(), Timing::default());
        let transport = (Terminated, Act::Fail(Failure::Transport));
        // state, then the next state and the act for: repeat, own 1xx, own final, transport error
        let table = [
            (
                Trying,
                [
                    (Trying, Act::Nothing),
                    (Proceeding, Act::Send),
                    (Completed, Act::Send),
                    (Trying, Act::Nothing),
                ],
            ),
            (
                Proceeding,
                [
                    (Proceeding, Act::Send),
                    (Proceeding, Act::Send),
                    (Completed, Act::Send),
                    transport,
                ],
            ),
            (
                Completed,
                [
                    (Completed, Act::Send),
                    (Completed, Act::Nothing),
                    (Completed, Act::Nothing),
                    transport,
                ],
            ),
            (Terminated, [(Terminated, Act::Nothing); 4]),
        ];
        for (state, wants) in table {
            for (event, want) in wants.into_iter().enumerate() {
                let mut machine = in_state(state, now);
                let act = match event {
                    0 => machine.handle_retransmission(),
                    1 => machine.respond(now, &timing, Class::Provisional),
                    2 => machine.respond(now, &timing, Class::Success),
                    _ => machine.handle_transport_error(),
                };
                assert_eq!((machine.state, act), want, "{state:?}, event {event}");
            }
        }
    }

    #[test]
    fn it_answers_repeats_for_64_t1_over_udp_and_is_gone_at_once_over_tcp() {
        let (now, timing) = (Instant::now(), Timing::default());
        let mut machine = in_state(Completed, now);
        assert_eq!(machine.poll_timeout(), Some(now + timing.give_up()));
        assert_eq!(machine.handle_timeout(now), None);
        let mut reliable = ServerOther::start(true);
        assert_eq!(reliable.respond(now, &timing, Class::Failure), Act::Send);
        assert!(reliable.is_terminated());
    }
}
