//! Endpoints on TCP connections of the loopback interface (RFC 3261 §18).

#![cfg(feature = "tokio")]

use offhook_sansio::Transport;
use offhook_sip_core::tokio::{ConnectionConfig, Driver, Handle, Transports, system_entropy};
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationId, InvitationState, Invite,
    Route,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const LOOPBACK: &str = "127.0.0.1:0";

struct Phone {
    handle: Handle<Endpoint>,
    events: mpsc::Receiver<EndpointEvent>,
    address: SocketAddr,
    /// The paths of all messages seen by [`until`](Self::until).
    paths: BTreeSet<String>,
}

impl Phone {
    fn start() -> Self {
        Self::with_config(ConnectionConfig::default(), false)
    }

    fn with_config(config: ConnectionConfig, trace: bool) -> Self {
        let mut transports = Transports::new().with_connections(config);
        let address = transports
            .bind_tcp(LOOPBACK.parse().expect("valid"))
            .expect("a free port");
        Self::on(transports, address, trace)
    }

    /// One that has UDP, and TCP at the same port if wanted.
    fn with_udp(tcp: bool) -> Self {
        loop {
            let mut transports = Transports::new();
            let address = transports
                .bind_udp(LOOPBACK.parse().expect("valid"))
                .expect("a free port");
            // Another test may have the port for TCP.
            if !tcp || transports.bind_tcp(address).is_ok() {
                return Self::on(transports, address, true);
            }
        }
    }

    fn on(transports: Transports, address: SocketAddr, trace: bool) -> Self {
        let entropy = system_entropy().expect("the system has some");
        let config = EndpointConfig {
            trace,
            end_timeout: Duration::from_millis(300),
            ..EndpointConfig::default()
        };
        let mut endpoint = Endpoint::new(config, entropy);
        for (transport, address) in transports.locals() {
            endpoint.add_local(transport, address);
        }
        let (handle, events) = Driver::spawn(endpoint, transports);
        Self {
            handle,
            events,
            address,
            paths: BTreeSet::new(),
        }
    }

    /// Waits until a call comes into this state.
    async fn until(&mut self, wanted: InvitationState) -> InvitationId {
        let reached = async {
            loop {
                let event = self.events.recv().await.expect("the driver lives");
                if let EndpointEvent::Trace(trace) = &event {
                    self.paths.insert(trace.path.to_string());
                }
                if let EndpointEvent::Invitation {
                    id,
                    event: InvitationEvent::StateChanged { state, .. },
                } = event
                    && state == wanted
                {
                    return id;
                }
            }
        };
        timeout(PATIENCE, reached).await.expect("in time")
    }

    async fn call(&self, to: &[SocketAddr]) -> InvitationId {
        let routes = to.iter().map(|to| Route::new(Transport::Tcp, *to)).collect();
        self.call_by(routes, "offer").await
    }

    async fn call_by(&self, routes: Vec<Route>, offer: &str) -> InvitationId {
        let mut invite = Invite::new(
            "Alice <sip:alice@a.test>".parse().expect("valid"),
            "sip:bob@b.test;transport=tcp".parse().expect("valid"),
            routes[0].clone(),
        );
        invite.routes = routes;
        invite.offer = Some(Body::sdp(offer.to_owned()));
        let placed = self
            .handle
            .call(move |endpoint, now| endpoint.invite(now, invite));
        placed.await.expect("the driver lives").expect("it can be sent")
    }

    async fn accept(&self, id: InvitationId) {
        let accepted = self.handle.call(move |endpoint, now| {
            let mut call = endpoint.invitation(id).expect("it lives");
            call.accept(now, Some(&Body::sdp("answer")))
        });
        accepted.await.expect("the driver lives").expect("incoming");
    }

    async fn end(&self, id: InvitationId) {
        let ended = self
            .handle
            .call(move |endpoint, now| endpoint.invitation(id).expect("it lives").end(now));
        ended.await.expect("the driver lives").expect("it stands");
    }
}

/// Carries connections to a phone, counts them, and can cut them.
struct Cable {
    address: SocketAddr,
    /// Each connection that came, as a switch that cuts it when it is dropped.
    connections: mpsc::UnboundedReceiver<tokio::task::JoinHandle<()>>,
}

impl Cable {
    async fn to(phone: SocketAddr) -> Self {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let carried = tokio::spawn(async move {
                    let mut far = TcpStream::connect(phone).await.expect("it listens");
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
                if sender.send(carried).is_err() {
                    return;
                }
            }
        });
        Self { address, connections }
    }
}

