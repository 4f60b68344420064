use super::*;

use crate::chunk::{ByteRange, SuccessReport};
use crate::nickname::Nickname;
use crate::uri::MsrpPath;
use bytes::Bytes;
use std::num::NonZeroU32;
use std::time::Duration;

mod any_stream;
mod extensions;
mod receiving;
mod reporting;

const ALICE: &str = "msrp://a.test:7654/alice;tcp";
const BOB: &str = "msrp://b.test:7777/bob;tcp";
const SECOND: Duration = Duration::from_secs(1);

fn path(text: &str) -> MsrpPath {
    text.parse().unwrap()
}

/// Two ends, a lossless connection between them that cuts where it likes, and a clock.
struct Pair {
    now: Instant,
    alice: MsrpSession,
    bob: MsrpSession,
    cut: usize,
    /// What each wrote.
    from_alice: Vec<u8>,
    from_bob: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        Self::with(|_| {}, |_| {})
    }

    /// A pair whose session is bound.
    fn with(alice: impl FnOnce(&mut SessionConfig), bob: impl FnOnce(&mut SessionConfig)) -> Self {
        let mut pair = Self::unbound(alice, bob);
        pair.run();
        assert!(matches!(pair.alice.poll_event(), Some(SessionEvent::Ready)));
        assert!(matches!(pair.bob.poll_event(), Some(SessionEvent::Ready)));
        pair.forget();
        pair
    }

    fn unbound(alice: impl FnOnce(&mut SessionConfig), bob: impl FnOnce(&mut SessionConfig)) -> Self {
        let now = Instant::now();
        let mut alices = SessionConfig::new(path(ALICE), path(BOB));
        let mut bobs = SessionConfig::new(path(BOB), path(ALICE));
        alice(&mut alices);
        bob(&mut bobs);
        let framer = Framer::new(bobs.head_limits);
        Self {
            now,
            alice: MsrpSession::connected(now, alices, Entropy::from_number(1)),
            bob: MsrpSession::accepted(now, bobs, Entropy::from_number(2), framer, None),
            cut: usize::MAX,
            from_alice: Vec::new(),
            from_bob: Vec::new(),
        }
    }

    fn forget(&mut self) {
        self.from_alice.clear();
        self.from_bob.clear();
    }

    /// One burst each way. False when nobody wrote.
    fn step(&mut self) -> bool {
        let there = carry(
            self.now,
            self.cut,
            &mut self.alice,
            &mut self.bob,
            &mut self.from_alice,
        );
        let back = carry(
            self.now,
            self.cut,
            &mut self.bob,
            &mut self.alice,
            &mut self.from_bob,
        );
        there || back
    }

    fn run(&mut self) {
        while self.step() {}
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.alice.handle_timeout(self.now);
        self.bob.handle_timeout(self.now);
    }

    /// Alice hears these bytes as if Bob had sent them.
    fn tell_alice(&mut self, text: &str) {
        self.alice.input().extend_from_slice(text.as_bytes());
        self.alice.handle_input(self.now);
    }

    fn alice_says(&mut self) -> String {
        let mut said = Vec::new();
        while let Some(burst) = self.alice.poll_transmit(self.now) {
            put(burst, &mut said);
        }
        String::from_utf8(said).unwrap()
    }

    fn alice_hears(&mut self) -> Vec<SessionEvent> {
        std::iter::from_fn(|| self.alice.poll_event()).collect()
    }

    fn bob_hears(&mut self) -> Vec<SessionEvent> {
        std::iter::from_fn(|| self.bob.poll_event()).collect()
    }
}

fn put(mut burst: Burst, out: &mut Vec<u8>) {
    let len = burst.remaining();
    out.extend_from_slice(&burst.copy_to_bytes(len));
}

fn carry(now: Instant, cut: usize, from: &mut MsrpSession, to: &mut MsrpSession, log: &mut Vec<u8>) -> bool {
    let Some(burst) = from.poll_transmit(now) else {
        return false;
    };
    let mut bytes = Vec::new();
    put(burst, &mut bytes);
    log.extend_from_slice(&bytes);
    for piece in bytes.chunks(cut) {
        to.input().extend_from_slice(piece);
        to.handle_input(now);
    }
    true
}

fn text(body: &str) -> OutgoingMessage {
    OutgoingMessage::new("text/plain", body.to_owned())
}

