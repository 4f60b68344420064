//! The race conditions of RFC 5407 §3, each named by its section, in virtual time; its state machine (§2) and its
//! appendices are in `dialog_machine`.

mod support;

use offhook_sip_core::InvitationState::{Confirmed, Connecting, Disconnected, Early, Reinviting};
use offhook_sip_core::invitation::Originator;
use offhook_sip_core::{
    Body, EndpointConfig, InvitationEvent, Method, Refer, SessionTimerConfig, StatusCode,
};
use std::time::Duration;
use support::wire::of_alice;
use support::{ALICE, BOB, Net, Peer, T1, invite_to};

const SHORT: Duration = Duration::from_millis(100);

fn lose(net: &mut Net, start: &'static [u8], times: usize) {
    let mut left = times;
    net.fate = Box::new(move |transmit| {
        let hit = left > 0 && transmit.bytes.starts_with(start);
        left -= usize::from(hit);
        !hit
    });
}

fn ended(peer: &Peer) -> Option<(Originator, Option<u16>)> {
    peer.invitation_events().find_map(|event| match event {
        InvitationEvent::Ended { by, cause } => Some((*by, cause.status().map(StatusCode::as_u16))),
        _ => None,
    })
}

fn assert_over(net: &mut Net) {
    net.run(Duration::from_secs(70));
    for peer in &net.peers {
        assert_eq!(peer.states().last(), Some(&Disconnected));
        assert_eq!(peer.endpoint.invitation_count(), 0);
        assert_eq!(peer.endpoint.poll_timeout(), None);
    }
}

fn assert_established(net: &mut Net) {
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
}

#[test]
fn section_3_1_1_a_repeated_invite_finds_a_call_that_is_accepted() {
    let mut net = Net::pair();
    // Neither the 180 nor the first 200 reaches Alice, so she repeats her INVITE.
    lose(&mut net, b"SIP/2.0", 2);
    let bob = net.bob().address;
    let now = net.now;
    net.alice().endpoint.invite(now, invite_to(&[bob])).expect("sent");
    net.run(Duration::from_millis(20));
    net.ring();
    net.accept(Some("answer"));
    net.run(T1 * 4);
    assert!(net.count("INVITE sip:bob") > 1);
    assert_established(&mut net);
    assert_eq!(net.bob().endpoint.invitation_count(), 1);
}

#[test]
fn section_3_1_2_a_cancel_finds_a_call_that_is_accepted() {
    let mut net = Net::pair();
    net.call();
    net.ring();
    net.run(SHORT);
    net.end(0);
    net.accept(Some("answer"));
    net.run(SHORT);
    assert_eq!(net.count("SIP/2.0 200 OK"), 3, "to INVITE, CANCEL and BYE");
    assert_eq!(
        (net.count("CANCEL"), net.count("ACK"), net.count("BYE")),
        (1, 1, 1)
    );
    assert!(!net.alice().states().contains(&Confirmed));
    assert_over(&mut net);
}

#[test]
fn section_3_1_3_an_early_bye_finds_a_call_that_is_accepted() {
    let mut net = Net::pair();
    net.call();
    net.ring();
    net.run(SHORT);
    lose(&mut net, b"SIP/2.0 200", usize::MAX);
    net.accept(Some("answer"));
    net.drain();
    let bye = of_alice(&mut net, "BYE", 2);
    net.log.clear();
    net.inject(1, ALICE, &bye);
    assert_eq!(net.count("SIP/2.0 200 OK"), 1);
    assert_eq!(net.bob().states().last(), Some(&Disconnected));
    net.log.clear();
    net.run(T1 * 20);
    assert_eq!(
        net.count("SIP/2.0 200 OK"),
        0,
        "the 200 to INVITE is repeated no more"
    );
}

