//! The devices that a call is spoken and heard through.

mod support;

use offhook_testkit::audio::{dominant_tone, rms};
use std::time::{Duration, Instant};
use support::{Folder, Program, recorded};

#[test]
fn the_devices_are_listed_a_line_each() {
    let listed = Program::start(["devices"]).end();
    listed.succeeded();
    for device in &listed.events {
        assert!(device["name"].is_string(), "{device}");
        for side in ["input", "output"] {
            let rates = device[format!("{side}_rates")].as_array().expect("rates");
            assert!(device[side] == true || rates.is_empty(), "{device}");
        }
    }
}

#[test]
fn a_call_is_spoken_from_a_file_and_heard_to_one() {
    let folder = Folder::new("file-devices");
    let low = folder.tone("low.wav", 440.0, 4);
    let (from_alice, from_bob) = (folder.path("from-alice.wav"), folder.path("from-bob.wav"));
    let high = folder.tone("high.wav", 660.0, 4);
    let (bob, address) = Program::answer_with(&[
        "--auto-answer",
        "--calls",
        "1",
        "--input-device",
        &high,
        "--output-device",
        &from_alice,
    ]);
    let uri = format!("sip:bob@{address}");
    let alice = [
        "call",
        &uri,
        "--listen",
        "127.0.0.1:0",
        "--input-device",
        &low,
        "--output-device",
        &from_bob,
        "--duration",
        "2",
    ];
    Program::start(alice).end().succeeded();
    bob.end().succeeded();
    for (path, hertz) in [(&from_alice, 440.0), (&from_bob, 660.0)] {
        let (samples, rate) = recorded(path);
        assert!(samples.len() > rate as usize, "{path}: {} samples", samples.len());
        let middle = &samples[samples.len() / 3..samples.len() * 9 / 10];
        assert!(rms(middle) > 3000.0, "{path}: rms {}", rms(middle));
        let tone = dominant_tone(middle, rate).expect("a tone");
        assert!((tone - hertz).abs() < 4.0, "{path}: {tone} Hz");
    }
}

#[test]
fn a_call_rings_on_the_alert_device_until_it_is_answered() {
    let folder = Folder::new("alert");
    let (ring, heard) = (folder.path("ring.wav"), folder.path("heard.wav"));
    let (bob, address) = Program::answer_with(&[
        "--auto-answer",
        "1.5",
        "--calls",
        "1",
        "--alert-device",
        &ring,
        "--output-device",
        &heard,
    ]);
    let uri = format!("sip:bob@{address}");
    let alice = [
        "call",
        &uri,
        "--listen",
        "127.0.0.1:0",
        "--no-device",
        "--duration",
        "0.5",
    ];
    Program::start(alice).end().succeeded();
    bob.end().succeeded();
    let (samples, rate) = recorded(&ring);
    let seconds = samples.len() as f32 / rate as f32;
    assert!((0.5..5.0).contains(&seconds), "it rang for {seconds} s");
    let burst = &samples[rate as usize / 10..rate as usize * 2 / 5];
    let tone = dominant_tone(burst, rate).expect("a tone");
    assert!((tone - 425.0).abs() < 4.0, "{tone} Hz");
    let (samples, _) = recorded(&heard);
    assert!(rms(&samples) < 100.0, "the call does not hear it");
}

#[test]
fn a_device_that_is_lost_is_told_and_the_call_goes_on() {
    let folder = Folder::new("lost-device");
    let heard = folder.path("heard.wav");
    let (bob, address) = Program::answer_with(&["--auto-answer", "--calls", "1", "--output-device", &heard]);
    let uri = format!("sip:bob@{address}");
    let alice = [
        "call",
        &uri,
        "--listen",
        "127.0.0.1:0",
        "--no-device",
        "--duration",
        "4",
    ];
    let alice = Program::start(alice);
    let patience = Instant::now() + Duration::from_secs(10);
    while std::fs::remove_file(format!("{heard}.part")).is_err() {
        assert!(Instant::now() < patience, "the device is never opened");
        std::thread::sleep(Duration::from_millis(20));
    }
    alice.end().succeeded();
    let bob = bob.end();
    assert_eq!(bob.code, Some(0), "{}", bob.stderr);
    assert!(bob.stderr.contains("The sound device: "), "{}", bob.stderr);
    assert!(bob.stderr.contains(&heard), "{}", bob.stderr);
    let lost = bob
        .events
        .iter()
        .find(|event| event["event"] == "sound_device_lost");
    assert_eq!(lost.expect("it is told to scripts as well")["device"], "sound");
}

