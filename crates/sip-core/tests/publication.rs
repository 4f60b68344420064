//! Publishing to a server that the test plays (RFC 3903), in virtual time.

mod support;

use offhook_sansio::Transport;
use offhook_sip_core::PublicationState::{Published, Publishing, Unpublished, Unpublishing};
use offhook_sip_core::{
    Body, EndpointConfig, EndpointEvent, HeaderName, PublicationEvent, PublicationId, PublicationMut,
    PublicationState, Publish, PublishError, Request, Route,
};
use std::time::Duration;
use support::server::{Script, Server, always, respond};
use support::{BOB, Net};

const SHORT: Duration = Duration::from_millis(200);

struct World {
    server: Server,
    id: PublicationId,
}

impl World {
    fn new(script: Script) -> Self {
        let mut server = Server::new(script);
        let publish = publish();
        let id = server
            .net
            .alice()
            .endpoint
            .add_publication(publish)
            .expect("there is room");
        Self { server, id }
    }

    fn with(&mut self, act: impl FnOnce(&mut PublicationMut<'_>, std::time::Instant)) {
        let (now, id) = (self.server.net.now, self.id);
        let mut publication = self
            .server
            .net
            .alice()
            .endpoint
            .publication(id)
            .expect("it lives");
        act(&mut publication, now);
        self.server.run(SHORT);
    }

    fn publish(&mut self, text: &str) {
        let body = Body::new("application/pidf+xml", text.to_owned());
        self.with(|publication, now| publication.publish(now, body));
    }

    fn events(&self) -> impl Iterator<Item = &PublicationEvent> {
        self.server.net.peers[0]
            .events
            .iter()
            .filter_map(|event| match event {
                EndpointEvent::Publication { event, .. } => Some(event),
                _ => None,
            })
    }

    fn states(&self) -> Vec<PublicationState> {
        self.events()
            .filter_map(|event| match event {
                PublicationEvent::StateChanged { state, .. } => Some(*state),
                _ => None,
            })
            .collect()
    }

    /// RFC 3903 Table 1, of each request: body, SIP-If-Match, Expires.
    fn operations(&self) -> Vec<(String, String, String)> {
        let text = |request: &Request, name: HeaderName<'_>| {
            request.headers().get_str(name).unwrap_or_default().to_owned()
        };
        let operation = |(_, request): &(Duration, Request)| {
            (
                String::from_utf8_lossy(request.body()).into_owned(),
                text(request, HeaderName::SipIfMatch),
                text(request, HeaderName::Expires),
            )
        };
        self.server.requests.iter().map(operation).collect()
    }

    fn waits(&self) -> Vec<u64> {
        self.events()
            .filter_map(|event| match event {
                PublicationEvent::Failed { retry_after, .. } => Some(retry_after.as_secs()),
                _ => None,
            })
            .collect()
    }
}

fn publish() -> Publish {
    Publish::new(
        "sip:alice@example.com".parse().expect("valid"),
        "presence",
        Route::new(Transport::Udp, BOB.parse().expect("valid")),
    )
}

/// Accepts everything, with a new entity tag each time.
fn accept(seconds: u32) -> Script {
    Box::new(move |n, request, _| {
        let (etag, expires) = (format!("tag{n}"), seconds.to_string());
        respond(request, 200, &[("SIP-ETag", &etag), ("Expires", &expires)])
    })
}

fn op(body: &str, etag: &str, expires: &str) -> (String, String, String) {
    (body.to_owned(), etag.to_owned(), expires.to_owned())
}

#[test]
fn state_is_published_refreshed_changed_taken_back_and_published_again() {
    let mut world = World::new(accept(300));
    world.publish("open");
    assert_eq!(world.states(), [Publishing, Published]);
    world.server.run(Duration::from_secs(268));
    assert_eq!(world.server.requests.len(), 1);
    world.server.run(Duration::from_secs(3));
    world.publish("busy");
    world.with(|publication, now| {
        publication.unpublish(now);
    });
    assert_eq!(world.states().last(), Some(&Unpublished));
    assert!(matches!(world.events().last(), Some(PublicationEvent::Ended)));
    // What the SIP SIMPLE document has as a fault of its stack: the old tag is not used again.
    world.publish("back");
    assert_eq!(
        world.operations(),
        [
            op("open", "", "600"),
            op("", "tag0", "600"),
            op("busy", "tag1", "600"),
            op("", "tag2", "0"),
            op("back", "", "600"),
        ]
    );
    assert_eq!(world.server.header(0, HeaderName::Event), Some("presence"));
    assert_eq!(world.server.header(0, HeaderName::Contact), None);
    assert_eq!(
        world.server.header(0, HeaderName::CallId),
        world.server.header(4, HeaderName::CallId)
    );
}

