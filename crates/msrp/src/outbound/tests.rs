use super::*;
use crate::chunk::Limits;
use crate::framer::{Frame, Framer};
use bytes::Buf;
use offhook_sansio::Entropy;
use std::io::IoSlice;

struct Sender {
    outbound: Outbound,
    ids: TransactionIds,
    wire: BytesMut,
}

impl Sender {
    fn new(chunk_size: u32) -> Self {
        let size = NonZeroU32::new(chunk_size).unwrap();
        let (to, from) = (
            "msrp://b.test:1/x;tcp".to_owned(),
            "msrp://a.test:1/y;tcp".to_owned(),
        );
        Self {
            outbound: Outbound::new(size, 8, 1 << 20, (to, from)),
            ids: TransactionIds::new(Entropy::from_number(1)),
            wire: BytesMut::new(),
        }
    }

    fn push(&mut self, key: u64, body: impl Into<Bytes>) {
        self.outbound.push(
            key,
            &format!("message{key}"),
            OutgoingMessage::new("text/plain", body.into()),
        );
    }

    /// One burst; false when there was nothing to write.
    fn burst(&mut self) -> bool {
        let mut burst = self
            .outbound
            .write(&mut BytesMut::new(), &mut self.ids, usize::MAX);
        let any = burst.has_remaining();
        self.wire
            .extend_from_slice(&burst.copy_to_bytes(burst.remaining()));
        any
    }

    fn drain(&mut self) -> Vec<Chunk> {
        while self.burst() {}
        read(&self.wire.split())
    }
}

#[derive(Debug, PartialEq)]
struct Chunk {
    message: String,
    range: String,
    body: Vec<u8>,
    flag: Continuation,
}

fn read(wire: &[u8]) -> Vec<Chunk> {
    let mut framer = Framer::new(Limits::default());
    framer.input().extend_from_slice(wire);
    let mut chunks: Vec<Chunk> = Vec::new();
    while let Some(frame) = framer.next_frame().expect("what we write is well-formed") {
        match frame {
            Frame::Head(head) => chunks.push(Chunk {
                message: head.message_id().unwrap().to_owned(),
                range: head.byte_range().unwrap().unwrap().to_string(),
                body: Vec::new(),
                flag: Continuation::More,
            }),
            Frame::Body(body) => chunks.last_mut().unwrap().body.extend_from_slice(&body),
            Frame::End(flag) => chunks.last_mut().unwrap().flag = flag,
        }
    }
    assert!(framer.is_idle());
    chunks
}

fn ranges(chunks: &[Chunk]) -> Vec<&str> {
    chunks.iter().map(|chunk| &chunk.range[..]).collect()
}

