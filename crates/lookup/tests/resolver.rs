//! The driver against a name server of our own on the loopback.
#![cfg(feature = "tokio")]

use offhook_lookup::tokio::Resolver;
use offhook_lookup::{LookupError, LookupOptions};
use offhook_sansio::Entropy;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;

const NXDOMAIN: u8 = 3;

#[tokio::test]
async fn a_domain_leads_over_naptr_and_srv_to_its_addresses() {
    let server = Server::start().await;
    let resolver = server.resolver();
    let uri = "sip:bob@example.test".parse().unwrap();
    let targets = resolver.routes(&uri).await.unwrap();
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    assert_eq!(targets, ["TCP 192.0.2.1:5070"]);

    let before = server.queries();
    assert_eq!(resolver.routes(&uri).await.unwrap().len(), 1);
    assert_eq!(
        server.queries(),
        before,
        "the second time all comes from the cache"
    );
    resolver.clear_cache();
    resolver.routes(&uri).await.unwrap();
    assert!(server.queries() > before);
}

#[tokio::test]
async fn a_domain_that_is_not_there_is_told_from_one_without_answer() {
    let server = Server::start().await;
    let resolver = server.resolver();
    let result = resolver.routes(&"sip:bob@nowhere.test".parse().unwrap()).await;
    let host = "nowhere.test".to_owned();
    assert_eq!(result, Err(LookupError::NoSuchDomain { host }));

    let started = tokio::time::Instant::now();
    let result = resolver
        .routes(&"sip:bob@silent.test:5060".parse().unwrap())
        .await;
    let host = "silent.test".to_owned();
    assert_eq!(result, Err(LookupError::Timeout { host }));
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn an_address_needs_no_name_server() {
    let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let resolver =
        Resolver::with_name_server(nobody, LookupOptions::default(), Entropy::from_number(1)).unwrap();
    for uri in ["sip:127.0.0.1:5062", "sip:bob@localhost:5062"] {
        let targets = resolver.routes(&uri.parse().unwrap()).await.unwrap();
        assert_eq!(targets[0].to_string(), "UDP 127.0.0.1:5062", "{uri}");
    }
}

/// Knows one domain; says nothing about `silent.test`, and that nothing else exists.
struct Server {
    address: SocketAddr,
    queries: Arc<AtomicUsize>,
}

impl Server {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let queries = Arc::new(AtomicUsize::new(0));
        let counter = queries.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                counter.fetch_add(1, Ordering::Relaxed);
                if let Some(reply) = reply(&buffer[..length]) {
                    let _ = socket.send_to(&reply, from).await;
                }
            }
        });
        Self { address, queries }
    }

    fn resolver(&self) -> Resolver {
        let options = LookupOptions {
            query_timeout: Duration::from_millis(300),
            ..LookupOptions::default()
        };
        Resolver::with_name_server(self.address, options, Entropy::from_number(1)).unwrap()
    }

    fn queries(&self) -> usize {
        self.queries.load(Ordering::Relaxed)
    }
}

/// The reply to a query of one question (RFC 1035 §4.1).
fn reply(query: &[u8]) -> Option<Vec<u8>> {
    let (question, name, kind) = question(query)?;
    let data = match (name.as_str(), kind) {
        ("silent.test", _) => return None,
        ("example.test", 35) => Some(naptr()),
        ("_sip._tcp.example.test", 33) => Some(srv()),
        ("sip1.example.test", 1) => Some(vec![192, 0, 2, 1]),
        _ => None,
    };
    let known = name.ends_with("example.test");
    let mut reply = query[..2].to_vec();
    reply.extend([0x85, if known { 0 } else { NXDOMAIN }]); // response, authoritative, recursion desired
    reply.extend([0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
    reply.extend(question);
    if let Some(data) = data {
        reply.extend([0xc0, 12]); // the name of the question
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]); // IN, 60 seconds
        reply.extend((data.len() as u16).to_be_bytes());
        reply.extend(data);
    }
    Some(reply)
}

fn question(query: &[u8]) -> Option<(&[u8], String, u16)> {
    let mut labels = Vec::new();
    let mut at = 12;
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(std::str::from_utf8(&query[at + 1..end]).ok()?.to_lowercase());
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    Some((&query[12..at + 5], labels.join("."), kind))
}

fn naptr() -> Vec<u8> {
    let mut data = vec![0, 10, 0, 50];
    for text in ["s", "SIP+D2T", ""] {
        data.push(text.len() as u8);
        data.extend(text.bytes());
    }
    data.extend(wire_name("_sip._tcp.example.test"));
    data
}

fn srv() -> Vec<u8> {
    let mut data = vec![0, 1, 0, 1];
    data.extend(5070u16.to_be_bytes());
    data.extend(wire_name("sip1.example.test"));
    data
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(label.len() as u8);
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}
