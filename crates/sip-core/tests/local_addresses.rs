//! Each peer is told the address of ours that leads to it, where we listen at all of them.

mod support;

use offhook_sansio::{Path, Received, Transport};
use offhook_sip_core::endpoint::SourceAddresses;
use offhook_sip_core::{Body, Endpoint, EndpointConfig, Invite, Route};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use support::{ALICE, Peer, invite_to};

/// A machine in two networks, and one peer that no route leads to.
fn sources() -> SourceAddresses {
    SourceAddresses::new(|peer| match peer {
        IpAddr::V4(ip) if ip.octets()[0] == 10 => Some("10.0.0.1".parse().expect("valid")),
        IpAddr::V4(ip) if ip.octets()[0] == 172 => Some("172.16.0.1".parse().expect("valid")),
        _ => None,
    })
}

fn everywhere() -> Endpoint {
    let mut endpoint = Peer::new(ALICE, 1).endpoint;
    endpoint.set_everywhere(Transport::Udp, address(ALICE));
    endpoint.set_source_addresses(sources());
    endpoint
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("valid")
}

fn invite(to: &str) -> Invite {
    invite_to(&[address(to)])
}

/// The first message that waits to be sent.
fn sent(endpoint: &mut Endpoint) -> (Path, String) {
    let transmit = endpoint.poll_transmit().expect("something to send");
    let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
    (transmit.path, text)
}

#[test]
fn via_contact_and_the_path_name_the_address_that_leads_to_the_peer() {
    let mut endpoint = everywhere();
    for (peer, ours) in [
        ("10.0.0.9:5060", "10.0.0.1:5060"),
        ("172.16.9.9:5060", "172.16.0.1:5060"),
        ("198.51.100.1:5060", ALICE),
    ] {
        endpoint
            .invite(Instant::now(), invite(peer))
            .expect("it can be sent");
        let (path, text) = sent(&mut endpoint);
        assert_eq!(path, Path::new(Transport::Udp, address(ours), address(peer)));
        assert!(text.contains(&format!("Via: SIP/2.0/UDP {ours};")), "{text}");
        assert!(text.contains(&format!("Contact: <sip:alice@{ours}>")), "{text}");
    }
}

#[test]
fn an_address_that_is_none_of_all_is_told_to_everybody() {
    let mut endpoint = Peer::new(ALICE, 1).endpoint;
    endpoint.set_source_addresses(sources());
    endpoint
        .invite(Instant::now(), invite("10.0.0.9:5060"))
        .expect("it can be sent");
    assert_eq!(sent(&mut endpoint).0.local, address(ALICE));
}

/// RFC 3261 §18.1.1: what is too large goes over TCP, and says so from the same address.
#[test]
fn a_large_request_goes_over_tcp_from_the_address_that_leads_to_the_peer() {
    let mut endpoint = everywhere();
    endpoint.set_everywhere(Transport::Tcp, address(ALICE));
    let mut large = invite("10.0.0.9:5060");
    large.offer = Some(Body::sdp("a".repeat(1_400)));
    endpoint.invite(Instant::now(), large).expect("it can be sent");
    let (path, text) = sent(&mut endpoint);
    assert_eq!(
        path,
        Path::new(Transport::Tcp, address("10.0.0.1:5060"), address("10.0.0.9:5060"))
    );
    assert!(text.contains("Via: SIP/2.0/TCP 10.0.0.1:5060;"), "{text}");
}

