//! What a relay lets through, and what it says to the rest.

use super::*;

const PEER: &str = "msrps://carol.test:9/c1;tcp";

#[test]
fn a_request_for_the_client_moves_our_uri_from_to_path_to_from_path() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    let ours = path.first().to_string();
    world.say(
        peer,
        send("abcd1", &path.to_string(), PEER, "Byte-Range: 1-2/2\r\n", "hi").as_bytes(),
    );
    let heard = world.hear(alice);
    let id = ids(&heard, "SEND")[0].to_owned();
    assert_ne!(id, "abcd1", "identifiers are the connection's own");
    assert_eq!(
        heard,
        format!(
            "MSRP {id} SEND\r\nTo-Path: {}\r\nFrom-Path: {ours} {PEER}\r\nMessage-ID: mabcd1\r\n\
             Byte-Range: 1-2/2\r\nContent-Type: text/plain\r\n\r\nhi\r\n-------{id}$\r\n",
            path.last()
        )
    );
    assert_eq!(
        world.hear(peer),
        format!("MSRP abcd1 200 OK\r\nTo-Path: {PEER}\r\nFrom-Path: {ours}\r\n-------abcd1$\r\n")
    );
}

#[test]
fn a_request_of_the_client_goes_where_it_says_and_responses_come_back() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let (ours, own) = (path.first().to_string(), path.last().to_string());
    let to = format!("{ours} {PEER}");
    let request = format!(
        "MSRP nick1 NICKNAME\r\nTo-Path: {to}\r\nFrom-Path: {own}\r\nUse-Nickname: \"A\"\r\n-------nick1$\r\n"
    );
    world.say(alice, request.as_bytes());
    let (peer, uri) = world.opened().remove(0);
    assert_eq!(uri, PEER);
    let heard = world.hear(peer);
    let id = ids(&heard, "NICKNAME")[0].to_owned();
    assert!(
        heard.contains(&format!("From-Path: {ours} {own}\r\nUse-Nickname: \"A\"\r\n")),
        "{heard}"
    );
    let answer = format!(
        "MSRP {id} 425 Taken\r\nTo-Path: {ours} {own}\r\nFrom-Path: {PEER}\r\nX-More: 1\r\n-------{id}$\r\n"
    );
    world.say(peer, answer.as_bytes());
    assert_eq!(
        world.hear(alice),
        format!(
            "MSRP nick1 425 Nickname reserved or already in use\r\nTo-Path: {own}\r\nFrom-Path: {ours} {PEER}\r\nX-More: 1\r\n-------nick1$\r\n"
        )
    );
    world.say(alice, request.replace("nick1", "nick2").as_bytes());
    assert_eq!(world.opened().len(), 1, "the connection is used again");
    assert!(world.hear(peer).contains("NICKNAME"));
}

/// RFC 4976 §6.4.3: who asked learns the whole way back.
#[test]
fn a_response_over_two_places_of_the_relay_has_both_in_its_from_path() {
    let mut world = World::new(|_| {});
    let ((alice, path), (bob, bobs)) = (world.place("alice"), world.place("bob"));
    let (ours, own) = (path.first().to_string(), path.last().to_string());
    let (theirs, peer) = (bobs.first().to_string(), bobs.last().to_string());
    let ask = format!(
        "MSRP nick1 NICKNAME\r\nTo-Path: {ours} {theirs} {peer}\r\nFrom-Path: {own}\r\nUse-Nickname: \"A\"\r\n-------nick1$\r\n"
    );
    world.say(alice, ask.as_bytes());
    let heard = world.hear(bob);
    assert!(
        heard.contains(&format!("From-Path: {theirs} {ours} {own}\r\n")),
        "{heard}"
    );
    let id = ids(&heard, "NICKNAME")[0].to_owned();
    let answer = format!(
        "MSRP {id} 200 OK\r\nTo-Path: {theirs} {ours} {own}\r\nFrom-Path: {peer}\r\n-------{id}$\r\n"
    );
    world.say(bob, answer.as_bytes());
    let told = world.hear(alice);
    assert!(
        told.contains(&format!("From-Path: {ours} {theirs} {peer}\r\n")),
        "{told}"
    );
}

