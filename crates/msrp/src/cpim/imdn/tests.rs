use super::*;

/// RFC 5438 §7.2.1.1, with what its §11 allows besides.
const DELIVERED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<imdn xmlns="urn:ietf:params:xml:ns:imdn">
      <message-id>34jk324j</message-id>
      <datetime>2008-04-04T12:16:49-05:00</datetime>
     <recipient-uri>im:bob@example.com</recipient-uri>
      <original-recipient-uri
        >im:bob@example.com</original-recipient-uri>
      <delivery-notification>
         <status>
            <delivered/>
         </status>
      </delivery-notification>
    </imdn>"#;

fn read(text: &str) -> Result<ImdnDocument, ImdnError> {
    ImdnDocument::parse(text.as_bytes(), &ImdnLimits::default())
}

/// A document with these elements after the id.
fn with(elements: &str) -> String {
    format!("<imdn xmlns='{DOCUMENT_NAMESPACE}'><message-id>m1</message-id><datetime/>{elements}</imdn>")
}

#[test]
fn the_example_of_the_rfc_is_read() {
    let document = read(DELIVERED).unwrap();
    assert_eq!(document.message_id, "34jk324j");
    assert_eq!(document.sent_at(), Some(Duration::from_secs(1_207_329_409)));
    assert_eq!(document.recipient_uri.as_deref(), Some("im:bob@example.com"));
    assert_eq!(
        document.original_recipient_uri.as_deref(),
        Some("im:bob@example.com")
    );
    assert_eq!(document.disposition, Some(Disposition::Delivered));
}

#[test]
fn every_disposition_is_written_and_read() {
    for (.., disposition, wishes) in DISPOSITIONS {
        let document = ImdnDocument {
            message_id: "a<b>&\"c'".to_owned(),
            date_time: "2008-04-04T12:16:49-05:00".to_owned(),
            recipient_uri: Some("sip:b@b.test;x=\"<&>\"".to_owned()),
            subject: Some(Subject {
                text: " two  words\r\n\u{1}\u{fffe}".to_owned(),
                language: Some("en-GB".to_owned()),
            }),
            disposition: Some(disposition),
            ..ImdnDocument::default()
        };
        let again = read(&document.to_xml()).unwrap();
        assert_eq!(again.subject.as_ref().unwrap().text, " two  words\r\n");
        let document = ImdnDocument {
            subject: again.subject.clone(),
            ..document
        };
        assert_eq!(again, document);
        assert_eq!(disposition.answers(), wishes);
    }
}

#[test]
fn prefixes_extensions_entities_and_cdata_are_taken() {
    let text = format!(
        "<i:imdn xmlns:i='{DOCUMENT_NAMESPACE}' xmlns:x='urn:x'><!-- c --><x:more><i:message-id>no</i:message-id></x:more>\
         <i:message-id>a&amp;<![CDATA[b<]]>&#x63;</i:message-id><i:datetime></i:datetime>\
         <i:display-notification><i:status><x:later/><i:displayed/><i:error/></i:status></i:display-notification></i:imdn>"
    );
    let document = read(&text).unwrap();
    assert_eq!(document.message_id, "a&b<c");
    assert_eq!(document.disposition, Some(Disposition::Displayed));
    assert_eq!(document.sent_at(), None);
    let unknown = "<delivery-notification><status><sideways/></status></delivery-notification>";
    assert_eq!(read(&with(unknown)).unwrap().disposition, None);
    let mixed = "<delivery-notification><status><displayed/></status></delivery-notification>";
    assert_eq!(
        read(&with(mixed)).unwrap().disposition,
        None,
        "no delivery is displayed"
    );
}

