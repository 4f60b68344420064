//! What passes through: requests in pieces, responses, and reports of what failed (RFC 4976 §6.4).

use super::connection::{Awaited, Connection, Forward, Inbound, OpenChunk, Request, Waiting};
use super::route::{NoRoute, Route};
use super::{ConnectionId, MsrpRelay};
use crate::chunk::{
    BadField, ByteRange, Continuation, FailureReport, FieldName, Head, HeadWriter, Method, ReportStatus,
    SMALL_CHUNK, StatusCode, TransactionId, write_end_line,
};
use crate::end_line::EndLineGuard;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Instant;

impl MsrpRelay {
    pub(super) fn handle_request(&mut self, now: Instant, id: ConnectionId, head: &Head) {
        match self.route(now, id, head) {
            Ok(Route {
                request,
                target,
                place,
            }) => {
                self.trust(now, id);
                let request = Arc::new(request);
                let inbound = if head.method() == Some(&Method::Send) {
                    let at = request.range.map_or(0, |range| range.start - 1);
                    Inbound::Forwarded(Forward {
                        request,
                        target,
                        place,
                        at,
                        chunks: 0,
                    })
                } else {
                    Inbound::Collected {
                        request,
                        target,
                        body: BytesMut::new(),
                    }
                };
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.inbound = inbound;
                }
            }
            Err(NoRoute::NotOurs) => self.close(id),
            Err(NoRoute::Status(status)) => {
                if head.failure_report().unwrap_or_default().wants(status) {
                    self.respond(now, id, head, status);
                }
                self.count_failure_before_trust(id);
            }
        }
    }

    fn count_failure_before_trust(&mut self, id: ConnectionId) {
        if self
            .connections
            .get(&id)
            .is_some_and(|connection| !connection.is_trusted)
        {
            self.count_failure(id);
        }
    }

    pub(super) fn handle_body(&mut self, now: Instant, id: ConnectionId, data: Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match &mut connection.inbound {
            Inbound::Skipped => {}
            Inbound::Collected { request, body, .. } => {
                if body.len() + data.len() <= self.config.collected_bytes {
                    body.extend_from_slice(&data);
                } else {
                    let request = Arc::clone(request);
                    connection.inbound = Inbound::Skipped;
                    self.respond(now, id, &request.head, StatusCode::STOP_SENDING);
                }
            }
            Inbound::Forwarded(_) => self.forward(now, id, data),
        }
    }

    /// Passes a piece of a SEND on.
    fn forward(&mut self, now: Instant, id: ConnectionId, mut data: Bytes) {
        let Some(mut forward) = self.take_forward(id) else {
            return;
        };
        self.charge(now, id, &forward.place, data.len());
        let config = &self.config;
        let Some(target) = self.connections.get_mut(&forward.target) else {
            return self.fail_forward(now, id, &forward);
        };
        while !data.is_empty() {
            if !is_open(target, &forward) && open_chunk(now, config, target, &mut forward).is_err() {
                return self.fail_forward(now, id, &forward);
            }
            let Connection { open, out, .. } = &mut *target;
            let Some(chunk) = open else { break };
            let written = chunk.write(out, &data);
            forward.at += written as u64;
            let _ = data.split_to(written);
            if !data.is_empty() {
                // The body has our end-line in it: it goes on in a chunk with another.
                target.close_chunk(now, config, Continuation::More);
                target.ids.renew();
            }
        }
        let target = forward.target;
        self.put_forward(id, forward);
        self.ready_at(now, target);
    }

    pub(super) fn handle_end(&mut self, now: Instant, id: ConnectionId, flag: Continuation) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match std::mem::replace(&mut connection.inbound, Inbound::Skipped) {
            Inbound::Skipped => {}
            Inbound::Collected {
                request,
                target,
                body,
            } => self.forward_whole(now, request, target, &body, flag),
            Inbound::Forwarded(forward) => self.end_forward(now, id, forward, flag),
        }
    }

    /// A SEND is complete: its sender is answered, whatever becomes of it further on (RFC 4976 §6.4.1).
    fn end_forward(&mut self, now: Instant, id: ConnectionId, mut forward: Forward, flag: Continuation) {
        let config = &self.config;
        let Some(target) = self.connections.get_mut(&forward.target) else {
            return self.fail_forward(now, id, &forward);
        };
        if !is_open(target, &forward) && open_chunk(now, config, target, &mut forward).is_err() {
            return self.fail_forward(now, id, &forward);
        }
        target.close_chunk(now, config, flag);
        self.bound_waiting(now, forward.target);
        self.ready_at(now, forward.target);
        if forward.request.wish == FailureReport::Yes {
            self.respond(now, id, &forward.request.head, StatusCode::OK);
        }
    }

    /// The next hop is gone while a SEND is on the way to it.
    fn fail_forward(&mut self, now: Instant, id: ConnectionId, forward: &Forward) {
        if forward.request.wish != FailureReport::No {
            self.respond(now, id, &forward.request.head, StatusCode::NO_SESSION);
        }
    }

    /// Passes on a request that is no SEND (RFC 4976 §6.4.2).
    fn forward_whole(
        &mut self,
        now: Instant,
        request: Arc<Request>,
        target_id: ConnectionId,
        body: &[u8],
        flag: Continuation,
    ) {
        let Some(target) = self.connections.get_mut(&target_id) else {
            return self.answer_unanswered(now, &request);
        };
        target.close_chunk(now, &self.config, Continuation::More);
        let mut id = target.ids.next_id();
        while EndLineGuard::new(&id).is_in(body) {
            target.ids.renew();
            id = target.ids.next_id();
        }
        let begin = target.out.len();
        let Some(method) = request.head.method() else {
            return;
        };
        let paths = (&*request.to_path, &*request.from_path);
        if write_request(&mut target.out, &id, method, paths, &request.head, None).is_err() {
            target.out.truncate(begin);
            return;
        }
        let has_body = request.head.content_type().is_some();
        target.out.extend_from_slice(body);
        write_end_line(&mut target.out, &id, has_body, flag);
        if *method != Method::Report {
            target.waiting.push_back(Waiting {
                id,
                deadline: now + self.config.response_timeout,
                request,
                what: Awaited::Response,
            });
        }
        self.ready_at(now, target_id);
    }

    /// Nobody will answer a request that is no SEND: its sender does not have to wait for that.
    pub(super) fn answer_unanswered(&mut self, now: Instant, request: &Request) {
        self.respond(now, request.source, &request.head, StatusCode::TIMEOUT);
    }

    /// A response ends what waits for it, goes back to who asked, or is reported (RFC 4976 §6.4.3).
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        id: ConnectionId,
        head: &Head,
        status: StatusCode,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(waiting) = connection.take_waiting(head.transaction_id()) else {
            return self.refuse_open(now, id, head.transaction_id(), status);
        };
        self.release(id);
        let request = waiting.request;
        match waiting.what {
            Awaited::Chunk(_) if status.is_success() => {}
            Awaited::Chunk(range) => self.report(now, &request, range, status),
            Awaited::Response => {
                self.return_response(now, &request, head, status);
                let had_answer = request.head.field(FieldName::Authorization).is_some();
                if status == StatusCode::UNAUTHORIZED && had_answer {
                    // Passwords are not to be guessed through us either (RFC 4976 §6.3).
                    self.count_failure(request.source);
                }
            }
        }
    }

    /// The next hop refuses the chunk that is being written to it: its sender is told to stop.
    fn refuse_open(
        &mut self,
        now: Instant,
        id: ConnectionId,
        transaction: &TransactionId,
        status: StatusCode,
    ) {
        let Some(target) = self.connections.get_mut(&id) else {
            return;
        };
        let is_it = target.open.as_ref().is_some_and(|open| open.id == *transaction);
        if !is_it || status.is_success() {
            return;
        }
        let source = target.open.as_ref().map(|open| open.request.source);
        target.close_chunk(now, &self.config, Continuation::Aborted);
        self.ready_at(now, id);
        if let Some(source) = source
            && let Some(forward) = self.take_forward(source)
        {
            if forward.request.wish.wants(status) {
                self.respond(now, source, &forward.request.head, status);
            }
            self.ready(source);
        }
    }

    /// Passes a response back to who sent the request.
    fn return_response(&mut self, now: Instant, request: &Request, head: &Head, status: StatusCode) {
        let Some(source) = self.connections.get_mut(&request.source) else {
            return;
        };
        let Some(back) = request.head.field(FieldName::FromPath) else {
            return;
        };
        let from = head.field(FieldName::FromPath).unwrap_or_default();
        let from = format!("{} {from}", request.ours.join(" "));
        let out = source.between_chunks(now, &self.config);
        let begin = out.len();
        let id = request.head.transaction_id();
        let written = HeadWriter::response(out, id, status, back, &from).and_then(|mut writer| {
            for (name, value) in further_fields(head) {
                writer = writer.field(name, value)?;
            }
            writer.end(Continuation::Last);
            Ok(())
        });
        if written.is_err() {
            source.out.truncate(begin);
        }
        self.ready_at(now, request.source);
    }

    /// Tells the sender of a SEND what became of a part of it (RFC 4976 §6.4.1).
    pub(super) fn report(&mut self, now: Instant, request: &Request, range: ByteRange, status: StatusCode) {
        let (Some(back), Some(message_id)) =
            (request.head.field(FieldName::FromPath), request.head.message_id())
        else {
            return;
        };
        let Some(source) = self.connections.get_mut(&request.source) else {
            return;
        };
        let Some(ours) = request.ours.first().filter(|_| request.wish != FailureReport::No) else {
            return;
        };
        let id = source.ids.next_id();
        let value = ReportStatus {
            namespace: 0,
            status,
            comment: (!status.comment().is_empty()).then(|| status.comment().into()),
        };
        let out = source.between_chunks(now, &self.config);
        let begin = out.len();
        let written = HeadWriter::request(out, &id, &Method::Report, back, ours)
            .and_then(|report| report.field(FieldName::MessageId.as_str(), message_id))
            .and_then(|report| {
                report
                    .byte_range(range)
                    .field(FieldName::Status.as_str(), &value.to_string())
            });
        match written {
            Ok(report) => report.end(Continuation::Last),
            Err(BadField) => source.out.truncate(begin),
        }
        self.ready_at(now, request.source);
    }

    /// Counts bytes against what the user of a place may send; too many, and the connection is not read for a while.
    fn charge(&mut self, now: Instant, id: ConnectionId, place: &str, bytes: usize) {
        let allowance = self
            .places
            .get_mut(place)
            .and_then(|place| place.allowance.as_mut());
        let Some(pause) = allowance.and_then(|allowance| allowance.take(now, bytes)) else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.paused_until = Some(now + pause);
            self.schedule(id);
        }
    }

    fn take_forward(&mut self, id: ConnectionId) -> Option<Forward> {
        let connection = self.connections.get_mut(&id)?;
        match std::mem::replace(&mut connection.inbound, Inbound::Skipped) {
            Inbound::Forwarded(forward) => Some(forward),
            other => {
                connection.inbound = other;
                None
            }
        }
    }

    fn put_forward(&mut self, id: ConnectionId, forward: Forward) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.inbound = Inbound::Forwarded(forward);
        }
    }
}

