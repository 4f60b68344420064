//! Sessions over real sockets on this machine.
#![cfg(feature = "tokio")]

use offhook_msrp::chunk::{Continuation, FailureReport, StatusCode};
use offhook_msrp::session::{CloseReason, Delivery};
use offhook_msrp::tokio::{
    AcceptorDirect, ConnectError, ConnectorDirect, DeliverError, MsrpConnection, MsrpServer, MsrpTransport,
    ReadError, SendChunk, ServerConfig,
};
use offhook_msrp::{MsrpPath, OutgoingMessage, SessionConfig, SessionEvent};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANY: &str = "127.0.0.1:0";

/// A bound session: who connected, who accepted.
async fn pair(adjust: impl Fn(&mut SessionConfig)) -> (MsrpConnection, MsrpConnection) {
    let acceptor = AcceptorDirect::prepare(ANY.parse().unwrap()).await.unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let (mut ours, mut theirs) = configs(connector.local_path(), acceptor.local_path());
    adjust(&mut ours);
    adjust(&mut theirs);
    let (a, b) = tokio::join!(connector.complete(ours), acceptor.complete(theirs));
    (a.unwrap(), b.unwrap())
}

/// The same for chunks one by one.
async fn transports() -> (MsrpTransport, MsrpTransport) {
    let acceptor = AcceptorDirect::prepare(ANY.parse().unwrap()).await.unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let (ours, theirs) = configs(connector.local_path(), acceptor.local_path());
    let accepting = tokio::spawn(async move {
        let mut bob = acceptor.open(theirs).await.unwrap();
        let binding = bob.read_chunk(None).await.unwrap().unwrap();
        let response = bob.make_response(&binding.head, StatusCode::OK).unwrap();
        bob.write(&response).await.unwrap();
        bob
    });
    let alice = connector.open(ours).await.unwrap();
    (alice, accepting.await.unwrap())
}

fn configs(a: &MsrpPath, b: &MsrpPath) -> (SessionConfig, SessionConfig) {
    (
        SessionConfig::new(a.clone(), b.clone()),
        SessionConfig::new(b.clone(), a.clone()),
    )
}

fn text(body: &str) -> OutgoingMessage {
    OutgoingMessage::new("text/plain", body.to_owned())
}

async fn hear(connection: &mut MsrpConnection) -> SessionEvent {
    tokio::time::timeout(Duration::from_secs(5), connection.next_event())
        .await
        .expect("an event in time")
        .expect("an event")
}

async fn hear_text(connection: &mut MsrpConnection) -> String {
    match hear(connection).await {
        SessionEvent::Message(message) => String::from_utf8(message.body.to_vec()).unwrap(),
        event => panic!("{event:?}"),
    }
}

/// What a stranger is told who sends this to a port.
async fn knock(to: &MsrpPath, request: &str) -> String {
    let mut stream = TcpStream::connect(to.first().socket_addr().unwrap())
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    let read = stream.read_to_string(&mut said);
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap()
        .unwrap();
    said
}

fn request(to: &str, from: &str) -> String {
    format!("MSRP abcd1234 SEND\r\nTo-Path: {to}\r\nFrom-Path: {from}\r\n-------abcd1234$\r\n")
}

#[tokio::test]
async fn messages_go_both_ways_and_closing_flushes() {
    let (alice, mut bob) = pair(|_| {}).await;
    alice.handle().deliver(text("hello")).await.unwrap();
    assert_eq!(hear_text(&mut bob).await, "hello");
    let (handle, mut alices) = alice.split();
    bob.handle().deliver(text("hi")).await.unwrap();
    // Nobody answers this one, and nobody waits for an answer.
    let unanswered = text("ho").with_failure_report(FailureReport::No);
    let sent = tokio::time::timeout(Duration::from_secs(5), handle.deliver(unanswered));
    sent.await.unwrap().unwrap();
    assert_eq!(hear_text(&mut bob).await, "ho");
    assert!(matches!(alices.recv().await, Some(SessionEvent::Message(message)) if message.body == "hi"));
    for number in 0..100 {
        handle.send(text(&number.to_string())).await.unwrap();
    }
    drop(handle); // closes once all is sent
    for number in 0..100 {
        assert_eq!(hear_text(&mut bob).await, number.to_string());
    }
    assert!(matches!(
        hear(&mut bob).await,
        SessionEvent::Closed(CloseReason::ConnectionLost)
    ));
    let mut last = None;
    while let Some(event) = alices.recv().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(SessionEvent::Closed(CloseReason::ByOwner))));
}

