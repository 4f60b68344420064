//! The program shares a desktop with itself on this machine, with a VNC server and a viewer that say what they like.

mod support;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use support::{Ended, Program};

/// Longer than anything here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a VNC server says first.
const HELLO: &[u8; 12] = b"RFB 003.008\n";

const HERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A place where a VNC server would listen, as an option.
fn vnc() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    (listener, address)
}

fn accepted(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("it connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream
}

fn address(event: &Value) -> SocketAddr {
    event["address"]
        .as_str()
        .expect("text")
        .parse()
        .expect("an address")
}

/// A viewer connects where the program says.
fn viewer(program: &mut Program) -> TcpStream {
    let wanted = address(&program.wait_for("viewer_wanted"));
    let stream = TcpStream::connect(wanted).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream
}

fn hear(stream: &mut TcpStream) -> [u8; 12] {
    let mut heard = [0; 12];
    stream.read_exact(&mut heard).expect("in time");
    heard
}

/// Server and viewer speak both ways.
#[track_caller]
fn talk(server: &mut TcpStream, viewer: &mut TcpStream) {
    server.write_all(HELLO).expect("it reads");
    assert_eq!(&hear(viewer), HELLO);
    viewer.write_all(HELLO).expect("it reads");
    assert_eq!(&hear(server), HELLO);
}

/// Waits until the session stands on both sides: desktops are faster than the last message of the handshake.
fn established(sides: &mut [&mut Program]) {
    for side in sides {
        if !side.events.iter().any(|event| event["event"] == "did_start") {
            side.wait_for("did_start");
        }
    }
}

/// The other side gave up: after the call stood here, or as it was about to.
#[track_caller]
fn left(side: &Ended) {
    assert!(
        matches!(side.code, Some(0 | 22)),
        "{:?}: {}",
        side.code,
        side.stderr
    );
}

#[test]
fn who_shares_calls_and_the_viewer_that_is_closed_ends_it() {
    let (listener, vnc) = vnc();
    let mut bob = Program::start([&["view-desktop", "--sessions", "1"], &HERE[..]].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    let mut alice = Program::start([&["share-desktop", &uri, "--vnc", &vnc], &HERE[..]].concat());
    let mut viewer = viewer(&mut bob);
    let mut server = accepted(&listener);
    talk(&mut server, &mut viewer);
    established(&mut [&mut alice, &mut bob]);
    drop(viewer);
    let (alice, bob) = (alice.end(), bob.end());
    alice.succeeded();
    bob.succeeded();
    for side in [&alice, &bob] {
        side.event("vnc_did_connect");
        assert_eq!(side.story().last(), Some(&"did_end"));
    }
    assert_eq!(alice.event("did_end")["originator"], "remote");
}

#[test]
fn a_desktop_is_shared_in_a_call_by_order_and_taken_away_again() {
    let (listener, vnc) = vnc();
    let at = ["--viewer", "127.0.0.1:0", "--no-device", "--calls", "1"];
    let mut bob = Program::start_typing([&["answer"], &at[..], &HERE].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    let words = ["call", &uri, "--vnc", &vnc, "--no-device"];
    let mut alice = Program::start_typing([&words[..], &HERE].concat());
    bob.wait_for("new_incoming");
    bob.type_line("");
    established(&mut [&mut alice, &mut bob]);
    alice.type_line("add share");
    bob.wait_for("got_proposal");
    bob.type_line("accept view");
    let mut viewer = viewer(&mut bob);
    let mut server = accepted(&listener);
    talk(&mut server, &mut viewer);
    for side in [&mut alice, &mut bob] {
        side.wait_for("did_renegotiate_streams");
    }
    bob.type_line("remove share");
    let reason = bob.wait_for("order_refused")["reason"].to_string();
    assert!(reason.contains("no such stream"), "{reason}");
    bob.type_line("remove view");
    assert_eq!(alice.wait_for("did_renegotiate_streams")["action"], "removed");
    alice.type_line("hangup");
    alice.end().succeeded();
    bob.end().succeeded();
}

#[test]
fn who_wants_to_see_calls_and_is_let_in_by_a_line() {
    let (listener, vnc) = vnc();
    let mut bob =
        Program::start_typing([&["share-desktop", "--vnc", &vnc, "--sessions", "2"], &HERE[..]].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    let view = ["view-desktop", &uri, "--ring-timeout", "15"];
    let mut refused = Program::start([&view[..], &HERE].concat());
    refused.wait_for("got_ring_indication");
    bob.type_line("r");
    refused.end().failed_with(20);

    let mut alice = Program::start([&view[..], &HERE].concat());
    let mut viewer = viewer(&mut alice);
    alice.wait_for("got_ring_indication");
    bob.type_line("");
    let mut server = accepted(&listener);
    talk(&mut server, &mut viewer);
    established(&mut [&mut alice, &mut bob]);
    alice.signal("INT");
    alice.end().succeeded();
    bob.end().succeeded();
}

#[test]
fn a_desktop_is_shared_for_as_long_as_was_said() {
    let (_listener, vnc) = vnc();
    let mut bob = Program::start([&["view-desktop", "--sessions", "1"], &HERE[..]].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    let share = ["share-desktop", &uri, "--vnc", &vnc, "--duration", "0.3"];
    let alice = Program::start([&share[..], &HERE].concat()).end();
    alice.succeeded();
    let lasted = alice.event("did_end")["duration"].as_f64().expect("a number");
    assert!(lasted >= 0.3, "{lasted}");
    bob.end().succeeded();
}

#[test]
fn a_vnc_server_that_is_not_there_is_told_by_one_side_and_ends_the_other() {
    let (listener, vnc) = vnc();
    drop(listener);
    let share = ["share-desktop", "--auto-answer", "--sessions", "1", "--vnc", &vnc];
    let mut bob = Program::start([&share[..], &HERE].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    let alice = Program::start([&["view-desktop", &uri], &HERE[..]].concat());
    let (alice, bob) = (alice.end(), bob.end());
    bob.failed_with(25);
    assert!(bob.stderr.contains(&vnc), "{}", bob.stderr);
    assert_eq!(bob.event("vnc_did_fail")["context"], "connecting");
    left(&alice);
}

#[test]
fn a_server_that_leaves_is_told() {
    let (listener, vnc) = vnc();
    let mut bob = Program::start([&["view-desktop", "--sessions", "1"], &HERE[..]].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    let mut alice = Program::start([&["share-desktop", &uri, "--vnc", &vnc], &HERE[..]].concat());
    let mut viewer = viewer(&mut bob);
    let mut server = accepted(&listener);
    talk(&mut server, &mut viewer);
    established(&mut [&mut alice, &mut bob]);
    drop(server);
    let alice = alice.end();
    alice.failed_with(25);
    assert!(alice.stderr.contains("closed its connection"), "{}", alice.stderr);
    bob.end().succeeded();
}

#[test]
fn a_viewer_that_does_not_come_is_told() {
    let (_listener, vnc) = vnc();
    let mut bob = Program::start(
        [
            &["share-desktop", "--auto-answer", "--sessions", "1", "--vnc", &vnc],
            &HERE[..],
        ]
        .concat(),
    );
    let uri = format!("sip:bob@{}", bob.listening());
    let alice =
        Program::start([&["view-desktop", &uri, "--viewer-timeout", "0.2"], &HERE[..]].concat()).end();
    alice.failed_with(25);
    left(&bob.end());
}

#[test]
fn two_who_want_to_see_do_not_meet() {
    let mut bob = Program::start([&["view-desktop"], &HERE[..]].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    Program::start([&["view-desktop", &uri], &HERE[..]].concat())
        .end()
        .failed_with(20);
    bob.signal("TERM");
    bob.end().succeeded();
}

#[test]
fn what_is_wrong_is_told_before_anybody_is_called() {
    for words in [
        &["share-desktop", "sip:bob@127.0.0.1:9"][..],
        &["share-desktop", "sip:bob@127.0.0.1:9", "--vnc", "nowhere"],
        &[
            "share-desktop",
            "sip:bob@127.0.0.1:9",
            "--vnc",
            "localhost:5900",
            "--auto-answer",
        ],
        &["view-desktop", "sip:bob@127.0.0.1:9", "--viewer", "5901"],
    ] {
        assert_eq!(Program::start(words).end().code, Some(2), "{words:?}");
    }
    // A port that somebody has.
    let (_taken, address) = vnc();
    Program::start(["view-desktop", "sip:bob@127.0.0.1:9", "--viewer", &address])
        .end()
        .failed_with(14);
}
