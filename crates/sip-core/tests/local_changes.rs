//! Ports and certificates that change while an endpoint runs.

#![cfg(feature = "tls")]

mod live;

use live::{Authority, Phone, V4, any, route, set_up, whole_call};
use offhook_sansio::Transport;
use offhook_sip_core::tokio::{BindError, ChangeError, Transports};
use offhook_sip_core::{InvitationState, TransportFailure};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use tokio::net::TcpStream;

fn bound(transport: Transport) -> Phone {
    let mut transports = Transports::new();
    match transport {
        Transport::Udp => transports.bind_udp(any(V4)),
        _ => transports.bind_tcp(any(V4)),
    }
    .expect("a free port");
    Phone::on(transports)
}

/// A port that nobody has, for UDP and for TCP, where connections of other tests may linger.
fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind(V4).expect("a free port");
        let address = socket.local_addr().expect("bound");
        if TcpListener::bind(address).is_ok() {
            return address.port();
        }
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[tokio::test]
async fn via_and_contact_follow_the_udp_port_and_calls_go_on() {
    let (mut alice, mut bob) = (bound(Transport::Udp), bound(Transport::Udp));
    let way = route(Transport::Udp, bob.address(), "b.test");
    let (call, _) = set_up(&mut alice, &mut bob, way.clone()).await;
    let (old, port) = (alice.address().port(), free_port());
    alice
        .handle
        .set_local_udp_port(Some(port))
        .await
        .expect("it is free");
    UdpSocket::bind(at(old)).expect("the old port is free again");
    alice.messages.clear();
    alice.end(call).await;
    bob.until(InvitationState::Disconnected).await;
    alice.until(InvitationState::Disconnected).await;
    let bye = alice.message("BYE ");
    assert!(bye.contains(&format!("127.0.0.1:{port};")), "{bye}");
    alice.messages.clear();
    whole_call(&mut alice, &mut bob, way, true).await;
    let invite = alice.message("INVITE ");
    assert!(invite.contains(&format!("@127.0.0.1:{port}>")), "{invite}");
    assert!(!invite.contains(&format!(":{old}")), "{invite}");
}

#[tokio::test]
async fn a_port_that_is_taken_leaves_all_as_it_was() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (mut alice, mut bob) = (bound(transport), bound(transport));
        let taken = bound(transport);
        let port = Some(taken.address().port());
        let refused = match transport {
            Transport::Udp => alice.handle.set_local_udp_port(port).await,
            _ => alice.handle.set_local_tcp_port(port).await,
        };
        assert!(
            matches!(refused, Err(ChangeError::Bind(BindError::InUse(_)))),
            "{refused:?}"
        );
        let way = route(transport, bob.address(), "b.test");
        whole_call(&mut alice, &mut bob, way, true).await;
    }
}

#[tokio::test]
async fn the_tcp_port_moves_and_connections_stay() {
    let (mut alice, mut bob) = (bound(Transport::Tcp), bound(Transport::Tcp));
    let way = route(Transport::Tcp, bob.address(), "b.test");
    let (call, _) = set_up(&mut alice, &mut bob, way).await;
    let (old, port) = (bob.address(), free_port());
    bob.handle
        .set_local_tcp_port(Some(port))
        .await
        .expect("it is free");
    assert!(TcpStream::connect(old).await.is_err());
    alice.end(call).await;
    bob.until(InvitationState::Disconnected).await;
    let way = route(Transport::Tcp, at(port), "b.test");
    whole_call(&mut alice, &mut bob, way, true).await;
    let answer = bob.message("-> TCP");
    assert!(!answer.is_empty());
    let contact = format!("@127.0.0.1:{port};transport=tcp>");
    assert!(bob.message(&contact).contains("200 OK"));
}

