//! Media that `FFmpeg` sends and receives in sessions of ours.

use super::Scenario;
use crate::interop::child::{Running, wait};
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::{CommandLine, Offhook};
use crate::interop::stage::Stage;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "ffmpeg_as_tool",
    shows: "FFmpeg, started with what was negotiated, sends video and audio to FFmpeg, to one and to a group, and encrypted",
    // The ports are those of a user, not of a seat.
    traffic: Traffic::Nothing,
    play,
}];

/// For starting programs on a busy machine, and for a second of media.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is sent in one session, and what must be found of it.
struct Case {
    name: &'static str,
    format: &'static str,
    source: &'static str,
    /// As `FFmpeg` calls it.
    codec: &'static str,
    /// Bytes of the file that hold about a second.
    enough: u64,
    is_encrypted: bool,
    /// The group that both sides agree upon instead of addresses, and whose ports it has.
    group: Option<(&'static str, Seat)>,
}

const VIDEO: Case = Case {
    name: "video",
    format: "video/VP8/90000/96",
    source: "testsrc2=size=160x120:rate=10 -c:v libvpx -deadline realtime -cpu-used 8 -g 5 -b:v 200k",
    codec: "vp8",
    enough: 20_000,
    is_encrypted: false,
    group: None,
};
const AUDIO: Case = Case {
    name: "audio",
    format: "audio/PCMA/8000/8",
    source: "sine=frequency=440:sample_rate=8000 -c:a pcm_alaw",
    codec: "pcm_alaw",
    enough: 8_000,
    is_encrypted: false,
    group: None,
};
const CASES: [Case; 5] = [
    VIDEO,
    AUDIO,
    Case {
        name: "video_encrypted",
        is_encrypted: true,
        ..VIDEO
    },
    Case {
        name: "video_group",
        group: Some(("239.255.7.1", Seat::First)),
        ..VIDEO
    },
    Case {
        name: "audio_group",
        group: Some(("239.255.7.2", Seat::Second)),
        ..AUDIO
    },
];

/// The least of packets that a file must hold.
const PACKETS: usize = 5;

/// One begins after the other, but all go on at once: what takes time is the media.
fn play(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let sessions: Result<Vec<_>, _> = CASES.iter().map(|case| case.begin(stage)).collect();
    let mut sessions = sessions?;
    for case in &CASES {
        case.wait_for(stage, case.enough)?;
    }
    for [sender, _] in &mut sessions {
        sender.type_line("quit")?;
    }
    for (case, [sender, receiver]) in CASES.iter().zip(&mut sessions) {
        sender.leaves_with(stage, 0)?;
        receiver.event(stage, "did_end")?;
        receiver.type_line("quit")?;
        receiver.leaves_with(stage, 0)?;
        case.probe(stage)?;
    }
    Ok(())
}

impl Case {
    /// Who calls and sends, and who receives.
    fn begin(&self, stage: &Stage<'_>) -> Result<[Offhook; 2], Disagreement> {
        // By default it looks at five seconds before it writes the first one.
        let receive = format!(
            "ffmpeg -loglevel error -protocol_whitelist pipe,udp,rtp,srtp -analyzeduration 500000 -localaddr {LOOPBACK} \
             -f sdp -i pipe:0 -c copy -flush_packets 1 -y '{}'",
            self.file(stage).display()
        );
        let way = self.group.map_or("", |_| "?ttl=0&localaddr=127.0.0.1");
        let protocol = if self.is_encrypted {
            "-srtp_out_suite {srtp_suite} -srtp_out_params {srtp_local_key} srtp"
        } else {
            "rtp"
        };
        let send = format!(
            "ffmpeg -nostdin -loglevel error -re -f lavfi -i {} -payload_type {{payload_type}} -f rtp \
             {protocol}://{{remote_ip}}:{{remote_port}}{way}",
            self.source
        );
        let mut receiver = self
            .session("recvonly", &receive)
            .with("--auto-answer")
            .start_typing(stage, &format!("{}_in", self.name))?;
        let listening = receiver.event(stage, "listening")?;
        let mut sender = self.session("sendonly", &send);
        if let Some((group, seat)) = self.group {
            let (port, _) = stage.ports().media(seat);
            sender = sender.option("--tool-group", &format_args!("{group}:{port}"));
        }
        let mut sender = sender.start_typing(stage, &format!("{}_out", self.name))?;
        sender.event(stage, "listening")?;
        let address = listening["address"].as_str().unwrap_or_default();
        sender.type_line(&format!("call sip:receiver@{address} tool"))?;
        sender.event(stage, "did_start")?;
        receiver.event(stage, "did_start")?;
        // Between us and FFmpeg the ports are free for a moment: the next session shall not take them.
        self.wait_for(stage, 1)?;
        Ok([sender, receiver])
    }

    /// Waits until so many bytes were received.
    fn wait_for(&self, stage: &Stage<'_>, enough: u64) -> Result<(), Disagreement> {
        let file = self.file(stage);
        wait(stage, self.name, "media", PATIENCE, || {
            let length = std::fs::metadata(&file).map_or(0, |file| file.len());
            Ok((length >= enough).then_some(()))
        })
    }

    fn session(&self, direction: &str, tool: &str) -> CommandLine {
        let srtp = if self.is_encrypted { "required" } else { "off" };
        CommandLine::new(&["session", "--no-device"])
            .option("--listen", &format_args!("{LOOPBACK}:0"))
            .option("--tool-format", &self.format)
            .option("--tool-direction", &direction)
            .option("--tool-srtp", &srtp)
            .option("--tool", &tool)
    }

    fn file(&self, stage: &Stage<'_>) -> PathBuf {
        stage.file(&format!("{}.nut", self.name))
    }

    /// What `FFmpeg`'s own reader finds in the file.
    fn probe(&self, stage: &Stage<'_>) -> Result<(), Disagreement> {
        let mut command = Command::new("ffprobe");
        command
            .args(["-v", "error", "-count_packets", "-of", "csv=p=0"])
            .args(["-show_entries", "stream=codec_name,nb_read_packets"])
            .arg(self.file(stage));
        let mut probe = Running::start(stage, &format!("{}_probe", self.name), &mut command)?;
        same("exit code of ffprobe", &probe.end(stage, PATIENCE)?, &Some(0))?;
        let found = probe.stdout()?;
        let (codec, packets) = found.trim().split_once(',').unwrap_or_default();
        same("codec", &codec, &self.codec)?;
        let packets = packets.parse::<usize>().unwrap_or_default();
        holds(
            &format!("packets of {}", self.name),
            packets >= PACKETS,
            &format_args!("at least {PACKETS}"),
            &packets,
        )
    }
}
