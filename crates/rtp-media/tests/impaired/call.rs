//! A call over real sockets through a relay that harms what it carries.
//!
//! `examples/impaired_call.rs` prints the table of docs/impaired.md with the same file.

use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{AudioConfig, AudioEvent, AudioTransport, MediaKind, Statistics};
use offhook_sansio::{Entropy, WallClock};
use offhook_testkit::audio::{Following, follow, tune};
use offhook_testkit::net::{Impairment, PERIOD, Traffic, UdpRelay};
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const RATE: u32 = 8000;
const FRAME: usize = 160;

/// Ticks that are heard after the last one that is said.
const REST: usize = 50;

/// The longest delay at which a sound is sought, in samples.
const MOST_DELAY: i64 = RATE as i64;

/// A network, and what a table calls it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) impairment: Impairment,
}

/// How a call went.
pub(crate) struct Outcome {
    /// Of the side that heard the tune.
    pub(crate) statistics: Statistics,
    /// Of the side that said it.
    pub(crate) sender: Statistics,
    pub(crate) following: Following,
    /// What either side was told but that a source is heard.
    pub(crate) events: Vec<AudioEvent>,
    pub(crate) traffic: Traffic,
}

/// The networks of the table.
pub(crate) fn cases() -> Vec<Case> {
    let clean = Impairment::NONE;
    let lossy = |loss_per_mille| Impairment {
        loss_per_mille,
        ..clean
    };
    let case = |name, impairment| Case { name, impairment };
    vec![
        case("clean", clean),
        case("1 % lost", lossy(10)),
        case("5 % lost", lossy(50)),
        case("10 % lost", lossy(100)),
        case("20 % lost", lossy(200)),
        case(
            "40 ms of jitter",
            Impairment {
                jitter: Duration::from_millis(40),
                ..clean
            },
        ),
        case(
            "5 % late by 45 ms",
            Impairment {
                reorder_per_mille: 50,
                reorder_by: Duration::from_millis(45),
                ..clean
            },
        ),
        case(
            "10 % twice",
            Impairment {
                duplicate_per_mille: 100,
                ..clean
            },
        ),
        case(
            "64 kbit/s for 80",
            Impairment {
                bandwidth: Some(64_000),
                ..clean
            },
        ),
    ]
}

/// Lets one side of a call say a tune to the other for so many ticks, in real time.
pub(crate) fn run(case: &Case, ticks: usize) -> io::Result<Outcome> {
    let sockets = [socket()?, socket()?, socket()?, socket()?];
    let [a, a_reports, b, b_reports] = [0, 1, 2, 3].map(|n: usize| sockets[n].local_addr());
    let relay = UdpRelay::start(&[(a?, b?), (a_reports?, b_reports?)], case.impairment, 7)?;
    let [rtp, rtcp] = [relay.pairs()[0], relay.pairs()[1]];
    let [a_rtp, a_rtcp, b_rtp, b_rtcp] = sockets;

    let mut config = AudioConfig::new(AudioCodec::Pcmu, rtp.left);
    config.remote_rtcp = rtcp.left;
    let speaker = End::new(config, 1, a_rtp, a_rtcp);
    let mut config = AudioConfig::new(AudioCodec::Pcmu, rtp.right);
    config.remote_rtcp = rtcp.right;
    let listener = End::new(config, 2, b_rtp, b_rtcp);

    let said = tune(RATE, ticks as f64 * PERIOD.as_secs_f64());
    let silence = vec![0; said.len()];
    let speaking = {
        let said = said.clone();
        thread::spawn(move || speaker.talk(&said))
    };
    let (heard, statistics, mut events) = listener.talk(&silence)?;
    let (_, sender, more) = speaking.join().expect("it talks to the end")?;
    events.extend(more);
    events.retain(|event| {
        !matches!(
            event,
            AudioEvent::SourceChanged { from: None, .. } | AudioEvent::SourceLeft
        )
    });
    Ok(Outcome {
        statistics,
        sender,
        following: follow(&companded(&said), &heard, RATE, 0..MOST_DELAY),
        events,
        traffic: relay.stop(),
    })
}

/// One side: a transport and its two sockets.
struct End {
    audio: AudioTransport,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl End {
    fn new(config: AudioConfig, seed: u64, rtp: UdpSocket, rtcp: UdpSocket) -> Self {
        let now = Instant::now();
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let clock = WallClock::new(now, since_epoch.unwrap_or_default());
        let audio = AudioTransport::new(config, now, clock, Entropy::from_number(seed))
            .expect("a plain configuration");
        Self { audio, rtp, rtcp }
    }

    /// Says a sound and tells what was heard meanwhile.
    fn talk(mut self, sound: &[i16]) -> io::Result<(Vec<i16>, Statistics, Vec<AudioEvent>)> {
        let (mut heard, mut events) = (Vec::new(), Vec::new());
        let start = Instant::now();
        let mut frames = sound.chunks_exact(FRAME);
        for tick in 0..frames.len() + REST {
            let due = start + PERIOD * tick as u32;
            loop {
                self.receive()?;
                let left = due.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                // As often as the sockets are looked at, so that packets have the time at which they came.
                thread::sleep(left.min(Duration::from_millis(1)));
            }
            let now = Instant::now();
            let mut frame = [0; FRAME];
            self.audio.read(now, &mut frame);
            heard.extend(frame);
            self.audio.write(now, frames.next().unwrap_or(&[0; FRAME]));
            self.audio.handle_timeout(now);
            while let Some(event) = self.audio.poll_event() {
                events.push(event);
            }
            self.send()?;
        }
        Ok((heard, self.audio.statistics(), events))
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut buffer = [0; 2048];
        loop {
            match self.rtp.recv_from(&mut buffer) {
                Ok((len, from)) => self.audio.handle_rtp(Instant::now(), from, &mut buffer[..len]),
                Err(error) if is_nothing(&error) => break,
                Err(error) => return Err(error),
            }
        }
        loop {
            match self.rtcp.recv_from(&mut buffer) {
                Ok((len, from)) => self.audio.handle_rtcp(Instant::now(), from, &mut buffer[..len]),
                Err(error) if is_nothing(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        while let Some(packet) = self.audio.poll_transmit() {
            let socket = if packet.kind == MediaKind::Rtp {
                &self.rtp
            } else {
                &self.rtcp
            };
            match socket.send_to(packet.bytes, packet.to) {
                Err(error) if !is_nothing(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Nothing there, or an earlier datagram found nobody.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused)
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// As a perfect receiver hears it.
fn companded(sound: &[i16]) -> Vec<i16> {
    let mut encoder = AudioCodec::Pcmu.encoder("").expect("built in");
    let mut decoder = AudioCodec::Pcmu.decoder().expect("built in");
    let frames = sound.chunks_exact(FRAME).flat_map(|frame| {
        let (mut payload, mut heard) = ([0; FRAME], [0; FRAME]);
        encoder.encode(frame, &mut payload).expect("a whole frame");
        decoder.decode(&payload, &mut heard).expect("what was encoded");
        heard
    });
    frames.collect()
}
