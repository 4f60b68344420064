//! SIP over TLS, and whom it believes (RFC 5922).

#![cfg(feature = "tls")]

mod live;

use live::{Authority, PATIENCE, Phone, V4, V6, any, route, set_up, whole_call};
use offhook_sansio::Transport;
use offhook_sip_core::tokio::{
    Certificate, ClientCertificates, TlsError, TlsOptions, TlsVersion, Transports, Trust,
};
use offhook_sip_core::{InvitationState, Route, TransportFailure};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// What becomes of a call to this domain, when the server has a certificate for these names.
async fn attempt(names: &[&str], domain: &str) -> Result<(), TransportFailure> {
    let authority = Authority::new();
    let mut bob = Phone::tls(V4, &authority.server(names));
    let mut alice = Phone::tls(V4, &authority.client());
    let way = route(Transport::Tls, bob.address(), domain);
    attempt_between(&mut alice, &mut bob, way).await
}

async fn attempt_between(alice: &mut Phone, bob: &mut Phone, way: Route) -> Result<(), TransportFailure> {
    alice.call(vec![way]).await;
    tokio::select! {
        _ = bob.until(InvitationState::Incoming) => Ok(()),
        failure = alice.failure() => Err(failure),
    }
}

#[tokio::test]
async fn calls_go_over_tls_and_either_side_hangs_up_by_the_same_connection() {
    for address in [V4, V6] {
        let authority = Authority::new();
        let mut bob = Phone::tls(address, &authority.server(&["b.test"]));
        let mut alice = Phone::tls(address, &authority.client());
        let way = route(Transport::Tls, bob.address(), "b.test");
        for bob_ends in [false, true] {
            whole_call(&mut alice, &mut bob, way.clone(), bob_ends).await;
        }
        assert!(alice.failures.is_empty(), "{:?}", alice.failures);
        let invite = alice.message("INVITE sip:bob");
        assert!(invite.contains("Via: SIP/2.0/TLS "), "{invite}");
        assert!(invite.contains(";transport=tls>"), "{invite}");
        let paths: std::collections::BTreeSet<&str> = bob
            .messages
            .iter()
            .filter_map(|message| message.split(' ').nth(4))
            .collect();
        assert_eq!(paths.len(), 1, "one connection: {paths:?}");
    }
}

#[tokio::test]
async fn the_certificate_must_be_for_the_domain_that_was_looked_up() {
    assert_eq!(attempt(&["b.test"], "B.TEST").await, Ok(()));
    assert_eq!(attempt(&["sip:b.test", "other.test"], "b.test").await, Ok(()));
    let wrong = |wanted: &str, found: &str| {
        Err(TransportFailure::WrongName {
            wanted: wanted.to_owned(),
            found: vec![found.to_owned()],
        })
    };
    assert_eq!(attempt(&["a.test"], "b.test").await, wrong("b.test", "a.test"));
    // RFC 5922 §7.1: names do not count where there is a SIP URI.
    let both = ["sip:a.test", "b.test"];
    assert_eq!(attempt(&both, "b.test").await, wrong("b.test", "a.test"));
    // RFC 5922 §7.2: nothing stands for anything else.
    assert_eq!(
        attempt(&["*.b.test"], "x.b.test").await,
        wrong("x.b.test", "*.b.test")
    );
    assert_eq!(
        attempt(&["b.test"], "127.0.0.1").await,
        wrong("127.0.0.1", "b.test")
    );
}

#[tokio::test]
async fn who_is_signed_by_somebody_else_is_not_believed_unless_verification_is_off() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut bob = Phone::tls(V4, &theirs.server(&["b.test"]));
    let way = route(Transport::Tls, bob.address(), "b.test");
    let mut alice = Phone::tls(V4, &ours.client());
    let failure = attempt_between(&mut alice, &mut bob, way.clone()).await;
    assert_eq!(failure, Err(TransportFailure::UnknownIssuer));
    let careless = TlsOptions {
        verify_server: false,
        ..ours.client()
    };
    let mut alice = Phone::tls(V4, &careless);
    whole_call(&mut alice, &mut bob, way, false).await;
}

#[tokio::test]
async fn an_expired_certificate_is_told_as_such() {
    let authority = Authority::new();
    let tls = authority.expired("b.test");
    let mut bob = Phone::tls(V4, &tls);
    let mut alice = Phone::tls(V4, &authority.client());
    let way = route(Transport::Tls, bob.address(), "b.test");
    let failure = attempt_between(&mut alice, &mut bob, way).await;
    assert_eq!(failure, Err(TransportFailure::Expired));
}

