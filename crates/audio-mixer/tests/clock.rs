//! A mixer that drives itself, and sound that is late.

use offhook_audio_mixer::{
    AudioMixer, AudioPort, ClockReading, DeviceClock, Gain, Level, MixerConfig, MixerError, MixerGone,
    MixerThread, Produced, Role, SamplesPlayer, SamplesRecorder, Slot, Tick, TickClock,
};
use std::sync::Arc;
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
    let patience = Instant::now() + Duration::from_secs(30);
    while thread.call(|_| ()).is_ok() {
        assert!(Instant::now() < patience, "it lives on");
    }
    assert!(thread.stop().is_err());
}

#[test]
fn a_thread_whose_command_panicked_says_so_to_its_caller_and_to_all_others() {
    let thread = MixerThread::start(mixer()).expect("a thread");
    assert!(!thread.has_ended());
    let told = thread.call(|_| panic!("as the test wants it"));
    assert_eq!(told, Err::<(), _>(MixerGone));
    assert!(thread.has_ended(), "from the moment on when that is told");
    assert_eq!(thread.call(|mixer| mixer.ports()), Err(MixerGone));
    assert!(thread.stop().is_err());
}

/// No tick is ever done in time.
#[test]
fn a_mixer_with_too_much_to_do_is_still_in_reach() {
    struct Slow;
    impl AudioPort for Slow {
        fn sample_rate(&self) -> u32 {
            8_000
        }
        fn produce(&mut self, tick: &Tick, _: &mut [i16]) -> Produced {
            std::thread::sleep(tick.duration * 2);
            Produced::Silence
        }
    }
    let thread = MixerThread::start(mixer()).expect("a thread");
    let slow = thread.call(|mixer| mixer.add_port(Box::new(Slow)));
    let slow = slow.expect("it runs").expect("a usual rate");
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..3 {
        assert_eq!(thread.call(|mixer| mixer.ports()), Ok(1));
    }
    let removed = thread.call(move |mixer| mixer.remove_port(slow).is_some());
    assert_eq!(removed, Ok(true));
    assert!(thread.stop().is_ok());
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
        // Behind a filter that is empty the fade ends a little later.
        assert!(tick(8)[0] < 200 && tick(8)[159] > 7_500);
        assert!(tick(9)[159] == 10_000 && tick(12)[159] > 9_900);
        let steps = heard[320..].windows(2).map(|pair| pair[1].abs_diff(pair[0]));
        assert!(steps.max() < Some(700), "{rate} Hz clicks");
    }
}

/// A simulated card: its callback is the test.
struct Card(Arc<DeviceClock>);

impl AudioPort for Card {
    fn sample_rate(&self) -> u32 {
        48_000
    }
    fn clock(&self) -> Option<ClockReading> {
        self.0.read()
    }
}

/// How much longer than by the system's clock a minute of ticks took, in parts of a million.
fn a_minute(mixer: &mut AudioMixer<Card>, clock: &mut TickClock, mut card: impl FnMut(Instant)) -> f64 {
    let begin = clock.due();
    for _ in 0..3_000 {
        card(clock.due());
        mixer.tick(clock.due());
        clock.advance(mixer.clock_reading());
    }
    ((clock.due() - begin).as_secs_f64() / 60.0 - 1.0) * 1e6
}

#[test]
fn a_mixer_keeps_step_with_its_card_and_goes_on_without_it() {
    let (config, begin) = (MixerConfig::at_rate(48_000), Instant::now());
    let mut mixer = AudioMixer::new(config).expect("a usual rate");
    let device = Arc::new(DeviceClock::new(48_000, begin));
    let slot = mixer.add_port(Card(Arc::clone(&device))).expect("room");
    assert_eq!(mixer.set_clock(Some(slot)), Ok(()));
    let mut clock = TickClock::new(config.tick, begin);
    // Blocks of 480 samples, each 2 us too late: 200 ppm too slow.
    let mut called = begin;
    let mut slow_card = |now| {
        while called + Duration::from_micros(10_002) <= now {
            called += Duration::from_micros(10_002);
            device.advance(called, 480);
        }
    };
    a_minute(&mut mixer, &mut clock, &mut slow_card);
    let longer = a_minute(&mut mixer, &mut clock, &mut slow_card);
    assert!((longer - 200.0).abs() < 10.0, "{longer} ppm");
    assert!(clock.followed_speed().is_some());
    // The card stops calling, and is taken out.
    let longer = a_minute(&mut mixer, &mut clock, |_| ());
    assert!(longer < 10.0 && clock.followed_speed().is_none(), "{longer} ppm");
    assert!(mixer.remove_port(slot).is_some());
    assert_eq!((mixer.clock(), mixer.clock_reading()), (None, None));
    assert_eq!(mixer.set_clock(Some(slot)), Err(MixerError::NoSlot(slot)));
    let longer = a_minute(&mut mixer, &mut clock, |_| ());
    assert!(longer.abs() < 0.01, "{longer} ppm");
}

/// In real time: the callback is another thread, and all that the mixer's thread takes is a reading.
#[test]
fn the_thread_follows_a_card_while_it_calls() {
    let device = Arc::new(DeviceClock::new(48_000, Instant::now()));
    let mut mixer = AudioMixer::new(MixerConfig::at_rate(48_000)).expect("a usual rate");
    let slot = mixer.add_port(Card(Arc::clone(&device))).expect("room");
    mixer.set_clock(Some(slot)).expect("it is there");
    let thread = MixerThread::start(mixer).expect("a thread");
    assert_eq!(thread.followed_speed(), None);
    let patience = Instant::now() + Duration::from_secs(30);
    while thread.followed_speed().is_none() {
        device.advance(Instant::now(), 480);
        assert!(Instant::now() < patience, "it is never followed");
        std::thread::sleep(Duration::from_millis(10));
    }
    while thread.followed_speed().is_some() {
        assert!(Instant::now() < patience, "it is followed although it stopped");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(thread.stop().is_ok());
}
