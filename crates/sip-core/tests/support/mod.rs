//! Two or more endpoints, a link that may lose messages, and a clock that only the test moves.

#![allow(dead_code, reason = "each test uses its own part of it")]

pub(crate) mod branches;
pub(crate) mod registrar;
pub(crate) mod scenario;
pub(crate) mod server;
pub(crate) mod subscriber;
pub(crate) mod wire;

use offhook_sansio::{Entropy, Path, Received, Transmit, Transport};
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationId, InvitationMut,
    InvitationState, Invite, Route,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) const T1: Duration = Duration::from_millis(500);
pub(crate) const ALICE: &str = "192.0.2.1:5060";
pub(crate) const BOB: &str = "192.0.2.2:5060";

pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) events: Vec<EndpointEvent>,
}

impl Peer {
    pub(crate) fn new(address: &str, seed: u64) -> Self {
        Self::with_config(address, seed, EndpointConfig::default())
    }

    pub(crate) fn with_config(address: &str, seed: u64, config: EndpointConfig) -> Self {
        let address = address.parse().expect("an address");
        let mut endpoint = Endpoint::new(config, Entropy::from_number(seed));
        endpoint.add_local(Transport::Udp, address);
        endpoint.add_local(Transport::Tcp, address);
        Self {
            endpoint,
            address,
            events: Vec::new(),
        }
    }

    /// The states that its only call went through.
    pub(crate) fn states(&self) -> Vec<InvitationState> {
        self.invitation_events()
            .filter_map(|event| match event {
                InvitationEvent::StateChanged { state, .. } => Some(*state),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn invitation_events(&self) -> impl Iterator<Item = &InvitationEvent> {
        self.events.iter().filter_map(|event| match event {
            EndpointEvent::Invitation { event, .. } => Some(event),
            _ => None,
        })
    }

    /// The newest call that it has heard of.
    pub(crate) fn call_id(&self) -> InvitationId {
        self.events
            .iter()
            .rev()
            .find_map(|event| match event {
                EndpointEvent::Invitation { id, .. } => Some(*id),
                _ => None,
            })
            .expect("a call")
    }

    pub(crate) fn call(&mut self) -> InvitationMut<'_> {
        let id = self.call_id();
        self.endpoint.invitation(id).expect("it lives")
    }

    pub(crate) fn descriptions(&self) -> Vec<String> {
        self.invitation_events()
            .filter_map(|event| match event {
                InvitationEvent::Description { kind, body } => {
                    Some(format!("{kind:?} {}", String::from_utf8_lossy(&body.bytes)))
                }
                _ => None,
            })
            .collect()
    }
}

/// What the link does with a message.
pub(crate) type Fate = Box<dyn FnMut(&Transmit) -> bool>;

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) peers: Vec<Peer>,
    pub(crate) latency: Duration,
    /// True lets a message pass.
    pub(crate) fate: Fate,
    /// When, to whom, and the first line, of each message that was sent.
    pub(crate) log: Vec<(Duration, SocketAddr, String)>,
    flying: VecDeque<(Instant, Transmit)>,
}

