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

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "ffmpeg_video",
        shows: "FFmpeg, started with what was negotiated, sends VP8 to an FFmpeg that writes it down",
        traffic: Traffic::Offer,
        play: |stage| play(stage, VIDEO, None),
    },
    Scenario {
        name: "ffmpeg_audio",
        shows: "the same with A-law",
        traffic: Traffic::Offer,
        play: |stage| play(stage, AUDIO, None),
    },
    Scenario {
        name: "ffmpeg_video_group",
        shows: "VP8 by multicast: both sides agree upon a group instead of addresses",
        traffic: Traffic::Offer,
        play: |stage| play(stage, VIDEO, Some("239.255.7.1")),
    },
    Scenario {
        name: "ffmpeg_audio_group",
        shows: "A-law by multicast",
        traffic: Traffic::Offer,
        play: |stage| play(stage, AUDIO, Some("239.255.7.2")),
    },
];

/// For starting programs on a busy machine, and for a second of media.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is sent, and what must be found of it.
#[derive(Clone, Copy)]
struct Media {
    format: &'static str,
    source: &'static str,
    /// As FFmpeg calls it.
    codec: &'static str,
    /// Bytes of the file that hold a second or two.
    enough: u64,
    packets: usize,
}

const VIDEO: Media = Media {
    format: "video/VP8/90000/96",
    source: "testsrc2=size=160x120:rate=10 -c:v libvpx -deadline realtime -cpu-used 8 -g 5 -b:v 200k",
    codec: "vp8",
    enough: 20_000,
    packets: 5,
};
const AUDIO: Media = Media {
    format: "audio/PCMA/8000/8",
    source: "sine=frequency=440:sample_rate=8000 -c:a pcm_alaw",
    codec: "pcm_alaw",
    enough: 12_000,
    packets: 5,
};

fn play(stage: &Stage<'_>, media: Media, group: Option<&str>) -> Result<(), Disagreement> {
    let file = stage.file("received.mkv");
    // By default it looks at five seconds before it writes the first one.
    let receive = format!(
        "ffmpeg -loglevel error -protocol_whitelist pipe,udp,rtp -analyzeduration 500000 -localaddr {LOOPBACK} \
         -f sdp -i pipe:0 -c copy -flush_packets 1 -y '{}'",
        file.display()
    );
    let way = group.map_or("", |_| "?ttl=0&localaddr=127.0.0.1");
    let send = format!(
        "ffmpeg -nostdin -loglevel error -re -f lavfi -i {} -payload_type {{payload_type}} -f rtp \
         rtp://{{remote_ip}}:{{remote_port}}{way}",
        media.source
    );
    let mut receiver = session(stage, Seat::First, media, "recvonly", &receive)
        .with("--auto-answer")
        .start_typing(stage, "receiver")?;
    receiver.event(stage, "listening")?;
    let sender = session(stage, Seat::Second, media, "sendonly", &send);
    let sender = match group {
        Some(group) => {
            let (port, _) = stage.ports().media(Seat::Third);
            sender.option("--tool-group", &format_args!("{group}:{port}"))
        }
        None => sender,
    };
    let mut sender = sender.start_typing(stage, "sender")?;
    sender.event(stage, "listening")?;
    let uri = format!("sip:receiver@{LOOPBACK}:{}", stage.ports().sip(Seat::First));
    sender.type_line(&format!("call {uri} tool"))?;
    for side in [&mut sender, &mut receiver] {
        side.event(stage, "did_start")?;
    }
    let length = || std::fs::metadata(&file).map_or(0, |file| file.len());
    wait(stage, "receiver", "media", PATIENCE, || {
        Ok((length() >= media.enough).then_some(()))
    })?;
    sender.type_line("quit")?;
    sender.leaves_with(stage, 0)?;
    receiver.event(stage, "did_end")?;
    receiver.type_line("quit")?;
    receiver.leaves_with(stage, 0)?;
    probe(stage, media, file)
}

fn session(stage: &Stage<'_>, seat: Seat, media: Media, direction: &str, tool: &str) -> CommandLine {
    let (ports, here) = (stage.ports(), LOOPBACK);
    CommandLine::new(&["session", "--no-device"])
        .option("--listen", &format_args!("{here}:{}", ports.sip(seat)))
        .option("--tool-format", &media.format)
        .option("--tool-direction", &direction)
        .option("--tool", &tool)
}

/// What `FFmpeg`'s own reader finds in the file.
fn probe(stage: &Stage<'_>, media: Media, file: PathBuf) -> Result<(), Disagreement> {
    let mut command = Command::new("ffprobe");
    command
        .args(["-v", "error", "-count_packets", "-of", "csv=p=0"])
        .args(["-show_entries", "stream=codec_name,nb_read_packets"])
        .arg(file);
    let mut probe = Running::start(stage, "probe", &mut command)?;
    same("exit code of ffprobe", &probe.end(stage, PATIENCE)?, &Some(0))?;
    let found = probe.stdout()?;
    let (codec, packets) = found.trim().split_once(',').unwrap_or_default();
    same("codec", &codec, &media.codec)?;
    let packets = packets.parse::<usize>().unwrap_or_default();
    holds(
        "packets",
        packets >= media.packets,
        &format_args!("at least {}", media.packets),
        &packets,
    )
}
