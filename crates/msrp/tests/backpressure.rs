//! Who does not read: a peer that takes nothing from its socket, and an application that takes no events.
#![cfg(feature = "tokio")]

use offhook_msrp::session::{CloseReason, Delivery, SendError};
use offhook_msrp::tokio::{
    AcceptorDirect, ConnectorDirect, DeliverError, MsrpConnection, MsrpServer, ServerConfig,
    SharedConnections,
};
use offhook_msrp::{MsrpPath, OutgoingMessage, SessionConfig, SessionEvent};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
const BODY: usize = 64 * 1024;

fn message() -> OutgoingMessage {
    OutgoingMessage::new("a/b", vec![b'x'; BODY])
}

/// A session with a peer that binds it and then reads nothing.
async fn with_a_silent_peer(adjust: impl FnOnce(&mut SessionConfig)) -> (MsrpConnection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer: MsrpPath = format!("msrp://{}/peer;tcp", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let own = connector.local_path().clone();
    let mut config = SessionConfig::new(own.clone(), peer.clone());
    config.chunk_size = NonZeroU32::MAX;
    adjust(&mut config);
    let binding = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"$\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let id = String::from_utf8(head).unwrap();
        let id = id.split(' ').nth(1).unwrap().to_owned();
        let answer = format!("MSRP {id} 200 OK\r\nTo-Path: {own}\r\nFrom-Path: {peer}\r\n-------{id}$\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    };
    let (session, stream) = tokio::join!(connector.complete(config), binding);
    (session.unwrap(), stream)
}

#[tokio::test]
async fn a_peer_that_reads_nothing_for_too_long_is_given_up() {
    let unread_timeout = Some(Duration::from_millis(300));
    let (mut session, _peer) = with_a_silent_peer(|config| config.unread_timeout = unread_timeout).await;
    let handle = session.handle().clone();
    // More than systems keep of a connection.
    let sending = tokio::spawn(async move { while handle.send(message()).await.is_ok() {} });
    loop {
        let event = timeout(PATIENCE, session.next_event()).await.expect("in time");
        if let SessionEvent::Closed(reason) = event.expect("it closes first") {
            assert_eq!(reason, CloseReason::Unread);
            break;
        }
    }
    timeout(PATIENCE, sending)
        .await
        .expect("who sends hears of it")
        .unwrap();
}

#[tokio::test]
async fn a_sender_is_as_slow_as_its_peer_and_holds_no_more_than_the_limit() {
    let limit = 1024 * 1024;
    let (session, mut peer) = with_a_silent_peer(|config| config.queued_bytes = limit).await;
    let handle = session.handle().clone();
    let sender = tokio::spawn(async move {
        for number in 0..300 {
            if handle.send(message()).await.is_err() {
                return number;
            }
        }
        300
    });
    // The sockets take some, then the queue fills; then the sender waits.
    let full = async {
        loop {
            let room = session.handle().with(|session| session.check_room());
            match timeout(Duration::from_millis(200), room).await {
                Ok(Ok(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Ok(Err(gone)) => panic!("{gone}"),
                Err(_) => return, // a message waits, and what comes after it
            }
        }
    };
    timeout(PATIENCE, full).await.expect("the queue is full");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!sender.is_finished());

    // Once the peer reads, everything comes.
    let mut read = 0;
    let mut buffer = vec![0; 256 * 1024];
    let reading = async {
        while read < 300 * BODY {
            read += peer.read(&mut buffer).await.unwrap();
        }
    };
    timeout(PATIENCE, reading).await.expect("all messages");
    assert_eq!(timeout(PATIENCE, sender).await.unwrap().unwrap(), 300);
}

#[tokio::test]
async fn who_does_not_want_to_wait_is_told_that_there_is_no_room() {
    let limit = 1024 * 1024;
    let (session, _peer) = with_a_silent_peer(|config| config.queued_bytes = limit).await;
    let filling = async {
        loop {
            let sent = session.handle().with(|session| session.send(message()));
            match sent.await.unwrap() {
                Ok(_) => tokio::task::yield_now().await,
                Err(refused) => return refused,
            }
        }
    };
    let refused = timeout(PATIENCE, filling).await.expect("an end");
    let SendError::BytesFull(waiting) = refused else {
        panic!("{refused}")
    };
    assert!((limit..limit + BODY as u64).contains(&waiting), "{waiting}");
}

/// A session of a server with a connector.
async fn session(
    server: &MsrpServer,
    connections: &SharedConnections,
    adjust: impl Fn(&mut SessionConfig),
) -> (MsrpConnection, MsrpConnection) {
    let expected = server.prepare(None).unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap().sharing(connections);
    let (a, b) = (connector.local_path().clone(), expected.local_path().clone());
    let mut bobs = SessionConfig::new(b.clone(), a.clone());
    adjust(&mut bobs);
    let (alice, bob) = tokio::join!(
        connector.complete(SessionConfig::new(a, b)),
        expected.complete(bobs),
    );
    (alice.unwrap(), bob.unwrap())
}

async fn deliver(from: &MsrpConnection) -> Result<(), DeliverError> {
    let delivered = from.handle().deliver(OutgoingMessage::new("text/plain", "hi"));
    timeout(PATIENCE, delivered).await.expect("an answer in time")
}

async fn hear_message(connection: &mut MsrpConnection) {
    loop {
        let event = timeout(PATIENCE, connection.next_event()).await;
        match event.expect("an event in time") {
            Some(SessionEvent::Message(_)) => return,
            Some(_) => {}
            None => panic!("the session ended"),
        }
    }
}

/// Fills the inbox of a session whose application takes nothing; gives the status with which it is refused at last.
async fn flood(from: &MsrpConnection) -> u16 {
    loop {
        let flooding = from.handle().deliver(message());
        match timeout(PATIENCE, flooding).await.expect("an answer in time") {
            Ok(()) => {}
            Err(DeliverError::Failed(status)) => return status.code(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn an_application_that_takes_nothing_is_refused_alone_and_its_neighbours_go_on() {
    let address = "127.0.0.1:0".parse().unwrap();
    let server = MsrpServer::bind(address, ServerConfig::default()).await.unwrap();
    let (shared, apart) = (SharedConnections::new(), SharedConnections::new());
    let small = |config: &mut SessionConfig| {
        config.inbox_bytes = 4 * BODY as u64;
        config.hold_up = Duration::from_millis(300);
    };
    let (flooder, mut sleeper) = session(&server, &shared, small).await;
    let (neighbour, mut neighbours_peer) = session(&server, &shared, small).await;
    let (stranger, mut strangers_peer) = session(&server, &apart, small).await;
    assert_eq!((shared.count(), apart.count()), (1, 1));

    let flooding = tokio::spawn(async move { (flood(&flooder).await, flooder) });
    let elsewhere = async {
        // On another connection nothing is noticed at all.
        for _ in 0..50 {
            deliver(&stranger).await.unwrap();
            hear_message(&mut strangers_peer).await;
        }
    };
    timeout(PATIENCE, elsewhere).await.unwrap();
    let (status, flooder) = timeout(PATIENCE, flooding).await.unwrap().unwrap();
    assert_eq!(status, 413);
    // The neighbour waited for a while at most, and does not wait now.
    for _ in 0..50 {
        timeout(Duration::from_secs(2), deliver(&neighbour))
            .await
            .unwrap()
            .unwrap();
        hear_message(&mut neighbours_peer).await;
    }
    // What was taken before is there, and with room the session goes on.
    hear_message(&mut sleeper).await;
    let recovering = async {
        while deliver(&flooder).await.is_err() {
            hear_message(&mut sleeper).await;
        }
    };
    timeout(PATIENCE, recovering).await.unwrap();
}

#[tokio::test]
async fn alone_on_its_connection_an_application_that_takes_nothing_lets_its_peer_wait_and_loses_nothing() {
    let acceptor = AcceptorDirect::prepare("127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let (a, b) = (connector.local_path().clone(), acceptor.local_path().clone());
    let mut bobs = SessionConfig::new(b.clone(), a.clone());
    bobs.delivery = Delivery::Pieces;
    bobs.message_limits.bytes = u64::MAX;
    bobs.inbox_bytes = 256 * 1024;
    bobs.hold_up = Duration::from_millis(50);
    bobs.stall_timeout = Duration::from_secs(2);
    let (alice, bob) = tokio::join!(
        connector.complete(SessionConfig::new(a, b)),
        acceptor.complete(bobs)
    );
    let (alice, mut bob) = (alice.unwrap(), bob.unwrap());
    let size = 8 * 1024 * 1024;
    let body = vec![b'x'; size];
    let (handle, mut alices_events) = alice.split();
    tokio::spawn(async move { while alices_events.recv().await.is_some() {} });
    let sending = tokio::spawn(async move { handle.deliver(OutgoingMessage::new("a/b", body)).await });
    // Longer than the patience with others, and than a peer may stand still.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(!sending.is_finished());
    let mut received = 0;
    let taking = async {
        loop {
            match bob.next_event().await.expect("the session lives") {
                SessionEvent::MessageData { data, .. } => received += data.len(),
                SessionEvent::MessageEnded { .. } => return,
                SessionEvent::MessageBegan { .. } => {}
                event => panic!("{event:?}"),
            }
        }
    };
    timeout(PATIENCE, taking).await.unwrap();
    assert_eq!(received, size);
    timeout(PATIENCE, sending).await.unwrap().unwrap().unwrap();
}
