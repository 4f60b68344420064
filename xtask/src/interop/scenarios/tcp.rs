//! Calls whose messages go over TCP.

use super::Scenario;
use super::sipp_calls::{answering, our_target};
use crate::interop::baresip::{Baresip, Manners};
use crate::interop::codec::Codec;
use crate::interop::disagreement::{Disagreement, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::Seat;
use crate::interop::program::CommandLine;
use crate::interop::sipp::{Play, Sipp};
use crate::interop::stage::Stage;
use crate::interop::wave::THEIRS;
use std::thread::sleep;
use std::time::Duration;

/// Long enough for sound to flow.
const MOMENT: Duration = Duration::from_millis(500);

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sipp_calls_us_over_tcp",
        shows: "SIPp's uac calls us three times over one TCP connection",
        traffic: Traffic::Media,
        play: sipp_calls_us,
    },
    Scenario {
        name: "we_call_sipp_over_tcp",
        shows: "we call SIPp's uas over TCP, and hang up",
        traffic: Traffic::Media,
        play: we_call_sipp,
    },
    Scenario {
        name: "we_call_baresip_over_tcp",
        shows: "we call baresip over TCP, and it hangs up",
        traffic: Traffic::Media,
        play: we_call_baresip,
    },
];

fn sipp_calls_us(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut us = answering(stage, 3, "tcp")?;
    let (user, target) = our_target(stage);
    let further = ["-t", "t1", "-s", user, "-d", "500", &target];
    Sipp::start(stage, Seat::First, Play::BuiltIn("uac"), 3, &further)?.succeeds(stage)?;
    us.leaves_with(stage, 0)
}

fn we_call_sipp(stage: &Stage<'_>) -> Result<(), Disagreement> {
    // Its uas waits for four seconds after the BYE, and would count a connection that ends meanwhile as a failure.
    let further = ["-t", "t1", "-reconnect_close", "false"];
    let mut sipp = Sipp::start(stage, Seat::First, Play::BuiltIn("uas"), 1, &further)?;
    let mut us = CommandLine::call(stage, Seat::Second, sipp.uri())
        .option("--transport", &"tcp")
        .option("--duration", &1)
        .start(stage, "offhook")?;
    us.event(stage, "did_start")?;
    us.leaves_with(stage, 0)?;
    sipp.succeeds(stage)
}

fn we_call_baresip(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcma, THEIRS);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let uri = format!("{};transport=tcp", baresip.uri());
    let call = CommandLine::call(stage, Seat::Second, &uri).option("--transport", &"tcp");
    let mut us = call.start(stage, "offhook")?;
    us.event(stage, "did_start")?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(MOMENT);
    baresip.command(stage, "hangup", "")?;
    let end = us.event(stage, "did_end")?;
    same("originator of the end", &end["originator"], &"remote".into())?;
    us.leaves_with(stage, 0)
}
