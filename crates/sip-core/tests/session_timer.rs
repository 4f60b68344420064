//! Session timers (RFC 4028) between two endpoints in virtual time.

mod support;

use offhook_sip_core::InvitationState::{Confirmed, Disconnected};
use offhook_sip_core::invitation::Originator;
use offhook_sip_core::{Body, EndpointConfig, InvitationEvent, Method, SessionTimerConfig, StatusCode};
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer, invite_to};

const SHORT: Duration = Duration::from_millis(100);

fn config(expires: u32, min_se: u32) -> EndpointConfig {
    EndpointConfig {
        session_timer: Some(SessionTimerConfig { expires, min_se }),
        ..EndpointConfig::default()
    }
}

fn established(alice: EndpointConfig, bob: EndpointConfig) -> Net {
    let mut net = Net::new(vec![
        Peer::with_config(ALICE, 1, alice),
        Peer::with_config(BOB, 2, bob),
    ]);
    net.call();
    let now = net.now;
    let answer = Body::sdp("answer");
    net.bob().call().accept(now, Some(&answer)).expect("incoming");
    net.run(SHORT);
    assert_eq!(net.alice().call().state(), Confirmed);
    net.log.clear();
    net
}

fn without_update() -> EndpointConfig {
    let mut config = config(1800, 90);
    config.allow.retain(|method| *method != Method::Update);
    config
}

#[test]
fn the_caller_refreshes_by_update_at_half_of_the_interval_and_the_call_goes_on() {
    let mut net = established(config(1800, 90), config(1800, 90));
    assert_eq!(net.alice().call().session_interval(), Some((1800, true)));
    assert_eq!(net.bob().call().session_interval(), Some((1800, false)));
    net.run(Duration::from_secs(899));
    assert_eq!(net.count("UPDATE"), 0);
    net.run(Duration::from_hours(1));
    assert_eq!((net.count("UPDATE"), net.count("INVITE")), (4, 0));
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
}

#[test]
fn a_peer_without_update_is_refreshed_by_a_reinvite_that_changes_nothing() {
    let mut net = established(config(1800, 90), without_update());
    let states = net.alice().states();
    net.run(Duration::from_secs(901));
    assert_eq!((net.count("INVITE"), net.count("UPDATE")), (1, 0));
    let request = net
        .bob()
        .invitation_events()
        .find_map(|event| match event {
            InvitationEvent::Reinvite { request } => Some(request.clone()),
            _ => None,
        })
        .expect("the refresh is told to the peer's owner");
    assert_eq!(request.body(), "offer");
    net.answer_reinvite(1, StatusCode::OK, Some("answer"));
    net.run(Duration::from_secs(500));
    assert_eq!(net.alice().states(), states, "its own owner hears nothing");
    assert_eq!(net.bob().call().state(), Confirmed);
}

#[test]
fn the_callee_refreshes_where_the_caller_knows_no_timers() {
    let mut alice = config(1800, 90);
    alice.session_timer = None;
    let net = established(alice, config(1800, 90));
    // Nobody asked for a timer, and the caller could not keep it.
    let mut net = net;
    assert_eq!(net.bob().call().session_interval(), None);
    // A proxy may ask on its behalf (RFC 4028 §8).
    let mut alice = config(1800, 90);
    alice.session_timer = None;
    let mut net = Net::new(vec![
        Peer::with_config(ALICE, 1, alice),
        Peer::with_config(BOB, 2, config(1800, 90)),
    ]);
    let mut invite = invite_to(&[net.bob().address]);
    invite
        .extra_headers
        .push(("Session-Expires".to_owned(), "600".to_owned()));
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    let now = net.now;
    let answer = Body::sdp("answer");
    net.bob().call().accept(now, Some(&answer)).expect("incoming");
    net.run(SHORT);
    assert_eq!(net.bob().call().session_interval(), Some((600, true)));
    net.run(Duration::from_secs(301));
    assert_eq!(net.count("UPDATE sip:alice"), 1);
    assert_eq!(net.bob().call().state(), Confirmed);
}

#[test]
fn an_interval_that_is_too_short_is_refused_with_422_and_asked_for_again() {
    let mut net = established(config(120, 90), config(1800, 300));
    assert_eq!(net.alice().call().session_interval(), Some((300, true)));
    net.run(Duration::from_secs(151));
    assert_eq!(net.count("UPDATE"), 1);
}

#[test]
fn a_peer_that_died_is_given_up_on_before_the_end_of_the_interval() {
    for (who, seconds) in [(0, 1000), (1, 1769)] {
        let mut net = established(config(1800, 90), config(1800, 90));
        net.fate = Box::new(|_| false);
        net.run(Duration::from_secs(seconds));
        assert_eq!(net.peers[who].states().last(), Some(&Disconnected), "{who}");
        let ended = net.peers[who].invitation_events().find_map(|event| match event {
            InvitationEvent::Ended { by, cause } => Some((*by, cause.status())),
            _ => None,
        });
        assert_eq!(
            ended,
            Some((Originator::Local, Some(StatusCode::REQUEST_TIMEOUT)))
        );
        assert!(net.count("BYE") > 0);
    }
}

#[test]
fn any_change_of_the_session_counts_as_a_refresh() {
    let mut net = established(config(1800, 90), config(1800, 90));
    net.run(Duration::from_mins(10));
    net.reinvite(1, Some("hold"));
    net.run(SHORT);
    net.answer_reinvite(0, StatusCode::OK, Some("held"));
    net.run(SHORT);
    assert_eq!(
        net.alice().call().session_interval(),
        Some((1800, true)),
        "the roles stay"
    );
    net.log.clear();
    net.run(Duration::from_secs(890));
    assert_eq!(net.count("UPDATE"), 0);
    net.run(Duration::from_secs(20));
    assert_eq!(net.count("UPDATE"), 1);
}
