//! Calls whose keys the two ends agree on themselves (RFC 5763).

use super::link::{Link, Pair, alice, bob, config, talk};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::dtls::{DtlsCertificate, DtlsFailure, DtlsParameters, DtlsRole, FingerprintHash};
use offhook_rtp_media::srtp::SrtpSuite;
use offhook_rtp_media::{AudioConfig, AudioEvent, SrtpKeying};

/// Two configurations that name each other's certificate; Alice begins.
fn configs(rtcp_mux: bool) -> (AudioConfig, AudioConfig) {
    let (hers, his) = (
        DtlsCertificate::generate().unwrap(),
        DtlsCertificate::generate().unwrap(),
    );
    let make = |remote, role, ours: &DtlsCertificate, theirs: &DtlsCertificate| {
        let mut config = config(AudioCodec::Pcmu, remote);
        config.rtcp_mux = rtcp_mux;
        config.srtp = Some(SrtpKeying::Dtls(DtlsParameters {
            role,
            certificate: ours.clone(),
            fingerprints: vec![theirs.fingerprint(FingerprintHash::Sha256)],
        }));
        config
    };
    (
        make(bob(), DtlsRole::Client, &hers, &his),
        make(alice(), DtlsRole::Server, &his, &hers),
    )
}

fn secured(events: &[AudioEvent]) -> usize {
    let suite = SrtpSuite::AeadAes256Gcm;
    events
        .iter()
        .filter(|event| **event == AudioEvent::Secured { suite })
        .count()
}

#[test]
fn the_ends_agree_on_keys_and_then_talk() {
    let link = Link {
        latency_ms: 30,
        ..Link::default()
    };
    for rtcp_mux in [true, false] {
        let (one, other) = configs(rtcp_mux);
        let mut pair = Pair::with(one, other, link);
        talk(&mut pair, 1000);
        assert_eq!((secured(&pair.alice_events), secured(&pair.bob_events)), (1, 1));
        for (end, least) in [(&pair.alice, 900), (&pair.bob, 900)] {
            let statistics = end.statistics();
            assert!(statistics.packets_received > least, "{statistics:?}");
            assert!(statistics.rtcp_received > 1, "rtcp_mux {rtcp_mux}");
            assert_eq!(
                statistics.dropped.total(),
                statistics.dropped.unkeyed,
                "{:?}",
                statistics.dropped
            );
        }
    }
}

#[test]
fn loss_delays_the_keys_and_no_more() {
    let (one, other) = configs(true);
    let link = Link {
        latency_ms: 20,
        jitter_ms: 20,
        loss: 20,
        duplicates: 20,
    };
    let mut pair = Pair::with(one, other, link);
    talk(&mut pair, 1000);
    assert_eq!((secured(&pair.alice_events), secured(&pair.bob_events)), (1, 1));
    assert!(pair.bob.statistics().packets_received > 400);
}

#[test]
fn nothing_is_sent_before_the_fingerprint_is_proven() {
    let (one, mut other) = configs(true);
    let Some(SrtpKeying::Dtls(parameters)) = &mut other.srtp else {
        unreachable!()
    };
    let mallory = DtlsCertificate::generate().unwrap();
    parameters.certificate = mallory;
    let mut pair = Pair::with(one, other, Link::default());
    talk(&mut pair, 100);
    for end in [&pair.alice, &pair.bob] {
        assert_eq!(end.statistics().packets_sent, 0);
        assert_eq!(end.statistics().dropped.unkeyed, 0, "nor reports");
    }
    assert!(
        pair.alice_events
            .contains(&AudioEvent::DtlsFailed(DtlsFailure::WrongFingerprint))
    );
    assert_eq!(secured(&pair.alice_events) + secured(&pair.bob_events), 0);
}

#[test]
fn a_peer_behind_a_nat_is_followed_to_where_it_proved_itself() {
    let (mut one, other) = configs(true);
    let nat = "198.51.100.7:61000".parse().unwrap();
    // What Bob was told of Alice is her address inside.
    one.remote_rtp = bob();
    let mut pair = Pair::with(one, other, Link::default());
    for _ in 0..10 {
        while let Some(transmit) = pair.alice.poll_transmit() {
            pair.bob.handle_rtp(pair.now, nat, &mut transmit.bytes.to_vec());
        }
        while let Some(transmit) = pair.bob.poll_transmit() {
            assert_eq!(transmit.to, nat);
            pair.alice
                .handle_rtp(pair.now, bob(), &mut transmit.bytes.to_vec());
        }
    }
    pair.drain();
    assert_eq!(pair.bob.remote_rtp(), nat);
    assert!(pair.bob_events.contains(&AudioEvent::RemoteAddressChanged {
        from: alice(),
        to: nat
    }));
}

#[test]
fn a_renegotiation_in_the_same_words_keeps_the_keys_and_another_certificate_makes_new_ones() {
    let (one, other) = configs(true);
    let mut pair = Pair::with(one.clone(), other.clone(), Link::default());
    talk(&mut pair, 50);
    pair.alice.update(one.clone(), pair.now).unwrap();
    pair.bob.update(other.clone(), pair.now).unwrap();
    talk(&mut pair, 50);
    assert_eq!(secured(&pair.alice_events), 1);
    let heard = pair.bob.statistics().packets_received;
    assert!(heard > 90, "{heard}");

    let (one, other) = configs(true);
    pair.alice.update(one, pair.now).unwrap();
    pair.bob.update(other, pair.now).unwrap();
    talk(&mut pair, 50);
    assert_eq!((secured(&pair.alice_events), secured(&pair.bob_events)), (2, 2));
    assert!(pair.bob.statistics().packets_received > heard + 40);
}

#[test]
fn what_comes_in_the_clear_makes_no_sound() {
    let (_, other) = configs(true);
    let mut pair = Pair::with(config(AudioCodec::Pcmu, bob()), other, Link::default());
    let (_, heard, _) = talk(&mut pair, 100);
    assert!(heard.iter().all(|sample| *sample == 0));
    let statistics = pair.bob.statistics();
    assert_eq!(statistics.packets_received, 0);
    assert!(statistics.dropped.unkeyed >= 100);
}

#[test]
fn dtls_that_was_not_agreed_on_is_counted() {
    let mut pair = Pair::new(AudioCodec::Pcmu, Link::default());
    pair.bob.handle_rtp(pair.now, alice(), &mut [22, 254, 253, 0]);
    pair.bob.handle_rtp(pair.now, alice(), &mut [63]);
    assert_eq!(pair.bob.statistics().dropped.dtls, 2);
}
