//! Whole calls in virtual time: who hears what, and what each side is told in which order.

mod simulation;

use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::srtp::{SrtpPolicy, SrtpSuite};
use offhook_session::{AudioStream, Originator, SessionEvent, SessionState};
use offhook_sip_core::StatusCode;
use offhook_testkit::audio::{dominant_tone, rms};
use offhook_testkit::net::Impairment;
use simulation::{Ear, RATE, World, stream, tone};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Alice says 440 Hz, Bob says 660 Hz, for as long as asked. Returns what each heard.
fn talk(world: &mut World, codec: AudioCodec, time: Duration) -> (Ear, Ear) {
    let (alice_ear, bob_ear) = (Ear::default(), Ear::default());
    world.call(vec![stream(codec, &tone(440.0, 1.0), &alice_ear)]);
    world.run_for(SECOND);
    world.bob_rings();
    world.run_for(SECOND);
    world.bob_accepts(stream(codec, &tone(660.0, 1.0), &bob_ear));
    world.run_for(time);
    (alice_ear, bob_ear)
}

/// Alice hangs up.
fn hang_up(world: &mut World) {
    let id = world.alice.events[0].1;
    world.alice.manager.end(world.clock.now(), id).unwrap();
    world.run_for(SECOND);
}

#[test]
fn thirty_seconds_of_talk_pass_in_a_fraction_of_them_and_repeat_byte_for_byte() {
    let run = |seed| {
        let begin = Instant::now();
        let mut world = World::new(Impairment::NONE, seed);
        let (alice_ear, bob_ear) = talk(&mut world, AudioCodec::Pcmu, 30 * SECOND);
        hang_up(&mut world);
        for (ear, hertz) in [(alice_ear, 660.0), (bob_ear, 440.0)] {
            let heard = ear.heard();
            assert!(heard.len() as u32 >= 29 * RATE, "{} samples", heard.len());
            let middle = &heard[RATE as usize..28 * RATE as usize];
            assert!((dominant_tone(middle, RATE).unwrap() - hertz).abs() < 2.0);
            assert!(rms(middle) > 5000.0, "rms {}", rms(middle));
        }
        (world.fingerprint, begin.elapsed())
    };
    let (first, time) = run(1);
    assert_eq!(
        first,
        run(1).0,
        "the same seed sends the same bytes at the same times"
    );
    assert_ne!(first, run(2).0, "another seed sends others");
    // Some 0.1 s; a machine that does much else at the same time is no fault.
    assert!(time < 10 * SECOND, "30 s of talk took {time:?}");
}

#[test]
fn both_sides_are_told_the_documented_story() {
    let mut world = World::new(Impairment::NONE, 3);
    talk(&mut world, AudioCodec::G722, 2 * SECOND);
    hang_up(&mut world);
    assert_eq!(
        world.alice.story(),
        [
            "NewOutgoing",
            "GotRingIndication",
            "WillStart",
            "DidStart",
            "WillEnd",
            "DidEnd"
        ]
    );
    assert_eq!(
        world.bob.story(),
        ["NewIncoming", "WillStart", "DidStart", "WillEnd", "DidEnd"]
    );
    let SessionEvent::DidEnd {
        originator, duration, ..
    } = world.bob.last_event()
    else {
        panic!("not ended")
    };
    assert_eq!(*originator, Originator::Remote);
    assert!(
        (Duration::from_millis(1900)..Duration::from_millis(2100)).contains(duration),
        "{duration:?}"
    );
    assert_eq!(
        world.bob.manager.sessions().count(),
        0,
        "a session that is over is let go"
    );
}

#[test]
fn a_call_over_a_rough_network_is_established_heard_and_ended() {
    for seed in 0..8 {
        let mut world = World::new(Impairment::ROUGH, seed);
        let (alice_ear, bob_ear) = talk(&mut world, AudioCodec::Pcmu, 10 * SECOND);
        hang_up(&mut world);
        // A lost BYE is sent again; give it the time.
        world.run_for(40 * SECOND);
        for (ear, hertz) in [(alice_ear, 660.0), (bob_ear, 440.0)] {
            let heard = ear.heard();
            let middle = &heard[2 * RATE as usize..9 * RATE as usize];
            assert!(
                (dominant_tone(middle, RATE).unwrap() - hertz).abs() < 2.0,
                "seed {seed}"
            );
            assert!(rms(middle) > 4000.0, "seed {seed}: rms {}", rms(middle));
        }
        assert!(
            matches!(world.alice.last_event(), SessionEvent::DidEnd { .. }),
            "seed {seed}"
        );
        assert!(
            matches!(world.bob.last_event(), SessionEvent::DidEnd { .. }),
            "seed {seed}"
        );
    }
}

