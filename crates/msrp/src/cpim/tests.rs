use super::*;
use proptest::prelude::*;

/// The example of RFC 3862 §5.1, with a namespace and a requirement.
const EXAMPLE: &str = "From: MR SANDERS <im:piglet@100akerwood.com>\r\n\
    To: Depressed Donkey <im:eeyore@100akerwood.com>\r\n\
    To: <im:pooh@100akerwood.com>\r\n\
    cc: \"a \\\"b\\\"\" <im:rabbit@100akerwood.com>\r\n\
    DateTime: 2000-12-13T13:40:00-08:00\r\n\
    Subject: the weather will be fine today\r\n\
    Subject:;lang=fr beau temps prevu pour aujourd'hui\r\n\
    NS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\n\
    Require: MyFeatures.VitalMessageOption, Other\r\n\
    MyFeatures.VitalMessageOption: Confirmation-requested\r\n\
    MyFeatures.WackyMessageOption: Use\\tsilly\\u0021\\font\\\r\n\
    \r\n\
    Content-type: text/xml; charset=utf-8\r\n\
    Content-ID: <1234567890@foo.com>\r\n\
    \r\n\
    <body>\r\nHere is the text of my message.\r\n</body>";

fn parse(text: &str) -> Result<CpimMessage, CpimError> {
    CpimMessage::parse(&Bytes::copy_from_slice(text.as_bytes()), &CpimLimits::default())
}

