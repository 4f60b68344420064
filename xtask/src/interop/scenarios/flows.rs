//! The flows of RFC 3665 and RFC 5359 with `SIPp`, in both roles: our side is the user agent of `offhook-sip-core`.

use super::Scenario;
use crate::interop::agent::Line;
use crate::interop::disagreement::Disagreement;
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::sipp::{Play, Sipp};
use crate::interop::stage::Stage;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "flow_we_hear_busy",
        shows: "486 to our call is acknowledged, and the call is over",
        traffic: Traffic::Offer,
        play: |stage| we_call(stage, "uas_busy", &[], &["await early", "await disconnected 486"]),
    },
    Scenario {
        name: "flow_we_hear_unavailable",
        shows: "480 to our call",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = ["await early", "await disconnected 480"];
            we_call(stage, "uas_unavailable", &[], &steps)
        },
    },
    Scenario {
        name: "flow_we_answer_two_proxies",
        shows: "407 of one proxy and of another behind it: the third INVITE has a password for each",
        traffic: Traffic::Offer,
        play: |stage| {
            let options = [("--account", "sip:alice@example.test"), ("--password", "secret")];
            we_call(stage, "uas_two_proxies", &options, &["await confirmed", "end"])
        },
    },
    Scenario {
        name: "flow_we_cancel",
        shows: "CANCEL while it rings: 487, acknowledged",
        traffic: Traffic::Offer,
        play: |stage| we_call(stage, "uas_cancelled", &[], &["await early 180", "end"]),
    },
    Scenario {
        name: "flow_we_are_redirected",
        shows: "302: we call where it says, and there it stands",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = ["await redirected", "await confirmed", "end"];
            we_call(stage, "uas_redirects", &[("--redirects", "3")], &steps)
        },
    },
    Scenario {
        name: "flow_we_hear_early_media",
        shows: "a description in a 183, and the answer in the 200",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = ["await early media, unreliable", "await confirmed", "end"];
            we_call(stage, "uas_early_media", &[], &steps)
        },
    },
    Scenario {
        name: "flow_we_send_prack",
        shows: "a reliable 183 is acknowledged by PRACK; its description is the answer",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = ["await early media, reliable", "await confirmed", "end"];
            we_call(stage, "uas_prack", &[], &steps)
        },
    },
    Scenario {
        name: "flow_we_hold",
        shows: "our re-INVITE offers sendonly, and sendrecv again",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = [
                "await confirmed",
                "hold",
                "await negotiated sendonly recvonly",
                "await confirmed",
                "pause 200",
                "resume",
                "await negotiated sendrecv sendrecv",
                "await confirmed",
                "pause 200",
                "end",
            ];
            we_call(stage, "uas_held", &[], &steps)
        },
    },
    Scenario {
        name: "flow_we_transfer",
        shows: "REFER: both NOTIFYs are answered, the last one ends the referral",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = [
                "await confirmed",
                "refer sip:carol@127.0.0.1:9",
                "await referral 100",
                "await referral 200, the last",
                "end",
            ];
            we_call(stage, "uas_transferred", &[], &steps)
        },
    },
    Scenario {
        name: "flow_we_transfer_attended",
        shows: "two calls of ours: REFER with Replaces lets one take our place in the other",
        traffic: Traffic::Offer,
        play: we_transfer_attended,
    },
    Scenario {
        name: "flow_we_are_picked_up",
        shows: "our call rings, an INVITE with Replaces takes its place: 200 to that, CANCEL for ours",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = [
                "await early 180",
                "await incoming",
                "accept",
                "await disconnected 487",
                OVER,
            ];
            we_call(stage, "uas_picked_up", &[], &steps)
        },
    },
    Scenario {
        name: "flow_we_refresh",
        shows: "422: we ask again with its Min-SE, and refresh the session by UPDATE at half time",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = ["await confirmed", "pause 3500", "end"];
            we_call(stage, "uas_session_timer", &[("--session-expires", "4")], &steps)
        },
    },
    Scenario {
        name: "flow_we_are_forked",
        shows: "two phones answer our call: both are acknowledged, the later one is sent a BYE",
        traffic: Traffic::Offer,
        play: |stage| {
            let steps = ["await early 180", "await confirmed", "pause 300", "end"];
            we_call(stage, "uas_forks", &[], &steps)
        },
    },
    Scenario {
        name: "flow_they_hear_busy",
        shows: "our 486 is acknowledged",
        traffic: Traffic::Offer,
        play: |stage| they_call(stage, "uac_busy", &["ring", "refuse 486"]),
    },
    Scenario {
        name: "flow_they_cancel",
        shows: "their CANCEL while we ring: 200 and 487",
        traffic: Traffic::Offer,
        play: |stage| they_call(stage, "uac_cancels", &["ring", "await disconnected"]),
    },
    Scenario {
        name: "flow_they_are_redirected",
        shows: "our 302 with a Contact",
        traffic: Traffic::Offer,
        play: |stage| they_call(stage, "uac_redirected", &["redirect sip:carol@example.test"]),
    },
    Scenario {
        name: "flow_they_hear_early_media",
        shows: "our 183 with a description, and the answer in the 200",
        traffic: Traffic::Offer,
        play: |stage| they_call(stage, "uac_early_media", &["early", "pause 200", "accept", OVER]),
    },
    Scenario {
        name: "flow_they_send_prack",
        shows: "100rel required: our 183 is reliable, its PRACK is answered",
        traffic: Traffic::Offer,
        play: |stage| they_call(stage, "uac_prack", &["early", "pause 300", "accept", OVER]),
    },
    Scenario {
        name: "flow_they_hold",
        shows: "their re-INVITE with sendonly is answered with recvonly, and taken back",
        traffic: Traffic::Offer,
        play: |stage| {
            let held = "await negotiated recvonly sendonly";
            they_call(stage, "uac_holds", &["ring", "accept", held, OVER])
        },
    },
    Scenario {
        name: "flow_they_transfer",
        shows: "their REFER: we call who it says, and tell them how it went",
        traffic: Traffic::Offer,
        play: they_transfer,
    },
    Scenario {
        name: "flow_they_transfer_attended",
        shows: "their REFER with Replaces: we call with Replaces, and tell them how it went",
        traffic: Traffic::Offer,
        play: they_transfer_attended,
    },
    Scenario {
        name: "flow_they_park_us",
        shows: "two INVITEs with Replaces, one after the other: each takes the place of the call before it",
        traffic: Traffic::Offer,
        play: |stage| {
            let (next, over) = ("await incoming", OVER);
            let steps = ["accept", next, "accept", over, next, "accept", over, over];
            they_call(stage, "uac_parks", &steps)
        },
    },
    Scenario {
        name: "flow_they_fork_to_us",
        shows: "one call by two branches: 482 to the second, and CANCEL of the first with its Reason",
        traffic: Traffic::Offer,
        play: |stage| they_call(stage, "uac_forks", &["ring", OVER]),
    },
    Scenario {
        name: "flow_they_ask_for_a_timer",
        shows: "a session of 30 s is refused with 422, one of our Min-SE is agreed upon",
        traffic: Traffic::Offer,
        play: |stage| they_call(stage, "uac_session_timer", &["ring", "accept", OVER]),
    },
];

