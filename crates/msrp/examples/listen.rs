//! Takes one MSRP connection without SIP, by paths given on the command line, and tells each event as a line of JSON.
//!
//! ```text
//! cargo run --release -p offhook-msrp --features tls --example listen -- --port 2855 --session-id s1 \
//!     --remote-path 'msrp://127.0.0.1:2856/c1;tcp' --mode sink
//! ```

mod common;
#[path = "common/ends.rs"]
mod ends;
#[path = "common/received.rs"]
mod received;

use clap::{Parser, ValueEnum};
use common::{
    Failure, Summary, check_end, end, interrupted, on_standard_error, tell, tell_error, tell_event,
};
use ends::{Protection, ThroughRelay, in_words, uri};
use offhook_msrp::chunk::{ByteRange, Head, StatusCode};
use offhook_msrp::session::{AbortReason, CloseReason, Delivery, PathMatching, Reports, SendError};
use offhook_msrp::tokio::{
    Acceptor, AcceptorDirect, MsrpConnection, MsrpRelaySettings, SessionHandle, get_acceptor,
};
use offhook_msrp::{MsrpPath, MsrpUri, OutgoingMessage, SessionEvent};
use received::{GAP, Outcome, Received};
use serde_json::json;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "Takes one MSRP connection and tells what arrives, one JSON line per event.")]
struct Args {
    /// The address to listen on. With 0.0.0.0 or [::] the peer names the one that it reaches, and session ids alone are compared.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// The port to listen on; 0 for any.
    #[arg(long, default_value_t = 2855)]
    port: u16,
    /// Our session id: letters, digits and -._~+=/.
    #[arg(long, default_value = "listen")]
    session_id: String,
    /// The path of the peer that connects. Without it, it is read from standard input once ours is told.
    #[arg(long, value_parser = uri::<MsrpPath>)]
    remote_path: Option<MsrpPath>,
    /// What to do with messages.
    #[arg(long, value_enum, default_value_t = Mode::Sink)]
    mode: Mode,
    /// Where mode `file` puts files.
    #[arg(long, default_value = ".")]
    directory: PathBuf,
    /// End after so many messages; without it, with the connection. At a relay the connection does not end with the peer.
    #[arg(long)]
    count: Option<u64>,
    /// The largest message that mode `echo` takes, in bytes: it holds each as a whole while it arrives, up to 16 of them at a
    /// time, and until its echo is sent. Larger ones are refused with 413. The other modes keep nothing, and take any size.
    #[arg(long, value_name = "BYTES", default_value_t = 10 * 1024 * 1024)]
    max_message: u64,
    /// For how many seconds the peer may take to connect and bind the session.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    bind_timeout: u64,
    /// Compare session ids alone (RFC 6714).
    #[arg(long)]
    session_match: bool,
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
enum Mode {
    /// Count and drop.
    Sink,
    /// Send each message back.
    Echo,
    /// Write each message to a file that is named by its Message-ID, `ID.received`, once it is complete. Its sender gets the
    /// report of success then, not before.
    File,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut summary = None;
    let outcome = run(&Args::parse(), &mut summary).await;
    end(outcome, summary)
}

async fn run(args: &Args, summary: &mut Option<Summary>) -> Result<(), Failure> {
    if let Some(path) = &args.remote_path {
        args.through.check(&args.protection, path)?;
    }
    let files = match args.mode {
        Mode::File => Some(Received::new(&args.directory)?),
        Mode::Sink | Mode::Echo => None,
    };
    let acceptor = prepare(args).await?;
    tell(&json!({ "event": "listening", "path": acceptor.local_path().to_string() }));
    let remote_path = args
        .through
        .remote_path(&args.protection, args.remote_path.as_ref())?;
    let mut config = acceptor.session_config(remote_path);
    config
        .peer_fingerprints
        .extend(args.protection.fingerprint.clone());
    config.tracer = args.trace.then(on_standard_error);
    config.bind_timeout = std::time::Duration::from_secs(args.bind_timeout);
    if args.mode == Mode::Echo {
        config.message_limits.bytes = args.max_message;
    } else {
        config.delivery = Delivery::Pieces;
        config.message_limits.bytes = u64::MAX;
    }
    if args.mode == Mode::File {
        config.reports = Reports::Manual;
        config.message_limits.gap = GAP;
    }
    // Any address is none that a peer could name.
    if args.session_match || args.address.is_unspecified() {
        config.matching = PathMatching::SessionId;
    }
    let mut interrupt = pin!(interrupted());
    let mut session = tokio::select! {
        session = acceptor.complete(config) => session?,
        () = &mut interrupt => return Err("interrupted".into()),
    };
    tell(&json!({ "event": "ready" }));
    let summary = summary.insert(Summary::start("received"));
    hear(args, &mut session, files, summary, interrupt).await
}

/// Takes what comes until the session ends, or somebody interrupts us.
async fn hear(
    args: &Args,
    session: &mut MsrpConnection,
    mut files: Option<Received>,
    summary: &mut Summary,
    mut interrupt: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), Failure> {
    let (mut failures, mut broken_off) = (0, 0);
    let mut arriving = HashSet::new();
    loop {
        let event = tokio::select! {
            event = session.next_event() => event,
            () = &mut interrupt => {
                end_within("interrupted", arriving.len())?;
                break;
            }
        };
        let Some(event) = event else {
            break;
        };
        match &event {
            SessionEvent::Message(message) => {
                summary.message(message.body.len() as u64);
                let echo = OutgoingMessage::new(message.content_type(), message.body.clone());
                // It waits for room as long as the peer does not read.
                let sent = tokio::select! {
                    sent = session.handle().send(echo) => sent,
                    () = &mut interrupt => break end_within("interrupted", 1)?,
                };
                match sent {
                    Ok(_) | Err(SendError::Closing) => {} // who sent it may have gone
                    Err(error) => return Err(error.into()),
                }
            }
            SessionEvent::MessageBegan { message, .. } => {
                arriving.insert(*message);
            }
            SessionEvent::MessageData { data, .. } => summary.bytes(data.len() as u64),
            SessionEvent::MessageEnded { message, .. } => {
                arriving.remove(message);
                summary.message(0);
            }
            SessionEvent::MessageAborted { message, reason } => match reason {
                AbortReason::SessionEnded => drop(arriving.insert(*message)),
                reason => {
                    arriving.remove(message);
                    // What we refuse ourselves is told with its cause.
                    broken_off += u64::from(*reason != AbortReason::ByOwner);
                }
            },
            _ => {}
        }
        if let Some(files) = &mut files {
            failures += u64::from(!store(session.handle(), files, &event).await);
        }
        if !args.quiet {
            tell_event(&event);
        }
        if let SessionEvent::Closed(reason) = &event {
            check_end(reason)?;
            if *reason == CloseReason::ConnectionLost {
                end_within("the connection ended", arriving.len())?;
            }
        }
        let is_message = matches!(
            event,
            SessionEvent::Message(_) | SessionEvent::MessageEnded { .. }
        );
        if is_message && args.count == Some(summary.messages()) {
            let _ = session.handle().close().await; // the peer may have been faster
        }
    }
    match (failures, broken_off) {
        (0, 0) => Ok(()),
        (0, _) => Err(format!("messages that broke off: {broken_off}").into()),
        _ => Err(format!("messages that could not be stored: {failures}").into()),
    }
}

/// An end while messages arrive is a fault. Mode `echo` hears of messages once they are complete, and cannot tell when it is
/// interrupted.
fn end_within(what: &str, arriving: usize) -> Result<(), Failure> {
    match arriving {
        0 => Ok(()),
        _ => Err(format!("{what} while messages arrived: {arriving}").into()),
    }
}

async fn prepare(args: &Args) -> Result<Acceptor, Failure> {
    let address = SocketAddr::new(args.address, args.port);
    let relay = args.through.settings(&args.protection)?;
    // At a relay nobody connects to the port, but a URI has one.
    let port = if relay.is_some() {
        args.port.max(1)
    } else {
        args.port
    };
    let is_secure = args.protection.tls || relay.as_ref().is_some_and(MsrpRelaySettings::is_secure);
    let scheme = if is_secure { "msrps" } else { "msrp" };
    let host = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let uri: MsrpUri = format!("{scheme}://{host}:{port}/{};tcp", args.session_id)
        .parse()
        .map_err(in_words)?;
    if relay.is_some() {
        return Ok(get_acceptor(relay.as_ref(), Some(uri)).await?);
    }
    let mut acceptor = AcceptorDirect::prepare_uri(uri)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    if let Some(identity) = args.protection.identity()? {
        acceptor = acceptor.with_identity(&identity);
    } else if args.protection.tls {
        acceptor = acceptor.with_tls(args.protection.server()?);
    }
    Ok(Acceptor::Direct(acceptor))
}

/// Keeps what belongs to a file, and answers for it. False when it cannot be kept: that message fails, and no other.
async fn store(session: &SessionHandle, files: &mut Received, event: &SessionEvent) -> bool {
    match files.take(event) {
        Outcome::Nothing => true,
        Outcome::Unwritten(message, error) => {
            tell_error(&format!("a message cannot be stored: {error}"));
            let _ = session.reject(message).await; // the peer may have gone
            false
        }
        Outcome::Stored { path, head, size } => {
            tell(&json!({ "event": "stored", "file": path.display().to_string(), "size": size }));
            report(session, head, size, StatusCode::OK).await;
            true
        }
        Outcome::Lost { head, size, error } => {
            let is_new = error.is_some();
            if let Some(error) = error {
                tell_error(&format!("a message cannot be stored: {error}"));
            }
            report(session, head, size, StatusCode::STOP_SENDING).await;
            !is_new
        }
    }
}

async fn report(session: &SessionHandle, head: Box<Head>, size: u64, status: StatusCode) {
    let all = ByteRange::whole(size);
    let _ = session
        .with(move |session| session.report(&head, all, status))
        .await; // the peer may have gone
}
