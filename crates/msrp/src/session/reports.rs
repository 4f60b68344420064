//! What became of the messages that were sent (RFC 4975 §7.3.2).

use super::{CloseReason, MsrpSession, OutgoingId, SessionEvent};
use crate::chunk::{
    ByteRange, FailureReport, FieldName, Head, StatusCode, SuccessReport, TransactionId, TransactionIds,
};
use crate::outbound::OutgoingMessage;
use crate::ranges::RangeSet;
use crate::transaction::What;
use std::time::Instant;

/// What is known of a message that is sent or was.
#[derive(Debug)]
pub(super) struct Tracked {
    message_id: Box<str>,
    size: Option<u64>,
    reporting: Reporting,
    wish: FailureReport,
    unanswered: u32,
    acknowledged: u64,
    /// Up to where its chunks were written in full.
    written: u64,
    is_sent: bool,
    delivered: RangeSet,
}

/// Reports of success of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reporting {
    Unwanted,
    Awaited,
    /// All of it was reported: it does not fail any more.
    Complete,
}

impl Tracked {
    pub(super) fn new(message_id: &str, message: &OutgoingMessage, size: Option<u64>) -> Self {
        let mut delivered = RangeSet::default();
        delivered.insert(0, message.start);
        Self {
            message_id: message_id.into(),
            size,
            reporting: match message.success {
                SuccessReport::Yes => Reporting::Awaited,
                SuccessReport::No => Reporting::Unwanted,
            },
            wish: message.failure,
            unanswered: 0,
            acknowledged: message.start,
            written: message.start,
            is_sent: false,
            delivered,
        }
    }

    pub(super) fn has_id(&self, message_id: &str) -> bool {
        *self.message_id == *message_id
    }
}

/// Of how many messages that are answered a report is understood, be it one of failure that comes late from a relay; the
/// oldest are forgotten.
const REPORTABLE: usize = 4096;
/// How many separate ranges the reports of one message may tell.
const REPORTED_RANGES: usize = 256;

impl MsrpSession {
    /// Books the chunks that were written.
    pub(super) fn book_sent(&mut self, now: Instant) {
        while let Some(key) = self.outbound.wants_data.pop_front() {
            self.events.push(SessionEvent::WantsData {
                message: OutgoingId(key),
            });
        }
        while let Some(sent) = self.outbound.sent.pop_front() {
            let Some(tracked) = self.tracked.get_mut(&sent.message) else {
                continue;
            };
            tracked.is_sent = sent.last;
            tracked.written += sent.len;
            tracked.unanswered += 1;
            if sent.answered {
                self.settle_chunk(sent.message, sent.len, StatusCode::OK);
                continue;
            }
            let what = What::Chunk {
                message: sent.message,
                len: sent.len,
                wish: sent.wish,
            };
            self.transactions
                .open(sent.id, now + self.config.response_timeout, what);
            if self.transactions.unneeded() > self.config.unanswered.saturating_mul(2)
                && let Some(oldest) = self.transactions.take_unneeded()
            {
                // Only a failure of it was to be told, if anything was, and none was.
                self.settle_transaction(oldest, StatusCode::OK);
            }
        }
    }

    /// A response arrived.
    pub(super) fn handle_response(&mut self, id: &TransactionId, status: StatusCode) {
        if let Some(pending) = self.transactions.answer(id) {
            self.settle_transaction(pending, status);
        } else if let Some((open, message)) = self.outbound.open_chunk()
            && open == id
        {
            if status.is_success() {
                self.outbound.answer_open();
            } else {
                self.fail(message, status);
            }
        }
    }

    /// One chunk of a message was taken or refused.
    pub(super) fn settle_chunk(&mut self, message: u64, len: u64, status: StatusCode) {
        let Some(tracked) = self.tracked.get_mut(&message) else {
            return;
        };
        if !status.is_success() && tracked.reporting != Reporting::Complete {
            self.fail(message, status);
            return;
        }
        tracked.unanswered = tracked.unanswered.saturating_sub(1);
        tracked.acknowledged += len;
        if !tracked.is_sent || tracked.unanswered > 0 {
            let acknowledged = tracked.acknowledged;
            self.tell_progress(SessionEvent::SendProgress {
                message: OutgoingId(message),
                acknowledged,
            });
        }
        self.check_done(message);
    }