#[tokio::test]
async fn a_large_file_arrives_in_pieces() {
    const SIZE: u64 = 50_000_000;
    let (alice, mut bob) = pair(|config| {
        config.delivery = Delivery::Pieces;
        config.message_limits.bytes = u64::MAX;
        config.chunk_size = NonZeroU32::MAX;
    })
    .await;
    let sender = tokio::spawn(async move {
        let (handle, mut events) = alice.split();
        let message = handle
            .send(OutgoingMessage::streamed("a/b", Some(SIZE)))
            .await
            .unwrap();
        let mut supplied = 0;
        while let Some(event) = events.recv().await {
            match event {
                SessionEvent::WantsData { .. } => {
                    let len = (SIZE - supplied).min(1_000_000);
                    let data: Vec<u8> = (supplied..supplied + len).map(|at| (at % 253) as u8).collect();
                    supplied += len;
                    handle.supply(message, data.into()).await.unwrap();
                }
                SessionEvent::SendProgress { .. } => {}
                SessionEvent::SendDone { .. } => return,
                event => panic!("{event:?}"),
            }
        }
    });
    let mut expected = 0;
    loop {
        match hear(&mut bob).await {
            SessionEvent::MessageData { at, data, .. } => {
                assert_eq!(at, expected);
                assert!(
                    data.iter()
                        .enumerate()
                        .all(|(index, byte)| *byte == ((at + index as u64) % 253) as u8)
                );
                expected += data.len() as u64;
            }
            SessionEvent::MessageEnded { size, .. } => {
                assert_eq!((size, expected), (SIZE, SIZE));
                break;
            }
            SessionEvent::MessageBegan { .. } => {}
            event => panic!("{event:?}"),
        }
    }
    sender.await.unwrap();
}

/// A peer binds the session by its first message, which RFC 4975 §5.4 allows: the message arrives, and is answered.
async fn bind_by_a_message(
    local: &MsrpPath,
    bound: impl Future<Output = Result<MsrpConnection, ConnectError>>,
) {
    let peer = "msrp://127.0.0.1:9/mallory;tcp";
    let mut stream = TcpStream::connect(local.first().socket_addr().unwrap())
        .await
        .unwrap();
    let fields =
        "Message-ID: first\r\nByte-Range: 1-5/5\r\nContent-Type: text/plain\r\n\r\nhello\r\n-------abcd1234$";
    let message = request(&local.to_string(), peer).replace("-------abcd1234$", fields);
    stream.write_all(message.as_bytes()).await.unwrap();
    let mut bob = bound.await.unwrap();
    assert!(matches!(
        hear(&mut bob).await,
        SessionEvent::MessageBegan { size: Some(5), .. }
    ));
    assert!(matches!(hear(&mut bob).await, SessionEvent::MessageData { data, .. } if data == "hello"));
    assert!(matches!(
        hear(&mut bob).await,
        SessionEvent::MessageEnded { size: 5, .. }
    ));
    drop(bob);
    let mut said = String::new();
    let read = stream.read_to_string(&mut said);
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap()
        .unwrap();
    assert!(said.starts_with("MSRP abcd1234 200"), "{said}");
}

#[tokio::test]
async fn the_message_that_binds_a_session_is_told_in_pieces() {
    let in_pieces = |local: &MsrpPath| {
        let peer = "msrp://127.0.0.1:9/mallory;tcp".parse().unwrap();
        let mut config = SessionConfig::new(local.clone(), peer);
        config.delivery = Delivery::Pieces;
        config
    };
    let acceptor = AcceptorDirect::prepare(ANY.parse().unwrap()).await.unwrap();
    let local = acceptor.local_path().clone();
    bind_by_a_message(&local, acceptor.complete(in_pieces(&local))).await;

    let server = MsrpServer::bind(ANY.parse().unwrap(), ServerConfig::default())
        .await
        .unwrap();
    let expected = server.prepare(None).unwrap();
    let local = expected.local_path().clone();
    bind_by_a_message(&local, expected.complete(in_pieces(&local))).await;
}

#[tokio::test]
async fn delivery_tells_what_the_peer_refuses() {
    let (alice, _bob) = pair(|config| config.accept_types = vec!["text/*".to_owned()]).await;
    let refused = alice
        .handle()
        .deliver(OutgoingMessage::new("image/png", "x"))
        .await;
    assert!(matches!(refused, Err(DeliverError::Failed(status)) if status.code() == 415));
}

