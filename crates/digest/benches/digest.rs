//! What an answer costs the client, and its judgement the server.

use criterion::{Criterion, criterion_group, criterion_main};
use offhook_digest::{Authenticator, Challenge, Credentials, Protects, Signed, Verifier, VerifierConfig};
use offhook_sansio::Entropy;
use std::hint::black_box;
use std::time::Instant;

fn digest(c: &mut Criterion) {
    let now = Instant::now();
    let mut server = Verifier::new(VerifierConfig::new("biloxi.com"), Entropy::from_number(1));
    let mut client = Authenticator::new(Credentials::new("bob", "zanzibar"), Entropy::from_number(2));
    let challenges = server.challenges(now, false);
    client
        .handle_challenges(Protects::Server, challenges.iter().map(String::as_str))
        .expect("our own challenge can be answered");
    let request = Signed {
        method: "REGISTER",
        uri: "sip:biloxi.com",
        body: b"",
    };
    c.bench_function("parse_challenge", |b| {
        b.iter(|| Challenge::parse(black_box(&challenges[0])));
    });
    c.bench_function("answer_sha256", |b| {
        b.iter(|| client.answers(black_box(&request)));
    });
    c.bench_function("answer_and_verify_sha256", |b| {
        b.iter(|| {
            let value = client.answers(&request).remove(0).value;
            server.verify(now, &value, &request, |_| Some("zanzibar".into()))
        });
    });
}

criterion_group!(benches, digest);
criterion_main!(benches);