fn options(number: u32, body: &str) -> String {
    format!(
        "OPTIONS sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=1\r\nTo: <sip:bob@b.test>\r\nCall-ID: {number}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads until so many responses are there; gives all that was read.
async fn responses(stream: &mut TcpStream, count: usize) -> String {
    let mut text = String::new();
    let reading = async {
        while text.matches("SIP/2.0 ").count() < count || !text.ends_with("\r\n\r\n") {
            let mut bytes = [0; 4096];
            let read = stream.read(&mut bytes).await.expect("it stands");
            assert_ne!(read, 0, "closed after {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    };
    timeout(PATIENCE, reading).await.expect("in time");
    text
}

async fn is_closed(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn two_calls_go_over_one_connection_and_either_side_hangs_up_by_it() {
    let traced = || Phone::with_config(ConnectionConfig::default(), true);
    let (mut alice, mut bob) = (traced(), traced());
    for bob_ends in [false, true] {
        let call = alice.call(&[bob.address]).await;
        let incoming = bob.until(InvitationState::Incoming).await;
        bob.accept(incoming).await;
        assert_eq!(alice.until(InvitationState::Confirmed).await, call);
        bob.until(InvitationState::Confirmed).await;
        if bob_ends {
            bob.end(incoming).await;
        } else {
            alice.end(call).await;
        }
        bob.until(InvitationState::Disconnected).await;
        alice.until(InvitationState::Disconnected).await;
    }
    assert_eq!(alice.paths.len(), 1, "{:?}", alice.paths);
    assert_eq!(bob.paths.len(), 1, "{:?}", bob.paths);
}

#[tokio::test]
async fn a_call_survives_its_connection_and_its_bye_opens_another() {
    let (mut alice, mut bob) = (Phone::start(), Phone::start());
    let mut cable = Cable::to(bob.address).await;
    alice.call(&[cable.address]).await;
    let incoming = bob.until(InvitationState::Incoming).await;
    bob.accept(incoming).await;
    bob.until(InvitationState::Confirmed).await;
    alice.until(InvitationState::Confirmed).await;
    let carried = cable.connections.recv().await.expect("the call's");
    carried.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    bob.end(incoming).await;
    alice.until(InvitationState::Disconnected).await;
    bob.until(InvitationState::Disconnected).await;
}

#[tokio::test]
async fn an_answer_finds_its_way_when_the_connection_of_the_request_is_gone() {
    let (mut alice, mut bob) = (Phone::start(), Phone::start());
    let mut cable = Cable::to(bob.address).await;
    alice.call(&[cable.address]).await;
    let incoming = bob.until(InvitationState::Incoming).await;
    let ringing = bob
        .handle
        .call(move |endpoint, now| endpoint.invitation(incoming).expect("it lives").ring(now));
    ringing.await.expect("the driver lives").expect("incoming");
    alice.until(InvitationState::Early).await;
    let carried = cable.connections.recv().await.expect("the call's");
    carried.abort();
    tokio::time::sleep(Duration::from_millis(100)).await;
    bob.accept(incoming).await;
    alice.until(InvitationState::Confirmed).await;
}

#[tokio::test]
async fn a_route_where_nobody_listens_is_left_for_the_next_at_once() {
    let (mut alice, mut bob) = (Phone::start(), Phone::start());
    let nobody = {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a free port");
        listener.local_addr().expect("bound")
    };
    let start = Instant::now();
    alice.call(&[nobody, bob.address]).await;
    let incoming = bob.until(InvitationState::Incoming).await;
    assert!(start.elapsed() < Duration::from_secs(2));
    bob.accept(incoming).await;
    alice.until(InvitationState::Confirmed).await;
    alice.call(&[nobody]).await;
    alice.until(InvitationState::Disconnected).await;
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_connection_that_breaks_before_any_answer_is_left_for_the_next_route() {
    let (alice, mut bob) = (Phone::start(), Phone::start());
    let rude = TcpListener::bind(LOOPBACK).await.expect("a free port");
    let address = rude.local_addr().expect("bound");
    alice.call(&[address, bob.address]).await;
    let (mut stream, _) = rude.accept().await.expect("it connects");
    let mut bytes = [0; 6];
    stream.read_exact(&mut bytes).await.expect("the INVITE");
    assert_eq!(&bytes, b"INVITE");
    drop(stream);
    bob.until(InvitationState::Incoming).await;
}

#[tokio::test]
async fn messages_in_one_segment_are_answered_one_by_one_and_pings_between_them() {
    let bob = Phone::start();
    let mut stream = TcpStream::connect(bob.address).await.expect("it listens");
    let text = format!(
        "\r\n\r\n{}\r\n{}{}",
        options(1, ""),
        options(2, "hello"),
        options(3, "")
    );
    stream.write_all(text.as_bytes()).await.expect("it stands");
    let heard = responses(&mut stream, 3).await;
    assert_eq!(heard.matches("SIP/2.0 200 OK\r\n").count(), 3, "{heard}");
    // A pong: a CRLF that ends no header.
    let blank = heard
        .split("SIP/2.0 200")
        .filter(|part| part.ends_with("\r\n\r\n\r\n"));
    assert!(heard.starts_with("\r\n") || blank.count() == 1, "{heard:?}");
}

#[tokio::test]
async fn a_message_may_be_cut_anywhere() {
    let bob = Phone::start();
    let mut stream = TcpStream::connect(bob.address).await.expect("it listens");
    stream.set_nodelay(true).expect("it stands");
    let whole = format!("{}{}", options(1, "hello"), options(2, ""));
    for byte in whole.as_bytes() {
        stream.write_all(&[*byte]).await.expect("it stands");
        tokio::task::yield_now().await;
    }
    responses(&mut stream, 2).await;
    for at in 1..options(100, "body").len() {
        let number = 100 + at as u32;
        let text = options(number, "body");
        let (first, second) = text.as_bytes().split_at(at);
        stream.write_all(first).await.expect("it stands");
        tokio::task::yield_now().await;
        stream.write_all(second).await.expect("it stands");
        let heard = responses(&mut stream, 1).await;
        assert!(
            heard.contains(&format!("Call-ID: {number}\r\n")),
            "cut at {at}: {heard}"
        );
    }
}

#[tokio::test]
async fn what_is_no_sip_is_told_where_that_can_be_and_the_connection_closed() {
    let bob = Phone::start();
    let mut stream = TcpStream::connect(bob.address).await.expect("it listens");
    let text = options(1, "").replace("Content-Length: 0", "Content-Length: many");
    stream.write_all(text.as_bytes()).await.expect("it stands");
    let heard = is_closed(&mut stream).await;
    assert!(heard.starts_with("SIP/2.0 400 Bad Request"), "{heard}");
    assert!(
        heard.contains(";received=127.0.0.1") || heard.contains("TCP 127.0.0.1:9"),
        "{heard}"
    );
    let mut stream = TcpStream::connect(bob.address).await.expect("it listens");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        .await
        .expect("it stands");
    is_closed(&mut stream).await;
    let mut stream = TcpStream::connect(bob.address).await.expect("it still serves");
    stream
        .write_all(options(2, "").as_bytes())
        .await
        .expect("it stands");
    responses(&mut stream, 1).await;
}

#[tokio::test]
async fn half_a_message_and_no_message_are_closed_in_bounded_time() {
    let config = ConnectionConfig {
        message_timeout: Duration::from_millis(300),
        first_message_timeout: Duration::from_millis(600),
        ..ConnectionConfig::default()
    };
    let bob = Phone::with_config(config, false);
    let start = Instant::now();
    let mut silent = TcpStream::connect(bob.address).await.expect("it listens");
    let (mut reading, mut writing) = TcpStream::connect(bob.address)
        .await
        .expect("it listens")
        .into_split();
    tokio::spawn(async move {
        while writing.write_all(b"A").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, reading.read_to_end(&mut bytes))
        .await
        .expect("in time");
    assert!(start.elapsed() >= Duration::from_millis(300));
    is_closed(&mut silent).await;
    assert!(start.elapsed() >= Duration::from_millis(600));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_new_peer_is_served_beside_512_idle_connections_and_a_thousand_thrown_away() {
    let bob = Phone::start();
    let mut idle = Vec::new();
    for number in 0..512 {
        let mut stream = TcpStream::connect(bob.address).await.expect("it listens");
        if number % 2 == 0 {
            stream
                .write_all(options(number, "").as_bytes())
                .await
                .expect("it stands");
        }
        idle.push(stream);
    }
    for _ in 0..1000 {
        drop(TcpStream::connect(bob.address).await.expect("it listens"));
    }
    let start = Instant::now();
    let mut stream = TcpStream::connect(bob.address).await.expect("it listens");
    stream
        .write_all(options(1000, "").as_bytes())
        .await
        .expect("it stands");
    responses(&mut stream, 1).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    drop(idle);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up_and_holds_nobody_up() {
    let config = ConnectionConfig {
        queue: 4,
        write_timeout: Duration::from_millis(300),
        ..ConnectionConfig::default()
    };
    let alice = Phone::with_config(config, false);
    let deaf = TcpListener::bind(LOOPBACK).await.expect("a free port");
    let address = deaf.local_addr().expect("bound");
    let mut calls = alice.events;
    for _ in 0..6 {
        let body = "x".repeat(4 * 1024 * 1024);
        let mut invite = Invite::new(
            "Alice <sip:alice@a.test>".parse().expect("valid"),
            "sip:bob@b.test".parse().expect("valid"),
            Route::new(Transport::Tcp, address),
        );
        invite.offer = Some(Body::sdp(body));
        let placed = alice
            .handle
            .call(move |endpoint, now| endpoint.invite(now, invite));
        placed.await.expect("the driver lives").expect("it can be sent");
    }
    let mut over = 0;
    let all_over = async {
        while over < 6 {
            let event = calls.recv().await.expect("the driver lives");
            over += usize::from(matches!(
                event,
                EndpointEvent::Invitation {
                    event: InvitationEvent::StateChanged {
                        state: InvitationState::Disconnected,
                        ..
                    },
                    ..
                }
            ));
        }
    };
    timeout(PATIENCE, all_over).await.expect("in time");
}

#[tokio::test]
async fn a_large_invite_goes_over_tcp_where_there_is_any_and_else_over_udp() {
    for has_tcp in [true, false] {
        let (mut alice, mut bob) = (Phone::with_udp(true), Phone::with_udp(has_tcp));
        let start = Instant::now();
        let route = Route::new(Transport::Udp, bob.address);
        alice.call_by(vec![route], &"x".repeat(1300)).await;
        let incoming = bob.until(InvitationState::Incoming).await;
        bob.accept(incoming).await;
        alice.until(InvitationState::Confirmed).await;
        bob.until(InvitationState::Confirmed).await;
        bob.end(incoming).await;
        alice.until(InvitationState::Disconnected).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        let way = if has_tcp { "TCP" } else { "UDP" };
        assert!(
            bob.paths.iter().all(|path| path.starts_with(way)),
            "{:?}",
            bob.paths
        );
    }
}

#[tokio::test]
async fn what_is_said_last_is_written_before_the_driver_has_stopped() {
    let alice = Phone::start();
    let slow = TcpListener::bind(LOOPBACK).await.expect("a free port");
    let address = slow.local_addr().expect("bound");
    for _ in 0..20 {
        alice.call(&[address]).await;
    }
    // A peer that has not answered gets no CANCEL: the driver stops by its own patience, and closes.
    let stop = tokio::spawn(async move { alice.handle.stop().await });
    let (mut stream, _) = slow.accept().await.expect("it connects");
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    timeout(2 * PATIENCE, reading)
        .await
        .expect("in time")
        .expect("closed, not reset");
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(text.matches("INVITE sip:").count(), 20);
    stop.await.expect("no panic").expect("it lived");
}

#[tokio::test]
async fn a_connection_of_ours_is_pinged_and_given_up_when_the_pongs_cease() {
    let config = ConnectionConfig {
        ping_interval: Duration::from_millis(100)..=Duration::from_millis(120),
        pong_timeout: Duration::from_millis(300),
        ..ConnectionConfig::default()
    };
    let alice = Phone::with_config(config, false);
    let listener = TcpListener::bind(LOOPBACK).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let next = TcpListener::bind(LOOPBACK).await.expect("a free port");
    alice.call(&[address, next.local_addr().expect("bound")]).await;
    let (mut stream, _) = listener.accept().await.expect("it connects");
    let mut heard = String::new();
    let mut bytes = [0; 4096];
    // The body, then a ping, which is answered; and another, which is not.
    while !heard.ends_with("offer\r\n\r\n") {
        let read = stream.read(&mut bytes).await.expect("it stands");
        heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    stream.write_all(b"\r\n").await.expect("it stands");
    let rest = is_closed(&mut stream).await;
    assert!(rest.starts_with("\r\n\r\n"), "{rest:?}");
    timeout(PATIENCE, next.accept())
        .await
        .expect("in time")
        .expect("the next route");
}
