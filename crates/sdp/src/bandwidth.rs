//! The `b=` line: how much may be sent.

use crate::Text;
use std::fmt;

/// A bandwidth that the receiver asks senders to keep (RFC 8866 §5.8).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bandwidth {
    /// `AS` (RTP session maximum), `CT` (conference total), `TIAS`, `RS`, `RR`, or another.
    pub kind: Text,
    /// Kilobits per second for `AS` and `CT`; bits per second for `TIAS` (RFC 3890), `RS` and `RR` (RFC 3556).
    pub value: u64,
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}
