//! Two end-points in virtual time whose users do whatever comes to their minds, over a network that loses, delays, doubles and
//! reorders. Neither panics, each tells the end of each session exactly once, and they never see their session differently for
//! longer than a transaction takes.
//!
//! 100,000 steps: 250 walks of 400. `WALKS` in the environment asks for another number of walks.

use offhook_account::Account;
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::dtmf::Digit;
use offhook_sansio::{Entropy, Received, Transport, earliest};
use offhook_session::media::{
    LocalMedia, LocalMsrp, MediaCommand, MediaEvent, MediaPlane, MsrpCommand, MsrpEvent, OpenError, StreamId,
};
use offhook_session::{
    AudioStream, ChatStream, Connect, DtmfMethod, ManagerEvent, MediaStream, SessionConfig, SessionDirection,
    SessionEvent, SessionId, SessionManager, SessionState, StreamDescription,
};
use offhook_sip_core::{Endpoint, EndpointConfig, NameAddr, Route, SipUri, StatusCode};
use offhook_testkit::VirtualClock;
use offhook_testkit::net::{Impairment, Network};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const STEPS: usize = 400;

/// What a user, or the world, does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    User(Side, Wish),
    /// The connection of a chat breaks, as one end sees it.
    ChatBreaks(Side),
    Wait(Duration),
    /// The network becomes another.
    Weather(Impairment),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Alice,
    Bob,
}

#[derive(Clone, Copy, Debug)]
enum Wish {
    Call,
    Ring,
    Accept,
    Reject,
    End,
    Hold,
    Unhold,
    AddChat,
    RemoveChat,
    CancelProposal,
    AcceptProposal,
    RejectProposal,
    /// Digits, by INFO: a request of its own in the dialog.
    Dial,
    /// Other codecs for the sound that runs.
    ChangeCodecs,
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Side::Alice), Just(Side::Bob)];
    let wish = prop_oneof![
        4 => Just(Wish::Call),
        2 => Just(Wish::Ring),
        6 => Just(Wish::Accept),
        1 => Just(Wish::Reject),
        1 => Just(Wish::End),
        4 => Just(Wish::Hold),
        4 => Just(Wish::Unhold),
        4 => Just(Wish::AddChat),
        3 => Just(Wish::RemoveChat),
        1 => Just(Wish::CancelProposal),
        4 => Just(Wish::AcceptProposal),
        1 => Just(Wish::RejectProposal),
        2 => Just(Wish::Dial),
        3 => Just(Wish::ChangeCodecs),
    ];
    let weather = (1..200_u64, 0..100_u64, 0..150_u16, 0..30_u16, 0..100_u16);
    prop_oneof![
        12 => (side.clone(), wish).prop_map(|(side, wish)| Step::User(side, wish)),
        1 => side.prop_map(Step::ChatBreaks),
        8 => prop_oneof![0..50_u64, 50..2000_u64, 2000..12_000_u64]
            .prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        1 => weather.prop_map(|(delay, jitter, lost, doubled, reordered)| Step::Weather(Impairment {
            delay: Duration::from_millis(delay),
            jitter: Duration::from_millis(jitter),
            loss_per_mille: lost,
            duplicate_per_mille: doubled,
            reorder_per_mille: reordered,
            reorder_by: Duration::from_millis(120),
            bandwidth: None,
        })),
    ]
}

/// The media side: streams begin when they are told to, and chats are connected after a moment.
#[derive(Default)]
struct Media {
    opened: u32,
    commands: Vec<MediaCommand>,
}

struct Plane(Arc<Mutex<Media>>);

impl Plane {
    fn next(&self) -> (StreamId, u16) {
        let mut media = self.0.lock().unwrap();
        let number = media.opened;
        media.opened += 1;
        (StreamId(number), 10_000 + (number % 20_000) as u16 * 2)
    }
}

impl MediaPlane for Plane {
    fn local_ip(&mut self, peer: IpAddr) -> Result<IpAddr, OpenError> {
        // The other one's is ours with the last number changed.
        let number = if peer.to_string().ends_with('1') { 2 } else { 1 };
        Ok(IpAddr::from([10, 0, 0, number]))
    }