#[test]
fn section_3_1_4_a_reinvite_overtakes_the_repeated_ack() {
    let mut net = Net::pair();
    net.call();
    lose(&mut net, b"ACK", 1);
    net.accept(Some("answer"));
    net.run(SHORT);
    let now = net.now;
    let offer = Body::sdp("offer 2");
    net.alice().call().reinvite(now, Some(offer)).expect("confirmed");
    net.run(Duration::from_millis(20));
    // The RFC prefers a 200 to a 491: the first exchange is over.
    let now = net.now;
    let answer = Body::sdp("answer 2");
    net.bob()
        .call()
        .respond_to_reinvite(now, StatusCode::OK, Some(&answer))
        .expect("it is taken");
    net.log.clear();
    net.run(Duration::from_secs(40));
    assert_eq!((net.count("491"), net.count("BYE")), (0, 0));
    assert_established(&mut net);
    assert_eq!(net.alice().call().active_remote_description(), Some(&answer));
}

#[test]
fn section_3_1_5_a_reinvite_overtakes_the_ack_that_has_the_answer() {
    let mut net = Net::pair();
    let mut invite = invite_to(&[net.bob().address]);
    invite.offer = None;
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    lose(&mut net, b"ACK", 1);
    let now = net.now;
    let offer = Body::sdp("offer 1");
    net.bob().call().accept(now, Some(&offer)).expect("incoming");
    net.run(SHORT);
    let now = net.now;
    let answer = Body::sdp("answer 1");
    net.alice().call().accept(now, Some(&answer)).expect("wanted");
    let offer = Body::sdp("offer 2");
    net.alice().call().reinvite(now, Some(offer)).expect("confirmed");
    net.run(SHORT);
    assert_eq!(net.count("491 Request Pending"), 1);
    net.run(T1 * 2);
    assert_eq!(net.bob().descriptions(), ["Answer answer 1"]);
    assert_eq!(net.alice().call().state(), Reinviting, "it will be sent again");
}

#[test]
fn section_3_1_6_a_bye_overtakes_the_repeated_ack() {
    let mut net = Net::pair();
    net.call();
    lose(&mut net, b"ACK", 1);
    net.accept(Some("answer"));
    net.run(SHORT);
    assert_eq!(net.bob().call().state(), Connecting);
    net.end(0);
    net.run(SHORT);
    assert_eq!(ended(net.bob()).map(|(by, _)| by), Some(Originator::Remote));
    assert_over(&mut net);
}

#[test]
fn section_3_2_1_two_byes_cross() {
    let mut net = Net::established();
    net.end(0);
    net.end(1);
    net.run(SHORT);
    assert_eq!((net.count("BYE"), net.count("SIP/2.0 200 OK")), (2, 2));
    assert_over(&mut net);
}

#[test]
fn section_3_2_2_a_reinvite_crosses_a_bye() {
    let mut net = Net::established();
    net.end(0);
    let now = net.now;
    let offer = Body::sdp("x");
    net.bob().call().reinvite(now, Some(offer)).expect("confirmed");
    net.run(SHORT);
    assert_eq!(net.count("481 Call/Transaction Does Not Exist"), 1);
    assert_over(&mut net);
}

#[test]
fn section_3_2_3_the_200_to_a_reinvite_crosses_a_bye() {
    let mut net = Net::established();
    let now = net.now;
    let offer = Body::sdp("x");
    net.alice().call().reinvite(now, Some(offer)).expect("confirmed");
    net.run(SHORT);
    net.answer_reinvite(1, StatusCode::OK, Some("y"));
    net.drain();
    net.end(0);
    net.log.clear();
    net.run(SHORT);
    assert_eq!(net.count("ACK"), 1, "the 200 gets its ACK all the same");
    assert_over(&mut net);
}

#[test]
fn section_3_2_4_the_ack_crosses_a_bye_of_the_callee() {
    let mut net = Net::pair();
    net.call();
    net.accept(Some("answer"));
    net.run(Duration::from_millis(15));
    net.end(1);
    net.run(SHORT);
    // RFC 3261 §15: the callee waits for the ACK before it sends BYE.
    let lines: Vec<&str> = net.log.iter().map(|(_, _, line)| line.as_str()).collect();
    let ack = lines.iter().position(|line| line.starts_with("ACK"));
    let bye = lines.iter().position(|line| line.starts_with("BYE"));
    assert!(ack < bye, "{lines:?}");
    assert_over(&mut net);
}

