//! Flows that we open and a server reaches us by (RFC 5626): how they are kept alive.
//!
//! Which flows those are is for a [registration](crate::registration) to say: the registrar must have agreed, for nobody
//! else may be sent STUN (§8). Over UDP the endpoint asks by itself; on connections it tells the driver how often, with
//! [`KeepAlive`].

mod probe;
mod stun;

pub use stun::{StunError, StunId, StunMessage};

pub(crate) use probe::{Answered, Probe, ProbeDue};

use offhook_sansio::Path;
use std::ops::RangeInclusive;
use std::time::Duration;

/// RFC 5626 §4.4.1.
const USUAL_ON_CONNECTIONS: RangeInclusive<Duration> = Duration::from_secs(95)..=Duration::from_mins(2);

/// How a connection is to be kept alive from now on, because a server counts on it: for the driver, from
/// [`Endpoint::poll_keep_alive`](crate::Endpoint::poll_keep_alive).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// The connection.
    pub path: Path,
    /// A double CRLF is sent after a random time out of this, each time another (RFC 5626 §4.4.1). Who does not answer
    /// it within 10 s is gone.
    pub interval: RangeInclusive<Duration>,
}

impl KeepAlive {
    /// As the server's Flow-Timer says, or else as is usual.
    pub(crate) fn new(path: Path, flow_timer: Option<Duration>) -> Self {
        Self {
            path,
            interval: flow_timer.map_or(USUAL_ON_CONNECTIONS, interval_within),
        }
    }
}

/// RFC 5626 §4.4: between 80 % and 100 % of the time that the server waits.
fn interval_within(flow_timer: Duration) -> RangeInclusive<Duration> {
    flow_timer * 4 / 5..=flow_timer
}
