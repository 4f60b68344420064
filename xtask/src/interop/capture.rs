//! What went over the loopback in a scenario, recorded by dumpcap and read by tshark: not our own parsers.

use super::child::{Running, Signal};
use super::disagreement::{Disagreement, holds};
use super::ports::{PortBlock, Seat};
use super::stage::Stage;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The kernel hands packets over in batches; the last batch needs this long.
const SETTLE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(10);
/// `_ws.expert.severity` of an error; warnings and notes lie below.
const SEVERITY_ERROR: u32 = 0x0080_0000;

/// What a scenario must have put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    /// No call, no peer: nothing to capture.
    Nothing,
    /// SIP without any call: registration.
    Signalling,
    /// A call that was offered, perhaps without a packet of media.
    Offer,
    /// A call with audio: SIP, SDP and RTP.
    Media,
    /// A call that lasts long enough for reports too.
    MediaAndReports,
}

/// A capture under way.
#[derive(Debug)]
pub(super) struct Capture {
    dumpcap: Running,
    file: PathBuf,
}

/// How many packets of each kind tshark read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packets {
    sip: usize,
    sdp: usize,
    rtp: usize,
    rtcp: usize,
    /// Those of `rtcp` that neither peer's ports sent: the program under test did.
    rtcp_of_ours: usize,
}

impl Capture {
    /// Begins to record the scenario's own ports, and returns once every further packet is seen.
    pub(super) fn start(stage: &Stage<'_>) -> Result<Self, Disagreement> {
        let file = stage.file("calls.pcapng");
        let (first, last) = stage.ports().range();
        let mut command = Command::new("dumpcap");
        command
            .args([
                "-q",
                "-i",
                "lo",
                "-f",
                &format!("udp portrange {first}-{last}"),
                "-w",
            ])
            .arg(&file);
        let mut dumpcap = Running::start(stage, "dumpcap", &mut command)?;
        dumpcap.wait_for(stage, "capture", PATIENCE, |dumpcap| {
            Ok(dumpcap.stderr()?.contains("File: ").then_some(()))
        })?;
        Ok(Self { dumpcap, file })
    }

    /// Ends the recording and has tshark read all of it.
    pub(super) fn check(mut self, stage: &Stage<'_>, traffic: Traffic) -> Result<Packets, Disagreement> {
        std::thread::sleep(SETTLE);
        self.dumpcap.signal(Signal::Interrupt)?;
        self.dumpcap.end(stage, PATIENCE)?;
        let mut tshark = Running::start(stage, "tshark", &mut self.read(stage))?;
        let code = tshark.end(stage, PATIENCE)?;
        if code != Some(0) {
            return Err(Disagreement::Capture(format!("tshark: {}", tshark.stderr()?)));
        }
        let packets = count(&tshark.stdout()?, stage.ports())?;
        packets.check(traffic)?;
        Ok(packets)
    }

    fn read(&self, stage: &Stage<'_>) -> Command {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&self.file).arg("-n");
        for seat in [Seat::First, Seat::Second] {
            let port = stage.ports().sip(seat);
            command.args(["-d", &format!("udp.port=={port},sip")]);
        }
        command.args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]);
        for field in FIELDS {
            command.args(["-e", field]);
        }
        command
    }
}

/// One line of tshark's for each packet, in this order.
const FIELDS: [&str; 8] = [
    "frame.number",
    "frame.protocols",
    "udp.srcport",
    "udp.dstport",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "sip.Content-Type",
];

/// Reads tshark's table. A packet that it could not read, or took for something else, is a complaint.
fn count(table: &str, ports: PortBlock) -> Result<Packets, Disagreement> {
    let mut packets = Packets::default();
    for line in table.lines() {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let [
            frame,
            protocols,
            from,
            to,
            malformed,
            severities,
            messages,
            content,
        ] = std::array::from_fn(|_| next());
        let frame = frame.parse().unwrap_or_default();
        let complain = |complaint: String| Err(Disagreement::Packet { frame, complaint });
        let is_error = severities
            .split(',')
            .filter_map(|severity| severity.parse::<u32>().ok())
            .any(|severity| severity >= SEVERITY_ERROR);
        if !malformed.is_empty() || is_error {
            return complain(format!("malformed, says tshark: {malformed} {messages}"));
        }
        let on = |is: fn(PortBlock, u16) -> bool| {
            [from, to]
                .iter()
                .any(|port| port.parse().is_ok_and(|port| is(ports, port)))
        };
        let read_as = |protocol: &str| protocols.split(':').any(|name| name == protocol);
        match () {
            () if on(PortBlock::is_sip) && read_as("sip") => {
                packets.sip += 1;
                if read_as("sdp") {
                    packets.sdp += 1;
                } else if content.to_ascii_lowercase().contains("application/sdp") {
                    return complain("a body that is said to be SDP, and is not".to_owned());
                }
            }
            () if on(PortBlock::is_media) && read_as("rtp") => packets.rtp += 1,
            () if on(PortBlock::is_media) && read_as("rtcp") => {
                packets.rtcp += 1;
                let from_peer = from.parse().is_ok_and(|port| ports.is_media(port));
                packets.rtcp_of_ours += usize::from(!from_peer);
            }
            () => {
                return complain(format!(
                    "neither SIP, RTP nor RTCP: {protocols} from port {from} to port {to}"
                ));
            }
        }
    }
    Ok(packets)
}

