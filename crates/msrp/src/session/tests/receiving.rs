//! Requests and garbage that arrive.

use super::*;

#[test]
fn requests_are_answered_as_their_failure_report_wishes() {
    let to_other = |wish: &str| send(wish).replace("alice", "carol");
    for (request, status) in [
        (send(""), Some("200")),
        (send("Failure-Report: yes\r\n"), Some("200")),
        (send("Failure-Report: partial\r\n"), None),
        (send("Failure-Report: no\r\n"), None),
        (to_other(""), Some("481")),
        (to_other("Failure-Report: partial\r\n"), Some("481")),
        (to_other("Failure-Report: no\r\n"), None),
    ] {
        let mut pair = Pair::new();
        pair.tell_alice(&request);
        assert_eq!(status_of(&pair.alice_says()), status, "{request}");
    }
}

#[test]
fn bad_requests_get_the_status_of_the_rfc() {
    for (request, status) in [
        (send("").replace("/bob;", "/mallory;"), "481"),
        (
            send("").replace("To-Path: msrp://a.test:7654/alice;tcp", "To-Path: x"),
            "481",
        ),
        (send("").replace(ALICE, &format!("{BOB} {ALICE}")), "481"),
        (
            send("").replace("To-Path: msrp://a.test:7654/alice;tcp\r\n", ""),
            "400",
        ),
        (send("Byte-Range: 0-2/2\r\n"), "400"),
        (send("Byte-Range: 1-1/1\r\n"), "400"),
        (send("Byte-Range: 1-2/9\r\n"), "400"),
        (send("Byte-Range: 1-*/99999999999\r\n"), "413"),
        (send("Byte-Range: 99999999999-*/*\r\n"), "413"),
        (send("Failure-Report: maybe\r\n"), "400"),
        (send("").replace("Message-ID: m123\r\n", ""), "400"),
        (send("").replace("m123", "abc"), "400"),
        (send("").replace("m123", &"a".repeat(33)), "400"),
        (send("").replace("m123", "-abcd"), "400"),
        (send("").replace("m123", "abcd@b.test"), "400"),
        (send("").replace("m123", "ab cd"), "400"),
        (send("").replace("m123", ""), "400"),
        (request("SEND", "Message-ID: <x>\r\n", ""), "400"),
        (send("").replace("m123", "0.-+%="), "200"),
        (send("").replace("Content-Type: text/plain\r\n", ""), "400"),
        (send("").replace("text/plain", "image/png"), "415"),
        (send("").replace("text/plain", "text"), "400"),
        (send("").replace("text/plain", "text/"), "400"),
        (send("").replace("text/plain", "text/ plain"), "400"),
        (send("").replace("text/plain", "text/plain;charset=utf-8"), "200"),
        (send("Content-Type: text/plain\r\n"), "400"),
        (send("to-path: msrp://a.test:7654/alice;tcp\r\n"), "400"),
        (send("Failure-Report: yes\r\nFailure-Report: partial\r\n"), "400"),
        (send("X-Twice: a\r\nX-Twice: b\r\n"), "200"),
        (request("DANCE", "", ""), "501"),
        (request("AUTH", "", ""), "501"),
        (request("SEND", "", ""), "200"),
    ] {
        let mut pair = Pair::with(|config| config.accept_types = vec!["text/*".to_owned()], |_| {});
        pair.tell_alice(&request);
        assert_eq!(status_of(&pair.alice_says()), Some(status), "{request}");
        let heard = pair.alice_hears();
        let is_aborted = |event: &SessionEvent| matches!(event, SessionEvent::MessageAborted { .. });
        assert!(status == "200" || heard.iter().all(is_aborted), "{request}");
        assert_eq!(pair.alice.state(), State::Active);
        pair.tell_alice(&send(""));
        assert_eq!(status_of(&pair.alice_says()), Some("200"), "after {request}");
    }
}

#[test]
fn the_session_id_alone_decides_when_told_so() {
    let moved = send("")
        .replace("a.test:7654", "nat.test:1")
        .replace("b.test", "c.test");
    for (matching, status) in [(PathMatching::Exact, "481"), (PathMatching::SessionId, "200")] {
        let mut pair = Pair::with(|config| config.matching = matching, |_| {});
        pair.tell_alice(&moved);
        assert_eq!(status_of(&pair.alice_says()), Some(status));
    }
}

