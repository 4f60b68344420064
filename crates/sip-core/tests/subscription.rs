//! Subscribing at a notifier that is an endpoint too (RFC 6665), in virtual time.

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of a type that borrows is not general enough in its lifetime"
)]

mod support;

use offhook_sip_core::SubscriptionState::{Accepted, Active, Pending, Sent, Terminated};
use offhook_sip_core::{
    EndpointConfig, IncomingSubscriptionEvent, IncomingSubscriptionState, NotifyError, StatusCode, Subscribe,
    SubscribeError, SubscriptionEvent, TerminationReason,
};
use std::time::Duration;
use support::subscriber::{SHORT, World, notifier, pidf, subscribe};
use support::{ALICE, BOB, Net, Peer, T1};

#[test]
fn a_subscription_is_accepted_notified_refreshed_and_ended() {
    let mut world = World::active();
    assert_eq!(world.states(), [Sent, Accepted, Active]);
    world.bob(|subscription, now| subscription.notify(now, pidf("busy")).expect("active"));
    assert_eq!(world.bodies(), ["open", "busy"]);
    world.net.log.clear();
    world.net.run(Duration::from_secs(567));
    assert_eq!(world.net.count("SUBSCRIBE"), 0);
    world.net.run(Duration::from_secs(4));
    assert_eq!(world.net.count("SUBSCRIBE"), 1);
    assert_eq!(
        world.bodies(),
        ["open", "busy", "busy"],
        "a refresh brings the state"
    );
    world
        .alice(|subscription, now| subscription.unsubscribe(now))
        .expect("active");
    assert_eq!(world.state(), Terminated);
    assert_eq!(world.end(), Some((Some("timeout".to_owned()), None)));
    assert_eq!(world.bodies().last().map(String::as_str), Some("busy"));
    world.net.run(Duration::from_mins(1));
    assert_eq!(world.net.bob().endpoint.incoming_subscription_count(), 0);
    assert!(matches!(
        world
            .bobs_events()
            .filter(|(_, event)| matches!(event, IncomingSubscriptionEvent::Ended { .. }))
            .count(),
        1
    ));
    // It may be begun again.
    world
        .alice(|subscription, now| subscription.subscribe(now))
        .expect("terminated");
    world.bob(|subscription, now| subscription.accept(now, None).expect("incoming"));
    assert_eq!(world.state(), Active);
    assert_eq!(world.bodies().last().map(String::as_str), Some("-"));
}

#[test]
fn pending_comes_before_active_or_rejected() {
    let mut world = World::new(|_| {});
    world
        .bob(|subscription, now| subscription.pend(now))
        .expect("incoming");
    assert_eq!(world.states(), [Sent, Accepted, Pending]);
    assert_eq!(world.bodies(), ["-"], "nothing is told before it is allowed");
    world
        .bob(|subscription, now| subscription.accept(now, Some(pidf("open"))))
        .expect("pending");
    assert_eq!((world.state(), world.bodies().len()), (Active, 2));

    let mut world = World::new(|_| {});
    world.net.run(Duration::from_secs(2));
    assert_eq!(world.state(), Pending, "no SUBSCRIBE waits for a person");
    world
        .bob(|subscription, now| subscription.reject(now, StatusCode::FORBIDDEN))
        .expect("pending");
    assert_eq!(world.state(), Terminated);
    assert_eq!(world.end(), Some((Some("rejected".to_owned()), None)));

    let mut world = World::new(|_| {});
    world
        .bob(|subscription, now| subscription.reject(now, StatusCode::DECLINE))
        .expect("incoming");
    assert_eq!(world.states(), [Sent, Terminated]);
    assert_eq!(world.net.bob().endpoint.incoming_subscription_count(), 0);
}

#[test]
fn a_poll_brings_the_state_once() {
    let mut world = World::new(|subscribe| subscribe.expires = 0);
    world
        .bob(|subscription, now| subscription.accept(now, Some(pidf("open"))))
        .expect("incoming");
    assert_eq!(world.bodies(), ["open"]);
    assert_eq!(world.end(), Some((Some("timeout".to_owned()), None)));
    assert_eq!(world.states(), [Sent, Accepted, Terminated]);
    world.net.run(Duration::from_hours(1));
    assert_eq!(world.net.count("SUBSCRIBE"), 1);
    assert_eq!(world.net.bob().endpoint.incoming_subscription_count(), 0);
}

