//! A program that a scenario started: its output goes to files, and it ends with its guard.

use super::disagreement::Disagreement;
use super::stage::Stage;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How often a file or a process is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running program. Dropping it kills it: nothing that a scenario started outlives the scenario.
#[derive(Debug)]
pub(super) struct Running {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// Signals that the scenarios send.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    Interrupt,
    Terminate,
}

impl Running {
    /// Starts a command with its output in `NAME.out` and `NAME.err` of the scenario's folder.
    pub(super) fn start(stage: &Stage<'_>, name: &str, command: &mut Command) -> Result<Self, Disagreement> {
        Self::start_with(stage, name, command, Stdio::null())
    }

    fn start_with(
        stage: &Stage<'_>,
        name: &str,
        command: &mut Command,
        stdin: Stdio,
    ) -> Result<Self, Disagreement> {
        let stdout = stage.file(&format!("{name}.out"));
        let stderr = stage.file(&format!("{name}.err"));
        let open = |path: &Path| File::create(path).map_err(|cause| Disagreement::file(path, cause));
        let child = command
            .stdin(stdin)
            .stdout(open(&stdout)?)
            .stderr(open(&stderr)?)
            .spawn()
            .map_err(|cause| Disagreement::Start {
                program: command.get_program().to_string_lossy().into_owned(),
                cause,
            })?;
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        })
    }

    /// Like [`start`](Self::start), for a program that reads a line once it said something.
    pub(super) fn start_listening(
        stage: &Stage<'_>,
        name: &str,
        command: &mut Command,
    ) -> Result<Self, Disagreement> {
        Self::start_with(stage, name, command, Stdio::piped())
    }

    /// Says the one line that the program waits for.
    pub(super) fn tell(&mut self, line: &str) -> Result<(), Disagreement> {
        let stdin = self.child.stdin.take();
        let told = stdin.map_or(Ok(()), |mut stdin| writeln!(stdin, "{line}"));
        told.map_err(|cause| Disagreement::file(&self.stdout, cause))
    }

    /// Says one of many lines.
    pub(super) fn type_line(&mut self, line: &str) -> Result<(), Disagreement> {
        let stdin = self.child.stdin.as_mut();
        let told = stdin.map_or(Ok(()), |stdin| writeln!(stdin, "{line}"));
        told.map_err(|cause| Disagreement::file(&self.stdout, cause))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the program has printed so far.
    pub(super) fn stdout(&self) -> Result<String, Disagreement> {
        read(&self.stdout)
    }

    /// What the program has complained of so far.
    pub(super) fn stderr(&self) -> Result<String, Disagreement> {
        read(&self.stderr)
    }

    /// Waits until `look` finds something; fails when the program leaves before, or time is up.
    pub(super) fn wait_for<T>(
        &mut self,
        stage: &Stage<'_>,
        what: &str,
        within: Duration,
        mut look: impl FnMut(&Self) -> Result<Option<T>, Disagreement>,
    ) -> Result<T, Disagreement> {
        let mut status = None;
        wait(stage, &self.name.clone(), what, within, || {
            // Look once more after the end: the last lines may have been written just before it.
            if let Some(found) = look(self)? {
                return Ok(Some(found));
            }
            if let Some(status) = status {
                return Err(Disagreement::LeftEarly {
                    who: self.name.clone(),
                    what: what.to_owned(),
                    code: ExitStatus::code(&status),
                });
            }
            status = self.exit_status()?;
            Ok(None)
        })
    }

    /// Waits for the program's end and hands out its exit code; `None` when a signal ended it.
    pub(super) fn end(&mut self, stage: &Stage<'_>, within: Duration) -> Result<Option<i32>, Disagreement> {
        let name = self.name.clone();
        wait(stage, &name, "end", within, || self.exit_status()).map(|status| status.code())
    }

    /// Sends a signal. The shell's own `kill` does it: the standard library cannot.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), Disagreement> {
        let name = match signal {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
        };
        Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.child.id().to_string()])
            .status()
            .map_err(|cause| Disagreement::Start {
                program: "sh".to_owned(),
                cause,
            })?;
        Ok(())
    }

    fn exit_status(&mut self) -> Result<Option<ExitStatus>, Disagreement> {
        self.child.try_wait().map_err(|cause| Disagreement::Start {
            program: self.name.clone(),
            cause,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the program has already ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again, until something is found, or the time or the scenario's own limit is up.
pub(super) fn wait<T>(
    stage: &Stage<'_>,
    who: &str,
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Option<T>, Disagreement>,
) -> Result<T, Disagreement> {
    let end = stage.deadline().min(Instant::now() + within);
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(Disagreement::Missing {
                who: who.to_owned(),
                what: what.to_owned(),
                within,
            });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn read(path: &Path) -> Result<String, Disagreement> {
    let bytes = std::fs::read(path).map_err(|cause| Disagreement::file(path, cause))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
