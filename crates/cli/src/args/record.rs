//! What of a call is recorded, and where to.

use clap::{Args, ValueEnum};
use offhook::RecordedParties;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Record the call; it grows as FILE.wav.part until the call is over. Nothing is recorded while either side holds. Further calls
    /// go to FILE-2.wav, FILE-3.wav, ...
    #[arg(long, value_name = "FILE.wav")]
    pub(crate) record: Option<PathBuf>,
    /// Likewise, from the start of each call to a file in this folder that is called after the time and the two sides. It
    /// is made where it is not there
    #[arg(long, value_name = "DIR", conflicts_with = "record")]
    pub(crate) record_dir: Option<PathBuf>,
    /// Whom to record: the other side alone, both mixed, or both apart, we on the left channel
    #[arg(long, value_enum, default_value_t = RecordAs::Remote)]
    pub(crate) record_as: RecordAs,
}

/// Whom a recording keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordAs {
    Remote,
    Mixed,
    Stereo,
}

impl From<RecordAs> for RecordedParties {
    fn from(wanted: RecordAs) -> Self {
        match wanted {
            RecordAs::Remote => Self::Remote,
            RecordAs::Mixed => Self::Mixed,
            RecordAs::Stereo => Self::Separate,
        }
    }
}