fn bodies(events: &[SessionEvent]) -> Vec<Bytes> {
    events
        .iter()
        .filter_map(|event| match event {
            SessionEvent::Message(message) => Some(message.body.clone()),
            _ => None,
        })
        .collect()
}

/// A request to Alice as Bob would send it.
fn request(method: &str, fields: &str, rest: &str) -> String {
    format!(
        "MSRP abcd1234 {method}\r\nTo-Path: {ALICE}\r\nFrom-Path: {BOB}\r\n{fields}{rest}-------abcd1234$\r\n"
    )
}

fn send(fields: &str) -> String {
    request(
        "SEND",
        &format!("Message-ID: m123\r\n{fields}"),
        "Content-Type: text/plain\r\n\r\nHi\r\n",
    )
}

fn status_of(said: &str) -> Option<&str> {
    said.strip_prefix("MSRP abcd1234 ").map(|rest| &rest[..3])
}

fn closed(events: &[SessionEvent]) -> Option<&CloseReason> {
    events.iter().find_map(|event| match event {
        SessionEvent::Closed(reason) => Some(reason),
        _ => None,
    })
}

#[test]
fn a_message_arrives_and_its_sender_knows() {
    let mut pair = Pair::new();
    let hello = pair.alice.send(text("hello")).unwrap();
    pair.run();
    let heard = pair.bob_hears();
    assert_eq!(bodies(&heard), ["hello"]);
    let events = pair.alice_hears();
    assert!(matches!(events[..], [SessionEvent::SendDone { message }] if message == hello));
    assert!(pair.alice.tracked.is_empty());
}

#[test]
fn messages_of_every_size_arrive_however_they_are_cut() {
    for cut in [1, 7, 64, 4096, usize::MAX] {
        let mut pair = Pair::new();
        pair.cut = cut;
        let sent: Vec<Vec<u8>> = [0, 1, 2047, 2048, 2049, 5000, 20_000]
            .map(|len| vec![b'-'; len])
            .to_vec();
        for body in &sent {
            pair.alice
                .send(OutgoingMessage::new("a/b", body.clone()))
                .unwrap();
        }
        pair.run();
        let mut heard = bodies(&pair.bob_hears());
        heard.sort_by_key(Bytes::len);
        assert_eq!(heard, sent, "cut at {cut}");
    }
}

#[test]
fn nothing_is_sent_before_the_connection_is_bound() {
    let mut pair = Pair::unbound(|_| {}, |_| {});
    pair.alice.send(text("hello")).unwrap();
    pair.bob.send(text("hi")).unwrap();
    let said = pair.alice_says();
    assert!(said.contains(" SEND\r\n") && !said.contains("hello"));
    assert!(pair.bob.poll_transmit(pair.now).is_none());
}

#[test]
fn a_connection_that_is_not_bound_in_time_is_given_up() {
    let mut pair = Pair::unbound(|_| {}, |_| {});
    pair.advance(SECOND * 29);
    assert!(pair.alice_hears().is_empty() && pair.bob_hears().is_empty());
    pair.advance(SECOND);
    assert_eq!(closed(&pair.alice_hears()), Some(&CloseReason::BindTimeout));
    assert_eq!(closed(&pair.bob_hears()), Some(&CloseReason::BindTimeout));
}

#[test]
fn a_refused_binding_closes() {
    let mut pair = Pair::unbound(
        |_| {},
        |config| config.local_path = path("msrp://b.test:7777/other;tcp"),
    );
    pair.run();
    assert_eq!(
        closed(&pair.alice_hears()),
        Some(&CloseReason::BindRefused(StatusCode::NO_SESSION))
    );
    assert_eq!(pair.bob.state(), State::Connecting);
}

#[test]
fn silence_is_a_failure_or_not_as_failure_report_says() {
    for (wish, after) in [
        (FailureReport::Yes, Some(StatusCode::TIMEOUT)),
        (FailureReport::Partial, Some(StatusCode::OK)),
        (FailureReport::No, Some(StatusCode::OK)),
    ] {
        let mut pair = Pair::new();
        pair.alice.send(text("hello").with_failure_report(wish)).unwrap();
        let _ = pair.alice_says();
        let outcome = |events: Vec<SessionEvent>| match events[..] {
            [SessionEvent::SendDone { .. }] => Some(StatusCode::OK),
            [SessionEvent::SendFailed { status, .. }] => Some(status),
            _ => None,
        };
        assert_eq!(outcome(pair.alice_hears()), None, "{wish:?}");
        pair.advance(Duration::from_millis(29_999));
        assert!(pair.alice_hears().is_empty());
        pair.advance(Duration::from_millis(1));
        assert_eq!(outcome(pair.alice_hears()), after, "{wish:?}");
    }
}