#[test]
fn the_example_is_read() {
    let message = parse(EXAMPLE).unwrap();
    assert_eq!(
        message.from(),
        Some(Address::new("im:piglet@100akerwood.com").with_name("MR SANDERS"))
    );
    assert_eq!(
        message.to().map(|to| to.uri().to_owned()).collect::<Vec<_>>(),
        ["im:eeyore@100akerwood.com", "im:pooh@100akerwood.com"]
    );
    assert_eq!(message.cc().next().unwrap().name(), Some("a \"b\""));
    assert_eq!(message.date_time(), Some(Duration::from_mins(16_279_060)));
    assert_eq!(message.subject().unwrap(), "the weather will be fine today");
    let required = |namespace: &str, name: &str| QualifiedName {
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    assert_eq!(
        message.required(),
        [
            required("mid:MessageFeatures@id.foo.com", "VitalMessageOption"),
            required(CPIM_NAMESPACE, "Other"),
        ]
    );
    let values: Vec<_> = message
        .values("mid:MessageFeatures@id.foo.com", "WackyMessageOption")
        .collect();
    assert_eq!(values, ["Use\tsilly!font"]);
    assert_eq!(message.content_type(), Some("text/xml; charset=utf-8"));
    assert_eq!(message.content_header("content-id"), Some("<1234567890@foo.com>"));
    assert!(message.body().starts_with(b"<body>\r\n") && message.body().ends_with(b"</body>"));
}

#[test]
fn what_was_read_is_printed_as_it_came() {
    for text in [
        EXAMPLE,
        "a:b\r\nSubject:;lang=fr\r\nSubject:;p=\"a \r\n\r\nContent-Type:text/plain\r\nContent-ID:  <1> \r\nX :\ty\r\n\r\nz",
        "\r\nContent-Type: multipart/mixed;\r\n\t boundary=\"x\"\r\n  \r\nA: b\r\n\r\n",
        "\r\n\r\n",
    ] {
        assert_eq!(parse(text).unwrap().to_bytes(), text, "{text:?}");
    }
}

#[test]
fn header_fields_of_the_content_may_be_folded() {
    let message = parse(
        "From: <im:a@b>\r\n\r\nContent-Type: multipart/mixed;\r\n boundary=\"x\"\r\nContent-ID :\r\n\t<1>\r\n\r\nbody",
    )
    .unwrap();
    assert_eq!(message.content_type(), Some("multipart/mixed; boundary=\"x\""));
    assert_eq!(message.content_header("content-id"), Some("<1>"));
    assert_eq!(message.body(), "body");
    let folded_message = "From: <im:a@b>\r\n c: d\r\n\r\n\r\n";
    assert_eq!(parse(folded_message), Err(CpimError::Header { at: 23 }));
    assert_eq!(parse("\r\n a: b\r\n\r\n"), Err(CpimError::Header { at: 9 }));
}

#[test]
fn namespaces_count_and_prefixes_do_not() {
    let message = parse(
        "NS: x <urn:ietf:params:imdn>\r\nx.Message-ID: a1\r\nimdn.Message-ID: undeclared\r\nMessage-ID: default\r\n\
         NS: <urn:other>\r\nMessage-ID: other\r\nSubject: none of CPIM's\r\n\r\n\r\n",
    )
    .unwrap();
    assert_eq!(message.imdn_message_id().unwrap(), "a1");
    assert_eq!(
        message.values(CPIM_NAMESPACE, "Message-ID").collect::<Vec<_>>(),
        ["default"]
    );
    assert_eq!(
        message.values("urn:other", "Message-ID").collect::<Vec<_>>(),
        ["other"]
    );
    assert_eq!(message.subject(), None);
}

#[test]
fn addresses_have_namespaces_too() {
    let message = parse(
        "NS: c <urn:ietf:params:cpim-headers:>\r\nc.NS: d <urn:d>\r\nNS: <urn:other>\r\nFrom: Eve <im:eve@x>\r\n\
         To: <im:eve@x>\r\nc.From: Alice <im:alice@x>\r\nc.To: <im:bob@x>\r\nc.cc: <im:carol@x>\r\nc.Subject: Hi\r\n\
         d.To: <im:dora@x>\r\n.To: <im:eve@x>\r\nc..To: <im:eve@x>\r\nc.Require: d.To,c.From , x.Y, Z,\r\n\r\n\r\n",
    )
    .unwrap();
    assert_eq!(message.from().unwrap().uri(), "im:alice@x");
    let uris = |all: Vec<Address>| all.iter().map(|one| one.uri().to_owned()).collect::<Vec<_>>();
    assert_eq!(uris(message.to().collect()), ["im:bob@x"]);
    assert_eq!(uris(message.cc().collect()), ["im:carol@x"]);
    assert_eq!(uris(message.addresses("urn:d", "To").collect()), ["im:dora@x"]);
    assert_eq!(message.subject().unwrap(), "Hi");
    let required: Vec<_> = message
        .required()
        .into_iter()
        .map(|required| (required.namespace.unwrap_or_default(), required.name))
        .collect();
    let named = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
    assert_eq!(
        required,
        [
            named("urn:d", "To"),
            named(CPIM_NAMESPACE, "From"),
            named("", "x.Y"),
            named("urn:other", "Z"),
        ]
    );
}

#[test]
fn header_fields_are_added_to_their_namespace_whatever_stands_before() {
    let values = |message: &CpimMessage, namespace: &str| {
        let again = CpimMessage::parse(&message.to_bytes(), &CpimLimits::default()).unwrap();
        assert_eq!(again, *message);
        again
            .values(namespace, "N")
            .map(Cow::into_owned)
            .collect::<Vec<_>>()
    };
    let message = CpimMessage::new("a/b", "")
        .with_header(("p", "urn:a"), "N", "1")
        .with_header(("p", "urn:b"), "N", "2")
        .with_header(("p", "urn:a"), "N", "3");
    assert_eq!(values(&message, "urn:a"), ["1", "3"]);
    assert_eq!(values(&message, "urn:b"), ["2"]);

    let message = CpimMessage::new("a/b", "")
        .with_header(("", "urn:a"), "N", "1")
        .with_header(("", "urn:b"), "N", "2")
        .with_header(("", "urn:a"), "N", "3")
        .with_to(&Address::new("im:b@x"))
        .with_subject("Hi", None);
    assert_eq!(values(&message, "urn:a"), ["1", "3"]);
    assert_eq!(values(&message, "urn:b"), ["2"]);
    assert_eq!(message.to().count(), 1);
    assert_eq!(message.subject().unwrap(), "Hi");

    let message = CpimMessage::new("a/b", "").with_header(("c", CPIM_NAMESPACE), "N", "1");
    assert_eq!(values(&message, CPIM_NAMESPACE), ["1"]);

    let odd = "NS: <urn:other>\r\nNS: ns1 <urn:1>\r\nNS: a.b <urn:ietf:params:cpim-headers:>\r\n\
               NS: \u{e4} <urn:ietf:params:cpim-headers:>\r\n\u{e4}.To: <im:b@x>\r\n\r\n\r\n";
    let foreign = parse(odd).unwrap();
    assert_eq!(foreign.to().count(), 1);
    let message = foreign
        .with_from(&Address::new("im:a@x"))
        .with_date_time(Duration::from_secs(1))
        .with_header(("", "urn:other"), "N", "1")
        .with_header(("a b.<", "urn: >x"), "N: .", "2")
        .with_header(("", "urn:x"), " :", "no name");
    assert_eq!(message.from().unwrap().uri(), "im:a@x");
    assert_eq!(message.date_time(), Some(Duration::from_secs(1)));
    assert_eq!(values(&message, "urn:other"), ["1"]);
    assert_eq!(values(&message, "urn:x"), ["2"]);
}

#[test]
fn subjects_have_languages_and_parameters_may_be_quoted() {
    let message = parse(
        "Subject: Hello\r\nSubject:;p=\"a \\\" b\";lang=fr Objet\r\nSubject:;lang=\"de-DE\" Betreff\r\n\
         Subject:;lang=no_tag a  b\r\nSubject:;p=\"a b\r\nSubject:\r\n\r\n\r\n",
    )
    .unwrap();
    let subject = |text: &str, language: &str| Subject {
        text: text.to_owned(),
        language: Some(language.to_owned()),
    };
    assert_eq!(
        message.subjects().collect::<Vec<_>>(),
        [
            Subject::new("Hello"),
            subject("Objet", "fr"),
            subject("Betreff", "de-DE"),
            Subject::new("a  b"),
            Subject::new("b"),
            Subject::new(""),
        ]
    );
    let message = CpimMessage::new("a/b", "")
        .with_subject("one ", Some("en"))
        .with_subject("two", Some(""))
        .with_subject("three", Some("en;x"));
    let again = CpimMessage::parse(&message.to_bytes(), &CpimLimits::default()).unwrap();
    assert_eq!(
        again.subjects().collect::<Vec<_>>(),
        [subject("one", "en"), Subject::new("two"), Subject::new("three")]
    );
}

#[test]
fn a_message_id_is_a_token() {
    for good in ["34jk324j", "a.b-c_d~1", "\u{e4}"] {
        assert_eq!(good.parse::<MessageId>().unwrap().to_string(), good);
    }
    for bad in [
        "",
        "bad id with spaces",
        "bad\r\nX: y",
        "a@b",
        "<a>",
        "a\u{85}",
        "a\u{2003}b",
    ] {
        assert_eq!(bad.parse::<MessageId>(), Err(CpimError::MessageId), "{bad:?}");
    }
}

#[test]
fn wishes_for_notifications_are_carried() {
    let wishes = [Notification::NegativeDelivery, Notification::Display];
    let message = CpimMessage::new("text/plain", "x").with_imdn(&"34jk324j".parse().unwrap(), &wishes);
    let text = String::from_utf8(message.to_bytes().to_vec()).unwrap();
    assert_eq!(
        text,
        "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 34jk324j\r\n\
         imdn.Disposition-Notification: negative-delivery, display\r\n\r\nContent-Type: text/plain\r\n\r\nx"
    );
    assert_eq!(parse(&text).unwrap().notifications(), wishes);
    let odd = "NS: imdn <urn:ietf:params:imdn>\r\n\
               imdn.Disposition-Notification: dance , display;a=b\r\n\r\n\r\n";
    assert_eq!(parse(odd).unwrap().notifications(), [Notification::Display]);
    let quoted = "NS: imdn <urn:ietf:params:imdn>\r\n\
                  imdn.Disposition-Notification: display;a=\"x, processing ,\\\", processing ;\"\r\n\r\n\r\n";
    assert_eq!(parse(quoted).unwrap().notifications(), [Notification::Display]);
    let named = CpimMessage::new("a/b", "").with_imdn(&"m1".parse().unwrap(), &[]);
    assert_eq!(
        named.to_bytes(),
        "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: m1\r\n\r\nContent-Type: a/b\r\n\r\n"
    );
}

#[test]
fn what_is_no_cpim_is_refused() {
    for (text, error) in [
        ("", CpimError::NoEnd),
        ("From: <im:a@b>\r\n", CpimError::NoEnd),
        ("From: <im:a@b>\r\n\r\nContent-Type: a/b", CpimError::NoEnd),
        ("hello\r\n\r\n\r\n", CpimError::Header { at: 7 }),
        (": x\r\n\r\n\r\n", CpimError::Header { at: 5 }),
        (
            "From: <im:a@b>\r\n\r\nhello\r\n\r\n",
            CpimError::Header { at: 25 },
        ),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
    assert_eq!(parse(&"a: b\r\n".repeat(200)), Err(CpimError::TooMany(128)));
    assert_eq!(
        parse(&format!("a: {}\r\n", "b".repeat(70_000))),
        Err(CpimError::TooLong(65536))
    );
    let binary = Bytes::from_static(b"a: \xff\r\n\r\n\r\n");
    assert_eq!(
        CpimMessage::parse(&binary, &CpimLimits::default()),
        Err(CpimError::NotText { at: 6 })
    );
}

#[test]
fn addresses_that_are_none_are_not_told() {
    for bad in ["im:a@b", "<>", "x", "<im:a b>", "<im:a@b", "\"a <im:\"x>"] {
        assert!(bad.parse::<Address>().is_err(), "{bad}");
    }
    assert_eq!(parse("From: nobody\r\n\r\n\r\n").unwrap().from(), None);
}

#[test]
fn nothing_that_is_put_in_breaks_a_line() {
    let message = CpimMessage::new("text/plain\r\nX: y", "body")
        .with_from(&Address::new("im:a@b>\r\nX: y").with_name("a\r\n\"b\\"))
        .with_subject("a\r\nX: y", Some("en\r\n"))
        .with_header(("p", "urn:p"), "N", "\u{1}\r\n")
        .with_content_header("A\r\n", "b\r\nc");
    let read = CpimMessage::parse(&message.to_bytes(), &CpimLimits::default()).unwrap();
    assert_eq!(read.from().unwrap().name(), Some("a\r\n\"b\\"));
    assert_eq!(read.subject().unwrap(), "a\r\nX: y");
    assert_eq!(read.values("urn:p", "N").collect::<Vec<_>>(), ["\u{1}\r\n"]);
    assert_eq!(read.body(), "body");
    assert_eq!(read, message);
}

proptest! {
    #[test]
    fn any_names_and_texts_arrive(name in "\\PC{0,20}|[\\x00-\\x7f]{0,20}", subject in "[\\x00-\\x7f]{0,20}", body in proptest::collection::vec(any::<u8>(), 0..50)) {
        let message = CpimMessage::new("a/b", body.clone())
            .with_to(&Address::new("im:a@b").with_name(name.clone()))
            .with_subject(&subject, None);
        let read = CpimMessage::parse(&message.to_bytes(), &CpimLimits::default()).unwrap();
        prop_assert_eq!(read.subject().unwrap(), subject.trim_end_matches(' '));
        let back = read.to().next().unwrap();
        prop_assert_eq!(back.name().unwrap_or_default(), name);
        prop_assert_eq!(read.body(), &body);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let bytes = Bytes::from(bytes);
        if let Ok(message) = CpimMessage::parse(&bytes, &CpimLimits::default()) {
            prop_assert_eq!(message.to_bytes(), bytes);
        }
    }

    #[test]
    fn any_head_is_printed_as_it_came(head in "([A-Za-z:;. \t\"\\\\=<>]{0,12}\r\n){0,6}\r\n([A-Za-z: \t]{0,8}\r\n){0,4}\r\n") {
        if let Ok(message) = parse(&head) {
            prop_assert_eq!(message.to_bytes(), head);
            let more = message.with_header(("p", "urn:p"), "N", "1").with_from(&Address::new("im:a@b"));
            prop_assert_eq!(more.values("urn:p", "N").count(), 1);
            prop_assert!(more.addresses(CPIM_NAMESPACE, "From").any(|from| from.uri() == "im:a@b"));
            prop_assert_eq!(CpimMessage::parse(&more.to_bytes(), &CpimLimits::default()), Ok(more));
        }
    }
}
