//! The program over TLS and WebSocket: whom it believes, and how it says that it does not.

mod support;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::SocketAddr;
use support::{Folder, Program};

/// Files of an authority, and of a certificate that it has issued.
struct Files {
    authority: String,
    certificate: String,
    key: String,
}

fn files(folder: &Folder, name: &str) -> Files {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("signed").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("signed").pem();
    let write = |name: &str, text: String| {
        let path = folder.path(name);
        std::fs::write(&path, text).expect("a folder");
        path
    };
    Files {
        authority: write("authority.pem", authority),
        certificate: write("certificate.pem", certificate),
        key: write("key.pem", key.serialize_pem()),
    }
}

fn answering(files: &Files, transport: &str) -> (Program, SocketAddr) {
    let options = ["--transport", transport, "--auto-answer", "--calls", "1"];
    let certificate = ["--cert", &files.certificate, "--key", &files.key];
    Program::answer(&[&options[..], &certificate].concat())
}

fn call(to: SocketAddr, options: &[&str]) -> Program {
    let uri = format!("sip:bob@localhost:{}", to.port());
    let common = [
        "call",
        &uri,
        "--listen",
        "127.0.0.1:0",
        "--no-device",
        "--duration",
        "0.3",
    ];
    Program::start([&common[..], options].concat())
}

#[test]
fn a_call_over_tls_and_over_websocket_with_tls_believes_the_named_authority() {
    let folder = Folder::new("tls-call");
    let files = files(&folder, "localhost");
    for transport in ["tls", "wss"] {
        let (bob, address) = answering(&files, transport);
        let alice = call(
            address,
            &["--transport", transport, "--ca-file", &files.authority],
        )
        .end();
        alice.succeeded();
        bob.end().succeeded();
    }
}

#[test]
fn a_call_over_websocket_needs_no_certificate() {
    let (bob, address) = Program::answer(&["--transport", "ws", "--auto-answer", "--calls", "1"]);
    call(address, &["--transport", "ws"]).end().succeeded();
    bob.end().succeeded();
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_called_unless_it_is_asked_for() {
    let folder = Folder::new("tls-stranger");
    let files = files(&folder, "localhost");
    let (bob, address) = answering(&files, "tls");
    let refused = call(address, &["--transport", "tls"]).end();
    assert_eq!(refused.code, Some(15), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("name its authority in a CA file"),
        "{}",
        refused.stderr
    );
    let careless = call(address, &["--transport", "tls", "--no-verify"]).end();
    assert!(
        careless.stderr.contains("--no-verify believes every server"),
        "{}",
        careless.stderr
    );
    assert_eq!(careless.code, Some(0), "{}", careless.stderr);
    bob.end().succeeded();
}

#[test]
fn a_server_with_another_name_is_not_called() {
    let folder = Folder::new("tls-name");
    let files = files(&folder, "other.test");
    let (bob, address) = answering(&files, "tls");
    let refused = call(address, &["--transport", "tls", "--ca-file", &files.authority]).end();
    assert_eq!(refused.code, Some(15), "{}", refused.stderr);
    let said = "the server's certificate is for other.test, not for localhost";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    drop(bob);
}

#[test]
fn a_certificate_that_cannot_be_read_is_told_with_its_file() {
    let folder = Folder::new("tls-missing");
    let missing = folder.path("missing.pem");
    let program = Program::start([
        "answer",
        "--transport",
        "tls",
        "--cert",
        &missing,
        "--key",
        &missing,
    ]);
    let ended = program.end();
    assert_eq!(ended.code, Some(14), "{}", ended.stderr);
    assert!(ended.stderr.contains("missing.pem"), "{}", ended.stderr);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for options in [
        &["--no-verify", "--ca-file", "x.pem"][..],
        &["--cert", "x.pem"],
        &["--key", "x.pem"],
    ] {
        let words = [&["call", "sip:bob@localhost", "--transport", "tls"], options].concat();
        assert_eq!(Program::start(words).end().code, Some(2), "{options:?}");
    }
}
