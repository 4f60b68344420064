//! Where the messages of a call go: Contact, Record-Route, and their changes (RFC 3261 §12), as a peer that the test
//! plays sees them.

mod support;

use offhook_sansio::Transport;
use offhook_sip_core::{Body, InvitationState};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use support::{ALICE, Net};

/// Bob, whose peer the test plays.
struct Played {
    net: Net,
    sent: Rc<RefCell<Vec<(Transport, SocketAddr, String)>>>,
}

impl Played {
    fn new() -> Self {
        let mut net = Net::pair();
        let sent = Rc::new(RefCell::new(Vec::new()));
        let seen = sent.clone();
        net.fate = Box::new(move |transmit| {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            seen.borrow_mut()
                .push((transmit.path.transport, transmit.path.remote, text));
            false
        });
        Self { net, sent }
    }

    /// A request of the peer; `more` are header fields that end with a line end.
    fn request(&mut self, method: &str, number: u32, more: &str) {
        let to_tag = if number == 1 && method == "INVITE" || method == "CANCEL" {
            String::new()
        } else {
            self.tag()
        };
        let branch = if method == "CANCEL" {
            "INVITE1".to_owned()
        } else {
            format!("{method}{number}")
        };
        let text = format!(
            "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\n\
             From: <sip:alice@a.test>;tag=a\nTo: <sip:bob@b.test>{to_tag}\nCall-ID: c\nCSeq: {number} {method}\n{more}\n"
        );
        self.net.inject(1, ALICE, &text);
    }

    /// Bob's tag, as his responses have it.
    fn tag(&self) -> String {
        let sent = self.sent.borrow();
        let to = sent.iter().find_map(|(_, _, text)| {
            let line = text.lines().find(|line| line.starts_with("To:"))?;
            line.split_once(";tag=")
                .map(|(_, tag)| format!(";tag={}", tag.trim_end()))
        });
        to.expect("a response was sent")
    }

    fn accept(&mut self) {
        let now = self.net.now;
        self.net
            .bob()
            .call()
            .accept(now, Some(&Body::sdp("x")))
            .expect("incoming");
        self.net.drain();
    }

    fn last(&self) -> (Transport, String, String) {
        let sent = self.sent.borrow();
        let (transport, to, text) = sent.last().expect("something was sent");
        (*transport, to.to_string(), text.clone())
    }

    fn bye(&mut self) -> (Transport, String, String) {
        let now = self.net.now;
        self.net.bob().call().end(now).expect("it stands");
        self.net.drain();
        let (transport, to, text) = self.last();
        assert!(text.starts_with("BYE "), "{text}");
        (transport, to, text)
    }
}

#[test]
fn the_proxies_that_recorded_their_route_are_echoed_and_visited() {
    let mut played = Played::new();
    let routes = "Record-Route: <sip:192.0.2.10:5080;lr>\nRecord-Route: <sip:192.0.2.11;lr>\n";
    played.request(
        "INVITE",
        1,
        &format!("Contact: <sip:alice@192.0.2.1:6060>\n{routes}"),
    );
    played.accept();
    let (_, _, response) = played.last();
    let recorded = response
        .lines()
        .filter(|line| line.starts_with("Record-Route"))
        .count();
    assert_eq!(recorded, 2, "{response}");
    played.request("ACK", 1, "");
    let (_, to, bye) = played.bye();
    assert_eq!(to, "192.0.2.10:5080");
    assert!(
        bye.starts_with("BYE sip:alice@192.0.2.1:6060 SIP/2.0\r\n"),
        "{bye}"
    );
    let visited: Vec<&str> = bye.lines().filter(|line| line.starts_with("Route:")).collect();
    assert_eq!(
        visited.iter().map(|line| line.trim_end()).collect::<Vec<_>>(),
        ["Route: <sip:192.0.2.10:5080;lr>", "Route: <sip:192.0.2.11;lr>"]
    );
}

#[test]
fn a_contact_that_is_a_name_is_reached_by_the_way_the_call_came() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@phone.a.test:7777>\n");
    played.accept();
    played.request("ACK", 1, "");
    let (_, to, bye) = played.bye();
    assert_eq!(to, ALICE);
    assert!(bye.starts_with("BYE sip:alice@phone.a.test:7777 "), "{bye}");
}

#[test]
fn a_contact_with_another_transport_is_reached_by_it() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@192.0.2.1:6060;transport=tcp>\n");
    played.accept();
    played.request("ACK", 1, "");
    let (transport, to, bye) = played.bye();
    assert_eq!((transport, to.as_str()), (Transport::Tcp, "192.0.2.1:6060"));
    assert!(bye.contains("\r\nVia: SIP/2.0/TCP "), "{bye}");
}

