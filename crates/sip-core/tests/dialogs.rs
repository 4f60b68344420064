//! What happens inside a call that stands, and what passwords do to one that is set up
//! (RFC 3261 §12 to §14, §22).

mod support;

use offhook_digest::{Credentials, Signed, Verifier, VerifierConfig};
use offhook_sansio::Entropy;
use offhook_sip_core::InvitationState::{
    Calling, Confirmed, Connecting, Disconnected, Reinvited, Reinviting,
};
use offhook_sip_core::Method;
use offhook_sip_core::{
    Body, CommandError, EndpointEvent, HeaderName, InvitationEvent, InvitationState, StatusCode,
};
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer, invite_to};

const SHORT: Duration = Duration::from_millis(100);

fn last_invite(peer: &Peer) -> offhook_sip_core::Request {
    peer.invitation_events()
        .filter_map(|event| match event {
            InvitationEvent::StateChanged {
                cause: offhook_sip_core::invitation::Cause::Request(request),
                ..
            } if *request.method() == Method::Invite => Some(request.clone()),
            _ => None,
        })
        .last()
        .expect("an INVITE came")
}

#[test]
fn either_side_changes_the_session() {
    for (from, to) in [(0, 1), (1, 0)] {
        let mut net = Net::established();
        let now = net.now;
        net.peers[from]
            .call()
            .reinvite(now, Some(Body::sdp("new offer")))
            .expect("confirmed");
        net.run(SHORT);
        assert_eq!(net.peers[from].call().state(), Reinviting);
        assert_eq!(net.peers[to].call().state(), Reinvited);
        assert_eq!(last_invite(&net.peers[to]).body(), "new offer");
        let now = net.now;
        net.peers[to]
            .call()
            .respond_to_reinvite(now, StatusCode::OK, Some(&Body::sdp("new answer")))
            .expect("reinvited");
        net.run(SHORT);
        assert_eq!(net.peers[from].call().state(), Confirmed);
        assert_eq!(net.peers[to].call().state(), Confirmed);
        assert_eq!(
            net.peers[from].descriptions().last().map(String::as_str),
            Some("Answer new answer")
        );
        assert_eq!(net.count("ACK"), 1);
        let now = net.now;
        net.peers[to].call().end(now).expect("confirmed");
        net.run(SHORT);
        assert_eq!(net.peers[from].states().last(), Some(&Disconnected));
    }
}

#[test]
fn a_refused_change_leaves_the_session_as_it_was() {
    let mut net = Net::established();
    net.reinvite(0, Some("x"));
    net.run(SHORT);
    net.answer_reinvite(1, StatusCode::NOT_ACCEPTABLE_HERE, None);
    net.run(SHORT);
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
    let failed = net.alice().invitation_events().last().cloned();
    assert!(
        matches!(&failed, Some(InvitationEvent::ReinviteFailed { cause, was_executed: false }) if cause.status() == Some(StatusCode::NOT_ACCEPTABLE_HERE)),
        "{failed:?}"
    );
}

#[test]
fn a_change_without_offer_is_offered_by_the_peer_and_answered_in_the_ack() {
    let mut net = Net::established();
    net.reinvite(0, None);
    net.run(SHORT);
    net.answer_reinvite(1, StatusCode::OK, Some("bob's offer"));
    net.run(SHORT);
    let now = net.now;
    net.alice()
        .call()
        .accept(now, Some(&Body::sdp("alice's answer")))
        .expect("it is wanted");
    net.run(SHORT);
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(
        net.bob().descriptions().last().map(String::as_str),
        Some("Answer alice's answer")
    );
    net.run(Duration::from_secs(40));
    assert_eq!(net.bob().call().state(), Confirmed, "the ACK arrived");
}

#[test]
fn a_change_can_be_taken_back() {
    let mut net = Net::established();
    net.reinvite(0, Some("x"));
    net.run(Duration::from_millis(300));
    let now = net.now;
    net.alice().call().cancel_reinvite(now).expect("reinviting");
    net.run(SHORT);
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
    assert_eq!(net.count("487"), 1);
    assert!(matches!(
        net.bob().invitation_events().last(),
        Some(InvitationEvent::ReinviteCancelled)
    ));
}

