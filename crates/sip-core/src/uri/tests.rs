use super::*;

#[test]
fn the_pairs_that_rfc_3261_calls_equivalent_are() {
    for pair in [
        [
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ],
        ["sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"],
        ["sip:carol@chicago.com", "sip:carol@chicago.com;security=on"],
        [
            "sip:carol@chicago.com;newparam=5",
            "sip:carol@chicago.com;security=on",
        ],
        [
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ],
        [
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ],
        ["tel:+1-201-555-0123", "TEL:+1(201)5550123"],
        ["sip:[2001:db8::1]", "sip:[2001:DB8:0::1]"],
    ] {
        assert!(equivalent(pair), "{pair:?}");
    }
}

#[test]
fn the_pairs_that_rfc_3261_calls_different_are() {
    for pair in [
        [
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"],
        ["sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"],
        [
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ],
        ["sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"],
        [
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ],
        ["sip:a.test", "sips:a.test"],
        ["sip:a:pw@a.test", "sip:a@a.test"],
        ["sip:a%3Bb@a.test", "sip:a;b@a.test"],
        ["tel:+12015550123", "sip:+12015550123@a.test"],
    ] {
        assert!(!equivalent(pair), "{pair:?}");
    }
}

#[test]
fn a_sip_uri_falls_into_its_parts() {
    let uri: SipUri = "sips:al%20ice;x=1:pass@[2001:db8::1]:5071;transport=tls;lr;maddr=239.1.1.1;ttl=7;\
                       user=phone;method=BYE?Subject=a%20b&X-Y="
        .parse()
        .unwrap();
    assert!(uri.is_secure() && uri.lr() && uri.is_phone());
    assert_eq!((uri.user(), uri.password()), (Some("al%20ice;x=1"), Some("pass")));
    assert_eq!(&*uri.user_unescaped().unwrap(), b"al ice;x=1");
    assert_eq!(uri.host(), "2001:db8::1".parse().unwrap());
    assert_eq!(
        (uri.port(), uri.transport(), uri.ttl()),
        (Some(5071), Some("tls"), Some(7))
    );
    assert_eq!(
        (uri.maddr(), uri.method()),
        (Some("239.1.1.1"), Some(crate::Method::Bye))
    );
    assert_eq!(
        uri.headers().collect::<Vec<_>>(),
        [("Subject", "a%20b"), ("X-Y", "")]
    );
    assert_eq!(uri.without_headers().headers_str(), "");
}

#[test]
fn parts_can_be_exchanged() {
    let uri: SipUri = "sip:a:pw@a.test:5070;lr?x=y".parse().unwrap();
    assert_eq!(uri.with_user("b@c").to_string(), "sip:b%40c@a.test:5070;lr?x=y");
    assert_eq!(uri.with_user("").to_string(), "sip:a.test:5070;lr?x=y");
    assert_eq!(
        uri.with_host(&"b.test".parse().unwrap()).to_string(),
        "sip:a:pw@b.test:5070;lr?x=y"
    );
    assert_eq!(uri.with_port(None).to_string(), "sip:a:pw@a.test;lr?x=y");
    assert_eq!(
        uri.with_param("transport", "t c").to_string(),
        "sip:a:pw@a.test:5070;lr;transport=t%20c?x=y"
    );
    assert_eq!(
        uri.with_param("LR", "on").to_string(),
        "sip:a:pw@a.test:5070;LR=on?x=y"
    );
    assert_eq!(uri.without_param("lr").to_string(), "sip:a:pw@a.test:5070?x=y");
    assert_eq!(uri.with_secure(true).to_string(), "sips:a:pw@a.test:5070;lr?x=y");
    for changed in [
        uri.with_user("b"),
        uri.with_secure(true),
        uri.with_port(1),
        uri.with_flag("ob"),
    ] {
        assert_eq!(
            changed.to_string().parse::<SipUri>().unwrap(),
            changed,
            "parts stay marked"
        );
    }
}

#[test]
fn malformed_uris_say_where_they_are() {
    for (text, error) in [
        ("", UriError::NoScheme),
        ("alice", UriError::NoScheme),
        ("<sip:a.test>", UriError::NoScheme),
        ("sip:", UriError::BadHost { offset: 4 }),
        ("sip:@a.test", UriError::Missing { offset: 4 }),
        ("sip:a@", UriError::BadHost { offset: 6 }),
        (
            "sip:a b@c.test",
            UriError::Unexpected {
                offset: 5,
                byte: b' ',
            },
        ),
        ("sip:a%4@c.test", UriError::BadEscape { offset: 5 }),
        ("sip:a.test:", UriError::BadPort { offset: 11 }),
        ("sip:a.test:65536", UriError::BadPort { offset: 11 }),
        ("sip:a.test;", UriError::Missing { offset: 11 }),
        ("sip:a.test;;lr", UriError::Missing { offset: 11 }),
        ("sip:a.test?", UriError::Missing { offset: 11 }),
        ("sip:a.test?x", UriError::Missing { offset: 12 }),
        (
            "sip:a.test>",
            UriError::Unexpected {
                offset: 10,
                byte: b'>',
            },
        ),
        ("sip:[::1", UriError::BadHost { offset: 4 }),
        ("sip:[1.2.3.4]", UriError::BadHost { offset: 4 }),
        ("tel:", UriError::Missing { offset: 4 }),
        (
            "x:a b",
            UriError::Unexpected {
                offset: 3,
                byte: b' ',
            },
        ),
    ] {
        assert_eq!(text.parse::<Uri>(), Err(error), "{text:?}");
    }
    let long = format!("sip:{}.test", "a".repeat(70_000));
    assert!(matches!(long.parse::<Uri>(), Err(UriError::TooLong { .. })));
}

#[test]
fn service_codes_and_underscores_of_real_phones_are_taken() {
    for text in [
        "sip:*31#@pbx",
        "sip:bob@my_pbx.lan",
        "sip:+15551234567@a.test;user=phone",
    ] {
        assert_eq!(text.parse::<Uri>().unwrap().as_str(), text);
    }
}

fn equivalent([a, b]: [&str; 2]) -> bool {
    let (a, b): (Uri, Uri) = (a.parse().unwrap(), b.parse().unwrap());
    assert_eq!(a.is_equivalent(&b), b.is_equivalent(&a), "symmetric");
    assert!(a.is_equivalent(&a), "reflexive");
    a.is_equivalent(&b)
}

#[test]
fn a_parameter_that_stands_there_twice_does_not_make_a_uri_differ_from_itself() {
    assert!(equivalent(["sip:a.test;maddr=1.1.1.1;maddr=2.2.2.2"; 2]));
    assert!(!equivalent([
        "sip:a.test;maddr=1.1.1.1;maddr=2.2.2.2",
        "sip:a.test;maddr=1.1.1.1"
    ]));
}

/// RFC 3966 §3 and §4.
#[test]
fn telephone_numbers_compare_without_separators_case_and_order_of_parameters() {
    for pair in [
        ["tel:+1-201-555-0123", "TEL:+1.201.(555)0123"],
        [
            "tel:7042;phone-context=example.com",
            "tel:70-42;Phone-Context=EXAMPLE.com",
        ],
        [
            "tel:863-1234;phone-context=+1-914-555",
            "tel:8631234;phone-context=+1914555",
        ],
        ["tel:+1201;ext=1-2;isub=1", "tel:+1201;ISUB=1;ext=12"],
        ["tel:*31%23", "tel:*31#"],
        ["tel:0a", "tel:0A"],
    ] {
        assert!(equivalent(pair), "{pair:?}");
    }
    for pair in [
        ["tel:+12015550123", "tel:12015550123"],
        [
            "tel:7042;phone-context=example.com",
            "tel:7042;phone-context=example.org",
        ],
        ["tel:7042;phone-context=+1", "tel:7042"],
        ["tel:+1201;ext=1", "tel:+1201;ext=2"],
        ["tel:+1201;a=1;a=1;b=2", "tel:+1201;a=1;b=2;b=2"],
        ["tel:+1201;isub=1-2", "tel:+1201;isub=12"],
        ["tel:+1201", "sip:+1201@a.test;user=phone"],
    ] {
        assert!(!equivalent(pair), "{pair:?}");
    }
    for bad in [
        "tel:",
        "tel:+",
        "tel:-",
        "tel:+1a",
        "tel:g",
        "tel:1;",
        "tel:1;;x",
        "tel:%41x",
        "tel:+1%2",
        "tel:+1?x=y",
    ] {
        assert!(bad.parse::<Uri>().is_err(), "{bad}");
    }
    let Ok(Uri::Tel(local)) = "tel:911;phone-context=+1;ext=0-0".parse() else {
        unreachable!()
    };
    assert_eq!(
        (local.phone_context().as_deref(), local.extension().as_deref()),
        (Some("+1"), Some("00"))
    );
}
