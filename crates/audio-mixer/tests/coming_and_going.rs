//! Ports that come, go and change while the mixer runs: nothing clicks, nobody hears a stranger.

use offhook_audio_mixer::{
    AudioBridge, AudioMixer, AudioPort, BridgeError, BridgeId, Gain, Level, MixerConfig, MixerError,
    PlayerOptions, Role, SamplesRecorder, TickLength, WaveFile, WavePlayer, WaveRecorder,
};
use room::{AMPLITUDE, Port, RATE, Room, SMOOTH, peak, steepest};
use std::time::{Duration, Instant};

mod room;

#[test]
fn joining_leaving_muting_and_hanging_up_never_click() {
    // 307 Hz does not fit a tick: each change falls in the middle of a wave.
    let mut room = Room::new();
    let (ear, voice) = (room.ear(), room.sine(307.0));
    let hall = room.mixer.add_bridge().expect("a bridge");
    room.mixer.join(hall, ear).expect("ear joins");
    room.ticks(3);
    room.mixer.join(hall, voice).expect("voice joins");
    room.ticks(3);
    room.mixer.set_input_muted(voice, true).expect("mute");
    room.ticks(3);
    room.mixer.set_input_muted(voice, false).expect("unmute");
    room.ticks(3);
    room.mixer.leave(hall, voice).expect("voice leaves");
    room.ticks(3);
    room.mixer.connect(voice, ear, Gain::UNITY).expect("connect");
    room.ticks(3);
    room.mixer
        .connect(voice, ear, Gain::from_percent(30))
        .expect("softer");
    room.ticks(3);
    room.mixer.disconnect(voice, ear).expect("disconnect");
    room.ticks(3);
    room.mixer.join(hall, voice).expect("voice joins again");
    room.ticks(3);
    assert!(room.mixer.remove_port(voice).is_some());
    room.ticks(3);
    let heard = room.heard(ear);
    assert_eq!(heard.len(), 30 * 320);
    assert!(
        f64::from(peak(heard)) > AMPLITUDE * 0.99,
        "the voice was heard: {}",
        peak(heard)
    );
    assert!(
        steepest(heard) <= SMOOTH,
        "a step of {} in {:?}",
        steepest(heard),
        SMOOTH
    );
    assert_eq!(
        peak(&heard[heard.len() - 640..]),
        0,
        "silence after the voice hung up"
    );
}

#[test]
fn what_a_joiner_hears_glides_in_and_what_a_leaver_hears_glides_out() {
    let mut room = Room::new();
    let (ear, voice) = (room.ear(), room.sine(307.0));
    let hall = room.mixer.add_bridge().expect("a bridge");
    room.mixer.join(hall, voice).expect("voice joins");
    room.ticks(3);
    room.mixer.join(hall, ear).expect("ear joins");
    room.ticks(3);
    room.mixer.leave(hall, ear).expect("ear leaves");
    room.ticks(3);
    let heard = [&[0], room.heard(ear), &[0]].concat();
    assert_eq!(heard.len(), 4 * 320 + 2, "three ticks as a member, one to fade");
    assert!(steepest(&heard) <= SMOOTH, "a step of {}", steepest(&heard));
}

#[test]
fn the_end_of_a_resampled_sound_is_heard_to_its_last_sample() {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let options = PlayerOptions {
        pause_time: Duration::from_millis(20),
        initial_play: false,
        ..PlayerOptions::default()
    };
    let mut player = WavePlayer::new(WaveFile::from_samples(8_000, vec![10_000; 480]), options);
    player.start();
    let path = std::env::temp_dir().join(format!("offhook-tail-{}.wav", std::process::id()));
    let (recorder, recording) = WaveRecorder::start(&path, RATE).expect("the temporary folder is writable");
    let hall = mixer.add_bridge().expect("a bridge");
    let ports: [Box<dyn AudioPort>; 2] = [Box::new(player), Box::new(recorder)];
    for port in ports {
        let slot = mixer.add_port(port).expect("a usual rate");
        mixer.join(hall, slot).expect("both exist");
    }
    let now = Instant::now();
    for _ in 0..10 {
        mixer.tick(now);
    }
    recording.finish().expect("the disk is fine");
    let mut reader = hound::WavReader::open(&path).expect("a wave file");
    let heard: f64 = reader
        .samples::<i16>()
        .map(|s| f64::from(s.expect("whole")))
        .sum();
    std::fs::remove_file(&path).expect("it is there");
    let share = heard / (960.0 * 10_000.0);
    assert!((share - 1.0).abs() < 0.005, "{share} of the sound was heard");
}