#[test]
fn a_request_that_could_be_read_in_two_ways_is_not_passed_on() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    let doubled = format!("To-Path: {path}\r\n");
    world.say(
        peer,
        send("abcd1", &path.to_string(), PEER, &doubled, "hi").as_bytes(),
    );
    assert!(world.hear(peer).starts_with("MSRP abcd1 400 "));
    assert_eq!(world.hear(alice), "");
}

#[test]
fn who_has_no_place_cannot_send_through() {
    let mut world = World::new(|config| config.failures = 3);
    let (_, path) = world.place("alice");
    let stranger = world.connect();
    let through = format!("{} {PEER}", path.first());
    world.say(
        stranger,
        send("abcd1", &through, "msrps://eve.test:1/e;tcp", "", "x").as_bytes(),
    );
    assert!(world.hear(stranger).starts_with("MSRP abcd1 481 "));
    let unknown = format!("msrps://relay.test:2855/guess;tcp {PEER}");
    world.say(
        stranger,
        send("abcd2", &unknown, "msrps://eve.test:1/e;tcp", "", "x").as_bytes(),
    );
    assert!(world.hear(stranger).starts_with("MSRP abcd2 481 "));
    assert!(!world.is_closing(stranger));
    world.say(
        stranger,
        send("abcd3", &unknown, "msrps://eve.test:1/e;tcp", "", "x").as_bytes(),
    );
    assert!(world.is_closing(stranger), "three failures and no success");
    assert!(world.opened().is_empty());
}

#[test]
fn what_is_for_another_device_ends_its_connection() {
    let mut world = World::new(|_| {});
    let peer = world.connect();
    world.say(
        peer,
        send("abcd1", PEER, "msrps://eve.test:1/e;tcp", "", "x").as_bytes(),
    );
    assert!(world.is_closing(peer));
    let noisy = world.connect();
    world.say(noisy, b"GET / HTTP/1.1\r\n\r\n");
    assert!(world.is_closing(noisy));
}

#[test]
fn who_says_nothing_of_use_is_closed_after_probation() {
    let mut world = World::new(|_| {});
    let silent = world.connect();
    let (alice, _) = world.place("alice");
    world.wait(Duration::from_secs(31));
    assert!(world.is_closing(silent) && !world.is_closing(alice));
    world.wait(Duration::from_hours(1));
    assert!(world.is_closing(alice), "an hour of silence");
}

#[test]
fn for_one_more_the_one_goes_that_says_nothing_for_longest() {
    let mut world = World::new(|config| config.connections = 3);
    let (alice, _) = world.place("alice");
    let first = world.connect();
    world.wait(Duration::from_secs(1));
    let second = world.connect();
    assert!(!world.is_closing(first));
    let third = world.connect();
    world.note();
    assert!(world.is_closing(first) && !world.is_closing(second) && !world.is_closing(alice));
    world.relay.handle_closed(world.now, first);
    world.relay.handle_closed(world.now, second);
    let (bob, _) = world.place("bob");
    world.relay.handle_closed(world.now, third);
    let (carol, _) = world.place("alice");
    assert!(
        world.relay.handle_connected(world.now, true).is_none(),
        "all have places"
    );
    world.note();
    assert!(![alice, bob, carol].iter().any(|&one| world.is_closing(one)));
}

#[test]
fn passwords_cannot_be_guessed_for_long() {
    let mut world = World::new(|config| config.failures = 2);
    let connection = world.connect();
    for guess in ["a", "b"] {
        let mut config = client_config("msrps://eve.test:7/e;tcp".parse().unwrap(), "alice");
        config.relays[0].credentials = Credentials::new("alice", guess);
        let mut eve = RelayClient::new(world.now, config, Entropy::from_number(4));
        let events = world.converse(connection, &mut eve);
        assert!(matches!(events[..], [RelayEvent::Failed(_)]), "{events:?}");
    }
    assert!(world.is_closing(connection));
    assert_eq!(world.relay.place_count(), 0);
}

