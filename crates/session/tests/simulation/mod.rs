//! Two end-points on a simulated network, in virtual time: signalling, media and mixer, all real, no socket.

use bytes::Bytes;
use offhook_account::Account;
use offhook_audio_mixer::{AudioPort, Produced, Role, Tick};
use offhook_rtp_media::codec::AudioCodec;
use offhook_sansio::{Entropy, Path, Received, Transport, WallClock, earliest};
use offhook_session::media::{
    Attachment, Component, LocalMedia, LocalMsrp, MediaCommand, MediaConfig, MediaEngine, MediaPlane,
    OpenError, StreamId,
};
use offhook_session::{
    AudioStream, Connect, ManagerEvent, MediaStream, SessionConfig, SessionEvent, SessionId, SessionManager,
};
use offhook_sip_core::{Endpoint, EndpointConfig, NameAddr, Route, SipUri};
use offhook_testkit::VirtualClock;
use offhook_testkit::net::{Impairment, Network};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const RATE: u32 = 8000;

/// What the media side of one peer was asked to do.
#[derive(Default)]
struct Asked {
    opened: Vec<LocalMedia>,
    commands: VecDeque<MediaCommand>,
}

/// Hands out addresses of the simulated network.
struct SimulatedPlane {
    ip: IpAddr,
    asked: Arc<Mutex<Asked>>,
}

impl MediaPlane for SimulatedPlane {
    fn local_ip(&mut self, _peer: IpAddr) -> Result<IpAddr, OpenError> {
        Ok(self.ip)
    }

    fn open(&mut self, local: IpAddr) -> Result<LocalMedia, OpenError> {
        let mut asked = self.asked.lock().unwrap();
        let number = asked.opened.len() as u32;
        let port = 40_000 + number as u16 * 2;
        let (rtp, rtcp) = (SocketAddr::new(local, port), SocketAddr::new(local, port + 1));
        let media = LocalMedia {
            stream: StreamId(number),
            rtp,
            rtcp,
        };
        asked.opened.push(media);
        Ok(media)
    }

    fn open_msrp(&mut self, local: IpAddr) -> Result<LocalMsrp, OpenError> {
        Err(OpenError::System {
            address: local,
            cause: "no messages here".to_owned(),
        })
    }

    fn entropy(&mut self) -> Entropy {
        // Of its own for each end and stream.
        let IpAddr::V4(ip) = self.ip else {
            unreachable!("the simulation has IPv4")
        };
        let opened = self.asked.lock().unwrap().opened.len() as u64;
        Entropy::from_number(u64::from(ip.to_bits()) << 16 | opened)
    }

    fn send(&mut self, command: MediaCommand) {
        self.asked.lock().unwrap().commands.push_back(command);
    }
}

/// One end-point.
pub(crate) struct Peer {
    pub(crate) manager: SessionManager,
    pub(crate) events: Vec<(Duration, SessionId, SessionEvent)>,
    sip: SocketAddr,
    account: Account,
    engine: MediaEngine,
    asked: Arc<Mutex<Asked>>,
}

