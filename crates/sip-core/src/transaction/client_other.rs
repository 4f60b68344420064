//! The non-INVITE client transaction: RFC 3261 §17.1.2.

use super::Timing;
use super::machine::{Act, Class, Failure};
use offhook_sansio::{Deadlines, Timer as TimerKey};
use std::time::{Duration, Instant};

/// ```text
///         request sent
///             |    E: resend, doubled up to T2     F or transport error: fail
///          Trying -----------------------------------------------+
///       1xx |  | 200-699                                         |
///   Proceeding | (E: resend each T2)                             |
///           |  |                                                 |
///         Completed: absorb repeats ----------- K --------> Terminated
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// E
    Retransmit,
    /// F
    GiveUp,
    /// K
    Linger,
}

impl TimerKey for Timer {
    const ALL: &'static [Self] = &[Self::Retransmit, Self::GiveUp, Self::Linger];
    fn index(self) -> usize {
        self as usize
    }
}

#[derive(Debug)]
pub(crate) struct ClientOther {
    state: State,
    timers: Deadlines<Timer, 3>,
    interval: Duration,
    reliable: bool,
}

impl ClientOther {
    /// The owner has just sent the request.
    pub(crate) fn start(now: Instant, timing: &Timing, reliable: bool) -> Self {
        let mut timers = Deadlines::new();
        if !reliable {
            timers.set(Timer::Retransmit, now + timing.t1);
        }
        timers.set(Timer::GiveUp, now + timing.give_up());
        Self {
            state: State::Trying,
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
            (State::Trying | State::Proceeding, Class::Provisional) => {
                self.state = State::Proceeding;
                Act::Pass
            }
            (State::Trying | State::Proceeding, _) => {
                self.timers.stop_all();
                if self.reliable {
                    self.state = State::Terminated;
                } else {
                    self.timers.set(Timer::Linger, now + timing.t4);
                    self.state = State::Completed;
                }
                Act::Pass
            }
            (State::Completed | State::Terminated, _) => Act::Nothing,
        }
    }

    pub(crate) fn handle_transport_error(&mut self) -> Act {
        match self.state {
            State::Trying | State::Proceeding => {
                self.terminate();
                Act::Fail(Failure::Transport)
            }
            State::Completed | State::Terminated => Act::Nothing,
        }
    }

    /// Takes one due timer. `None` when none is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, timing: &Timing) -> Option<Act> {
        let act = match self.timers.take_expired(now)? {
            Timer::Retransmit => {
                self.interval = match self.state {
                    State::Trying => (self.interval * 2).min(timing.t2),
                    _ => timing.t2,
                };
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
    use State::{Completed, Proceeding, Terminated, Trying};

    fn in_state(state: State, now: Instant) -> ClientOther {
        let timing = Timing::default();
        let mut machine = ClientOther::start(now, &timing, false);
        match state {
            Trying => {}
            Terminated => machine.terminate(),
            Proceeding => _ = machine.handle_response(now, &timing, Class::Provisional),
            Completed => _ = machine.handle_response(now, &timing, Class::Failure),
        }
        assert_eq!(machine.state, state);
        machine
    }

    #[test]
    fn every_state_meets_every_event() {
        let (now, timing) = (Instant::now(), Timing::default());
        let transport = Act::Fail(Failure::Transport);
        let open = [
            (Proceeding, Act::Pass),
            (Completed, Act::Pass),
            (Completed, Act::Pass),
            (Terminated, transport),
        ];
        // state, then the next state and the act for: 1xx, 2xx, 300-699, transport error
        let table = [
            (Trying, open),
            (Proceeding, open),
            (Completed, [(Completed, Act::Nothing); 4]),
            (Terminated, [(Terminated, Act::Nothing); 4]),
        ];
        for (state, wants) in table {
            for (event, want) in wants.into_iter().enumerate() {
                let mut machine = in_state(state, now);
                let act = match event {
                    0 => machine.handle_response(now, &timing, Class::Provisional),
                    1 => machine.handle_response(now, &timing, Class::Success),
                    2 => machine.handle_response(now, &timing, Class::Failure),
                    _ => machine.handle_transport_error(),
                };
                assert_eq!((machine.state, act), want, "{state:?}, event {event}");
            }
        }
    }

    fn resends(machine: &mut ClientOther, t0: Instant) -> (Vec<u128>, Act, u128) {
        let timing = Timing::default();
        let mut sent = Vec::new();
        loop {
            let now = machine.poll_timeout().expect("a timer runs");
            match machine.handle_timeout(now, &timing).expect("it is due") {
                Act::Send => sent.push((now - t0).as_millis()),
                act => return (sent, act, (now - t0).as_millis()),
            }
        }
    }

    #[test]
    fn the_request_is_resent_at_intervals_that_double_up_to_t2() {
        let t0 = Instant::now();
        let (sent, act, end) = resends(&mut in_state(Trying, t0), t0);
        assert_eq!(sent[..5], [500, 1500, 3500, 7500, 11_500]);
        assert_eq!(sent.len(), 10);
        assert_eq!((act, end), (Act::Fail(Failure::Timeout), 32_000));
    }

    #[test]
    fn after_a_provisional_response_it_is_resent_each_t2() {
        let t0 = Instant::now();
        let (sent, _, _) = resends(&mut in_state(Proceeding, t0), t0);
        assert_eq!(sent[..3], [500, 4500, 8500]);
    }

    #[test]
    fn it_lingers_t4_over_udp_and_not_at_all_over_tcp() {
        let (now, timing) = (Instant::now(), Timing::default());
        assert_eq!(in_state(Completed, now).poll_timeout(), Some(now + timing.t4));
        let mut reliable = ClientOther::start(now, &timing, true);
        assert_eq!(reliable.handle_response(now, &timing, Class::Success), Act::Pass);
        assert!(reliable.is_terminated());
    }
}
