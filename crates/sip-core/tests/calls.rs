//! Calls between two endpoints in virtual time (RFC 3665 flows, RFC 3261 §9, §13, §15).

mod support;

use offhook_sip_core::InvitationState::{
    Calling, Confirmed, Connecting, Disconnected, Disconnecting, Early, Incoming,
};
use offhook_sip_core::invitation::{Cause, Originator};
use offhook_sip_core::{Body, CommandError, InvitationEvent, InvitationState, StatusCode};
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer, invite_to};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(40);

fn ended(peer: &Peer) -> (Originator, Option<u16>) {
    peer.invitation_events()
        .find_map(|event| match event {
            InvitationEvent::Ended { by, cause } => Some((*by, cause.status().map(StatusCode::as_u16))),
            _ => None,
        })
        .expect("the call has ended")
}

fn assert_forgotten(net: &mut Net) {
    net.run(LONG);
    for peer in &net.peers {
        assert_eq!(peer.endpoint.invitation_count(), 0);
        assert_eq!(peer.endpoint.transactions().client_count(), 0);
        assert_eq!(peer.endpoint.transactions().server_count(), 0);
        assert_eq!(peer.endpoint.poll_timeout(), None);
    }
}

#[test]
fn a_call_rings_is_answered_and_is_ended_by_the_caller() {
    let mut net = Net::pair();
    net.call();
    net.ring();
    net.run(SHORT);
    net.accept(Some("answer"));
    net.run(SHORT);
    assert_eq!(net.alice().states(), [Calling, Early, Connecting, Confirmed]);
    assert_eq!(net.bob().states(), [Incoming, Early, Connecting, Confirmed]);
    assert_eq!(net.alice().descriptions(), ["Answer answer"]);
    assert_eq!(net.bob().descriptions(), ["Offer offer"]);

    net.end(0);
    net.run(SHORT);
    assert_eq!(net.alice().states()[4..], [Disconnecting, Disconnected]);
    assert_eq!(net.bob().states()[4..], [Disconnected]);
    assert_eq!(ended(net.alice()), (Originator::Local, Some(200)));
    assert_eq!(ended(net.bob()), (Originator::Remote, None));
    let lines: Vec<&str> = net.sent_to(BOB).into_iter().map(|(_, line)| line).collect();
    assert_eq!(
        lines,
        [
            "INVITE sip:bob@b.test SIP/2.0",
            "ACK sip:bob@192.0.2.2:5060 SIP/2.0",
            "BYE sip:bob@192.0.2.2:5060 SIP/2.0"
        ]
    );
    assert_forgotten(&mut net);
}

#[test]
fn the_callee_ends_it_as_well() {
    let mut net = Net::established();
    net.end(1);
    net.run(SHORT);
    assert_eq!(ended(net.alice()).0, Originator::Remote);
    assert_eq!(ended(net.bob()), (Originator::Local, Some(200)));
    assert_eq!(net.sent_to(ALICE)[0].1, "BYE sip:alice@192.0.2.1:5060 SIP/2.0");
    assert_forgotten(&mut net);
}

#[test]
fn both_hang_up_at_once_and_both_are_content() {
    let mut net = Net::established();
    net.end(0);
    net.end(1);
    net.run(SHORT);
    assert_eq!(ended(net.alice()).0, Originator::Local);
    assert_eq!(ended(net.bob()).0, Originator::Local);
    assert_eq!(net.count("481"), 0);
    assert_forgotten(&mut net);
}

#[test]
fn a_busy_callee_says_so_with_a_reason_and_headers_of_its_own() {
    let mut net = Net::pair();
    net.call();
    let now = net.now;
    let retry = [("Retry-After".to_owned(), "30".to_owned())];
    net.bob()
        .call()
        .reject(now, StatusCode::BUSY_HERE, Some("On the phone"), &retry)
        .expect("incoming");
    net.run(SHORT);
    assert_eq!(net.alice().states(), [Calling, Disconnected]);
    assert_eq!(ended(net.alice()), (Originator::Remote, Some(486)));
    let cause = net.alice().invitation_events().find_map(|event| match event {
        InvitationEvent::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    });
    let cause = cause.expect("ended");
    assert_eq!(cause.reason(), "On the phone");
    assert_eq!(
        cause.headers().and_then(|headers| headers.get_str("Retry-After")),
        Some("30")
    );
    assert_eq!(net.count("ACK"), 1);
    assert_forgotten(&mut net);
}