#[test]
fn a_message_that_is_refused_is_not_sent_further() {
    let mut pair = Pair::with(
        |config| config.chunk_size = NonZeroU32::MAX,
        |config| config.message_limits.bytes = 500_000,
    );
    let large = pair.alice.send(OutgoingMessage::streamed("a/b", None)).unwrap();
    for _ in 0..3 {
        pair.alice.supply(large, vec![0; 256 * 1024].into()).unwrap();
    }
    pair.run();
    let failed = pair.alice_hears().into_iter().any(
        |event| matches!(event, SessionEvent::SendFailed { message, status } if message == large && status.code() == 413),
    );
    assert!(failed);
    assert!(String::from_utf8_lossy(&pair.from_alice).contains("#\r\n"));
    assert_eq!(
        pair.alice.supply(large, Bytes::from_static(b"x")),
        Err(SendError::NotTaken)
    );
    pair.alice.send(text("still here")).unwrap();
    pair.run();
    assert_eq!(bodies(&pair.bob_hears()), ["still here"]);
}

#[test]
fn pieces_are_told_as_they_arrive_and_can_be_refused() {
    let mut pair = Pair::with(|_| {}, |config| config.delivery = Delivery::Pieces);
    let sent = pair
        .alice
        .send(OutgoingMessage::new("a/b", vec![7; 500_000]))
        .unwrap();
    pair.step();
    let began = pair.bob_hears();
    let [
        SessionEvent::MessageBegan {
            message,
            size: Some(500_000),
            ..
        },
        SessionEvent::MessageData { at: 0, .. },
        ..,
    ] = began[..]
    else {
        panic!("{began:?}")
    };
    pair.bob.reject(message);
    pair.run();
    assert!(matches!(
        pair.bob_hears()[..],
        [SessionEvent::MessageAborted {
            reason: AbortReason::ByOwner,
            ..
        }]
    ));
    assert!(pair.alice_hears().iter().any(
        |event| matches!(event, SessionEvent::SendFailed { message, status } if *message == sent && status.code() == 413)
    ));
}

#[test]
fn pieces_make_the_whole_message() {
    let mut pair = Pair::with(|_| {}, |config| config.delivery = Delivery::Pieces);
    let body: Vec<u8> = (0..50_000).map(|at| (at % 255) as u8).collect();
    pair.alice
        .send(OutgoingMessage::new("a/b", body.clone()))
        .unwrap();
    pair.run();
    let mut heard = vec![0; body.len()];
    let mut ended = false;
    for event in pair.bob_hears() {
        match event {
            SessionEvent::MessageData { at, data, .. } => {
                heard[at as usize..at as usize + data.len()].copy_from_slice(&data);
            }
            SessionEvent::MessageEnded { size, .. } => ended = size == 50_000,
            _ => {}
        }
    }
    assert!(ended);
    assert_eq!(heard, body);
}

#[test]
fn a_sender_that_gives_up_tells_the_receiver() {
    let mut pair = Pair::with(|_| {}, |config| config.delivery = Delivery::Pieces);
    let sent = pair
        .alice
        .send(OutgoingMessage::streamed("a/b", Some(9000)))
        .unwrap();
    pair.alice.supply(sent, vec![0; 3000].into()).unwrap();
    pair.run();
    pair.alice.abort(sent);
    pair.run();
    let last = pair.bob_hears().pop();
    assert!(matches!(
        last,
        Some(SessionEvent::MessageAborted {
            reason: AbortReason::BySender,
            ..
        })
    ));
}

#[test]
fn what_is_half_there_when_the_session_ends_is_told_before_the_end() {
    for delivery in [Delivery::Collected, Delivery::Pieces] {
        let mut pair = Pair::with(|_| {}, |config| config.delivery = delivery);
        let sent = pair
            .alice
            .send(OutgoingMessage::streamed("a/b", Some(9000)))
            .unwrap();
        pair.alice.supply(sent, vec![0; 3000].into()).unwrap();
        pair.run();
        pair.bob.handle_closed();
        let heard = pair.bob_hears();
        let [
            ..,
            SessionEvent::MessageAborted {
                reason: AbortReason::SessionEnded,
                ..
            },
            SessionEvent::Closed(CloseReason::ConnectionLost),
        ] = heard[..]
        else {
            panic!("{heard:?}")
        };
    }
}

