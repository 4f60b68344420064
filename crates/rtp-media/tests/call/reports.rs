//! RTCP between both ends.

use crate::link::{Link, Pair, alice, bob, config, talk};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::rtcp::{ApplicationPacket, Compound, RtcpPacket};
use offhook_rtp_media::{AudioError, AudioEvent, MediaKind};
use std::time::Duration;

#[test]
fn reports_tell_round_trip_and_loss() {
    let mut pair = Pair::new(
        AudioCodec::Pcmu,
        Link {
            latency_ms: 40,
            ..Link::default()
        },
    );
    pair.lose = Box::new(|packet| packet % 4 == 0);
    talk(&mut pair, 1500);
    let statistics = pair.alice.statistics();
    let round_trip = statistics
        .round_trip
        .expect("Bob answered a sender report")
        .as_millis();
    assert!((79..=81).contains(&round_trip), "{round_trip}");
    let remote = statistics.remote.expect("Bob reported");
    assert!((60..=68).contains(&remote.fraction_lost), "{remote:?}");
    assert!(remote.cumulative_lost > 200, "{remote:?}");
    assert!(
        (4..=12).contains(&statistics.rtcp_sent),
        "{}",
        statistics.rtcp_sent
    );
    assert!(statistics.rtcp_received >= 4);
}

/// Bob is asked how he hears the call (RFC 3611): one packet of ten is lost, each alone, and five in a row at times.
#[test]
fn metrics_tell_how_the_call_is_heard() {
    let (one, mut other) = (config(AudioCodec::Pcmu, bob()), config(AudioCodec::Pcmu, alice()));
    other.voip_metrics = true;
    let link = Link {
        latency_ms: 40,
        ..Link::default()
    };
    let mut pair = Pair::with(one, other, link);
    pair.lose = Box::new(|packet| packet % 100 < 5 || packet % 100 == 50);
    talk(&mut pair, 1500);
    let metrics = pair.alice.statistics().remote_metrics.expect("Bob was asked");
    assert!((14..=16).contains(&metrics.loss_rate), "{metrics:?}");
    assert_eq!(metrics.bursts.burst_duration.as_millis(), 100, "{metrics:?}");
    assert_eq!(metrics.bursts.burst_density, 255);
    assert!((2..=3).contains(&metrics.bursts.gap_density), "{metrics:?}");
    assert!((79..=81).contains(&metrics.round_trip.as_millis()), "{metrics:?}");
    assert!(
        metrics.r_factor.is_some_and(|r| (60..90).contains(&r)),
        "{metrics:?}"
    );
    assert_eq!(pair.bob.statistics().remote_metrics, None, "nobody asked Alice");
}

#[test]
fn stopping_says_goodbye_and_nothing_more() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    talk(&mut pair, 10);
    pair.alice.stop(pair.now);
    let goodbye = {
        let transmit = pair.alice.poll_transmit().unwrap();
        assert_eq!(transmit.kind, MediaKind::Rtcp);
        transmit.bytes.to_vec()
    };
    let compound = Compound::parse(&goodbye).unwrap();
    assert!(!compound.is_reduced_size());
    let kinds: Vec<_> = compound
        .packets()
        .map(|packet| match packet {
            RtcpPacket::SenderReport { .. } => "SR",
            RtcpPacket::SourceDescription { .. } => "SDES",
            RtcpPacket::Goodbye { .. } => "BYE",
            _ => "?",
        })
        .collect();
    assert_eq!(kinds, ["SR", "SDES", "BYE"]);
    pair.bob.handle_rtcp(pair.now, alice(), &mut goodbye.clone());
    assert_eq!(pair.bob.poll_event(), Some(AudioEvent::SourceLeft));
    pair.alice.write(pair.now, &[0; 320]);
    pair.alice.stop(pair.now);
    assert_eq!(pair.alice.poll_transmit(), None);
    assert_eq!(pair.alice.poll_timeout(), None);
}

#[test]
fn reports_share_the_port_when_that_was_agreed() {
    let (mut a, mut b) = (config(AudioCodec::Pcmu, bob()), config(AudioCodec::Pcmu, alice()));
    a.rtcp_mux = true;
    b.rtcp_mux = true;
    let mut pair = Pair::with(a, b, Link::default());
    talk(&mut pair, 100);
    pair.now += Duration::from_secs(10);
    let (mut report, to) = loop {
        pair.alice.handle_timeout(pair.now);
        if let Some(transmit) = pair.alice.poll_transmit() {
            break (transmit.bytes.to_vec(), transmit.to);
        }
        pair.now += Duration::from_secs(1);
    };
    assert_eq!(to, bob());
    let before = pair.bob.statistics();
    pair.bob.handle_rtp(pair.now, alice(), &mut report);
    let after = pair.bob.statistics();
    assert_eq!(after.rtcp_received, before.rtcp_received + 1);
    assert_eq!(after.dropped.total(), before.dropped.total());
}