#[test]
fn a_rejected_call_fails_on_both_sides_with_its_code() {
    let mut world = World::new(Impairment::NONE, 4);
    world.call(vec![stream(AudioCodec::Pcma, &[0], &Ear::default())]);
    world.run_for(SECOND);
    let id = world.at_bob();
    world
        .bob
        .manager
        .reject(world.clock.now(), id, StatusCode::BUSY_HERE)
        .unwrap();
    world.run_for(SECOND);
    for (peer, side) in [
        (&world.alice, Originator::Remote),
        (&world.bob, Originator::Local),
    ] {
        let SessionEvent::DidFail { originator, code, .. } = peer.last_event() else {
            panic!("{:?}", peer.story())
        };
        assert_eq!((*originator, *code), (side, 486));
    }
}

#[test]
fn a_call_that_is_cancelled_while_it_rings_fails_with_487_on_both_sides() {
    let mut world = World::new(Impairment::NONE, 5);
    let id = world.call(vec![stream(AudioCodec::Pcma, &[0], &Ear::default())]);
    world.run_for(SECOND);
    world.bob_rings();
    world.run_for(SECOND);
    world.alice.manager.end(world.clock.now(), id).unwrap();
    world.run_for(SECOND);
    for (peer, side) in [
        (&world.alice, Originator::Local),
        (&world.bob, Originator::Remote),
    ] {
        let SessionEvent::DidFail { originator, code, .. } = peer.last_event() else {
            panic!("{:?}", peer.story())
        };
        assert_eq!((*originator, *code), (side, 487));
    }
}

#[test]
fn codecs_that_do_not_meet_refuse_the_call() {
    let mut world = World::new(Impairment::NONE, 6);
    world.call(vec![stream(AudioCodec::Pcma, &[0], &Ear::default())]);
    world.run_for(SECOND);
    let id = world.at_bob();
    let wrong: Box<dyn offhook_session::MediaStream> =
        Box::new(stream(AudioCodec::G722, &[0], &Ear::default()));
    let refused = world.bob.manager.accept(world.clock.now(), id, vec![wrong]);
    assert!(
        refused.unwrap_err().to_string().contains("G722"),
        "the error names the codecs"
    );
    world.run_for(SECOND);
    let SessionEvent::DidFail { code, .. } = world.alice.last_event() else {
        panic!("{:?}", world.alice.story())
    };
    assert_eq!(*code, 488);
}

#[test]
fn hold_silences_the_held_side_and_unhold_brings_the_voice_back() {
    let mut world = World::new(Impairment::NONE, 7);
    let (alice_ear, bob_ear) = talk(&mut world, AudioCodec::Pcmu, 3 * SECOND);
    let id = world.alice.events[0].1;
    world.alice.manager.set_hold(world.clock.now(), id, true).unwrap();
    world.run_for(3 * SECOND);
    let held = alice_ear.heard();
    assert!(
        rms(&held[held.len() - RATE as usize..]) < 1.0,
        "Alice does not hear whom she holds"
    );
    let hold = |peer: &simulation::Peer| match peer.last_non_statistics() {
        SessionEvent::DidChangeHoldState {
            originator, on_hold, ..
        } => Some((*originator, *on_hold)),
        _ => None,
    };
    assert_eq!(hold(&world.alice), Some((Originator::Local, true)));
    assert_eq!(hold(&world.bob), Some((Originator::Remote, true)));
    world
        .alice
        .manager
        .set_hold(world.clock.now(), id, false)
        .unwrap();
    world.run_for(3 * SECOND);
    assert_eq!(hold(&world.bob), Some((Originator::Remote, false)));
    for (ear, hertz) in [(&alice_ear, 660.0), (&bob_ear, 440.0)] {
        let heard = ear.heard();
        assert!((dominant_tone(&heard[heard.len() - RATE as usize..], RATE).unwrap() - hertz).abs() < 4.0);
    }
}

#[test]
fn a_command_in_the_wrong_state_is_refused_and_changes_nothing() {
    let mut world = World::new(Impairment::NONE, 8);
    let id = world.call(vec![stream(AudioCodec::Pcmu, &[0], &Ear::default())]);
    let refused = world
        .alice
        .manager
        .reject(world.clock.now(), id, StatusCode::DECLINE)
        .unwrap_err();
    assert_eq!(refused.to_string(), "cannot reject a session that is connecting");
    assert_eq!(
        world.alice.manager.session(id).unwrap().state(),
        SessionState::Connecting
    );
}

