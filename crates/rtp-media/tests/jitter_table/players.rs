//! Those who play a stream of packets, and the speaker and the network that all of them have in common.
//!
//! `bench/src/jitter.rs` prints the table of docs/jitter.md with the same file.

use offhook_rtp_media::codec::{AudioCodec, Decoder};
use offhook_rtp_media::packet::RtpPacket;
use offhook_rtp_media::{AudioConfig, AudioTransport, Playout, SilenceDetection, Statistics};
use offhook_sansio::{Entropy, WallClock};
use offhook_testkit::audio::{Following, follow, tune};
use offhook_testkit::net::{PERIOD, Trace};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What is played is sampled so often, in Hz.
pub(crate) const RATE: u32 = 8000;

/// Samples of a packet, and of a tick.
pub(crate) const FRAME: usize = 160;

/// A player's ticks lie between those of the speaker.
pub(crate) const PHASE: Duration = Duration::from_millis(7);

/// The delays at which a sound is sought, in samples: a sender whose clock is fast seems to be heard before it spoke.
const DELAYS: Range<i64> = -(RATE as i64 / 5)..RATE as i64;

/// Ticks that are played after the last packet was sent.
const REST: u32 = 40;

/// The payload type of comfort noise.
pub(crate) const NOISE: u8 = 13;

/// Plays packets.
pub(crate) trait Player {
    /// Takes a datagram that came at a time.
    fn handle(&mut self, at: Duration, datagram: &[u8]);

    /// Fills the tick of a time.
    fn play(&mut self, at: Duration, frame: &mut [i16]);

    /// How much was made up so far.
    fn concealed(&self) -> Duration;
}

/// What somebody says, and the packets it makes.
pub(crate) struct Speech {
    /// As a perfect receiver hears it.
    said: Vec<i16>,
    /// What is sent at each tick.
    packets: Vec<Option<Vec<u8>>>,
}

/// What became of a speech.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Mean delay over the fastest packet.
    pub(crate) delay: Duration,
    /// The same at the end.
    pub(crate) last_delay: Duration,
    /// The share of time for which sound was made up.
    pub(crate) concealed: f64,
    /// How well it was followed.
    pub(crate) following: Following,
}

impl Speech {
    /// A tune for so many packets.
    pub(crate) fn without_pauses(packets: usize) -> Self {
        Self::new(&tune(RATE, packets as f64 * PERIOD.as_secs_f64()), None)
    }

    /// The tune with a pause of 1.2 s after each 2 s, in a room with a little noise; pauses are not sent.
    pub(crate) fn with_pauses(packets: usize) -> Self {
        let mut sound = tune(RATE, packets as f64 * PERIOD.as_secs_f64());
        let mut room = Entropy::from_number(5);
        for (place, sample) in sound.iter_mut().enumerate() {
            if place % (RATE as usize * 32 / 10) >= RATE as usize * 2 {
                *sample = room.below(48) as i16 - 24;
            }
        }
        Self::new(&sound, Some(SilenceDetection::default()))
    }

    fn new(sound: &[i16], silence_detection: Option<SilenceDetection>) -> Self {
        let mut config = AudioConfig::new(AudioCodec::Pcmu, address());
        config.comfort_noise_payload_type = Some(NOISE);
        config.silence_detection = silence_detection;
        let now = Instant::now();
        let mut speaker = transport(config, now);
        let mut encoder = AudioCodec::Pcmu.encoder("").unwrap();
        let mut decoder = AudioCodec::Pcmu.decoder().unwrap();
        let (mut said, mut packets) = (Vec::new(), Vec::new());
        for frame in sound.chunks_exact(FRAME) {
            speaker.write(now, frame);
            packets.push(speaker.poll_transmit().map(|packet| packet.bytes.to_vec()));
            let (mut payload, mut heard) = ([0; FRAME], [0; FRAME]);
            encoder.encode(frame, &mut payload).unwrap();
            decoder.decode(&payload, &mut heard).unwrap();
            said.extend(heard);
        }
        Self { said, packets }
    }