#[test]
fn a_caller_that_gives_up_while_it_rings_cancels() {
    let mut net = Net::pair();
    net.call();
    net.ring();
    net.run(SHORT);
    net.end(0);
    net.run(SHORT);
    assert_eq!(
        net.alice().states(),
        [Calling, Early, Disconnecting, Disconnected]
    );
    assert_eq!(ended(net.alice()), (Originator::Local, Some(487)));
    assert_eq!(ended(net.bob()).0, Originator::Remote);
    assert_eq!(net.count("CANCEL sip:bob@b.test"), 1);
    assert_forgotten(&mut net);
}

#[test]
fn a_cancel_waits_for_the_first_provisional_response() {
    let mut net = Net::pair();
    let bob = net.bob().address;
    let now = net.now;
    net.alice().endpoint.invite(now, invite_to(&[bob])).expect("sent");
    net.drain();
    net.alice().call().end(now).expect("calling");
    net.run(Duration::from_millis(150));
    assert_eq!(net.count("CANCEL"), 0, "Bob's 100 comes after 200 ms");
    net.run(Duration::from_millis(150));
    assert_eq!(net.count("CANCEL"), 1);
    assert_eq!(ended(net.alice()), (Originator::Local, Some(487)));
    assert_forgotten(&mut net);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut net = Net::pair();
    net.call();
    net.ring();
    net.run(SHORT);
    net.end(0);
    net.accept(Some("answer"));
    net.run(SHORT);
    assert_eq!(
        (net.count("CANCEL"), net.count("ACK"), net.count("BYE")),
        (1, 1, 1)
    );
    assert_eq!(
        net.alice().states(),
        [Calling, Early, Disconnecting, Disconnected]
    );
    assert_eq!(
        net.bob().states(),
        [Incoming, Early, Connecting, Confirmed, Disconnected]
    );
    assert_forgotten(&mut net);
}

#[test]
fn nobody_there_is_a_timeout_after_64_t1() {
    let mut net = Net::pair();
    net.fate = Box::new(|_| false);
    net.call();
    net.run(LONG);
    assert_eq!(net.count("INVITE"), 7);
    assert_eq!(ended(net.alice()), (Originator::Local, Some(408)));
    assert_forgotten(&mut net);
}

#[test]
fn a_call_to_a_dead_address_goes_on_to_the_next_route() {
    let mut net = Net::pair();
    let routes = ["192.0.2.99:5060", "192.0.2.98:5060", BOB].map(|text| text.parse().expect("valid"));
    let now = net.now;
    let id = net
        .alice()
        .endpoint
        .invite(now, invite_to(&routes))
        .expect("sent");
    net.drain();
    let path = net.alice().endpoint.invitation(id).expect("lives").path();
    net.alice().endpoint.handle_transport_error(now, path);
    net.run(SHORT);
    assert_eq!(
        net.sent_to("192.0.2.98:5060").len(),
        1,
        "the first route failed at once"
    );
    net.run(LONG);
    assert_eq!(net.bob().states(), [Incoming], "the second timed out");
    assert_eq!(net.alice().states()[0], Calling);
}

#[test]
fn a_503_goes_on_to_the_next_route_and_a_486_does_not() {
    for (status, reaches_bob) in [
        (StatusCode::SERVICE_UNAVAILABLE, true),
        (StatusCode::BUSY_HERE, false),
    ] {
        let carol = "192.0.2.3:5060";
        let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::new(BOB, 2), Peer::new(carol, 3)]);
        let routes = [carol, BOB].map(|text| text.parse().expect("valid"));
        let now = net.now;
        net.alice()
            .endpoint
            .invite(now, invite_to(&routes))
            .expect("sent");
        net.run(SHORT);
        let now = net.now;
        net.peers[2]
            .call()
            .reject(now, status, None, &[])
            .expect("incoming");
        net.run(SHORT);
        assert_eq!(!net.bob().events.is_empty(), reaches_bob);
    }
}

#[test]
fn without_an_address_of_the_right_family_nothing_is_sent() {
    let mut net = Net::pair();
    let now = net.now;
    let route = "[2001:db8::1]:5060".parse().expect("valid");
    let error = net.alice().endpoint.invite(now, invite_to(&[route]));
    assert!(matches!(error, Err(CommandError::Send(_))), "{error:?}");
    assert_eq!(net.alice().endpoint.invitation_count(), 0);
}

