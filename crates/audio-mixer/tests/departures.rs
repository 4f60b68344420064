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
        let guest = Guest {
            over: false,
            breaks: false,
        };
        let (port, handle) = ThreadedPort::start_commanded(guest).expect("a thread");
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
