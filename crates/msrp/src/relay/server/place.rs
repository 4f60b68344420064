//! The places that a relay gave out.

use super::ConnectionId;
use crate::uri::{MsrpPath, MsrpUri};
use std::time::{Duration, Instant};

/// A place: a URI of the relay that leads to a client (RFC 4976 §6.3).
#[derive(Debug)]
pub(super) struct Place {
    pub(super) uri: MsrpUri,
    pub(super) user: String,
    /// The connection on which it was asked for. The place ends with it, unless a relay is there.
    pub(super) connection: ConnectionId,
    /// The host of the relay through which it was asked for, if that proved to be one: the place is good on any connection
    /// to it (RFC 4976 §6.3).
    pub(super) relay: Option<String>,
    /// The way back to the client: the relays between, and the client last.
    pub(super) client: MsrpPath,
    pub(super) valid_until: Instant,
    /// Who came to the place from outside, and on which connection: requests of the client go back the same way. Who
    /// came first stays, so that nobody else can take its messages by using its name.
    pub(super) peer: Option<(MsrpUri, ConnectionId)>,
    pub(super) allowance: Option<Allowance>,
}

/// How much may pass, as a bucket that fills steadily and holds one second's worth.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: f64,
    level: f64,
    at: Instant,
}

impl Allowance {
    pub(super) fn new(now: Instant, bytes_per_second: u64) -> Self {
        let per_second = bytes_per_second.max(1) as f64;
        Self {
            per_second,
            level: per_second,
            at: now,
        }
    }

    /// Takes bytes that did pass; says for how long nothing more should.
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.level = (self.level + passed * self.per_second).min(self.per_second) - bytes as f64;
        (self.level < 0.0).then(|| Duration::from_secs_f64((-self.level / self.per_second).min(3600.0)))
    }
}
