//! Sessions through relays over real sockets on this machine.
#![cfg(feature = "tokio")]

use offhook_msrp::chunk::{StatusCode, SuccessReport};
use offhook_msrp::relay::RelayError;
use offhook_msrp::relay::server::{RelayConfig, RelayUser};
use offhook_msrp::session::Delivery;
use offhook_msrp::tokio::{
    Acceptor, AcceptorDirect, AcceptorRelay, ConnectError, Connector, ConnectorDirect, ConnectorRelay,
    MsrpConnection, MsrpRelaySettings, RelayAddress, RelayResolver, RelayServer, Resolving, SendChunk,
    get_acceptor, get_connector,
};
use offhook_msrp::{MsrpPath, MsrpUri, OutgoingMessage, SessionConfig, SessionEvent};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A relay for alice and bob, reached by an address or as `localhost`.
async fn relay(adjust: impl FnOnce(&mut RelayConfig)) -> RelayServer {
    let mut config = RelayConfig::new("msrp://127.0.0.1:0;tcp".parse().unwrap());
    config.allow_plain_auth = true;
    config.aliases.push("localhost".to_owned());
    for user in ["alice", "bob"] {
        config
            .users
            .insert(user.to_owned(), RelayUser::new(format!("{user}pw")));
    }
    adjust(&mut config);
    RelayServer::bind("127.0.0.1:0".parse().unwrap(), config)
        .await
        .unwrap()
}

fn settings(user: &str, relay: &RelayServer) -> MsrpRelaySettings {
    MsrpRelaySettings::new("localhost", user, format!("{user}pw"))
        .with_host("127.0.0.1", relay.local_addr().port())
        .without_tls()
}

fn between(ours: &MsrpPath, theirs: &MsrpPath) -> SessionConfig {
    let mut config = SessionConfig::new(ours.clone(), theirs.clone());
    config.bind_timeout = Duration::from_secs(5);
    config
}

/// A session between an end that opens it and one that takes it.
async fn meet(connector: Connector, acceptor: Acceptor) -> (MsrpConnection, MsrpConnection) {
    let (a, b) = (connector.local_path().clone(), acceptor.local_path().clone());
    let (alice, bob) = tokio::join!(
        connector.complete(between(&a, &b)),
        acceptor.complete(between(&b, &a))
    );
    (alice.unwrap(), bob.unwrap())
}

async fn hear(connection: &mut MsrpConnection) -> SessionEvent {
    tokio::time::timeout(Duration::from_secs(30), connection.next_event())
        .await
        .expect("an event in time")
        .expect("an event")
}

/// A message with a report each way.
async fn talk(alice: &mut MsrpConnection, bob: &mut MsrpConnection) {
    tell(alice, bob).await;
    tell(bob, alice).await;
}

async fn tell(from: &mut MsrpConnection, to: &mut MsrpConnection) {
    let message =
        OutgoingMessage::new("text/plain", vec![b'x'; 50_000]).with_success_report(SuccessReport::Yes);
    from.handle().send(message).await.unwrap();
    assert!(matches!(hear(to).await, SessionEvent::Message(message) if message.body.len() == 50_000));
    loop {
        match hear(from).await {
            SessionEvent::Reported { complete: true, .. } => break,
            SessionEvent::Reported { .. }
            | SessionEvent::SendDone { .. }
            | SessionEvent::SendProgress { .. } => {}
            event => panic!("{event:?}"),
        }
    }
}

#[tokio::test]
async fn messages_and_reports_pass_whichever_end_is_at_the_relay() {
    let relay = relay(|_| {}).await;
    for (alice_at_relay, bob_at_relay) in [(true, true), (true, false), (false, true)] {
        let (alices, bobs) = (settings("alice", &relay), settings("bob", &relay));
        let connector = get_connector(alice_at_relay.then_some(&alices), None)
            .await
            .unwrap();
        let acceptor = get_acceptor(bob_at_relay.then_some(&bobs), None).await.unwrap();
        let hops = |at_relay| 1 + usize::from(at_relay);
        assert_eq!(connector.local_path().uris().len(), hops(alice_at_relay));
        assert_eq!(acceptor.local_path().uris().len(), hops(bob_at_relay));
        let (mut alice, mut bob) = meet(connector, acceptor).await;
        talk(&mut alice, &mut bob).await;
    }
}

