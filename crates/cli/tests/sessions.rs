//! `offhook session`: several sessions at a time, and what they are told to do.

mod support;

use offhook_testkit::audio::tone_level;
use serde_json::Value;
use std::net::SocketAddr;
use support::{Folder, Program, recorded};

/// `offhook session` on a free port of 127.0.0.1, with somebody who types, and where it listens.
fn session(options: &[&str]) -> (Program, SocketAddr) {
    let words = ["session", "--listen", "127.0.0.1:0"];
    let mut program = Program::start_typing([&words[..], options].concat());
    let address = program.listening();
    (program, address)
}

/// The next event of that name that is about one session.
fn of(program: &mut Program, call: u64, name: &str) -> Value {
    loop {
        let event = program.wait_for(name);
        if event["call"] == call {
            return event;
        }
    }
}

#[test]
fn calls_that_join_hear_each_other_and_one_that_leaves_does_not() {
    let folder = Folder::new("session-conference");
    let tones = [("bob", 440.0), ("carol", 660.0)];
    let mut answers = Vec::new();
    let (mut us, _) = session(&["--no-device"]);
    for (number, (name, hertz)) in (1..).zip(tones) {
        let tone = folder.tone(&format!("{name}.wav"), hertz, 20);
        let heard = folder.path(&format!("heard-by-{name}.wav"));
        let options = [
            "--auto-answer",
            "--calls",
            "1",
            "--play",
            &tone,
            "--record",
            &heard,
        ];
        let (program, address) = Program::answer(&options);
        us.type_line(&format!("call sip:{name}@{address}"));
        of(&mut us, number, "did_start");
        answers.push((program, heard));
    }
    std::thread::sleep(std::time::Duration::from_secs(1)); // each hears nobody
    us.type_line("1 join");
    us.wait_for("conference_did_change");
    us.type_line("2 join");
    let members = us.wait_for("conference_did_change")["members"].clone();
    assert_eq!(members.as_array().map(Vec::len), Some(2), "{members}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    us.type_line("list");
    let listed = us.wait_for("sessions");
    assert_eq!(listed["sessions"].as_array().expect("a list").len(), 2);
    assert_eq!(listed["sessions"][1]["in_use"], true);
    us.type_line("leave");
    us.type_line("leave");
    let reason = of(&mut us, 2, "order_refused")["reason"].to_string();
    assert!(reason.contains("not in the conference"), "{reason}");
    us.type_line("quit");
    let us = us.end();
    us.succeeded();
    let ended: Vec<_> = us
        .events
        .iter()
        .filter(|event| event["event"] == "did_end")
        .collect();
    assert_eq!(ended.len(), 2);

    for ((program, heard), other) in answers.into_iter().zip([660.0, 440.0]) {
        program.end().succeeded();
        let (samples, rate) = recorded(&heard);
        let alone = &samples[..rate as usize / 2];
        assert!(tone_level(alone, rate, other) < -50.0, "before it joined");
        let loudest = samples
            .chunks(rate as usize / 4)
            .map(|part| tone_level(part, rate, other))
            .fold(f64::MIN, f64::max);
        assert!(loudest > -30.0, "{heard}: {other} Hz with {loudest:.0} dBFS");
    }
}

#[test]
fn chats_and_files_are_added_and_removed_by_orders() {
    let folder = Folder::new("session-streams");
    let (inbox, file) = (folder.path("inbox"), folder.file("report.txt", "all is well"));
    std::fs::create_dir(&inbox).expect("a folder of the test");
    let (mut bob, address) = session(&["--no-device", "--dir", &inbox]);
    let uri = format!("sip:bob@{address}");
    let (mut alice, _) = session(&["--no-device", &uri]);

    of(&mut bob, 1, "new_incoming");
    bob.type_line("accept");
    of(&mut alice, 1, "did_start");
    bob.type_line("accept");
    let refused = of(&mut bob, 1, "order_refused");
    assert_eq!(refused["reason"], "nothing is proposed");

    alice.type_line("add chat");
    assert_eq!(of(&mut bob, 1, "got_proposal")["streams"][0], "chat");
    bob.type_line("1 reject 488");
    assert_eq!(of(&mut alice, 1, "got_reject_proposal")["code"], 488);
    alice.type_line("add chat");
    of(&mut bob, 1, "got_proposal");
    bob.type_line("accept");
    assert_eq!(of(&mut alice, 1, "did_renegotiate_streams")["action"], "added");
    of(&mut bob, 1, "did_renegotiate_streams");
    alice.type_line("say Good morning");
    assert_eq!(of(&mut bob, 1, "got_message")["body"], "Good morning");

    alice.type_line(&format!("send {file}"));
    of(&mut bob, 1, "got_proposal");
    bob.type_line("accept files");
    of(&mut bob, 1, "file_did_finish");
    assert_eq!(
        std::fs::read_to_string(folder.path("inbox/report.txt")).unwrap(),
        "all is well"
    );
    alice.type_line("send /nowhere/at/all");
    let reason = of(&mut alice, 1, "order_refused")["reason"].to_string();
    assert!(reason.contains("cannot read /nowhere/at/all"), "{reason}");

    alice.type_line("remove chat");
    assert_eq!(of(&mut bob, 1, "did_renegotiate_streams")["action"], "removed");
    alice.type_line("9 hold");
    let reason = alice.wait_for("order_refused")["reason"].to_string();
    assert!(reason.contains("there is no session 9"), "{reason}");
    alice.type_line("hangup");
    of(&mut bob, 1, "did_end");
    // It is over for others before its place is given up here.
    let mut reason = String::new();
    for _ in 0..200 {
        bob.type_line("hold");
        reason = bob.wait_for("order_refused")["reason"].to_string();
        if reason.contains("there is no session") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(reason.contains("there is no session"), "{reason}");
    alice.type_line("quit");
    bob.signal("TERM");
    alice.end().succeeded();
    bob.end().succeeded();
}

#[test]
fn two_that_called_are_connected_with_each_other() {
    let (mut us, address) = session(&["--no-device", "--auto-answer"]);
    let uri = format!("sip:us@{address}");
    let follow = ["--no-device", "--follow-transfers", &uri];
    let (mut bob, _) = session(&follow);
    of(&mut us, 1, "did_start");
    let (mut carol, _) = session(&["--no-device", "--auto-answer", &uri]);
    of(&mut us, 2, "did_start");
    of(&mut carol, 1, "did_start");
    us.type_line("1 transfer to 2");
    // Bob calls Carol, who takes him in our place.
    of(&mut bob, 2, "did_start");
    of(&mut carol, 2, "did_start");
    of(&mut us, 1, "transfer_did_end");
    bob.type_line("quit");
    of(&mut carol, 2, "did_end");
    carol.type_line("quit");
    bob.end().succeeded();
    carol.end().succeeded();
    us.type_line("quit");
    let us = us.end();
    us.succeeded();
    assert_eq!(us.story().iter().filter(|name| **name == "did_end").count(), 2);
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let folder = Folder::new("session-wrong");
    let file = folder.file("inbox", "no folder");
    let program = Program::start(["session", "--listen", "127.0.0.1:0", "--dir", &file]);
    program.end().failed_with(13);
    let (mut us, _) = session(&["--no-device"]);
    us.type_line("dance");
    let reason = us.wait_for("order_refused")["reason"].to_string();
    assert!(reason.contains("what is understood: call URI"), "{reason}");
    us.type_line("out");
    let reason = us.wait_for("order_refused")["reason"].to_string();
    assert!(reason.contains("nobody has joined"), "{reason}");
    us.type_line("call sip:nobody@no-such-host.invalid");
    us.wait_for("order_refused");
    us.type_line("quit");
    us.end().succeeded();
}