#[test]
fn two_holds_that_meet_are_both_carried_out() {
    for seed in 20..24 {
        let mut world = World::new(Impairment::NONE, seed);
        talk(&mut world, AudioCodec::Pcmu, SECOND);
        let (alice, bob) = (world.alice.events[0].1, world.bob.events[0].1);
        let now = world.clock.now();
        world.alice.manager.set_hold(now, alice, true).unwrap();
        world.bob.manager.set_hold(now, bob, true).unwrap();
        // RFC 3261 §14.1: both get 491, and try again after a random while.
        world.run_for(10 * SECOND);
        for peer in [&world.alice, &world.bob] {
            let told = peer.events.iter().filter_map(|(_, _, event)| match event {
                SessionEvent::DidChangeHoldState {
                    originator, on_hold, ..
                } => Some((*originator, *on_hold)),
                _ => None,
            });
            let mut told: Vec<_> = told.collect();
            told.sort_by_key(|(originator, _)| *originator == Originator::Remote);
            assert_eq!(
                told,
                [(Originator::Local, true), (Originator::Remote, true)],
                "seed {seed}"
            );
        }
        world
            .alice
            .manager
            .set_hold(world.clock.now(), alice, false)
            .unwrap();
        world.run_for(SECOND);
        assert!(
            world.alice.manager.session(alice).unwrap().is_on_hold(),
            "Bob still holds"
        );
        hang_up(&mut world);
        assert!(matches!(world.bob.last_event(), SessionEvent::DidEnd { .. }));
    }
}

#[test]
fn policies_that_agree_are_heard_and_say_how_they_are_encrypted() {
    use SrtpPolicy::{Off, Optional, Required};
    let suite = Some(SrtpSuite::AesCm128HmacSha1_80);
    for (alice, bob, encryption) in [
        (Off, Optional, None),
        (Optional, Off, None),
        (Optional, Optional, suite),
        (Optional, Required, suite),
        (Required, Optional, suite),
    ] {
        let mut world = World::new(Impairment::NONE, 1);
        let (alice_ear, bob_ear) = talk_encrypted(&mut world, alice, bob);
        for (ear, hertz) in [(alice_ear, 660.0), (bob_ear, 440.0)] {
            let heard = ear.heard();
            let middle = &heard[RATE as usize..4 * RATE as usize];
            assert!((dominant_tone(middle, RATE).unwrap() - hertz).abs() < 2.0);
            assert!(rms(middle) > 5000.0, "rms {}", rms(middle));
        }
        let started = world.alice.events.iter().find_map(|(_, _, event)| match event {
            SessionEvent::DidStart { streams } => Some(streams.audio().unwrap().encryption),
            _ => None,
        });
        assert_eq!(started, Some(encryption), "{alice:?} {bob:?}");
    }
}

fn talk_encrypted(world: &mut World, alice: SrtpPolicy, bob: SrtpPolicy) -> (Ear, Ear) {
    let (alice_ear, bob_ear) = (Ear::default(), Ear::default());
    let ours = stream(AudioCodec::Pcmu, &tone(440.0, 1.0), &alice_ear);
    world.call(vec![ours.with_srtp(alice)]);
    world.run_for(SECOND);
    world.bob_rings();
    let theirs = stream(AudioCodec::Pcmu, &tone(660.0, 1.0), &bob_ear);
    world.bob_accepts(theirs.with_srtp(bob));
    world.run_for(5 * SECOND);
    (alice_ear, bob_ear)
}

#[test]
fn ends_that_agree_on_keys_themselves_are_heard_and_say_so() {
    let mut world = World::new(Impairment::NONE, 1);
    let (alice_ear, bob_ear) = (Ear::default(), Ear::default());
    let required = |stream: AudioStream| stream.with_dtls_srtp(SrtpPolicy::Required);
    world.call(vec![required(stream(
        AudioCodec::Pcmu,
        &tone(440.0, 1.0),
        &alice_ear,
    ))]);
    world.run_for(SECOND);
    world.bob_rings();
    world.bob_accepts(required(stream(AudioCodec::Pcmu, &tone(660.0, 1.0), &bob_ear)));
    world.run_for(6 * SECOND);
    for (ear, hertz) in [(alice_ear, 660.0), (bob_ear, 440.0)] {
        let heard = ear.heard();
        let middle = &heard[2 * RATE as usize..4 * RATE as usize];
        assert!((dominant_tone(middle, RATE).unwrap() - hertz).abs() < 2.0);
        assert!(rms(middle) > 5000.0, "rms {}", rms(middle));
    }
    for peer in [&world.alice, &world.bob] {
        let secured = peer.events.iter().filter(|(_, _, event)| {
            let text = format!("{event:?}");
            text.contains("DidEnableEncryption") && text.contains("AeadAes256Gcm")
        });
        assert_eq!(secured.count(), 1);
    }
}
