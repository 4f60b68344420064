//! Reliable provisional responses (RFC 3262) and early media between two endpoints in virtual time.

mod support;

use offhook_sip_core::InvitationState::{Confirmed, Connecting, Disconnected, Early, Reinviting};
use offhook_sip_core::{
    Body, CommandError, Endpoint, EndpointConfig, InvitationEvent, Reliability, StatusCode,
};
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer, invite_to};

const SHORT: Duration = Duration::from_millis(100);
const SESSION_PROGRESS: StatusCode = StatusCode::SESSION_PROGRESS;

fn with(alice: Reliability, bob: Reliability) -> Net {
    let config = |reliability| EndpointConfig {
        reliability,
        ..EndpointConfig::default()
    };
    Net::new(vec![
        Peer::with_config(ALICE, 1, config(alice)),
        Peer::with_config(BOB, 2, config(bob)),
    ])
}

fn reliable() -> Net {
    with(Reliability::Supported, Reliability::Preferred)
}

fn early(peer: &Peer) -> Vec<String> {
    peer.invitation_events()
        .filter_map(|event| match event {
            InvitationEvent::EarlyDescription {
                kind,
                body,
                is_reliable,
                ..
            } => Some(format!(
                "{kind:?} {} {is_reliable}",
                String::from_utf8_lossy(&body.bytes)
            )),
            _ => None,
        })
        .collect()
}

fn negotiated(peer: &Peer) -> Vec<String> {
    peer.invitation_events()
        .filter_map(|event| match event {
            InvitationEvent::Negotiated { local, remote } => Some(format!(
                "{} {}",
                String::from_utf8_lossy(&local.bytes),
                String::from_utf8_lossy(&remote.bytes)
            )),
            InvitationEvent::NegotiationFailed { reason } => Some(format!("failed: {reason}")),
            _ => None,
        })
        .collect()
}

fn progress(net: &mut Net, body: Option<&'static str>) {
    let now = net.now;
    let body = body.map(Body::sdp);
    net.bob()
        .call()
        .respond_provisionally(now, SESSION_PROGRESS, body.as_ref())
        .expect("incoming");
    net.run(SHORT);
}

fn accept(net: &mut Net, body: Option<&'static str>) {
    let now = net.now;
    let body = body.map(Body::sdp);
    net.bob().call().accept(now, body.as_ref()).expect("incoming");
    net.run(SHORT);
}

#[test]
fn a_response_with_the_answer_is_acknowledged_and_the_200_has_none() {
    let mut net = reliable();
    net.call();
    progress(&mut net, Some("answer"));
    assert_eq!(net.count("PRACK"), 1);
    assert_eq!(early(net.alice()), ["Answer answer true"]);
    assert_eq!(negotiated(net.bob()), ["answer offer"]);
    accept(&mut net, Some("not sent"));
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
    assert_eq!(net.alice().descriptions(), ["Answer answer"]);
    assert_eq!(negotiated(net.alice()), ["offer answer"]);
}

#[test]
fn who_sends_reliably_depends_on_both_policies() {
    use Reliability::{Off, Preferred, Required, Supported};
    let check = |alice, bob, pracks: usize, refusal: Option<&str>| {
        let mut net = with(alice, bob);
        net.call();
        if let Some(status) = refusal {
            assert_eq!(net.count(status), 1, "{alice:?} {bob:?}");
            return;
        }
        progress(&mut net, None);
        assert_eq!(net.count("PRACK"), pracks, "{alice:?} {bob:?}");
    };
    check(Off, Supported, 0, None);
    check(Off, Preferred, 0, None);
    check(Off, Required, 0, Some("421 Extension Required"));
    check(Supported, Off, 0, None);
    check(Supported, Supported, 0, None);
    check(Supported, Preferred, 1, None);
    check(Supported, Required, 1, None);
    check(Required, Off, 0, Some("420 Bad Extension"));
    check(Required, Supported, 1, None);
    check(Required, Preferred, 1, None);
}

#[test]
fn it_is_repeated_at_doubled_intervals_until_its_prack_and_given_up_with_504() {
    let mut net = reliable();
    net.call();
    net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"PRACK"));
    net.log.clear();
    let start = net.now;
    progress(&mut net, None);
    net.run(Duration::from_secs(40));
    let base = (start - net.start).as_millis();
    let times: Vec<u128> = net
        .sent_to(ALICE)
        .iter()
        .filter(|(_, line)| line.contains("183"))
        .map(|(at, _)| at - base)
        .collect();
    assert_eq!(times, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(net.count("504"), 1);
    assert_eq!(net.bob().states().last(), Some(&Disconnected));
}

