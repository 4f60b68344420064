//! Calls under SRTP, with keys in the session description (RFC 4568) and by DTLS (RFC 5763): both hear the other's tone all the
//! same.

use super::Scenario;
use super::calls::{Call, TALK, our_uri, speaking};
use crate::interop::baresip::{Answers, Baresip, Encryption, Manners};
use crate::interop::codec::Codec;
use crate::interop::disagreement::{Disagreement, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::Seat;
use crate::interop::program::CommandLine;
use crate::interop::stage::Stage;
use crate::interop::wave::THEIRS;
use std::thread::sleep;
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "we_call_encrypted",
        shows: "we call with --srtp required a baresip that demands it too",
        traffic: Traffic::Media,
        play: |stage| we_call(stage, "required", Encryption::Required, SUITE),
    },
    Scenario {
        name: "we_call_encrypted_if_possible",
        shows: "we call with --srtp optional a baresip that can",
        traffic: Traffic::Opportunistic,
        play: |stage| we_call(stage, "optional", Encryption::Optional, SUITE),
    },
    Scenario {
        name: "we_call_without_encryption",
        shows: "we call with --srtp optional a baresip that cannot: the call is in the clear",
        traffic: Traffic::Media,
        play: |stage| we_call(stage, "optional", Encryption::Off, None),
    },
    Scenario {
        name: "they_call_encrypted",
        shows: "a baresip that demands SRTP calls us with --srtp required",
        traffic: Traffic::Media,
        play: |stage| they_call(stage, "required", Encryption::Required),
    },
    Scenario {
        name: "they_call_encrypted_if_possible",
        shows: "a baresip that offers SRTP calls us with --srtp optional",
        traffic: Traffic::Opportunistic,
        play: |stage| they_call(stage, "optional", Encryption::Optional),
    },
    Scenario {
        name: "we_call_by_dtls",
        shows: "we call with --dtls-srtp required a baresip that demands DTLS-SRTP, which begins and shows a certificate with RSA",
        traffic: Traffic::Handshake,
        play: we_call_by_dtls,
    },
    Scenario {
        name: "they_call_by_dtls",
        shows: "a baresip that demands DTLS-SRTP calls us with --dtls-srtp required: we begin",
        traffic: Traffic::Handshake,
        play: they_call_by_dtls,
    },
    Scenario {
        name: "we_demand_encryption_in_vain",
        shows: "we call with --srtp required a baresip that cannot: no call",
        traffic: Traffic::Signalling,
        play: in_vain,
    },
];

/// The suite that both have and we prefer.
const SUITE: Option<&str> = Some("AES_CM_128_HMAC_SHA1_80");

/// What a handshake may take: the peer's first words may reach us before we know that it answered, and are repeated after one
/// second.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// Packets of 20 ms in two seconds.
const LEAST_PACKETS: u64 = 100;

fn we_call(
    stage: &Stage<'_>,
    ours: &str,
    theirs: Encryption,
    suite: Option<&str>,
) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS).encrypting(theirs);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri())
        .option("--duration", &TALK.as_secs())
        .option("--codec", &Codec::Pcmu.name())
        .option("--srtp", &ours);
    let mut us = speaking(stage, call)?.start(stage, "offhook")?;
    let start = us.event(stage, "did_start")?;
    same("suite of the call", &start["encryption"], &suite.into())?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(TALK);
    us.event(stage, "did_end")?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")?;
    Call { us, baresip }.check_sound(stage, LEAST_PACKETS)
}

fn they_call(stage: &Stage<'_>, ours: &str, theirs: Encryption) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second)
        .with("--auto-answer")
        .option("--codec", &Codec::Pcmu.name())
        .option("--srtp", &ours);
    let mut us = speaking(stage, answer)?.start(stage, "offhook")?;
    us.event(stage, "listening")?;
    let manners = Manners::playing(Codec::Pcmu, THEIRS)
        .answering(Answers::ByHand)
        .encrypting(theirs);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    baresip.command(stage, "dial", &our_uri(stage))?;
    let start = us.event(stage, "did_start")?;
    same("suite of the call", &start["encryption"], &SUITE.into())?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(TALK);
    baresip.command(stage, "hangup", "")?;
    us.event(stage, "did_end")?;
    us.leaves_with(stage, 0)?;
    Call { us, baresip }.check_sound(stage, LEAST_PACKETS)
}

fn we_call_by_dtls(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS).encrypting(Encryption::Dtls);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let call = CommandLine::call(stage, Seat::Second, baresip.uri())
        .option("--duration", &(TALK + HANDSHAKE).as_secs())
        .option("--codec", &Codec::Pcmu.name())
        .option("--dtls-srtp", &"required");
    let mut us = speaking(stage, call)?.start(stage, "offhook")?;
    us.event(stage, "did_start")?;
    us.event(stage, "did_enable_encryption")?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(TALK + HANDSHAKE);
    us.event(stage, "did_end")?;
    us.leaves_with(stage, 0)?;
    baresip.event(stage, "CALL_CLOSED")?;
    Call { us, baresip }.check_sound(stage, LEAST_PACKETS)
}

fn they_call_by_dtls(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let answer = CommandLine::answer(stage, Seat::Second)
        .with("--auto-answer")
        .option("--codec", &Codec::Pcmu.name())
        .option("--dtls-srtp", &"required");
    let mut us = speaking(stage, answer)?.start(stage, "offhook")?;
    us.event(stage, "listening")?;
    let manners = Manners::playing(Codec::Pcmu, THEIRS)
        .answering(Answers::ByHand)
        .encrypting(Encryption::Dtls);
    let mut baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    baresip.command(stage, "dial", &our_uri(stage))?;
    us.event(stage, "did_start")?;
    us.event(stage, "did_enable_encryption")?;
    baresip.event(stage, "CALL_ESTABLISHED")?;
    sleep(TALK);
    baresip.command(stage, "hangup", "")?;
    us.event(stage, "did_end")?;
    us.leaves_with(stage, 0)?;
    Call { us, baresip }.check_sound(stage, LEAST_PACKETS)
}

fn in_vain(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let manners = Manners::playing(Codec::Pcmu, THEIRS);
    let baresip = Baresip::start(stage, "baresip", Seat::First, manners)?;
    let mut us = CommandLine::call(stage, Seat::Second, baresip.uri())
        .option("--duration", &1)
        .option("--srtp", &"required")
        .start(stage, "offhook")?;
    us.event(stage, "did_fail")?;
    us.leaves_with(stage, 20)
}
