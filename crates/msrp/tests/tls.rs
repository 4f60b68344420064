//! Sessions protected by TLS, on this machine.
#![cfg(feature = "tls")]

use offhook_msrp::chunk::StatusCode;
use offhook_msrp::relay::server::{RelayConfig, RelayUser};
use offhook_msrp::session::CloseReason;
use offhook_msrp::tokio::{
    AcceptorDirect, AcceptorRelay, ConnectError, ConnectorDirect, ConnectorRelay, MsrpConnection,
    MsrpRelaySettings, MsrpServer, RelayServer, ServerConfig, SharedConnections, TlsIdentity, TurnedAway,
};
use offhook_msrp::{OutgoingMessage, SessionConfig, SessionEvent};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use std::time::Duration;

struct Identity {
    server: Arc<rustls::ServerConfig>,
    certificate: CertificateDer<'static>,
}

/// A certificate that signs itself, for a name.
fn identity(name: &str) -> Identity {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate = made.cert.der().clone();
    let server =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
    Identity {
        server: Arc::new(server),
        certificate,
    }
}

/// Who trusts only this certificate.
fn trusting(certificate: &CertificateDer<'static>) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    Arc::new(config)
}

/// What becomes of a session with an acceptor of this identity, by a connector that trusts this certificate.
async fn meet(identity: &Identity, trusted: &CertificateDer<'static>) -> Result<(), ConnectError> {
    let acceptor = AcceptorDirect::prepare("127.0.0.1:0".parse().unwrap())
        .await?
        .with_tls(Arc::clone(&identity.server));
    let connector = ConnectorDirect::prepare(None)?.with_tls(trusting(trusted));
    assert!(acceptor.local_path().to_string().starts_with("msrps://"));
    let ours = connector.session_config(acceptor.local_path().clone());
    let theirs = acceptor.session_config(connector.local_path().clone());
    let accepting = tokio::spawn(acceptor.complete(theirs));
    let alice = connector.complete(ours).await?;
    let mut bob = accepting.await.unwrap()?;
    alice
        .handle()
        .deliver(OutgoingMessage::new("text/plain", vec![b'x'; 100_000]))
        .await
        .unwrap();
    assert!(
        matches!(bob.next_event().await, Some(SessionEvent::Message(message)) if message.body.len() == 100_000)
    );
    Ok(())
}

