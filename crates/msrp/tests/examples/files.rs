//! What `connect` and `listen` do with files, and with peers that lie about them or go away.

use super::program::{Folder, PATIENCE, Program};
use super::{CALLER, count};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// A peer of few words that was bound by its first message.
pub(crate) struct RawPeer {
    pub(crate) stream: TcpStream,
    to: String,
}

impl RawPeer {
    pub(crate) fn connect(listener: &mut Program) -> Self {
        let to = listener.path("listening");
        let address = to.trim_start_matches("msrp://").split('/').next().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, to }
    }

    /// A chunk of a message that wants to be reported.
    pub(crate) fn send(&mut self, id: &str, message: &str, range: &str, body: &str) {
        self.send_flagged(id, message, range, body, '$');
    }

    pub(crate) fn send_flagged(&mut self, id: &str, message: &str, range: &str, body: &str, flag: char) {
        let chunk = format!(
            "MSRP {id} SEND\r\nTo-Path: {}\r\nFrom-Path: {CALLER}\r\nMessage-ID: {message}\r\nByte-Range: {range}\r\n\
             Success-Report: yes\r\nContent-Type: a/b\r\n\r\n{body}\r\n-------{id}{flag}\r\n",
            self.to
        );
        self.stream.write_all(chunk.as_bytes()).unwrap();
    }

    /// Sends messages and reads nothing, until nothing more is taken for a second.
    pub(crate) fn send_until_stuck(&mut self, body: &str) {
        self.stream
            .set_write_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        for number in 0.. {
            let chunk = format!(
                "MSRP c{number:05} SEND\r\nTo-Path: {}\r\nFrom-Path: {CALLER}\r\nMessage-ID: m{number:05}\r\n\
                 Byte-Range: 1-{}/{}\r\nContent-Type: a/b\r\n\r\n{body}\r\n-------c{number:05}$\r\n",
                self.to,
                body.len(),
                body.len()
            );
            if self.stream.write_all(chunk.as_bytes()).is_err() {
                return;
            }
        }
    }

    /// What it hears until a chunk that contains this has ended.
    pub(crate) fn hear(&mut self, part: &str) -> String {
        let mut heard = String::new();
        while !(heard.contains(part) && heard.ends_with("$\r\n")) {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("more is said in time");
            heard.push(byte[0] as char);
        }
        heard
    }
}

const LISTEN: [&str; 7] = [
    "--port",
    "0",
    "--remote-path",
    CALLER,
    "--mode",
    "file",
    "--directory",
];

fn listen_into(folder: &Folder) -> Program {
    let directory = folder.0.display().to_string();
    Program::start("listen", &[&LISTEN[..], &[&directory]].concat())
}

#[test]
fn a_file_is_reported_when_it_is_in_its_place_and_replaces_no_other() {
    let folder = Folder::new("file-names");
    let mut listener = listen_into(&folder);
    let mut peer = RawPeer::connect(&mut listener);
    // Both identifiers make the same name.
    for (number, (message, body)) in [("msg.1", "one"), ("msg-1", "two!")].into_iter().enumerate() {
        let range = format!("1-{0}/{0}", body.len());
        peer.send(&format!("chunk{number}"), message, &range, body);
        let heard = peer.hear("REPORT");
        assert!(heard.contains(&format!("Message-ID: {message}\r\n")), "{heard}");
        let name = ["msg1.received", "msg1-2.received"][number];
        assert_eq!(std::fs::read(folder.0.join(name)).unwrap(), body.as_bytes());
    }
    drop(peer);
    assert_eq!(count(&listener.rest(), "stored"), 2);
    assert_eq!(
        std::fs::read_dir(&folder.0).unwrap().count(),
        2,
        "nothing else is left"
    );
}

