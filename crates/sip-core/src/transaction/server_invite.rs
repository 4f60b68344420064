//! The INVITE server transaction: RFC 3261 §17.2.1 with the Accepted state of RFC 6026 §7.1.

use super::Timing;
use super::machine::{Act, Class, Failure};
use offhook_sansio::{Deadlines, Timer as TimerKey};
use std::time::{Duration, Instant};

/// ```text
///      INVITE received (100 after 200 ms)
///                 |
///             Proceeding: repeat -> resend newest response
///        2xx |         | 300-699
///       Accepted     Completed: G or repeat -> resend, H -> fail
///     ACK: pass         | ACK
///            |       Confirmed: absorb ACKs
///            L          I
///            +----------+----> Terminated
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Proceeding,
    Accepted,
    Completed,
    Confirmed,
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The 200 ms of RFC 3261 §17.2.1.
    Trying,
    /// G
    Retransmit,
    /// H
    GiveUp,
    /// I, or L of RFC 6026
    Linger,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[Self::Trying, Self::Retransmit, Self::GiveUp, Self::Linger];
    fn index(self) -> usize {
        self as usize
    }
}

#[derive(Debug)]
pub(crate) struct ServerInvite {
    state: State,
    timers: Deadlines<Timer, 4>,
    interval: Duration,
    reliable: bool,
}

impl ServerInvite {
    pub(crate) fn start(now: Instant, timing: &Timing, reliable: bool) -> Self {
        let mut timers = Deadlines::new();
        timers.set(Timer::Trying, now + timing.trying);
        Self {
            state: State::Proceeding,
            timers,
            interval: timing.t1,
            reliable,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// True while the newest response is owed to the peer by this layer: not once the ACK for a rejection came, and never a
    /// 2xx, which its user repeats until the ACK that only the user sees (RFC 6026 §7.1).
    pub(crate) fn owes_response(&self) -> bool {
        matches!(self.state, State::Proceeding | State::Completed)
    }

    /// True until the user has given a final response.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.state == State::Proceeding
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.soonest()
    }

    pub(crate) fn handle_retransmission(&mut self) -> Act {
        match self.state {
            State::Proceeding | State::Completed => Act::Send,
            State::Accepted | State::Confirmed | State::Terminated => Act::Nothing,
        }
    }

    pub(crate) fn handle_ack(&mut self, now: Instant, timing: &Timing) -> Act {
        match self.state {
            State::Accepted => Act::Pass,
            State::Completed => {
                self.timers.stop_all();
                if self.reliable {
                    self.state = State::Terminated;
                } else {
                    self.timers.set(Timer::Linger, now + timing.t4);
                    self.state = State::Confirmed;
                }
                Act::Nothing
            }
            State::Proceeding | State::Confirmed | State::Terminated => Act::Nothing,
        }
    }

    /// The user gives a response; `Nothing` means that it comes too late.
    pub(crate) fn respond(&mut self, now: Instant, timing: &Timing, class: Class) -> Act {
        match (self.state, class) {
            (State::Proceeding, Class::Provisional) => {
                self.timers.stop(Timer::Trying);
                Act::Send
            }
            (State::Proceeding, Class::Success) => {
                self.timers.stop_all();
                self.timers.set(Timer::Linger, now + timing.give_up());
                self.state = State::Accepted;
                Act::Send
            }
            (State::Proceeding, Class::Failure) => {
                self.timers.stop_all();
                if !self.reliable {
                    self.timers.set(Timer::Retransmit, now + timing.t1);
                }
                self.timers.set(Timer::GiveUp, now + timing.give_up());
                self.state = State::Completed;
                Act::Send
            }
            (State::Accepted, Class::Success) => Act::Send,
            _ => Act::Nothing,
        }
    }

    pub(crate) fn handle_transport_error(&mut self) -> Act {
        // RFC 6026 §7.1: a response that cannot be sent is reported, and the machine goes on.
        match self.state {
            State::Proceeding | State::Accepted | State::Completed => Act::Fail(Failure::Transport),
            State::Confirmed | State::Terminated => Act::Nothing,
        }
    }

    /// Takes one due timer. `None` when none is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, timing: &Timing) -> Option<Act> {
        let act = match self.timers.take_expired(now)? {
            Timer::Trying => Act::SendTrying,
            Timer::Retransmit => {
                self.interval = (self.interval * 2).min(timing.t2);
                self.timers.set(Timer::Retransmit, now + self.interval);
                Act::Send
            }
            Timer::GiveUp => {
                self.terminate();
                Act::Fail(Failure::Timeout)
            }
            Timer::Linger => {
                self.terminate();
                Act::Nothing
            }
        };
        Some(act)
    }