#[test]
fn a_response_and_its_report_leave_in_one_burst() {
    let mut pair = Pair::new();
    pair.tell_alice(&send("Success-Report: yes\r\nByte-Range: 1-2/2\r\n"));
    let mut said = Vec::new();
    put(pair.alice.poll_transmit(pair.now).unwrap(), &mut said);
    let said = String::from_utf8(said).unwrap();
    let (response, report) = said.split_at(said.find("$\r\n").unwrap() + 3);
    assert_eq!(
        response,
        format!("MSRP abcd1234 200 OK\r\nTo-Path: {BOB}\r\nFrom-Path: {ALICE}\r\n-------abcd1234$\r\n")
    );
    assert!(report.contains(" REPORT\r\n"));
    assert!(report.contains("Message-ID: m123\r\nByte-Range: 1-2/2\r\nStatus: 000 200 OK\r\n"));
    assert!(pair.alice.poll_transmit(pair.now).is_none());
}

#[test]
fn reports_come_per_chunk_or_per_message_and_tell_when_all_is_delivered() {
    for (reports, expected) in [
        (Reports::PerChunk, 3),
        (Reports::PerMessage, 1),
        (Reports::Manual, 0),
    ] {
        let mut pair = Pair::with(|_| {}, |config| config.reports = reports);
        let message = OutgoingMessage::new("a/b", vec![1; 5000]).with_success_report(SuccessReport::Yes);
        let sent = pair.alice.send(message).unwrap();
        pair.run();
        let told: Vec<_> = pair
            .alice_hears()
            .into_iter()
            .filter_map(|event| match event {
                SessionEvent::Reported {
                    message, complete, ..
                } if message == sent => Some(complete),
                _ => None,
            })
            .collect();
        assert_eq!(told.len(), expected);
        assert_eq!(told.last().copied(), (expected > 0).then_some(true));
        assert_eq!(pair.alice.reportable.is_empty(), expected > 0);
    }
}

#[test]
fn a_manual_report_respects_what_the_sender_wants() {
    for (fields, status, reported) in [
        ("Success-Report: yes\r\n", StatusCode::OK, true),
        ("", StatusCode::OK, false),
        ("", StatusCode::FORBIDDEN, true),
        ("Failure-Report: no\r\n", StatusCode::FORBIDDEN, false),
    ] {
        let mut pair = Pair::with(|config| config.reports = Reports::Manual, |_| {});
        pair.tell_alice(&send(fields));
        let _ = pair.alice_says();
        let SessionEvent::Message(message) = pair.alice.poll_event().unwrap() else {
            panic!("no message")
        };
        pair.alice.report(&message.head, ByteRange::whole(2), status);
        assert_eq!(
            pair.alice_says().contains("REPORT"),
            reported,
            "{fields} {status}"
        );
    }
}

#[test]
fn a_head_that_takes_too_long_and_a_body_that_stands_still_are_given_up() {
    let quiet = |config: &mut SessionConfig| config.keep_alive = None;
    let mut pair = Pair::with(quiet, quiet);
    for byte in send("").chars().take(90) {
        pair.tell_alice(&byte.to_string());
        pair.advance(SECOND);
    }
    assert_eq!(
        closed(&pair.alice_hears()),
        Some(&CloseReason::Stalled),
        "a byte per second"
    );

    let mut pair = Pair::with(quiet, quiet);
    let request = send("");
    let at = request.find("Hi").unwrap();
    pair.tell_alice(&request[..at]);
    for _ in 0..5 {
        pair.tell_alice("x");
        pair.advance(SECOND * 89);
    }
    assert_eq!(closed(&pair.alice_hears()), None, "slow, but it moves");
    pair.advance(SECOND);
    assert_eq!(closed(&pair.alice_hears()), Some(&CloseReason::Stalled));
}

#[test]
fn nonsense_and_floods_close_the_session() {
    let mut pair = Pair::new();
    pair.tell_alice("GET / HTTP/1.1\r\n\r\n");
    assert!(matches!(
        closed(&pair.alice_hears()),
        Some(CloseReason::Unintelligible(_))
    ));

    let mut pair = Pair::with(|config| config.discarded_bytes = 10_000, |_| {});
    let endless = send("Byte-Range: 1-*/99999999999\r\n");
    pair.tell_alice(&endless[..endless.find("Hi").unwrap()]);
    for _ in 0..11 {
        assert_eq!(closed(&pair.alice_hears()), None);
        pair.tell_alice(&"x".repeat(1000));
    }
    assert_eq!(closed(&pair.alice_hears()), Some(&CloseReason::Flood));
}