#[tokio::test]
async fn two_relays_pass_messages_to_each_other_and_a_chain_is_asked_in_order() {
    let (near, far) = (relay(|_| {}).await, relay(|_| {}).await);
    let bob = get_acceptor(Some(&settings("bob", &far)), None).await.unwrap();
    let alice = get_connector(Some(&settings("alice", &near)), None)
        .await
        .unwrap();
    let (mut alice, mut bob) = meet(alice, bob).await;
    talk(&mut alice, &mut bob).await;

    let far_uri = format!("msrp://127.0.0.1:{};tcp", far.local_addr().port());
    let chain = settings("alice", &near).through(far_uri.parse().unwrap(), "alice", "alicepw");
    let alice = get_connector(Some(&chain), None).await.unwrap();
    let ports: Vec<_> = alice
        .local_path()
        .uris()
        .iter()
        .map(|uri| uri.port().unwrap())
        .collect();
    assert_eq!(ports[..2], [far.local_addr().port(), near.local_addr().port()]);
    let bob = get_acceptor(None, None).await.unwrap();
    let (mut alice, mut bob) = meet(alice, bob).await;
    talk(&mut alice, &mut bob).await;
}

#[tokio::test]
async fn a_large_file_passes_without_being_collected() {
    const SIZE: usize = 20_000_000;
    let relay = relay(|config| config.queued_bytes = 64 * 1024).await;
    let connector = ConnectorRelay::prepare(&settings("alice", &relay), None)
        .await
        .unwrap();
    let acceptor = AcceptorRelay::prepare(&settings("bob", &relay), None)
        .await
        .unwrap();
    let (connector, acceptor) = (Connector::Relay(connector), Acceptor::Relay(acceptor));
    carry(connector, acceptor, SIZE, NonZeroU32::MAX).await;
}

/// Sends a message of this size in chunks of that one, and looks at what arrives.
async fn carry(connector: Connector, acceptor: Acceptor, size: usize, chunk_size: NonZeroU32) {
    let (a, b) = (connector.local_path().clone(), acceptor.local_path().clone());
    let (mut ours, mut theirs) = (between(&a, &b), between(&b, &a));
    ours.chunk_size = chunk_size;
    theirs.delivery = Delivery::Pieces;
    theirs.message_limits.bytes = u64::MAX;
    let (alice, bob) = tokio::join!(connector.complete(ours), acceptor.complete(theirs));
    let (alice, mut bob) = (alice.unwrap(), bob.unwrap());
    let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let (sending, mut progress) = alice.split();
    let message = OutgoingMessage::new("a/b", body.clone());
    sending.send(message).await.unwrap();
    // Who does not take the events is not told of answers either.
    tokio::spawn(async move { while progress.recv().await.is_some() {} });
    let mut heard = vec![0; size];
    loop {
        match hear(&mut bob).await {
            SessionEvent::MessageData { at, data, .. } => {
                heard[at as usize..at as usize + data.len()].copy_from_slice(&data);
            }
            SessionEvent::MessageEnded { size: told, .. } => {
                assert_eq!(told, size as u64);
                break;
            }
            SessionEvent::MessageBegan { .. } => {}
            event => panic!("{event:?}"),
        }
    }
    assert!(heard == body);
}

/// On such ways a relay passes on to the connection from which it reads, and the answers come behind further requests.
#[tokio::test]
async fn what_goes_to_a_relay_and_back_on_the_same_connection_does_not_stand_still() {
    let (near, far) = (relay(|_| {}).await, relay(|_| {}).await);
    let uri = |relay: &RelayServer| {
        let uri = format!("msrp://127.0.0.1:{};tcp", relay.local_addr().port());
        uri.parse::<MsrpUri>().unwrap()
    };
    let through = |user: &str, first: &RelayServer, second: &RelayServer| {
        settings(user, first).through(uri(second), user, &*format!("{user}pw"))
    };
    for bobs_way in [through("bob", &near, &far), through("bob", &far, &near)] {
        let alice = get_connector(Some(&through("alice", &near, &far)), None)
            .await
            .unwrap();
        let bob = get_acceptor(Some(&bobs_way), None).await.unwrap();
        let chunk_size = NonZeroU32::new(2048).unwrap();
        carry(alice, bob, 6_000_000, chunk_size).await;
    }
}

