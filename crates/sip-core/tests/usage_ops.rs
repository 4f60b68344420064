//! Any commands in any order to publications, subscriptions of both sides and messages, over a link that loses anything:
//! nothing panics, nothing stays behind.

mod support;

use offhook_sansio::Transport;
use offhook_sip_core::{
    Body, EndpointConfig, EndpointEvent, IncomingSubscriptionEvent, Method, PagerMessage, PublicationId,
    Publish, Response, Route, StatusCode, SubscriptionId, TerminationReason,
};
use proptest::prelude::*;
use std::time::Duration;
use support::subscriber::{notifier, pidf, subscribe};
use support::{ALICE, BOB, Net, Peer};

#[derive(Clone, Copy, Debug)]
enum Op {
    Subscribe,
    Refresh,
    Unsubscribe,
    Accept,
    Pend,
    Reject,
    Notify,
    End,
    Publish,
    RefreshState,
    Unpublish,
    Message,
    /// What Bob says to the next requests that are his to answer.
    Status(u16),
    Wait(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Subscribe),
        1 => Just(Op::Refresh),
        2 => Just(Op::Unsubscribe),
        3 => Just(Op::Accept),
        1 => Just(Op::Pend),
        1 => Just(Op::Reject),
        3 => Just(Op::Notify),
        1 => Just(Op::End),
        3 => Just(Op::Publish),
        1 => Just(Op::RefreshState),
        2 => Just(Op::Unpublish),
        2 => Just(Op::Message),
        1 => prop_oneof![Just(200), Just(412), Just(423), Just(503), Just(401)].prop_map(Op::Status),
        6 => (0_u16..60_000).prop_map(Op::Wait),
    ]
}

struct World {
    net: Net,
    subscription: SubscriptionId,
    publication: PublicationId,
    status: u16,
}

impl World {
    fn new() -> Self {
        let mut bob = notifier();
        bob.allow.extend([Method::Publish, Method::Message]);
        let peers = vec![
            Peer::with_config(ALICE, 1, EndpointConfig::default()),
            Peer::with_config(BOB, 2, bob),
        ];
        let mut net = Net::new(peers);
        let endpoint = &mut net.alice().endpoint;
        let subscription = endpoint.add_subscription(subscribe()).expect("there is room");
        let publish = Publish::new("sip:alice@a.test".parse().expect("valid"), "presence", route());
        let publication = endpoint.add_publication(publish).expect("there is room");
        Self {
            net,
            subscription,
            publication,
            status: 200,
        }
    }

    /// Lets time pass, and Bob answer what is his to answer.
    fn run(&mut self, span: Duration) {
        let end = self.net.now + span;
        while self.net.now < end {
            self.net.run(Duration::from_secs(1).min(end - self.net.now));
            let events = std::mem::take(&mut self.net.bob().events);
            for event in events {
                let (id, request) = match &event {
                    EndpointEvent::Request { id, request, .. } => (*id, request),
                    EndpointEvent::MessageReceived(message) => (message.id, &message.request),
                    EndpointEvent::IncomingSubscription { .. } => {
                        self.net.bob().events.push(event);
                        continue;
                    }
                    _ => continue,
                };
                let status = StatusCode::new(self.status).expect("valid");
                let mut response = Response::for_request(request, status);
                response.headers_mut().push("SIP-ETag", "tag");
                response.headers_mut().push("Min-Expires", "700");
                let now = self.net.now;
                // Its sender may have given up meanwhile.
                let _ = self.net.bob().endpoint.respond(now, id, response);
            }
        }
    }

    fn apply(&mut self, op: Op) {
        let now = self.net.now;
        let (subscription, publication) = (self.subscription, self.publication);
        let endpoint = &mut self.net.alice().endpoint;
        // Whether the state allows it is not the question here.
        match op {
            Op::Subscribe | Op::Refresh | Op::Unsubscribe => {
                let mut subscription = endpoint.subscription(subscription).expect("it lives");
                let _ = match op {
                    Op::Subscribe => subscription.subscribe(now),
                    Op::Refresh => subscription.refresh(now),
                    _ => subscription.unsubscribe(now),
                };
            }
            Op::Publish | Op::RefreshState | Op::Unpublish => {
                let mut publication = endpoint.publication(publication).expect("it lives");
                match op {
                    Op::Publish => publication.publish(now, pidf("open")),
                    Op::RefreshState => publication.refresh(now),
                    _ => publication.unpublish(now),
                }
            }
            Op::Message => {
                let (from, to) = ("sip:alice@a.test".parse(), "sip:bob@b.test".parse());
                let body = Body::new("text/plain", "hello");
                let message = PagerMessage::new(from.expect("valid"), to.expect("valid"), route(), body);
                let _ = endpoint.send_message(now, message);
            }
            Op::Status(status) => self.status = status,
            Op::Wait(milliseconds) => self.run(Duration::from_millis(u64::from(milliseconds))),
            Op::Accept | Op::Pend | Op::Reject | Op::Notify | Op::End => self.apply_to_bob(op),
        }
        self.net.drain();
    }

    fn apply_to_bob(&mut self, op: Op) {
        let now = self.net.now;
        let newest = self.net.bob().events.iter().rev().find_map(|event| match event {
            EndpointEvent::IncomingSubscription {
                id,
                event: IncomingSubscriptionEvent::Received { .. },
            } => Some(*id),
            _ => None,
        });
        let endpoint = &mut self.net.bob().endpoint;
        if let Some(mut subscription) = newest.and_then(|id| endpoint.incoming_subscription(id)) {
            let _ = match op {
                Op::Accept => subscription.accept(now, Some(pidf("open"))),
                Op::Pend => subscription.pend(now),
                Op::Reject => subscription.reject(now, StatusCode::FORBIDDEN),
                Op::Notify => subscription.notify(now, pidf("busy")),
                _ => subscription.end(now, TerminationReason::Probation, None),
            };
        }
    }
}

fn route() -> Route {
    Route::new(Transport::Udp, BOB.parse().expect("valid"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happened_nothing_is_left_after_all_has_ended(
        ops in proptest::collection::vec(op(), 1..30),
        loss in 0_u32..80,
        seed: u64,
    ) {
        let mut world = World::new();
        let mut entropy = offhook_sansio::Entropy::from_number(seed);
        world.net.fate = Box::new(move |_| entropy.below(100) >= loss);
        for op in ops {
            world.apply(op);
        }
        let now = world.net.now;
        for peer in &mut world.net.peers {
            peer.endpoint.end_all(now);
        }
        // Messages that wait go one after the other, each for as long as a transaction may take.
        world.run(Duration::from_secs(40 * 40));
        for peer in &world.net.peers {
            prop_assert!(peer.endpoint.is_idle());
            prop_assert_eq!(peer.endpoint.subscription_count(), 0);
            prop_assert_eq!(peer.endpoint.incoming_subscription_count(), 0);
            prop_assert_eq!(peer.endpoint.transactions().client_count(), 0);
            prop_assert_eq!(peer.endpoint.transactions().server_count(), 0);
            prop_assert_eq!(peer.endpoint.poll_timeout(), None);
        }
    }
}