#[test]
fn who_asks_much_and_takes_no_answers_is_not_read_further() {
    let mut pair = Pair::new();
    let request = request("DANCE", "", "").repeat(100);
    let mut rounds = 0;
    while pair.alice.wants_input() {
        pair.tell_alice(&request);
        rounds += 1;
        assert!(rounds < 1000);
    }
    let _ = pair.alice_says();
    assert!(pair.alice.wants_input());
}

#[test]
fn only_so_many_messages_are_incomplete_at_a_time() {
    let mut pair = Pair::with(|config| config.message_limits.at_once = 2, |_| {});
    for (id, status) in [("m111", "200"), ("m222", "200"), ("m333", "413"), ("m111", "200")] {
        pair.tell_alice(
            &send("Byte-Range: 1-*/100\r\n")
                .replace("m123", id)
                .replace("1234$", "1234+"),
        );
        assert_eq!(status_of(&pair.alice_says()), Some(status));
    }
}

#[test]
fn messages_that_lost_their_end_make_room_and_whole_ones_need_none() {
    let mut pair = Pair::with(|config| config.message_limits.at_once = 2, |_| {});
    let first = |id: &str, range: &str, flag: &str| {
        send(&format!("Byte-Range: {range}\r\n"))
            .replace("m123", id)
            .replace("1234$", &format!("1234{flag}"))
    };
    let begun = "1-*/100";
    for (wait, id, range, flag, status) in [
        (0, "m111", begun, "+", "200"),
        (10, "m222", begun, "+", "200"),
        // Whole in its only chunk, or so it says.
        (0, "m333", "1-2/2", "$", "200"),
        (0, "m444", "1-2/2", "+", "413"),
        (19, "m555", begun, "+", "413"),
        // By now nothing has come of the first for 30 s; of the second only for 20 s.
        (1, "m666", begun, "+", "200"),
        (0, "m777", begun, "+", "413"),
        (0, "m222", "3-*/100", "+", "200"),
        (0, "m111", "3-*/100", "+", "413"),
    ] {
        pair.now += Duration::from_secs(wait);
        pair.tell_alice(&first(id, range, flag));
        assert_eq!(status_of(&pair.alice_says()), Some(status), "{id} {range}");
    }
    let aborted = |event: &SessionEvent| matches!(event, SessionEvent::MessageAborted { .. });
    assert_eq!(
        pair.alice_hears().iter().filter(|event| aborted(event)).count(),
        2
    );
}

#[test]
fn a_peer_that_knows_the_session_no_more_ends_it() {
    let mut pair = Pair::new();
    let sent = pair.alice.send(OutgoingMessage::new("text/plain", "x")).unwrap();
    let said = pair.alice_says();
    let id = said.split(' ').nth(1).unwrap().to_owned();
    pair.tell_alice(&format!(
        "MSRP {id} 481 No session\r\nTo-Path: {ALICE}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n"
    ));
    let heard = pair.alice_hears();
    assert!(
        matches!(
            heard[..],
            [
                SessionEvent::SendFailed { message, status: StatusCode::NO_SESSION },
                SessionEvent::Closed(CloseReason::Unknown)
            ] if message == sent
        ),
        "{heard:?}"
    );
}

#[test]
fn what_was_refused_does_not_begin_anew_with_a_chunk_that_was_on_the_way() {
    let mut pair = Pair::with(
        |config| {
            config.message_limits.at_once = 1;
            config.delivery = Delivery::Pieces;
        },
        |_| {},
    );
    let chunk = |id: &str, range: &str, flag: &str| {
        let fields = format!("Byte-Range: {range}/*\r\n");
        send(&fields)
            .replace("m123", id)
            .replace("1234$", &format!("1234{flag}"))
    };
    for (id, range, flag, status) in [
        ("m111", "1-*", "+", "200"),
        ("m222", "1-*", "+", "413"),
        ("m111", "3-*", "$", "200"),
        ("m222", "3-*", "+", "413"),
        ("m222", "1-*", "+", "200"),
        ("m222", "3-*", "$", "200"),
    ] {
        pair.tell_alice(&chunk(id, range, flag));
        assert_eq!(status_of(&pair.alice_says()), Some(status), "{id} {range}");
    }
    let ended = |event: &SessionEvent| matches!(event, SessionEvent::MessageEnded { size: 4, .. });
    assert_eq!(pair.alice_hears().iter().filter(|event| ended(event)).count(), 2);
}