#[test]
fn a_lifetime_out_of_bounds_is_answered_423_and_the_client_takes_the_bound() {
    for (wish, granted) in [(1, 60), (86_400, 1800), (600, 600)] {
        let mut world = World::new(|_| {});
        let connection = world.connect();
        let mut config = client_config("msrps://alice.test:7/a;tcp".parse().unwrap(), "alice");
        config.expires = Some(Duration::from_secs(wish));
        let mut client = RelayClient::new(world.now, config, Entropy::from_number(3));
        let events = world.converse(connection, &mut client);
        assert!(matches!(events[..], [RelayEvent::Placed(_)]), "{events:?}");
        assert_eq!(
            client.valid_until(),
            Some(world.now + Duration::from_secs(granted))
        );
    }
}

#[test]
fn a_lifetime_that_cannot_be_read_is_refused_and_one_without_end_is_no_harm() {
    let asked = |expires: &str, longest: Duration| {
        let mut world = World::new(|config| config.longest = longest);
        let connection = world.connect();
        let mut client = world.client("alice");
        let first = client.poll_transmit().unwrap();
        world.say(connection, &first);
        let challenge = world.hear(connection);
        let head = Head::parse(&challenge.into(), &crate::chunk::Limits::default())
            .unwrap()
            .unwrap();
        client.handle_response(world.now, &head);
        let second = String::from_utf8(client.poll_transmit().unwrap().to_vec()).unwrap();
        let end = second.rfind("-------").unwrap();
        let asked = format!("{}Expires: {expires}\r\n{}", &second[..end], &second[end..]);
        world.say(connection, asked.as_bytes());
        world.hear(connection)
    };
    let minute = Duration::from_mins(1);
    for (expires, longest, status, field) in [
        ("9999", minute, "423", "Max-Expires: 60"),
        ("99999999999999999999999", minute, "423", "Max-Expires: 60"),
        ("abc", minute, "400", ""),
        ("-1", minute, "400", ""),
        ("60", minute, "200", "Expires: 60"),
        // Someone's "for ever".
        ("4294967295", Duration::MAX, "200", "Expires: 4294967295"),
        ("4294967296", Duration::MAX, "423", "Max-Expires: 4294967295"),
    ] {
        let said = asked(expires, longest);
        assert_eq!(said.split(' ').nth(2), Some(status), "{expires}: {said}");
        assert!(said.contains(field), "{expires}: {said}");
    }
}

#[test]
fn a_place_is_renewed_in_time_and_stays_where_it_is() {
    let mut world = World::new(|_| {});
    let connection = world.connect();
    let mut client = world.client("alice");
    assert_eq!(world.converse(connection, &mut client).len(), 1);
    for _ in 0..5 {
        let at = client.poll_timeout().unwrap();
        world.wait(at - world.now);
        client.handle_timeout(world.now);
        assert_eq!(world.converse(connection, &mut client), [RelayEvent::Renewed]);
        assert_eq!(world.relay.place_count(), 1);
    }
    world.wait(Duration::from_mins(31));
    assert_eq!(world.relay.place_count(), 0, "not renewed, it ends");
}

#[test]
fn answers_without_uri_are_taken_and_the_proof_is_complete() {
    let mut world = World::new(|_| {});
    let connection = world.connect();
    let mut client = world.client("alice");
    let first = client.poll_transmit().unwrap();
    world.say(connection, &first);
    let challenge = world.hear(connection);
    assert!(
        challenge.contains("qop=\"auth\"") && challenge.contains("opaque=\""),
        "{challenge}"
    );
    let mut framer = Framer::new(crate::chunk::Limits::default());
    framer.input().extend_from_slice(challenge.as_bytes());
    let Ok(Some(Frame::Head(head))) = framer.next_frame() else {
        panic!()
    };
    assert!(client.handle_response(world.now, &head));
    let answer = String::from_utf8(client.poll_transmit().unwrap().to_vec()).unwrap();
    let uri = "uri=\"msrps://relay.test;tcp\", ";
    assert!(answer.contains(uri), "ours is complete: {answer}");
    world.say(connection, answer.replace(uri, "").as_bytes());
    let heard = world.hear(connection);
    assert!(
        heard.contains(" 200 OK\r\n") && heard.contains("Use-Path: msrps://relay.test:2855/"),
        "{heard}"
    );
    for part in ["rspauth=\"", "cnonce=\"", "nc=00000001", "qop=auth"] {
        assert!(heard.contains(part), "{heard}");
    }
}

