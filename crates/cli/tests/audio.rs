//! What is done to the sound of a running call from the keyboard: recorded, held with music, spoken by another codec.

mod support;

use offhook_testkit::audio::tone_level;
use std::net::SocketAddr;
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

/// How Bob answers one call, says this, and keeps what he hears in that way.
fn answering<'a>(says: &'a str, keeping: &'a str, heard: &'a str) -> Vec<&'a str> {
    vec!["--auto-answer", "--calls", "1", "--play", says, keeping, heard]
}

/// Alice, who calls, says this, and types.
fn calling(to: SocketAddr, says: &str, options: &[&str]) -> Program {
    let uri = format!("sip:bob@{to}");
    let words = ["call", &uri, "--listen", "127.0.0.1:0", "--play", says];
    Program::start_typing([&words[..], options].concat())
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
    // Not recorded: that would leave the hold out.
    let (bob, address) = Program::answer_with(&answering(&his, "--output-device", &heard));
    let options = [
        "--hold-music",
        &music,
        "--record-dir",
        &calls,
        "--record-as",
        "stereo",
    ];
    let mut alice = calling(address, &ours, &options);
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
fn nothing_is_recorded_while_either_side_holds() {
    let folder = Folder::new("pauses");
    let (ours, his) = (folder.tone("us.wav", US, 30), folder.tone("bob.wav", BOB, 30));
    let (here, there) = (folder.path("here.wav"), folder.path("there.wav"));
    let (mut bob, address) = Program::answer(&answering(&his, "--record", &there));
    let mut alice = calling(address, &ours, &["--record", &here]);
    let_pass(&format!("{here}.part"), 1);
    alice.type_line("hold");
    let mut held = Vec::new();
    for program in [&mut alice, &mut bob] {
        held.push(program.wait_for("did_change_hold_state")["time"].clone());
    }
    std::thread::sleep(Duration::from_secs(3));
    alice.type_line("resume");
    let_pass(&format!("{here}.part"), 1);
    alice.type_line("hangup");
    for ((program, began), path) in [alice, bob].into_iter().zip(held).zip([here, there]) {
        let ended = program.end();
        ended.succeeded();
        let mut changes = ended.events.iter().rev();
        let resumed = changes.find(|event| event["event"] == "did_change_hold_state");
        let resumed = resumed.expect("it was resumed")["time"].clone();
        let seconds = |time: &serde_json::Value| time.as_f64().expect("seconds");
        let held = seconds(&resumed) - seconds(&began);
        assert!(held > 2.9, "{held}");
        let talked = seconds(&ended.event("did_end")["duration"]) - held;
        let (samples, rate) = recorded(&path);
        let kept = samples.len() as f64 / f64::from(rate);
        // It began to be written when the call was placed.
        assert!(
            (1.0..talked + 1.0).contains(&kept),
            "{path}: {kept} of {talked} s"
        );
    }
}

#[test]
fn both_sides_are_recorded_apart_or_mixed() {
    let folder = Folder::new("sides");
    let (ours, his) = (folder.tone("us.wav", US, 8), folder.tone("bob.wav", BOB, 8));
    let (mixed, stereo) = (folder.path("mixed.wav"), folder.path("stereo.wav"));
    let options = [
        &answering(&his, "--record", &mixed)[..],
        &["--record-as", "mixed"],
    ];
    let (bob, address) = Program::answer(&options.concat());
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