#[test]
fn a_file_that_is_heard_is_not_written() {
    let folder = Folder::new("same-file");
    let file = folder.tone("hello.wav", 440.0, 1);
    let before = std::fs::read(&file).expect("it was written");
    let same = folder.path("./hello.wav");
    let link = folder.path("link.wav");
    std::fs::hard_link(&file, &link).expect("one folder");
    for (heard, written, name) in [
        ("--play", "--record", &same),
        ("--play", "--record", &link),
        ("--input-device", "--output-device", &same),
        ("--input-device", "--output-device", &link),
        ("--play", "--output-device", &same),
        ("--record", "--output-device", &same),
        ("--record", "--output-device", &link),
    ] {
        let call = ["call", "sip:bob@127.0.0.1:9", "--listen", "127.0.0.1:0"];
        let ended = Program::start(call.into_iter().chain([heard, &file, written, name])).end();
        assert_eq!(ended.code, Some(13), "{heard} {written}: {}", ended.stderr);
        assert!(ended.stderr.contains("write to another file"), "{}", ended.stderr);
        assert_eq!(std::fs::read(&file).expect("it is there"), before);
    }
    let new = [folder.path("new.wav"), folder.path("./new.wav")];
    for written in ["--output-device", "--record"] {
        let answer = ["answer", "--listen", "127.0.0.1:0", "--alert-device"];
        let ended = Program::start(answer.into_iter().chain([&*new[0], written, &new[1]])).end();
        assert_eq!(ended.code, Some(13), "{written}: {}", ended.stderr);
        assert!(ended.stderr.contains("is written as well"), "{}", ended.stderr);
    }
}

/// One rule for `--record` and `--output-device`.
#[test]
fn an_older_file_stands_when_nobody_answers() {
    let folder = Folder::new("older-file");
    for written in ["--record", "--output-device"] {
        let file = folder.tone("older.wav", 440.0, 1);
        let before = std::fs::read(&file).expect("it was written");
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let uri = format!("sip:bob@{}", nobody.local_addr().expect("it has one"));
        let call = Program::start(["call", &uri, "--listen", "127.0.0.1:0", written, &file]);
        let patience = Instant::now() + Duration::from_secs(30);
        while !std::path::Path::new(&format!("{file}.part")).exists() {
            assert!(Instant::now() < patience, "{written}: nothing is written");
            std::thread::sleep(Duration::from_millis(10));
        }
        call.signal("INT");
        assert_ne!(call.end().code, Some(0));
        assert_eq!(std::fs::read(&file).expect("it is there"), before, "{written}");
        let left = std::fs::read_dir(folder.path(".")).expect("a folder").count();
        assert_eq!(left, 1, "{written}: nothing is left beside it");
    }
}

#[test]
fn further_calls_are_heard_to_further_files() {
    let folder = Folder::new("further-files");
    let heard = folder.path("heard.wav");
    let (bob, address) = Program::answer_with(&["--auto-answer", "--calls", "2", "--output-device", &heard]);
    for _ in 0..2 {
        Program::call(address, &["--duration", "0.5"]).end().succeeded();
    }
    bob.end().succeeded();
    for path in [heard, folder.path("heard-2.wav")] {
        assert!(!recorded(&path).0.is_empty(), "{path}");
    }
}

/// A program reads a pipe, goes, and another one comes.
#[cfg(unix)]
#[test]
fn a_device_that_comes_back_is_told() {
    use std::io::Read;
    let folder = Folder::new("back");
    let pipe = folder.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo is there").success());
    let (mut bob, address) =
        Program::answer_with(&["--auto-answer", "--calls", "1", "--output-device", &pipe]);
    let alice = Program::call(address, &["--duration", "30"]);
    let read_some = || {
        let mut reader = std::fs::File::open(&pipe).expect("it is written");
        reader.read_exact(&mut [0; 3_200]).expect("it is written");
    };
    read_some();
    let lost = bob.wait_for("sound_device_lost");
    assert!(lost["message"].to_string().contains("output"), "{lost}");
    let reader = std::fs::File::open(&pipe).expect("it is written again");
    let found = bob.wait_for("sound_device_found");
    assert_eq!(found["message"], "its output is there again");
    drop(reader);
    alice.signal("INT");
    alice.end();
    assert_eq!(bob.end().code, Some(0));
}

#[test]
fn a_device_that_cannot_be_opened_ends_the_call_before_it_begins() {
    let folder = Folder::new("no-device");
    let missing = folder.path("missing.wav");
    for device in ["no such card", missing.as_str()] {
        let ended = Program::start([
            "call",
            "sip:bob@127.0.0.1:9",
            "--listen",
            "127.0.0.1:0",
            "--input-device",
            device,
        ])
        .end();
        assert_eq!(ended.code, Some(16), "{}", ended.stderr);
        assert!(ended.stderr.contains(device), "{}", ended.stderr);
    }
    let both = Program::start([
        "call",
        "sip:bob@127.0.0.1:9",
        "--no-device",
        "--output-device",
        "null",
    ])
    .end();
    assert_eq!(both.code, Some(2), "{}", both.stderr);
}