#[tokio::test]
async fn strangers_get_no_place() {
    let relay = relay(|config| {
        config.users.get_mut("bob").unwrap().places = 1;
    })
    .await;
    let eve = MsrpRelaySettings::new("localhost", "alice", "guess")
        .with_host("127.0.0.1", relay.local_addr().port())
        .without_tls();
    assert!(matches!(
        ConnectorRelay::prepare(&eve, None).await,
        Err(ConnectError::Relay(RelayError::Challenge(_)))
    ));
    let _first = AcceptorRelay::prepare(&settings("bob", &relay), None)
        .await
        .unwrap();
    assert!(matches!(
        AcceptorRelay::prepare(&settings("bob", &relay), None).await,
        Err(ConnectError::Relay(RelayError::Refused(StatusCode::FORBIDDEN)))
    ));
    assert_eq!(relay.place_count(), 1);
}

#[tokio::test]
async fn without_tls_there_is_no_place_unless_the_relay_allows_it() {
    let relay = relay(|config| config.allow_plain_auth = false).await;
    assert!(matches!(
        ConnectorRelay::prepare(&settings("alice", &relay), None).await,
        Err(ConnectError::Relay(RelayError::Refused(StatusCode::FORBIDDEN)))
    ));
}

/// Knows one relay, behind one that is gone.
#[derive(Debug)]
struct Srv(u16);

impl RelayResolver for Srv {
    fn relays<'a>(&'a self, domain: &'a str) -> Resolving<'a> {
        assert_eq!(domain, "localhost");
        let addresses = [1, self.0].map(|port| RelayAddress {
            host: "127.0.0.1".to_owned(),
            port,
        });
        Box::pin(std::future::ready(Ok(addresses.to_vec())))
    }
}

#[tokio::test]
async fn a_relay_is_found_by_the_resolver_that_was_handed_in() {
    let relay = relay(|_| {}).await;
    let settings = MsrpRelaySettings::new("localhost", "alice", "alicepw")
        .without_tls()
        .with_resolver(Arc::new(Srv(relay.local_addr().port())));
    let connector = ConnectorRelay::prepare(&settings, None).await.unwrap();
    assert_eq!(
        connector.local_path().first().port(),
        Some(relay.local_addr().port())
    );
}

#[tokio::test]
async fn a_further_relay_that_cannot_be_reached_is_told_at_once() {
    let near = relay(|_| {}).await;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = format!("msrp://127.0.0.1:{};tcp", nobody.local_addr().unwrap().port());
    drop(nobody);
    let chain = settings("alice", &near).through(far.parse().unwrap(), "alice", "alicepw");
    let refused = tokio::time::timeout(Duration::from_secs(5), get_connector(Some(&chain), None));
    let refused = refused.await.expect("an answer at once").unwrap_err();
    assert!(
        matches!(&refused, ConnectError::Relay(RelayError::Refused(status)) if status.code() == 408),
        "{refused}"
    );
}

/// Reads a request of a raw connection.
async fn heard(stream: &mut tokio::net::TcpStream) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(b"$\r\n") {
        heard.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn a_place_that_moves_before_the_session_is_bound_does_not_end_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let relaying = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut own = String::new();
        // A place for a second, and when it is renewed, another.
        for place in ["here", "there"] {
            let auth = heard(&mut stream).await;
            let id = auth.split(' ').nth(1).unwrap();
            own = auth
                .split("From-Path: ")
                .nth(1)
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .to_owned();
            let answer = format!(
                "MSRP {id} 200 OK\r\nTo-Path: {own}\r\nFrom-Path: msrp://{address};tcp\r\n\
                 Use-Path: msrp://{address}/{place};tcp\r\nExpires: 1\r\n-------{id}$\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let peer = "msrp://127.0.0.1:9/peer;tcp";
        let bind = format!(
            "MSRP bind1 SEND\r\nTo-Path: {own}\r\nFrom-Path: msrp://{address}/here;tcp {peer}\r\nMessage-ID: bind1\r\n-------bind1$\r\n"
        );
        stream.write_all(bind.as_bytes()).await.unwrap();
        stream
    });
    let settings = MsrpRelaySettings::new("127.0.0.1", "alice", "alicepw")
        .with_host("127.0.0.1", address.port())
        .without_tls();
    let acceptor = get_acceptor(Some(&settings), None).await.unwrap();
    let remote = "msrp://127.0.0.1:9/peer;tcp".parse().unwrap();
    let config = acceptor.session_config(remote);
    let session = tokio::time::timeout(Duration::from_secs(10), acceptor.complete(config)).await;
    let mut session = session.expect("in time").expect("the session is bound");
    match hear(&mut session).await {
        SessionEvent::RelayMoved(path) => assert!(path.to_string().contains("/there;tcp"), "{path}"),
        event => panic!("{event:?}"),
    }
    relaying.await.unwrap();
}

