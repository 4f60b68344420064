//! What an endpoint holds: per call, and after a long time.

mod support;

use offhook_sansio::{Entropy, Path, Received, Transport};
use offhook_sip_core::{Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationState};
use std::time::{Duration, Instant};
use support::{ALICE, BOB};

fn endpoint() -> Endpoint {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_number(7));
    endpoint.add_local(Transport::Udp, BOB.parse().expect("an address"));
    endpoint
}

/// Hands a request over, drains what comes out, and accepts calls, and tells the To tag of the last answer.
fn receive(endpoint: &mut Endpoint, now: Instant, text: String) -> String {
    let path = Path::new(
        Transport::Udp,
        BOB.parse().expect("an address"),
        ALICE.parse().expect("an address"),
    );
    let bytes = text.into();
    endpoint.handle_received(now, Received { path, bytes });
    while let Some(event) = endpoint.poll_event() {
        if let EndpointEvent::Invitation {
            id,
            event: InvitationEvent::StateChanged { state, .. },
        } = event
            && state == InvitationState::Incoming
        {
            let answer =
                Body::sdp("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n");
            let mut call = endpoint.invitation(id).expect("it is new");
            call.accept(now, Some(&answer)).expect("incoming");
        }
    }
    let mut tag = String::new();
    while let Some(transmit) = endpoint.poll_transmit() {
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        if let Some(to) = text.lines().find(|line| line.starts_with("To:")) {
            to.split(";tag=").nth(1).unwrap_or_default().clone_into(&mut tag);
        }
    }
    tag
}

fn request(method: &str, number: usize, cseq: usize, to_tag: &str) -> String {
    let tag = if to_tag.is_empty() {
        String::new()
    } else {
        format!(";tag={to_tag}")
    };
    format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bK{method}{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=f{number}\r\nTo: <sip:bob@b.test>{tag}\r\n\
         Call-ID: {number}@a.test\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@192.0.2.1>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Measured with all transactions of the call's beginning over, as of a call that is held.
#[test]
fn a_held_call_takes_at_most_8_kilobytes() {
    const CALLS: usize = 1_000;
    let mut now = Instant::now();
    let mut endpoint = endpoint();
    let measured = allocation_counter::measure(|| {
        for number in 0..CALLS {
            let tag = receive(&mut endpoint, now, request("INVITE", number, 1, ""));
            receive(&mut endpoint, now, request("ACK", number, 1, &tag));
        }
        for _ in 0..40 {
            now += Duration::from_secs(1);
            endpoint.handle_timeout(now);
            while endpoint.poll_transmit().is_some() {}
            while endpoint.poll_event().is_some() {}
        }
    });
    assert_eq!(endpoint.invitation_count(), CALLS);
    assert_eq!(endpoint.transactions().server_count(), 0, "all of them are over");
    let each = measured.bytes_current / CALLS as i64;
    assert!(each <= 8 * 1024, "{each} bytes");
}

/// The short form of `cargo run --release --example million_transactions`.
#[test]
fn transactions_that_are_over_leave_no_memory_behind() {
    let mut now = Instant::now();
    let mut endpoint = endpoint();
    let mut number = 0;
    let mut burst = |endpoint: &mut Endpoint| {
        for _ in 0..600 {
            number += 1;
            receive(endpoint, now, request("OPTIONS", number, 1, ""));
            now += Duration::from_millis(100);
            endpoint.handle_timeout(now);
        }
    };
    (0..4).for_each(|_| burst(&mut endpoint)); // tables grow to their working size
    let measured = allocation_counter::measure(|| (0..4).for_each(|_| burst(&mut endpoint)));
    assert!(
        measured.bytes_current < 64 * 1024,
        "{} bytes",
        measured.bytes_current
    );
}
