//! Ports that leave by themselves, because they are over or nobody holds their lease any more.

mod patience;
mod room;

use offhook_audio_mixer::{
    AudioMixer, AudioPort, BridgeError, BridgeId, DeviceChoice, DeviceOptions, Gain, LastingDevice, Lease,
    Leased, Level, MixerConfig, MixerThread, PlayerOptions, Produced, Role, SamplesRecorder, Slot,
    ThreadedPort, Tick, TickLength, WaveFile, WavePlayer, WaveRecorder,
};
use patience::wait_for;
use room::{AMPLITUDE, Port, RATE, SMOOTH, peak, steepest};
use std::sync::Arc;
use std::time::Instant;

/// A hall in which everybody has a lease.
struct Hall {
    mixer: AudioMixer<Leased<Port>>,
    bridge: BridgeId,
    now: Instant,
}

impl Hall {
    fn new() -> Self {
        let mut mixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
        Self {
            bridge: mixer.add_bridge().expect("the first bridge"),
            mixer,
            now: Instant::now(),
        }
    }

    fn add(&mut self, port: Port) -> (Slot, Lease) {
        let (port, lease) = Leased::new(port);
        let slot = self.mixer.add_port(port).expect("a usual rate");
        assert_eq!(self.mixer.join(self.bridge, slot), Ok(true));
        (slot, lease)
    }

    fn sine(&mut self, rate: u32) -> (Slot, Lease) {
        self.add(Port::Sine {
            hz: 307.0,
            rate,
            played: 0,
            role: Role::BOTH,
        })
    }

    fn ear(&mut self) -> (Slot, Lease) {
        self.add(Port::Ear(SamplesRecorder::new(RATE, 100_000)))
    }

    fn ticks(&mut self, n: usize) {
        for _ in 0..n {
            self.mixer.tick(self.now);
        }
    }

    fn heard(&self, ear: Slot) -> &[i16] {
        match self.mixer.port(ear).map(Leased::port) {
            Some(Port::Ear(ear)) => ear.samples(),
            _ => panic!("{ear} is an ear"),
        }
    }

    fn members(&self) -> usize {
        self.mixer
            .bridge(self.bridge)
            .map_or(0, |bridge| bridge.members().len())
    }
}

#[test]
fn a_voice_whose_lease_is_dropped_fades_out_and_is_gone() {
    for rate in [RATE, 48_000] {
        let mut hall = Hall::new();
        let ((ear, _kept), (voice, lease)) = (hall.ear(), hall.sine(rate));
        assert_eq!(hall.mixer.connect(voice, ear, Gain::from_db(-6.0)), Ok(()));
        hall.ticks(5);
        let clone = lease.clone();
        drop(lease);
        hall.ticks(5);
        assert_eq!(hall.members(), 2, "a clone of the lease holds it");
        drop(clone);
        hall.ticks(5);
        assert_eq!((hall.mixer.ports(), hall.members()), (1, 1));
        assert!(hall.mixer.port(voice).is_none());
        let gone = Err(BridgeError::NoSlot(voice));
        assert_eq!(hall.mixer.join(hall.bridge, voice), gone);
        let heard = hall.heard(ear);
        assert!(f64::from(peak(heard)) > AMPLITUDE * 0.45);
        assert!(steepest(heard) <= SMOOTH, "a step of {}", steepest(heard));
        assert_eq!(peak(&heard[heard.len() - 640..]), 0, "silence behind it");
        let departed = hall.mixer.take_departed();
        let (slot, port) = departed.expect("it is given back");
        assert_eq!(slot, voice);
        assert!(matches!(port.into_port(), Port::Sine { .. }));
        assert!(hall.mixer.take_departed().is_none());
        assert!(hall.mixer.remove_port(voice).is_none());
    }
}

