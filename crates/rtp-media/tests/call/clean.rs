//! What a clean link must give.
use crate::link::{Link, Pair, bob, codecs, config, find, talk};
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
    for codec in codecs().into_iter().chain(["iLBC/30".parse().unwrap()]) {
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
        // The high-pass filters of iLBC's two ends turn the phase of a low voice, which no ear minds.
        let filtered = codec.spec().name == "iLBC";
        let enough = if filtered { 0.45 } else { 0.8 };
        assert!(best > enough, "{codec}: {best}");
    }
}

/// Linear audio comes bit by bit, in packets that an Ethernet frame carries.
#[test]
fn linear_audio_comes_bit_by_bit_in_packets_that_fit() {
    for (name, octets) in [
        ("L16/8000", 320),
        ("L16/16000/2", 1280),
        ("L16/44100", 882),
        ("L16/48000", 960),
    ] {
        let codec: AudioCodec = name.parse().unwrap();
        let mut pair = Pair::new(codec, Link::default());
        let (said, heard, playouts) = talk(&mut pair, 100);
        let delay = find(&heard, &said[..300]).expect("the beginning is heard");
        assert!(heard[delay..] == said[..heard.len() - delay], "{name}");
        assert!(
            playouts[3..].iter().all(|playout| *playout == Playout::Voice),
            "{name}"
        );
        let statistics = pair.alice.statistics();
        assert!(
            statistics.octets_sent.abs_diff(statistics.packets_sent * octets) <= 100,
            "{name}: {statistics:?}"
        );
    }
}

/// Two channels at high rates go in packets of 5 ms, several in a tick; at 44,100 Hz they are no whole number of samples, and now
/// and then a tick makes a packet more. The buffer needs less delay for them than it began with.
#[test]
fn packets_of_5_ms_are_heard_without_a_gap() {
    for (name, packets, octets) in [("L16/44100/2", 500 * 882 / 220, 880), ("L16/48000/2", 2000, 960)] {
        let mut pair = Pair::new(name.parse().unwrap(), Link::default());
        let (said, heard, playouts) = talk(&mut pair, 500);
        assert!(find(&heard, &said[..300]).is_some());
        assert!(playouts[3..].iter().all(|playout| *playout == Playout::Voice));
        let statistics = pair.bob.statistics();
        let bad = (statistics.packets_lost, statistics.late, statistics.concealments);
        assert_eq!(bad, (0, 0, 0), "{name}");
        assert!(
            statistics.shortened + statistics.lengthened < 10,
            "{name}: {statistics:?}"
        );
        assert_eq!(statistics.packets_received, packets, "{name}");
        assert_eq!(pair.alice.statistics().octets_sent, packets * octets, "{name}");
    }
}

/// Others do not shorten their packets: 20 ms of two channels at 48 kHz are 3840 octets.
#[test]
fn the_longest_packets_of_linear_audio_are_taken() {
    let codec: AudioCodec = "L16/48000/2".parse().unwrap();
    let mut pair = Pair::new(codec, Link::default());
    pair.alice
        .update(config(AudioCodec::Pcmu, bob()), pair.now)
        .unwrap();
    let number = config(codec, bob()).payload_type;
    let (mut heard, mut loud) = (vec![0; 960], 0);
    for packet in 0..50u16 {
        let mut datagram = vec![0x80, number];
        datagram.extend(packet.to_be_bytes());
        datagram.extend((u32::from(packet) * 960).to_be_bytes());
        datagram.extend([0, 0, 0, 7]);
        datagram.extend([0x12, 0x34].repeat(1920));
        pair.bob.handle_rtp(pair.now, crate::link::alice(), &mut datagram);
        pair.now += crate::link::TICK;
        pair.bob.read(pair.now, &mut heard);
        loud += usize::from(heard.iter().all(|sample| *sample == 0x1234));
    }
    assert!(loud >= 46, "{loud}");
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