#[test]
fn a_change_of_the_session_may_move_the_peer() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@192.0.2.1:6060>\n");
    played.accept();
    played.request("ACK", 1, "");
    played.request("INVITE", 2, "Contact: <sip:alice@192.0.2.8:6061>\n");
    assert_eq!(played.net.bob().call().state(), InvitationState::Reinvited);
    let (_, to, _) = played.bye();
    assert_eq!(to, "192.0.2.8:6061");
}

/// The response of Bob's peer to what Bob sent last.
fn response(played: &Played, status: &str, more: &str) -> String {
    let (_, _, request) = played.last();
    let echoed: Vec<&str> = request
        .lines()
        .filter(|line| {
            ["Via", "From", "To", "Call-ID", "CSeq"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .map(str::trim_end)
        .collect();
    format!("SIP/2.0 {status}\n{}\n{more}\n", echoed.join("\n"))
}

#[test]
fn so_may_the_answer_to_ours() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@192.0.2.1:6060>\n");
    played.accept();
    played.request("ACK", 1, "");
    let now = played.net.now;
    played
        .net
        .bob()
        .call()
        .reinvite(now, Some(Body::sdp("y")))
        .expect("confirmed");
    played.net.drain();
    let response = response(&played, "200 OK", "Contact: <sip:alice@192.0.2.9>\n\nz");
    played.net.inject(1, ALICE, &response);
    let (_, to, ack) = played.last();
    assert!(ack.starts_with("ACK sip:alice@192.0.2.9 "), "{ack}");
    assert_eq!(to, "192.0.2.9:5060");
}

#[test]
fn a_peer_that_knows_no_such_call_any_more_has_none() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@192.0.2.1:6060>\n");
    played.accept();
    played.request("ACK", 1, "");
    let now = played.net.now;
    played
        .net
        .bob()
        .call()
        .reinvite(now, Some(Body::sdp("y")))
        .expect("confirmed");
    played.net.drain();
    let response = response(&played, "481 Gone", "");
    played.net.inject(1, ALICE, &response);
    assert_eq!(
        played.net.bob().states().last(),
        Some(&InvitationState::Disconnected)
    );
    assert!(played.last().2.starts_with("BYE "));
}

#[test]
fn a_change_that_is_cancelled_and_never_answered_is_given_up_after_64_t1() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@192.0.2.1:6060>\n");
    played.accept();
    played.request("ACK", 1, "");
    let now = played.net.now;
    played
        .net
        .bob()
        .call()
        .reinvite(now, Some(Body::sdp("y")))
        .expect("confirmed");
    played.net.drain();
    let response = response(&played, "100 Trying", "");
    played.net.inject(1, ALICE, &response);
    let now = played.net.now;
    played.net.bob().call().cancel_reinvite(now).expect("reinviting");
    played.net.run(Duration::from_secs(31));
    assert_eq!(played.net.bob().call().state(), InvitationState::Reinviting);
    played.net.run(Duration::from_secs(2));
    assert_eq!(played.net.bob().call().state(), InvitationState::Confirmed);
    assert_eq!(played.net.bob().endpoint.transactions().client_count(), 0);
}

#[test]
fn an_ack_of_another_number_is_not_the_one_that_is_waited_for() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@192.0.2.1:6060>\n");
    played.accept();
    played.request("ACK", 2, "");
    assert_eq!(played.net.bob().call().state(), InvitationState::Connecting);
    played.request("ACK", 1, "");
    assert_eq!(played.net.bob().call().state(), InvitationState::Confirmed);
}

#[test]
fn the_answers_to_an_invite_and_its_cancel_have_the_same_tag() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@192.0.2.1:6060>\n");
    played.request("CANCEL", 1, "");
    let sent = played.sent.borrow();
    let tags: Vec<&str> = sent
        .iter()
        .filter_map(|(_, _, text)| {
            text.lines()
                .find(|line| line.starts_with("To:"))?
                .split_once(";tag=")
        })
        .map(|(_, tag)| tag.trim_end())
        .collect();
    let lines: Vec<&str> = sent
        .iter()
        .filter_map(|(_, _, text)| text.lines().next())
        .collect();
    assert_eq!(lines, ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    assert!(tags.len() == 2 && tags[0] == tags[1], "{tags:?}");
}

#[test]
fn a_silent_owner_is_covered_by_a_100_after_200_ms() {
    let mut played = Played::new();
    played.request("INVITE", 1, "Contact: <sip:alice@192.0.2.1:6060>\n");
    played.net.run(Duration::from_millis(250));
    let (_, _, trying) = played.last();
    assert!(trying.starts_with("SIP/2.0 100 Trying\r\n"), "{trying}");
}