#[test]
fn an_ear_whose_lease_is_dropped_leaves_and_nobody_else_notices() {
    let mut hall = Hall::new();
    let ((ear, _kept), (_voice, _speaks), (other, lease)) = (hall.ear(), hall.sine(RATE), hall.ear());
    assert_eq!(hall.mixer.overhear(ear, other), Ok(()));
    hall.ticks(5);
    drop(lease);
    hall.ticks(5);
    assert_eq!((hall.mixer.ports(), hall.members()), (2, 2));
    let heard = hall.heard(ear);
    assert_eq!(heard.len(), 10 * 320);
    assert!(steepest(&heard[320..]) <= SMOOTH, "a step of {}", steepest(heard));
    assert!(
        f64::from(peak(&heard[9 * 320..])) > AMPLITUDE * 0.99,
        "it hears by its own ears again"
    );
    let (_, gone) = hall.mixer.take_departed().expect("it left");
    let Port::Ear(gone) = gone.into_port() else {
        panic!("it was an ear")
    };
    assert_eq!(
        gone.samples().len(),
        6 * 320,
        "it leaves at the end of the tick that finds it over"
    );
}

#[test]
fn the_places_of_those_who_left_are_used_again_and_what_was_not_taken_is_dropped() {
    let mut hall = Hall::new();
    let (ear, _kept) = hall.ear();
    let token = Arc::new(());
    for _ in 0..1_000 {
        let (voice, lease) = hall.sine(8_000);
        assert!(voice.index() < 4, "{voice}");
        hall.ticks(1);
        drop(lease);
        hall.ticks(3);
    }
    assert_eq!(hall.mixer.ports(), 1);
    assert!(steepest(hall.heard(ear)) <= SMOOTH);

    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let (port, lease) = Leased::new(Holding(Arc::clone(&token)));
    mixer.add_port(Box::new(port)).expect("a usual rate");
    drop(lease);
    mixer.tick(Instant::now());
    assert_eq!(
        (mixer.ports(), Arc::strong_count(&token)),
        (0, 2),
        "a tick drops nothing"
    );
    mixer
        .add_port(Box::new(Holding(Arc::new(()))))
        .expect("a usual rate");
    assert_eq!(Arc::strong_count(&token), 1, "a command does");
}

/// At a rate of its own: what is still in the filter when the sound breaks off must not come behind the fade.
#[test]
fn sound_that_is_missing_and_then_over_does_not_come_back() {
    /// A sine that breaks off.
    struct Broken(Port);
    impl AudioPort for Broken {
        fn sample_rate(&self) -> u32 {
            self.0.sample_rate()
        }
        fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
            match tick.index {
                0..5 => self.0.produce(tick, frame),
                5 => Produced::Missing,
                _ => Produced::Silence,
            }
        }
    }
    /// A broken voice, or who hears it.
    enum Either {
        Broken(Broken),
        Ear(SamplesRecorder),
    }
    impl AudioPort for Either {
        fn sample_rate(&self) -> u32 {
            match self {
                Self::Broken(voice) => voice.sample_rate(),
                Self::Ear(ear) => ear.sample_rate(),
            }
        }
        fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
            match self {
                Self::Broken(voice) => voice.produce(tick, frame),
                Self::Ear(_) => Produced::Silence,
            }
        }
        fn consume(&mut self, tick: &Tick, frame: &[i16]) {
            if let Self::Ear(ear) = self {
                ear.consume(tick, frame);
            }
        }
    }
    for rate in [8_000, 16_000, 44_100, 48_000] {
        let mut mixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
        let sine = Port::Sine {
            hz: 307.0,
            rate,
            played: 0,
            role: Role::BOTH,
        };
        let voice = mixer.add_port(Either::Broken(Broken(sine)));
        let ear = mixer.add_port(Either::Ear(SamplesRecorder::new(RATE, 10_000)));
        let (voice, ear) = (voice.expect("a usual rate"), ear.expect("a usual rate"));
        mixer.connect(voice, ear, Gain::UNITY).expect("both are there");
        for _ in 0..10 {
            mixer.tick(Instant::now());
        }
        let Some(Either::Ear(ear)) = mixer.port(ear) else {
            panic!("it is there")
        };
        let heard = ear.samples();
        assert!(
            steepest(&heard[320..]) <= SMOOTH,
            "{rate}: a step of {}",
            steepest(&heard[320..])
        );
        assert_eq!(peak(&heard[6 * 320..]), 0, "{rate}");
    }
}