    /// Lets somebody play it as it comes through a network.
    pub(crate) fn play_to(&self, player: &mut dyn Player, trace: &Trace) -> Outcome {
        let packets = self.packets.iter().zip(&trace.arrivals);
        let mut arriving: Vec<(Duration, &[u8])> = packets
            .filter_map(|(packet, arrival)| Some(((*arrival)?, packet.as_deref()?)))
            .collect();
        arriving.sort_by_key(|(at, _)| *at);
        let mut arriving = arriving.into_iter().peekable();
        let ticks = self.packets.len() as u32;
        let (mut heard, mut concealed) = (Vec::new(), Duration::ZERO);
        for tick in 0..ticks + REST {
            let at = PHASE + PERIOD * tick;
            while let Some((arrival, datagram)) = arriving.next_if(|(arrival, _)| *arrival <= at) {
                player.handle(arrival, datagram);
            }
            let mut frame = [0; FRAME];
            player.play(at, &mut frame);
            heard.extend(frame);
            if tick < ticks {
                concealed = player.concealed();
            }
        }
        let following = follow(&self.said, &heard, RATE, DELAYS);
        let length = (PERIOD * ticks).as_secs_f64();
        // By the receiver's clock, `part` of the speech later than its first word.
        let over_fastest = |delay: f64, part: f64| {
            let drifted = part * length * f64::from(trace.drift_ppm) / 1e6;
            let delay = delay + PHASE.as_secs_f64() - trace.fastest.as_secs_f64() - drifted;
            Duration::from_secs_f64(delay.max(0.0))
        };
        Outcome {
            delay: over_fastest(following.delay, 0.5),
            last_delay: over_fastest(following.last_delay, 0.9),
            concealed: concealed.as_secs_f64() / length,
            following,
        }
    }
}

/// The transport of this crate.
pub(crate) struct Ours {
    epoch: Instant,
    transport: AudioTransport,
}

impl Ours {
    /// With the default bounds of the jitter buffer.
    pub(crate) fn new() -> Self {
        let mut config = AudioConfig::new(AudioCodec::Pcmu, address());
        config.comfort_noise_payload_type = Some(NOISE);
        let epoch = Instant::now();
        let transport = transport(config, epoch);
        Self { epoch, transport }
    }

    /// Plays a tick and says what it was.
    pub(crate) fn read(&mut self, at: Duration, frame: &mut [i16]) -> Playout {
        self.transport.read(self.epoch + at, frame)
    }

    /// What was counted.
    pub(crate) fn statistics(&self) -> Statistics {
        self.transport.statistics()
    }
}

impl Player for Ours {
    fn handle(&mut self, at: Duration, datagram: &[u8]) {
        self.transport
            .handle_rtp(self.epoch + at, address(), &mut datagram.to_vec());
    }

    fn play(&mut self, at: Duration, frame: &mut [i16]) {
        self.read(at, frame);
    }

    fn concealed(&self) -> Duration {
        self.statistics().concealed
    }
}

/// The simplest buffer there is: the first packet waits for a fixed time, and all others follow by their timestamps. What is
/// not there when its turn comes is concealed as [`Ours`] does it, but for the pauses that the speaker announced.
pub(crate) struct Fixed {
    wait: Duration,
    decoder: Box<dyn Decoder>,
    /// When the first packet is played, and its timestamp.
    start: Option<(Duration, u32)>,
    /// Payloads by their place; none for an announcement of a pause.
    waiting: BTreeMap<u32, Option<Vec<u8>>>,
    paused: bool,
    concealed: Duration,
}

impl Fixed {
    pub(crate) fn new(wait: Duration) -> Self {
        Self {
            wait,
            decoder: AudioCodec::Pcmu.decoder().unwrap(),
            start: None,
            waiting: BTreeMap::new(),
            paused: false,
            concealed: Duration::ZERO,
        }
    }
}

impl Player for Fixed {
    fn handle(&mut self, at: Duration, datagram: &[u8]) {
        let packet = RtpPacket::parse(datagram).unwrap();
        let header = packet.header();
        let (_, first) = *self.start.get_or_insert((at + self.wait, header.timestamp));
        let is_voice = header.payload_type.number() != NOISE;
        let payload = is_voice.then(|| packet.payload().to_vec());
        self.waiting.insert(header.timestamp.wrapping_sub(first), payload);
    }

    fn play(&mut self, at: Duration, frame: &mut [i16]) {
        let Some(late) = self.start.and_then(|(start, _)| at.checked_sub(start)) else {
            return;
        };
        let due = (late.as_millis() / PERIOD.as_millis()) as u32 * FRAME as u32;
        self.waiting = self.waiting.split_off(&due);
        match self.waiting.remove(&due) {
            Some(Some(payload)) => {
                self.paused = false;
                self.decoder.decode(&payload, frame).unwrap();
            }
            Some(None) => self.paused = true,
            None if self.paused => {}
            None => {
                self.concealed += PERIOD;
                self.decoder.conceal(frame);
            }
        }
    }

    fn concealed(&self) -> Duration {
        self.concealed
    }
}

pub(crate) fn transport(config: AudioConfig, now: Instant) -> AudioTransport {
    let clock = WallClock::new(now, Duration::from_hours(500_000));
    AudioTransport::new(config, now, clock, Entropy::from_number(1)).unwrap()
}

pub(crate) fn address() -> SocketAddr {
    ([192, 0, 2, 1], 4000).into()
}