#[test]
fn ends_are_followed_as_their_reasons_say() {
    use TerminationReason::{Deactivated, GiveUp, Invariant, NoResource, Probation, Rejected, Timeout};
    let wait = Some(Duration::from_secs(77));
    for (reason, retry_after, again) in [
        (Deactivated, wait, Some(0)),
        (Timeout, None, Some(0)),
        (GiveUp, None, Some(0)),
        (GiveUp, wait, Some(77)),
        (Probation, wait, Some(77)),
        (Rejected, wait, None),
        (NoResource, wait, None),
        (Invariant, wait, None),
    ] {
        let mut world = World::active();
        world.net.log.clear();
        world
            .bob(|subscription, now| subscription.end(now, reason, retry_after))
            .expect("active");
        assert_eq!(
            world.end(),
            Some((Some(reason.as_str().to_owned()), again)),
            "{reason:?}"
        );
        world.net.run(Duration::from_secs(76));
        assert_eq!(world.net.count("SUBSCRIBE") > 0, again == Some(0), "{reason:?}");
        world.net.run(Duration::from_secs(3));
        assert_eq!(world.net.count("SUBSCRIBE") > 0, again.is_some(), "{reason:?}");
    }
}

#[test]
fn one_that_shall_not_be_begun_again_is_not() {
    let mut world = World::new(|subscribe| subscribe.again = false);
    world
        .bob(|subscription, now| subscription.accept(now, None))
        .expect("incoming");
    world
        .bob(|subscription, now| subscription.end(now, TerminationReason::Deactivated, None))
        .expect("active");
    assert_eq!(world.end(), Some((Some("deactivated".to_owned()), None)));
    assert_eq!(world.state(), Terminated);
}

#[test]
fn two_quick_sides_do_not_keep_each_other_busy_for_ever() {
    let mut world = World::active();
    for _ in 0..3 {
        let now = world.net.now;
        let (last, _) = world.bobs_events().last().expect("somebody subscribed");
        if let Some(mut subscription) = world.net.bob().endpoint.incoming_subscription(last) {
            let _ = subscription.accept(now, None);
            let _ = subscription.end(now, TerminationReason::Deactivated, None);
        }
        world.net.run(SHORT);
    }
    let (_, again) = world.end().expect("it ended");
    assert!(again.is_some_and(|wait| wait >= 30), "{again:?}");
    // Whoever does not want it any more says so while it waits.
    world
        .alice(|subscription, now| subscription.unsubscribe(now))
        .expect("it waits");
    world.net.log.clear();
    world.net.run(Duration::from_hours(1));
    assert_eq!(world.net.count("SUBSCRIBE"), 0);
}

#[test]
fn silence_ends_a_subscription_with_timer_n() {
    // The 2xx comes, but no NOTIFY.
    let mut net = Net::new(vec![Peer::new(ALICE, 1), Peer::with_config(BOB, 2, notifier())]);
    net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"NOTIFY"));
    let mut world = World::on(net, |_| {});
    world
        .bob(|subscription, now| subscription.accept(now, None))
        .expect("incoming");
    assert_eq!(world.state(), Accepted);
    world.net.run(T1 * 63);
    assert_eq!(world.state(), Accepted);
    world.net.run(T1 * 2);
    assert_eq!(world.states()[..3], [Sent, Accepted, Terminated]);

    // Nothing comes at all.
    let mut net = Net::pair();
    net.fate = Box::new(|_| false);
    let mut world = World::on(net, |_| {});
    world.net.run(T1 * 65);
    assert_eq!(world.states()[..2], [Sent, Terminated]);
    let (_, again) = world.end().expect("it ended");
    assert!(again.is_some_and(|wait| (30..=60).contains(&wait)), "{again:?}");

    // A refresh that nobody answers.
    let mut world = World::active();
    world.net.fate = Box::new(|_| false);
    world
        .alice(|subscription, now| subscription.refresh(now))
        .expect("active");
    world.net.run(T1 * 65);
    assert_eq!(world.states()[..4], [Sent, Accepted, Active, Terminated]);
}

