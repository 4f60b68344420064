//! Registration with digest at a registrar played by `SIPp`.

use super::Scenario;
use super::sipp_calls::with_account;
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::CommandLine;
use crate::interop::sipp::{Play, Sipp};
use crate::interop::stage::Stage;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "register",
        shows: "401, digest, 200, and the binding is removed at the end",
        traffic: Traffic::Signalling,
        play: register,
    },
    Scenario {
        name: "register_refused",
        shows: "a wrong password: 401 twice, exit code 23, and no third attempt",
        traffic: Traffic::Signalling,
        play: register_refused,
    },
];

fn register(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut sipp = Sipp::start(stage, Seat::First, Play::File("registrar.xml"), 1, &[])?;
    let mut us = command(stage, "alicepw")?.start(stage, "offhook")?;
    let success = us.event(stage, "registration_did_succeed")?;
    same("lifetime granted", &success["expires"], &60.into())?;
    let contact = success["contact"].as_str().unwrap_or_default();
    let address = format!("@{LOOPBACK}:{}", stage.ports().sip(Seat::Second));
    holds("contact", contact.contains(&address), &address, &contact)?;
    us.event(stage, "registration_did_end")?;
    us.leaves_with(stage, 0)?;
    sipp.succeeds(stage)
}

fn register_refused(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut sipp = Sipp::start(stage, Seat::First, Play::File("registrar.xml"), 1, &[])?;
    let mut us = command(stage, "wrong")?.start(stage, "offhook")?;
    let failure = us.event(stage, "registration_did_fail")?;
    same("code of the failure", &failure["code"], &401.into())?;
    us.leaves_with(stage, 23)?;
    sipp.succeeds(stage)
}

fn command(stage: &Stage<'_>, password: &str) -> Result<CommandLine, Disagreement> {
    let port = stage.ports().sip(Seat::First);
    let own_port = stage.ports().sip(Seat::Second);
    let command = CommandLine::new(&["register"])
        .option("--listen", &format_args!("{LOOPBACK}:{own_port}"))
        .option("--proxy", &format_args!("sip:{LOOPBACK}:{port};lr"))
        .option("--expires", &60)
        .option("--duration", &1);
    with_account(stage, command, password)
}
