//! Sequences of commands to what a user agent does besides calls, against a peer over a link that loses what the data
//! says: after all has ended, nothing is left.

use offhook_sansio::{Entropy, Path, Received, Transmit, Transport};
use offhook_sip_core::flow::StunMessage;
use offhook_sip_core::tokio::certified_domains;
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, HeaderName, IncomingSubscriptionId, Method, PagerMessage,
    PublicationId, Publish, Refer, Register, RegistrationId, Response, Route, StatusCode, Subscribe,
    SubscriptionId, TerminationReason,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// PUBLISH: begun, refreshed, changed, taken back; answered with any status, or not at all (RFC 3903).
pub fn publication_ops(data: &[u8]) {
    run(data, |world, command, _| {
        let (now, id) = (world.now, world.publication);
        let Some(mut publication) = world.endpoints[0].publication(id) else {
            return;
        };
        match command % 4 {
            0 => publication.publish(now, Body::new("application/pidf+xml", "open")),
            1 => publication.publish(now, Body::new("application/pidf+xml", "busy")),
            2 => publication.refresh(now),
            _ => publication.unpublish(now),
        }
    });
}

/// SUBSCRIBE and REFER outside of calls, and the notifier of both (RFC 6665, RFC 3515).
pub fn subscription_ops(data: &[u8]) {
    run(data, |world, command, argument| {
        let now = world.now;
        let id = world.subscriptions[usize::from(argument & 1)];
        if let Some(mut subscription) = world.endpoints[0].subscription(id) {
            // Whether the state allows it is the endpoint's affair.
            let _ = match command % 12 {
                0 | 1 => subscription.subscribe(now),
                2 => subscription.refresh(now),
                3 => subscription.unsubscribe(now),
                _ => Ok(()),
            };
        }
        let newest = world
            .incoming
            .iter()
            .rev()
            .nth(usize::from(argument >> 1) % 4)
            .copied();
        if let Some(mut incoming) = newest.and_then(|id| world.endpoints[1].incoming_subscription(id)) {
            let _ = match command % 12 {
                4 | 5 => incoming.accept(
                    now,
                    (argument > 99).then(|| Body::new("application/pidf+xml", "open")),
                ),
                6 => incoming.pend(now),
                7 => incoming.reject(now, StatusCode::FORBIDDEN),
                8 => incoming.notify(now, Body::new("application/pidf+xml", "busy")),
                9 => incoming.notify_status(now, StatusCode::RINGING, None),
                10 => incoming.notify_status(now, StatusCode::OK, Some("fine")),
                11 => incoming.end(now, TerminationReason::Probation, Some(Duration::from_secs(9))),
                _ => Ok(()),
            };
        }
    });
}

/// MESSAGE, one on its way to each target (RFC 3428 §8).
pub fn pager_ops(data: &[u8]) {
    run(data, |world, command, argument| {
        let from = "sip:a@a.test".parse().expect("a URI");
        let to = ["sip:b@b.test", "sip:c@b.test"][usize::from(argument & 1)];
        let body = Body::new("text/plain", vec![b'x'; usize::from(command)]);
        let message = PagerMessage::new(from, to.parse().expect("a URI"), route(), body);
        let now = world.now;
        // It may be one too many.
        let _ = world.endpoints[0].send_message(now, message);
    });
}

/// REGISTER with a flow that is kept alive by STUN (RFC 5626).
pub fn registration_ops(data: &[u8]) {
    run(data, |world, command, argument| {
        let (now, id) = (world.now, world.registration);
        match command % 5 {
            0 => world.endpoints[0].refresh_registration(now, id),
            1 => world.endpoints[0].unregister(now, id),
            2 => world.endpoints[0].set_registration_expires(id, u32::from(argument) * 10),
            3 => {
                let path = Path::new(Transport::Udp, address(1), address(2));
                world.endpoints[0].handle_transport_error(now, path);
            }
            _ => {
                // An answer to nothing, from where the registrar is.
                let mapped = SocketAddr::from(([192, 0, 2, argument], 5060));
                let bytes = StunMessage::Success {
                    id: [argument; 12],
                    mapped,
                };
                let path = Path::new(Transport::Udp, address(1), address(2));
                let bytes = bytes.to_bytes();
                world.endpoints[0].handle_received(now, Received { path, bytes });
            }
        }
    });
}

/// A datagram that is STUN: what is read is written as something that reads the same, and a request has its answer.
pub fn stun_message(data: &[u8]) {
    let _ = StunMessage::is_stun(data);
    let Ok(message) = StunMessage::parse(data) else {
        return;
    };
    let written = message.to_bytes();
    assert_eq!(StunMessage::parse(&written).as_ref(), Ok(&message));
    if let Some(answer) = message.answer(address(9)) {
        assert!(answer.to_bytes().len() <= data.len().max(20) + 60, "no amplifier");
        assert!(answer.answer(address(9)).is_none());
    }
}

/// The names in a certificate (RFC 5922 §7.1): lower case, and no URI among them.
pub fn certificate_names(data: &[u8]) {
    let Some(names) = certified_domains(data) else {
        return;
    };
    for name in names {
        assert_eq!(name, name.to_ascii_lowercase());
        assert!(!name.starts_with("sip:"));
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 5060))
}

fn route() -> Route {
    Route::new(Transport::Udp, address(2))
}

struct World {
    now: Instant,
    endpoints: [Endpoint; 2],
    publication: PublicationId,
    subscriptions: [SubscriptionId; 2],
    registration: RegistrationId,
    incoming: Vec<IncomingSubscriptionId>,
    flying: VecDeque<(Instant, usize, Transmit)>,
    chance: Entropy,
    loss: u8,
    /// What the second answers to what is its owner's to answer.
    status: u16,
}

