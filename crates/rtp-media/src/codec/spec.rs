//! What an SDP layer and a transport must know of each codec.

#[cfg(feature = "ilbc")]
use super::IlbcMode;
use super::{CodecError, Decoder, Encoder, L16, MAX_PACKET_MS, g711};
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
    /// iLBC, 13.33 or 15.2 kbit/s: bears loss well, as its frames stand by themselves.
    #[cfg(feature = "ilbc")]
    Ilbc(IlbcMode),
    /// G.722, 64 kbit/s, 7 kHz wide.
    #[cfg(feature = "g722")]
    G722,
    /// Linear audio, 128 kbit/s and far more: for a network of one's own.
    L16(L16),
    /// Opus (RFC 6716), 6 to 510 kbit/s, up to 20 kHz wide.
    #[cfg(feature = "opus")]
    Opus,
}

impl AudioCodec {
    /// The codecs that are offered unless others are chosen, the best first: all but [`L16`](Self::L16).
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "opus")]
        Self::Opus,
        #[cfg(feature = "g722")]
        Self::G722,
        Self::Pcmu,
        Self::Pcma,
        // The mode that fits packets of 20 ms, as the others have; the peer's may make it the other (RFC 3952 §5).
        #[cfg(feature = "ilbc")]
        Self::Ilbc(IlbcMode::Ms20),
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
            #[cfg(feature = "ilbc")]
            Self::Ilbc(mode) => CodecSpec {
                static_payload: None,
                ptime_ms: mode.ms(),
                fmtp: Some(mode.fmtp()),
                ..narrowband("iLBC", 0)
            },
            #[cfg(feature = "g722")]
            Self::G722 => CodecSpec {
                sample_rate: 16_000,
                ..narrowband("G722", 9)
            },
            Self::L16(format) => CodecSpec {
                name: "L16",
                clock_rate: format.sample_rate(),
                channels: format.channels(),
                static_payload: format.static_payload(),
                ptime_ms: 20,
                fmtp: None,
                sample_rate: format.sample_rate(),
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
            Self::Pcmu | Self::Pcma | Self::L16(_) => Impairment::G711,
            // G.113 table I.1; of its robustness the tables say nothing: that of GSM EFR.
            #[cfg(feature = "gsm")]
            Self::Gsm => Impairment {
                equipment: 20.0,
                robustness: 10.0,
            },
            // Taken to be as G.729A with silence detection, to which it is likened (G.113 table I.1).
            #[cfg(feature = "ilbc")]
            Self::Ilbc(_) => Impairment {
                equipment: 11.0,
                robustness: 19.0,
            },
            #[cfg(feature = "g722")]
            Self::G722 => Impairment::G711,
            #[cfg(feature = "opus")]
            Self::Opus => Impairment::G711,
        }
    }

    /// The codec of an rtpmap's encoding name (in any case), clock rate and channels (1 when left out).
    pub fn from_rtpmap(name: &str, clock_rate: u32, channels: u8) -> Option<Self> {
        let listed = Self::ALL.iter().copied().find(|codec| {
            let spec = codec.spec();
            spec.name.eq_ignore_ascii_case(name) && spec.clock_rate == clock_rate && spec.channels == channels
        });
        listed.or_else(|| {
            let linear = L16::new(clock_rate, channels).filter(|_| name.eq_ignore_ascii_case("L16"))?;
            Some(Self::L16(linear))
        })
    }

    /// About the octets of a payload of this many milliseconds; for those that are compressed far, those of G.711.
    pub(crate) fn octets_of(self, ms: u32) -> usize {
        let per_second = match self {
            Self::L16(format) => format.sample_rate() * u32::from(format.channels()) * 2,
            _ => 8000,
        };
        (per_second as usize).div_ceil(1000) * ms as usize
    }

    /// Whether a packet may hold this many milliseconds: 10 to 120 in steps of 10, for GSM in steps of 20, for iLBC in steps of its
    /// frames. Opus has no 30, 50, 70, 90 and 110.
    pub const fn allows_ptime(self, ms: u32) -> bool {
        let steps = match self {
            #[cfg(feature = "gsm")]
            Self::Gsm => ms.is_multiple_of(20),
            #[cfg(feature = "ilbc")]
            Self::Ilbc(mode) => ms.is_multiple_of(mode.ms()),
            #[cfg(feature = "opus")]
            Self::Opus => ms == 10 || ms.is_multiple_of(20),
            _ => ms.is_multiple_of(10),
        };
        steps && ms >= 10 && ms <= MAX_PACKET_MS
    }

    /// The longest packet of at most `ms` milliseconds, or the shortest there is: what to make of the peer's `ptime` and
    /// `maxptime` (RFC 8866 §6.4).
    pub fn ptime_within(self, ms: u32) -> u32 {
        let allowed = |ms: &u32| self.allows_ptime(*ms);
        (10..=ms.min(MAX_PACKET_MS))
            .rev()
            .find(allowed)
            .or_else(|| (10..=MAX_PACKET_MS).find(allowed))
            .unwrap_or(self.spec().ptime_ms)
    }

    /// The codec of a static payload type (RFC 3551 §6), for m-lines without an rtpmap.
    pub fn from_static_payload(number: u8) -> Option<Self> {
        let linear = [L16::new(44_100, 2), L16::new(44_100, 1)];
        let linear = linear.into_iter().flatten().map(Self::L16);
        Self::ALL
            .iter()
            .copied()
            .chain(linear)
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
            #[cfg(feature = "ilbc")]
            Self::Ilbc(mode) => super::ilbc::encoder(mode),
            #[cfg(feature = "g722")]
            Self::G722 => Box::new(super::G722Encoder::new()),
            Self::L16(format) => super::l16::encoder(format),
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
            #[cfg(feature = "ilbc")]
            Self::Ilbc(_) => super::ilbc::decoder(),
            #[cfg(feature = "g722")]
            Self::G722 => super::g722::decoder(),
            Self::L16(format) => super::l16::decoder(format),
            #[cfg(feature = "opus")]
            Self::Opus => super::opus::decoder()?,
        })
    }
}

