//! Calls under SRTP.

use super::link::{Link, Pair, TICK, alice, bob, config, find, talk, voice};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::srtp::{KeyLifetime, MasterKey, SrtpKeys, SrtpSuite};
use offhook_rtp_media::{AudioEvent, Playout, SrtpKeying};

fn key(suite: SrtpSuite, octet: u8) -> MasterKey {
    MasterKey::new(suite, &vec![octet; suite.key_len() + suite.salt_len()]).unwrap()
}

/// Keys of ours and of the peer's.
fn keys(suite: SrtpSuite, local: u8, remote: u8) -> SrtpKeying {
    SrtpKeying::Keys(SrtpKeys::new(key(suite, local), key(suite, remote)))
}

fn encrypted(suite: SrtpSuite, link: Link) -> Pair {
    let (mut one, mut other) = (config(AudioCodec::Pcmu, bob()), config(AudioCodec::Pcmu, alice()));
    one.srtp = Some(keys(suite, 1, 2));
    other.srtp = Some(keys(suite, 2, 1));
    Pair::with(one, other, link)
}

#[test]
fn an_encrypted_call_sounds_like_a_plain_one() {
    let plain = talk(&mut Pair::new(AudioCodec::Pcmu, Link::default()), 100).1;
    for &suite in SrtpSuite::ALL {
        let mut pair = encrypted(suite, Link::default());
        assert_eq!(talk(&mut pair, 100).1, plain, "{suite}");
        let statistics = pair.bob.statistics();
        assert_eq!(statistics.dropped.total(), 0);
        assert!(pair.bob.is_encrypted());
    }
}

#[test]
fn reports_are_encrypted_and_understood() {
    let mut pair = encrypted(
        SrtpSuite::AeadAes128Gcm,
        Link {
            latency_ms: 30,
            ..Link::default()
        },
    );
    talk(&mut pair, 1500);
    for end in [&pair.alice, &pair.bob] {
        let statistics = end.statistics();
        assert!(statistics.rtcp_received > 2);
        assert!(statistics.round_trip.is_some());
        assert_eq!(statistics.dropped.total(), 0);
    }
}

#[test]
fn damaged_and_doubled_packets_are_counted_and_never_heard() {
    for &suite in SrtpSuite::ALL {
        let mut pair = encrypted(
            suite,
            Link {
                duplicates: 20,
                ..Link::default()
            },
        );
        pair.mangle = Box::new(|number, bytes| {
            if number % 10 == 5 {
                let place = number as usize % (bytes.len() - 12) + 12;
                bytes[place] ^= 1;
            }
        });
        let (_, _, playouts) = talk(&mut pair, 500);
        let dropped = pair.bob.statistics().dropped;
        assert!((50..80).contains(&dropped.forged), "{dropped:?}");
        assert!(dropped.replayed > 50, "{dropped:?}");
        assert_eq!(dropped.total(), dropped.forged + dropped.replayed);
        let concealed = playouts
            .iter()
            .filter(|playout| **playout == Playout::Concealed)
            .count();
        assert!((40..=60).contains(&concealed), "{concealed}");
    }
}

#[test]
fn plain_packets_and_those_of_another_key_make_no_sound() {
    for other_key in [None, Some(keys(SrtpSuite::AesCm128HmacSha1_80, 7, 2))] {
        let mut pair = encrypted(SrtpSuite::AesCm128HmacSha1_80, Link::default());
        let mut stranger = config(AudioCodec::Pcmu, bob());
        stranger.srtp = other_key;
        pair.alice.update(stranger, pair.now).unwrap();
        let (_, heard, _) = talk(&mut pair, 100);
        assert!(heard.iter().all(|sample| *sample == 0));
        assert!(pair.bob.statistics().dropped.forged >= 100);
        assert_eq!(pair.bob.statistics().packets_received, 0);
    }
}

#[test]
fn the_roll_over_is_not_heard_even_when_packets_around_it_are_lost() {
    let mut pair = encrypted(
        SrtpSuite::AesCm128HmacSha1_32,
        Link {
            jitter_ms: 30,
            ..Link::default()
        },
    );
    pair.lose = Box::new(|number| number % 50 == 7);
    let said = voice(8000, 160);
    for _ in 0..70_000 {
        pair.tick(&said);
    }
    let statistics = pair.bob.statistics();
    assert_eq!(statistics.dropped.total(), 0, "{:?}", statistics.dropped);
    assert!(statistics.packets_received > 68_000);
}

#[test]
fn new_keys_are_taken_without_a_new_stream() {
    let suite = SrtpSuite::AeadAes256Gcm;
    let mut pair = encrypted(suite, Link::default());
    talk(&mut pair, 50);
    let (mut one, mut other) = (pair.alice.config().clone(), pair.bob.config().clone());
    one.srtp = Some(keys(suite, 3, 4));
    other.srtp = Some(keys(suite, 4, 3));
    pair.alice.update(one, pair.now).unwrap();
    pair.bob.update(other, pair.now).unwrap();
    let (_, _, playouts) = talk(&mut pair, 100);
    assert!(playouts[5..].iter().all(|playout| *playout == Playout::Voice));
    assert_eq!(pair.bob.statistics().dropped.total(), 0);
}

#[test]
fn a_worn_out_key_ends_what_is_sent_and_says_so_once() {
    let suite = SrtpSuite::AesCm128HmacSha1_80;
    let mut one = config(AudioCodec::Pcmu, bob());
    let mut short = SrtpKeys::new(key(suite, 1), key(suite, 2));
    short.lifetime = KeyLifetime {
        rtp: 20,
        ..KeyLifetime::default()
    };
    one.srtp = Some(SrtpKeying::Keys(short));
    let mut other = config(AudioCodec::Pcmu, alice());
    other.srtp = Some(keys(suite, 2, 1));
    let mut pair = Pair::with(one.clone(), other.clone(), Link::default());
    talk(&mut pair, 60);
    assert_eq!(pair.bob.statistics().packets_received, 20);
    let told = pair
        .alice_events
        .iter()
        .filter(|event| **event == AudioEvent::SrtpKeyExhausted)
        .count();
    assert_eq!(told, 1);
    one.srtp = Some(keys(suite, 5, 2));
    other.srtp = Some(keys(suite, 2, 5));
    pair.alice.update(one, pair.now).unwrap();
    pair.bob.update(other, pair.now).unwrap();
    talk(&mut pair, 60);
    assert_eq!(pair.bob.statistics().packets_received, 80);
}

#[test]
fn what_is_on_the_wire_is_not_what_was_said() {
    let mut pair = encrypted(SrtpSuite::AesCm128HmacSha1_80, Link::default());
    let said = voice(8000, 160);
    let mut seen = Vec::new();
    pair.alice.write(pair.now, &said);
    while let Some(transmit) = pair.alice.poll_transmit() {
        seen.extend_from_slice(&transmit.bytes[12..]);
    }
    let decoded: Vec<i16> = seen
        .iter()
        .map(|octet| offhook_rtp_media::codec::u_law_decode(*octet))
        .collect();
    let clear: Vec<i16> = said
        .iter()
        .map(|sample| offhook_rtp_media::codec::u_law_decode(offhook_rtp_media::codec::u_law_encode(*sample)))
        .collect();
    assert_eq!(seen.len(), 170);
    assert_eq!(find(&decoded, &clear[..8]), None);
    pair.now += TICK;
}
