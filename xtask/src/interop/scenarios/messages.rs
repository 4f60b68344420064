//! Messages and files through an MSRP relay that we did not write.

use super::Scenario;
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::kamailio::MsrpRelay;
use crate::interop::messages::MsrpEnd;
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::CommandLine;
use crate::interop::stage::Stage;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "messages_through_kamailio",
        shows: "both ends get places at Kamailio by digest; messages and their reports pass",
        traffic: Traffic::Messages,
        play: messages,
    },
    Scenario {
        name: "echo_through_kamailio",
        shows: "messages pass both ways, and one end reaches the other's place without a relay of its own",
        traffic: Traffic::Messages,
        play: echo,
    },
    Scenario {
        name: "a_file_through_kamailio",
        shows: "a file passes in chunks, bit for bit",
        // tshark reads each TCP segment by itself, and a file fills more than one at a time.
        traffic: Traffic::Nothing,
        play: file,
    },
    Scenario {
        name: "kamailio_over_tls",
        shows: "places and messages over TLS, the relay known by its certificate",
        traffic: Traffic::Nothing,
        play: over_tls,
    },
    Scenario {
        name: "chat_through_kamailio",
        shows: "a chat of two `offhook` with a place each, over TLS: what is typed on either side is read on the other",
        // What is on the relay's port is TLS.
        traffic: Traffic::Nothing,
        play: chat,
    },
    Scenario {
        name: "kamailio_refuses_places",
        shows: "a lifetime that is too short is taken back after 423, a wrong password is told",
        traffic: Traffic::Nothing,
        play: refused,
    },
];

/// Options that are not the relay's.
fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Both ends at the relay, or only the one that listens, each knowing the other's path.
fn meet(
    stage: &Stage<'_>,
    relay: &MsrpRelay,
    listen: &[&str],
    connect: &[&str],
    connect_at_relay: bool,
) -> Result<(MsrpEnd, MsrpEnd), Disagreement> {
    let theirs = [words(listen), relay.options("bob", "bobpw")].concat();
    let mut ours = words(connect);
    if connect_at_relay {
        ours.extend(relay.options("alice", "alicepw"));
    }
    let mut bob = MsrpEnd::start(stage, "listen", &theirs)?;
    let mut alice = MsrpEnd::start(stage, "connect", &ours)?;
    let (bobs, alices) = (bob.path(stage)?, alice.path(stage)?);
    bob.meet(&alices)?;
    alice.meet(&bobs)?;
    Ok((alice, bob))
}

/// What the example `connect` says at its end.
fn throughput(stage: &Stage<'_>, end: &mut MsrpEnd, messages: u64) -> Result<(), Disagreement> {
    let sum = end.matching(stage, "throughput", |event| event["event"] == "throughput")?;
    same("messages", &sum["messages"], &messages.into())
}

fn without_complaint(relay: &MsrpRelay) -> Result<(), Disagreement> {
    same("Kamailio's complaints", &relay.complaints()?, &Vec::new())
}

fn messages(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let relay = MsrpRelay::start(stage, Seat::First, false)?;
    // One at a time: docs/decisions/0005 says why.
    let connect = [
        "--count",
        "20",
        "--size",
        "1500",
        "--window",
        "1",
        "--success-report",
    ];
    let (mut alice, mut bob) = meet(stage, &relay, &["--port", "1"], &connect, true)?;
    throughput(stage, &mut alice, 20)?;
    alice.leaves_with(stage, 0)?;
    bob.matching(stage, "last message", |event| {
        event["event"] == "message_ended" && event["message"] == 19 && event["size"] == 1500
    })?;
    without_complaint(&relay)
}

fn echo(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let relay = MsrpRelay::start(stage, Seat::First, false)?;
    let connect = [
        "--count",
        "3",
        "--size",
        "100",
        "--success-report",
        "--window",
        "1",
    ];
    let (mut alice, mut bob) = meet(stage, &relay, &["--port", "1", "--mode", "echo"], &connect, true)?;
    throughput(stage, &mut alice, 3)?;
    alice.matching(stage, "echo", |event| {
        event["event"] == "message" && event["bytes"] == 100
    })?;
    bob.matching(stage, "message", |event| event["event"] == "message")?;
    drop((alice, bob));
    // The script has no way back for reports to who has no place.
    let connect = ["--success-report=no"];
    let (mut carol, mut bob) = meet(stage, &relay, &["--port", "1"], &connect, false)?;
    throughput(stage, &mut carol, 1)?;
    bob.matching(stage, "message", |event| event["event"] == "message_ended")?;
    without_complaint(&relay)
}

