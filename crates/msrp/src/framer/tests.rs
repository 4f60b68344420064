use super::*;
use crate::chunk::{HeadErrorKind, HeadWriter, Method, write_end_line};
use proptest::prelude::*;

/// What a stream says, with the pieces of each body joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    chunks: Vec<(Bytes, Vec<u8>, Option<Continuation>)>,
    broken: Option<HeadErrorKind>,
}

fn hear<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Heard {
    let mut framer = Framer::new(Limits::default());
    let mut heard = Heard::default();
    for piece in pieces {
        framer.input().extend_from_slice(piece);
        loop {
            match framer.next_frame() {
                Ok(None) => break,
                Ok(Some(Frame::Head(head))) => heard.chunks.push((head.as_bytes().clone(), Vec::new(), None)),
                Ok(Some(Frame::Body(body))) => {
                    assert!(!body.is_empty());
                    heard.chunks.last_mut().unwrap().1.extend_from_slice(&body);
                }
                Ok(Some(Frame::End(flag))) => heard.chunks.last_mut().unwrap().2 = Some(flag),
                Err(error) => {
                    heard.broken = Some(error.kind);
                    return heard;
                }
            }
        }
        assert!(
            !matches!(framer.state, State::Body(_)) || framer.buffered() <= 44,
            "a body is held back"
        );
    }
    heard
}

fn chunk(id: &str, body: Option<&[u8]>, flag: Continuation) -> Vec<u8> {
    let id = id.parse().unwrap();
    let mut out = BytesMut::new();
    let head = HeadWriter::request(
        &mut out,
        &id,
        &Method::Send,
        "msrp://b.test:1/x;tcp",
        "msrp://a.test:1/y;tcp",
    )
    .unwrap()
    .field("Message-ID", "m123")
    .unwrap();
    match body {
        Some(body) => {
            head.content_type("text/plain").unwrap();
            out.extend_from_slice(body);
            write_end_line(&mut out, &id, true, flag);
        }
        None => head.end(flag),
    }
    out.to_vec()
}

fn bodies(stream: &[u8]) -> Vec<Vec<u8>> {
    hear([stream])
        .chunks
        .into_iter()
        .map(|(_, body, _)| body)
        .collect()
}

#[test]
fn chunks_follow_one_another() {
    let stream = [
        chunk("abcd", Some(b"hello"), Continuation::More),
        chunk("abce", None, Continuation::Last),
        chunk("abcf", Some(b""), Continuation::Aborted),
    ]
    .concat();
    let heard = hear([&stream[..]]);
    let said: Vec<_> = heard
        .chunks
        .iter()
        .map(|(_, body, flag)| (&body[..], *flag))
        .collect();
    assert_eq!(
        said,
        [
            (&b"hello"[..], Some(Continuation::More)),
            (b"", Some(Continuation::Last)),
            (b"", Some(Continuation::Aborted)),
        ]
    );
}

#[test]
fn what_looks_like_an_end_line_is_body() {
    for body in [
        &b"-------abcd"[1..],
        b"x-------abcd$",
        b"\r\n-------abce$\r\n",
        b"\r\n-------abcd?\r\n",
        b"\r\n-------abcd$x\r\n",
        b"\r\n-------abcd$\rx",
        b"\r\n------abcd$\r\n",
        b"\r\n--------abcd$\r\n",
        b"\r\n-------abcde$\r\n",
        b"\r\n-------ABCD$\r\n",
        b"\r\n\r\n\r\n-------",
        b"\r\n-------abc\r\n-------abc",
        b"-------",
        b"\r",
        b"\r\n",
    ] {
        let stream = [
            chunk("abcd", Some(body), Continuation::Last),
            chunk("next", None, Continuation::Last),
        ]
        .concat();
        assert_eq!(bodies(&stream), [body, b""], "{body:?}");
        let single: Vec<_> = stream.chunks(1).collect();
        assert_eq!(hear(single), hear([&stream[..]]), "{body:?}");
    }
}

#[test]
fn an_end_line_right_after_the_empty_line_is_an_empty_body() {
    let stream = b"MSRP abcd SEND\r\nTo-Path: a\r\nContent-Type: a/b\r\n\r\n-------abcd$\r\n";
    assert_eq!(bodies(stream), [b""]);
    assert!(hear([&stream[..]]).chunks[0].2.is_some());
}

#[test]
fn an_end_line_that_is_cut_anywhere_keeps_its_flag() {
    for flag in [Continuation::Last, Continuation::More, Continuation::Aborted] {
        let stream = chunk("abcd1234", Some(b"hello"), flag);
        for at in 0..=stream.len() {
            let (one, two) = stream.split_at(at);
            let heard = hear([one, two]);
            assert_eq!(heard.chunks[0].1, b"hello");
            assert_eq!(heard.chunks[0].2, Some(flag), "cut at {at}");
        }
    }
}

#[test]
fn a_body_comes_out_as_it_arrives() {
    let mut framer = Framer::new(Limits::default());
    let stream = chunk("abcd", Some(&vec![b'x'; 100_000]), Continuation::Last);
    let mut heard = 0;
    for piece in stream.chunks(1000) {
        framer.input().extend_from_slice(piece);
        while let Some(frame) = framer.next_frame().unwrap() {
            if let Frame::Body(body) = frame {
                heard += body.len();
            }
        }
        assert!(framer.buffered() < 1000);
    }
    assert_eq!(heard, 100_000);
    assert!(framer.is_idle());
}

#[test]
fn a_broken_stream_stays_broken() {
    let mut framer = Framer::new(Limits::default());
    framer.input().extend_from_slice(b"GET / HTTP/1.1\r\n");
    let error = framer.next_frame().unwrap_err();
    assert_eq!(error.kind, HeadErrorKind::StartLine);
    framer
        .input()
        .extend_from_slice(&chunk("abcd", None, Continuation::Last));
    assert_eq!(framer.next_frame().unwrap_err(), error);
}

#[test]
fn a_line_that_never_ends_is_refused() {
    let flood = [b'a'; 1000];
    let heard =
        hear(std::iter::once(&b"MSRP abcd SEND\r\nA: "[..]).chain(std::iter::repeat_n(&flood[..], 100)));
    assert_eq!(heard.broken, Some(HeadErrorKind::TooLong));
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        proptest::collection::vec(
            prop_oneof![
                Just(&b"\r\n"[..]),
                Just(&b"-------"[..]),
                Just(&b"abc"[..]),
                Just(&b"d$"[..])
            ],
            0..12
        )
        .prop_map(|words| words.concat()),
    ];
    let flag = prop_oneof![
        Just(Continuation::Last),
        Just(Continuation::More),
        Just(Continuation::Aborted)
    ];
    let one = (
        "[a-d]{4,6}".prop_map(String::from),
        proptest::option::of(body),
        flag,
    )
        .prop_map(|(id, body, flag)| chunk(&id, body.as_deref(), flag));
    proptest::collection::vec(one, 0..6).prop_map(|chunks| chunks.concat())
}

proptest! {
    #[test]
    fn any_split_of_any_stream_says_the_same(
        stream in any_stream(),
        noise in proptest::collection::vec(any::<u8>(), 0..10),
        cuts in proptest::collection::vec(1..60usize, 1..40),
    ) {
        let stream = [stream, noise].concat();
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for len in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(len.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(hear(pieces), hear([&stream[..]]));
    }

    #[test]
    fn any_bytes_are_framed_or_refused(stream in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = hear([&stream[..]]);
    }
}
