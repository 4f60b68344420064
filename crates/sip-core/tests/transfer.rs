//! REFER in both roles (RFC 3515, RFC 4488, RFC 5589) and Replaces (RFC 3891), in virtual time.

mod support;

use offhook_sansio::Transport;
use offhook_sip_core::InvitationState::{Confirmed, Disconnected, Incoming};
use offhook_sip_core::{
    Body, CommandError, EndpointConfig, EndpointEvent, HeaderName, InvitationEvent, InvitationId,
    InvitationMut, Invite, Method, Refer, ReferralId, Request, Route, StatusCode, Uri,
};
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer, invite_to};

const SHORT: Duration = Duration::from_millis(100);
const CAROL: &str = "192.0.2.3:5060";

/// Alice and Bob talk, and Carol is there.
fn established() -> Net {
    let mut config = EndpointConfig::default();
    config.allow.push(Method::Refer);
    let peer = |address, seed| Peer::with_config(address, seed, config.clone());
    let mut net = Net::new(vec![peer(ALICE, 1), peer(BOB, 2), peer(CAROL, 3)]);
    net.call();
    accept(&mut net, 1);
    assert_eq!(net.alice().call().state(), Confirmed);
    net.log.clear();
    net
}

fn accept(net: &mut Net, who: usize) {
    let now = net.now;
    let answer = Body::sdp("answer");
    let id = newest_incoming(net, who);
    call(net, who, id).accept(now, Some(&answer)).expect("incoming");
    net.run(SHORT);
}

fn carol() -> Uri {
    "sip:carol@192.0.2.3".parse().expect("a URI")
}

fn refer(net: &mut Net, refer: &Refer) -> ReferralId {
    let now = net.now;
    let id = net.alice().call().refer(now, refer).expect("confirmed");
    net.run(SHORT);
    id
}

/// Bob's newest REFER.
fn asked(net: &mut Net) -> (ReferralId, Request) {
    let asked = net.bob().invitation_events().filter_map(|event| match event {
        InvitationEvent::Refer { id, request } => Some((*id, request.clone())),
        _ => None,
    });
    asked.last().expect("a REFER came")
}

fn call(net: &mut Net, who: usize, id: InvitationId) -> InvitationMut<'_> {
    net.peers[who].endpoint.invitation(id).expect("it lives")
}

/// The newest call that came in.
fn newest_incoming(net: &Net, who: usize) -> InvitationId {
    let events = net.peers[who].events.iter().rev();
    let mut ids = events.filter_map(|event| match event {
        EndpointEvent::Invitation {
            id,
            event: InvitationEvent::StateChanged { state: Incoming, .. },
        } => Some(*id),
        _ => None,
    });
    ids.next().expect("a call came")
}

fn notified(peer: &Peer) -> Vec<(Option<u16>, bool)> {
    peer.invitation_events()
        .filter_map(|event| match event {
            InvitationEvent::ReferNotified { status, is_last, .. } => {
                Some((status.map(StatusCode::as_u16), *is_last))
            }
            _ => None,
        })
        .collect()
}

fn assert_forgotten(net: &mut Net) {
    let now = net.now;
    for peer in &mut net.peers {
        peer.endpoint.end_all(now);
    }
    net.run(Duration::from_mins(5));
    for peer in &net.peers {
        assert_eq!(peer.endpoint.invitation_count(), 0);
        assert_eq!(peer.endpoint.poll_timeout(), None);
    }
}

#[test]
fn a_blind_transfer_tells_how_the_new_call_goes() {
    let mut net = established();
    let mut wish = Refer::new(carol());
    wish.referred_by = Some("<sip:alice@a.test>".parse().expect("an address"));
    refer(&mut net, &wish);
    let old = net.bob().call_id();
    let (id, request) = asked(&mut net);
    let now = net.now;
    call(&mut net, 1, old).accept_refer(now, id).expect("asked");
    net.run(SHORT);
    assert_eq!(net.count("202 Accepted"), 1);
    assert_eq!(notified(net.alice()), [(Some(100), false)]);

    let route = Route::new(Transport::Udp, CAROL.parse().expect("an address"));
    let from = "<sip:bob@b.test>".parse().expect("an address");
    let mut invite = Invite::referred(from, &request, route).expect("to a SIP URI");
    invite.offer = Some(Body::sdp("offer"));
    let now = net.now;
    let new = net.bob().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    let by = net.peers[2].invitation_events().find_map(|event| match event {
        InvitationEvent::StateChanged {
            state: Incoming,
            cause,
            ..
        } => cause
            .headers()?
            .get_str(HeaderName::ReferredBy)
            .map(str::to_owned),
        _ => None,
    });
    assert_eq!(by.as_deref(), Some("<sip:alice@a.test>"));
    accept(&mut net, 2);
    assert_eq!(call(&mut net, 1, new).state(), Confirmed);
    let now = net.now;
    call(&mut net, 1, old)
        .notify(now, id, StatusCode::OK, None)
        .expect("accepted");
    net.run(SHORT);
    assert_eq!(notified(net.alice()), [(Some(100), false), (Some(200), true)]);
    let late = call(&mut net, 1, old).notify(now, id, StatusCode::OK, None);
    assert_eq!(late, Err(CommandError::NoSuchReferral));
    assert_forgotten(&mut net);
}

