//! The program calls itself on this machine: what is heard, what is told, how it ends.

mod support;

use offhook_testkit::audio::{dominant_tone, rms};
use std::time::Duration;
use support::{Ended, Folder, Program, recorded};

/// The middle of a recording: without the time before the other side speaks.
#[track_caller]
fn heard(path: &str, hertz: f64) {
    let (samples, rate) = recorded(path);
    let middle = &samples[samples.len() / 3..samples.len() * 9 / 10];
    assert!(
        rms(middle) > 3000.0,
        "{path}: rms {} of {}",
        rms(middle),
        samples.len()
    );
    let tone = dominant_tone(middle, rate).expect("a tone");
    assert!((tone - hertz).abs() < 4.0, "{path}: {tone} Hz");
}

#[test]
fn both_sides_hear_each_other_and_tell_the_documented_story() {
    let folder = Folder::new("both-ways");
    let (low, high) = (
        folder.tone("low.wav", 440.0, 4),
        folder.tone("high.wav", 660.0, 4),
    );
    let (from_bob, from_alice) = (folder.path("from-bob.wav"), folder.path("from-alice.wav"));
    let (bob, address) = Program::answer(&[
        "--auto-answer",
        "0.3",
        "--calls",
        "1",
        "--play",
        &high,
        "--record",
        &from_alice,
    ]);
    let options = [
        "--play",
        &low,
        "--record",
        &from_bob,
        "--duration",
        "2",
        "--codec",
        "G722",
    ];
    let alice = Program::call(address, &options).end();
    let bob = bob.end();
    alice.succeeded();
    bob.succeeded();
    heard(&from_bob, 660.0);
    heard(&from_alice, 440.0);
    assert_eq!(
        folder.files(),
        ["from-alice.wav", "from-bob.wav", "high.wav", "low.wav"]
    );

    assert_eq!(
        alice.story(),
        [
            "listening",
            "lookup_did_succeed",
            "new_outgoing",
            "got_ring_indication",
            "will_start",
            "did_start",
            "did_start_recording",
            "will_end",
            "did_end",
            "did_stop_recording"
        ]
    );
    assert_eq!(
        bob.story(),
        [
            "listening",
            "new_incoming",
            "will_start",
            "did_start",
            "did_start_recording",
            "will_end",
            "did_end",
            "did_stop_recording"
        ]
    );
    check_fields(&alice, &bob, &address.to_string());
}

/// The fields of the events of a call of two seconds over G.722.
fn check_fields(alice: &Ended, bob: &Ended, address: &str) {
    let times: Vec<_> = alice
        .events
        .iter()
        .map(|event| event["time"].as_f64().expect("seconds"))
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let listening = alice.event("listening");
    assert_eq!(listening["transport"], "udp");
    assert_eq!(
        alice.event("lookup_did_succeed")["routes"][0],
        format!("udp:{address}")
    );
    assert_eq!(
        alice.event("new_outgoing")["remote"],
        format!("sip:bob@{address}")
    );
    assert_eq!(bob.event("new_incoming")["call"], 1);
    let (here, there) = (alice.event("did_start"), bob.event("did_start"));
    assert_eq!(
        (&here["codec"], &here["sample_rate"]),
        (&"G722".into(), &16_000.into())
    );
    assert_eq!(
        (&here["local_rtp"], &here["remote_rtp"]),
        (&there["remote_rtp"], &there["local_rtp"])
    );
    let figures = alice.event("statistics");
    assert!(
        figures["packets_sent"].as_u64().expect("a number") > 30,
        "{figures}"
    );
    assert_eq!(figures["packets_lost"], 0);
    assert!(
        figures["jitter_ms"].is_f64() && figures.get("round_trip_ms").is_some(),
        "{figures}"
    );
    let (ended, heard_of) = (alice.event("did_end"), bob.event("did_end"));
    assert_eq!(
        (&ended["originator"], &heard_of["originator"]),
        (&"local".into(), &"remote".into())
    );
    let seconds = ended["duration"].as_f64().expect("seconds");
    assert!((1.9..2.5).contains(&seconds), "{seconds} s");
}

#[test]
fn a_rejected_caller_hears_busy_and_keeps_no_recording() {
    let folder = Folder::new("rejected");
    let (bob, address) = Program::answer(&["--reject", "486", "--calls", "1"]);
    let alice = Program::call(address, &["--record", &folder.path("heard.wav")]).end();
    alice.failed_with(21);
    let failed = alice.event("did_fail");
    assert_eq!(
        (&failed["originator"], &failed["code"]),
        (&"remote".into(), &486.into())
    );
    bob.end().succeeded();
    assert_eq!(folder.files(), [""; 0]);
}

