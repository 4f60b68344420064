//! What a person, or a script, orders while a session runs: one line of standard input each.

use crate::report::Reporter;
use crate::setup::uri;
use offhook::{AudioCodec, CommandError, Digit, RecordingOptions, Session, SipUri, StatusCode, UnknownCodec};
use serde_json::json;
use std::path::PathBuf;

/// What is ordered of one session.
#[derive(Debug, PartialEq)]
pub(crate) enum Order {
    /// Accept it, or what it proposes to add: these kinds of what is proposed, or all that are possible.
    Accept(Vec<Kind>),
    /// Refuse it, or what it proposes to add.
    Reject(StatusCode),
    /// Add streams.
    Add(Vec<Kind>),
    Remove(Kind),
    /// One file, by its name or its number.
    RemoveFile(String),
    /// Take back what we proposed to add.
    Cancel,
    SendFile(PathBuf),
    /// Say something in its chat.
    Say(String),
    /// Take part in the conference, or no longer.
    Join,
    Leave,
    HangUp,
    Change(Change),
}

/// What changes a session that runs, and nothing around it.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Hold,
    Resume,
    Dial(Vec<Digit>),
    Transfer(SipUri),
    /// Speak by other codecs.
    Codecs(Vec<AudioCodec>),
    /// To this file, or to one that is called after the time and the two sides.
    Record(Option<PathBuf>),
    StopRecording,
}

/// A kind of stream that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio,
    Chat,
    /// Media of the tool of the command line.
    Tool,
    /// Files that the other side sends; to be removed, a file of either side.
    Files,
    /// Our desktop, for the other side to see.
    Share,
    /// The other side's desktop, for us to see.
    View,
}

/// What the lines may be, for whoever typed something else.
const KNOWN: &str = "\
accept [audio] [chat] [tool] [files] [share] [view], reject [CODE], add audio|chat|tool|share|view, \
remove audio|chat|tool|files|share|view, remove files NAME, cancel, send FILE, say TEXT, join, leave, hold, resume, dtmf DIGITS, transfer URI, codecs LIST, \
record [FILE.wav], stop-recording, hangup";

/// Why a line is no order.
#[derive(Debug, PartialEq)]
pub(crate) enum Misread {
    /// It is none that is known.
    Unknown,
    /// It is one, and something of it is wrong: what to tell the person.
    Wrong(String),
}

impl Misread {
    /// What to tell the person, who may order these besides.
    pub(crate) fn told(self, besides: &str) -> String {
        match self {
            Self::Unknown => format!("what is understood: {besides}{KNOWN}"),
            Self::Wrong(reason) => reason,
        }
    }
}

impl Order {
    /// Reads a line.
    pub(crate) fn read(line: &str) -> Result<Self, Misread> {
        let (word, rest) = split(line);
        Ok(match (&*word.to_lowercase(), rest) {
            ("accept", kinds) => Self::Accept(Kind::read_all(kinds)?),
            ("reject", "") => Self::Reject(StatusCode::DECLINE),
            ("reject", code) => {
                let code = code.parse().ok().filter(|code| (400..700).contains(code));
                let code = code.and_then(StatusCode::new);
                let wrong = || Misread::Wrong("a rejection is a number from 400 to 699".to_owned());
                Self::Reject(code.ok_or_else(wrong)?)
            }
            ("add", kinds) => match Kind::read_all(kinds)? {
                kinds if kinds.is_empty() || kinds.contains(&Kind::Files) => return Err(Misread::Unknown),
                kinds => Self::Add(kinds),
            },
            ("remove", file) if is_of_files(file) => Self::RemoveFile(split(file).1.to_owned()),
            ("remove", kind) => match Kind::read_all(kind)?[..] {
                [kind] => Self::Remove(kind),
                _ => return Err(Misread::Unknown),
            },
            ("cancel", "") => Self::Cancel,
            ("send", file) if !file.is_empty() => Self::SendFile(file.into()),
            ("say", text) if !text.is_empty() => Self::Say(text.to_owned()),
            ("join", "") => Self::Join,
            ("leave", "") => Self::Leave,
            ("hangup", "") => Self::HangUp,
            (word, rest) => Self::Change(Change::read(word, rest)?),
        })
    }
}

/// `files` with something behind it.
fn is_of_files(text: &str) -> bool {
    let (word, file) = split(text);
    word.eq_ignore_ascii_case("files") && !file.is_empty()
}

