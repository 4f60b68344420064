//! Max-Forwards (RFC 3261 §8.1.1.6, §11, §16.3 step 3, §16.6 step 3).

mod support;

use offhook_sip_core::header::MaxForwards;
use offhook_sip_core::message::Fault;
use offhook_sip_core::{
    EndpointEvent, HeaderName, InvitationState, Message, ParseOptions, Request, StatusCode,
};
use support::{ALICE, BOB, Net};

fn text(method: &str, fields: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bKh{method}\n{fields}\
         From: <sip:alice@a.test>;tag=1\nTo: <sip:bob@192.0.2.2>\nCall-ID: {method}\nCSeq: 1 {method}\n\
         Contact: <sip:alice@{ALICE}>\nContent-Length: 0\n\n"
    )
}

fn request(fields: &str) -> Request {
    let wire = text("INVITE", fields).replace('\n', "\r\n");
    match Message::parse(wire.into(), &ParseOptions::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// RFC 3261 §16.6 step 3.
#[test]
fn who_forwards_takes_one_hop_each_time() {
    for (fields, left) in [("Max-Forwards: 70\n", 69), ("Max-Forwards: 1\n", 0), ("", 70)] {
        let mut request = request(fields);
        assert_eq!(request.take_hop(), Ok(()), "{fields}");
        assert_eq!(
            request.headers().typed::<MaxForwards>(),
            Some(Ok(MaxForwards(left)))
        );
        assert_eq!(request.headers().count(HeaderName::MaxForwards), 1);
    }
}

/// RFC 3261 §16.3 step 3.
#[test]
fn who_should_forward_what_has_no_hop_left_refuses_it_with_483() {
    let mut last = request("Max-Forwards: 0\n");
    let refused = last.take_hop().expect_err("no hop is left");
    assert_eq!(
        (refused.status, refused.fault),
        (StatusCode::TOO_MANY_HOPS, Fault::NoHops)
    );
    assert_eq!(
        last.headers().typed::<MaxForwards>(),
        Some(Ok(MaxForwards(0))),
        "it is as it was"
    );
    let refused = request("Max-Forwards: many\n")
        .take_hop()
        .expect_err("it cannot be read");
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

/// RFC 3261 §8.2, §11: a user agent does not forward. What has come so far has arrived.
#[test]
fn a_user_agent_serves_what_has_come_with_its_last_hop() {
    let mut net = Net::pair();
    net.inject(1, ALICE, &text("INVITE", "Max-Forwards: 0\n"));
    assert_eq!(net.bob().states(), [InvitationState::Incoming]);
    let answer = net
        .inject_raw(1, ALICE, &text("OPTIONS", "Max-Forwards: 0\n"))
        .expect("an answer");
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    assert!(
        !net.bob()
            .events
            .iter()
            .any(|event| matches!(event, EndpointEvent::Request { .. }))
    );
    assert_eq!(net.peers[1].address, BOB.parse().expect("valid"));
}