/// The name of iLBC that offers nothing but frames of 30 ms.
#[cfg(feature = "ilbc")]
const ILBC_30: &str = "iLBC/30";

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
    /// The encoding name; for linear audio with rate and channels, for iLBC in frames of 30 ms with these, as [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L16(format) if format.channels() > 1 => {
                write!(f, "L16/{}/{}", format.sample_rate(), format.channels())
            }
            Self::L16(format) => write!(f, "L16/{}", format.sample_rate()),
            #[cfg(feature = "ilbc")]
            Self::Ilbc(IlbcMode::Ms30) => f.write_str(ILBC_30),
            _ => f.write_str(self.spec().name),
        }
    }
}

/// No built-in codec has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown codec {0:?}")]
pub struct UnknownCodec(pub String);

impl FromStr for AudioCodec {
    type Err = UnknownCodec;

    /// Reads a name in any case, as in a list of codecs in settings: `PCMU`, `opus`; linear audio with its rate, and its channels
    /// where there are two: `L16/16000`, `L16/44100/2`. `iLBC` offers frames of 20 ms and takes those of 30, `iLBC/30` knows no other.
    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        #[cfg(feature = "ilbc")]
        if name.eq_ignore_ascii_case(ILBC_30) {
            return Ok(Self::Ilbc(IlbcMode::Ms30));
        }
        let named = Self::ALL
            .iter()
            .copied()
            .find(|codec| codec.spec().name.eq_ignore_ascii_case(name));
        let linear = || {
            let (encoding, numbers) = name.split_once('/')?;
            let (rate, channels) = numbers.split_once('/').unwrap_or((numbers, "1"));
            Self::from_rtpmap(encoding, rate.parse().ok()?, channels.parse().ok()?)
                .filter(|codec| matches!(codec, Self::L16(_)))
        };
        named.or_else(linear).ok_or_else(|| UnknownCodec(name.to_owned()))
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

    #[test]
    fn linear_audio_is_found_at_each_rate_and_offered_to_nobody_unasked() {
        for (rate, channels, name) in [
            (8000, 1, "L16/8000"),
            (44_100, 2, "L16/44100/2"),
            (48_000, 1, "l16/48000/1"),
        ] {
            let codec = AudioCodec::from_rtpmap("l16", rate, channels).unwrap();
            assert_eq!(name.parse(), Ok(codec));
            assert_eq!(codec.to_string().parse(), Ok(codec));
            assert!(!AudioCodec::ALL.contains(&codec));
        }
        for (number, channels) in [(10, 2), (11, 1)] {
            let spec = AudioCodec::from_static_payload(number).unwrap().spec();
            assert_eq!(
                (spec.name, spec.clock_rate, spec.channels),
                ("L16", 44_100, channels)
            );
        }
        for name in ["L16", "L16/", "L16/11025", "L16/48000/3", "PCMU/8000"] {
            assert_eq!(name.parse::<AudioCodec>(), Err(UnknownCodec(name.into())));
        }
    }

    #[test]
    fn packet_times_are_those_that_the_codec_can_make() {
        for (codec, wanted, given) in [
            (AudioCodec::Pcmu, 20, 20),
            (AudioCodec::Pcmu, 35, 30),
            (AudioCodec::Pcmu, 5, 10),
            (AudioCodec::Pcmu, 1000, 120),
            #[cfg(feature = "gsm")]
            (AudioCodec::Gsm, 30, 20),
            #[cfg(feature = "gsm")]
            (AudioCodec::Gsm, 10, 20),
            #[cfg(feature = "ilbc")]
            (AudioCodec::Ilbc(IlbcMode::Ms20), 30, 20),
            #[cfg(feature = "ilbc")]
            (AudioCodec::Ilbc(IlbcMode::Ms30), 20, 30),
            #[cfg(feature = "ilbc")]
            (AudioCodec::Ilbc(IlbcMode::Ms30), 100, 90),
            #[cfg(feature = "opus")]
            (AudioCodec::Opus, 50, 40),
            #[cfg(feature = "opus")]
            (AudioCodec::Opus, 3, 10),
        ] {
            assert_eq!(codec.ptime_within(wanted), given, "{codec} {wanted}");
        }
    }

    #[cfg(feature = "ilbc")]
    #[test]
    fn ilbc_has_a_name_for_each_mode() {
        for (name, mode) in [("iLBC", IlbcMode::Ms20), ("iLBC/30", IlbcMode::Ms30)] {
            let codec = AudioCodec::Ilbc(mode);
            assert_eq!(
                (codec.to_string(), name.to_lowercase().parse()),
                (name.to_owned(), Ok(codec))
            );
            assert_eq!(codec.spec().fmtp, Some(mode.fmtp()));
            assert_eq!(codec.spec().ptime_ms, mode.ms());
        }
    }

    #[cfg(feature = "g722")]
    #[test]
    fn g722_counts_8000_ticks_for_16000_samples() {
        let spec = AudioCodec::G722.spec();
        assert_eq!((spec.clock_rate, spec.sample_rate), (8000, 16_000));
    }
}