#[test]
fn two_changes_at_once_refuse_each_other_and_are_repeated_apart() {
    let mut net = Net::established();
    net.reinvite(0, Some("from alice"));
    net.reinvite(1, Some("from bob"));
    net.run(SHORT);
    assert_eq!(net.count("491"), 2);
    net.run(Duration::from_secs(2));
    assert_eq!(net.alice().call().state(), Reinvited, "the callee waits less");
    assert!(matches!(
        net.alice().invitation_events().find(|event| matches!(event, InvitationEvent::ReinviteFailed { .. })),
        Some(InvitationEvent::ReinviteFailed { cause, was_executed: false }) if cause.status() == Some(StatusCode::REQUEST_PENDING)
    ));
    net.answer_reinvite(0, StatusCode::OK, Some("answer"));
    net.run(Duration::from_secs(10));
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
}

#[test]
fn hanging_up_during_a_change_ends_both() {
    for who in [0, 1] {
        let mut net = Net::established();
        net.reinvite(0, Some("x"));
        net.run(SHORT);
        let now = net.now;
        net.peers[who].call().end(now).expect("alive");
        net.run(SHORT);
        for peer in &net.peers {
            assert_eq!(peer.states().last(), Some(&Disconnected));
        }
        net.run(Duration::from_secs(40));
        assert_eq!(
            net.peers[0].endpoint.invitation_count() + net.peers[1].endpoint.invitation_count(),
            0
        );
    }
}

#[test]
fn a_second_change_waits_for_the_first() {
    let mut net = Net::established();
    net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"ACK"));
    net.reinvite(0, Some("x"));
    net.run(SHORT);
    net.answer_reinvite(1, StatusCode::OK, Some("y"));
    let now = net.now;
    assert_eq!(
        net.bob().call().reinvite(now, None),
        Err(CommandError::InviteInProgress)
    );
}

#[test]
fn a_call_is_made_with_a_password() {
    let mut net = Net::pair();
    let bob = net.bob().address;
    let mut invite = invite_to(&[bob]);
    invite.credentials = Some(Credentials::new("alice", "wonderland"));
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);

    let mut verifier = Verifier::new(VerifierConfig::new("b.test"), Entropy::from_number(7));
    let now = net.now;
    let challenges: Vec<_> = verifier
        .challenges(now, false)
        .into_iter()
        .map(|challenge| ("Proxy-Authenticate".to_owned(), challenge))
        .collect();
    net.bob()
        .call()
        .reject(now, StatusCode::PROXY_AUTHENTICATION_REQUIRED, None, &challenges)
        .expect("incoming");
    net.run(SHORT);
    let request = last_invite(net.bob());
    let value = request
        .headers()
        .get_str(HeaderName::ProxyAuthorization)
        .expect("an answer");
    let signed = Signed {
        method: "INVITE",
        uri: "sip:bob@b.test",
        body: request.body(),
    };
    assert_eq!(
        verifier.verify(now, value, &signed, |_| Some("wonderland".into())),
        Ok("alice".to_owned())
    );
    assert_eq!(request.headers().get_str(HeaderName::CSeq), Some("2 INVITE"));
    net.accept(Some("answer"));
    net.run(SHORT);
    assert_eq!(net.alice().states(), [Calling, Connecting, Confirmed]);
}

#[test]
fn a_password_that_is_refused_twice_ends_the_call() {
    let mut net = Net::pair();
    let bob = net.bob().address;
    let mut invite = invite_to(&[bob]);
    invite.credentials = Some(Credentials::new("alice", "wrong"));
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("sent");
    for nonce in ["one", "two"] {
        net.run(SHORT);
        let now = net.now;
        let challenge = format!("Digest realm=\"b\", nonce=\"{nonce}\"");
        let challenge = [("WWW-Authenticate".to_owned(), challenge)];
        net.bob()
            .call()
            .reject(now, StatusCode::UNAUTHORIZED, None, &challenge)
            .expect("incoming");
    }
    net.run(Duration::from_secs(5));
    assert_eq!(net.alice().states(), [Calling, Disconnected]);
    assert_eq!(net.count("INVITE"), 2);
}

/// What Alice sent last that begins with this, while nobody but the test answers.
fn last_sent(net: &mut Net, method: &'static str) -> std::rc::Rc<std::cell::RefCell<String>> {
    let sent = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let seen = sent.clone();
    net.fate = Box::new(move |transmit| {
        if transmit.bytes.starts_with(method.as_bytes()) {
            *seen.borrow_mut() = String::from_utf8_lossy(&transmit.bytes).into_owned();
        }
        true
    });
    sent
}