#[tokio::test]
async fn nobody_home_is_an_error() {
    let acceptor = AcceptorDirect::prepare(ANY.parse().unwrap()).await.unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let (ours, mut theirs) = configs(connector.local_path(), acceptor.local_path());
    theirs.bind_timeout = Duration::from_millis(50);
    assert!(matches!(
        acceptor.complete(theirs).await,
        Err(ConnectError::BindTimeout(None))
    ));
    assert!(
        matches!(connector.complete(ours).await, Err(ConnectError::Io(_))),
        "the port is closed"
    );
}

#[tokio::test]
async fn strangers_do_not_keep_an_acceptor_from_its_peer() {
    let acceptor = AcceptorDirect::prepare(ANY.parse().unwrap()).await.unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let local = acceptor.local_path().clone();
    let (ours, theirs) = configs(connector.local_path(), &local);
    let accepting = tokio::spawn(acceptor.complete(theirs));
    let _silent = TcpStream::connect(local.first().socket_addr().unwrap())
        .await
        .unwrap();
    let other = "msrp://127.0.0.1:9/mallory;tcp";
    assert!(
        knock(&local, &request(other, other))
            .await
            .starts_with("MSRP abcd1234 481")
    );
    assert!(
        knock(&local, &request(&local.to_string(), other))
            .await
            .starts_with("MSRP abcd1234 481")
    );
    assert_eq!(knock(&local, "GET / HTTP/1.1\r\n\r\n").await, "");
    let alice = connector.complete(ours).await.unwrap();
    let mut bob = accepting.await.unwrap().unwrap();
    alice.handle().deliver(text("hello")).await.unwrap();
    assert_eq!(hear_text(&mut bob).await, "hello");
}

/// Opens connections on which nothing whole is ever said.
async fn silence(to: &MsrpPath, count: usize) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for number in 0..count {
        let mut stream = TcpStream::connect(to.first().socket_addr().unwrap())
            .await
            .unwrap();
        if number % 2 == 0 {
            stream.write_all(b"MSRP abcd1234 SE").await.unwrap();
        }
        silent.push(stream);
    }
    silent
}

#[tokio::test]
async fn those_who_say_nothing_keep_nobody_from_an_acceptor() {
    let acceptor = AcceptorDirect::prepare(ANY.parse().unwrap()).await.unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let local = acceptor.local_path().clone();
    let (ours, theirs) = configs(connector.local_path(), &local);
    let accepting = tokio::spawn(acceptor.complete(theirs));
    let _silent = silence(&local, 20).await;
    let alice = tokio::time::timeout(Duration::from_secs(5), connector.complete(ours)).await;
    let alice = alice.expect("bound at once").unwrap();
    let mut bob = accepting.await.unwrap().unwrap();
    alice.handle().deliver(text("hello")).await.unwrap();
    assert_eq!(hear_text(&mut bob).await, "hello");
}

#[tokio::test]
async fn those_who_say_nothing_keep_nobody_from_a_server() {
    let mut config = ServerConfig::default();
    config.unbound = 16;
    let server = MsrpServer::bind(ANY.parse().unwrap(), config).await.unwrap();
    let expected = server.prepare(None).unwrap();
    let local = expected.local_path().clone();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let (ours, theirs) = configs(connector.local_path(), &local);
    let mut silent = silence(&local, 20).await;
    let binding = async { tokio::join!(connector.complete(ours), expected.complete(theirs)) };
    let bound = tokio::time::timeout(Duration::from_secs(5), binding).await;
    let (alice, bob) = bound.expect("bound at once");
    let (alice, mut bob) = (alice.unwrap(), bob.unwrap());
    alice.handle().deliver(text("hello")).await.unwrap();
    assert_eq!(hear_text(&mut bob).await, "hello");
    let closed = tokio::time::timeout(Duration::from_secs(5), silent[0].read(&mut [0; 1])).await;
    assert!(
        matches!(closed, Ok(Ok(0) | Err(_))),
        "the oldest is gone: {closed:?}"
    );
}

#[tokio::test]
async fn one_port_serves_many_sessions() {
    let server = MsrpServer::bind(ANY.parse().unwrap(), ServerConfig::default())
        .await
        .unwrap();
    let mut pairs = Vec::new();
    for _ in 0..20 {
        let expected = server.prepare(None).unwrap();
        let connector = ConnectorDirect::prepare(None).unwrap();
        let (ours, theirs) = configs(connector.local_path(), expected.local_path());
        let connecting = tokio::spawn(connector.complete(ours)); // may come before complete is called
        tokio::task::yield_now().await;
        let bob = expected.complete(theirs).await.unwrap();
        pairs.push((connecting.await.unwrap().unwrap(), bob));
    }
    for (number, (alice, _)) in pairs.iter().enumerate() {
        alice.handle().deliver(text(&number.to_string())).await.unwrap();
    }
    for (number, (_, bob)) in pairs.iter_mut().enumerate() {
        assert_eq!(hear_text(bob).await, number.to_string());
    }
}

