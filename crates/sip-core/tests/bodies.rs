//! Bodies of several parts (RFC 5621, RFC 2046 §5.1).

use bytes::Bytes;
use offhook_sip_core::header::{ContentDisposition, ContentTransferEncoding};
use offhook_sip_core::message::{Entity, Multipart, MultipartError};
use offhook_sip_core::{Limits, Message, Method, ParseOptions, Request, Uri};

fn split(boundary: &str, body: &str) -> Result<Vec<(usize, Bytes)>, MultipartError> {
    let content = format!("multipart/mixed; boundary={boundary}");
    let entity = Entity::new(&content, body.to_owned());
    let multipart = entity.multipart(&Limits::default()).expect("it is one")?;
    let parts = multipart.parts().iter();
    Ok(parts
        .map(|part| (part.headers().len(), part.body().clone()))
        .collect())
}

#[test]
fn a_body_is_split_at_lines_that_hold_the_boundary_and_nothing_else() {
    let one = |headers, body: &str| Ok(vec![(headers, Bytes::copy_from_slice(body.as_bytes()))]);
    assert_eq!(split("x", "--x\r\n\r\nhello\r\n--x--"), one(0, "hello"));
    assert_eq!(
        split("\"a b\"", "--a b\r\n\r\nhello\r\n--a b--\r\n"),
        one(0, "hello"),
        "quoted"
    );
    assert_eq!(
        split(
            "x",
            "for old readers\r\n--x \t\r\nc: a/b\r\n\r\n1\r\n--x--\r\nend --x"
        ),
        one(1, "1")
    );
    assert_eq!(split("x", "--x\n\n1\n2\n--x--\n"), one(0, "1\n2"), "LF alone");
    assert_eq!(
        split("x", "--x\r\n\r\n1 --x\r\n--xy\r\n --x\r\n--x--"),
        one(0, "1 --x\r\n--xy\r\n --x")
    );
    assert_eq!(
        split("x", "--x\r\nSubject: a\r\n b\r\n\r\n--x--"),
        one(1, ""),
        "header fields only"
    );
    assert_eq!(split("x", "--x\r\n--x--"), one(0, ""), "nothing at all");
    let two = split("x", "--x\r\n\r\n\r\n\r\n--x\r\nA: 1\r\nB: 2\r\n\r\nz\r\n--x--").unwrap();
    assert_eq!(two, [(0, Bytes::from("\r\n")), (2, Bytes::from("z"))]);
}

#[test]
fn a_body_that_is_cut_or_without_boundary_is_refused() {
    assert_eq!(split("x", "--x\r\n\r\nhello\r\n"), Err(MultipartError::Unclosed));
    assert_eq!(split("x", "hello"), Err(MultipartError::NoParts));
    assert_eq!(split("\"\"", "--\r\n\r\n----"), Err(MultipartError::NoBoundary));
    assert_eq!(split(&"x".repeat(71), ""), Err(MultipartError::NoBoundary));
    assert!(matches!(
        split("x", "--x\r\nno colon\r\n\r\n--x--"),
        Err(MultipartError::Part { part: 0, .. })
    ));
    let none = Entity::new("text/plain", "--x--");
    assert!(none.multipart(&Limits::default()).is_none());
    let nameless = Entity::new("multipart/mixed", "--x--");
    assert_eq!(
        nameless.multipart(&Limits::default()),
        Some(Err(MultipartError::NoBoundary))
    );
}

/// A message with `depth` multipart bodies around a session description.
fn nested(depth: usize) -> Entity {
    let mut entity = Entity::new("application/sdp", "v=0\r\n");
    for _ in 0..depth {
        let parts = [Entity::new("text/plain", "hello"), entity];
        entity = Entity::default();
        entity.set_multipart(&Multipart::new("mixed", parts).unwrap());
    }
    entity
}

#[test]
fn parts_and_nesting_are_limited() {
    let limits = Limits::default().with_nesting(3).with_parts(2);
    let find = |depth| nested(depth).find("application", "sdp", &limits);
    assert_eq!(find(0).unwrap().unwrap().body(), "v=0\r\n");
    assert_eq!(find(3).unwrap().unwrap().body(), "v=0\r\n");
    assert_eq!(find(4), Err(MultipartError::TooDeep { limit: 3 }));
    assert_eq!(nested(1).find("text", "html", &limits), Ok(None));
    let three = Multipart::new("mixed", vec![Entity::new("a/b", "c"); 3]).unwrap();
    let mut entity = Entity::default();
    entity.set_multipart(&three);
    assert_eq!(
        entity.multipart(&limits),
        Some(Err(MultipartError::TooMany { limit: 2 }))
    );
    assert_eq!(entity.multipart(&limits.with_parts(3)).unwrap().unwrap(), three);
}

#[test]
fn of_alternatives_the_last_counts() {
    let parts = ["one", "two"].map(|text| Entity::new("text/plain", text));
    for (subtype, wanted) in [("alternative", "two"), ("mixed", "one")] {
        let mut entity = Entity::default();
        entity.set_multipart(&Multipart::new(subtype, parts.clone()).unwrap());
        let found = entity.find("text", "plain", &Limits::default()).unwrap().unwrap();
        assert_eq!(found.body(), wanted);
    }
}

#[test]
fn no_part_can_end_the_body_it_stands_in() {
    let evil = "1\r\n--part-0-of-offhook--\r\n--part-1-of-offhook";
    let mut part = Entity::new("text/plain", evil);
    part.headers_mut()
        .push("Content-Disposition", "render;handling=optional");
    let multipart = Multipart::new("related", [part]).unwrap();
    let mut request = Request::new(Method::Message, "sip:a.test".parse::<Uri>().unwrap());
    request.set_multipart(&multipart);
    let Message::Request(read) = Message::parse(request.to_bytes(), &ParseOptions::default()).unwrap() else {
        panic!()
    };
    let again = read.multipart(&Limits::default()).unwrap().unwrap();
    assert_eq!(again, multipart);
    assert_eq!(again.parts()[0].body(), evil);
    assert!(
        again.parts()[0]
            .headers()
            .typed::<ContentDisposition>()
            .unwrap()
            .unwrap()
            .is_optional()
    );
    assert!(!again.parts()[0].headers().contains("Content-Length"));
}

#[test]
fn the_multipart_body_of_rfc_4475_falls_into_text_and_signature() {
    let wire = Bytes::from_static(include_bytes!("data/rfc4475/mpart01.dat"));
    let message = Message::parse(wire, &ParseOptions::default()).unwrap();
    let multipart = message.multipart(&Limits::default()).unwrap().unwrap();
    let [text, signature] = multipart.parts() else {
        panic!("{multipart:?}")
    };
    assert_eq!(text.body(), "Hello");
    let encoding = text
        .headers()
        .typed::<ContentTransferEncoding>()
        .unwrap()
        .unwrap();
    assert_eq!(encoding.text(), "binary");
    assert_eq!(
        signature.body()[..4],
        [0x30, 0x82, 0x01, 0x52],
        "a PKCS#7 structure"
    );
}
