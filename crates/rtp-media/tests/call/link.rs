//! Two transports over a link that loses, doubles, delays and reorders, in virtual time.

use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{AudioConfig, AudioEvent, AudioTransport, MediaKind, Playout};
use offhook_sansio::{Entropy, WallClock};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) const TICK: Duration = Duration::from_millis(20);

pub(crate) fn alice() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

pub(crate) fn bob() -> SocketAddr {
    "192.0.2.2:5000".parse().unwrap()
}

/// How a link treats datagrams; chances in percent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) latency_ms: u64,
    pub(crate) jitter_ms: u32,
    pub(crate) loss: u32,
    pub(crate) duplicates: u32,
}

/// Takes a packet's number, from zero, and its bytes.
type Mangle = dyn FnMut(u64, &mut [u8]);

/// Alice's and Bob's ends of a call.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) alice: AudioTransport,
    pub(crate) bob: AudioTransport,
    pub(crate) link: Link,
    pub(crate) alice_events: Vec<AudioEvent>,
    pub(crate) bob_events: Vec<AudioEvent>,
    /// RTP packets on the way to Bob that this says true for are lost.
    pub(crate) lose: Box<dyn FnMut(u64) -> bool>,
    /// Changes RTP packets on the way to Bob.
    pub(crate) mangle: Box<Mangle>,
    sent: u64,
    entropy: Entropy,
    /// In flight, by arrival and order: to Bob or not, kind, bytes.
    flying: BTreeMap<(Instant, u64), (bool, MediaKind, Vec<u8>)>,
    order: u64,
}

pub(crate) fn config(codec: AudioCodec, remote: SocketAddr) -> AudioConfig {
    let mut config = AudioConfig::new(codec, remote);
    config.dtmf_payload_type = Some(101);
    config
}

impl Pair {
    pub(crate) fn new(codec: AudioCodec, link: Link) -> Self {
        Self::with(config(codec, bob()), config(codec, alice()), link)
    }

    pub(crate) fn with(alice_config: AudioConfig, bob_config: AudioConfig, link: Link) -> Self {
        let now = Instant::now();
        let clock = WallClock::new(now, Duration::from_hours(500_000));
        Self {
            now,
            alice: AudioTransport::new(alice_config, now, clock, Entropy::from_number(1)).unwrap(),
            bob: AudioTransport::new(bob_config, now, clock, Entropy::from_number(2)).unwrap(),
            link,
            alice_events: Vec::new(),
            bob_events: Vec::new(),
            lose: Box::new(|_| false),
            mangle: Box::new(|_, _| {}),
            sent: 0,
            entropy: Entropy::from_number(3),
            flying: BTreeMap::new(),
            order: 0,
        }
    }

    /// One tick of 20 ms: Alice says `voice`, Bob is silent. Returns what Bob hears.
    pub(crate) fn tick(&mut self, voice: &[i16]) -> (Playout, Vec<i16>) {
        self.tick_at(TICK, voice)
    }

    /// A tick after which `step` has passed: other than 20 ms for clocks that drift.
    pub(crate) fn tick_at(&mut self, step: Duration, voice: &[i16]) -> (Playout, Vec<i16>) {
        self.alice.write(self.now, voice);
        let silence = vec![0; self.bob.sample_rate() as usize / 50];
        self.bob.write(self.now, &silence);
        self.alice.handle_timeout(self.now);
        self.bob.handle_timeout(self.now);
        self.drain();
        let end = self.now + step;
        self.deliver(end);
        self.now = end;
        let mut heard = vec![0; silence.len()];
        let playout = self.bob.read(self.now, &mut heard);
        let mut ignored = silence;
        self.alice.read(self.now, &mut ignored);
        (playout, heard)
    }