fn joined(chunks: &[Chunk]) -> Vec<u8> {
    chunks.iter().flat_map(|chunk| chunk.body.clone()).collect()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[test]
fn a_message_is_cut_into_chunks_of_the_size() {
    let mut sender = Sender::new(2048);
    sender.push(0, pattern(5000));
    let chunks = sender.drain();
    assert_eq!(
        ranges(&chunks),
        ["1-2048/5000", "2049-4096/5000", "4097-5000/5000"]
    );
    assert_eq!(joined(&chunks), pattern(5000));
    let flags: Vec<_> = chunks.iter().map(|chunk| chunk.flag).collect();
    assert_eq!(
        flags,
        [Continuation::More, Continuation::More, Continuation::Last]
    );
    assert!(sender.outbound.is_empty());
}

#[test]
fn an_empty_message_is_one_chunk_from_1_to_0() {
    let mut sender = Sender::new(2048);
    sender.push(0, "");
    assert_eq!(ranges(&sender.drain()), ["1-0/0"]);
}

#[test]
fn a_large_chunk_has_an_open_end_and_passes_in_one_when_alone() {
    let mut sender = Sender::new(u32::MAX);
    sender.push(0, pattern(3_000_000));
    let chunks = sender.drain();
    assert_eq!(ranges(&chunks), ["1-*/3000000"]);
    assert!(joined(&chunks) == pattern(3_000_000));
}

#[test]
fn an_end_line_is_in_the_same_burst_as_the_last_bytes() {
    let mut sender = Sender::new(u32::MAX);
    sender.push(0, pattern(100_000));
    assert!(sender.burst());
    assert!(sender.wire.ends_with(b"$\r\n"));
    assert!(!sender.burst());
}

#[test]
fn messages_take_turns_and_small_ones_do_not_wait_for_large_ones() {
    let mut sender = Sender::new(u32::MAX);
    sender.push(0, pattern(1_000_000));
    assert!(sender.burst());
    sender.push(1, "hello");
    sender.push(2, pattern(600_000));
    let chunks = sender.drain();
    let order: Vec<_> = chunks.iter().map(|chunk| &chunk.message[..]).collect();
    assert_eq!(&order[..4], ["message0", "message1", "message2", "message0"]);
    for (key, len) in [(0, 1_000_000), (2, 600_000)] {
        let of: Vec<_> = chunks
            .iter()
            .filter(|chunk| chunk.message == format!("message{key}"))
            .collect();
        assert!(of.iter().flat_map(|chunk| chunk.body.clone()).eq(pattern(len)));
        assert!(of.iter().all(|chunk| chunk.body.len() >= 2048));
    }
}

/// How many messages have been begun and not ended after each chunk, at most.
fn most_open(chunks: &[Chunk]) -> usize {
    let mut open = std::collections::BTreeSet::new();
    let mut most = 0;
    for chunk in chunks {
        open.insert(&chunk.message);
        most = most.max(open.len());
        if chunk.flag != Continuation::More {
            open.remove(&chunk.message);
        }
    }
    most
}

#[test]
fn a_few_long_messages_take_turns_and_short_ones_go_between() {
    let mut sender = Sender::new(2048);
    for key in 0..40 {
        sender.push(key, pattern(5000));
    }
    sender.push(40, "short");
    let chunks = sender.drain();
    assert_eq!(most_open(&chunks), 9, "8 long ones, and the short one");
    let ended = chunks.iter().filter(|chunk| chunk.flag == Continuation::Last);
    let ended: Vec<_> = ended.map(|chunk| chunk.message.clone()).collect();
    let in_order: Vec<_> = (0..40).map(|key| format!("message{key}")).collect();
    assert_eq!(ended[0], "message40");
    assert_eq!(ended[1..], in_order);
}

#[test]
fn messages_whose_owners_are_slow_keep_no_other_waiting() {
    let mut sender = Sender::new(2048);
    for key in 0..9 {
        let message = OutgoingMessage::streamed("a/b", Some(5000));
        sender.outbound.push(key, &format!("message{key}"), message);
        let _ = sender.outbound.supply(key, pattern(10).into());
    }
    sender.push(9, pattern(5000));
    sender.push(10, pattern(5000));
    let chunks = sender.drain();
    assert_eq!(most_open(&chunks), 9);
    let ended = chunks.iter().filter(|chunk| chunk.flag == Continuation::Last);
    let ended: Vec<_> = ended.map(|chunk| &chunk.message[..]).collect();
    assert_eq!(ended, ["message9", "message10"]);
    assert!(!sender.outbound.can_write());
    // One that is given up before it was begun, and one after: the last of the streamed ones has its turn.
    sender.push(11, pattern(5000));
    assert!(sender.outbound.abort(11, true));
    assert!(sender.outbound.abort(0, true));
    let chunks = sender.drain();
    let told: Vec<_> = chunks
        .iter()
        .map(|chunk| (&chunk.message[..], chunk.flag))
        .collect();
    assert_eq!(
        told,
        [
            ("message0", Continuation::Aborted),
            ("message8", Continuation::More)
        ]
    );
}

#[test]
fn a_queue_that_is_full_of_what_waits_in_line_goes_on() {
    let mut sender = Sender::new(2048);
    for key in 0..9 {
        let message = OutgoingMessage::streamed("a/b", None);
        sender.outbound.push(key, &format!("message{key}"), message);
    }
    sender.outbound.supply(8, pattern(2 << 20).into()).unwrap();
    assert!(sender.outbound.is_full());
    assert!(!sender.drain().is_empty());
    assert!(!sender.outbound.is_full());
}

#[test]
fn an_interrupted_chunk_goes_on_where_it_stopped() {
    let mut sender = Sender::new(u32::MAX);
    sender.push(0, pattern(600_000));
    assert!(sender.burst());
    let written = sender.wire.len();
    sender.outbound.interrupt(&mut sender.wire, &mut sender.ids);
    assert!(
        sender.wire[written..].starts_with(&pattern(600_000)[262_144..266_240]),
        "an end-line alone in a write is lost by some"
    );
    let chunks = sender.drain();
    assert_eq!(ranges(&chunks), ["1-*/600000", "266241-*/600000"]);
    assert!(joined(&chunks) == pattern(600_000));
}

#[test]
fn a_message_can_start_where_the_receiver_has_it_up_to() {
    let mut sender = Sender::new(2048);
    sender.outbound.push(
        0,
        "m123",
        OutgoingMessage::new("a/b", pattern(3000)).starting_at(1000),
    );
    let chunks = sender.drain();
    assert_eq!(ranges(&chunks), ["1001-3000/3000"]);
    assert_eq!(joined(&chunks), &pattern(3000)[1000..]);
}

#[test]
fn a_message_that_is_given_up_ends_with_a_hash() {
    let mut sender = Sender::new(u32::MAX);
    sender.push(0, pattern(600_000));
    assert!(sender.burst());
    assert!(sender.outbound.abort(0, false));
    assert_eq!(sender.drain()[0].flag, Continuation::Aborted);

    let mut sender = Sender::new(2048);
    sender
        .outbound
        .push(1, "m123", OutgoingMessage::streamed("a/b", Some(5000)));
    sender.outbound.supply(1, pattern(2048).into()).unwrap();
    assert_eq!(ranges(&sender.drain()), ["1-2048/5000"]);
    assert!(sender.outbound.abort(1, true));
    let chunks = sender.drain();
    assert_eq!(
        (&chunks[0].range[..], chunks[0].flag),
        ("2049-*/5000", Continuation::Aborted)
    );
    assert!(!sender.outbound.abort(1, true), "it is gone");

    sender.push(2, "unsent");
    assert!(sender.outbound.abort(2, true));
    assert_eq!(sender.drain(), []);
}

#[test]
fn a_streamed_message_asks_for_bytes_and_ends_when_it_is_finished() {
    let mut sender = Sender::new(u32::MAX);
    sender
        .outbound
        .push(0, "m123", OutgoingMessage::streamed("a/b", None));
    assert!(!sender.burst());
    assert_eq!(sender.outbound.wants_data, [0]);
    sender.outbound.supply(0, pattern(10_000).into()).unwrap();
    assert!(sender.burst());
    sender.outbound.supply(0, pattern(10_000).into()).unwrap();
    assert!(sender.outbound.finish(0));
    let chunks = sender.drain();
    assert_eq!(chunks.last().unwrap().flag, Continuation::Last);
    assert_eq!(joined(&chunks), [pattern(10_000), pattern(10_000)].concat());
    let late = sender.outbound.supply(0, Bytes::from_static(b"late"));
    assert_eq!(late, Err(NotSupplied::Unwanted));

    sender
        .outbound
        .push(1, "m124", OutgoingMessage::streamed("a/b", Some(3)));
    assert!(
        sender.outbound.supply(1, Bytes::from_static(b"more")).is_err(),
        "more than was told"
    );
    sender.outbound.supply(1, Bytes::from_static(b"ab")).unwrap();
    assert!(!sender.outbound.finish(1), "less than was told");
}

#[test]
fn a_body_that_contains_the_next_end_line_gets_another_identifier() {
    let mut ids = TransactionIds::new(Entropy::from_number(1));
    let body = format!("x-------{}$\r\ny", ids.next_id());
    let mut sender = Sender::new(2048);
    sender.push(0, body.clone());
    let chunks = sender.drain();
    assert_eq!(chunks.len(), 1);
    assert_eq!(joined(&chunks), body.as_bytes());
}

#[test]
fn a_body_that_contains_the_open_chunks_end_line_is_cut_there() {
    let mut ids = TransactionIds::new(Entropy::from_number(1));
    let end_line = format!("\r\n-------{}$\r\n", ids.next_id());
    for at in [PIECE + 5, PIECE - 1, PIECE - 12, PIECE - 30, PIECE - 34] {
        let mut body = vec![b'x'; 2 * PIECE];
        body[at..at + end_line.len()].copy_from_slice(end_line.as_bytes());
        let mut sender = Sender::new(u32::MAX);
        sender.push(0, body.clone());
        let chunks = sender.drain();
        assert!(joined(&chunks) == body, "at {at}");
        assert!(chunks.len() <= 3, "at {at}");
    }
}

#[test]
fn no_more_transactions_are_opened_than_there_is_room_for() {
    let mut sender = Sender::new(2048);
    sender.push(0, pattern(10_000));
    let burst = sender.outbound.write(&mut BytesMut::new(), &mut sender.ids, 2);
    assert!(burst.has_remaining());
    assert_eq!(sender.outbound.sent.len(), 2);
}

#[test]
fn a_burst_is_read_like_one_buffer() {
    let mut burst = Burst {
        parts: [
            Bytes::from_static(b"ab"),
            Bytes::from_static(b"cde"),
            Bytes::from_static(b"f"),
        ],
    };
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(burst.chunks_vectored(&mut slices), 3);
    burst.advance(3);
    assert_eq!((burst.remaining(), burst.chunk()), (3, &b"de"[..]));
    assert_eq!(burst.copy_to_bytes(3), "def");
}
