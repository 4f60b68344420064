use super::*;
use crate::session::{OutgoingMessage, SessionEvent};
use std::num::NonZeroU32;

const SECOND: Duration = Duration::from_secs(1);
/// Alice has several sessions with Bob on one connection.
const NAMES: [&str; 3] = ["one", "two", "three"];

struct End {
    connection: SharedConnection,
    keys: Vec<SessionKey>,
}

impl End {
    fn session(&mut self, index: usize) -> &mut MsrpSession {
        let key = self.keys[index];
        self.connection.session(key).expect("the session is not over")
    }

    fn events(&mut self, index: usize) -> Vec<SessionEvent> {
        let key = self.keys[index];
        let session = self.connection.session(key);
        session.map_or_else(Vec::new, |session| {
            std::iter::from_fn(|| session.poll_event()).collect()
        })
    }

    fn bodies(&mut self, index: usize) -> Vec<Bytes> {
        let events = self.events(index).into_iter();
        let body = |event| match event {
            SessionEvent::Message(message) => Some(message.body),
            _ => None,
        };
        events.filter_map(body).collect()
    }
}

struct Pair {
    now: Instant,
    alice: End,
    bob: End,
    cut: usize,
    /// What Bob was asked for and did not expect.
    refused: Vec<StatusCode>,
    log: String,
}

fn config(index: usize, is_alice: bool) -> SessionConfig {
    let name = NAMES[index];
    let alice = format!("msrp://a.test:1/a{name};tcp").parse().unwrap();
    let bob = format!("msrp://b.test:2/b{name};tcp").parse().unwrap();
    let mut config = if is_alice {
        SessionConfig::new(alice, bob)
    } else {
        SessionConfig::new(bob, alice)
    };
    config.chunk_size = NonZeroU32::MAX;
    config
}

impl Pair {
    fn new(sessions: usize) -> Self {
        let now = Instant::now();
        let first = MsrpSession::connected(now, config(0, true), Entropy::from_number(1));
        let (mut alices, key) = SharedConnection::new(now, first);
        let mut keys = vec![key];
        for index in 1..sessions {
            let entropy = Entropy::from_number(10 + index as u64);
            keys.push(alices.connect(now, config(index, true), entropy));
        }
        let framer = Framer::new(Limits::default());
        let first = MsrpSession::accepted(now, config(0, false), Entropy::from_number(2), framer, None);
        let (bobs, key) = SharedConnection::new(now, first);
        let alice = End {
            connection: alices,
            keys,
        };
        let bob = End {
            connection: bobs,
            keys: vec![key],
        };
        let mut pair = Self {
            now,
            alice,
            bob,
            cut: usize::MAX,
            refused: Vec::new(),
            log: String::new(),
        };
        pair.run();
        for index in 0..sessions {
            assert!(matches!(pair.alice.events(index)[..], [SessionEvent::Ready]));
            assert!(matches!(pair.bob.events(index)[..], [SessionEvent::Ready]));
        }
        pair
    }

    fn carry(&mut self, from_alice: bool) -> bool {
        let (from, to) = if from_alice {
            (&mut self.alice, &mut self.bob)
        } else {
            (&mut self.bob, &mut self.alice)
        };
        let Some(mut burst) = from.connection.poll_transmit(self.now) else {
            return false;
        };
        let bytes = burst.copy_to_bytes(burst.remaining());
        self.log.push_str(&String::from_utf8_lossy(&bytes));
        for piece in bytes.chunks(self.cut) {
            to.connection.input().extend_from_slice(piece);
            to.connection.handle_input(self.now);
        }
        self.answer_what_is_asked();
        true
    }

