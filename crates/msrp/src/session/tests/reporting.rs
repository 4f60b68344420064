//! Which reports are believed.

use super::*;

/// Says a report as Bob would, or one who says to be at `from`.
fn report(from: &str, fields: &str) -> String {
    request("REPORT", &format!("Message-ID: mine1234\r\n{fields}"), "").replace(BOB, from)
}

/// A pair where Alice has sent 200 bytes whose delivery is to be reported, and heard no answer.
fn sent() -> (Pair, OutgoingId) {
    let mut pair = Pair::new();
    let message = text(&"x".repeat(200))
        .with_message_id("mine1234")
        .with_success_report(SuccessReport::Yes);
    let sent = pair.alice.send(message).unwrap();
    let _ = pair.alice_says();
    (pair, sent)
}

#[test]
fn a_success_report_completes_no_more_than_was_sent() {
    for range in ["1-99999/99999", "1-199/199", "200-99999/99999", "1-199/*"] {
        let (mut pair, _) = sent();
        let said = format!("Byte-Range: {range}\r\nStatus: 000 200 OK\r\n");
        pair.tell_alice(&report(BOB, &said));
        let complete = |event: &SessionEvent| matches!(event, SessionEvent::Reported { complete: true, .. });
        assert!(!pair.alice_hears().iter().any(complete), "{range}");
    }
}

#[test]
fn a_success_report_before_the_last_chunk_is_no_word_about_it() {
    let mut pair = Pair::new();
    let message = OutgoingMessage::streamed("a/b", Some(4096))
        .with_message_id("mine1234")
        .with_success_report(SuccessReport::Yes);
    let sent = pair.alice.send(message).unwrap();
    pair.alice.supply(sent, vec![1; 2048].into()).unwrap();
    let _ = pair.alice_says();
    pair.tell_alice(&report(BOB, "Byte-Range: 1-4096/4096\r\nStatus: 000 200 OK\r\n"));
    pair.alice.supply(sent, vec![1; 2048].into()).unwrap();
    let _ = pair.alice_says();
    let _ = pair.alice_hears();
    pair.tell_alice(&report(BOB, "Byte-Range: 1-2048/4096\r\nStatus: 000 200 OK\r\n"));
    assert!(matches!(
        pair.alice_hears()[..],
        [SessionEvent::Reported { complete: false, .. }]
    ));
}

#[test]
fn a_peer_may_answer_while_the_chunk_is_still_being_written() {
    let mut pair = Pair::with(|config| config.chunk_size = NonZeroU32::MAX, |_| {});
    let sent = pair
        .alice
        .send(OutgoingMessage::new("a/b", vec![1; 400_000]))
        .unwrap();
    let _ = pair.alice.poll_transmit(pair.now);
    let id = *pair.alice.outbound.open_chunk().expect("more of it follows").0;
    pair.tell_alice(&format!(
        "MSRP {id} 200 OK\r\nTo-Path: {ALICE}\r\nFrom-Path: {BOB}\r\n-------{id}$\r\n"
    ));
    let _ = pair.alice_says();
    assert!(matches!(pair.alice_hears()[..], [SessionEvent::SendDone { message }] if message == sent));
}

/// As a relay does that has other chunks to pass on in between.
#[test]
fn a_part_of_a_chunk_that_is_still_being_written_can_be_reported() {
    let mut pair = Pair::with(|config| config.chunk_size = NonZeroU32::MAX, |_| {});
    let message = OutgoingMessage::new("a/b", vec![1; 400_000])
        .with_message_id("mine1234")
        .with_success_report(SuccessReport::Yes);
    pair.alice.send(message).unwrap();
    let _ = pair.alice.poll_transmit(pair.now);
    assert!(pair.alice.outbound.open_chunk().is_some());
    let of = |range: &str| format!("Byte-Range: {range}/400000\r\nStatus: 000 200 OK\r\n");
    pair.tell_alice(&report(BOB, &of("1-200000")));
    let _ = pair.alice_says();
    let _ = pair.alice_hears();
    pair.tell_alice(&report(BOB, &of("200001-400000")));
    assert!(matches!(
        pair.alice_hears()[..],
        [SessionEvent::Reported { complete: true, .. }]
    ));
}

