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
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while std::fs::remove_file(&heard).is_err() {
        assert!(std::time::Instant::now() < patience, "the device is never opened");
        std::thread::sleep(std::time::Duration::from_millis(20));
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
    for (heard, written) in [
        ("--play", "--record"),
        ("--input-device", "--output-device"),
        ("--play", "--output-device"),
    ] {
        let call = ["call", "sip:bob@127.0.0.1:9", "--listen", "127.0.0.1:0"];
        let ended = Program::start(call.into_iter().chain([heard, &file, written, &same])).end();
        assert_eq!(ended.code, Some(13), "{heard} {written}: {}", ended.stderr);
        assert!(ended.stderr.contains("write to another file"), "{}", ended.stderr);
        assert_eq!(std::fs::read(&file).expect("it is there"), before);
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
