use super::*;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

const PATHS: &str = "To-Path: msrp://b.test:1/x;tcp\r\nFrom-Path: msrp://a.test:1/y;tcp\r\n";

fn read(text: &str) -> Result<Head, HeadErrorKind> {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    Head::parse(&bytes, &Limits::default())
        .map(|head| head.expect("a whole head"))
        .map_err(|error| error.kind)
}

fn with(fields: &str) -> Head {
    read(&format!("MSRP abcd SEND\r\n{PATHS}{fields}\r\n")).expect("a good head")
}

#[test]
fn a_request_is_read() {
    let head =
        with("Message-ID: 87652491\r\nByte-Range: 1-25/25\r\nX-Own:  a: b \r\nContent-Type: text/plain\r\n");
    assert_eq!(head.method(), Some(&Method::Send));
    assert_eq!(head.status(), None);
    assert_eq!(head.transaction_id().as_str(), "abcd");
    assert_eq!(head.to_path().unwrap().to_string(), "msrp://b.test:1/x;tcp");
    assert_eq!(head.from_path().unwrap().last().session_id(), Some("y"));
    assert_eq!(head.message_id(), Some("87652491"));
    assert_eq!(head.byte_range(), Ok(Some(ByteRange::whole(25))));
    assert_eq!(head.content_type(), Some("text/plain"));
    assert_eq!(head.field_named("x-OWN"), Some("a: b"));
    assert_eq!(
        head.fields().map(|(name, _)| name).collect::<Vec<_>>(),
        [
            "To-Path",
            "From-Path",
            "Message-ID",
            "Byte-Range",
            "X-Own",
            "Content-Type"
        ]
    );
}

#[test]
fn a_response_is_read_with_and_without_comment() {
    for (line, status, comment) in [
        ("200 OK", 200, "OK"),
        ("481", 481, ""),
        ("413 ", 413, ""),
        ("400 na\u{ef}ve request", 400, "na\u{ef}ve request"),
    ] {
        let head = read(&format!("MSRP abcd {line}\r\n{PATHS}-------abcd$\r\n")).unwrap();
        assert_eq!(head.status().map(StatusCode::code), Some(status));
        assert_eq!(head.comment(), comment);
        assert_eq!(head.method(), None);
    }
}

#[test]
fn each_method_is_known_and_others_are_kept() {
    for method in ["SEND", "REPORT", "AUTH", "NICKNAME", "DANCE"] {
        let head = read(&format!("MSRP abcd {method}\r\n{PATHS}-------abcd$\r\n")).unwrap();
        assert_eq!(head.method().map(Method::as_str), Some(method));
        assert_eq!(matches!(head.method(), Some(Method::Other(_))), method == "DANCE");
    }
}

#[test]
fn names_of_header_fields_count_in_any_case() {
    let head = with("MESSAGE-id: a1b2\r\nfailure-report: partial\r\nsuccess-REPORT: yes\r\n");
    assert_eq!(head.message_id(), Some("a1b2"));
    assert_eq!(head.failure_report(), Ok(FailureReport::Partial));
    assert_eq!(head.success_report(), Ok(SuccessReport::Yes));
}

#[test]
fn absent_header_fields_have_the_defaults_of_the_rfc() {
    let head = read("MSRP abcd SEND\r\nX: y\r\n\r\n").unwrap();
    assert_eq!(head.failure_report(), Ok(FailureReport::Yes));
    assert_eq!(head.success_report(), Ok(SuccessReport::No));
    assert_eq!(head.byte_range(), Ok(None));
    assert_eq!(head.report_status(), Ok(None));
    assert_eq!(head.to_path(), Err(FieldError::Missing(FieldName::ToPath)));
}

#[test]
fn fields_of_the_relay_and_nickname_extensions_are_read() {
    let head = with(
        "Use-Path: msrps://r.test:2855/z;tcp msrps://q.test:1/y;tcp\r\nExpires: 900\r\nMin-Expires: 60\r\n\
         WWW-Authenticate: Digest realm=\"a\"\r\nAuthorization: Digest u\r\nAuthentication-Info: nextnonce=\"b\"\r\n\
         Use-Nickname: \"Alice the great\"\r\n",
    );
    assert_eq!(head.use_path().unwrap().uris().len(), 2);
    assert_eq!(head.seconds(FieldName::Expires), Ok(Some(900)));
    assert_eq!(head.seconds(FieldName::MinExpires), Ok(Some(60)));
    assert_eq!(head.field(FieldName::WwwAuthenticate), Some("Digest realm=\"a\""));
    assert_eq!(head.field(FieldName::Authorization), Some("Digest u"));
    assert_eq!(head.field(FieldName::AuthenticationInfo), Some("nextnonce=\"b\""));
    assert_eq!(head.field(FieldName::UseNickname), Some("\"Alice the great\""));
}

