//! Several codecs in one stream: each packet is decoded as its payload type says.

use crate::link::{Link, Pair, TICK, alice, bob, codecs, find, voice};
use offhook_rtp_media::codec::{AudioCodec, a_law_decode, a_law_encode, u_law_decode, u_law_encode};
use offhook_rtp_media::dtmf::Digit;
use offhook_rtp_media::packet::RtpPacket;
use offhook_rtp_media::{
    AudioConfig, AudioError, AudioEvent, AudioTransport, MAX_OTHERS, OtherCodec, OtherEvents, Playout,
};
use offhook_sansio::{Entropy, WallClock};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A number that is the same on both sides.
fn number(codec: AudioCodec) -> u8 {
    let dynamic = || 96 + codecs().iter().position(|other| *other == codec).unwrap_or(0) as u8;
    codec.spec().static_payload.unwrap_or_else(dynamic)
}

/// A configuration with that number.
fn config(codec: AudioCodec, remote: SocketAddr) -> AudioConfig {
    let mut config = crate::link::config(codec, remote);
    config.payload_type = number(codec);
    config.dtmf_payload_type = Some(120);
    config
}

/// Takes every codec, sends this one.
fn all_but_first(codec: AudioCodec, mut config: AudioConfig) -> AudioConfig {
    let others = codecs().into_iter().filter(|other| *other != codec);
    config.other_codecs = others
        .map(|other| OtherCodec {
            payload_type: number(other),
            codec: other,
        })
        .collect();
    config
}

/// Bob listens at the rate of `heard_as`, and all codecs may come.
fn pair(first: AudioCodec, heard_as: AudioCodec, link: Link) -> Pair {
    let bobs = all_but_first(heard_as, config(heard_as, alice()));
    Pair::with(config(first, bob()), bobs, link)
}

/// Alice says a tone of 400 Hz, with another codec each `ticks` ticks; what Bob hears, and how.
fn alternate(
    pair: &mut Pair,
    codecs: &[AudioCodec],
    ticks: usize,
    spells: usize,
) -> (Vec<i16>, Vec<Playout>) {
    let (mut heard, mut playouts) = (Vec::new(), Vec::new());
    let mut tick = 0;
    for codec in codecs.iter().cycle().take(spells) {
        pair.alice.update(config(*codec, bob()), pair.now).unwrap();
        let rate = codec.spec().sample_rate as usize;
        for _ in 0..ticks {
            let said: Vec<i16> = (tick * rate / 50..(tick + 1) * rate / 50)
                .map(|n| (sine(n as f64 / rate as f64) * 8000.0) as i16)
                .collect();
            tick += 1;
            let (playout, frame) = pair.tick(&said);
            playouts.push(playout);
            heard.extend(frame);
        }
    }
    (heard, playouts)
}

fn sine(seconds: f64) -> f64 {
    (seconds * 400.0 * std::f64::consts::TAU).sin()
}

#[test]
fn two_codecs_that_alternate_come_through_bit_by_bit() {
    for ticks in [1, 2, 7] {
        let mut pair = pair(AudioCodec::Pcmu, AudioCodec::Pcmu, Link::default());
        let said = voice(8000, 210 * 160);
        let (mut heard, mut wanted) = (Vec::new(), Vec::new());
        for (tick, frame) in said.chunks(160).enumerate() {
            let a_law = tick / ticks % 2 == 1;
            let codec = if a_law { AudioCodec::Pcma } else { AudioCodec::Pcmu };
            pair.alice.update(config(codec, bob()), pair.now).unwrap();
            let companded: fn(i16) -> i16 = if a_law {
                |sample| a_law_decode(a_law_encode(sample))
            } else {
                |sample| u_law_decode(u_law_encode(sample))
            };
            wanted.extend(frame.iter().copied().map(companded));
            heard.extend(pair.tick(frame).1);
        }
        let delay = find(&heard, &wanted[80..160]).expect("the beginning is heard") - 80;
        for (place, packet) in wanted.chunks(160).enumerate().take(200) {
            let start = delay + place * 160;
            // What is behind the joint is untouched, and at its place.
            assert_eq!(heard[start + 80..start + 160], packet[80..], "packet {place}");
        }
        let statistics = pair.bob.statistics();
        assert_eq!(statistics.packets_received, 210);
        assert_eq!((statistics.undecodable, statistics.dropped.total()), (0, 0));
        assert_eq!((statistics.concealments, statistics.discarded), (0, 0));
    }
}

