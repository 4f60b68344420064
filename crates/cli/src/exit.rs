//! Why the program leaves, as a number for scripts and a sentence for people.

use std::fmt;
use std::process::ExitCode;

/// The documented exit codes; `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Internal = 1,
    Usage = 2,
    Uri = 10,
    Codec = 11,
    Play = 12,
    Record = 13,
    Listen = 14,
    Unreachable = 15,
    Device = 16,
    Declined = 20,
    Busy = 21,
    NotAnswered = 22,
    Credentials = 23,
    NotDelivered = 24,
    Desktop = 25,
    Relay = 26,
    Registration = 30,
    Subscription = 31,
    Publication = 32,
}

impl Code {
    /// Whether it is the other side's doing, or that of the way to it.
    pub(crate) fn is_of_call(self) -> bool {
        matches!(
            self,
            Self::Declined | Self::Busy | Self::NotAnswered | Self::Unreachable | Self::Credentials
        )
    }

    /// The code for a call that was refused with a SIP status, or that failed on this side (0).
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            401 | 403 | 407 => Self::Credentials,
            408 | 480 | 487 => Self::NotAnswered,
            486 | 600 => Self::Busy,
            0 => Self::Internal,
            404 | 502..=504 => Self::Unreachable,
            _ => Self::Declined,
        }
    }
}

/// A failure: what happened and what to do about it, in one sentence.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_map_to_what_a_script_wants_to_know() {
        for (status, code) in [
            (486, Code::Busy),
            (600, Code::Busy),
            (603, Code::Declined),
            (488, Code::Declined),
            (487, Code::NotAnswered),
            (408, Code::NotAnswered),
            (407, Code::Credentials),
            (404, Code::Unreachable),
        ] {
            assert_eq!(Code::of_status(status), code, "{status}");
        }
    }
}
