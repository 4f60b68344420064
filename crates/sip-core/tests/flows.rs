//! Flows that a registrar reaches us by (RFC 5626): kept alive, given up, replaced; in virtual time.

mod support;

use offhook_sansio::{Path, Received, Transport};
use offhook_sip_core::flow::StunMessage;
use offhook_sip_core::{
    EndpointConfig, EndpointEvent, HeaderName, Register, RegistrationEvent, Request, Response, StatusCode,
    TransportFailure,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::registrar::{Script, World, accept};
use support::{ALICE, BOB, Peer};

const MINUTE: Duration = Duration::from_mins(1);

/// Flows of a device are named by these (RFC 5626 §4.2).
fn outbound(register: &mut Register) {
    register.instance_id = Some("urn:uuid:00000000-0000-1000-8000-000a95a0e128".to_owned());
    register.reg_id = Some(1);
}

/// A registrar that agrees, for ten minutes at a time.
fn agree(flow_timer: Option<u32>) -> Script {
    Box::new(move |_, request, _| agreed(request, flow_timer))
}

fn agreed(request: &Request, flow_timer: Option<u32>) -> Response {
    let mut response = accept(request, 600);
    response.headers_mut().push(HeaderName::Require, "outbound");
    if let Some(seconds) = flow_timer {
        response
            .headers_mut()
            .push(HeaderName::FlowTimer, seconds.to_string());
    }
    response
}

/// All STUN that was sent, with its time since the beginning; `passes` decides what arrives.
fn watch(world: &mut World, passes: fn(&StunMessage) -> bool) -> Rc<RefCell<Vec<(Path, StunMessage)>>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    world.net.fate = Box::new(move |transmit| {
        if !StunMessage::is_stun(&transmit.bytes) {
            return true;
        }
        let message = StunMessage::parse(&transmit.bytes).expect("we write what we read");
        let arrives = passes(&message);
        log.borrow_mut().push((transmit.path, message));
        arrives
    });
    seen
}

/// The registrar's endpoint serves outbound: it answers STUN.
fn serve_outbound(world: &mut World) {
    let mut config = EndpointConfig::default();
    config.allow.push(offhook_sip_core::Method::Register);
    config.supported.push("outbound".to_owned());
    let mut registrar = Peer::with_config(BOB, 2, config);
    std::mem::swap(&mut registrar, world.net.bob());
}

fn world(flow_timer: Option<u32>) -> World {
    let mut world = World::new(agree(flow_timer), outbound);
    serve_outbound(&mut world);
    world
}

fn is_request(message: &StunMessage) -> bool {
    matches!(message, StunMessage::Request { .. })
}

fn failures(world: &World) -> Vec<TransportFailure> {
    let events = world.net.peers[0].events.iter();
    events
        .filter_map(|event| match event {
            EndpointEvent::TransportFailed { failure, .. } => Some(failure.clone()),
            _ => None,
        })
        .collect()
}

/// RFC 5626 §4.4.2: 24 to 29 s, each time another.
#[test]
fn a_udp_flow_is_kept_alive_by_stun_every_24_to_29_seconds() {
    let mut world = world(None);
    let seen = watch(&mut world, |_| true);
    world.run(4 * MINUTE);
    let (asked, answered): (Vec<_>, Vec<_>) = seen
        .take()
        .into_iter()
        .partition(|(_, message)| is_request(message));
    assert!((8..=10).contains(&asked.len()), "{} in four minutes", asked.len());
    assert_eq!(asked.len(), answered.len());
    let mapped = ALICE.parse().expect("valid");
    assert!(answered.iter().all(|(_, answer)| matches!(
        answer,
        StunMessage::Success { mapped: seen, .. } if *seen == mapped
    )));
    assert_eq!(world.requests.len(), 1, "nothing failed");
}

