//! Connects to an MSRP peer without SIP, by paths given on the command line, sends messages or a file, and tells each
//! event as a line of JSON.
//!
//! ```text
//! cargo run --release -p offhook-msrp --features tls --example connect -- --local-path 'msrp://127.0.0.1:2856/c1;tcp' \
//!     --remote-path 'msrp://127.0.0.1:2855/s1;tcp' --size 200 --count 100000 --window 1000
//! ```

mod common;
#[path = "common/ends.rs"]
mod ends;
#[path = "common/sent.rs"]
mod sent;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use common::{Failure, Summary, check_end, end, interrupted, on_standard_error, tell, tell_event};
use ends::{Protection, ThroughRelay, uri};
use offhook_msrp::chunk::SuccessReport;
use offhook_msrp::session::{OutgoingId, SendError};
use offhook_msrp::tokio::{Connector, ConnectorDirect, MsrpConnection, get_connector};
use offhook_msrp::{MsrpPath, MsrpUri, OutgoingMessage, SessionEvent};
use sent::Sent;
use serde_json::json;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What a message may have at most, in bytes: it is held as a whole. A file may have any size.
const MOST_SIZE: u64 = 4 * 1024 * 1024 * 1024;

/// How long the last words to a peer may take, when it is told that a session closes.
const PARTING: Duration = Duration::from_secs(5);