#[test]
fn the_next_waits_for_the_prack_of_the_one_before() {
    let mut net = reliable();
    net.call();
    net.log.clear();
    let now = net.now;
    for _ in 0..3 {
        net.bob()
            .call()
            .respond_provisionally(now, SESSION_PROGRESS, None)
            .expect("incoming");
    }
    net.drain();
    assert_eq!(net.count("183"), 1);
    net.run(Duration::from_millis(200));
    assert_eq!((net.count("183"), net.count("PRACK")), (3, 3));
    assert_eq!(
        net.alice()
            .states()
            .iter()
            .filter(|state| **state == Early)
            .count(),
        3
    );
}

#[test]
fn a_repeated_response_is_not_told_twice_and_its_prack_is_repeated_by_itself() {
    let mut net = reliable();
    net.call();
    let mut lost = 0;
    net.fate = Box::new(move |transmit| {
        lost += usize::from(transmit.bytes.starts_with(b"PRACK"));
        !transmit.bytes.starts_with(b"PRACK") || lost > 1
    });
    progress(&mut net, Some("answer"));
    net.run(Duration::from_secs(2));
    assert_eq!(early(net.alice()).len(), 1);
    assert_eq!(net.count("PRACK"), 2);
}

#[test]
fn a_200_waits_for_the_prack_of_a_response_with_a_description() {
    let mut net = reliable();
    net.call();
    net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"PRACK"));
    progress(&mut net, Some("answer"));
    accept(&mut net, None);
    assert_eq!(net.bob().call().state(), Connecting);
    assert_eq!(net.alice().call().state(), Early);
    net.fate = Box::new(|_| true);
    net.run(Duration::from_secs(2));
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
}

#[test]
fn hanging_up_while_the_200_waits_refuses_the_call() {
    let mut net = reliable();
    net.call();
    net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"PRACK"));
    progress(&mut net, Some("answer"));
    accept(&mut net, None);
    net.end(1);
    net.run(SHORT);
    assert_eq!((net.count("603"), net.count("BYE")), (1, 0));
    assert_eq!(net.alice().states().last(), Some(&Disconnected));
}

#[test]
fn an_offer_in_a_reliable_response_is_answered_in_its_prack() {
    let mut net = reliable();
    let now = net.now;
    let mut invite = invite_to(&[net.bob().address]);
    invite.offer = None;
    net.alice().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    progress(&mut net, Some("offer of bob"));
    assert_eq!(early(net.alice()), ["Offer offer of bob true"]);
    assert_eq!(net.count("PRACK"), 0);
    let now = net.now;
    net.alice()
        .call()
        .accept(now, Some(&Body::sdp("answer of alice")))
        .expect("wanted");
    net.run(SHORT);
    assert_eq!(net.count("PRACK"), 1);
    assert_eq!(net.bob().descriptions(), ["Answer answer of alice"]);
    accept(&mut net, None);
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(negotiated(net.bob()), ["offer of bob answer of alice"]);
}

#[test]
fn a_prack_may_bring_a_new_offer() {
    let mut net = reliable();
    net.call();
    net.alice()
        .call()
        .offer_in_prack(Body::sdp("second offer"))
        .expect("calling");
    progress(&mut net, Some("answer"));
    let asked = net.bob().invitation_events().any(
        |event| matches!(event, InvitationEvent::Update { request } if request.body() == "second offer"),
    );
    assert!(asked);
    net.answer_update(1, Some("second answer"));
    net.run(SHORT);
    assert_eq!(
        early(net.alice()),
        ["Answer answer true", "Answer second answer true"]
    );
    accept(&mut net, None);
    assert_eq!(negotiated(net.alice()), ["second offer second answer"]);
}