#[test]
fn what_is_resumed_is_complete_with_what_was_held() {
    for (delivery, told) in [(Delivery::Collected, 1), (Delivery::Pieces, 3)] {
        let held = |config: &mut SessionConfig| {
            config.held.insert("mine1234".to_owned(), 1000);
            config.delivery = delivery;
        };
        let mut pair = Pair::with(|_| {}, held);
        let message = OutgoingMessage::new("a/b", vec![b'x'; 2000])
            .with_message_id("mine1234")
            .with_success_report(SuccessReport::Yes)
            .starting_at(1000);
        pair.alice.send(message).unwrap();
        pair.run();
        let heard = pair.bob_hears();
        assert_eq!(heard.len(), told, "{heard:?}");
        match &heard[told - 1] {
            SessionEvent::Message(message) => assert_eq!(message.body.len(), 1000),
            SessionEvent::MessageEnded { size, .. } => assert_eq!(*size, 2000),
            event => panic!("{event:?}"),
        }
        let complete = |event: &SessionEvent| matches!(event, SessionEvent::Reported { complete: true, .. });
        assert!(pair.alice_hears().iter().any(complete));
    }
}

#[test]
fn who_heeds_refusals_is_no_flood_however_many_there_are() {
    let mut pair = Pair::with(
        |config| {
            config.discarded_bytes = 10_000;
            config.message_limits.bytes = 100;
        },
        |_| {},
    );
    for number in 0..20 {
        let message = send("").replace("m123", &format!("m{number:03}"));
        pair.tell_alice(&message.replace("Hi", &"x".repeat(4000)));
        assert_eq!(status_of(&pair.alice_says()), Some("413"));
    }
    assert_eq!(closed(&pair.alice_hears()), None);
    for _ in 0..3 {
        pair.tell_alice(
            &send("Byte-Range: 5-*/*\r\n")
                .replace("m123", "m000")
                .replace("Hi", &"x".repeat(4000)),
        );
    }
    assert_eq!(closed(&pair.alice_hears()), Some(&CloseReason::Flood));
}

/// A chunk need not have a body (RFC 4975 §9).
#[test]
fn a_chunk_without_a_body_ends_its_message_or_gives_it_up() {
    let bodiless = |range: &str, flag: char| {
        let end = format!("-------abcd1234{flag}");
        request(
            "SEND",
            &format!("Message-ID: m123\r\nByte-Range: {range}\r\n"),
            "",
        )
        .replace("-------abcd1234$", &end)
    };
    let begun = send("Byte-Range: 1-2/*\r\n").replace("-------abcd1234$", "-------abcd1234+");

    let mut pair = Pair::new();
    pair.tell_alice(&begun);
    pair.tell_alice(&bodiless("3-2/*", '+'));
    pair.tell_alice(&bodiless("3-2/2", '$'));
    assert_eq!(bodies(&pair.alice_hears()), ["Hi"]);

    let mut pair = Pair::new();
    pair.tell_alice(&begun);
    pair.tell_alice(&bodiless("3-2/*", '#'));
    assert!(matches!(
        pair.alice_hears()[..],
        [SessionEvent::MessageAborted {
            reason: AbortReason::BySender,
            ..
        }]
    ));

    // One that has a body all the same does not say what is in it.
    let mut pair = Pair::new();
    pair.tell_alice(&begun);
    let _ = pair.alice_says();
    pair.tell_alice(&send("Byte-Range: 3-4/4\r\n").replace("Content-Type: text/plain\r\n", ""));
    assert_eq!(status_of(&pair.alice_says()), Some("400"));
    assert!(matches!(
        pair.alice_hears()[..],
        [SessionEvent::MessageAborted {
            reason: AbortReason::Refused(_),
            ..
        }]
    ));
}
