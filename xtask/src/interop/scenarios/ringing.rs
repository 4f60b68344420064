//! Calls that never came up: busy, declined, cancelled, not answered. Each in both directions.

use super::Scenario;
use super::calls::{check_start, our_uri};
use crate::interop::baresip::{Answers, Baresip, Manners};
use crate::interop::codec::Codec;
use crate::interop::disagreement::{Disagreement, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::{CommandLine, Offhook};
use crate::interop::stage::Stage;
use crate::interop::wave::THEIRS;
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "ring_then_answer",
        shows: "baresip hears us ringing for a second, then we answer",
        traffic: Traffic::Media,
        play: ring_then_answer,
    },
    Scenario {
        name: "we_are_busy",
        shows: "--reject 486: baresip hears that we are busy",
        traffic: Traffic::Offer,
        play: |stage| we_reject(stage, 486, "486 "),
    },
    Scenario {
        name: "we_decline",
        shows: "--reject 603: baresip hears that we decline",
        traffic: Traffic::Offer,
        play: |stage| we_reject(stage, 603, "603 "),
    },
    Scenario {
        name: "they_decline_as_busy",
        shows: "baresip's user refuses our call (486): exit code 21",
        traffic: Traffic::Offer,
        play: they_decline,
    },
    Scenario {
        name: "they_are_busy",
        shows: "a second call to a baresip with one up: busy, exit code 21, and the first call stays",
        traffic: Traffic::Media,
        play: they_are_busy,
    },
    Scenario {
        name: "we_are_busy_talking",
        shows: "while we talk to one baresip, another one hears that we are busy, and the first call stays",
        traffic: Traffic::Media,
        play: we_are_busy_talking,
    },
    Scenario {
        name: "we_lack_their_codec",
        shows: "baresip offers PCMA alone, we have PCMU alone: it hears 488",
        traffic: Traffic::Offer,
        play: we_lack_their_codec,
    },
    Scenario {
        name: "they_lack_our_codec",
        shows: "we offer PCMU alone, baresip has PCMA alone: exit code 20, no recording left",
        traffic: Traffic::Offer,
        play: they_lack_our_codec,
    },
    Scenario {
        name: "we_cancel",
        shows: "SIGINT while baresip rings: CANCEL, 487, exit code 22",
        traffic: Traffic::Offer,
        play: we_cancel,
    },
    Scenario {
        name: "they_cancel",
        shows: "baresip hangs up while we ring: the call is over for us, exit code 22",
        traffic: Traffic::Offer,
        play: they_cancel,
    },
    Scenario {
        name: "they_do_not_answer",
        shows: "--ring-timeout is over: CANCEL, exit code 22",
        traffic: Traffic::Offer,
        play: they_do_not_answer,
    },
    Scenario {
        name: "they_give_up_ringing",
        shows: "baresip rings until its own timeout, which it tells as 486: exit code 21",
        traffic: Traffic::Offer,
        play: they_give_up_ringing,
    },
    Scenario {
        name: "we_do_not_answer",
        shows: "SIGINT while we ring: baresip hears 480, exit code 22",
        traffic: Traffic::Offer,
        play: we_do_not_answer,
    },
];

const MOMENT: Duration = Duration::from_millis(500);
const UNWRITTEN: &str = "unwritten.wav";

fn ring_then_answer(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second)
        .option("--auto-answer", &1)
        .option("--duration", &1);
    let (mut us, mut baresip) = ringing_at_ours(stage, answer)?;
    let ringing = us.event(stage, "new_incoming")?;
    let start = us.event(stage, "did_start")?;
    let waited = start["time"].as_f64().unwrap_or(0.0) - ringing["time"].as_f64().unwrap_or(0.0);
    same("seconds of ringing", &waited.round(), &1.0)?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    us.leaves_with(stage, 0)
}

fn we_reject(stage: &Stage<'_>, code: u16, heard: &str) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second).option("--reject", &code);
    let (mut us, mut baresip) = ringing_at_ours(stage, answer)?;
    baresip.call_closed(stage, heard)?;
    check_failure(stage, &mut us, "local", code)?;
    us.leaves_with(stage, 0)
}

fn they_decline(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut baresip) = ringing_at_theirs(stage, Answers::ByHand, |call| call)?;
    baresip.command(stage, "hangup", "")?;
    check_failure(stage, &mut us, "remote", 486)?;
    leaves_nothing(stage, &mut us, 21)
}

fn they_are_busy(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut baresip = Baresip::start(
        stage,
        "baresip",
        Seat::First,
        Manners::playing(Codec::Pcmu, THEIRS),
    )?;
    let mut first = CommandLine::call(stage, Seat::Second, baresip.uri()).start(stage, "first")?;
    check_start(stage, &mut first, Codec::Pcmu)?;
    baresip.event(stage, "CALL_ESTABLISHED")?;

    let mut second = CommandLine::new(&["call", baresip.uri(), "--no-device"])
        .option("--listen", &format_args!("{LOOPBACK}:0"))
        .start(stage, "second")?;
    check_failure(stage, &mut second, "remote", 486)?;
    second.leaves_with(stage, 21)?;

    goes_on(stage, &mut first)?;
    first.interrupt()?;
    first.leaves_with(stage, 0)
}

fn we_are_busy_talking(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second).with("--auto-answer");
    let (mut us, mut first) = ringing_at_ours(stage, answer)?;
    us.event(stage, "did_start")?;
    first.event(stage, "CALL_ESTABLISHED")?;

    let manners = Manners::playing(Codec::Pcmu, THEIRS).answering(Answers::ByHand);
    let mut second = Baresip::start(stage, "second", Seat::Third, manners)?;
    second.command(stage, "dial", &our_uri(stage))?;
    second.call_closed(stage, "486 ")?;

    goes_on(stage, &mut us)?;
    first.command(stage, "hangup", "")?;
    us.leaves_with(stage, 0)
}

