//! Messages of `SIPp` that cross ours: both sides ask at once, or one asks while the other leaves.

use super::Scenario;
use super::sipp_calls::our_target;
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::Seat;
use crate::interop::program::{CommandLine, Offhook};
use crate::interop::sipp::{Play, Sipp};
use crate::interop::stage::Stage;
use serde_json::Value;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "glare_in_our_call",
        shows: "both hold at once, 491 each: we own the Call-ID and ask again after 2.1 to 4 s (RFC 3261 section 14.1)",
        traffic: Traffic::Offer,
        play: glare_in_our_call,
    },
    Scenario {
        name: "glare_in_their_call",
        shows: "the same where SIPp owns the Call-ID: we ask again within 2 s",
        traffic: Traffic::Offer,
        play: glare_in_their_call,
    },
    Scenario {
        name: "they_ask_while_we_wait",
        shows: "491 to our hold, and SIPp's re-INVITE before we may ask again: it is answered, then we hold",
        traffic: Traffic::Offer,
        play: they_ask_while_we_wait,
    },
    Scenario {
        name: "their_bye_crosses_our_proposal",
        shows: "BYE instead of an answer to the chat that we propose: both end, and the late 481 is acknowledged",
        traffic: Traffic::Offer,
        play: their_bye_crosses_our_proposal,
    },
    Scenario {
        name: "our_bye_crosses_their_proposal",
        shows: "we hang up while a chat of SIPp's waits for an answer: its re-INVITE ends with 487",
        traffic: Traffic::Offer,
        play: our_bye_crosses_their_proposal,
    },
    Scenario {
        name: "their_answer_crosses_our_cancel",
        shows: "200 after our CANCEL: acknowledged, and the call is ended with BYE; exit code 22",
        traffic: Traffic::Offer,
        play: their_answer_crosses_our_cancel,
    },
    Scenario {
        name: "their_cancel_crosses_our_answer",
        shows: "CANCEL after our 200: it has no effect, and the call stands until SIPp's BYE",
        traffic: Traffic::Offer,
        play: their_cancel_crosses_our_answer,
    },
];

/// What a busy machine may add to a wait, in seconds.
const SLACK: f64 = 0.8;

fn glare_in_our_call(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (us, sipp) = we_call(stage, "uas_glare")?;
    meets_glare(stage, us, sipp, 2.1, 4.0)
}

fn glare_in_their_call(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (us, sipp) = they_call(stage, "uac_glare")?;
    meets_glare(stage, us, sipp, 0.0, 2.0)
}

/// We hold, and so does `SIPp` at that moment: both are refused, and we ask again when so many seconds are over.
fn meets_glare(
    stage: &Stage<'_>,
    mut us: Offhook,
    mut sipp: Sipp,
    earliest: f64,
    latest: f64,
) -> Result<(), Disagreement> {
    let start = us.event(stage, "did_start")?;
    us.type_line("hold")?;
    let held = us.event(stage, "did_change_hold_state")?;
    same("who holds", &held["originator"], &"local".into())?;
    let time = |event: &Value| event["time"].as_f64().unwrap_or_default();
    let wait = time(&held) - time(&start);
    let range = earliest..=latest + SLACK;
    let told = format_args!("{range:?}");
    holds(
        "seconds until we asked again",
        range.contains(&wait),
        &told,
        &wait,
    )?;
    us.type_line("hangup")?;
    us.leaves_with(stage, 0)?;
    sipp.succeeds(stage)
}

fn they_ask_while_we_wait(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut sipp) = we_call(stage, "uas_asks_first")?;
    us.event(stage, "did_start")?;
    us.type_line("hold")?;
    let held = us.event(stage, "did_change_hold_state")?;
    same("who holds", &held["originator"], &"local".into())?;
    us.type_line("hangup")?;
    us.leaves_with(stage, 0)?;
    sipp.succeeds(stage)
}

fn their_bye_crosses_our_proposal(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut sipp) = we_call(stage, "uas_leaves")?;
    us.event(stage, "did_start")?;
    us.type_line("add chat")?;
    let end = us.event(stage, "did_end")?;
    same("who ends", &end["originator"], &"remote".into())?;
    us.leaves_with(stage, 0)?;
    sipp.succeeds(stage)
}

fn our_bye_crosses_their_proposal(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut sipp) = they_call(stage, "uac_proposes")?;
    us.event(stage, "got_proposal")?;
    us.type_line("hangup")?;
    let end = us.event(stage, "did_end")?;
    same("who ends", &end["originator"], &"local".into())?;
    us.leaves_with(stage, 0)?;
    sipp.succeeds(stage)
}

fn their_answer_crosses_our_cancel(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut sipp) = we_call(stage, "uas_answers_late")?;
    us.event(stage, "got_ring_indication")?;
    us.type_line("hangup")?;
    us.leaves_with(stage, 22)?;
    sipp.succeeds(stage)
}

fn their_cancel_crosses_our_answer(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut sipp) = they_call(stage, "uac_cancels_late")?;
    let end = us.event(stage, "did_end")?;
    same("who ends", &end["originator"], &"remote".into())?;
    us.leaves_with(stage, 0)?;
    sipp.succeeds(stage)
}

/// SIPp answers, and somebody types at our side.
fn we_call(stage: &Stage<'_>, play: &str) -> Result<(Offhook, Sipp), Disagreement> {
    let sipp = sipp(stage, play, &[])?;
    let call = CommandLine::call(stage, Seat::Second, sipp.uri()).option("--codec", &"PCMU");
    Ok((call.start_typing(stage, "offhook")?, sipp))
}

/// SIPp calls, and somebody takes the call and types.
fn they_call(stage: &Stage<'_>, play: &str) -> Result<(Offhook, Sipp), Disagreement> {
    let mut us = CommandLine::answer(stage, Seat::Second).start_typing(stage, "offhook")?;
    us.event(stage, "listening")?;
    let (user, target) = our_target(stage);
    let sipp = sipp(stage, play, &["-s", user, &target])?;
    us.event(stage, "new_incoming")?;
    us.type_line("accept")?;
    Ok((us, sipp))
}

fn sipp(stage: &Stage<'_>, play: &str, further: &[&str]) -> Result<Sipp, Disagreement> {
    let file = format!("crossings/{play}.xml");
    Sipp::start(stage, Seat::First, Play::File(&file), 1, further)
}