/// Applies the data as commands, each with an argument, and lets time pass in between.
fn run(data: &[u8], act: impl Fn(&mut World, u8, u8)) {
    let (loss, ops) = data.split_first().unwrap_or((&0, &[]));
    let mut world = World::new(loss % 150);
    for op in ops.chunks(3).take(200) {
        let &[kind, command, argument] = op else { break };
        match kind % 4 {
            0 | 1 => act(&mut world, command, argument),
            2 => world.status = [200, 202, 401, 412, 423, 481, 500, 503][usize::from(command % 8)],
            _ => world.pass(Duration::from_millis(u64::from(command) * u64::from(argument))),
        }
        world.pass(Duration::ZERO);
    }
    world.end();
}

impl World {
    fn new(loss: u8) -> Self {
        let config = EndpointConfig {
            allow: [
                Method::Publish,
                Method::Message,
                Method::Register,
                Method::Refer,
                Method::Notify,
            ]
            .into(),
            incoming_events: vec!["presence".to_owned()],
            supported: vec!["outbound".to_owned(), "path".to_owned(), "gruu".to_owned()],
            ..EndpointConfig::default()
        };
        let mut endpoints = [1, 2].map(|number| {
            let mut endpoint = Endpoint::new(config.clone(), Entropy::from_number(u64::from(number)));
            endpoint.add_local(Transport::Udp, address(number));
            endpoint
        });
        let now = Instant::now();
        let alice = &mut endpoints[0];
        let uri = |text: &str| text.parse().expect("a URI");
        let name = || "sip:a@a.test".parse().expect("a name");
        let publish = Publish::new(name(), "presence", route());
        let subscribe = Subscribe::new(name(), uri("sip:b@b.test"), "presence", route());
        let refer = Subscribe::refer(
            name(),
            uri("sip:b@b.test"),
            Refer::new(uri("sip:c@c.test")),
            route(),
        );
        let mut register = Register::new(name(), route());
        (register.instance_id, register.reg_id) = (Some("urn:uuid:1".to_owned()), Some(1));
        let publication = alice.add_publication(publish).expect("there is room");
        let subscriptions = [subscribe, refer].map(|it| alice.add_subscription(it).expect("there is room"));
        let registration = alice.register(now, register).expect("it can be sent");
        Self {
            now,
            endpoints,
            publication,
            subscriptions,
            registration,
            incoming: Vec::new(),
            flying: VecDeque::new(),
            chance: Entropy::from_number(3),
            loss,
            status: 200,
        }
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            let timers = self.endpoints.iter().filter_map(Endpoint::poll_timeout);
            let next = timers.chain(self.flying.front().map(|(at, ..)| *at)).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            while self.flying.front().is_some_and(|(at, ..)| *at <= self.now) {
                let Some((_, to, Transmit { path, bytes })) = self.flying.pop_front() else {
                    break;
                };
                let path = Path::new(path.transport, path.remote, path.local);
                self.endpoints[to].handle_received(self.now, Received { path, bytes });
                self.drain();
            }
            for endpoint in &mut self.endpoints {
                endpoint.handle_timeout(self.now);
                assert!(
                    endpoint.poll_timeout().is_none_or(|next| next > self.now),
                    "no timer is due after handle_timeout"
                );
            }
        }
        self.now = end;
    }

    fn drain(&mut self) {
        for from in 0..2 {
            while let Some(transmit) = self.endpoints[from].poll_transmit() {
                if self.chance.below(256) >= u32::from(self.loss) {
                    let arrival = self.now + Duration::from_millis(5);
                    self.flying.push_back((arrival, 1 - from, transmit));
                }
            }
            while let Some(event) = self.endpoints[from].poll_event() {
                self.take(from, &event);
            }
        }
    }

    fn take(&mut self, of: usize, event: &EndpointEvent) {
        let (id, request) = match event {
            EndpointEvent::Request { id, request, .. } => (*id, request),
            EndpointEvent::MessageReceived(message) => (message.id, &message.request),
            EndpointEvent::IncomingSubscription { id, .. } => {
                if !self.incoming.contains(id) {
                    self.incoming.push(*id);
                }
                return;
            }
            _ => return,
        };
        let mut response = Response::for_request(request, StatusCode::new(self.status).expect("a status"));
        let headers = response.headers_mut();
        headers.push("SIP-ETag", "tag");
        headers.push("Min-Expires", "700");
        headers.push(HeaderName::Require, "outbound");
        headers.push(HeaderName::FlowTimer, "20");
        // Its sender may have given up meanwhile.
        let _ = self.endpoints[of].respond(self.now, id, response);
    }

    /// The link is sound again, all is ended, and nothing is left.
    fn end(&mut self) {
        (self.loss, self.status) = (0, 200);
        for _ in 0..2 {
            for endpoint in &mut self.endpoints {
                endpoint.end_all(self.now);
            }
            self.pass(Duration::from_mins(40));
        }
        for endpoint in &self.endpoints {
            assert!(endpoint.is_idle());
            assert_eq!(endpoint.subscription_count(), 0);
            assert_eq!(endpoint.incoming_subscription_count(), 0);
            assert_eq!(endpoint.transactions().client_count(), 0);
            assert_eq!(endpoint.transactions().server_count(), 0);
            assert_eq!(endpoint.poll_timeout(), None);
        }
    }
}