fn file(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let relay = MsrpRelay::start(stage, Seat::First, false)?;
    let path = stage.file("sent");
    let bytes: Vec<u8> = (0..300_000_u32)
        .flat_map(|at| (at * 7 % 251).to_be_bytes())
        .collect();
    std::fs::write(&path, &bytes).map_err(|cause| Disagreement::file(&path, cause))?;
    let (sent, folder) = (path.display().to_string(), stage.folder().display().to_string());
    let listen = ["--port", "1", "--mode", "file", "--directory", &folder];
    let (mut alice, mut bob) = meet(
        stage,
        &relay,
        &listen,
        &["--file", &sent, "--success-report"],
        true,
    )?;
    let begun = bob.matching(stage, "file", |event| event["event"] == "message_began")?;
    throughput(stage, &mut alice, 1)?;
    bob.matching(stage, "end of the file", |event| {
        event["event"] == "message_ended"
    })?;
    let name = begun["message_id"].as_str().unwrap_or_default();
    let received = stage.file(&format!("{name}.received"));
    let got = std::fs::read(&received).map_err(|cause| Disagreement::file(&received, cause))?;
    holds(
        "the file",
        got == bytes,
        &"what was sent",
        &format_args!("{} bytes, some of them others", got.len()),
    )?;
    without_complaint(&relay)
}

fn over_tls(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let relay = MsrpRelay::start(stage, Seat::First, true)?;
    let connect = ["--count", "5", "--success-report"];
    let (mut alice, mut bob) = meet(stage, &relay, &["--port", "1", "--tls"], &connect, true)?;
    holds("path", bob.path(stage)?.starts_with("msrps:"), &"msrps", &"msrp")?;
    throughput(stage, &mut alice, 5)?;
    alice.leaves_with(stage, 0)?;
    without_complaint(&relay)
}

fn chat(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let relay = MsrpRelay::start(stage, Seat::First, true)?;
    let at = |seat| format!("{LOOPBACK}:{}", stage.ports().sip(seat));
    let waiting = CommandLine::new(&["chat", "--chats", "1"]).option("--listen", &at(Seat::Second));
    let mut bob = relay.used_by(stage, waiting, "bob")?.start_typing(stage, "bob")?;
    bob.event(stage, "listening")?;
    let uri = format!("sip:bob@{}", at(Seat::Second));
    let calling = CommandLine::new(&["chat", &uri]).option("--listen", &format_args!("{LOOPBACK}:0"));
    let mut alice = relay
        .used_by(stage, calling, "alice")?
        .start_typing(stage, "alice")?;
    alice.event(stage, "did_start")?;
    alice.type_line("hello Bob")?;
    bob.matching(stage, "got_message", |event| event["body"] == "hello Bob")?;
    bob.type_line("hello Alice")?;
    alice.matching(stage, "got_message", |event| event["body"] == "hello Alice")?;
    bob.event(stage, "did_deliver_message")?;
    alice.interrupt()?;
    for program in [&mut alice, &mut bob] {
        program.leaves_with(stage, 0)?;
    }
    without_complaint(&relay)
}

fn refused(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let relay = MsrpRelay::start(stage, Seat::First, false)?;
    let short = [
        words(&["--relay-expires", "5"]),
        relay.options("alice", "alicepw"),
    ]
    .concat();
    MsrpEnd::start(stage, "connect", &short)?.path(stage)?;
    let mut eve = MsrpEnd::start(stage, "connect", &relay.options("alice", "guess"))?;
    eve.leaves_with(stage, 1)?;
    let complaint = eve.complaint()?;
    holds(
        "complaint",
        complaint.contains("was refused"),
        &"was refused",
        &complaint,
    )
}