#[test]
fn the_end_of_the_call_is_not_the_end_of_the_referral() {
    let mut net = established();
    refer(&mut net, &Refer::new(carol()));
    let (id, _) = asked(&mut net);
    let now = net.now;
    net.bob().call().accept_refer(now, id).expect("asked");
    net.run(SHORT);
    net.end(0);
    net.run(SHORT);
    assert_eq!(net.bob().states().last(), Some(&Disconnected));
    net.run(Duration::from_mins(1));
    let now = net.now;
    net.bob()
        .call()
        .notify(now, id, StatusCode::RINGING, None)
        .expect("it lives");
    net.bob()
        .call()
        .notify(now, id, StatusCode::BUSY_HERE, Some("Not now"))
        .expect("it lives");
    net.run(SHORT);
    assert_eq!(
        notified(net.alice()),
        [(Some(100), false), (Some(180), false), (Some(486), true)]
    );
    assert_eq!(net.count("481"), 0);
    assert_forgotten(&mut net);
}

#[test]
fn requests_of_the_call_meet_481_when_only_its_referral_lives() {
    let mut net = established();
    refer(&mut net, &Refer::new(carol()));
    let (id, _) = asked(&mut net);
    let now = net.now;
    net.bob().call().accept_refer(now, id).expect("asked");
    net.run(SHORT);
    let dialog = net.bob().call().dialog().expect("confirmed").id().clone();
    net.end(0);
    net.run(SHORT);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (number, method) in ["INVITE", "UPDATE", "INFO", "BYE"].into_iter().enumerate() {
        let request = format!(
            "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bK{method}\nMax-Forwards: 70\n\
             From: <sip:alice@a.test>;tag={}\nTo: <sip:bob@b.test>;tag={}\nCall-ID: {}\nCSeq: {} {method}\n\
             Contact: <sip:alice@{ALICE}>\n\n",
            text(&dialog.remote_tag),
            text(&dialog.local_tag),
            text(&dialog.call_id),
            60 + number
        );
        let answer = net.inject_raw(1, ALICE, &request).expect("an answer");
        assert!(answer.starts_with("SIP/2.0 481 "), "{method}: {answer}");
    }
}

#[test]
fn without_a_subscription_there_is_no_notify() {
    let mut net = established();
    let mut wish = Refer::new(carol());
    wish.without_subscription = true;
    refer(&mut net, &wish);
    let (id, _) = asked(&mut net);
    let now = net.now;
    net.bob().call().accept_refer(now, id).expect("asked");
    net.run(SHORT);
    assert_eq!(net.count("NOTIFY"), 0);
    assert!(matches!(
        net.alice().invitation_events().last(),
        Some(InvitationEvent::ReferAnswered { is_subscribed: false, cause, .. }) if cause.status() == Some(StatusCode::ACCEPTED)
    ));
    assert_forgotten(&mut net);
}

#[test]
fn a_refer_may_be_refused_and_is_when_nobody_answers() {
    let mut net = established();
    refer(&mut net, &Refer::new(carol()));
    let (id, _) = asked(&mut net);
    let now = net.now;
    net.bob()
        .call()
        .reject_refer(now, id, StatusCode::FORBIDDEN)
        .expect("asked");
    net.run(SHORT);
    refer(&mut net, &Refer::new(carol()));
    net.run(Duration::from_secs(40));
    let answers: Vec<_> = net
        .alice()
        .invitation_events()
        .filter_map(|event| match event {
            InvitationEvent::ReferAnswered { cause, .. } => cause.status().map(StatusCode::as_u16),
            _ => None,
        })
        .collect();
    assert_eq!(answers[0], 403);
    assert!(matches!(answers[1], 408 | 603), "{answers:?}");
    assert_eq!(net.alice().call().state(), Confirmed, "the call goes on");
    assert_forgotten(&mut net);
}

#[test]
fn a_referral_that_nobody_tells_of_ends_in_time() {
    let mut net = established();
    refer(&mut net, &Refer::new(carol()));
    let (id, _) = asked(&mut net);
    let now = net.now;
    net.bob().call().accept_refer(now, id).expect("asked");
    net.run(Duration::from_mins(4));
    assert_eq!(notified(net.alice()), [(Some(100), false), (Some(100), true)]);
    let ended = net
        .bob()
        .invitation_events()
        .any(|event| matches!(event, InvitationEvent::ReferralEnded { .. }));
    assert!(ended);
}