#[test]
fn a_subscriber_that_is_gone_is_forgotten() {
    let mut world = World::active();
    world.net.fate = Box::new(|_| false);
    world
        .bob(|subscription, now| subscription.notify(now, pidf("lost")))
        .expect("active");
    world.net.run(T1 * 65);
    assert_eq!(world.net.bob().endpoint.incoming_subscription_count(), 0);
    let mut world = World::active();
    world.net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"SUBSCRIBE"));
    world.net.run(Duration::from_secs(601));
    assert!(
        world.bodies().len() >= 2 && world.end().is_some(),
        "the last NOTIFY says that it expired"
    );
    world.net.run(Duration::from_mins(1));
    assert_eq!(world.net.bob().endpoint.incoming_subscription_count(), 0);
}

#[test]
fn what_a_notifier_does_not_take_is_refused() {
    let refused = |change: fn(&mut EndpointConfig), subscribe: fn(&mut Subscribe)| {
        let mut bob = notifier();
        change(&mut bob);
        let mut world = World::between(EndpointConfig::default(), bob, subscribe);
        world.net.run(SHORT);
        let cause = world.events().find_map(|event| match event {
            SubscriptionEvent::Ended { cause, .. } => Some(cause.clone()),
            _ => None,
        });
        cause.map(|cause| {
            let headers = cause.headers().cloned().unwrap_or_default();
            let text = |name| headers.get_str(name).map(str::to_owned);
            (
                cause.status().map_or(0, StatusCode::as_u16),
                text("Allow-Events"),
                text("Min-Expires"),
            )
        })
    };
    assert_eq!(
        refused(|_| {}, |subscribe| subscribe.event = "message-summary".to_owned()),
        Some((489, Some("presence, dialog".to_owned()), None))
    );
    assert_eq!(
        refused(|bob| bob.limits.incoming_subscriptions = 0, |_| {}).map(|(status, ..)| status),
        Some(503)
    );
    assert_eq!(
        refused(|bob| bob.incoming_events.clear(), |_| {}).map(|(status, ..)| status),
        Some(405)
    );
    // 423 is met by asking for more.
    let mut bob = notifier();
    bob.shortest_subscription = Duration::from_mins(15);
    let mut world = World::between(EndpointConfig::default(), bob, |_| {});
    assert_eq!(world.net.count("423"), 1);
    world
        .bob(|subscription, now| subscription.accept(now, None))
        .expect("incoming");
    assert_eq!(world.state(), Active);
    // Nobody gets more than the longest.
    let mut world = World::new(|subscribe| subscribe.expires = 100_000);
    world
        .bob(|subscription, now| subscription.accept(now, None))
        .expect("incoming");
    let now = world.net.now;
    let left = world.alice(|subscription, _| subscription.expires_in(now));
    assert!(left.is_some_and(|left| left.as_secs() <= 3600), "{left:?}");
}

#[test]
fn the_newest_state_waits_for_the_answer_to_the_one_before() {
    let mut world = World::active();
    world.bob(|subscription, now| {
        for text in ["1", "2", "3"] {
            subscription.notify(now, pidf(text)).expect("active");
        }
    });
    assert_eq!(world.bodies(), ["open", "1", "3"]);
}

#[test]
fn commands_in_the_wrong_state_are_refused_and_send_nothing() {
    let mut world = World::active();
    world.net.log.clear();
    assert!(matches!(
        world.alice(|subscription, now| subscription.subscribe(now)),
        Err(SubscribeError::IllegalState { state: Active, .. })
    ));
    assert!(matches!(
        world.bob(|subscription, now| subscription.accept(now, None)),
        Err(NotifyError::IllegalState {
            state: IncomingSubscriptionState::Active,
            ..
        })
    ));
    assert_eq!(
        world.bob(|subscription, now| subscription.reject(now, StatusCode::FORBIDDEN)),
        Err(NotifyError::IllegalState {
            state: IncomingSubscriptionState::Active,
            command: "reject"
        })
    );
    assert!(world.bob(|subscription, now| subscription.pend(now)).is_err());
    assert!(world.net.log.is_empty());
    let mut world = World::new(|_| {});
    assert_eq!(
        world.bob(|subscription, now| subscription.reject(now, StatusCode::OK)),
        Err(NotifyError::IllegalStatus(StatusCode::OK))
    );
    assert!(
        world
            .bob(|subscription, now| subscription.notify(now, pidf("x")))
            .is_err()
    );
    let endpoint = &mut world.net.alice().endpoint;
    let mut odd = subscribe();
    odd.event = "dialog".to_owned();
    assert_eq!(
        endpoint.add_subscription(odd.clone()),
        Err(SubscribeError::UnknownEvent("dialog".to_owned()))
    );
    endpoint
        .add_event("dialog", ["application/dialog-info+xml"])
        .expect("new");
    let id = endpoint.add_subscription(odd).expect("now it is known");
    let now = world.net.now;
    let mut subscription = world.net.alice().endpoint.subscription(id).expect("it lives");
    assert!(subscription.unsubscribe(now).is_err());
    assert!(subscription.refresh(now).is_err());
}

