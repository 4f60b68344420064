//! Packets that are lost, doubled, late, or not ours.

use crate::link::{Link, Pair, alice, bob, config, talk, voice};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{AudioEvent, Playout, Ssrc};
use std::net::SocketAddr;
use std::time::Duration;

/// Longest run of samples that are exactly zero.
fn longest_hole(pcm: &[i16]) -> usize {
    pcm.split(|sample| *sample != 0)
        .map(<[i16]>::len)
        .max()
        .unwrap_or(0)
}

#[test]
fn a_lost_packet_is_concealed_not_silenced() {
    for &codec in AudioCodec::ALL {
        let mut pair = Pair::new(codec, Link::default());
        pair.lose = Box::new(|packet| packet > 20 && packet % 10 == 0);
        let (_, heard, playouts) = talk(&mut pair, 200);
        let rate = heard.len() / 4;
        let concealed = playouts
            .iter()
            .filter(|playout| **playout == Playout::Concealed)
            .count();
        assert!((16..=18).contains(&concealed), "{codec}: {concealed}");
        let statistics = pair.bob.statistics();
        assert_eq!(statistics.packets_lost, 17, "{codec}");
        assert_eq!(statistics.concealments, concealed as u64, "{codec}");
        let hole = longest_hole(&heard[rate / 2..]);
        assert!(hole < rate / 200, "{codec}: silent for {hole} samples");
    }
}

#[test]
fn a_link_as_bad_as_they_come_is_survived() {
    let link = Link {
        latency_ms: 50,
        jitter_ms: 60,
        loss: 10,
        duplicates: 10,
    };
    for &codec in AudioCodec::ALL {
        let mut pair = Pair::new(codec, link);
        let (said, heard, playouts) = talk(&mut pair, 1500);
        assert_eq!(said.len(), heard.len());
        let statistics = pair.bob.statistics();
        let voiced = playouts[100..]
            .iter()
            .filter(|playout| **playout == Playout::Voice)
            .count();
        assert!(voiced > 1000, "{codec}: {voiced} of 1400 ticks, {statistics:?}");
        assert!(
            statistics.duplicates > 50 && statistics.packets_lost > 50,
            "{codec}"
        );
        assert!(statistics.target_delay <= Duration::from_millis(120), "{codec}");
        assert!(statistics.late < 100, "{codec}: {statistics:?}");
    }
}

#[test]
fn another_source_is_heard_after_two_packets_and_one_stray_is_not() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    pair.mangle = Box::new(|packet, bytes| {
        if packet == 50 || packet >= 100 {
            bytes[8..12].copy_from_slice(&[9, 9, 9, 9]);
        }
    });
    let (_, _, playouts) = talk(&mut pair, 200);
    let first = pair.alice.ssrc();
    let second = Ssrc(0x0909_0909);
    let changes: Vec<_> = pair.bob_events.clone();
    assert_eq!(
        changes,
        [
            AudioEvent::SourceChanged {
                from: None,
                to: first
            },
            AudioEvent::SourceChanged {
                from: Some(first),
                to: second
            },
        ]
    );
    assert_eq!(pair.bob.statistics().dropped.probation, 2);
    assert!(playouts[110..].iter().all(|playout| *playout == Playout::Voice));
}

#[test]
fn a_packet_with_our_own_ssrc_makes_us_take_another_once() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    let before = pair.bob.ssrc();
    pair.mangle = Box::new(move |_, bytes| bytes[8..12].copy_from_slice(&before.0.to_be_bytes()));
    talk(&mut pair, 5);
    let after = pair.bob.ssrc();
    assert_ne!(before, after);
    assert_eq!(pair.bob.statistics().packets_received, 4);
    pair.mangle = Box::new(move |_, bytes| bytes[8..12].copy_from_slice(&after.0.to_be_bytes()));
    talk(&mut pair, 5);
    // The same address again: it sends our own packets back, so we stay, and hear them after their probation.
    assert_eq!(pair.bob.ssrc(), after);
    let statistics = pair.bob.statistics();
    assert_eq!(statistics.dropped.own_ssrc, 1);
    assert_eq!(statistics.dropped.probation, 1);
    assert_eq!(statistics.packets_received, 8);
}

#[test]
fn media_follows_a_nat_and_no_stranger() {
    // Bob's SDP said 198.51.100.1, but his packets come from elsewhere.
    let told: SocketAddr = "198.51.100.1:7000".parse().unwrap();
    let mut pair = Pair::with(
        config(AudioCodec::Pcmu, told),
        config(AudioCodec::Pcmu, alice()),
        Link::default(),
    );
    talk(&mut pair, 3);
    assert_eq!(pair.alice.remote_rtp(), told);
    talk(&mut pair, 3);
    assert_eq!(pair.alice.remote_rtp(), bob());
    assert_eq!(pair.alice.received_from(), Some(bob()));
    assert!(pair.alice_events.contains(&AudioEvent::RemoteAddressChanged {
        from: told,
        to: bob()
    }));
    // A stranger sends many good packets while Bob does too.
    let stranger: SocketAddr = "203.0.113.66:9".parse().unwrap();
    for sequence in 0..50u8 {
        let mut packet = [0xff; 172];
        packet[..12].copy_from_slice(&[0x80, 0, 0, sequence, 0, 0, 0, 0, 6, 6, 6, 6]);
        pair.alice.handle_rtp(pair.now, stranger, &mut packet);
        pair.tick(&[0; 160]);
    }
    assert_eq!(pair.alice.remote_rtp(), bob());
    assert_eq!(pair.alice.statistics().dropped.unproven_address, 3 + 50);
}

#[test]
fn what_is_not_ours_is_counted_and_dropped() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    let mut garbage = *b"not rtp at all";
    pair.bob.handle_rtp(pair.now, alice(), &mut garbage);
    let mut other_payload = [0; 20];
    other_payload[..2].copy_from_slice(&[0x80, 8]);
    pair.bob.handle_rtp(pair.now, alice(), &mut other_payload);
    pair.bob.handle_rtcp(pair.now, alice(), &mut [0x80, 201]);
    let dropped = pair.bob.statistics().dropped;
    assert_eq!((dropped.malformed, dropped.unknown_payload), (2, 1));
    assert_eq!(dropped.total(), 3);
    assert_eq!(pair.bob_events, []);
}

#[test]
fn a_voice_after_a_pause_is_heard_whole() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    // Packets 100 to 199 are never sent: the sender suppressed silence, and its numbers go on.
    pair.lose = Box::new(|packet| (100..200).contains(&packet));
    pair.mangle = Box::new(|packet, bytes| {
        let sent = if packet >= 200 { packet - 100 } else { packet };
        bytes[2..4].copy_from_slice(&(sent as u16).to_be_bytes());
        bytes[4..8].copy_from_slice(&(packet as u32 * 160).to_be_bytes());
    });
    let (_, heard, playouts) = talk(&mut pair, 400);
    assert!(
        playouts[110..200]
            .iter()
            .all(|playout| *playout == Playout::Silence)
    );
    assert!(playouts[204..].iter().all(|playout| *playout == Playout::Voice));
    assert_eq!(pair.bob.statistics().packets_lost, 0);
    assert!(heard[115 * 160..195 * 160].iter().all(|sample| *sample == 0));
    assert_eq!(voice(8000, 10).len(), 10);
}