#[test]
fn a_recording_of_before_survives_a_call_that_fails() {
    let folder = Folder::new("survives");
    let old = folder.file("heard.wav", "the recording of before");
    let (bob, address) = Program::answer(&["--reject", "603", "--calls", "1"]);
    Program::call(address, &["--record", &old]).end().failed_with(20);
    bob.end().succeeded();
    assert_eq!(
        std::fs::read_to_string(&old).expect("still there"),
        "the recording of before"
    );
    assert_eq!(folder.files(), ["heard.wav"]);
}

#[test]
fn a_phone_that_nobody_answers_rings_only_as_long_as_asked() {
    let (mut bob, address) = Program::answer(&["--calls", "1"]);
    let alice = Program::call(address, &["--ring-timeout", "0.7"]).end();
    alice.failed_with(22);
    assert_eq!(
        alice.story(),
        [
            "listening",
            "lookup_did_succeed",
            "new_outgoing",
            "got_ring_indication",
            "did_fail"
        ]
    );
    assert_eq!(bob.wait_for("did_fail")["code"], 487);
    bob.end().failed_with(22);
}

#[test]
fn an_interrupt_while_it_rings_cancels_the_call() {
    let (bob, address) = Program::answer(&["--calls", "1"]);
    let mut alice = Program::call(address, &[]);
    alice.wait_for("got_ring_indication");
    alice.signal("INT");
    alice.end().failed_with(22);
    let bob = bob.end();
    let failed = bob.event("did_fail");
    assert_eq!(
        (&failed["originator"], &failed["code"]),
        (&"remote".into(), &487.into())
    );
}

#[test]
fn an_interrupt_while_it_rings_here_tells_the_caller_that_nobody_is_there() {
    let (bob, address) = Program::answer(&[]);
    let mut alice = Program::call(address, &[]);
    alice.wait_for("got_ring_indication");
    bob.signal("TERM");
    let alice = alice.end();
    alice.failed_with(22);
    assert_eq!(alice.event("did_fail")["code"], 480);
    bob.end().failed_with(22);
}

#[test]
fn an_interrupt_while_they_talk_hangs_up() {
    // Without --calls: the one that is interrupted leaves, rather than wait for the next call.
    for interrupted_is_caller in [true, false] {
        let (mut bob, address) = Program::answer(&["--auto-answer", "--codec", "PCMU"]);
        let mut alice = Program::call(address, &[]);
        alice.wait_for("did_start");
        bob.wait_for("did_start");
        std::thread::sleep(Duration::from_millis(100));
        if interrupted_is_caller {
            alice.signal("INT");
            alice.end().succeeded();
            assert_eq!(bob.wait_for("did_end")["originator"], "remote");
            bob.signal("INT");
            bob.end().succeeded();
        } else {
            bob.signal("INT");
            let bob = bob.end();
            bob.succeeded();
            assert_eq!(bob.event("did_end")["originator"], "local");
            let alice = alice.end();
            alice.succeeded();
            assert_eq!(alice.event("did_end")["originator"], "remote");
        }
    }
}

#[test]
fn whoever_calls_during_a_call_hears_busy() {
    let (mut bob, address) = Program::answer(&["--auto-answer", "--calls", "1"]);
    let mut alice = Program::call(address, &[]);
    alice.wait_for("did_start");
    bob.wait_for("did_start");
    Program::call(address, &[]).end().failed_with(21);
    alice.signal("INT");
    alice.end().succeeded();
    bob.end().succeeded();
}

#[test]
fn several_calls_are_recorded_under_numbers() {
    let folder = Folder::new("numbered");
    let tone = folder.tone("tone.wav", 500.0, 2);
    let record = folder.path("heard.wav");
    let (bob, address) = Program::answer(&["--auto-answer", "--calls", "2", "--record", &record]);
    for _ in 0..2 {
        Program::call(address, &["--play", &tone, "--duration", "1"])
            .end()
            .succeeded();
    }
    let bob = bob.end();
    bob.succeeded();
    let calls: Vec<_> = bob
        .events
        .iter()
        .filter_map(|event| event["call"].as_u64())
        .collect();
    assert_eq!(calls, [1, 2]);
    assert_eq!(folder.files(), ["heard-2.wav", "heard.wav", "tone.wav"]);
    heard(&record, 500.0);
    heard(&folder.path("heard-2.wav"), 500.0);
}

#[test]
fn a_trace_shows_every_message_of_a_call_to_the_last() {
    let (bob, address) = Program::answer(&["--auto-answer", "--calls", "1"]);
    let alice = Program::call(address, &["--trace", "--duration", "0.2"]).end();
    assert_eq!(alice.code, Some(0), "{}", alice.stderr);
    let starts: Vec<_> = alice
        .stderr
        .split('\n')
        .filter(|line| line.starts_with("SIP/2.0 ") || line.trim_end().ends_with(" SIP/2.0"))
        .filter_map(|line| line.split(' ').next().zip(line.split(' ').nth(1)))
        .map(|(first, second)| if first == "SIP/2.0" { second } else { first })
        .collect();
    assert_eq!(starts, ["INVITE", "180", "200", "ACK", "BYE", "200"]);
    bob.end().succeeded();
}

