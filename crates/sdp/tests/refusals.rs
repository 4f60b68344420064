//! What is refused, with which line and reason; and what the lenient policy reads all the same.

use offhook_sdp::{
    Direction, Limits, Media, ParseError, ParseErrorKind, ParseOptions, RtpFormat, SessionDescription, Timing,
};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

fn strict(text: &str) -> Result<SessionDescription, ParseError> {
    SessionDescription::parse_with(text.as_bytes(), &ParseOptions::strict())
}

fn refused(
    line: usize,
    field: impl Into<Option<char>>,
    kind: ParseErrorKind,
) -> Result<SessionDescription, ParseError> {
    let field = field.into();
    Err(ParseError { line, field, kind })
}

#[test]
fn broken_values_are_refused_by_both_policies() {
    use ParseErrorKind::{ControlCharacter, Missing, NotAField, Number, Syntax, Version};
    let media = Syntax("<media> <port> <protocol> <formats>");
    for (tail, line, field, kind) in [
        ("m=audio\r\n", 6, 'm', media),
        ("m=audio 9\r\n", 6, 'm', media),
        ("m=audio x RTP/AVP 0\r\n", 6, 'm', Number("port")),
        ("m=audio 65536 RTP/AVP 0\r\n", 6, 'm', Number("port")),
        ("m=audio +9 RTP/AVP 0\r\n", 6, 'm', Number("port")),
        ("m=audio 9/x RTP/AVP 0\r\n", 6, 'm', Number("number of ports")),
        ("m=audio 9/0 RTP/AVP 0\r\n", 6, 'm', Number("number of ports")),
        (
            "m=audio 9 RTP/AVP 0\r\nc=IN IP4\r\n",
            7,
            'c',
            Syntax("<network> <type> <address>"),
        ),
        ("a=:x\r\n", 6, 'a', Syntax("a name")),
        ("a=x\ry\r\n", 6, '\0', ControlCharacter),
        ("a=x\0\r\n", 6, '\0', ControlCharacter),
        ("hello\r\n", 6, '\0', NotAField),
        ("A=x\r\n", 6, '\0', NotAField),
    ] {
        let text = format!("{HEAD}{tail}");
        let field = Some(field).filter(|field| *field != '\0');
        assert_eq!(strict(&text), refused(line, field, kind), "{tail:?}");
        assert_eq!(text.parse(), refused(line, field, kind), "{tail:?}");
    }
    assert_eq!("".parse(), refused(1, None, Missing('v')));
    assert_eq!("v=0\r\ns=-\r\n".parse(), refused(3, None, Missing('o')));
    assert_eq!("v=1\r\n".parse(), refused(1, 'v', Version));
    assert_eq!(
        "v=0\r\no=- -1 1 IN IP4 h\r\n".parse(),
        refused(2, 'o', Number("session id"))
    );
}

#[test]
fn the_strict_policy_says_what_the_lenient_one_forgives() {
    use ParseErrorKind::{LineEnd, Missing, Number, OutOfOrder, Repeated, UnknownField};
    let origin = "o=- 1 1 IN IP4 192.0.2.1\r\n";
    let rest = "s=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    for (text, line, field, kind) in [
        (HEAD.replace("\r\n", "\n"), 1, None, LineEnd),
        (HEAD.trim_end().to_owned(), 5, None, LineEnd),
        (HEAD.replace("s=-\r\n", ""), 5, None, Missing('s')),
        (HEAD.replace("t=0 0\r\n", ""), 5, None, Missing('t')),
        (format!("{HEAD}i=late\r\n"), 6, Some('i'), OutOfOrder),
        (format!("{HEAD}y=new\r\n"), 6, Some('y'), UnknownField),
        (format!("v=0\r\n{origin}{origin}{rest}"), 3, Some('o'), Repeated),
        (
            format!("v=0\r\no=- 18446744073709551617 1 IN IP4 192.0.2.1\r\n{rest}"),
            2,
            Some('o'),
            Number("session id"),
        ),
    ] {
        assert_eq!(strict(&text), refused(line, field, kind), "{text:?}");
        let read: SessionDescription = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((&*read.name, read.origin.session_id), ("-", 1));
        assert_eq!((read.timing, read.more_timings), (Timing::default(), Vec::new()));
    }
    let homeless = HEAD.replace("c=IN IP4 192.0.2.1\r\n", "") + "m=audio 9 RTP/AVP 0\r\n";
    assert_eq!(strict(&homeless), refused(6, None, Missing('c')));
    let read: SessionDescription = homeless.parse().unwrap();
    assert_eq!(read.media[0].media_address(&read), None);
}

