//! Requests and messages outside of dialogs, in virtual time (RFC 3261 §8.1, §11, RFC 3263 §4.3, RFC 3428).

mod support;

use offhook_digest::{Credentials, Signed, Verifier, VerifierConfig};
use offhook_sansio::{Entropy, Transport};
use offhook_sip_core::ask::AskEvent;
use offhook_sip_core::invitation::Cause;
use offhook_sip_core::{
    Ask, AskError, Body, EndpointConfig, EndpointEvent, HeaderName, MessageError, MessageEvent, Method,
    PagerMessage, Route, StatusCode,
};
use std::time::Duration;
use support::server::{Server, always, respond};
use support::{ALICE, BOB, Net, Peer};

const SHORT: Duration = Duration::from_millis(200);

fn route(address: &str) -> Route {
    Route::new(Transport::Udp, address.parse().expect("an address"))
}

fn ask(method: &str) -> Ask {
    let method = Method::new(method).expect("a token");
    Ask::new(
        method,
        "sip:alice@a.test".parse().expect("valid"),
        "sip:bob@b.test".parse().expect("valid"),
        route(BOB),
    )
}

fn message(text: &str) -> PagerMessage {
    message_to("sip:bob@b.test", text)
}

fn message_to(to: &str, text: &str) -> PagerMessage {
    PagerMessage::new(
        "sip:alice@a.test".parse().expect("valid"),
        to.parse().expect("valid"),
        route(BOB),
        Body::new("text/plain", text.to_owned()),
    )
}

