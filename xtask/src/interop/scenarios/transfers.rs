//! Orders that a person gives while a call is up: hold, digits, transfer. And transfers that baresip orders.

use super::Scenario;
use super::calls::{Call, TALK, check_start, our_uri, speaking};
use crate::interop::baresip::{Baresip, Manners};
use crate::interop::codec::Codec;
use crate::interop::disagreement::{Disagreement, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::{CommandLine, Offhook};
use crate::interop::stage::Stage;
use crate::interop::wave::THEIRS;
use std::thread::sleep;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "we_hold_and_dial",
        shows: "hold, resume and digits typed at `offhook call`: baresip follows, and hears the digit",
        traffic: Traffic::Media,
        play: hold_and_dial,
    },
    Scenario {
        name: "we_change_the_codec",
        shows: "`codecs` typed at `offhook call`: baresip answers our re-INVITE, and both hear each other by the other codec",
        traffic: Traffic::Media,
        play: change_codec,
    },
    Scenario {
        name: "we_send_them_on",
        shows: "a transfer typed at `offhook call`: baresip calls the third, and we are told of it and leave",
        traffic: Traffic::Media,
        play: send_them_on,
    },
    Scenario {
        name: "they_send_us_on",
        shows: "baresip transfers us: `offhook answer --follow-transfers` calls the third and stays with it",
        traffic: Traffic::Media,
        play: send_us_on,
    },
];

/// We call baresip, and somebody types.
fn typed_call(stage: &Stage<'_>) -> Result<(Offhook, Baresip), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri()).option("--codec", &Codec::Pcmu.name());
    let mut us = call.start_typing(stage, "offhook")?;
    check_start(stage, &mut us, Codec::Pcmu)?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    Ok((us, baresip))
}

/// Another of ours, to be sent to.
fn third(stage: &Stage<'_>, seat: Seat) -> Result<(Offhook, String), Disagreement> {
    let mut third = CommandLine::answer(stage, seat)
        .with("--auto-answer")
        .option("--duration", &1)
        .start(stage, "third")?;
    third.event(stage, "listening")?;
    Ok((third, format!("sip:third@{LOOPBACK}:{}", stage.ports().sip(seat))))
}

fn hold_and_dial(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, mut baresip) = typed_call(stage)?;
    for (order, on_hold) in [("hold", true), ("resume", false)] {
        us.type_line(order)?;
        let change = us.matching(stage, "did_change_hold_state", |change| {
            change["on_hold"] == on_hold
        })?;
        same("who changes", &change["originator"], &"local".into())?;
    }
    us.type_line("dtmf 7")?;
    baresip.event(stage, "CALL_DTMF_START")?;
    us.type_line("hangup")?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")
}

fn change_codec(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS).with_second_codec(Codec::Pcma);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri()).option("--codec", &"PCMU,PCMA");
    let mut us = speaking(stage, call)?.start_typing(stage, "offhook")?;
    check_start(stage, &mut us, Codec::Pcmu)?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(TALK / 2);
    us.type_line("codecs PCMA")?;
    let changed = us.event(stage, "did_change_rtp_parameters")?;
    same("codec", &changed["codec"], &Codec::Pcma.encoding().into())?;
    sleep(TALK / 2);
    us.type_line("hangup")?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")?;
    // 20 ms each, and a fifth less: the call begins before they flow.
    let least_packets = TALK.as_millis() as u64 / 25;
    Call { us, baresip }.check_sound(stage, least_packets)
}

fn send_them_on(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let (mut us, _baresip) = typed_call(stage)?;
    let (mut third, target) = third(stage, Seat::Third)?;
    us.type_line(&format!("transfer {target}"))?;
    us.event(stage, "transfer_did_start")?;
    third.event(stage, "did_start")?;
    us.event(stage, "transfer_did_end")?;
    us.leaves_with(stage, 0)?;
    third.leaves_with(stage, 0)
}

fn send_us_on(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut us = CommandLine::answer(stage, Seat::Second)
        .with("--auto-answer")
        .with("--follow-transfers")
        .start(stage, "offhook")?;
    us.event(stage, "listening")?;
    let manners = Manners::playing(Codec::Pcmu, THEIRS);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let (mut third, target) = third(stage, Seat::Third)?;
    baresip.command(stage, "dial", &our_uri(stage))?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    baresip.command(stage, "transfer", &target)?;
    let asked = us.event(stage, "transfer_new_incoming")?;
    same("whom to call", &asked["target"], &target.into())?;
    third.event(stage, "did_start")?;
    us.event(stage, "transfer_did_end")?;
    baresip.event(stage, "CALL_CLOSED")?;
    third.leaves_with(stage, 0)?;
    us.leaves_with(stage, 0)
}
