//! Each typed header field: values that are read and written back, and values that are refused.

use super::*;
use crate::Method;

/// Rows that parse; the second text is what is written, where it differs.
fn check<H: TypedHeader + PartialEq + std::fmt::Debug>(good: &[(&str, &str)], bad: &[&str]) {
    for (text, written) in good {
        let written = if written.is_empty() { text } else { written };
        let header = H::parse(HeaderValue::from(*text)).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(header.to_bytes(), written.as_bytes(), "{}", H::NAME);
        let again = H::parse(HeaderValue::from(&header.to_bytes())).unwrap();
        assert_eq!(
            again.to_bytes(),
            header.to_bytes(),
            "what is written is read alike"
        );
    }
    for text in bad {
        assert!(
            H::parse(HeaderValue::from(*text)).is_err(),
            "{} took {text:?}",
            H::NAME
        );
    }
}

#[test]
fn via() {
    check::<Via>(
        &[
            ("SIP/2.0/UDP a.test:5060;branch=z9hG4bK1;rport", ""),
            (
                "SIP / 2.0 / TCP  [2001:db8::9]:5070 ;received=1.2.3.4",
                "SIP/2.0/TCP [2001:db8::9]:5070;received=1.2.3.4",
            ),
            ("SIP/2.0/TLS-SCTP a.test;maddr=224.0.1.75;ttl=16", ""),
            ("SIP/7.0/UDP a.test", ""),
        ],
        &[
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ;branch=1",
            "SIP/2.0 a.test",
            "SIP/2.0/UDP a.test:99999",
            "SIP/2.0/UDP a.test;;",
            "SIP/2.0/UDP a.test junk",
            "SIP/2.0/UDP a.test;branch=",
        ],
    );
    let mut via = Via::parse("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff".into()).unwrap();
    assert_eq!(via.rport(), Some(None));
    // The example of RFC 3581 §6.1.
    assert!(via.note_source("192.0.2.1:9988".parse().unwrap()));
    assert_eq!(
        (via.rport(), via.received()),
        (Some(Some(9988)), Some("192.0.2.1".parse().unwrap()))
    );
    let mut same = Via::parse("SIP/2.0/UDP 10.1.1.1".into()).unwrap();
    assert!(
        !same.note_source("10.1.1.1:5060".parse().unwrap()),
        "nothing to note"
    );
}