#[tokio::test]
async fn a_server_refuses_strangers_and_second_connections() {
    let mut config = ServerConfig::default();
    config.head_timeout = Duration::from_millis(200);
    let server = MsrpServer::bind(ANY.parse().unwrap(), config).await.unwrap();
    let expected = server.prepare(None).unwrap();
    let local = expected.local_path().clone();
    assert!(matches!(
        server.prepare(Some(local.last().clone())),
        Err(ConnectError::AlreadyPrepared)
    ));

    let unknown = local.to_string().replace('/', "/x").replace("/x/x", "//");
    let other = "msrp://127.0.0.1:9/mallory;tcp";
    assert!(
        knock(&local, &request(&unknown, other))
            .await
            .starts_with("MSRP abcd1234 481")
    );
    assert_eq!(
        knock(&local, "MSRP abcd1234 SE").await,
        "",
        "slow senders are cut off"
    );

    let connector = ConnectorDirect::prepare(None).unwrap();
    let (ours, theirs) = configs(connector.local_path(), &local);
    let from = ours.local_path.to_string();
    let (alice, bob) = tokio::join!(connector.complete(ours), expected.complete(theirs));
    let (alice, bob) = (alice.unwrap(), bob.unwrap());
    assert!(
        knock(&local, &request(&local.to_string(), &from))
            .await
            .starts_with("MSRP abcd1234 506")
    );
    alice.handle().deliver(text("undisturbed")).await.unwrap();

    drop(bob);
    let mut alice = alice;
    assert!(matches!(hear(&mut alice).await, SessionEvent::Closed(_)));
    assert!(
        knock(&local, &request(&local.to_string(), &from))
            .await
            .starts_with("MSRP abcd1234 481")
    );
}

#[tokio::test]
async fn a_session_that_nobody_binds_is_forgotten() {
    let server = MsrpServer::bind(ANY.parse().unwrap(), ServerConfig::default())
        .await
        .unwrap();
    let expected = server.prepare(None).unwrap();
    let uri = expected.local_path().last().clone();
    let (_, mut config) = configs(expected.local_path(), expected.local_path());
    config.bind_timeout = Duration::from_millis(50);
    assert!(matches!(
        expected.complete(config).await,
        Err(ConnectError::BindTimeout(None))
    ));
    assert!(server.prepare(Some(uri)).is_ok());
}