/// At the rate of each codec, and each with each: no gap, no time lost, no click.
#[test]
fn a_tone_goes_on_over_a_change_of_codec() {
    for heard_as in codecs() {
        for other in codecs() {
            let mut pair = pair(heard_as, heard_as, Link::default());
            let (heard, playouts) = alternate(&mut pair, &[heard_as, other], 20, 6);
            let what = format!("{heard_as} and {other}");
            assert!(
                playouts[5..].iter().all(|playout| *playout == Playout::Voice),
                "{what}"
            );
            let statistics = pair.bob.statistics();
            assert!(statistics.packets_received >= 120, "{what}");
            assert_eq!((statistics.packets_lost, statistics.late), (0, 0), "{what}");
            assert_eq!((statistics.concealments, statistics.discarded), (0, 0), "{what}");
            assert_eq!((statistics.shortened, statistics.lengthened), (0, 0), "{what}");
            // A tone follows from its last two samples; a click is what does not.
            let step = 400.0 / f64::from(pair.bob.sample_rate()) * std::f64::consts::TAU;
            let steady = &heard[heard.len() / 4..];
            let click = steady
                .windows(3)
                .map(|w| {
                    let [a, b, c] = [f64::from(w[0]), f64::from(w[1]), f64::from(w[2])];
                    (c - 2.0 * step.cos() * b + a).abs()
                })
                .fold(0.0, f64::max);
            let loudest = steady.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            // GSM begins a tone too loud, by itself, and iLBC a little.
            let either = |name| [heard_as, other].iter().any(|codec| codec.spec().name == name);
            let (most, peak) = match (either("iLBC"), either("GSM")) {
                (false, false) => (1500.0, 8500),
                (true, false) => (2500.0, 10_000),
                (false, true) => (2000.0, 16_500),
                (true, true) => (2500.0, 16_500),
            };
            assert!(click < most, "{what}: {click}");
            assert!((7500..peak).contains(&loudest), "{what}: {loudest}");
        }
    }
}

/// What is gathered of a packet goes into the next one: a frame of iLBC takes 30 ms, of which a change may find 10 or 20.
#[test]
fn nothing_of_a_packet_in_the_making_is_lost_with_another_codec() {
    let said = voice(8000, 800);
    for (other, ticks) in [
        (AudioCodec::Pcma, 2),
        (AudioCodec::Pcma, 4),
        (AudioCodec::G722, 2),
    ] {
        let with = |codec, ptime_ms| {
            let mut config = config(codec, bob());
            config.ptime_ms = ptime_ms;
            config
        };
        let now = Instant::now();
        let clock = WallClock::new(now, Duration::from_hours(500_000));
        let mut alice =
            AudioTransport::new(with(AudioCodec::Pcmu, 30), now, clock, Entropy::from_number(1)).unwrap();
        let mut heard = Vec::new();
        let mut next = None;
        for tick in 0..5 {
            if tick == ticks {
                alice.update(with(other, 20), now).unwrap();
            }
            let wide = alice.sample_rate() as usize / 8000;
            let frame = &said[tick * 160..(tick + 1) * 160];
            let frame: Vec<i16> = frame
                .iter()
                .flat_map(|sample| std::iter::repeat_n(*sample, wide))
                .collect();
            alice.write(now, &frame);
            while let Some(transmit) = alice.poll_transmit() {
                let packet = RtpPacket::parse(transmit.bytes).unwrap();
                let timestamp = packet.header().timestamp;
                assert_eq!(next.unwrap_or(timestamp), timestamp, "{other}: no time is lost");
                next = Some(timestamp + packet.payload().len() as u32);
                let expand = if packet.header().payload_type.number() == 0 {
                    u_law_decode
                } else {
                    a_law_decode
                };
                heard.extend(packet.payload().iter().copied().map(expand));
            }
        }
        // Of what was said all but the packet in the making.
        assert_eq!(heard.len(), if ticks == 2 { 720 } else { 800 }, "{other}");
        if other == AudioCodec::Pcma {
            let closest = |(heard, said): (&i16, &i16)| (heard - said).unsigned_abs();
            let off = heard.iter().zip(&said).map(closest).max();
            assert!(off < Some(300), "{off:?}");
        }
    }
}

