//! The torture messages of RFC 4475, thrown at a running endpoint over TCP.

#![cfg(feature = "tokio")]

use offhook_sip_core::tokio::{Driver, Transports, system_entropy};
use offhook_sip_core::{Endpoint, EndpointConfig};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const EXPECTATIONS: &str = include_str!("data/rfc4475/expectations.tsv");

/// Refused without an answer: responses, a Via that leads nowhere, and what ends before its Content-Length says; or not
/// refused, as nothing depends on its Date.
const UNANSWERED: [&str; 6] = [
    "badinv01.dat",
    "clerr.dat",
    "scalarlg.dat",
    "baddate.dat",
    "baddn.dat",
    "bigcode.dat",
];

/// Says something on a connection of its own and gives the first line of the answer.
async fn answer_to(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // It may have been closed half-way through.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut heard = Vec::new();
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut heard))
        .await
        .expect("closed in time");
    let heard = String::from_utf8_lossy(&heard);
    heard.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn each_gets_the_answer_that_it_deserves_and_the_next_peer_is_served() {
    let mut transports = Transports::new();
    let loopback = "127.0.0.1:0".parse().expect("valid");
    let address = transports.bind_tcp(loopback).expect("a free port");
    let entropy = system_entropy().expect("the system has some");
    let mut endpoint = Endpoint::new(EndpointConfig::default(), entropy);
    for (transport, address) in transports.locals() {
        endpoint.add_local(transport, address);
    }
    let (handle, events) = Driver::spawn(endpoint, transports);
    drop(events);
    for (number, line) in EXPECTATIONS.lines().skip(1).enumerate() {
        let columns: Vec<&str> = line.split('\t').collect();
        let file = columns[1];
        let path = format!("{}/tests/data/rfc4475/{file}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(path).expect("it is there");
        let answer = answer_to(address, &bytes).await;
        let is_refused = ["SIP/2.0 400 ", "SIP/2.0 505 "]
            .iter()
            .any(|line| answer.starts_with(line));
        // What has no Content-Length has no end on a stream.
        let wants_refusal = file == "inv2543.dat" || (columns[6] == "invalid" && !UNANSWERED.contains(&file));
        assert_eq!(is_refused, wants_refusal, "{file}: {answer}");
        let options = format!(
            "OPTIONS sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/TCP a.test;branch=z9hG4bKo{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@a.test>;tag=1\r\nTo: <sip:b@b.test>\r\nCall-ID: o{number}\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let answer = answer_to(address, options.as_bytes()).await;
        assert_eq!(answer, "SIP/2.0 200 OK", "after {file}");
    }
    handle.stop().await.expect("it lives");
}