#[test]
fn a_removed_port_fades_out_within_one_tick_and_its_slot_is_never_valid_again() {
    let mut room = Room::new();
    let (ear, voice) = (room.ear(), room.sine(300.0));
    let hall = room.mixer.add_bridge().expect("a bridge");
    room.mixer.join(hall, ear).expect("ear joins");
    room.mixer.join(hall, voice).expect("voice joins");
    room.ticks(2);
    assert!(room.mixer.remove_port(voice).is_some());
    assert!(room.mixer.remove_port(voice).is_none());
    assert_eq!(room.mixer.bridge(hall).map(|b| b.members().len()), Some(1));
    let newcomer = room.sine(500.0);
    assert_ne!(newcomer.index(), voice.index(), "the place is still fading");
    room.ticks(1);
    let heard = room.heard(ear);
    assert!(peak(&heard[640..]) > 1000, "the fade is heard");
    let later = room.sine(700.0);
    assert_eq!(later.index(), voice.index(), "the place is used again");
    assert_ne!(later, voice);
    assert_eq!(room.mixer.join(hall, voice), Err(BridgeError::NoSlot(voice)));
    assert_eq!(
        room.mixer.connect(voice, ear, Gain::UNITY),
        Err(MixerError::NoSlot(voice))
    );
    room.ticks(1);
    assert_eq!(
        peak(&room.heard(ear)[960..]),
        0,
        "strangers in a used place are not heard"
    );
}

#[test]
fn a_port_that_changes_rate_and_role_goes_on_in_the_same_bridge() {
    let mut room = Room::new();
    let (ear, voice) = (room.ear(), room.sine(300.0));
    let hall = room.mixer.add_bridge().expect("a bridge");
    room.mixer.join(hall, ear).expect("ear joins");
    room.mixer.join(hall, voice).expect("voice joins");
    room.ticks(5);
    let change = room.change(voice, 48_000, Role::PRODUCER);
    assert!(change.rate_changed && change.consumer_slot_changed() && !change.producer_slot_changed());
    assert_eq!(change.old_consumer_slot, Some(voice));
    assert_eq!(change.new_producer_slot, Some(voice));
    room.ticks(10);
    let after = &room.heard(ear)[8 * 320..];
    let level = 20.0 * (f64::from(peak(after)) / AMPLITUDE).log10();
    assert!(level.abs() < 0.1, "{level} dB");
    room.change(voice, 48_000, Role::NONE);
    room.ticks(1);
    let before = room.heard(ear).len();
    room.ticks(1);
    assert_eq!(peak(&room.heard(ear)[before..]), 0);
}

#[test]
fn a_member_of_two_nested_bridges_is_heard_once_and_until_it_has_left_both() {
    let mut room = Room::new();
    let (ear, voice) = (room.ear(), room.sine(300.0));
    let (outer, inner) = (
        room.mixer.add_bridge().expect("one"),
        room.mixer.add_bridge().expect("two"),
    );
    room.mixer.nest(inner, outer).expect("no cycle");
    for (bridge, slot) in [(outer, ear), (outer, voice), (inner, voice)] {
        assert_eq!(room.mixer.join(bridge, slot), Ok(true));
    }
    let loudness = |room: &mut Room| {
        room.ticks(2);
        let heard = room.heard(ear);
        f64::from(peak(&heard[heard.len() - 320..])) / AMPLITUDE
    };
    assert!((loudness(&mut room) - 1.0).abs() < 0.01, "once, not twice");
    room.mixer.leave(outer, voice).expect("a member");
    assert!(
        (loudness(&mut room) - 1.0).abs() < 0.01,
        "the inner bridge still holds it"
    );
    room.mixer.leave(inner, voice).expect("a member");
    assert!(loudness(&mut room) < 0.01);
}