#[test]
fn byte_ranges_are_read_and_liars_refused() {
    for (text, good) in [
        ("1-25/25", true),
        ("1-*/*", true),
        ("2049-*/4096", true),
        ("5-8/*", true),
        ("1-0/0", true),
        ("26-25/25", true),
        ("0-5/5", false),
        ("6-4/9", false),
        ("1-9/8", false),
        ("10-*/8", false),
        ("1-18446744073709551615/*", false),
        ("1-99999999999999999999/*", false),
        ("1-2", false),
        ("-2/2", false),
        ("1-/2", false),
        ("+1-2/2", false),
        ("*-2/2", false),
        ("1 - 2/2", false),
    ] {
        let head = with(&format!("Byte-Range: {text}\r\n"));
        let range = head.byte_range();
        assert_eq!(range.is_ok(), good, "{text}");
        if let Ok(range) = range {
            assert_eq!(range.unwrap().to_string(), text);
        }
    }
}

#[test]
fn words_of_reports_are_read_exactly() {
    for (field, good) in [
        ("Failure-Report: yes", true),
        ("Failure-Report: no", true),
        ("failure-report: Partial", true),
        ("Failure-Report: maybe", false),
        ("Failure-Report: ", false),
    ] {
        assert_eq!(
            with(&format!("{field}\r\n")).failure_report().is_ok(),
            good,
            "{field}"
        );
    }
    assert!(with("Success-Report: partial\r\n").success_report().is_err());
    for (value, status) in [
        ("000 200 OK", Some((0, 200, Some("OK")))),
        ("000 413", Some((0, 413, None))),
        ("001 999 a b", Some((1, 999, Some("a b")))),
        ("0 200", None),
        ("000 20", None),
        ("000", None),
        ("000 099", None),
    ] {
        let read = with(&format!("Status: {value}\r\n")).report_status();
        match (read, status) {
            (Ok(Some(read)), Some((namespace, code, comment))) => {
                assert_eq!((read.namespace, read.status.code()), (namespace, code));
                assert_eq!(read.comment.as_deref(), comment);
                assert_eq!(read.to_string(), value);
            }
            (read, status) => assert!(read.is_err() && status.is_none(), "{value}"),
        }
    }
}

#[test]
fn a_failure_report_says_which_outcomes_are_answered() {
    for (wish, ok, failed) in [
        (FailureReport::Yes, true, true),
        (FailureReport::Partial, false, true),
        (FailureReport::No, false, false),
    ] {
        assert_eq!(wish.wants(StatusCode::OK), ok);
        assert_eq!(wish.wants(StatusCode::NO_SESSION), failed);
    }
}

#[test]
fn broken_heads_are_refused_for_their_reason() {
    use HeadErrorKind as E;
    for (text, kind) in [
        ("HTTP/1.1 200 OK\r\n", E::StartLine),
        ("msrp abcd SEND\r\n", E::StartLine),
        ("MSRP abcd\r\n", E::StartLine),
        ("MSRP abc SEND\r\n", E::StartLine),
        ("MSRP abcd send\r\n", E::StartLine),
        ("MSRP abcd 20\r\n", E::StartLine),
        ("MSRP abcd 2000\r\n", E::StartLine),
        ("MSRP abcd 099 x\r\n", E::StartLine),
        ("MSRP abcd SEND \r\n", E::StartLine),
        ("\r\nMSRP abcd SEND\r\n", E::StartLine),
        ("MSRP abcd SEND\nTo-Path: x\r\n", E::BareLineFeed),
        ("MSRP abcd SEND\r\nTo-Path: x\n", E::BareLineFeed),
        ("\n", E::BareLineFeed),
        ("MSRP abcd SEND\r\nno colon\r\n", E::Field),
        ("MSRP abcd SEND\r\n: x\r\n", E::Field),
        ("MSRP abcd SEND\r\nTo Path: x\r\n", E::Field),
        ("MSRP abcd SEND\r\nTo-Path : x\r\n", E::Field),
        ("MSRP abcd SEND\r\n-------abce$\r\n", E::Field),
        ("MSRP abcd SEND\r\nA: x\0\r\n", E::NotText),
        ("MSRP abcd 200 \u{1}\r\n", E::NotText),
        ("MSRP abcd 200 OK\r\nA: b\r\n\r\n", E::ResponseWithBody),
    ] {
        assert_eq!(read(text).err(), Some(kind), "{text:?}");
    }
    let flood = format!("MSRP abcd SEND\r\n{}", "A: b\r\n".repeat(65));
    assert_eq!(read(&flood).err(), Some(E::TooManyFields));
    let long = format!("MSRP abcd SEND\r\nA: {}\r\n\r\n", "b".repeat(16 * 1024));
    assert_eq!(read(&long).err(), Some(E::TooLong));
    let invalid = Bytes::from_static(b"MSRP abcd SEND\r\nA: \xff\r\n\r\n");
    let error = Head::parse(&invalid, &Limits::default()).unwrap_err();
    assert_eq!((error.kind, error.at), (E::NotText, 16));
}

