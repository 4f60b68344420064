//! What can be ordered while sessions run: one line of standard input each.

use crate::orders::{Kind, Misread, Order, split};
use crate::setup::uri;
use offhook::SipUri;

/// A line that `offhook session` understands.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// Call somebody.
    Call(SipUri, Vec<Kind>),
    /// Say which sessions there are.
    List,
    /// What concerns one session is for this one from now on.
    Use(u64),
    /// Leave the conference to the others, or come back.
    StepOut,
    StepIn,
    /// End all, and the program.
    Quit,
    /// Connect one session with another, and leave both.
    TransferTo {
        session: Option<u64>,
        other: u64,
    },
    /// For one session: the one with this number, or the one that is in use.
    To(Option<u64>, Order),
}

/// What is understood besides orders to one session.
const BESIDES: &str = "\
call URI [audio] [chat] [tool] [share] [view], list, use N, out, in, quit; and, after the number of a session or for the \
one in use: transfer to N, ";

impl Line {
    /// Reads a line; the error is what to tell the person.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        Self::parse(line).map_err(|misread| misread.told(BESIDES))
    }

    fn parse(line: &str) -> Result<Self, Misread> {
        let (word, rest) = split(line);
        if let Ok(number) = word.parse() {
            return Self::of_one(Some(number), rest);
        }
        Ok(match (&*word.to_lowercase(), rest) {
            ("call", rest) if !rest.is_empty() => {
                let (target, kinds) = split(rest);
                let target = uri(target).map_err(|failure| Misread::Wrong(failure.message))?;
                let kinds = match kinds {
                    "" => vec![Kind::Audio],
                    kinds => Kind::read_all(kinds)?,
                };
                if kinds.contains(&Kind::Files) {
                    let wrong = "files are not called for: `send FILE` sends one";
                    return Err(Misread::Wrong(wrong.to_owned()));
                }
                Self::Call(target, kinds)
            }
            ("list", "") => Self::List,
            ("use", number) => Self::Use(number.parse().map_err(|_| Misread::Unknown)?),
            ("out", "") => Self::StepOut,
            ("in", "") => Self::StepIn,
            ("quit", "") => Self::Quit,
            _ => return Self::of_one(None, line),
        })
    }

    /// Reads what is for one session.
    fn of_one(session: Option<u64>, line: &str) -> Result<Self, Misread> {
        let (word, target) = split(line);
        let (to, other) = split(target);
        if word.eq_ignore_ascii_case("transfer") && to.eq_ignore_ascii_case("to") {
            let other = other.parse().map_err(|_| Misread::Unknown)?;
            return Ok(Self::TransferTo { session, other });
        }
        Ok(Self::To(session, Order::read(line)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::Change;
    use offhook::StatusCode;

    #[test]
    fn lines_are_for_all_or_for_one_session() {
        let bob = || "sip:bob@b.test".parse().unwrap();
        for (line, read) in [
            ("call bob@b.test", Line::Call(bob(), vec![Kind::Audio])),
            (
                " Call sip:bob@b.test chat Audio",
                Line::Call(bob(), vec![Kind::Chat, Kind::Audio]),
            ),
            ("call bob@b.test tool", Line::Call(bob(), vec![Kind::Tool])),
            ("use 3", Line::Use(3)),
            ("out", Line::StepOut),
            ("accept", Line::To(None, Order::Accept(vec![]))),
            (
                "2 accept files",
                Line::To(Some(2), Order::Accept(vec![Kind::Files])),
            ),
            ("reject 486", Line::To(None, Order::Reject(StatusCode::BUSY_HERE))),
            ("1 hold", Line::To(Some(1), Order::Change(Change::Hold))),
            (
                "1 transfer to 2",
                Line::TransferTo {
                    session: Some(1),
                    other: 2,
                },
            ),
            (
                "say 2 is too many",
                Line::To(None, Order::Say("2 is too many".into())),
            ),
        ] {
            assert_eq!(Line::read(line), Ok(read), "{line}");
        }
    }

    #[test]
    fn others_say_what_is_understood() {
        for (line, told) in [
            ("dance", "understood: call URI"),
            ("2", "understood: call URI"),
            ("call", "understood: call URI"),
            ("call nowhere", "not a SIP URI"),
            ("call a@b.test video", "no kind of stream"),
            ("call a@b.test files", "send FILE"),
            ("use it", "understood: call URI"),
            ("transfer to bob", "understood: call URI"),
            ("add files", "understood: call URI"),
        ] {
            let error = Line::read(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