    /// Bob expects all sessions that have a name.
    fn answer_what_is_asked(&mut self) {
        while let Some(head) = self.bob.connection.asked() {
            let to = head.to_path().unwrap();
            let id = to.last().session_id().unwrap().to_owned();
            let known = NAMES.iter().position(|name| id == format!("b{name}"));
            if let Some(index) = known.filter(|index| *index == self.bob.keys.len()) {
                let entropy = Entropy::from_number(20 + index as u64);
                let key = self
                    .bob
                    .connection
                    .accept(self.now, config(index, false), entropy);
                self.bob.keys.extend(key);
            } else {
                self.refused.push(StatusCode::NO_SESSION);
                self.bob.connection.refuse(self.now, StatusCode::NO_SESSION);
            }
        }
    }

    fn run(&mut self) {
        while self.carry(true) | self.carry(false) {}
    }

    /// Time passes for Bob.
    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.bob.connection.handle_timeout(self.now);
    }

    fn tell_bob(&mut self, text: &str) {
        self.bob.connection.input().extend_from_slice(text.as_bytes());
        self.bob.connection.handle_input(self.now);
        self.answer_what_is_asked();
    }
}

fn text(body: impl Into<Bytes>) -> OutgoingMessage {
    OutgoingMessage::new("text/plain", body)
}

#[test]
fn sessions_on_one_connection_hear_their_own_messages() {
    let mut pair = Pair::new(3);
    pair.cut = 7;
    for (index, name) in NAMES.iter().enumerate() {
        pair.alice.session(index).send(text(*name)).unwrap();
        pair.bob.session(index).send(text(format!("to {index}"))).unwrap();
    }
    pair.run();
    for (index, name) in NAMES.iter().enumerate() {
        assert_eq!(pair.bob.bodies(index), [name.as_bytes()]);
        let events = pair.alice.events(index);
        let is_heard = |event: &SessionEvent| matches!(event, SessionEvent::Message(message) if message.body == format!("to {index}"));
        assert!(events.iter().any(is_heard), "{events:?}");
        assert!(
            events
                .iter()
                .any(|event| matches!(event, SessionEvent::SendDone { .. }))
        );
    }
}

#[test]
fn a_large_message_of_one_session_does_not_hold_up_another() {
    let mut pair = Pair::new(2);
    pair.alice.session(0).send(text(vec![b'x'; 4_000_000])).unwrap();
    assert!(pair.carry(true));
    pair.alice.session(1).send(text("small")).unwrap();
    // One burst ends the chunk that is open, the next is the other session's.
    assert!(pair.carry(true) && pair.carry(true));
    assert_eq!(pair.bob.bodies(1), ["small"]);
    assert!(pair.bob.bodies(0).is_empty());
    pair.run();
    assert_eq!(pair.bob.bodies(0), [vec![b'x'; 4_000_000]]);
}

#[test]
fn two_large_messages_take_turns() {
    let mut pair = Pair::new(2);
    for index in 0..2 {
        pair.alice
            .session(index)
            .send(text(vec![b'x'; 3_000_000]))
            .unwrap();
    }
    let mut sizes = [0; 2];
    let mut ahead = 0;
    while pair.carry(true) | pair.carry(false) {
        for (index, size) in sizes.iter_mut().enumerate() {
            let acknowledged = |event| match event {
                SessionEvent::SendProgress { acknowledged, .. } => Some(acknowledged),
                SessionEvent::SendDone { .. } => Some(3_000_000),
                _ => None,
            };
            *size = pair
                .alice
                .events(index)
                .into_iter()
                .filter_map(acknowledged)
                .fold(*size, u64::max);
        }
        ahead = ahead.max(sizes[0].abs_diff(sizes[1]));
    }
    assert_eq!(sizes, [3_000_000; 2]);
    assert!(ahead <= 600_000, "a burst or two, not {ahead}");
}