/// One way after the other comes and goes, and in none of the ticks is the voice louder, softer or cut.
#[test]
fn a_voice_that_arrives_by_several_ways_is_heard_once_all_the_time() {
    let mut room = Room::new();
    let (ear, voice) = (room.ear(), room.sine(300.0));
    let bridges: Vec<BridgeId> = (0..4)
        .map(|_| room.mixer.add_bridge().expect("a bridge"))
        .collect();
    let [one, two, outer, inner] = bridges[..] else {
        panic!("four")
    };
    let join = |room: &mut Room, bridge| {
        for slot in [ear, voice] {
            assert_eq!(room.mixer.join(bridge, slot), Ok(true));
        }
    };
    let leave = |room: &mut Room, bridge| {
        for slot in [ear, voice] {
            assert_eq!(room.mixer.leave(bridge, slot), Ok(()));
        }
    };
    join(&mut room, one);
    room.ticks(2);
    let begin = room.heard(ear).len();
    join(&mut room, two);
    room.ticks(3);
    room.mixer.connect(voice, ear, Gain::UNITY).expect("both exist");
    room.ticks(3);
    leave(&mut room, one);
    join(&mut room, inner);
    room.ticks(3);
    for parent in [outer, one] {
        assert_eq!(room.mixer.nest(inner, parent), Ok(true));
    }
    leave(&mut room, two);
    room.ticks(3);
    room.mixer.disconnect(voice, ear).expect("connected");
    room.ticks(3);
    room.mixer.remove_bridge(outer).expect("it is there");
    room.mixer.unnest(inner, one).expect("nested");
    room.ticks(3);
    let steady = &room.heard(ear)[begin..];
    for (tick, part) in steady.chunks(320).enumerate() {
        let level = f64::from(peak(part)) / AMPLITUDE;
        assert!((level - 1.0).abs() < 0.01, "tick {tick}: {level}");
    }
    let step = steepest(&steady[..320]);
    assert!(
        (steepest(steady) - step).abs() < 5,
        "{} not {step}",
        steepest(steady)
    );
    room.mixer
        .connect(voice, ear, Gain::from_percent(50))
        .expect("both exist");
    room.ticks(3);
    let heard = room.heard(ear);
    let level = f64::from(peak(&heard[heard.len() - 320..])) / AMPLITUDE;
    assert!(
        (level - 0.5).abs() < 0.01,
        "a connection decides how loud: {level}"
    );
}

/// The two outer bridges have nothing to do with each other.
#[test]
fn a_bridge_in_two_others_hears_both_and_they_do_not_hear_each_other() {
    let mut room = Room::new();
    let ears = [room.ear(), room.ear(), room.ear()];
    let voice = room.sine(300.0);
    let bridges: Vec<BridgeId> = (0..3)
        .map(|_| room.mixer.add_bridge().expect("a bridge"))
        .collect();
    for (&bridge, ear) in bridges.iter().zip(ears) {
        assert_eq!(room.mixer.join(bridge, ear), Ok(true));
    }
    for outer in &bridges[1..] {
        assert_eq!(room.mixer.nest(bridges[0], *outer), Ok(true));
    }
    for (at, hears) in [(0, [true; 3]), (1, [true, true, false]), (2, [true, false, true])] {
        assert_eq!(room.mixer.join(bridges[at], voice), Ok(true));
        room.ticks(2);
        for (ear, hears) in ears.into_iter().zip(hears) {
            let heard = room.heard(ear);
            let level = f64::from(peak(&heard[heard.len() - 320..])) / AMPLITUDE;
            let due = if hears { 1.0 } else { 0.0 };
            assert!((level - due).abs() < 0.01, "in {at}: {level}");
        }
        assert_eq!(room.mixer.leave(bridges[at], voice), Ok(()));
        room.ticks(2);
    }
}

#[test]
fn gains_and_mutes_work_on_either_side_of_a_port() {
    let mut room = Room::new();
    let (ear, other_ear, voice) = (room.ear(), room.ear(), room.sine(300.0));
    let hall = room.mixer.add_bridge().expect("a bridge");
    for slot in [ear, other_ear, voice] {
        room.mixer.join(hall, slot).expect("both exist");
    }
    let loudness = |room: &mut Room| {
        room.ticks(2);
        [ear, other_ear].map(|ear| {
            let heard = room.heard(ear);
            (f64::from(peak(&heard[heard.len() - 320..])) / AMPLITUDE * 100.0).round() as i32
        })
    };
    assert_eq!(loudness(&mut room), [100, 100]);
    room.mixer
        .set_input_gain(voice, Gain::from_percent(50))
        .expect("exists");
    assert_eq!(loudness(&mut room), [50, 50], "softer for all");
    room.mixer
        .set_output_gain(ear, Gain::from_percent(50))
        .expect("exists");
    assert_eq!(loudness(&mut room), [25, 50], "softer for one");
    room.mixer.set_output_muted(ear, true).expect("exists");
    assert_eq!(
        (loudness(&mut room), room.mixer.output_muted(ear)),
        ([0, 50], Some(true))
    );
    room.mixer.set_output_muted(ear, false).expect("exists");
    room.mixer.set_input_muted(voice, true).expect("exists");
    assert_eq!(
        (loudness(&mut room), room.mixer.input_muted(voice)),
        ([0, 0], Some(true))
    );
    assert_eq!(room.mixer.level(voice), Some(Level::SILENCE));
    room.mixer.set_input_muted(voice, false).expect("exists");
    assert_eq!(loudness(&mut room), [25, 50], "gains outlast mutes");
}