#[test]
fn section_3_3_1_two_reinvites_cross() {
    let mut net = Net::established();
    let now = net.now;
    for who in [0, 1] {
        let offer = Body::sdp(format!("of {who}"));
        net.peers[who]
            .call()
            .reinvite(now, Some(offer))
            .expect("confirmed");
    }
    net.run(SHORT);
    assert_eq!(net.count("491 Request Pending"), 2);
    net.log.clear();
    // Bob first: he is not the owner of the Call-ID.
    net.run(Duration::from_millis(2050));
    assert!(net.count("INVITE sip:alice") > 0);
    assert_eq!(net.count("INVITE sip:bob"), 0);
}

#[test]
fn section_3_3_2_an_update_crosses_a_reinvite() {
    let mut net = Net::established();
    let now = net.now;
    let offer = Body::sdp("hold");
    net.alice()
        .call()
        .update(now, Some(offer), &[])
        .expect("confirmed");
    let offer = Body::sdp("refresh");
    net.bob().call().reinvite(now, Some(offer)).expect("confirmed");
    net.run(SHORT);
    assert_eq!(net.count("491 Request Pending"), 2);
    net.run(Duration::from_millis(2050));
    net.answer_reinvite(0, StatusCode::OK, Some("refreshed"));
    net.run(Duration::from_secs(2));
    net.answer_update(1, Some("held"));
    net.run(SHORT);
    assert_established(&mut net);
    let held = Body::sdp("held");
    assert_eq!(net.alice().call().active_remote_description(), Some(&held));
}

#[test]
fn section_3_3_2_a_refresh_by_reinvite_crosses_an_update() {
    let mut config = EndpointConfig {
        session_timer: Some(SessionTimerConfig {
            expires: 200,
            min_se: 90,
        }),
        ..EndpointConfig::default()
    };
    let alice = Peer::with_config(ALICE, 1, config.clone());
    config.allow.retain(|method| *method != Method::Update);
    let mut net = Net::new(vec![alice, Peer::with_config(BOB, 2, config)]);
    net.call();
    net.accept(Some("answer"));
    net.run(SHORT);
    net.run(Duration::from_millis(99_800));
    // Alice's refresh and Bob's change meet.
    let now = net.now;
    let offer = Body::sdp("change");
    net.bob().call().reinvite(now, Some(offer)).expect("confirmed");
    net.run(Duration::from_secs(1));
    let now = net.now;
    let answer = Body::sdp("changed");
    let answered = net
        .alice()
        .call()
        .respond_to_reinvite(now, StatusCode::OK, Some(&answer));
    answered.expect("reinvited");
    net.run(Duration::from_secs(30));
    assert_eq!(net.alice().call().state(), Confirmed);
}

#[test]
fn section_3_3_3_a_refer_crosses_a_bye() {
    let mut config = EndpointConfig::default();
    config.allow.push(Method::Refer);
    let peer = |address, seed| Peer::with_config(address, seed, config.clone());
    let mut net = Net::new(vec![peer(ALICE, 1), peer(BOB, 2)]);
    net.call();
    net.accept(Some("answer"));
    net.run(SHORT);
    net.end(0);
    let now = net.now;
    let wish = Refer::new("sip:carol@192.0.2.3".parse().expect("a URI"));
    net.bob().call().refer(now, &wish).expect("confirmed");
    net.run(SHORT);
    assert_eq!(net.count("481 Call/Transaction Does Not Exist"), 1);
    let answered = net.bob().invitation_events().any(|event| {
        matches!(event, InvitationEvent::ReferAnswered { cause, is_subscribed: false, .. }
            if cause.status() == Some(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST))
    });
    assert!(answered);
    assert_over(&mut net);
}

/// Not a section of its own, but the one thing that all of them rest on (RFC 5407 §2).
#[test]
fn an_early_call_that_is_accepted_after_all_is_established() {
    let mut net = Net::pair();
    net.call();
    net.ring();
    net.run(SHORT);
    assert_eq!(net.alice().call().state(), Early);
    net.accept(Some("answer"));
    net.run(SHORT);
    assert_established(&mut net);
}
