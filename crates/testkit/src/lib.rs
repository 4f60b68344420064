//! What the tests of all crates share: a virtual clock, a simulated network, audio measurement. Not published.

pub mod audio;
pub mod net;

mod clock;

pub use clock::VirtualClock;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
