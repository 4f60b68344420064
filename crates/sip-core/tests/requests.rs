//! Requests that no call is about: what is answered, refused, dropped and counted (RFC 3261 §8.2, §9.2, §18.2).

mod support;

use offhook_sansio::Transport;
use offhook_sip_core::{EndpointConfig, EndpointEvent, EndpointLimits, TransactionLimits};
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer};

/// A request to Bob; `branch` makes it another one.
fn request(method: &str, branch: &str, more: &str) -> String {
    format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\n\
         Max-Forwards: 70\nFrom: <sip:alice@a.test>;tag=from{branch}\nTo: <sip:bob@b.test>\n\
         Call-ID: id{branch}\nCSeq: 1 {method}\n{more}\n"
    )
}

/// What Bob answers, all of it.
fn answer_to(text: &str) -> Option<String> {
    let mut net = Net::pair();
    net.inject_raw(1, ALICE, text)
}

fn check(text: &str, status_line: &str, headers: &[&str]) {
    let answer = answer_to(text).unwrap_or_else(|| panic!("no answer to\n{text}"));
    assert!(answer.starts_with(status_line), "{answer}");
    for header in headers {
        assert!(
            answer.contains(&format!("{header}\r\n")),
            "{header} is not in\n{answer}"
        );
    }
    let to = answer
        .lines()
        .find(|line| line.starts_with("To:"))
        .unwrap_or_default();
    assert!(to.contains(";tag=") || !answer.contains("To:"), "{answer}");
}

#[test]
fn options_are_answered_with_what_we_can_do() {
    check(
        &request("OPTIONS", "1", ""),
        "SIP/2.0 200 OK\r\n",
        &[
            "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, NOTIFY",
            "Accept: application/sdp",
        ],
    );
}

/// Alice asks Bob, who keeps no transactions for OPTIONS, and so often: what he answers, and how many transactions he has.
fn ask_without_transactions(texts: &[&str]) -> (Vec<String>, usize) {
    let config = EndpointConfig {
        stateless_options: true,
        ..EndpointConfig::default()
    };
    let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)]);
    let answers = texts
        .iter()
        .map(|text| net.inject_raw(1, ALICE, text).expect("an answer"));
    let answers = answers.collect();
    (answers, net.bob().endpoint.transactions().server_count())
}

#[test]
fn options_may_be_answered_without_a_transaction_and_the_same_one_gets_the_same_tag() {
    let (one, two) = (request("OPTIONS", "1", ""), request("OPTIONS", "2", ""));
    let (answers, transactions) = ask_without_transactions(&[&one, &one, &two]);
    assert_eq!(transactions, 0);
    assert!(answers[0].starts_with("SIP/2.0 200 OK\r\n"), "{}", answers[0]);
    assert!(answers[0].contains("Accept: application/sdp\r\n"));
    assert_eq!(answers[0], answers[1]);
    let tag = |answer: &str| {
        Some(
            answer
                .split_once("b.test>;tag=")?
                .1
                .split_once("\r\n")?
                .0
                .to_owned(),
        )
    };
    assert_eq!(tag(&answers[0]).map(|tag| tag.len()), Some(16));
    assert_ne!(tag(&answers[0]), tag(&answers[2]));

    let strange = request("OPTIONS", "3", "Require: precondition\n");
    let message = request("MESSAGE", "4", "");
    let (answers, transactions) = ask_without_transactions(&[&strange, &message]);
    assert!(answers[0].starts_with("SIP/2.0 420 "), "{}", answers[0]);
    assert!(answers[1].starts_with("SIP/2.0 405 "), "{}", answers[1]);
    assert_eq!(transactions, 1, "of the MESSAGE");
}

