//! The device where there is none.

use crate::port::{AudioPort, Role};

/// Says nothing and swallows all it hears: what a server or a test uses in place of a sound card. It has no clock of its
/// own; whoever drives the mixer is the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NullDevice {
    rate: u32,
}

impl NullDevice {
    /// A device at `rate` hertz.
    pub fn new(rate: u32) -> Self {
        Self { rate }
    }
}

impl AudioPort for NullDevice {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::BOTH
    }
}
