//! External media tools: child processes that are started, watched and ended with their streams.

use super::media_ports::Sockets;
use crate::media::{MediaEvent, StreamId, ToolEvent, ToolStart};
use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;

/// How long a tool may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

/// How much is kept of what a tool says on its standard error, in bytes: the end counts.
const LAST_WORDS: usize = 1024;

/// How long the last words of a tool that has ended may take.
const HEARING: Duration = Duration::from_millis(200);

/// The tools of a user agent.
pub(super) struct ExternalTools {
    tools: HashMap<StreamId, Tool>,
    events: mpsc::Sender<MediaEvent>,
}

enum Tool {
    /// Its ports are kept for it.
    Reserved { _ports: Sockets },
    /// It is ended when this is dropped.
    Running { _end: oneshot::Sender<()> },
}

impl ExternalTools {
    pub(super) fn new(events: mpsc::Sender<MediaEvent>) -> Self {
        Self {
            tools: HashMap::new(),
            events,
        }
    }

    /// Keeps ports for a tool until it is started.
    pub(super) fn reserve(&mut self, stream: StreamId, ports: Sockets) {
        self.tools.insert(stream, Tool::Reserved { _ports: ports });
    }

    /// Gives the ports free and starts the tool.
    pub(super) fn start(&mut self, stream: StreamId, start: ToolStart) {
        let Some(Tool::Reserved { .. }) = self.tools.remove(&stream) else {
            return debug!("a tool is started once, and after its ports were reserved");
        };
        let (end, ended) = oneshot::channel();
        self.tools.insert(stream, Tool::Running { _end: end });
        let teller = Teller {
            stream,
            events: self.events.clone(),
        };
        tokio::spawn(run(teller, start, ended));
    }

    /// Ends a stream; false when it is none of these.
    pub(super) fn stop(&mut self, stream: StreamId) -> bool {
        self.tools.remove(&stream).is_some()
    }
}

/// Tells what becomes of one tool.
struct Teller {
    stream: StreamId,
    events: mpsc::Sender<MediaEvent>,
}

impl Teller {
    async fn tell(&self, event: ToolEvent) {
        let stream = self.stream;
        if self
            .events
            .send(MediaEvent::Tool { stream, event })
            .await
            .is_err()
        {
            debug!("nobody hears of a tool any more");
        }
    }
}

/// The life of a tool.
async fn run(teller: Teller, start: ToolStart, ended: oneshot::Receiver<()>) {
    let mut child = match spawn(&start) {
        Ok(child) => child,
        Err(error) => {
            let reason = format!("cannot start {}: {error}", start.program);
            return teller.tell(ToolEvent::Ended { reason }).await;
        }
    };
    let words = LastWords::default();
    let hearing = tokio::spawn(words.clone().hear(child.stderr.take()));
    tokio::spawn(describe(child.stdin.take(), start.description));
    teller.tell(ToolEvent::Started).await;
    tokio::select! {
        status = child.wait() => {
            if timeout(HEARING, hearing).await.is_err() {
                debug!("a child of a tool lives on");
            }
            let reason = farewell(&start.program, status, &words.text());
            teller.tell(ToolEvent::Ended { reason }).await;
        }
        _ = ended => end(child).await,
    }
}

fn spawn(start: &ToolStart) -> std::io::Result<Child> {
    let mut command = Command::new(&start.program);
    command
        .args(&start.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // A group of its own: what a terminal sends to us is not for it, and what it starts ends with it.
    #[cfg(unix)]
    command.process_group(0);
    command.spawn()
}

/// Gives a tool the description of what it shall receive. One that does not want it closes its end.
async fn describe(stdin: Option<ChildStdin>, description: String) {
    if let Some(mut stdin) = stdin
        && let Err(error) = stdin.write_all(description.as_bytes()).await
    {
        debug!(%error, "a tool does not read its session description");
    }
}

/// What went wrong, in words for a person.
fn farewell(program: &str, status: std::io::Result<ExitStatus>, words: &str) -> String {
    let how = match status {
        Ok(status) => match status.code() {
            Some(code) => format!("ended with exit code {code}"),
            None => format!("was ended: {status}"),
        },
        Err(error) => format!("is lost: {error}"),
    };
    match words.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(last) => format!("{program} {how}: {last}"),
        None => format!("{program} {how}"),
    }
}

/// Asks a tool to end, and ends it when it does not.
async fn end(mut child: Child) {
    if ask_to_end(&child)
        && let Ok(ended) = timeout(GRACE, child.wait()).await
    {
        return debug!(?ended, "a tool ended as it was asked to");
    }
    end_group(&child);
    if let Err(error) = child.kill().await {
        debug!(%error, "a tool cannot be ended");
    }
}

/// True when the tool has been asked.
#[cfg(unix)]
fn ask_to_end(child: &Child) -> bool {
    signal(child, nix::sys::signal::Signal::SIGTERM)
}

#[cfg(unix)]
fn end_group(child: &Child) {
    signal(child, nix::sys::signal::Signal::SIGKILL);
}

/// Sends a signal to the tool and all that it started. It was not waited for, so nobody else has its number.
#[cfg(unix)]
fn signal(child: &Child, signal: nix::sys::signal::Signal) -> bool {
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    group.is_some_and(|group| nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), signal).is_ok())
}

/// Elsewhere a process cannot be asked.
#[cfg(not(unix))]
fn ask_to_end(_child: &Child) -> bool {
    false
}

#[cfg(not(unix))]
fn end_group(_child: &Child) {}

/// The end of what a tool says on its standard error.
#[derive(Clone, Default)]
struct LastWords(Arc<Mutex<Vec<u8>>>);

impl LastWords {
    async fn hear(self, stderr: Option<ChildStderr>) {
        let Some(mut stderr) = stderr else { return };
        let mut heard = [0; LAST_WORDS];
        while let Ok(count @ 1..) = stderr.read(&mut heard).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(&heard[..count]);
            let surplus = kept.len().saturating_sub(LAST_WORDS);
            kept.drain(..surplus);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        // What others write must not move the cursor or colour the screen.
        text.chars()
            .filter(|letter| !letter.is_control() || *letter == '\n')
            .collect()
    }
}
