//! A tick allocates nothing, whatever is connected.

use offhook_audio_mixer::{
    AudioMixer, AudioPort, BridgeId, Cadence, FileDevice, Gain, Leased, MixerConfig, NullDevice,
    PlayerOptions, Produced, Role, SamplesPlayer, SamplesRecorder, Slot, Tick, TonePlayer, WaveFile,
    WavePlayer, WaveRecorder,
};
use std::time::{Duration, Instant};

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

/// How often a second of ticks asked the allocator for memory; giving some back would show as well.
fn allocations_of_a_second(mixer: &mut AudioMixer) -> u64 {
    let now = Instant::now();
    let count = allocation_counter::measure(|| {
        for _ in 0..SECOND {
            mixer.tick(now);
        }
    });
    assert_eq!(count.bytes_current, 0, "nothing is freed either");
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
fn ticks_of_files_and_tones_allocate_nothing() {
    let path = std::env::temp_dir().join(format!("offhook-no-alloc-{}.wav", std::process::id()));
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(16_000)).expect("a usual rate");
    let options = PlayerOptions {
        volume: 70,
        loop_count: 3,
        pause_time: Duration::from_millis(55),
        initial_play: false,
        ..PlayerOptions::default()
    };
    let mut player = WavePlayer::new(WaveFile::from_samples(16_000, vec![500; 3_333]), options);
    player.start();
    let mut bell = TonePlayer::new(16_000);
    bell.play(Cadence::busy());
    let (recorder, recording) = WaveRecorder::start(&path, 16_000).expect("the temporary folder is writable");
    let hall = mixer.add_bridge().expect("a bridge");
    let ports: [Box<dyn AudioPort>; 4] = [
        Box::new(player),
        Box::new(bell),
        Box::new(recorder),
        Box::new(NullDevice::new(16_000)),
    ];
    for port in ports {
        let slot = mixer.add_port(port).expect("a usual rate");
        mixer.join(hall, slot).expect("both exist");
    }
    assert_eq!(allocations_of_a_second(&mut mixer), 0);
    drop(mixer);
    let summary = recording.finish().expect("the disk is fine");
    std::fs::remove_file(&path).expect("it was written");
    assert_eq!((summary.samples, summary.overruns), (16_000, 0));
}

#[test]
fn ticks_of_stereo_recordings_file_devices_and_gaps_allocate_nothing() {
    /// Every third tick is late.
    struct Late;
    impl AudioPort for Late {
        fn sample_rate(&self) -> u32 {
            8_000
        }
        fn role(&self) -> Role {
            Role::PRODUCER
        }
        fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
            if tick.index.is_multiple_of(3) {
                return Produced::Missing;
            }
            frame.fill(1_000);
            Produced::Audio
        }
    }
    let path =
        |name: &str| std::env::temp_dir().join(format!("offhook-no-alloc-{name}-{}.wav", std::process::id()));
    let (talk, heard) = (path("talk"), path("heard"));
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(16_000)).expect("a usual rate");
    let (left, right, recording) = WaveRecorder::start_stereo(&talk, 16_000).expect("writable");
    let (device, handle) = FileDevice::open(None, Some(&heard), 16_000).expect("writable");
    let hall = mixer.add_bridge().expect("a bridge");
    let ports: [Box<dyn AudioPort>; 3] = [Box::new(Late), Box::new(left), Box::new(device)];
    for port in ports {
        let slot = mixer.add_port(port).expect("a usual rate");
        mixer.join(hall, slot).expect("both exist");
    }
    // Connected to nothing: the other channel's gap.
    mixer.add_port(Box::new(right)).expect("a usual rate");
    assert_eq!(allocations_of_a_second(&mut mixer), 0);
    drop((mixer, handle));
    let summary = recording.finish().expect("the disk is fine");
    assert_eq!((summary.samples, summary.channels), (16_000, 2));
    for path in [talk, heard] {
        std::fs::remove_file(path).expect("it was written");
    }
}

/// The canceller allocates, on its own thread.
#[cfg(feature = "voice")]
#[test]
fn ticks_with_an_echo_canceller_allocate_nothing() {
    use offhook_audio_mixer::{Level, ThreadedPort, TickLength, VoiceOptions, VoiceProcessor};

    /// Hears what it says.
    struct Room(Vec<i16>);
    impl AudioPort for Room {
        fn sample_rate(&self) -> u32 {
            48_000
        }
        fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
            frame.copy_from_slice(&self.0);
            Produced::Audio
        }
        fn consume(&mut self, _: &Tick, frame: &[i16]) {
            self.0.copy_from_slice(frame);
        }
    }
    let voice = VoiceProcessor::new(Room(vec![0; 960]), TickLength::Ms20, VoiceOptions::default());
    let mut voice = voice.expect("a usual rate");
    let tick = Tick {
        now: Instant::now(),
        index: 0,
        duration: Duration::from_millis(20),
    };
    let count = allocation_counter::measure(|| {
        voice.produce(&tick, &mut [0; 960]);
    });
    assert!(count.count_total > 0, "by itself it does");

    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::default()).expect("the default");
    let port = ThreadedPort::start(voice).expect("a thread");
    let device = mixer.add_port(Box::new(port)).expect("a usual rate");
    let caller = player(&mut mixer, 48_000, 3);
    mixer.connect(caller, device, Gain::UNITY).expect("both exist");
    let (start, mut heard) = (Instant::now(), 0);
    for n in 0..SECOND as u32 {
        let due = start + n * Duration::from_millis(20);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let count = allocation_counter::measure(|| {
            mixer.tick(due);
        });
        assert_eq!((count.count_total, count.bytes_current), (0, 0), "tick {n}");
        heard += u64::from(mixer.level(device).map_or(0, Level::peak));
    }
    assert!(heard > 0, "the canceller works");
}

