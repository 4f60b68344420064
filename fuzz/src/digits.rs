//! Digits (RFC 4733): what is sent over a bad link, and what a stranger may make of the payload.

use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::dtmf::Digit;
use offhook_rtp_media::packet::{RtpHeader, RtpWriter};
use offhook_rtp_media::{AudioConfig, AudioEvent, AudioTransport, MediaKind, PayloadType, Ssrc};
use offhook_sansio::{Entropy, WallClock};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);
const EVENTS: u8 = 101;

/// Longest digit that 16 bits can say at 8000 Hz.
const LONGEST: Duration = Duration::from_millis(8192);

/// The first half of the octets dials over a link that loses, doubles and swaps packets; the second half is telephone-events
/// that nobody dialled.
pub fn digits(data: &[u8]) {
    let (dialled, forged) = data.split_at(data.len() / 2);
    over_a_bad_link(dialled);
    of_a_stranger(forged);
}

fn transport(remote: SocketAddr, now: Instant, number: u64) -> AudioTransport {
    let clock = WallClock::new(now, Duration::from_secs(1 << 30));
    let mut config = AudioConfig::new(AudioCodec::Pcmu, remote);
    config.dtmf_payload_type = Some(EVENTS);
    AudioTransport::new(config, now, clock, Entropy::from_number(number)).expect("the numbers are in range")
}

/// Each digit is heard at most once, in order, and none that was not sent; all of them where nothing was lost.
fn over_a_bad_link(data: &[u8]) {
    let addresses: [SocketAddr; 2] =
        ["192.0.2.1:4000", "192.0.2.2:4000"].map(|text| text.parse().expect("an address"));
    let mut now = Instant::now();
    let mut from = transport(addresses[1], now, 1);
    let mut to = transport(addresses[0], now, 2);
    let (mut sent, mut heard, mut held, mut lost) = (Vec::new(), Vec::new(), None::<Vec<u8>>, false);
    let quiet = [0u8; 64];
    for op in data.iter().chain(&quiet) {
        let key = Digit::from_event(op >> 4).expect("four bits are a digit");
        if op & 8 != 0 && from.send_dtmf(key).is_ok() {
            sent.push(key);
        }
        from.write(now, &[0; 160]);
        let mut packets = Vec::new();
        while let Some(transmit) = from.poll_transmit() {
            if transmit.kind == MediaKind::Rtp {
                packets.push(transmit.bytes.to_vec());
            }
        }
        for packet in packets {
            match op & 7 {
                1 => lost = true,
                2 => {
                    to.handle_rtp(now, addresses[0], &mut packet.clone());
                    to.handle_rtp(now, addresses[0], &mut packet.clone());
                }
                3 if held.is_none() => held = Some(packet),
                _ => to.handle_rtp(now, addresses[0], &mut packet.clone()),
            }
        }
        if op & 7 != 3
            && let Some(mut late) = held.take()
        {
            to.handle_rtp(now, addresses[0], &mut late);
        }
        now += TICK;
        to.handle_timeout(now);
        drain(&mut to, &mut heard);
    }
    // What still waits in the sender was not sent yet.
    let mut rest = sent.iter();
    for (digit, _) in &heard {
        assert!(rest.any(|other| other == digit), "{heard:?} of {sent:?}");
    }
    if !lost && held.is_none() && sent.len() <= 4 {
        assert_eq!(heard.len(), sent.len(), "{heard:?} of {sent:?}");
    }
}

/// Five octets are a packet: how its numbers go on, and its payload.
fn of_a_stranger(data: &[u8]) {
    let address: SocketAddr = "192.0.2.1:4000".parse().expect("an address");
    let mut now = Instant::now();
    let mut to = transport(address, now, 3);
    let (mut sequence, mut timestamp, mut heard, mut packets) = (0u16, 0u32, Vec::new(), 0);
    for op in data.as_chunks::<5>().0 {
        sequence = sequence.wrapping_add(u16::from(op[0] & 15)).wrapping_sub(2);
        timestamp = timestamp
            .wrapping_add(u32::from(op[0] >> 4) * 160)
            .wrapping_sub(160);
        let header = RtpHeader {
            marker: op[0] & 1 == 1,
            payload_type: PayloadType::new(EVENTS).expect("seven bits"),
            sequence,
            timestamp,
            ssrc: Ssrc(7),
        };
        let mut datagram = [0; 32];
        let payload = &op[1..][..usize::from(op[0] % 5).min(4)];
        let len = RtpWriter::new(header)
            .write(payload, &mut datagram)
            .expect("room for a header and four octets");
        to.handle_rtp(now, address, &mut datagram[..len]);
        packets += 1;
        now += TICK * u32::from(op[0] & 3);
        to.handle_timeout(now);
        drain(&mut to, &mut heard);
    }
    assert!(heard.len() <= packets, "each packet begins one event at most");
    assert!(heard.iter().all(|(_, duration)| *duration <= LONGEST));
}

fn drain(transport: &mut AudioTransport, heard: &mut Vec<(Digit, Duration)>) {
    while let Some(event) = transport.poll_event() {
        if let AudioEvent::GotDtmf { digit, duration } = event {
            heard.push((digit, duration));
        }
    }
}
