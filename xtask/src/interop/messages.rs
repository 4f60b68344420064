//! The two examples that speak MSRP, `listen` and `connect`: JSON lines, and the peer's path on standard input.

use super::child::Running;
use super::disagreement::{Disagreement, same};
use super::stage::Stage;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// One end of a session.
#[derive(Debug)]
pub(super) struct MsrpEnd {
    running: Running,
}

impl MsrpEnd {
    /// Starts an example with these options.
    pub(super) fn start(stage: &Stage<'_>, example: &str, options: &[String]) -> Result<Self, Disagreement> {
        let mut command = Command::new(stage.example(example));
        command.args(options).env("RUST_BACKTRACE", "1");
        Ok(Self {
            running: Running::start_listening(stage, example, &mut command)?,
        })
    }

    /// Its path, once it has one.
    pub(super) fn path(&mut self, stage: &Stage<'_>) -> Result<String, Disagreement> {
        let event = self.matching(stage, "path", |event| event["path"].is_string())?;
        Ok(event["path"].as_str().unwrap_or_default().to_owned())
    }

    /// Tells it the path of the other end.
    pub(super) fn meet(&mut self, path: &str) -> Result<(), Disagreement> {
        self.running.tell(path)
    }

    /// Waits for an event that looks right.
    pub(super) fn matching(
        &mut self,
        stage: &Stage<'_>,
        what: &str,
        looks_right: impl Fn(&Value) -> bool,
    ) -> Result<Value, Disagreement> {
        self.running.wait_for(stage, what, PATIENCE, |running| {
            let events = running.stdout()?;
            let mut events = events.lines().filter_map(|line| serde_json::from_str(line).ok());
            Ok(events.find(|event| looks_right(event)))
        })
    }

    /// Waits for its end with this exit code.
    pub(super) fn leaves_with(&mut self, stage: &Stage<'_>, code: i32) -> Result<(), Disagreement> {
        let left = self.running.end(stage, PATIENCE)?;
        same(
            &format!("exit code of {}", self.running.name()),
            &left,
            &Some(code),
        )
    }

    /// What it complained of.
    pub(super) fn complaint(&self) -> Result<String, Disagreement> {
        self.running.stderr()
    }
}