#[test]
fn chunks_for_one_client_take_turns_and_are_whole_again_at_its_end() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let (one, two) = (world.connect(), world.connect());
    let head = |id: &str, from: &str| {
        format!(
            "MSRP {id} SEND\r\nTo-Path: {path}\r\nFrom-Path: {from}\r\nMessage-ID: m{id}\r\n\
             Byte-Range: 1-*/*\r\nContent-Type: a/b\r\n\r\n"
        )
    };
    world.say(one, head("one1", "msrps://x.test:1/x;tcp").as_bytes());
    world.say(one, b"aaa");
    world.say(two, (head("two1", "msrps://y.test:1/y;tcp") + "bbbb").as_bytes());
    world.say(one, b"cc\r\n-------one1$\r\n");
    world.say(two, b"\r\n-------two1#\r\n");
    let heard = world.hear(alice);
    let chunks = ids(&heard, "SEND");
    let ends: Vec<_> = heard
        .lines()
        .filter_map(|line| line.strip_prefix("-------"))
        .map(|line| &line[line.len() - 1..])
        .collect();
    assert_eq!(chunks.len(), 4, "{heard}");
    assert_eq!(ends, ["+", "+", "$", "#"], "{heard}");
    assert!(
        heard.contains("Message-ID: mone1\r\nByte-Range: 4-*/*"),
        "{heard}"
    );
    assert!(
        heard.contains("Message-ID: mtwo1\r\nByte-Range: 5-*/*"),
        "{heard}"
    );
}

#[test]
fn a_body_with_the_end_line_of_the_next_hop_goes_on_in_another_chunk() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    let head = format!(
        "MSRP one1 SEND\r\nTo-Path: {path}\r\nFrom-Path: {PEER}\r\nMessage-ID: m1\r\n\
         Byte-Range: 1-*/*\r\nContent-Type: a/b\r\n\r\nx"
    );
    world.say(peer, head.as_bytes());
    let heard = world.hear(alice);
    let id = ids(&heard, "SEND")[0].to_owned();
    // Whoever is told the identifier may not end the chunk and forge another.
    world.say(
        peer,
        format!("\r\n-------{id}$\r\nMSRP evil1 SEND\r\n").as_bytes(),
    );
    world.say(peer, b"\r\n-------one1$\r\n");
    let heard = world.hear(alice);
    assert!(!heard.contains(&format!("-------{id}$")), "{heard}");
    assert!(heard.contains(&format!("-------{id}+")), "{heard}");
}

#[test]
fn what_the_next_hop_does_not_answer_or_refuses_is_reported() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    let path = path.to_string();
    for (number, wish, answer, reported) in [
        (0, "", None, Some("000 408 Timeout")),
        (1, "", Some("413 no"), Some("000 413 Stop sending message")),
        (2, "", Some("200 OK"), None),
        (3, "Failure-Report: partial\r\n", None, None),
        (
            4,
            "Failure-Report: partial\r\n",
            Some("481 gone"),
            Some("000 481 No such session"),
        ),
        (5, "Failure-Report: no\r\n", Some("481 gone"), None),
    ] {
        let id = format!("abcd{number}");
        let range = "Byte-Range: 1-3/9\r\n";
        world.say(
            peer,
            send(&id, &path, PEER, &format!("{wish}{range}"), "xyz").as_bytes(),
        );
        let said = world.hear(peer);
        assert_eq!(said.contains(" 200 OK"), wish.is_empty(), "{number}: {said}");
        let heard = world.hear(alice);
        let forwarded = ids(&heard, "SEND")[0].to_owned();
        if let Some(answer) = answer {
            let response = format!("MSRP {forwarded} {answer}\r\nTo-Path: a\r\n-------{forwarded}$\r\n");
            world.say(alice, response.as_bytes());
        }
        let mut said = world.hear(peer);
        world.wait(Duration::from_secs(30));
        said += &world.hear(peer);
        match reported {
            Some(status) => {
                assert!(
                    said.contains(&format!("Status: {status}\r\n")),
                    "{number}: {said}"
                );
                assert!(said.contains("Byte-Range: 1-3/9") && said.contains(&format!("Message-ID: m{id}")));
            }
            None => assert_eq!(said, "", "{number}"),
        }
    }
}

