//! The command line of a tool, with places for what is negotiated.

use std::fmt;
use std::str::FromStr;

/// A command line with places for what is negotiated, such as `send-video --to {remote_ip}:{remote_port}`.
///
/// It is split into arguments once, when it is read: at blanks outside of `'...'` and `"..."`. No shell is asked, and what is
/// filled in never becomes more than a part of its argument. `{{` and `}}` are braces.
///
/// The places are `{local_ip}`, `{local_port}` and `{local_rtcp_port}`, where the tool receives; `{remote_ip}`, `{remote_port}`
/// and `{remote_rtcp_port}`, where it sends to; `{payload_type}`, `{encoding}` and `{clock_rate}` of the format that was
/// agreed upon; and `{direction}`, as seen from here. Where SRTP was agreed upon, `{srtp_suite}` is its suite, `{srtp_local_key}` what
/// the tool shall encrypt with, and `{srtp_remote_key}` what the other side does, both in Base64 (RFC 4568 §6.1); without it they
/// are empty. Everybody on this machine may see the command lines of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCommand {
    words: Vec<Vec<Part>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(Place),
}

/// What a command line can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    LocalIp,
    LocalPort,
    LocalRtcpPort,
    RemoteIp,
    RemotePort,
    RemoteRtcpPort,
    PayloadType,
    Encoding,
    ClockRate,
    Direction,
    SrtpSuite,
    SrtpLocalKey,
    SrtpRemoteKey,
}

impl Place {
    const NAMES: [(&str, Self); 13] = [
        ("local_ip", Self::LocalIp),
        ("local_port", Self::LocalPort),
        ("local_rtcp_port", Self::LocalRtcpPort),
        ("remote_ip", Self::RemoteIp),
        ("remote_port", Self::RemotePort),
        ("remote_rtcp_port", Self::RemoteRtcpPort),
        ("payload_type", Self::PayloadType),
        ("encoding", Self::Encoding),
        ("clock_rate", Self::ClockRate),
        ("direction", Self::Direction),
        ("srtp_suite", Self::SrtpSuite),
        ("srtp_local_key", Self::SrtpLocalKey),
        ("srtp_remote_key", Self::SrtpRemoteKey),
    ];
}

/// Why a command line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolCommandError {
    /// It names no program.
    #[error("no program is named")]
    Empty,
    /// A quotation mark has no partner.
    #[error("a {0} without its partner")]
    OpenQuote(char),
    /// A brace has no partner.
    #[error("a brace without its partner in `{0}`")]
    OpenBrace(String),
    /// Nobody knows what shall be filled in there.
    #[error("there is nothing that is called {{{0}}}")]
    UnknownPlace(String),
}

impl ToolCommand {
    /// A program with its arguments, split already.
    ///
    /// # Errors
    /// When one of the words has a brace without its partner, or a place that is not known.
    pub fn new<S: AsRef<str>>(
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Self, ToolCommandError> {
        if program.is_empty() {
            return Err(ToolCommandError::Empty);
        }
        let mut words = vec![parts(program)?];
        for argument in arguments {
            words.push(parts(argument.as_ref())?);
        }
        Ok(Self { words })
    }

    /// The words with everything filled in.
    pub(super) fn fill(&self, value: impl Fn(Place) -> String) -> Vec<String> {
        let word = |parts: &Vec<Part>| {
            let text = parts.iter().map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Place(place) => value(*place),
            });
            text.collect()
        };
        self.words.iter().map(word).collect()
    }
}

impl FromStr for ToolCommand {
    type Err = ToolCommandError;

    fn from_str(line: &str) -> Result<Self, ToolCommandError> {
        let words = split(line)?;
        let (program, arguments) = words.split_first().ok_or(ToolCommandError::Empty)?;
        Self::new(program, arguments)
    }
}

/// The line as it could be read again, without its quotation marks.
impl fmt::Display for ToolCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |wanted: Place| {
            let found = Place::NAMES.iter().find(|(_, place)| *place == wanted);
            found.map_or(String::new(), |(name, _)| format!("{{{name}}}"))
        };
        f.write_str(&self.fill(name).join(" "))
    }
}

/// Splits at blanks outside of quotation marks.
fn split(line: &str) -> Result<Vec<String>, ToolCommandError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(mark), letter) if mark == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(mark) = quote {
        return Err(ToolCommandError::OpenQuote(mark));
    }
    words.extend(word);
    Ok(words)
}

/// A word with its places.
fn parts(word: &str) -> Result<Vec<Part>, ToolCommandError> {
    let open = || ToolCommandError::OpenBrace(word.to_owned());
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut rest = word;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(doubled) = after.strip_prefix(brace) {
            text.push_str(brace);
            rest = doubled;
            continue;
        }
        let (name, after) = after.split_once('}').filter(|_| brace == "{").ok_or_else(open)?;
        let known = Place::NAMES.iter().find(|(known, _)| *known == name);
        let (_, place) = known.ok_or_else(|| ToolCommandError::UnknownPlace(name.to_owned()))?;
        parts.push(Part::Text(std::mem::take(&mut text)));
        parts.push(Part::Place(*place));
        rest = after;
    }
    text.push_str(rest);
    parts.push(Part::Text(text));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(line: &str) -> Result<Vec<String>, ToolCommandError> {
        let value = |place: Place| match place {
            Place::RemoteIp => "192.0.2.1 ; rm".to_owned(),
            _ => "7".to_owned(),
        };
        line.parse::<ToolCommand>().map(|command| command.fill(value))
    }

    #[test]
    fn a_line_is_split_once_and_what_is_filled_in_stays_in_its_argument() {
        for (line, words) in [
            ("tool", &["tool"][..]),
            ("  tool   -a\t-b ", &["tool", "-a", "-b"]),
            (
                "tool 'a b' \"c 'd'\" '' e'f g'h",
                &["tool", "a b", "c 'd'", "", "ef gh"],
            ),
            (
                "tool rtp://{remote_ip}:{remote_port}?x",
                &["tool", "rtp://192.0.2.1 ; rm:7?x"],
            ),
            ("tool {payload_type}{clock_rate} {{x}}", &["tool", "77", "{x}"]),
            ("tool $HOME `id` a;b|c", &["tool", "$HOME", "`id`", "a;b|c"]),
        ] {
            assert_eq!(filled(line).expect(line), words);
        }
    }

    #[test]
    fn lines_that_cannot_be_used_say_why() {
        for (line, told) in [
            ("", "no program is named"),
            ("   ", "no program is named"),
            ("'' a", "no program is named"),
            ("tool 'a", "a ' without its partner"),
            ("tool {remote_ip", "a brace without its partner in `{remote_ip`"),
            ("tool a}", "a brace without its partner in `a}`"),
            ("tool {nobody}", "there is nothing that is called {nobody}"),
            ("tool {}", "there is nothing that is called {}"),
        ] {
            assert_eq!(filled(line).expect_err(line).to_string(), told, "{line}");
        }
    }

    #[test]
    fn a_command_is_shown_with_its_places() {
        let command: ToolCommand = "tool 'a b' {local_port}".parse().expect("good");
        assert_eq!(command.to_string(), "tool a b {local_port}");
    }
}