/// What Alice's requests and messages ended with.
fn ends(net: &Net) -> Vec<u16> {
    let status = |cause: &Cause| cause.status().map_or(0, StatusCode::as_u16);
    net.peers[0]
        .events
        .iter()
        .filter_map(|event| match event {
            EndpointEvent::Ask {
                event: AskEvent::Answered { cause, .. },
                ..
            }
            | EndpointEvent::Message {
                event: MessageEvent::Answered { cause, .. },
                ..
            } => Some(status(cause)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_request_of_any_method_is_sent_and_its_response_told() {
    let mut server = Server::new(Box::new(|_, request, _| respond(request, 299, &[])));
    let now = server.net.now;
    let mut fly = ask("FLY");
    fly.body = Some(Body::new("text/plain", "up"));
    fly.extra_headers.push(("X-Wing".to_owned(), "left".to_owned()));
    server.net.alice().endpoint.ask(now, fly).expect("it can be sent");
    server.run(SHORT);
    assert_eq!(ends(&server.net), [299]);
    assert_eq!(server.bodies(), ["up"]);
    assert_eq!(server.header(0, HeaderName::Other("x-wing")), Some("left"));
    assert_eq!(server.header(0, HeaderName::Contact), None);
    for method in ["INVITE", "ACK", "CANCEL", "BYE", "SUBSCRIBE", "NOTIFY"] {
        let refused = server.net.alice().endpoint.ask(now, ask(method));
        assert!(matches!(refused, Err(AskError::IllegalMethod(_))), "{method}");
    }
    let mut nowhere = ask("FLY");
    nowhere.routes.clear();
    assert_eq!(
        server.net.alice().endpoint.ask(now, nowhere),
        Err(AskError::NoRoute)
    );
}

#[test]
fn options_tell_what_the_other_side_can_do() {
    let config = EndpointConfig {
        incoming_events: vec!["presence".to_owned(), "dialog".to_owned()],
        supported: vec!["x-own".to_owned()],
        ..EndpointConfig::default()
    };
    let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)]);
    let now = net.now;
    let ask = Ask::options(
        "sip:alice@a.test".parse().expect("valid"),
        "sip:bob@b.test".parse().expect("valid"),
        route(BOB),
    );
    net.alice().endpoint.ask(now, ask).expect("it can be sent");
    net.run(SHORT);
    let said = net.alice().events.iter().find_map(|event| match event {
        EndpointEvent::Ask {
            event: AskEvent::Answered { cause, .. },
            ..
        } => {
            let headers = cause.headers().expect("a response");
            let names = [
                HeaderName::Allow,
                HeaderName::Accept,
                HeaderName::AcceptEncoding,
                HeaderName::AcceptLanguage,
                HeaderName::Supported,
                HeaderName::AllowEvents,
            ];
            Some(names.map(|name| headers.get_str(name).unwrap_or_default().to_owned()))
        }
        _ => None,
    });
    assert_eq!(
        said.expect("an answer"),
        [
            "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, NOTIFY, SUBSCRIBE",
            "application/sdp",
            "identity",
            "en",
            "100rel, replaces, timer, x-own",
            "presence, dialog"
        ]
    );
}

#[test]
fn routes_are_taken_in_turn_after_silence_a_broken_transport_or_a_503() {
    let mut server = Server::new(always(200));
    let now = server.net.now;
    let mut three = ask("FLY");
    three.routes = vec![route("192.0.2.88:5060"), route("192.0.2.89:5060"), route(BOB)];
    server
        .net
        .alice()
        .endpoint
        .ask(now, three)
        .expect("it can be sent");
    server.run(SHORT);
    let path = offhook_sansio::Path::new(
        Transport::Udp,
        ALICE.parse().expect("valid"),
        "192.0.2.88:5060".parse().expect("valid"),
    );
    let now = server.net.now;
    server.net.alice().endpoint.handle_transport_error(now, path);
    server.run(SHORT);
    assert!(server.requests.is_empty());
    server.run(Duration::from_secs(33));
    assert_eq!(ends(&server.net), [200]);
    assert_eq!(server.requests.len(), 1);

    let mut server = Server::new(Box::new(|n, request, _| {
        respond(request, if n == 0 { 503 } else { 200 }, &[])
    }));
    let now = server.net.now;
    let mut two = ask("FLY");
    two.routes = vec![route(BOB), route(BOB)];
    server.net.alice().endpoint.ask(now, two).expect("it can be sent");
    server.run(SHORT);
    assert_eq!(ends(&server.net), [200]);
}

#[test]
fn what_no_route_answers_counts_as_408_or_503() {
    let mut server = Server::new(always(503));
    let now = server.net.now;
    let mut two = ask("FLY");
    two.routes = vec![route(BOB), route(BOB)];
    server.net.alice().endpoint.ask(now, two).expect("it can be sent");
    server.run(SHORT);
    assert_eq!((ends(&server.net), server.requests.len()), (vec![503], 2));

    let mut server = Server::new(Box::new(|_, _, _| None));
    let now = server.net.now;
    server
        .net
        .alice()
        .endpoint
        .ask(now, ask("FLY"))
        .expect("it can be sent");
    server.run(Duration::from_secs(33));
    assert_eq!(ends(&server.net), [408]);
}

#[test]
fn a_challenge_is_answered_once_for_each_realm_and_no_more() {
    // The proxy and the server ask in turn; then the server says no.
    let mut server = Server::new(Box::new(|n, request, _| {
        let challenge = |realm: &str| format!("Digest realm=\"{realm}\", nonce=\"n{n}\", qop=\"auth\"");
        match n {
            0 => respond(request, 407, &[("Proxy-Authenticate", &challenge("proxy"))]),
            _ => respond(request, 401, &[("WWW-Authenticate", &challenge("server"))]),
        }
    }));
    let now = server.net.now;
    let mut fly = ask("FLY");
    fly.credentials = Some(Credentials::new("alice", "wrong"));
    server.net.alice().endpoint.ask(now, fly).expect("it can be sent");
    server.run(Duration::from_secs(5));
    assert_eq!((ends(&server.net), server.requests.len()), (vec![401], 3));
    let numbers: Vec<_> = (0..3).map(|n| server.header(n, HeaderName::CSeq)).collect();
    assert_eq!(numbers, [Some("1 FLY"), Some("2 FLY"), Some("3 FLY")]);
    assert!(server.header(2, HeaderName::ProxyAuthorization).is_some());
    assert!(server.header(2, HeaderName::Authorization).is_some());
}

#[test]
fn a_server_that_finds_every_nonce_stale_is_not_believed_for_ever() {
    let mut server = Server::new(Box::new(|n, request, _| {
        let challenge = format!("Digest realm=\"r\", nonce=\"n{n}\", qop=\"auth\", stale=true");
        respond(request, 401, &[("WWW-Authenticate", &challenge)])
    }));
    let now = server.net.now;
    let mut fly = ask("FLY");
    fly.credentials = Some(Credentials::new("alice", "secret"));
    server.net.alice().endpoint.ask(now, fly).expect("it can be sent");
    server.run(Duration::from_mins(1));
    assert_eq!(ends(&server.net), [401]);
    assert!(server.requests.len() < 8, "{}", server.requests.len());
}

#[test]
fn the_password_is_proven() {
    let mut verifier = Verifier::new(VerifierConfig::new("b.test"), Entropy::from_number(9));
    let mut server = Server::new(Box::new(move |_, request, now| {
        let signed = Signed {
            method: "MESSAGE",
            uri: "sip:bob@b.test",
            body: request.body(),
        };
        let value = request.headers().get_str(HeaderName::Authorization);
        let verdict = value.map(|value| verifier.verify(now, value, &signed, |_| Some("secret".into())));
        if let Some(Ok(_)) = verdict {
            return respond(request, 200, &[]);
        }
        let challenges = verifier.challenges(now, false);
        let challenges: Vec<_> = challenges
            .iter()
            .map(|value| ("WWW-Authenticate", value.as_str()))
            .collect();
        respond(request, 401, &challenges)
    }));
    let now = server.net.now;
    let mut hello = message("hello");
    hello.credentials = Some(Credentials::new("alice", "secret"));
    server
        .net
        .alice()
        .endpoint
        .send_message(now, hello)
        .expect("there is room");
    server.run(SHORT);
    assert_eq!((ends(&server.net), server.requests.len()), (vec![200], 2));
}

#[test]
fn messages_to_one_target_go_one_after_the_other_and_to_others_at_once() {
    let mut server = Server::new(Box::new(|n, request, _| {
        // The first is never answered.
        (n > 0).then(|| respond(request, 202, &[])).flatten()
    }));
    let now = server.net.now;
    let endpoint = &mut server.net.alice().endpoint;
    for text in ["1", "2", "3"] {
        endpoint.send_message(now, message(text)).expect("there is room");
    }
    endpoint
        .send_message(now, message_to("sip:carol@b.test", "hello"))
        .expect("there is room");
    server.run(SHORT);
    assert_eq!(server.bodies(), ["1", "hello"]);
    assert_eq!(server.header(0, HeaderName::Contact), None, "RFC 3428 §4");
    server.run(Duration::from_secs(33));
    assert_eq!(server.bodies(), ["1", "hello", "2", "3"]);
    assert_eq!(ends(&server.net), [202, 408, 202, 202]);
    assert!(server.net.alice().endpoint.is_idle());
}

#[test]
fn the_queues_of_messages_have_ends() {
    let mut config = EndpointConfig::default();
    config.limits.messages_per_target = 2;
    config.limits.messages = 3;
    config.limits.asks = 1;
    let mut server = Server::with_config(config, always(200));
    let now = server.net.now;
    let endpoint = &mut server.net.alice().endpoint;
    let mut send = |to: &str| endpoint.send_message(now, message_to(to, "x")).map(drop);
    assert_eq!(send("sip:bob@b.test"), Ok(()));
    assert_eq!(send("sip:bob@b.test"), Ok(()));
    assert_eq!(
        send("sip:bob@b.test"),
        Err(MessageError::TargetLimit { limit: 2 })
    );
    assert_eq!(send("sip:carol@b.test"), Ok(()));
    assert_eq!(send("sip:dave@b.test"), Err(MessageError::Limit { limit: 3 }));
    assert!(endpoint.ask(now, ask("FLY")).is_ok());
    assert_eq!(endpoint.ask(now, ask("FLY")), Err(AskError::Limit { limit: 1 }));
    server.run(SHORT);
    let endpoint = &mut server.net.alice().endpoint;
    assert!(
        endpoint
            .send_message(now, message_to("sip:dave@b.test", "x"))
            .is_ok(),
        "there is room again"
    );
}

#[test]
fn a_message_without_any_way_is_told_as_failed() {
    let mut net = Net::pair();
    let now = net.now;
    let mut lost = message("hello");
    lost.routes = vec![Route::new(Transport::Tls, BOB.parse().expect("valid"))];
    net.alice()
        .endpoint
        .send_message(now, lost)
        .expect("there is room");
    net.run(SHORT);
    assert_eq!(ends(&net), [503]);
    let mut nowhere = message("hello");
    nowhere.routes.clear();
    assert_eq!(
        net.alice().endpoint.send_message(now, nowhere),
        Err(MessageError::NoRoute)
    );
}