/// RFC 5626 §4.4: between 80 % and 100 % of the server's time.
#[test]
fn flow_timer_says_how_often() {
    let mut world = world(Some(10));
    let seen = watch(&mut world, |_| true);
    world.run(MINUTE);
    let asked = seen
        .borrow()
        .iter()
        .filter(|(_, message)| is_request(message))
        .count();
    assert!((5..=7).contains(&asked), "{asked} in a minute");
}

/// RFC 5626 §4.4, §8: nobody is sent STUN who has not said that he knows it.
#[test]
fn a_registrar_that_has_not_agreed_gets_no_stun_but_the_edge_proxy_that_has() {
    for (agrees, path, want) in [
        (false, None, 0),
        (false, Some("<sip:far.test;lr;ob>, <sip:edge.test;lr>"), 0),
        (false, Some("<sip:far.test;lr>, <sip:edge.test;lr;ob>"), 1),
        (true, None, 1),
    ] {
        let script: Script = Box::new(move |_, request, _| {
            let mut response = if agrees {
                agreed(request, None)
            } else {
                accept(request, 600)
            };
            if let Some(path) = path {
                response.headers_mut().push(HeaderName::Path, path);
            }
            response
        });
        let mut world = World::new(script, outbound);
        serve_outbound(&mut world);
        let seen = watch(&mut world, |_| true);
        world.run(Duration::from_secs(30));
        let asked = seen
            .borrow()
            .iter()
            .filter(|(_, message)| is_request(message))
            .count();
        assert_eq!(asked, want, "{agrees} {path:?}");
    }
}

/// RFC 5626 §4.4.2, §4.5: seven requests without an answer, and a flow that had worked is replaced at once.
#[test]
fn a_flow_that_falls_silent_is_given_up_and_replaced() {
    let mut world = world(None);
    watch(&mut world, |_| true);
    world.run(MINUTE);
    assert_eq!(world.requests.len(), 1);
    let seen = watch(&mut world, |_| false);
    // At most 29 s until the next request, and 39.5 s until it is given up.
    world.run(Duration::from_secs(69));
    assert_eq!(seen.borrow().len(), 7);
    assert_eq!(
        failures(&world),
        [TransportFailure::Silent("nobody answers STUN keep-alives")]
    );
    assert_eq!(world.requests.len(), 2, "registered again, without a wait");
    let contact = |index| world.header(index, HeaderName::Contact).expect("a Contact");
    assert!(contact(1).contains(";reg-id=1"), "{}", contact(1));
    assert!(
        !world
            .events()
            .any(|event| matches!(event, RegistrationEvent::Failed { .. }))
    );
}

/// RFC 5626 §4.5: without a first answer it was no flow; the next attempt waits 50 to 100 % of a minute.
#[test]
fn a_flow_that_never_answered_is_tried_again_after_a_while() {
    let mut world = world(None);
    watch(&mut world, |_| false);
    world.run(Duration::from_secs(69));
    let waits: Vec<Duration> = world
        .events()
        .filter_map(|event| match event {
            RegistrationEvent::Failed { retry_after, .. } => Some(*retry_after),
            _ => None,
        })
        .collect();
    assert_eq!(waits.len(), 1);
    assert!((30..=60).contains(&waits[0].as_secs()), "{waits:?}");
    assert_eq!(world.requests.len(), 1);
    world.run(MINUTE);
    assert_eq!(world.requests.len(), 2);
}

