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
    assert_eq!(
        message.required().collect::<Vec<_>>(),
        ["MyFeatures.VitalMessageOption", "Other"]
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
    assert_eq!(parse(EXAMPLE).unwrap().to_bytes(), EXAMPLE);
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
fn wishes_for_notifications_are_carried() {
    let wishes = [Notification::NegativeDelivery, Notification::Display];
    let message = CpimMessage::new("text/plain", "x").with_imdn("34jk324j", &wishes);
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
    assert!(matches!(
        parse(&"a: b\r\n".repeat(200)),
        Err(CpimError::Header { .. })
    ));
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
        prop_assert_eq!(read.subject().unwrap(), subject);
        let back = read.to().next().unwrap();
        prop_assert_eq!(back.name().unwrap_or_default(), name);
        prop_assert_eq!(read.body(), &body);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = CpimMessage::parse(&bytes.into(), &CpimLimits::default());
    }
}
