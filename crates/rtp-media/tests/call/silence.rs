//! Pauses: what is not sent, what is sent in its place, and what is heard of it.

use super::link::{Link, Pair, alice, bob, config, voice};
use offhook_rtp_media::codec::{AudioCodec, COMFORT_NOISE_PAYLOAD};
use offhook_rtp_media::{AudioError, Playout, SilenceDetection};

/// Ticks of speech and of the pause after it.
const SPURT: usize = 50;
const PAUSE: usize = 200;

fn pair(comfort_noise: bool, codec: AudioCodec) -> Pair {
    let (mut one, mut other) = (config(codec, bob()), config(codec, alice()));
    one.silence_detection = Some(SilenceDetection::default());
    if comfort_noise {
        one.comfort_noise_payload_type = Some(COMFORT_NOISE_PAYLOAD);
        other.comfort_noise_payload_type = Some(COMFORT_NOISE_PAYLOAD);
    }
    Pair::with(one, other, Link::default())
}

/// A murmur in the background, about 63 dB below overload.
fn murmur(samples: usize, seed: u32) -> Vec<i16> {
    let mut noise = seed;
    let next = |_| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((noise >> 24) as i16 - 128) / 4
    };
    (0..samples).map(next).collect()
}

/// Speech, a pause, and speech again; gives what Bob heard of each tick.
fn talk(pair: &mut Pair) -> Vec<(Playout, Vec<i16>)> {
    let frame = pair.alice.sample_rate() as usize / 50;
    let loud: Vec<i16> = voice(pair.alice.sample_rate(), frame * 200)[frame * 40..].to_vec();
    let mut heard = Vec::new();
    for tick in 0..SPURT + PAUSE + SPURT {
        let said = if (SPURT..SPURT + PAUSE).contains(&tick) {
            murmur(frame, tick as u32 + 1)
        } else {
            loud[tick % 20 * frame..][..frame].to_vec()
        };
        heard.push(pair.tick(&said));
    }
    heard
}

fn loudness(pcm: &[i16]) -> f64 {
    let energy: f64 = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (energy / pcm.len() as f64).sqrt()
}

#[test]
fn a_pause_is_not_sent_and_the_speech_around_it_is() {
    for comfort_noise in [false, true] {
        let mut pair = pair(comfort_noise, AudioCodec::Pcmu);
        talk(&mut pair);
        let statistics = pair.alice.statistics();
        // 400 ms go on after the speech; the rest of the pause is a packet of noise, if anything.
        assert_eq!(statistics.suppressed, PAUSE as u64 - 20);
        let noise = u64::from(comfort_noise);
        assert_eq!(statistics.packets_sent, (2 * SPURT + 20) as u64 + noise);
        assert_eq!(pair.bob.statistics().packets_lost, 0);
        assert_eq!(pair.bob.statistics().comfort_noise, noise);
    }
}

#[test]
fn comfort_noise_is_as_loud_as_the_room_and_ends_with_the_speech() {
    let mut codecs = vec![AudioCodec::Pcmu, AudioCodec::Pcma];
    #[cfg(feature = "g722")]
    codecs.push(AudioCodec::G722);
    for codec in codecs {
        let mut pair = pair(true, codec);
        let heard = talk(&mut pair);
        let room = loudness(&murmur(8000, 1));
        for (playout, pcm) in &heard[SPURT + 40..SPURT + PAUSE - 5] {
            assert_eq!(*playout, Playout::Voice, "{codec}");
            let loud = loudness(pcm);
            assert!(
                (room / 2.0..room * 2.0).contains(&loud),
                "{codec}: {loud} for {room}"
            );
        }
        let (_, after) = &heard[SPURT + PAUSE + 15];
        assert!(loudness(after) > 500.0, "{codec}");
    }
}

#[test]
fn without_comfort_noise_a_pause_is_silent() {
    let heard = talk(&mut pair(false, AudioCodec::Pcmu));
    for (playout, pcm) in &heard[SPURT + 40..SPURT + PAUSE - 5] {
        assert_eq!((*playout, loudness(pcm)), (Playout::Silence, 0.0));
    }
}

#[test]
fn comfort_noise_is_repeated_so_that_the_way_stays_open() {
    let mut pair = pair(true, AudioCodec::Pcmu);
    for tick in 0..1500 {
        pair.tick(&murmur(160, tick));
    }
    assert_eq!(pair.alice.statistics().packets_sent, 6, "one each five seconds");
}

#[test]
fn everything_is_sent_unless_asked_otherwise() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    for _ in 0..100 {
        pair.tick(&[0; 160]);
    }
    assert_eq!(pair.alice.statistics().packets_sent, 100);
    assert_eq!(pair.alice.statistics().suppressed, 0);
}

#[test]
fn broken_comfort_noise_is_counted_and_numbers_are_checked() {
    let mut pair = pair(true, AudioCodec::Pcmu);
    talk(&mut pair);
    let mut empty = vec![0x80, COMFORT_NOISE_PAYLOAD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let ssrc = pair.alice.ssrc().0.to_be_bytes();
    empty[8..].copy_from_slice(&ssrc);
    let before = pair.bob.statistics();
    // Twice in sequence: the first is too far from where the stream is.
    for sequence in [1u8, 2] {
        empty[3] = sequence;
        empty[2] = 0xee;
        pair.bob.handle_rtp(pair.now, alice(), &mut empty.clone());
    }
    assert_eq!(pair.bob.statistics().undecodable, before.undecodable + 1);
    let mut wrong = config(AudioCodec::Pcmu, bob());
    wrong.comfort_noise_payload_type = Some(200);
    assert_eq!(
        pair.alice.update(wrong, pair.now),
        Err(AudioError::PayloadType(200))
    );
}

#[test]
fn quality_is_estimated_from_loss() {
    let best = {
        let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
        assert_eq!(pair.bob.statistics().quality, None);
        talk(&mut pair);
        pair.bob.statistics().quality.unwrap()
    };
    assert!(best.mos_lq >= 43 && best.r_factor >= 88, "{best:?}");
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    pair.lose = Box::new(|number| number % 5 == 3);
    talk(&mut pair);
    let worse = pair.bob.statistics().quality.unwrap();
    assert!((25..=35).contains(&worse.mos_lq), "{worse:?}");
}
