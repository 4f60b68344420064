//! What a person, or a script, orders while a call runs: one line of standard input each.

use crate::report::Reporter;
use crate::setup::uri;
use offhook::{AudioCodec, CommandError, Digit, RecordingOptions, Session, SipUri, UnknownCodec};
use serde_json::json;
use std::path::PathBuf;

/// A line that a call understands.
#[derive(Debug, PartialEq)]
pub(crate) enum Order {
    Hold,
    Resume,
    Dial(Vec<Digit>),
    Transfer(SipUri),
    /// Speak by other codecs.
    Codecs(Vec<AudioCodec>),
    /// To this file, or to one that is called after the time and the two sides.
    Record(Option<PathBuf>),
    StopRecording,
    HangUp,
}

/// What the lines may be, for whoever typed something else.
const KNOWN: &str =
    "hold, resume, dtmf DIGITS, transfer URI, codecs LIST, record [FILE.wav], stop-recording, or hangup";

impl Order {
    /// Reads a line; the error is what to tell the person.
    pub(crate) fn read(line: &str) -> Result<Self, String> {
        let (word, rest) = line
            .trim()
            .split_once(char::is_whitespace)
            .unwrap_or((line.trim(), ""));
        let rest = rest.trim();
        match (word.to_lowercase().as_str(), rest) {
            ("hold", "") => Ok(Self::Hold),
            ("resume" | "unhold", "") => Ok(Self::Resume),
            ("hangup", "") => Ok(Self::HangUp),
            ("transfer", target) if !target.is_empty() => {
                uri(target).map(Self::Transfer).map_err(|failure| failure.message)
            }
            ("codecs", names) if !names.is_empty() => {
                let codecs: Result<_, _> = names.split(',').map(|name| name.trim().parse()).collect();
                codecs
                    .map(Self::Codecs)
                    .map_err(|error: UnknownCodec| error.to_string())
            }
            ("record", path) => Ok(Self::Record((!path.is_empty()).then(|| path.into()))),
            ("stop-recording", "") => Ok(Self::StopRecording),
            ("dtmf", digits) if !digits.is_empty() => {
                let digits: Result<_, _> = digits.chars().map(Digit::try_from).collect();
                digits.map(Self::Dial).map_err(|error| error.to_string())
            }
            _ => Err(format!("a call understands {KNOWN}")),
        }
    }

    /// Has it carried out, all but the end of the call, which is its caller's.
    pub(crate) async fn carry_out(self, session: &Session) -> Result<(), CommandError> {
        match self {
            Self::Hold => session.hold().await,
            Self::Resume => session.unhold().await,
            Self::Transfer(target) => session.transfer(target.into()).await,
            Self::Dial(digits) => dial(session, digits).await,
            Self::Codecs(codecs) => session.set_codecs(codecs).await,
            Self::Record(path) => {
                let options = RecordingOptions {
                    path,
                    ..RecordingOptions::default()
                };
                session.start_recording(options).await.map(drop)
            }
            Self::StopRecording => session.stop_recording().await.map(drop),
            Self::HangUp => Ok(()),
        }
    }
}

async fn dial(session: &Session, digits: Vec<Digit>) -> Result<(), CommandError> {
    for digit in digits {
        session.send_dtmf(digit).await?;
    }
    Ok(())
}

/// Tells why an order is not carried out.
pub(crate) fn refused(reporter: Reporter, reason: &str) {
    reporter.say(
        "order_refused",
        json!({ "reason": reason }),
        &format!("Not done: {reason}"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_in_any_case_and_others_say_what_is_known() {
        assert_eq!(Order::read("hold"), Ok(Order::Hold));
        assert_eq!(Order::read("  Resume "), Ok(Order::Resume));
        assert_eq!(Order::read("hangup"), Ok(Order::HangUp));
        let Ok(Order::Dial(digits)) = Order::read("dtmf 1#A") else {
            panic!()
        };
        assert_eq!(digits.len(), 3);
        let opus = Order::Codecs(vec![AudioCodec::Pcma, AudioCodec::Opus]);
        assert_eq!(Order::read("codecs PCMA, opus"), Ok(opus));
        assert_eq!(Order::read("record"), Ok(Order::Record(None)));
        assert_eq!(
            Order::read("record a b.wav"),
            Ok(Order::Record(Some("a b.wav".into())))
        );
        assert_eq!(Order::read("stop-recording"), Ok(Order::StopRecording));
        let Ok(Order::Transfer(target)) = Order::read("transfer bob@b.test") else {
            panic!()
        };
        assert_eq!(target.to_string(), "sip:bob@b.test");
        for (line, told) in [
            ("dance", "understands hold"),
            ("hold on", "understands hold"),
            ("transfer", "understands hold"),
            ("dtmf 1x", "x"),
            ("codecs PCMX", "PCMX"),
            ("transfer nowhere", "not a SIP URI"),
        ] {
            let error = Order::read(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
