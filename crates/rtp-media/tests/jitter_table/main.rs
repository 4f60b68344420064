//! The jitter buffer over traces of networks: bounds of the table in docs/jitter.md, and clocks that differ for an hour.

mod players;

use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{AudioConfig, Playout};
use offhook_testkit::audio::tune;
use offhook_testkit::net::{PERIOD, Trace, Weather};
use players::{FRAME, Fixed, Ours, Outcome, PHASE, Player, RATE, Speech, address, transport};
use std::time::{Duration, Instant};

/// A minute.
const PACKETS: usize = 3000;

/// What an outcome must reach.
struct Bounds {
    weather: Weather,
    /// Most mean delay over the fastest packet, in milliseconds.
    delay_ms: u64,
    /// Most time that is made up beside what was lost.
    concealed: f64,
    /// Least quality in decibels.
    snr: f64,
}

const fn bounds(weather: Weather, delay_ms: u64, concealed: f64, snr: f64) -> Bounds {
    Bounds {
        weather,
        delay_ms,
        concealed,
        snr,
    }
}

const TABLE: [Bounds; 7] = [
    bounds(Weather::Steady, 60, 0.0, 34.5),
    bounds(Weather::WiFi, 90, 0.02, 32.5),
    bounds(Weather::Mobile, 150, 0.02, 32.0),
    bounds(Weather::Internet, 70, 0.01, 32.5),
    bounds(Weather::Change, 100, 0.01, 34.0),
    bounds(Weather::Drift(200), 60, 0.0, 34.5),
    bounds(Weather::Drift(-200), 60, 0.0, 34.5),
];

#[test]
fn each_network_is_heard_within_its_bounds() {
    let speech = Speech::without_pauses(PACKETS);
    for bounds in TABLE {
        let trace = Trace::new(bounds.weather, PACKETS, 1);
        let outcome = speech.play_to(&mut Ours::new(), &trace);
        check(bounds.weather.name(), &bounds, &trace, outcome);
    }
}

#[test]
fn pauses_that_are_not_sent_are_not_made_up() {
    let bounds = bounds(Weather::WiFi, 90, 0.02, 32.0);
    let trace = Trace::new(Weather::WiFi, PACKETS, 1);
    let outcome = Speech::with_pauses(PACKETS).play_to(&mut Ours::new(), &trace);
    check("with pauses", &bounds, &trace, outcome);
}

#[test]
fn a_fixed_buffer_loses_what_ours_plays_and_waits_longer_to_lose_less() {
    let speech = Speech::without_pauses(PACKETS);
    let trace = Trace::new(Weather::Change, PACKETS, 1);
    let ours = speech.play_to(&mut Ours::new(), &trace);
    let short = speech.play_to(&mut Fixed::new(Duration::from_millis(60)), &trace);
    let long = speech.play_to(&mut Fixed::new(Duration::from_millis(200)), &trace);
    assert!(ours.concealed * 10.0 < short.concealed, "{ours:?} {short:?}");
    assert!(
        ours.following.snr > short.following.snr + 2.0,
        "{ours:?} {short:?}"
    );
    assert!(ours.delay * 2 < long.delay, "{ours:?} {long:?}");
    assert!(long.following.snr > 34.0, "{long:?}");
}

#[test]
fn the_delay_follows_the_network_both_ways() {
    let speech = Speech::without_pauses(PACKETS);
    let outcome = speech.play_to(&mut Ours::new(), &Trace::new(Weather::Change, PACKETS, 1));
    let rough = outcome.delay;
    assert!(
        outcome.last_delay + Duration::from_millis(10) < rough,
        "{outcome:?}"
    );
}

#[test]
fn clocks_that_differ_for_an_hour_are_followed_without_a_gap() {
    let sound = tune(RATE, 10.0);
    for ppm in [-200, 200] {
        let trace = Trace::new(Weather::Drift(ppm), 180_000, 1);
        let start = Instant::now();
        let mut speaker = transport(AudioConfig::new(AudioCodec::Pcmu, address()), start);
        let mut ours = Ours::new();
        let mut frames = sound.chunks_exact(FRAME).cycle();
        let mut arrivals = trace.arrivals.iter().flatten().peekable();
        let (mut gaps, mut begun) = (Vec::new(), false);
        // Tick for tick until the last packet is there: nothing is overtaken on a wire.
        for tick in 0.. {
            let at = PHASE + PERIOD * tick;
            while let Some(arrival) = arrivals.next_if(|arrival| **arrival <= at) {
                speaker.write(start, frames.next().unwrap());
                let packet = speaker.poll_transmit().unwrap();
                ours.handle(*arrival, packet.bytes);
            }
            if arrivals.peek().is_none() {
                break;
            }
            let playout = ours.read(at, &mut [0; FRAME]);
            begun |= playout == Playout::Voice;
            if begun && playout != Playout::Voice {
                gaps.push((tick, playout));
            }
        }
        let statistics = ours.statistics();
        assert_eq!(gaps, [], "{ppm} ppm: {statistics:?}");
        assert_eq!((statistics.late, statistics.discarded), (0, 0), "{ppm} ppm");
        // 720 ms in periods of 2.5 to 12.5 ms; little goes the other way.
        let (more, less) = (statistics.lengthened, statistics.shortened);
        let (with, against) = if ppm > 0 { (more, less) } else { (less, more) };
        assert!((58..=300).contains(&with), "{ppm} ppm: {statistics:?}");
        assert!(against < with / 4, "{ppm} ppm: {statistics:?}");
        assert!(
            statistics.target_delay <= Duration::from_millis(25),
            "{statistics:?}"
        );
    }
}

fn check(name: &str, bounds: &Bounds, trace: &Trace, outcome: Outcome) {
    let delay = Duration::from_millis(bounds.delay_ms);
    assert!(outcome.delay <= delay, "{name}: {outcome:?}");
    assert!(
        outcome.concealed <= bounds.concealed + trace.lost(),
        "{name}: {outcome:?}"
    );
    assert!(outcome.following.snr >= bounds.snr, "{name}: {outcome:?}");
}
