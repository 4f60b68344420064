//! Registration, presence and calls by a server that we did not write.

use super::Scenario;
use crate::interop::agent::Line;
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::kamailio::SipServer;
use crate::interop::packets::Traffic;
use crate::interop::ports::Seat;
use crate::interop::program::CommandLine;
use crate::interop::stage::Stage;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "register_at_kamailio",
        shows: "Kamailio takes our digest over UDP, TCP, TLS and WebSocket, and the binding is removed",
        // Neither TLS nor WebSocket frames are SIP to tshark.
        traffic: Traffic::Nothing,
        play: register,
    },
    Scenario {
        name: "kamailio_refuses_us",
        shows: "a wrong password: exit code 23",
        traffic: Traffic::Nothing,
        play: refused,
    },
    Scenario {
        name: "presence_at_kamailio",
        shows: "what one publishes the other is notified of, and its removal too",
        traffic: Traffic::Signalling,
        play: presence,
    },
    Scenario {
        name: "calls_by_kamailio",
        shows: "two of ours, registered there, call each other: by one transport, and from each to another",
        traffic: Traffic::Nothing,
        play: calls,
    },
];

const TRANSPORTS: [&str; 4] = ["udp", "tcp", "tls", "ws"];

fn without_complaint(server: &SipServer) -> Result<(), Disagreement> {
    same("Kamailio's complaints", &server.complaints()?, &Vec::new())
}

fn register(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let server = SipServer::start(stage, Seat::First)?;
    for transport in TRANSPORTS {
        let command = CommandLine::new(&["register", "--listen", "127.0.0.1:0", "--duration", "0.2"]);
        let command = server.used_by(stage, command, "alice", transport)?;
        let mut us = command.start(stage, &format!("offhook-{transport}"))?;
        us.event(stage, "registration_did_succeed")?;
        us.event(stage, "registration_did_end")?;
        us.leaves_with(stage, 0)?;
    }
    without_complaint(&server)
}

fn refused(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let server = SipServer::start(stage, Seat::First)?;
    let command = CommandLine::new(&["register", "--listen", "127.0.0.1:0"]);
    let command = server.used_by(stage, command, "alice", "udp")?;
    let password = stage.file("alice.password");
    std::fs::write(&password, "guess\n").map_err(|cause| Disagreement::file(&password, cause))?;
    let mut us = command.start(stage, "offhook")?;
    let failure = us.event(stage, "registration_did_fail")?;
    same("code of the failure", &failure["code"], &401.into())?;
    us.leaves_with(stage, 23)?;
    without_complaint(&server)
}

const STATE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@example.test">
  <tuple id="phone"><status><basic>open</basic></status><note>in the harness</note></tuple>
</presence>
"#;

fn presence(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let server = SipServer::start(stage, Seat::First)?;
    let file = stage.file("state.xml");
    std::fs::write(&file, STATE).map_err(|cause| Disagreement::file(&file, cause))?;
    let watch = ["subscribe", "sip:alice@example.test", "--listen", "127.0.0.1:0"];
    let watch = server.used_by(stage, CommandLine::new(&watch), "bob", "udp")?;
    let mut bob = watch.option("--duration", &4).start(stage, "bob")?;
    bob.event(stage, "subscription_got_notify")?;
    let publish = CommandLine::new(&["publish", &file.display().to_string()]);
    let publish = publish
        .option("--listen", &"127.0.0.1:0")
        .option("--duration", &1);
    let mut alice = server
        .used_by(stage, publish, "alice", "udp")?
        .start(stage, "alice")?;
    alice.event(stage, "publication_did_succeed")?;
    let told = |word: &'static str| {
        move |event: &serde_json::Value| event["body"].as_str().is_some_and(|body| body.contains(word))
    };
    bob.matching(stage, "subscription_got_notify", told("in the harness"))?;
    alice.event(stage, "publication_did_end")?;
    alice.leaves_with(stage, 0)?;
    // Kamailio tells of nothing as of a phone that is closed.
    bob.matching(stage, "subscription_got_notify", told("closed"))?;
    let end = bob.event(stage, "subscription_did_end")?;
    holds("end", end["again_after"].is_null(), &"for good", &end)?;
    bob.leaves_with(stage, 0)?;
    without_complaint(&server)
}

fn calls(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let server = SipServer::start(stage, Seat::First)?;
    for (from, to) in [
        ("udp", "udp"),
        ("tcp", "udp"),
        ("udp", "tcp"),
        ("tls", "tcp"),
        ("tcp", "tls"),
        ("ws", "udp"),
        ("udp", "ws"),
        ("ws", "tls"),
    ] {
        call(stage, &server, from, to)?;
    }
    without_complaint(&server)
}

/// Alice calls and holds the call, Bob hangs up: requests find their way in both directions.
fn call(stage: &Stage<'_>, server: &SipServer, from: &str, to: &str) -> Result<(), Disagreement> {
    let bob = ["register", "await", "incoming", "ring", "pause", "100", "accept"];
    let bob = [
        &bob[..],
        &["await", "reinvite", "await", "confirmed", "pause", "100", "end"],
    ]
    .concat();
    let mut bob = Line::at(server, "bob", to).start(stage, &format!("bob-{from}-{to}"), &bob)?;
    bob.says(stage, "registered")?;
    let alice = ["register", "call", "sip:bob@example.test", "await", "early 180"];
    let alice = [&alice[..], &["await", "confirmed", "hold"]].concat();
    let alice = [
        &alice[..],
        &["await", "negotiated sendonly recvonly", "await", "disconnected"],
    ]
    .concat();
    let mut alice = Line::at(server, "alice", from).start(stage, &format!("alice-{from}-{to}"), &alice)?;
    alice.succeeds(stage)?;
    bob.succeeds(stage)
}