/// Awaits the end that the caller makes.
const OVER: &str = "await disconnected";

/// Steps are written with spaces between their words; what is awaited is one word.
fn words<'a>(steps: &[&'a str]) -> Vec<&'a str> {
    let split = |step: &&'a str| {
        step.split_once(' ')
            .map_or(vec![*step], |(step, value)| vec![step, value])
    };
    steps.iter().flat_map(split).collect()
}

fn sipp(stage: &Stage<'_>, flow: &str, further: &[&str]) -> Result<Sipp, Disagreement> {
    sipp_at(stage, Seat::First, flow, further)
}

fn sipp_at(stage: &Stage<'_>, seat: Seat, flow: &str, further: &[&str]) -> Result<Sipp, Disagreement> {
    let file = format!("flows/{flow}.xml");
    Sipp::start(stage, seat, Play::File(&file), 1, further)
}

/// SIPp answers.
fn we_call(
    stage: &Stage<'_>,
    flow: &str,
    options: &[(&str, &str)],
    steps: &[&str],
) -> Result<(), Disagreement> {
    let mut sipp = sipp(stage, flow, &[])?;
    let line = options
        .iter()
        .fold(Line::direct(stage, Seat::Second), |line, (name, value)| {
            line.with(name, value)
        });
    let steps = [&["call", sipp.uri()][..], &words(steps)].concat();
    line.start(stage, "agent", &steps)?.succeeds(stage)?;
    sipp.succeeds(stage)
}

/// SIPp calls.
fn they_call(stage: &Stage<'_>, flow: &str, steps: &[&str]) -> Result<(), Disagreement> {
    they_call_with(stage, flow, &[], steps)
}

fn they_call_with(
    stage: &Stage<'_>,
    flow: &str,
    further: &[&str],
    steps: &[&str],
) -> Result<(), Disagreement> {
    let steps = [&["await", "incoming"][..], &words(steps)].concat();
    let mut agent = Line::direct(stage, Seat::Second).start(stage, "agent", &steps)?;
    let target = format!("{LOOPBACK}:{}", stage.ports().sip(Seat::Second));
    let further = [&["-s", "offhook", target.as_str()][..], further].concat();
    sipp(stage, flow, &further)?.succeeds(stage)?;
    agent.succeeds(stage)
}

fn they_transfer(stage: &Stage<'_>) -> Result<(), Disagreement> {
    // The agent ends the call with its program, which may be as soon as it is answered.
    let steps = words(&["await incoming", "ring", "accept", "await confirmed", OVER]);
    let mut carol = Line::direct(stage, Seat::Third).start(stage, "carol", &steps)?;
    let address = format!("sip:carol@{LOOPBACK}:{}", stage.ports().sip(Seat::Third));
    let steps = ["ring", "accept", "await referred", "await errand 200", OVER];
    they_call_with(stage, "uac_transfers", &["-key", "carol", &address], &steps)?;
    carol.succeeds(stage)
}

/// The transfer target is in a call that only the transferor knows of.
fn they_transfer_attended(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut carol = sipp_at(stage, Seat::Third, "uas_replaces", &[])?;
    let replaces = "consultation%40example.test%3Bto-tag%3Dcarol%3Bfrom-tag%3Dsipp";
    let target = format!("{}?Require=replaces&Replaces={replaces}", carol.uri());
    let steps = ["ring", "accept", "await referred", "await errand 200", OVER];
    they_call_with(stage, "uac_transfers", &["-key", "carol", &target], &steps)?;
    carol.succeeds(stage)
}

fn we_transfer_attended(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let mut carol = sipp_at(stage, Seat::Third, "uas_consulted", &[])?;
    let consult = format!("consult {}", carol.uri());
    let steps = [
        "await confirmed",
        consult.as_str(),
        "await confirmed",
        "transfer",
        "await referral 100",
        "await referral 200, the last",
        "end",
        OVER,
    ];
    we_call(stage, "uas_transferred_attended", &[], &steps)?;
    carol.succeeds(stage)
}
