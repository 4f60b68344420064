//! Whatever arrives, and however the transport cuts it.

use super::super::*;
use super::{ALICE, BOB, path};
use proptest::prelude::*;
use std::num::NonZeroU32;

/// Bob, whose session is bound.
fn bob(delivery: Delivery) -> (Instant, MsrpSession) {
    let now = Instant::now();
    let mut config = SessionConfig::new(path(BOB), path(ALICE));
    config.delivery = delivery;
    config.chunk_size = NonZeroU32::MIN.saturating_add(99);
    config.message_limits.bytes = 10_000;
    let framer = Framer::new(config.head_limits);
    let mut bob = MsrpSession::accepted(now, config, Entropy::from_number(2), framer, None);
    let bind = format!("MSRP bind SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {ALICE}\r\n-------bind$\r\n");
    bob.input().extend_from_slice(bind.as_bytes());
    bob.handle_input(now);
    assert!(matches!(bob.poll_event(), Some(SessionEvent::Ready)));
    while bob.poll_transmit(now).is_some() {}
    (now, bob)
}

/// What Bob tells his owner and what he says to Alice. Pieces of a message that follow one another are one: how they are
/// cut says nothing.
fn hear<'p>(delivery: Delivery, pieces: impl IntoIterator<Item = &'p [u8]>) -> (Vec<String>, Vec<u8>) {
    let (now, mut bob) = bob(delivery);
    let mut told: Vec<String> = Vec::new();
    let mut data: Option<(IncomingId, u64, Vec<u8>)> = None;
    let mut said = Vec::new();
    for piece in pieces {
        bob.input().extend_from_slice(piece);
        bob.handle_input(now);
        while let Some(event) = bob.poll_event() {
            if let SessionEvent::MessageData {
                message,
                at,
                data: more,
            } = &event
            {
                match &mut data {
                    Some((id, begin, bytes)) if id == message && *begin + bytes.len() as u64 == *at => {
                        bytes.extend_from_slice(more);
                    }
                    _ => {
                        told.extend(data.take().map(|data| format!("{data:?}")));
                        data = Some((*message, *at, more.to_vec()));
                    }
                }
            } else {
                told.extend(data.take().map(|data| format!("{data:?}")));
                told.push(format!("{event:?}"));
            }
        }
        while let Some(burst) = bob.poll_transmit(now) {
            super::put(burst, &mut said);
        }
    }
    told.extend(data.map(|data| format!("{data:?}")));
    (told, said)
}

/// One chunk: good ones of a few messages, and all kinds of bad ones.
fn any_chunk() -> impl Strategy<Value = Vec<u8>> {
    let start_line = prop_oneof![
        8 => Just("SEND"), 1 => Just("REPORT"), 1 => Just("NICKNAME"), 1 => Just("WHATEVER"),
        1 => Just("200 OK"), 1 => Just("481 No"),
    ];
    let paths = prop_oneof![
        9 => Just((BOB, ALICE)), 1 => Just((ALICE, BOB)), 1 => Just(("msrp://b.test:7777/other;tcp", ALICE)),
        1 => Just((BOB, "nonsense")),
    ];
    let range = prop_oneof![
        4 => (1..60u32, 0..60u32).prop_map(|(start, len)| format!("Byte-Range: {start}-{}/100\r\n", start + len)),
        4 => (1..60u32).prop_map(|start| format!("Byte-Range: {start}-*/*\r\n")),
        1 => Just("Byte-Range: 9-3/2\r\n".to_owned()),
        1 => Just("Byte-Range: x\r\n".to_owned()),
        2 => Just(String::new()),
    ];
    let wishes = prop_oneof![
        6 => Just(""), 2 => Just("Success-Report: yes\r\n"), 1 => Just("Failure-Report: no\r\n"),
        1 => Just("Failure-Report: partial\r\n"), 1 => Just("Failure-Report: what\r\n"),
    ];
    let body = proptest::option::of(proptest::collection::vec(
        prop_oneof![
            4 => "[a-z\r\n-]{1,20}".prop_map(String::into_bytes),
            1 => Just(b"\r\n-------".to_vec()), 1 => Just(b"\r\n-------t0".to_vec()), 1 => Just(b"\r\n-------t000".to_vec()),
        ],
        0..6,
    ));
    let flag = prop_oneof![Just('$'), Just('+'), Just('#')];
    (start_line, paths, range, wishes, body, flag, 0..3u8, 0..1000u32).prop_map(
        |(line, (to, from), range, wishes, body, flag, message, id)| {
            let mut chunk = format!(
                "MSRP t{id:03} {line}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: msg{message}\r\n{range}{wishes}"
            )
            .into_bytes();
            if let Some(body) = body {
                chunk.extend_from_slice(b"Content-Type: text/plain\r\n\r\n");
                chunk.extend(body.concat());
                chunk.extend_from_slice(b"\r\n");
            }
            chunk.extend_from_slice(format!("-------t{id:03}{flag}\r\n").as_bytes());
            chunk
        },
    )
}

