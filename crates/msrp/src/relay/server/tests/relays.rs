//! Relays that know each other by their certificates (RFC 4976 §6.3).

use super::*;
use crate::relay::RelayError;

const PEER: &str = "msrps://carol.test:9/c1;tcp";
const NEAR: &str = "msrps://near.test:2855/n1;tcp";

/// A certificate for one host.
#[derive(Debug)]
struct For(&'static str);

impl PeerCertificate for For {
    fn is_for(&self, host: &str) -> bool {
        host == self.0
    }
}

impl World {
    /// A connection of somebody who shows this certificate.
    fn connect_as(&mut self, host: Option<&'static str>) -> ConnectionId {
        let connection = self.connect();
        if let Some(host) = host {
            self.relay.set_certificate(connection, Box::new(For(host)));
        }
        connection
    }

    /// Alice asks through the relay near her, on its connection.
    fn ask_through_near(&mut self, connection: ConnectionId, password: &str) -> Vec<RelayEvent> {
        let own: MsrpUri = "msrps://alice.test:7/alice1;tcp".parse().unwrap();
        let mut config = client_config(own, "alice");
        config.relays[0].credentials = Credentials::new("alice", password);
        let mut client = RelayClient::new(self.now, config, Entropy::from_number(3));
        let mut framer = Framer::new(crate::chunk::Limits::default());
        let mut events = Vec::new();
        while let Some(bytes) = client.poll_transmit() {
            // The relay between puts its URI before hers.
            let request = String::from_utf8(bytes.to_vec()).unwrap();
            self.say(
                connection,
                request
                    .replace("From-Path: ", &format!("From-Path: {NEAR} "))
                    .as_bytes(),
            );
            framer.input().extend_from_slice(self.hear(connection).as_bytes());
            while let Ok(Some(frame)) = framer.next_frame() {
                if let Frame::Head(head) = frame {
                    client.handle_response(self.now, &head);
                }
            }
            events.extend(std::iter::from_fn(|| client.poll_event()));
        }
        events
    }
}

/// The place that the relay gave, of a path.
fn place_of(events: &[RelayEvent]) -> String {
    match events {
        [RelayEvent::Placed(path)] => path.first().to_string(),
        events => panic!("{events:?}"),
    }
}

#[test]
fn a_place_asked_for_through_a_relay_that_proved_to_be_one_is_good_on_any_connection_to_it() {
    let mut world = World::new(|config| config.wants_relay_certificates = true);
    let near = world.connect_as(Some("near.test"));
    let place = place_of(&world.ask_through_near(near, "alicepw"));
    world.relay.handle_closed(world.now, near);
    assert_eq!(world.relay.place_count(), 1);

    // Nobody is there now: the relay near her is called.
    let peer = world.connect();
    let way = format!("{place} {NEAR} msrps://alice.test:7/alice1;tcp");
    world.say(peer, send("abcd1", &way, PEER, "", "hi").as_bytes());
    let (called, uri) = world.opened().remove(0);
    assert_eq!(uri, NEAR);
    assert!(world.hear(called).contains("\r\nhi\r\n"));

    // What Alice sends comes on a connection that her relay opened again.
    let again = world.connect_as(Some("near.test"));
    let back = format!("{NEAR} msrps://alice.test:7/alice1;tcp");
    world.say(
        again,
        send("abcd2", &format!("{place} {PEER}"), &back, "", "ho").as_bytes(),
    );
    assert!(world.hear(peer).contains("\r\nho\r\n"));
    assert!(world.hear(again).contains("MSRP abcd2 200"));

    // Who only says that it is this relay has no way through.
    let liar = world.connect_as(Some("liar.test"));
    world.say(
        liar,
        send("abcd3", &format!("{place} {PEER}"), &back, "", "no").as_bytes(),
    );
    assert!(world.hear(liar).contains("MSRP abcd3 481"));
    assert!(!world.hear(peer).contains("no"));
}

#[test]
fn without_a_certificate_a_place_ends_with_its_connection() {
    let mut world = World::new(|_| {});
    let near = world.connect_as(None);
    place_of(&world.ask_through_near(near, "alicepw"));
    world.relay.handle_closed(world.now, near);
    assert_eq!(world.relay.place_count(), 0);
}

#[test]
fn a_relay_with_the_certificate_of_another_host_gets_no_place_and_one_without_only_where_that_is_allowed() {
    let refused = [RelayEvent::Failed(RelayError::Refused(StatusCode::FORBIDDEN))];
    for (shown, wants, is_taken) in [
        (Some("liar.test"), false, false),
        (Some("liar.test"), true, false),
        (None, true, false),
        (None, false, true),
        (Some("near.test"), true, true),
    ] {
        let mut world = World::new(|config| config.wants_relay_certificates = wants);
        let connection = world.connect_as(shown);
        let events = world.ask_through_near(connection, "alicepw");
        if is_taken {
            place_of(&events);
        } else {
            assert_eq!(events, refused, "{shown:?} {wants}");
        }
    }
    // A client of its own needs none.
    let mut world = World::new(|config| config.wants_relay_certificates = true);
    world.place("alice");
}

#[test]
fn a_relay_is_not_closed_for_the_wrong_passwords_of_its_clients() {
    for (shown, is_closed) in [(Some("near.test"), false), (None, true)] {
        let mut world = World::new(|config| config.failures = 3);
        let near = world.connect_as(shown);
        for _ in 0..10 {
            if !world.is_closing(near) {
                let events = world.ask_through_near(near, "wrong");
                assert!(matches!(events[..], [RelayEvent::Failed(_)] | []), "{events:?}");
            }
        }
        assert_eq!(world.is_closing(near), is_closed, "{shown:?}");
    }
}