#[test]
fn a_lost_200_is_repeated_and_acknowledged_each_time() {
    let mut net = Net::pair();
    net.call();
    let mut lost = 0;
    net.fate = Box::new(move |transmit| {
        let is_ack = transmit.bytes.starts_with(b"ACK");
        lost += usize::from(is_ack);
        !is_ack || lost > 3
    });
    net.accept(Some("answer"));
    net.run(Duration::from_secs(10));
    assert_eq!(net.count("ACK"), 4);
    assert_eq!(net.count("200 OK"), 4);
    let times: Vec<u128> = net
        .sent_to(ALICE)
        .into_iter()
        .filter(|(_, line)| line.contains("200"))
        .map(|(at, _)| at - 50)
        .collect();
    assert_eq!(times, [0, 500, 1500, 3500]);
    assert_eq!(net.bob().states(), [Incoming, Connecting, Confirmed]);
    assert_eq!(net.alice().states(), [Calling, Connecting, Confirmed]);
}

#[test]
fn without_any_ack_the_callee_ends_the_call_with_a_reason() {
    let mut net = Net::pair();
    net.call();
    net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"ACK"));
    net.accept(Some("answer"));
    net.run(LONG);
    assert_eq!(ended(net.bob()), (Originator::Local, Some(408)));
    let reason = net.alice().invitation_events().find_map(|event| match event {
        InvitationEvent::Ended { cause, .. } => cause.reason_header().map(str::to_owned),
        _ => None,
    });
    assert_eq!(reason.as_deref(), Some("SIP;cause=500;text=\"Missing ACK\""));
    assert_forgotten(&mut net);
}

#[test]
fn a_callee_that_hangs_up_before_the_ack_waits_for_it() {
    let mut net = Net::pair();
    net.call();
    net.accept(Some("answer"));
    net.end(1);
    net.drain();
    assert_eq!(net.count("BYE"), 0);
    net.run(SHORT);
    assert_eq!(net.count("BYE"), 1);
    assert_eq!(
        net.bob().states(),
        [Incoming, Connecting, Disconnecting, Disconnected]
    );
    assert_forgotten(&mut net);
}

#[test]
fn and_when_the_ack_never_comes_it_says_goodbye_all_the_same() {
    let mut net = Net::pair();
    net.call();
    net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"ACK"));
    net.accept(Some("answer"));
    net.end(1);
    net.run(Duration::from_secs(5));
    assert_eq!(ended(net.bob()), (Originator::Local, Some(408)));
    assert_eq!(ended(net.alice()), (Originator::Remote, None));
    assert_forgotten(&mut net);
}

#[test]
fn an_invite_without_offer_gets_the_offer_in_the_200_and_the_answer_in_the_ack() {
    let mut net = Net::pair();
    let bob = net.bob().address;
    let now = net.now;
    let mut invite = invite_to(&[bob]);
    invite.offer = None;
    net.alice().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    net.accept(Some("their offer"));
    net.run(SHORT);
    assert_eq!(net.alice().states(), [Calling, Connecting]);
    assert_eq!(net.alice().descriptions(), ["Offer their offer"]);
    let now = net.now;
    net.alice()
        .call()
        .accept(now, Some(&Body::sdp("my answer")))
        .expect("connecting");
    net.run(SHORT);
    assert_eq!(net.alice().call().state(), Confirmed);
    assert_eq!(net.bob().call().state(), Confirmed);
    assert_eq!(net.bob().descriptions(), ["Answer my answer"]);
}

#[test]
fn early_media_comes_with_a_provisional_response() {
    let mut net = Net::pair();
    net.call();
    let now = net.now;
    net.bob()
        .call()
        .respond_provisionally(now, StatusCode::SESSION_PROGRESS, Some(&Body::sdp("early")))
        .expect("incoming");
    net.run(SHORT);
    let body = net.alice().invitation_events().find_map(|event| match event {
        InvitationEvent::Provisional { response } => Some((response.status(), response.body().clone())),
        _ => None,
    });
    assert_eq!(body, Some((StatusCode::SESSION_PROGRESS, "early".into())));
}

#[test]
fn a_ringing_phone_is_heard_of_again_each_minute() {
    let mut net = Net::pair();
    net.call();
    net.ring();
    net.run(Duration::from_secs(150));
    assert_eq!(net.count("180 Ringing"), 3);
    assert_eq!(net.alice().states(), [Calling, Early, Early, Early]);
}

