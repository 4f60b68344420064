//! Many calls on one media engine: who sends a PCMU packet to each of them every 20 ms over the loopback hears whether their
//! ticks are on time. Prints lateness and the CPU time of the thread that owns the engine.
//!
//! ```text
//! cargo run --release -p offhook-session --example thousand_streams [streams] [seconds] [mixer rate in Hz]
//! ```
#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use offhook_rtp_media::AudioConfig;
use offhook_rtp_media::codec::AudioCodec;
use offhook_sansio::{Entropy, WallClock};
use offhook_session::media::{Component, MediaCommand, MediaConfig, MediaEngine, MediaEvent, StreamId};
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const PACKET: Duration = Duration::from_millis(20);

/// The packets of a packet time leave in so many portions.
const PORTIONS: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let streams: usize = arguments.next().as_deref().unwrap_or("1000").parse()?;
    let seconds: u64 = arguments.next().as_deref().unwrap_or("10").parse()?;
    let sample_rate: u32 = arguments.next().as_deref().unwrap_or("48000").parse()?;

    let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let mut media = Media::open(streams, peer.local_addr()?, sample_rate)?;
    let world = World::start(peer, media.addresses()?)?;
    media.run_for(Duration::from_secs(2))?;
    media.begin_to_measure();
    let before = world.heard();
    media.run_for(Duration::from_secs(seconds))?;
    let heard = world.heard() - before;
    media.report(seconds);
    let expected = streams as u64 * seconds * 50;
    let share = heard as f64 / expected as f64 * 100.0;
    println!("{heard} packets came out, {share:.2} % of one per stream and 20 ms");
    world.stop();
    Ok(())
}

/// The engine with its sockets, as the media thread of the driver has them.
struct Media {
    engine: MediaEngine,
    poll: Poll,
    sockets: Vec<UdpSocket>,
    received: u64,
    late: Vec<Duration>,
    skipped: u64,
    cpu: Duration,
    began: Instant,
}

impl Media {
    fn open(streams: usize, peer: SocketAddr, sample_rate: u32) -> Result<Self, Box<dyn Error>> {
        let now = Instant::now();
        let clock = WallClock::new(now, SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?);
        let config = MediaConfig {
            sample_rate,
            ..MediaConfig::default()
        };
        let mut engine = MediaEngine::new(config, now, clock, Entropy::from_number(1))?;
        let poll = Poll::new()?;
        let mut sockets = Vec::new();
        for number in 0..streams {
            let mut socket = UdpSocket::bind("127.0.0.1:0".parse()?)?;
            poll.registry()
                .register(&mut socket, Token(number), Interest::READABLE)?;
            sockets.push(socket);
            let stream = StreamId(number as u32);
            let config = Box::new(AudioConfig::new(AudioCodec::Pcmu, peer));
            engine.handle_command(now, MediaCommand::StartAudio { stream, config });
        }
        Ok(Self {
            engine,
            poll,
            sockets,
            received: 0,
            late: Vec::new(),
            skipped: 0,
            cpu: cpu_time()?,
            began: now,
        })
    }

    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.sockets.iter().map(UdpSocket::local_addr).collect()
    }

    fn begin_to_measure(&mut self) {
        self.late.clear();
        self.received = 0;
        self.skipped = self.engine.skipped_ticks();
        self.cpu = cpu_time().unwrap_or_default();
        self.began = Instant::now();
    }

    /// What the media thread does, for so long.
    fn run_for(&mut self, duration: Duration) -> io::Result<()> {
        let end = Instant::now() + duration;
        let mut events = Events::with_capacity(256);
        let mut buffer = [0; 2048];
        while Instant::now() < end {
            let due = self.engine.poll_timeout();
            let patience = due.map(|due| due.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let Token(number) = event.token();
                while let Ok((len, from)) = self.sockets[number].recv_from(&mut buffer) {
                    let (stream, packet) = (StreamId(number as u32), &mut buffer[..len]);
                    self.engine
                        .handle_datagram(Instant::now(), stream, Component::Rtp, from, packet);
                    self.received += 1;
                }
            }
            let now = Instant::now();
            self.late
                .extend(due.and_then(|due| now.checked_duration_since(due)));
            self.engine.handle_timeout(now);
            let sockets = &self.sockets;
            self.engine.drain_transmits(|packet| {
                if packet.component == Component::Rtp {
                    // What the system has no room for is lost, and missed by who counts.
                    let _sent = sockets[packet.stream.0 as usize].send_to(packet.bytes, packet.to);
                }
            });
            while let Some(event) = self.engine.poll_event() {
                if let MediaEvent::Failed { stream, error } = event {
                    println!("{stream:?}: {error}");
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, seconds: u64) {
        self.late.sort_unstable();
        let last = self.late.len().saturating_sub(1);
        let at = |part: f64| {
            let late = self.late.get((last as f64 * part) as usize);
            late.copied().unwrap_or_default().as_secs_f64() * 1e3
        };
        let cpu = cpu_time()
            .unwrap_or_default()
            .saturating_sub(self.cpu)
            .as_secs_f64();
        let share = cpu / self.began.elapsed().as_secs_f64() * 100.0;
        let skipped = self.engine.skipped_ticks() - self.skipped;
        println!(
            "{} streams for {seconds} s, {} packets came in",
            self.sockets.len(),
            self.received
        );
        println!(
            "{} ticks, half late by up to {:.2} ms, 95 % by {:.2}, 99 % by {:.2}, all by {:.2}; {skipped} skipped",
            self.late.len(),
            at(0.5),
            at(0.95),
            at(0.99),
            at(1.0),
        );
        println!("CPU of the engine's thread: {share:.1} % of a core");
    }
}

/// How long this thread has had a core (Linux).
fn cpu_time() -> io::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos
        .map(Duration::from_nanos)
        .ok_or_else(|| io::Error::from(ErrorKind::InvalidData))
}

/// Everybody else: sends to each stream, and counts what comes back.
struct World {
    over: Arc<AtomicBool>,
    heard: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl World {
    fn start(socket: std::net::UdpSocket, streams: Vec<SocketAddr>) -> io::Result<Self> {
        let (over, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let listener = socket.try_clone()?;
        listener.set_read_timeout(Some(Duration::from_millis(100)))?;
        let (is_over, count) = (over.clone(), heard.clone());
        let listening = thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !is_over.load(Ordering::Relaxed) {
                if listener.recv_from(&mut buffer).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let is_over = over.clone();
        let sending = thread::spawn(move || send(&socket, &streams, &is_over));
        Ok(Self {
            over,
            heard,
            threads: vec![listening, sending],
        })
    }

    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("it ends when it is told to");
        }
    }
}

/// A packet to each stream in each packet time, in portions.
fn send(socket: &std::net::UdpSocket, streams: &[SocketAddr], is_over: &AtomicBool) {
    let portion = streams.len().div_ceil(PORTIONS).max(1);
    let start = Instant::now();
    let mut packet = [0x55; 172];
    packet[..2].copy_from_slice(&[0x80, 0]);
    for turn in 0u32.. {
        packet[2..4].copy_from_slice(&(turn as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(turn * 160).to_be_bytes());
        for (place, addresses) in streams.chunks(portion).enumerate() {
            let due = start + PACKET * turn + PACKET * place as u32 / PORTIONS as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            for (number, to) in addresses.iter().enumerate() {
                packet[8..12].copy_from_slice(&((place * portion + number) as u32).to_be_bytes());
                // Lost, like any packet.
                let _sent = socket.send_to(&packet, to);
            }
        }
    }
}
