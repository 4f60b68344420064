//! What is done to the sound of a running call from the keyboard: recorded, held with music, spoken by another codec.

mod support;

use offhook_testkit::audio::tone_level;
use std::time::{Duration, Instant};
use support::{Folder, Program, recorded};

const US: f64 = 500.0;
const BOB: f64 = 900.0;
const MUSIC: f64 = 1_300.0;

/// The tones of each tenth of a second of one channel of so many, quiet ones left out.
fn tones(path: &str, channel: usize, channels: usize) -> Vec<Vec<f64>> {
    let (samples, rate) = recorded(path);
    let samples: Vec<i16> = samples.into_iter().skip(channel).step_by(channels).collect();
    let heard = |window: &[i16], hertz: f64| tone_level(window, rate, hertz) > -30.0;
    let of = |window: &[i16]| {
        [US, BOB, MUSIC]
            .into_iter()
            .filter(|hertz| heard(window, *hertz))
            .collect()
    };
    let tones = samples.chunks_exact(rate as usize / 10).map(of);
    tones.filter(|tones: &Vec<f64>| !tones.is_empty()).collect()
}

/// The same, without what comes again and again; the tenths in which one goes over to the other are left out.
fn story(path: &str, channel: usize, channels: usize) -> Vec<f64> {
    let mut story: Vec<f64> = tones(path, channel, channels)
        .into_iter()
        .filter_map(|tones| (tones.len() == 1).then(|| tones[0]))
        .collect();
    story.dedup();
    story
}

/// Waits until there are so many more seconds in a recording.
fn let_pass(path: &str, seconds: u64) {
    let length = || std::fs::metadata(path).map_or(0, |file| file.len());
    let (enough, end) = (
        length() + seconds * 2 * 48_000,
        Instant::now() + Duration::from_secs(30),
    );
    while length() < enough {
        assert!(Instant::now() < end, "{path} does not grow");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_call_is_recorded_held_with_music_and_changes_its_codec() {
    let folder = Folder::new("sound");
    let (ours, his) = (folder.tone("us.wav", US, 30), folder.tone("bob.wav", BOB, 30));
    let music = folder.tone("music.wav", MUSIC, 1);
    let (heard, calls) = (folder.path("heard.wav"), folder.path("calls"));
    let answer = [
        "--auto-answer",
        "--calls",
        "1",
        "--play",
        &his,
        "--record",
        &heard,
    ];
    let (bob, address) = Program::answer(&answer);
    let uri = format!("sip:bob@{address}");
    let mut alice = Program::start_typing([
        "call",
        &uri,
        "--listen",
        "127.0.0.1:0",
        "--play",
        &ours,
        "--hold-music",
        &music,
        "--record-dir",
        &calls,
        "--record-as",
        "stereo",
    ]);
    let recording = alice.wait_for("did_start_recording")["path"].clone();
    let recording = recording.as_str().expect("a path");
    assert!(recording.starts_with(&format!("{calls}/")), "{recording}");
    assert!(recording.ends_with("-bob@127.0.0.1.wav"), "{recording}");
    let growing = format!("{heard}.part");
    let_pass(&growing, 1);
    alice.type_line("codecs PCMA");
    assert_eq!(alice.wait_for("did_change_rtp_parameters")["codec"], "PCMA");
    let_pass(&growing, 1);
    alice.type_line("hold");
    alice.wait_for("did_change_hold_state");
    let_pass(&growing, 2);
    alice.type_line("resume");
    alice.wait_for("did_change_hold_state");
    let_pass(&growing, 1);
    alice.type_line("stop-recording");
    assert_eq!(alice.wait_for("did_stop_recording")["path"], recording);
    alice.type_line("hangup");
    let (alice, bob) = (alice.end(), bob.end());
    alice.succeeded();
    bob.succeeded();
    assert_eq!(bob.event("did_change_rtp_parameters")["codec"], "PCMA");
    assert_eq!(story(&heard, 0, 1), [US, MUSIC, US]);
    assert_eq!(
        (story(recording, 0, 2), story(recording, 1, 2)),
        (vec![US], vec![BOB])
    );
}

#[test]
fn both_sides_are_recorded_apart_or_mixed() {
    let folder = Folder::new("sides");
    let (ours, his) = (folder.tone("us.wav", US, 8), folder.tone("bob.wav", BOB, 8));
    let (mixed, stereo) = (folder.path("mixed.wav"), folder.path("stereo.wav"));
    let (bob, address) = Program::answer(&[
        "--auto-answer",
        "--calls",
        "1",
        "--play",
        &his,
        "--record",
        &mixed,
        "--record-as",
        "mixed",
    ]);
    let options = [
        "--play",
        &ours,
        "--record",
        &stereo,
        "--record-as",
        "stereo",
        "--duration",
        "2",
    ];
    let alice = Program::call(address, &options).end();
    alice.succeeded();
    bob.end().succeeded();
    assert_eq!(
        (story(&stereo, 0, 2), story(&stereo, 1, 2)),
        (vec![US], vec![BOB])
    );
    let both = tones(&mixed, 0, 1)
        .into_iter()
        .filter(|tones| *tones == [US, BOB]);
    assert!(both.count() >= 10, "{:?}", tones(&mixed, 0, 1));
}
