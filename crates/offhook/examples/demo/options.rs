//! What the demo can be asked for.

use clap::{Parser, ValueEnum};
use offhook::AudioCodec;
use std::path::PathBuf;

/// Calls a test number on this machine, plays it a wave file, and measures what both sides hear.
#[derive(Parser)]
#[command(bin_name = "cargo xtask demo")]
pub(crate) struct Options {
    /// How the sound travels.
    #[arg(long, value_enum, ignore_case = true, default_value_t = Codec::Opus)]
    codec: Codec,
    /// Seconds of sound to play; a longer file is cut.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) seconds: u16,
    /// The folder for the recordings and the picture.
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    pub(crate) out: PathBuf,
    /// A wave file to play instead of a tune.
    #[arg(long, value_name = "FILE.wav")]
    pub(crate) play: Option<PathBuf>,
}

impl Options {
    pub(crate) fn codec(&self) -> AudioCodec {
        match self.codec {
            Codec::Opus => AudioCodec::Opus,
            Codec::G722 => AudioCodec::G722,
            Codec::Pcmu => AudioCodec::Pcmu,
            Codec::Pcma => AudioCodec::Pcma,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Codec {
    /// 48 kHz, 32 kbit/s.
    Opus,
    /// 16 kHz, 64 kbit/s.
    G722,
    /// 8 kHz, 64 kbit/s, µ-law.
    Pcmu,
    /// 8 kHz, 64 kbit/s, A-law.
    Pcma,
}
