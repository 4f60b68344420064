//! Alice, who subscribes to Bob.

use super::{ALICE, BOB, Net, Peer};
use offhook_sansio::Transport;
use offhook_sip_core::SubscriptionState::Active;
use offhook_sip_core::{
    Body, EndpointConfig, EndpointEvent, IncomingSubscriptionEvent, IncomingSubscriptionId,
    IncomingSubscriptionMut, Route, Subscribe, SubscriptionEvent, SubscriptionId, SubscriptionState,
};
use std::time::Duration;

pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// Alice subscribes to Bob.
pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) id: SubscriptionId,
}

pub(crate) fn subscribe() -> Subscribe {
    Subscribe::new(
        "sip:alice@a.test".parse().expect("valid"),
        "sip:bob@b.test".parse().expect("valid"),
        "presence",
        Route::new(Transport::Udp, BOB.parse().expect("valid")),
    )
}

pub(crate) fn notifier() -> EndpointConfig {
    EndpointConfig {
        incoming_events: vec!["presence".to_owned(), "dialog".to_owned()],
        ..EndpointConfig::default()
    }
}

pub(crate) fn pidf(text: &str) -> Body {
    Body::new("application/pidf+xml", text.to_owned())
}

impl World {
    pub(crate) fn new(change: impl FnOnce(&mut Subscribe)) -> Self {
        Self::between(EndpointConfig::default(), notifier(), change)
    }

    pub(crate) fn between(
        alice: EndpointConfig,
        bob: EndpointConfig,
        change: impl FnOnce(&mut Subscribe),
    ) -> Self {
        let net = Net::new(vec![
            Peer::with_config(ALICE, 1, alice),
            Peer::with_config(BOB, 2, bob),
        ]);
        Self::on(net, change)
    }

    pub(crate) fn on(mut net: Net, change: impl FnOnce(&mut Subscribe)) -> Self {
        let mut subscribe = subscribe();
        change(&mut subscribe);
        let now = net.now;
        let endpoint = &mut net.alice().endpoint;
        let id = endpoint.add_subscription(subscribe).expect("there is room");
        let mut subscription = endpoint.subscription(id).expect("it lives");
        assert_eq!(subscription.state(), &SubscriptionState::Null);
        subscription.subscribe(now).expect("it can be sent");
        net.run(SHORT);
        Self { net, id }
    }

    /// One that stands.
    pub(crate) fn active() -> Self {
        let mut world = Self::new(|_| {});
        world.bob(|subscription, now| subscription.accept(now, Some(pidf("open"))).expect("incoming"));
        assert_eq!(world.state(), Active);
        world
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &SubscriptionEvent> {
        self.net.peers[0].events.iter().filter_map(|event| match event {
            EndpointEvent::Subscription { event, .. } => Some(event),
            _ => None,
        })
    }

    pub(crate) fn states(&self) -> Vec<SubscriptionState> {
        self.events()
            .filter_map(|event| match event {
                SubscriptionEvent::StateChanged { state, .. } => Some(state.clone()),
                _ => None,
            })
            .collect()
    }

    /// The bodies that came, `-` for none.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.events()
            .filter_map(|event| match event {
                SubscriptionEvent::Notified { body, .. } => Some(body.as_ref().map_or_else(
                    || "-".to_owned(),
                    |body| String::from_utf8_lossy(&body.bytes).into_owned(),
                )),
                _ => None,
            })
            .collect()
    }

    /// The reason of the last end, and after how many seconds it is begun again.
    pub(crate) fn end(&self) -> Option<(Option<String>, Option<u64>)> {
        self.events()
            .filter_map(|event| match event {
                SubscriptionEvent::Ended {
                    reason, again_after, ..
                } => Some((reason.clone(), again_after.map(|wait| wait.as_secs()))),
                _ => None,
            })
            .last()
    }

    pub(crate) fn state(&mut self) -> SubscriptionState {
        let id = self.id;
        let subscription = self.net.alice().endpoint.subscription(id).expect("it lives");
        subscription.state().clone()
    }

    pub(crate) fn alice<R>(
        &mut self,
        act: impl FnOnce(&mut offhook_sip_core::SubscriptionMut<'_>, std::time::Instant) -> R,
    ) -> R {
        let (now, id) = (self.net.now, self.id);
        let mut subscription = self.net.alice().endpoint.subscription(id).expect("it lives");
        let result = act(&mut subscription, now);
        self.net.run(SHORT);
        result
    }

    pub(crate) fn bobs_events(
        &self,
    ) -> impl Iterator<Item = (IncomingSubscriptionId, &IncomingSubscriptionEvent)> {
        self.net.peers[1].events.iter().filter_map(|event| match event {
            EndpointEvent::IncomingSubscription { id, event } => Some((*id, event)),
            _ => None,
        })
    }

    pub(crate) fn bob<R>(
        &mut self,
        act: impl FnOnce(&mut IncomingSubscriptionMut<'_>, std::time::Instant) -> R,
    ) -> R {
        let (id, _) = self.bobs_events().last().expect("somebody subscribed");
        let now = self.net.now;
        let mut subscription = self
            .net
            .bob()
            .endpoint
            .incoming_subscription(id)
            .expect("it lives");
        let result = act(&mut subscription, now);
        self.net.run(SHORT);
        result
    }
}
