//! Calls both ways with each codec: what one side plays, the other records.

use super::Scenario;
use super::calls::{Call, TALK, check_start, our_uri, speaking};
use crate::interop::baresip::{Answers, Baresip, Manners};
use crate::interop::codec::Codec;
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::Seat;
use crate::interop::program::CommandLine;
use crate::interop::stage::Stage;
use crate::interop::wave::THEIRS;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "they_call_pcmu",
        shows: "baresip calls us with PCMU, both hear the other's tone, baresip hangs up",
        traffic: Traffic::Media,
        play: |stage| they_call(stage, Codec::Pcmu),
    },
    Scenario {
        name: "they_call_pcma",
        shows: "the same with PCMA",
        traffic: Traffic::Media,
        play: |stage| they_call(stage, Codec::Pcma),
    },
    Scenario {
        name: "they_call_gsm",
        shows: "the same with GSM",
        traffic: Traffic::Media,
        play: |stage| they_call(stage, Codec::Gsm),
    },
    Scenario {
        name: "they_call_g722",
        shows: "the same with G.722",
        traffic: Traffic::Media,
        play: |stage| they_call(stage, Codec::G722),
    },
    Scenario {
        name: "they_call_opus",
        shows: "the same with Opus",
        traffic: Traffic::Media,
        play: |stage| they_call(stage, Codec::Opus),
    },
    Scenario {
        name: "they_call_l16",
        shows: "the same with linear audio of 16 kHz",
        traffic: Traffic::Media,
        play: |stage| they_call(stage, Codec::L16),
    },
    Scenario {
        name: "we_call_pcmu",
        shows: "we call baresip with PCMU, both hear the other's tone, we hang up after --duration",
        traffic: Traffic::Media,
        play: |stage| we_call(stage, Codec::Pcmu),
    },
    Scenario {
        name: "we_call_pcma",
        shows: "the same with PCMA",
        traffic: Traffic::Media,
        play: |stage| we_call(stage, Codec::Pcma),
    },
    Scenario {
        name: "we_call_gsm",
        shows: "the same with GSM",
        traffic: Traffic::Media,
        play: |stage| we_call(stage, Codec::Gsm),
    },
    Scenario {
        name: "we_call_g722",
        shows: "the same with G.722",
        traffic: Traffic::Media,
        play: |stage| we_call(stage, Codec::G722),
    },
    Scenario {
        name: "we_call_opus",
        shows: "the same with Opus",
        traffic: Traffic::Media,
        play: |stage| we_call(stage, Codec::Opus),
    },
    Scenario {
        name: "we_call_l16",
        shows: "the same with linear audio of 16 kHz",
        traffic: Traffic::Media,
        play: |stage| we_call(stage, Codec::L16),
    },
    Scenario {
        name: "codec_preference",
        shows: "of a list of four codecs the one that the peer has is used",
        traffic: Traffic::Media,
        play: codec_preference,
    },
    Scenario {
        name: "reports",
        shows: "a longer call: RTCP both ways, a round trip measured, nothing lost",
        traffic: Traffic::MediaAndReports,
        play: reports,
    },
];

/// Packets of 20 ms in two seconds.
const LEAST_PACKETS: u64 = 100;

fn they_call(stage: &Stage<'_>, codec: Codec) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second)
        .with("--auto-answer")
        .option("--codec", &codec.name());
    let mut us = speaking(stage, answer)?.start(stage, "offhook")?;
    us.event(stage, "listening")?;
    let manners = Manners::playing(codec, THEIRS).answering(Answers::ByHand);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;

    baresip.command(stage, "dial", &our_uri(stage))?;
    us.event(stage, "new_incoming")?;
    check_start(stage, &mut us, codec)?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(TALK);
    baresip.command(stage, "hangup", "")?;

    let end = us.event(stage, "did_end")?;
    same("originator of the end", &end["originator"], &"remote".into())?;
    us.leaves_with(stage, 0)?;
    Call { us, baresip }.check_sound(stage, LEAST_PACKETS)
}

fn we_call(stage: &Stage<'_>, codec: Codec) -> Result<(), Disagreement> {
    let manners = Manners::playing(codec, THEIRS);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri())
        .option("--duration", &TALK.as_secs())
        .option("--codec", &codec.name());
    let mut us = speaking(stage, call)?.start(stage, "offhook")?;

    us.event(stage, "new_outgoing")?;
    us.event(stage, "got_ring_indication")?;
    check_start(stage, &mut us, codec)?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(TALK);

    let end = us.event(stage, "did_end")?;
    same("originator of the end", &end["originator"], &"local".into())?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")?;
    Call { us, baresip }.check_sound(stage, LEAST_PACKETS)
}

fn codec_preference(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcma, THEIRS);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri())
        .option("--duration", &1)
        .option("--codec", &"opus,G722,PCMU,PCMA");
    let mut us = call.start(stage, "offhook")?;
    check_start(stage, &mut us, Codec::Pcma)?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")
}

fn reports(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri()).option("--codec", &Codec::Pcmu.name());
    let mut us = speaking(stage, call)?.start(stage, "offhook")?;

    // Reports go out every five seconds (RFC 3550 §6.2), and a round trip takes one each way.
    let patience = Duration::from_secs(20);
    let measured = us.matching_within(stage, "statistics", patience, |statistics| {
        statistics["round_trip_ms"].is_number()
    })?;
    let round_trip = measured["round_trip_ms"].as_f64().unwrap_or(f64::MAX);
    holds(
        "round trip over the loopback",
        round_trip < 100.0,
        &"below 100 ms",
        &round_trip,
    )?;
    same("packets lost", &measured["packets_lost"], &0.into())?;
    let jitter = measured["jitter_ms"].as_f64().unwrap_or(f64::MAX);
    holds("jitter over the loopback", jitter < 20.0, &"below 20 ms", &jitter)?;

    us.interrupt()?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")?;
    Call { us, baresip }.check_sound(stage, LEAST_PACKETS)
}
