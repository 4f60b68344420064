//! What changes in the middle of a call, and what does not.

use crate::link::{Link, Pair, alice, bob, codecs, config, talk};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{AudioError, Direction, Playout};
use std::net::SocketAddr;

#[test]
fn a_refresh_that_changes_nothing_is_not_heard() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    talk(&mut pair, 50);
    let ssrc = pair.bob.ssrc();
    pair.bob
        .update(config(AudioCodec::Pcmu, alice()), pair.now)
        .unwrap();
    pair.alice
        .update(config(AudioCodec::Pcmu, bob()), pair.now)
        .unwrap();
    let (_, _, playouts) = talk(&mut pair, 50);
    assert!(playouts.iter().all(|playout| *playout == Playout::Voice));
    assert_eq!(pair.bob.ssrc(), ssrc);
    assert_eq!(pair.bob.statistics().packets_lost, 0);
}

#[test]
fn another_codec_is_heard_within_three_ticks() {
    for codec in codecs() {
        let mut pair = Pair::new(AudioCodec::Pcma, Link::default());
        talk(&mut pair, 50);
        pair.bob.update(config(codec, alice()), pair.now).unwrap();
        pair.alice.update(config(codec, bob()), pair.now).unwrap();
        assert_eq!(pair.bob.sample_rate(), codec.spec().sample_rate);
        let (_, _, playouts) = talk(&mut pair, 50);
        assert!(
            playouts[4..].iter().all(|playout| *playout == Playout::Voice),
            "{codec}: {playouts:?}"
        );
    }
}

#[test]
fn a_new_address_is_sent_to_at_once() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    talk(&mut pair, 50);
    let moved: SocketAddr = "192.0.2.77:6000".parse().unwrap();
    pair.alice
        .update(config(AudioCodec::Pcmu, moved), pair.now)
        .unwrap();
    pair.alice.write(pair.now, &[0; 160]);
    assert_eq!(
        pair.alice.poll_transmit().map(|transmit| transmit.to),
        Some(moved)
    );
}

#[test]
fn a_hold_is_silent_and_the_voice_comes_back_after_it() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    talk(&mut pair, 50);
    pair.bob.set_direction(Direction::SendOnly, pair.now);
    let (_, _, held) = talk(&mut pair, 50);
    assert!(held.iter().all(|playout| *playout == Playout::Silence));
    pair.bob.set_direction(Direction::SendRecv, pair.now);
    let (_, _, playouts) = talk(&mut pair, 50);
    assert!(
        playouts[4..].iter().all(|playout| *playout == Playout::Voice),
        "{playouts:?}"
    );
}

#[test]
fn numbers_out_of_range_change_nothing() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    let mut wrong = config(AudioCodec::Pcma, bob());
    wrong.ptime_ms = 25;
    assert_eq!(
        pair.alice.update(wrong.clone(), pair.now),
        Err(AudioError::Ptime(25))
    );
    wrong.ptime_ms = 20;
    wrong.payload_type = 128;
    assert_eq!(
        pair.alice.update(wrong, pair.now),
        Err(AudioError::PayloadType(128))
    );
    assert_eq!(pair.alice.codec(), AudioCodec::Pcmu);
    assert!(pair.alice.is_active());
    pair.alice.stop(pair.now);
    assert!(!pair.alice.is_active());
    assert_eq!(
        pair.alice.update(config(AudioCodec::Pcmu, bob()), pair.now),
        Err(AudioError::Stopped)
    );
}
