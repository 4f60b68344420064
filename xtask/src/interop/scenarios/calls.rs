//! What many scenarios do: speak, wait for the start, look at the sound afterwards.

use crate::interop::baresip::Baresip;
use crate::interop::codec::Codec;
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::{CommandLine, Offhook};
use crate::interop::stage::Stage;
use crate::interop::wave::{self, OURS, THEIRS};
use std::time::Duration;

/// How long both sides speak; whole seconds, as `--duration` wants them.
pub(super) const TALK: Duration = Duration::from_secs(3);
/// How much of that must be heard: the start and the end cost something.
const HEARD_SECONDS: f64 = 2.4;

/// Where baresip and `SIPp` call us.
pub(super) fn our_uri(stage: &Stage<'_>) -> String {
    format!("sip:offhook@{LOOPBACK}:{}", stage.ports().sip(Seat::Second))
}

/// Has us play our tone and record what comes.
pub(super) fn speaking(stage: &Stage<'_>, command: CommandLine) -> Result<CommandLine, Disagreement> {
    let ours = stage.file("ours.wav");
    wave::write_tone(&ours, OURS, 48_000, 30)?;
    Ok(command
        .option("--play", &ours.display())
        .option("--record", &stage.file("heard.wav").display()))
}

/// Waits until our side reports the start, with the codec that was asked for.
pub(super) fn check_start(stage: &Stage<'_>, us: &mut Offhook, codec: Codec) -> Result<(), Disagreement> {
    let start = us.event(stage, "did_start")?;
    let name = start["codec"].as_str().unwrap_or_default();
    holds(
        "codec of the call",
        name.eq_ignore_ascii_case(codec.encoding()),
        &codec.encoding(),
        &name,
    )?;
    same(
        "sampling rate",
        &start["sample_rate"],
        &codec.sample_rate().into(),
    )
}

/// A call between us and baresip that is over.
pub(super) struct Call {
    pub(super) us: Offhook,
    pub(super) baresip: Baresip,
}

impl Call {
    /// Both recordings hold the other side's tone, and both sides counted packets without a fault.
    pub(super) fn check_sound(&mut self, stage: &Stage<'_>, least_packets: u64) -> Result<(), Disagreement> {
        wave::check_recording(&stage.file("heard.wav"), THEIRS, OURS, HEARD_SECONDS)?;
        wave::check_recording(&self.baresip.heard()?, OURS, THEIRS, HEARD_SECONDS)?;
        self.baresip.check_packets(stage, least_packets)?;
        self.check_statistics(least_packets)
    }

    /// The last `statistics` line: it is a second old at most, so it may lack a second of packets.
    fn check_statistics(&self, least_packets: u64) -> Result<(), Disagreement> {
        let events = self.us.events()?;
        let last = events.iter().rev().find(|event| event["event"] == "statistics");
        let number = |name: &str| last.and_then(|event| event[name].as_u64());
        for name in ["packets_sent", "packets_received"] {
            let count = number(name);
            holds(
                &format!("our {name}"),
                count >= Some(least_packets - 50),
                &(least_packets - 50),
                &format_args!("{count:?}"),
            )?;
        }
        same("our packets_lost", &number("packets_lost"), &Some(0))
    }
}