#[derive(Parser)]
#[command(about = "Connects to an MSRP peer and sends messages or a file, one JSON line per event.")]
struct Args {
    /// The path of the peer. Without it, it is read from standard input once ours is told: the peer may have to know it.
    #[arg(long, value_parser = uri::<MsrpPath>)]
    remote_path: Option<MsrpPath>,
    /// Our URI, as the peer expects it; made up without.
    #[arg(long, value_parser = uri::<MsrpUri>)]
    local_path: Option<MsrpUri>,
    /// How many bytes a message has. All messages share one body, which is held once; with --echo each echo is held as a whole.
    #[arg(long, default_value_t = 200, conflicts_with = "file", value_parser = clap::value_parser!(u64).range(..=MOST_SIZE))]
    size: u64,
    /// How many messages to send.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// The largest body of a chunk, in bytes. Larger chunks are faster; smaller ones let other messages pass between them.
    #[arg(long, default_value = "2048")]
    chunk: NonZeroU32,
    /// Ask for reports of success; `--success-report=no` does not. Without it they are asked for when there is a relay between:
    /// only the peer can say that it has a message.
    #[arg(long, value_enum, value_name = "WISH", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    success_report: Option<Wish>,
    /// Wait until each message has come back, as `listen --mode echo` sends them, and compare.
    #[arg(long, conflicts_with = "file")]
    echo: bool,
    /// For how many seconds nothing may come while reports of success or echoes are awaited.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// How many messages may wait for their outcome.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    window: u64,
    /// Send this file instead. A regular one, which is not changed meanwhile.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Tell the throughput only, not each event.
    #[arg(long)]
    quiet: bool,
    /// Show the chunks that pass on standard error: > is from here, < to here.
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    protection: Protection,
    #[command(flatten)]
    through: ThroughRelay,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Wish {
    Yes,
    No,
}

impl Args {
    /// Whether a message is only over when it is reported.
    fn awaits_reports(&self) -> bool {
        self.success_report == Some(Wish::Yes)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut args = Args::parse();
    let mut summary = None;
    let outcome = run(&mut args, &mut summary).await;
    end(outcome, summary)
}

async fn run(args: &mut Args, summary: &mut Option<Summary>) -> Result<(), Failure> {
    if let Some(path) = &args.remote_path {
        args.through.check(&args.protection, path)?;
    }
    let body = match &args.file {
        Some(_) => Bytes::new(),
        None => body(args.size)?,
    };
    let mut file = args.file.as_deref().map(Sent::open).transpose()?;
    let connector = prepare(args).await?;
    tell(&json!({ "event": "prepared", "path": connector.local_path().to_string() }));
    let remote_path = args
        .through
        .remote_path(&args.protection, args.remote_path.as_ref())?;
    // A relay says that it has a message, and only the peer that it has arrived.
    if connector.local_path().uris().len() > 1 || remote_path.uris().len() > 1 {
        args.success_report.get_or_insert(Wish::Yes);
    }
    let mut config = connector.session_config(remote_path);
    config.chunk_size = args.chunk;
    config
        .peer_fingerprints
        .extend(args.protection.fingerprint.clone());
    config.tracer = args.trace.then(on_standard_error);
    let mut interrupt = std::pin::pin!(interrupted());
    let mut session = tokio::select! {
        session = connector.complete(config) => session?,
        () = &mut interrupt => return Err("interrupted".into()),
    };
    tell(&json!({ "event": "ready" }));
    let summary = summary.insert(Summary::start("sent"));
    let sending = async {
        match &mut file {
            Some(file) => send_file(args, file, &mut session, summary).await,
            None => send_messages(args, body, &mut session, summary).await,
        }
    };
    let interrupted = async {
        interrupt.await;
        Err("interrupted".into())
    };
    let sent = tokio::select! {
        sent = sending => sent,
        sent = interrupted => sent,
    };
    if sent.is_err() {
        // What is half sent ends with `#`.
        let _ = session.handle().with(offhook_msrp::MsrpSession::abort_all).await;
    }
    sent.and(leave(args, &mut session).await)
}

/// Closes the session, for a while until all that was begun is ended: after a failure it may be that nobody reads.
async fn leave(args: &Args, session: &mut MsrpConnection) -> Result<(), Failure> {
    let _ = session.handle().close().await; // the peer may have been faster
    let last_words = async {
        while let Some(event) = session.next_event().await {
            show(args, &event);
            if let SessionEvent::Closed(reason) = &event {
                check_end(reason)?;
            }
        }
        Ok(())
    };
    tokio::time::timeout(PARTING, last_words).await.unwrap_or(Ok(()))
}

async fn prepare(args: &Args) -> Result<Connector, Failure> {
    let relay = args.through.settings(&args.protection)?;
    if relay.is_some() {
        return Ok(get_connector(relay.as_ref(), args.local_path.clone()).await?);
    }
    let mut connector = ConnectorDirect::prepare(args.local_path.clone())?;
    if let Some(identity) = args.protection.identity()? {
        connector = connector.with_identity(&identity);
    } else if args.protection.tls {
        connector = connector.with_tls(args.protection.client()?);
    }
    Ok(Connector::Direct(connector))
}

/// What each message has.
fn body(size: u64) -> Result<Bytes, Failure> {
    let size = usize::try_from(size)?;
    let mut body = Vec::new();
    body.try_reserve_exact(size)
        .map_err(|error| format!("--size {size}: {error}"))?;
    body.resize(size, b'x');
    Ok(body.into())
}

async fn send_messages(
    args: &Args,
    body: Bytes,
    session: &mut MsrpConnection,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let echoes = if args.echo { args.count } else { 0 };
    let (mut sent, mut over, mut echoed) = (0, 0, 0);
    while over < args.count || echoed < echoes {
        let more = (args.window - (sent - over)).min(args.count - sent);
        if more > 0 && (more >= args.window / 2 || sent == over) {
            let message = wish(args, OutgoingMessage::new("text/plain", body.clone()));
            // As many as there is room for; the others when these are on their way.
            let queue = move |session: &mut offhook_msrp::MsrpSession| {
                let mut queued = 0;
                while queued < more && session.check_room().is_ok() {
                    session.send(message.clone())?;
                    queued += 1;
                }
                Ok::<_, SendError>(queued)
            };
            // When the session is over, the next event says why.
            if let Ok(queued) = session.handle().with(queue).await {
                sent += queued?;
            }
        }
        match next_event(args, session).await? {
            SessionEvent::Reported { complete: true, .. } => over += 1,
            SessionEvent::SendDone { .. } if !args.awaits_reports() => over += 1,
            SessionEvent::Message(echo) if args.echo => {
                if echo.body != body {
                    return Err("a message came back changed".into());
                }
                echoed += 1;
                continue;
            }
            _ => continue,
        }
        summary.message(args.size);
    }
    Ok(())
}

/// The next event, as long as something of what we wait for can still come.
async fn next_event(args: &Args, session: &mut MsrpConnection) -> Result<SessionEvent, Failure> {
    let next = session.next_event();
    let event = if args.awaits_reports() || args.echo {
        let awaited = if args.echo { "echo" } else { "report of success" };
        let patience = Duration::from_secs(args.patience);
        tokio::time::timeout(patience, next)
            .await
            .map_err(|_| format!("no {awaited}, and nothing else, came within {} s", args.patience))?
    } else {
        next.await
    };
    let event = event.ok_or("the session ended")?;
    show(args, &event);
    match event {
        SessionEvent::SendFailed { status, .. } => Err(format!("failed with {}", status.in_words()).into()),
        SessionEvent::Closed(reason) => Err(format!("the session ended: {reason}").into()),
        event => Ok(event),
    }
}

async fn send_file(
    args: &Args,
    file: &mut Sent,
    session: &mut MsrpConnection,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let size = file.size();
    let message = wish(
        args,
        OutgoingMessage::streamed("application/octet-stream", Some(size)),
    );
    let id: OutgoingId = match session.handle().send(message).await {
        Err(SendError::Closing) => loop {
            next_event(args, session).await?; // which says in the end why
        },
        sent => sent?,
    };
    loop {
        match next_event(args, session).await? {
            SessionEvent::WantsData { .. } => match file.piece().await {
                Ok(piece) => match session.handle().supply(id, piece).await {
                    Ok(()) | Err(SendError::NotTaken | SendError::Closing) => {} // the next event says why
                    Err(error) => return Err(error.into()),
                },
                Err(error) => {
                    session.handle().with(move |session| session.abort(id)).await?;
                    return Err(error);
                }
            },
            SessionEvent::Reported { complete: true, .. } => break,
            SessionEvent::SendDone { .. } if !args.awaits_reports() => break,
            _ => {}
        }
    }
    summary.message(size);
    Ok(())
}

fn wish(args: &Args, message: OutgoingMessage) -> OutgoingMessage {
    if args.awaits_reports() {
        message.with_success_report(SuccessReport::Yes)
    } else {
        message
    }
}

fn show(args: &Args, event: &SessionEvent) {
    if !args.quiet {
        tell_event(event);
    }
}