#[test]
fn the_end_of_one_session_leaves_the_others_alone() {
    let mut pair = Pair::new(2);
    pair.alice.session(0).close();
    pair.run();
    assert!(matches!(
        pair.alice.events(0)[..],
        [SessionEvent::Closed(CloseReason::ByOwner)]
    ));
    assert_eq!(pair.alice.connection.session_count(), 1);
    // Bob does not know yet: what he says to the session is answered 481, and the other goes on.
    let lost = pair.bob.session(0).send(text("anybody there?")).unwrap();
    pair.alice.session(1).send(text("yes")).unwrap();
    pair.carry(false);
    assert!(pair.alice.connection.asked().is_some());
    pair.alice.connection.refuse(pair.now, StatusCode::NO_SESSION);
    pair.run();
    let failed = pair.bob.events(0);
    assert!(
        matches!(failed[..], [SessionEvent::SendFailed { message, status }, SessionEvent::Closed(CloseReason::Unknown)]
            if message == lost && status == StatusCode::NO_SESSION),
        "{failed:?}"
    );
    assert_eq!(pair.bob.bodies(1), ["yes"]);
}

#[test]
fn a_session_that_fails_inside_a_chunk_ends_it_and_the_others_go_on() {
    let mut pair = Pair::new(2);
    pair.alice.session(0).send(text(vec![b'x'; 4_000_000])).unwrap();
    assert!(pair.carry(true));
    pair.log.clear();
    // Nobody answers the chunk that is under way, nor the empty request that keeps the session alive.
    pair.alice
        .session(0)
        .end_with(CloseReason::KeepAliveFailed(StatusCode::TIMEOUT));
    pair.alice.session(1).send(text("still here")).unwrap();
    pair.run();
    assert!(
        pair.log.contains("#\r\nMSRP "),
        "the chunk is given up: {}",
        pair.log
    );
    assert_eq!(pair.bob.bodies(1), ["still here"]);
    assert!(pair.bob.bodies(0).is_empty());
    assert_eq!(
        pair.alice.connection.session_count(),
        2,
        "until its owner has heard of it"
    );
    assert_eq!(pair.alice.events(0).len(), 1);
    assert_eq!(pair.alice.connection.session_count(), 1);
}

#[test]
fn the_flood_of_one_session_ends_it_alone() {
    let mut pair = Pair::new(2);
    let limit = pair.bob.session(0).config().discarded_bytes as usize;
    let head = "MSRP flood SEND\r\nTo-Path: msrp://b.test:2/bone;tcp\r\nFrom-Path: msrp://a.test:1/aone;tcp\r\n\
        Message-ID: flood\r\nByte-Range: 5-4/1\r\nContent-Type: a/b\r\n\r\n";
    pair.tell_bob(head);
    for _ in 0..=limit / 1_000_000 {
        pair.tell_bob(&"x".repeat(1_000_000));
    }
    let ended = pair.bob.events(0);
    assert!(
        matches!(ended[..], [SessionEvent::Closed(CloseReason::Flood)]),
        "{ended:?}"
    );
    pair.tell_bob("\r\n-------flood$\r\n");
    pair.alice.session(1).send(text("well")).unwrap();
    pair.run();
    assert_eq!(pair.bob.bodies(1), ["well"]);
}

#[test]
fn nonsense_silence_and_the_end_of_the_connection_end_all_sessions() {
    let reasons = |pair: &mut Pair| -> Vec<CloseReason> {
        let closed = |event| match event {
            SessionEvent::Closed(reason) => Some(reason),
            _ => None,
        };
        let events = (0..2).flat_map(|index| pair.bob.events(index));
        events.filter_map(closed).collect()
    };
    let mut pair = Pair::new(2);
    pair.tell_bob("GET / HTTP/1.1\r\n");
    assert!(matches!(
        reasons(&mut pair)[..],
        [CloseReason::Unintelligible(_), CloseReason::Unintelligible(_)]
    ));

    let mut pair = Pair::new(2);
    pair.tell_bob("MSRP abcd SE");
    pair.now += SECOND * 30;
    pair.tell_bob("ND"); // a head has to be there in time, however it comes
    assert!(
        pair.bob
            .connection
            .poll_timeout()
            .is_some_and(|at| at <= pair.now + SECOND * 60)
    );
    pair.now += SECOND * 60;
    pair.bob.connection.handle_timeout(pair.now);
    assert_eq!(reasons(&mut pair), [CloseReason::Stalled, CloseReason::Stalled]);

    let mut pair = Pair::new(2);
    pair.bob.connection.handle_closed();
    assert_eq!(
        reasons(&mut pair),
        [CloseReason::ConnectionLost, CloseReason::ConnectionLost]
    );
    assert_eq!(pair.bob.connection.session_count(), 0);
    assert_eq!(pair.bob.connection.poll_timeout(), None);
}

