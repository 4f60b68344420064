//! Two ends of a call over UDP on the loopback for three seconds: one says a tone, the other sends back what it
//! hears. Shows what a driver of [`AudioTransport`] does; a real one is paced by a sound device.
//!
//! ```text
//! cargo run --release --example echo [pcmu|pcma|g722|opus]
//! ```
#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{AudioConfig, AudioTransport, MediaKind, Playout};
use offhook_sansio::{Entropy, WallClock};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const TICK: Duration = Duration::from_millis(20);
const TICKS: u32 = 150;

/// One end: a transport and its two sockets.
struct End {
    audio: AudioTransport,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let codec: AudioCodec = std::env::args().nth(1).as_deref().unwrap_or("pcmu").parse()?;
    let sockets = [socket()?, socket()?, socket()?, socket()?];
    let addresses = [0, 1, 2, 3].map(|n: usize| sockets[n].local_addr());
    let [caller_rtp, caller_rtcp, echo_rtp, echo_rtcp] = sockets;
    let [caller_at, caller_reports_at, echo_at, echo_reports_at] = addresses;

    let mut config = AudioConfig::new(codec, echo_at?);
    config.remote_rtcp = echo_reports_at?;
    let mut caller = End::new(config, caller_rtp, caller_rtcp)?;
    let mut config = AudioConfig::new(codec, caller_at?);
    config.remote_rtcp = caller_reports_at?;
    let mut echo = End::new(config, echo_rtp, echo_rtcp)?;

    let rate = caller.audio.sample_rate();
    let (mut said, mut voiced, mut loudest) = (0u32, 0, 0);
    let start = Instant::now();
    for tick in 0..TICKS {
        thread::sleep((start + TICK * tick).saturating_duration_since(Instant::now()));
        let playout = caller.tick(|frame| {
            loudest = frame.iter().copied().fold(loudest, i16::max);
            for sample in frame {
                let t = said as f32 / rate as f32;
                *sample = ((t * 440.0 * std::f32::consts::TAU).sin() * 8000.0) as i16;
                said += 1;
            }
        })?;
        voiced += u32::from(playout == Playout::Voice);
        // What is heard goes back as it is.
        echo.tick(|_| {})?;
    }
    let now = Instant::now();
    caller.audio.stop(now);
    caller.flush()?;

    let statistics = caller.audio.statistics();
    println!("{codec}: heard the echo in {voiced} of {TICKS} ticks, loudest sample {loudest}");
    println!(
        "sent {} packets, received {}",
        statistics.packets_sent, statistics.packets_received
    );
    println!(
        "lost {}, late {}, jitter {:?}",
        statistics.packets_lost, statistics.late, statistics.jitter
    );
    println!(
        "delay {:?}, round trip {:?}",
        statistics.target_delay, statistics.round_trip
    );
    Ok(())
}

impl End {
    fn new(config: AudioConfig, rtp: UdpSocket, rtcp: UdpSocket) -> Result<Self, Box<dyn std::error::Error>> {
        let now = Instant::now();
        let clock = WallClock::new(now, SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?);
        // A product seeds this with 32 bytes from the operating system.
        let entropy = Entropy::from_number(u64::from(rtp.local_addr()?.port()));
        let audio = AudioTransport::new(config, now, clock, entropy)?;
        Ok(Self { audio, rtp, rtcp })
    }

    /// What a media thread does on each tick: `device` plays the frame and leaves what was captured in it.
    fn tick(&mut self, device: impl FnOnce(&mut [i16])) -> std::io::Result<Playout> {
        let mut datagram = [0; 1500];
        while let Some((len, from)) = receive(&self.rtp, &mut datagram)? {
            self.audio.handle_rtp(Instant::now(), from, &mut datagram[..len]);
        }
        while let Some((len, from)) = receive(&self.rtcp, &mut datagram)? {
            self.audio.handle_rtcp(Instant::now(), from, &mut datagram[..len]);
        }
        let now = Instant::now();
        let mut frame = vec![0; self.audio.sample_rate() as usize / 50];
        let playout = self.audio.read(now, &mut frame);
        device(&mut frame);
        self.audio.write(now, &frame);
        self.audio.handle_timeout(now);
        self.flush()?;
        Ok(playout)
    }

    /// Sends what waits and shows what happened.
    fn flush(&mut self) -> std::io::Result<()> {
        while let Some(transmit) = self.audio.poll_transmit() {
            let socket = match transmit.kind {
                MediaKind::Rtp => &self.rtp,
                MediaKind::Rtcp => &self.rtcp,
            };
            socket.send_to(transmit.bytes, transmit.to)?;
        }
        while let Some(event) = self.audio.poll_event() {
            println!("{event:?}");
        }
        Ok(())
    }
}

fn socket() -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn receive(
    socket: &UdpSocket,
    datagram: &mut [u8],
) -> std::io::Result<Option<(usize, std::net::SocketAddr)>> {
    match socket.recv_from(datagram) {
        Ok(received) => Ok(Some(received)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
