//! Calls that do not say who calls (RFC 3323 §4.1); with a temporary GRUU in `registration`.

mod support;

use offhook_sip_core::{Body, InvitationState, Invite};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::wire::field;
use support::{ALICE, BOB, Net, invite_to};

const SHORT: Duration = Duration::from_millis(100);

/// What Alice sends in a call from INVITE to BYE.
fn call(change: impl FnOnce(&mut Invite)) -> Vec<String> {
    let mut net = Net::pair();
    let sent = Rc::new(RefCell::new(Vec::new()));
    let log = sent.clone();
    net.fate = Box::new(move |transmit| {
        if transmit.path.local == ALICE.parse().expect("valid") {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            log.borrow_mut().push(text);
        }
        true
    });
    let mut invite = invite_to(&[BOB.parse().expect("valid")]);
    invite.is_anonymous = true;
    change(&mut invite);
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("it can be sent");
    net.run(SHORT);
    let now = net.now;
    let answer = Body::sdp("answer");
    net.bob().call().accept(now, Some(&answer)).expect("incoming");
    net.run(SHORT);
    let now = net.now;
    let mut alice = net.alice().call();
    alice.reinvite(now, Some(Body::sdp("hold"))).expect("confirmed");
    net.run(SHORT);
    let now = net.now;
    net.bob()
        .call()
        .respond_to_reinvite(now, offhook_sip_core::StatusCode::OK, Some(&answer))
        .expect("reinvited");
    net.run(SHORT);
    net.end(0);
    net.run(SHORT);
    assert_eq!(net.bob().states().last(), Some(&InvitationState::Disconnected));
    sent.take()
}

#[test]
fn nothing_from_invite_to_bye_says_who_calls() {
    let sent = call(|_| {});
    let methods: Vec<&str> = sent.iter().filter_map(|text| text.split(' ').next()).collect();
    assert_eq!(methods, ["INVITE", "ACK", "INVITE", "ACK", "BYE"]);
    for text in &sent {
        let from = field(text, "From:");
        assert!(
            from.starts_with("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag="),
            "{from}"
        );
        assert!(!text.to_lowercase().contains("alice"), "{text}");
        assert!(!text.contains("User-Agent:"), "{text}");
    }
    assert_eq!(
        field(&sent[0], "Contact:"),
        "Contact: <sip:anonymous@192.0.2.1:5060>"
    );
    assert_eq!(field(&sent[0], "Privacy:"), "Privacy: id");
}

#[test]
fn a_privacy_of_the_applications_own_stands_alone() {
    let sent = call(|invite| {
        let privacy = ("Privacy".to_owned(), "header;id;critical".to_owned());
        invite.extra_headers.push(privacy);
    });
    assert_eq!(sent[0].matches("Privacy:").count(), 1);
    assert_eq!(field(&sent[0], "Privacy:"), "Privacy: header;id;critical");
}
