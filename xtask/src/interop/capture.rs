//! What went over the loopback in a scenario, recorded by dumpcap and read by tshark: not our own parsers.

use super::child::{Running, Signal};
use super::disagreement::Disagreement;
use super::packets::{FIELDS, Packets, Traffic};
use super::ports::Seat;
use super::stage::Stage;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The kernel hands packets over in batches; the last batch needs this long.
const SETTLE: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(10);

/// A capture under way.
#[derive(Debug)]
pub(super) struct Capture {
    dumpcap: Running,
    file: PathBuf,
}

impl Capture {
    /// Begins to record the scenario's own ports, and returns once every further packet is seen.
    pub(super) fn start(stage: &Stage<'_>) -> Result<Self, Disagreement> {
        let file = stage.file("calls.pcapng");
        let (first, last) = stage.ports().range();
        let sip_over_tcp = Seat::ALL.map(|seat| format!("tcp port {}", stage.ports().sip(seat)));
        let mut command = Command::new("dumpcap");
        command
            .args([
                "-q",
                "-i",
                "lo",
                "-f",
                &format!("udp portrange {first}-{last} or {}", sip_over_tcp.join(" or ")),
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
        let mut tshark = Running::start(stage, "tshark", &mut self.read(stage, traffic))?;
        let code = tshark.end(stage, PATIENCE)?;
        if code != Some(0) {
            return Err(Disagreement::Capture(format!("tshark: {}", tshark.stderr()?)));
        }
        let packets = Packets::count(&tshark.stdout()?, stage.ports(), traffic)?;
        packets.check(traffic)?;
        Ok(packets)
    }

    fn read(&self, stage: &Stage<'_>, traffic: Traffic) -> Command {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&self.file).arg("-n");
        // Of a TCP connection what carries SIP or MSRP; its segments without a message are the kernel's.
        command.args(["-Y", "udp or sip or msrp"]);
        let protocol = if traffic == Traffic::Messages {
            "msrp"
        } else {
            "sip"
        };
        for seat in Seat::ALL {
            let port = stage.ports().sip(seat);
            for transport in ["udp", "tcp"] {
                // tshark knows MSRP over TCP only.
                if protocol == "msrp" && transport == "udp" {
                    continue;
                }
                command.args(["-d", &format!("{transport}.port=={port},{protocol}")]);
            }
        }
        command.args(["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a"]);
        for field in FIELDS {
            command.args(["-e", field]);
        }
        command
    }
}
