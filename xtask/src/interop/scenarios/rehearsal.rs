//! The peers among themselves. When one of these fails, the fault is not ours.

use super::Scenario;
use crate::interop::baresip::{Answers, Baresip, Manners};
use crate::interop::codec::Codec;
use crate::interop::disagreement::Disagreement;
use crate::interop::packets::Traffic;
use crate::interop::ports::Seat;
use crate::interop::sipp::{Play, Sipp};
use crate::interop::stage::Stage;
use crate::interop::wave::{self, OURS, THEIRS};
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "rehearsal_tones",
        shows: "baresip calls baresip: tones, recordings, capture and measurement work",
        traffic: Traffic::Media,
        play: tones,
    },
    Scenario {
        name: "rehearsal_sipp",
        shows: "SIPp calls baresip: scenario, statistics and exit code work",
        traffic: Traffic::Media,
        play: sipp,
    },
];

const TALK: Duration = Duration::from_millis(2_500);

fn tones(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut answering = Baresip::start(
        stage,
        "answering",
        Seat::First,
        Manners::playing(Codec::Pcmu, OURS),
    )?;
    let manners = Manners::playing(Codec::Pcmu, THEIRS).answering(Answers::ByHand);
    let mut calling = Baresip::start(stage, "calling", Seat::Second, manners)?;
    calling.command(stage, "dial", answering.uri())?;
    calling.event(stage, "CALL_ESTABLISHED")?;
    sleep(TALK);
    calling.command(stage, "hangup", "")?;
    answering.event(stage, "CALL_CLOSED")?;
    answering.check_packets(stage, 100)?;
    wave::check_recording(&answering.heard()?, THEIRS, OURS, 2.0)?;
    wave::check_recording(&calling.heard()?, OURS, THEIRS, 2.0)
}

fn sipp(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let answering = Baresip::start(
        stage,
        "answering",
        Seat::First,
        Manners::playing(Codec::Pcmu, OURS),
    )?;
    let target = answering.uri().trim_start_matches("sip:").to_owned();
    let (user, address) = target.split_once('@').unwrap_or_default();
    let further = ["-s", user, "-d", "500", address];
    Sipp::start(stage, Seat::Second, Play::BuiltIn("uac"), 1, &further)?.succeeds(stage)
}