#[tokio::test]
async fn a_server_that_requires_certificates_serves_who_has_one() {
    let authority = Authority::new();
    for (version, policy) in [
        (TlsVersion::V1_2, ClientCertificates::Required),
        (TlsVersion::V1_3, ClientCertificates::Required),
        (TlsVersion::V1_2, ClientCertificates::Optional),
    ] {
        let server = TlsOptions {
            client_certificates: policy,
            minimum_version: version,
            ..authority.server(&["b.test"])
        };
        let mut bob = Phone::tls(V4, &server);
        let way = route(Transport::Tls, bob.address(), "b.test");
        let mut with = Phone::tls(V4, &authority.server(&["a.test"]));
        whole_call(&mut with, &mut bob, way.clone(), true).await;
        let mut without = Phone::tls(V4, &authority.client());
        let result = attempt_between(&mut without, &mut bob, way.clone()).await;
        match policy {
            ClientCertificates::Required => assert_eq!(result, Err(TransportFailure::OurCertificate)),
            _ => assert_eq!(result, Ok(())),
        }
        let mut foreign = Phone::tls(
            V4,
            &TlsOptions {
                trust: authority.trust(),
                ..Authority::new().server(&["a.test"])
            },
        );
        let result = attempt_between(&mut foreign, &mut bob, way).await;
        assert_eq!(result, Err(TransportFailure::OurCertificate));
    }
}

#[tokio::test]
async fn a_server_that_does_not_finish_the_handshake_is_given_up_and_the_next_route_taken() {
    let authority = Authority::new();
    let silent = TcpListener::bind(V4).await.expect("a free port");
    let refused = {
        let gone = TcpListener::bind(V4).await.expect("a free port");
        gone.local_addr().expect("bound")
    };
    let mut wrong = Phone::tls(V4, &authority.server(&["wrong.test"]));
    let mut bob = Phone::tls(V4, &authority.server(&["b.test"]));
    let options = TlsOptions {
        handshake_timeout: Duration::from_millis(300),
        ..authority.client()
    };
    let mut alice = Phone::tls(V4, &options);
    let addresses = [
        silent.local_addr().expect("bound"),
        refused,
        wrong.address(),
        bob.address(),
    ];
    let routes = addresses.map(|address| route(Transport::Tls, address, "b.test"));
    let start = Instant::now();
    let call = alice.call(routes.to_vec()).await;
    let incoming = bob.until(InvitationState::Incoming).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    bob.accept(incoming).await;
    assert_eq!(alice.until(InvitationState::Confirmed).await, call);
    let failures = &alice.failures;
    assert_eq!(
        failures[0],
        TransportFailure::HandshakeTimeout(Duration::from_millis(300))
    );
    assert_eq!(failures[1], TransportFailure::Refused);
    assert!(
        matches!(failures[2], TransportFailure::WrongName { .. }),
        "{failures:?}"
    );
    assert_eq!(failures.len(), 3);
    let quiet = timeout(Duration::from_millis(50), wrong.until(InvitationState::Incoming)).await;
    assert!(quiet.is_err(), "nothing goes to who is not trusted");
}

#[tokio::test]
async fn two_domains_at_one_address_are_two_connections_each_with_its_own_proof() {
    let authority = Authority::new();
    let mut bob = Phone::tls(V4, &authority.server(&["b.test", "c.test"]));
    let mut alice = Phone::tls(V4, &authority.client());
    for domain in ["b.test", "c.test", "b.test"] {
        let way = route(Transport::Tls, bob.address(), domain);
        whole_call(&mut alice, &mut bob, way, false).await;
    }
    let far_ends: std::collections::BTreeSet<&str> = bob
        .messages
        .iter()
        .filter_map(|message| message.split(' ').nth(4))
        .collect();
    assert_eq!(far_ends.len(), 2, "{far_ends:?}");
    let way = route(Transport::Tls, bob.address(), "d.test");
    let failed = attempt_between(&mut alice, &mut bob, way).await;
    assert!(
        matches!(failed, Err(TransportFailure::WrongName { .. })),
        "{failed:?}"
    );
}

