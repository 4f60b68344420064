//! Connections that the peer opened and that our requests go by (RFC 5923), without sockets.

mod support;

use offhook_sansio::{Entropy, Path, Received, Transmit, Transport};
use offhook_sip_core::{Ask, ConnectionReuse, Endpoint, EndpointConfig, EndpointLimits, Invite, Route};
use std::time::Instant;
use support::{ALICE, BOB};

const OWN_PORT: &str = "192.0.2.1:5061";

/// Bob, whom Alice connects to.
struct Server {
    endpoint: Endpoint,
    now: Instant,
}

impl Server {
    fn new(connection_reuse: ConnectionReuse) -> Self {
        Self::with_config(EndpointConfig {
            connection_reuse,
            ..EndpointConfig::default()
        })
    }

    fn with_config(config: EndpointConfig) -> Self {
        let mut endpoint = Endpoint::new(config, Entropy::from_number(1));
        for transport in [Transport::Tls, Transport::Tcp, Transport::Udp, Transport::Wss] {
            endpoint.add_local(transport, BOB.parse().expect("valid"));
        }
        Self {
            endpoint,
            now: Instant::now(),
        }
    }

    fn authenticated(&mut self, path: Path, identities: &[&str]) {
        let identities = identities.iter().map(|name| (*name).to_owned()).collect();
        self.endpoint.handle_authenticated(path, identities);
    }

    /// Alice's request with these Via parameters, from this sent-by.
    fn receive(&mut self, path: Path, sent_by: &str, params: &str) {
        let number = self.endpoint.statistics().received;
        let text = format!(
            "OPTIONS sip:bob@b.test SIP/2.0\nVia: SIP/2.0/{} {sent_by};branch=z9hG4bK{number}{params}\n\
             Max-Forwards: 70\nFrom: <sip:alice@a.test>;tag=1\nTo: <sip:bob@b.test>\nCall-ID: {number}\n\
             CSeq: 1 OPTIONS\nContact: <sip:alice@{ALICE}>\nContent-Length: 0\n\n",
            path.transport.as_str()
        );
        self.give(path, &text);
        assert!(self.sent().is_some(), "it is answered all the same");
    }

    fn give(&mut self, path: Path, text: &str) {
        let bytes = text.replace('\n', "\r\n").into();
        let now = self.now;
        self.endpoint.handle_received(now, Received { path, bytes });
    }

    fn sent(&mut self) -> Option<Transmit> {
        let last = std::iter::from_fn(|| self.endpoint.poll_transmit()).last();
        while self.endpoint.poll_event().is_some() {}
        last
    }

    /// By which way a request goes.
    fn ask(&mut self, transport: Transport, address: &str, domain: &str) -> Transmit {
        let ask = Ask::options(
            "<sip:bob@b.test>".parse().expect("valid"),
            "sip:alice@a.test".parse().expect("valid"),
            route(transport, address, domain),
        );
        let now = self.now;
        self.endpoint.ask(now, ask).expect("it can be sent");
        self.sent().expect("the request")
    }
}

fn route(transport: Transport, address: &str, domain: &str) -> Route {
    let route = Route::new(transport, address.parse().expect("valid"));
    route.with_domain(domain.parse().expect("valid"))
}

fn accepted(transport: Transport, port: u16) -> Path {
    let remote = format!("192.0.2.1:{port}").parse().expect("valid");
    Path::new(transport, BOB.parse().expect("valid"), remote)
}

/// What came, what is wanted, and whether the connection that came is used.
#[derive(Clone, Copy)]
struct Case {
    policy: ConnectionReuse,
    transport: Transport,
    identities: &'static [&'static str],
    sent_by: &'static str,
    params: &'static str,
    address: &'static str,
    domain: &'static str,
    is_used: bool,
}

/// RFC 5923 §8.2: TLS, `alias`, the address of sent-by and the name all have to fit.
const GOOD: Case = Case {
    policy: ConnectionReuse::Authenticated,
    transport: Transport::Tls,
    identities: &["a.test"],
    sent_by: "a.test:5061",
    params: ";alias",
    address: OWN_PORT,
    domain: "a.test",
    is_used: true,
};

