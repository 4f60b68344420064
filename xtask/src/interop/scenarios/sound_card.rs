//! A wave file played through the system's sound library to a card without ears, and recorded there.

use super::Scenario;
use crate::interop::child::{Running, Signal};
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::packets::Traffic;
use crate::interop::stage::Stage;
use crate::interop::wave::{OURS, THEIRS, check_recording, write_tone};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sound_card",
        shows: "the mixer plays through ALSA to a null sink of PulseAudio, in step with its clock; parec hears the tone whole",
        traffic: Traffic::Nothing,
        play: |stage| play_to_a_card(stage, &STEADY),
    },
    Scenario {
        name: "sound_card_slow",
        shows: "a sink that wakes up every two seconds takes a file late, but whole: the player waits for it and loses nothing",
        traffic: Traffic::Nothing,
        play: |stage| play_to_a_card(stage, &SLOW),
    },
    Scenario {
        name: "sound_card_too_slow",
        shows: "a sink that wakes up every two seconds cannot be played to in time: the player says how much was lost, and fails",
        traffic: Traffic::Nothing,
        play: |stage| play_to_a_card(stage, &TOO_SLOW),
    },
];

/// A sink by its listener: PulseAudio's wakes up as seldom as that allows.
struct Sink {
    name: &'static str,
    listener: &'static [&'static str],
    player: &'static [&'static str],
    /// The player's exit code.
    code: i32,
    says: &'static str,
    complains: &'static str,
    /// How long sound may be on its way to the listener.
    latency: Duration,
}

/// A mixer that ticks for a telephone keeps step with this one.
const STEADY: Sink = Sink {
    name: "steady",
    listener: &["--latency-msec=50"],
    player: &["--live"],
    code: 0,
    says: "by the card's clock",
    complains: "",
    latency: Duration::ZERO,
};

/// No telephone could be made of this one.
const SLOW: Sink = Sink {
    name: "slow",
    listener: &[],
    player: &[],
    code: 0,
    says: "; 0 samples lost",
    complains: "",
    latency: Duration::from_millis(2_100),
};

/// Nor does a telephone say that it was one.
const TOO_SLOW: Sink = Sink {
    name: "too-slow",
    player: &["--live"],
    code: 1,
    says: " samples lost, ",
    complains: "samples were lost; without --live the files wait",
    ..SLOW
};

/// The system's configuration, with the null sink as the default device.
fn alsa_configuration(socket: &str) -> String {
    format!(
        "</usr/share/alsa/alsa.conf>\n\
         pcm.!default {{\n    type pulse\n    server \"{socket}\"\n    device \"offhook\"\n    hint.description \"The test's own sink\"\n}}\n"
    )
}

fn play_to_a_card(stage: &Stage<'_>, sink: &Sink) -> Result<(), Disagreement> {
    let (tone, heard, configuration) = (
        stage.file("tone.wav"),
        stage.file("heard.wav"),
        stage.file("asound.conf"),
    );
    write_tone(&tone, OURS, 48_000, 3)?;
    // A socket's path is short by its nature: not in the scenario's folder.
    let home = std::env::temp_dir().join(format!("offhook-sound-{}-{}", sink.name, std::process::id()));
    std::fs::create_dir_all(&home).map_err(|cause| Disagreement::file(&home, cause))?;
    let played = play_in(stage, sink, &home, &tone, &heard, &configuration);
    // What remains there is a socket that nobody listens at.
    let _ = std::fs::remove_dir_all(&home);
    played?;
    if sink.code == 0 {
        check_recording(&heard, OURS, THEIRS, 2.9)?;
    }
    Ok(())
}

fn play_in(
    stage: &Stage<'_>,
    sink: &Sink,
    home: &Path,
    tone: &Path,
    heard: &Path,
    configuration: &Path,
) -> Result<(), Disagreement> {
    // Not `pulse`: the library of the clients makes a folder of that name beside it.
    let path = home.join("socket");
    let socket = format!("unix:{}", path.display());
    std::fs::write(configuration, alsa_configuration(&socket))
        .map_err(|cause| Disagreement::file(configuration, cause))?;
    let mut daemon = Running::start(
        stage,
        "pulseaudio",
        Command::new("pulseaudio")
            .args([
                "-n",
                "--daemonize=no",
                "--use-pid-file=no",
                "--exit-idle-time=-1",
                "--disable-shm",
            ])
            .arg(format!(
                "--load=module-native-protocol-unix auth-anonymous=1 socket={}",
                path.display()
            ))
            .arg("--load=module-null-sink sink_name=offhook rate=48000 channels=1")
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home)
            .env("PULSE_RUNTIME_PATH", home),
    )?;
    let ready = Duration::from_secs(5);
    daemon.wait_for(stage, "socket", ready, |_| Ok(path.exists().then_some(())))?;
    let mut ear = Running::start(
        stage,
        "parec",
        Command::new("parec")
            .args(["--device=offhook.monitor", "--file-format=wav", "--format=s16le"])
            .args(["--rate=48000", "--channels=1"])
            .args(sink.listener)
            .arg(format!("--server={socket}"))
            .arg(heard)
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home),
    )?;
    let records = |_: &Running| {
        Ok(std::fs::metadata(heard)
            .ok()
            .filter(|file| file.len() > 10_000)
            .map(drop))
    };
    ear.wait_for(stage, "recording", ready, records)?;
    let mut player = Running::start(
        stage,
        "mix_files",
        Command::new(player())
            .args(sink.player)
            .args(["--device", "default"])
            .arg(tone)
            .env("ALSA_CONFIG_PATH", configuration)
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home),
    )?;
    let code = player.end(stage, Duration::from_secs(20))?;
    same("exit code of the player", &code, &Some(sink.code))?;
    let said = player.stdout()?;
    let expected = sink.says;
    holds("what the player says", said.contains(expected), &expected, &said)?;
    let complaints = player.stderr()?;
    holds(
        "what the player says on standard error",
        complaints.contains(sink.complains) && complaints.is_empty() == sink.complains.is_empty(),
        &sink.complains,
        &complaints,
    )?;
    if sink.code != 0 {
        return Ok(());
    }
    let length = || std::fs::metadata(heard).map_or(0, |file| file.len());
    let all = length() + sink.latency.as_millis() as u64 * 96;
    ear.wait_for(stage, "the rest", Duration::from_secs(8), |_| {
        Ok((length() >= all).then_some(()))
    })?;
    ear.signal(Signal::Interrupt)?;
    ear.end(stage, Duration::from_secs(3)).map(drop)
}

/// The example of the mixer that plays to a sound card; it lies where the harness was built.
fn player() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name("examples").join("mix_files")
}
