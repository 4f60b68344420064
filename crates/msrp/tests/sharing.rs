//! Several sessions on one connection (RFC 4975 §5.4), over real sockets on this machine.
#![cfg(feature = "tokio")]

use offhook_msrp::chunk::StatusCode;
use offhook_msrp::session::CloseReason;
use offhook_msrp::tokio::{
    ConnectError, ConnectorDirect, DeliverError, MsrpConnection, MsrpServer, ServerConfig, SharedConnections,
    TurnedAway,
};
use offhook_msrp::{MsrpPath, OutgoingMessage, SessionConfig, SessionEvent};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);

async fn server() -> MsrpServer {
    let address = "127.0.0.1:0".parse().unwrap();
    MsrpServer::bind(address, ServerConfig::default()).await.unwrap()
}

/// A session between us and a server, on a connection of these.
async fn session(server: &MsrpServer, connections: &SharedConnections) -> (MsrpConnection, MsrpConnection) {
    let expected = server.prepare(None).unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap().sharing(connections);
    let (a, b) = (connector.local_path().clone(), expected.local_path().clone());
    let (alice, bob) = tokio::join!(
        connector.complete(SessionConfig::new(a.clone(), b.clone())),
        expected.complete(SessionConfig::new(b, a)),
    );
    (alice.unwrap(), bob.unwrap())
}

async fn hear(connection: &mut MsrpConnection) -> SessionEvent {
    timeout(PATIENCE, connection.next_event())
        .await
        .expect("an event in time")
        .expect("an event")
}

async fn talk(from: &MsrpConnection, to: &mut MsrpConnection, body: &str) {
    let delivered = from
        .handle()
        .deliver(OutgoingMessage::new("text/plain", body.to_owned()));
    timeout(PATIENCE, delivered).await.unwrap().unwrap();
    match hear(to).await {
        SessionEvent::Message(message) => assert_eq!(message.body, body),
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn sessions_to_one_peer_share_a_connection_and_end_one_by_one() {
    let server = server().await;
    let connections = SharedConnections::new();
    let mut pairs = Vec::new();
    for _ in 0..4 {
        pairs.push(session(&server, &connections).await);
    }
    assert_eq!(connections.count(), 1);
    for (number, (alice, bob)) in pairs.iter_mut().enumerate() {
        talk(alice, bob, &format!("there {number}")).await;
        talk(bob, alice, &format!("back {number}")).await;
    }
    while let Some((mut alice, bob)) = pairs.pop() {
        alice.handle().close().await.unwrap();
        assert!(matches!(
            hear(&mut alice).await,
            SessionEvent::Closed(CloseReason::ByOwner)
        ));
        if let Some((other, others_peer)) = pairs.first_mut() {
            let lost = bob.handle().deliver(OutgoingMessage::new("text/plain", "gone?"));
            let lost = timeout(PATIENCE, lost).await.unwrap();
            assert!(matches!(lost, Err(DeliverError::Failed(status)) if status.code() == 481));
            talk(other, others_peer, "still here").await;
        }
    }
    // With the last one the connection ended: the next session has a new one.
    let ended = async {
        while connections.count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, ended).await.unwrap();
    let (alice, mut bob) = session(&server, &connections).await;
    talk(&alice, &mut bob, "anew").await;
}

#[tokio::test]
async fn another_peer_has_another_connection() {
    let (one, two) = (server().await, server().await);
    let connections = SharedConnections::new();
    let (first, mut firsts_peer) = session(&one, &connections).await;
    let (second, mut seconds_peer) = session(&two, &connections).await;
    assert_eq!(connections.count(), 2);
    talk(&first, &mut firsts_peer, "one").await;
    talk(&second, &mut seconds_peer, "two").await;
}

#[tokio::test]
async fn a_file_on_one_session_leaves_room_for_the_other() {
    let server = server().await;
    let connections = SharedConnections::new();
    let (file, mut files_peer) = session(&server, &connections).await;
    let (chat, mut chats_peer) = session(&server, &connections).await;
    let body = vec![b'x'; 900_000];
    let file = tokio::spawn(async move {
        let sent = file.handle().deliver(OutgoingMessage::new("a/b", body));
        (timeout(Duration::from_mins(1), sent).await.unwrap(), file)
    });
    for number in 0..50 {
        talk(&chat, &mut chats_peer, &number.to_string()).await;
    }
    let heard = timeout(Duration::from_mins(1), files_peer.next_event())
        .await
        .unwrap();
    assert!(matches!(heard, Some(SessionEvent::Message(message)) if message.body.len() == 900_000));
    file.await.unwrap().0.unwrap();
}

/// Reads one chunk of a raw connection.
async fn chunk(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let hearing = async {
        while !heard.ends_with(b"$\r\n") {
            heard.push(stream.read_u8().await.expect("a chunk"));
        }
    };
    timeout(PATIENCE, hearing).await.expect("a chunk in time");
    String::from_utf8(heard).unwrap()
}

fn field<'t>(chunk: &'t str, name: &str) -> &'t str {
    let mut lines = chunk.split("\r\n");
    lines.find_map(|line| line.strip_prefix(name)).expect("the field")
}

