//! The way of a packet in and out, again and again in virtual time: what the flame graph in `docs/media-path.svg` was taken of.
//!
//! ```text
//! cargo run --release --example packet_path [CODEC [SECONDS_OF_CALL]]
//! ```
//!
//! One end says a tone, the other hears it; both are encrypted by AES-CM. It prints what a packet costs each way, by itself and in
//! both together.
#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::srtp::{MasterKey, SrtpKeys, SrtpSuite};
use offhook_rtp_media::{AudioConfig, AudioTransport, MediaKind, SrtpKeying};
use offhook_sansio::{Entropy, WallClock};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);
const SUITE: SrtpSuite = SrtpSuite::AesCm128HmacSha1_80;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let codec: AudioCodec = arguments.next().as_deref().unwrap_or("pcmu").parse()?;
    let seconds: u32 = arguments.next().as_deref().unwrap_or("3600").parse()?;
    let (speaker, listener): (SocketAddr, SocketAddr) =
        ("192.0.2.1:4000".parse()?, "192.0.2.2:4000".parse()?);
    let begin = Instant::now();
    let mut from = end(codec, listener, begin, 1)?;
    let mut to = end(codec, speaker, begin, 2)?;
    let tone = tone(codec.spec().sample_rate);
    let (mut heard, mut datagram) = (vec![0; tone.len()], [0; 1500]);
    let (mut out, mut back) = (Duration::ZERO, Duration::ZERO);
    let packets = seconds * 50;
    for tick in 0..packets {
        let now = begin + TICK * tick;
        let started = Instant::now();
        let len = frame_to_datagram(&mut from, now, &tone, &mut datagram);
        out += started.elapsed();
        let started = Instant::now();
        datagram_to_frame(&mut to, now, speaker, &mut datagram[..len], &mut heard);
        back += started.elapsed();
    }
    let per_packet = |time: Duration| time.as_nanos() / u128::from(packets.max(1));
    println!(
        "{codec}, {SUITE}: frame to datagram {} ns, datagram to frame {} ns, over {packets} packets",
        per_packet(out),
        per_packet(back)
    );
    Ok(())
}

#[inline(never)]
fn frame_to_datagram(from: &mut AudioTransport, now: Instant, frame: &[i16], datagram: &mut [u8]) -> usize {
    from.write(now, black_box(frame));
    let mut len = 0;
    while let Some(transmit) = from.poll_transmit() {
        if transmit.kind == MediaKind::Rtp {
            len = transmit.bytes.len();
            datagram[..len].copy_from_slice(transmit.bytes);
        }
    }
    len
}

#[inline(never)]
fn datagram_to_frame(
    to: &mut AudioTransport,
    now: Instant,
    from: SocketAddr,
    datagram: &mut [u8],
    frame: &mut [i16],
) {
    to.handle_rtp(now, from, datagram);
    to.read(now, frame);
    black_box(frame);
}

fn end(
    codec: AudioCodec,
    remote: SocketAddr,
    now: Instant,
    number: u64,
) -> Result<AudioTransport, Box<dyn std::error::Error>> {
    let mut config = AudioConfig::new(codec, remote);
    let key = |side| MasterKey::generate(SUITE, &mut Entropy::from_number(side));
    config.srtp = Some(SrtpKeying::Keys(SrtpKeys::new(key(number), key(3 - number))));
    // Digits as tones are looked for in all that is heard; where telephone-event is agreed, as nearly everywhere, not.
    config.dtmf_payload_type = Some(101);
    let clock = WallClock::new(now, Duration::from_hours(500_000));
    Ok(AudioTransport::new(
        config,
        now,
        clock,
        Entropy::from_number(number),
    )?)
}

fn tone(sample_rate: u32) -> Vec<i16> {
    let step = 400.0 / sample_rate as f32 * std::f32::consts::TAU;
    (0..sample_rate / 50)
        .map(|n| ((n as f32 * step).sin() * 8000.0) as i16)
        .collect()
}
