//! Ports that change their rate or role while they sound: nothing clicks, nothing is cut.

use offhook_audio_mixer::{Gain, Role, SamplesRecorder, Slot};
use room::{AMPLITUDE, Port, RATE, Room, SMOOTH, peak, steepest};

mod room;

/// An ear and a voice of 307 Hz, which does not fit a tick: each change falls in the middle of a wave.
fn room() -> (Room, Slot, Slot) {
    let mut room = Room::new();
    let (ear, voice) = (room.ear(), room.sine(307.0));
    let hall = room.mixer.add_bridge().expect("a bridge");
    room.mixer.join(hall, ear).expect("ear joins");
    room.mixer.join(hall, voice).expect("voice joins");
    room.ticks(3);
    (room, ear, voice)
}

fn assert_smooth(heard: &[i16], what: &str) {
    let step = steepest(heard);
    assert!(step <= SMOOTH, "{what}: a step of {step}");
}

#[test]
fn a_changed_role_or_rate_fades_out_and_in_within_one_tick() {
    let changes = [
        (RATE, Role::NONE),
        (RATE, Role::PRODUCER),
        (48_000, Role::PRODUCER),
        (44_100, Role::PRODUCER),
        (44_100, Role::CONSUMER),
        (8_000, Role::BOTH),
        (RATE, Role::BOTH),
    ];
    for ticks in [1, 2, 3] {
        let (mut room, ear, voice) = room();
        for (rate, role) in changes {
            room.change(voice, rate, role);
            room.ticks(ticks);
        }
        assert_smooth(room.heard(ear), &format!("every {ticks} ticks"));
    }
    for (rate, role) in changes {
        let (mut room, ear, voice) = room();
        room.change(voice, rate, role);
        room.ticks(1);
        let begin = room.heard(ear).len();
        room.ticks(2);
        let level = f64::from(peak(&room.heard(ear)[begin..])) / AMPLITUDE;
        let due = if role.producer { 1.0 } else { 0.0 };
        assert!((level - due).abs() < 0.02, "{rate} Hz, {role:?}: {level}");
    }
}

#[test]
fn changes_and_a_removal_between_two_ticks_fade_as_one() {
    for changes in [
        &[(48_000, Role::PRODUCER), (RATE, Role::PRODUCER)][..],
        &[(RATE, Role::NONE), (RATE, Role::PRODUCER)],
        &[(48_000, Role::NONE), (48_000, Role::BOTH)],
        &[(48_000, Role::BOTH), (48_000, Role::NONE)],
    ] {
        for removed in [false, true] {
            let (mut room, ear, voice) = room();
            for &(rate, role) in changes {
                room.change(voice, rate, role);
            }
            if removed {
                assert!(room.mixer.remove_port(voice).is_some());
            }
            room.ticks(3);
            assert_smooth(room.heard(ear), &format!("{changes:?}, removed {removed}"));
        }
    }
}

#[test]
fn a_direction_that_stays_as_it_was_is_not_disturbed() {
    let mut heard = [false, true].map(|changes| {
        let (mut room, ear, voice) = room();
        room.change(voice, 48_000, Role::PRODUCER);
        room.ticks(3);
        if changes {
            room.change(voice, 48_000, Role::BOTH);
        }
        room.ticks(3);
        room.heard(ear).to_vec()
    });
    let [plain, changed] = &mut heard;
    assert_eq!(plain, changed);
}

#[test]
fn who_spoke_and_rests_does_not_speak_up_again_when_it_changes() {
    let (mut room, ear, voice) = room();
    room.change(voice, RATE, Role::NONE);
    room.ticks(1);
    let begin = room.heard(ear).len();
    assert!(room.mixer.remove_port(voice).is_some());
    room.ticks(2);
    assert_eq!(peak(&room.heard(ear)[begin..]), 0);
}