impl Peer {
    fn new(name: &str, ip: &str, clock: &VirtualClock, seed: u64) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        let sip = SocketAddr::new(ip, 5060);
        let mut entropy = Entropy::from_number(seed);
        let mut endpoint = Endpoint::new(EndpointConfig::default(), entropy.fork());
        endpoint.add_local(Transport::Udp, sip);
        let asked = Arc::<Mutex<Asked>>::default();
        let plane = Box::new(SimulatedPlane {
            ip,
            asked: asked.clone(),
        });
        let wall_clock = WallClock::new(clock.now(), Duration::from_hours(500_000));
        let config = MediaConfig {
            sample_rate: RATE,
            ..MediaConfig::default()
        };
        let engine = MediaEngine::new(config, clock.now(), wall_clock, entropy.fork()).unwrap();
        let manager = SessionManager::new(endpoint, plane, SessionConfig::default(), entropy);
        Self {
            manager,
            events: Vec::new(),
            sip,
            account: Account::local(name).unwrap(),
            engine,
            asked,
        }
    }

    /// The names of the events so far, those of streams and transactions left out.
    pub(crate) fn story(&self) -> Vec<String> {
        let told = self.events.iter().filter(|(_, _, event)| !is_detail(event));
        told.map(|(_, _, event)| {
            let text = format!("{event:?}");
            text.split([' ', '(']).next().unwrap().to_owned()
        })
        .collect()
    }

    pub(crate) fn last_event(&self) -> &SessionEvent {
        &self.events.last().expect("something has happened").2
    }

    pub(crate) fn last_non_statistics(&self) -> &SessionEvent {
        let mut told = self.events.iter().rev().map(|(_, _, event)| event);
        told.find(|event| !is_detail(event))
            .expect("something has happened")
    }

    fn stream_at(&self, address: SocketAddr) -> Option<(StreamId, Component)> {
        self.asked.lock().unwrap().opened.iter().find_map(|media| {
            (media.rtp == address)
                .then_some((media.stream, Component::Rtp))
                .or((media.rtcp == address).then_some((media.stream, Component::Rtcp)))
        })
    }
}

/// What is told of streams and of transactions.
fn is_detail(event: &SessionEvent) -> bool {
    matches!(
        event,
        SessionEvent::Stream { .. } | SessionEvent::DidProcessTransaction { .. }
    )
}

/// Both end-points, the wire between them, and the clock.
pub(crate) struct World {
    pub(crate) clock: VirtualClock,
    pub(crate) network: Network,
    pub(crate) alice: Peer,
    pub(crate) bob: Peer,
    /// A running digest of every datagram sent and the time at which it was.
    pub(crate) fingerprint: u64,
}