#[test]
fn what_was_delivered_in_full_does_not_fail_afterwards() {
    let (mut pair, sent) = sent();
    pair.tell_alice(&report(BOB, "Byte-Range: 1-200/200\r\nStatus: 000 200 OK\r\n"));
    assert!(matches!(pair.alice_hears()[..],
        [SessionEvent::Reported { message, complete: true, .. }] if message == sent));
    pair.tell_alice(&report(BOB, "Status: 000 413 No\r\n"));
    assert!(pair.alice_hears().is_empty());
    pair.advance(31 * SECOND);
    assert!(matches!(pair.alice_hears()[..],
        [SessionEvent::SendDone { message }] if message == sent));
    assert!(pair.alice.tracked.is_empty());
}

#[test]
fn only_the_peer_can_report_success() {
    let (mut pair, sent) = sent();
    let success = "Byte-Range: 1-200/200\r\nStatus: 000 200 OK\r\n";
    pair.tell_alice(&report("msrp://relay.test:2855/mallory;tcp", success));
    assert!(pair.alice_hears().is_empty());
    let passed_on = format!("msrp://relay.test:2855/place;tcp {BOB}");
    pair.tell_alice(&report(&passed_on, success));
    assert!(matches!(pair.alice_hears()[..],
        [SessionEvent::Reported { message, complete: true, .. }] if message == sent));
    let (mut pair, sent) = self::sent();
    pair.tell_alice(&report(
        "msrp://relay.test:2855/place;tcp",
        "Status: 000 408 Gone\r\n",
    ));
    assert!(matches!(pair.alice_hears().first(),
        Some(SessionEvent::SendFailed { message, .. }) if *message == sent));
}

#[test]
fn a_failure_that_a_relay_tells_after_its_200_fails_the_message() {
    for (wish, is_told) in [
        (FailureReport::Yes, true),
        (FailureReport::Partial, true),
        (FailureReport::No, false),
    ] {
        let mut pair = Pair::new();
        let message = text("hello")
            .with_message_id("mine1234")
            .with_failure_report(wish);
        let sent = pair.alice.send(message).unwrap();
        pair.run();
        pair.advance(Duration::from_secs(31));
        assert!(matches!(pair.alice_hears()[..], [SessionEvent::SendDone { message }] if message == sent));
        let late = request(
            "REPORT",
            "Message-ID: mine1234\r\nStatus: 000 408 Timeout\r\n",
            "",
        );
        for is_first in [true, false] {
            pair.tell_alice(&late);
            let heard = pair.alice_hears();
            let is_failed = matches!(heard.first(),
                Some(SessionEvent::SendFailed { message, status: StatusCode::TIMEOUT }) if *message == sent);
            assert_eq!(is_failed, is_told && is_first, "{wish:?}: {heard:?}");
        }
    }
}

/// RFC 4975 §7.2: the session has failed with bytes that were lost.
#[test]
fn a_report_that_bytes_were_lost_ends_the_session_and_one_of_a_refusal_does_not() {
    for (status, ends) in [(408, true), (481, true), (413, false), (415, false), (403, false)] {
        let (mut pair, sent) = sent();
        pair.tell_alice(&report(
            BOB,
            &format!("Byte-Range: 1-200/200\r\nStatus: 000 {status} No\r\n"),
        ));
        let heard = pair.alice_hears();
        let is_failed = matches!(heard.first(),
            Some(SessionEvent::SendFailed { message, .. }) if *message == sent);
        assert!(is_failed, "{heard:?}");
        let status = StatusCode::new(status).unwrap();
        let reason = ends.then_some(CloseReason::NotDelivered(status));
        assert_eq!(closed(&heard), reason.as_ref());
    }
}