#[test]
fn a_bye_and_a_change_are_made_with_a_password_too_and_an_ack_has_that_of_its_invite() {
    let mut net = Net::pair();
    let bob = net.bob().address;
    let mut invite = invite_to(&[bob]);
    invite.credentials = Some(Credentials::new("alice", "wonderland"));
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    let challenge = |nonce: &str| {
        let challenge = format!("Digest realm=\"b\", nonce=\"{nonce}\", qop=\"auth\"");
        [("Proxy-Authenticate".to_owned(), challenge)]
    };
    let now = net.now;
    let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
    net.bob()
        .call()
        .reject(now, status, None, &challenge("one"))
        .expect("incoming");
    net.run(SHORT);
    let ack = last_sent(&mut net, "ACK");
    net.accept(Some("answer"));
    net.run(SHORT);
    assert!(
        ack.borrow()
            .contains("Proxy-Authorization: Digest username=\"alice\""),
        "{}",
        ack.borrow()
    );
    let reinvite = last_sent(&mut net, "INVITE");
    net.reinvite(0, Some("more"));
    net.run(SHORT);
    assert!(reinvite.borrow().contains("nc=00000002"), "{}", reinvite.borrow());
    net.answer_reinvite(1, StatusCode::OK, Some("answer"));
    net.run(SHORT);

    let bye = last_sent(&mut net, "BYE");
    net.end(0);
    net.drain();
    let text = bye.borrow().clone();
    assert!(text.contains("nc=00000003"), "{text}");
    let echoed: Vec<&str> = text
        .lines()
        .filter(|line| {
            ["Via", "From", "To", "Call-ID", "CSeq"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .map(str::trim_end)
        .collect();
    let response = format!(
        "SIP/2.0 407 Again\n{}\nProxy-Authenticate: Digest realm=\"b\", nonce=\"two\", stale=true, qop=\"auth\"\n\n",
        echoed.join("\n")
    );
    net.inject(0, BOB, &response);
    assert!(
        bye.borrow().contains("nonce=\"two\"") && bye.borrow().contains("nc=00000001"),
        "{}",
        bye.borrow()
    );
    net.run(SHORT);
    assert_eq!(net.alice().states().last(), Some(&Disconnected));
}

#[test]
fn requests_of_the_owner_travel_inside_the_call_and_their_answers_come_back() {
    let mut config = offhook_sip_core::EndpointConfig::default();
    config.allow.push(Method::Message);
    let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)]);
    net.call();
    let now = net.now;
    let early = net.alice().call().send_request(now, Method::Message, None, &[]);
    assert!(
        matches!(early, Err(CommandError::IllegalState { .. })),
        "{early:?}"
    );
    net.bob()
        .call()
        .accept(now, Some(&Body::sdp("answer")))
        .expect("incoming");
    net.run(SHORT);
    let now = net.now;
    let bye = net.alice().call().send_request(now, Method::Bye, None, &[]);
    assert_eq!(bye, Err(CommandError::IllegalMethod(Method::Bye)));
    let digit = Body::new("text/plain", "Signal=5");
    let headers = [("X-Note".to_owned(), "five".to_owned())];
    let sent = net
        .alice()
        .call()
        .send_request(now, Method::Message, Some(&digit), &headers);
    let sent = sent.expect("confirmed");
    net.run(SHORT);
    let Some(EndpointEvent::Request { id, request, .. }) = net.bob().events.pop() else {
        panic!("no request came")
    };
    assert_eq!(
        (request.body().as_ref(), request.headers().get_str("X-Note")),
        (&b"Signal=5"[..], Some("five"))
    );
    let now = net.now;
    let response = offhook_sip_core::Response::for_request(&request, StatusCode::OK);
    net.bob().endpoint.respond(now, id, response).expect("it waits");
    net.run(SHORT);
    assert!(matches!(
        net.alice().invitation_events().last(),
        Some(InvitationEvent::RequestAnswered { id, cause }) if *id == sent && cause.status() == Some(StatusCode::OK)
    ));
    net.fate = Box::new(|_| false);
    let now = net.now;
    net.alice()
        .call()
        .send_request(now, Method::Message, None, &[])
        .expect("confirmed");
    net.run(Duration::from_secs(33));
    assert!(matches!(
        net.alice().invitation_events().last(),
        Some(InvitationEvent::RequestAnswered { cause, .. }) if cause.status() == Some(StatusCode::REQUEST_TIMEOUT)
    ));
}

