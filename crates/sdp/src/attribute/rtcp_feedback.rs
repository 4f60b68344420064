//! `a=rtcp-fb`: which feedback a receiver of RTP gives (RFC 4585 §4.2).

use super::lex::{decimal, is_token};
use super::typed::{tokens, typed_attribute};
use crate::Text;
use std::fmt;

/// One kind of feedback, for one format or for all (RFC 4585 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RtcpFeedback {
    /// The payload type, 0 to 127; `None` for `*`, all of them.
    pub payload_type: Option<u8>,
    /// The kind.
    pub kind: FeedbackKind,
    /// What follows the kind: `pli`, `fir`, milliseconds for `trr-int`, ...
    pub parameter: Option<Text>,
}

tokens! {
    /// The kind of feedback.
    FeedbackKind {
        /// `ack`: what arrived.
        Ack = "ack",
        /// `nack`: what was lost; with `pli` a picture, with `rpsi` and `sli` parts of one.
        Nack = "nack",
        /// `trr-int`: least milliseconds between regular reports.
        TrrInt = "trr-int",
        /// `ccm`: codec control (RFC 5104 §7.1).
        Ccm = "ccm",
    }
}

impl RtcpFeedback {
    /// The least time between regular reports in milliseconds, for `trr-int`.
    pub fn trr_int(&self) -> Option<u32> {
        match self.kind {
            FeedbackKind::TrrInt => decimal(self.parameter.as_deref()?),
            _ => None,
        }
    }

    fn read(value: &str) -> Option<Self> {
        let (format, rest) = value.split_once(' ')?;
        let payload_type = match format {
            "*" => None,
            number => Some(decimal(number).filter(|number| *number <= 127)?),
        };
        let rest = rest.trim();
        let (kind, parameter) = match rest.split_once(' ') {
            Some((kind, parameter)) => (kind, Some(parameter.trim())),
            None => (rest, None),
        };
        let feedback = Self {
            payload_type,
            kind: FeedbackKind::from(Some(kind).filter(|kind| is_token(kind))?),
            parameter: parameter.map(Text::from),
        };
        let lacks_time = feedback.kind == FeedbackKind::TrrInt && feedback.trr_int().is_none();
        let lacks_parameter = feedback.kind == FeedbackKind::Ccm && feedback.parameter.is_none();
        (!lacks_time && !lacks_parameter).then_some(feedback)
    }
}

typed_attribute!(RtcpFeedback, "rtcp-fb");

impl fmt::Display for RtcpFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(payload_type) => write!(f, "{payload_type} {}", self.kind)?,
            None => write!(f, "* {}", self.kind)?,
        }
        match &self.parameter {
            Some(parameter) => write!(f, " {parameter}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_rfcs_and_of_browsers_are_read_and_written_back() {
        // RFC 4585 §4.5, RFC 5104 §7.3
        for value in [
            "* nack",
            "98 nack rpsi",
            "98 nack",
            "* ack rpsi",
            "96 trr-int 100",
            "* ccm tmmbr smaxpr=120",
            "111 transport-cc",
            "96 goog-remb",
        ] {
            assert_eq!(value.parse::<RtcpFeedback>().unwrap().to_string(), value);
        }
        assert_eq!(
            "* trr-int 5000".parse::<RtcpFeedback>().unwrap().trr_int(),
            Some(5000)
        );
    }

    #[test]
    fn broken_lines_are_malformed() {
        for value in [
            "",
            "*",
            "* ",
            "128 nack",
            "x nack",
            "* trr-int",
            "* trr-int soon",
            "* ccm",
            "* a:b",
        ] {
            assert!(value.parse::<RtcpFeedback>().is_err(), "{value}");
        }
    }
}
