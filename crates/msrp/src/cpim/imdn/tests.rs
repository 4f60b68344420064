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
    for (.., disposition, wish) in DISPOSITIONS {
        let document = ImdnDocument {
            message_id: "a<b>&\"c'".to_owned(),
            date_time: "2008-04-04T12:16:49-05:00".to_owned(),
            recipient_uri: Some("sip:b@b.test;x=\"<&>\"".to_owned()),
            subject: Some("two  words\n".to_owned()),
            disposition: Some(disposition),
            ..ImdnDocument::default()
        };
        let again = read(&document.to_xml()).unwrap();
        assert_eq!(again.subject.as_deref(), Some("two words"));
        let document = ImdnDocument {
            subject: again.subject.clone(),
            ..document
        };
        assert_eq!(again, document);
        assert_eq!(disposition.is_told_for(), wish);
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

#[test]
fn a_notification_is_made_as_the_rfc_shows_it() {
    let (alice, bob) = (
        Address::new("im:alice@example.com").with_name("Alice"),
        Address::new("im:bob@example.com"),
    );
    let message = CpimMessage::new("text/plain", "Hello")
        .with_from(&alice)
        .with_to(&bob)
        .with_date_time(Duration::from_secs(1_207_329_409))
        .with_subject("greetings", None)
        .with_imdn(
            "34jk324j",
            &[Notification::PositiveDelivery, Notification::Display],
        )
        .with_header(("imdn", IMDN_NAMESPACE), "IMDN-Record-Route", "im:one@x.test")
        .with_header(("imdn", IMDN_NAMESPACE), "IMDN-Record-Route", "im:two@x.test")
        .with_header(("imdn", IMDN_NAMESPACE), "Original-To", "im:robert@example.com");
    let told = message
        .notification(&bob, "d834jied93rf", Disposition::Displayed)
        .unwrap();
    let told = CpimMessage::parse(&told.to_bytes(), &super::super::CpimLimits::default()).unwrap();
    assert_eq!((told.from(), told.to().next()), (Some(bob.clone()), Some(alice)));
    assert_eq!(told.imdn_message_id().as_deref(), Some("d834jied93rf"));
    assert_eq!(told.content_header("Content-Disposition"), Some("notification"));
    assert!(told.is_notification() && told.notifications().is_empty());
    let routes: Vec<_> = told.values(IMDN_NAMESPACE, "IMDN-Route").collect();
    assert_eq!(routes, ["im:one@x.test", "im:two@x.test"]);
    let document = ImdnDocument::parse(told.body(), &ImdnLimits::default()).unwrap();
    assert_eq!(
        document,
        ImdnDocument {
            message_id: "34jk324j".to_owned(),
            date_time: "2008-04-04T17:16:49Z".to_owned(),
            recipient_uri: Some("im:bob@example.com".to_owned()),
            original_recipient_uri: Some("im:robert@example.com".to_owned()),
            subject: Some("greetings".to_owned()),
            disposition: Some(Disposition::Displayed),
        }
    );

    assert!(
        message.notification(&bob, "n1", Disposition::Failed).is_none(),
        "nobody asked"
    );
    let asking_too_much = told.with_imdn("n2", &[Notification::PositiveDelivery]);
    assert!(
        asking_too_much
            .notification(&bob, "n3", Disposition::Delivered)
            .is_none(),
        "of a notification"
    );
    let anonymous = CpimMessage::new("text/plain", "Hello").with_imdn("n4", &[Notification::Display]);
    assert!(
        anonymous
            .notification(&bob, "n5", Disposition::Displayed)
            .is_none(),
        "to nobody"
    );
}
