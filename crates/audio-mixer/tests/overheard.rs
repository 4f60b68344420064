//! Who hears what another one hears, and what is heard in spite of a mute.

use offhook_audio_mixer::{AudioMixer, AudioPort, Gain, MixerConfig, MixerError, Produced, Role, Slot, Tick};
use std::time::Instant;

/// Says the same sample all the time, and keeps the last one that it heard.
struct Monotone {
    says: i16,
    heard: Option<i16>,
}

impl AudioPort for Monotone {
    fn sample_rate(&self) -> u32 {
        8_000
    }
    fn role(&self) -> Role {
        Role::BOTH
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        frame.fill(self.says);
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        self.heard = frame.last().copied();
    }
}

struct Bench(AudioMixer<Monotone>);

impl Bench {
    fn new() -> Self {
        Self(AudioMixer::new(MixerConfig::at_rate(8_000)).expect("a usual rate"))
    }

    fn add(&mut self, says: i16) -> Slot {
        self.0
            .add_port(Monotone { says, heard: None })
            .expect("below the limit")
    }

    /// What is heard once all glides are over.
    fn heard<const N: usize>(&mut self, slots: [Slot; N]) -> [Option<i16>; N] {
        let now = Instant::now();
        self.0.tick(now);
        for slot in slots {
            self.0.port_mut(slot).expect("there").heard = None;
        }
        self.0.tick(now);
        slots.map(|slot| self.0.port(slot).expect("there").heard)
    }
}

#[test]
fn who_overhears_hears_what_the_other_does_and_what_it_is_connected_to() {
    let mut bench = Bench::new();
    let [far, device, guest, spy, both] = [1000, 200, 30, 0, 0].map(|says| bench.add(says));
    bench.0.connect(device, far, Gain::UNITY).expect("there");
    bench.0.overhear(spy, far).expect("there");
    bench.0.overhear(both, far).expect("there");
    bench.0.connect(far, both, Gain::UNITY).expect("there");
    assert_eq!(bench.heard([far, spy, both]), [Some(200), Some(200), Some(1200)]);

    // Whatever way it is heard by.
    let bridge = bench.0.add_bridge().expect("the first");
    for member in [far, guest] {
        bench.0.join(bridge, member).expect("there");
    }
    assert_eq!(bench.heard([far, spy, both]), [Some(230), Some(230), Some(1230)]);
    bench.0.set_output_muted(far, true).expect("there");
    assert_eq!(bench.heard([far, spy, both]), [Some(0), Some(0), Some(1000)]);

    assert!(bench.0.remove_port(far).is_some());
    assert_eq!(
        bench.heard([spy, both]),
        [None, None],
        "there is nobody to overhear"
    );
    assert_eq!(bench.0.overhear(spy, far), Err(MixerError::NoSlot(far)));
    assert_eq!(bench.0.overhear(spy, spy), Err(MixerError::OverhearsItself(spy)));
    // Nor is who comes to its place.
    let next = bench.add(0);
    bench.0.connect(device, next, Gain::UNITY).expect("there");
    assert_eq!(bench.heard([next, spy]), [Some(200), None]);
}

/// By its own ears it would hear one of these by the bridge.
#[test]
fn the_bridges_of_who_overhears_do_not_count() {
    let mut bench = Bench::new();
    let [deaf, voice, spy] = [0, 256, 0].map(|says| bench.add(says));
    let bridge = bench.0.add_bridge().expect("the first");
    for member in [voice, spy] {
        bench.0.join(bridge, member).expect("there");
    }
    bench.0.overhear(spy, deaf).expect("there");
    assert_eq!(bench.heard([spy]), [Some(0)]);
    for (gain, heard) in [(1.0, 256), (0.5, 128)] {
        let gain = Gain::from_percent((100.0 * gain) as u16);
        bench.0.connect(voice, spy, gain).expect("there");
        assert_eq!(bench.heard([spy]), [Some(heard)]);
    }
    bench.0.join(bridge, deaf).expect("there");
    assert_eq!(bench.heard([spy]), [Some(384)]);
}

#[test]
fn an_announcement_is_heard_in_spite_of_a_mute() {
    let mut bench = Bench::new();
    let [far, device, music] = [0, 200, 30].map(|says| bench.add(says));
    bench.0.connect(device, far, Gain::UNITY).expect("there");
    bench.0.announce(music, far, Gain::UNITY).expect("there");
    assert_eq!(bench.heard([far]), [Some(230)]);
    bench.0.set_output_muted(far, true).expect("there");
    assert_eq!(bench.heard([far]), [Some(30)]);
    bench.0.disconnect(music, far).expect("it was heard");
    assert_eq!(bench.heard([far]), [Some(0)]);
    // It was an announcement, and is none any more.
    bench.0.announce(music, far, Gain::UNITY).expect("there");
    bench.0.connect(music, far, Gain::UNITY).expect("there");
    assert_eq!(bench.heard([far]), [Some(0)]);
}
