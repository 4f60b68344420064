//! The INVITE client transaction: RFC 3261 §17.1.1 with the Accepted state of RFC 6026 §7.2.

use super::Timing;
use super::machine::{Act, Class, Failure};
use offhook_sansio::{Deadlines, Timer as TimerKey};
use std::time::{Duration, Instant};

/// ```text
///            INVITE sent
///                |   A: resend, doubled     B or transport error: fail
///             Calling ---------------------------------------+
///         1xx |  |  |  2xx          300-699: ACK             |
///   Proceeding   |  +-----> Accepted      |                  |
///      |    |    |           |  2xx: pass |                  |
///      |    |    +-----------)------> Completed: ACK repeats |
///      |    +-- 2xx ---------+            |                  |
///      +------- 300-699 ---------> M      D ---------> Terminated
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Calling,
    Proceeding,
    Accepted,
    Completed,
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A
    Retransmit,
    /// B
    GiveUp,
    /// D, or M of RFC 6026
    Linger,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[Self::Retransmit, Self::GiveUp, Self::Linger];
    fn index(self) -> usize {
        self as usize
    }
}

#[derive(Debug)]
pub(crate) struct ClientInvite {
    state: State,
    timers: Deadlines<Timer, 3>,
    interval: Duration,
    reliable: bool,
}

impl ClientInvite {
    /// The owner has just sent the INVITE.
    pub(crate) fn start(now: Instant, timing: &Timing, reliable: bool) -> Self {
        let mut timers = Deadlines::new();
        if !reliable {
            timers.set(Timer::Retransmit, now + timing.t1);
        }
        timers.set(Timer::GiveUp, now + timing.give_up());
        Self {
            state: State::Calling,
            timers,
            interval: timing.t1,
            reliable,
        }
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.soonest()
    }

    pub(crate) fn handle_response(&mut self, now: Instant, timing: &Timing, class: Class) -> Act {
        match (self.state, class) {
            (State::Calling | State::Proceeding, Class::Provisional) => {
                self.timers.stop_all();
                self.state = State::Proceeding;
                Act::Pass
            }
            (State::Calling | State::Proceeding, Class::Success) => {
                self.linger(State::Accepted, now + timing.give_up());
                Act::Pass
            }
            (State::Calling | State::Proceeding, Class::Failure) => {
                if self.reliable {
                    self.terminate();
                } else {
                    self.linger(State::Completed, now + timing.timer_d);
                }
                Act::AckAndPass
            }
            (State::Accepted, Class::Success) => Act::Pass,
            (State::Completed, Class::Failure) => Act::Ack,
            _ => Act::Nothing,
        }
    }

    pub(crate) fn handle_transport_error(&mut self) -> Act {
        match self.state {
            State::Calling | State::Completed => {
                self.terminate();
                Act::Fail(Failure::Transport)
            }
            State::Proceeding | State::Accepted | State::Terminated => Act::Nothing,
        }
    }

    /// Takes one due timer. `None` when none is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Act> {
        let act = match self.timers.take_expired(now)? {
            Timer::Retransmit => {
                self.interval *= 2;
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

    fn linger(&mut self, state: State, until: Instant) {
        self.timers.stop_all();
        self.timers.set(Timer::Linger, until);
        self.state = state;
    }

    fn terminate(&mut self) {
        self.timers.stop_all();
        self.state = State::Terminated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::{Accepted, Calling, Completed, Proceeding, Terminated};

    const TIMING: Timing = Timing {
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
        timer_d: Duration::from_secs(32),
        trying: Duration::from_millis(200),
    };

    fn in_state(state: State, now: Instant) -> ClientInvite {
        let mut machine = ClientInvite::start(now, &TIMING, false);
        let class = match state {
            Calling => return machine,
            Terminated => {
                machine.terminate();
                return machine;
            }
            Proceeding => Class::Provisional,
            Accepted => Class::Success,
            Completed => Class::Failure,
        };
        machine.handle_response(now, &TIMING, class);
        assert_eq!(machine.state, state);
        machine
    }

    #[test]
    fn every_state_meets_every_event() {
        let now = Instant::now();
        let transport = Act::Fail(Failure::Transport);
        // state, then the next state and the act for: 1xx, 2xx, 300-699, transport error
        let table = [
            (
                Calling,
                [
                    (Proceeding, Act::Pass),
                    (Accepted, Act::Pass),
                    (Completed, Act::AckAndPass),
                    (Terminated, transport),
                ],
            ),
            (
                Proceeding,
                [
                    (Proceeding, Act::Pass),
                    (Accepted, Act::Pass),
                    (Completed, Act::AckAndPass),
                    (Proceeding, Act::Nothing),
                ],
            ),
            (
                Accepted,
                [
                    (Accepted, Act::Nothing),
                    (Accepted, Act::Pass),
                    (Accepted, Act::Nothing),
                    (Accepted, Act::Nothing),
                ],
            ),
            (
                Completed,
                [
                    (Completed, Act::Nothing),
                    (Completed, Act::Nothing),
                    (Completed, Act::Ack),
                    (Terminated, transport),
                ],
            ),
            (Terminated, [(Terminated, Act::Nothing); 4]),
        ];
        for (state, wants) in table {
            for (event, want) in wants.into_iter().enumerate() {
                let mut machine = in_state(state, now);
                let act = match event {
                    0 => machine.handle_response(now, &TIMING, Class::Provisional),
                    1 => machine.handle_response(now, &TIMING, Class::Success),
                    2 => machine.handle_response(now, &TIMING, Class::Failure),
                    _ => machine.handle_transport_error(),
                };
                assert_eq!((machine.state, act), want, "{state:?}, event {event}");
            }
        }
    }

    #[test]
    fn the_invite_is_resent_at_doubling_intervals_until_timer_b() {
        let t0 = Instant::now();
        let mut machine = ClientInvite::start(t0, &TIMING, false);
        let mut sent = Vec::new();
        let act = loop {
            let now = machine.poll_timeout().expect("a timer runs");
            match machine.handle_timeout(now).expect("it is due") {
                Act::Send => sent.push((now - t0).as_millis()),
                act => break (act, (now - t0).as_millis()),
            }
        };
        assert_eq!(sent, [500, 1500, 3500, 7500, 15_500, 31_500]);
        assert_eq!(act, (Act::Fail(Failure::Timeout), 32_000));
        assert!(machine.is_terminated());
    }

    #[test]
    fn over_a_reliable_transport_nothing_is_resent_and_nothing_lingers() {
        let now = Instant::now();
        let mut machine = ClientInvite::start(now, &TIMING, true);
        assert_eq!(machine.poll_timeout(), Some(now + TIMING.give_up()));
        assert_eq!(
            machine.handle_response(now, &TIMING, Class::Failure),
            Act::AckAndPass
        );
        assert!(machine.is_terminated());
    }

    #[test]
    fn repeated_success_is_passed_until_timer_m() {
        let now = Instant::now();
        let mut machine = in_state(Accepted, now);
        assert_eq!(machine.poll_timeout(), Some(now + TIMING.give_up()));
        assert_eq!(machine.handle_timeout(now + TIMING.give_up()), Some(Act::Nothing));
        assert!(machine.is_terminated());
    }
}
