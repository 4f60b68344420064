//! Timers as absolute instants, kept in the state that they serve.

use std::fmt;
use std::marker::PhantomData;
use std::time::Instant;

/// A small enum whose variants name the timers of one state machine.
pub trait Timer: Copy + 'static {
    /// All variants, in the order of their [`index`](Self::index).
    const ALL: &'static [Self];

    /// The variant's place in [`ALL`](Self::ALL); `self as usize` for a plain enum.
    fn index(self) -> usize;
}

/// A fixed table of deadlines, one slot for each of the `N` timers of `K`.
///
/// Nothing here sleeps: the owner asks for the [`soonest`](Self::soonest) and is called back with the time.
#[derive(Clone)]
pub struct Deadlines<K, const N: usize> {
    at: [Option<Instant>; N],
    timer: PhantomData<K>,
}

impl<K: Timer, const N: usize> Deadlines<K, N> {
    /// A table with no timer running.
    pub fn new() -> Self {
        const { assert!(K::ALL.len() == N) };
        Self {
            at: [None; N],
            timer: PhantomData,
        }
    }

    /// Starts or restarts a timer.
    pub fn set(&mut self, timer: K, at: Instant) {
        self.at[timer.index()] = Some(at);
    }

    /// Stops a timer; does nothing when it does not run.
    pub fn stop(&mut self, timer: K) {
        self.at[timer.index()] = None;
    }

    /// Stops all timers.
    pub fn stop_all(&mut self) {
        self.at = [None; N];
    }

    /// When the timer fires, if it runs.
    pub fn get(&self, timer: K) -> Option<Instant> {
        self.at[timer.index()]
    }

    /// The earliest deadline of all running timers.
    pub fn soonest(&self) -> Option<Instant> {
        self.at.iter().flatten().min().copied()
    }

    /// Stops and returns the earliest timer that is due at `now`. Call until `None`.
    #[must_use = "an expired timer is stopped when it is taken"]
    pub fn take_expired(&mut self, now: Instant) -> Option<K> {
        let (index, _) = self
            .at
            .iter()
            .enumerate()
            .filter_map(|(index, at)| at.filter(|at| *at <= now).map(|at| (index, at)))
            .min_by_key(|(_, at)| *at)?;
        self.at[index] = None;
        Some(K::ALL[index])
    }
}

impl<K: Timer, const N: usize> Default for Deadlines<K, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, const N: usize> fmt::Debug for Deadlines<K, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.at).finish()
    }
}

/// The earlier of two optional instants: what a parent returns for its children's `poll_timeout`.
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum T {
        Retransmit,
        GiveUp,
    }

    impl Timer for T {
        const ALL: &'static [Self] = &[Self::Retransmit, Self::GiveUp];
        fn index(self) -> usize {
            self as usize
        }
    }

    #[test]
    fn expired_timers_come_out_in_time_order_and_once() {
        let t0 = Instant::now();
        let mut timers = Deadlines::<T, 2>::new();
        timers.set(T::Retransmit, t0 + Duration::from_secs(2));
        timers.set(T::GiveUp, t0 + Duration::from_secs(1));
        assert_eq!(timers.soonest(), Some(t0 + Duration::from_secs(1)));
        assert_eq!(timers.take_expired(t0), None);
        let late = t0 + Duration::from_secs(5);
        assert_eq!(timers.take_expired(late), Some(T::GiveUp));
        assert_eq!(timers.take_expired(late), Some(T::Retransmit));
        assert_eq!(timers.take_expired(late), None);
    }

    #[test]
    fn a_stopped_timer_does_not_fire() {
        let t0 = Instant::now();
        let mut timers = Deadlines::<T, 2>::new();
        timers.set(T::GiveUp, t0);
        timers.stop(T::GiveUp);
        assert_eq!(timers.take_expired(t0), None);
        assert_eq!(timers.soonest(), None);
    }

    #[test]
    fn earliest_takes_whichever_there_is() {
        let t0 = Instant::now();
        let t1 = t0 + Duration::from_secs(1);
        assert_eq!(earliest(Some(t1), Some(t0)), Some(t0));
        assert_eq!(earliest(None, Some(t1)), Some(t1));
        assert_eq!(earliest(None, None), None);
    }
}
