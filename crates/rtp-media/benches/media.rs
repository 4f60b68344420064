//! What a packet and a tick cost: RTP, jitter buffer, codecs, and the whole way in and out.

use criterion::{Criterion, criterion_group, criterion_main};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::jitter::{JitterBuffer, JitterConfig, Packet, Pull};
use offhook_rtp_media::packet::{RtpHeader, RtpPacket, RtpWriter};
use offhook_rtp_media::rtcp::{Compound, ReportBlock, RtcpWriter, SenderInfo};
use offhook_rtp_media::{AudioConfig, AudioTransport, PayloadType, Ssrc};
use offhook_sansio::{Entropy, WallClock};
use std::hint::black_box;
use std::time::{Duration, Instant};

const HEADER: RtpHeader = RtpHeader {
    marker: false,
    payload_type: PayloadType::new(0).unwrap(),
    sequence: 1,
    timestamp: 160,
    ssrc: Ssrc(7),
};

fn voice(sample_rate: u32, samples: usize) -> Vec<i16> {
    let mut noise = 1u32;
    (0..samples)
        .map(|n| {
            let t = n as f32 / sample_rate as f32;
            let wave: f32 = (1..8)
                .map(|harmonic| (t * 150.0 * harmonic as f32 * std::f32::consts::TAU).sin() / harmonic as f32)
                .sum();
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (wave * 6000.0 * (t * 4.0).sin().abs()) as i16 + ((noise >> 25) as i16 - 64)
        })
        .collect()
}

fn packets(c: &mut Criterion) {
    let mut packet = [0; 172];
    let len = RtpWriter::new(HEADER).write(&[0xff; 160], &mut packet).unwrap();
    c.bench_function("rtp/parse 172 B", |b| {
        b.iter(|| {
            RtpPacket::parse(black_box(&packet[..len]))
                .unwrap()
                .payload()
                .len()
        });
    });
    c.bench_function("rtp/frame in place 172 B", |b| {
        b.iter(|| {
            RtpWriter::new(black_box(HEADER))
                .frame(160, black_box(&mut packet))
                .unwrap()
        });
    });
    let mut report = [0; 200];
    let info = SenderInfo {
        ntp: 1,
        rtp_timestamp: 2,
        packets: 3,
        octets: 4,
    };
    let block = ReportBlock {
        ssrc: Ssrc(1),
        fraction_lost: 1,
        cumulative_lost: 2,
        highest_sequence: 3,
        jitter: 4,
        last_sender_report: 5,
        delay_since_last_sender_report: 6,
    };
    let write = |report: &mut [u8]| {
        let mut writer = RtcpWriter::new(report);
        writer
            .sender_report(Ssrc(2), &info, &[block])
            .unwrap()
            .cname(Ssrc(2), "someone@host.example")
            .unwrap();
        writer.len()
    };
    let len = write(&mut report);
    c.bench_function("rtcp/write SR+SDES", |b| b.iter(|| write(black_box(&mut report))));
    c.bench_function("rtcp/parse SR+SDES", |b| {
        b.iter(|| {
            let compound = Compound::parse(black_box(&report[..len])).unwrap();
            compound
                .packets()
                .map(|packet| packet.reports().count() + packet.items().count())
                .sum::<usize>()
        });
    });
}

fn jitter(c: &mut Criterion) {
    c.bench_function("jitter/insert and pull", |b| {
        let mut buffer = JitterBuffer::new(JitterConfig::default(), 8000, Duration::from_millis(20), 160);
        let mut sequence = 0u64;
        let packet = Packet {
            payload_type: PayloadType::new(0).unwrap(),
            payload: &[0xff; 160],
        };
        b.iter(|| {
            let time = sequence as i64 * 160;
            buffer.insert(time, sequence, time, packet);
            sequence += 1;
            if let Pull::Packet(packet) = buffer.pull(time) {
                black_box(packet.payload[0]);
                buffer.played(160);
            }
        });
    });
}

fn codecs(c: &mut Criterion) {
    for &codec in AudioCodec::ALL {
        let rate = codec.spec().sample_rate;
        let frame = rate as usize / 50;
        let pcm = voice(rate, frame * 100);
        let mut encoder = codec.encoder("").unwrap();
        let mut decoder = codec.decoder().unwrap();
        let mut payload = [0; 1275];
        let payloads: Vec<Vec<u8>> = pcm
            .chunks(frame)
            .map(|frame| {
                let len = encoder.encode(frame, &mut payload).unwrap();
                payload[..len].to_vec()
            })
            .collect();
        let mut frames = pcm.chunks(frame).cycle();
        c.bench_function(&format!("codec/{codec} encode 20 ms"), |b| {
            b.iter(|| encoder.encode(frames.next().unwrap(), &mut payload).unwrap());
        });
        let mut out = [0; 5760];
        let mut coded = payloads.iter().cycle();
        c.bench_function(&format!("codec/{codec} decode 20 ms"), |b| {
            b.iter(|| decoder.decode(coded.next().unwrap(), &mut out).unwrap());
        });
        c.bench_function(&format!("codec/{codec} conceal 20 ms"), |b| {
            b.iter(|| {
                decoder.decode(&payloads[50], &mut out).unwrap();
                decoder.conceal(&mut out[..frame]);
            });
        });
    }
}

fn transport(c: &mut Criterion) {
    let now = Instant::now();
    let clock = WallClock::new(now, Duration::from_hours(500_000));
    let remote = "192.0.2.1:4000".parse().unwrap();
    for &codec in AudioCodec::ALL {
        let make = || {
            AudioTransport::new(
                AudioConfig::new(codec, remote),
                now,
                clock,
                Entropy::from_number(1),
            )
            .unwrap()
        };
        let frame = voice(codec.spec().sample_rate, codec.spec().sample_rate as usize / 50);
        let mut sending = make();
        c.bench_function(&format!("transport/{codec} send 20 ms"), |b| {
            b.iter(|| {
                sending.write(now, &frame);
                sending.poll_transmit().map(|transmit| transmit.bytes.len())
            });
        });
        // A packet with numbers of its own for each iteration.
        sending.write(now, &frame);
        let template = sending.poll_transmit().unwrap().bytes.to_vec();
        let ticks = codec.spec().clock_rate / 50;
        let mut receiving = AudioTransport::new(
            AudioConfig::new(codec, remote),
            now,
            clock,
            Entropy::from_number(2),
        )
        .unwrap();
        let (mut packet, mut sequence) = (template.clone(), 0u32);
        let mut heard = vec![0; frame.len()];
        c.bench_function(&format!("transport/{codec} receive and play 20 ms"), |b| {
            b.iter(|| {
                packet.copy_from_slice(&template);
                packet[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
                packet[4..8].copy_from_slice(&sequence.wrapping_mul(ticks).to_be_bytes());
                let at = now + Duration::from_millis(20) * sequence;
                sequence += 1;
                receiving.handle_rtp(at, remote, &mut packet);
                let playout = receiving.read(at, &mut heard);
                while receiving.poll_event().is_some() {}
                playout
            });
        });
    }
}

criterion_group!(benches, packets, jitter, codecs, transport);
criterion_main!(benches);