#[tokio::test]
async fn a_place_ends_with_its_connection_and_who_sends_there_hears_481() {
    let relay = relay(|_| {}).await;
    let acceptor = AcceptorRelay::prepare(&settings("bob", &relay), None)
        .await
        .unwrap();
    let theirs = acceptor.local_path().clone();
    drop(acceptor);
    while relay.place_count() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let connector = ConnectorDirect::prepare(None).unwrap();
    let config = between(&connector.local_path().clone(), &theirs);
    assert!(matches!(
        connector.complete(config).await,
        Err(ConnectError::NotBound(
            offhook_msrp::session::CloseReason::BindRefused(StatusCode::NO_SESSION)
        ))
    ));
}

#[tokio::test]
async fn chunks_one_by_one_pass_as_well() {
    let relay = relay(|_| {}).await;
    let connector = ConnectorRelay::prepare(&settings("alice", &relay), None)
        .await
        .unwrap();
    let acceptor = AcceptorRelay::prepare(&settings("bob", &relay), None)
        .await
        .unwrap();
    let (a, b) = (connector.local_path().clone(), acceptor.local_path().clone());
    let (mut alice, mut bob) = (
        connector.open(between(&a, &b)).await.unwrap(),
        acceptor.open(between(&b, &a)).await.unwrap(),
    );
    let chunk = SendChunk {
        content_type: Some("text/plain".to_owned()),
        data: "hello".into(),
        ..SendChunk::default()
    };
    let bytes = alice.make_chunk(chunk).unwrap();
    alice.write(&bytes).await.unwrap();
    let bind = bob.read_chunk(None).await.unwrap().unwrap();
    assert!(bind.body.is_empty() && bob.check_incoming_send(&bind.head).is_ok());
    let hello = bob.read_chunk(None).await.unwrap().unwrap();
    assert_eq!(hello.body, "hello");
}

#[tokio::test]
async fn a_direct_acceptor_serves_a_connector_that_is_at_a_relay() {
    let relay = relay(|_| {}).await;
    let acceptor = AcceptorDirect::prepare("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let connector = get_connector(Some(&settings("alice", &relay)), None)
        .await
        .unwrap();
    let (mut alice, mut bob) = meet(connector, Acceptor::Direct(acceptor)).await;
    talk(&mut alice, &mut bob).await;
    assert_eq!(relay.connection_count(), 2);
}

#[tokio::test]
async fn a_place_is_renewed_while_it_waits_to_be_used() {
    let relay = relay(|config| config.shortest = Duration::from_secs(1)).await;
    let brief = |user| settings(user, &relay).with_expires(Duration::from_secs(4));
    let acceptor = AcceptorRelay::prepare(&brief("bob"), None).await.unwrap();
    let connector = ConnectorRelay::prepare(&brief("alice"), None).await.unwrap();
    let (a, b) = (connector.local_path().clone(), acceptor.local_path().clone());
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (alice, bob) = tokio::join!(connector.complete(between(&a, &b)), async {
        // The first request is there before anybody wants it.
        tokio::time::sleep(Duration::from_millis(200)).await;
        acceptor.complete(between(&b, &a)).await
    });
    talk(&mut alice.unwrap(), &mut bob.unwrap()).await;
}

#[tokio::test]
async fn a_place_that_is_not_used_is_given_up() {
    let relay = relay(|_| {}).await;
    let place = AcceptorRelay::prepare(&settings("bob", &relay), None)
        .await
        .unwrap();
    assert_eq!(relay.place_count(), 1);
    drop(place);
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    while relay.place_count() > 0 {
        assert!(tokio::time::Instant::now() < patience, "the connection stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