#[test]
fn a_prack_for_nothing_gets_481_and_one_without_rack_400() {
    let mut net = reliable();
    net.call();
    progress(&mut net, None);
    let to = net.bob().call().dialog().expect("early").clone();
    let text = |rack: &str, number: u32| {
        let (id, branch) = (to.id(), number);
        format!(
            "PRACK sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bKp{branch}\nMax-Forwards: 70\n\
             From: <sip:alice@a.test>;tag={}\nTo: <sip:bob@b.test>;tag={}\nCall-ID: {}\nCSeq: {number} PRACK\n{rack}\n",
            String::from_utf8_lossy(&id.remote_tag),
            String::from_utf8_lossy(&id.local_tag),
            String::from_utf8_lossy(&id.call_id)
        )
    };
    let answer = net.inject_raw(1, ALICE, &text("RAck: 1 1 INVITE\n", 50));
    assert!(answer.expect("an answer").starts_with("SIP/2.0 481 "));
    let answer = net.inject_raw(1, ALICE, &text("", 51));
    assert!(answer.expect("an answer").starts_with("SIP/2.0 400 "));
}

#[test]
fn early_media_without_reliability_is_a_first_form_of_the_answer() {
    let mut net = Net::pair();
    net.call();
    progress(&mut net, Some("early answer"));
    assert_eq!(early(net.alice()), ["Answer early answer false"]);
    assert!(negotiated(net.alice()).is_empty());
    accept(&mut net, Some("answer"));
    assert_eq!(net.alice().descriptions(), ["Answer answer"]);
    assert_eq!(negotiated(net.alice()), ["offer answer"]);
}

#[test]
fn update_before_the_call_is_answered_needs_a_reliable_response() {
    let mut net = Net::pair();
    net.call();
    progress(&mut net, Some("early answer"));
    let now = net.now;
    let refused = net.alice().call().update(now, Some(Body::sdp("x")), &[]);
    assert!(
        matches!(refused, Err(CommandError::IllegalState { .. })),
        "{refused:?}"
    );

    for who in [0, 1] {
        let mut net = reliable();
        net.call();
        progress(&mut net, Some("answer"));
        let now = net.now;
        net.peers[who]
            .call()
            .update(now, Some(Body::sdp("update")), &[])
            .expect("early");
        net.run(SHORT);
        let now = net.now;
        net.peers[1 - who]
            .call()
            .respond_to_update(now, StatusCode::OK, Some(&Body::sdp("updated")))
            .expect("asked");
        net.run(SHORT);
        accept(&mut net, None);
        assert_eq!(net.alice().call().state(), Confirmed);
        let call = net.peers[who].call();
        assert_eq!(
            call.active_remote_description(),
            Some(&Body::sdp("updated")),
            "{who}"
        );
    }
}

#[test]
fn what_no_prack_will_come_for_leaves_nothing_behind() {
    let mut net = reliable();
    net.call();
    progress(&mut net, Some("answer"));
    net.end(0);
    net.run(Duration::from_secs(80));
    for peer in &net.peers {
        let endpoint: &Endpoint = &peer.endpoint;
        assert_eq!(endpoint.invitation_count(), 0);
        assert_eq!(endpoint.poll_timeout(), None);
    }
    assert_eq!(early(net.alice()).len(), 1);
}

/// RFC 6141 §3.3: what both sides have agreed upon is not refused any more.
#[test]
fn a_reinvite_whose_changes_are_executed_is_not_refused() {
    let mut net = reliable();
    net.call();
    net.accept(Some("answer"));
    net.run(SHORT);
    net.reinvite(0, Some("offer 2"));
    net.run(SHORT);
    let now = net.now;
    let answer = Body::sdp("answer 2");
    net.bob()
        .call()
        .respond_to_reinvite(now, SESSION_PROGRESS, Some(&answer))
        .expect("reinvited");
    net.run(SHORT);
    assert_eq!(net.count("PRACK"), 1);
    let now = net.now;
    let bob = net.bob();
    let refused = bob.call().respond_to_reinvite(now, StatusCode::DECLINE, None);
    assert_eq!(refused, Err(CommandError::ChangesExecuted));
    bob.call()
        .respond_to_reinvite(now, StatusCode::OK, None)
        .expect("it waits still");
    net.run(SHORT);
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
    let local = net.bob().call().active_local_description().cloned();
    assert_eq!(local, Some(answer));
}

