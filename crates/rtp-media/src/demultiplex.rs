//! What a datagram is that came to a port of media, by its first octet (RFC 7983 §7).

/// The protocols that share a port with media (RFC 7983).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// RTP, RTCP, and both under SRTP: 128 to 191.
    Media,
    /// DTLS: 20 to 63.
    Dtls,
    /// STUN, TURN channels, ZRTP, what is not assigned, and nothing at all.
    Other,
}

impl PacketKind {
    /// What a datagram is.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Media,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PacketKind::{self, Dtls, Media, Other};

    #[test]
    fn the_first_octet_tells_protocols_apart() {
        for (range, kind) in [
            (0..=19, Other),
            (20..=63, Dtls),
            (64..=127, Other),
            (128..=191, Media),
            (192..=255, Other),
        ] {
            for first in range {
                assert_eq!(PacketKind::of(&[first, 0]), kind, "{first}");
            }
        }
        assert_eq!(PacketKind::of(&[]), Other);
    }
}