/// Holds on to something, silently, until it is dropped.
struct Holding(#[expect(dead_code, reason = "it is held")] Arc<()>);

impl AudioPort for Holding {
    fn sample_rate(&self) -> u32 {
        RATE
    }
}

#[test]
fn a_player_leaves_at_its_end_where_it_is_told_to() {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let mut add = |leave_at_end, loop_count| {
        let options = PlayerOptions {
            leave_at_end,
            loop_count,
            ..PlayerOptions::default()
        };
        let mut player = WavePlayer::new(WaveFile::from_samples(RATE, vec![500; 400]), options);
        if loop_count > 0 {
            player.start();
        }
        mixer.add_port(Box::new(player)).expect("a usual rate")
    };
    // Of those that are not started, the loop count says nothing.
    let (once, twice, stays, waits) = (add(true, 1), add(true, 2), add(false, 1), add(true, 0));
    let mut left_at = Vec::new();
    for n in 0..10 {
        mixer.tick(Instant::now());
        while let Some((slot, _)) = mixer.take_departed() {
            left_at.push((slot, n));
        }
    }
    // 400 samples are a tick and a quarter.
    assert_eq!(left_at, [(once, 2), (twice, 3)]);
    assert!(mixer.port(stays).is_some() && mixer.port(waits).is_some());
}

#[test]
fn a_recorder_leaves_when_its_recording_is_finished_or_broke_off() {
    let path = std::env::temp_dir().join(format!("offhook-departures-{}.wav", std::process::id()));
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let (left, right, recording) = WaveRecorder::start_stereo(&path, RATE).expect("the folder is writable");
    for port in [left, right] {
        mixer.add_port(Box::new(port)).expect("a usual rate");
    }
    mixer.tick(Instant::now());
    assert_eq!(mixer.ports(), 2);
    recording.finish().expect("the disk is fine");
    std::fs::remove_file(&path).expect("it was written");
    mixer.tick(Instant::now());
    assert_eq!(mixer.ports(), 0);
}

/// A guest who says so when it is over.
struct Guest {
    over: bool,
    breaks: bool,
}

const GUEST: Guest = Guest {
    over: false,
    breaks: false,
};

impl AudioPort for Guest {
    fn sample_rate(&self) -> u32 {
        RATE
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        assert!(!self.breaks, "as the test wants it");
        if self.over {
            return Produced::Silence;
        }
        frame.fill(100);
        Produced::Audio
    }
    fn is_over(&self) -> bool {
        self.over
    }
}

/// In real time, behind a thread of its own, whether it ends well or not: the mixer's thread drops it.
#[test]
fn a_threaded_port_leaves_when_it_is_over_and_when_it_panicked() {
    let mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let mixer = MixerThread::start(mixer).expect("a thread");
    for breaks in [false, true] {
        let (port, handle) = ThreadedPort::start_commanded(GUEST).expect("a thread");
        let slot = mixer
            .call(|mixer| mixer.add_port(Box::new(port)))
            .expect("it runs")
            .expect("a usual rate");
        let peak = move |mixer: &mut AudioMixer| mixer.level(slot).map(Level::peak);
        wait_for("it speaks", || {
            (mixer.call(peak).expect("it runs") == Some(100)).then_some(())
        });
        handle
            .call(move |guest| (guest.over, guest.breaks) = (!breaks, breaks))
            .expect("it lives");
        wait_for("it leaves", || {
            (mixer.call(|mixer| mixer.ports()) == Ok(0)).then_some(())
        });
        wait_for("it is dropped", || handle.call(|_| ()).err());
    }
}

/// Whoever waits for a busy thread, the ticks do not.
#[test]
fn a_port_that_is_slow_to_end_holds_up_nobody() {
    let mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let mixer = MixerThread::start(mixer).expect("a thread");
    let (port, handle) = ThreadedPort::start_commanded(GUEST).expect("a thread");
    let (port, lease) = Leased::new(port);
    let added = mixer.call(|mixer| mixer.add_port(Box::new(port)));
    added.expect("it runs").expect("a usual rate");
    let (busy, is_busy) = std::sync::mpsc::channel();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let worker = std::thread::spawn(move || {
        handle.call(move |_| {
            busy.send(()).expect("somebody waits");
            wait.recv().expect("the test goes on");
        })
    });
    is_busy.recv().expect("it begins");
    drop(lease);
    wait_for("it leaves", || {
        (mixer.call(|mixer| mixer.ports()) == Ok(0)).then_some(())
    });
    // It is being dropped, and waits for its thread; the ticks come nevertheless.
    let ticks = move |mixer: &mut AudioMixer| mixer.tick(Instant::now()).index;
    let before = mixer.call(ticks).expect("it runs");
    wait_for("more ticks", || {
        (mixer.call(ticks).expect("it runs") > before + 10).then_some(())
    });
    release.send(()).expect("it waits");
    worker.join().expect("it ends").expect("the command came through");
    assert!(mixer.stop().is_ok());
}

/// No tick asks it for anything.
#[test]
fn a_threaded_recorder_that_is_over_leaves_although_it_is_connected_to_nothing() {
    let path = std::env::temp_dir().join(format!("offhook-departures-idle-{}.wav", std::process::id()));
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let (recorder, recording) = WaveRecorder::start(&path, RATE).expect("the folder is writable");
    let port = ThreadedPort::start(recorder).expect("a thread");
    mixer.add_port(Box::new(port)).expect("a usual rate");
    mixer.tick(Instant::now());
    recording.finish().expect("the disk is fine");
    std::fs::remove_file(&path).expect("it was written");
    wait_for("it leaves", || {
        mixer.tick(Instant::now());
        (mixer.ports() == 0).then_some(())
    });
}

/// Each departure costs the same, however many there are in one tick.
#[test]
fn a_full_house_leaves_in_one_tick() {
    let mut hall = Hall::new();
    let guests: Vec<_> = (0..300).map(|_| hall.sine(RATE)).collect();
    for (n, (from, _)) in guests.iter().enumerate() {
        for (to, _) in guests.iter().skip(n % 3).step_by(3) {
            assert_eq!(hall.mixer.connect(*from, *to, Gain::from_db(-40.0)), Ok(()));
        }
    }
    let (ear, _kept) = hall.ear();
    hall.ticks(2);
    drop(guests);
    hall.ticks(4);
    assert_eq!((hall.mixer.ports(), hall.members()), (1, 1));
    assert_eq!(std::iter::from_fn(|| hall.mixer.take_departed()).count(), 300);
    assert_eq!(peak(&hall.heard(ear)[4 * 320..]), 0);
}

#[test]
fn a_device_leaves_when_its_handle_is_dropped() {
    let off = DeviceOptions {
        sample_rate: RATE,
        input: DeviceChoice::Off,
        output: DeviceChoice::Off,
    };
    let (port, handle) = LastingDevice::start(off, RATE, TickLength::Ms20).expect("a usual rate");
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let device = mixer.add_port(Box::new(port)).expect("its own rate");
    mixer.tick(Instant::now());
    assert!(mixer.port(device).is_some());
    drop(handle);
    mixer.tick(Instant::now());
    assert!(mixer.port(device).is_none());
}