#[test]
fn what_is_no_imdn_document_is_refused() {
    let not_xml = |text: &str| matches!(read(text), Err(ImdnError::NotXml { .. }));
    assert_eq!(read(""), Err(ImdnError::NotImdn));
    assert_eq!(read("<imdn/>"), Err(ImdnError::NotImdn), "of no namespace");
    assert_eq!(
        read("<a xmlns='urn:ietf:params:xml:ns:imdn'/>"),
        Err(ImdnError::NotImdn)
    );
    assert_eq!(read(&format!("{DELIVERED}{DELIVERED}")), Err(ImdnError::NotImdn));
    let nameless = format!("<imdn xmlns='{DOCUMENT_NAMESPACE}'><message-id> </message-id></imdn>");
    assert_eq!(read(&nameless), Err(ImdnError::NoMessage));
    assert!(not_xml(&with("<a>")));
    assert!(not_xml(&with("<a></b>")));
    assert!(not_xml(&with("&unknown;")));
    assert!(not_xml(&format!("<imdn xmlns='{DOCUMENT_NAMESPACE}'>")));
    assert!(not_xml(&format!("{DELIVERED}x")));
    assert!(not_xml(&format!("&amp;{DELIVERED}")));
    assert!(read(&format!("\u{feff}{DELIVERED}\n")).is_ok());
    let bomb = format!("<!DOCTYPE imdn [<!ENTITY a 'aaaa'>]>{}", with("&a;"));
    assert!(not_xml(&bomb));
    assert_eq!(
        ImdnDocument::parse(b"\xff", &ImdnLimits::default()),
        Err(ImdnError::NotText)
    );
    let deep = with(&("<a>".repeat(16) + &"</a>".repeat(16)));
    assert_eq!(read(&deep), Err(ImdnError::TooDeep(16)));
    let small = ImdnLimits {
        bytes: 10,
        ..ImdnLimits::default()
    };
    assert_eq!(
        ImdnDocument::parse(DELIVERED.as_bytes(), &small),
        Err(ImdnError::TooLong(10))
    );
}

fn id(text: &str) -> MessageId {
    text.parse().unwrap()
}

fn parse(message: &CpimMessage) -> CpimMessage {
    CpimMessage::parse(&message.to_bytes(), &super::super::CpimLimits::default()).unwrap()
}

fn document(told: &CpimMessage) -> ImdnDocument {
    ImdnDocument::parse(told.body(), &ImdnLimits::default()).unwrap()
}

/// A message from Alice to Bob, who wants to know all that Bob can tell.
fn asking(bob: &Address) -> CpimMessage {
    use Notification as N;
    CpimMessage::new("text/plain", "Hello")
        .with_from(&Address::new("im:alice@example.com").with_name("Alice"))
        .with_to(bob)
        .with_imdn(
            &id("34jk324j"),
            &[N::PositiveDelivery, N::NegativeDelivery, N::Display],
        )
}

#[test]
fn a_notification_is_made_as_the_rfc_shows_it() {
    let (alice, bob) = (
        Address::new("im:alice@example.com").with_name("Alice"),
        Address::new("im:bob@example.com"),
    );
    let imdn = ("imdn", IMDN_NAMESPACE);
    let message = asking(&bob)
        .with_date_time(Duration::from_secs(1_207_329_409))
        .with_subject("greetings  to you", Some("en"))
        .with_header(imdn, "IMDN-Record-Route", "<im:one@x.test>")
        .with_header(imdn, "IMDN-Record-Route", "<im:two@x.test>")
        .with_header(imdn, "Original-To", "\"Bob\" <im:robert@example.com>");
    let told = message
        .notification(&bob, &id("d834jied93rf"), Disposition::Displayed)
        .unwrap();
    let told = parse(&told);
    assert_eq!((told.from(), told.to().next()), (Some(bob.clone()), Some(alice)));
    assert_eq!(told.imdn_message_id().as_deref(), Some("d834jied93rf"));
    assert_eq!(told.content_header("Content-Disposition"), Some("notification"));
    assert!(told.is_notification() && told.notifications().is_empty());
    let routes: Vec<_> = told.values(IMDN_NAMESPACE, "IMDN-Route").collect();
    assert_eq!(routes, ["<im:one@x.test>", "<im:two@x.test>"]);
    assert_eq!(
        document(&told),
        ImdnDocument {
            message_id: "34jk324j".to_owned(),
            date_time: "2008-04-04T17:16:49Z".to_owned(),
            recipient_uri: Some("im:bob@example.com".to_owned()),
            original_recipient_uri: Some("im:robert@example.com".to_owned()),
            subject: Some(Subject {
                text: "greetings  to you".to_owned(),
                language: Some("en".to_owned()),
            }),
            disposition: Some(Disposition::Displayed),
        }
    );
}

