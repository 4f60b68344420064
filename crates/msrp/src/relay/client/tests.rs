use super::*;
use crate::chunk::Limits;

fn client(relays: &[(&str, &str)]) -> (Instant, RelayClient) {
    let now = Instant::now();
    let relays = relays.iter().map(|(uri, user)| RelayTarget {
        uri: uri.parse().unwrap(),
        credentials: Credentials::new(*user, "secret"),
    });
    let own = "msrps://alice.example.com:9892/98cjs;tcp".parse().unwrap();
    let config = RelayClientConfig::new(own, relays.collect());
    (now, RelayClient::new(now, config, Entropy::from_number(5)))
}

const INTRA: &str = "msrps://alice@intra.example.com;tcp";
const EXTRA: &str = "msrps://extra.example.com;tcp";

fn said(client: &mut RelayClient) -> String {
    let bytes = client.poll_transmit().map(|bytes| bytes.to_vec());
    String::from_utf8(bytes.unwrap_or_default()).unwrap()
}

/// Answers the request that was said last.
fn answer(now: Instant, client: &mut RelayClient, request: &str, status: &str, fields: &str) -> bool {
    let id = request.split(' ').nth(1).unwrap();
    let text = format!("MSRP {id} {status}\r\nTo-Path: a\r\nFrom-Path: b\r\n{fields}-------{id}$\r\n");
    let head = Head::parse(&text.into(), &Limits::default()).unwrap().unwrap();
    client.handle_response(now, &head)
}

#[test]
fn a_place_that_is_given_for_no_time_is_not_renewed_without_a_pause() {
    let (now, mut client) = client(&[(INTRA, "Alice")]);
    let first = said(&mut client);
    let challenge =
        "WWW-Authenticate: Digest realm=\"intra.example.com\", qop=\"auth\", nonce=\"dcd98b\"\r\n";
    answer(now, &mut client, &first, "401 Unauthorized", challenge);
    let second = said(&mut client);
    let granted = "Use-Path: msrps://intra.example.com:9000/jui787s2f;tcp\r\nExpires: 0\r\n";
    answer(now, &mut client, &second, "200 OK", granted);
    assert_eq!(client.poll_timeout(), Some(now + Duration::from_millis(500)));
}

#[test]
fn two_relays_are_asked_one_through_the_other_as_rfc_4976_shows() {
    let (now, mut client) = client(&[(INTRA, "Alice"), (EXTRA, "Alice")]);
    let first = said(&mut client);
    assert!(first.contains(" AUTH\r\nTo-Path: msrps://alice@intra.example.com;tcp\r\nFrom-Path: msrps://alice.example.com:9892/98cjs;tcp\r\n-------"), "{first}");
    let challenge =
        "WWW-Authenticate: Digest realm=\"intra.example.com\", qop=\"auth\", nonce=\"dcd98b\"\r\n";
    assert!(answer(now, &mut client, &first, "401 Unauthorized", challenge));
    let second = said(&mut client);
    for part in [
        "username=\"Alice\"",
        "realm=\"intra.example.com\"",
        "nc=00000001",
        "qop=auth",
        "cnonce=",
        "uri=\"msrps://alice@intra.example.com;tcp\"",
    ] {
        assert!(second.contains(part), "{part}: {second}");
    }
    let granted = "Use-Path: msrps://intra.example.com:9000/jui787s2f;tcp\r\nExpires: 900\r\n";
    assert!(answer(now, &mut client, &second, "200 OK", granted));
    let third = said(&mut client);
    assert!(
        third.contains(
            "To-Path: msrps://intra.example.com:9000/jui787s2f;tcp msrps://extra.example.com;tcp\r\n"
        ),
        "{third}"
    );
    let granted = "Use-Path: msrps://intra.example.com:9000/jui787s2f;tcp msrps://extra.example.com:9000/mywdEe1233;tcp\r\nExpires: 1800\r\n";
    assert!(answer(now, &mut client, &third, "200 OK", granted));
    let path = "msrps://extra.example.com:9000/mywdEe1233;tcp msrps://intra.example.com:9000/jui787s2f;tcp msrps://alice.example.com:9892/98cjs;tcp";
    assert_eq!(
        client.poll_event(),
        Some(RelayEvent::Placed(path.parse().unwrap()))
    );
    assert_eq!(
        client.valid_until(),
        Some(now + Duration::from_mins(15)),
        "the shortest counts"
    );
    assert_eq!(client.poll_timeout(), Some(now + Duration::from_secs(675)));
}

#[test]
fn challenges_without_qop_opaque_or_known_algorithms_are_told_apart() {
    for (challenge, is_answered) in [
        ("Digest realm=\"r\", nonce=\"n\"", true),
        (
            "Digest realm=\"r\", nonce=\"n\", opaque=\"o\", algorithm=MD5, qop=\"auth,auth-int\"",
            true,
        ),
        (
            "Digest realm=\"r\", nonce=\"n\", domain=\"msrps://x\", qop=auth",
            true,
        ),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=ROT13", false),
        ("Basic realm=\"r\"", false),
    ] {
        let (now, mut client) = client(&[(INTRA, "a")]);
        let request = said(&mut client);
        let field = format!("WWW-Authenticate: {challenge}\r\n");
        assert!(answer(now, &mut client, &request, "401 Unauthorized", &field));
        assert_eq!(
            said(&mut client).contains("Authorization: Digest"),
            is_answered,
            "{challenge}"
        );
    }
}

