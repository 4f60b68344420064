//! The program under test, as a script would use it: command line, JSON lines, exit code.

use super::child::{Running, Signal};
use super::disagreement::{Disagreement, holds, same};
use super::ports::{LOOPBACK, Seat};
use super::stage::Stage;
use serde_json::Value;
use std::fmt::Display;
use std::process::Command;
use std::time::Duration;

/// For anything that takes no longer than a round trip on the loopback.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running `offhook`.
#[derive(Debug)]
pub(super) struct Offhook {
    running: Running,
    /// Whether its output is JSON lines, or for people.
    speaks_json: bool,
}

/// A command line being put together.
#[derive(Debug)]
pub(super) struct CommandLine {
    words: Vec<String>,
}

impl CommandLine {
    /// `offhook call URI`, from the seat's port.
    pub(super) fn call(stage: &Stage<'_>, seat: Seat, uri: &str) -> Self {
        Self::new(&["call", uri])
            .listening(stage, seat)
            .with("--no-device")
    }

    /// `offhook answer`, on the seat's port, for one call.
    pub(super) fn answer(stage: &Stage<'_>, seat: Seat) -> Self {
        Self::new(&["answer", "--calls", "1"])
            .listening(stage, seat)
            .with("--no-device")
    }

    /// Words as they are.
    pub(super) fn new(words: &[&str]) -> Self {
        Self {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    pub(super) fn with(mut self, flag: &str) -> Self {
        self.words.push(flag.to_owned());
        self
    }

    pub(super) fn option(mut self, name: &str, value: &dyn Display) -> Self {
        self.words.extend([name.to_owned(), value.to_string()]);
        self
    }

    fn listening(self, stage: &Stage<'_>, seat: Seat) -> Self {
        let port = stage.ports().sip(seat);
        self.option("--listen", &format_args!("{LOOPBACK}:{port}"))
    }

    /// Starts it with JSON lines on one output and the SIP messages on the other.
    pub(super) fn start(self, stage: &Stage<'_>, name: &str) -> Result<Offhook, Disagreement> {
        self.with("--json").with("--trace").spawn(stage, name, true)
    }

    /// The same for somebody who types while it runs.
    pub(super) fn start_typing(self, stage: &Stage<'_>, name: &str) -> Result<Offhook, Disagreement> {
        let mut command = self.with("--json").with("--trace").command(stage);
        Ok(Offhook {
            running: Running::start_listening(stage, name, &mut command)?,
            speaks_json: true,
        })
    }

    /// Starts it as it is, with a user's output.
    pub(super) fn start_plain(self, stage: &Stage<'_>, name: &str) -> Result<Offhook, Disagreement> {
        self.spawn(stage, name, false)
    }

    fn spawn(self, stage: &Stage<'_>, name: &str, speaks_json: bool) -> Result<Offhook, Disagreement> {
        Ok(Offhook {
            running: Running::start(stage, name, &mut self.command(stage))?,
            speaks_json,
        })
    }

    fn command(&self, stage: &Stage<'_>) -> Command {
        let mut command = Command::new(stage.offhook());
        // A panic must show where it came from; a password of the caller's must not leak in.
        command
            .args(&self.words)
            .env("RUST_BACKTRACE", "1")
            .env_remove("OFFHOOK_PASSWORD");
        command
    }
}

impl Offhook {
    /// Waits for the first event of a name.
    pub(super) fn event(&mut self, stage: &Stage<'_>, name: &str) -> Result<Value, Disagreement> {
        self.matching(stage, name, |_| true)
    }

    /// Waits for the first event of a name that looks right.
    pub(super) fn matching(
        &mut self,
        stage: &Stage<'_>,
        name: &str,
        looks_right: impl Fn(&Value) -> bool,
    ) -> Result<Value, Disagreement> {
        self.matching_within(stage, name, PATIENCE, looks_right)
    }

    /// Both: a time, and what to look for.
    pub(super) fn matching_within(
        &mut self,
        stage: &Stage<'_>,
        name: &str,
        within: Duration,
        looks_right: impl Fn(&Value) -> bool,
    ) -> Result<Value, Disagreement> {
        self.running
            .wait_for(stage, &format!("`{name}`"), within, |running| {
                let events = parse(&running.stdout()?)?;
                Ok(events
                    .into_iter()
                    .find(|event| event["event"] == name && looks_right(event)))
            })
    }

    /// All events so far, in order.
    pub(super) fn events(&self) -> Result<Vec<Value>, Disagreement> {
        parse(&self.running.stdout()?)
    }

    /// What it printed for the user.
    pub(super) fn stderr(&self) -> Result<String, Disagreement> {
        self.running.stderr()
    }

    /// Types a line.
    pub(super) fn type_line(&mut self, line: &str) -> Result<(), Disagreement> {
        self.running.type_line(line)
    }

    /// Ctrl-C.
    pub(super) fn interrupt(&self) -> Result<(), Disagreement> {
        self.running.signal(Signal::Interrupt)
    }

    /// What a service manager sends.
    pub(super) fn terminate(&self) -> Result<(), Disagreement> {
        self.running.signal(Signal::Terminate)
    }

    /// Waits for its end, and checks the exit code and the manners of its output.
    pub(super) fn leaves_with(&mut self, stage: &Stage<'_>, code: i32) -> Result<(), Disagreement> {
        self.leaves_within(stage, PATIENCE, code)
    }

    /// The same for an end that takes its time.
    pub(super) fn leaves_within(
        &mut self,
        stage: &Stage<'_>,
        within: Duration,
        code: i32,
    ) -> Result<(), Disagreement> {
        let got = self.running.end(stage, within)?;
        same(
            &format!("exit code of {}", self.running.name()),
            &got,
            &Some(code),
        )?;
        if self.speaks_json {
            check_order(&self.events()?)?;
        }
        let stderr = self.stderr()?;
        let panicked = ["panicked at", "stack backtrace"]
            .iter()
            .find(|sign| stderr.contains(**sign));
        same("signs of a panic", &panicked, &None)
    }
}

/// Every line has a name and a time, and time does not run backwards.
fn check_order(events: &[Value]) -> Result<(), Disagreement> {
    let mut last = 0.0;
    for event in events {
        let time = event["time"].as_f64();
        holds(
            "name and time of a line of --json",
            event["event"].is_string() && time >= Some(last),
            &format_args!("a name, and a time of {last} or later"),
            &event,
        )?;
        last = time.unwrap_or(last);
    }
    Ok(())
}

/// JSON lines; the last one may still be in the making.
fn parse(text: &str) -> Result<Vec<Value>, Disagreement> {
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete
        .lines()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| Disagreement::Differs {
                what: "a line of --json".to_owned(),
                want: format!("JSON ({error})"),
                got: line.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_the_making_is_left_for_later() {
        let events = parse("{\"event\":\"listening\"}\n{\"event\":\"will").unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["event"], "listening");
    }

    #[test]
    fn a_line_without_a_time_or_back_in_time_is_found() {
        let events = |text: &str| check_order(&parse(text).unwrap());
        assert!(events("{\"event\":\"a\",\"time\":1}\n{\"event\":\"b\",\"time\":1.5}\n").is_ok());
        assert!(events("{\"event\":\"a\",\"time\":1}\n{\"event\":\"b\",\"time\":0.5}\n").is_err());
        assert!(events("{\"event\":\"a\"}\n").is_err());
    }

    #[test]
    fn what_is_not_json_is_found() {
        assert!(parse("thread main panicked\n").is_err());
    }
}