#[test]
fn a_session_that_nobody_expects_is_refused_and_its_body_is_not_kept() {
    let mut pair = Pair::new(1);
    let head = "MSRP abcd SEND\r\nTo-Path: msrp://b.test:2/other;tcp\r\nFrom-Path: msrp://a.test:1/x;tcp\r\n\
        Message-ID: msg1\r\nByte-Range: 1-*/*\r\nContent-Type: a/b\r\n\r\n";
    pair.tell_bob(head);
    pair.tell_bob(&"x".repeat(100_000));
    assert_eq!(pair.refused, [StatusCode::NO_SESSION]);
    assert!(pair.bob.connection.input().len() < 100);
    pair.tell_bob("\r\n-------abcd$\r\n");
    pair.log.clear();
    pair.run();
    assert!(pair.log.starts_with("MSRP abcd 481"), "{}", pair.log);
    // Other requests for it are answered at once, reports and responses are not.
    pair.log.clear();
    for (method, answer) in [("AUTH", "MSRP abcd 481"), ("REPORT", ""), ("200 OK", "")] {
        pair.tell_bob(&format!(
            "MSRP abcd {method}\r\nTo-Path: msrp://b.test:2/other;tcp\r\nFrom-Path: msrp://a.test:1/x;tcp\r\n-------abcd$\r\n"
        ));
        pair.log.clear();
        pair.run();
        assert!(
            pair.log.starts_with(answer) && answer.is_empty() == pair.log.is_empty(),
            "{method}: {}",
            pair.log
        );
    }
    pair.alice.session(0).send(text("undisturbed")).unwrap();
    pair.run();
    assert_eq!(pair.bob.bodies(0), ["undisturbed"]);
}

#[test]
fn while_it_is_asked_nothing_is_read_and_nothing_stalls() {
    let mut pair = Pair::new(1);
    let asked = "MSRP abcd SEND\r\nTo-Path: msrp://b.test:2/btwo;tcp\r\nFrom-Path: msrp://a.test:1/atwo;tcp\r\n\
        Message-ID: msg1\r\nByte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------abcd$\r\n";
    let bob = &mut pair.bob.connection;
    bob.input().extend_from_slice(asked.as_bytes());
    bob.handle_input(pair.now);
    assert!(bob.asked().is_some() && !bob.wants_input());
    assert!(bob.poll_timeout().is_none_or(|at| at > pair.now + SECOND * 20));
    pair.answer_what_is_asked();
    assert!(pair.bob.connection.wants_input());
    let events = pair.bob.events(1);
    assert!(
        matches!(&events[..], [SessionEvent::Ready, SessionEvent::Message(message)] if message.body == "hello")
    );
}

/// Bob's first session is full: its owner takes nothing.
fn with_a_full_session() -> Pair {
    let mut pair = Pair::new(2);
    let key = pair.bob.keys[0];
    pair.bob.connection.set_full(pair.now, key, true);
    pair
}

#[test]
fn a_full_session_lets_the_connection_wait_for_a_while() {
    let mut pair = with_a_full_session();
    assert!(!pair.bob.connection.wants_input());
    pair.advance(SECOND * 4);
    assert!(!pair.bob.connection.wants_input());
    pair.bob.connection.set_full(pair.now, pair.bob.keys[0], true); // some were taken
    pair.advance(SECOND * 4);
    assert!(!pair.bob.connection.wants_input());
    pair.bob.connection.set_full(pair.now, pair.bob.keys[0], false);
    assert!(pair.bob.connection.wants_input());
    pair.advance(SECOND * 4);
    pair.alice.session(0).send(text("not lost")).unwrap();
    pair.run();
    assert_eq!(pair.bob.bodies(0), ["not lost"]);
}

