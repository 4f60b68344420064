//! Route set, remote target and numbers of a dialog, like a torture suite (RFC 3261 §12, RFC 3311 §5, RFC 5057 §5.4): what
//! the peer and the proxies between write, and where our next request goes.

mod support;

use offhook_sip_core::{Body, EndpointConfig, InvitationEvent, Method};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer};

type Sent = Rc<RefCell<Vec<(SocketAddr, String)>>>;

/// Bob, called by a peer that the test plays.
struct Callee {
    net: Net,
    sent: Sent,
}

fn recorded(net: &mut Net) -> Sent {
    let sent: Sent = Rc::default();
    let seen = sent.clone();
    net.fate = Box::new(move |transmit| {
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        seen.borrow_mut().push((transmit.path.remote, text));
        false
    });
    sent
}

impl Callee {
    /// A call that stands; `more` are header fields of its INVITE.
    fn established(more: &str) -> Self {
        let mut config = EndpointConfig::default();
        config.allow.push(Method::Message);
        let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)]);
        let sent = recorded(&mut net);
        let mut callee = Self { net, sent };
        callee.request("INVITE", 1, more);
        let now = callee.net.now;
        let answer = Body::sdp("x");
        callee
            .net
            .bob()
            .call()
            .accept(now, Some(&answer))
            .expect("incoming");
        callee.net.drain();
        callee.request("ACK", 1, "");
        callee
    }

    fn request(&mut self, method: &str, number: u32, more: &str) {
        let tag = match self.sent.borrow().first() {
            Some((_, text)) => {
                let to = text
                    .lines()
                    .find(|line| line.starts_with("To:"))
                    .expect("it has one");
                format!(";tag={}", to.split_once(";tag=").expect("a tag").1.trim_end())
            }
            None => String::new(),
        };
        let text = format!(
            "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bK{method}{number}\n\
             Max-Forwards: 70\nFrom: <sip:alice@a.test>;tag=a\nTo: <sip:bob@b.test>{tag}\nCall-ID: c\n\
             CSeq: {number} {method}\n{more}\n"
        );
        self.net.inject(1, ALICE, &text);
    }

    fn last(&self) -> (String, String) {
        let sent = self.sent.borrow();
        let (to, text) = sent.last().expect("something was sent");
        (to.to_string(), text.clone())
    }

    /// Where our next request goes: address, Request-URI, Route.
    fn next(&mut self) -> (String, String, Vec<String>) {
        let now = self.net.now;
        self.net
            .bob()
            .call()
            .send_request(now, Method::Message, None, &[])
            .expect("it stands");
        self.net.drain();
        let (to, text) = self.last();
        (to, request_uri(&text), routes(&text))
    }
}

fn request_uri(text: &str) -> String {
    text.split(' ').nth(1).expect("a request").to_owned()
}

fn routes(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("Route: "));
    lines.map(|line| line.trim_end().to_owned()).collect()
}

fn cseq(text: &str) -> u32 {
    let line = text.lines().find_map(|line| line.strip_prefix("CSeq: "));
    let number = line.expect("it has one").split(' ').next().expect("a number");
    number.parse().expect("a number")
}

#[test]
fn contacts_of_all_spellings_name_the_target() {
    let check = |contact: &str, to: &str, uri: &str| {
        let mut callee = Callee::established(&format!("{contact}\n"));
        let (sent_to, target, routes) = callee.next();
        assert_eq!((sent_to.as_str(), target.as_str()), (to, uri), "{contact}");
        assert!(routes.is_empty(), "{contact}");
    };
    check(
        "Contact: <sip:alice@192.0.2.1:6060>",
        "192.0.2.1:6060",
        "sip:alice@192.0.2.1:6060",
    );
    // RFC 3261 §20: without angle brackets parameters are those of the header field.
    check(
        "Contact: sip:alice@192.0.2.1:6060;expires=60;+sip.instance=\"x\"",
        "192.0.2.1:6060",
        "sip:alice@192.0.2.1:6060",
    );
    check("m:sip:192.0.2.1:6061", "192.0.2.1:6061", "sip:192.0.2.1:6061");
    check(
        "Contact: \"A, B\" <sip:alice@192.0.2.1:6060;ob;x=1>;q=0.5",
        "192.0.2.1:6060",
        "sip:alice@192.0.2.1:6060;ob;x=1",
    );
    check(
        "Contact: <sip:first@192.0.2.1:6060>, <sip:second@192.0.2.9>",
        "192.0.2.1:6060",
        "sip:first@192.0.2.1:6060",
    );
    // A name that nobody looked up is reached by the way the call came.
    check("Contact: <sip:alice@phone.test>", ALICE, "sip:alice@phone.test");
}