#[test]
fn routes_are_copied_to_the_octet() {
    let bob = Address::new("im:bob@example.com");
    let routes = [r#""A \"B\" \\ C" <im:one@x.test>"#, "<im:two@x.test>"];
    let text = format!(
        "From: <im:alice@x.test>\r\nNS: i <urn:ietf:params:imdn>\r\ni.Message-ID: m1\r\n\
         i.Disposition-Notification: display\r\ni.IMDN-Record-Route:;p=\"a b\" {}\r\ni.IMDN-Record-Route: {}\r\n\r\n\r\n",
        routes[0], routes[1]
    );
    let message = CpimMessage::parse(&text.into(), &super::super::CpimLimits::default()).unwrap();
    let told = message
        .notification(&bob, &id("n1"), Disposition::Displayed)
        .unwrap();
    let told = String::from_utf8(told.to_bytes().to_vec()).unwrap();
    let copied = format!(
        "imdn.IMDN-Route:;p=\"a b\" {}\r\nimdn.IMDN-Route: {}\r\n",
        routes[0], routes[1]
    );
    assert!(told.contains(&copied), "{told}");
}

#[test]
fn recipients_are_named_as_the_message_names_them() {
    let (bob, device) = (
        Address::new("im:bob@example.com"),
        Address::new("sip:bob@192.0.2.1"),
    );
    let told = |message: &CpimMessage| {
        let told = message.notification(&device, &id("n1"), Disposition::Delivered);
        let document = document(&told.unwrap());
        (
            document.recipient_uri.unwrap(),
            document.original_recipient_uri.unwrap(),
        )
    };
    let both = |uri: &str| (uri.to_owned(), uri.to_owned());
    assert_eq!(told(&asking(&bob)), both("im:bob@example.com"));
    assert_eq!(
        told(&asking(&bob).with_to(&Address::new("im:carol@example.com"))),
        both("sip:bob@192.0.2.1")
    );
    let original = |value| asking(&bob).with_header(("imdn", IMDN_NAMESPACE), "Original-To", value);
    assert_eq!(
        told(&original("List <im:list@example.com>")).1,
        "im:list@example.com"
    );
    assert_eq!(told(&original("im:list@example.com")).1, "im:list@example.com");
}

#[test]
fn nothing_is_told_to_who_did_not_ask_or_cannot_be_told() {
    let bob = Address::new("im:bob@example.com");
    let is_told = |message: &CpimMessage, disposition| {
        let told = message.notification(&bob, &id("n1"), disposition);
        told.is_some()
    };
    let asks = |wish| {
        CpimMessage::new("text/plain", "Hello")
            .with_from(&bob)
            .with_imdn(&id("m1"), &[wish])
    };
    let (positive, display) = (asks(Notification::PositiveDelivery), asks(Notification::Display));
    assert!(is_told(&positive, Disposition::Delivered));
    assert!(!is_told(&positive, Disposition::Failed), "nobody asked");
    assert!(is_told(&positive, Disposition::DeliveryForbidden), "§5.1");
    assert!(is_told(&positive, Disposition::DeliveryError), "§5.1");
    assert!(!is_told(&display, Disposition::DeliveryForbidden));

    let of_a_notification = parse(&positive)
        .notification(&bob, &id("n2"), Disposition::Delivered)
        .unwrap()
        .with_imdn(&id("n3"), &[Notification::PositiveDelivery]);
    assert!(!is_told(&of_a_notification, Disposition::Delivered));
    let of_many = CpimMessage::new("multipart/mixed; boundary=x", "")
        .with_content_header("Content-Disposition", "Notification; handling=optional")
        .with_from(&bob)
        .with_imdn(&id("n4"), &[Notification::PositiveDelivery]);
    assert!(of_many.is_notification() && !is_told(&of_many, Disposition::Delivered));
    let anonymous = CpimMessage::new("text/plain", "Hello").with_imdn(&id("n5"), &[Notification::Display]);
    assert!(!is_told(&anonymous, Disposition::Displayed), "to nobody");
}
