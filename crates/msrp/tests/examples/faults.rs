//! What ends by a fault says so: by an exit code, a line of JSON, and the throughput until then.

use super::files::RawPeer;
use super::program::{Folder, PATIENCE, Program};
use super::{CALLER, count, throughput};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// The words of a program that failed after its session had begun.
pub(crate) fn words(program: Program, direction: &str) -> (String, Vec<Value>) {
    let (said, lines) = program.fault();
    throughput(&lines, direction);
    let error = lines.iter().rfind(|line| line["event"] == "error").unwrap();
    assert_eq!(said, format!("error: {}\n", error["error"].as_str().unwrap()));
    (said, lines)
}

fn listen(mode: &str) -> Program {
    Program::start(
        "listen",
        &["--port", "0", "--remote-path", CALLER, "--mode", mode],
    )
}

#[test]
fn a_session_that_ends_by_nonsense_is_a_fault() {
    for mode in ["sink", "echo"] {
        let mut listener = listen(mode);
        let mut peer = RawPeer::connect(&mut listener);
        peer.send("chunk1", "msg1", "1-3/3", "abc");
        peer.stream.write_all(b"HELO nobody\r\n\r\n").unwrap();
        let (said, _) = words(listener, "received");
        assert!(
            said.starts_with("error: the session ended: the peer sent something that is no chunk"),
            "{said}"
        );
    }
}

#[test]
fn a_connection_that_ends_within_a_message_is_a_fault() {
    for mode in ["sink", "echo"] {
        let mut listener = listen(mode);
        let mut peer = RawPeer::connect(&mut listener);
        peer.send_flagged("chunk1", "half", "1-4/8", "abcd", '+');
        drop(peer);
        let (said, rest) = words(listener, "received");
        assert_eq!(said, "error: the connection ended while messages arrived: 1\n");
        let aborted = rest.iter().find(|line| line["event"] == "message_aborted");
        assert_eq!(
            aborted.expect("it is told")["reason"],
            "the session ended in the middle of it"
        );
    }
}

#[test]
fn a_body_that_cannot_be_held_is_refused_in_words() {
    for size in ["18446744073709551615", "100000000000000"] {
        let args = ["--remote-path", "msrp://127.0.0.1:9/x;tcp", "--size", size];
        let mut caller = Program::start("connect", &args);
        assert_eq!(caller.status().code(), Some(2));
        let said = caller.said_in_error();
        assert!(said.contains("--size") && said.contains("4294967296"), "{said}");
    }
}

#[test]
fn who_is_interrupted_while_it_sends_ends_the_chunk_and_tells_what_was_sent() {
    let folder = Folder::new("interrupted");
    let huge = folder.0.join("huge");
    std::fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let args = ["--port", "0", "--mode", "sink", "--remote-path", CALLER];
    let mut listener = Program::start("listen", &args);
    let path = listener.path("listening");
    let huge = huge.display().to_string();
    let args = [
        "--remote-path",
        &path,
        "--local-path",
        CALLER,
        "--file",
        &huge,
        "--chunk",
        "4294967295",
        "--quiet",
    ];
    let mut caller = Program::start("connect", &args);
    caller.event("ready");
    listener.event("message_data");
    caller.signal("INT");
    let (said, _) = words(caller, "sent");
    assert_eq!(said, "error: interrupted\n");
    let aborted = listener.event("message_aborted");
    assert_eq!(aborted["reason"], "given up by its sender");
    assert_eq!(listener.complaint(), "error: messages that broke off: 1\n");
}

/// A peer that takes one connection, answers the first requests with 200, and then is silent.
fn answer(listener: &TcpListener, path: &str, most: usize) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = String::new();
    for _ in 0..most {
        while !heard.ends_with("$\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            heard.push(byte[0] as char);
        }
        let id = heard.split(' ').nth(1).unwrap();
        let answer =
            format!("MSRP {id} 200 OK\r\nTo-Path: {CALLER}\r\nFrom-Path: {path}\r\n-------{id}$\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        heard.clear();
    }
    stream
}

