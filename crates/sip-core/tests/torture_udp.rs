//! The torture messages of RFC 4475, thrown at a running endpoint over UDP.

#![cfg(feature = "tokio")]

use offhook_sip_core::tokio::{Driver, Transports, system_entropy};
use offhook_sip_core::{Endpoint, EndpointConfig, EndpointEvent};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

const EXPECTATIONS: &str = include_str!("data/rfc4475/expectations.tsv");
const PATIENCE: Duration = Duration::from_secs(5);

/// Refused without an answer: responses, and a Via that leads nowhere; or not refused, as nothing depends on its Date.
const UNANSWERED: [&str; 4] = ["badinv01.dat", "scalarlg.dat", "baddate.dat", "bigcode.dat"];

/// The first lines of what the endpoint sends, up to the answer to the OPTIONS of this number: answers go where Via
/// says, which is not here, so the trace tells them.
async fn sent_before(events: &mut mpsc::Receiver<EndpointEvent>, number: usize) -> Vec<String> {
    let mark = format!("Call-ID: probe{number}\r\n");
    let mut lines = Vec::new();
    loop {
        let event = timeout(PATIENCE, events.recv()).await.expect("in time");
        let Some(EndpointEvent::Trace(trace)) = event else {
            continue;
        };
        let text = String::from_utf8_lossy(&trace.bytes).into_owned();
        if trace.sent && text.contains(&mark) {
            assert!(text.starts_with("SIP/2.0 200 OK\r\n"), "{text}");
            return lines;
        }
        if trace.sent {
            lines.push(text.lines().next().unwrap_or_default().to_owned());
        }
    }
}

#[tokio::test]
async fn each_gets_the_answer_that_it_deserves_and_the_next_peer_is_served() {
    let mut transports = Transports::new();
    let loopback = "127.0.0.1:0".parse().expect("valid");
    let address = transports.bind_udp(loopback).expect("a free port");
    let entropy = system_entropy().expect("the system has some");
    let mut endpoint = Endpoint::new(EndpointConfig::default(), entropy);
    for (transport, address) in transports.locals() {
        endpoint.add_local(transport, address);
    }
    endpoint.set_trace(true);
    let (handle, mut events) = Driver::spawn(endpoint, transports);
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let from = socket.local_addr().expect("bound");
    for (number, line) in EXPECTATIONS.lines().skip(1).enumerate() {
        let columns: Vec<&str> = line.split('\t').collect();
        let file = columns[1];
        let path = format!("{}/tests/data/rfc4475/{file}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).expect("it is there");
        socket.send_to(&bytes, address).await.expect("it fits a datagram");
        let options = format!(
            "OPTIONS sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP {from};rport;branch=z9hG4bKo{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@a.test>;tag=1\r\nTo: <sip:b@b.test>\r\nCall-ID: probe{number}\r\n\
             CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        socket
            .send_to(options.as_bytes(), address)
            .await
            .expect("it fits");
        let answers = sent_before(&mut events, number).await;
        let is_refused = answers
            .iter()
            .any(|line| line.starts_with("SIP/2.0 400 ") || line.starts_with("SIP/2.0 505 "));
        // A client of RFC 2543 without Contact: a dialog cannot do without.
        let wants_refusal = file == "inv2543.dat" || (columns[6] == "invalid" && !UNANSWERED.contains(&file));
        assert_eq!(is_refused, wants_refusal, "{file}: {answers:?}");
    }
    handle.stop().await.expect("it lives");
}