impl Change {
    fn read(word: &str, rest: &str) -> Result<Self, Misread> {
        match (word, rest) {
            ("hold", "") => Ok(Self::Hold),
            ("resume" | "unhold", "") => Ok(Self::Resume),
            ("transfer", target) if !target.is_empty() => {
                let target = uri(target).map_err(|failure| Misread::Wrong(failure.message))?;
                Ok(Self::Transfer(target))
            }
            ("codecs", names) if !names.is_empty() => {
                let codecs: Result<_, _> = names.split(',').map(|name| name.trim().parse()).collect();
                codecs
                    .map(Self::Codecs)
                    .map_err(|error: UnknownCodec| Misread::Wrong(error.to_string()))
            }
            ("record", path) => Ok(Self::Record((!path.is_empty()).then(|| path.into()))),
            ("stop-recording", "") => Ok(Self::StopRecording),
            ("dtmf", digits) if !digits.is_empty() => {
                let digits: Result<_, _> = digits.chars().map(Digit::try_from).collect();
                digits
                    .map(Self::Dial)
                    .map_err(|error| Misread::Wrong(error.to_string()))
            }
            _ => Err(Misread::Unknown),
        }
    }

    /// Has it carried out.
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
        }
    }
}

impl Kind {
    pub(crate) fn read_all(words: &str) -> Result<Vec<Self>, Misread> {
        let kinds = words.split_whitespace().map(|word| match &*word.to_lowercase() {
            "audio" => Ok(Self::Audio),
            "chat" => Ok(Self::Chat),
            "tool" => Ok(Self::Tool),
            "files" => Ok(Self::Files),
            "share" => Ok(Self::Share),
            "view" => Ok(Self::View),
            _ => Err(Misread::Wrong(format!(
                "`{word}` is no kind of stream: audio, chat, tool, files, share or view"
            ))),
        });
        kinds.collect()
    }
}

async fn dial(session: &Session, digits: Vec<Digit>) -> Result<(), CommandError> {
    for digit in digits {
        session.send_dtmf(digit).await?;
    }
    Ok(())
}

/// The first word, and what follows it.
pub(crate) fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
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
    fn lines_are_read_in_any_case() {
        let bob = || "sip:bob@b.test".parse().unwrap();
        for (line, read) in [
            ("accept", Order::Accept(vec![])),
            (" Accept files Chat", Order::Accept(vec![Kind::Files, Kind::Chat])),
            ("reject", Order::Reject(StatusCode::DECLINE)),
            ("reject 486", Order::Reject(StatusCode::BUSY_HERE)),
            ("add chat share", Order::Add(vec![Kind::Chat, Kind::Share])),
            ("remove chat", Order::Remove(Kind::Chat)),
            ("remove view", Order::Remove(Kind::View)),
            ("remove files", Order::Remove(Kind::Files)),
            ("remove files a b.pdf", Order::RemoveFile("a b.pdf".into())),
            ("remove Files 2", Order::RemoveFile("2".into())),
            ("cancel", Order::Cancel),
            ("say 2 is too many", Order::Say("2 is too many".into())),
            ("send a b.pdf", Order::SendFile("a b.pdf".into())),
            ("hangup", Order::HangUp),
            ("hold", Order::Change(Change::Hold)),
            ("  Resume ", Order::Change(Change::Resume)),
            ("transfer bob@b.test", Order::Change(Change::Transfer(bob()))),
            (
                "codecs PCMA, opus",
                Order::Change(Change::Codecs(vec![AudioCodec::Pcma, AudioCodec::Opus])),
            ),
            ("record", Order::Change(Change::Record(None))),
            (
                "record a b.wav",
                Order::Change(Change::Record(Some("a b.wav".into()))),
            ),
            ("stop-recording", Order::Change(Change::StopRecording)),
        ] {
            assert_eq!(Order::read(line), Ok(read), "{line}");
        }
        let Ok(Order::Change(Change::Dial(digits))) = Order::read("dtmf 1#A") else {
            panic!()
        };
        assert_eq!(digits.len(), 3);
    }

    #[test]
    fn others_say_what_is_known() {
        for (line, told) in [
            ("dance", "understood: accept"),
            ("", "understood: accept"),
            ("hold on", "understood: accept"),
            ("transfer", "understood: accept"),
            ("add files", "understood: accept"),
            ("add", "understood: accept"),
            ("remove audio chat", "understood: accept"),
            ("add video", "no kind of stream"),
            ("reject 200", "400 to 699"),
            ("dtmf 1x", "x"),
            ("codecs PCMX", "PCMX"),
            ("transfer nowhere", "not a SIP URI"),
        ] {
            let error = Order::read(line).unwrap_err().told("");
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}
