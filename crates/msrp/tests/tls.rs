//! Sessions protected by TLS, on this machine.
#![cfg(feature = "tls")]

use offhook_msrp::tokio::{AcceptorDirect, ConnectError, ConnectorDirect, MsrpServer, ServerConfig};
use offhook_msrp::{OutgoingMessage, SessionConfig, SessionEvent};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

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
    let ours = SessionConfig::new(connector.local_path().clone(), acceptor.local_path().clone());
    let theirs = SessionConfig::new(acceptor.local_path().clone(), connector.local_path().clone());
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
        Err(ConnectError::Io(_))
    ));
    let other_name = identity("b.test");
    assert!(matches!(
        meet(&other_name, &other_name.certificate).await,
        Err(ConnectError::Io(_))
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
    let config = SessionConfig::new(connector.local_path().clone(), expected.local_path().clone());
    assert!(matches!(
        connector.complete(config).await,
        Err(ConnectError::Secure)
    ));
}