impl Packets {
    fn check(self, traffic: Traffic) -> Result<(), Disagreement> {
        let wanted: &[(&str, usize)] = match traffic {
            Traffic::Nothing => &[],
            Traffic::Signalling => &[("SIP", self.sip)],
            Traffic::Offer => &[("SIP", self.sip), ("SDP", self.sdp)],
            Traffic::Media => &[("SIP", self.sip), ("SDP", self.sdp), ("RTP", self.rtp)],
            Traffic::MediaAndReports => &[
                ("SIP", self.sip),
                ("SDP", self.sdp),
                ("RTP", self.rtp),
                ("RTCP", self.rtcp),
                ("our own RTCP", self.rtcp_of_ours),
            ],
        };
        wanted.iter().try_for_each(|(kind, count)| {
            holds(&format!("{kind} packets captured"), *count > 0, &"some", &count)
        })
    }
}

impl std::fmt::Display for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            sip, sdp, rtp, rtcp, ..
        } = self;
        write!(f, "{sip} SIP ({sdp} with SDP), {rtp} RTP, {rtcp} RTCP")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 8]], ports: PortBlock) -> Result<Packets, Disagreement> {
        let sip = ports.sip(Seat::First).to_string();
        let media = ports.media(Seat::First).0.to_string();
        let lines: Vec<_> = rows
            .iter()
            .map(|row| row.join("\t").replace("SIP", &sip).replace("MEDIA", &media))
            .collect();
        count(&lines.join("\n"), ports)
    }

    #[test]
    fn packets_are_counted_by_what_tshark_read_them_as() {
        let ports = PortBlock::find(0).unwrap();
        let rows = [
            [
                "1",
                "eth:ip:udp:sip:sdp",
                "5",
                "SIP",
                "",
                "",
                "",
                "application/sdp",
            ],
            ["2", "eth:ip:udp:sip", "SIP", "5", "", "2097152", "a note", ""],
            ["3", "eth:ip:udp:rtp", "MEDIA", "5", "", "", "", ""],
            ["4", "eth:ip:udp:rtcp:sdes", "MEDIA", "5", "", "", "", ""],
            ["5", "eth:ip:udp:rtcp:sdes", "5", "MEDIA", "", "", "", ""],
        ];
        let packets = table(&rows, ports).unwrap();
        assert_eq!(
            packets,
            Packets {
                sip: 2,
                sdp: 1,
                rtp: 1,
                rtcp: 2,
                rtcp_of_ours: 1,
            }
        );
        packets.check(Traffic::MediaAndReports).unwrap();
    }

    #[test]
    fn what_tshark_cannot_read_is_found() {
        let ports = PortBlock::find(0).unwrap();
        for row in [
            ["1", "eth:ip:udp:sip", "SIP", "5", "[Malformed]", "", "", ""],
            [
                "1",
                "eth:ip:udp:sip",
                "SIP",
                "5",
                "",
                "4194304,8388608",
                "bad",
                "",
            ],
            ["1", "eth:ip:udp:sip", "SIP", "5", "", "", "", "application/sdp"],
            ["1", "eth:ip:udp:data", "SIP", "5", "", "", "", ""],
            ["1", "eth:ip:udp:data", "MEDIA", "5", "", "", "", ""],
            ["1", "eth:ip:udp:rtp", "7", "5", "", "", "", ""],
        ] {
            assert!(table(&[row], ports).is_err(), "{row:?}");
        }
    }

    #[test]
    fn an_empty_capture_shows_nothing() {
        let packets = Packets::default();
        for traffic in [
            Traffic::Signalling,
            Traffic::Offer,
            Traffic::Media,
            Traffic::MediaAndReports,
        ] {
            assert!(packets.check(traffic).is_err(), "{traffic:?}");
        }
    }
}
