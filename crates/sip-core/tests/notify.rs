//! NOTIFYs as other people's notifiers send them (RFC 6665 §4.1.3, §4.4.1), in virtual time.

mod support;

use offhook_sip_core::SubscriptionState::{Active, Sent};
use offhook_sip_core::{Subscribe, SubscriptionEvent, SubscriptionState};
use std::cell::RefCell;
use std::rc::Rc;
use support::subscriber::World;
use support::{BOB, Net, T1};

/// The SUBSCRIBEs that Alice sent to a Bob who is not there; she is answered by hand.
struct ByHand {
    world: World,
    sent: Rc<RefCell<Vec<String>>>,
}

impl ByHand {
    fn new(change: impl FnOnce(&mut Subscribe)) -> Self {
        let sent = Rc::new(RefCell::new(Vec::new()));
        let seen = sent.clone();
        let mut net = Net::pair();
        net.fate = Box::new(move |transmit| {
            seen.borrow_mut()
                .push(String::from_utf8_lossy(&transmit.bytes).into_owned());
            false
        });
        Self {
            world: World::on(net, change),
            sent,
        }
    }

    fn header(&self, name: &str) -> String {
        let sent = self.sent.borrow();
        let line = sent[0].lines().find(|line| line.starts_with(name));
        line.expect("it is there").to_owned()
    }

    /// A NOTIFY of the notifier with this tag; the answer's status line.
    fn notify(&mut self, tag: &str, number: u32, more: &str) -> String {
        let from_tag = self
            .header("From:")
            .split(";tag=")
            .nth(1)
            .expect("a tag")
            .to_owned();
        let call_id = self.header("Call-ID:");
        let branch = format!("{tag}{number}{}", more.len());
        let body = if more.contains("Content-Type") {
            "state"
        } else {
            ""
        };
        let text = format!(
            "NOTIFY sip:alice@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{branch}\n\
             Max-Forwards: 70\nFrom: <sip:bob@b.test>;tag={tag}\nTo: <sip:alice@a.test>;tag={from_tag}\n\
             {call_id}\nCSeq: {number} NOTIFY\nContact: <sip:bob@192.0.2.2>\n\
             Record-Route: <sip:192.0.2.200;lr>\n{more}Content-Length: {}\n\n{body}",
            body.len()
        );
        self.sent.borrow_mut().truncate(1);
        self.world.net.inject(0, BOB, &text);
        let sent = self.sent.borrow();
        let answer = sent.iter().find(|text| text.starts_with("SIP/2.0"));
        answer
            .and_then(|text| text.lines().next())
            .unwrap_or_default()
            .to_owned()
    }
}

const ACTIVE: &str =
    "Event: presence\nSubscription-State: active;expires=600\nContent-Type: application/pidf+xml\n";

#[test]
fn a_notify_before_the_2xx_begins_the_dialog_by_its_own_route() {
    let mut hand = ByHand::new(|_| {});
    assert!(hand.header("Accept:").contains("application/pidf+xml"));
    assert_eq!(hand.notify("b1", 1, ACTIVE), "SIP/2.0 200 OK");
    assert_eq!(hand.world.states(), [Sent, Active]);
    assert_eq!(hand.world.bodies(), ["state"]);
    // RFC 6665 §4.4.1: the route set is that of the NOTIFY, and our numbers go on.
    let refreshed = hand.world.alice(|subscription, now| {
        let route_set = subscription.dialog().map(|dialog| dialog.route_set().len());
        (route_set, subscription.refresh(now).is_ok())
    });
    assert_eq!(refreshed, (Some(1), true));
}

#[test]
fn a_notify_that_is_older_than_what_is_known_is_refused() {
    let mut hand = ByHand::new(|_| {});
    assert_eq!(hand.notify("b1", 7, ACTIVE), "SIP/2.0 200 OK");
    assert_eq!(hand.notify("b1", 9, ACTIVE), "SIP/2.0 200 OK");
    assert!(hand.notify("b1", 8, ACTIVE).starts_with("SIP/2.0 500 "));
    assert_eq!(hand.world.bodies().len(), 2);
}

#[test]
fn a_notify_that_cannot_be_understood_is_refused() {
    let mut hand = ByHand::new(|_| {});
    assert!(
        hand.notify("b1", 1, "Event: presence\n")
            .starts_with("SIP/2.0 400 ")
    );
    assert!(
        hand.notify("b1", 2, &ACTIVE.replace("presence", "conference"))
            .starts_with("SIP/2.0 481 ")
    );
    assert!(
        hand.notify("b1", 3, &ACTIVE.replace("presence", "unheard-of"))
            .starts_with("SIP/2.0 489 ")
    );
    assert!(
        hand.notify("b1", 4, &ACTIVE.replace("presence", "presence;id=2"))
            .starts_with("SIP/2.0 481 ")
    );
    assert!(
        hand.notify("b1", 5, &ACTIVE.replace("application/pidf+xml", "text/html"))
            .starts_with("SIP/2.0 415 ")
    );
    assert_eq!(hand.notify("b1", 6, ACTIVE), "SIP/2.0 200 OK");
    let other = "Event: presence\nSubscription-State: waiting\n";
    assert_eq!(hand.notify("b1", 7, other), "SIP/2.0 200 OK");
    assert_eq!(hand.world.state(), SubscriptionState::Other("waiting".to_owned()));
    assert_eq!(
        hand.notify(
            "b1",
            8,
            "Event: presence\nSubscription-State: terminated;expires=5\n"
        ),
        "SIP/2.0 200 OK"
    );
    assert!(hand.notify("b1", 9, ACTIVE).starts_with("SIP/2.0 481 "));
}

#[test]
fn of_a_forked_subscribe_the_first_notifier_counts_or_as_many_as_are_wanted() {
    let mut hand = ByHand::new(|_| {});
    assert_eq!(hand.notify("b1", 1, ACTIVE), "SIP/2.0 200 OK");
    assert!(hand.notify("b2", 1, ACTIVE).starts_with("SIP/2.0 481 "));

    let mut hand = ByHand::new(|subscribe| subscribe.notifiers = 2);
    for tag in ["b1", "b2"] {
        assert_eq!(hand.notify(tag, 1, ACTIVE), "SIP/2.0 200 OK");
        assert_eq!(hand.notify(tag, 2, ACTIVE), "SIP/2.0 200 OK");
    }
    assert!(hand.notify("b3", 1, ACTIVE).starts_with("SIP/2.0 481 "));
    let first = hand.world.id;
    assert_eq!(hand.world.net.alice().endpoint.subscription_count(), 2);
    let forked = hand
        .world
        .events()
        .any(|event| matches!(event, SubscriptionEvent::Forked { of } if *of == first));
    assert!(forked);
    assert_eq!(hand.world.bodies().len(), 4);
    assert_eq!(
        hand.notify(
            "b2",
            3,
            "Event: presence\nSubscription-State: terminated;reason=deactivated\n"
        ),
        "SIP/2.0 200 OK"
    );
    assert_eq!(hand.world.net.alice().endpoint.subscription_count(), 1);
    assert_eq!(hand.world.state(), Active);
    // Timer N: later ones come too late.
    let mut hand = ByHand::new(|subscribe| subscribe.notifiers = 2);
    assert_eq!(hand.notify("b1", 1, ACTIVE), "SIP/2.0 200 OK");
    hand.world.net.run(T1 * 40);
    assert_eq!(hand.notify("b1", 2, ACTIVE), "SIP/2.0 200 OK");
    hand.world.net.run(T1 * 30);
    assert!(!hand.notify("b2", 1, ACTIVE).starts_with("SIP/2.0 200 "));
}
