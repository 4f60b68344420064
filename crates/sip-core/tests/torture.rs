//! The torture messages of RFC 4475: what must parse does, with what it says; what must be refused is, with
//! the status that the RFC wants. What only an application can decide (420, 415, 406, 501, ...) passes here.

use bytes::Bytes;
use offhook_sip_core::header::{
    CSeq, CallId, Contact, Date, From, MaxForwards, RetryAfter, To, Unsupported, Via,
};
use offhook_sip_core::message::Fault;
use offhook_sip_core::parse::{Framed, Framer};
use offhook_sip_core::uri::unescape;
use offhook_sip_core::{HeaderName, Message, ParseOptions, Policy, Request, Response, StatusCode, Uri};

/// What the message layer says about a message.
#[derive(Debug, PartialEq)]
enum Verdict {
    Accept,
    /// A request to answer with this status.
    Answer(u16),
    /// A response to drop.
    Discard,
}
use Verdict::{Accept, Answer, Discard};

const EXPECTATIONS: &str = include_str!("data/rfc4475/expectations.tsv");

/// Where the verdict of the list is not simply "accept" or "400".
const SPECIAL: [(&str, Verdict); 8] = [
    ("scalarlg.dat", Discard),
    ("bigcode.dat", Discard),
    ("badvers.dat", Answer(505)),
    ("unkscm.dat", Answer(416)),
    ("novelsc.dat", Answer(416)),
    // The RFC wants Date ignored, as nothing depends on it.
    ("baddate.dat", Accept),
    // 501 is better where the method is unknown, which the dispatcher knows; 400 is allowed.
    ("mismatch02.dat", Answer(400)),
    // An end-line is missing; the fault that names the status is the display name all the same.
    ("baddn.dat", Answer(400)),
];

#[test]
fn each_of_the_49_messages_gets_the_verdict_of_the_rfc_under_either_policy() {
    let mut seen = 0;
    for line in EXPECTATIONS.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (file, listed) = (columns[1], columns[6]);
        let expected = SPECIAL.iter().find(|(name, _)| *name == file).map_or_else(
            || match listed {
                "invalid" => Answer(400),
                "valid" | "accept" | "app-error" => Accept,
                other => panic!("unknown verdict {other}"),
            },
            |(_, verdict)| match verdict {
                Accept => Accept,
                Discard => Discard,
                Answer(status) => Answer(*status),
            },
        );
        for policy in [Policy::Lenient, Policy::Strict] {
            let options = ParseOptions::default().with_policy(policy);
            // Strict wants Max-Forwards, which RFC 2543 had not.
            let refused_2543 = policy == Policy::Strict && file == "inv2543.dat";
            let expected = if refused_2543 { &Answer(400) } else { &expected };
            assert_eq!(&verdict(load(file), &options), expected, "{file} {policy:?}");
        }
        seen += 1;
    }
    assert_eq!(seen, 49);
}

#[test]
fn refused_requests_can_be_answered_with_what_they_say() {
    for file in [
        "lwsstart.dat",
        "clerr.dat",
        "ncl.dat",
        "mcl01.dat",
        "badvers.dat",
        "trws.dat",
    ] {
        let error = Message::parse(load(file), &ParseOptions::default()).unwrap_err();
        let response = error.response().unwrap_or_else(|| panic!("{file}"));
        for name in [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::CSeq,
        ] {
            assert!(response.headers().contains(name), "{file} {name}");
        }
        assert!(response.headers().typed::<Via>().unwrap().is_ok(), "{file}");
        assert!(response.to_bytes().starts_with(b"SIP/2.0 "), "{file}");
    }
}

#[test]
fn accepted_messages_print_as_they_came() {
    let mut same = 0;
    for line in EXPECTATIONS.lines().skip(1) {
        let file = line.split('\t').nth(1).unwrap();
        let wire = load(file);
        let Ok(message) = Message::parse(wire.clone(), &ParseOptions::default()) else {
            continue;
        };
        let printed = message.to_bytes();
        // What lies behind Content-Length is not part of the message.
        if message.headers().contains(HeaderName::ContentLength) && file != "baddn.dat" {
            assert_eq!(printed, wire.slice(..printed.len()), "{file}");
            same += 1;
        }
        assert_eq!(Message::parse(printed, &ParseOptions::default()).unwrap(), {
            let mut filled = message.clone();
            if !filled.headers().contains(HeaderName::ContentLength) {
                let length = filled.body().len().to_string();
                filled.headers_mut().push(HeaderName::ContentLength, length);
            }
            filled
        });
    }
    assert!(same > 25, "{same}");
}

