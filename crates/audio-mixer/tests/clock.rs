//! A mixer that drives itself, and sound that is late.

use offhook_audio_mixer::{
    AudioMixer, AudioPort, Gain, Level, MixerConfig, MixerThread, Produced, Role, SamplesPlayer,
    SamplesRecorder, Slot, Tick,
};
use std::time::{Duration, Instant};

fn mixer() -> AudioMixer {
    AudioMixer::new(MixerConfig::at_rate(8_000)).expect("a usual rate")
}

#[test]
fn the_thread_ticks_on_time_and_gives_the_mixer_back() {
    let begin = Instant::now();
    let thread = MixerThread::start(mixer()).expect("a thread");
    let player = Box::new(SamplesPlayer::new(8_000, vec![500; 80_000]));
    let slot = thread.call(|mixer| mixer.add_port(player)).expect("it runs");
    let slot: Slot = slot.expect("a usual rate");
    std::thread::sleep(Duration::from_millis(300));
    let level = thread.call(move |mixer| mixer.level(slot)).expect("it runs");
    assert_eq!(level.map(Level::peak), Some(500));
    let skipped = thread.skipped_ticks();
    let mut mixer = thread.stop().expect("it ran to the end");
    let most = begin.elapsed().as_millis() as u64 / 20;
    let ticks = mixer.tick(Instant::now()).index;
    assert!(
        ticks <= most && ticks + skipped + 2 >= most.min(15),
        "{ticks} ticks of {most}, {skipped} skipped"
    );
}

#[test]
fn a_thread_whose_port_panicked_says_so() {
    struct Bomb;
    impl AudioPort for Bomb {
        fn sample_rate(&self) -> u32 {
            8_000
        }
        fn produce(&mut self, _: &Tick, _: &mut [i16]) -> Produced {
            panic!("as the test wants it")
        }
    }
    let thread = MixerThread::start(mixer()).expect("a thread");
    let _ = thread.call(|mixer| mixer.add_port(Box::new(Bomb)).is_ok());
    let patience = Instant::now() + Duration::from_secs(10);
    while thread.call(|_| ()).is_ok() {
        assert!(Instant::now() < patience, "it lives on");
    }
    assert!(thread.stop().is_err());
}

/// Says 10,000, unless this tick is late.
struct Late(fn(u64) -> bool, u32);

impl AudioPort for Late {
    fn sample_rate(&self) -> u32 {
        self.1
    }
    fn role(&self) -> Role {
        Role::PRODUCER
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        if (self.0)(tick.index) {
            return Produced::Missing;
        }
        frame.fill(10_000);
        Produced::Audio
    }
}

/// A port of either kind, so that the recorder can be asked.
enum Port {
    Late(Late),
    Ear(SamplesRecorder),
}

impl AudioPort for Port {
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Late(port) => port.sample_rate(),
            Self::Ear(port) => port.sample_rate(),
        }
    }
    fn role(&self) -> Role {
        match self {
            Self::Late(port) => port.role(),
            Self::Ear(port) => port.role(),
        }
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        match self {
            Self::Late(port) => port.produce(tick, frame),
            Self::Ear(port) => port.produce(tick, frame),
        }
    }
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if let Self::Ear(port) = self {
            port.consume(tick, frame);
        }
    }
}

#[test]
fn missing_sound_fades_out_is_counted_and_fades_in_again() {
    for rate in [8_000, 16_000] {
        let mut mixer = AudioMixer::new(MixerConfig::at_rate(8_000)).expect("a usual rate");
        let late = Late(|tick| (5..8).contains(&tick) || tick == 10, rate);
        let voice = mixer.add_port(Port::Late(late)).expect("a usual rate");
        let ear = mixer
            .add_port(Port::Ear(SamplesRecorder::new(8_000, 8_000)))
            .expect("a usual rate");
        mixer.connect(voice, ear, Gain::UNITY).expect("both exist");
        for _ in 0..20 {
            mixer.tick(Instant::now());
        }
        assert_eq!(mixer.missing_ticks(voice), Some(4));
        let Some(Port::Ear(heard)) = mixer.remove_port(ear) else {
            panic!("the ear")
        };
        let heard = heard.into_samples();
        // From the sixth tick on: fading, silent, silent, back, there, fading, back.
        let tick = |n: usize| &heard[n * 160..(n + 1) * 160];
        assert!(tick(5)[0] > 9_800 && tick(5)[159].abs() < 100, "{:?}", tick(5));
        assert!(tick(6).iter().chain(tick(7)).all(|&s| s == 0));
        assert!(tick(8)[0] < 200 && tick(8)[159] > 9_500);
        assert!(tick(9)[159] == 10_000 && tick(12)[0] > 9_900);
        let steps = heard[320..].windows(2).map(|pair| pair[1].abs_diff(pair[0]));
        assert!(steps.max() < Some(700), "{rate} Hz clicks");
    }
}
