//! The devices that a call is spoken and heard through.

mod support;

use offhook_testkit::audio::{dominant_tone, rms};
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