    pub(crate) fn drain(&mut self) {
        while let Some(transmit) = self.alice.poll_transmit() {
            let (kind, mut bytes) = (transmit.kind, transmit.bytes.to_vec());
            let lost = kind == MediaKind::Rtp && {
                self.sent += 1;
                (self.mangle)(self.sent - 1, &mut bytes);
                (self.lose)(self.sent - 1)
            };
            if !lost {
                Self::fly(
                    &mut self.flying,
                    &mut self.order,
                    &mut self.entropy,
                    self.link,
                    self.now,
                    &(true, kind, bytes),
                );
            }
        }
        while let Some(transmit) = self.bob.poll_transmit() {
            let flight = (false, transmit.kind, transmit.bytes.to_vec());
            Self::fly(
                &mut self.flying,
                &mut self.order,
                &mut self.entropy,
                self.link,
                self.now,
                &flight,
            );
        }
        while let Some(event) = self.alice.poll_event() {
            self.alice_events.push(event);
        }
        while let Some(event) = self.bob.poll_event() {
            self.bob_events.push(event);
        }
    }

    fn fly(
        flying: &mut BTreeMap<(Instant, u64), (bool, MediaKind, Vec<u8>)>,
        order: &mut u64,
        entropy: &mut Entropy,
        link: Link,
        now: Instant,
        flight: &(bool, MediaKind, Vec<u8>),
    ) {
        let copies = 1 + u64::from(entropy.below(100) < link.duplicates);
        for _ in 0..copies {
            if entropy.below(100) < link.loss {
                continue;
            }
            let late = u64::from(entropy.below(link.jitter_ms + 1));
            let at = now + Duration::from_millis(link.latency_ms + late);
            *order += 1;
            flying.insert((at, *order), flight.clone());
        }
    }

    pub(crate) fn deliver(&mut self, until: Instant) {
        while let Some(entry) = self.flying.first_entry()
            && entry.key().0 <= until
        {
            let at = entry.key().0;
            let (to_bob, kind, mut bytes) = entry.remove();
            let (to, mut from) = if to_bob {
                (&mut self.bob, alice())
            } else {
                (&mut self.alice, bob())
            };
            match kind {
                MediaKind::Rtp => to.handle_rtp(at, from, &mut bytes),
                MediaKind::Rtcp => {
                    from.set_port(from.port() + 1);
                    to.handle_rtcp(at, from, &mut bytes);
                }
            }
            self.drain();
        }
    }
}

/// Speech-like sound: a voice of changing pitch that comes and goes, with a little noise.
pub(crate) fn voice(sample_rate: u32, samples: usize) -> Vec<i16> {
    let mut noise = 1u32;
    let mut phase = 0.0f32;
    (0..samples)
        .map(|n| {
            let t = n as f32 / sample_rate as f32;
            let pitch = 140.0 + 30.0 * (t * 3.1).sin();
            phase = (phase + pitch / sample_rate as f32).fract();
            let wave: f32 = (1..6)
                .map(|harmonic| (phase * harmonic as f32 * std::f32::consts::TAU).sin() / harmonic as f32)
                .sum();
            let loudness = (t * 1.7).sin().abs() * 5000.0;
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (wave * loudness) as i16 + ((noise >> 26) as i16 - 32)
        })
        .collect()
}

/// All codecs, and linear audio of each rate.
pub(crate) fn codecs() -> Vec<AudioCodec> {
    let linear = ["L16/8000", "L16/16000/2", "L16/32000", "L16/44100", "L16/48000"];
    let linear = linear.map(|name| name.parse().unwrap());
    AudioCodec::ALL.iter().copied().chain(linear).collect()
}

/// Where `needle` lies in `hay`, exactly.
pub(crate) fn find(hay: &[i16], needle: &[i16]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

/// Sends `ticks` of voice and returns what was said and heard, with what each tick was.
pub(crate) fn talk(pair: &mut Pair, ticks: usize) -> (Vec<i16>, Vec<i16>, Vec<Playout>) {
    let frame = pair.alice.sample_rate() as usize / 50;
    let said = voice(pair.alice.sample_rate(), ticks * frame);
    let (mut heard, mut playouts) = (Vec::new(), Vec::new());
    for frame in said.chunks(frame) {
        let (playout, frame) = pair.tick(frame);
        heard.extend(frame);
        playouts.push(playout);
    }
    (said, heard, playouts)
}