    fn open(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        let (stream, port) = self.next();
        let (rtp, rtcp) = (SocketAddr::new(local, port), SocketAddr::new(local, port + 1));
        Ok(LocalMedia { stream, rtp, rtcp })
    }

    fn open_msrp(&mut self, local: IpAddr) -> Result<LocalMsrp, OpenError> {
        let (stream, port) = self.next();
        let path = format!("msrp://{local}:{port}/s{};tcp", stream.0);
        let fingerprint = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
        Ok(LocalMsrp {
            stream,
            path: path.parse().expect("a path"),
            fingerprint: Some(fingerprint.parse().expect("a fingerprint")),
        })
    }

    fn entropy(&mut self) -> Entropy {
        Entropy::from_number(u64::from(self.0.lock().unwrap().opened))
    }

    fn send(&mut self, command: MediaCommand) {
        self.0.lock().unwrap().commands.push(command);
    }
}

/// One end, and what its application was told.
struct End {
    manager: SessionManager,
    media: Arc<Mutex<Media>>,
    address: SocketAddr,
    account: Account,
    /// Chats that will be connected then.
    connecting: Vec<(Instant, StreamId)>,
    chats: Vec<StreamId>,
    ended: BTreeMap<SessionId, u32>,
    begun: u32,
}

/// How one end sees a session.
#[derive(Clone, Debug, PartialEq)]
struct View {
    state: SessionState,
    is_on_hold: bool,
    streams: Vec<&'static str>,
}