#[test]
fn wsinv_is_read_through_its_white_space() {
    let request = request("wsinv.dat");
    let headers = request.headers();
    let from = headers.typed::<From>().unwrap().unwrap();
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(from.display_name(), "J Rosenberg \\\"");
    assert_eq!(headers.typed::<To>().unwrap().unwrap().tag(), Some("1918181833n"));
    assert_eq!(headers.typed::<MaxForwards>().unwrap().unwrap(), MaxForwards(68));
    let cseq = headers.typed::<CSeq>().unwrap().unwrap();
    assert_eq!((cseq.number, cseq.method.as_str()), (9, "INVITE"));
    let vias: Vec<Via> = headers.typed_all().collect::<Result<_, _>>().unwrap();
    let transports: Vec<&str> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "TCP", "UDP"]);
    let branches: Vec<_> = vias.iter().filter_map(Via::branch).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert!(!vias[0].has_rfc3261_branch());
    assert!(vias[1].has_rfc3261_branch());
    assert_eq!(headers.get("Subject"), Some(&b""[..]));
    let contact = headers.typed::<Contact>().unwrap().unwrap();
    let contact = contact.addr().unwrap();
    assert_eq!(contact.display_name(), "Quoted string \"\"");
    assert_eq!(contact.q(), Some(330));
    assert_eq!(contact.params.get_str("newparam"), Some("newvalue"));
    assert!(contact.params.contains("secondparam"));
    assert_eq!(
        headers.get_str("NewFangledHeader"),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(headers.get_str("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    assert_eq!(sip(&request).param("unknownparam"), Some(""));
    assert_eq!(request.body().len(), 150);
}

#[test]
fn intmeth_keeps_its_odd_method_and_the_nul_in_its_display_name() {
    let request = request("intmeth.dat");
    assert_eq!(
        request.method().as_str(),
        "!interesting-Method0123456789_*+`.%indeed'~"
    );
    let to = request.headers().typed::<To>().unwrap().unwrap();
    assert!(to.display_name().contains('\0'), "{:?}", to.display_name());
    assert!(to.display_name().contains('\u{7f}'));
    assert!(to.display_name().contains('\u{7}'));
    let from = request.headers().typed::<From>().unwrap().unwrap();
    assert!(
        from.params
            .iter()
            .any(|(_, value)| value.is_some_and(|v| !v.is_ascii()))
    );
}

#[test]
fn escapes_are_resolved_once() {
    let esc01 = request("esc01.dat");
    assert_eq!(&*sip(&esc01).user_unescaped().unwrap(), b"sips:user@example.com");
    let from = esc01.headers().typed::<From>().unwrap().unwrap();
    assert_eq!(
        &*from.uri.as_sip().unwrap().user_unescaped().unwrap(),
        b"I have spaces"
    );
    let contact = esc01.headers().typed::<Contact>().unwrap().unwrap();
    let uri = contact.addr().unwrap().uri.as_sip().unwrap().clone();
    assert!(uri.lr(), "%6C%72 is lr");
    let params = uri.params();
    let named = params
        .iter()
        .find_map(|(n, v)| (&*unescape(n.as_bytes()) == b"name").then_some(v));
    assert_eq!(&*unescape(named.flatten().unwrap()), b"value%41");

    let escnull = request("escnull.dat");
    let to = escnull.headers().typed::<To>().unwrap().unwrap();
    assert_eq!(
        &*to.uri.as_sip().unwrap().user_unescaped().unwrap(),
        b"null-\0-null"
    );
    let contacts: Vec<Contact> = escnull.headers().typed_all().collect::<Result<_, _>>().unwrap();
    let uris: Vec<_> = contacts
        .iter()
        .map(|c| c.addr().unwrap().uri.as_sip().unwrap().clone())
        .collect();
    assert_eq!(&*uris[0].user_unescaped().unwrap(), b"\0");
    assert_eq!(&*uris[1].user_unescaped().unwrap(), b"\0\0");
    assert!(!uris[0].is_equivalent(&uris[1]));
}

#[test]
fn escapes_in_tokens_are_no_escapes() {
    let request = request("esc02.dat");
    assert_eq!(request.method().as_str(), "RE%47IST%45R");
    let to = request.headers().typed::<To>().unwrap().unwrap();
    assert_eq!(to.display_name(), "%Z%45");
    assert_eq!(request.headers().typed_all::<Contact>().flatten().count(), 2);
}

#[test]
fn display_names_may_touch_the_bracket() {
    let from = request("lwsdisp.dat").headers().typed::<From>().unwrap().unwrap();
    assert_eq!(
        (&*from.display_name(), from.uri.as_str()),
        ("caller", "sip:caller@example.com")
    );
}

#[test]
fn long_values_are_kept_in_full() {
    let request = request("longreq.dat");
    let from = request.headers().typed::<From>().unwrap().unwrap();
    assert!(from.tag().unwrap().len() > 150, "{}", from.tag().unwrap().len());
    let call_id = request.headers().typed::<CallId>().unwrap().unwrap();
    assert!(call_id.as_str().starts_with("longreq.onereally"));
    let response = Response::for_request(&request, StatusCode::OK).to_bytes();
    let response = Message::parse(response, &ParseOptions::default()).unwrap();
    assert_eq!(response.headers().get("i"), Some(&call_id.as_bytes()[..]));
    assert_eq!(response.headers().count("Via"), request.headers().count("Via"));
}

#[test]
fn a_second_request_in_the_datagram_is_no_part_of_the_first() {
    let request = request("dblreq.dat");
    assert_eq!(request.method().as_str(), "REGISTER");
    assert!(request.body().is_empty());
    // On a stream it is the next message.
    let mut framer = Framer::new(ParseOptions::default());
    framer.push(&load("dblreq.dat"));
    let mut methods = Vec::new();
    // Its Content-Length is too small: what lies behind is an error of its own.
    while let Ok(framed) = framer.next_frame() {
        if let Framed::Message(Message::Request(request)) = framed {
            methods.push(request.method().to_string());
        }
    }
    assert_eq!(methods, ["REGISTER", "INVITE"]);
}

#[test]
fn semicolons_and_parameters_belong_where_the_grammar_puts_them() {
    let semi = request("semiuri.dat");
    assert_eq!(&*sip(&semi).user_unescaped().unwrap(), b"user;par=u@example.net");
    assert!(sip(&semi).params().is_empty());
    let contact = |file: &str| match request(file).headers().typed::<Contact>() {
        Some(Ok(Contact::Addr(addr))) => addr,
        other => panic!("{file}: {other:?}"),
    };
    let outside = contact("cparam01.dat");
    assert!(outside.params.contains("unknownparam"));
    assert!(outside.uri.as_sip().unwrap().params().is_empty());
    let inside = contact("cparam02.dat");
    assert!(inside.params.is_empty());
    assert_eq!(inside.uri.as_sip().unwrap().param("unknownparam"), Some(""));
    let headers = contact("regescrt.dat");
    assert_eq!(
        headers.uri.as_sip().unwrap().headers_str(),
        "Route=%3Csip:sip.example.com%3E"
    );
}

#[test]
fn vias_of_any_transport_are_echoed_in_order() {
    let request = request("transports.dat");
    let vias: Vec<Via> = request.headers().typed_all().collect::<Result<_, _>>().unwrap();
    let names: Vec<&str> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(names, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
    let response = Response::for_request(&request, StatusCode::OK);
    assert_eq!(
        response
            .headers()
            .typed_all::<Via>()
            .collect::<Result<Vec<_>, _>>()
            .unwrap(),
        vias
    );
}

#[test]
fn bodies_are_binary() {
    let request = request("mpart01.dat");
    let length: usize = request.headers().get_str("l").unwrap().parse().unwrap();
    assert_eq!(request.body().len(), length);
    assert!(request.body().contains(&0));
}

#[test]
fn reasons_may_be_russian_or_absent() {
    let response = response("unreason.dat");
    assert_eq!(response.status(), StatusCode::OK);
    assert!(
        response.reason().chars().any(|c| ('а'..='я').contains(&c)),
        "{}",
        response.reason()
    );
    let response = self::response("noreason.dat");
    assert_eq!((response.status(), &*response.reason()), (StatusCode::TRYING, ""));
    assert_eq!(
        self::response("bcast.dat").headers().typed_all::<Via>().count(),
        2
    );
}

#[test]
fn faults_are_found_in_the_field_that_has_them() {
    let fault = |file: &str| request(file).check(&ParseOptions::default()).unwrap_err().fault;
    assert!(matches!(
        fault("badinv01.dat"),
        Fault::Malformed(HeaderName::Via, _)
    ));
    assert!(matches!(
        fault("scalar02.dat"),
        Fault::Malformed(HeaderName::CSeq, _)
    ));
    assert!(matches!(
        fault("quotbal.dat"),
        Fault::Malformed(HeaderName::To, _)
    ));
    assert!(matches!(fault("ltgtruri.dat"), Fault::RequestUri(_)));
    assert!(matches!(
        fault("regbadct.dat"),
        Fault::Malformed(HeaderName::Contact, _)
    ));
    assert!(matches!(
        fault("badaspec.dat"),
        Fault::Malformed(HeaderName::To, _)
    ));
    assert!(matches!(
        fault("baddn.dat"),
        Fault::Malformed(HeaderName::From, _)
    ));
    assert_eq!(fault("escruri.dat"), Fault::UriHeaders);
    assert_eq!(fault("mismatch01.dat"), Fault::MethodMismatch);
    assert_eq!(fault("insuf.dat"), Fault::Missing(HeaderName::From));
    assert!(matches!(fault("multi01.dat"), Fault::Repeated(_)));
    assert!(request("baddate.dat").headers().typed::<Date>().unwrap().is_err());
    assert!(
        response("scalarlg.dat")
            .headers()
            .typed::<RetryAfter>()
            .unwrap()
            .is_err()
    );
}

#[test]
fn the_rest_leaves_the_decision_to_the_application() {
    let require = request("bext01.dat");
    assert!(
        require
            .headers()
            .has_token(HeaderName::Require, "nothingsupportsthis")
    );
    let unsupported = Unsupported::new(["a", "b"]);
    assert!(unsupported.contains("B"));
    let to = request("unksm2.dat").headers().typed::<To>().unwrap().unwrap();
    assert!(matches!(&to.uri, Uri::Other(uri) if uri.scheme() == "isbn"));
    assert_eq!(
        request("zeromf.dat").headers().typed::<MaxForwards>(),
        Some(Ok(MaxForwards(0)))
    );
    let branch = request("badbranch.dat")
        .headers()
        .typed::<Via>()
        .unwrap()
        .unwrap();
    assert!(!branch.has_rfc3261_branch());
    assert_eq!(request("inv2543.dat").body().len(), 105);
    let auth = request("regaut01.dat");
    let auth = auth
        .headers()
        .typed::<offhook_sip_core::header::Authorization>()
        .unwrap()
        .unwrap();
    assert_eq!(auth.0.scheme(), "NoOneKnowsThisScheme");
}

#[test]
fn on_a_stream_only_a_sound_content_length_keeps_the_connection() {
    for (file, intact) in [
        ("lwsstart.dat", true),
        ("trws.dat", true),
        ("badvers.dat", true),
        ("ncl.dat", false),
        ("mcl01.dat", false),
        ("inv2543.dat", false),
    ] {
        let mut framer = Framer::new(ParseOptions::default());
        framer.push(&load(file));
        let error = framer.next_frame().unwrap_err();
        assert_eq!(error.framing_intact, intact, "{file}");
        assert!(error.rejected.is_some(), "{file}");
        assert_eq!(framer.next_frame().is_err(), !intact, "{file}");
    }
    // Too short a body, or no empty line: wait for the rest.
    for file in ["clerr.dat", "baddn.dat"] {
        let mut framer = Framer::new(ParseOptions::default());
        framer.push(&load(file));
        assert!(
            matches!(framer.next_frame(), Ok(Framed::Incomplete { .. })),
            "{file}"
        );
    }
}

fn verdict(wire: Bytes, options: &ParseOptions) -> Verdict {
    match Message::parse(wire, options) {
        Ok(Message::Request(request)) => match request.check(options) {
            Ok(()) => Accept,
            Err(rejection) => Answer(rejection.status.as_u16()),
        },
        Ok(Message::Response(response)) => match response.check() {
            Ok(()) => Accept,
            Err(_) => Discard,
        },
        Err(error) => error
            .response()
            .map_or(Discard, |response| Answer(response.status().as_u16())),
    }
}

fn load(file: &str) -> Bytes {
    let path = format!("{}/tests/data/rfc4475/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{path}: {error}"))
        .into()
}

fn request(file: &str) -> Request {
    match Message::parse(load(file), &ParseOptions::default()).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => panic!("{file} is a response"),
    }
}

fn response(file: &str) -> Response {
    match Message::parse(load(file), &ParseOptions::default()).unwrap() {
        Message::Response(response) => response,
        Message::Request(_) => panic!("{file} is a request"),
    }
}

fn sip(request: &Request) -> offhook_sip_core::SipUri {
    request.uri().unwrap().as_sip().unwrap().clone()
}
