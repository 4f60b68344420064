//! One JSON line per event, and the throughput at the end.
#![allow(dead_code, reason = "each example uses a part")]

use offhook_msrp::SessionEvent;
use offhook_msrp::session::CloseReason;
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

pub(crate) type Failure = Box<dyn Error>;

/// How an example ends: what went wrong is told as an event and said on standard error in words, with its causes, and the
/// exit code is 1.
pub(crate) fn end(outcome: Result<(), Failure>) -> ExitCode {
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
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
    tell_error(&said);
    // Whoever reads may have gone; the exit code still tells.
    let _ = writeln!(std::io::stderr(), "error: {said}");
    ExitCode::FAILURE
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
    began: Instant,
    messages: u64,
    bytes: u64,
}

impl Summary {
    pub(crate) fn start() -> Self {
        Self {
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

    pub(crate) fn tell(&self, direction: &str) {
        let seconds = self.began.elapsed().as_secs_f64();
        tell(&json!({
            "event": "throughput",
            "direction": direction,
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
            "message": format!("{message:?}"),
            "message_id": head.message_id(),
            "content_type": head.content_type(),
            "size": size,
        }),
        SessionEvent::MessageData { message, at, data } => json!({
            "event": "message_data",
            "message": format!("{message:?}"),
            "at": at,
            "bytes": data.len(),
        }),
        SessionEvent::MessageEnded { message, size } => json!({
            "event": "message_ended",
            "message": format!("{message:?}"),
            "size": size,
        }),
        SessionEvent::SendFailed { message, status } => json!({
            "event": "send_failed",
            "message": format!("{message:?}"),
            "status": status.code(),
        }),
        SessionEvent::MessageAborted { message, reason } => json!({
            "event": "message_aborted",
            "message": format!("{message:?}"),
            "reason": format!("{reason:?}"),
        }),
        SessionEvent::SendProgress {
            message,
            acknowledged,
        } => json!({
            "event": "send_progress",
            "message": format!("{message:?}"),
            "acknowledged": acknowledged,
        }),
        SessionEvent::WantsData { message } => json!({
            "event": "wants_data",
            "message": format!("{message:?}"),
        }),
        SessionEvent::SendDone { message } => json!({
            "event": "send_done",
            "message": format!("{message:?}"),
        }),
        SessionEvent::Reported {
            message,
            range,
            complete,
        } => json!({
            "event": "reported",
            "message": format!("{message:?}"),
            "range": range.map(|range| range.to_string()),
            "complete": complete,
        }),
        SessionEvent::Closed(reason) => json!({ "event": "closed", "reason": format!("{reason:?}") }),
        other => json!({ "event": format!("{other:?}") }),
    });
}