#[tokio::test]
async fn messages_go_over_tls_when_the_certificate_is_good() {
    let identity = identity("127.0.0.1");
    meet(&identity, &identity.certificate).await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused() {
    let (good, strange) = (identity("127.0.0.1"), identity("127.0.0.1"));
    assert!(matches!(
        meet(&strange, &good.certificate).await,
        Err(ConnectError::Handshake(_))
    ));
    let other_name = identity("b.test");
    assert!(matches!(
        meet(&other_name, &other_name.certificate).await,
        Err(ConnectError::Handshake(_))
    ));
}

#[tokio::test]
async fn msrps_without_a_configuration_is_an_error() {
    let connector = ConnectorDirect::prepare(None).unwrap();
    let server = identity("127.0.0.1");
    let mut config = ServerConfig::default();
    config.tls = Some(server.server);
    let server = MsrpServer::bind("127.0.0.1:0".parse().unwrap(), config)
        .await
        .unwrap();
    let expected = server.prepare(None).unwrap();
    let config = connector.session_config(expected.local_path().clone());
    assert!(matches!(
        connector.complete(config).await,
        Err(ConnectError::Secure)
    ));
}

fn own_making() -> TlsIdentity {
    let made = rcgen::generate_simple_self_signed(["whoever".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    TlsIdentity::new(made.cert.der().clone(), key).unwrap()
}

/// What becomes of a session when alice expects one certificate of bob, and bob one of alice.
async fn meet_by_fingerprint(
    alice: &TlsIdentity,
    bob: &TlsIdentity,
    alice_expects: &[&TlsIdentity],
    bob_expects: &[&TlsIdentity],
) -> Result<(), ConnectError> {
    let acceptor = AcceptorDirect::prepare("127.0.0.1:0".parse().unwrap())
        .await?
        .with_identity(bob);
    let connector = ConnectorDirect::prepare(None)?.with_identity(alice);
    let mut ours = connector.session_config(acceptor.local_path().clone());
    let mut theirs = acceptor.session_config(connector.local_path().clone());
    let printed = |expected: &[&TlsIdentity]| {
        let texts = expected.iter().map(|identity| identity.fingerprint().to_string());
        texts.map(|text| text.parse().unwrap()).collect()
    };
    ours.peer_fingerprints = printed(alice_expects);
    theirs.peer_fingerprints = printed(bob_expects);
    theirs.bind_timeout = Duration::from_secs(1);
    let (alice, bob) = tokio::join!(connector.complete(ours), acceptor.complete(theirs));
    let (alice, mut bob) = (alice?, bob?);
    alice
        .handle()
        .deliver(OutgoingMessage::new("text/plain", "hi"))
        .await
        .unwrap();
    assert!(matches!(bob.next_event().await, Some(SessionEvent::Message(message)) if message.body == "hi"));
    Ok(())
}

#[tokio::test]
async fn certificates_of_ones_own_making_are_taken_by_their_fingerprints() {
    let (alice, bob) = (own_making(), own_making());
    meet_by_fingerprint(&alice, &bob, &[&bob], &[&alice])
        .await
        .unwrap();
    meet_by_fingerprint(&alice, &bob, &[&alice, &bob], &[&alice])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_certificate_with_another_fingerprint_ends_the_session() {
    let (alice, bob, eve) = (own_making(), own_making(), own_making());
    assert!(matches!(
        meet_by_fingerprint(&alice, &eve, &[&bob], &[&alice]).await,
        Err(ConnectError::Fingerprint)
    ));
    assert!(matches!(
        meet_by_fingerprint(&eve, &bob, &[&bob], &[&alice]).await,
        Err(ConnectError::NotBound(CloseReason::BindRefused(
            StatusCode::FORBIDDEN
        )))
    ));
    assert!(matches!(
        meet_by_fingerprint(&alice, &bob, &[], &[&alice]).await,
        Err(ConnectError::NoFingerprint)
    ));
}

#[tokio::test]
async fn a_server_knows_each_of_its_peers_by_fingerprint() {
    let (alice, bob, eve) = (own_making(), own_making(), own_making());
    let mut config = ServerConfig::default();
    config.identity = Some(bob.clone());
    let server = MsrpServer::bind("127.0.0.1:0".parse().unwrap(), config)
        .await
        .unwrap();
    for (shown, is_taken) in [(&alice, true), (&eve, false)] {
        let expected = server.prepare(None).unwrap();
        let connector = ConnectorDirect::prepare(None).unwrap().with_identity(shown);
        let mut ours = connector.session_config(expected.local_path().clone());
        let mut theirs = expected.session_config(connector.local_path().clone());
        ours.peer_fingerprints = vec![bob.fingerprint().clone()];
        theirs.peer_fingerprints = vec![alice.fingerprint().clone()];
        theirs.bind_timeout = Duration::from_secs(1);
        let (a, b) = tokio::join!(connector.complete(ours), expected.complete(theirs));
        assert_eq!((a.is_ok(), b.is_ok()), (is_taken, is_taken));
    }
}

#[tokio::test]
async fn a_place_at_a_relay_is_asked_for_over_tls() {
    let identity = identity("localhost");
    let mut config = RelayConfig::new("msrps://127.0.0.1:0;tcp".parse().unwrap());
    config.aliases.push("localhost".to_owned());
    config.users.insert("alice".to_owned(), RelayUser::new("alicepw"));
    let relay = RelayServer::bind_tls(
        "127.0.0.1:0".parse().unwrap(),
        config,
        Arc::clone(&identity.server),
        trusting(&identity.certificate),
    )
    .await
    .unwrap();
    let settings = MsrpRelaySettings::new("localhost", "alice", "alicepw")
        .with_host("127.0.0.1", relay.local_addr().port())
        .with_tls(trusting(&identity.certificate));
    let (connector, acceptor) = (
        ConnectorRelay::prepare(&settings, None).await.unwrap(),
        AcceptorRelay::prepare(&settings, None).await.unwrap(),
    );
    assert!(
        connector
            .local_path()
            .to_string()
            .starts_with("msrps://127.0.0.1:")
    );
    let ours = connector.session_config(acceptor.local_path().clone());
    let theirs = acceptor.session_config(connector.local_path().clone());
    let (alice, bob) = tokio::join!(connector.complete(ours), acceptor.complete(theirs));
    let (alice, mut bob) = (alice.unwrap(), bob.unwrap());
    alice
        .handle()
        .deliver(OutgoingMessage::new("text/plain", "hi"))
        .await
        .unwrap();
    assert!(matches!(bob.next_event().await, Some(SessionEvent::Message(message)) if message.body == "hi"));
}

/// A session between these two ends at a server, with the certificates that each was told of.
async fn meet_at(
    server: &MsrpServer,
    connections: &SharedConnections,
    us: &TlsIdentity,
    them: &TlsIdentity,
) -> (
    Result<MsrpConnection, ConnectError>,
    Result<MsrpConnection, ConnectError>,
) {
    let expected = server.prepare(None).unwrap();
    let connector = ConnectorDirect::prepare(None)
        .unwrap()
        .with_identity(us)
        .sharing(connections);
    let (a, b) = (connector.local_path().clone(), expected.local_path().clone());
    let mut ours = SessionConfig::new(a.clone(), b.clone());
    ours.peer_fingerprints.push(them.fingerprint().clone());
    let mut theirs = SessionConfig::new(b, a);
    theirs.peer_fingerprints.push(us.fingerprint().clone());
    theirs.bind_timeout = Duration::from_millis(500);
    tokio::join!(connector.complete(ours), expected.complete(theirs))
}

#[tokio::test]
async fn sessions_share_a_connection_only_with_the_certificates_that_were_announced() {
    let (alice, carol, bob) = (own_making(), own_making(), own_making());
    let mut config = ServerConfig::default();
    config.identity = Some(bob.clone());
    let server = MsrpServer::bind("127.0.0.1:0".parse().unwrap(), config)
        .await
        .unwrap();
    let connections = SharedConnections::new();
    let (first, firsts_peer) = meet_at(&server, &connections, &alice, &bob).await;
    let (second, seconds_peer) = meet_at(&server, &connections, &alice, &bob).await;
    let (_first, _firsts_peer) = (first.unwrap(), firsts_peer.unwrap());
    let (second, mut seconds_peer) = (second.unwrap(), seconds_peer.unwrap());
    assert_eq!(connections.count(), 1);
    // Another certificate of ours needs another connection.
    let (third, thirds_peer) = meet_at(&server, &connections, &carol, &bob).await;
    let (_third, _thirds_peer) = (third.unwrap(), thirds_peer.unwrap());
    assert_eq!(connections.count(), 2);
    // A peer that announced another certificate is not on these connections, nor on a new one.
    let (fourth, fourths_peer) = meet_at(&server, &connections, &alice, &carol).await;
    assert!(matches!(fourth, Err(ConnectError::Fingerprint)), "{fourth:?}");
    assert!(fourths_peer.is_err());
    let delivered = second
        .handle()
        .deliver(OutgoingMessage::new("text/plain", "hello"));
    delivered.await.unwrap();
    assert!(matches!(
        seconds_peer.next_event().await,
        Some(SessionEvent::Message(_))
    ));
}

#[tokio::test]
async fn a_server_lets_a_session_join_only_with_the_certificate_that_its_peer_announced() {
    let (alice, carol, bob) = (own_making(), own_making(), own_making());
    let mut config = ServerConfig::default();
    config.identity = Some(bob.clone());
    let server = MsrpServer::bind("127.0.0.1:0".parse().unwrap(), config)
        .await
        .unwrap();
    let connections = SharedConnections::new();
    let (first, firsts_peer) = meet_at(&server, &connections, &alice, &bob).await;
    let (_first, _firsts_peer) = (first.unwrap(), firsts_peer.unwrap());
    // The server expects Carol's certificate, and Alice comes with hers, on the connection that is there.
    let expected = server.prepare(None).unwrap();
    let connector = ConnectorDirect::prepare(None)
        .unwrap()
        .with_identity(&alice)
        .sharing(&connections);
    let (a, b) = (connector.local_path().clone(), expected.local_path().clone());
    let mut ours = SessionConfig::new(a.clone(), b.clone());
    ours.peer_fingerprints.push(bob.fingerprint().clone());
    let mut theirs = SessionConfig::new(b, a);
    theirs.peer_fingerprints.push(carol.fingerprint().clone());
    theirs.bind_timeout = Duration::from_millis(500);
    let (alices, carols) = tokio::join!(connector.complete(ours), expected.complete(theirs));
    let is_told = matches!(
        &carols,
        Err(ConnectError::BindTimeout(Some(TurnedAway::Refused(
            StatusCode::FORBIDDEN
        ))))
    );
    assert!(is_told, "{carols:?}");
    let refused = matches!(&alices, Err(ConnectError::NotBound(_)));
    assert!(
        refused,
        "refused there, and on a connection of its own: {alices:?}"
    );
}