#[tokio::test]
async fn chunks_can_be_read_and_written_one_by_one() {
    let (mut alice, mut bob) = transports().await;
    let chunk = SendChunk {
        message_id: Some("mine1234".to_owned()),
        content_type: Some("text/plain".to_owned()),
        data: vec![b'x'; 100_000].into(),
        start: 11,
        total: Some(200_000),
        ..SendChunk::default()
    };
    let bytes = alice.make_chunk(chunk).unwrap();
    let writing = tokio::spawn(async move { alice.write(&bytes).await });
    let (mut heard, mut segments) = (0, 0);
    loop {
        let chunk = bob.read_chunk(Some(10_000)).await.unwrap().unwrap();
        assert_eq!(bob.check_incoming_send(&chunk.head), Ok(()));
        assert_eq!(chunk.range.unwrap().start, 11 + heard);
        heard += chunk.body.len() as u64;
        segments += 1;
        if heard == 100_000 {
            break;
        }
    }
    assert!(segments > 1);
    writing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_chunk_that_is_made_tells_no_end_that_may_change() {
    let (mut alice, _bob) = transports().await;
    for (len, total, continuation, range) in [
        (2048, None, None, "1-2048/2048"),
        (2049, None, None, "1-*/2049"),
        (2049, Some(5000), None, "1-*/5000"),
        (100, None, Some(Continuation::More), "1-100/*"),
    ] {
        let made = alice.make_chunk(SendChunk {
            content_type: Some("text/plain".to_owned()),
            data: vec![b'x'; len].into(),
            total,
            continuation,
            ..SendChunk::default()
        });
        let made = String::from_utf8(made.unwrap().into()).unwrap();
        assert!(
            made.contains(&format!("\r\nByte-Range: {range}\r\n")),
            "{range}: {made}"
        );
    }
}

/// What binds is the answer to our request, or a request that belongs to the session; it is not lost then.
#[tokio::test]
async fn a_transport_is_bound_by_its_own_answer_or_by_what_the_peer_sends_before_it() {
    for (status, is_refused) in [("200 OK", false), ("481 Gone", true)] {
        let (mut alice, speaking) = spoken_to_before(status).await;
        let first = alice.read_chunk(None).await.unwrap().unwrap();
        assert_eq!(first.head.message_id(), Some("first123"));
        if is_refused {
            let refusal = alice.read_chunk(None).await.unwrap().unwrap();
            assert_eq!(refusal.head.status(), Some(StatusCode::NO_SESSION));
        }
        let later = alice.read_chunk(None).await.unwrap().unwrap();
        assert_eq!(later.head.message_id(), Some("second12"));
        assert!(alice.read_chunk(None).await.unwrap().is_none());
        speaking.await.unwrap();
    }
}

/// A transport whose peer answers something else, sends, answers its binding with this status, and sends again.
async fn spoken_to_before(status: &'static str) -> (MsrpTransport, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let peer: MsrpPath = format!("msrp://{}/peer;tcp", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let (ours, _) = configs(connector.local_path(), &peer);
    let us = ours.local_path.to_string();
    let speaking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 4096];
        let read = stream.read(&mut heard).await.unwrap();
        let heard = String::from_utf8_lossy(&heard[..read]).into_owned();
        let id = heard.split(' ').nth(1).unwrap().to_owned();
        let paths = format!("To-Path: {us}\r\nFrom-Path: {peer}\r\n");
        let said = format!(
            "MSRP other123 200 OK\r\n{paths}-------other123$\r\n\
             MSRP early123 SEND\r\n{paths}Message-ID: first123\r\n-------early123$\r\n\
             MSRP {id} {status}\r\n{paths}-------{id}$\r\n\
             MSRP later123 SEND\r\n{paths}Message-ID: second12\r\n-------later123$\r\n"
        );
        stream.write_all(said.as_bytes()).await.unwrap();
    });
    (connector.open(ours).await.unwrap(), speaking)
}

#[tokio::test]
async fn a_server_hands_over_chunks_one_by_one_as_well() {
    let server = MsrpServer::bind(ANY.parse().unwrap(), ServerConfig::default())
        .await
        .unwrap();
    let expected = server.prepare(None).unwrap();
    let uri = expected.local_path().first().clone();
    let connector = ConnectorDirect::prepare(None).unwrap();
    let (ours, theirs) = configs(connector.local_path(), expected.local_path());
    let (alice, bob) = tokio::join!(connector.complete(ours), async {
        let mut bob = expected.open(theirs).await.unwrap();
        let binding = bob.read_chunk(None).await.unwrap().unwrap();
        let response = bob.make_response(&binding.head, StatusCode::OK).unwrap();
        bob.write(&response).await.unwrap();
        bob
    });
    let (alice, mut bob) = (alice.unwrap(), bob);
    alice.handle().send(text("hello")).await.unwrap();
    assert_eq!(bob.read_chunk(None).await.unwrap().unwrap().body, "hello");
    // It has its place as long as it lives.
    assert!(matches!(
        server.prepare(Some(uri.clone())),
        Err(ConnectError::AlreadyPrepared)
    ));
    drop(bob);
    assert!(server.prepare(Some(uri)).is_ok());
}

#[tokio::test]
async fn who_sends_what_is_no_chunk_to_a_transport_is_cut_off() {
    let acceptor = AcceptorDirect::prepare(ANY.parse().unwrap()).await.unwrap();
    let local = acceptor.local_path().clone();
    let peer = "msrp://127.0.0.1:9/mallory;tcp";
    let opening = acceptor.open(SessionConfig::new(local.clone(), peer.parse().unwrap()));
    let mut stream = TcpStream::connect(local.first().socket_addr().unwrap())
        .await
        .unwrap();
    stream
        .write_all(request(&local.to_string(), peer).as_bytes())
        .await
        .unwrap();
    let mut transport = opening.await.unwrap();
    assert!(transport.read_chunk(None).await.unwrap().is_some());
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert!(matches!(
        transport.read_chunk(None).await,
        Err(ReadError::Chunk(_))
    ));
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
    assert_eq!(
        closed.await.unwrap().unwrap(),
        0,
        "while the transport is still there"
    );
    assert!(transport.read_chunk(None).await.is_err(), "and it stays so");
}
