//! REFER outside of calls, both roles (RFC 3515, 4488), in virtual time.

mod support;

use offhook_sansio::Transport;
use offhook_sip_core::{
    Body, EndpointConfig, EndpointEvent, IncomingSubscriptionEvent, IncomingSubscriptionId,
    IncomingSubscriptionState, Method, NotifyError, Refer, Route, StatusCode, Subscribe, SubscriptionEvent,
    SubscriptionId, SubscriptionState,
};
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer};

const SHORT: Duration = Duration::from_millis(300);

struct World {
    net: Net,
    id: SubscriptionId,
}

impl World {
    fn new(change: impl FnOnce(&mut Refer)) -> Self {
        let mut config = EndpointConfig::default();
        config.allow.push(Method::Refer);
        let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, config)]);
        let mut refer = Refer::new("sip:carol@c.test".parse().expect("valid"));
        refer.referred_by = Some("sip:alice@a.test".parse().expect("valid"));
        change(&mut refer);
        let route = Route::new(Transport::Udp, BOB.parse().expect("valid"));
        let (from, to) = ("sip:alice@a.test".parse(), "sip:bob@b.test".parse());
        let subscribe = Subscribe::refer(from.expect("valid"), to.expect("valid"), refer, route);
        let now = net.now;
        let alice = &mut net.alice().endpoint;
        let id = alice.add_subscription(subscribe).expect("there is room");
        let mut referral = alice.subscription(id).expect("it is new");
        referral.subscribe(now).expect("it can be sent");
        net.run(SHORT);
        Self { net, id }
    }

    /// What Bob was asked.
    fn asked(&self) -> (IncomingSubscriptionId, String, bool) {
        let asked = self.net.peers[1].events.iter().find_map(|event| match event {
            EndpointEvent::IncomingSubscription {
                id,
                event:
                    IncomingSubscriptionEvent::Referred {
                        refer_to,
                        referred_by,
                        wants_notify,
                        ..
                    },
            } => {
                assert_eq!(
                    referred_by.as_ref().map(|who| who.uri.to_string()).as_deref(),
                    Some("sip:alice@a.test")
                );
                Some((*id, refer_to.uri.to_string(), *wants_notify))
            }
            _ => None,
        });
        asked.expect("a REFER")
    }

    fn accept(&mut self) {
        let (now, id) = (self.net.now, self.asked().0);
        let mut referral = self
            .net
            .bob()
            .endpoint
            .incoming_subscription(id)
            .expect("it lives");
        referral.accept(now, None).expect("it waits");
        self.net.run(SHORT);
    }

    fn tell(&mut self, status: StatusCode) -> Result<(), NotifyError> {
        let (now, id) = (self.net.now, self.asked().0);
        let mut referral = self
            .net
            .bob()
            .endpoint
            .incoming_subscription(id)
            .expect("it lives");
        let told = referral.notify_status(now, status, None);
        self.net.run(SHORT);
        told
    }

    /// What Alice has heard of it.
    fn heard(&self) -> Vec<u16> {
        let events = self.net.peers[0].events.iter().filter_map(|event| match event {
            EndpointEvent::Subscription {
                event: SubscriptionEvent::Notified { body, .. },
                ..
            } => body.as_ref(),
            _ => None,
        });
        events
            .map(|body| body.sipfrag_status().expect("a sipfrag").0.as_u16())
            .collect()
    }

    fn state(&mut self) -> SubscriptionState {
        let id = self.id;
        self.net
            .alice()
            .endpoint
            .subscription(id)
            .expect("it is not closed")
            .state()
            .clone()
    }

    fn bob_is_done(&mut self) -> bool {
        self.net.bob().endpoint.incoming_subscription_count() == 0
    }
}

/// RFC 3515 §2.4.4 to §2.4.7: 202, NOTIFYs from 100 on, the last with a final status.
#[test]
fn a_referral_is_accepted_and_told_to_its_end() {
    let mut world = World::new(|_| {});
    let (_, refer_to, wants_notify) = world.asked();
    assert_eq!((refer_to.as_str(), wants_notify), ("sip:carol@c.test", true));
    world.accept();
    assert_eq!(world.net.count("SIP/2.0 202 "), 1);
    assert_eq!(world.heard(), [100]);
    world.tell(StatusCode::RINGING).expect("it stands");
    world.tell(StatusCode::OK).expect("it stands");
    assert_eq!(world.heard(), [100, 180, 200]);
    assert_eq!(world.state(), SubscriptionState::Terminated);
    assert!(world.bob_is_done());
    assert_eq!(world.net.count("SUBSCRIBE"), 0);
    world.net.run(Duration::from_mins(10));
    assert_eq!(world.net.count("REFER"), 1, "it is not begun again");
}