#[test]
fn who_waits_in_vain_gives_up_in_its_time() {
    for (option, awaited) in [("--success-report", "report of success"), ("--echo", "echo")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let path = format!("msrp://{}/peer;tcp", listener.local_addr().unwrap());
        let args = [
            "--local-path",
            CALLER,
            "--remote-path",
            &path,
            "--patience",
            "1",
            option,
        ];
        let connector = Program::start("connect", &args);
        let _stream = answer(&listener, &path, 2); // the SEND that binds, and the message
        let (said, lines) = words(connector, "sent");
        assert_eq!(
            said,
            format!("error: no {awaited}, and nothing else, came within 1 s\n")
        );
        assert_eq!(count(&lines, "send_done"), 1);
    }
}

#[test]
fn a_peer_that_goes_before_it_has_answered_is_a_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = format!("msrp://{}/peer;tcp", listener.local_addr().unwrap());
    let connector = Program::start("connect", &["--local-path", CALLER, "--remote-path", &path]);
    drop(answer(&listener, &path, 1));
    let (said, _) = words(connector, "sent");
    assert_eq!(said, "error: the session ended: the connection ended\n");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = Folder::new("taken");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let words = format!("error: cannot listen on {address}: Address already in use (os error 98)\n");
    let port = address.port().to_string();
    let args = ["--port", &port, "--remote-path", CALLER];
    assert_eq!(Program::start("listen", &args).complaint(), words);
    let config = format!("uri = \"msrp://{address};tcp\"\nlisten = \"{address}\"\nallow_plain_auth = true\n");
    let file = folder.file("relay.toml", config.as_bytes());
    assert_eq!(Program::start("relay", &[&file]).complaint(), words);
}

#[test]
fn a_bad_session_id_is_told_with_what_is_allowed() {
    let words = "bad session id: it has letters, digits and -._~+=/ only, and at least one";
    for id in ["", "a b", "a$"] {
        let args = ["--port", "0", "--session-id", id];
        assert_eq!(
            Program::start("listen", &args).complaint(),
            format!("error: {words}\n")
        );
    }
    let args = ["--remote-path", "msrp://127.0.0.1:9/a$;tcp"];
    let mut connector = Program::start("connect", &args);
    assert_eq!(connector.status().code(), Some(2));
    let said = connector.said_in_error();
    assert!(said.contains(words), "{said}");
}

#[test]
fn trust_in_a_file_without_certificates_is_refused() {
    let folder = Folder::new("no-roots");
    let empty = folder.file("empty.pem", b"no certificate\n");
    let path = "msrps://127.0.0.1:9/peer;tcp";
    let args = ["--remote-path", path, "--tls", "--ca", &empty];
    assert_eq!(
        Program::start("connect", &args).complaint(),
        format!("error: {empty}: no certificate in it\n")
    );
}

#[test]
fn events_are_told_in_words_and_numbers() {
    let mut listener = listen("sink");
    let mut peer = RawPeer::connect(&mut listener);
    peer.send_flagged("chunk1", "half", "1-4/8", "abcd", '#');
    let aborted = listener.event("message_aborted");
    assert_eq!(
        (&aborted["message"], &aborted["reason"]),
        (&json!(0), &json!("given up by its sender"))
    );
    peer.send_flagged("chunk2", "oddity", "1-2/8", "ab", '+');
    peer.send_flagged("chunk3", "oddity", "3-4/9", "cd", '+');
    let aborted = listener.event("message_aborted");
    assert_eq!(
        (&aborted["message"], &aborted["reason"]),
        (&json!(1), &json!("refused with 400 Bad request"))
    );
    peer.stream.write_all(b"HELO nobody\r\n\r\n").unwrap();
    let reason = listener.event("closed")["reason"].to_string();
    assert!(
        reason.contains("no chunk") && !reason.contains(['(', '{']),
        "{reason}"
    );
}

#[test]
fn an_echo_to_who_does_not_read_can_be_interrupted() {
    for signal in ["INT", "TERM"] {
        let mut listener = listen("echo");
        let mut peer = RawPeer::connect(&mut listener);
        let body = "x".repeat(100_000);
        // Until neither side takes anything more: all that systems keep of the connection is full.
        peer.send_until_stuck(&body);
        listener.signal(signal);
        assert_eq!(listener.status().code(), Some(1), "{signal}");
        assert!(listener.said_in_error().contains("interrupted"), "{signal}");
    }
}
