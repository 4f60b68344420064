//! What a person, or a script, orders while a call runs: one line of standard input each.

use crate::report::Reporter;
use crate::setup::uri;
use offhook::{CommandError, Digit, Session, SipUri};
use serde_json::json;

/// A line that a call understands.
#[derive(Debug, PartialEq)]
pub(crate) enum Order {
    Hold,
    Resume,
    Dial(Vec<Digit>),
    Transfer(SipUri),
    HangUp,
}

/// What the lines may be, for whoever typed something else.
const KNOWN: &str = "hold, resume, dtmf DIGITS, transfer URI, or hangup";

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
        let Ok(Order::Transfer(target)) = Order::read("transfer bob@b.test") else {
            panic!()
        };
        assert_eq!(target.to_string(), "sip:bob@b.test");
        for (line, told) in [
            ("dance", "understands hold"),
            ("hold on", "understands hold"),
            ("transfer", "understands hold"),
            ("dtmf 1x", "x"),
            ("transfer nowhere", "not a SIP URI"),
        ] {
            let error = Order::read(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
