//! Whom a request is meant for, over transports whose server must say who it is (RFC 5922, RFC 7118).

use offhook_sansio::{Entropy, Path, Received, Transmit, Transport};
use offhook_sip_core::{Body, Endpoint, EndpointConfig, EndpointEvent, Invite, Route};
use std::net::SocketAddr;
use std::time::Instant;

const OURS: &str = "192.0.2.1:5061";
const THEIRS: &str = "192.0.2.2:5061";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("valid")
}

fn endpoint(transport: Transport) -> Endpoint {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_number(1));
    endpoint.add_local(transport, address(OURS));
    endpoint
}

/// The INVITE of a call along this route.
fn invite(endpoint: &mut Endpoint, route: Route) -> Transmit {
    let uri = "sip:bob@b.test".parse().expect("valid");
    let mut invite = Invite::new("sip:alice@a.test".parse().expect("valid"), uri, route);
    invite.offer = Some(Body::sdp("v=0\r\n"));
    endpoint.invite(Instant::now(), invite).expect("it can be sent");
    endpoint.poll_transmit().expect("the INVITE")
}

fn name(endpoint: &Endpoint, path: Path) -> Option<String> {
    Some(endpoint.server_name(path.server?)?.to_string())
}

fn route(transport: Transport) -> Route {
    Route::new(transport, address(THEIRS)).with_domain("B.Test".parse().expect("valid"))
}

fn header(transmit: &Transmit, name: &str) -> String {
    let text = String::from_utf8_lossy(&transmit.bytes);
    let line = text.lines().find(|line| line.starts_with(name));
    line.expect("it is there").to_owned()
}

/// The peer's 200, with this Contact.
fn accept(endpoint: &mut Endpoint, invite: &Transmit, contact: &str) {
    let copied = ["Via:", "From:", "Call-ID:", "CSeq:"].map(|name| header(invite, name));
    let to = header(invite, "To:");
    let text = format!(
        "SIP/2.0 200 OK\r\n{}\r\n{to};tag=b\r\nContact: <{contact}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        copied.join("\r\n")
    );
    let received = Received {
        path: invite.path,
        bytes: text.into(),
    };
    endpoint.handle_received(Instant::now(), received);
}

/// Where the ACK goes, and whom it wants there.
fn ack(contact: &str) -> (Path, Option<String>) {
    let mut endpoint = endpoint(Transport::Tls);
    let invite = invite(&mut endpoint, route(Transport::Tls));
    accept(&mut endpoint, &invite, contact);
    let id = std::iter::from_fn(|| endpoint.poll_event()).find_map(|event| match event {
        EndpointEvent::Invitation { id, .. } => Some(id),
        _ => None,
    });
    let mut call = endpoint.invitation(id.expect("a call")).expect("it lives");
    call.end(Instant::now()).expect("established");
    let sent: Vec<Transmit> = std::iter::from_fn(|| endpoint.poll_transmit()).collect();
    let path = sent.first().expect("an ACK").path;
    assert!(
        sent.iter().all(|sent| sent.path == path),
        "ACK and BYE go the same way"
    );
    (path, name(&endpoint, path))
}

#[test]
fn a_request_over_tls_asks_for_the_domain_that_was_looked_up() {
    let mut endpoint = endpoint(Transport::Tls);
    let sent = invite(&mut endpoint, route(Transport::Tls));
    assert_eq!(name(&endpoint, sent.path).as_deref(), Some("b.test"));
    let without = Route::new(Transport::Tls, address(THEIRS));
    let sent = invite(&mut endpoint, without);
    assert_eq!(name(&endpoint, sent.path).as_deref(), Some("192.0.2.2"));
}

#[test]
fn transports_that_ask_nobody_who_he_is_have_no_server() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut endpoint = endpoint(transport);
        let sent = invite(&mut endpoint, route(transport));
        assert_eq!(sent.path, Path::new(transport, address(OURS), address(THEIRS)));
    }
}

#[test]
fn inside_a_dialog_the_same_address_is_the_same_server_and_another_must_prove_itself() {
    let (path, name) = ack("sip:bob@192.0.2.2:5061;transport=tls");
    assert_eq!((path.remote, name.as_deref()), (address(THEIRS), Some("b.test")));
    // To a name the way is the one by which the dialog began.
    let (path, name) = ack("sip:bob@phone.b.test;transport=tls");
    assert_eq!((path.remote, name.as_deref()), (address(THEIRS), Some("b.test")));
    let (path, name) = ack("sip:bob@192.0.2.9;transport=tls");
    assert_eq!(
        (path.remote, name.as_deref()),
        (address("192.0.2.9:5061"), Some("192.0.2.9"))
    );
}

#[test]
fn a_websocket_client_is_called_by_a_random_invalid_name() {
    for transport in [Transport::Ws, Transport::Wss] {
        let mut endpoint = endpoint(transport);
        let sent = invite(&mut endpoint, route(transport));
        let via = header(&sent, "Via:");
        let sent_by = via.split([' ', ';']).nth(2).expect("a sent-by");
        assert!(via.starts_with(&format!("Via: SIP/2.0/{transport} ")), "{via}");
        assert!(sent_by.len() > 16 && sent_by.ends_with(".invalid"), "{via}");
        let contact = header(&sent, "Contact:");
        assert!(
            contact.contains(&format!("@{sent_by};transport=ws>")),
            "{contact}"
        );
    }
}
