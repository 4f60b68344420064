//! State by event: subscriptions of both sides (RFC 6665). Calls are in `states.rs` and `caller.rs`.

mod support;

use offhook_sip_core::IncomingSubscriptionState as Theirs;
use offhook_sip_core::SubscriptionState::{self, Accepted, Active, Null, Pending, Sent, Terminated};
use offhook_sip_core::{
    EndpointConfig, IncomingSubscriptionMut, NotifyError, StatusCode, SubscribeError, SubscriptionMut,
    TerminationReason,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::subscriber::{World, notifier, pidf};
use support::wire::{answer, cut, field, status_of};
use support::{ALICE, BOB, Net, Peer};

// The subscriber.

const STATES: [SubscriptionState; 6] = [Null, Sent, Accepted, Pending, Active, Terminated];

/// A subscription in this state, its SUBSCRIBE, and whom its NOTIFYs come from.
fn subscription_in(state: &SubscriptionState) -> (World, String, String) {
    let peers = vec![
        Peer::with_config(ALICE, 1, EndpointConfig::default()),
        Peer::with_config(BOB, 2, notifier()),
    ];
    let mut net = Net::new(peers);
    let sent = Rc::new(RefCell::new(Vec::new()));
    let log = sent.clone();
    let wanted = state.clone();
    net.fate = Box::new(move |transmit| {
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        let arrives = match wanted {
            Sent => !text.starts_with("SUBSCRIBE"),
            Accepted => !text.starts_with("NOTIFY"),
            _ => true,
        };
        log.borrow_mut().push(text);
        arrives
    });
    let mut world = if *state == Null {
        let id = net
            .alice()
            .endpoint
            .add_subscription(support::subscriber::subscribe())
            .expect("there is room");
        World { net, id }
    } else {
        World::on(net, |subscribe| subscribe.again = false)
    };
    match state {
        Accepted | Active => world.bob(|subscription, now| subscription.accept(now, None).expect("incoming")),
        Pending => world.bob(|subscription, now| subscription.pend(now).expect("incoming")),
        Terminated => {
            world.bob(|subscription, now| subscription.reject(now, StatusCode::FORBIDDEN).expect("incoming"));
        }
        _ => {}
    }
    assert_eq!(world.state(), *state);
    let sent = sent.borrow();
    let subscribe = sent
        .iter()
        .find(|text| text.starts_with("SUBSCRIBE"))
        .cloned()
        .unwrap_or_default();
    let notify = sent.iter().find(|text| text.starts_with("NOTIFY"));
    let from = notify
        .map_or("From: <sip:bob@b.test>;tag=n", |text| field(text, "From:"))
        .to_owned();
    drop(sent);
    (world, subscribe, from)
}

fn refresh(subscription: &mut SubscriptionMut<'_>, now: Instant) -> Result<(), SubscribeError> {
    subscription.refresh(now)
}

type Command = fn(&mut SubscriptionMut<'_>, Instant) -> Result<(), SubscribeError>;

#[test]
fn a_subscriber_takes_each_command_in_its_states_alone() {
    let table: [(&str, Command, [bool; 6]); 3] = [
        (
            "subscribe",
            |it, now| it.subscribe(now),
            [true, false, false, false, false, true],
        ),
        (
            "refresh",
            |it, now| it.refresh(now),
            [false, false, false, true, true, false],
        ),
        (
            "unsubscribe",
            |it, now| it.unsubscribe(now),
            [false, true, true, true, true, false],
        ),
    ];
    for (name, command, expected) in table {
        for (state, is_allowed) in STATES.iter().zip(expected) {
            let (mut world, _, _) = subscription_in(state);
            let sent = cut(&mut world.net);
            let result = world.alice(command);
            assert_eq!(result.is_ok(), is_allowed, "{name} in {state}: {result:?}");
            if !is_allowed {
                assert_eq!(world.state(), *state, "{name} in {state}");
                let of_ours = sent
                    .borrow()
                    .iter()
                    .filter(|text| text.starts_with("SUBSCRIBE "))
                    .count();
                // Alone the first SUBSCRIBE, which nobody answers, is sent again.
                assert_eq!(of_ours, 0, "{name} in {state}");
            }
        }
    }
}

/// RFC 6665 §4.1.2.3, §4.1.3: each NOTIFY in each state; what it is answered with, and where it leads.
#[test]
fn a_subscriber_takes_each_notify_as_its_state_wants_it() {
    let other = SubscriptionState::Other("paused".to_owned());
    let table: [(&str, [(u16, SubscriptionState); 6]); 5] = [
        (
            "Subscription-State: active;expires=300\n",
            row([481, 200, 200, 200, 200, 481], &Active),
        ),
        (
            "Subscription-State: pending;expires=300\n",
            row([481, 200, 200, 200, 200, 481], &Pending),
        ),
        (
            "Subscription-State: paused;expires=300\n",
            row([481, 200, 200, 200, 200, 481], &other),
        ),
        (
            "Subscription-State: terminated;reason=noresource\n",
            row([481, 200, 200, 200, 200, 481], &Terminated),
        ),
        (
            // RFC 6665 §8.2.1: a NOTIFY has one.
            "",
            [
                (481, Null),
                (400, Sent),
                (400, Accepted),
                (400, Pending),
                (400, Active),
                (481, Terminated),
            ],
        ),
    ];
    for (field_of_state, expected) in table {
        for (state, (status, after)) in STATES.iter().zip(expected) {
            let (mut world, subscribe, from) = subscription_in(state);
            let (to, call_id) = if subscribe.is_empty() {
                ("To: <sip:alice@a.test>;tag=1".to_owned(), "Call-ID: 1")
            } else {
                (
                    field(&subscribe, "From:").replacen("From:", "To:", 1),
                    field(&subscribe, "Call-ID:"),
                )
            };
            let notify = format!(
                "NOTIFY sip:alice@{ALICE} SIP/2.0\nVia: SIP/2.0/UDP {BOB};branch=z9hG4bKtable\nMax-Forwards: 70\n\
                 {from}\n{to}\n{call_id}\nCSeq: 90 NOTIFY\nContact: <sip:bob@{BOB}>\nEvent: presence\n\
                 {field_of_state}Content-Length: 0\n\n"
            );
            let sent = cut(&mut world.net);
            world.net.inject(0, BOB, &notify);
            let first = sent
                .borrow()
                .iter()
                .map(|text| status_of(text))
                .find(|status| *status > 0);
            let what = format!("{field_of_state:?} in {state}");
            assert_eq!(first, Some(status), "{what}");
            assert_eq!(world.state(), after, "{what}");
        }
    }
}

fn row(statuses: [u16; 6], after: &SubscriptionState) -> [(u16, SubscriptionState); 6] {
    let mut cells = statuses.map(|status| (status, after.clone()));
    (cells[0].1, cells[5].1) = (Null, Terminated);
    cells
}

/// RFC 6665 §4.1.2: the answer to the SUBSCRIBE that begins it, and to the one that refreshes it (§4.1.2.2).
#[test]
fn a_subscriber_takes_each_answer_as_its_state_wants_it() {
    let table = [
        (200, Accepted, Active),
        (202, Accepted, Active),
        // RFC 5839: it stands, and no NOTIFY comes.
        (403, Terminated, Active),
        (404, Terminated, Terminated),
        (405, Terminated, Terminated),
        (408, Terminated, Terminated),
        (410, Terminated, Terminated),
        (416, Terminated, Terminated),
        (480, Terminated, Terminated),
        (481, Terminated, Terminated),
        (482, Terminated, Terminated),
        (483, Terminated, Terminated),
        (484, Terminated, Terminated),
        (485, Terminated, Terminated),
        (486, Terminated, Active),
        (489, Terminated, Terminated),
        (500, Terminated, Active),
        (501, Terminated, Terminated),
        (503, Terminated, Active),
        (600, Terminated, Active),
        (604, Terminated, Terminated),
    ];
    for (status, of_first, of_refresh) in table {
        let (mut world, subscribe, _) = subscription_in(&Sent);
        cut(&mut world.net);
        world
            .net
            .inject(0, BOB, &answer(&subscribe, status, "Expires: 600\n"));
        assert_eq!(world.state(), of_first, "{status} to the first");

        let (mut world, ..) = subscription_in(&Active);
        let sent = cut(&mut world.net);
        world.alice(refresh).expect("active");
        let refresh = sent.borrow()[0].clone();
        world
            .net
            .inject(0, BOB, &answer(&refresh, status, "Expires: 600\n"));
        assert_eq!(world.state(), of_refresh, "{status} to a refresh");
    }
    // And none at all: Timer N, and Timer F (RFC 6665 §4.1.2.4).
    for state in [Sent, Accepted] {
        let (mut world, ..) = subscription_in(&state);
        cut(&mut world.net);
        world.net.run(Duration::from_secs(33));
        assert_eq!(world.state(), Terminated, "silence in {state}");
    }
    let (mut world, ..) = subscription_in(&Active);
    cut(&mut world.net);
    world.alice(refresh).expect("active");
    world.net.run(Duration::from_secs(33));
    assert_eq!(world.state(), Terminated, "silence after a refresh");
}

// The notifier.

const THEIR_STATES: [Theirs; 4] = [
    Theirs::Incoming,
    Theirs::Pending,
    Theirs::Active,
    Theirs::Terminated,
];

/// A subscription of Alice's that Bob has in this state; all that he sends is kept, and nothing arrives.
fn notifier_in(state: Theirs) -> (World, Rc<RefCell<Vec<String>>>, String) {
    let (mut world, subscribe) = {
        let peers = vec![
            Peer::with_config(ALICE, 1, EndpointConfig::default()),
            Peer::with_config(BOB, 2, notifier()),
        ];
        let mut net = Net::new(peers);
        let first = Rc::new(RefCell::new(String::new()));
        let kept = first.clone();
        net.fate = Box::new(move |transmit| {
            if transmit.bytes.starts_with(b"SUBSCRIBE") {
                *kept.borrow_mut() = String::from_utf8_lossy(&transmit.bytes).into_owned();
            }
            true
        });
        let world = World::on(net, |subscribe| subscribe.again = false);
        let subscribe = first.borrow().clone();
        (world, subscribe)
    };
    match state {
        Theirs::Incoming => {}
        Theirs::Pending => world.bob(|it, now| it.pend(now).expect("incoming")),
        Theirs::Active | Theirs::Terminated => world.bob(|it, now| it.accept(now, None).expect("incoming")),
    }
    let sent = cut(&mut world.net);
    if state == Theirs::Terminated {
        // Its last NOTIFY is on its way.
        world.bob(|it, now| it.end(now, TerminationReason::NoResource, None).expect("active"));
        sent.borrow_mut().clear();
    }
    assert_eq!(world.bob(|it, _| it.state()), state);
    (world, sent, subscribe)
}

type TheirCommand = fn(&mut IncomingSubscriptionMut<'_>, Instant) -> Result<(), NotifyError>;

#[test]
fn a_notifier_takes_each_command_in_its_states_alone() {
    let table: [(&str, TheirCommand, [Option<Theirs>; 4]); 6] = [
        (
            "accept",
            |it, now| it.accept(now, Some(pidf("open"))),
            [Some(Theirs::Active), Some(Theirs::Active), None, None],
        ),
        (
            "pend",
            |it, now| it.pend(now),
            [Some(Theirs::Pending), None, None, None],
        ),
        (
            "reject",
            |it, now| it.reject(now, StatusCode::FORBIDDEN),
            [Some(Theirs::Terminated), Some(Theirs::Terminated), None, None],
        ),
        (
            "notify",
            |it, now| it.notify(now, pidf("open")),
            [None, None, Some(Theirs::Active), None],
        ),
        (
            "end",
            |it, now| it.end(now, TerminationReason::Probation, None),
            [None, Some(Theirs::Terminated), Some(Theirs::Terminated), None],
        ),
        (
            "notify_status",
            |it, now| it.notify_status(now, StatusCode::OK, None),
            [None, None, None, None],
        ),
    ];
    for (name, command, expected) in table {
        for (state, after) in THEIR_STATES.into_iter().zip(expected) {
            let (mut world, sent, _) = notifier_in(state);
            let (id, _) = world.bobs_events().last().expect("somebody subscribed");
            let now = world.net.now;
            let endpoint = &mut world.net.bob().endpoint;
            let result = command(&mut endpoint.incoming_subscription(id).expect("it lives"), now);
            assert_eq!(result.is_ok(), after.is_some(), "{name} in {state}: {result:?}");
            // One that was refused has nothing to say any more, and is gone.
            let is = endpoint
                .incoming_subscription(id)
                .map_or(Theirs::Terminated, |it| it.state());
            assert_eq!(is, after.unwrap_or(state), "{name} in {state}");
            sent.borrow_mut().clear();
            world.net.drain();
            assert_eq!(sent.borrow().is_empty(), after.is_none(), "{name} in {state}");
        }
    }
}

/// RFC 6665 §4.2.1: a SUBSCRIBE inside the dialog.
#[test]
fn a_notifier_takes_each_subscribe_as_its_state_wants_it() {
    use Theirs::{Active, Incoming, Pending, Terminated};
    let table = [
        (
            "Event: presence\nExpires: 600\n",
            [(481, Incoming), (200, Pending), (200, Active), (481, Terminated)],
        ),
        (
            "Event: presence\nExpires: 0\n",
            [
                (481, Incoming),
                (200, Terminated),
                (200, Terminated),
                (481, Terminated),
            ],
        ),
        (
            "Event: presence\nExpires: 5\n",
            [(481, Incoming), (423, Pending), (423, Active), (481, Terminated)],
        ),
        // RFC 6665 §4.5.2: one more subscription in this dialog.
        (
            "Event: dialog\nExpires: 600\n",
            [(403, Incoming), (403, Pending), (403, Active), (403, Terminated)],
        ),
    ];
    for (fields, expected) in table {
        for (state, (status, after)) in THEIR_STATES.into_iter().zip(expected) {
            let (mut world, sent, subscribe) = notifier_in(state);
            let tag = world.bob(|it, _| String::from_utf8_lossy(&it.dialog().id().local_tag).into_owned());
            sent.borrow_mut().clear();
            let request = format!(
                "SUBSCRIBE sip:bob@{BOB} SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bKtable\nMax-Forwards: 70\n\
                 {}\n{};tag={tag}\n{}\nCSeq: 90 SUBSCRIBE\nContact: <sip:alice@{ALICE}>\n{fields}Content-Length: 0\n\n",
                field(&subscribe, "From:"),
                field(&subscribe, "To:"),
                field(&subscribe, "Call-ID:"),
            );
            let (id, _) = world.bobs_events().last().expect("somebody subscribed");
            world.net.inject(1, ALICE, &request);
            let what = format!("{fields:?} in {state}");
            let first = sent
                .borrow()
                .iter()
                .map(|text| status_of(text))
                .find(|status| *status > 0);
            assert_eq!(first, Some(status), "{what}");
            let endpoint = &mut world.net.bob().endpoint;
            let is = endpoint
                .incoming_subscription(id)
                .map_or(Terminated, |it| it.state());
            assert_eq!(is, after, "{what}");
            let notifies = sent.borrow().iter().any(|text| text.starts_with("NOTIFY "));
            assert_eq!(notifies, status == 200, "{what}: RFC 6665 §4.2.1.2");
        }
    }
}

/// RFC 6665 §4.2.2: which answers to a NOTIFY end the subscription.
#[test]
fn a_notifier_takes_each_answer_to_its_notify() {
    let ends = [
        404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
    ];
    for status in [200, 202, 403, 486, 500, 503, 600].into_iter().chain(ends) {
        let (mut world, sent, _) = notifier_in(Theirs::Active);
        world.bob(|it, now| it.notify(now, pidf("busy")).expect("active"));
        let notify = sent.borrow()[0].clone();
        let (id, _) = world.bobs_events().last().expect("somebody subscribed");
        world.net.inject(1, ALICE, &answer(&notify, status, ""));
        let endpoint = &mut world.net.bob().endpoint;
        let is = endpoint
            .incoming_subscription(id)
            .map_or(Theirs::Terminated, |it| it.state());
        let wanted = if ends.contains(&status) {
            Theirs::Terminated
        } else {
            Theirs::Active
        };
        assert_eq!(is, wanted, "{status}");
    }
}