#[test]
fn requests_out_of_order_or_outside_any_dialog_are_refused() {
    let mut net = Net::established();
    let dialog = net.bob().call().dialog().expect("confirmed").id().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let request = |method: &str, number: u32, tag: &str, branch: &str| {
        format!(
            "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\n\
             Max-Forwards: 70\nFrom: <sip:alice@a.test>;tag={}\nTo: <sip:bob@b.test>;tag={tag}\n\
             Call-ID: {}\nCSeq: {number} {method}\nContent-Length: 0\n\n",
            text(&dialog.remote_tag),
            text(&dialog.call_id)
        )
    };
    let local = text(&dialog.local_tag);
    net.inject(1, ALICE, &request("BYE", 1, &local, "a"));
    net.inject(1, ALICE, &request("BYE", 9, "unknown", "b"));
    net.inject(1, ALICE, &request("OPTIONS", 5, &local, "c"));
    let lines: Vec<&str> = net.log.iter().map(|(_, _, line)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "SIP/2.0 500 Server Internal Error",
            "SIP/2.0 481 Call/Transaction Does Not Exist",
            "SIP/2.0 200 OK"
        ]
    );
    assert_eq!(net.bob().call().state(), Confirmed);
}

#[test]
fn a_method_that_the_owner_allows_comes_out_with_its_call() {
    let mut config = offhook_sip_core::EndpointConfig::default();
    config.allow.push(Method::Message);
    let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)]);
    net.call();
    let id = net.bob().call_id();
    let dialog = net.bob().call().dialog().expect("early").id().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let message = format!(
        "MESSAGE sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinfo\n\
         From: <sip:alice@a.test>;tag={}\nTo: <sip:bob@b.test>;tag={}\nCall-ID: {}\nCSeq: 7 MESSAGE\n\n",
        text(&dialog.remote_tag),
        text(&dialog.local_tag),
        text(&dialog.call_id)
    );
    net.inject(1, ALICE, &message);
    let event = net.bob().events.pop();
    assert!(
        matches!(&event, Some(EndpointEvent::Request { invitation, .. }) if *invitation == Some(id)),
        "{event:?}"
    );
}

#[test]
fn the_incoming_states_are_seen_in_order() {
    let mut net = Net::established();
    assert_eq!(
        net.bob().states(),
        [InvitationState::Incoming, Connecting, Confirmed]
    );
}

/// The commands whose messages the documents let have header fields of the application's.
#[test]
fn header_fields_of_the_application_go_with_the_command_that_they_are_for() {
    let mut net = Net::pair();
    let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let log = seen.clone();
    net.fate = Box::new(move |transmit| {
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        let line = text.lines().next().unwrap_or_default().to_owned();
        let mark = text.lines().find(|line| line.starts_with("X-Mark: "));
        if let Some(mark) = mark {
            log.borrow_mut().push(format!("{line} {mark}"));
        }
        true
    });
    let mark = |text: &str| vec![("X-Mark".to_owned(), text.to_owned())];
    net.call();
    let now = net.now;
    let mut call = net.bob().call().with_headers(&mark("one"));
    call.ring(now).expect("incoming");
    call.respond_provisionally(now, StatusCode::RINGING, None)
        .expect("once more, without it");
    let mut call = net.bob().call().with_headers(&mark("two"));
    call.accept(now, Some(&Body::sdp("answer"))).expect("early");
    net.run(Duration::from_millis(100));
    let now = net.now;
    let mut call = net.alice().call().with_headers(&mark("three"));
    call.reinvite(now, Some(Body::sdp("offer 2"))).expect("confirmed");
    net.run(Duration::from_millis(100));
    let now = net.now;
    let mut call = net.bob().call().with_headers(&mark("four"));
    call.respond_to_reinvite(now, StatusCode::OK, Some(&Body::sdp("answer 2")))
        .expect("reinvited");
    net.run(Duration::from_millis(100));
    let expected = [
        "SIP/2.0 180 Ringing X-Mark: one",
        "SIP/2.0 200 OK X-Mark: two",
        "INVITE sip:bob@192.0.2.2:5060 SIP/2.0 X-Mark: three",
        "SIP/2.0 200 OK X-Mark: four",
    ];
    assert_eq!(*seen.borrow(), expected);
}
