//! Time that moves only when a test says so.

use std::time::{Duration, Instant};

/// A clock whose time is set by hand.
///
/// Cores take `now` as an argument, so this only has to hand out instants that never go back.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    start: Instant,
    now: Instant,
}

impl VirtualClock {
    /// A clock that stands at its start.
    pub fn new() -> Self {
        let start = Instant::now();
        Self { start, now: start }
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How far the clock has moved since its start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Moves to an instant; one in the past moves nothing.
    pub fn advance_to(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
    }

    /// Moves on by a duration.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}