#[test]
fn reports_of_strangers_are_not_believed() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    talk(&mut pair, 10);
    let mut goodbye = [0x80, 201, 0, 1, 6, 6, 6, 6, 0x81, 203, 0, 1, 6, 6, 6, 6];
    pair.bob
        .handle_rtcp(pair.now, "203.0.113.66:9".parse().unwrap(), &mut goodbye);
    assert_eq!(pair.bob.poll_event(), None);
    assert_eq!(pair.bob.statistics().dropped.foreign_rtcp, 1);
}

fn note(subtype: u8, data: &[u8]) -> ApplicationPacket {
    ApplicationPacket {
        subtype,
        name: *b"Note",
        data: data.to_vec(),
    }
}

/// RFC 3550 §6.7: with a report, or by itself where that was agreed (RFC 5506).
#[test]
fn applications_talk_with_reports_or_at_once() {
    for reduced in [false, true] {
        let mut one = config(AudioCodec::Pcmu, bob());
        one.rtcp_reduced_size = reduced;
        let mut pair = Pair::with(one, config(AudioCodec::Pcmu, alice()), Link::default());
        talk(&mut pair, 20);
        for subtype in [7, 31] {
            pair.alice.send_application(note(subtype, b"fives")).unwrap();
        }
        talk(&mut pair, 2);
        let at_once = pair.bob.poll_application();
        assert_eq!(at_once.is_some(), reduced);
        talk(&mut pair, 1000);
        let mut heard: Vec<_> = at_once.into_iter().collect();
        heard.extend(std::iter::from_fn(|| pair.bob.poll_application()));
        assert_eq!(heard, [note(7, b"fives\0\0\0"), note(31, b"fives\0\0\0")]);
        assert!(pair.alice.poll_application().is_none());
        assert_eq!(pair.bob.statistics().dropped.total(), 0);
    }
}

/// Whether the datagram that holds an application's packet is of reduced size, and its packets.
fn with_application(reduced: bool) -> Option<(bool, usize)> {
    let mut one = config(AudioCodec::Pcmu, bob());
    one.rtcp_reduced_size = reduced;
    let mut pair = Pair::with(one, config(AudioCodec::Pcmu, alice()), Link::default());
    pair.alice.send_application(note(0, b"")).unwrap();
    for _ in 0..500 {
        pair.alice.write(pair.now, &[0; 160]);
        pair.now += Duration::from_millis(20);
        pair.alice.handle_timeout(pair.now);
        while let Some(transmit) = pair.alice.poll_transmit() {
            if transmit.kind == MediaKind::Rtcp {
                let compound = Compound::parse(transmit.bytes).unwrap();
                let says =
                    |packet| matches!(packet, RtcpPacket::Application { name, .. } if name == *b"Note");
                if compound.packets().any(says) {
                    return Some((compound.is_reduced_size(), compound.packets().count()));
                }
            }
        }
    }
    None
}

#[test]
fn reports_lead_and_what_is_reduced_goes_alone() {
    assert_eq!(with_application(false), Some((false, 3)));
    assert_eq!(with_application(true), Some((true, 1)));
}

#[test]
fn what_applications_say_is_bounded_both_ways() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    let long = ApplicationPacket::MAX_DATA + 1;
    let refused = |subtype, len| Err(AudioError::Application { subtype, len });
    assert_eq!(pair.alice.send_application(note(32, b"")), refused(32, 0));
    assert_eq!(
        pair.alice.send_application(note(1, &vec![0; long])),
        refused(1, long)
    );
    for _ in 0..8 {
        pair.alice.send_application(note(1, &[1; 512])).unwrap();
    }
    assert_eq!(
        pair.alice.send_application(note(1, b"")),
        Err(AudioError::TooManyApplication)
    );
    let mut app = [0x81, 204, 0, 3, 0, 0, 0, 9, b'N', b'o', b't', b'e', 1, 2, 3, 4];
    let mut from = alice();
    from.set_port(from.port() + 1);
    for _ in 0..100 {
        pair.bob.handle_rtcp(pair.now, from, &mut app);
    }
    assert_eq!(std::iter::from_fn(|| pair.bob.poll_application()).count(), 8);
    pair.alice.stop(pair.now);
    assert_eq!(
        pair.alice.send_application(note(1, b"")),
        Err(AudioError::Stopped)
    );
}
