//! All states of a call by all commands of its owner, and by all requests of its peer.

mod support;

use offhook_sip_core::InvitationState::{self, *};
use offhook_sip_core::{Body, CommandError, EndpointConfig, InvitationMut, Method, Refer, StatusCode};
use std::time::{Duration, Instant};
use support::{ALICE, BOB, Net, Peer};

const SHORT: Duration = Duration::from_millis(100);

/// A call of which one side stands in this state.
#[derive(Clone, Copy, Debug)]
enum Place {
    Caller(InvitationState),
    Callee(InvitationState),
}

const PLACES: [Place; 12] = [
    Place::Caller(Calling),
    Place::Caller(Early),
    Place::Caller(Confirmed),
    Place::Caller(Reinviting),
    Place::Caller(Disconnecting),
    Place::Callee(Incoming),
    Place::Callee(Early),
    Place::Callee(Connecting),
    Place::Callee(Confirmed),
    Place::Callee(Reinvited),
    Place::Callee(Disconnecting),
    Place::Callee(Disconnected),
];

/// The network with such a call, and whose it is.
fn at(place: Place) -> (Net, usize) {
    let mut config = EndpointConfig::default();
    config.allow.push(Method::Refer);
    let peer = |address, seed| Peer::with_config(address, seed, config.clone());
    let mut net = Net::new(vec![peer(ALICE, 1), peer(BOB, 2)]);
    net.call();
    let (who, state) = match place {
        Place::Caller(state) => (0, state),
        Place::Callee(state) => (1, state),
    };
    let now = net.now;
    match state {
        Calling | Incoming => {}
        Early => net.bob().call().ring(now).expect("incoming"),
        _ => {
            if who == 1 && state == Connecting {
                net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"ACK"));
            }
            net.bob()
                .call()
                .accept(now, Some(&Body::sdp("answer")))
                .expect("incoming");
        }
    }
    net.run(SHORT);
    let now = net.now;
    match state {
        Reinviting | Reinvited => {
            let offer = Some(Body::sdp("offer"));
            net.alice().call().reinvite(now, offer).expect("confirmed");
            net.run(SHORT);
        }
        Disconnecting => {
            net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"BYE"));
            net.peers[who].call().end(now).expect("confirmed");
            net.run(SHORT);
        }
        Disconnected => {
            net.alice().call().end(now).expect("confirmed");
            net.run(SHORT);
        }
        _ => {}
    }
    assert_eq!(net.peers[who].call().state(), state, "{place:?}");
    (net, who)
}

type Command = fn(&mut InvitationMut<'_>, Instant) -> Result<(), CommandError>;

/// Each command, and the places where it is carried out.
const COMMANDS: [(&str, Command, &[Place]); 11] = [
    (
        "ring",
        |call, now| call.ring(now),
        &[Place::Callee(Incoming), Place::Callee(Early)],
    ),
    (
        "accept",
        |call, now| call.accept(now, Some(&Body::sdp("x"))),
        &[Place::Callee(Incoming), Place::Callee(Early)],
    ),
    (
        "reject",
        |call, now| call.reject(now, StatusCode::BUSY_HERE, None, &[]),
        &[Place::Callee(Incoming), Place::Callee(Early)],
    ),
    (
        "reinvite",
        |call, now| call.reinvite(now, Some(Body::sdp("x"))),
        &[Place::Caller(Confirmed), Place::Callee(Confirmed)],
    ),
    (
        "cancel_reinvite",
        |call, now| call.cancel_reinvite(now),
        &[Place::Caller(Reinviting)],
    ),
    (
        "respond_to_reinvite",
        |call, now| call.respond_to_reinvite(now, StatusCode::OK, Some(&Body::sdp("x"))),
        &[Place::Callee(Reinvited)],
    ),
    (
        "update",
        |call, now| call.update(now, Some(Body::sdp("x")), &[]),
        &[Place::Caller(Confirmed), Place::Callee(Confirmed)],
    ),
    (
        "info",
        |call, now| call.info(now, None, None).map(|_| ()),
        &[
            Place::Caller(Confirmed),
            Place::Caller(Reinviting),
            Place::Callee(Confirmed),
            Place::Callee(Reinvited),
        ],
    ),
    (
        "refer",
        |call, now| {
            call.refer(now, &Refer::new("sip:c@c.test".parse().expect("a URI")))
                .map(|_| ())
        },
        &[
            Place::Caller(Confirmed),
            Place::Caller(Reinviting),
            Place::Callee(Confirmed),
            Place::Callee(Reinvited),
        ],
    ),
    (
        "offer_in_prack",
        |call, _| call.offer_in_prack(Body::sdp("x")),
        &[Place::Caller(Calling), Place::Caller(Early)],
    ),
    (
        "end",
        |call, now| call.end(now),
        &[
            Place::Caller(Calling),
            Place::Caller(Early),
            Place::Caller(Confirmed),
            Place::Caller(Reinviting),
            Place::Callee(Incoming),
            Place::Callee(Early),
            Place::Callee(Connecting),
            Place::Callee(Confirmed),
            Place::Callee(Reinvited),
        ],
    ),
];

#[test]
fn a_command_is_carried_out_in_its_states_and_refused_without_effect_in_all_others() {
    for (name, command, allowed) in COMMANDS {
        for place in PLACES {
            let (mut net, who) = at(place);
            let before = net.peers[who].call().state();
            let now = net.now;
            let result = command(&mut net.peers[who].call(), now);
            let is_allowed = allowed
                .iter()
                .any(|one| format!("{one:?}") == format!("{place:?}"));
            assert_eq!(result.is_ok(), is_allowed, "{name} in {place:?}: {result:?}");
            if !is_allowed {
                assert_eq!(net.peers[who].call().state(), before, "{name} in {place:?}");
                net.log.clear();
                net.drain();
                assert!(net.log.is_empty(), "{name} in {place:?}: {:?}", net.log);
            }
        }
    }
}

fn request(net: &mut Net, method: &str, more: &str) -> String {
    let id = net.bob().call().dialog().expect("a dialog").id().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bKtable{method}\nMax-Forwards: 70\n\
         From: <sip:alice@a.test>;tag={}\nTo: <sip:bob@b.test>;tag={}\nCall-ID: {}\nCSeq: 90 {method}\n\
         Contact: <sip:alice@{ALICE}>\n{more}",
        text(&id.remote_tag),
        text(&id.local_tag),
        text(&id.call_id)
    )
}

