//! Nicknames and traces.

use super::*;
use crate::nickname::Nickname;
use crate::trace::{ChunkTracer, Direction, Traced};
use std::sync::{Arc, Mutex};

#[test]
fn a_nickname_is_asked_for_and_given_taken_or_refused() {
    let mut pair = Pair::with(|_| {}, |config| config.takes_nicknames = true);
    for (name, status) in [
        ("Alice", StatusCode::OK),
        ("Bob \"B\"", StatusCode::NICKNAME_TAKEN),
    ] {
        let nickname = Nickname::new(name).unwrap();
        pair.alice.request_nickname(pair.now, &nickname).unwrap();
        pair.run();
        let Some(SessionEvent::NicknameWanted { request, nickname }) = pair.bob.poll_event() else {
            panic!("nothing was wanted");
        };
        assert_eq!(nickname.as_str(), name);
        pair.bob.answer_nickname(&request, status);
        pair.run();
        let answered = pair.alice_hears();
        assert!(
            matches!(answered[..], [SessionEvent::NicknameAnswered(got)] if got == status),
            "{answered:?}"
        );
    }
}

#[test]
fn nicknames_without_answer_without_quotes_and_without_a_room_fail() {
    let mut pair = Pair::with(|_| {}, |config| config.takes_nicknames = true);
    pair.alice
        .request_nickname(pair.now, &Nickname::new("a").unwrap())
        .unwrap();
    pair.run();
    pair.advance(30 * SECOND);
    assert!(matches!(
        pair.alice_hears()[..],
        [SessionEvent::NicknameAnswered(StatusCode::TIMEOUT)]
    ));
    let mut pair = Pair::with(|config| config.takes_nicknames = true, |_| {});
    for field in ["Use-Nickname: Bob\r\n", "", "Use-Nickname: \"\"\r\n"] {
        pair.tell_alice(&request("NICKNAME", field, ""));
        assert_eq!(status_of(&pair.alice_says()), Some("424"), "{field}");
    }
    assert!(pair.alice_hears().is_empty());
    pair.alice
        .request_nickname(pair.now, &Nickname::new("a").unwrap())
        .unwrap();
    pair.run();
    assert!(matches!(
        pair.alice_hears()[..],
        [SessionEvent::NicknameAnswered(StatusCode::UNKNOWN_METHOD)]
    ));
}

/// Writes down what it sees.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl ChunkTracer for Notes {
    fn trace(&mut self, direction: Direction, traced: Traced<'_>) {
        let what = match traced {
            Traced::NewChunk(head) => match head.status() {
                Some(status) => format!("new {status}"),
                None => format!("new {}", head.method().unwrap().as_str()),
            },
            Traced::Data(_, data) => format!("data {}", data.len()),
            Traced::End(_, flag) => format!("end {}", flag.as_byte() as char),
        };
        self.0.lock().unwrap().push(format!("{direction:?} {what}"));
    }
}

impl Notes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn chunks_are_shown_to_a_tracer_while_there_is_one() {
    let mut pair = Pair::new();
    let notes = Notes::default();
    pair.alice.set_tracer(Some(Box::new(notes.clone())));
    pair.alice.send(text("hello")).unwrap();
    pair.bob.send(text("hi")).unwrap();
    pair.run();
    let seen = notes.take();
    let only = |direction: &str| -> Vec<String> {
        let seen = seen.iter().filter_map(|note| note.strip_prefix(direction));
        seen.map(|note| note.trim().to_owned()).collect()
    };
    assert_eq!(only("Sent"), ["new SEND", "data 5", "end $", "new 200", "end $"]);
    let mut received = only("Received");
    received.sort();
    assert_eq!(received, ["data 2", "end $", "end $", "new 200", "new SEND"]);
    pair.alice.set_tracer(None);
    pair.alice.send(text("unseen")).unwrap();
    pair.run();
    assert!(notes.take().is_empty());
}

#[test]
fn a_tracer_that_comes_in_the_middle_of_a_chunk_sees_whole_ones_only() {
    let mut pair = Pair::with(
        |config| config.chunk_size = NonZeroU32::MAX,
        |config| {
            config.delivery = Delivery::Pieces;
        },
    );
    pair.alice
        .send(OutgoingMessage::new("a/b", vec![b'x'; 1_000_000]))
        .unwrap();
    pair.step();
    let notes = Notes::default();
    pair.alice.set_tracer(Some(Box::new(notes.clone())));
    pair.bob.set_tracer(Some(Box::new(notes.clone())));
    pair.run();
    pair.alice.send(text("next")).unwrap();
    pair.run();
    let seen = notes.take();
    assert!(
        seen.iter()
            .filter(|note| note.contains("data"))
            .all(|note| note.ends_with("data 4")),
        "{seen:?}"
    );
    assert_eq!(
        seen.iter().filter(|note| *note == "Sent new SEND").count(),
        1,
        "{seen:?}"
    );
}

#[test]
fn a_tracer_of_the_configuration_sees_the_session_from_its_first_chunk_on() {
    let (alices, bobs) = (Notes::default(), Notes::default());
    let tracer =
        |notes: &Notes| -> Option<Arc<Mutex<dyn ChunkTracer>>> { Some(Arc::new(Mutex::new(notes.clone()))) };
    let mut pair = Pair::with(
        |config| config.tracer = tracer(&alices),
        |config| config.tracer = tracer(&bobs),
    );
    let bound = |out, back| {
        [
            format!("{out} new SEND"),
            format!("{out} end $"),
            format!("{back} new 200"),
            format!("{back} end $"),
        ]
    };
    assert_eq!(alices.take(), bound("Sent", "Received"));
    assert_eq!(bobs.take(), bound("Received", "Sent"));
    pair.alice.set_tracer(None);
    pair.alice.send(text("unseen")).unwrap();
    pair.run();
    assert!(alices.take().is_empty());
}