/// A stream in pieces of these lengths, again and again.
fn cut<'s>(stream: &'s [u8], lengths: &[usize]) -> Vec<&'s [u8]> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    for len in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*len).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// A message as chunks in any order: where each begins and ends, how far it repeats what is before it, and whether it
/// tells its end and the size of the message.
#[derive(Clone, Debug)]
struct Chunked {
    body: Vec<u8>,
    chunks: Vec<(usize, usize, bool, bool)>,
}

fn any_chunked() -> impl Strategy<Value = Chunked> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..400),
        proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b't')],
            1..400
        ),
    ];
    let cuts = proptest::collection::vec((0..400usize, 0..30usize, any::<bool>(), any::<bool>()), 0..12);
    (bytes, cuts).prop_flat_map(|(body, cuts)| {
        let mut ends: Vec<usize> = cuts
            .iter()
            .map(|(at, ..)| at % body.len())
            .filter(|at| *at > 0)
            .collect();
        ends.push(body.len());
        ends.sort_unstable();
        ends.dedup();
        let mut begin = 0;
        let mut chunks = Vec::new();
        for (index, end) in ends.into_iter().enumerate() {
            let (_, back, tells_end, tells_size) = cuts.get(index).copied().unwrap_or_default();
            chunks.push((begin - back.min(begin), end, tells_end, tells_size));
            begin = end;
        }
        (Just(body), Just(chunks).prop_shuffle()).prop_map(|(body, chunks)| Chunked { body, chunks })
    })
}

impl Chunked {
    fn wire(&self, message: usize) -> Vec<Vec<u8>> {
        let size = self.body.len();
        let write = |(index, (begin, end, tells_end, tells_size)): (usize, &(usize, usize, bool, bool))| {
            let told_end = if *tells_end {
                end.to_string()
            } else {
                "*".to_owned()
            };
            let told_size = if *tells_size {
                size.to_string()
            } else {
                "*".to_owned()
            };
            let flag = if *end == size { '$' } else { '+' };
            let head = format!(
                "MSRP t{message}{index:03} SEND\r\nTo-Path: {BOB}\r\nFrom-Path: {ALICE}\r\nMessage-ID: msg{message}\r\n\
                 Byte-Range: {}-{told_end}/{told_size}\r\nContent-Type: a/b\r\n\r\n",
                begin + 1
            );
            let end_line = format!("\r\n-------t{message}{index:03}{flag}\r\n");
            [head.as_bytes(), &self.body[*begin..*end], end_line.as_bytes()].concat()
        };
        self.chunks.iter().enumerate().map(write).collect()
    }
}

proptest! {
    #[test]
    fn any_split_of_any_chunks_is_the_same_to_a_session(
        chunks in proptest::collection::vec(any_chunk(), 0..12),
        noise in prop_oneof![9 => Just(Vec::new()), 1 => proptest::collection::vec(any::<u8>(), 0..10)],
        lengths in proptest::collection::vec(1..80usize, 1..30),
        pieces in any::<bool>(),
    ) {
        let delivery = if pieces { Delivery::Pieces } else { Delivery::Collected };
        let stream = [chunks.concat(), noise].concat();
        prop_assert_eq!(hear(delivery, cut(&stream, &lengths)), hear(delivery, [&stream[..]]));
    }

    #[test]
    fn messages_in_any_chunks_in_any_order_are_whole_again(
        messages in proptest::collection::vec(any_chunked(), 1..4),
        lengths in proptest::collection::vec(1..600usize, 1..30),
    ) {
        // A chunk of each message in turn.
        let wires: Vec<_> = messages.iter().enumerate().map(|(number, message)| message.wire(number)).collect();
        let longest = wires.iter().map(Vec::len).max().unwrap_or_default();
        let turns = (0..longest).flat_map(|turn| wires.iter().filter_map(move |wire| wire.get(turn)));
        let stream = turns.flatten().copied().collect::<Vec<u8>>();
        let (now, mut bob) = bob(Delivery::Collected);
        for piece in cut(&stream, &lengths) {
            bob.input().extend_from_slice(piece);
            bob.handle_input(now);
        }
        let mut heard = BTreeMap::new();
        while let Some(event) = bob.poll_event() {
            match event {
                SessionEvent::Message(message) => {
                    let again = heard.insert(message.message_id().to_owned(), message.body.to_vec());
                    prop_assert!(again.is_none(), "each message is told once");
                }
                event => prop_assert!(false, "{event:?}"),
            }
        }
        let sent = messages.into_iter().enumerate();
        let sent: BTreeMap<_, _> = sent.map(|(number, message)| (format!("msg{number}"), message.body)).collect();
        prop_assert_eq!(heard, sent);
    }
}