/// Neither by the bridge nor by the connections of who was there before.
#[test]
fn who_takes_the_place_of_a_silent_port_between_two_ticks_is_a_stranger() {
    let (mut room, ear, voice) = room();
    room.mixer.set_input_muted(voice, true).expect("it is there");
    room.mixer.connect(voice, ear, Gain::UNITY).expect("both exist");
    room.mixer.connect(ear, voice, Gain::UNITY).expect("both exist");
    room.ticks(3);
    let begin = room.heard(ear).len();
    assert!(room.mixer.remove_port(voice).is_some());
    let stranger = room.sine(500.0);
    assert_eq!(stranger.index(), voice.index(), "nothing had to fade out");
    assert_ne!(stranger, voice);
    room.ticks(3);
    assert_eq!(peak(&room.heard(ear)[begin..]), 0);
}

#[test]
fn a_connection_that_becomes_an_announcement_glides_and_so_it_does_back() {
    let (mut room, ear, voice) = room();
    let softly = Gain::from_percent(10);
    room.mixer.connect(voice, ear, softly).expect("both exist");
    room.ticks(3);
    room.mixer.announce(voice, ear, softly).expect("both exist");
    assert_eq!(room.mixer.connection(voice, ear), Some(softly));
    room.ticks(3);
    room.mixer.connect(voice, ear, softly).expect("both exist");
    room.ticks(3);
    room.mixer.set_output_muted(ear, true).expect("it is there");
    room.ticks(3);
    let begin = room.heard(ear).len();
    room.mixer.announce(voice, ear, Gain::UNITY).expect("both exist");
    room.ticks(3);
    assert!(f64::from(peak(&room.heard(ear)[begin..])) > AMPLITUDE * 0.99);
    room.mixer.connect(voice, ear, Gain::UNITY).expect("both exist");
    room.mixer.announce(voice, ear, Gain::UNITY).expect("both exist");
    room.mixer.connect(voice, ear, Gain::UNITY).expect("both exist");
    room.ticks(3);
    assert_smooth(room.heard(ear), "there and back");
    let heard = room.heard(ear);
    assert_eq!(peak(&heard[heard.len() - 320..]), 0, "muted");
    room.mixer.disconnect(voice, ear).expect("connected");
    assert_eq!(room.mixer.connection(voice, ear), None);
    assert!(room.mixer.disconnect(voice, ear).is_err());
}

#[test]
fn who_begins_and_ends_to_overhear_hears_it_glide() {
    let (mut room, ear, voice) = room();
    let spy = room.ear();
    room.mixer.overhear(spy, ear).expect("both exist");
    room.ticks(3);
    let other = room.sine(307.0);
    room.mixer.overhear(spy, other).expect("both exist");
    room.ticks(3);
    room.mixer.connect(voice, spy, Gain::UNITY).expect("both exist");
    room.mixer.overhear(spy, ear).expect("both exist");
    room.ticks(1);
    room.mixer.disconnect(voice, spy).expect("connected");
    room.ticks(3);
    assert!(room.mixer.remove_port(ear).is_some());
    assert_ne!(room.sine(500.0).index(), ear.index(), "it is still overheard");
    room.ticks(1);
    let heard = [&[0], room.heard(spy), &[0]].concat();
    assert_eq!(heard.len(), 11 * 320 + 2);
    assert!(f64::from(peak(&heard)) > AMPLITUDE * 0.99);
    assert!(steepest(&heard) <= 2 * SMOOTH, "a step of {}", steepest(&heard));
    assert_smooth(&heard[..6 * 320], "alone");
}

#[test]
fn what_a_port_hears_that_begins_to_listen_fades_in() {
    let (mut room, _, voice) = room();
    let ear = room
        .mixer
        .add_port(Port::Sine {
            hz: 0.0,
            rate: RATE,
            played: 0,
            role: Role::NONE,
        })
        .expect("a usual rate");
    room.mixer.connect(voice, ear, Gain::UNITY).expect("both exist");
    room.ticks(2);
    if let Some(port) = room.mixer.port_mut(ear) {
        *port = Port::Ear(SamplesRecorder::new(RATE, 10_000));
    }
    room.mixer.port_did_change(ear).expect("a usual rate");
    room.ticks(3);
    let heard = [&[0], room.heard(ear)].concat();
    assert_eq!(heard.len(), 3 * 320 + 1);
    assert!(f64::from(peak(&heard)) > AMPLITUDE * 0.99);
    assert_smooth(&heard, "its first tick");
}