/// RFC 6141 §3.4: a peer that refuses all the same leaves us apart, and the owner is told to make it up.
#[test]
fn a_reinvite_that_is_refused_after_its_changes_were_executed_says_so() {
    let mut net = reliable();
    net.call();
    net.accept(Some("answer"));
    net.run(SHORT);
    let sent = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let kept = sent.clone();
    net.fate = Box::new(move |transmit| {
        if transmit.bytes.starts_with(b"INVITE ") {
            *kept.borrow_mut() = String::from_utf8_lossy(&transmit.bytes).into_owned();
        }
        true
    });
    net.reinvite(0, Some("offer 2"));
    net.run(SHORT);
    let now = net.now;
    let answer = Body::sdp("answer 2");
    net.bob()
        .call()
        .respond_to_reinvite(now, SESSION_PROGRESS, Some(&answer))
        .expect("reinvited");
    net.run(SHORT);
    let refusal = support::wire::answer(&sent.borrow(), 488, "");
    net.inject(0, BOB, &refusal);
    let told = net.alice().invitation_events().find_map(|event| match event {
        InvitationEvent::ReinviteFailed { was_executed, .. } => Some(*was_executed),
        _ => None,
    });
    assert_eq!(told, Some(true));
    assert_eq!(net.alice().call().state(), Confirmed);
}

/// The call is established, and Alice asks Bob for an offer, which he makes in a reliable response.
fn offered_reliably() -> Net {
    let mut net = reliable();
    net.call();
    accept(&mut net, Some("answer"));
    net.log.clear();
    net.reinvite(0, None);
    net.alice().events.clear();
    net.run(SHORT);
    net.answer_reinvite(1, SESSION_PROGRESS, Some("offer of bob"));
    net.run(SHORT);
    net
}

/// RFC 3262 §5: an offer in a reliable response is answered in its PRACK, inside a call as before it.
#[test]
fn an_offer_in_a_reliable_response_to_a_reinvite_is_answered_in_its_prack() {
    let mut net = offered_reliably();
    assert_eq!(net.alice().descriptions(), ["Offer offer of bob"]);
    assert_eq!(net.count("PRACK"), 0);
    let now = net.now;
    let answer = Body::sdp("answer of alice");
    net.alice().call().accept(now, Some(&answer)).expect("wanted");
    net.run(SHORT);
    assert_eq!(net.count("PRACK"), 1);
    assert!(net.sent_to(BOB).iter().all(|(_, line)| !line.starts_with("ACK")));
    assert_eq!(net.alice().call().state(), Reinviting);
    let again = net.alice().call().accept(now, Some(&answer));
    assert!(
        matches!(again, Err(CommandError::IllegalState { .. })),
        "{again:?}"
    );
    net.answer_reinvite(1, StatusCode::OK, Some("not sent"));
    net.run(SHORT);
    for (who, local, remote) in [
        (0, "answer of alice", "offer of bob"),
        (1, "offer of bob", "answer of alice"),
    ] {
        let call = net.peers[who].call();
        assert_eq!(call.state(), Confirmed);
        assert_eq!(call.active_local_description(), Some(&Body::sdp(local)));
        assert_eq!(call.active_remote_description(), Some(&Body::sdp(remote)));
        assert!(call.offered_remote_description().is_none());
    }
    assert_eq!(negotiated(net.alice()), ["answer of alice offer of bob"]);
}

/// RFC 3262 §3: without a PRACK for its offer the peer gives up, and the session stays as it was.
#[test]
fn an_offer_in_a_reliable_response_to_a_reinvite_that_nobody_answers_fails_alone() {
    let mut net = offered_reliably();
    net.run(Duration::from_secs(40));
    assert_eq!(net.count("PRACK"), 0);
    assert_eq!(net.count("504"), 1);
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
    assert_eq!(negotiated(net.alice()), ["failed: Server Time-out"]);
    let refused = net.alice().call().offered_remote_description().cloned();
    assert_eq!(refused, None);
}

/// RFC 3262 §3: each reliable response to a re-INVITE is acknowledged, with or without a description.
#[test]
fn every_reliable_response_to_a_reinvite_gets_a_prack() {
    let mut net = reliable();
    net.call();
    accept(&mut net, Some("answer"));
    net.log.clear();
    net.reinvite(0, Some("offer 2"));
    net.run(SHORT);
    for (pracks, body) in [(1, None), (2, Some(Body::sdp("answer 2"))), (3, None)] {
        let now = net.now;
        net.bob()
            .call()
            .respond_to_reinvite(now, SESSION_PROGRESS, body.as_ref())
            .expect("reinvited");
        net.run(SHORT);
        assert_eq!(net.count("PRACK"), pracks);
    }
    assert_eq!(net.count("200 OK"), 3);
}