#[test]
fn two_messages_under_way_do_not_have_the_same_id() {
    let mut pair = Pair::new();
    let named = || text("again").with_message_id("mine1234");
    let streamed = OutgoingMessage::streamed("a/b", Some(6000)).with_message_id("mine1234");
    let first = pair.alice.send(streamed).unwrap();
    pair.alice.supply(first, vec![1; 3000].into()).unwrap();
    pair.run();
    assert_eq!(pair.alice.send(named()), Err(SendError::IdInUse));
    pair.alice.abort(first);
    assert_eq!(
        pair.alice.send(named()),
        Err(SendError::IdInUse),
        "its end is not written"
    );
    pair.run();
    pair.alice.send(named()).unwrap();
    pair.run();
    assert_eq!(bodies(&pair.bob_hears()), ["again"]);
    pair.alice.send(named()).unwrap();
}

fn wishing(wish: FailureReport) -> OutgoingMessage {
    text("x").with_failure_report(wish)
}

#[test]
fn what_must_be_answered_is_not_settled_by_what_need_not() {
    for wish in [FailureReport::No, FailureReport::Partial] {
        let mut pair = Pair::with(|config| config.unanswered = 4, |_| {});
        let important = pair.alice.send(text("important")).unwrap();
        let _ = pair.alice_says();
        for _ in 0..50 {
            pair.alice.send(wishing(wish)).unwrap();
            let _ = pair.alice_says();
        }
        let events = pair.alice_hears();
        let is_of_it = |event: &SessionEvent| matches!(event, SessionEvent::SendDone { message } if *message == important);
        assert!(!events.is_empty() && !events.iter().any(is_of_it), "{events:?}");
        pair.advance(31 * SECOND);
        let failed = |event: &SessionEvent| matches!(event, SessionEvent::SendFailed { message, status: StatusCode::TIMEOUT } if *message == important);
        assert!(pair.alice_hears().iter().any(failed));
    }
}

#[test]
fn an_answer_finds_a_request_that_was_made_inside_of_a_chunk() {
    for wish in [FailureReport::Yes, FailureReport::Partial, FailureReport::No] {
        let mut pair = Pair::new();
        let message = OutgoingMessage::streamed("a/b", None).with_failure_report(wish);
        let sent = pair.alice.send(message).unwrap();
        pair.alice.supply(sent, vec![1; 100].into()).unwrap();
        pair.run();
        for _ in 0..4 {
            pair.advance(61 * SECOND);
            pair.run();
            pair.advance(29 * SECOND);
            pair.run();
            assert_eq!(
                closed(&pair.alice_hears()),
                None,
                "the keep-alive was answered ({wish:?})"
            );
        }
        let nickname: Nickname = "\"ally\"".parse().unwrap();
        pair.alice.supply(sent, vec![1; 100].into()).unwrap();
        pair.run();
        pair.alice.request_nickname(pair.now, &nickname).unwrap();
        pair.run();
        assert!(matches!(
            pair.alice_hears()[..],
            [.., SessionEvent::NicknameAnswered(StatusCode::UNKNOWN_METHOD)]
        ));
        assert_eq!(closed(&pair.bob_hears()), None);
    }
}

#[test]
fn a_connection_that_is_lost_while_the_session_closes_is_told_as_that() {
    for is_answered in [true, false] {
        let mut pair = Pair::new();
        pair.alice.send(text("last words")).unwrap();
        if is_answered {
            pair.run();
        } else {
            let _ = pair.alice_says();
        }
        pair.alice.close();
        pair.alice.handle_closed();
        let expected = if is_answered {
            CloseReason::ByOwner
        } else {
            CloseReason::ConnectionLost
        };
        assert_eq!(closed(&pair.alice_hears()), Some(&expected));
    }
}