#[test]
fn refusal_silence_and_nonsense_are_told() {
    let (now, mut silent) = client(&[(INTRA, "a")]);
    silent.handle_timeout(now + Duration::from_secs(30));
    assert_eq!(silent.poll_event(), Some(RelayEvent::Failed(RelayError::Silent)));
    assert_eq!(silent.poll_timeout(), None);
    let (_, mut lonely) = client(&[]);
    assert_eq!(lonely.poll_event(), Some(RelayEvent::Failed(RelayError::NoRelay)));
    for (status, fields, error) in [
        ("403 no", "", RelayError::Refused(StatusCode::FORBIDDEN)),
        ("423 no", "", RelayError::Refused(StatusCode::OUT_OF_BOUNDS)),
        ("200 OK", "", RelayError::NoPath),
        ("200 OK", "Use-Path: http://x\r\n", RelayError::NoPath),
        ("401 no", "", ChallengeRefused::NoChallenge.into()),
    ] {
        let (now, mut client) = client(&[(INTRA, "a")]);
        let request = said(&mut client);
        assert!(
            !answer(now, &mut client, "MSRP other SEND", status, fields),
            "not ours"
        );
        assert!(answer(now, &mut client, &request, status, fields));
        assert_eq!(client.poll_event(), Some(RelayEvent::Failed(error)), "{status}");
    }
}

#[test]
fn a_relay_that_refuses_each_lifetime_is_not_asked_for_ever() {
    let (now, mut client) = client(&[(INTRA, "a")]);
    let request = said(&mut client);
    assert!(answer(
        now,
        &mut client,
        &request,
        "423 no",
        "Min-Expires: 60\r\n"
    ));
    let again = said(&mut client);
    assert!(again.contains("Expires: 60\r\n"), "{again}");
    assert!(answer(now, &mut client, &again, "423 no", "Max-Expires: 10\r\n"));
    assert_eq!(
        client.poll_event(),
        Some(RelayEvent::Failed(RelayError::Refused(StatusCode::OUT_OF_BOUNDS)))
    );
}

#[test]
fn a_place_that_moves_is_told_with_the_new_path() {
    let (now, mut client) = client(&[(INTRA, "a")]);
    for (round, session) in ["one", "two", "two"].iter().enumerate() {
        let at = client.poll_timeout().unwrap().max(now);
        if round > 0 {
            client.handle_timeout(at);
        }
        let request = said(&mut client);
        let granted = format!("Use-Path: msrps://intra.example.com:9000/{session};tcp\r\nExpires: 100\r\n");
        assert!(answer(at, &mut client, &request, "200 OK", &granted));
        let path = client.path().unwrap().clone();
        let expected = [
            RelayEvent::Placed(path.clone()),
            RelayEvent::Moved(path),
            RelayEvent::Renewed,
        ];
        assert_eq!(client.poll_event(), Some(expected[round].clone()));
    }
}

#[test]
fn a_relay_that_does_not_know_the_password_is_not_used() {
    const PLACE: &str = "Use-Path: msrps://intra.example.com:9000/jui787s2f;tcp\r\nExpires: 900\r\n";
    let challenge =
        "WWW-Authenticate: Digest realm=\"intra.example.com\", qop=\"auth\", nonce=\"dcd98b\"\r\n";
    for (wants_proof, what) in [
        (false, "none"),
        (true, "none"),
        (false, "wrong"),
        (false, "garbage"),
        (true, "right"),
    ] {
        let (now, mut client) = client(&[(INTRA, "Alice")]);
        client.config.wants_proof = wants_proof;
        let first = said(&mut client);
        answer(now, &mut client, &first, "401 Unauthorized", challenge);
        let second = said(&mut client);
        let answered = second
            .split("Authorization: ")
            .nth(1)
            .unwrap()
            .split("\r\n")
            .next()
            .unwrap();
        let config = offhook_digest::VerifierConfig::new("intra.example.com");
        let relay = offhook_digest::Verifier::new(config, Entropy::from_number(1));
        let right = relay.authentication_info(answered, "Alice", &"secret".into(), INTRA);
        let wrong = relay.authentication_info(answered, "Alice", &"guess".into(), INTRA);
        let proof = |proof: &str| format!("Authentication-Info: {proof}\r\n{PLACE}");
        let fields = match what {
            "none" => PLACE.to_owned(),
            "right" => proof(&right.unwrap()),
            "wrong" => proof(&wrong.unwrap()),
            _ => proof("rspauth=\""),
        };
        answer(now, &mut client, &second, "200 OK", &fields);
        let event = client.poll_event();
        let is_used = matches!(event, Some(RelayEvent::Placed(_)));
        assert_eq!(
            is_used,
            what == "right" || (what == "none" && !wants_proof),
            "{what}: {event:?}"
        );
        if !is_used {
            assert!(
                matches!(event, Some(RelayEvent::Failed(RelayError::Proof(_)))),
                "{what}: {event:?}"
            );
            assert_eq!(client.path(), None);
        }
    }
}