#[test]
fn what_is_not_understood_is_refused_with_what_would_be() {
    check(
        &request("MESSAGE", "1", ""),
        "SIP/2.0 405 ",
        &["Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, NOTIFY"],
    );
    check(
        &request("FLY", "1", ""),
        "SIP/2.0 501 ",
        &["Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, NOTIFY"],
    );
    check(
        &request(
            "OPTIONS",
            "1",
            "Require: 100rel, precondition, path\nProxy-Require: x\n",
        ),
        "SIP/2.0 420 ",
        &["Unsupported: precondition, path"],
    );
    for method in ["BYE", "PRACK", "UPDATE", "INFO", "NOTIFY"] {
        check(&request(method, "1", ""), "SIP/2.0 481 ", &[]);
    }
    check(&request("CANCEL", "1", ""), "SIP/2.0 481 ", &[]);
    check(
        &request("OPTIONS", "1", "").replace("sip:bob@192.0.2.2 ", "gopher:bob "),
        "SIP/2.0 416 ",
        &[],
    );
    check(
        &request("OPTIONS", "1", "").replace("SIP/2.0\n", "SIP/7.0\n"),
        "SIP/2.0 505 ",
        &[],
    );
    check(
        &request("INVITE", "1", ""),
        "SIP/2.0 400 Bad Request: no Contact",
        &[],
    );
    check(
        &request(
            "INVITE",
            "1",
            "Contact: <sip:a@192.0.2.1>\nContent-Type: text/plain\n",
        )
        .replace("\n\n", "\n\nhi"),
        "SIP/2.0 415 ",
        &["Accept: application/sdp"],
    );
}

#[test]
fn malformed_requests_are_answered_where_there_is_a_way_back() {
    check(
        &request("OPTIONS", "1", "").replace("CSeq: 1 OPTIONS\n", ""),
        "SIP/2.0 400 ",
        &[],
    );
    check(
        &request("OPTIONS", "1", "").replace("1 OPTIONS", "1 BYE"),
        "SIP/2.0 400 ",
        &[],
    );
    check(
        &request("OPTIONS", "1", "Content-Length: -1\n"),
        "SIP/2.0 400 ",
        &[],
    );
    assert_eq!(answer_to("garbage\n\n"), None);
    assert_eq!(
        answer_to(&request("OPTIONS", "1", "").replace("Via", "X-Via")),
        None
    );
    assert_eq!(
        answer_to(&request("ACK", "1", "").replace("CSeq: 1 ACK\n", "")),
        None
    );
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let bad = |change: &dyn Fn(String) -> String| {
        let answer = answer_to(&change(request("OPTIONS", "1", ""))).expect("there is a way back");
        answer.lines().next().unwrap_or_default().to_owned()
    };
    for (answer, reason) in [
        (
            bad(&|text| text.replace("CSeq: 1", "CSeq: x")),
            "CSeq: unexpected byte 0x78 at 0",
        ),
        (bad(&|text| text.replace("Call-ID: id1\n", "")), "no Call-ID"),
        (
            bad(&|text| text.replace("To: ", "To: <sip:c@c.test>\nTo: ")),
            "more than one To",
        ),
        (
            bad(&|text| text.replace("1 OPTIONS", "1 BYE")),
            "the method in CSeq differs",
        ),
        (
            bad(&|text| text.replace("Max-Forwards: 70", "no colon here")),
            "malformed header line",
        ),
        (
            bad(&|text| text.replace("\n\n", "\nl: 2\n\nx")),
            "body of 1 bytes where Content-Length says 2",
        ),
        (
            bad(&|text| text.replace("\n\n", "\nl: 0\nl: 0\n\n")),
            "more than one Content-Length",
        ),
    ] {
        assert_eq!(answer, format!("SIP/2.0 400 Bad Request: {reason}"));
    }
}