#[test]
fn a_next_hop_that_refuses_a_chunk_on_the_way_stops_its_sender() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    let begin = send(
        "abcd1",
        &path.to_string(),
        PEER,
        "Byte-Range: 1-*/9999\r\n",
        "xyz",
    );
    world.say(peer, &begin.as_bytes()[..begin.len() - 15]);
    let heard = world.hear(alice);
    let id = ids(&heard, "SEND")[0].to_owned();
    world.say(
        alice,
        format!("MSRP {id} 413 no\r\nTo-Path: a\r\n-------{id}$\r\n").as_bytes(),
    );
    assert!(world.hear(peer).starts_with("MSRP abcd1 413 "));
    assert!(world.hear(alice).ends_with(&format!("-------{id}#\r\n")));
    world.say(peer, b"more\r\n-------abcd1#\r\n");
    assert_eq!(world.hear(alice), "", "the rest goes nowhere");
}

#[test]
fn a_full_connection_holds_up_only_those_who_send_to_it() {
    let mut world = World::new(|config| config.queued_bytes = 1000);
    let (slow, slow_path) = world.place("alice");
    let (quick, quick_path) = world.place("bob");
    let (one, two) = (world.connect(), world.connect());
    for (peer, path) in [(one, &slow_path), (two, &quick_path)] {
        let head = send(
            "abcd1",
            &path.to_string(),
            PEER,
            "Byte-Range: 1-*/*\r\n",
            &"x".repeat(2000),
        );
        world.say(peer, &head.as_bytes()[..head.len() - 15]);
    }
    world.hear(quick);
    assert!(!world.relay.wants_input(one) && world.relay.wants_input(two));
    world.events.clear();
    world.hear(slow);
    assert!(world.events.contains(&RelayServerEvent::Ready(one)));
    assert!(world.relay.wants_input(one));
}

#[test]
fn a_next_hop_that_owes_answers_holds_up_until_it_gives_them() {
    let mut world = World::new(|config| config.unanswered = 1);
    let (alice, path) = world.place("alice");
    for is_answered in [true, false] {
        let peer = world.connect();
        let chunk = send("abcd1", &path.to_string(), PEER, "Byte-Range: 1-*/*\r\n", "x");
        world.say(peer, chunk.as_bytes());
        world.say(peer, &chunk.as_bytes()[..chunk.len() - 15]);
        let heard = world.hear(alice);
        assert!(!world.relay.wants_input(peer));
        world.events.clear();
        if is_answered {
            let id = ids(&heard, "SEND")[0];
            world.say(
                alice,
                format!("MSRP {id} 200 OK\r\nTo-Path: a\r\n-------{id}$\r\n").as_bytes(),
            );
        } else {
            world.hear(peer);
            world.wait(Duration::from_secs(30));
        }
        assert!(
            world.events.contains(&RelayServerEvent::Ready(peer)),
            "{is_answered}"
        );
        assert!(world.relay.wants_input(peer));
        world.relay.handle_closed(world.now, peer);
        world.hear(alice);
    }
}

#[test]
fn a_user_is_read_no_faster_than_allowed() {
    let mut world = World::new(|config| {
        config.users.get_mut("alice").unwrap().bytes_per_second = Some(1000);
    });
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    for _ in 0..2 {
        let chunk = send("abcd1", &path.to_string(), PEER, "", &"x".repeat(1000));
        world.say(peer, chunk.as_bytes());
    }
    assert!(!world.relay.wants_input(peer), "twice what a second may carry");
    world.hear(alice);
    world.wait(Duration::from_millis(500));
    assert!(!world.relay.wants_input(peer));
    world.wait(Duration::from_millis(501));
    assert!(world.relay.wants_input(peer));
}