const OFFER: &str = "Content-Type: application/sdp\nContent-Length: 1\n\nx";
const STATES: [InvitationState; 7] = [
    Incoming,
    Early,
    Connecting,
    Confirmed,
    Reinvited,
    Disconnecting,
    Disconnected,
];

/// A request of the peer: what Bob answers in each of [`STATES`], 0 for no answer yet, and where it leaves him.
type Row = (&'static str, &'static str, [(u16, InvitationState); 7]);

const ROWS: [Row; 6] = [
    (
        "BYE",
        "\n",
        [
            (200, Disconnected),
            (200, Disconnected),
            (200, Disconnected),
            (200, Disconnected),
            (200, Disconnected),
            (200, Disconnected),
            (481, Disconnected),
        ],
    ),
    (
        "INVITE",
        OFFER,
        [
            (500, Incoming),
            (500, Early),
            // RFC 5407 §3.1.4.
            (0, Reinvited),
            (0, Reinvited),
            (500, Reinvited),
            (481, Disconnecting),
            (481, Disconnected),
        ],
    ),
    (
        "UPDATE",
        OFFER,
        [
            (500, Incoming),
            (500, Early),
            (0, Connecting),
            (0, Confirmed),
            (500, Reinvited),
            (481, Disconnecting),
            (481, Disconnected),
        ],
    ),
    (
        "UPDATE",
        "\n",
        [
            (200, Incoming),
            (200, Early),
            (200, Connecting),
            (200, Confirmed),
            (200, Reinvited),
            (481, Disconnecting),
            (481, Disconnected),
        ],
    ),
    (
        "PRACK",
        "RAck: 1 1 INVITE\n\n",
        [
            (481, Incoming),
            (481, Early),
            (481, Connecting),
            (481, Confirmed),
            (481, Reinvited),
            (481, Disconnecting),
            (481, Disconnected),
        ],
    ),
    (
        "INFO",
        "\n",
        [
            (200, Incoming),
            (200, Early),
            (200, Connecting),
            (200, Confirmed),
            (200, Reinvited),
            (481, Disconnecting),
            (481, Disconnected),
        ],
    ),
];

#[test]
fn each_request_of_the_peer_has_its_answer_in_each_state() {
    for (method, more, expected) in ROWS {
        for (state, (status, after)) in STATES.into_iter().zip(expected) {
            let (mut net, who) = at(Place::Callee(state));
            let text = request(&mut net, method, more);
            let cseq = format!("CSeq: 90 {method}");
            let answers = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
            let seen = answers.clone();
            net.fate = Box::new(move |transmit| {
                let text = String::from_utf8_lossy(&transmit.bytes);
                if text.contains(&cseq) {
                    let code = text[8..11].parse::<u16>().unwrap_or_default();
                    seen.borrow_mut().push(code);
                }
                false
            });
            net.inject(1, ALICE, &text);
            let first = answers.borrow().first().copied().unwrap_or_default();
            assert_eq!(first, status, "{method} in {state}");
            assert_eq!(net.peers[who].call().state(), after, "{method} in {state}");
        }
    }
}
