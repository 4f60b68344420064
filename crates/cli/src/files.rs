//! `offhook send-file URI FILE...` and `offhook receive-files --dir DIR`.

use crate::args::{ReceiveFilesArgs, SendFileArgs};
use crate::call::{accept, not_established, place_with, refuse_others};
use crate::exit::{Code, Failure};
use crate::follow::Follower;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report::Reporter;
use crate::setup::{finish, next_incoming, start_for_messages, uri};
use offhook::{
    Application, FileTransferEvent, FileTransferStream, MediaStream, Session, SessionEvent, StatusCode,
    StreamDescription, StreamEvent, select_file,
};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// The port that the world expects SIP at (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// Files in one session: more sections than that no description has, by our limits at least.
const MOST_FILES: usize = 64;

/// How long a receiver that has everything waits for the sender's goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(5);

/// Sends files in one session.
pub(crate) async fn send(args: SendFileArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.messaging.common.json), Interrupt::listen());
    let target = uri(&args.uri)?;
    if args.files.len() > MOST_FILES {
        let message =
            format_args!("one session carries {MOST_FILES} files at most: send the others after these");
        return Err(Failure::new(Code::Usage, message));
    }
    let streams = tokio::select! {
        streams = prepare(&args.files) => streams?,
        () = interrupt.wait() => {
            let reason = "nothing was sent: the files were still being read";
            return Err(Failure::new(Code::NotDelivered, reason));
        }
    };
    let app = start_for_messages(&args.messaging, 0, reporter).await?;
    let patience = Instant::now() + args.ring.timeout();
    let outcome = match place_with(&app, target, streams, reporter).await {
        Ok(mut session) => {
            let transfer = Transfer::new(reporter, &interrupt, args.files.len(), Some(patience))
                .lasting(args.messaging.limit());
            tokio::select! {
                outcome = transfer.follow(&mut session) => outcome,
                () = refuse_others(&app) => Err(Failure::new(Code::Internal, "the application has stopped")),
            }
        }
        Err(failure) => Err(failure),
    };
    finish(app).await;
    outcome
}

async fn prepare(files: &[PathBuf]) -> Result<Vec<Box<dyn MediaStream>>, Failure> {
    let mut streams: Vec<Box<dyn MediaStream>> = Vec::with_capacity(files.len());
    for path in files {
        streams.push(Box::new(file_to_send(path).await?));
    }
    Ok(streams)
}

/// Reads a file once for its hash, so that the receiver can check it.
pub(crate) async fn file_to_send(path: &Path) -> Result<FileTransferStream, Failure> {
    let selector = select_file(path, "application/octet-stream", true).await;
    let unreadable = |error| format!("cannot read {}: {error}", path.display());
    let selector = selector.map_err(|error| Failure::new(Code::Play, unreadable(error)))?;
    Ok(FileTransferStream::send(path, selector))
}

/// Receives the files of whoever sends some, session by session.
pub(crate) async fn receive(args: ReceiveFilesArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.messaging.common.json), Interrupt::listen());
    if !args.dir.is_dir() {
        let message = format!("{} is no folder", args.dir.display());
        return Err(Failure::new(Code::Record, message));
    }
    let app = start_for_messages(&args.messaging, SIP_PORT, reporter).await?;
    let outcome = serve(&app, &args, reporter, &interrupt).await;
    finish(app).await;
    outcome
}

async fn serve(
    app: &Application,
    args: &ReceiveFilesArgs,
    reporter: Reporter,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut first_failure = Ok(());
    let mut number = 0;
    while args.sessions.is_none_or(|most| number < most) {
        let session = tokio::select! {
            biased;
            () = interrupt.wait() => break,
            session = next_incoming(app) => session,
        };
        let Some(mut session) = session else { break };
        let reporter = reporter.for_call(number + 1);
        let streams = proposed(&mut session, &args.dir, reporter).await;
        if streams.is_empty() {
            let _ = session.reject(StatusCode::NOT_ACCEPTABLE_HERE).await;
            continue;
        }
        number += 1;
        let transfer =
            Transfer::new(reporter, interrupt, streams.len(), None).lasting(args.messaging.limit());
        let outcome = match accept(&session, streams).await {
            Ok(()) => tokio::select! {
                outcome = transfer.follow(&mut session) => outcome,
                () = refuse_others(app) => break,
            },
            Err(failure) => Err(failure),
        };
        if first_failure.is_ok() {
            first_failure = outcome;
        }
    }
    first_failure
}

/// A stream for each file that is offered.
async fn proposed(session: &mut Session, dir: &Path, reporter: Reporter) -> Vec<Box<dyn MediaStream>> {
    let Some(event) = session.next_event().await else {
        return Vec::new();
    };
    reporter.session(&event);
    let SessionEvent::NewIncoming { streams, .. } = event else {
        return Vec::new();
    };
    let offered = streams
        .iter()
        .filter(|stream| matches!(stream, StreamDescription::FileTransfer(file) if file.is_incoming));
    offered
        .map(|_| Box::new(FileTransferStream::receive(dir)) as Box<dyn MediaStream>)
        .collect()
}

/// One session of transfers from its first event to its last.
struct Transfer<'a> {
    follower: Follower<'a>,
    progress: Progress,
    /// Files that are neither done nor failed.
    left: usize,
    failed: Option<String>,
    /// How long it may last.
    limit: Option<Duration>,
    /// Whether the files are ours.
    sends: bool,
}

impl<'a> Transfer<'a> {
    /// The transfer of so many files; with a deadline for the answer where we are the sender.
    fn new(reporter: Reporter, interrupt: &'a Interrupt, files: usize, deadline: Option<Instant>) -> Self {
        Self {
            follower: Follower::new(reporter, interrupt, deadline),
            progress: Progress::new(reporter),
            left: files,
            failed: None,
            limit: None,
            sends: deadline.is_some(),
        }
    }

    /// The same, for so long at most.
    fn lasting(self, limit: Option<Duration>) -> Self {
        Self { limit, ..self }
    }

    async fn follow(mut self, session: &mut Session) -> Result<(), Failure> {
        loop {
            match self.follower.next_event(session).await? {
                Some(SessionEvent::DidStart { .. }) => self.follower.end_after(self.limit),
                Some(SessionEvent::Stream { stream, event }) => {
                    self.progress.take(stream, &event);
                    self.take(event);
                    if self.left == 0 {
                        self.leave(session).await;
                    }
                }
                Some(SessionEvent::DidFail { code, reason, .. }) => {
                    return Err(not_established(code, &reason));
                }
                Some(SessionEvent::DidEnd { .. }) => return self.outcome(),
                Some(_) => {}
                None => self.follower.end(session).await,
            }
        }
    }

    fn take(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::FileTransfer(FileTransferEvent::DidFinish { .. }) => {
                self.left = self.left.saturating_sub(1);
            }
            StreamEvent::DidFail { reason } => {
                self.failed.get_or_insert(reason);
                self.left = self.left.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn outcome(self) -> Result<(), Failure> {
        let reason = match self.failed {
            Some(reason) => reason,
            None if self.left > 0 => "the transfer was ended before everything had arrived".to_owned(),
            None => return Ok(()),
        };
        Err(Failure::new(Code::NotDelivered, reason))
    }

    /// Everything is over here. The sender says goodbye, as it knows by the reports that the other side has everything;
    /// a receiver that did so could overtake its own last report.
    async fn leave(&mut self, session: &Session) {
        if self.sends {
            self.follower.end(session).await;
        } else {
            self.follower
                .set_deadline(Some(Instant::now() + GOODBYE_PATIENCE));
        }
    }
}
