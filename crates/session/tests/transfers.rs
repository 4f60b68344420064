//! Transfers among three parties, blind and attended, and calls that are sent elsewhere: signalling only, in virtual time.

mod script;

use offhook_account::Account;
use offhook_sansio::{Entropy, Path, Received, Transport, earliest};
use offhook_session::{
    AudioStream, Connect, ManagerEvent, MediaStream, Originator, SessionConfig, SessionEvent, SessionId,
    SessionManager, SessionState,
};
use offhook_sip_core::{
    Endpoint, EndpointConfig, Method, NameAddr, RedirectPolicy, Route, SipUri, StatusCode, Uri,
};
use script::{Commands, Plane};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

struct Party {
    manager: SessionManager,
    events: Vec<(SessionId, SessionEvent)>,
}

/// Three end-points on a wire without delay.
struct Trio {
    now: Instant,
    parties: Vec<Party>,
}

fn address(party: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, party as u8 + 1], 5060))
}

fn uri(party: usize) -> Uri {
    let text = format!("sip:{}@{}", NAMES[party], address(party));
    text.parse::<SipUri>().expect("a URI").into()
}

fn audio() -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(AudioStream::offer())]
}

impl Trio {
    fn new(config: &SessionConfig) -> Self {
        let party = |index: usize| {
            let mut entropy = Entropy::from_number(index as u64);
            let endpoint_config = EndpointConfig {
                user_agent: format!("phone of {}", NAMES[index]),
                allow: [EndpointConfig::default().allow, vec![Method::Refer]].concat(),
                ..EndpointConfig::default()
            };
            let mut endpoint = Endpoint::new(endpoint_config, entropy.fork());
            endpoint.add_local(Transport::Udp, address(index));
            let plane = Box::new(Plane::new(Commands::default()));
            Party {
                manager: SessionManager::new(endpoint, plane, config.clone(), entropy),
                events: Vec::new(),
            }
        };
        Self {
            now: Instant::now(),
            parties: (0..NAMES.len()).map(party).collect(),
        }
    }

    fn call(&mut self, from: usize, to: usize) -> SessionId {
        let connect = Connect {
            account: &Account::local(NAMES[from]).unwrap(),
            to: NameAddr::new(uri(to)),
            routes: vec![Route::new(Transport::Udp, address(to))],
            streams: audio(),
        };
        let id = self.parties[from].manager.connect(self.now, connect);
        self.settle();
        id.expect("called")
    }

    /// Both ends of a call that is accepted.
    fn talk(&mut self, from: usize, to: usize) -> (SessionId, SessionId) {
        let ours = self.call(from, to);
        let theirs = self.accept(to);
        (ours, theirs)
    }

    /// Whoever was called last accepts.
    fn accept(&mut self, party: usize) -> SessionId {
        let id = self.newest(party);
        let accepted = self.parties[party].manager.accept(self.now, id, audio());
        self.settle();
        accepted.expect("acceptable");
        id
    }

    fn reject(&mut self, party: usize, code: StatusCode) {
        let id = self.newest(party);
        let rejected = self.parties[party].manager.reject(self.now, id, code);
        self.settle();
        rejected.expect("it rings");
    }

    /// The session that somebody was told of last.
    fn newest(&self, party: usize) -> SessionId {
        let mut events = self.parties[party].events.iter().rev();
        let is_new = |event: &SessionEvent| matches!(event, SessionEvent::NewIncoming { .. });
        events.find(|(_, event)| is_new(event)).expect("called").0
    }

