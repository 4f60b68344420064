//! Calls with `SIPp`, whose messages are a text file's: strict about order, and about what must not come.

use super::Scenario;
use super::calls::speaking;
use crate::interop::disagreement::{Disagreement, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::{CommandLine, Offhook};
use crate::interop::sipp::{Play, Sipp};
use crate::interop::stage::Stage;
use crate::interop::wave::{self, OURS, THEIRS};
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sipp_calls_us",
        shows: "SIPp's built-in uac calls us three times, one call after another, nothing repeated",
        traffic: Traffic::Media,
        play: |stage| sipp_calls_us(stage, 3, Duration::from_millis(800)),
    },
    Scenario {
        name: "sipp_calls_us_in_haste",
        shows: "thirty calls of a tenth of a second: nothing is lost, repeated, or left over",
        traffic: Traffic::Media,
        play: |stage| sipp_calls_us(stage, 30, Duration::from_millis(100)),
    },
    Scenario {
        name: "sipp_leaves_the_offer_to_us",
        shows: "an INVITE without SDP: our offer comes in the 200, SIPp's answer in the ACK",
        traffic: Traffic::Media,
        play: sipp_leaves_the_offer_to_us,
    },
    Scenario {
        name: "we_call_sipp",
        shows: "we call SIPp's built-in uas, which echoes RTP: we hear our own tone",
        traffic: Traffic::Media,
        play: we_call_sipp,
    },
    Scenario {
        name: "sipp_asks_for_credentials",
        shows: "401 to our INVITE: we answer it by digest, SIPp verifies, the call comes up",
        traffic: Traffic::Media,
        play: sipp_asks_for_credentials,
    },
    Scenario {
        name: "sipp_refuses_credentials",
        shows: "401 again after our digest: exit code 23, and no third attempt",
        traffic: Traffic::Offer,
        play: sipp_refuses_credentials,
    },
];

const ENDS_WITHIN: Duration = Duration::from_secs(10);

fn sipp_calls_us(stage: &Stage<'_>, calls: u64, talk: Duration) -> Result<(), Disagreement> {
    let mut us = answering(stage, calls, "udp")?;
    let (user, target) = our_target(stage);
    let talk = talk.as_millis().to_string();
    let further = ["-s", user, "-d", &talk, &target];
    Sipp::start(stage, Seat::First, Play::BuiltIn("uac"), calls, &further)?.succeeds(stage)?;
    us.leaves_within(stage, ENDS_WITHIN, 0)?;
    let ends = us.events()?;
    let ended_by_peer = ends
        .iter()
        .filter(|event| event["event"] == "did_end" && event["originator"] == "remote");
    same("calls that SIPp ended", &ended_by_peer.count(), &(calls as usize))
}

fn sipp_leaves_the_offer_to_us(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut us = answering(stage, 1, "udp")?;
    let (user, target) = our_target(stage);
    let further = ["-s", user, "-d", "1000", &target];
    let mut sipp = Sipp::start(stage, Seat::First, Play::File("uac_late_offer.xml"), 1, &further)?;
    let start = us.event(stage, "did_start")?;
    same("codec of the call", &start["codec"], &"PCMA".into())?;
    sipp.succeeds(stage)?;
    us.leaves_with(stage, 0)
}

/// Has us answer so many calls over a transport.
pub(super) fn answering(stage: &Stage<'_>, calls: u64, transport: &str) -> Result<Offhook, Disagreement> {
    let port = stage.ports().sip(Seat::Second);
    let mut us = CommandLine::new(&["answer", "--auto-answer", "--no-device"])
        .option("--listen", &format_args!("{LOOPBACK}:{port}"))
        .option("--calls", &calls)
        .option("--transport", &transport)
        .start(stage, "offhook")?;
    us.event(stage, "listening")?;
    Ok(us)
}

/// Our user and address, as SIPp takes them.
pub(super) fn our_target(stage: &Stage<'_>) -> (&'static str, String) {
    let port = stage.ports().sip(Seat::Second);
    ("offhook", format!("{LOOPBACK}:{port}"))
}

fn we_call_sipp(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut sipp = Sipp::start(stage, Seat::First, Play::BuiltIn("uas"), 1, &["-rtp_echo"])?;
    let call = CommandLine::call(stage, Seat::Second, sipp.uri())
        .option("--codec", &"PCMU")
        .option("--duration", &3);
    let mut us = speaking(stage, call)?.start(stage, "offhook")?;
    us.event(stage, "did_start")?;
    us.leaves_with(stage, 0)?;
    wave::check_recording(&stage.file("heard.wav"), OURS, THEIRS, 2.4)?;
    sipp.succeeds(stage)
}

fn sipp_asks_for_credentials(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut sipp = Sipp::start(
        stage,
        Seat::First,
        Play::File("uas_digest.xml"),
        1,
        &["-rtp_echo"],
    )?;
    let call = CommandLine::call(stage, Seat::Second, sipp.uri()).option("--duration", &1);
    let mut us = with_account(stage, call, "alicepw")?.start(stage, "offhook")?;
    us.event(stage, "did_start")?;
    us.leaves_with(stage, 0)?;
    sipp.succeeds(stage)
}

fn sipp_refuses_credentials(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut sipp = Sipp::start(stage, Seat::First, Play::File("uas_digest.xml"), 1, &[])?;
    let call = CommandLine::call(stage, Seat::Second, sipp.uri());
    let mut us = with_account(stage, call, "wrong")?.start(stage, "offhook")?;
    let failure = us.event(stage, "did_fail")?;
    same("code of the failure", &failure["code"], &401.into())?;
    us.leaves_with(stage, 23)?;
    sipp.succeeds(stage)
}

/// An account of the user that the `SIPp` files know, with a password from a file.
pub(super) fn with_account(
    stage: &Stage<'_>,
    command: CommandLine,
    password: &str,
) -> Result<CommandLine, Disagreement> {
    let file = stage.file("password");
    std::fs::write(&file, format!("{password}\n")).map_err(|cause| Disagreement::file(&file, cause))?;
    Ok(command
        .option("--account", &"sip:alice@example.test")
        .option("--password-file", &file.display()))
}
