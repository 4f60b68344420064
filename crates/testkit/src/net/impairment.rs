//! The faults of a simulated network.

use std::time::Duration;

/// What a [`Network`](super::Network) does to datagrams. Shares are in thousandths of all datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impairment {
    /// One-way delay of every datagram.
    pub delay: Duration,
    /// Further delay, evenly spread from nothing to this.
    pub jitter: Duration,
    /// Datagrams that never arrive.
    pub loss_per_mille: u16,
    /// Datagrams that arrive twice.
    pub duplicate_per_mille: u16,
    /// Datagrams held back by [`reorder_by`](Self::reorder_by), so that later ones overtake them.
    pub reorder_per_mille: u16,
    /// How long a reordered datagram is held back.
    pub reorder_by: Duration,
    /// How many bits a second go to one address; none for as many as come. IP and UDP headers count, 28 octets a datagram.
    pub bandwidth: Option<u32>,
}

/// How long a queue before a narrow line becomes; what would wait longer is lost.
pub const QUEUE: Duration = Duration::from_millis(300);

impl Impairment {
    /// A wire: nothing is lost, and everything arrives after one millisecond.
    pub const NONE: Self = Self {
        delay: Duration::from_millis(1),
        jitter: Duration::ZERO,
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        reorder_per_mille: 0,
        reorder_by: Duration::ZERO,
        bandwidth: None,
    };

    /// A tired home network: 30 ms away, 20 ms of jitter, 2 % lost, 1 % doubled, 1 % reordered.
    pub const ROUGH: Self = Self {
        delay: Duration::from_millis(30),
        jitter: Duration::from_millis(20),
        loss_per_mille: 20,
        duplicate_per_mille: 10,
        reorder_per_mille: 10,
        reorder_by: Duration::from_millis(45),
        bandwidth: None,
    };
}

impl Default for Impairment {
    fn default() -> Self {
        Self::NONE
    }
}
