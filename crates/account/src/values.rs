//! Values of settings that have a form of their own.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A value is not one that the setting can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct InvalidValue {
    /// The value found.
    pub value: String,
    /// What is expected in its place.
    pub expected: &'static str,
}

/// A range of UDP ports, first and last included: `50000-50500`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// A range that holds at least one pair of an even port and the odd one above it, as RTP and RTCP need
    /// (RFC 3550 §11); not below 1024.
    ///
    /// # Errors
    /// When it holds none.
    pub fn new(first: u16, last: u16) -> Result<Self, InvalidValue> {
        let even = u32::from(first).next_multiple_of(2);
        if first >= 1024 && even < u32::from(last) {
            return Ok(Self { first, last });
        }
        Err(InvalidValue {
            value: format!("{first}-{last}"),
            expected: "a range of ports with room for one even-odd pair, above 1023",
        })
    }

    /// The first port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The last port.
    pub fn last(self) -> u16 {
        self.last
    }

    /// The even ports whose upper neighbour is in the range too: where RTP can be.
    pub fn pairs(self) -> impl Iterator<Item = u16> {
        let first = self.first.next_multiple_of(2);
        (first..self.last).step_by(2)
    }
}

impl Default for PortRange {
    /// 50000-50500: 250 streams.
    fn default() -> Self {
        Self {
            first: 50_000,
            last: 50_500,
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for PortRange {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let ports = text.split_once('-').and_then(|(first, last)| {
            let first = first.trim().parse().ok()?;
            Some((first, last.trim().parse().ok()?))
        });
        match ports {
            Some((first, last)) => Self::new(first, last),
            None => Err(InvalidValue {
                value: text.to_owned(),
                expected: "a range of ports like 50000-50500",
            }),
        }
    }
}

impl TryFrom<String> for PortRange {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> Self {
        range.to_string()
    }
}

/// The rate at which audio is mixed, in samples per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub enum SampleRate {
    /// 16,000: wide band.
    Hz16000,
    /// 32,000: the default, all that voices have.
    #[default]
    Hz32000,
    /// 48,000: full band, the rate of Opus and of most devices.
    Hz48000,
}

impl SampleRate {
    /// Samples per second.
    pub fn hz(self) -> u32 {
        match self {
            Self::Hz16000 => 16_000,
            Self::Hz32000 => 32_000,
            Self::Hz48000 => 48_000,
        }
    }
}

impl TryFrom<u32> for SampleRate {
    type Error = InvalidValue;

    fn try_from(hz: u32) -> Result<Self, InvalidValue> {
        [Self::Hz16000, Self::Hz32000, Self::Hz48000]
            .into_iter()
            .find(|rate| rate.hz() == hz)
            .ok_or_else(|| InvalidValue {
                value: hz.to_string(),
                expected: "16000, 32000 or 48000",
            })
    }
}

impl From<SampleRate> for u32 {
    fn from(rate: SampleRate) -> Self {
        rate.hz()
    }
}

/// A sound device, as a setting names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum SoundDevice {
    /// `system_default`: what the system calls its default.
    #[default]
    SystemDefault,
    /// `none`: silence in its place.
    None,
    /// The device of this name. One that is called as one of the words above cannot be named.
    Named(String),
}

impl SoundDevice {
    const SYSTEM_DEFAULT: &str = "system_default";
    const NONE: &str = "none";
}

impl From<String> for SoundDevice {
    fn from(name: String) -> Self {
        match name.as_str() {
            Self::SYSTEM_DEFAULT => Self::SystemDefault,
            Self::NONE => Self::None,
            _ => Self::Named(name),
        }
    }
}

impl From<SoundDevice> for String {
    fn from(device: SoundDevice) -> Self {
        match device {
            SoundDevice::SystemDefault => SoundDevice::SYSTEM_DEFAULT.to_owned(),
            SoundDevice::None => SoundDevice::NONE.to_owned(),
            SoundDevice::Named(name) => name,
        }
    }
}

