//! Whole messages: framing, policies, limits, answering, round trips.

use bytes::{Bytes, BytesMut};
use offhook_sip_core::header::{Allow, CSeq, CallId, Contact, From, MaxForwards, ReplyTo, To, Via};
use offhook_sip_core::parse::{Framed, Framer};
use offhook_sip_core::{
    HeaderName, Headers, Limits, Message, Method, ParseError, ParseErrorKind, ParseOptions, Policy, Request,
    Response, StatusCode, TypedHeader, Uri,
};
use proptest::prelude::*;

const HEAD: &str = "OPTIONS sip:b.test SIP/2.0\r\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK1\r\n\
    From: <sip:a.test>;tag=1\r\nTo: <sip:b.test>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

#[test]
fn the_bench_messages_are_read_and_printed_byte_for_byte() {
    for file in ["c-invite", "r-invite", "c-ok200", "c-register"] {
        let path = format!("{}/tests/data/{file}.sip", env!("CARGO_MANIFEST_DIR"));
        let wire = Bytes::from(std::fs::read(path).unwrap());
        let message =
            Message::parse(wire.clone(), &ParseOptions::default().with_policy(Policy::Strict)).unwrap();
        assert_eq!(message.to_bytes(), wire, "{file}");
        let headers = message.headers();
        assert!(headers.typed::<Via>().unwrap().unwrap().branch().is_some());
        assert!(headers.typed::<From>().unwrap().unwrap().tag().is_some());
        assert!(headers.typed::<To>().unwrap().is_ok());
        assert!(headers.typed::<CallId>().unwrap().is_ok());
        assert!(headers.typed::<CSeq>().unwrap().is_ok());
        assert!(headers.typed::<Contact>().unwrap().is_ok());
        match message {
            Message::Request(request) => request.check(&ParseOptions::default()).unwrap(),
            Message::Response(response) => response.check().unwrap(),
        }
    }
}

#[test]
fn a_changed_field_leaves_the_others_byte_equal() {
    let wire = format!("{HEAD}X-Odd :  spaced\t\r\nSubject: folded\r\n  twice\r\nl: 2\r\n\r\nhi");
    let Message::Request(mut request) = parse(&wire, Policy::Strict).unwrap() else {
        panic!()
    };
    assert_eq!(request.to_bytes(), wire);
    request.headers_mut().set_typed(&MaxForwards(69));
    request.headers_mut().set(HeaderName::CallId, "d");
    request.set_body("text/plain", "hello");
    let expected = wire
        .replace("Call-ID: c", "Call-ID: d")
        .replace("l: 2\r\n\r\nhi", "l: 5\r\n")
        + "Max-Forwards: 69\r\nContent-Type: text/plain\r\n\r\nhello";
    assert_eq!(request.to_bytes(), expected);
    request.clear_body();
    let printed = request.to_bytes();
    assert!(
        printed.ends_with(b"Max-Forwards: 69\r\nContent-Length: 0\r\n\r\n"),
        "{printed:?}"
    );
}

#[test]
fn a_response_copies_what_rfc_3261_8_2_6_says_byte_for_byte() {
    let wire =
        HEAD.replace("From", "f").replace("Via: ", "v:  ") + "Via: SIP/2.0/TCP c\r\nTimestamp: 5\r\n\r\n";
    let Message::Request(request) = parse(&wire, Policy::Strict).unwrap() else {
        panic!()
    };
    let response = Response::for_request(&request, StatusCode::RINGING).with_to_tag("9");
    let expected = "SIP/2.0 180 Ringing\r\nv:  SIP/2.0/UDP a.test;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP c\r\n\
        f: <sip:a.test>;tag=1\r\nTo: <sip:b.test>;tag=9\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(response.to_bytes(), expected);
    let again = response.clone().with_to_tag("other");
    assert_eq!(
        again.headers().typed::<To>().unwrap().unwrap().tag(),
        Some("9"),
        "a tag stays"
    );
    let trying = Response::for_request(&request, StatusCode::TRYING);
    assert_eq!(trying.headers().get("Timestamp"), Some(&b"5"[..]));
}