#[test]
fn what_is_too_large_is_refused_with_513_and_the_limit() {
    let limits = offhook_sip_core::Limits::default()
        .with_headers(10)
        .with_header_bytes(100)
        .with_body_bytes(20);
    let config = EndpointConfig {
        parse: offhook_sip_core::ParseOptions::default().with_limits(limits),
        ..EndpointConfig::default()
    };
    let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)]);
    for (more, reason) in [
        (
            "A: 1\nB: 2\nC: 3\nD: 4\nE: 5\n".to_owned(),
            "more than 10 header fields",
        ),
        (
            format!("Subject: {}\n", "a".repeat(100)),
            "more than 100 bytes of one header field",
        ),
        (format!("\n{}", "b".repeat(21)), "more than 20 bytes of body"),
    ] {
        let answer = net
            .inject_raw(1, ALICE, &request("OPTIONS", "1", &more))
            .expect("answered");
        let line = answer.lines().next().unwrap_or_default();
        assert_eq!(line, format!("SIP/2.0 513 Message Too Large: {reason}"));
    }
    assert_eq!(
        net.bob().endpoint.transactions().server_count(),
        0,
        "nothing is kept of them"
    );
}

#[test]
fn responses_go_where_via_and_source_say() {
    let check = |via: &str, from: &str, to: &str| {
        let mut net = Net::pair();
        let text = request("OPTIONS", "1", "").replace("192.0.2.1:5060;branch=z9hG4bK1", via);
        net.inject(1, from, &text);
        assert_eq!(net.sent_to(to).len(), 1, "{via} from {from}: {:?}", net.log);
    };
    check(
        "192.0.2.1:5070;branch=z9hG4bK1",
        "192.0.2.1:9999",
        "192.0.2.1:5070",
    );
    check("192.0.2.1;branch=z9hG4bK1", "192.0.2.1:9999", "192.0.2.1:5060");
    check(
        "10.0.0.1:5070;branch=z9hG4bK1",
        "192.0.2.7:9999",
        "192.0.2.7:5070",
    );
    check(
        "10.0.0.1:5070;rport;branch=z9hG4bK1",
        "192.0.2.7:9999",
        "192.0.2.7:9999",
    );
    check(
        "10.0.0.1;maddr=10.9.9.9;branch=z9hG4bK1",
        "192.0.2.7:9999",
        "192.0.2.7:5060",
    );
}

#[test]
fn received_and_rport_are_filled_in() {
    let text = request("OPTIONS", "1", "").replace("192.0.2.1:5060;", "10.0.0.1;rport;");
    let answer = answer_to(&text).expect("answered");
    assert!(
        answer.contains("received=192.0.2.1") && answer.contains("rport=5060"),
        "{answer}"
    );
}

#[test]
fn a_repeated_request_gets_the_same_answer_and_a_merged_one_a_482() {
    let mut net = Net::pair();
    let text = request("OPTIONS", "1", "");
    let first = net.inject_raw(1, ALICE, &text);
    assert!(first.is_some());
    assert_eq!(net.inject_raw(1, ALICE, &text), first);
    let merged = net.inject_raw(1, ALICE, &text.replace("z9hG4bK1", "z9hG4bK2"));
    assert!(merged.is_some_and(|answer| answer.starts_with("SIP/2.0 482 ")));
    net.run(Duration::from_secs(33));
    assert_eq!(net.bob().endpoint.transactions().server_count(), 0);
    let later = net.inject_raw(1, ALICE, &text.replace("z9hG4bK1", "z9hG4bK3"));
    assert!(later.is_some_and(|answer| answer.starts_with("SIP/2.0 200 ")));
}

#[test]
fn clients_of_rfc_2543_are_recognised_without_a_branch() {
    let mut net = Net::pair();
    let text = request("INVITE", "1", "Contact: <sip:a@192.0.2.1>\n").replace(";branch=z9hG4bK1", "");
    net.inject(1, ALICE, &text);
    net.inject(1, ALICE, &text);
    assert_eq!(net.bob().endpoint.invitation_count(), 1);
    let now = net.now;
    net.bob()
        .call()
        .reject(now, offhook_sip_core::StatusCode::BUSY_HERE, None, &[])
        .expect("incoming");
    net.drain();
    let ack = text
        .replace("INVITE", "ACK")
        .replace("<sip:bob@b.test>", "<sip:bob@b.test>;tag=any");
    net.inject(1, ALICE, &ack);
    net.run(Duration::from_secs(10));
    assert_eq!(net.count("486"), 1, "the ACK stopped the repetitions");
}