#[test]
fn record_routes_of_all_spellings_are_followed() {
    const CONTACT: &str = "Contact: <sip:alice@192.0.2.1:6060>\n";
    const TARGET: &str = "sip:alice@192.0.2.1:6060";
    let check = |recorded: &str, to: &str, uri: &str, expected: &[&str]| {
        let mut callee = Callee::established(&format!("{recorded}{CONTACT}"));
        let (sent_to, target, routes) = callee.next();
        assert_eq!((sent_to.as_str(), target.as_str()), (to, uri), "{recorded}");
        assert_eq!(routes, expected, "{recorded}");
    };
    check(
        "Record-Route: <sip:192.0.2.10;lr>\n",
        "192.0.2.10:5060",
        TARGET,
        &["<sip:192.0.2.10;lr>"],
    );
    // One proxy with a foot in each network writes two (RFC 5658 §3).
    check(
        "Record-Route: <sip:192.0.2.10:5080;lr;r2=on>, <sip:198.51.100.1;lr;r2=on>\n",
        "192.0.2.10:5080",
        TARGET,
        &["<sip:192.0.2.10:5080;lr;r2=on>", "<sip:198.51.100.1;lr;r2=on>"],
    );
    // Two fields, one of them a list: the order is that of the values.
    check(
        "Record-Route: <sip:192.0.2.10;lr>,<sip:p2.test;lr>\nRecord-Route: \"P3\" <sip:p3.test;lr>;x=y\n",
        "192.0.2.10:5060",
        TARGET,
        &[
            "<sip:192.0.2.10;lr>",
            "<sip:p2.test;lr>",
            "\"P3\" <sip:p3.test;lr>;x=y",
        ],
    );
    // `lr` is a parameter however it is written.
    check(
        "Record-Route: <sip:192.0.2.10;lr=on;ftag=1>\n",
        "192.0.2.10:5060",
        TARGET,
        &["<sip:192.0.2.10;lr=on;ftag=1>"],
    );
    // A strict router first: its URI leads, ours comes last (RFC 3261 §12.2.1.1).
    check(
        "Record-Route: <sip:192.0.2.10>, <sip:192.0.2.11;lr>\n",
        "192.0.2.10:5060",
        "sip:192.0.2.10",
        &["<sip:192.0.2.11;lr>", "<sip:alice@192.0.2.1:6060>"],
    );
    // A strict router behind a loose one is the loose one's affair.
    check(
        "Record-Route: <sip:192.0.2.10;lr>, <sip:192.0.2.11>\n",
        "192.0.2.10:5060",
        TARGET,
        &["<sip:192.0.2.10;lr>", "<sip:192.0.2.11>"],
    );
}

#[test]
fn update_and_reinvite_move_the_target_and_nothing_else_does() {
    let moved = "Contact: <sip:alice@192.0.2.8:7070>\n";
    let check = |method: &str, to: &str| {
        let mut callee = Callee::established("Contact: <sip:alice@192.0.2.1:6060>\n");
        callee.request(method, 2, moved);
        let (sent_to, ..) = callee.next();
        assert_eq!(sent_to, to, "{method}");
    };
    check("INVITE", "192.0.2.8:7070");
    check("UPDATE", "192.0.2.8:7070");
    for method in ["INFO", "MESSAGE", "OPTIONS", "PRACK"] {
        check(method, "192.0.2.1:6060");
    }
}

#[test]
fn a_refused_request_and_one_out_of_order_move_nothing() {
    let moved = "Contact: <sip:alice@192.0.2.8:7070>\n";
    let mut callee = Callee::established("Contact: <sip:alice@192.0.2.1:6060>\n");
    callee.request("UPDATE", 1, moved);
    assert!(callee.last().1.starts_with("SIP/2.0 500 "), "too low a number");
    assert_eq!(callee.next().0, "192.0.2.1:6060");
    callee.request(
        "UPDATE",
        5,
        &format!("{moved}Session-Expires: 20\nSupported: timer\n"),
    );
    assert!(callee.last().1.starts_with("SIP/2.0 422 "));
    assert_eq!(callee.next().0, "192.0.2.1:6060");
    callee.request("UPDATE", 6, "");
    assert!(
        callee.last().1.starts_with("SIP/2.0 200 "),
        "without Contact all stays"
    );
    assert_eq!(callee.next().0, "192.0.2.1:6060");
}

#[test]
fn the_route_set_is_fixed_with_the_dialog() {
    let mut callee =
        Callee::established("Record-Route: <sip:192.0.2.10;lr>\nContact: <sip:alice@192.0.2.1:6060>\n");
    callee.request(
        "UPDATE",
        2,
        "Record-Route: <sip:192.0.2.66;lr>\nContact: <sip:alice@192.0.2.8:7070>\n",
    );
    let (to, target, routes) = callee.next();
    assert_eq!(to, "192.0.2.10:5060");
    assert_eq!(target, "sip:alice@192.0.2.8:7070");
    assert_eq!(routes, ["<sip:192.0.2.10;lr>"]);
}

