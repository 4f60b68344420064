//! What `offhook call` and `offhook answer` are told while a call runs, and what becomes of it when they are told to stop.

mod support;

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use support::{Folder, Program};

/// Bob, who answers one call as he is told, and where he listens.
fn bob(options: &[&str]) -> (Program, SocketAddr) {
    let words = ["answer", "--listen", "127.0.0.1:0", "--no-device", "--calls", "1"];
    let mut program = Program::start_typing([&words[..], options].concat());
    let address = program.listening();
    (program, address)
}

/// Alice, who calls and types.
fn alice(to: SocketAddr, options: &[&str]) -> Program {
    let uri = format!("sip:bob@{to}");
    let words = ["call", &uri, "--listen", "127.0.0.1:0", "--no-device"];
    Program::start_typing([&words[..], options].concat())
}

/// A call that stands.
fn talking() -> (Program, Program) {
    let (mut bob, address) = bob(&[]);
    let mut alice = alice(address, &[]);
    bob.wait_for("new_incoming");
    bob.type_line("");
    alice.wait_for("did_start");
    bob.wait_for("did_start");
    (alice, bob)
}

fn refusal(program: &mut Program) -> String {
    program.wait_for("order_refused")["reason"].to_string()
}

#[test]
fn streams_are_added_accepted_refused_and_removed_while_a_call_runs() {
    let folder = Folder::new("orders");
    let (inbox, file) = (folder.path("inbox"), folder.file("report.txt", "all is well"));
    std::fs::create_dir(&inbox).expect("a folder of the test");
    let (mut bob, address) = bob(&["--dir", &inbox]);
    let mut alice = alice(address, &[]);
    bob.wait_for("new_incoming");
    bob.type_line("accept");
    alice.wait_for("did_start");
    bob.wait_for("did_start");

    alice.type_line("add chat");
    assert_eq!(bob.wait_for_proposal()["streams"][0], "chat");
    bob.type_line("reject 488");
    assert_eq!(alice.wait_for("got_reject_proposal")["code"], 488);
    bob.type_line("accept");
    assert!(refusal(&mut bob).contains("nothing is proposed"));
    alice.type_line("add chat");
    bob.wait_for_proposal();
    bob.type_line("accept");
    alice.wait_for("did_renegotiate_streams");
    bob.wait_for("did_renegotiate_streams");
    bob.type_line("say Good morning");
    assert_eq!(alice.wait_for("got_message")["body"], "Good morning");

    alice.type_line(&format!("send {file}"));
    bob.wait_for_proposal();
    bob.type_line("accept files");
    bob.wait_for("file_did_finish");
    let arrived = std::fs::read_to_string(folder.path("inbox/report.txt"));
    assert_eq!(arrived.expect("it is there"), "all is well");
    // She has named no folder for what he would send, and no desktop.
    bob.type_line(&format!("send {file}"));
    alice.wait_for_proposal();
    alice.type_line("accept");
    assert_eq!(bob.wait_for("got_reject_proposal")["code"], 488);
    alice.type_line("add share");
    assert!(refusal(&mut alice).contains("start with --vnc"));

    alice.type_line("remove chat");
    let removed = loop {
        let change = bob.wait_for("did_renegotiate_streams");
        if change["action"] == "removed" && change["streams"][0] == "chat" {
            break change;
        }
    };
    assert_eq!(removed["streams"].as_array().map(Vec::len), Some(1));
    alice.type_line("remove chat");
    assert!(refusal(&mut alice).contains("no such stream"));
    alice.type_line("dance");
    assert!(refusal(&mut alice).contains("what is understood: accept"));
    alice.type_line("hangup");
    alice.end().succeeded();
    bob.end().succeeded();
}

#[test]
fn who_answers_by_itself_takes_what_is_added_later() {
    let (mut bob, address) = bob(&["--auto-answer"]);
    let mut alice = alice(address, &[]);
    alice.wait_for("did_start");
    bob.wait_for("did_start");
    alice.type_line("add chat");
    assert_eq!(alice.wait_for("did_renegotiate_streams")["streams"][0], "chat");
    alice.type_line("say hello");
    assert_eq!(bob.wait_for("got_message")["body"], "hello");
    alice.type_line("hangup");
    alice.end().succeeded();
    bob.end().succeeded();
}

#[cfg(unix)]
#[test]
fn a_file_that_takes_for_ever_to_read_holds_nothing_up() {
    let folder = Folder::new("endless");
    let (mut alice, bob) = talking();
    alice.type_line(&format!("send {}", folder.pipe("pipe")));
    assert!(refusal(&mut alice).contains("not a file"));
    // Nothing of it is on the disk, and yet it takes hours to hash.
    let endless = folder.path("endless");
    let file = std::fs::File::create(&endless).expect("a file of the test");
    file.set_len(1 << 40).expect("there is room for nothing");
    alice.type_line(&format!("send {endless}"));
    alice.type_line("hold");
    alice.wait_for("did_change_hold_state");
    let ended = Stopped {
        code: 0,
        last: "did_end",
        streams: 1,
    };
    stop((alice, bob), "TERM", false, &ended);
}

/// How a program ended that was told to stop, and who was with it.
struct Stopped {
    code: i32,
    last: &'static str,
    /// The streams that ran and have ended.
    streams: usize,
}

