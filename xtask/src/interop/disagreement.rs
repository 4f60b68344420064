//! What a scenario can end with when it does not pass: the program, the machine, or the harness.

use std::fmt::{Debug, Display};
use std::path::Path;
use std::time::Duration;

/// Why a scenario failed. Values first: what was wanted, what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum Disagreement {
    /// The scenario could not be set up; nobody is to blame but the machine or the harness.
    #[error("{path}: {cause}")]
    File { path: String, cause: std::io::Error },
    #[error("cannot start {program}: {cause}")]
    Start { program: String, cause: std::io::Error },
    #[error("no block of {count} free ports on the loopback address")]
    NoFreePorts { count: u16 },
    #[error("baresip's control connection: {0}")]
    Control(std::io::Error),
    #[error("baresip refused `{command}`")]
    Refused { command: String },

    /// Somebody did not do what was waited for.
    #[error("{who}: no {what} within {} ms", within.as_millis())]
    Missing {
        who: String,
        what: String,
        within: Duration,
    },
    #[error("{who} left with code {code:?} before {what}")]
    LeftEarly {
        who: String,
        what: String,
        code: Option<i32>,
    },
    #[error("{what}: wanted {want}, got {got}")]
    Differs { what: String, want: String, got: String },
    #[error("{path}: {complaint}")]
    Wave { path: String, complaint: String },
    #[error("capture, frame {frame}: {complaint}")]
    Packet { frame: u64, complaint: String },
    #[error("capture: {0}")]
    Capture(String),
}

impl Disagreement {
    pub(super) fn file(path: &Path, cause: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            cause,
        }
    }

    pub(super) fn wave(path: &Path, complaint: &dyn Display) -> Self {
        Self::Wave {
            path: path.display().to_string(),
            complaint: complaint.to_string(),
        }
    }
}

/// Fails with both values when they are not the same.
pub(super) fn same<T: PartialEq + Debug + ?Sized>(what: &str, got: &T, want: &T) -> Result<(), Disagreement> {
    holds(
        what,
        got == want,
        &format_args!("{want:?}"),
        &format_args!("{got:?}"),
    )
}

/// Fails with both texts when the check does not hold.
pub(super) fn holds(
    what: &str,
    check: bool,
    want: &dyn Display,
    got: &dyn Display,
) -> Result<(), Disagreement> {
    if check {
        return Ok(());
    }
    Err(Disagreement::Differs {
        what: what.to_owned(),
        want: want.to_string(),
        got: got.to_string(),
    })
}