/// Media still arrives: of the next two lines of statistics the second one counts more.
fn goes_on(stage: &Stage<'_>, us: &mut Offhook) -> Result<(), Disagreement> {
    let time = |line: &Value| line["time"].as_f64();
    let received = |line: &Value| line["packets_received"].as_u64();
    let now = us.events()?.last().and_then(time);
    let before = us.matching(stage, "statistics", |line| time(line) > now)?;
    us.matching(stage, "statistics", |line| received(line) > received(&before))
        .map(drop)
}

fn we_cancel(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut baresip) = ringing_at_theirs(stage, Answers::ByHand, |call| call)?;
    us.interrupt()?;
    // baresip's word for a CANCEL.
    baresip.call_closed(stage, "Connection reset by peer")?;
    us.event(stage, "did_fail")?;
    leaves_nothing(stage, &mut us, 22)
}

fn they_cancel(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut baresip) =
        ringing_at_ours(stage, recording(stage, CommandLine::answer(stage, Seat::Second)))?;
    baresip.event(stage, "CALL_RINGING")?;
    sleep(MOMENT);
    baresip.command(stage, "hangup", "")?;
    check_failure(stage, &mut us, "remote", 487)?;
    leaves_nothing(stage, &mut us, 22)
}

fn they_do_not_answer(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut baresip) =
        ringing_at_theirs(stage, Answers::ByHand, |call| call.option("--ring-timeout", &2))?;
    baresip.call_closed(stage, "Connection reset by peer")?;
    us.event(stage, "did_fail")?;
    leaves_nothing(stage, &mut us, 22)
}

fn they_give_up_ringing(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let answers = Answers::GivesUpAfter(Duration::from_secs(2));
    let (mut us, mut baresip) = ringing_at_theirs(stage, answers, |call| call)?;
    baresip.call_closed(stage, "Local timeout")?;
    check_failure(stage, &mut us, "remote", 486)?;
    leaves_nothing(stage, &mut us, 21)
}

fn we_do_not_answer(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut baresip) =
        ringing_at_ours(stage, recording(stage, CommandLine::answer(stage, Seat::Second)))?;
    baresip.event(stage, "CALL_RINGING")?;
    sleep(MOMENT);
    us.interrupt()?;
    baresip.call_closed(stage, "480 ")?;
    check_failure(stage, &mut us, "local", 480)?;
    leaves_nothing(stage, &mut us, 22)
}

fn we_lack_their_codec(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second)
        .with("--auto-answer")
        .option("--codec", &Codec::Pcmu.name());
    let mut us = recording(stage, answer).start(stage, "offhook")?;
    us.event(stage, "listening")?;
    let manners = Manners::playing(Codec::Pcma, THEIRS).answering(Answers::ByHand);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    baresip.command(stage, "dial", &our_uri(stage))?;
    baresip.call_closed(stage, "488 ")?;
    check_failure(stage, &mut us, "local", 488)?;
    leaves_nothing(stage, &mut us, 20)
}

fn they_lack_our_codec(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcma, THEIRS);
    let baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri()).option("--codec", &Codec::Pcmu.name());
    let mut us = recording(stage, call).start(stage, "offhook")?;
    check_failure(stage, &mut us, "remote", 488)?;
    leaves_nothing(stage, &mut us, 20)
}

/// We call a baresip, which rings.
fn ringing_at_theirs(
    stage: &Stage<'_>,
    answers: Answers,
    with: impl Fn(CommandLine) -> CommandLine,
) -> Result<(Offhook, Baresip), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS).answering(answers);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = with(recording(
        stage,
        CommandLine::call(stage, Seat::Second, baresip.uri()),
    ));
    let mut us = call.start(stage, "offhook")?;
    baresip.event(stage, "CALL_INCOMING")?;
    us.event(stage, "got_ring_indication")?;
    Ok((us, baresip))
}

/// A baresip calls us, and we have seen it.
fn ringing_at_ours(stage: &Stage<'_>, answer: CommandLine) -> Result<(Offhook, Baresip), Disagreement> {
    let mut us = answer.start(stage, "offhook")?;
    us.event(stage, "listening")?;
    let manners = Manners::playing(Codec::Pcmu, THEIRS).answering(Answers::ByHand);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    baresip.command(stage, "dial", &our_uri(stage))?;
    us.event(stage, "new_incoming")?;
    Ok((us, baresip))
}

/// A recording that no call will fill.
fn recording(stage: &Stage<'_>, command: CommandLine) -> CommandLine {
    command.option("--record", &stage.file(UNWRITTEN).display())
}

/// Waits for the end of a program whose call never came up: it leaves no recording behind.
fn leaves_nothing(stage: &Stage<'_>, us: &mut Offhook, code: i32) -> Result<(), Disagreement> {
    us.leaves_with(stage, code)?;
    same("a recording is left", &stage.file(UNWRITTEN).exists(), &false)
}

fn check_failure(
    stage: &Stage<'_>,
    us: &mut Offhook,
    originator: &str,
    code: u16,
) -> Result<(), Disagreement> {
    let failure = us.event(stage, "did_fail")?;
    same(
        "originator of the failure",
        &failure["originator"],
        &originator.into(),
    )?;
    same("code of the failure", &failure["code"], &code.into())
}
