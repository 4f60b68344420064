//! Newtypes for the numbers that name a stream, a payload and a packet.

use std::fmt;

/// A synchronisation source identifier (RFC 3550 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A payload type, 0 to 127 (RFC 3550 §5.1). What it means is the profile's or the SDP's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// `None` when the number does not fit in seven bits.
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The seven bits of the second octet of an RTP header; the marker bit is cut off.
    pub(crate) const fn from_octet(octet: u8) -> Self {
        Self(octet & 0x7f)
    }

    /// The number, 0 to 127.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