    /// A report arrived. One that names no message of ours is ignored (RFC 4975 §7.1.2).
    pub(super) fn handle_report(&mut self, head: &Head) {
        let to_us = head
            .field(FieldName::ToPath)
            .is_some_and(|path| path == self.outbound.from_path || self.config.is_ours(path));
        let (Some(message_id), Ok(Some(status))) = (head.message_id(), head.report_status()) else {
            return;
        };
        let Some(message) = self
            .message_named(message_id)
            .filter(|_| to_us && status.namespace == 0)
        else {
            return;
        };
        let tracked = self.reported(message);
        if tracked.is_none_or(|tracked| tracked.reporting == Reporting::Complete) {
            return; // there is nothing more to be told
        }
        let status = status.status;
        if !status.is_success() {
            self.fail(message, status);
            if !is_refusal(status) {
                self.end(CloseReason::NotDelivered(status));
            }
        } else if self.is_from_peer(head)
            && let Ok(range) = head.byte_range()
        {
            self.book_delivered(message, range);
        }
    }

    /// Whether a request was made by the peer. Relays on the way say themselves what failed, but what arrived only it can say.
    fn is_from_peer(&self, head: &Head) -> bool {
        head.field(FieldName::FromPath)
            .is_some_and(|path| path == self.outbound.to_path || self.config.ends_at_peer(path))
    }

    /// The peer has this range of a message, as far as that was sent; without a range, all of it. A range of another total is
    /// not one of this message.
    fn book_delivered(&mut self, message: u64, range: Option<ByteRange>) {
        let in_open_chunk = self.outbound.open_len(message);
        let Some(tracked) = self.reported(message) else {
            return;
        };
        let size = tracked.size.filter(|_| tracked.is_sent);
        let told = range.and_then(|range| range.total);
        if told.is_some_and(|told| tracked.size.is_some_and(|size| told != size)) {
            return;
        }
        let end = range.and_then(|range| range.end).or(size).unwrap_or(0);
        // A relay passes a chunk on in pieces while it comes, and reports follow them.
        let end = end.min(tracked.written + in_open_chunk);
        tracked
            .delivered
            .insert(range.map_or(0, |range| range.start - 1), end);
        if tracked.delivered.count() > REPORTED_RANGES {
            return;
        }
        let complete = size.is_some_and(|size| tracked.delivered.covers(size));
        if complete {
            tracked.reporting = Reporting::Complete;
        }
        let event = SessionEvent::Reported {
            message: OutgoingId(message),
            range,
            complete,
        };
        if complete {
            self.reportable.remove(&message);
            self.events.push(event);
        } else {
            self.tell_progress(event);
        }
    }

    fn message_named(&self, message_id: &str) -> Option<u64> {
        let is_it = |key: &u64| {
            let tracked = self.tracked.get(key).or_else(|| self.reportable.get(key));
            tracked.is_some_and(|tracked| tracked.has_id(message_id))
        };
        let made = message_id
            .parse()
            .ok()
            .and_then(|id| TransactionIds::number_of(&id));
        made.filter(is_it).or_else(|| {
            let mut all = self.tracked.iter().chain(&self.reportable);
            let found = all.find(|(_, tracked)| tracked.has_id(message_id));
            found.map(|(key, _)| *key)
        })
    }

    /// A message failed: nothing more of it is sent (RFC 4975 §10.5).
    fn fail(&mut self, message: u64, status: StatusCode) {
        self.outbound.abort(message, false);
        let tracked = self.tracked.remove(&message);
        if tracked.or_else(|| self.reportable.remove(&message)).is_some() {
            self.events.push(SessionEvent::SendFailed {
                message: OutgoingId(message),
                status,
            });
        }
    }

    fn check_done(&mut self, message: u64) {
        let is_done = |tracked: &Tracked| tracked.is_sent && tracked.unanswered == 0;
        if !self.tracked.get(&message).is_some_and(is_done) {
            return;
        }
        let Some(mut tracked) = self.tracked.remove(&message) else {
            return;
        };
        tracked.size.get_or_insert(tracked.acknowledged);
        self.events.push(SessionEvent::SendDone {
            message: OutgoingId(message),
        });
        if tracked.reporting == Reporting::Awaited
            || (tracked.reporting == Reporting::Unwanted && tracked.wish != FailureReport::No)
        {
            self.reportable.insert(message, tracked);
            if self.reportable.len() > REPORTABLE {
                self.reportable.pop_first();
            }
        }
    }

    /// What a report may be about.
    fn reported(&mut self, message: u64) -> Option<&mut Tracked> {
        let reportable = self.reportable.get_mut(&message);
        self.tracked.get_mut(&message).or(reportable)
    }
}

/// Whether a report of failure is about the message alone: its receiver does not want it. Any other says that bytes were lost on
/// the way, and with them the session (RFC 4975 §7.2).
fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::FORBIDDEN
            | StatusCode::STOP_SENDING
            | StatusCode::UNSUPPORTED_MEDIA
            | StatusCode::UNKNOWN_METHOD
    )
}