#[test]
fn commands_wait_for_the_request_on_its_way_and_the_newest_wins() {
    let mut world = World::new(accept(300));
    world.with(|publication, now| {
        for text in ["1", "2", "3"] {
            publication.publish(now, Body::new("text/plain", text));
        }
    });
    assert_eq!(world.operations(), [op("1", "", "600"), op("3", "tag0", "600")]);
    world.with(|publication, now| {
        publication.publish(now, Body::new("text/plain", "4"));
        publication.unpublish(now);
        publication.publish(now, Body::new("text/plain", "5"));
    });
    assert_eq!(
        world.operations()[2..],
        [op("4", "tag1", "600"), op("5", "tag2", "600")]
    );
    world.with(|publication, now| {
        publication.publish(now, Body::new("text/plain", "6"));
        publication.unpublish(now);
    });
    assert_eq!(
        world.operations()[4..],
        [op("6", "tag3", "600"), op("", "tag4", "0")]
    );
    assert_eq!(
        world.states()[world.states().len() - 4..],
        [Publishing, Published, Unpublishing, Unpublished]
    );
}

#[test]
fn what_the_server_has_lost_is_published_in_full() {
    let mut world = World::new(Box::new(|n, request, _| {
        if request.headers().get_str(HeaderName::SipIfMatch) == Some("tag0") {
            return respond(request, 412, &[]);
        }
        let etag = format!("tag{n}");
        respond(request, 200, &[("SIP-ETag", &etag), ("Expires", "300")])
    }));
    world.publish("open");
    world.with(|publication, now| {
        publication.refresh(now);
    });
    assert_eq!(
        world.operations(),
        [
            op("open", "", "600"),
            op("", "tag0", "600"),
            op("open", "", "600")
        ]
    );
    assert_eq!(world.states(), [Publishing, Published, Publishing, Published]);
    // A removal of what is gone has done what it should.
    let mut world = World::new(Box::new(|n, request, _| match n {
        0 => respond(request, 200, &[("SIP-ETag", "x"), ("Expires", "300")]),
        _ => respond(request, 412, &[]),
    }));
    world.publish("open");
    world.with(|publication, now| {
        publication.unpublish(now);
    });
    assert!(matches!(world.events().last(), Some(PublicationEvent::Ended)));
    assert_eq!(world.server.requests.len(), 2);
}

#[test]
fn a_server_that_never_finds_its_own_tag_is_not_asked_for_ever() {
    let mut world = World::new(always(412));
    world.publish("open");
    world.server.run(Duration::from_secs(10));
    assert_eq!(world.server.requests.len(), 1);
    assert_eq!(world.states(), [Publishing, Unpublished]);
    assert!((15..=40).contains(&world.waits()[0]));
}

#[test]
fn an_interval_too_brief_is_raised_once() {
    let mut world = World::new(Box::new(|n, request, _| match n {
        0 => respond(request, 423, &[("Min-Expires", "1800")]),
        _ => respond(request, 200, &[("SIP-ETag", "x"), ("Expires", "1800")]),
    }));
    world.publish("open");
    assert_eq!(
        world.operations(),
        [op("open", "", "600"), op("open", "", "1800")]
    );
    assert_eq!(world.states(), [Publishing, Published]);
    let mut world = World::new(Box::new(|_, request, _| {
        respond(request, 423, &[("Min-Expires", "1800")])
    }));
    world.publish("open");
    assert_eq!(world.server.requests.len(), 2);
    assert!((60..=120).contains(&world.waits()[0]));
}

#[test]
fn failures_are_tried_again_each_after_its_time() {
    for (status, low, high) in [
        (401, 60, 120),
        (403, 60, 120),
        (405, 3600, 3600),
        (415, 3600, 3600),
        (489, 3600, 3600),
        (500, 15, 40),
    ] {
        let mut world = World::new(always(status));
        world.publish("open");
        assert_eq!(world.states(), [Publishing, Unpublished], "{status}");
        let waits = world.waits();
        assert!((low..=high).contains(&waits[0]), "{status}: {waits:?}");
        world.server.run(Duration::from_secs(high + 1));
        assert_eq!(world.operations()[1], op("open", "", "600"), "{status}");
    }
    let mut world = World::new(Box::new(|_, request, _| {
        respond(request, 503, &[("Retry-After", "1000")])
    }));
    world.publish("open");
    assert_eq!(world.waits(), [1000]);
}

