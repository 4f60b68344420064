//! One connection of a relay: what is read from it, what is written to it, and what its far end still has to answer.

use super::config::RelayConfig;
use super::{ConnectionId, PeerCertificate};
use crate::chunk::{
    ByteRange, Continuation, FailureReport, Head, TransactionId, TransactionIds, write_end_line,
};
use crate::end_line::EndLineGuard;
use crate::framer::Framer;
use crate::uri::MsrpUri;
use bytes::{Bytes, BytesMut};
use offhook_sansio::Entropy;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) framer: Framer,
    pub(super) is_secure: bool,
    /// What who connected showed of itself.
    pub(super) certificate: Option<Box<dyn PeerCertificate>>,
    /// The host of the relay that it proved to be.
    pub(super) relay: Option<String>,
    /// Whom it was opened to, by the relay itself, and for which user.
    pub(super) opened: Option<(MsrpUri, String)>,
    /// A request of it succeeded: probation is over.
    pub(super) is_trusted: bool,
    pub(super) failures: u32,
    /// When it is closed, unless something comes.
    pub(super) idle_at: Instant,
    /// Nothing is read of it before: its user sends too fast.
    pub(super) paused_until: Option<Instant>,
    pub(super) inbound: Inbound,
    pub(super) out: BytesMut,
    /// Since when something waits in `out` and nothing was taken.
    pub(super) stuck_since: Option<Instant>,
    /// The SEND that is being written to it.
    pub(super) open: Option<OpenChunk>,
    pub(super) ids: TransactionIds,
    /// Requests that went out and may be answered, oldest first.
    pub(super) waiting: VecDeque<Waiting>,
    /// Who found `out` full, and reads on when it is not.
    pub(super) held_up: Vec<ConnectionId>,
    pub(super) is_closing: bool,
    /// When the agenda looks at it next.
    pub(super) scheduled: Option<Instant>,
}

/// The chunk that is being read.
#[derive(Debug)]
pub(super) enum Inbound {
    /// None, or one whose body nobody wants.
    Skipped,
    /// A SEND that is passed on as it comes.
    Forwarded(Forward),
    /// A request that is passed on when it is complete.
    Collected {
        request: Arc<Request>,
        target: ConnectionId,
        body: BytesMut,
    },
}

/// A SEND on its way through.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) request: Arc<Request>,
    pub(super) target: ConnectionId,
    /// The place whose user it is counted for.
    pub(super) place: Box<str>,
    /// Where the next byte belongs in the message, from 0.
    pub(super) at: u64,
    /// Chunks of it that were begun.
    pub(super) chunks: u32,
}

/// A request as it came, and the paths with which it goes on.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) head: Head,
    pub(super) source: ConnectionId,
    pub(super) to_path: String,
    pub(super) from_path: String,
    /// Our URIs that it passed, the one that it was sent to first.
    pub(super) ours: Vec<String>,
    pub(super) wish: FailureReport,
    pub(super) range: Option<ByteRange>,
}

/// The SEND that is being written to a connection.
#[derive(Debug)]
pub(super) struct OpenChunk {
    pub(super) request: Arc<Request>,
    pub(super) id: TransactionId,
    pub(super) guard: EndLineGuard,
    /// Its first byte in the message, from 0.
    pub(super) start: u64,
    pub(super) len: u64,
    pub(super) has_body: bool,
}

/// A request whose answer may come.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: TransactionId,
    pub(super) deadline: Instant,
    pub(super) request: Arc<Request>,
    pub(super) what: Awaited,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Awaited {
    /// A chunk of a SEND: what fails is reported to its sender.
    Chunk(ByteRange),
    /// A response that goes back to the sender.
    Response,
}

impl Connection {
    pub(super) fn new(now: Instant, config: &RelayConfig, is_secure: bool, entropy: Entropy) -> Self {
        Self {
            framer: Framer::new(config.head_limits),
            is_secure,
            certificate: None,
            relay: None,
            opened: None,
            is_trusted: false,
            failures: 0,
            idle_at: now + config.probation,
            paused_until: None,
            inbound: Inbound::Skipped,
            out: BytesMut::new(),
            stuck_since: None,
            open: None,
            ids: TransactionIds::new(entropy),
            waiting: VecDeque::new(),
            held_up: Vec::new(),
            is_closing: false,
            scheduled: None,
        }
    }

    /// True when the host of this name is at the other end, as TLS proved.
    pub(super) fn is_to(&self, host: &str) -> bool {
        let has_shown = self.certificate.as_ref().is_some_and(|shown| shown.is_for(host));
        let was_called = self
            .opened
            .as_ref()
            .is_some_and(|(uri, _)| uri.is_secure() && uri.host().eq_ignore_ascii_case(host));
        has_shown || was_called
    }

    /// Ends the chunk that is being written, and waits for its answer if there is something to report.
    pub(super) fn close_chunk(&mut self, now: Instant, config: &RelayConfig, flag: Continuation) {
        let Some(open) = self.open.take() else { return };
        write_end_line(&mut self.out, &open.id, open.has_body, flag);
        if open.request.wish == FailureReport::No || flag == Continuation::Aborted {
            return;
        }
        let range = ByteRange {
            start: open.start + 1,
            end: Some(open.start + open.len),
            total: open.request.range.and_then(|range| range.total),
        };
        self.waiting.push_back(Waiting {
            id: open.id,
            deadline: now + config.response_timeout,
            request: open.request,
            what: Awaited::Chunk(range),
        });
    }

    /// The buffer for something that is no part of the open chunk, which ends before it.
    pub(super) fn between_chunks(&mut self, now: Instant, config: &RelayConfig) -> &mut BytesMut {
        self.close_chunk(now, config, Continuation::More);
        &mut self.out
    }

    /// Takes the request that a response names.
    pub(super) fn take_waiting(&mut self, id: &TransactionId) -> Option<Waiting> {
        let index = self.waiting.iter().position(|waiting| waiting.id == *id)?;
        self.waiting.remove(index)
    }

    /// When something has to be done about it.
    pub(super) fn deadline(&self, config: &RelayConfig) -> Instant {
        let stuck = self.stuck_since.map(|since| since + config.response_timeout);
        let answer = self.waiting.iter().map(|waiting| waiting.deadline).next();
        [stuck, answer, self.paused_until]
            .into_iter()
            .flatten()
            .fold(self.idle_at, Instant::min)
    }
}

impl OpenChunk {
    /// Writes as much of a piece as may follow, and says how much that was.
    pub(super) fn write(&mut self, out: &mut BytesMut, data: &Bytes) -> usize {
        let len = match self.guard.check(data) {
            crate::end_line::Free::Whole => data.len(),
            crate::end_line::Free::Part(len) => len,
        };
        self.guard.pass(&data[..len]);
        out.extend_from_slice(&data[..len]);
        self.len += len as u64;
        len
    }
}