#[test]
fn a_refer_without_one_good_refer_to_is_400() {
    let mut net = established();
    let dialog = net.bob().call().dialog().expect("confirmed").id().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (number, more) in ["", "Refer-To: <sip:a@b>\nRefer-To: <sip:c@d>\n", "Refer-To: <>\n"]
        .into_iter()
        .enumerate()
    {
        let request = format!(
            "REFER sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bKr{number}\nMax-Forwards: 70\n\
             From: <sip:alice@a.test>;tag={}\nTo: <sip:bob@b.test>;tag={}\nCall-ID: {}\nCSeq: {} REFER\n\
             Contact: <sip:alice@{ALICE}>\n{more}\n",
            text(&dialog.remote_tag),
            text(&dialog.local_tag),
            text(&dialog.call_id),
            70 + number
        );
        let answer = net.inject_raw(1, ALICE, &request).expect("an answer");
        assert!(answer.starts_with("SIP/2.0 400 "), "{more}: {answer}");
    }
}

/// Alice talks with Bob and, in a second call, with Carol; then she brings both together (RFC 5589 §7.1).
#[test]
fn an_attended_transfer_replaces_the_call_with_its_target() {
    let mut net = established();
    let first = net.alice().call_id();
    let now = net.now;
    let address = net.peers[2].address;
    let second = net
        .alice()
        .endpoint
        .invite(now, invite_to(&[address]))
        .expect("sent");
    net.run(SHORT);
    accept(&mut net, 2);
    let at_carol = net.peers[2].call_id();
    let dialog = call(&mut net, 0, second).dialog().expect("confirmed").clone();
    let wish = Refer::replacing(&dialog);
    let now = net.now;
    call(&mut net, 0, first).refer(now, &wish).expect("confirmed");
    net.run(SHORT);
    let (id, request) = asked(&mut net);
    let now = net.now;
    net.bob().call().accept_refer(now, id).expect("asked");
    let route = Route::new(Transport::Udp, CAROL.parse().expect("an address"));
    let from = "<sip:bob@b.test>".parse().expect("an address");
    let mut invite = Invite::referred(from, &request, route).expect("to a SIP URI");
    invite.offer = Some(Body::sdp("offer"));
    net.bob().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    assert_eq!(net.peers[2].call().replaces(), Some(at_carol));
    let replacing = newest_incoming(&net, 2);
    accept(&mut net, 2);
    assert_eq!(call(&mut net, 2, replacing).state(), Confirmed);
    assert_eq!(
        call(&mut net, 0, second).state(),
        Disconnected,
        "ended by Carol's BYE"
    );
    assert_eq!(call(&mut net, 0, first).state(), Confirmed);
    assert_forgotten(&mut net);
}

fn replacing(net: &mut Net, value: &str) -> Option<u16> {
    let mut invite = invite_to(&[net.bob().address]);
    invite
        .extra_headers
        .push(("Replaces".to_owned(), value.to_owned()));
    let now = net.now;
    let id = net.peers[2].endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    net.peers[2].events.iter().rev().find_map(|event| match event {
        EndpointEvent::Invitation {
            id: of,
            event: InvitationEvent::Ended { cause, .. },
        } if *of == id => cause.status().map(StatusCode::as_u16),
        _ => None,
    })
}

fn value(net: &mut Net, more: &str) -> String {
    let id = net.bob().call().dialog().expect("a dialog").id().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{};to-tag={};from-tag={}{more}",
        text(&id.call_id),
        text(&id.local_tag),
        text(&id.remote_tag)
    )
}

#[test]
fn what_cannot_be_replaced_is_refused_as_rfc_3891_says() {
    let mut net = established();
    let early_only = value(&mut net, ";early-only");
    assert_eq!(replacing(&mut net, &early_only), Some(486));
    assert_eq!(replacing(&mut net, "unknown;to-tag=1;from-tag=2"), Some(481));
    assert_eq!(replacing(&mut net, "no-tags"), Some(400));
    let dead = value(&mut net, "");
    net.end(1);
    net.run(SHORT);
    assert_eq!(replacing(&mut net, &dead), Some(603));

    // A ringing call is replaced by whom its caller wants, not by whom it rings at.
    let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::new(BOB, 2), Peer::new(CAROL, 3)]);
    net.call();
    net.ring();
    net.run(SHORT);
    let ringing = value(&mut net, "");
    assert_eq!(replacing(&mut net, &ringing), Some(481));
}

#[test]
fn a_call_of_ours_that_rings_is_replaced_and_cancelled() {
    let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::new(BOB, 2), Peer::new(CAROL, 3)]);
    let ringing = net.call();
    net.ring();
    net.run(SHORT);
    let id = net.bob().call().dialog().expect("early").id().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // The tags as Alice sees them (RFC 3891 §6.1).
    let value = format!(
        "{};to-tag={};from-tag={};early-only",
        text(&id.call_id),
        text(&id.remote_tag),
        text(&id.local_tag)
    );
    let mut invite = invite_to(&[net.alice().address]);
    invite.extra_headers.push(("Replaces".to_owned(), value));
    let now = net.now;
    net.peers[2].endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    let replacing = newest_incoming(&net, 0);
    assert_eq!(call(&mut net, 0, replacing).replaces(), Some(ringing));
    accept(&mut net, 0);
    assert_eq!(net.count("CANCEL"), 1);
    assert_eq!(net.bob().states().last(), Some(&Disconnected));
    assert_eq!(call(&mut net, 0, replacing).state(), Confirmed);
    assert_forgotten(&mut net);
}