#[test]
fn a_refresh_that_fails_keeps_the_tag_for_as_long_as_the_state_stands() {
    let mut world = World::new(Box::new(|n, request, _| match n {
        1 => respond(request, 500, &[]),
        _ => respond(request, 200, &[("SIP-ETag", "x"), ("Expires", "300")]),
    }));
    world.publish("open");
    world.server.run(Duration::from_secs(200));
    world.with(|publication, now| {
        publication.refresh(now);
    });
    world.server.run(Duration::from_secs(41));
    assert_eq!(
        world.operations(),
        [op("open", "", "600"), op("", "x", "600"), op("", "x", "600")]
    );
    // The server is silent until the state is gone.
    let mut world = World::new(Box::new(|n, request, _| match n {
        0 | 5.. => respond(request, 200, &[("SIP-ETag", "x"), ("Expires", "60")]),
        _ => None,
    }));
    world.publish("open");
    world.server.run(Duration::from_mins(20));
    let operations = world.operations();
    assert_eq!(operations[1], op("", "x", "600"));
    assert_eq!(
        operations.last(),
        Some(&op("", "x", "600")),
        "refreshed again since"
    );
    assert!(operations[2..].contains(&op("open", "", "600")), "{operations:?}");
}

#[test]
fn a_server_that_is_gone_holds_nobody_up() {
    let mut world = World::new(accept(300));
    world.publish("open");
    world.server.net.fate = Box::new(|_| false);
    let (now, id) = (world.server.net.now, world.id);
    world.server.net.alice().endpoint.close_publication(now, id);
    world.server.run(Duration::from_secs(2));
    assert!(matches!(
        world.events().last(),
        Some(PublicationEvent::NotEnded { .. })
    ));
    assert!(world.server.net.alice().endpoint.is_idle());
    assert!(world.server.net.alice().endpoint.publication(id).is_none());
}

#[test]
fn a_close_takes_the_state_back() {
    let mut world = World::new(accept(300));
    world.publish("open");
    let now = world.server.net.now;
    world.server.net.alice().endpoint.end_all(now);
    world.server.run(SHORT);
    assert_eq!(world.operations()[1], op("", "tag0", "0"));
    assert!(world.server.net.alice().endpoint.is_idle());
}

/// Each state with each command; what the state is then, and after the answer.
#[test]
fn every_state_takes_every_command() {
    let commands: [fn(&mut PublicationMut<'_>, std::time::Instant); 3] = [
        |publication, now| publication.publish(now, Body::new("text/plain", "x")),
        |publication, now| publication.refresh(now),
        |publication, now| publication.unpublish(now),
    ];
    let table = [
        (
            Unpublished,
            [Publishing, Unpublished, Unpublished],
            [Published, Unpublished, Unpublished],
        ),
        (
            Publishing,
            [Publishing, Publishing, Publishing],
            [Published, Published, Unpublished],
        ),
        (
            Published,
            [Publishing, Publishing, Unpublishing],
            [Published, Published, Unpublished],
        ),
        (
            Unpublishing,
            [Unpublishing, Unpublishing, Unpublishing],
            [Published, Unpublished, Unpublished],
        ),
    ];
    for (state, at_once, in_the_end) in table {
        for (index, command) in commands.iter().enumerate() {
            let mut world = World::new(accept(300));
            if matches!(state, Published | Unpublishing) {
                world.publish("open");
            }
            let (now, id) = (world.server.net.now, world.id);
            let mut publication = world
                .server
                .net
                .alice()
                .endpoint
                .publication(id)
                .expect("it lives");
            match state {
                Publishing => publication.publish(now, Body::new("text/plain", "open")),
                Unpublishing => publication.unpublish(now),
                Unpublished | Published => {}
            }
            assert_eq!(publication.state(), state);
            command(&mut publication, now);
            assert_eq!(publication.state(), at_once[index], "{state:?}, command {index}");
            world.server.run(SHORT);
            let publication = world
                .server
                .net
                .alice()
                .endpoint
                .publication(id)
                .expect("it lives");
            assert_eq!(
                publication.state(),
                in_the_end[index],
                "{state:?}, command {index}"
            );
        }
    }
}

#[test]
fn a_publication_that_cannot_be_made_says_why() {
    let mut config = EndpointConfig::default();
    config.limits.publications = 1;
    let mut server = Server::with_config(config, always(200));
    let endpoint = &mut server.net.alice().endpoint;
    let mut nowhere = publish();
    nowhere.routes.clear();
    assert_eq!(endpoint.add_publication(nowhere), Err(PublishError::NoRoute));
    let mut odd = publish();
    odd.event = "no token".to_owned();
    assert_eq!(
        endpoint.add_publication(odd),
        Err(PublishError::Event("no token".to_owned()))
    );
    assert!(endpoint.add_publication(publish()).is_ok());
    assert_eq!(
        endpoint.add_publication(publish()),
        Err(PublishError::Limit { limit: 1 })
    );
    let net: &Net = &server.net;
    assert_eq!(net.peers[0].endpoint.poll_timeout(), None);
}
