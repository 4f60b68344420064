//! One JSON line per event, and the throughput at the end.
#![allow(dead_code, reason = "each example uses a part")]

use offhook_msrp::SessionEvent;
use offhook_msrp::relay::RelayError;
use offhook_msrp::session::{AbortReason, CloseReason};
use offhook_msrp::tokio::ConnectError;
use offhook_msrp::trace::{ChunkTracer, Direction, Traced};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};
use serde_json::{Value, json};
use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

pub(crate) type Failure = Box<dyn Error>;

/// How an example ends: what went wrong is told as an event and said on standard error in words, with its causes, and the
/// exit code is 1. The throughput is the last line.
pub(crate) fn end(outcome: Result<(), Failure>, summary: Option<Summary>) -> ExitCode {
    let said = outcome.err().map(|error| in_full(&error));
    if let Some(said) = &said {
        tell_error(said);
    }
    if let Some(summary) = summary {
        summary.tell();
    }
    let Some(said) = said else {
        return ExitCode::SUCCESS;
    };
    // Whoever reads may have gone; the exit code still tells.
    let _ = writeln!(std::io::stderr(), "error: {said}");
    ExitCode::FAILURE
}

/// An error with its causes, and with what a person could do about it.
fn in_full(error: &Failure) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_said = cause.to_string();
        // Some errors repeat their cause in their own words.
        if !said.contains(&cause_said) {
            said = format!("{said}: {cause_said}");
        }
        source = cause.source();
    }
    match hint(error) {
        Some(hint) => format!("{said} ({hint})"),
        None => said,
    }
}

/// Waits until somebody ends us: by control-C, or as a system stops its programs. No signal is lost from this call on,
/// whenever it is waited for.
#[cfg(unix)]
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn came(signal: std::io::Result<Signal>) {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await, // then it ends us as it would have without
        }
    }
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        tokio::select! {
            () = came(interrupt) => {}
            () = came(terminate) => {}
        }
    }
}

#[cfg(not(unix))]
pub(crate) async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}

/// Shows the chunks that pass to a person.
pub(crate) fn on_standard_error() -> Arc<Mutex<dyn ChunkTracer>> {
    Arc::new(Mutex::new(OnStandardError))
}

#[derive(Debug)]
struct OnStandardError;

impl ChunkTracer for OnStandardError {
    fn trace(&mut self, direction: Direction, traced: Traced<'_>) {
        let way = match direction {
            Direction::Sent => '>',
            Direction::Received => '<',
        };
        let shown = match traced {
            Traced::NewChunk(head) => match (head.method(), head.status()) {
                (Some(method), _) => format!("{} {}", head.transaction_id(), method.as_str()),
                (_, Some(status)) => format!("{} {}", head.transaction_id(), status.in_words()),
                _ => return,
            },
            Traced::Data(id, data) => format!("{id} {} bytes", data.len()),
            Traced::End(id, flag) => format!("{id} {}", char::from(flag.as_byte())),
        };
        // Whoever reads may have gone.
        let _ = writeln!(std::io::stderr(), "{way} {shown}");
    }
}

/// What a person could do about it.
fn hint(error: &Failure) -> Option<&'static str> {
    match error.downcast_ref::<ConnectError>()? {
        ConnectError::Handshake(error) => hint_about_tls(error),
        ConnectError::Relay(RelayError::Challenge(_)) => {
            Some("are --relay-user and --relay-password what the relay knows?")
        }
        _ => None,
    }
}

fn hint_about_tls(error: &std::io::Error) -> Option<&'static str> {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            Some("--ca FILE names whom to trust, --fingerprint a certificate of its own making")
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Some("the path, or --relay-domain, has to name the host as its certificate does"),
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)) => None,
        _ => Some(
            "does the other end speak TLS? A path with msrp: is without, and --relay-plain a relay without",
        ),
    }
}

/// The authorities in a PEM file; one without any is told, for it would believe nobody.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// The certificates in a PEM file, at least one.
pub(crate) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let name = path.display();
    let told = |error| format!("{name}: {error}");
    let certificates = CertificateDer::pem_file_iter(path).map_err(told)?;
    let chain: Vec<_> = certificates.collect::<Result<_, _>>().map_err(told)?;
    if chain.is_empty() {
        return Err(format!("{name}: no certificate in it").into());
    }
    Ok(chain)
}

