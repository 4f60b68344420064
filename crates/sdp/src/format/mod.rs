//! What an RTP payload type stands for.

mod events;
mod ilbc;
mod opus;

pub use events::{MalformedEvents, TelephoneEvents};
pub use ilbc::IlbcMode;
pub use opus::OpusParameters;

use crate::attribute::{Rtpmap, fmtp_parameter};
use crate::{Attributes, Text};

/// One format of an RTP stream: its `rtpmap` and `fmtp` in one value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RtpFormat {
    /// 0 to 127; 96 and up are given out per session (RFC 3551 §3).
    pub payload_type: u8,
    /// The encoding's name; compared without regard to case.
    pub encoding: Text,
    /// Ticks per second of the RTP timestamp. G.722 says 8000 though it samples at 16000 (RFC 3551 §4.5.2).
    pub clock_rate: u32,
    /// Channels; Opus always says 2 (RFC 7587 §7).
    pub channels: u8,
    /// The format's parameters, if there are any.
    pub fmtp: Option<Text>,
}

impl RtpFormat {
    /// A format without parameters.
    pub fn new(payload_type: u8, encoding: impl Into<Text>, clock_rate: u32, channels: u8) -> Self {
        Self {
            payload_type,
            encoding: encoding.into(),
            clock_rate,
            channels,
            fmtp: None,
        }
    }

    /// The same format with parameters.
    #[must_use]
    pub fn with_fmtp(mut self, parameters: impl Into<Text>) -> Self {
        self.fmtp = Some(parameters.into());
        self
    }

    /// G.711 µ-law, payload type 0.
    pub fn pcmu() -> Self {
        Self::new(0, Text::from_static("PCMU"), 8000, 1)
    }

    /// G.711 A-law, payload type 8.
    pub fn pcma() -> Self {
        Self::new(8, Text::from_static("PCMA"), 8000, 1)
    }

    /// G.722, payload type 9.
    pub fn g722() -> Self {
        Self::new(9, Text::from_static("G722"), 8000, 1)
    }

    /// Opus with in-band error correction (RFC 7587 §6.1).
    pub fn opus(payload_type: u8) -> Self {
        Self::new(payload_type, Text::from_static("opus"), 48_000, 2)
            .with_fmtp(Text::from_static("useinbandfec=1"))
    }

    /// Comfort noise beside codecs of 8000 Hz, by its static number (RFC 3389 §4).
    pub fn comfort_noise() -> Self {
        Self::new(13, Text::from_static("CN"), 8000, 1)
    }

    /// DTMF digits and flash as telephone events (RFC 4733 §2.4.1): events 0 to 16.
    pub fn telephone_event(payload_type: u8, clock_rate: u32) -> Self {
        Self::new(payload_type, Text::from_static("telephone-event"), clock_rate, 1)
            .with_fmtp(Text::from_static("0-16"))
    }

    /// The format that RFC 3551 §6 gives to a static payload type.
    pub fn static_payload(payload_type: u8) -> Option<Self> {
        let (_, encoding, clock_rate, channels) = *STATIC_PAYLOADS
            .iter()
            .find(|(number, ..)| *number == payload_type)?;
        Some(Self::new(
            payload_type,
            Text::from_static(encoding),
            clock_rate,
            channels,
        ))
    }

    /// The meaning of a payload type among these attributes.
    pub(crate) fn find(payload_type: u8, attributes: &Attributes) -> Option<Self> {
        let mut format = match attributes
            .rtpmaps()
            .find(|rtpmap| rtpmap.payload_type == payload_type)
        {
            Some(rtpmap) => Self::new(payload_type, rtpmap.encoding, rtpmap.clock_rate, rtpmap.channels),
            None => Self::static_payload(payload_type)?,
        };
        format.fmtp = attributes
            .fmtps()
            .find(|fmtp| fmtp.format.parse() == Ok(payload_type))
            .map(|fmtp| fmtp.parameters);
        Some(format)
    }

    /// The `rtpmap` line of this format.
    pub fn rtpmap(&self) -> Rtpmap {
        Rtpmap {
            payload_type: self.payload_type,
            encoding: self.encoding.clone(),
            clock_rate: self.clock_rate,
            channels: self.channels,
        }
    }

    /// The value of a parameter in the usual syntax `name=value; name=value`.
    pub fn fmtp_parameter(&self, name: &str) -> Option<&str> {
        fmtp_parameter(self.fmtp.as_deref()?, name)
    }

    /// What a receiver of Opus says of itself; `None` for another encoding.
    pub fn opus_parameters(&self) -> Option<OpusParameters> {
        self.is("opus")
            .then(|| OpusParameters::read(self.fmtp.as_deref().unwrap_or_default()))
    }

    /// The frame size of iLBC; `None` for another encoding.
    pub fn ilbc_mode(&self) -> Option<IlbcMode> {
        self.is("iLBC")
            .then(|| IlbcMode::read(self.fmtp_parameter("mode")))
    }

    /// The events that the receiver takes; `None` for another encoding than telephone events. An absent or malformed
    /// list means the DTMF digits.
    pub fn telephone_events(&self) -> Option<TelephoneEvents> {
        self.is("telephone-event").then(|| {
            let list = self.fmtp.as_deref().and_then(|list| list.parse().ok());
            list.unwrap_or(TelephoneEvents::DTMF)
        })
    }

    /// True when the encoding has that name, in any case.
    pub fn is(&self, encoding: &str) -> bool {
        self.encoding.eq_ignore_ascii_case(encoding)
    }

    /// True for what accompanies a codec and is none itself: events, comfort noise and redundancy.
    pub fn is_auxiliary(&self) -> bool {
        ["telephone-event", "CN", "red"].iter().any(|name| self.is(name))
    }

    /// True when both are the same encoding, whatever their payload types and parameters.
    ///
    /// For Opus the channels are not compared: it is always `opus/48000/2` (RFC 7587 §7), and peers that leave the
    /// `/2` away mean the same.
    pub fn same_encoding(&self, other: &Self) -> bool {
        self.encoding.eq_ignore_ascii_case(&other.encoding)
            && self.clock_rate == other.clock_rate
            && (self.channels == other.channels || self.is("opus"))
    }
}

/// Static payload types: number, encoding, clock rate, channels (RFC 3551 §6, tables 4 and 5).
const STATIC_PAYLOADS: &[(u8, &str, u32, u8)] = &[
    (0, "PCMU", 8000, 1),
    (3, "GSM", 8000, 1),
    (4, "G723", 8000, 1),
    (5, "DVI4", 8000, 1),
    (6, "DVI4", 16_000, 1),
    (7, "LPC", 8000, 1),
    (8, "PCMA", 8000, 1),
    (9, "G722", 8000, 1),
    (10, "L16", 44_100, 2),
    (11, "L16", 44_100, 1),
    (12, "QCELP", 8000, 1),
    (13, "CN", 8000, 1),
    (14, "MPA", 90_000, 1),
    (15, "G728", 8000, 1),
    (16, "DVI4", 11_025, 1),
    (17, "DVI4", 22_050, 1),
    (18, "G729", 8000, 1),
    (25, "CelB", 90_000, 1),
    (26, "JPEG", 90_000, 1),
    (28, "nv", 90_000, 1),
    (31, "H261", 90_000, 1),
    (32, "MPV", 90_000, 1),
    (33, "MP2T", 90_000, 1),
    (34, "H263", 90_000, 1),
];
