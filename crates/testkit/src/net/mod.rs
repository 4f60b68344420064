//! A network in memory: seeded loss, delay, reordering and duplication, in virtual time.

mod impairment;
mod relay;
mod trace;

pub use impairment::{Impairment, QUEUE};
pub use relay::{Pair, UdpRelay};
pub use trace::{PERIOD, Trace, Weather};

use bytes::Bytes;
use offhook_sansio::{Entropy, Path};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Datagrams that one [`Network`] may hold in flight; more are dropped, as a real queue drops them.
const MOST_IN_FLIGHT: usize = 100_000;

/// Octets of the headers of IPv4 and UDP.
const IP_AND_UDP: usize = 28;

/// Carries datagrams between addresses and harms them as its [`Impairment`] says.
///
/// The same seed and the same calls give the same deliveries: what was seen once can be seen again.
#[derive(Debug)]
pub struct Network {
    impairment: Impairment,
    entropy: Entropy,
    in_flight: BinaryHeap<Reverse<InFlight>>,
    /// Until when the line to an address is busy.
    busy: HashMap<SocketAddr, Instant>,
    sequence: u64,
    traffic: Traffic,
}

/// A datagram that has arrived. `path.local` is the address it was sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The path as the receiver sees it.
    pub path: Path,
    /// The datagram.
    pub bytes: Bytes,
}

/// What a network has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams handed in.
    pub sent: u64,
    /// Datagrams handed out, copies included.
    pub delivered: u64,
    /// Datagrams lost on the way.
    pub lost: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Datagrams that were held back behind later ones.
    pub reordered: u64,
}

impl Network {
    /// A network with the given faults and seed.
    pub fn new(impairment: Impairment, seed: u64) -> Self {
        Self {
            impairment,
            entropy: Entropy::from_number(seed),
            in_flight: BinaryHeap::new(),
            busy: HashMap::new(),
            sequence: 0,
            traffic: Traffic::default(),
        }
    }

    /// Changes the faults from now on; what is in flight stays as it is.
    pub fn set_impairment(&mut self, impairment: Impairment) {
        self.impairment = impairment;
    }

    /// Sends a datagram from `path.local` to `path.remote`.
    pub fn send(&mut self, now: Instant, path: Path, bytes: Bytes) {
        self.traffic.sent += 1;
        if self.happens(self.impairment.loss_per_mille) || self.in_flight.len() >= MOST_IN_FLIGHT {
            self.traffic.lost += 1;
            return;
        }
        let Some(now) = self.through_line(now, path.remote, bytes.len()) else {
            self.traffic.lost += 1;
            return;
        };
        if self.happens(self.impairment.duplicate_per_mille) {
            self.traffic.duplicated += 1;
            self.launch(now, path, bytes.clone());
        }
        self.launch(now, path, bytes);
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.peek().map(|Reverse(next)| next.at)
    }

    /// The next datagram that has arrived by `now`. Call until `None`.
    #[must_use = "a datagram that is polled and dropped is lost"]
    pub fn poll_delivery(&mut self, now: Instant) -> Option<Delivery> {
        if self.poll_timeout()? > now {
            return None;
        }
        let Reverse(InFlight { path, bytes, .. }) = self.in_flight.pop()?;
        self.traffic.delivered += 1;
        let path = Path::new(path.transport, path.remote, path.local);
        Some(Delivery { path, bytes })
    }

    /// What has happened so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// When a datagram has left a line of limited bandwidth, or that its queue is full.
    fn through_line(&mut self, now: Instant, to: SocketAddr, len: usize) -> Option<Instant> {
        let Some(bandwidth) = self.impairment.bandwidth else {
            return Some(now);
        };
        let free = self.busy.entry(to).or_insert(now);
        let start = now.max(*free);
        if start - now > QUEUE {
            return None;
        }
        let bits = (len + IP_AND_UDP) as f64 * 8.0;
        *free = start + Duration::from_secs_f64(bits / f64::from(bandwidth.max(1)));
        Some(*free)
    }

    fn launch(&mut self, now: Instant, path: Path, bytes: Bytes) {
        let Impairment {
            delay,
            jitter,
            reorder_per_mille,
            reorder_by,
            ..
        } = self.impairment;
        let mut at = now + delay + self.entropy.duration(Duration::ZERO, jitter);
        if self.happens(reorder_per_mille) {
            self.traffic.reordered += 1;
            at += reorder_by;
        }
        self.sequence += 1;
        self.in_flight.push(Reverse(InFlight {
            at,
            sequence: self.sequence,
            path,
            bytes,
        }));
    }

    fn happens(&mut self, per_mille: u16) -> bool {
        self.entropy.below(1000) < u32::from(per_mille)
    }
}

/// Ordered by arrival, then by the order of sending.
#[derive(Debug)]
struct InFlight {
    at: Instant,
    sequence: u64,
    path: Path,
    bytes: Bytes,
}

impl InFlight {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.sequence)
    }
}

impl PartialEq for InFlight {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for InFlight {}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests;