#[test]
fn codecs_that_alternate_survive_a_bad_network() {
    let link = Link {
        latency_ms: 30,
        jitter_ms: 40,
        loss: 5,
        duplicates: 5,
    };
    let codecs = codecs();
    let mut pair = pair(codecs[0], codecs[0], link);
    let (_, playouts) = alternate(&mut pair, &codecs, 3, 300);
    let voices = playouts.iter().filter(|playout| **playout == Playout::Voice);
    let share = voices.count() as f64 / playouts.len() as f64;
    assert!(share > 0.8, "{share}");
    let statistics = pair.bob.statistics();
    assert_eq!((statistics.undecodable, statistics.dropped.total()), (0, 0));
    assert!(
        statistics.target_delay < TICK * 5,
        "{:?}",
        statistics.target_delay
    );
    // Media time goes on through all of it: what waits is no longer than the network asks for.
    assert!(statistics.discarded < 20, "{}", statistics.discarded);
    assert!(statistics.jitter < TICK * 2, "{:?}", statistics.jitter);
}

#[test]
fn packets_of_the_codec_before_are_heard_while_they_are_on_their_way() {
    let link = Link {
        latency_ms: 60,
        ..Link::default()
    };
    let mut pair = Pair::with(
        config(AudioCodec::Pcmu, bob()),
        config(AudioCodec::Pcmu, alice()),
        link,
    );
    let (_, before) = alternate(&mut pair, &[AudioCodec::Pcmu], 50, 1);
    assert!(before[8..].iter().all(|playout| *playout == Playout::Voice));
    // Both turn to another codec in the same instant.
    pair.bob
        .update(config(AudioCodec::G722, alice()), pair.now)
        .unwrap();
    let (_, after) = alternate(&mut pair, &[AudioCodec::G722], 50, 1);
    assert!(
        after.iter().all(|playout| *playout == Playout::Voice),
        "{after:?}"
    );
    let statistics = pair.bob.statistics();
    assert_eq!((statistics.dropped.total(), statistics.concealments), (0, 0));
    assert_eq!(pair.bob.codec_heard(), AudioCodec::G722);
}

#[test]
fn digits_are_heard_under_each_number_and_after_each_codec() {
    let mut bobs = all_but_first(AudioCodec::Opus, config(AudioCodec::Opus, alice()));
    bobs.dtmf_payload_type = Some(122);
    bobs.other_events.push(OtherEvents {
        payload_type: 121,
        clock_rate: 8000,
    });
    let mut pair = Pair::with(config(AudioCodec::Pcmu, bob()), bobs, Link::default());
    for (codec, events) in [
        (AudioCodec::Pcmu, 121),
        (AudioCodec::Opus, 122),
        (AudioCodec::Pcma, 121),
    ] {
        let mut config = config(codec, bob());
        config.dtmf_payload_type = Some(events);
        pair.alice.update(config, pair.now).unwrap();
        for key in "19".chars() {
            pair.alice.send_dtmf(Digit::try_from(key).unwrap()).unwrap();
        }
        let silence = vec![0; pair.alice.sample_rate() as usize / 50];
        for _ in 0..40 {
            pair.tick(&silence);
        }
    }
    let digits: Vec<_> = pair
        .bob_events
        .iter()
        .filter_map(|event| match event {
            AudioEvent::GotDtmf { digit, duration } => Some((digit.to_string(), duration.as_millis())),
            _ => None,
        })
        .collect();
    let digits: Vec<_> = digits.iter().map(|(digit, ms)| (&**digit, *ms)).collect();
    assert_eq!(digits, [("1", 160), ("9", 160)].repeat(3));
}

#[test]
fn what_was_not_agreed_on_is_dropped_and_formats_are_bounded() {
    let mut pair = Pair::with(
        config(AudioCodec::Pcma, bob()),
        config(AudioCodec::Pcmu, alice()),
        Link::default(),
    );
    let (heard, _) = alternate(&mut pair, &[AudioCodec::Pcma], 20, 1);
    assert!(heard.iter().all(|sample| *sample == 0));
    assert_eq!(pair.bob.statistics().dropped.unknown_payload, 20);

    let mut many = config(AudioCodec::Pcmu, alice());
    let other = OtherCodec {
        payload_type: 119,
        codec: AudioCodec::Pcma,
    };
    many.other_codecs = vec![other; MAX_OTHERS + 1];
    let before = pair.bob.config().other_codecs.len();
    assert_eq!(
        pair.bob.update(many, pair.now),
        Err(AudioError::TooManyFormats(MAX_OTHERS + 1))
    );
    assert_eq!(pair.bob.config().other_codecs.len(), before);
}