#[test]
fn closing_sends_what_is_queued_and_waits_for_the_answers() {
    let mut pair = Pair::new();
    pair.alice
        .send(OutgoingMessage::new("a/b", vec![1; 10_000]))
        .unwrap();
    pair.alice.close();
    assert_eq!(pair.alice.state(), State::Closing);
    assert_eq!(pair.alice.send(text("late")), Err(SendError::Closing));
    pair.run();
    assert_eq!(bodies(&pair.bob_hears()), [vec![1; 10_000]]);
    let events = pair.alice_hears();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, SessionEvent::SendDone { .. }))
    );
    assert_eq!(closed(&events), Some(&CloseReason::ByOwner));
}

#[test]
fn silence_of_ours_is_filled_and_a_dead_peer_is_found() {
    let mut pair = Pair::new();
    pair.advance(SECOND * 60);
    pair.run();
    assert!(
        pair.alice_hears().is_empty() && pair.bob_hears().is_empty(),
        "a keep-alive is no message"
    );
    assert!(!pair.from_alice.is_empty());
    pair.advance(SECOND * 60);
    let _ = pair.alice_says();
    pair.advance(SECOND * 30);
    assert_eq!(
        closed(&pair.alice_hears()),
        Some(&CloseReason::KeepAliveFailed(StatusCode::TIMEOUT))
    );
}

#[test]
fn more_than_the_queue_holds_is_refused() {
    let mut pair = Pair::with(|config| config.queued = 2, |_| {});
    pair.alice.send(text("a")).unwrap();
    pair.alice.send(text("b")).unwrap();
    assert_eq!(pair.alice.send(text("c")), Err(SendError::QueueFull(2)));
    pair.run();
    assert!(pair.alice.send(text("c")).is_ok());
}

#[test]
fn a_peer_that_never_reads_costs_so_many_bytes_and_one_message() {
    let mut pair = Pair::with(|config| config.queued_bytes = 10_000, |_| {});
    let body = Bytes::from(vec![b'x'; 4000]);
    for _ in 0..3 {
        pair.alice
            .send(OutgoingMessage::new("a/b", body.clone()))
            .unwrap();
    }
    assert_eq!(pair.alice.send(text("c")), Err(SendError::BytesFull(12_000)));
    pair.step(); // what is written does not wait any more
    assert!(pair.alice.send(text("c")).is_ok());
    pair.run();
    assert_eq!(bodies(&pair.bob_hears()), [&body[..], &body, &body, b"c"]);
}

#[test]
fn a_streamed_message_is_asked_for_again_once_there_is_room() {
    let mut pair = Pair::with(|config| config.queued_bytes = 10_000, |_| {});
    let streamed = OutgoingMessage::streamed("a/b", Some(20_003));
    let file = pair.alice.send(streamed).unwrap();
    pair.alice.send(text(&"x".repeat(9_999))).unwrap();
    pair.alice.supply(file, vec![b'y'; 20_000].into()).unwrap();
    let last = Bytes::from_static(b"end");
    assert_eq!(
        pair.alice.supply(file, last.clone()),
        Err(SendError::BytesFull(29_999))
    );
    let wants = |events: &[SessionEvent]| {
        let wanted =
            |event: &&SessionEvent| matches!(event, SessionEvent::WantsData { message } if *message == file);
        events.iter().filter(wanted).count()
    };
    assert_eq!(wants(&pair.alice_hears()), 0);
    pair.run();
    assert_eq!(wants(&pair.alice_hears()), 1);
    pair.alice.supply(file, last).unwrap();
    pair.run();
    let heard = bodies(&pair.bob_hears());
    assert_eq!(heard.iter().map(Bytes::len).collect::<Vec<_>>(), [9_999, 20_003]);
}

#[test]
fn what_is_given_up_makes_room() {
    let mut pair = Pair::with(|config| config.queued_bytes = 10, |_| {});
    let first = pair.alice.send(text("ten bytes!")).unwrap();
    assert_eq!(pair.alice.send(text("c")), Err(SendError::BytesFull(10)));
    pair.alice.abort(first);
    assert!(pair.alice.send(text("c")).is_ok());
}