#[test]
fn a_reason_cannot_end_its_line() {
    let mut response = Response::new(StatusCode::OK);
    response.set_reason("fine\r\nEvil: 1");
    assert!(response.to_bytes().starts_with(b"SIP/2.0 200 fine  Evil: 1\r\n"));
    assert_eq!(response.reason(), "fine  Evil: 1");
}

#[test]
fn each_deviation_is_accepted_by_lenient_and_refused_by_strict() {
    let bare_lf = format!("{HEAD}\r\n").replace("\r\n", "\n");
    let unterminated = HEAD.to_owned();
    for wire in [&bare_lf, &unterminated] {
        let message = parse(wire, Policy::Lenient).unwrap();
        assert_eq!(message.headers().len(), 5);
        assert!(
            message
                .to_bytes()
                .ends_with(b"CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"),
            "printed tidily"
        );
        assert!(parse(wire, Policy::Strict).is_err());
    }
    let Message::Request(request) = parse(&format!("{HEAD}\r\n"), Policy::Lenient).unwrap() else {
        panic!()
    };
    let strict = ParseOptions::default().with_policy(Policy::Strict);
    assert_eq!(request.check(&ParseOptions::default()), Ok(()));
    assert_eq!(
        request.check(&strict).unwrap_err().status,
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn values_of_real_phones_are_accepted_by_lenient_and_refused_by_strict() {
    fn verdicts<H: TypedHeader>(value: &str) -> [bool; 2] {
        [Policy::Lenient, Policy::Strict].map(|policy| {
            let message = parse(&format!("{HEAD}{}: {value}\r\n\r\n", H::NAME), policy).unwrap();
            message.headers().typed_all::<H>().last().unwrap().is_ok()
        })
    }
    let only_lenient = [true, false];
    assert_eq!(
        verdicts::<Via>("SIP/2.0/UDP a.test;branch=z9hG4bK1;rport;"),
        only_lenient
    );
    assert_eq!(
        verdicts::<Via>("SIP/2.0/UDP my_pbx.lan;branch=z9hG4bK1"),
        only_lenient
    );
    assert_eq!(
        verdicts::<Contact>("Jürgen (office) <sip:j@a.test>"),
        only_lenient
    );
    assert_eq!(verdicts::<Contact>("<sip:bob@my_pbx.lan>"), only_lenient);
    assert_eq!(verdicts::<Contact>("<sip:*31#@a.test>"), only_lenient);
    assert_eq!(verdicts::<Allow>("INVITE,,BYE"), only_lenient);
    assert_eq!(verdicts::<Allow>(""), [true, true], "an empty list is legal");
    assert_eq!(verdicts::<Contact>("\"Jürgen\" <sip:j@a.test>;q=1"), [true, true]);
    assert_eq!(verdicts::<Via>("SIP/2.0/UDP a.test;;"), [false, false]);
    assert_eq!(verdicts::<ReplyTo>("a, b <sip:j@a.test>"), [false, false]);

    let status = |policy| parse("SIP/2.0 200\r\n\r\n", policy).is_ok();
    assert_eq!([status(Policy::Lenient), status(Policy::Strict)], only_lenient);
    let check = |policy| {
        let wire = HEAD.replace("sip:b.test SIP", "sip:*31#@b_c SIP") + "Max-Forwards: 70\r\n\r\n";
        let Ok(Message::Request(request)) = parse(&wire, policy) else {
            panic!()
        };
        request
            .check(&ParseOptions::default().with_policy(policy))
            .is_ok()
    };
    assert_eq!([check(Policy::Lenient), check(Policy::Strict)], only_lenient);
}

#[test]
fn a_value_with_a_semicolon_too_many_is_written_without_it() {
    let mut headers = Headers::new();
    headers.push("Via", "SIP/2.0/UDP a.test;rport; ");
    let mut via = headers.typed::<Via>().unwrap().unwrap();
    via.params.set("received", "1.2.3.4");
    assert_eq!(via.to_bytes(), "SIP/2.0/UDP a.test;rport;received=1.2.3.4");
}

#[test]
fn each_limit_holds_alone_and_on_a_stream() {
    let small = Limits::default();
    let too_large = |what, limit| ParseErrorKind::TooLarge { what, limit };
    let wire = format!(
        "{HEAD}Subject: {}\r\n {}\r\nContent-Length: 5\r\n\r\nhello",
        "a".repeat(40),
        "b".repeat(40)
    );
    let head = wire.len() - 5;
    for (limits, verdict) in [
        (
            small.with_head_bytes(head - 1),
            Some(too_large("bytes of head", head - 1)),
        ),
        (small.with_headers(6), Some(too_large("header fields", 6))),
        (
            small.with_header_bytes(93),
            Some(too_large("bytes of one header field", 93)),
        ),
        (small.with_body_bytes(4), Some(too_large("bytes of body", 4))),
        (
            small.with_message_bytes(head + 4),
            Some(too_large("bytes of message", head + 4)),
        ),
        (
            small
                .with_head_bytes(head)
                .with_headers(7)
                .with_header_bytes(94)
                .with_body_bytes(5)
                .with_message_bytes(head + 5),
            None,
        ),
    ] {
        let options = ParseOptions::default().with_limits(limits);
        let error = Message::parse(wire.clone().into(), &options).err();
        assert_eq!(error.as_ref().map(|error| error.kind), verdict);
        let mut framer = Framer::new(options);
        framer.push(wire.as_bytes());
        assert_eq!(framer.next_frame().err().map(|error| error.kind), verdict);
        if let Some(error) = error {
            assert_eq!(error.response().unwrap().status(), StatusCode::MESSAGE_TOO_LARGE);
        }
    }
}

#[test]
fn faults_that_neither_policy_accepts() {
    use ParseErrorKind as Kind;
    let rows: [(String, Kind); 17] = [
        (String::new(), Kind::Empty),
        ("\r\n\r\n".into(), Kind::Empty),
        ("hello\r\n\r\n".into(), Kind::BadStartLine),
        (
            HEAD.replace("OPTIONS sip:b.test", "OPTIONS  sip:b.test") + "\r\n",
            Kind::BadStartLine,
        ),
        (
            HEAD.replace("SIP/2.0\r\n", "SIP/2.0 \r\n") + "\r\n",
            Kind::BadStartLine,
        ),
        (
            HEAD.replace("SIP/2.0\r\n", "SIP/2.1\r\n") + "\r\n",
            Kind::UnsupportedVersion,
        ),
        ("SIP/2.0 099 x\r\n\r\n".into(), Kind::BadStatus),
        ("SIP/2.0 700 x\r\n\r\n".into(), Kind::BadStatus),
        ("SIP/2.0 2000 x\r\n\r\n".into(), Kind::BadStatus),
        (format!("{HEAD}no colon\r\n\r\n"), Kind::BadHeaderLine),
        (format!("{HEAD}bad name: x\r\n\r\n"), Kind::BadHeaderLine),
        (format!("{HEAD}: x\r\n\r\n"), Kind::BadHeaderLine),
        (
            "OPTIONS sip:b SIP/2.0\r\n folded start\r\n\r\n".into(),
            Kind::BadHeaderLine,
        ),
        (format!("{HEAD}Subject: a\rEvil: b\r\n\r\n"), Kind::BareCr),
        (
            format!("{HEAD}l: 0\r\nContent-Length : 0\r\n\r\n"),
            Kind::DuplicateContentLength,
        ),
        (
            format!("{HEAD}Content-Length: +1\r\n\r\nx"),
            Kind::BadContentLength,
        ),
        (
            format!("{HEAD}Content-Length: 4294967296\r\n\r\nx"),
            Kind::BadContentLength,
        ),
    ];
    for (wire, kind) in rows {
        for policy in [Policy::Lenient, Policy::Strict] {
            assert_eq!(parse(&wire, policy).map_err(|e| e.kind), Err(kind), "{wire:?}");
        }
    }
    let short = parse(&format!("{HEAD}l: 9\r\n\r\nx"), Policy::Lenient).unwrap_err();
    assert_eq!(
        short.kind,
        Kind::ShortBody {
            expected: 9,
            actual: 1
        }
    );
    assert_eq!(short.response().unwrap().status(), StatusCode::BAD_REQUEST);
}

#[test]
fn an_answer_carries_no_bare_cr_back() {
    let wire = HEAD.replace("Call-ID: c", "Call-ID: c\rEvil: 1") + "\r\n";
    let response = parse(&wire, Policy::Lenient).unwrap_err().response().unwrap();
    assert!(!response.headers().contains(HeaderName::CallId));
    assert!(parse(std::str::from_utf8(&response.to_bytes()).unwrap(), Policy::Strict).is_ok());
}

#[test]
fn a_folded_line_with_a_bare_lf_is_printed_on_one_line() {
    let wire = format!("{HEAD}Subject: a\n b\r\n c\r\n\r\n");
    let printed = parse(&wire, Policy::Lenient).unwrap().to_bytes();
    assert!(
        printed.ends_with(b"Subject: a b c\r\nContent-Length: 0\r\n\r\n"),
        "{printed:?}"
    );
}

#[test]
fn an_ack_or_a_request_without_via_is_not_answered() {
    let ack = HEAD.replace("OPTIONS", "ACK") + "no colon\r\n\r\n";
    assert!(parse(&ack, Policy::Lenient).unwrap_err().response().is_none());
    let bare = parse("INVITE sip:b SIP/2.0\r\nno colon\r\n\r\n", Policy::Lenient).unwrap_err();
    assert_eq!(bare.rejected.as_ref().unwrap().method(), &Method::Invite);
    assert!(bare.response().is_none());
}

#[test]
fn limits_are_kept_and_answered_with_513() {
    let limits = Limits::default()
        .with_headers(5)
        .with_head_bytes(400)
        .with_body_bytes(3);
    let options = ParseOptions::default().with_limits(limits);
    let too_large = |wire: String| {
        let error = Message::parse(wire.clone().into(), &options).unwrap_err();
        assert!(matches!(error.kind, ParseErrorKind::TooLarge { .. }), "{error}");
        assert_eq!(error.response().unwrap().status(), StatusCode::MESSAGE_TOO_LARGE);
        let mut framer = Framer::new(options);
        framer.push(wire.as_bytes());
        assert!(framer.next_frame().is_err(), "a stream says the same");
    };
    assert!(Message::parse(format!("{HEAD}\r\nabc").into(), &options).is_ok());
    too_large(format!("{HEAD}a:b\r\n\r\n"));
    too_large(format!("{HEAD}\r\nabcd"));
    too_large(HEAD.replace("Call-ID: c", &format!("Call-ID: {}", "c".repeat(400))) + "\r\n");
}

#[test]
fn a_stream_that_never_ends_its_head_is_cut_off() {
    let mut framer = Framer::new(ParseOptions::default());
    let mut pushed = 0;
    while framer.next_frame().is_ok() {
        framer.push(b"OPTIONS sip:b.test SIP/2.0 and on and on and on and on");
        pushed += 1;
        assert!(pushed < 2000, "bounded");
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_arrives() {
    let mut framer = Framer::new(ParseOptions::default());
    framer.push(format!("{HEAD}l: 4000000000\r\n\r\n").as_bytes());
    let error = framer.next_frame().unwrap_err();
    assert!(matches!(error.kind, ParseErrorKind::TooLarge { .. }), "{error}");
    assert!(!error.framing_intact && error.response().is_some());
}

#[test]
fn pings_and_pongs_stand_between_messages() {
    let mut framer = Framer::new(ParseOptions::default());
    framer.push(format!("\r\n{HEAD}l:0\r\n\r\n\r\n\r\n{HEAD}Content-Length\t: 2\r\n\r\nhi\r\n").as_bytes());
    let mut seen = String::new();
    loop {
        seen += match framer.next_frame().unwrap() {
            Framed::Ping => "ping ",
            Framed::Pong => "pong ",
            Framed::Message(message) => {
                if message.body().is_empty() {
                    "empty "
                } else {
                    "body "
                }
            }
            Framed::Incomplete { .. } => break,
        };
    }
    assert_eq!(seen, "pong empty ping body pong ");
}

#[test]
fn a_request_of_ones_own_is_built_from_types() {
    let mut request = Request::new(Method::Message, "sip:bob@b.test".parse::<Uri>().unwrap());
    request.headers_mut().push_typed(&CSeq::new(1, Method::Message));
    request.headers_mut().push_front_typed(&Via::new(
        "TCP".parse().unwrap(),
        &"a.test".parse().unwrap(),
        Some(5060),
        "z9hG4bKx",
    ));
    request.set_body("text/plain", "hi");
    assert_eq!(
        request.to_bytes(),
        "MESSAGE sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/TCP a.test:5060;branch=z9hG4bKx;rport\r\n\
         CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        round_trip(&bytes);
    }

    #[test]
    fn no_mutation_of_a_message_breaks_the_round_trip(at in 0usize..900, with in any::<[u8; 3]>(), cut in 0usize..4) {
        let mut bytes = include_bytes!("data/c-invite.sip").to_vec();
        bytes.splice(at..at + cut, with);
        round_trip(&bytes);
    }

    #[test]
    fn a_stream_gives_the_same_messages_however_it_is_cut(cuts in proptest::collection::vec(1usize..200, 1..40)) {
        let invite = include_bytes!("data/c-invite.sip");
        let stream = [&invite[..], b"\r\n\r\n", include_bytes!("data/c-register.sip"), b"\r\n", invite].concat();
        let mut framer = Framer::new(ParseOptions::default());
        let mut rest = &stream[..];
        let mut messages = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            framer.push(piece);
            rest = left;
            loop {
                match framer.next_frame().unwrap() {
                    Framed::Message(message) => messages.push(message.to_bytes()),
                    Framed::Incomplete { .. } => break,
                    Framed::Ping | Framed::Pong => {}
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        let expected = [&invite[..], include_bytes!("data/c-register.sip"), invite];
        prop_assert_eq!(messages, expected);
    }

    #[test]
    fn names_and_values_come_back(name in "[A-Za-z0-9.!%*_+`'~-]{1,20}", value in "[ -~]{0,60}") {
        let mut headers = Headers::new();
        headers.push(&*name, &value);
        let mut request = Request::new(Method::Info, "sip:a".parse::<Uri>().unwrap());
        *request.headers_mut() = headers;
        // Content-Length is the message's own affair.
        prop_assume!(HeaderName::from(&*name) != HeaderName::ContentLength);
        let message = Message::parse(request.to_bytes(), &ParseOptions::default()).unwrap();
        prop_assert_eq!(message.headers().get(&*name), Some(value.trim().as_bytes()));
    }
}

/// What parses prints to something that parses to the same; reading typed fields never panics.
fn round_trip(bytes: &[u8]) {
    let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes), &ParseOptions::default()) else {
        return;
    };
    let printed = message.to_bytes();
    let again = Message::parse(printed.clone(), &ParseOptions::default()).unwrap();
    assert_eq!(again.to_bytes(), printed);
    assert_eq!(again.body(), message.body());
    let mut out = BytesMut::new();
    message.write_to(&mut out);
    assert_eq!(out, printed);
    if let Message::Request(request) = &message {
        let _ = request.check(&ParseOptions::default());
    }
}

fn parse(wire: &str, policy: Policy) -> Result<Message, ParseError> {
    Message::parse(
        Bytes::copy_from_slice(wire.as_bytes()),
        &ParseOptions::default().with_policy(policy),
    )
}