#[test]
fn a_byte_range_that_claims_a_place_far_away_makes_no_large_file() {
    let folder = Folder::new("file-sparse");
    let mut listener = listen_into(&folder);
    let mut peer = RawPeer::connect(&mut listener);
    peer.send("chunk1", "sparse", "1099511627776-*/*", "x");
    assert!(peer.hear("chunk1").contains("MSRP chunk1 413 "), "not 200 first");
    listener.event("message_aborted");
    // A little ahead is what relays do.
    peer.send("chunk2", "ahead", "3-4/4", "cd");
    peer.send_flagged("chunk3", "ahead", "1-2/4", "ab", '+');
    peer.hear("REPORT");
    assert_eq!(std::fs::read(folder.0.join("ahead.received")).unwrap(), b"abcd");
    drop(peer);
    assert_eq!(listener.complaint(), "error: messages that broke off: 1\n");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn an_echo_survives_that_its_peer_goes_while_echoes_wait() {
    for _ in 0..5 {
        let args = [
            "--port",
            "0",
            "--remote-path",
            CALLER,
            "--mode",
            "echo",
            "--count",
            "1000",
        ];
        let mut listener = Program::start("listen", &args);
        let mut peer = RawPeer::connect(&mut listener);
        let body = "x".repeat(10_000);
        for number in 0..1000 {
            peer.send(
                &format!("chunk{number}"),
                &format!("msg{number}"),
                "1-10000/10000",
                &body,
            );
            if number == 50 {
                break;
            }
        }
        drop(peer); // with answers and echoes unread, which takes back what it sent last
        let status = listener.status();
        let said = listener.said_in_error();
        let within = said == "error: the connection ended while messages arrived: 1\n";
        assert!(status.success() || within, "{status}, {said}");
    }
}

#[test]
fn what_is_no_file_is_told_before_anybody_hears_of_it() {
    let folder = Folder::new("no-file");
    let pipe = folder.0.join("pipe").display().to_string();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let directory = folder.0.display().to_string();
    let missing = folder.0.join("missing").display().to_string();
    let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    peer.set_nonblocking(true).unwrap();
    let path = format!("msrp://{}/peer;tcp", peer.local_addr().unwrap());
    for (file, why) in [
        (
            &*pipe,
            " is no regular file: its size is not known before it is sent",
        ),
        (&directory, " is a directory, and a file is wanted"),
        (&missing, ": No such file or directory (os error 2)"),
    ] {
        let said = Program::start("connect", &["--remote-path", &path, "--file", file]).complaint();
        assert_eq!(said, format!("error: {file}{why}\n"));
    }
    assert!(peer.accept().is_err(), "nobody has connected");
}

#[test]
fn a_file_that_is_cut_while_it_is_sent_is_given_up() {
    let folder = Folder::new("cut");
    let file = folder.file("sent", &vec![7; 3_000_000]);
    let mut listener = Program::start("listen", &["--port", "0", "--remote-path", CALLER]);
    let mut connector = Program::start("connect", &["--local-path", CALLER, "--file", &file]);
    connector.path("prepared");
    folder.file("sent", &[7; 5000]);
    connector.tell(&listener.path("listening"));
    let words = format!("error: {file} was cut while it was sent: 5000 of 3000000 bytes are left\n");
    assert_eq!(connector.complaint(), words);
    listener.event("message_aborted");
    let (said, events) = listener.fault();
    assert_eq!(said, "error: messages that broke off: 1\n");
    assert_eq!(count(&events, "message_ended"), 0);
}

#[test]
fn an_empty_file_arrives_and_one_that_grows_as_long_as_it_was() {
    let folder = Folder::new("grown");
    for size in [0, 1000] {
        let file = folder.file("sent", &vec![7; size]);
        let mut listener = Program::start("listen", &["--port", "0", "--remote-path", CALLER]);
        let mut connector = Program::start("connect", &["--local-path", CALLER, "--file", &file]);
        connector.path("prepared");
        folder.file("sent", &[7; 5000]);
        connector.tell(&listener.path("listening"));
        assert_eq!(super::throughput(&connector.rest(), "sent"), (1, size as u64));
        assert_eq!(listener.event("message_ended")["size"], size);
        listener.rest();
    }
}

#[test]
fn a_directory_that_takes_no_files_is_told_before_anybody_is_awaited() {
    let folder = Folder::new("no-directory");
    let file = folder.file("file", b"");
    let missing = folder.0.join("missing").display().to_string();
    for (directory, why) in [
        (&file, " is no directory"),
        (&missing, ": No such file or directory (os error 2)"),
    ] {
        let args = [&LISTEN[..], &[directory]].concat();
        let said = Program::start("listen", &args).complaint();
        assert_eq!(said, format!("error: --directory {directory}{why}\n"));
    }
}

#[test]
fn a_message_that_cannot_be_stored_fails_alone() {
    let folder = Folder::new("full");
    let directory = folder.0.display().to_string();
    let args = [&LISTEN[..], &[&directory]].concat();
    let mut listener = Program::start_with_little_room(4, "listen", &args);
    let mut peer = RawPeer::connect(&mut listener);
    peer.send("chunk1", "large1", "1-9000/9000", &"x".repeat(9000));
    peer.hear(" 413");
    let said = listener.event("error")["error"].as_str().unwrap().to_owned();
    assert!(
        said.starts_with("a message cannot be stored: File too large"),
        "{said}"
    );
    // In chunks, it is refused before its end.
    peer.send_flagged("chunk2", "large2", "1-5000/9000", &"x".repeat(5000), '+');
    listener.event("error");
    peer.send("chunk3", "large2", "5001-9000/9000", &"x".repeat(4000));
    peer.hear(" 413");
    peer.send("chunk4", "small", "1-3/3", "abc");
    assert!(peer.hear("REPORT").contains("Message-ID: small\r\n"));
    assert_eq!(std::fs::read(folder.0.join("small.received")).unwrap(), b"abc");
    drop(peer);
    let said = listener.complaint();
    assert_eq!(said, "error: messages that could not be stored: 2\n");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn an_interrupted_listener_leaves_no_part_of_a_file() {
    for signal in ["INT", "TERM"] {
        let folder = Folder::new("interrupted");
        let mut listener = listen_into(&folder);
        let mut peer = RawPeer::connect(&mut listener);
        peer.send_flagged("chunk1", "half", "1-4/8", "abcd", '+');
        listener.event("message_data");
        assert!(folder.0.join("half.part").exists());
        listener.signal(signal);
        assert_eq!(listener.status().code(), Some(1), "{signal}");
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "{signal}");
    }
}
