//! The codecs that both sides have, under the names that each side gives them.

/// A codec of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Pcmu,
    Pcma,
    Gsm,
    G722,
    Opus,
    /// Linear audio, one channel of 16 kHz. Of two channels baresip 1.0 sends too little.
    L16,
}

impl Codec {
    /// As `--codec` takes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Gsm => "GSM",
            Self::G722 => "G722",
            Self::Opus => "opus",
            Self::L16 => "L16/16000",
        }
    }

    /// The encoding name of RFC 3551 or RFC 7587, as `did_start` reports it.
    pub(super) fn encoding(self) -> &'static str {
        self.name().split('/').next().unwrap_or_default()
    }

    /// Name, true sampling rate and channels, as baresip's `audio_codecs` wants them.
    pub(super) fn in_baresip(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000/1",
            Self::Pcma => "PCMA/8000/1",
            Self::Gsm => "GSM/8000/1",
            Self::G722 => "G722/16000/1",
            Self::Opus => "opus/48000/2",
            Self::L16 => "L16/16000/1",
        }
    }

    /// Samples of one channel in a second. G.722 samples at 16 kHz, whatever its RTP clock says (RFC 3551 §4.5.2).
    pub(super) fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::Gsm => 8_000,
            Self::G722 | Self::L16 => 16_000,
            Self::Opus => 48_000,
        }
    }
}