#[test]
fn after_a_while_a_full_session_is_refused_alone_until_it_is_not_full() {
    let mut pair = with_a_full_session();
    pair.advance(SECOND * 5);
    assert!(pair.bob.connection.wants_input());
    let refused = pair.alice.session(0).send(text("too much")).unwrap();
    let large = pair.alice.session(0).send(text(vec![b'x'; 100_000])).unwrap();
    pair.alice.session(1).send(text("well")).unwrap();
    pair.run();
    assert_eq!(pair.bob.bodies(1), ["well"]);
    let fate = |events: &[SessionEvent]| -> Vec<_> {
        let failed = |event: &SessionEvent| match event {
            SessionEvent::SendFailed { message, status } => Some((*message, *status)),
            _ => None,
        };
        events.iter().filter_map(failed).collect()
    };
    let told = fate(&pair.alice.events(0));
    assert_eq!(
        told,
        [
            (refused, StatusCode::STOP_SENDING),
            (large, StatusCode::STOP_SENDING)
        ]
    );
    assert!(pair.bob.events(0).is_empty(), "nobody listens");

    pair.bob.connection.set_full(pair.now, pair.bob.keys[0], false);
    pair.alice.session(0).send(text("again")).unwrap();
    pair.run();
    assert_eq!(pair.bob.bodies(0), ["again"]);
}

#[test]
fn a_message_that_was_begun_is_refused_as_well_and_costs_one_event() {
    let mut pair = Pair::new(2);
    let head = |id: &str, range: &str| {
        format!(
            "MSRP {id} SEND\r\nTo-Path: msrp://b.test:2/bone;tcp\r\nFrom-Path: msrp://a.test:1/aone;tcp\r\n\
             Message-ID: msg1\r\nByte-Range: {range}\r\nContent-Type: a/b\r\n\r\n"
        )
    };
    pair.tell_bob(&(head("aaaa", "1-*/9") + "abc\r\n-------aaaa+\r\n" + &head("bbbb", "4-*/9") + "de"));
    pair.bob.connection.set_full(pair.now, pair.bob.keys[0], true);
    pair.advance(SECOND * 5);
    pair.tell_bob("f\r\n-------bbbb+\r\n");
    pair.tell_bob(&(head("cccc", "7-9/9") + "ghi\r\n-------cccc$\r\n"));
    pair.run();
    assert!(pair.log.contains("MSRP bbbb 413"), "{}", pair.log);
    assert!(pair.log.contains("MSRP cccc 413"), "{}", pair.log);
    assert!(pair.bob.bodies(0).is_empty());
}

#[test]
fn where_all_sessions_are_full_the_peer_waits_and_is_not_held_to_stand_still() {
    let mut pair = with_a_full_session();
    pair.tell_bob("MSRP abcd SE"); // it arrived before
    pair.bob.connection.set_full(pair.now, pair.bob.keys[1], true);
    for _ in 0..100 {
        pair.advance(SECOND * 3);
        assert!(!pair.bob.connection.wants_input());
    }
    pair.bob.connection.set_full(pair.now, pair.bob.keys[0], false);
    pair.bob.connection.set_full(pair.now, pair.bob.keys[1], false);
    pair.bob.connection.handle_timeout(pair.now);
    assert_eq!(pair.bob.connection.session_count(), 2);
    // From now on the head has to be there in time.
    pair.bob.connection.handle_timeout(pair.now + SECOND * 89);
    assert_eq!(pair.bob.connection.session_count(), 2);
    pair.bob.connection.handle_timeout(pair.now + SECOND * 90);
    let last = pair.bob.events(1).pop();
    assert!(matches!(last, Some(SessionEvent::Closed(CloseReason::Stalled))));
}