#[test]
fn addresses() {
    check::<From>(
        &[
            ("sip:a@a.test", "<sip:a@a.test>"),
            ("sip:a@a.test;tag=1", "<sip:a@a.test>;tag=1"),
            ("A. Lice <sip:a@a.test>;tag=1", ""),
            ("caller<sip:a@a.test>", "caller <sip:a@a.test>"),
            (r#""A \"quoted\" <name>" <sip:a@a.test>"#, ""),
            (
                "\"\" <tel:+1;x=y> ; a = \"b;c\" ;d",
                "\"\" <tel:+1;x=y>; a = \"b;c\" ;d",
            ),
        ],
        &[
            "",
            "<>",
            "<sip:a.test",
            "sip:a.test>",
            "\"open <sip:a.test>",
            "A, B <sip:a.test>",
            "<sip:a.test>x",
            "<sip:a.test>;;",
            "<sip:a.test>;=1",
            "<sip:a.test>;a=\"b",
            "< sip:a.test>",
            "sip:a@a.test?x=y",
            "> <",
        ],
    );
    check::<Contact>(
        &[("*", ""), ("<sip:a.test>;q=0.7;expires=60", "")],
        &["**", "* ;expires=0"],
    );
    let contact = NameAddr::new("sip:a.test;x=1".parse().unwrap())
        .with_display_name("a\\\"b")
        .with_tag("t");
    assert_eq!(contact.to_string(), r#""a\\\"b" <sip:a.test;x=1>;tag=t"#);
    assert_eq!(contact.display_name(), "a\\\"b");
}

#[test]
fn numbers_and_words() {
    check::<CSeq>(
        &[
            ("1 INVITE", ""),
            ("0009  INVITE", "9 INVITE"),
            ("4294967295 X.y", ""),
        ],
        &[
            "",
            "1",
            "INVITE",
            "1INVITE",
            "-1 BYE",
            "4294967296 BYE",
            "1 BYE x",
        ],
    );
    check::<MaxForwards>(
        &[("70", ""), ("0068", "68"), ("255", "")],
        &["", "256", "-1", "7 0", "+7"],
    );
    check::<Expires>(&[("0", ""), ("4294967295", "")], &["4294967296", "1.5", "soon"]);
    check::<CallId>(&[("a@b", ""), ("f81d4fae-7dec\"<>{}", "")], &["", "a b"]);
    check::<RAck>(&[("776656 1 INVITE", "")], &["1 INVITE", "1 2", "a b INVITE"]);
    check::<RetryAfter>(
        &[
            ("18000;duration=3600", ""),
            ("120 (I'm in a (long) meeting)", ""),
            ("5 (\\))", ""),
        ],
        &["", "120 (open", "-1", "5 x"],
    );
    check::<SessionExpires>(&[("1800;refresher=uac", ""), ("90", "")], &["", ";refresher=uac"]);
    let expires = SessionExpires::new(1800, Some(Refresher::Uas));
    assert_eq!(
        (expires.refresher(), expires.to_bytes()),
        (Some(Refresher::Uas), "1800;refresher=uas".into())
    );
}

#[test]
fn lists_of_tokens() {
    check::<Allow>(
        &[("INVITE, ACK,BYE", ""), ("", ""), ("A,,B", "")],
        &["INVITE ACK", "A(B"],
    );
    let allow = Allow::methods(&[Method::Invite, Method::Bye]);
    assert!(allow.allows(&Method::Bye) && !allow.allows(&Method::new("bye").unwrap()));
    assert_eq!(Supported::new(["100rel", "timer"]).to_bytes(), "100rel, timer");
    assert!(Supported::new(["100rel"]).contains("100REL"));
}

#[test]
fn media_types_and_dispositions() {
    check::<ContentType>(
        &[
            ("application/sdp", ""),
            (
                "text / plain ; charset=\"utf-8\"",
                "text/plain; charset=\"utf-8\"",
            ),
        ],
        &["", "application", "application/", "a/b c", "a/b;;"],
    );
    let any = Accept::parse("text/*;q=0.25".into()).unwrap().0;
    assert!(any.covers(&MediaType::new("TEXT", "plain").unwrap()) && any.q() == 250);
    check::<ContentDisposition>(&[("session;handling=optional", "")], &["", ";x"]);
    assert!(
        ContentDisposition::parse("x;handling=Optional".into())
            .unwrap()
            .is_optional()
    );
}

#[test]
fn events_and_reasons() {
    check::<Event>(
        &[("presence.winfo;id=7", ""), ("dialog", "")],
        &["", ";id=1", "a b"],
    );
    check::<SubscriptionState>(
        &[
            ("active;expires=60", ""),
            ("terminated;reason=timeout", ""),
            ("odd", ""),
        ],
        &[""],
    );
    let state = SubscriptionState::new(Substate::Terminated).with_reason("noresource");
    assert_eq!((state.reason(), state.expires()), (Some("noresource"), None));
    check::<Reason>(
        &[
            ("SIP;cause=600;text=\"Busy, \\\"all\\\"\"", ""),
            ("Q.850 ;cause=16", "Q.850;cause=16"),
        ],
        &["", ";cause=1"],
    );
    assert_eq!(
        Reason::new("SIP", 200, "a \"b\"").unwrap().text().unwrap(),
        "a \"b\""
    );
    check::<Warning>(
        &[
            ("301 isi.edu \"Incompatible\"", ""),
            ("399 [::1]:5060 \"a, \\\"b\\\"\"", ""),
        ],
        &[
            "301 isi.edu Incompatible",
            "99 a \"b\"",
            "1000 a \"b\"",
            "301 \"x\"",
            "301 a \"b\" c",
        ],
    );
    check::<Replaces>(
        &[(
            "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff;early-only",
            "",
        )],
        &["98732", "98732;from-tag=1", ";from-tag=1;to-tag=2"],
    );
    check::<SipEtag>(&[("dx200xyz", "")], &["", "a b", "a,b"]);
}

#[test]
fn places_of_more_information() {
    check::<AlertInfo>(
        &[
            ("<http://www.example.com/sounds/moo.wav>", ""),
            ("<urn:alert:source:internal>;x=y", ""),
        ],
        &["", "http://a.test", "<>", "<http://a.test", "<http://a.test>x"],
    );
    check::<CallInfo>(
        &[(
            "<http://a.test/p.jpg> ;purpose=icon",
            "<http://a.test/p.jpg>;purpose=icon",
        )],
        &["icon"],
    );
    check::<ErrorInfo>(&[("<sip:not-in-service@a.test>", "")], &["*"]);
    let info = CallInfo::parse("<http://a.test/p.jpg>;purpose=icon".into()).unwrap();
    assert_eq!(info.purpose(), Some("icon"));
}

#[test]
fn words_with_parameters() {
    check::<AcceptEncoding>(&[("gzip;q=0.5", ""), ("*", "")], &["", ";q=1", "a b"]);
    check::<AcceptLanguage>(&[("en-gb;q=0.8", ""), ("da", "")], &["", "da, en"]);
    check::<ReferSub>(&[("false", ""), ("true;x", "")], &["", "true false"]);
    check::<InfoPackage>(&[("dtmf;a=b", "")], &["", "a/b"]);
    check::<RecvInfo>(&[("dtmf", "")], &["a b"]);
    check::<AnswerMode>(&[("Auto;require", "")], &["", "A uto"]);
    check::<AcceptContact>(&[("*;audio;require;explicit", "")], &["", "*;;"]);
    check::<RejectContact>(&[("*;actor=\"msg-taker\"", "")], &[";video"]);
    assert_eq!(AcceptLanguage::parse("en;q=0.8".into()).unwrap().q(), 800);
    assert!(AnswerMode::new("Auto").unwrap().is("auto"));
    assert!(!ReferSub::new("False").unwrap().is_wanted());
    let mut headers = Headers::new();
    headers.push("Accept-Language", "da, en-gb;q=0.8, en;q=0.7");
    assert_eq!(headers.typed_all::<AcceptLanguage>().flatten().count(), 3);
}

#[test]
fn small_fields() {
    check::<FlowTimer>(&[("120", "")], &["", "two"]);
    check::<MaxBreadth>(&[("60", "")], &["-1"]);
    check::<Priority>(&[("non-urgent", "")], &["", "not urgent"]);
    check::<ContentId>(&[("<a.b@c.test>", "")], &["", "<>", "a@b", "<a b>", "<a", "<a>b"]);
    check::<ContentLanguage>(&[("fr, en-gb", "")], &["f r"]);
    check::<RequestDisposition>(&[("proxy, recurse, parallel", "")], &["no(fork"]);
    check::<ContentTransferEncoding>(&[("binary", "")], &["", "8 bit"]);
    check::<MimeVersion>(&[("1.0", "")], &["", "1", "1.", ".0", "1.0.0", "1.0 (x)"]);
    check::<InReplyTo>(&[("70710@saturn.bell-tel.com", "")], &["", "a b"]);
    check::<HistoryInfo>(
        &[("<sip:bob@b.test?Reason=SIP%3Bcause%3D302>;index=1.1;mp=1", "")],
        &["index=1"],
    );
    check::<Diversion>(&[("<sip:bob@b.test>;reason=user-busy;counter=1", "")], &[""]);
    check::<Timestamp>(
        &[("54", ""), ("54.", ""), ("54.000 .25", ""), ("0.1  3", "0.1 3")],
        &["", ".5", "5x", "5 x", "5 1 1", "-5", "99999999999999999999"],
    );
    let stamp = Timestamp::new(std::time::Duration::from_millis(1_500)).with_delay(std::time::Duration::ZERO);
    assert_eq!(stamp.to_bytes(), "1.500 0.000");
    let stamp = Timestamp::parse("7.0000000019 .25".into()).unwrap();
    assert_eq!(
        (stamp.sent().as_nanos(), stamp.delay().unwrap().as_millis()),
        (7_000_000_001, 250)
    );
}

#[test]
fn what_a_server_proves_after_authentication() {
    check::<AuthenticationInfo>(
        &[
            ("nextnonce=\"47364c23432d2e131a5fb210812c\"", ""),
            ("qop=auth , rspauth=\"a,b\",nc=00000001", ""),
        ],
        &["", "nextnonce", "a=b,,c=d", "a=\"b", "a b=c", "a=b;c"],
    );
    let info = AuthenticationInfo::parse("qop=auth , rspauth=\"a,\\\"b\", NC=00000001".into()).unwrap();
    let get = |name| {
        info.get(name)
            .map(|value| String::from_utf8(value.into_owned()).unwrap())
    };
    assert_eq!(
        (get("rspauth").as_deref(), get("nc").as_deref()),
        (Some("a,\"b"), Some("00000001"))
    );
    assert_eq!(get("cnonce"), None);
    assert!(!format!("{info:?}").contains('b'), "no secrets in logs");
}

#[test]
fn dates() {
    check::<Date>(
        &[
            ("Sat, 13 Nov 2010 23:29:00 GMT", ""),
            ("Thu, 01 Jan 1970 00:00:00 GMT", ""),
            ("Thu, 29 Feb 2024 12:00:01 GMT", ""),
            ("Fri, 31 Dec 9999 23:59:59 GMT", ""),
        ],
        &[
            "",
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Foo, 13 Nov 2010 23:29:00 GMT",
            "Sat, 32 Nov 2010 23:29:00 GMT",
            "Sat, 13 Nov 2010 24:29:00 GMT",
            "Sat, 13 Nov 1969 23:29:00 GMT",
        ],
    );
}

#[test]
fn challenges_stay_text_and_out_of_logs() {
    check::<WwwAuthenticate>(
        &[("Digest realm=\"a\", nonce=\"b,c\"", "")],
        &["", "Digest", "=x y"],
    );
    let auth = Authorization::parse("Digest username=\"u\", response=\"secret\"".into()).unwrap();
    assert_eq!(
        (auth.0.scheme(), auth.0.params()),
        ("Digest", "username=\"u\", response=\"secret\"")
    );
    assert!(!format!("{auth:?}").contains("secret"));
}

#[test]
fn lists_run_over_repeated_fields_and_commas_outside_quotes_and_brackets() {
    let mut headers = Headers::new();
    headers.push("m", r#""a, b" <sip:a.test>, <sip:b.test;x=,>"#);
    headers.push("X", "between");
    headers.push("Contact", "");
    headers.push("CONTACT", "<sip:c.test>");
    let hosts: Vec<String> = headers
        .typed_all::<Contact>()
        .map(|contact| contact.map_or_else(|e| e.to_string(), |c| c.addr().unwrap().uri.to_string()))
        .collect();
    assert_eq!(hosts.len(), 3);
    assert_eq!((&*hosts[0], &*hosts[2]), ("sip:a.test", "sip:c.test"));
    headers.set("Contact", "<sip:a.test>,");
    assert_eq!(
        headers.typed_all::<Contact>().filter(Result::is_err).count(),
        1,
        "an empty place is an error"
    );
}

#[test]
fn absent_differs_from_malformed() {
    let mut headers = Headers::new();
    assert_eq!(headers.typed::<MaxForwards>(), None);
    headers.push("Max-Forwards", "many");
    assert_eq!(
        headers.typed::<MaxForwards>(),
        Some(Err(HeaderError::Unexpected {
            offset: 0,
            byte: b'm'
        }))
    );
}

#[test]
fn the_top_value_can_be_replaced_and_popped() {
    let mut headers = Headers::new();
    headers.push("Via", "SIP/2.0/UDP a, SIP/2.0/UDP b");
    headers.push("Via", "SIP/2.0/UDP c");
    let mut top = headers.typed::<Via>().unwrap().unwrap();
    top.params.set("received", "1.2.3.4");
    headers.replace_first_value(&top);
    assert_eq!(
        headers.get("v"),
        Some(&b"SIP/2.0/UDP a;received=1.2.3.4, SIP/2.0/UDP b"[..])
    );
    let mut left = Vec::new();
    while headers.remove_first_value(HeaderName::Via) {
        left.push(headers.typed_all::<Via>().count());
    }
    assert_eq!(left, [2, 1, 0]);
}

#[test]
fn no_value_can_smuggle_in_a_header_field() {
    let mut headers = Headers::new();
    headers.push("Subject", "x\r\nEvil: 1\r\n\r\nbody");
    headers.push("Bad Name:\r\n", "y");
    let mut out = BytesMut::new();
    headers.write_to(&mut out, Some(0));
    assert_eq!(
        out,
        "Subject: x  Evil: 1    body\r\nBad-Name---: y\r\nContent-Length: 0\r\n"
    );
}

#[test]
fn setting_a_field_for_weeks_does_not_grow_the_message() {
    let mut headers = Headers::new();
    headers.push("Call-ID", "stays");
    for number in 0..10_000 {
        headers.set_typed(&CSeq::new(number, Method::Register));
    }
    assert_eq!(headers.typed::<CSeq>().unwrap().unwrap().number, 9_999);
    assert_eq!((headers.get("i"), headers.len()), (Some(&b"stays"[..]), 2));
    assert!(headers.buffered() < 16 * 1024, "{}", headers.buffered());
}
