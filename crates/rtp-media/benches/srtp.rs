//! What it costs to protect a packet of 160 octets of sound and to read it again: ours beside `webrtc-srtp`, in one run.

use criterion::{Criterion, criterion_group, criterion_main};
use offhook_rtp_media::srtp::{MasterKey, SrtpReceiver, SrtpSender, SrtpSuite};
use std::hint::black_box;
use std::time::{Duration, Instant};
use webrtc_srtp::context::Context;
use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use webrtc_srtp::protection_profile::ProtectionProfile;

const SUITES: [(SrtpSuite, ProtectionProfile); 3] = [
    (
        SrtpSuite::AesCm128HmacSha1_80,
        ProtectionProfile::Aes128CmHmacSha1_80,
    ),
    (SrtpSuite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (SrtpSuite::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
];

/// Packets that are protected beforehand, to be read one by one: few enough for the cache.
const RUN: u64 = 1000;

fn packet(sequence: u16) -> [u8; 172 + 16] {
    let mut packet = [0x55; 172 + 16];
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet
}

fn key(suite: SrtpSuite) -> MasterKey {
    MasterKey::new(suite, &vec![0x29; suite.key_len() + suite.salt_len()]).unwrap()
}

fn theirs(suite: SrtpSuite, profile: ProtectionProfile) -> Context {
    let key = key(suite);
    let (secret, salt) = key.key_and_salt().split_at(suite.key_len());
    Context::new(
        secret,
        salt,
        profile,
        Some(srtp_replay_protection(128)),
        Some(srtcp_replay_protection(128)),
    )
    .unwrap()
}

fn protect(c: &mut Criterion) {
    for (suite, profile) in SUITES {
        let mut sender = SrtpSender::new(&key(suite));
        let mut sequence = 0u16;
        let mut buffer = packet(0);
        c.bench_function(&format!("srtp/{suite} protect 160 B, ours"), |b| {
            b.iter(|| {
                sequence = sequence.wrapping_add(1);
                buffer[2..4].copy_from_slice(&sequence.to_be_bytes());
                sender.protect_rtp(black_box(&mut buffer), 172).unwrap()
            });
        });
        let mut context = theirs(suite, profile);
        c.bench_function(&format!("srtp/{suite} protect 160 B, webrtc-srtp"), |b| {
            b.iter(|| {
                sequence = sequence.wrapping_add(1);
                buffer[2..4].copy_from_slice(&sequence.to_be_bytes());
                context.encrypt_rtp(black_box(&buffer[..172])).unwrap().len()
            });
        });
    }
}

fn unprotect(c: &mut Criterion) {
    for (suite, profile) in SUITES {
        let mut sender = SrtpSender::new(&key(suite));
        let packets: Vec<_> = (0..RUN)
            .map(|sequence| {
                let mut buffer = packet(sequence as u16);
                let len = sender.protect_rtp(&mut buffer, 172).unwrap();
                (buffer, len)
            })
            .collect();
        c.bench_function(&format!("srtp/{suite} unprotect 160 B, ours"), |b| {
            b.iter_custom(|wanted| {
                timed(wanted, || {
                    let mut packets = packets.clone();
                    let mut receiver = SrtpReceiver::new(&key(suite));
                    move |place: usize| {
                        let (packet, len) = &mut packets[place];
                        receiver.unprotect_rtp(&mut packet[..*len]).unwrap()
                    }
                })
            });
        });
        c.bench_function(&format!("srtp/{suite} unprotect 160 B, webrtc-srtp"), |b| {
            b.iter_custom(|wanted| {
                timed(wanted, || {
                    let mut context = theirs(suite, profile);
                    let packets = &packets;
                    move |place: usize| {
                        let (packet, len) = &packets[place];
                        context.decrypt_rtp(&packet[..*len]).unwrap().len()
                    }
                })
            });
        });
    }
}

/// Times `wanted` packets: each can be read once only, so receivers begin anew after a run, outside of the measure.
fn timed<R: FnMut(usize) -> usize>(wanted: u64, mut receiver: impl FnMut() -> R) -> Duration {
    let mut spent = Duration::ZERO;
    let mut left = wanted;
    while left > 0 {
        let run = left.min(RUN);
        let mut receive = receiver();
        let begun = Instant::now();
        for place in 0..run as usize {
            black_box(receive(black_box(place)));
        }
        spent += begun.elapsed();
        left -= run;
    }
    spent
}

criterion_group!(benches, protect, unprotect);
criterion_main!(benches);