#[test]
fn ticks_in_which_ports_leave_by_themselves_allocate_nothing() {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::default()).expect("the default");
    let (hall, room) = (
        mixer.add_bridge().expect("the first bridge"),
        mixer.add_bridge().expect("the second bridge"),
    );
    let mut leases = Vec::new();
    let mut leased = |mixer: &mut AudioMixer, port: SamplesPlayer| {
        let (port, lease) = Leased::new(port);
        leases.push(lease);
        mixer.add_port(Box::new(port)).expect("a usual rate")
    };
    let ear = recorder(&mut mixer, 48_000);
    assert_eq!(mixer.join(hall, ear), Ok(true));
    for rate in [8_000, 16_000, 44_100, 48_000] {
        for bridges in [&[hall][..], &[hall, room], &[room], &[]] {
            let slot = leased(&mut mixer, SamplesPlayer::new(rate, vec![500; 2 * rate as usize]));
            for &bridge in bridges {
                assert_eq!(mixer.join(bridge, slot), Ok(true));
            }
            assert_eq!(mixer.connect(slot, ear, Gain::from_db(-3.0)), Ok(()));
        }
    }
    assert_eq!(allocations_of_a_second(&mut mixer), 0);
    drop(leases);
    assert_eq!(allocations_of_a_second(&mut mixer), 0);
    assert_eq!(mixer.ports(), 1);
    assert_eq!(std::iter::from_fn(|| mixer.take_departed()).count(), 16);
}

/// A call that ends before it was heard.
fn come_and_go(mixer: &mut AudioMixer, hall: BridgeId, ear: Slot) {
    for _ in 0..1_000 {
        let guest = player(mixer, 8_000, 1);
        assert_eq!(mixer.join(hall, guest), Ok(true));
        assert_eq!(mixer.connect(guest, ear, Gain::UNITY), Ok(()));
        assert!(guest.index() < 20, "{guest}");
        assert!(mixer.remove_port(guest).is_some());
    }
}

#[test]
fn ports_that_come_and_go_between_two_ticks_hold_no_memory() {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::default()).expect("the default");
    let (hall, ear) = (
        mixer.add_bridge().expect("the first"),
        recorder(&mut mixer, 48_000),
    );
    assert_eq!(mixer.join(hall, ear), Ok(true));
    come_and_go(&mut mixer, hall, ear);
    let held = allocation_counter::measure(|| come_and_go(&mut mixer, hall, ear)).bytes_current;
    assert!(held < 1_000, "{held} bytes");
    assert_eq!(allocations_of_a_second(&mut mixer), 0);
}

#[test]
fn what_ports_that_faded_out_leave_is_given_back_by_the_next_removal() {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::default()).expect("the default");
    let hall = mixer.add_bridge().expect("the first");
    let mut held = [1, 10].map(|guests| {
        let counted = allocation_counter::measure(|| {
            let guests: Vec<Slot> = (0..guests).map(|_| player(&mut mixer, 8_000, 1)).collect();
            for &guest in &guests {
                assert_eq!(mixer.join(hall, guest), Ok(true));
            }
            mixer.tick(Instant::now());
            for guest in guests {
                assert!(mixer.remove_port(guest).is_some());
            }
            mixer.tick(Instant::now());
            let last = player(&mut mixer, 48_000, 1);
            assert!(mixer.remove_port(last).is_some());
        });
        counted.bytes_current
    });
    held.sort_unstable();
    // Nine places more: what ports say and where they sit, but not their resamplers of 30 kB each.
    assert!(held[1] < held[0] + 9 * 4_000, "{held:?}");
}

/// Resamplers of 44.1 kHz take 160 kB each.
#[test]
fn what_ports_that_left_by_themselves_held_is_given_back_to_who_takes_them() {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::default()).expect("the default");
    let mut guests = || {
        let counted = allocation_counter::measure(|| {
            let mut leases = Vec::new();
            for _ in 0..20 {
                let (port, lease) = Leased::new(SamplesPlayer::new(44_100, vec![0; 10]));
                leases.push(lease);
                mixer.add_port(Box::new(port)).expect("a usual rate");
            }
            drop(leases);
            for _ in 0..4 {
                mixer.tick(Instant::now());
                while mixer.take_departed().is_some() {}
            }
            assert_eq!(mixer.ports(), 0);
        });
        counted.bytes_current
    };
    guests();
    let held = guests();
    assert!(held < 10_000, "{held} bytes");
}

#[test]
fn the_counter_counts() {
    let count = allocation_counter::measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!(count.count_total, 1);
}