#[test]
fn a_peer_that_vanished_is_given_up_on_after_the_end_timeout() {
    let mut net = Net::established();
    net.fate = Box::new(|_| false);
    net.end(0);
    net.run(Duration::from_millis(3400));
    assert_eq!(net.alice().call().state(), Disconnecting);
    net.run(SHORT);
    assert_eq!(ended(net.alice()), (Originator::Local, Some(408)));
    net.run(LONG);
    assert_eq!(net.alice().endpoint.invitation_count(), 0);
}

#[test]
fn commands_in_the_wrong_state_say_which_state_and_which_command() {
    let mut net = Net::established();
    let now = net.now;
    let check = |result: Result<(), CommandError>, state: InvitationState, command: &'static str| {
        assert_eq!(result, Err(CommandError::IllegalState { state, command }));
    };
    check(net.alice().call().ring(now), Confirmed, "respond_provisionally");
    check(net.alice().call().accept(now, None), Confirmed, "accept");
    check(
        net.bob().call().reject(now, StatusCode::BUSY_HERE, None, &[]),
        Confirmed,
        "reject",
    );
    check(
        net.bob().call().cancel_reinvite(now),
        Confirmed,
        "cancel_reinvite",
    );
    check(
        net.bob().call().respond_to_reinvite(now, StatusCode::OK, None),
        Confirmed,
        "respond_to_reinvite",
    );
    net.alice().call().end(now).expect("confirmed");
    check(net.alice().call().end(now), Disconnecting, "end");
    check(net.alice().call().reinvite(now, None), Disconnecting, "reinvite");
    assert_eq!(net.log.len(), 0);
}

#[test]
fn half_of_all_messages_may_get_lost() {
    for seed in 0..20 {
        let mut net = Net::pair();
        let mut entropy = offhook_sansio::Entropy::from_number(seed);
        net.fate = Box::new(move |_| entropy.below(2) == 0);
        net.call();
        net.run(Duration::from_secs(8));
        if net.bob().events.is_empty() {
            continue;
        }
        let now = net.now;
        if net.bob().call().accept(now, Some(&Body::sdp("answer"))).is_err() {
            continue;
        }
        net.run(Duration::from_secs(20));
        if net.alice().call().state() == Confirmed {
            net.end(0);
        }
        net.run(LONG * 2);
        assert_forgotten(&mut net);
    }
}

#[test]
fn over_tcp_nothing_is_repeated_but_the_200_and_nothing_lingers_but_the_invite() {
    let mut net = Net::pair();
    net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"ACK"));
    let bob = net.bob().address;
    let now = net.now;
    let mut invite = invite_to(&[bob]);
    invite.routes[0].transport = offhook_sansio::Transport::Tcp;
    net.alice().endpoint.invite(now, invite).expect("sent");
    net.run(Duration::from_secs(10));
    assert_eq!(net.count("INVITE"), 1);
    let now = net.now;
    assert_eq!(net.bob().call().transport(), offhook_sansio::Transport::Tcp);
    net.bob()
        .call()
        .accept(now, Some(&Body::sdp("answer")))
        .expect("incoming");
    net.run(Duration::from_secs(2));
    assert_eq!(
        net.count("200 OK"),
        3,
        "RFC 3261 13.3.1.4 wants it over any transport"
    );
    let contact = net.alice().call().local_contact().to_string();
    assert_eq!(contact, "<sip:alice@192.0.2.1:5060;transport=tcp>");
    net.fate = Box::new(|_| true);
    net.run(Duration::from_secs(4));
    net.end(0);
    net.run(SHORT);
    assert_eq!(net.count("BYE"), 1);
    assert_eq!(
        net.alice().endpoint.transactions().client_count(),
        1,
        "the INVITE, in Accepted"
    );
    assert_forgotten(&mut net);
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let bytes = |seed: u64| {
        let sent = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let seen = sent.clone();
        let mut net = Net::new(vec![Peer::new(ALICE, seed), Peer::new(BOB, 2)]);
        net.fate = Box::new(move |transmit| {
            seen.borrow_mut().push(transmit.clone());
            true
        });
        net.call();
        net.accept(Some("answer"));
        net.run(SHORT);
        sent.take()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(3));
}

#[test]
fn the_cause_of_a_timeout_is_internal() {
    let mut net = Net::pair();
    net.fate = Box::new(|_| false);
    net.call();
    net.run(LONG);
    let cause = net.alice().invitation_events().last().cloned();
    assert!(
        matches!(
            cause,
            Some(InvitationEvent::Ended {
                cause: Cause::Internal { .. },
                ..
            })
        ),
        "{cause:?}"
    );
}