#[test]
fn a_peer_keeps_its_place_against_those_who_use_its_name() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let (first, second) = (world.connect(), world.connect());
    for (peer, id) in [(first, "abcd1"), (second, "abcd2")] {
        world.say(peer, send(id, &path.to_string(), PEER, "", "hi").as_bytes());
        world.hear(peer);
    }
    let answer = send(
        "abcd3",
        &format!("{} {PEER}", path.first()),
        &path.last().to_string(),
        "",
        "yes",
    );
    world.say(alice, answer.as_bytes());
    assert!(world.hear(first).contains("yes") && world.hear(second).is_empty());
    assert!(world.opened().is_empty(), "no connection is opened for it");
}

#[test]
fn a_request_other_than_send_is_passed_on_whole_or_refused() {
    let mut world = World::new(|config| config.collected_bytes = 10);
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    let request =
        |id: &str, body: &str| send(id, &path.to_string(), PEER, "", body).replacen(" SEND", " WHATEVER", 1);
    world.say(peer, request("abcd1", "0123456789").as_bytes());
    assert!(world.hear(alice).contains("\r\n\r\n0123456789\r\n-------"));
    world.say(peer, request("abcd2", "0123456789a").as_bytes());
    assert!(world.hear(peer).starts_with("MSRP abcd2 413 "));
    assert_eq!(world.hear(alice), "");
}

#[test]
fn there_are_no_more_connections_than_allowed() {
    let mut world = World::new(|config| {
        config.connections = 2;
        config.users.get_mut("alice").unwrap().connections = 0;
    });
    let (alice, path) = world.place("alice");
    let to = format!("{} {PEER}", path.first());
    world.say(
        alice,
        send("abcd1", &to, &path.last().to_string(), "", "x").as_bytes(),
    );
    assert!(world.hear(alice).starts_with("MSRP abcd1 403 "));
    world.place("bob");
    assert_eq!(world.relay.handle_connected(world.now, true), None);
}

#[test]
fn a_connection_that_takes_nothing_is_given_up() {
    let mut world = World::new(|_| {});
    let (alice, path) = world.place("alice");
    let peer = world.connect();
    world.say(peer, send("abcd1", &path.to_string(), PEER, "", "hi").as_bytes());
    world.hear(peer);
    world.wait(Duration::from_secs(30));
    assert!(world.is_closing(alice) && !world.is_closing(peer));
    world.relay.handle_closed(world.now, alice);
    assert!(world.hear(peer).contains("Status: 000 408"));
    assert_eq!(world.relay.place_count(), 0);
}

#[test]
fn a_request_that_cannot_be_passed_on_is_answered_at_once() {
    for is_refused_early in [true, false] {
        let mut world = World::new(|_| {});
        let (alice, path) = world.place("alice");
        let (ours, own) = (path.first().to_string(), path.last().to_string());
        let farther = "msrps://far.test:2855;tcp";
        let request = format!(
            "MSRP auth1 AUTH\r\nTo-Path: {ours} {farther}\r\nFrom-Path: {own}\r\nExpires: 60\r\n\
             Content-Type: a/b\r\n\r\nx\r\n-------auth1$\r\n"
        );
        let (begin, end) = request.split_at(request.len() - 5);
        world.say(alice, begin.as_bytes());
        let (hop, _) = world.opened().remove(0);
        if is_refused_early {
            world.relay.handle_closed(world.now, hop);
        }
        world.say(alice, end.as_bytes());
        if !is_refused_early {
            world.relay.handle_closed(world.now, hop);
        }
        assert_eq!(
            world.hear(alice),
            format!("MSRP auth1 408 Timeout\r\nTo-Path: {own}\r\nFrom-Path: {ours}\r\n-------auth1$\r\n")
        );
    }
}