    /// Does what a transfer asks for.
    fn accept_transfer(&mut self, party: usize, session: SessionId, target: usize) -> SessionId {
        let (_, event) = self.parties[party].events.last().expect("asked");
        let SessionEvent::TransferNewIncoming { target: to, .. } = event else {
            panic!("{event:?}")
        };
        let connect = Connect {
            account: &Account::local(NAMES[party]).unwrap(),
            to: to.clone(),
            routes: vec![Route::new(Transport::Udp, address(target))],
            streams: audio(),
        };
        let id = self.parties[party]
            .manager
            .accept_transfer(self.now, session, connect);
        self.settle();
        id.expect("placed")
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let due = self
                .parties
                .iter()
                .fold(None, |due, party| earliest(due, party.manager.poll_timeout()));
            let Some(due) = due.filter(|due| *due <= end) else {
                break;
            };
            self.now = due.max(self.now);
            for party in &mut self.parties {
                party.manager.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    fn settle(&mut self) {
        loop {
            let mut wire = Vec::new();
            for party in &mut self.parties {
                while let Some(transmit) = party.manager.poll_transmit() {
                    wire.push(transmit);
                }
                while let Some(event) = party.manager.poll_event() {
                    if let ManagerEvent::Session { id, event } = event {
                        party.events.push((id, event.event));
                    }
                }
            }
            if wire.is_empty() {
                return;
            }
            for transmit in wire {
                let to = (0..NAMES.len()).find(|party| address(*party) == transmit.path.remote);
                let Some(to) = to else { continue };
                let path = Path::new(Transport::Udp, transmit.path.remote, transmit.path.local);
                let received = Received {
                    path,
                    bytes: transmit.bytes,
                };
                self.parties[to].manager.handle_received(self.now, received);
            }
        }
    }

    /// The names of what somebody was told of one session, its streams and transactions left out.
    fn story(&self, party: usize, session: SessionId) -> Vec<String> {
        let events = self.parties[party].events.iter().filter(|(id, _)| *id == session);
        let told = events.map(|(_, event)| name(event));
        told.filter(|name| name != "Stream" && name != "DidProcessTransaction")
            .collect()
    }

    fn find<R>(&self, party: usize, which: impl Fn(&SessionEvent) -> Option<R>) -> R {
        let found = self.parties[party]
            .events
            .iter()
            .find_map(|(_, event)| which(event));
        found.unwrap_or_else(|| panic!("{:?}", self.parties[party].events))
    }

    fn state(&self, party: usize, session: SessionId) -> Option<SessionState> {
        self.parties[party]
            .manager
            .session(session)
            .map(offhook_session::Session::state)
    }
}

fn name(event: &SessionEvent) -> String {
    let text = format!("{event:?}");
    text.split([' ', '(']).next().unwrap_or_default().to_owned()
}

#[test]
fn a_blind_transfer_leads_to_the_target_and_ends_the_session_that_asked() {
    let mut trio = Trio::new(&SessionConfig::default());
    let (alice_bob, bob_alice) = trio.talk(ALICE, BOB);
    trio.parties[ALICE]
        .manager
        .transfer(trio.now, alice_bob, uri(CAROL))
        .expect("connected");
    trio.settle();
    let (target, referred_by, is_attended) = trio.find(BOB, |event| match event {
        SessionEvent::TransferNewIncoming {
            target,
            referred_by,
            is_attended,
        } => Some((target.clone(), referred_by.clone(), *is_attended)),
        _ => None,
    });
    assert_eq!(target.uri, uri(CAROL));
    assert!(referred_by.expect("said").uri.to_string().contains("alice"));
    assert!(!is_attended);

    let bob_carol = trio.accept_transfer(BOB, bob_alice, CAROL);
    let carol = trio.newest(CAROL);
    trio.parties[CAROL]
        .manager
        .send_ring_indication(trio.now, carol)
        .unwrap();
    trio.settle();
    trio.accept(CAROL);
    trio.run_for(Duration::from_secs(1));

    assert_eq!(trio.state(BOB, bob_carol), Some(SessionState::Connected));
    assert_eq!(trio.state(CAROL, carol), Some(SessionState::Connected));
    let told = trio.story(ALICE, alice_bob);
    let transfer = [
        "TransferNewOutgoing",
        "TransferDidStart",
        "TransferGotProgress",
        "TransferGotProgress",
        "TransferDidEnd",
        "WillEnd",
        "DidEnd",
    ];
    assert_eq!(told[told.len() - transfer.len()..], transfer);
    let told = trio.story(BOB, bob_alice);
    let transfer = [
        "TransferNewIncoming",
        "TransferDidStart",
        "TransferGotProgress",
        "TransferDidEnd",
        "WillEnd",
        "DidEnd",
    ];
    assert_eq!(told[told.len() - transfer.len()..], transfer);
}

#[test]
fn a_transfer_that_fails_leaves_the_session_as_it_was() {
    let mut trio = Trio::new(&SessionConfig::default());
    let (alice_bob, bob_alice) = trio.talk(ALICE, BOB);
    trio.parties[ALICE]
        .manager
        .transfer(trio.now, alice_bob, uri(CAROL))
        .expect("connected");
    trio.settle();
    trio.accept_transfer(BOB, bob_alice, CAROL);
    trio.reject(CAROL, StatusCode::BUSY_HERE);
    trio.run_for(Duration::from_secs(1));
    for party in [ALICE, BOB] {
        let code = trio.find(party, |event| match event {
            SessionEvent::TransferDidFail { code, .. } => Some(*code),
            _ => None,
        });
        assert_eq!(code, 486, "{}", NAMES[party]);
    }
    assert_eq!(trio.state(ALICE, alice_bob), Some(SessionState::Connected));
    assert_eq!(trio.state(BOB, bob_alice), Some(SessionState::Connected));
    // And another one may follow.
    trio.parties[ALICE]
        .manager
        .transfer(trio.now, alice_bob, uri(CAROL))
        .expect("again");
}

#[test]
fn a_transfer_may_be_refused_and_only_one_is_under_way() {
    let mut trio = Trio::new(&SessionConfig::default());
    let (alice_bob, bob_alice) = trio.talk(ALICE, BOB);
    trio.parties[ALICE]
        .manager
        .transfer(trio.now, alice_bob, uri(CAROL))
        .expect("connected");
    trio.settle();
    let second = trio.parties[ALICE]
        .manager
        .transfer(trio.now, alice_bob, uri(CAROL));
    assert!(second.unwrap_err().to_string().contains("being transferred"));
    // The other way round at the same time: answered with 480.
    let crossing = trio.parties[BOB]
        .manager
        .transfer(trio.now, bob_alice, uri(CAROL));
    assert!(crossing.is_err(), "Bob has one of Alice's before him");
    trio.parties[BOB]
        .manager
        .reject_transfer(trio.now, bob_alice, StatusCode::DECLINE)
        .expect("asked");
    trio.settle();
    let code = trio.find(ALICE, |event| match event {
        SessionEvent::TransferDidFail { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!(code, 603);
    assert_eq!(trio.state(ALICE, alice_bob), Some(SessionState::Connected));
    let illegal = trio.parties[BOB]
        .manager
        .reject_transfer(trio.now, bob_alice, StatusCode::DECLINE);
    assert!(illegal.is_err(), "nothing is asked any more");
}

#[test]
fn an_attended_transfer_takes_the_place_of_the_consultation() {
    let mut trio = Trio::new(&SessionConfig::default());
    let (alice_bob, bob_alice) = trio.talk(ALICE, BOB);
    let (alice_carol, carol_alice) = trio.talk(ALICE, CAROL);
    trio.parties[ALICE]
        .manager
        .transfer_to(trio.now, alice_bob, alice_carol)
        .expect("both are connected");
    trio.settle();
    let is_attended = trio.find(BOB, |event| match event {
        SessionEvent::TransferNewIncoming { is_attended, .. } => Some(*is_attended),
        _ => None,
    });
    assert!(is_attended);
    let bob_carol = trio.accept_transfer(BOB, bob_alice, CAROL);
    let carol_bob = trio.newest(CAROL);
    let replaces = trio.parties[CAROL]
        .events
        .iter()
        .rev()
        .find_map(|(id, event)| match event {
            SessionEvent::NewIncoming { replaces, .. } if *id == carol_bob => Some(*replaces),
            _ => None,
        });
    assert_eq!(
        replaces,
        Some(Some(carol_alice)),
        "Carol is told whose place it is"
    );
    trio.accept(CAROL);
    trio.run_for(Duration::from_secs(1));

    assert_eq!(trio.state(BOB, bob_carol), Some(SessionState::Connected));
    assert_eq!(trio.state(CAROL, carol_bob), Some(SessionState::Connected));
    for (party, session) in [
        (ALICE, alice_bob),
        (ALICE, alice_carol),
        (BOB, bob_alice),
        (CAROL, carol_alice),
    ] {
        assert_eq!(trio.state(party, session), None, "{} has let go", NAMES[party]);
    }
    let reason = trio.parties[CAROL]
        .events
        .iter()
        .find_map(|(id, event)| match event {
            SessionEvent::DidEnd {
                originator, reason, ..
            } if *id == carol_alice => Some((*originator, reason.clone())),
            _ => None,
        });
    assert_eq!(reason, Some((Originator::Local, "replaced".to_owned())));
}

/// Bob's call that would take the place of Carol's cannot be accepted: nothing of it is said when Carol's ends later.
#[test]
fn a_session_that_was_not_replaced_after_all_does_not_say_so() {
    let mut trio = Trio::new(&SessionConfig::default());
    let (alice_bob, bob_alice) = trio.talk(ALICE, BOB);
    let (alice_carol, carol_alice) = trio.talk(ALICE, CAROL);
    let asked = trio.parties[ALICE]
        .manager
        .transfer_to(trio.now, alice_bob, alice_carol);
    asked.expect("both are connected");
    trio.settle();
    trio.accept_transfer(BOB, bob_alice, CAROL);
    let carol_bob = trio.newest(CAROL);
    let refused = trio.parties[CAROL]
        .manager
        .accept(trio.now, carol_bob, Vec::new());
    assert!(refused.is_err(), "a session needs a stream");
    trio.reject(CAROL, StatusCode::BUSY_HERE);
    trio.parties[CAROL]
        .manager
        .end(trio.now, carol_alice)
        .expect("connected");
    trio.run_for(Duration::from_secs(1));
    let reason = trio.parties[CAROL]
        .events
        .iter()
        .find_map(|(id, event)| match event {
            SessionEvent::DidEnd { reason, .. } if *id == carol_alice => Some(reason.clone()),
            _ => None,
        });
    assert_eq!(reason.as_deref(), Some("user request"));
}

#[test]
fn who_hangs_up_while_a_transfer_waits_is_told_that_it_came_to_nothing() {
    let mut trio = Trio::new(&SessionConfig::default());
    let (alice_bob, _) = trio.talk(ALICE, BOB);
    trio.parties[ALICE]
        .manager
        .transfer(trio.now, alice_bob, uri(CAROL))
        .expect("connected");
    trio.parties[ALICE]
        .manager
        .end(trio.now, alice_bob)
        .expect("connected");
    trio.run_for(Duration::from_secs(40));
    let told = trio.story(ALICE, alice_bob);
    assert_eq!(told[told.len() - 3..], ["TransferDidFail", "WillEnd", "DidEnd"]);
    let told = trio.story(BOB, trio.newest(BOB));
    assert_eq!(told[told.len() - 3..], ["TransferDidFail", "WillEnd", "DidEnd"]);
}

#[test]
fn a_call_on_behalf_of_somebody_who_is_gone_goes_on() {
    let mut trio = Trio::new(&SessionConfig::default());
    let (alice_bob, bob_alice) = trio.talk(ALICE, BOB);
    trio.parties[ALICE]
        .manager
        .transfer(trio.now, alice_bob, uri(CAROL))
        .expect("connected");
    trio.settle();
    let bob_carol = trio.accept_transfer(BOB, bob_alice, CAROL);
    trio.parties[ALICE]
        .manager
        .end(trio.now, alice_bob)
        .expect("connected");
    trio.settle();
    let carol = trio.accept(CAROL);
    trio.run_for(Duration::from_secs(40));
    assert_eq!(trio.state(BOB, bob_carol), Some(SessionState::Connected));
    assert_eq!(trio.state(CAROL, carol), Some(SessionState::Connected));
    assert_eq!(trio.state(BOB, bob_alice), None);
}

#[test]
fn a_session_knows_its_transport_and_the_program_of_the_other_side() {
    let mut trio = Trio::new(&SessionConfig::default());
    let (ours, theirs) = trio.talk(ALICE, BOB);
    for (party, session, program) in [(ALICE, ours, "phone of bob"), (BOB, theirs, "phone of alice")] {
        let session = trio.parties[party].manager.session(session).expect("connected");
        assert_eq!(session.transport(), Transport::Udp);
        assert_eq!(session.remote_user_agent(), Some(program));
    }
}

/// Bob sends callers to Carol.
fn redirected(policy: RedirectPolicy) -> (Trio, SessionId) {
    let config = SessionConfig {
        redirects: policy,
        ..SessionConfig::default()
    };
    let mut trio = Trio::new(&config);
    let session = trio.call(ALICE, BOB);
    let id = trio.newest(BOB);
    trio.parties[BOB]
        .manager
        .redirect(trio.now, id, &[NameAddr::new(uri(CAROL))])
        .expect("it rings");
    trio.settle();
    (trio, session)
}

#[test]
fn a_call_that_is_sent_elsewhere_fails_and_says_where_to() {
    let (trio, session) = redirected(RedirectPolicy::Tell);
    let targets = trio.find(ALICE, |event| match event {
        SessionEvent::DidFail {
            code: 302,
            redirect_identities,
            ..
        } => Some(redirect_identities.clone()),
        _ => None,
    });
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].uri, uri(CAROL));
    assert_eq!(trio.state(ALICE, session), None);
}

#[test]
fn a_call_that_is_sent_elsewhere_goes_there_where_the_policy_follows() {
    let (mut trio, session) = redirected(RedirectPolicy::Follow { most: 5 });
    let target = trio.find(ALICE, |event| match event {
        SessionEvent::Redirected { target } => Some(target.clone()),
        _ => None,
    });
    assert_eq!(target, uri(CAROL));
    trio.accept(CAROL);
    assert_eq!(trio.state(ALICE, session), Some(SessionState::Connected));
}