#[test]
fn stray_responses_and_acks_are_counted_and_dropped() {
    let mut net = Net::pair();
    net.inject(1, ALICE, &request("ACK", "1", ""));
    net.inject(
        1,
        ALICE,
        &request("OPTIONS", "1", "").replace("OPTIONS sip:bob@192.0.2.2 SIP/2.0", "SIP/2.0 200 OK"),
    );
    net.inject(1, ALICE, "SIP/2.0 200 OK\nVia: x\n\n");
    let statistics = net.bob().endpoint.statistics();
    assert_eq!(
        (
            statistics.dropped_stray_acks,
            statistics.dropped_stray_responses,
            statistics.dropped_malformed,
            statistics.received,
            statistics.sent
        ),
        (1, 1, 1, 3, 0)
    );
}

fn limited(limits: EndpointLimits) -> Net {
    let config = EndpointConfig {
        limits,
        ..EndpointConfig::default()
    };
    Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)])
}

#[test]
fn one_source_cannot_fill_the_table_of_transactions() {
    let mut net = limited(EndpointLimits {
        transactions: TransactionLimits {
            server: 10,
            server_per_source: 4,
            ..TransactionLimits::default()
        },
        ..EndpointLimits::default()
    });
    for branch in 0..20 {
        net.inject(1, ALICE, &request("OPTIONS", &branch.to_string(), ""));
    }
    assert_eq!(net.count("200 OK"), 4);
    assert_eq!(net.bob().endpoint.statistics().dropped_source_limit, 16);
    for branch in 20..40 {
        let from = format!("198.51.100.{branch}:5060");
        net.inject(1, &from, &request("OPTIONS", &branch.to_string(), ""));
    }
    assert_eq!(net.count("200 OK"), 10);
    assert_eq!(net.count("503"), 14);
    assert_eq!(net.bob().endpoint.transactions().server_count(), 10);
}

#[test]
fn more_calls_than_the_limit_are_refused_with_503() {
    let mut net = limited(EndpointLimits {
        invitations: 2,
        ..EndpointLimits::default()
    });
    for branch in 0..5 {
        net.inject(
            1,
            ALICE,
            &request("INVITE", &branch.to_string(), "Contact: <sip:a@192.0.2.1>\n"),
        );
    }
    assert_eq!(net.bob().endpoint.invitation_count(), 2);
    assert_eq!(net.count("503"), 3);
    assert_eq!(net.bob().endpoint.statistics().refused_full, 3);
}

#[test]
fn many_requests_over_a_long_time_leave_nothing_behind() {
    let mut net = Net::pair();
    let mut most = 0;
    for branch in 0..5_000 {
        let from = format!("198.51.100.{}:5060", branch % 250);
        net.inject(1, &from, &request("OPTIONS", &branch.to_string(), ""));
        net.now += Duration::from_millis(50);
        let now = net.now;
        net.bob().endpoint.handle_timeout(now);
        most = most.max(net.bob().endpoint.transactions().server_count());
    }
    assert_eq!(net.count("200 OK"), 5_000);
    assert!(most <= 641, "32 s of requests, {most}");
    net.run(Duration::from_secs(33));
    assert_eq!(net.bob().endpoint.transactions().server_count(), 0);
    assert_eq!(net.bob().endpoint.transactions().source_count(), 0);
    assert_eq!(net.bob().endpoint.poll_timeout(), None);
}

#[test]
fn a_trace_tells_both_directions_while_it_is_on() {
    let mut net = Net::pair();
    net.bob().endpoint.set_trace(true);
    net.inject(1, ALICE, &request("OPTIONS", "1", ""));
    net.bob().endpoint.set_trace(false);
    net.inject(1, ALICE, &request("OPTIONS", "2", ""));
    let traced: Vec<(bool, Transport)> = net
        .bob()
        .events
        .iter()
        .filter_map(|event| match event {
            EndpointEvent::Trace(trace) => Some((trace.sent, trace.path.transport)),
            _ => None,
        })
        .collect();
    assert_eq!(traced, [(false, Transport::Udp), (true, Transport::Udp)]);
}