    fn terminate(&mut self) {
        self.timers.stop_all();
        self.state = State::Terminated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};

    fn in_state(state: State, now: Instant) -> ServerInvite {
        let timing = Timing::default();
        let mut machine = ServerInvite::start(now, &timing, false);
        match state {
            Proceeding => {}
            Accepted => _ = machine.respond(now, &timing, Class::Success),
            Completed => _ = machine.respond(now, &timing, Class::Failure),
            Confirmed => {
                machine.respond(now, &timing, Class::Failure);
                machine.handle_ack(now, &timing);
            }
            Terminated => machine.terminate(),
        }
        assert_eq!(machine.state, state);
        machine
    }

    #[test]
    fn every_state_meets_every_event() {
        let (now, timing) = (Instant::now(), Timing::default());
        let transport = Act::Fail(Failure::Transport);
        let none = Act::Nothing;
        // state, then the next state and the act for:
        // repeated INVITE, ACK, own 1xx, own 2xx, own 300-699, transport error
        let table = [
            (
                Proceeding,
                [
                    (Proceeding, Act::Send),
                    (Proceeding, none),
                    (Proceeding, Act::Send),
                    (Accepted, Act::Send),
                    (Completed, Act::Send),
                    (Proceeding, transport),
                ],
            ),
            (
                Accepted,
                [
                    (Accepted, none),
                    (Accepted, Act::Pass),
                    (Accepted, none),
                    (Accepted, Act::Send),
                    (Accepted, none),
                    (Accepted, transport),
                ],
            ),
            (
                Completed,
                [
                    (Completed, Act::Send),
                    (Confirmed, none),
                    (Completed, none),
                    (Completed, none),
                    (Completed, none),
                    (Completed, transport),
                ],
            ),
            (Confirmed, [(Confirmed, none); 6]),
            (Terminated, [(Terminated, none); 6]),
        ];
        for (state, wants) in table {
            for (event, want) in wants.into_iter().enumerate() {
                let mut machine = in_state(state, now);
                let act = match event {
                    0 => machine.handle_retransmission(),
                    1 => machine.handle_ack(now, &timing),
                    2 => machine.respond(now, &timing, Class::Provisional),
                    3 => machine.respond(now, &timing, Class::Success),
                    4 => machine.respond(now, &timing, Class::Failure),
                    _ => machine.handle_transport_error(),
                };
                assert_eq!((machine.state, act), want, "{state:?}, event {event}");
            }
        }
    }

    #[test]
    fn a_slow_user_is_covered_by_a_100_after_200_ms() {
        let (now, timing) = (Instant::now(), Timing::default());
        let mut machine = in_state(Proceeding, now);
        assert_eq!(
            machine.handle_timeout(now + Duration::from_millis(199), &timing),
            None
        );
        assert_eq!(
            machine.handle_timeout(now + Duration::from_millis(200), &timing),
            Some(Act::SendTrying)
        );
        let mut quick = in_state(Proceeding, now);
        quick.respond(now, &timing, Class::Provisional);
        assert_eq!(quick.poll_timeout(), None);
    }

    #[test]
    fn a_rejection_is_resent_at_intervals_up_to_t2_until_timer_h() {
        let (t0, timing) = (Instant::now(), Timing::default());
        let mut machine = in_state(Completed, t0);
        let mut sent = Vec::new();
        let last = loop {
            let now = machine.poll_timeout().expect("a timer runs");
            match machine.handle_timeout(now, &timing).expect("it is due") {
                Act::Send => sent.push((now - t0).as_millis()),
                act => break (act, (now - t0).as_millis()),
            }
        };
        assert_eq!(sent[..5], [500, 1500, 3500, 7500, 11_500]);
        assert_eq!(last, (Act::Fail(Failure::Timeout), 32_000));
    }

    #[test]
    fn accepted_ends_with_timer_l_and_confirmed_with_timer_i() {
        let (now, timing) = (Instant::now(), Timing::default());
        assert_eq!(
            in_state(Accepted, now).poll_timeout(),
            Some(now + timing.give_up())
        );
        assert_eq!(in_state(Confirmed, now).poll_timeout(), Some(now + timing.t4));
    }
}
