//! Delay that follows the network, and clocks that differ.

use crate::link::{Link, Pair, TICK, talk, voice};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{AudioEvent, Direction, Playout};
use std::time::Duration;

#[test]
fn delay_grows_with_jitter_and_shrinks_again() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    talk(&mut pair, 200);
    let calm = pair.bob.statistics();
    pair.link.jitter_ms = 100;
    talk(&mut pair, 500);
    let rough = pair.bob.statistics();
    pair.link.jitter_ms = 0;
    let (_, _, playouts) = talk(&mut pair, 1500);
    let after = pair.bob.statistics();
    assert!(calm.target_delay <= Duration::from_millis(40), "{calm:?}");
    assert!((80..=120).contains(&rough.target_delay.as_millis()), "{rough:?}");
    assert!(after.target_delay <= Duration::from_millis(40), "{after:?}");
    assert!(after.shortened > 2, "{after:?}");
    assert!(playouts[500..].iter().all(|playout| *playout == Playout::Voice));
}

#[test]
fn clocks_that_differ_are_followed_without_loss() {
    // Bob's ticks are longer or shorter than Alice's by 500 ppm, ten times what sound devices do, for five minutes:
    // 150 ms in all.
    for step in [Duration::from_micros(19_990), Duration::from_micros(20_010)] {
        let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
        let said = voice(8000, 15_000 * 160);
        let mut bob_reads = pair.now + TICK / 2;
        let mut concealed = 0;
        for frame in said.chunks(160) {
            pair.alice.write(pair.now, frame);
            pair.drain();
            pair.now += TICK;
            while bob_reads < pair.now {
                pair.deliver(bob_reads);
                let playout = pair.bob.read(bob_reads, &mut [0; 160]);
                concealed += u32::from(playout == Playout::Concealed);
                bob_reads += step;
            }
        }
        let statistics = pair.bob.statistics();
        let (more, less) = (statistics.shortened, statistics.lengthened);
        assert!(
            if step < TICK { less > 9 } else { more > 9 },
            "{step:?}: {statistics:?}"
        );
        assert_eq!(
            (concealed, statistics.discarded, statistics.late),
            (0, 0, 0),
            "{step:?}"
        );
        assert!(
            statistics.target_delay <= Duration::from_millis(40),
            "{statistics:?}"
        );
    }
}

#[test]
fn a_stall_of_half_a_second_is_caught_up() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    talk(&mut pair, 100);
    // 25 packets wait in a queue and arrive together.
    for (packet, frame) in voice(8000, 25 * 160).chunks(160).enumerate() {
        pair.link.latency_ms = 500 - 20 * packet as u64;
        pair.tick(frame);
    }
    pair.link.latency_ms = 0;
    let (_, _, playouts) = talk(&mut pair, 100);
    assert!(playouts[1..].iter().all(|playout| *playout == Playout::Voice));
    let statistics = pair.bob.statistics();
    // At most 400 ms of what waited is played, later still.
    assert!(
        statistics.discarded > 0 && statistics.discarded < 20,
        "{statistics:?}"
    );
    assert!(statistics.shortened > 5, "{statistics:?}");
}

#[test]
fn silence_of_the_peer_is_told_after_the_time_out_and_again() {
    let mut pair = Pair::new(
        AudioCodec::Pcmu,
        Link {
            loss: 100,
            ..Link::default()
        },
    );
    talk(&mut pair, 1499);
    assert_eq!(pair.bob_events, []);
    talk(&mut pair, 1510);
    let silent: Vec<_> = pair
        .bob_events
        .iter()
        .map(|event| match event {
            AudioEvent::RtpTimeout { silent_for } => silent_for.as_secs(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(silent, [30, 60]);
}

#[test]
fn a_held_stream_sends_nothing_and_goes_on_with_a_marker() {
    let mut pair = Pair::new(
        AudioCodec::Pcmu,
        Link {
            loss: 100,
            ..Link::default()
        },
    );
    let packet = |pair: &mut Pair| {
        pair.alice.write(pair.now, &[0; 160]);
        pair.alice.poll_transmit().map(|transmit| {
            let bytes = transmit.bytes;
            (
                bytes[1] & 0x80 != 0,
                u16::from_be_bytes([bytes[2], bytes[3]]),
                u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            )
        })
    };
    let (first, second) = (packet(&mut pair).unwrap(), packet(&mut pair).unwrap());
    assert!(first.0 && !second.0);
    pair.alice.set_direction(Direction::RecvOnly, pair.now);
    assert_eq!(packet(&mut pair), None);
    pair.alice.set_direction(Direction::SendRecv, pair.now);
    let (marker, sequence, timestamp) = packet(&mut pair).unwrap();
    assert!(marker);
    assert_eq!(sequence, second.1.wrapping_add(1));
    assert_eq!(timestamp, second.2.wrapping_add(320));
}
