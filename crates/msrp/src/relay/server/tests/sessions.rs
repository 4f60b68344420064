//! Whole sessions through a relay that delays, drops and breaks, in virtual time.

use super::*;
use crate::chunk::SuccessReport;
use crate::session::{CloseReason, MsrpSession, OutgoingMessage, SessionConfig, SessionEvent};
use crate::setup::Role;
use bytes::Buf;
use std::collections::VecDeque;

/// A session at the relay, behind a slow link.
struct End {
    connection: ConnectionId,
    session: MsrpSession,
    delay: Duration,
    /// What is on the way: to the relay, and from it.
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
    /// What the link loses on its way from the relay, by the text that it has.
    loses: Option<&'static str>,
    is_cut: bool,
    events: Vec<SessionEvent>,
}

struct Net {
    world: World,
    ends: [End; 2],
}

impl Net {
    fn new(delay: Duration) -> Self {
        let mut world = World::new(|_| {});
        let [alice, bob] = ["alice", "bob"].map(|user| {
            let connection = world.connect();
            let mut client = world.client(user);
            world.converse(connection, &mut client);
            (connection, client)
        });
        let paths = [&alice, &bob].map(|(_, client)| client.path().cloned().unwrap());
        let end = |(connection, client), own: usize, role| {
            let config = SessionConfig::new(paths[own].clone(), paths[1 - own].clone());
            let framer = Framer::new(crate::chunk::Limits::default());
            let entropy = Entropy::from_number(own as u64);
            End {
                connection,
                session: MsrpSession::relayed(world.now, config, entropy, framer, None, client, role),
                delay,
                up: VecDeque::new(),
                down: VecDeque::new(),
                loses: None,
                is_cut: false,
                events: Vec::new(),
            }
        };
        let ends = [end(alice, 0, Role::Active), end(bob, 1, Role::Passive)];
        Self { world, ends }
    }

    /// Runs the network for a time.
    fn run(&mut self, time: Duration) {
        let until = self.world.now + time;
        loop {
            self.step();
            let next = self
                .ends
                .iter()
                .filter_map(End::next)
                .chain(self.world.relay.poll_timeout())
                .min();
            match next {
                Some(next) if next <= until => self.world.now = self.world.now.max(next),
                _ => break,
            }
            let now = self.world.now;
            self.world.relay.handle_timeout(now);
            for end in &mut self.ends {
                end.session.handle_timeout(now);
            }
        }
        self.world.now = until;
    }

    /// Moves what is due until nothing is.
    fn step(&mut self) {
        let world = &mut self.world;
        loop {
            let mut moved = false;
            for end in self.ends.iter_mut().filter(|end| !end.is_cut) {
                while let Some(mut burst) = end.session.poll_transmit(world.now) {
                    let len = burst.remaining();
                    end.up
                        .push_back((world.now + end.delay, burst.copy_to_bytes(len).to_vec()));
                    moved = true;
                }
                while let Some((_, bytes)) = end.up.pop_front_if(|(at, _)| *at <= world.now) {
                    world.say(end.connection, &bytes);
                    moved = true;
                }
                let heard = world.hear(end.connection);
                if !heard.is_empty() {
                    let is_lost = end.loses.is_some_and(|text| heard.contains(text));
                    if !is_lost {
                        end.down.push_back((world.now + end.delay, heard.into_bytes()));
                    }
                    moved = true;
                }
                while let Some((_, bytes)) = end.down.pop_front_if(|(at, _)| *at <= world.now) {
                    end.session.input().extend_from_slice(&bytes);
                    end.session.handle_input(world.now);
                    moved = true;
                }
                end.events.extend(std::iter::from_fn(|| end.session.poll_event()));
            }
            if !moved {
                return;
            }
        }
    }

    fn send(&mut self, end: usize, size: usize) {
        let message = OutgoingMessage::new("a/b", vec![b'x'; size]).with_success_report(SuccessReport::Yes);
        self.ends[end].session.send(message).unwrap();
    }

    fn heard(&self, end: usize, is_it: impl Fn(&SessionEvent) -> bool) -> usize {
        self.ends[end].events.iter().filter(|event| is_it(event)).count()
    }
}

