//! The parameters of Opus.

use crate::attribute::fmtp_parameter;
use std::fmt;

/// What a receiver of Opus says of itself (RFC 7587 §6.1). All are hints of one direction: keep to the peer's when
/// sending. A malformed or absent parameter has its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the RFC")]
pub struct OpusParameters {
    /// `maxplaybackrate`: the receiver plays no more than this, in Hz. 8000 to 48000, default 48000.
    pub max_playback_rate: u32,
    /// `sprop-maxcapturerate`: the author will not send more than this, in Hz. 8000 to 48000, default 48000.
    pub max_capture_rate: u32,
    /// `maxaveragebitrate` in bits per second, 6000 to 510000; `None` as the rate and channels suggest.
    pub max_average_bitrate: Option<u32>,
    /// `stereo`: the receiver prefers two channels. Default no.
    pub stereo: bool,
    /// `sprop-stereo`: the author is likely to send two channels. Default no.
    pub sends_stereo: bool,
    /// `cbr`: the receiver prefers a constant bit rate. Default no.
    pub constant_bitrate: bool,
    /// `useinbandfec`: the receiver makes use of error correction. Default no.
    pub in_band_fec: bool,
    /// `usedtx`: the receiver prefers that silence is not sent. Default no.
    pub dtx: bool,
}

impl Default for OpusParameters {
    fn default() -> Self {
        Self {
            max_playback_rate: 48_000,
            max_capture_rate: 48_000,
            max_average_bitrate: None,
            stereo: false,
            sends_stereo: false,
            constant_bitrate: false,
            in_band_fec: false,
            dtx: false,
        }
    }
}

impl OpusParameters {
    pub(super) fn read(fmtp: &str) -> Self {
        let number = |name, range: std::ops::RangeInclusive<u32>| {
            let value: u32 = fmtp_parameter(fmtp, name)?.parse().ok()?;
            range.contains(&value).then_some(value)
        };
        let rate = |name| number(name, 8_000..=48_000).unwrap_or(48_000);
        let flag = |name| fmtp_parameter(fmtp, name) == Some("1");
        Self {
            max_playback_rate: rate("maxplaybackrate"),
            max_capture_rate: rate("sprop-maxcapturerate"),
            max_average_bitrate: number("maxaveragebitrate", 6_000..=510_000),
            stereo: flag("stereo"),
            sends_stereo: flag("sprop-stereo"),
            constant_bitrate: flag("cbr"),
            in_band_fec: flag("useinbandfec"),
            dtx: flag("usedtx"),
        }
    }
}

impl fmt::Display for OpusParameters {
    /// Writes what differs from the defaults, as the value of `fmtp`; nothing when nothing does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |rate: u32| (rate != 48_000).then_some(rate);
        let flag = |flag: bool| flag.then_some(1);
        let mut separator = "";
        for (name, value) in [
            ("maxplaybackrate", rate(self.max_playback_rate)),
            ("sprop-maxcapturerate", rate(self.max_capture_rate)),
            ("maxaveragebitrate", self.max_average_bitrate),
            ("stereo", flag(self.stereo)),
            ("sprop-stereo", flag(self.sends_stereo)),
            ("cbr", flag(self.constant_bitrate)),
            ("useinbandfec", flag(self.in_band_fec)),
            ("usedtx", flag(self.dtx)),
        ] {
            if let Some(value) = value {
                write!(f, "{separator}{name}={value}")?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpFormat;

    #[test]
    fn the_example_of_the_rfc_is_read_and_written_back() {
        // RFC 7587 §7
        let fmtp = "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; useinbandfec=1; \
                    usedtx=0";
        let opus = RtpFormat::new(101, "opus", 48_000, 2)
            .with_fmtp(fmtp)
            .opus_parameters()
            .unwrap();
        assert_eq!((opus.max_playback_rate, opus.max_capture_rate), (16_000, 16_000));
        assert_eq!(opus.max_average_bitrate, Some(20_000));
        assert!(opus.stereo && opus.in_band_fec && !opus.dtx && !opus.constant_bitrate);
        assert_eq!(opus.to_string(), fmtp.replace("; usedtx=0", ""));
        assert_eq!(OpusParameters::read(&opus.to_string()), opus);
    }

    #[test]
    fn nonsense_counts_as_nothing() {
        let plain = RtpFormat::new(101, "opus", 48_000, 2);
        assert_eq!(plain.opus_parameters(), Some(OpusParameters::default()));
        let odd = plain.with_fmtp("maxplaybackrate=7999;maxaveragebitrate=999999;stereo=yes;usedtx");
        assert_eq!(odd.opus_parameters(), Some(OpusParameters::default()));
        assert_eq!(OpusParameters::default().to_string(), "");
        assert_eq!(RtpFormat::pcmu().opus_parameters(), None);
    }
}