#[tokio::test]
async fn a_transport_that_is_taken_away_is_not_used() {
    let mut bob = bound(Transport::Udp);
    bob.handle
        .set_local_udp_port(None)
        .await
        .expect("nothing to open");
    UdpSocket::bind(bob.address()).expect("the port is free again");
    let alice = bound(Transport::Udp);
    let way = route(Transport::Udp, alice.address(), "b.test");
    let invite = offhook_sip_core::Invite::new(
        "sip:bob@b.test".parse().expect("valid"),
        "sip:alice@a.test".parse().expect("valid"),
        way,
    );
    let placed = bob
        .handle
        .call(move |endpoint, now| endpoint.invite(now, invite))
        .await;
    assert!(placed.expect("the driver lives").is_err());
    bob.events.close();
}

#[tokio::test]
async fn certificates_change_without_a_new_port_and_a_new_port_is_served() {
    let authority = Authority::new();
    let mut bob = Phone::tls(V4, &authority.server(&["old.test"]));
    let mut alice = Phone::tls(V4, &authority.client());
    let way = |to| route(Transport::Tls, to, "b.test");
    alice.call(vec![way(bob.address())]).await;
    assert!(matches!(
        alice.failure().await,
        TransportFailure::WrongName { .. }
    ));
    let tls = authority.server(&["b.test"]).load().expect("good");
    for port in [bob.address().port(), free_port()] {
        bob.handle
            .set_tls_options(Some(port), tls.clone())
            .await
            .expect("it can be had");
        let mut alice = Phone::tls(V4, &authority.client());
        whole_call(&mut alice, &mut bob, way(at(port)), false).await;
    }
    assert!(
        TcpStream::connect(bob.address()).await.is_err(),
        "the old port is closed"
    );
}

/// Engine of the SIP SIMPLE documents: a transport that was `None` at the start gets a port later, 0 for any.
#[tokio::test]
async fn a_transport_that_there_was_none_of_is_opened_at_our_address() {
    let authority = Authority::new();
    for transport in [Transport::Tcp, Transport::Tls, Transport::Udp] {
        let first = if transport == Transport::Udp {
            Transport::Tcp
        } else {
            Transport::Udp
        };
        let mut bob = bound(first);
        let locals = match transport {
            Transport::Udp => bob.handle.set_local_udp_port(Some(0)).await,
            Transport::Tcp => bob.handle.set_local_tcp_port(Some(0)).await,
            _ => {
                let tls = authority.server(&["b.test"]).load().expect("good");
                bob.handle.set_tls_options(Some(0), tls).await
            }
        }
        .expect("there are free ports");
        assert_eq!(locals.len(), 2, "{locals:?}");
        let new = locals
            .iter()
            .find(|(own, _)| *own == transport)
            .expect("it is there")
            .1;
        assert_eq!(new.ip(), bob.address().ip());
        assert_ne!(new.port(), 0);
        let mut alice = match transport {
            Transport::Tls => Phone::tls(V4, &authority.client()),
            _ => bound(transport),
        };
        whole_call(&mut alice, &mut bob, route(transport, new, "b.test"), false).await;
    }
}

#[tokio::test]
async fn a_transport_that_was_taken_away_comes_back_and_a_port_that_is_taken_opens_nothing() {
    let mut bob = bound(Transport::Udp);
    let taken = bound(Transport::Tcp);
    let refused = bob.handle.set_local_tcp_port(Some(taken.address().port())).await;
    assert!(
        matches!(refused, Err(ChangeError::Bind(BindError::InUse(_)))),
        "{refused:?}"
    );
    assert_eq!(
        bob.handle
            .set_local_tcp_port(None)
            .await
            .expect("nothing to do")
            .len(),
        1
    );
    let locals = bob
        .handle
        .set_local_udp_port(None)
        .await
        .expect("nothing to open");
    assert_eq!(locals, []);
    let locals = bob
        .handle
        .set_local_udp_port(Some(0))
        .await
        .expect("there are free ports");
    let (transport, address) = locals[0];
    assert_eq!((transport, address.ip()), (Transport::Udp, bob.address().ip()));
    let mut alice = bound(Transport::Udp);
    whole_call(
        &mut alice,
        &mut bob,
        route(Transport::Udp, address, "b.test"),
        true,
    )
    .await;
}
