//! Many connections do not keep a new peer from being served: those held open, and those thrown away.

#![cfg(feature = "tokio")]
#![allow(clippy::print_stderr, reason = "measured times are worth reading")]

mod live;

use live::{PATIENCE, Phone, V4, V6, any};
use offhook_sip_core::tokio::{ConnectionConfig, Transports};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// What is asked of us: a new peer has its answer in this time.
const IN_TIME: Duration = Duration::from_secs(2);

/// Connections that are held open, and how many are thrown away a second.
const HELD: usize = 512;
const THROWN_AWAY: u32 = 1000;

/// Both ends of all connections are here: twice as many files as one end has.
#[cfg(target_os = "linux")]
fn allow_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("what is allowed is allowed");
}

#[cfg(not(target_os = "linux"))]
fn allow_files() {}

fn server(address: &str) -> Phone {
    // All come from one address here.
    let config = ConnectionConfig {
        accepted_per_source: HELD,
        ..ConnectionConfig::default()
    };
    let mut transports = Transports::new().with_connections(config);
    transports.bind_tcp(any(address)).expect("a free port");
    Phone::on(transports)
}

/// How long a new peer waits for the answer to its OPTIONS.
async fn served(to: SocketAddr) -> Duration {
    let start = Instant::now();
    let asking = async {
        let mut stream = TcpStream::connect(to).await.expect("it listens");
        let request = "OPTIONS sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKnew\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag=1\r\nTo: <sip:bob@b.test>\r\nCall-ID: new\r\n\
             CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("it stands");
        let mut bytes = [0; 64];
        let read = stream.read(&mut bytes).await.expect("it stands");
        assert!(bytes[..read].starts_with(b"SIP/2.0 200 OK\r\n"));
    };
    timeout(PATIENCE, asking).await.expect("served");
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_512_connections_held_open_a_new_peer_is_served_in_time() {
    allow_files();
    for address in [V4, V6] {
        let bob = server(address);
        let mut held = Vec::new();
        for number in 0..HELD {
            let mut stream = TcpStream::connect(bob.address()).await.expect("it listens");
            // Some say nothing, some begin and do not go on.
            if number % 2 == 0 {
                stream
                    .write_all(b"OPTIONS sip:bob@b.test SIP/2.0\r\nVia: ")
                    .await
                    .expect("it stands");
            }
            held.push(stream);
        }
        let took = served(bob.address()).await;
        eprintln!("{HELD} held open at {address}: served in {took:?}");
        assert!(took < IN_TIME, "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_1000_connections_a_second_are_thrown_away_new_peers_are_served_in_time() {
    let bob = server(V4);
    let address = bob.address();
    let thrower = tokio::spawn(async move {
        let mut tick = interval(Duration::from_secs(1) / THROWN_AWAY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut thrown = 0_u32;
        loop {
            tick.tick().await;
            if let Ok(mut stream) = TcpStream::connect(address).await {
                let _ = stream.write_all(b"OPTIONS sip").await;
            }
            thrown += 1;
            if thrown == 3 * THROWN_AWAY {
                return;
            }
        }
    });
    let mut slowest = Duration::ZERO;
    let start = Instant::now();
    while !thrower.is_finished() {
        slowest = slowest.max(served(address).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(start.elapsed() < Duration::from_mins(1), "the thrower is stuck");
    }
    eprintln!(
        "{} thrown away in {:?}: slowest {slowest:?}",
        3 * THROWN_AWAY,
        start.elapsed()
    );
    assert!(slowest < IN_TIME, "{slowest:?}");
}