/// Requires that each stream that began has ended, that the session had its last event, and nothing came after it.
#[track_caller]
fn is_stopped(program: Program, wanted: &Stopped) {
    let ended = program.end();
    assert_eq!(
        ended.code,
        Some(wanted.code),
        "{}\n{:#?}",
        ended.stderr,
        ended.events
    );
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let of = |name: &str| {
        let told = ended.events.iter().filter(|event| event["event"] == name);
        let mut streams: Vec<Value> = told.map(|event| event["stream"].clone()).collect();
        streams.sort_by_key(Value::as_u64);
        streams
    };
    let (began, over) = (of("stream_did_start"), of("stream_did_end"));
    assert_eq!(began.len(), wanted.streams, "{:#?}", ended.events);
    for stream in &began {
        let ends = over.iter().filter(|other| *other == stream).count();
        assert_eq!(ends, 1, "{stream} in {:#?}", ended.events);
    }
    let last = ended
        .events
        .iter()
        .rposition(|event| event["event"] == wanted.last);
    let last = last.unwrap_or_else(|| panic!("no {} in {:#?}", wanted.last, ended.events));
    assert_eq!(last + 1, ended.events.len(), "{:#?}", ended.events);
}

/// Tells one side to stop, and looks how both end.
fn stop((alice, bob): (Program, Program), signal: &str, at_bob: bool, wanted: &Stopped) {
    let told = if at_bob { &bob } else { &alice };
    told.signal(signal);
    is_stopped(alice, wanted);
    is_stopped(bob, wanted);
}

/// The signal of a terminal that goes away. Where these tests are started to outlive theirs, as by nohup, the programs that they start
/// are so, too: there it is another one.
fn hangup() -> &'static str {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    if ignored.is_some_and(|ignored| ignored & 1 == 1) {
        "TERM"
    } else {
        "HUP"
    }
}

#[test]
fn a_call_that_rings_ends_when_either_side_is_told_to_stop() {
    for (signal, at_bob) in [("INT", false), ("TERM", false), (hangup(), true), ("QUIT", true)] {
        let (mut bob, address) = bob(&[]);
        let mut alice = alice(address, &[]);
        alice.wait_for("got_ring_indication");
        bob.wait_for("new_incoming");
        let not_answered = Stopped {
            code: 22,
            last: "did_fail",
            streams: 0,
        };
        stop((alice, bob), signal, at_bob, &not_answered);
    }
}

/// What both sides do before one is told to stop.
type Scene = fn(&mut Program, &mut Program);

#[test]
fn a_call_that_runs_ends_with_all_its_streams_when_it_is_told_to_stop() {
    let with_chat: Scene = |alice, bob| {
        alice.type_line("add chat");
        bob.wait_for_proposal();
        bob.type_line("accept");
        alice.wait_for("did_renegotiate_streams");
        bob.wait_for("did_renegotiate_streams");
    };
    let on_hold: Scene = |alice, bob| {
        alice.type_line("hold");
        alice.wait_for("did_change_hold_state");
        bob.wait_for("did_change_hold_state");
    };
    let proposed: Scene = |alice, bob| {
        alice.type_line("add chat");
        bob.wait_for_proposal();
    };
    for (streams, scene) in [(2, with_chat), (1, on_hold), (1, proposed)] {
        for (signal, at_bob) in [("INT", false), ("TERM", true), (hangup(), false), ("QUIT", true)] {
            let (mut alice, mut bob) = talking();
            scene(&mut alice, &mut bob);
            let ended = Stopped {
                code: 0,
                last: "did_end",
                streams,
            };
            stop((alice, bob), signal, at_bob, &ended);
        }
    }
}

#[test]
fn a_call_ends_when_nobody_reads_any_more_what_is_said_of_it() {
    let mut silent = Command::new(Program::BINARY)
        .args([
            "answer",
            "--listen",
            "127.0.0.1:0",
            "--no-device",
            "--auto-answer",
            "--json",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut listening = String::new();
    let mut stdout = BufReader::new(silent.stdout.take().expect("piped"));
    stdout
        .read_line(&mut listening)
        .expect("it says where it listens");
    drop(stdout);
    let listening: Value = serde_json::from_str(&listening).expect("JSON");
    let address = listening["address"].as_str().expect("an address");
    let ended = Program::call(address.parse().expect("an address"), &[]).end();
    let last = ended.events.last().map(|event| event["event"].clone());
    let over = ["did_end".into(), "did_fail".into()];
    assert!(
        last.is_some_and(|last| over.contains(&last)),
        "{:#?}",
        ended.events
    );
    assert!(silent.wait().expect("it is our child").code().is_some());
}

#[cfg(target_os = "linux")]
#[test]
fn who_was_started_to_outlive_its_terminal_does() {
    let words = [
        Program::BINARY,
        "answer",
        "--listen",
        "127.0.0.1:0",
        "--no-device",
    ];
    let further = ["--auto-answer", "--calls", "1"];
    let mut bob = Program::start_as(OsStr::new("nohup"), words.into_iter().chain(further));
    let address = bob.listening();
    bob.signal("HUP");
    let alice = Program::call(address, &["--duration", "0.2"]).end();
    assert_eq!(alice.code, Some(0), "{:#?}", alice.events);
    assert_eq!(bob.end().code, Some(0));
}