#[test]
fn a_message_that_would_break_the_protocol_is_not_taken() {
    let mut pair = Pair::new();
    for message in [
        OutgoingMessage::new("text/plain\r\nX: y", "a"),
        OutgoingMessage::new("", "a"),
        text("a").with_field("X", "a\r\nb"),
        text("a").with_field("X Y", "a"),
        OutgoingMessage::new("textplain", "a"),
        text("a").with_field("to-path", "msrp://b.test:1/b;tcp"),
        text("a").with_field("Byte-Range", "1-1/1"),
        text("a").with_field("Success-Report", "yes"),
        text("a").with_message_id("a b"),
        text("a").with_message_id("a"),
    ] {
        assert_eq!(pair.alice.send(message), Err(SendError::BadField));
    }
    for start in [2, 5] {
        let beyond = pair.alice.send(text("ab").starting_at(start));
        assert_eq!(beyond, Err(SendError::NoSuchByte(start, 2)));
    }
    let rest = pair.alice.send(text("ab").starting_at(1)).unwrap();
    pair.run();
    assert!(matches!(pair.alice_hears()[..], [SessionEvent::SendDone { message }] if message == rest));
}

#[test]
fn strange_responses_and_reports_are_ignored() {
    let mut pair = Pair::new();
    let sent = pair
        .alice
        .send(text("hello").with_success_report(SuccessReport::Yes))
        .unwrap();
    let _ = pair.alice_says();
    let response =
        format!("MSRP abcd1234 200 OK\r\nTo-Path: {ALICE}\r\nFrom-Path: {BOB}\r\n-------abcd1234$\r\n");
    pair.tell_alice(&response);
    pair.tell_alice(&request(
        "REPORT",
        "Message-ID: unknown1\r\nStatus: 000 200 OK\r\n",
        "",
    ));
    pair.tell_alice(&request("REPORT", "Message-ID: unknown1\r\n", ""));
    assert!(pair.alice_hears().is_empty());
    assert_eq!(pair.alice_says(), "");
    pair.alice.abort(sent);
    assert!(pair.alice.tracked.is_empty());
}

#[test]
fn a_failure_report_fails_the_message() {
    let mut pair = Pair::new();
    let sent = pair
        .alice
        .send(text("hello").with_message_id("mine1234"))
        .unwrap();
    let _ = pair.alice_says();
    pair.tell_alice(&request(
        "REPORT",
        "Message-ID: mine1234\r\nStatus: 000 403 No\r\n",
        "",
    ));
    assert!(matches!(pair.alice_hears()[..],
        [SessionEvent::SendFailed { message, status: StatusCode::FORBIDDEN }] if message == sent));
}

#[test]
fn many_messages_of_several_chunks_arrive_where_both_ends_have_the_defaults() {
    let mut pair = Pair::new();
    for number in 0..40_u8 {
        let message = OutgoingMessage::new("a/b", vec![number; 5000]);
        pair.alice.send(message).unwrap();
    }
    pair.run();
    let heard = bodies(&pair.bob_hears());
    assert_eq!(heard.len(), 40);
    assert!(heard.iter().map(|body| body[0]).eq(0..40), "in order");
    let refused = |event: &SessionEvent| matches!(event, SessionEvent::SendFailed { .. });
    assert!(!pair.alice_hears().iter().any(refused));
}

#[test]
fn both_ways_at_once_large_messages_do_not_block_small_ones() {
    let large = |config: &mut SessionConfig| config.chunk_size = NonZeroU32::MAX;
    let mut pair = Pair::with(large, large);
    pair.alice
        .send(OutgoingMessage::new("a/b", vec![1; 3_000_000]))
        .unwrap();
    pair.bob
        .send(OutgoingMessage::new("a/b", vec![2; 3_000_000]))
        .unwrap();
    pair.step();
    pair.alice.send(text("hello")).unwrap();
    pair.step();
    pair.step();
    assert_eq!(bodies(&pair.bob_hears()), ["hello"]);
    pair.run();
    assert_eq!(bodies(&pair.bob_hears()), [vec![1; 3_000_000]]);
    assert_eq!(bodies(&pair.alice_hears()), [vec![2; 3_000_000]]);
}