/// True when the chunk that is being written is this one.
fn is_open(target: &Connection, forward: &Forward) -> bool {
    target
        .open
        .as_ref()
        .is_some_and(|open| Arc::ptr_eq(&open.request, &forward.request))
}

/// Begins a chunk of a SEND, after the one that is being written.
fn open_chunk(
    now: Instant,
    config: &super::RelayConfig,
    target: &mut Connection,
    forward: &mut Forward,
) -> Result<(), BadField> {
    target.close_chunk(now, config, Continuation::More);
    let request = &forward.request;
    let id = target.ids.next_id();
    // A small chunk that nothing interrupted yet keeps its end; what may be cut has none.
    let range = request.range.map(|range| {
        let is_small = range.end.is_some_and(|end| end + 1 - range.start <= SMALL_CHUNK);
        ByteRange {
            start: forward.at + 1,
            end: range.end.filter(|_| is_small && forward.chunks == 0),
            total: range.total,
        }
    });
    let range = range.or((forward.chunks > 0).then_some(ByteRange {
        start: forward.at + 1,
        end: None,
        total: None,
    }));
    let begin = target.out.len();
    let paths = (&*request.to_path, &*request.from_path);
    if let Err(bad) = write_request(&mut target.out, &id, &Method::Send, paths, &request.head, range) {
        target.out.truncate(begin);
        return Err(bad);
    }
    forward.chunks += 1;
    target.open = Some(OpenChunk {
        guard: EndLineGuard::new(&id),
        request: Arc::clone(request),
        id,
        start: forward.at,
        len: 0,
        has_body: request.head.content_type().is_some(),
    });
    Ok(())
}

/// Writes the head of a request as it goes on: other paths, another identifier, the same fields otherwise. A range
/// replaces the one that came.
fn write_request(
    out: &mut BytesMut,
    id: &TransactionId,
    method: &Method,
    (to_path, from_path): (&str, &str),
    head: &Head,
    range: Option<ByteRange>,
) -> Result<(), BadField> {
    let mut writer = HeadWriter::request(out, id, method, to_path, from_path)?;
    for (name, value) in further_fields(head) {
        match FieldName::of(name.as_bytes()) {
            FieldName::ByteRange if range.is_some() => {}
            FieldName::ContentType => {}
            _ => writer = writer.field(name, value)?,
        }
    }
    if let Some(range) = range {
        writer = writer.byte_range(range);
    }
    if let Some(content_type) = head.content_type() {
        writer.content_type(content_type)?;
    }
    Ok(())
}

/// The fields that are no paths.
fn further_fields(head: &Head) -> impl Iterator<Item = (&str, &str)> {
    head.fields().filter(|(name, _)| {
        !matches!(
            FieldName::of(name.as_bytes()),
            FieldName::ToPath | FieldName::FromPath
        )
    })
}