#[test]
fn a_referral_is_refused_and_nothing_is_notified() {
    let mut world = World::new(|_| {});
    let (now, id) = (world.net.now, world.asked().0);
    let mut referral = world
        .net
        .bob()
        .endpoint
        .incoming_subscription(id)
        .expect("it lives");
    referral.reject(now, StatusCode::DECLINE).expect("it waits");
    world.net.run(SHORT);
    assert_eq!(world.state(), SubscriptionState::Terminated);
    assert_eq!(world.net.count("NOTIFY"), 0);
    assert!(world.bob_is_done());
}

/// RFC 4488 §4: `Refer-Sub: false` on both sides, and no subscription.
#[test]
fn a_referral_without_subscription_ends_with_its_answer() {
    let mut world = World::new(|refer| refer.without_subscription = true);
    assert!(!world.asked().2);
    world.accept();
    assert_eq!(world.state(), SubscriptionState::Terminated);
    assert_eq!(world.net.count("NOTIFY"), 0);
    assert!(world.bob_is_done());
}

/// RFC 3515 §2.4.4: nobody waits for a person; what is decided later is told.
#[test]
fn a_referral_that_nobody_answers_is_pending_and_may_still_be_declined() {
    let mut world = World::new(|_| {});
    world.net.run(Duration::from_secs(3));
    assert_eq!(world.net.count("SIP/2.0 202 "), 1);
    assert_eq!(world.heard(), [100]);
    assert_eq!(
        world.tell(StatusCode::RINGING),
        Err(NotifyError::IllegalState {
            state: IncomingSubscriptionState::Pending,
            command: "notify_status",
        })
    );
    let (now, id) = (world.net.now, world.asked().0);
    let mut referral = world
        .net
        .bob()
        .endpoint
        .incoming_subscription(id)
        .expect("it lives");
    referral.reject(now, StatusCode::DECLINE).expect("it is pending");
    world.net.run(SHORT);
    assert_eq!(world.heard(), [100, 603]);
    assert_eq!(world.state(), SubscriptionState::Terminated);
    assert!(world.bob_is_done());
}

/// RFC 3515 §2.4.4: it is a subscription, refreshed and ended by SUBSCRIBE.
#[test]
fn a_long_referral_is_refreshed_and_can_be_left() {
    let mut world = World::new(|_| {});
    world.accept();
    world.net.run(Duration::from_mins(4));
    let refreshes = world.net.count("SUBSCRIBE");
    assert!((1..=2).contains(&refreshes), "{refreshes}");
    assert_eq!(world.net.count("SIP/2.0 481 "), 0);
    world.tell(StatusCode::RINGING).expect("it stands");
    assert_eq!(world.heard().last(), Some(&180));
    let (now, id) = (world.net.now, world.id);
    let mut referral = world.net.alice().endpoint.subscription(id).expect("it lives");
    referral.unsubscribe(now).expect("it stands");
    world.net.run(SHORT);
    assert_eq!(world.state(), SubscriptionState::Terminated);
    assert!(world.bob_is_done());
}

/// RFC 3515 §2.4.2: more than one Refer-To, or none, is a 400.
#[test]
fn a_refer_without_one_refer_to_is_refused() {
    for (fields, want) in [
        ("", "SIP/2.0 400 "),
        (
            "Refer-To: <sip:c@c.test>\nRefer-To: <sip:d@d.test>\n",
            "SIP/2.0 400 ",
        ),
        ("Refer-To: <sip:c@c.test\n", "SIP/2.0 400 "),
    ] {
        let mut world = World::new(|_| {});
        let request = format!(
            "REFER sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKr1\nMax-Forwards: 70\n\
             From: <sip:x@x.test>;tag=1\nTo: <sip:bob@b.test>\nCall-ID: r1\nCSeq: 1 REFER\n\
             Contact: <sip:x@192.0.2.9>\n{fields}Content-Length: 0\n\n"
        );
        let answer = world
            .net
            .inject_raw(1, "192.0.2.9:5060", &request)
            .expect("an answer");
        assert!(answer.starts_with(want), "{fields}: {answer}");
    }
}

#[test]
fn only_a_referral_has_a_status_to_tell() {
    assert_eq!(Body::sdp("v=0").sipfrag_status(), None);
    let body = Body::sipfrag(StatusCode::BUSY_HERE, Some("Not\r\nnow"));
    assert_eq!(
        body.sipfrag_status(),
        Some((StatusCode::BUSY_HERE, "Not  now".to_owned()))
    );
}