impl End {
    fn next(&self) -> Option<Instant> {
        if self.is_cut {
            return None;
        }
        let way = |way: &VecDeque<(Instant, Vec<u8>)>| way.front().map(|(at, _)| *at);
        [way(&self.up), way(&self.down), self.session.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }
}

fn is_message(size: usize) -> impl Fn(&SessionEvent) -> bool {
    move |event| matches!(event, SessionEvent::Message(message) if message.body.len() == size)
}

fn is_reported(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Reported { complete: true, .. })
}

#[test]
fn messages_are_delivered_however_slow_the_relay_is() {
    for millis in [0, 20, 5000] {
        let mut net = Net::new(Duration::from_millis(millis));
        net.run(Duration::from_secs(25));
        net.send(0, 100_000);
        net.send(1, 10);
        net.run(Duration::from_mins(2));
        assert_eq!(net.heard(1, is_message(100_000)), 1, "{millis}");
        assert_eq!(net.heard(0, is_message(10)), 1, "{millis}");
        assert_eq!(
            (net.heard(0, is_reported), net.heard(1, is_reported)),
            (1, 1),
            "{millis}"
        );
    }
}

#[test]
fn a_message_that_the_relay_drops_fails_with_408() {
    let mut net = Net::new(Duration::from_millis(10));
    net.run(Duration::from_secs(1));
    net.ends[1].loses = Some(" SEND\r\n");
    net.send(0, 100);
    net.run(Duration::from_secs(40));
    let is_408 = |event: &SessionEvent| {
        matches!(
            event,
            SessionEvent::SendFailed {
                status: StatusCode::TIMEOUT,
                ..
            }
        )
    };
    assert_eq!(net.heard(1, is_message(100)), 0);
    assert_eq!(net.heard(0, is_408), 1, "{:?}", net.ends[0].events);
    let is_over = |event: &SessionEvent| {
        matches!(
            event,
            SessionEvent::Closed(CloseReason::NotDelivered(StatusCode::TIMEOUT))
        )
    };
    assert_eq!(net.heard(0, is_over), 1, "bytes were lost (RFC 4975 §7.2)");
}

#[test]
fn reports_that_are_dropped_are_only_missed() {
    let mut net = Net::new(Duration::from_millis(10));
    net.run(Duration::from_secs(1));
    net.ends[0].loses = Some(" REPORT\r\n");
    net.send(0, 100);
    net.run(Duration::from_mins(2));
    assert_eq!((net.heard(1, is_message(100)), net.heard(0, is_reported)), (1, 0));
    assert_eq!(
        net.heard(0, |event| matches!(event, SessionEvent::SendDone { .. })),
        1
    );
}

#[test]
fn a_receiver_that_is_cut_off_is_reported_and_its_place_is_gone() {
    let mut net = Net::new(Duration::from_millis(10));
    net.run(Duration::from_secs(1));
    net.send(0, 1_000_000);
    net.step();
    net.world.now += Duration::from_millis(10);
    net.step();
    let bob = net.ends[1].connection;
    net.world.relay.handle_closed(net.world.now, bob);
    net.ends[1].is_cut = true;
    net.ends[1].session.handle_closed();
    net.run(Duration::from_mins(1));
    assert_eq!(
        net.heard(0, |event| matches!(event, SessionEvent::SendFailed { .. })),
        1
    );
    assert_eq!(net.world.relay.place_count(), 1);
}

#[test]
fn sessions_outlive_their_places_by_renewing_them_and_end_when_the_relay_refuses() {
    let mut net = Net::new(Duration::from_millis(10));
    net.run(Duration::from_hours(2));
    net.send(0, 10);
    net.run(Duration::from_secs(1));
    assert_eq!(net.heard(1, is_message(10)), 1);
    net.world.relay.config.users.clear();
    net.run(Duration::from_hours(1));
    let is_refused = |event: &SessionEvent| matches!(event, SessionEvent::Closed(CloseReason::Relay(_)));
    assert_eq!((net.heard(0, is_refused), net.heard(1, is_refused)), (1, 1));
}
