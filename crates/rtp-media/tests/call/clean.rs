//! What a clean link must give.
use crate::link::{Link, Pair, find, talk};
use offhook_rtp_media::Playout;
use offhook_rtp_media::codec::{AudioCodec, a_law_decode, a_law_encode, u_law_decode, u_law_encode};

/// A codec and what companding makes of a sample.
type Companding = (AudioCodec, fn(i16) -> i16);

#[test]
fn g711_comes_through_a_clean_link_bit_exactly() {
    let laws: [Companding; 2] = [
        (AudioCodec::Pcmu, |sample| u_law_decode(u_law_encode(sample))),
        (AudioCodec::Pcma, |sample| a_law_decode(a_law_encode(sample))),
    ];
    for (codec, companded) in laws {
        let mut pair = Pair::new(
            codec,
            Link {
                latency_ms: 15,
                ..Link::default()
            },
        );
        let (said, heard, playouts) = talk(&mut pair, 500);
        let wanted: Vec<i16> = said.into_iter().map(companded).collect();
        let delay = find(&heard, &wanted[..320]).expect("the beginning is heard");
        assert!(delay <= 3 * 160, "{delay}");
        assert_eq!(heard[delay..], wanted[..heard.len() - delay]);
        assert!(playouts[3..].iter().all(|playout| *playout == Playout::Voice));
        let statistics = pair.bob.statistics();
        assert_eq!(
            (statistics.packets_lost, statistics.late, statistics.concealments),
            (0, 0, 0)
        );
        assert_eq!(statistics.dropped.total(), 0);
    }
}

#[test]
fn numbers_may_wrap_without_being_heard() {
    let mut pair = Pair::new(
        AudioCodec::Pcma,
        Link {
            latency_ms: 15,
            ..Link::default()
        },
    );
    // The 100th packet is number 0 and the 150th has timestamp 0.
    pair.mangle = Box::new(|packet, bytes| {
        bytes[2..4].copy_from_slice(&(packet as u16).wrapping_sub(100).to_be_bytes());
        bytes[4..8].copy_from_slice(&((packet as u32).wrapping_sub(150).wrapping_mul(160)).to_be_bytes());
    });
    let (said, heard, _) = talk(&mut pair, 300);
    let wanted: Vec<i16> = said
        .into_iter()
        .map(|sample| a_law_decode(a_law_encode(sample)))
        .collect();
    let delay = find(&heard, &wanted[..320]).expect("the beginning is heard");
    assert_eq!(heard[delay..], wanted[..heard.len() - delay]);
    assert_eq!(pair.bob.statistics().packets_received, 300);
}

#[test]
fn every_codec_carries_a_voice() {
    for &codec in AudioCodec::ALL {
        let mut pair = Pair::new(codec, Link::default());
        let (said, heard, _) = talk(&mut pair, 150);
        let rate = pair.bob.sample_rate() as usize;
        // Codecs delay by up to 10 ms beside the buffer: look for the place where both agree best.
        let best = (0..rate / 10)
            .map(|delay| {
                let pairs = said.iter().zip(&heard[delay..]).skip(rate / 5);
                let (mut cross, mut power, mut other) = (0.0, 1.0, 1.0);
                for (a, b) in pairs {
                    let (a, b) = (f64::from(*a), f64::from(*b));
                    cross += a * b;
                    power += a * a;
                    other += b * b;
                }
                cross / f64::sqrt(power * other)
            })
            .fold(0.0, f64::max);
        assert!(best > 0.8, "{codec}: {best}");
    }
}

#[test]
fn frames_of_any_length_are_read_and_written() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    for length in [1, 80, 160, 200, 441] {
        pair.alice.write(pair.now, &vec![0; length]);
        let mut frame = vec![1; length];
        pair.bob.read(pair.now, &mut frame);
        assert_eq!(frame, vec![0; length]);
    }
    let mut packets = 0;
    while pair.alice.poll_transmit().is_some() {
        packets += 1;
    }
    assert_eq!(packets, (1 + 80 + 160 + 200 + 441) / 160);
}
