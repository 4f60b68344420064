//! SIP over WebSocket (RFC 7118), both roles.

#![cfg(feature = "websocket")]

mod live;

use futures_util::{SinkExt, StreamExt};
use live::{Authority, PATIENCE, Phone, V4, V6, any, route, set_up, whole_call};
use offhook_sansio::Transport;
use offhook_sip_core::parse::Limits;
use offhook_sip_core::tokio::{ConnectionConfig, Origins, Transports, WebSocketConfig};
use offhook_sip_core::{ParseOptions, TransportFailure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

fn ws(address: &str, config: WebSocketConfig) -> Phone {
    let mut transports = Transports::new();
    transports.bind_ws(any(address), config).expect("a free port");
    Phone::on(transports)
}

/// What a browser would do, with these header fields.
async fn browse(
    to: SocketAddr,
    fields: &[(&'static str, &str)],
) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(to).await.expect("it listens");
    let mut request = format!("ws://{to}/").into_client_request()?;
    for (name, value) in fields {
        let value = HeaderValue::from_str(value).expect("valid");
        request.headers_mut().insert(*name, value);
    }
    let handshake = tokio_tungstenite::client_async(request, stream);
    let (stream, response) = timeout(PATIENCE, handshake).await.expect("in time")?;
    assert_eq!(response.headers()["sec-websocket-protocol"], "sip");
    Ok(stream)
}

async fn next(stream: &mut WebSocketStream<TcpStream>) -> Message {
    let message = timeout(PATIENCE, stream.next()).await.expect("in time");
    message.expect("it stands").expect("a frame")
}

fn options(size: usize) -> String {
    format!(
        "OPTIONS sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@a.test>;tag=1\r\nTo: <sip:bob@b.test>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
         Content-Type: text/plain\r\n\r\n{}",
        "x".repeat(size)
    )
}

#[tokio::test]
async fn calls_go_over_websocket_and_either_side_hangs_up() {
    for address in [V4, V6] {
        let mut bob = ws(address, WebSocketConfig::default());
        let mut alice = ws(address, WebSocketConfig::default());
        let way = route(Transport::Ws, bob.address(), "b.test");
        for bob_ends in [false, true] {
            whole_call(&mut alice, &mut bob, way.clone(), bob_ends).await;
        }
        let invite = alice.message("INVITE sip:bob");
        assert!(invite.contains(".invalid;transport=ws>"), "{invite}");
        assert!(
            !bob.message("SIP/2.0 200").contains(".invalid:"),
            "{:?}",
            bob.messages
        );
        assert!(alice.failures.is_empty(), "{:?}", alice.failures);
    }
}

#[tokio::test]
async fn calls_go_over_websocket_with_tls_where_names_follow_the_rules_of_the_web() {
    let authority = Authority::new();
    let wss = |tls: offhook_sip_core::tokio::TlsOptions| {
        let mut transports = Transports::new();
        let tls = tls.load().expect("good options");
        let bound = transports.bind_wss(any(V4), WebSocketConfig::default(), tls);
        bound.expect("a free port");
        Phone::on(transports)
    };
    let mut bob = wss(authority.server(&["*.b.test"]));
    let mut alice = wss(authority.client());
    let way = route(Transport::Wss, bob.address(), "ws.b.test");
    for bob_ends in [false, true] {
        whole_call(&mut alice, &mut bob, way.clone(), bob_ends).await;
    }
    assert!(alice.message("INVITE sip:bob").contains("Via: SIP/2.0/WSS "));
    alice
        .call(vec![route(Transport::Wss, bob.address(), "c.test")])
        .await;
    let failure = alice.failure().await;
    assert!(
        matches!(failure, TransportFailure::WrongName { .. }),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_browser_is_answered_one_message_a_frame_with_or_without_content_length() {
    let bob = ws(V4, WebSocketConfig::default());
    let mut stream = browse(bob.address(), &[("Sec-WebSocket-Protocol", "chat, sip")])
        .await
        .expect("accepted");
    for message in [
        Message::text(options(5)),
        Message::binary(options(5).into_bytes()),
    ] {
        stream.send(message).await.expect("it stands");
        let answer = next(&mut stream).await;
        let text = answer.to_text().expect("text");
        assert!(text.starts_with("SIP/2.0 200 OK\r\n"), "{text}");
    }
    stream.send(Message::text("\r\n\r\n")).await.expect("it stands");
    assert_eq!(next(&mut stream).await, Message::text("\r\n"));
    stream.send(Message::Ping("x".into())).await.expect("it stands");
    assert_eq!(next(&mut stream).await, Message::Pong("x".into()));
}

#[tokio::test]
async fn who_does_not_speak_sip_or_comes_from_elsewhere_is_refused() {
    let only_ours = Origins::Checked(Arc::new(|origin| origin == Some("https://ours.test")));
    let config = WebSocketConfig {
        origins: only_ours,
        ..WebSocketConfig::default()
    };
    let bob = ws(V4, config);
    let status = |result: Result<WebSocketStream<TcpStream>, Error>| match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    };
    let sip = ("Sec-WebSocket-Protocol", "sip");
    let ours = ("Origin", "https://ours.test");
    assert_eq!(status(browse(bob.address(), &[ours]).await), 400);
    assert_eq!(
        status(browse(bob.address(), &[("Sec-WebSocket-Protocol", "sips"), ours]).await),
        400
    );
    assert_eq!(status(browse(bob.address(), &[sip]).await), 403);
    assert_eq!(
        status(browse(bob.address(), &[sip, ("Origin", "https://evil.test")]).await),
        403
    );
    browse(bob.address(), &[sip, ours]).await.expect("accepted");

    let way = route(Transport::Ws, bob.address(), "b.test");
    let mut refused = ws(V4, WebSocketConfig::default());
    refused.call(vec![way.clone()]).await;
    let failure = refused.failure().await;
    let TransportFailure::WebSocket(reason) = failure else {
        panic!("{failure:?}")
    };
    assert!(reason.contains("403"), "{reason}");
    let config = WebSocketConfig {
        origin: Some("https://ours.test".to_owned()),
        ..WebSocketConfig::default()
    };
    let (mut alice, mut bob) = (ws(V4, config), bob);
    set_up(&mut alice, &mut bob, way).await;
}

#[tokio::test]
async fn what_is_no_websocket_is_told_as_such_and_silence_is_given_up() {
    let mut transports = Transports::new();
    let tcp = transports.bind_tcp(any(V4)).expect("a free port");
    let _bob = Phone::on(transports);
    let mut alice = ws(V4, WebSocketConfig::default());
    alice.call(vec![route(Transport::Ws, tcp, "b.test")]).await;
    let failure = alice.failure().await;
    assert!(matches!(failure, TransportFailure::WebSocket(_)), "{failure:?}");

    let silent = tokio::net::TcpListener::bind(V4).await.expect("a free port");
    let patience = Duration::from_millis(200);
    let config = WebSocketConfig {
        handshake_timeout: patience,
        ..WebSocketConfig::default()
    };
    let mut alice = ws(V4, config);
    let address = silent.local_addr().expect("bound");
    alice.call(vec![route(Transport::Ws, address, "b.test")]).await;
    assert_eq!(
        alice.failure().await,
        TransportFailure::HandshakeTimeout(patience)
    );
}

#[tokio::test]
async fn a_message_above_the_limit_ends_the_connection_before_it_is_there() {
    let mut parse = ParseOptions::default();
    parse.limits = Limits::default().with_head_bytes(4096).with_body_bytes(4096);
    let connections = ConnectionConfig {
        parse,
        ..ConnectionConfig::default()
    };
    let mut transports = Transports::new().with_connections(connections);
    let address = transports
        .bind_ws(any(V4), WebSocketConfig::default())
        .expect("a free port");
    let _bob = Phone::on(transports);
    let mut stream = browse(address, &[("Sec-WebSocket-Protocol", "sip")])
        .await
        .expect("accepted");
    let _ = stream.send(Message::text(options(10_000))).await;
    let end = timeout(PATIENCE, stream.next()).await.expect("in time");
    assert!(
        matches!(end, None | Some(Err(_) | Ok(Message::Close(_)))),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_connection_that_we_opened_is_kept_alive_by_pings_and_silence_is_told() {
    let listener = tokio::net::TcpListener::bind(V4).await.expect("a free port");
    let connections = ConnectionConfig {
        ping_interval: Duration::from_millis(100)..=Duration::from_millis(100),
        pong_timeout: Duration::from_millis(300),
        ..ConnectionConfig::default()
    };
    let mut transports = Transports::new().with_connections(connections);
    transports
        .bind_ws(any(V4), WebSocketConfig::default())
        .expect("a free port");
    let mut alice = Phone::on(transports);
    let address = listener.local_addr().expect("bound");
    alice.call(vec![route(Transport::Ws, address, "b.test")]).await;
    let (stream, _) = listener.accept().await.expect("a connection");
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let agree = |_: &_, mut response: tokio_tungstenite::tungstenite::handshake::server::Response| {
        let sip = HeaderValue::from_static("sip");
        response.headers_mut().insert("Sec-WebSocket-Protocol", sip);
        Ok(response)
    };
    let mut stream = tokio_tungstenite::accept_hdr_async(stream, agree)
        .await
        .expect("a handshake");
    for _ in 0..3 {
        let ping = async { while !matches!(stream.next().await, Some(Ok(Message::Ping(_)))) {} };
        timeout(PATIENCE, ping).await.expect("in time");
    }
    // Nobody reads any more: no pong goes back.
    assert_eq!(
        alice.failure().await,
        TransportFailure::Silent("no answer to a ping")
    );
}
