//! RTCP between both ends.

use crate::link::{Link, Pair, alice, bob, config, talk};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::rtcp::{Compound, RtcpPacket};
use offhook_rtp_media::{AudioEvent, MediaKind};
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