impl End {
    fn new(name: &str, address: &str, seed: u64) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let mut entropy = Entropy::from_number(seed);
        let mut endpoint = Endpoint::new(EndpointConfig::default(), entropy.fork());
        endpoint.add_local(Transport::Udp, address);
        let media = Arc::<Mutex<Media>>::default();
        let plane = Box::new(Plane(media.clone()));
        let mut sessions = SessionConfig::default();
        sessions.streams.dtmf = DtmfMethod::Info;
        Self {
            manager: SessionManager::new(endpoint, plane, sessions, entropy),
            media,
            address,
            account: Account::local(name).unwrap(),
            connecting: Vec::new(),
            chats: Vec::new(),
            ended: BTreeMap::new(),
            begun: 0,
        }
    }

    /// The newest session of a direction.
    fn newest(&self, direction: SessionDirection) -> Option<SessionId> {
        let of_that = self
            .manager
            .sessions()
            .filter(|(_, session)| session.direction() == direction);
        of_that.last().map(|(id, _)| id)
    }

    fn view(&self, direction: SessionDirection) -> Option<View> {
        let session = self.manager.session(self.newest(direction)?)?;
        let kind = |stream: &StreamDescription| match stream {
            StreamDescription::Audio(_) => "audio",
            StreamDescription::Chat(_) => "chat",
            _ => "other",
        };
        Some(View {
            state: session.state(),
            is_on_hold: session.is_on_hold(),
            streams: session.streams().iter().map(kind).collect(),
        })
    }

    /// Does what its user wishes, with the oldest session. What does not fit the state is refused, and changes nothing.
    fn wish(&mut self, now: Instant, wish: Wish, other: SocketAddr) {
        if let Wish::Call = wish {
            if self.newest(SessionDirection::Outgoing).is_none() {
                self.call(now, other);
            }
            return;
        }
        let Some((id, session)) = self.manager.sessions().next() else {
            return;
        };
        let before = session.state();
        let manager = &mut self.manager;
        let done = match wish {
            Wish::Call => unreachable!("done above"),
            Wish::Ring => manager.send_ring_indication(now, id),
            Wish::Accept => manager.accept(now, id, vec![Box::new(AudioStream::offer())]),
            Wish::Reject => manager.reject(now, id, StatusCode::BUSY_HERE),
            Wish::End => manager.end(now, id),
            Wish::Hold => manager.set_hold(now, id, true),
            Wish::Unhold => manager.set_hold(now, id, false),
            Wish::AddChat => manager.add_streams(now, id, vec![Box::new(ChatStream::new())]),
            Wish::RemoveChat => match self.chats.first() {
                Some(chat) => manager.remove_stream(now, id, *chat),
                None => return,
            },
            Wish::CancelProposal => manager.cancel_proposal(now, id),
            Wish::AcceptProposal => manager.accept_proposal(now, id, vec![Box::new(ChatStream::new())]),
            Wish::RejectProposal => manager.reject_proposal(now, id, StatusCode::DECLINE),
            Wish::Dial => manager.send_dtmf(now, id, Digit::try_from('5').expect("a digit")),
            Wish::ChangeCodecs => manager.with_stream(now, id, None, |audio: &mut AudioStream, cx| {
                let number = cx.plane.entropy().u32() as usize % AudioCodec::ALL.len();
                audio.set_codecs(&AudioCodec::ALL[number..])
            }),
        };
        if done.is_err() && !matches!(wish, Wish::Accept | Wish::AcceptProposal) {
            assert_eq!(
                self.manager.session(id).map(offhook_session::Session::state),
                Some(before),
                "{wish:?}"
            );
        }
    }

    fn call(&mut self, now: Instant, other: SocketAddr) {
        let uri: SipUri = format!("sip:you@{other}").parse().unwrap();
        let streams: Vec<Box<dyn MediaStream>> = vec![Box::new(AudioStream::offer())];
        let connect = Connect {
            account: &self.account,
            to: NameAddr::new(uri.into()),
            routes: vec![Route::new(Transport::Udp, other)],
            streams,
        };
        self.manager.connect(now, connect).expect("there is room");
    }

    fn break_a_chat(&mut self, now: Instant) {
        if let Some(chat) = self.chats.first().copied() {
            let reason = "the wire was cut".to_owned();
            self.tell_of_chat(now, chat, MsrpEvent::Closed { reason });
        }
    }

    fn tell_of_chat(&mut self, now: Instant, stream: StreamId, event: MsrpEvent) {
        self.manager
            .handle_media_event(now, MediaEvent::Msrp { stream, event });
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let connecting = self.connecting.iter().map(|(at, _)| *at).min();
        earliest(self.manager.poll_timeout(), connecting)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.manager.handle_timeout(now);
        let due = |(at, _): &(Instant, StreamId)| *at <= now;
        while let Some(index) = self.connecting.iter().position(due) {
            let (_, stream) = self.connecting.swap_remove(index);
            self.tell_of_chat(now, stream, MsrpEvent::Ready);
        }
    }

    /// Follows the media side's orders, and notes what the application is told.
    fn settle(&mut self, now: Instant) {
        let commands = std::mem::take(&mut self.media.lock().unwrap().commands);
        for command in commands {
            match command {
                MediaCommand::Msrp {
                    stream,
                    command: MsrpCommand::Start(_),
                } => {
                    self.connecting.push((now + Duration::from_millis(80), stream));
                    self.chats.push(stream);
                }
                MediaCommand::Stop { stream } => {
                    self.connecting.retain(|(_, connecting)| *connecting != stream);
                    self.chats.retain(|chat| *chat != stream);
                }
                _ => {}
            }
        }
        while let Some(event) = self.manager.poll_event() {
            let ManagerEvent::Session { id, event } = event else {
                continue;
            };
            match event.event {
                SessionEvent::NewIncoming { .. } | SessionEvent::NewOutgoing { .. } => self.begun += 1,
                SessionEvent::DidEnd { .. } | SessionEvent::DidFail { .. } => {
                    *self.ended.entry(id).or_default() += 1;
                    assert_eq!(self.ended[&id], 1, "an end is told once");
                }
                _ => {}
            }
        }
    }
}

struct World {
    clock: VirtualClock,
    network: Network,
    alice: End,
    bob: End,
    /// Since when each call's ends see it differently, and how.
    differ: [Option<(Instant, [Option<View>; 2])>; 2],
}

/// A transaction of an INVITE that nobody answers takes 32 s, a re-INVITE that meets another one waits for 4 s first, and then there
/// is the way there and back.
const TRANSACTION: Duration = Duration::from_secs(40);

impl World {
    fn new(seed: u64) -> Self {
        Self {
            clock: VirtualClock::new(),
            network: Network::new(Impairment::ROUGH, seed),
            alice: End::new("alice", "10.0.0.1:5060", seed),
            bob: End::new("bob", "10.0.0.2:5060", !seed),
            differ: [None, None],
        }
    }

