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

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "sound_card",
    shows: "the mixer plays through ALSA to a null sink of PulseAudio, in step with its clock; parec hears the tone whole",
    traffic: Traffic::Nothing,
    play: play_to_a_card,
}];

/// The system's configuration, with the null sink as the default device.
fn alsa_configuration(socket: &str) -> String {
    format!(
        "</usr/share/alsa/alsa.conf>\n\
         pcm.!default {{\n    type pulse\n    server \"{socket}\"\n    device \"offhook\"\n    hint.description \"The test's own sink\"\n}}\n"
    )
}

fn play_to_a_card(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (tone, heard, configuration) = (
        stage.file("tone.wav"),
        stage.file("heard.wav"),
        stage.file("asound.conf"),
    );
    write_tone(&tone, OURS, 48_000, 3)?;
    // A socket's path is short by its nature: not in the scenario's folder.
    let home = std::env::temp_dir().join(format!("offhook-sound-{}", std::process::id()));
    std::fs::create_dir_all(&home).map_err(|cause| Disagreement::file(&home, cause))?;
    let played = play_in(stage, &home, &tone, &heard, &configuration);
    // What remains there is a socket that nobody listens at.
    let _ = std::fs::remove_dir_all(&home);
    played?;
    check_recording(&heard, OURS, THEIRS, 2.9)
}

fn play_in(
    stage: &Stage<'_>,
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
            .args(["--rate=48000", "--channels=1", "--latency-msec=50"])
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
            .args(["--device", "default"])
            .arg(tone)
            .env("ALSA_CONFIG_PATH", configuration)
            .env("HOME", home)
            .env("XDG_RUNTIME_DIR", home),
    )?;
    let code = player.end(stage, Duration::from_secs(10))?;
    same("exit code of the player", &code, &Some(0))?;
    let said = player.stdout()?;
    let clock = "by the card's clock";
    holds(
        "whose clock the mixer went by",
        said.contains(clock),
        &clock,
        &said,
    )?;
    let complaints = player.stderr()?;
    holds(
        "what the player says on standard error",
        complaints.is_empty(),
        &"nothing",
        &complaints,
    )?;
    ear.signal(Signal::Interrupt)?;
    ear.end(stage, Duration::from_secs(3)).map(drop)
}

/// The example of the mixer that plays to a sound card; it lies where the harness was built.
fn player() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name("examples").join("mix_files")
}