#[test]
fn subscriptions_have_a_limit() {
    let mut config = EndpointConfig::default();
    config.limits.subscriptions = 1;
    let mut world = World::between(config, notifier(), |_| {});
    assert_eq!(
        world.net.alice().endpoint.add_subscription(subscribe()),
        Err(SubscribeError::Limit { limit: 1 })
    );
}

#[test]
fn all_ends_when_the_endpoint_stops() {
    let mut world = World::active();
    let now = world.net.now;
    world.net.alice().endpoint.end_all(now);
    world.net.run(SHORT);
    assert!(world.net.alice().endpoint.is_idle());
    assert_eq!(world.states().last(), Some(&Terminated));
    let mut world = World::active();
    let now = world.net.now;
    world.net.bob().endpoint.end_all(now);
    world.net.run(SHORT);
    assert_eq!(
        world.end(),
        Some((Some("deactivated".to_owned()), Some(0))),
        "others may find a notifier elsewhere"
    );
}

#[test]
fn an_unsubscribe_before_the_first_notify_is_sent_when_the_notifier_is_known() {
    let mut world = World::new(|_| {});
    world
        .alice(|subscription, now| subscription.unsubscribe(now))
        .expect("sent");
    assert_eq!(world.net.count("SUBSCRIBE"), 1);
    world
        .bob(|subscription, now| subscription.accept(now, Some(pidf("open"))))
        .expect("incoming");
    assert_eq!(world.net.count("SUBSCRIBE"), 2);
    assert_eq!(world.state(), Terminated);
    assert_eq!(world.end(), Some((Some("timeout".to_owned()), None)));
}

#[test]
fn a_refresh_that_meets_a_481_begins_anew_and_one_that_meets_a_500_waits() {
    let mut world = World::active();
    // Bob has forgotten everything.
    world.net.peers[1] = Peer::with_config(BOB, 7, notifier());
    world.net.run(Duration::from_secs(571));
    assert_eq!(world.states()[3..], [Terminated, Sent]);
    world.net.run(SHORT);
    world
        .bob(|subscription, now| subscription.accept(now, None))
        .expect("incoming");
    assert_eq!(world.state(), Active);

    // RFC 6665 §4.1.2.2: any other failure leaves it as it is, for as long as it was granted. Bob has seen a later CSeq.
    let mut world = World::active();
    let dialog = world.alice(|subscription, _| subscription.dialog().expect("active").id().clone());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let later = format!(
        "SUBSCRIBE sip:bob@{BOB} SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bKlater\nMax-Forwards: 70\n\
         From: <sip:alice@a.test>;tag={}\nTo: <sip:bob@b.test>;tag={}\nCall-ID: {}\nCSeq: 9000 SUBSCRIBE\n\
         Contact: <sip:alice@{ALICE}>\nEvent: presence\nExpires: 600\nContent-Length: 0\n\n",
        text(&dialog.local_tag),
        text(&dialog.remote_tag),
        text(&dialog.call_id),
    );
    world.net.inject(1, ALICE, &later);
    world.net.run(Duration::from_secs(565));
    world.net.log.clear();
    world.net.run(Duration::from_secs(15));
    assert_eq!(world.net.count("SIP/2.0 500 "), 1, "{:?}", world.net.log);
    assert_eq!(world.net.count("SUBSCRIBE"), 1, "not at once again");
    let is_500 = |event: &SubscriptionEvent| {
        matches!(
            event,
            SubscriptionEvent::RefreshFailed { cause }
                if cause.status() == Some(StatusCode::SERVER_INTERNAL_ERROR)
        )
    };
    assert!(world.events().any(is_500), "told");
    assert_eq!(world.state(), Active);
    world.net.run(Duration::from_secs(25));
    let is_begun_again = world.states().windows(2).any(|pair| pair == [Terminated, Sent]);
    assert!(is_begun_again, "behind its end");
}
