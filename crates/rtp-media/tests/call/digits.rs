//! Telephone-events between both ends.

use crate::link::{Link, Pair, alice, bob, talk};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::dtmf::Digit;
use offhook_rtp_media::{AudioConfig, AudioError, AudioEvent, AudioTransport, Direction};
use offhook_sansio::{Entropy, WallClock};
use std::time::{Duration, Instant};

fn dialled(pair: &mut Pair, keys: &str) -> String {
    for key in keys.chars() {
        pair.alice.send_dtmf(Digit::try_from(key).unwrap()).unwrap();
    }
    talk(pair, 20 * keys.len());
    digits_of(&pair.bob_events)
}

fn digits_of(events: &[AudioEvent]) -> String {
    events
        .iter()
        .filter_map(|event| match event {
            AudioEvent::GotDtmf { digit, duration } => {
                assert!(*duration <= Duration::from_millis(200), "{duration:?}");
                Some(digit.to_string())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn digits_arrive_once_and_in_order() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    assert_eq!(dialled(&mut pair, "0123456789*#ABCD"), "0123456789*#ABCD");
}

/// Without telephone-events they go as tones, through each codec that does not spoil them.
#[test]
fn digits_are_heard_as_tones_where_events_were_not_agreed() {
    for codec in [
        AudioCodec::Pcmu,
        AudioCodec::Pcma,
        AudioCodec::G722,
        AudioCodec::Opus,
    ] {
        let (alice, bob) = (AudioConfig::new(codec, bob()), AudioConfig::new(codec, alice()));
        let mut pair = Pair::with(alice, bob, Link::default());
        for key in "0123456789*#ABCD".chars() {
            pair.alice.send_dtmf(Digit::try_from(key).unwrap()).unwrap();
        }
        let silence = vec![0; pair.alice.sample_rate() as usize / 50];
        for _ in 0..16 * 13 {
            pair.tick(&silence);
        }
        assert_eq!(digits_of(&pair.bob_events), "0123456789*#ABCD", "{codec}");
    }
}

#[test]
fn speech_is_no_digit() {
    let (alice, bob) = (
        AudioConfig::new(AudioCodec::Pcmu, bob()),
        AudioConfig::new(AudioCodec::Pcmu, alice()),
    );
    let mut pair = Pair::with(alice, bob, Link::default());
    talk(&mut pair, 1000);
    assert_eq!(digits_of(&pair.bob_events), "");
}

#[test]
fn digits_survive_loss_duplicates_and_disorder() {
    let link = Link {
        latency_ms: 30,
        jitter_ms: 50,
        loss: 20,
        duplicates: 20,
    };
    let mut pair = Pair::new(AudioCodec::Pcmu, link);
    assert_eq!(dialled(&mut pair, "5550123#5550199"), "5550123#5550199");
}

#[test]
fn digits_are_refused_where_they_cannot_be_sent() {
    let now = Instant::now();
    let clock = WallClock::new(now, Duration::from_hours(500_000));
    let mut config = AudioConfig::new(AudioCodec::Pcmu, bob());
    config.inband_dtmf = false;
    let digit = Digit::try_from('1').unwrap();
    let mut none = AudioTransport::new(config.clone(), now, clock, Entropy::from_number(1)).unwrap();
    assert_eq!(none.send_dtmf(digit), Err(AudioError::NoDtmf));
    config.dtmf_payload_type = Some(101);
    config.direction = Direction::RecvOnly;
    let mut held = AudioTransport::new(config, now, clock, Entropy::from_number(1)).unwrap();
    assert_eq!(held.send_dtmf(digit), Err(AudioError::NotSending));
    held.set_direction(Direction::SendRecv, now);
    assert_eq!((0..65).filter(|_| held.send_dtmf(digit).is_ok()).count(), 64);
    assert_eq!(held.send_dtmf(digit), Err(AudioError::TooManyDigits));
    held.stop(now);
    assert_eq!(held.send_dtmf(digit), Err(AudioError::Stopped));
}