    fn end(&mut self, side: Side) -> (&mut End, SocketAddr) {
        match side {
            Side::Alice => (&mut self.alice, self.bob.address),
            Side::Bob => (&mut self.bob, self.alice.address),
        }
    }

    fn take(&mut self, step: Step) {
        let now = self.clock.now();
        match step {
            Step::User(side, wish) => {
                let (end, other) = self.end(side);
                end.wish(now, wish, other);
            }
            Step::ChatBreaks(side) => self.end(side).0.break_a_chat(now),
            Step::Wait(time) => self.run_for(time),
            Step::Weather(impairment) => self.network.set_impairment(impairment),
        }
        self.settle();
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        loop {
            self.settle();
            let next = earliest(self.alice.poll_timeout(), self.bob.poll_timeout());
            let next = earliest(next, self.network.poll_timeout());
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.clock.advance_to(next);
            let now = self.clock.now();
            while let Some(delivery) = self.network.poll_delivery(now) {
                let to_alice = delivery.path.local == self.alice.address;
                let end = if to_alice { &mut self.alice } else { &mut self.bob };
                let received = Received {
                    path: delivery.path,
                    bytes: delivery.bytes,
                };
                end.manager.handle_received(now, received);
            }
            self.alice.handle_timeout(now);
            self.bob.handle_timeout(now);
        }
        self.clock.advance_to(end);
    }

    fn settle(&mut self) {
        let now = self.clock.now();
        for end in [&mut self.alice, &mut self.bob] {
            end.settle(now);
            while let Some(transmit) = end.manager.poll_transmit() {
                self.network.send(now, transmit.path, transmit.bytes);
            }
        }
        self.compare(now);
    }

    fn compare(&mut self, now: Instant) {
        use SessionDirection::{Incoming, Outgoing};
        let views = [
            [self.alice.view(Outgoing), self.bob.view(Incoming)],
            [self.bob.view(Outgoing), self.alice.view(Incoming)],
        ];
        for (differ, views) in self.differ.iter_mut().zip(views) {
            if agree(&views) {
                *differ = None;
            } else if let Some((since, _)) = differ.as_ref().filter(|(_, before)| *before == views) {
                assert!(now - *since <= TRANSACTION, "for {:?}: {views:#?}", now - *since);
            } else {
                *differ = Some((now, views));
            }
        }
    }
}

/// Whether caller and callee see the same, or are within a transaction that waits for a user.
fn agree(views: &[Option<View>; 2]) -> bool {
    use SessionState::{Connected, Connecting, Incoming, ReceivedProposal, SendingProposal};
    match views {
        [None, None] => true,
        [Some(caller), Some(callee)] => match (caller.state, callee.state) {
            (Connecting, Incoming)
            | (SendingProposal, ReceivedProposal)
            | (ReceivedProposal, SendingProposal) => true,
            (Connected, Connected) => caller == callee,
            _ => false,
        },
        _ => false,
    }
}

fn walk(seed: u64, steps: &[Step]) -> u32 {
    let mut world = World::new(seed);
    for step in steps {
        world.take(*step);
    }
    // When nobody does anything more, all comes to rest: what waits for a user still may.
    world.run_for(3 * TRANSACTION);
    assert_eq!(world.differ.iter().flatten().count(), 0, "{:#?}", world.differ);
    let now = world.clock.now();
    world.alice.manager.end_all(now);
    world.run_for(2 * TRANSACTION);
    let now = world.clock.now();
    world.bob.manager.end_all(now);
    world.run_for(2 * TRANSACTION);
    for end in [&world.alice, &world.bob] {
        assert_eq!(end.manager.sessions().count(), 0);
        assert_eq!(end.ended.len(), end.begun as usize, "each session has an end");
    }
    world.alice.begun
}

#[test]
fn two_ends_never_see_their_session_differently_for_longer_than_a_transaction() {
    let walks = std::env::var("WALKS").ok().and_then(|walks| walks.parse().ok());
    let config = ProptestConfig {
        cases: walks.unwrap_or(250),
        max_shrink_iters: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let steps = prop::collection::vec(step(), STEPS);
    proptest!(config, |(seed in any::<u64>(), steps in steps)| {
        let _ = walk(seed, &steps);
    });
}