#[tokio::test]
async fn who_connects_and_does_not_shake_hands_is_closed() {
    let authority = Authority::new();
    let options = TlsOptions {
        handshake_timeout: Duration::from_millis(200),
        ..authority.server(&["b.test"])
    };
    let bob = Phone::tls(V4, &options);
    let mut stream = TcpStream::connect(bob.address()).await.expect("it listens");
    let read = timeout(PATIENCE, stream.read(&mut [0; 16]))
        .await
        .expect("in time");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn a_client_without_a_certificate_holds_its_port_and_listens_to_nobody() {
    let authority = Authority::new();
    let mut transports = Transports::new();
    let tls = authority.client().load().expect("good");
    let address = transports.bind_tls(any(V4), tls).expect("a free port");
    assert_ne!(address.port(), 0);
    assert!(TcpStream::connect(address).await.is_err());
    assert!(transports.bind_tcp(address).is_err(), "the port is held");
}

#[tokio::test]
async fn after_the_connection_is_lost_a_dialog_goes_on_by_a_new_one_to_the_same_server() {
    let authority = Authority::new();
    let mut bob = Phone::tls(V4, &authority.server(&["b.test"]));
    let mut alice = Phone::tls(V4, &authority.client());
    let cable = live::Cable::to(bob.address()).await;
    let way = route(Transport::Tls, cable.address, "b.test");
    let (call, _) = set_up(&mut alice, &mut bob, way).await;
    cable.cut().await;
    assert_eq!(alice.failure().await, TransportFailure::Closed);
    alice.end(call).await;
    bob.until(InvitationState::Disconnected).await;
    alice.until(InvitationState::Disconnected).await;
}

/// RFC 5923 §5: who has shown a certificate for the name is called by the connection that he opened; who has not, or is
/// another, by a new one.
#[tokio::test]
async fn a_peer_with_a_certificate_is_called_by_the_connection_that_it_opened() {
    for (names, wanted, is_reused) in [
        (Some("a.test"), "a.test", true),
        (Some("a.test"), "other.test", false),
        (None, "a.test", false),
    ] {
        let authority = Authority::new();
        let server = TlsOptions {
            client_certificates: ClientCertificates::Optional,
            ..authority.server(&["b.test"])
        };
        let mut bob = Phone::tls(V4, &server);
        let client = names.map_or_else(|| authority.client(), |name| authority.server(&[name]));
        let mut alice = Phone::tls(V4, &client);
        let way = route(Transport::Tls, bob.address(), "b.test");
        whole_call(&mut alice, &mut bob, way, false).await;
        assert!(alice.message("INVITE sip:bob").contains(";alias"));
        bob.messages.clear();
        let back = route(Transport::Tls, alice.address(), wanted);
        if is_reused {
            whole_call(&mut bob, &mut alice, back, true).await;
            let to_listener = format!("<-> {} ", alice.address());
            let opened = bob.messages.iter().find(|message| message.contains(&to_listener));
            assert_eq!(opened, None);
            continue;
        }
        bob.call(vec![back]).await;
        let failure = bob.failure().await;
        let is_expected = match names {
            Some(_) => matches!(failure, TransportFailure::WrongName { .. }),
            // Without a certificate Alice listens to nobody.
            None => failure == TransportFailure::Refused,
        };
        assert!(is_expected, "{failure}");
    }
}

/// RFC 5923 §8.2: when the connection is gone, a new one is opened.
#[tokio::test]
async fn a_peer_whose_connection_is_gone_is_called_by_a_new_one() {
    let authority = Authority::new();
    let server = TlsOptions {
        client_certificates: ClientCertificates::Required,
        ..authority.server(&["b.test"])
    };
    let mut bob = Phone::tls(V4, &server);
    let client = authority.server(&["a.test"]);
    let mut alice = Phone::tls(V4, &client);
    let way = route(Transport::Tls, bob.address(), "b.test");
    whole_call(&mut alice, &mut bob, way, false).await;
    let address = alice.address();
    alice.handle.stop().await.expect("it runs");
    let mut alice = Phone::tls(&address.to_string(), &client);
    let back = route(Transport::Tls, address, "a.test");
    loop {
        bob.call(vec![back.clone()]).await;
        tokio::select! {
            incoming = alice.until(InvitationState::Incoming) => break alice.accept(incoming).await,
            // Bob had not heard yet that the connection is gone.
            _ = bob.until(InvitationState::Disconnected) => {}
        }
    }
    bob.until(InvitationState::Confirmed).await;
    bob.message(&format!("<-> {address} INVITE"));
}

#[test]
fn options_that_cannot_work_say_what_is_wrong() {
    let authority = Authority::new();
    let missing = TlsOptions {
        trust: Trust::CaFile("/nowhere/ca.pem".into()),
        ..TlsOptions::default()
    };
    let error = missing.load().expect_err("no such file");
    assert!(
        error.to_string().starts_with("cannot read /nowhere/ca.pem: "),
        "{error}"
    );
    let empty = TlsOptions {
        trust: Trust::CaPem(Vec::new()),
        ..TlsOptions::default()
    };
    assert!(matches!(empty.load(), Err(TlsError::NoCertificate(_))));
    let ((chain, _), (_, key)) = (authority.issue(&["a.test"]), authority.issue(&["b.test"]));
    let mixed = TlsOptions {
        certificate: Some(Certificate::Pem {
            chain: chain.into_bytes(),
            key: key.into_bytes(),
        }),
        ..authority.client()
    };
    assert!(matches!(mixed.load(), Err(TlsError::KeyMismatch)));
    assert!(!format!("{mixed:?}").contains("PRIVATE"), "no key in Debug");
}
