//! A flow over TCP, kept alive as the registrar says (RFC 5626 §4.4.1), with a registrar of bytes.

#![cfg(feature = "tokio")]

use offhook_sansio::Transport;
use offhook_sip_core::tokio::{ConnectionConfig, Driver, Transports, system_entropy};
use offhook_sip_core::{
    Endpoint, EndpointConfig, EndpointEvent, Register, RegistrationEvent, Route, TransportFailure,
};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// Reads until the end of a message's head, or of a ping.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        let byte = timeout(PATIENCE, stream.read_u8())
            .await
            .expect("in time")
            .expect("open");
        text.push(char::from(byte));
    }
    text
}

/// A 2xx that agrees to outbound.
fn agree(request: &str, flow_timer: u32) -> String {
    let kept = ["Via", "From", "Call-ID", "CSeq", "Contact"];
    let lines = request
        .lines()
        .filter(|line| kept.iter().any(|name| line.starts_with(&format!("{name}:"))));
    let lines: Vec<String> = lines.map(|line| format!("{line}\r\n")).collect();
    format!(
        "SIP/2.0 200 OK\r\n{}To: <sip:alice@a.test>;tag=1\r\nRequire: outbound\r\nFlow-Timer: {flow_timer}\r\n\
         Content-Length: 0\r\n\r\n",
        lines.concat()
    )
}

/// Without Flow-Timer the first ping would come after 95 s; and nobody would miss the first pong.
#[tokio::test]
async fn pings_come_as_often_as_the_registrar_says_and_must_be_answered() {
    let registrar = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut transports = Transports::new().with_connections(ConnectionConfig {
        pong_timeout: Duration::from_millis(200),
        ..ConnectionConfig::default()
    });
    transports
        .bind_tcp("127.0.0.1:0".parse().expect("valid"))
        .expect("a free port");
    let mut endpoint = Endpoint::new(EndpointConfig::default(), system_entropy().expect("some"));
    for (transport, address) in transports.locals() {
        endpoint.add_local(transport, address);
    }
    let route = Route::new(Transport::Tcp, registrar.local_addr().expect("bound"));
    let mut register = Register::new("sip:alice@a.test".parse().expect("valid"), route);
    register.instance_id = Some("urn:uuid:00000000-0000-1000-8000-000a95a0e128".to_owned());
    register.reg_id = Some(1);
    let (handle, mut events) = Driver::spawn(endpoint, transports);
    let registered = handle.call(move |endpoint, now| endpoint.register(now, register).map(drop));
    registered.await.expect("it runs").expect("it can be sent");

    let (mut stream, _) = timeout(PATIENCE, registrar.accept())
        .await
        .expect("in time")
        .expect("accepted");
    let request = read_head(&mut stream).await;
    stream
        .write_all(agree(&request, 1).as_bytes())
        .await
        .expect("open");
    let mut last = Instant::now();
    for _ in 0..2 {
        assert_eq!(read_head(&mut stream).await, "\r\n\r\n");
        let waited = last.elapsed();
        assert!((700..1_500).contains(&waited.as_millis()), "{waited:?}");
        last = Instant::now();
        stream.write_all(b"\r\n").await.expect("open");
    }
    assert_eq!(read_head(&mut stream).await, "\r\n\r\n");
    let mut nothing = [0];
    let end = timeout(PATIENCE, stream.read(&mut nothing))
        .await
        .expect("in time");
    assert_eq!(end.expect("closed in good order"), 0);

    let told = async {
        let (mut failure, mut wait) = (None, None);
        while failure.is_none() || wait.is_none() {
            match events.recv().await.expect("it runs") {
                EndpointEvent::TransportFailed { failure: why, .. } => failure = Some(why),
                EndpointEvent::Registration {
                    event: RegistrationEvent::Failed { retry_after, .. },
                    ..
                } => wait = Some(retry_after),
                _ => {}
            }
        }
        (failure, wait)
    };
    let (failure, wait) = timeout(PATIENCE, told).await.expect("in time");
    assert_eq!(failure, Some(TransportFailure::Silent("no answer to a ping")));
    // The flow lasted three seconds: RFC 5626 §4.5 has the next one wait.
    assert!(
        wait.is_some_and(|wait| wait >= Duration::from_secs(30)),
        "{wait:?}"
    );
}