impl Net {
    pub(crate) fn new(peers: Vec<Peer>) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            peers,
            latency: Duration::from_millis(10),
            fate: Box::new(|_| true),
            log: Vec::new(),
            flying: VecDeque::new(),
        }
    }

    pub(crate) fn pair() -> Self {
        Self::new(vec![Peer::new(ALICE, 1), Peer::new(BOB, 2)])
    }

    pub(crate) fn alice(&mut self) -> &mut Peer {
        &mut self.peers[0]
    }

    pub(crate) fn bob(&mut self) -> &mut Peer {
        &mut self.peers[1]
    }

    /// Alice calls Bob with an offer.
    pub(crate) fn call(&mut self) -> InvitationId {
        let bob = self.peers[1].address;
        let invite = invite_to(&[bob]);
        let now = self.now;
        let id = self.alice().endpoint.invite(now, invite).expect("it can be sent");
        self.run(Duration::from_millis(50));
        id
    }

    /// Alice calls Bob, and Bob accepts.
    pub(crate) fn established() -> Self {
        let mut net = Self::pair();
        net.call();
        let now = net.now;
        net.bob()
            .call()
            .accept(now, Some(&Body::sdp("answer")))
            .expect("incoming");
        net.run(Duration::from_millis(100));
        assert_eq!(net.alice().call().state(), InvitationState::Confirmed);
        assert_eq!(net.bob().call().state(), InvitationState::Confirmed);
        net.log.clear();
        net
    }

    /// Lets time pass, with all that happens in it.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            let timers = self.peers.iter().filter_map(|peer| peer.endpoint.poll_timeout());
            let next = timers.chain(self.flying.front().map(|(at, _)| *at)).min();
            let Some(next) = next.filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            let now = self.now;
            while self.flying.front().is_some_and(|(at, _)| *at <= now) {
                let (_, transmit) = self.flying.pop_front().expect("it was seen");
                self.deliver(transmit);
                self.drain();
            }
            for peer in &mut self.peers {
                peer.endpoint.handle_timeout(now);
            }
        }
        self.now = end;
    }

    /// The first lines of what was sent to an address since the log was cleared, with its time in milliseconds.
    pub(crate) fn sent_to(&self, address: &str) -> Vec<(u128, &str)> {
        let address: SocketAddr = address.parse().expect("an address");
        self.log
            .iter()
            .filter(|(_, to, _)| *to == address)
            .map(|(at, _, line)| (at.as_millis(), line.as_str()))
            .collect()
    }

    /// How many messages were sent whose first line has this in it.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.log.iter().filter(|(_, _, line)| line.contains(text)).count()
    }

    pub(crate) fn drain(&mut self) {
        for index in 0..self.peers.len() {
            while let Some(transmit) = self.peers[index].endpoint.poll_transmit() {
                let line = transmit
                    .bytes
                    .split(|byte| *byte == b'\r')
                    .next()
                    .unwrap_or_default();
                let line = String::from_utf8_lossy(line).into_owned();
                self.log.push((self.now - self.start, transmit.path.remote, line));
                if (self.fate)(&transmit) {
                    self.flying.push_back((self.now + self.latency, transmit));
                }
            }
            while let Some(event) = self.peers[index].endpoint.poll_event() {
                self.peers[index].events.push(event);
            }
        }
    }

    /// Gives a peer bytes that nobody here sent.
    pub(crate) fn inject(&mut self, to: usize, from: &str, bytes: &str) {
        let path = Path::new(
            Transport::Udp,
            self.peers[to].address,
            from.parse().expect("an address"),
        );
        let bytes = bytes.replace('\n', "\r\n").into();
        let now = self.now;
        self.peers[to]
            .endpoint
            .handle_received(now, Received { path, bytes });
        self.drain();
    }

    /// The same, and the whole of what is sent in answer at once.
    pub(crate) fn inject_raw(&mut self, to: usize, from: &str, bytes: &str) -> Option<String> {
        let answer = std::rc::Rc::new(std::cell::RefCell::new(None));
        let seen = answer.clone();
        self.fate = Box::new(move |transmit| {
            *seen.borrow_mut() = Some(String::from_utf8_lossy(&transmit.bytes).into_owned());
            false
        });
        self.inject(to, from, bytes);
        answer.take()
    }

    fn deliver(&mut self, transmit: Transmit) {
        let now = self.now;
        let Some(peer) = self
            .peers
            .iter_mut()
            .find(|peer| peer.address == transmit.path.remote)
        else {
            return;
        };
        let path = Path::new(transmit.path.transport, transmit.path.remote, transmit.path.local);
        let bytes = transmit.bytes;
        peer.endpoint.handle_received(now, Received { path, bytes });
    }
}

pub(crate) fn invite_to(addresses: &[SocketAddr]) -> Invite {
    let mut invite = Invite::new(
        "Alice <sip:alice@a.test>".parse().expect("valid"),
        "sip:bob@b.test".parse().expect("valid"),
        Route::new(Transport::Udp, addresses[0]),
    );
    invite.routes = addresses
        .iter()
        .map(|address| Route::new(Transport::Udp, *address))
        .collect();
    invite.offer = Some(Body::sdp("offer"));
    invite
}
