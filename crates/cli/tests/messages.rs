//! The program chats and exchanges files with itself on this machine.

mod support;

use std::ffi::OsStr;
use support::{Folder, Program};

#[test]
fn lines_typed_on_one_side_are_read_on_the_other() {
    let mut bob = Program::start(["chat", "--listen", "127.0.0.1:0", "--chats", "1"]);
    let address = bob.listening();
    let uri = format!("sip:bob@{address}");
    let alice = Program::start_with_input(
        ["chat", &uri, "--listen", "127.0.0.1:0"],
        "hello Bob\nsecond line\n",
    );
    let alice = alice.end();
    let bob = bob.end();
    alice.succeeded();
    bob.succeeded();
    let heard: Vec<_> = bob
        .events
        .iter()
        .filter(|event| event["event"] == "got_message")
        .map(|event| event["body"].as_str().expect("text"))
        .collect();
    assert_eq!(heard, ["hello Bob", "second line"]);
    assert!(
        bob.event("got_message")["sender"]
            .as_str()
            .expect("CPIM")
            .starts_with("sip:offhook@")
    );
    let delivered = alice
        .story()
        .iter()
        .filter(|name| **name == "did_deliver_message")
        .count();
    assert_eq!(delivered, 2, "{:#?}", alice.events);
    assert_eq!(bob.story().last(), Some(&"did_end"));
}

#[test]
fn a_chat_lasts_as_long_as_was_said() {
    let words = [
        "chat",
        "--listen",
        "127.0.0.1:0",
        "--chats",
        "1",
        "--duration",
        "0.3",
    ];
    let mut bob = Program::start(words);
    let uri = format!("sip:bob@{}", bob.listening());
    let mut alice = Program::start_typing(["chat", &uri, "--listen", "127.0.0.1:0"]);
    alice.wait_for("did_end");
    let bob = bob.end();
    bob.succeeded();
    assert_eq!(bob.event("did_end")["originator"], "local");
}

#[test]
fn more_files_than_a_session_carries_are_refused_before_it() {
    let words = ["send-file", "sip:bob@127.0.0.1:9"];
    let ended = Program::start(words.into_iter().chain(["one.txt"; 65])).end();
    ended.failed_with(2);
    assert!(ended.stderr.contains("64 files at most"), "{}", ended.stderr);
}

#[test]
fn a_chat_with_somebody_who_only_talks_is_declined() {
    let (bob, address) = Program::answer(&["--auto-answer"]);
    let uri = format!("sip:bob@{address}");
    let alice = Program::start_with_input(["chat", &uri, "--listen", "127.0.0.1:0"], "hello\n").end();
    alice.failed_with(20);
    drop(bob);
}

#[test]
fn files_arrive_side_by_side_and_nothing_is_replaced() {
    let folder = Folder::new("files");
    let inbox = folder.path("inbox");
    std::fs::create_dir(&inbox).expect("a folder of the test");
    std::fs::write(format!("{inbox}/one.txt"), "mine").expect("a file of the test");
    let one = folder.file("one.txt", &"one ".repeat(100_000));
    let two = folder.file("two.txt", "two");
    let (bob, uri) = Program::receive_files(&inbox);
    let alice = Program::start(["send-file", &uri, &one, &two, "--listen", "127.0.0.1:0"]).end();
    let bob = bob.end();
    alice.succeeded();
    bob.succeeded();
    let read = |name: &str| std::fs::read_to_string(format!("{inbox}/{name}")).expect(name);
    assert_eq!(read("one.txt"), "mine");
    assert_eq!(read("one-1.txt"), "one ".repeat(100_000));
    assert_eq!(read("two.txt"), "two");
    assert_eq!(
        std::fs::read_dir(&inbox).expect("there").count(),
        3,
        "nothing half-done"
    );
    let done = alice
        .story()
        .iter()
        .filter(|name| **name == "file_did_finish")
        .count();
    assert_eq!(done, 2);
}

#[test]
fn what_cannot_be_sent_or_kept_is_told_before_anybody_is_called() {
    let folder = Folder::new("no-files");
    let missing = folder.path("missing.txt");
    Program::start(["send-file", "sip:bob@127.0.0.1:9", &missing])
        .end()
        .failed_with(12);
    Program::start(["receive-files", "--dir", &missing])
        .end()
        .failed_with(13);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_file_to_send() {
    let folder = Folder::new("pipe");
    let ended = Program::start(["send-file", "sip:bob@127.0.0.1:9", &folder.pipe("pipe")]).end();
    ended.failed_with(12);
    assert!(ended.stderr.contains("not a file"), "{}", ended.stderr);
}

/// What a full disk does to a write, a limit on the size of files does as well.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_told_to_both_and_nothing_has_the_name() {
    let folder = Folder::new("full-disk");
    let inbox = folder.path("inbox");
    std::fs::create_dir(&inbox).expect("a folder of the test");
    let file = folder.file("big.txt", &"much ".repeat(400_000));
    let limited = "trap '' XFSZ; ulimit -f 500; exec \"$0\" \"$@\"";
    let words = ["-c", limited, Program::BINARY, "receive-files", "--dir", &inbox];
    let at = ["--listen", "127.0.0.1:0", "--sessions", "1"];
    let mut bob = Program::start_as(OsStr::new("sh"), [&words[..], &at].concat());
    let uri = format!("sip:bob@{}", bob.listening());
    let alice = Program::start(["send-file", &uri, &file, "--listen", "127.0.0.1:0"]).end();
    alice.failed_with(24);
    assert!(alice.stderr.contains("cannot write it"), "{}", alice.stderr);
    let bob = bob.end();
    let told = bob.event("stream_did_fail")["reason"].to_string();
    assert!(told.contains("File too large"), "{told}");
    bob.event("did_end");
    assert!(!bob.stderr.contains("panicked"), "{}", bob.stderr);
    let names: Vec<_> = std::fs::read_dir(&inbox).expect("there").collect();
    let is_named = names
        .iter()
        .any(|name| name.as_ref().expect("readable").file_name() == "big.txt");
    assert!(!is_named, "{names:?}");
}