impl World {
    pub(crate) fn new(impairment: Impairment, seed: u64) -> Self {
        let clock = VirtualClock::new();
        let alice = Peer::new("alice", "10.0.0.1", &clock, seed);
        let bob = Peer::new("bob", "10.0.0.2", &clock, seed ^ 0xb0b);
        Self {
            network: Network::new(impairment, seed),
            clock,
            alice,
            bob,
            fingerprint: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// Alice calls Bob.
    pub(crate) fn call(&mut self, streams: Vec<AudioStream>) -> SessionId {
        let uri: SipUri = "sip:bob@10.0.0.2".parse().unwrap();
        let connect = Connect {
            account: &self.alice.account,
            to: NameAddr::new(uri.into()),
            routes: vec![Route::new(Transport::Udp, self.bob.sip)],
            streams: streams.into_iter().map(boxed).collect(),
        };
        let id = self.alice.manager.connect(self.clock.now(), connect).unwrap();
        self.settle();
        id
    }

    /// The session that Bob was told of last.
    pub(crate) fn at_bob(&self) -> SessionId {
        self.bob.events.last().expect("Bob was called").1
    }

    pub(crate) fn bob_rings(&mut self) {
        let id = self.at_bob();
        self.bob
            .manager
            .send_ring_indication(self.clock.now(), id)
            .unwrap();
        self.settle();
    }

    pub(crate) fn bob_accepts(&mut self, stream: AudioStream) {
        let id = self.at_bob();
        self.bob
            .manager
            .accept(self.clock.now(), id, vec![boxed(stream)])
            .unwrap();
        self.settle();
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        loop {
            self.settle();
            let next =
                [&self.alice, &self.bob]
                    .into_iter()
                    .fold(self.network.poll_timeout(), |next, peer| {
                        earliest(
                            next,
                            earliest(peer.manager.poll_timeout(), peer.engine.poll_timeout()),
                        )
                    });
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.clock.advance_to(next);
            let now = self.clock.now();
            while let Some(delivery) = self.network.poll_delivery(now) {
                let peer = if delivery.path.local.ip() == self.alice.sip.ip() {
                    &mut self.alice
                } else {
                    &mut self.bob
                };
                if delivery.path.local == peer.sip {
                    peer.manager.handle_received(
                        now,
                        Received {
                            path: delivery.path,
                            bytes: delivery.bytes,
                        },
                    );
                } else if let Some((stream, component)) = peer.stream_at(delivery.path.local) {
                    let mut packet = delivery.bytes.to_vec();
                    peer.engine
                        .handle_datagram(now, stream, component, delivery.path.remote, &mut packet);
                }
            }
            for peer in [&mut self.alice, &mut self.bob] {
                peer.manager.handle_timeout(now);
                peer.engine.handle_timeout(now);
            }
        }
        self.clock.advance_to(end);
    }

    /// Drains everything that wants to go somewhere.
    fn settle(&mut self) {
        let (now, elapsed) = (self.clock.now(), self.clock.elapsed());
        for peer in [&mut self.alice, &mut self.bob] {
            loop {
                let command = peer.asked.lock().unwrap().commands.pop_front();
                let Some(command) = command else { break };
                peer.engine.handle_command(now, command);
            }
            let mut packets: Vec<(Path, Bytes)> = Vec::new();
            let asked = peer.asked.lock().unwrap();
            peer.engine.drain_transmits(|packet| {
                let media = asked.opened[packet.stream.0 as usize];
                let local = if packet.component == Component::Rtp {
                    media.rtp
                } else {
                    media.rtcp
                };
                packets.push((
                    Path::new(Transport::Udp, local, packet.to),
                    Bytes::copy_from_slice(packet.bytes),
                ));
            });
            drop(asked);
            while let Some(event) = peer.engine.poll_event() {
                peer.manager.handle_media_event(now, event);
            }
            while let Some(transmit) = peer.manager.poll_transmit() {
                packets.push((transmit.path, transmit.bytes));
            }
            while let Some(event) = peer.manager.poll_event() {
                if let ManagerEvent::Session { id, event } = event {
                    peer.events.push((elapsed, id, event.event));
                }
            }
            for (path, bytes) in packets {
                self.fingerprint = fnv(fnv(self.fingerprint, &elapsed.as_nanos().to_be_bytes()), &bytes);
                self.network.send(now, path, bytes);
            }
        }
    }
}

/// A voice that says the same samples for ever.
pub(crate) struct Voice {
    samples: Arc<[i16]>,
    at: usize,
}

impl Voice {
    pub(crate) fn new(samples: &[i16]) -> Self {
        Self {
            samples: samples.into(),
            at: 0,
        }
    }
}

impl AudioPort for Voice {
    fn sample_rate(&self) -> u32 {
        RATE
    }
    fn role(&self) -> Role {
        Role::PRODUCER
    }
    fn produce(&mut self, _tick: &Tick, frame: &mut [i16]) -> Produced {
        for sample in frame {
            *sample = self.samples[self.at];
            self.at = (self.at + 1) % self.samples.len();
        }
        Produced::Audio
    }
}

/// An ear that keeps what it hears.
#[derive(Clone, Default)]
pub(crate) struct Ear(Arc<Mutex<Vec<i16>>>);

impl Ear {
    pub(crate) fn heard(&self) -> Vec<i16> {
        self.0.lock().unwrap().clone()
    }
}

impl AudioPort for Ear {
    fn sample_rate(&self) -> u32 {
        RATE
    }
    fn role(&self) -> Role {
        Role::CONSUMER
    }
    fn consume(&mut self, _tick: &Tick, frame: &[i16]) {
        self.0.lock().unwrap().extend_from_slice(frame);
    }
}

/// A stream that says one thing and hears another.
pub(crate) fn stream(codec: AudioCodec, voice: &[i16], ear: &Ear) -> AudioStream {
    AudioStream::offer()
        .with_codecs(&[codec])
        .with_port(Attachment::Talks, Voice::new(voice))
        .with_port(Attachment::Listens, ear.clone())
}

/// A tone of a frequency that can be told from others.
pub(crate) fn tone(hertz: f64, seconds: f64) -> Vec<i16> {
    let samples = (f64::from(RATE) * seconds) as usize;
    let step = std::f64::consts::TAU * hertz / f64::from(RATE);
    (0..samples)
        .map(|n| ((n as f64 * step).sin() * 8000.0) as i16)
        .collect()
}

fn boxed(stream: AudioStream) -> Box<dyn MediaStream> {
    Box::new(stream)
}

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
