//! `a=rtpmap`.

use super::typed::typed_attribute;
use crate::Text;
use std::fmt;

/// What a payload type means (RFC 8866 §6.6): `101 telephone-event/8000`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rtpmap {
    /// 0 to 127.
    pub payload_type: u8,
    /// The encoding's name; compare it without regard to case (RFC 4855 §3).
    pub encoding: Text,
    /// Ticks per second of the RTP timestamp.
    pub clock_rate: u32,
    /// Audio channels. Default 1, which is not written.
    pub channels: u8,
}

impl Rtpmap {
    fn read(value: &str) -> Option<Self> {
        let (payload_type, rest) = value.split_once(' ')?;
        let payload_type = payload_type.parse().ok().filter(|number| *number <= 127)?;
        let mut parts = rest.trim().split('/');
        let encoding = parts.next().filter(|name| !name.is_empty())?;
        let clock_rate = parts.next()?.parse().ok().filter(|rate| *rate > 0)?;
        let channels = match parts.next() {
            Some(channels) => channels.parse().ok().filter(|count| *count > 0)?,
            None => 1,
        };
        Some(Self {
            payload_type,
            encoding: encoding.into(),
            clock_rate,
            channels,
        })
    }
}

typed_attribute!(Rtpmap, "rtpmap");

impl fmt::Display for Rtpmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_rate)?;
        if self.channels > 1 {
            write!(f, "/{}", self.channels)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::MalformedAttribute;

    #[test]
    fn well_formed_values_are_read_and_written_back() {
        for value in ["0 PCMU/8000", "113 opus/48000/2", "101 telephone-event/8000"] {
            assert_eq!(value.parse::<Rtpmap>().unwrap().to_string(), value);
        }
    }

    #[test]
    fn malformed_values_are_refused() {
        for value in [
            "",
            "0",
            "0 ",
            "0 PCMU",
            "0 PCMU/",
            "0 PCMU/0",
            "0 /8000",
            "128 x/1",
            "x y/1",
            "96 opus/48000/0",
            "96 opus/48000/999",
        ] {
            assert_eq!(
                value.parse::<Rtpmap>(),
                Err(MalformedAttribute("rtpmap")),
                "{value}"
            );
        }
    }
}