#[test]
fn codecs_that_do_not_meet_are_a_decline_and_both_are_told_why() {
    let (bob, address) = Program::answer(&["--auto-answer", "--calls", "1", "--codec", "PCMA"]);
    let alice = Program::call(address, &["--codec", "PCMU"]).end();
    alice.failed_with(20);
    assert_eq!(alice.event("did_fail")["code"], 488);
    let bob = bob.end();
    assert!(
        bob.stderr
            .contains("no codec in common: we have PCMA, the other side PCMU"),
        "{}",
        bob.stderr
    );
    assert_eq!(bob.code, Some(20));
}

#[test]
fn a_call_over_tcp_is_heard_on_both_sides() {
    let folder = Folder::new("tcp");
    let (low, high) = (
        folder.tone("low.wav", 440.0, 3),
        folder.tone("high.wav", 660.0, 3),
    );
    let (from_bob, from_alice) = (folder.path("from-bob.wav"), folder.path("from-alice.wav"));
    let tcp = ["--transport", "tcp"];
    let answer = [
        "--auto-answer",
        "--calls",
        "1",
        "--play",
        &high,
        "--record",
        &from_alice,
    ];
    let (bob, address) = Program::answer(&[&tcp[..], &answer[..]].concat());
    let call = ["--play", &low, "--record", &from_bob, "--duration", "2"];
    let alice = Program::call(address, &[&tcp[..], &call[..]].concat()).end();
    let bob = bob.end();
    alice.succeeded();
    bob.succeeded();
    heard(&from_bob, 660.0);
    heard(&from_alice, 440.0);
    for events in [&alice.events, &bob.events] {
        assert_eq!(events[0]["transport"], "tcp");
    }
    let found = &alice.events[1];
    assert_eq!(found["routes"][0], format!("tcp:{address}"), "{found}");
}

/// A call to whoever listens there, with somebody at the keyboard.
fn typing(to: std::net::SocketAddr) -> Program {
    let uri = format!("sip:bob@{to}");
    Program::start_typing(["call", &uri, "--listen", "127.0.0.1:0", "--no-device"])
}

#[test]
fn what_is_typed_holds_resumes_dials_and_hangs_up() {
    let (mut bob, address) = Program::answer(&["--auto-answer", "--calls", "1"]);
    let mut alice = typing(address);
    alice.wait_for("did_start");
    alice.type_line("hold");
    assert_eq!(bob.wait_for("did_change_hold_state")["on_hold"], true);
    assert_eq!(alice.wait_for("did_change_hold_state")["originator"], "local");
    alice.type_line("resume");
    assert_eq!(bob.wait_for("did_change_hold_state")["on_hold"], false);
    alice.wait_for("did_change_hold_state");
    alice.type_line("dtmf 5#");
    assert_eq!(bob.wait_for("got_dtmf")["digit"], "5");
    assert_eq!(bob.wait_for("got_dtmf")["digit"], "#");
    alice.type_line("dance");
    let reason = alice.wait_for("order_refused")["reason"].to_string();
    assert!(reason.contains("hold, resume"), "{reason}");
    alice.type_line("hangup");
    alice.end().succeeded();
    bob.end().succeeded();
}

#[test]
fn a_transfer_leads_the_other_side_to_a_third() {
    let (mut carol, third) = Program::answer(&["--auto-answer", "--calls", "1", "--duration", "1"]);
    let (mut bob, address) = Program::answer(&["--auto-answer", "--calls", "1", "--follow-transfers"]);
    let mut alice = typing(address);
    alice.wait_for("did_start");
    alice.type_line(&format!("transfer sip:carol@{third}"));
    let asked = bob.wait_for("transfer_new_incoming");
    assert_eq!(asked["target"], format!("sip:carol@{third}"));
    carol.wait_for("did_start");
    alice.wait_for("transfer_did_end");
    alice.end().succeeded();
    let bob = bob.end();
    bob.succeeded();
    assert_eq!(
        bob.story().iter().filter(|name| **name == "did_end").count(),
        2,
        "{:?}",
        bob.story()
    );
    carol.end().succeeded();
}

#[test]
fn a_transfer_is_refused_where_it_is_not_allowed() {
    let (bob, address) = Program::answer(&["--auto-answer", "--calls", "1"]);
    let mut alice = typing(address);
    alice.wait_for("did_start");
    alice.type_line("transfer sip:carol@127.0.0.1:9");
    assert_eq!(alice.wait_for("transfer_did_fail")["code"], 405);
    alice.type_line("hangup");
    alice.end().succeeded();
    bob.end().succeeded();
}