#[test]
fn only_connected_consumers_are_fed() {
    let mut room = Room::new();
    let ear = room.ear();
    room.ticks(2);
    assert_eq!(room.heard(ear).len(), 0);
    let hall = room.mixer.add_bridge().expect("a bridge");
    room.mixer.join(hall, ear).expect("ear joins");
    room.ticks(2);
    assert_eq!(room.heard(ear).len(), 640, "alone in a bridge it hears silence");
}

#[test]
fn misuse_is_told_with_the_slots_it_was_about() {
    let mut room = Room::new();
    let (a, b) = (room.sine(300.0), room.sine(400.0));
    let (hall, room_2) = (
        room.mixer.add_bridge().expect("one"),
        room.mixer.add_bridge().expect("two"),
    );
    let mixer = &mut room.mixer;
    assert_eq!(
        mixer.leave(hall, a),
        Err(BridgeError::NotAMember {
            bridge: hall,
            slot: a
        })
    );
    assert_eq!(mixer.join(hall, a), Ok(true));
    assert_eq!(mixer.join(hall, a), Ok(false), "a bridge is a set");
    assert_eq!(
        mixer.disconnect(a, b),
        Err(MixerError::NotConnected { from: a, to: b })
    );
    let misplaced = BridgeError::NotNested {
        child: hall,
        parent: room_2,
    };
    assert_eq!(mixer.unnest(hall, room_2), Err(misplaced));
    assert_eq!(mixer.nest(hall, room_2), Ok(true));
    assert_eq!(mixer.nest(hall, room_2), Ok(false), "here as well");
    assert_eq!(
        mixer.nest(room_2, hall),
        Err(BridgeError::Cycle {
            child: room_2,
            parent: hall
        })
    );
    assert_eq!(
        mixer.nest(hall, hall),
        Err(BridgeError::Cycle {
            child: hall,
            parent: hall
        })
    );
    assert_eq!(
        mixer.nest(room_2, room_2),
        Err(BridgeError::Cycle {
            child: room_2,
            parent: room_2
        })
    );
    assert_eq!(mixer.remove_bridge(room_2), Ok(()));
    assert_eq!(mixer.remove_bridge(room_2), Err(BridgeError::NoBridge(room_2)));
    assert_eq!(mixer.bridge(hall).map(AudioBridge::parents), Some(&[][..]));
}

#[test]
fn rates_that_do_not_fit_the_tick_are_refused() {
    let odd = MixerConfig::at_rate(11_025);
    assert_eq!(
        AudioMixer::<Port>::new(odd).err(),
        Some(MixerError::MixerRate {
            rate: 11_025,
            tick: Duration::from_millis(20)
        })
    );
    let config = MixerConfig::at_rate(48_000).with_tick(TickLength::Ms10);
    let mut mixer = AudioMixer::<Port>::new(config).expect("a usual rate");
    assert_eq!(mixer.frame_len(), 480);
    for rate in [0, 4_000, 22_050, 384_000] {
        let refused = mixer.add_port(Port::Ear(SamplesRecorder::new(rate, 0))).err();
        let tick = TickLength::Ms10.duration();
        assert_eq!(refused, Some(MixerError::PortRate { rate, tick }));
        let told = refused.map(|error| error.to_string()).unwrap_or_default();
        let reason = match rate {
            22_050 => "it has no whole number of samples in 10ms",
            _ => "8000 to 192000 Hz are possible",
        };
        assert_eq!(told, format!("a port at {rate} Hz: {reason}"));
    }
}
