//! Calls that were up, and how they ended.

use super::Scenario;
use super::calls::{check_start, our_uri, speaking};
use crate::interop::baresip::{Answers, Baresip, Manners};
use crate::interop::codec::Codec;
use crate::interop::disagreement::{Disagreement, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::Seat;
use crate::interop::program::CommandLine;
use crate::interop::stage::Stage;
use crate::interop::wave::{self, OURS, THEIRS};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "we_end_their_call",
        shows: "baresip called, we hang up after --duration",
        traffic: Traffic::Media,
        play: we_end_their_call,
    },
    Scenario {
        name: "they_end_our_call",
        shows: "we called, baresip hangs up",
        traffic: Traffic::Media,
        play: they_end_our_call,
    },
    Scenario {
        name: "they_end_a_plain_call",
        shows: "`offhook call URI` as a user types it, without --listen: baresip's BYE finds us",
        traffic: Traffic::Media,
        play: they_end_a_plain_call,
    },
    Scenario {
        name: "interrupt_ends_a_call",
        shows: "SIGINT while a call is up: BYE, exit code 0, and a whole recording",
        traffic: Traffic::Media,
        play: interrupt,
    },
    Scenario {
        name: "terminate_ends_a_call",
        shows: "SIGTERM does the same to the answering side",
        traffic: Traffic::Media,
        play: terminate,
    },
];

const MOMENT: Duration = Duration::from_millis(1_500);
/// What must be heard in a moment.
const HEARD_SECONDS: f64 = 1.0;

fn we_end_their_call(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second)
        .with("--auto-answer")
        .option("--duration", &1);
    let mut us = answer.start(stage, "offhook")?;
    us.event(stage, "listening")?;
    let manners = Manners::playing(Codec::Pcma, THEIRS).answering(Answers::ByHand);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    baresip.command(stage, "dial", &our_uri(stage))?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    baresip.event(stage, "CALL_CLOSED")?;
    let end = us.event(stage, "did_end")?;
    same("originator of the end", &end["originator"], &"local".into())?;
    us.leaves_with(stage, 0)
}

fn they_end_our_call(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut baresip = Baresip::start(
        stage,
        "baresip",
        Seat::First,
        Manners::playing(Codec::Pcma, THEIRS),
    )?;
    let mut us = CommandLine::call(stage, Seat::Second, baresip.uri()).start(stage, "offhook")?;
    check_start(stage, &mut us, Codec::Pcma)?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(MOMENT);
    baresip.command(stage, "hangup", "")?;
    let end = us.event(stage, "did_end")?;
    same("originator of the end", &end["originator"], &"remote".into())?;
    us.leaves_with(stage, 0)
}

fn they_end_a_plain_call(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::new(&["call", baresip.uri()]);
    let mut us = speaking(stage, call)?.start(stage, "offhook")?;
    us.event(stage, "did_start")?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(MOMENT);
    baresip.command(stage, "hangup", "")?;
    let end = us.event(stage, "did_end")?;
    same("originator of the end", &end["originator"], &"remote".into())?;
    us.leaves_with(stage, 0)?;
    wave::check_recording(&stage.file("heard.wav"), THEIRS, OURS, HEARD_SECONDS)?;
    wave::check_recording(&baresip.heard()?, OURS, THEIRS, HEARD_SECONDS)
}

fn interrupt(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut baresip = Baresip::start(
        stage,
        "baresip",
        Seat::First,
        Manners::playing(Codec::Pcmu, THEIRS),
    )?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri());
    let mut us = speaking(stage, call)?.start(stage, "offhook")?;
    us.event(stage, "did_start")?;
    sleep(MOMENT);
    us.interrupt()?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")?;
    wave::check_recording(&stage.file("heard.wav"), THEIRS, OURS, HEARD_SECONDS)
}

fn terminate(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second).with("--auto-answer");
    let mut us = speaking(stage, answer)?.start(stage, "offhook")?;
    us.event(stage, "listening")?;
    let manners = Manners::playing(Codec::Pcmu, THEIRS).answering(Answers::ByHand);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    baresip.command(stage, "dial", &our_uri(stage))?;
    us.event(stage, "did_start")?;
    sleep(MOMENT);
    us.terminate()?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")?;
    wave::check_recording(&stage.file("heard.wav"), THEIRS, OURS, HEARD_SECONDS)
}