#[test]
fn bytes_that_are_not_utf8_are_replaced_or_refused_with_their_line() {
    let text = HEAD.replace("s=-", "s=caf?");
    let latin1: Vec<u8> = text
        .bytes()
        .map(|byte| if byte == b'?' { 0xe9 } else { byte })
        .collect();
    assert_eq!(SessionDescription::parse(&latin1).unwrap().name, "caf\u{fffd}");
    assert_eq!(
        SessionDescription::parse_with(&latin1, &ParseOptions::strict()),
        refused(3, None, ParseErrorKind::NotUtf8)
    );
}

#[test]
fn each_limit_holds() {
    let two = Limits {
        bytes: 300,
        lines: 9,
        line_bytes: 100,
        media: 2,
        attributes: 2,
        formats: 2,
    };
    let options = ParseOptions {
        limits: two,
        ..ParseOptions::default()
    };
    for (tail, kind) in [
        ("m=a 1 p 1\r\n".repeat(3), ParseErrorKind::TooManyMedia(2)),
        ("a=x\r\n".repeat(3), ParseErrorKind::TooManyAttributes(2)),
        ("m=a 1 p 1 2 3\r\n".to_owned(), ParseErrorKind::TooManyFormats(2)),
        (
            format!("a={}\r\n", "x".repeat(99)),
            ParseErrorKind::LineTooLong(100),
        ),
        ("e=x\r\n".repeat(5), ParseErrorKind::TooManyLines(9)),
        (
            "x".repeat(400),
            ParseErrorKind::TooLong {
                limit: 300,
                actual: HEAD.len() + 400,
            },
        ),
    ] {
        let text = format!("{HEAD}{tail}");
        assert_eq!(
            SessionDescription::parse_with(text.as_bytes(), &options)
                .unwrap_err()
                .kind,
            kind
        );
    }
}

#[test]
fn times_repetitions_and_zones_are_read_and_written() {
    // RFC 8866 §5.10, §5.11
    let text = HEAD.replace(
        "t=0 0\r\n",
        "t=3034423619 3042462419\r\nr=7d 1h 0 25h\r\nt=3034429876 0\r\nz=2882844526 -1h 2898848070 0\r\n",
    );
    let session = strict(&text).unwrap();
    assert_eq!(session.timing.repeats[0].offsets, [0, 90_000]);
    assert_eq!(session.zones[0].offset, -3_600);
    let written = session.to_string();
    assert!(written.contains("r=604800 3600 0 90000\r\n"), "{written}");
    assert_eq!(strict(&written), Ok(session));
}

#[test]
fn an_unspecified_address_takes_receiving_away() {
    // RFC 3264 §8.4
    let text = HEAD.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0") + "m=audio 9 RTP/AVP 0\r\n";
    let session: SessionDescription = text.parse().unwrap();
    assert_eq!(session.media[0].direction(&session), Direction::SendOnly);
}

#[test]
fn a_session_direction_holds_for_media_without_one() {
    let text = format!("{HEAD}a=inactive\r\nm=audio 9 RTP/AVP 0\r\nm=audio 9 RTP/AVP 0\r\na=recvonly\r\n");
    let session: SessionDescription = text.parse().unwrap();
    assert_eq!(session.media[0].direction(&session), Direction::Inactive);
    assert_eq!(session.media[1].direction(&session), Direction::RecvOnly);
}

#[test]
fn a_value_set_by_the_application_cannot_start_a_line() {
    let mut session = SessionDescription::new(1, "192.0.2.1".parse().unwrap());
    session.name = "call\r\nm=audio 1 RTP/AVP 0".into();
    let read = strict(&session.to_string()).unwrap();
    assert_eq!(read.media, []);
}

#[test]
fn a_built_description_is_what_the_documents_constructors_promise() {
    let media = Media::audio(50_000, [RtpFormat::g722(), RtpFormat::telephone_event(101, 8000)]);
    let session = SessionDescription::new(7, "2001:db8::1".parse().unwrap()).with_media([media]);
    assert_eq!(
        session.to_string(),
        "v=0\r\no=- 7 7 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n\
         m=audio 50000 RTP/AVP 9 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\n"
    );
    assert_eq!(strict(&session.to_string()), Ok(session));
}