/// An audio codec that can be put on a list of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AudioCodec {
    /// Opus (RFC 7587).
    Opus,
    /// G.722 (RFC 3551 §4.5.2).
    G722,
    /// G.711 with µ-law.
    Pcmu,
    /// G.711 with A-law.
    Pcma,
    /// iLBC (RFC 3951).
    Ilbc,
    /// GSM full rate (RFC 3551 §4.5.8).
    Gsm,
}

impl AudioCodec {
    /// All, in the default order of preference: the better sound first.
    pub const ALL: [Self; 6] = [
        Self::Opus,
        Self::G722,
        Self::Pcmu,
        Self::Pcma,
        Self::Ilbc,
        Self::Gsm,
    ];

    /// The encoding's name as in SDP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Ilbc => "iLBC",
            Self::Gsm => "GSM",
        }
    }
}

impl fmt::Display for AudioCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AudioCodec {
    type Err = InvalidValue;

    /// Reads the name in any case.
    fn from_str(name: &str) -> Result<Self, InvalidValue> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.as_str().eq_ignore_ascii_case(name))
            .ok_or_else(|| InvalidValue {
                value: name.to_owned(),
                expected: "one of opus, G722, PCMU, PCMA, iLBC, GSM",
            })
    }
}

impl TryFrom<String> for AudioCodec {
    type Error = InvalidValue;

    fn try_from(name: String) -> Result<Self, InvalidValue> {
        name.parse()
    }
}

impl From<AudioCodec> for String {
    fn from(codec: AudioCodec) -> Self {
        codec.as_str().to_owned()
    }
}

/// Transports as lower-case names.
pub(crate) mod transport_list {
    use super::InvalidValue;
    use offhook_sansio::Transport;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(list: &[Transport], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|transport| transport.as_param()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Transport>, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        let read = |name: &String| {
            name.parse().map_err(|_| InvalidValue {
                value: name.clone(),
                expected: "one of udp, tcp, tls, ws, wss",
            })
        };
        let list: Result<Vec<_>, _> = names.iter().map(read).collect();
        match list {
            Ok(list) if list.is_empty() => Err(D::Error::custom("at least one transport is needed")),
            other => other.map_err(D::Error::custom),
        }
    }

    /// The same where the list may be absent.
    pub(crate) mod option {
        use offhook_sansio::Transport;
        use serde::{Deserializer, Serializer};

        #[expect(clippy::ref_option, reason = "serde gives the field by reference")]
        pub(crate) fn serialize<S: Serializer>(
            list: &Option<Vec<Transport>>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match list {
                Some(list) => super::serialize(list, to),
                None => to.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Vec<Transport>>, D::Error> {
            super::deserialize(from).map(Some)
        }
    }
}

/// A SIP URI as text; `sip:` may be left away.
pub(crate) mod sip_uri {
    use super::InvalidValue;
    use offhook_sip_core::SipUri;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives the field by reference")]
    pub(crate) fn serialize<S: Serializer>(uri: &Option<SipUri>, to: S) -> Result<S::Ok, S::Error> {
        match uri {
            Some(uri) => to.serialize_str(uri.as_str()),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SipUri>, D::Error> {
        let value = String::deserialize(from)?;
        let uri = value.parse().or_else(|_| format!("sip:{value}").parse());
        uri.map(Some).map_err(|_| {
            D::Error::custom(InvalidValue {
                value,
                expected: "a SIP URI like sip:proxy.example.com;transport=tls",
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_range_has_room_for_rtp_and_rtcp() {
        for (text, pairs) in [
            ("50000-50500", Some(250)),
            ("50000-50001", Some(1)),
            ("50001-50003", Some(1)),
            ("50001-50002", None),
            ("50000-50000", None),
            ("60000-50000", None),
            ("65534-65535", Some(1)),
            ("65535-65535", None),
            ("1000-2000", None),
            ("50000", None),
            ("a-b", None),
        ] {
            let range: Result<PortRange, _> = text.parse();
            assert_eq!(
                range.as_ref().ok().map(|range| range.pairs().count()),
                pairs,
                "{text}"
            );
            if let Ok(range) = range {
                assert_eq!(range.to_string(), text);
                assert!(range.pairs().all(|port| port % 2 == 0 && port < range.last()));
            }
        }
        assert_eq!(PortRange::default(), "50000-50500".parse().unwrap());
    }
}