#[test]
fn a_port_that_moves_moves_for_calls_along_all_addresses() {
    let mut endpoint = everywhere();
    let now = Instant::now();
    let call = endpoint
        .invite(now, invite("10.0.0.9:5060"))
        .expect("it can be sent");
    let (path, request) = sent(&mut endpoint);
    let kept = |name: &str| {
        let line = request
            .lines()
            .find(|line| line.starts_with(name))
            .expect("it is there");
        format!("{line}\r\n")
    };
    let answer = format!(
        "SIP/2.0 200 OK\r\n{}{}{};tag=1\r\n{}{}Contact: <sip:bob@10.0.0.9>\r\nContent-Type: application/sdp\r\n\
         Content-Length: 6\r\n\r\nanswer",
        kept("Via:"),
        kept("From:"),
        kept("To:").trim_end(),
        kept("Call-ID:"),
        kept("CSeq:"),
    );
    let bytes = answer.into();
    endpoint.handle_received(now, Received { path, bytes });
    assert!(sent(&mut endpoint).1.starts_with("ACK "));
    endpoint.move_local(Transport::Udp, address(ALICE), address("192.0.2.1:5070"));
    endpoint
        .invitation(call)
        .expect("it stands")
        .end(now)
        .expect("it stands");
    let (path, bye) = sent(&mut endpoint);
    assert_eq!(path.local, address("10.0.0.1:5070"));
    assert!(bye.contains("Via: SIP/2.0/UDP 10.0.0.1:5070;"), "{bye}");
    endpoint
        .invite(now, invite("172.16.9.9:5060"))
        .expect("it can be sent");
    assert_eq!(sent(&mut endpoint).0.local, address("172.16.0.1:5070"));
}

/// The driver asks the system: from loopback we are loopback, whatever the default route is.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_driver_that_listens_everywhere_is_loopback_to_those_who_are() {
    use offhook_sip_core::tokio::{Driver, Transports, system_entropy};
    use offhook_sip_core::{EndpointEvent, InvitationEvent, InvitationState, StatusCode};
    use std::time::Duration;

    for transport in [Transport::Udp, Transport::Tcp] {
        let phone = |ip: &str| {
            let mut transports = Transports::new();
            let any = SocketAddr::new(ip.parse().expect("valid"), 0);
            match transport {
                Transport::Udp => transports.bind_udp(any),
                _ => transports.bind_tcp(any),
            }
            .expect("a free port");
            let config = EndpointConfig {
                trace: true,
                ..EndpointConfig::default()
            };
            let mut endpoint = Endpoint::new(config, system_entropy().expect("some"));
            let locals = transports.locals();
            for (transport, address) in &locals {
                endpoint.add_local(*transport, *address);
            }
            let (handle, events) = Driver::spawn(endpoint, transports);
            (handle, events, locals[0].1.port())
        };
        let (alice, _alice_events, alice_port) = phone("0.0.0.0");
        let (bob, mut bob_events, bob_port) = phone("127.0.0.1");
        let mut invite = invite(&format!("127.0.0.1:{bob_port}"));
        invite.routes = vec![Route::new(transport, address(&format!("127.0.0.1:{bob_port}")))];
        let placed = alice
            .call(move |endpoint, now| endpoint.invite(now, invite).map(drop))
            .await;
        placed.expect("it runs").expect("it can be sent");
        let (mut seen, mut call) = (String::new(), None);
        let incoming = async {
            while call.is_none() {
                match bob_events.recv().await.expect("it runs") {
                    EndpointEvent::Trace(trace) => seen += &String::from_utf8_lossy(&trace.bytes),
                    EndpointEvent::Invitation {
                        id,
                        event:
                            InvitationEvent::StateChanged {
                                state: InvitationState::Incoming,
                                ..
                            },
                    } => call = Some(id),
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), incoming)
            .await
            .expect("in time");
        for wanted in [
            format!("Via: SIP/2.0/{} 127.0.0.1:{alice_port};", transport.as_str()),
            format!("Contact: <sip:alice@127.0.0.1:{alice_port}"),
        ] {
            assert!(seen.contains(&wanted), "{wanted}: {seen}");
        }
        let refuse = move |endpoint: &mut Endpoint, now| {
            let mut call = endpoint.invitation(call.expect("it came"))?;
            call.reject(now, StatusCode::BUSY_HERE, None, &[]).ok()
        };
        bob.call(refuse).await.expect("it runs").expect("incoming");
    }
}
