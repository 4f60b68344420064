//! What an SDP layer and a transport must know of each codec.

use super::{CodecError, Decoder, Encoder, g711};
use crate::session::Impairment;
use std::fmt;
use std::str::FromStr;

/// A codec's name and numbers: what `a=rtpmap`, `a=fmtp` and `a=ptime` are built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecSpec {
    /// The encoding name, in the case in which it is registered. Names compare without case (RFC 8866 §6.6).
    pub name: &'static str,
    /// Ticks per second of the RTP timestamp. For G.722 this is 8000 though it samples at 16000: an old mistake
    /// that RFC 3551 §4.5.2 keeps.
    pub clock_rate: u32,
    /// Channels in the rtpmap. Two for Opus, always (RFC 7587 §7).
    pub channels: u8,
    /// The number given by RFC 3551 §6, if any; others are dynamic.
    pub static_payload: Option<u8>,
    /// Milliseconds of audio per packet unless agreed otherwise.
    pub ptime_ms: u32,
    /// What to say in our own `a=fmtp` by default.
    pub fmtp: Option<&'static str>,
    /// Samples per second of the PCM that goes into the encoder and comes from the decoder.
    pub sample_rate: u32,
}

/// The codecs that are built in.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// G.711 µ-law, 64 kbit/s.
    Pcmu,
    /// G.711 A-law, 64 kbit/s.
    Pcma,
    /// GSM full rate, 13 kbit/s.
    #[cfg(feature = "gsm")]
    Gsm,
    /// G.722, 64 kbit/s, 7 kHz wide.
    #[cfg(feature = "g722")]
    G722,
    /// Opus (RFC 6716), 6 to 510 kbit/s, up to 20 kHz wide.
    #[cfg(feature = "opus")]
    Opus,
}

impl AudioCodec {
    /// All built-in codecs, the best first.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "opus")]
        Self::Opus,
        #[cfg(feature = "g722")]
        Self::G722,
        Self::Pcmu,
        Self::Pcma,
        #[cfg(feature = "gsm")]
        Self::Gsm,
    ];

    /// The codec's name and numbers.
    pub const fn spec(self) -> CodecSpec {
        match self {
            Self::Pcmu => narrowband("PCMU", 0),
            Self::Pcma => narrowband("PCMA", 8),
            #[cfg(feature = "gsm")]
            Self::Gsm => narrowband("GSM", 3),
            #[cfg(feature = "g722")]
            Self::G722 => CodecSpec {
                sample_rate: 16_000,
                ..narrowband("G722", 9)
            },
            #[cfg(feature = "opus")]
            Self::Opus => CodecSpec {
                name: "opus",
                clock_rate: 48_000,
                channels: 2,
                static_payload: None,
                ptime_ms: 20,
                fmtp: Some("useinbandfec=1"),
                sample_rate: 48_000,
            },
        }
    }

    /// What it costs by itself and how it bears loss, for the [estimate](crate::CallQuality) of how a call sounds: ITU-T
    /// G.113 Appendix I for G.711 with concealment. For the wide-band codecs there are no such figures on the narrow-band
    /// scale; they are taken to be as good as G.711, and Opus to bear loss as well as G.711 with concealment does.
    pub const fn impairment(self) -> Impairment {
        match self {
            Self::Pcmu | Self::Pcma => Impairment::G711,
            // G.113 table I.1; of its robustness the tables say nothing: that of GSM EFR.
            #[cfg(feature = "gsm")]
            Self::Gsm => Impairment {
                equipment: 20.0,
                robustness: 10.0,
            },
            #[cfg(feature = "g722")]
            Self::G722 => Impairment::G711,
            #[cfg(feature = "opus")]
            Self::Opus => Impairment::G711,
        }
    }

    /// The codec of an rtpmap's encoding name (in any case), clock rate and channels (1 when left out).
    pub fn from_rtpmap(name: &str, clock_rate: u32, channels: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|codec| {
            let spec = codec.spec();
            spec.name.eq_ignore_ascii_case(name) && spec.clock_rate == clock_rate && spec.channels == channels
        })
    }

    /// The codec of a static payload type (RFC 3551 §6), for m-lines without an rtpmap.
    pub fn from_static_payload(number: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|codec| codec.spec().static_payload == Some(number))
    }

    /// Makes an encoder. `remote_fmtp` are the parameters that the peer gave for its receiver; those that are
    /// unknown or broken are passed over, as RFC 8866 §6.15 leaves them to the format.
    #[cfg_attr(
        not(feature = "opus"),
        expect(unused_variables, reason = "only Opus has parameters")
    )]
    pub fn encoder(self, remote_fmtp: &str) -> Result<Box<dyn Encoder>, CodecError> {
        Ok(match self {
            Self::Pcmu => g711::encoder(g711::Law::U),
            Self::Pcma => g711::encoder(g711::Law::A),
            #[cfg(feature = "gsm")]
            Self::Gsm => super::gsm::encoder(),
            #[cfg(feature = "g722")]
            Self::G722 => Box::new(super::G722Encoder::new()),
            #[cfg(feature = "opus")]
            Self::Opus => super::opus::encoder(super::OpusParameters::parse(remote_fmtp))?,
        })
    }

    /// Makes a decoder.
    pub fn decoder(self) -> Result<Box<dyn Decoder>, CodecError> {
        Ok(match self {
            Self::Pcmu => g711::decoder(g711::Law::U),
            Self::Pcma => g711::decoder(g711::Law::A),
            #[cfg(feature = "gsm")]
            Self::Gsm => super::gsm::decoder(),
            #[cfg(feature = "g722")]
            Self::G722 => super::g722::decoder(),
            #[cfg(feature = "opus")]
            Self::Opus => super::opus::decoder()?,
        })
    }
}

const fn narrowband(name: &'static str, payload: u8) -> CodecSpec {
    CodecSpec {
        name,
        clock_rate: 8000,
        channels: 1,
        static_payload: Some(payload),
        ptime_ms: 20,
        fmtp: None,
        sample_rate: 8000,
    }
}

impl fmt::Display for AudioCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec().name)
    }
}

/// No built-in codec has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec {0:?}")]
pub struct UnknownCodec(pub String);

impl FromStr for AudioCodec {
    type Err = UnknownCodec;

    /// Reads a name in any case, as in a list of codecs in settings.
    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        Self::ALL
            .iter()
            .copied()
            .find(|codec| codec.spec().name.eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownCodec(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_found_by_rtpmap_payload_and_name() {
        for &codec in AudioCodec::ALL {
            let spec = codec.spec();
            assert_eq!(
                AudioCodec::from_rtpmap(&spec.name.to_lowercase(), spec.clock_rate, spec.channels),
                Some(codec)
            );
            assert_eq!(spec.name.to_uppercase().parse(), Ok(codec));
            if let Some(number) = spec.static_payload {
                assert_eq!(AudioCodec::from_static_payload(number), Some(codec));
            }
        }
        assert_eq!(AudioCodec::from_rtpmap("PCMU", 16_000, 1), None);
        assert_eq!("speex".parse::<AudioCodec>(), Err(UnknownCodec("speex".into())));
    }

    #[cfg(feature = "g722")]
    #[test]
    fn g722_counts_8000_ticks_for_16000_samples() {
        let spec = AudioCodec::G722.spec();
        assert_eq!((spec.clock_rate, spec.sample_rate), (8000, 16_000));
    }
}
