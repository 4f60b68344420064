//! The example `user_agent` of `offhook-sip-core`: a phone without sound that does steps one after the other.

use super::child::Running;
use super::disagreement::{Disagreement, holds};
use super::kamailio::SipServer;
use super::ports::{LOOPBACK, Seat};
use super::stage::Stage;
use std::process::Command;
use std::time::Duration;

/// Its own steps give up before.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where it is, and how it reaches the others.
#[derive(Clone, Debug)]
pub(super) struct Line {
    options: Vec<String>,
}

impl Line {
    /// At a seat's port, by UDP, without a server.
    pub(super) fn direct(stage: &Stage<'_>, seat: Seat) -> Self {
        let options = Vec::new();
        Self { options }.with("--listen", &format!("{LOOPBACK}:{}", stage.ports().sip(seat)))
    }

    /// A user of the server, reached by a transport.
    pub(super) fn at(server: &SipServer, user: &str, transport: &str) -> Self {
        let options = Vec::new();
        Self { options }
            .with("--account", &format!("sip:{user}@example.test"))
            .with("--password", &format!("{user}pw"))
            .with("--server", &format!("{LOOPBACK}:{}", server.port(transport)))
            .with("--transport", transport)
            .with("--ca", &server.certificate().display().to_string())
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// Starts it with the steps that it shall do, and waits until it can be reached.
    pub(super) fn start(&self, stage: &Stage<'_>, name: &str, steps: &[&str]) -> Result<Agent, Disagreement> {
        let mut command = Command::new(stage.example("user_agent"));
        command
            .args(&self.options)
            .arg("--")
            .args(steps)
            .env("RUST_BACKTRACE", "1");
        let mut agent = Agent {
            running: Running::start(stage, name, &mut command)?,
        };
        agent.says(stage, "listening")?;
        Ok(agent)
    }
}

/// A running one.
#[derive(Debug)]
pub(super) struct Agent {
    running: Running,
}

impl Agent {
    /// Waits for a line that begins so.
    pub(super) fn says(&mut self, stage: &Stage<'_>, beginning: &str) -> Result<(), Disagreement> {
        let what = format!("`{beginning}`");
        self.running.wait_for(stage, &what, PATIENCE, |running| {
            let said = running.stdout()?.lines().any(|line| line.starts_with(beginning));
            Ok(said.then_some(()))
        })
    }

    /// Waits for its end, with all steps done.
    pub(super) fn succeeds(&mut self, stage: &Stage<'_>) -> Result<(), Disagreement> {
        let code = self.running.end(stage, PATIENCE)?;
        let complaint = self.running.stderr()?;
        holds(
            &format!("end of {}", self.running.name()),
            code == Some(0),
            &"all steps done",
            &format_args!("{code:?} {}", complaint.trim()),
        )
    }
}
