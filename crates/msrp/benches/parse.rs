//! Framing of small chunks and of large bodies, and a message from one session to another with its response.
//! PERF.md of the project names the figures to beat.

use bytes::{Buf, Bytes};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use offhook_msrp::framer::{Frame, Framer};
use offhook_msrp::trace::{ChunkTracer, Direction, Traced};
use offhook_msrp::{MsrpPath, MsrpSession, OutgoingMessage, SessionConfig};
use offhook_sansio::Entropy;
use std::hint::black_box;
use std::time::Instant;

const SMALL: &str = "MSRP a786hjs2 SEND\r\nTo-Path: msrp://192.0.2.1:7777/iau39soe2843z;tcp\r\n\
    From-Path: msrp://192.0.2.2:7654/jshA7weztas;tcp\r\nMessage-ID: 87652491\r\nByte-Range: 1-200/200\r\n\
    Content-Type: text/plain\r\n\r\n";

fn chunk(body: &[u8]) -> Vec<u8> {
    [SMALL.as_bytes(), body, b"\r\n-------a786hjs2$\r\n"].concat()
}

/// Reads all of it and says how much of it was body.
fn read(framer: &mut Framer, wire: &[u8]) -> usize {
    framer.input().extend_from_slice(wire);
    let mut bytes = 0;
    while let Some(frame) = framer.next_frame().expect("a good stream") {
        match frame {
            Frame::Head(head) => {
                black_box(head.message_id());
            }
            Frame::Body(body) => bytes += body.len(),
            Frame::End(_) => {}
        }
    }
    bytes
}

fn framing(c: &mut Criterion) {
    let mut group = c.benchmark_group("framer");
    for (name, body) in [
        ("200 bytes", vec![b'x'; 200]),
        ("1 MiB", vec![b'x'; 1 << 20]),
        (
            "1 MiB of look-alikes",
            b"\r\n-------a786hjs3$".repeat((1 << 20) / 18),
        ),
    ] {
        let wire = chunk(&body);
        let mut framer = Framer::new(offhook_msrp::chunk::Limits::default());
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| assert_eq!(read(&mut framer, &wire), body.len()));
        });
    }
    group.finish();
}

fn sessions(c: &mut Criterion) {
    let now = Instant::now();
    let path = |text: &str| text.parse::<MsrpPath>().expect("a good path");
    let (a, b) = (
        path("msrp://192.0.2.2:7654/jshA7weztas;tcp"),
        path("msrp://192.0.2.1:7777/iau39soe2843z;tcp"),
    );
    let mut alice = MsrpSession::connected(
        now,
        SessionConfig::new(a.clone(), b.clone()),
        Entropy::from_number(1),
    );
    let framer = Framer::new(offhook_msrp::chunk::Limits::default());
    let mut bob = MsrpSession::accepted(
        now,
        SessionConfig::new(b, a),
        Entropy::from_number(2),
        framer,
        None,
    );
    exchange(now, &mut alice, &mut bob);
    let body = Bytes::from(vec![b'x'; 200]);
    let mut measure = |name: &str, alice: &mut MsrpSession| {
        c.bench_function(
            &format!("session/200 bytes with response, both ends{name}"),
            |bencher| {
                bencher.iter(|| {
                    alice
                        .send(OutgoingMessage::new("text/plain", body.clone()))
                        .expect("room");
                    exchange(now, alice, &mut bob)
                });
            },
        );
    };
    measure("", &mut alice);
    alice.set_tracer(Some(Box::new(Tracer)));
    measure(", one of them traced", &mut alice);
    alice.set_tracer(None);
    measure(", traces off again", &mut alice);
}

/// Sees all, and does nothing with it.
#[derive(Debug)]
struct Tracer;

impl ChunkTracer for Tracer {
    fn trace(&mut self, direction: Direction, traced: Traced<'_>) {
        black_box((direction, traced));
    }
}

/// Carries what both write until they are silent, and takes their events.
fn exchange(now: Instant, alice: &mut MsrpSession, bob: &mut MsrpSession) -> usize {
    let mut events = 0;
    while carry(now, alice, bob) | carry(now, bob, alice) {}
    while alice.poll_event().is_some() || bob.poll_event().is_some() {
        events += 1;
    }
    events
}

fn carry(now: Instant, from: &mut MsrpSession, to: &mut MsrpSession) -> bool {
    let Some(mut burst) = from.poll_transmit(now) else {
        return false;
    };
    while burst.has_remaining() {
        let part = burst.chunk();
        to.input().extend_from_slice(part);
        let len = part.len();
        burst.advance(len);
    }
    to.handle_input(now);
    true
}

criterion_group!(benches, framing, sessions);
criterion_main!(benches);
