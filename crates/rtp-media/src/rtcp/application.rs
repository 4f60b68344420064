//! What applications say to each other in RTCP (RFC 3550 §6.7).

/// A packet that only the application understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationPacket {
    /// Which of its kind, 0 to 31.
    pub subtype: u8,
    /// Whose kind: four ASCII letters that the application has chosen, told apart by their case.
    pub name: [u8; 4],
    /// What it says, at most [`MAX_DATA`](Self::MAX_DATA) octets; comes with zeros behind it to a multiple of four.
    pub data: Vec<u8>,
}

impl ApplicationPacket {
    /// Longest data: it goes beside a report in one datagram, and takes its share of RTCP's bandwidth.
    pub const MAX_DATA: usize = 512;

    /// Whether it can be sent.
    pub(crate) fn is_sound(&self) -> bool {
        self.subtype < 32 && self.data.len() <= Self::MAX_DATA && self.name.is_ascii()
    }
}
