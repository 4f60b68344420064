//! What happens inside a call that is up.

use super::Scenario;
use super::calls::{check_start, speaking};
use crate::interop::baresip::{Baresip, Manners};
use crate::interop::codec::Codec;
use crate::interop::disagreement::{Disagreement, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::Seat;
use crate::interop::program::{CommandLine, Offhook};
use crate::interop::stage::Stage;
use crate::interop::wave::{self, OURS, THEIRS};
use serde_json::Value;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "they_hold_and_resume",
        shows: "baresip holds by re-INVITE and resumes: we hear of both, and hear its tone again",
        traffic: Traffic::Media,
        play: hold_and_resume,
    },
    Scenario {
        name: "they_send_digits",
        shows: "baresip sends telephone-events (RFC 4733): we report each digit once",
        traffic: Traffic::Media,
        play: digits,
    },
];

const MOMENT: Duration = Duration::from_millis(1_500);

fn hold_and_resume(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut baresip) = speaking_call(stage)?;
    sleep(MOMENT);
    baresip.command(stage, "hold", "")?;
    let held = us.event(stage, "did_change_hold_state")?;
    same("who holds", &held["originator"], &"remote".into())?;
    same("hold state", &held["on_hold"], &true.into())?;

    // baresip offers `sendonly`, so we must not send (RFC 3264 §8.4); it falls silent itself.
    let begin = held["time"].as_f64();
    let sent = |statistics: &Value| statistics["packets_sent"].as_u64();
    let early = us.matching(stage, "statistics", |line| line["time"].as_f64() > begin)?;
    let late = us.matching(stage, "statistics", |line| {
        line["time"].as_f64() > early["time"].as_f64()
    })?;
    same("packets sent while held", &sent(&late), &sent(&early))?;

    baresip.command(stage, "resume", "")?;
    let resumed = us.matching(stage, "did_change_hold_state", |change| {
        change["on_hold"] == false
    })?;
    same("who resumes", &resumed["originator"], &"remote".into())?;
    us.matching(stage, "statistics", |line| sent(line) > sent(&late))?;
    sleep(MOMENT);
    us.interrupt()?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")?;
    let pause = resumed["time"].as_f64().unwrap_or_default() - begin.unwrap_or_default();
    wave::check_held_recording(&stage.file("heard.wav"), THEIRS, OURS, 3.0, pause)
}

fn digits(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut baresip) = speaking_call(stage)?;
    let dialled = ["1", "5", "#"];
    for digit in dialled {
        baresip.command(stage, "sndcode", digit)?;
        sleep(MOMENT / 3);
    }
    us.matching(stage, "got_dtmf", |event| event["digit"] == "#")?;
    us.interrupt()?;
    us.leaves_with(stage, 0)?;
    let events = us.events()?;
    let heard: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "got_dtmf")
        .filter_map(|event| event["digit"].as_str())
        .collect();
    same("digits", heard.as_slice(), &dialled)
}

fn speaking_call(stage: &Stage<'_>) -> Result<(Offhook, Baresip), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri()).option("--codec", &Codec::Pcmu.name());
    let mut us = speaking(stage, call)?.start(stage, "offhook")?;
    check_start(stage, &mut us, Codec::Pcmu)?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    Ok((us, baresip))
}