/// RFC 5626 §4.4.2: another XOR-MAPPED-ADDRESS is a failure of the flow; an answer to nothing is none.
#[test]
fn an_address_that_changes_behind_a_nat_is_registered_anew() {
    let mut world = world(None);
    watch(&mut world, |_| true);
    world.run(MINUTE);
    let seen = watch(&mut world, is_request);
    world.run(Duration::from_secs(30));
    let asked = seen
        .borrow()
        .iter()
        .find(|(_, message)| is_request(message))
        .cloned();
    let Some((path, StunMessage::Request { id, .. })) = asked else {
        panic!("no keep-alive in 30 s");
    };
    let mapped = "203.0.113.9:1024".parse().expect("valid");
    let stranger = "192.0.2.66:5060".parse().expect("valid");
    let tell = |world: &mut World, id, remote| {
        let bytes = StunMessage::Success { id, mapped }.to_bytes();
        let path = Path::new(Transport::Udp, path.local, remote);
        let now = world.net.now;
        world
            .net
            .alice()
            .endpoint
            .handle_received(now, Received { path, bytes });
        world.run(Duration::from_secs(1));
    };
    tell(&mut world, [7; 12], path.remote);
    tell(&mut world, id, stranger);
    assert_eq!(world.requests.len(), 1, "forged answers change nothing");
    tell(&mut world, id, path.remote);
    assert_eq!(failures(&world), [TransportFailure::AddressChanged]);
    assert_eq!(world.requests.len(), 2);
    world.unregister();
    seen.borrow_mut().clear();
    world.run(MINUTE);
    assert!(seen.borrow().is_empty(), "who has left asks no more");
}

/// RFC 5626 §8: only who says that he serves outbound; what is no request is never answered.
#[test]
fn stun_is_answered_by_who_serves_outbound_and_garbage_by_nobody() {
    for (serves, bytes, answers) in [
        (true, StunMessage::request([3; 12]).to_bytes(), 1),
        (false, StunMessage::request([3; 12]).to_bytes(), 0),
        (true, StunMessage::Indication.to_bytes(), 0),
        (true, b"\x00\x01garbage".as_slice().into(), 0),
        (true, b"\x01".as_slice().into(), 0),
    ] {
        let mut config = EndpointConfig::default();
        if serves {
            config.supported.push("outbound".to_owned());
        }
        let mut peer = Peer::with_config(ALICE, 1, config);
        let path = Path::new(Transport::Udp, peer.address, BOB.parse().expect("valid"));
        let now = std::time::Instant::now();
        peer.endpoint.handle_received(now, Received { path, bytes });
        let sent: Vec<_> = std::iter::from_fn(|| peer.endpoint.poll_transmit()).collect();
        assert_eq!(sent.len(), answers);
        assert!(sent.iter().all(|transmit| transmit.path == path));
    }
}

/// RFC 5626 §4.2, §4.5: a device with several flows has time for one that fails, and little where none stands.
#[test]
fn a_flow_that_fails_waits_longer_where_another_of_the_device_stands() {
    for (stands, range) in [(true, 90..=180), (false, 30..=60)] {
        let script: Script = Box::new(move |_, request, _| {
            let contact = request.headers().get_str(HeaderName::Contact).expect("a Contact");
            if stands && contact.contains(";reg-id=1") {
                agreed(request, None)
            } else {
                Response::for_request(request, StatusCode::SERVER_INTERNAL_ERROR)
            }
        });
        let mut world = World::new(script, outbound);
        serve_outbound(&mut world);
        let waits = |world: &World| -> Vec<u64> {
            world
                .events()
                .filter_map(|event| match event {
                    RegistrationEvent::Failed { retry_after, .. } => Some(retry_after.as_secs()),
                    _ => None,
                })
                .collect()
        };
        let before = waits(&world).len();
        let route = offhook_sip_core::Route::new(Transport::Udp, BOB.parse().expect("valid"));
        let mut second = Register::new("sip:alice@example.com".parse().expect("valid"), route);
        outbound(&mut second);
        second.reg_id = Some(2);
        let now = world.net.now;
        let other_device = Register {
            instance_id: Some("urn:uuid:00000000-0000-1000-8000-000000000009".to_owned()),
            ..second.clone()
        };
        world
            .net
            .alice()
            .endpoint
            .register(now, second)
            .expect("it can be sent");
        world.run(Duration::from_secs(1));
        let waited = waits(&world);
        assert!(range.contains(&waited[before]), "{waited:?}");
        world
            .net
            .alice()
            .endpoint
            .register(now, other_device)
            .expect("it can be sent");
        world.run(Duration::from_secs(1));
        let waited = waits(&world);
        assert!(
            (30..=60).contains(waited.last().expect("it failed")),
            "{waited:?}"
        );
    }
}
