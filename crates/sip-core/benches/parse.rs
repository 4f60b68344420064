//! Parsing, reading and printing an INVITE of about 1 KB. PERF.md of the project names the figures to beat.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use offhook_sip_core::header::{CSeq, CallId, Contact, From, MaxForwards, To, Via};
use offhook_sip_core::{Message, ParseOptions, Response, StatusCode};

const INVITES: [(&str, &[u8]); 2] = [
    ("c-invite", include_bytes!("../tests/data/c-invite.sip")),
    ("r-invite", include_bytes!("../tests/data/r-invite.sip")),
];

fn parse(c: &mut Criterion) {
    let options = ParseOptions::default();
    for (name, wire) in INVITES {
        let shared = received(wire);
        c.bench_function(&format!("parse/{name}"), |b| {
            b.iter(|| Message::parse(black_box(shared.clone()), &options).unwrap());
        });
        c.bench_function(&format!("parse_and_read/{name}"), |b| {
            b.iter(|| {
                let message = Message::parse(black_box(shared.clone()), &options).unwrap();
                read(&message);
                message
            });
        });
        let message = Message::parse(shared, &options).unwrap();
        let mut out = BytesMut::with_capacity(2048);
        c.bench_function(&format!("print/{name}"), |b| {
            b.iter(|| {
                out.clear();
                black_box(&message).write_to(&mut out);
                black_box(out.len())
            });
        });
        let request = message.as_request().unwrap();
        c.bench_function(&format!("respond/{name}"), |b| {
            b.iter_batched_ref(
                || BytesMut::with_capacity(2048),
                |out| {
                    Response::for_request(request, StatusCode::RINGING)
                        .with_to_tag("1")
                        .write_to(out);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// As a driver hands it over: cut from a larger receive buffer.
fn received(wire: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(65_536);
    buffer.extend_from_slice(wire);
    buffer.split().freeze()
}

fn read(message: &Message) {
    let headers = message.headers();
    black_box(headers.typed::<Via>().unwrap().unwrap().branch());
    black_box(headers.typed::<From>().unwrap().unwrap().tag());
    black_box(headers.typed::<To>().unwrap().unwrap().tag());
    black_box(headers.typed::<CallId>().unwrap().unwrap());
    black_box(headers.typed::<CSeq>().unwrap().unwrap());
    black_box(headers.typed::<Contact>().unwrap().unwrap());
    black_box(headers.typed::<MaxForwards>().unwrap().unwrap());
}

criterion_group!(benches, parse);
criterion_main!(benches);
