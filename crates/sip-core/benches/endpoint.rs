//! What an endpoint spends on a request and on a whole call, without sockets.

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use offhook_sansio::{Entropy, Path, Received, Transport};
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationState, Invite, Route,
};
use std::time::{Duration, Instant};

fn endpoint(address: &str, seed: u64) -> Endpoint {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_number(seed));
    endpoint.add_local(Transport::Udp, address.parse().expect("an address"));
    endpoint
}

fn options(number: u64) -> Bytes {
    Bytes::from(format!(
        "OPTIONS sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag={number}\r\nTo: <sip:bob@b.test>\r\nCall-ID: {number}\r\n\
         CSeq: 1 OPTIONS\r\nContact: <sip:alice@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    ))
}

/// Parse, transaction, answer; the clock goes on so that as many transactions end as begin.
fn stateful_options(c: &mut Criterion) {
    let mut endpoint = endpoint("192.0.2.2:5060", 1);
    let path = Path::new(
        Transport::Udp,
        "192.0.2.2:5060".parse().expect("valid"),
        "192.0.2.1:5060".parse().expect("valid"),
    );
    let (mut now, mut number) = (Instant::now(), 0);
    c.bench_function("options_stateful", |b| {
        b.iter(|| {
            number += 1;
            now += Duration::from_millis(10);
            let bytes = options(number);
            endpoint.handle_received(now, Received { path, bytes });
            endpoint.handle_timeout(now);
            while endpoint.poll_transmit().is_some() {}
        });
    });
}

fn carry(now: Instant, from: &mut Endpoint, to: &mut Endpoint) -> bool {
    let mut any = false;
    while let Some(transmit) = from.poll_transmit() {
        let path = Path::new(Transport::Udp, transmit.path.remote, transmit.path.local);
        let bytes = transmit.bytes;
        to.handle_received(now, Received { path, bytes });
        any = true;
    }
    any
}

/// INVITE, 200, ACK, BYE, 200: the work of both ends.
fn whole_call(c: &mut Criterion) {
    let (mut alice, mut bob) = (endpoint("192.0.2.1:5060", 1), endpoint("192.0.2.2:5060", 2));
    let mut now = Instant::now();
    let answer = Body::sdp("v=0\r\n");
    let mut invite = Invite::new(
        "<sip:alice@a.test>".parse().expect("valid"),
        "sip:bob@b.test".parse().expect("valid"),
        Route::new(Transport::Udp, "192.0.2.2:5060".parse().expect("valid")),
    );
    invite.offer = Some(Body::sdp("v=0\r\n"));
    c.bench_function("call_both_ends", |b| {
        b.iter(|| {
            now += Duration::from_millis(50);
            let call = alice.invite(now, invite.clone()).expect("there is room");
            carry(now, &mut alice, &mut bob);
            while let Some(event) = bob.poll_event() {
                if let EndpointEvent::Invitation {
                    id,
                    event: InvitationEvent::StateChanged { state, .. },
                } = event
                    && state == InvitationState::Incoming
                {
                    let mut call = bob.invitation(id).expect("it is new");
                    call.accept(now, Some(&answer)).expect("incoming");
                }
            }
            carry(now, &mut bob, &mut alice);
            alice
                .invitation(call)
                .expect("it stands")
                .end(now)
                .expect("it stands");
            while carry(now, &mut alice, &mut bob) | carry(now, &mut bob, &mut alice) {}
            while alice.poll_event().is_some() {}
            while bob.poll_event().is_some() {}
            alice.handle_timeout(now);
            bob.handle_timeout(now);
        });
    });
}

criterion_group!(benches, stateful_options, whole_call);
criterion_main!(benches);
