//! baresip, headless: its configuration, its control connection, what it heard.

use super::child::{Running, Signal};
use super::codec::Codec;
use super::control::Control;
use super::disagreement::{Disagreement, holds};
use super::ports::{LOOPBACK, Seat};
use super::stage::Stage;
use super::wave::{self, Tone};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where Debian puts the modules.
pub(super) const MODULES: &str = "/usr/lib/baresip/modules";

const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than any call here, so that the source never runs dry.
const TONE_SECONDS: u32 = 30;

/// How a baresip behaves in a scenario.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    pub(super) codec: Codec,
    /// Another one that it takes.
    pub(super) second_codec: Option<Codec>,
    /// What it plays to its peer.
    pub(super) tone: Tone,
    pub(super) answers: Answers,
    pub(super) encryption: Encryption,
}

/// How a baresip encrypts its sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Off,
    /// Keys in the session description, taken where the peer has them.
    Optional,
    /// The same, or no call.
    Required,
    /// Keys by DTLS, or no call.
    Dtls,
}

/// What a baresip does with an incoming call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    AtOnce,
    /// Rings until told otherwise.
    ByHand,
    /// Rings that long, then declines as its `call_local_timeout` does.
    GivesUpAfter(Duration),
}

impl Manners {
    pub(super) fn playing(codec: Codec, tone: Tone) -> Self {
        Self {
            codec,
            second_codec: None,
            tone,
            answers: Answers::AtOnce,
            encryption: Encryption::Off,
        }
    }

    pub(super) fn answering(self, answers: Answers) -> Self {
        Self { answers, ..self }
    }

    pub(super) fn with_second_codec(self, codec: Codec) -> Self {
        Self {
            second_codec: Some(codec),
            ..self
        }
    }

    pub(super) fn encrypting(self, encryption: Encryption) -> Self {
        Self { encryption, ..self }
    }
}

/// A running baresip.
#[derive(Debug)]
pub(super) struct Baresip {
    running: Running,
    control: Control,
    home: PathBuf,
    uri: String,
}

impl Baresip {
    /// Writes its files into the scenario's folder, starts it, and waits until it takes commands.
    pub(super) fn start(
        stage: &Stage<'_>,
        name: &str,
        seat: Seat,
        manners: Manners,
    ) -> Result<Self, Disagreement> {
        let home = stage.file(name);
        std::fs::create_dir_all(&home).map_err(|cause| Disagreement::file(&home, cause))?;
        wave::write_tone(
            &home.join("tone.wav"),
            manners.tone,
            manners.codec.sample_rate(),
            TONE_SECONDS,
        )?;
        let uri = format!("sip:{name}@{LOOPBACK}:{}", stage.ports().sip(seat));
        write(&home, "config", &config(stage, &home, seat, manners))?;
        write(&home, "accounts", &account(&uri, manners))?;
        write(&home, "contacts", "")?;
        let mut command = Command::new("baresip");
        command.arg("-f").arg(&home).args(["-v", "-s"]);
        let running = Running::start(stage, name, &mut command)?;
        let control = Control::connect(stage, name, stage.ports().control(seat))?;
        Ok(Self {
            running,
            control,
            home,
            uri,
        })
    }

    /// Where it can be called.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// `dial URI`, `hangup`, `accept`, `hold`, `resume`, ...
    pub(super) fn command(
        &mut self,
        stage: &Stage<'_>,
        command: &str,
        params: &str,
    ) -> Result<(), Disagreement> {
        self.control.command(stage, command, params)
    }

    /// Waits for an event, for example `CALL_ESTABLISHED`.
    pub(super) fn event(&mut self, stage: &Stage<'_>, kind: &str) -> Result<(), Disagreement> {
        self.control
            .event(stage, self.running.name(), kind, PATIENCE)
            .map(drop)
    }

    /// Waits for the end of the call, and checks the reason that baresip gives.
    pub(super) fn call_closed(&mut self, stage: &Stage<'_>, reason: &str) -> Result<(), Disagreement> {
        let event = self
            .control
            .event(stage, self.running.name(), "CALL_CLOSED", PATIENCE)?;
        let given = event["param"].as_str().unwrap_or_default();
        holds(
            "baresip's reason for the end",
            given.contains(reason),
            &reason,
            &given,
        )
    }

    /// What it heard, as its `sndfile` module wrote it. The file is complete once the call is over.
    pub(super) fn heard(&self) -> Result<PathBuf, Disagreement> {
        let entries = std::fs::read_dir(&self.home).map_err(|cause| Disagreement::file(&self.home, cause))?;
        entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .ok_or_else(|| Disagreement::Missing {
                who: self.running.name().to_owned(),
                what: "recording of what it heard".to_owned(),
                within: Duration::ZERO,
            })
    }