#[test]
fn a_head_that_is_cut_short_is_incomplete() {
    let whole = format!("MSRP abcd SEND\r\n{PATHS}-------abcd+\r\n");
    for len in 0..whole.len() {
        let cut = Bytes::copy_from_slice(&whole.as_bytes()[..len]);
        assert!(matches!(Head::parse(&cut, &Limits::default()), Ok(None)), "{len}");
    }
}

#[test]
fn what_is_written_is_read() {
    let id: TransactionId = "d93kswow".parse().unwrap();
    let mut out = BytesMut::new();
    HeadWriter::request(
        &mut out,
        &id,
        &Method::Report,
        "msrp://b.test:1/x;tcp",
        "msrp://a.test:1/y;tcp",
    )
    .unwrap()
    .field("Message-ID", "12339sdqwer")
    .unwrap()
    .byte_range(ByteRange {
        start: 7,
        end: None,
        total: None,
    })
    .field("Status", "000 200 OK")
    .unwrap()
    .end(Continuation::Last);
    assert_eq!(
        out,
        "MSRP d93kswow REPORT\r\nTo-Path: msrp://b.test:1/x;tcp\r\nFrom-Path: msrp://a.test:1/y;tcp\r\n\
         Message-ID: 12339sdqwer\r\nByte-Range: 7-*/*\r\nStatus: 000 200 OK\r\n-------d93kswow$\r\n"
    );
    let mut out = BytesMut::new();
    HeadWriter::response(&mut out, &id, StatusCode::NO_SESSION, "a", "b")
        .unwrap()
        .end(Continuation::Last);
    assert_eq!(
        out,
        "MSRP d93kswow 481 No such session\r\nTo-Path: a\r\nFrom-Path: b\r\n-------d93kswow$\r\n"
    );
}

#[test]
fn what_would_break_the_line_is_not_written() {
    let id: TransactionId = "abcd".parse().unwrap();
    for (name, value) in [
        ("A", "b\r\nC: d"),
        ("A:", "b"),
        ("", "b"),
        ("A b", "c"),
        ("A", "\0"),
    ] {
        let mut out = BytesMut::new();
        let head = HeadWriter::request(&mut out, &id, &Method::Send, "a", "b").unwrap();
        assert_eq!(head.field(name, value).err(), Some(BadField), "{name:?}");
    }
    let mut out = BytesMut::new();
    assert!(HeadWriter::request(&mut out, &id, &Method::Send, "a\r\n", "b").is_err());
    assert!(HeadWriter::response(&mut out, &id, StatusCode::OK, "a", "b\n").is_err());
    let head = HeadWriter::request(&mut out, &id, &Method::Send, "a", "b").unwrap();
    assert!(head.content_type("text/plain\r\n\r\nbody").is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Head::parse(&bytes.into(), &Limits::default());
    }

    #[test]
    fn any_fields_that_are_written_are_read(
        fields in proptest::collection::vec(("[A-Z][a-z-]{0,8}", "[ -~\u{e9}]{0,20}"), 0..8)
    ) {
        let id: TransactionId = "abcd".parse().unwrap();
        let mut out = BytesMut::new();
        let mut head = HeadWriter::request(&mut out, &id, &Method::Send, "a", "b").unwrap();
        for (name, value) in &fields {
            head = head.field(name, value).unwrap();
        }
        head.end(Continuation::Last);
        let head = Head::parse(&out.freeze(), &Limits::default()).unwrap().unwrap();
        let read: Vec<_> = head.fields().skip(2).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let written: Vec<_> = fields.iter().map(|(n, v)| (n.clone(), v.trim_matches(' ').to_owned())).collect();
        prop_assert_eq!(read, written);
    }
}