/// Answers a request as a peer of few words would.
async fn answer(stream: &mut TcpStream, request: &str, status: &str) {
    let id = request.split(' ').nth(1).unwrap();
    let (to, from) = (field(request, "From-Path: "), field(request, "To-Path: "));
    let response = format!("MSRP {id} {status}\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------{id}$\r\n");
    stream.write_all(response.as_bytes()).await.unwrap();
}

fn connect(
    connections: &SharedConnections,
    remote: &str,
) -> tokio::task::JoinHandle<Result<MsrpConnection, ConnectError>> {
    let connector = ConnectorDirect::prepare(None).unwrap().sharing(connections);
    let config = connector.session_config(remote.parse().unwrap());
    tokio::spawn(connector.complete(config))
}

#[tokio::test]
async fn a_peer_that_wants_one_session_for_each_connection_is_connected_to_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = SharedConnections::new();
    let first = connect(&connections, &format!("msrp://127.0.0.1:{port}/first;tcp"));
    let (mut one, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let binding = chunk(&mut one).await;
    assert!(field(&binding, "To-Path: ").ends_with("/first;tcp"));
    answer(&mut one, &binding, "200 OK").await;
    let first = first.await.unwrap().unwrap();

    // The second session is begun on the same connection, and on another once it is refused there.
    let second = connect(&connections, &format!("msrp://127.0.0.1:{port}/second;tcp"));
    let binding = chunk(&mut one).await;
    assert!(field(&binding, "To-Path: ").ends_with("/second;tcp"));
    answer(&mut one, &binding, "481 Session-does-not-exist").await;
    let (mut two, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let binding = chunk(&mut two).await;
    assert!(field(&binding, "To-Path: ").ends_with("/second;tcp"));
    answer(&mut two, &binding, "200 OK").await;
    let second = second.await.unwrap().unwrap();
    assert_eq!(connections.count(), 2);

    for (session, stream) in [(&first, &mut one), (&second, &mut two)] {
        session
            .handle()
            .send(OutgoingMessage::new("text/plain", "hello"))
            .await
            .unwrap();
        let request = chunk(stream).await;
        assert!(request.contains("hello"), "{request}");
        answer(stream, &request, "200 OK").await;
    }
}

fn send(id: &str, to: &MsrpPath, from: &str) -> String {
    format!(
        "MSRP {id} SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\nMessage-ID: {id}\r\nByte-Range: 1-2/2\r\n\
         Content-Type: text/plain\r\n\r\nhi\r\n-------{id}$\r\n"
    )
}

#[tokio::test]
async fn a_server_takes_further_sessions_on_a_connection_and_refuses_what_it_does_not_expect() {
    let server = server().await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    let mut sessions = Vec::new();
    for number in 0..3 {
        let expected = server.prepare(None).unwrap();
        let ours = expected.local_path().clone();
        let theirs = format!("msrp://127.0.0.1:9/peer{number};tcp");
        let id = format!("bind{number}");
        stream
            .write_all(send(&id, &ours, &theirs).as_bytes())
            .await
            .unwrap();
        if number > 0 {
            // It comes before it is known who it has to be.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let config = SessionConfig::new(ours.clone(), theirs.parse().unwrap());
        let mut session = expected.complete(config).await.unwrap();
        assert!(chunk(&mut stream).await.starts_with(&format!("MSRP {id} 200")));
        assert!(matches!(hear(&mut session).await, SessionEvent::Message(message) if message.body == "hi"));
        sessions.push((session, ours, theirs));
    }
    // One that nobody expects, one that is prepared for another peer, and one that is there under another name.
    let unknown: MsrpPath = "msrp://127.0.0.1:2855/unknown;tcp".parse().unwrap();
    stream
        .write_all(send("none1", &unknown, "msrp://127.0.0.1:9/peer0;tcp").as_bytes())
        .await
        .unwrap();
    assert!(chunk(&mut stream).await.starts_with("MSRP none1 481"));
    let expected = server.prepare(None).unwrap();
    let local = expected.local_path().clone();
    let mut config = SessionConfig::new(local.clone(), "msrp://127.0.0.1:9/bob;tcp".parse().unwrap());
    config.bind_timeout = Duration::from_millis(300);
    let waiting = tokio::spawn(expected.complete(config));
    stream
        .write_all(send("none2", &local, "msrp://127.0.0.1:9/mallory;tcp").as_bytes())
        .await
        .unwrap();
    assert!(chunk(&mut stream).await.starts_with("MSRP none2 481"));
    let ended = waiting.await.unwrap();
    assert!(
        matches!(
            &ended,
            Err(ConnectError::BindTimeout(Some(TurnedAway::Refused(
                StatusCode::NO_SESSION
            ))))
        ),
        "{ended:?}"
    );
    let taken = sessions[0].1.clone();
    stream
        .write_all(send("none3", &taken, "msrp://127.0.0.1:9/mallory;tcp").as_bytes())
        .await
        .unwrap();
    assert!(chunk(&mut stream).await.starts_with("MSRP none3 481"));
    // A session of this connection is in use: it cannot be had on another.
    let mut other = TcpStream::connect(server.local_addr()).await.unwrap();
    other
        .write_all(send("none4", &taken, &sessions[0].2).as_bytes())
        .await
        .unwrap();
    assert!(chunk(&mut other).await.starts_with("MSRP none4 506"));
    // All three go on.
    for (number, (session, ours, theirs)) in sessions.iter_mut().enumerate() {
        let id = format!("more{number}");
        stream
            .write_all(send(&id, ours, theirs).as_bytes())
            .await
            .unwrap();
        assert!(chunk(&mut stream).await.starts_with(&format!("MSRP {id} 200")));
        assert!(matches!(hear(session).await, SessionEvent::Message(_)));
    }
    drop(stream);
    for (session, ..) in &mut sessions {
        assert!(matches!(
            hear(session).await,
            SessionEvent::Closed(CloseReason::ConnectionLost)
        ));
    }
}

#[tokio::test]
async fn a_session_in_use_on_one_connection_is_refused_on_another_that_is_shared() {
    let server = server().await;
    let mut streams = Vec::new();
    let mut sessions = Vec::new();
    for number in 0..2 {
        let expected = server.prepare(None).unwrap();
        let ours = expected.local_path().clone();
        let theirs = format!("msrp://127.0.0.1:9/peer{number};tcp");
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        stream
            .write_all(send("bind0", &ours, &theirs).as_bytes())
            .await
            .unwrap();
        let config = SessionConfig::new(ours.clone(), theirs.parse().unwrap());
        sessions.push((expected.complete(config).await.unwrap(), ours, theirs));
        assert!(chunk(&mut stream).await.starts_with("MSRP bind0 200"));
        streams.push(stream);
    }
    let (_, first, peer) = &sessions[0];
    streams[1]
        .write_all(send("steal", first, peer).as_bytes())
        .await
        .unwrap();
    assert!(chunk(&mut streams[1]).await.starts_with("MSRP steal 506"));
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_is_gone() {
    let peer: MsrpPath = "msrp://127.0.0.1:9/peer;tcp".parse().unwrap();
    let server = server().await;
    let [early, late] = [(); 2].map(|()| server.prepare(None).unwrap());
    let config = early.session_config(peer.clone());
    let waiting = tokio::spawn(early.complete(config));
    tokio::task::yield_now().await;
    drop(server);
    let config = late.session_config(peer);
    for told in [
        waiting.await.unwrap(),
        timeout(PATIENCE, late.complete(config)).await.unwrap(),
    ] {
        assert!(matches!(told, Err(ConnectError::ServerGone)), "{told:?}");
    }
}