/// Whether a session ended as it should. A peer that goes closes its connection; what it left behind is for the caller to
/// judge.
pub(crate) fn check_end(reason: &CloseReason) -> Result<(), Failure> {
    match reason {
        CloseReason::ByOwner | CloseReason::ConnectionLost => Ok(()),
        fault => Err(format!("the session ended: {fault}").into()),
    }
}

/// Counts what passes.
pub(crate) struct Summary {
    direction: &'static str,
    began: Instant,
    messages: u64,
    bytes: u64,
}

impl Summary {
    pub(crate) fn start(direction: &'static str) -> Self {
        Self {
            direction,
            began: Instant::now(),
            messages: 0,
            bytes: 0,
        }
    }

    pub(crate) fn message(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    pub(crate) fn bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    fn tell(&self) {
        let seconds = self.began.elapsed().as_secs_f64();
        tell(&json!({
            "event": "throughput",
            "direction": self.direction,
            "messages": self.messages,
            "bytes": self.bytes,
            "seconds": seconds,
            "messages_per_second": self.messages as f64 / seconds,
            "bytes_per_second": self.bytes as f64 / seconds,
        }));
    }
}

pub(crate) fn tell(line: &Value) {
    // Whoever reads may have gone; there is nobody left to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What went wrong, in words.
pub(crate) fn tell_error(said: &str) {
    tell(&json!({ "event": "error", "error": said }));
}

pub(crate) fn tell_event(event: &SessionEvent) {
    tell(&match event {
        SessionEvent::Ready => json!({ "event": "ready" }),
        SessionEvent::Message(message) => json!({
            "event": "message",
            "message_id": message.message_id(),
            "content_type": message.content_type(),
            "bytes": message.body.len(),
        }),
        SessionEvent::MessageBegan { message, head, size } => json!({
            "event": "message_began",
            "message": number(message),
            "message_id": head.message_id(),
            "content_type": head.content_type(),
            "size": size,
        }),
        SessionEvent::MessageData { message, at, data } => json!({
            "event": "message_data",
            "message": number(message),
            "at": at,
            "bytes": data.len(),
        }),
        SessionEvent::MessageEnded { message, size } => json!({
            "event": "message_ended",
            "message": number(message),
            "size": size,
        }),
        SessionEvent::SendFailed { message, status } => json!({
            "event": "send_failed",
            "message": number(message),
            "status": status.code(),
        }),
        SessionEvent::MessageAborted { message, reason } => json!({
            "event": "message_aborted",
            "message": number(message),
            "reason": said(*reason),
        }),
        SessionEvent::SendProgress {
            message,
            acknowledged,
        } => json!({
            "event": "send_progress",
            "message": number(message),
            "acknowledged": acknowledged,
        }),
        SessionEvent::WantsData { message } => json!({
            "event": "wants_data",
            "message": number(message),
        }),
        SessionEvent::SendDone { message } => json!({
            "event": "send_done",
            "message": number(message),
        }),
        SessionEvent::Reported {
            message,
            range,
            complete,
        } => json!({
            "event": "reported",
            "message": number(message),
            "range": range.map(|range| range.to_string()),
            "complete": complete,
        }),
        SessionEvent::Closed(reason) => json!({ "event": "closed", "reason": reason.to_string() }),
        SessionEvent::RelayMoved(path) => json!({ "event": "relay_moved", "path": path.to_string() }),
        SessionEvent::NicknameWanted { nickname, .. } => json!({
            "event": "nickname_wanted",
            "nickname": nickname.to_string(),
        }),
        SessionEvent::NicknameAnswered(status) => json!({
            "event": "nickname_answered",
            "status": status.code(),
        }),
        _ => json!({ "event": "other" }),
    });
}

/// The number by which a session tells its messages apart.
fn number(id: impl Display) -> Value {
    id.to_string().parse::<u64>().map_or(Value::Null, Value::from)
}

/// Why a message will not be complete, in words.
fn said(reason: AbortReason) -> String {
    match reason {
        AbortReason::BySender => "given up by its sender".to_owned(),
        AbortReason::ByOwner => "refused by us".to_owned(),
        AbortReason::Refused(status) => format!("refused with {}", status.in_words()),
        AbortReason::SessionEnded => "the session ended in the middle of it".to_owned(),
        _ => "for another reason".to_owned(),
    }
}