    /// Has it leave, then reads its own account of the call: packets both ways, and no errors.
    pub(super) fn check_packets(&mut self, stage: &Stage<'_>, least: u64) -> Result<(), Disagreement> {
        // Its output is complete only once it has left.
        self.running.signal(Signal::Terminate)?;
        self.running.end(stage, PATIENCE)?;
        let Some([sent, received, errors_sent, errors_received]) = summary(&self.running.stdout()?) else {
            return Err(Disagreement::Missing {
                who: self.running.name().to_owned(),
                what: "packet summary".to_owned(),
                within: Duration::ZERO,
            });
        };
        holds("packets baresip sent", sent >= least, &least, &sent)?;
        holds("packets baresip received", received >= least, &least, &received)?;
        let errors = errors_sent + errors_received;
        holds("errors baresip counted", errors == 0, &0, &errors)
    }
}

/// The numbers that baresip prints at the end of a call: sent, received, and the errors of each.
fn summary(log: &str) -> Option<[u64; 4]> {
    let numbers = |label: &str| -> Option<[u64; 2]> {
        let line = log.lines().rev().find_map(|line| line.strip_prefix(label))?;
        let mut words = line.split_whitespace().map(|word| word.parse().ok());
        Some([words.next()??, words.next()??])
    };
    let [sent, received] = numbers("packets:")?;
    let [errors_sent, errors_received] = numbers("errors:")?;
    Some([sent, received, errors_sent, errors_received])
}

fn account(uri: &str, manners: Manners) -> String {
    let mode = match manners.answers {
        Answers::AtOnce => "auto",
        Answers::ByHand | Answers::GivesUpAfter(_) => "manual",
    };
    let codecs = [Some(manners.codec), manners.second_codec].into_iter().flatten();
    let codecs: Vec<_> = codecs.map(Codec::in_baresip).collect();
    let codecs = codecs.join(",");
    let encryption = match manners.encryption {
        Encryption::Off => "",
        Encryption::Optional => ";mediaenc=srtp",
        Encryption::Required => ";mediaenc=srtp-mand",
        Encryption::Dtls => ";mediaenc=dtls_srtp",
    };
    format!("<{uri}>;regint=0;answermode={mode};audio_codecs={codecs}{encryption}\n")
}

fn config(stage: &Stage<'_>, home: &Path, seat: Seat, manners: Manners) -> String {
    let ports = stage.ports();
    let (first, last) = ports.media(seat);
    let rate = manners.codec.sample_rate();
    let patience = match manners.answers {
        Answers::GivesUpAfter(time) => time.as_secs(),
        Answers::AtOnce | Answers::ByHand => 120,
    };
    let lines = [
        "poll_method epoll".to_owned(),
        format!("sip_listen {LOOPBACK}:{}", ports.sip(seat)),
        format!("net_interface {LOOPBACK}"),
        format!("rtp_ports {first}-{last}"),
        // The account of packets that it prints at the end of a call.
        "rtp_stats yes".to_owned(),
        // One call at a time: the second caller hears busy.
        "call_max_calls 1".to_owned(),
        format!("call_local_timeout {patience}"),
        format!("audio_source aufile,{}", home.join("tone.wav").display()),
        // A sink without a sound card.
        "audio_player aubridge,nil".to_owned(),
        "audio_alert aubridge,nil".to_owned(),
        // No ringing melodies: there is no such folder.
        format!("audio_path {}", home.join("silent").display()),
        // The codec's own rate on both ends: baresip's resampler is not what is tested.
        format!("ausrc_srate {rate}\nauplay_srate {rate}\nausrc_channels 1\nauplay_channels 1"),
        format!("snd_path {}", home.display()),
        format!("module_path {MODULES}"),
        "module g711.so\nmodule gsm.so\nmodule g722.so\nmodule l16.so\nmodule opus.so".to_owned(),
        "module srtp.so\nmodule dtls_srtp.so".to_owned(),
        "module aufile.so\nmodule aubridge.so\nmodule sndfile.so".to_owned(),
        "module_tmp uuid.so\nmodule_tmp account.so".to_owned(),
        "module_app contact.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so".to_owned(),
        format!("ctrl_tcp_listen {LOOPBACK}:{}", ports.control(seat)),
        String::new(),
    ];
    lines.join("\n")
}

fn write(home: &Path, name: &str, text: &str) -> Result<(), Disagreement> {
    let path = home.join(name);
    std::fs::write(&path, text).map_err(|cause| Disagreement::file(&path, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_of_a_call_is_read() {
        let log = "audio           Transmit:     Receive:\npackets:            206          205\n\
                   avg. bitrate:      64.2         64.0  (kbit/s)\nerrors:               0            1\n";
        assert_eq!(summary(log), Some([206, 205, 0, 1]));
        assert_eq!(summary("nothing yet"), None);
    }
}