const BAD: Case = Case {
    is_used: false,
    ..GOOD
};

fn check(what: &str, case: Case) {
    let mut bob = Server::new(case.policy);
    let path = accepted(case.transport, 40_000);
    bob.authenticated(path, case.identities);
    bob.receive(path, case.sent_by, case.params);
    let sent = bob.ask(case.transport, case.address, case.domain);
    let is_direct = sent.path.remote == case.address.parse().expect("valid");
    let by = (sent.path == path, is_direct);
    assert_eq!(by, (case.is_used, !case.is_used), "{what}: {:?}", sent.path);
}

#[test]
#[rustfmt::skip]
fn a_connection_is_used_where_address_and_certified_name_fit() {
    check("all fits", GOOD);
    check("the default port", Case { sent_by: "a.test", ..GOOD });
    check("names compare as in DNS", Case { domain: "A.Test.", ..GOOD });
    check("one of several names", Case { identities: &["x.test", "a.test"], ..GOOD });
    check("other parameters", Case { params: ";rport;alias;x=y", ..GOOD });
    check("no alias", Case { params: "", ..BAD });
    check("a virtual server", Case { domain: "other.test", ..BAD });
    check("no certificate", Case { identities: &[], ..BAD });
    check("another port wanted", Case { address: "192.0.2.1:5071", ..BAD });
    check("another port said", Case { sent_by: "a.test:5071", ..BAD });
    check("another host", Case { address: "192.0.2.9:5061", ..BAD });
    check("off", Case { policy: ConnectionReuse::Off, ..BAD });
    check("plain TCP", Case { transport: Transport::Tcp, identities: &[], ..BAD });
}

#[test]
#[rustfmt::skip]
fn addresses_alone_count_only_where_a_policy_says_so() {
    let good = Case { policy: ConnectionReuse::Unauthenticated, identities: &[], ..GOOD };
    let bad = Case { is_used: false, ..good };
    check("plain TCP", Case { transport: Transport::Tcp, ..good });
    check("another port", Case { transport: Transport::Tcp, address: ALICE, ..bad });
    check("TLS", good);
    check("a certificate of another", Case { identities: &["other.test"], ..bad });
    check("a web page", Case { transport: Transport::Wss, ..bad });
    check("a datagram", Case { transport: Transport::Udp, ..bad });
}

#[test]
fn several_domains_at_one_address_have_a_connection_each_and_one_connection_several_ports() {
    let mut bob = Server::new(ConnectionReuse::Authenticated);
    let (a, b) = (accepted(Transport::Tls, 40_000), accepted(Transport::Tls, 40_001));
    for (path, name) in [(a, "a.test"), (b, "b.test")] {
        bob.authenticated(path, &[name]);
        bob.receive(path, "proxy.test:5061", ";alias");
    }
    bob.receive(a, "proxy.test:5071", ";alias");
    assert_eq!(bob.ask(Transport::Tls, OWN_PORT, "a.test").path, a);
    assert_eq!(bob.ask(Transport::Tls, OWN_PORT, "b.test").path, b);
    let other = "192.0.2.1:5071";
    assert_eq!(bob.ask(Transport::Tls, other, "a.test").path, a);
    assert!(bob.ask(Transport::Tls, other, "b.test").path.server.is_some());
}

#[test]
fn the_newest_of_several_connections_is_used_and_one_that_broke_no_more() {
    let mut bob = Server::new(ConnectionReuse::Authenticated);
    let (old, new) = (accepted(Transport::Tls, 40_000), accepted(Transport::Tls, 40_001));
    for path in [old, new] {
        bob.authenticated(path, &["a.test"]);
        bob.receive(path, "a.test", ";alias");
    }
    for expected in [new, old] {
        assert_eq!(bob.ask(Transport::Tls, OWN_PORT, "a.test").path, expected);
        let now = bob.now;
        bob.endpoint.handle_transport_error(now, expected);
        bob.sent();
    }
    // RFC 5923 §8.2: then a new one is opened, to a server that must prove its name.
    let sent = bob.ask(Transport::Tls, OWN_PORT, "a.test");
    assert_eq!(sent.path.remote, OWN_PORT.parse().expect("valid"));
    let server = sent.path.server.expect("it must prove its name");
    assert_eq!(bob.endpoint.server_name(server).as_deref(), Some("a.test"));
}

