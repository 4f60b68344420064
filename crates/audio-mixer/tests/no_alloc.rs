//! A tick allocates nothing, whatever is connected.

use offhook_audio_mixer::{AudioMixer, Gain, MixerConfig, SamplesPlayer, SamplesRecorder, Slot};
use std::time::Instant;

const SECOND: usize = 50;

fn player(mixer: &mut AudioMixer, rate: u32, seconds: u32) -> Slot {
    let samples: Vec<i16> = (0..rate * seconds).map(|i| (i % 1000) as i16).collect();
    mixer
        .add_port(Box::new(SamplesPlayer::new(rate, samples)))
        .expect("a usual rate")
}

fn recorder(mixer: &mut AudioMixer, rate: u32) -> Slot {
    mixer
        .add_port(Box::new(SamplesRecorder::new(rate, 4 * rate as usize)))
        .expect("a usual rate")
}

fn allocations_of_a_second(mixer: &mut AudioMixer) -> u64 {
    let now = Instant::now();
    let count = allocation_counter::measure(|| {
        for _ in 0..SECOND {
            mixer.tick(now);
        }
    });
    count.count_total
}

#[test]
fn ticks_allocate_nothing_while_ports_glide_resample_end_and_leave() {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::default()).expect("the default");
    let hall = mixer.add_bridge().expect("the first bridge");
    let room = mixer.add_bridge().expect("the second bridge");
    let rates = [8_000, 16_000, 44_100, 48_000];
    let players = rates.map(|rate| player(&mut mixer, rate, 3));
    let recorders = rates.map(|rate| recorder(&mut mixer, rate));
    for slot in players.into_iter().chain(recorders) {
        assert_eq!(mixer.join(hall, slot), Ok(true));
    }
    assert_eq!(mixer.join(room, players[0]), Ok(true));
    assert_eq!(mixer.join(room, recorders[0]), Ok(true));
    assert_eq!(
        mixer.connect(players[1], recorders[2], Gain::from_db(-6.0)),
        Ok(())
    );
    assert_eq!(allocations_of_a_second(&mut mixer), 0);

    assert_eq!(mixer.set_input_muted(players[3], true), Ok(()));
    assert_eq!(mixer.leave(hall, players[2]), Ok(()));
    assert!(mixer.remove_port(players[0]).is_some());
    assert_eq!(mixer.disconnect(players[1], recorders[2]), Ok(()));
    assert_eq!(mixer.remove_bridge(room), Ok(()));
    assert_eq!(allocations_of_a_second(&mut mixer), 0);
    assert_eq!(
        allocations_of_a_second(&mut mixer),
        0,
        "and none when the players have ended"
    );
}

#[test]
fn the_counter_counts() {
    let count = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(count.count_total, 1);
}
