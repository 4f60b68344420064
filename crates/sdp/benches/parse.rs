//! Reading and writing of two offers: a phone's (262 bytes) and a browser's (1241 bytes).

use criterion::{Criterion, criterion_group, criterion_main};
use offhook_sdp::SessionDescription;
use std::hint::black_box;

const PHONE: &[u8] = include_bytes!("../tests/data/r-offer.sdp");
const BROWSER: &[u8] = include_bytes!("../tests/data/r-webrtc.sdp");

fn parse(c: &mut Criterion) {
    for (name, bytes) in [("phone 262 B", PHONE), ("browser 1241 B", BROWSER)] {
        c.bench_function(&format!("parse {name}"), |b| {
            b.iter(|| SessionDescription::parse(black_box(bytes)));
        });
    }
}

fn write(c: &mut Criterion) {
    for (name, bytes) in [("phone 262 B", PHONE), ("browser 1241 B", BROWSER)] {
        let session = SessionDescription::parse(bytes).expect("the file is a description");
        c.bench_function(&format!("write {name}"), |b| {
            b.iter(|| black_box(&session).to_string());
        });
    }
}

criterion_group!(benches, parse, write);
criterion_main!(benches);