#[test]
fn the_answer_to_our_update_moves_the_target_where_it_is_a_200() {
    for (status, to) in [("200 OK", "192.0.2.9:5060"), ("488 No", "192.0.2.1:6060")] {
        let mut callee = Callee::established("Contact: <sip:alice@192.0.2.1:6060>\n");
        let now = callee.net.now;
        callee.net.bob().call().update(now, None, &[]).expect("confirmed");
        callee.net.drain();
        let response = response(&callee.last().1, status, "Contact: <sip:alice@192.0.2.9>\n");
        callee.net.inject(1, ALICE, &response);
        assert_eq!(callee.next().0, to, "{status}");
    }
}

fn response(request: &str, status: &str, more: &str) -> String {
    let names = ["Via", "From", "To", "Call-ID", "CSeq"];
    let echoed: Vec<&str> = request
        .lines()
        .filter(|line| names.iter().any(|name| line.starts_with(name)))
        .map(str::trim_end)
        .collect();
    format!("SIP/2.0 {status}\n{}\n{more}\n", echoed.join("\n"))
}

#[test]
fn our_numbers_rise_by_one_and_the_peers_may_leave_gaps() {
    let mut callee = Callee::established("Contact: <sip:alice@192.0.2.1:6060>\n");
    callee.next();
    let first = cseq(&callee.last().1);
    callee.next();
    assert_eq!(cseq(&callee.last().1), first + 1);
    callee.request("INFO", 40, "");
    assert!(callee.last().1.starts_with("SIP/2.0 200 "));
    callee.request("INFO", 39, "");
    assert!(callee.last().1.starts_with("SIP/2.0 500 "));
    callee.request("INFO", 2_147_483_647, "");
    assert!(callee.last().1.starts_with("SIP/2.0 200 "));
}

/// Alice, whose callee the test plays.
fn caller() -> (Net, Sent, String) {
    let mut net = Net::pair();
    let sent = recorded(&mut net);
    net.call();
    let invite = sent.borrow()[0].1.clone();
    (net, sent, invite)
}

#[test]
fn the_caller_takes_the_routes_of_the_200_in_reverse_whatever_the_180_said() {
    let (mut net, sent, invite) = caller();
    let with_tag = |text: String| text.replace("To: <sip:bob@b.test>", "To: <sip:bob@b.test>;tag=b");
    let ringing = "Record-Route: <sip:192.0.2.66;lr>\nContact: <sip:bob@192.0.2.7>\n";
    net.inject(0, BOB, &with_tag(response(&invite, "180 Ringing", ringing)));
    let accepted =
        "Record-Route: <sip:192.0.2.11;lr>, <sip:192.0.2.10:5080;lr>\nContact: <sip:bob@192.0.2.5:5066>\n";
    net.inject(0, BOB, &with_tag(response(&invite, "200 OK", accepted)));
    let (to, ack) = sent.borrow().last().expect("an ACK").clone();
    assert!(ack.starts_with("ACK sip:bob@192.0.2.5:5066 "), "{ack}");
    assert_eq!(to.to_string(), "192.0.2.10:5080");
    assert_eq!(routes(&ack), ["<sip:192.0.2.10:5080;lr>", "<sip:192.0.2.11;lr>"]);
    assert_eq!(cseq(&ack), cseq(&invite), "the number of the INVITE");

    // The 200 again, from elsewhere: the same ACK goes the same way, and nothing is told twice.
    let events = net.alice().invitation_events().count();
    net.inject(
        0,
        "192.0.2.99:5060",
        &with_tag(response(&invite, "200 OK", accepted)),
    );
    assert_eq!(sent.borrow().last(), Some(&(to, ack)));
    assert_eq!(net.alice().invitation_events().count(), events);
    let moved = with_tag(response(&invite, "200 OK", "Contact: <sip:mallory@192.0.2.66>\n"));
    net.inject(0, "192.0.2.99:5060", &moved);
    net.end(0);
    net.drain();
    let (_, bye) = sent.borrow().last().expect("a BYE").clone();
    assert_eq!(
        request_uri(&bye),
        "sip:bob@192.0.2.5:5066",
        "a repetition moves nothing"
    );
    assert_eq!(cseq(&bye), cseq(&invite) + 1);
}

#[test]
fn a_cancel_has_the_number_and_the_routes_of_its_invite() {
    let (mut net, sent, invite) = caller();
    let ringing = response(&invite, "180 Ringing", "Record-Route: <sip:192.0.2.66;lr>\n");
    net.inject(0, BOB, &ringing);
    net.end(0);
    net.run(Duration::from_millis(20));
    let (to, cancel) = sent.borrow().last().expect("a CANCEL").clone();
    assert_eq!(request_uri(&cancel), request_uri(&invite));
    assert_eq!((cseq(&cancel), to.to_string().as_str()), (cseq(&invite), BOB));
    assert!(routes(&cancel).is_empty());
    let told = net
        .alice()
        .invitation_events()
        .any(|event| matches!(event, InvitationEvent::Provisional { .. }));
    assert!(told);
}