#[test]
fn tables_are_bounded() {
    let limits = EndpointLimits {
        aliased_connections: 2,
        aliases_per_connection: 2,
        ..EndpointLimits::default()
    };
    let mut bob = Server::with_config(EndpointConfig {
        limits,
        ..EndpointConfig::default()
    });
    for port in [40_000, 40_001, 40_002] {
        let path = accepted(Transport::Tls, port);
        bob.authenticated(path, &[&format!("a{port}.test")]);
        for sent_by in [5061, 5062, 5063] {
            bob.receive(path, &format!("a.test:{sent_by}"), ";alias");
        }
    }
    let mut is_used = |domain: &str, port: u16| {
        let sent = bob.ask(Transport::Tls, &format!("192.0.2.1:{port}"), domain);
        sent.path.server.is_none()
    };
    assert!(is_used("a40000.test", 5061) && is_used("a40000.test", 5062));
    assert!(!is_used("a40000.test", 5063), "two ports of a connection");
    assert!(is_used("a40001.test", 5061));
    assert!(!is_used("a40002.test", 5061), "two connections");
}

/// RFC 5923 §8.1: the client asks where the server proves its name.
#[test]
fn alias_is_said_over_tls_and_elsewhere_only_where_a_policy_wants_it() {
    use ConnectionReuse::{Authenticated, Off, Unauthenticated};
    for (policy, transport, is_said) in [
        (Authenticated, Transport::Tls, true),
        (Authenticated, Transport::Tcp, false),
        (Authenticated, Transport::Udp, false),
        (Authenticated, Transport::Wss, false),
        (Off, Transport::Tls, false),
        (Unauthenticated, Transport::Tls, true),
        (Unauthenticated, Transport::Tcp, true),
        (Unauthenticated, Transport::Udp, false),
        (Unauthenticated, Transport::Wss, false),
    ] {
        let sent = Server::new(policy).ask(transport, OWN_PORT, "a.test");
        let text = String::from_utf8_lossy(&sent.bytes);
        let via = support::wire::field(&text, "Via:");
        assert_eq!(via.contains(";alias"), is_said, "{policy:?} {via}");
    }
}

#[test]
fn a_dialog_stays_on_the_connection_that_it_began_by_for_as_long_as_that_holds() {
    let mut bob = Server::new(ConnectionReuse::Authenticated);
    let path = accepted(Transport::Tls, 40_000);
    bob.authenticated(path, &["a.test"]);
    bob.receive(path, "a.test", ";alias");
    let invite = Invite::new(
        "<sip:bob@b.test>".parse().expect("valid"),
        "sip:alice@a.test".parse().expect("valid"),
        route(Transport::Tls, OWN_PORT, "a.test"),
    );
    let now = bob.now;
    let call = bob.endpoint.invite(now, invite).expect("it can be sent");
    let sent = bob.sent().expect("INVITE");
    assert_eq!(sent.path, path);
    let invite = String::from_utf8_lossy(&sent.bytes).replace('\r', "");
    let contact = format!("sip:alice@{OWN_PORT};transport=tls");
    let answer = support::wire::answer(&invite, 200, "").replace(&format!("sip:bob@{BOB}"), &contact);
    bob.give(path, &answer);
    let ack = bob.sent().expect("ACK");
    assert!(ack.bytes.starts_with(b"ACK "));
    assert_eq!(ack.path, path);
    bob.endpoint.handle_transport_error(now, path);
    let mut invitation = bob.endpoint.invitation(call).expect("it lives");
    invitation.end(now).expect("it stands");
    let bye = bob.sent().expect("BYE");
    assert_eq!(bye.path.remote, OWN_PORT.parse().expect("valid"));
}
