//! The timer values of RFC 3261 Table 4.

use std::time::Duration;

/// The base values from which all SIP timers follow; per endpoint, never global.
///
/// Change them only on networks whose round trip is far from half a second (RFC 3261 §17.1.1.1), or in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Estimate of the round trip. Default 500 ms.
    pub t1: Duration,
    /// The longest pause between retransmissions of a non-INVITE request or an INVITE response. Default 4 s.
    pub t2: Duration,
    /// How long a message can live in the network. Default 5 s.
    pub t4: Duration,
    /// Timer D: how long repeated final responses to an INVITE are acknowledged. Default 32 s, the least that
    /// RFC 3261 §17.1.1.2 allows.
    pub timer_d: Duration,
    /// How long the user may leave an INVITE without answer before a 100 is sent for him. Default 200 ms
    /// (RFC 3261 §17.2.1).
    pub trying: Duration,
}

impl Timing {
    /// 64 * T1: timers B, F, H, J, L and M.
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            timer_d: Duration::from_secs(32),
            trying: Duration::from_millis(200),
        }
    }
}
