//! What can be ordered while sessions run: one line of standard input each.

use crate::orders::Order;
use crate::setup::uri;
use offhook::{SipUri, StatusCode};
use std::path::PathBuf;

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
    To(Option<u64>, Ask),
}

/// What is asked of one session.
#[derive(Debug, PartialEq)]
pub(super) enum Ask {
    /// Accept it, or what it proposes to add: these kinds of what is proposed, or all that are possible.
    Accept(Vec<Kind>),
    /// Refuse it, or what it proposes to add.
    Reject(StatusCode),
    /// Add streams.
    Add(Vec<Kind>),
    Remove(Kind),
    SendFile(PathBuf),
    /// Say something in its chat.
    Say(String),
    Join,
    Leave,
    /// What any call understands.
    Call(Order),
}

/// A kind of stream that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Audio,
    Chat,
    /// Media of the tool of the command line.
    Tool,
    /// Files that the other side sends.
    Files,
}

pub(super) const KNOWN: &str = "\
call URI [audio] [chat] [tool], list, use N, out, in, quit; and, after the number of a session or for the one in use: \
accept [audio] [chat] [tool] [files], reject [CODE], add audio|chat|tool, remove audio|chat|tool, send FILE, say TEXT, join, \
leave, hold, resume, dtmf DIGITS, transfer URI, transfer to N, codecs LIST, record [FILE.wav], stop-recording, hangup";

impl Line {
    /// Reads a line; the error is what to tell the person.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let (word, rest) = split(line);
        if let Ok(number) = word.parse() {
            return Self::of_one(Some(number), rest);
        }
        Ok(match (&*word.to_lowercase(), rest) {
            ("call", rest) if !rest.is_empty() => {
                let (target, kinds) = split(rest);
                let target = uri(target).map_err(|failure| failure.message)?;
                let kinds = match kinds {
                    "" => vec![Kind::Audio],
                    kinds => Kind::read_all(kinds)?,
                };
                if kinds.contains(&Kind::Files) {
                    return Err("files are not called for: `send FILE` sends one".to_owned());
                }
                Self::Call(target, kinds)
            }
            ("list", "") => Self::List,
            ("use", number) => Self::Use(number.parse().map_err(|_| understands())?),
            ("out", "") => Self::StepOut,
            ("in", "") => Self::StepIn,
            ("quit", "") => Self::Quit,
            _ => return Self::of_one(None, line),
        })
    }

    /// Reads what is for one session.
    fn of_one(session: Option<u64>, line: &str) -> Result<Self, String> {
        let (word, target) = split(line);
        let (to, other) = split(target);
        if word.eq_ignore_ascii_case("transfer") && to.eq_ignore_ascii_case("to") {
            let other = other.parse().map_err(|_| understands())?;
            return Ok(Self::TransferTo { session, other });
        }
        Ok(Self::To(session, Ask::read(line)?))
    }
}

impl Ask {
    fn read(line: &str) -> Result<Self, String> {
        let (word, rest) = split(line);
        Ok(match (&*word.to_lowercase(), rest) {
            ("accept", kinds) => Self::Accept(Kind::read_all(kinds)?),
            ("reject", "") => Self::Reject(StatusCode::DECLINE),
            ("reject", code) => {
                let code = code.parse().ok().filter(|code| (400..700).contains(code));
                let code = code.and_then(StatusCode::new);
                Self::Reject(code.ok_or("a rejection is a number from 400 to 699")?)
            }
            ("add", kinds) => match Kind::read_all(kinds)? {
                kinds if kinds.is_empty() || kinds.contains(&Kind::Files) => return Err(understands()),
                kinds => Self::Add(kinds),
            },
            ("remove", kind) => match Kind::read_all(kind)?[..] {
                [kind @ (Kind::Audio | Kind::Chat | Kind::Tool)] => Self::Remove(kind),
                _ => return Err(understands()),
            },
            ("send", file) if !file.is_empty() => Self::SendFile(file.into()),
            ("say", text) if !text.is_empty() => Self::Say(text.to_owned()),
            ("join", "") => Self::Join,
            ("leave", "") => Self::Leave,
            (
                "hold" | "resume" | "unhold" | "dtmf" | "transfer" | "codecs" | "record" | "stop-recording"
                | "hangup",
                _,
            ) => Self::Call(Order::read(line)?),
            _ => return Err(understands()),
        })
    }
}

impl Kind {
    fn read_all(words: &str) -> Result<Vec<Self>, String> {
        let kinds = words.split_whitespace().map(|word| match &*word.to_lowercase() {
            "audio" => Ok(Self::Audio),
            "chat" => Ok(Self::Chat),
            "tool" => Ok(Self::Tool),
            "files" => Ok(Self::Files),
            _ => Err(format!(
                "`{word}` is no kind of stream: audio, chat, tool or files"
            )),
        });
        kinds.collect()
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

fn understands() -> String {
    format!("what is understood: {KNOWN}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (
                "1 stop-recording",
                Line::To(Some(1), Ask::Call(Order::StopRecording)),
            ),
            ("use 3", Line::Use(3)),
            ("out", Line::StepOut),
            ("accept", Line::To(None, Ask::Accept(vec![]))),
            (
                "2 accept files",
                Line::To(Some(2), Ask::Accept(vec![Kind::Files])),
            ),
            ("reject 486", Line::To(None, Ask::Reject(StatusCode::BUSY_HERE))),
            ("1 hold", Line::To(Some(1), Ask::Call(Order::Hold))),
            (
                "transfer bob@b.test",
                Line::To(None, Ask::Call(Order::Transfer(bob()))),
            ),
            (
                "1 transfer to 2",
                Line::TransferTo {
                    session: Some(1),
                    other: 2,
                },
            ),
            (
                "say 2 is too many",
                Line::To(None, Ask::Say("2 is too many".into())),
            ),
            ("send a b.pdf", Line::To(None, Ask::SendFile("a b.pdf".into()))),
            ("remove chat", Line::To(None, Ask::Remove(Kind::Chat))),
        ] {
            assert_eq!(Line::read(line), Ok(read), "{line}");
        }
    }

    #[test]
    fn others_say_what_is_understood() {
        for (line, told) in [
            ("dance", "understood"),
            ("2", "understood"),
            ("call", "understood"),
            ("call nowhere", "not a SIP URI"),
            ("call a@b.test video", "no kind of stream"),
            ("call a@b.test files", "send FILE"),
            ("use it", "understood"),
            ("reject 200", "400 to 699"),
            ("add files", "understood"),
            ("remove audio chat", "understood"),
            ("transfer to bob", "understood"),
            ("hold on", "understands hold"),
        ] {
            let error = Line::read(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
