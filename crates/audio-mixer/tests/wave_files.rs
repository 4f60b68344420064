//! Wave files, played and recorded.

mod folder;
mod wave;

use folder::Folder;
use hound::{SampleFormat, WavReader};
use offhook_audio_mixer::{
    AudioMixer, AudioPort, EndReason, MixerConfig, PlayerEvent, PlayerOptions, Produced, RecordError, Tick,
    WaveError, WaveFile, WavePlayer, WaveRecorder,
};
use proptest::prelude::*;
use std::fs;
use std::time::{Duration, Instant};
use wave::{bytes_of, read, spec};

/// Drives a port by hand, in virtual time.
struct Clock {
    tick: Tick,
}

impl Clock {
    fn new() -> Self {
        let tick = Tick {
            now: Instant::now(),
            index: 0,
            duration: Duration::from_millis(20),
        };
        Self { tick }
    }

    fn next(&mut self, port: &mut impl AudioPort, len: usize) -> Option<Vec<i16>> {
        let mut frame = vec![-1; len];
        let produced = port.produce(&self.tick, &mut frame);
        self.tick.index += 1;
        self.tick.now += self.tick.duration;
        (produced == Produced::Audio).then_some(frame)
    }
}

#[test]
fn a_player_loops_with_pauses_counted_in_samples() {
    let file = WaveFile::from_samples(8_000, vec![10; 200]);
    let options = PlayerOptions {
        volume: 50,
        loop_count: 2,
        pause_time: Duration::from_millis(10),
        initial_play: false,
        ..PlayerOptions::default()
    };
    let mut player = WavePlayer::new(file, options);
    let mut clock = Clock::new();
    assert_eq!(clock.next(&mut player, 160), None, "not started yet");
    player.start();
    let mut sound = Vec::new();
    while let Some(frame) = clock.next(&mut player, 160) {
        sound.extend(frame);
    }
    let expected = [vec![0; 80], vec![5; 200], vec![0; 80], vec![5; 200], vec![0; 80]].concat();
    assert_eq!(sound, expected);
    assert!(matches!(player.poll_event(), Some(PlayerEvent::DidStart { .. })));
    assert!(matches!(
        player.poll_event(),
        Some(PlayerEvent::DidEnd {
            reason: EndReason::Finished,
            ..
        })
    ));
    assert!(player.poll_event().is_none());
    player.start();
    assert!(player.is_active(), "a player can be started again");
}

#[test]
fn a_level_above_a_hundred_percent_is_louder_and_does_not_wrap() {
    let mut clock = Clock::new();
    let mut at = |volume| {
        let options = PlayerOptions {
            volume,
            ..PlayerOptions::default()
        };
        let mut player = WavePlayer::new(WaveFile::from_samples(8_000, vec![10_000; 160]), options);
        player.start();
        clock.next(&mut player, 160).map(|frame| frame[0])
    };
    assert_eq!(at(0), Some(0));
    assert_eq!(at(50), Some(5_000));
    assert_eq!(at(200), Some(20_000));
    assert_eq!(at(1_000), Some(i16::MAX), "limited");
}

#[test]
fn a_volume_that_is_changed_while_a_file_plays_glides() {
    let mut clock = Clock::new();
    let options = PlayerOptions::default();
    let mut player = WavePlayer::new(WaveFile::from_samples(8_000, vec![16_000; 480]), options);
    player.start();
    assert_eq!(clock.next(&mut player, 160), Some(vec![16_000; 160]));
    let softer = PlayerOptions {
        volume: 50,
        ..options
    };
    player.set_options(softer);
    let glide = clock.next(&mut player, 160).expect("it plays");
    let steps = std::iter::once(&16_000).chain(&glide).zip(&glide);
    assert!(
        steps.into_iter().all(|(a, b)| (49..=51).contains(&(a - b))),
        "{glide:?}"
    );
    assert_eq!(clock.next(&mut player, 160), Some(vec![8_000; 160]));
    assert_eq!(clock.next(&mut player, 160), None);
    player.set_options(options);
    player.start();
    assert_eq!(
        clock.next(&mut player, 160),
        Some(vec![16_000; 160]),
        "nothing to glide from"
    );
}

#[test]
fn a_player_knows_its_file() {
    let folder = Folder::new("name");
    let path = folder.file("ring.wav");
    let pcm = bytes_of(spec(2, 8_000, 16, SampleFormat::Int), |w| {
        (0..4_i16).for_each(|i| w.write_sample(i * 100).expect("memory"));
    });
    fs::write(&path, pcm).expect("the folder is writable");
    let file = WaveFile::load(&path, 8_000).expect("a wave file");
    assert_eq!(file.samples(), [50, 250], "two channels are mixed to one");
    assert_eq!(file.path(), Some(&*path));
    let player = WavePlayer::new(file, PlayerOptions::default());
    assert_eq!(player.path(), Some(&*path));
    let beep = WavePlayer::new(WaveFile::from_samples(8_000, vec![]), PlayerOptions::default());
    assert_eq!(beep.path(), None);
    assert!(WaveFile::load(&path, 0).is_err(), "no such rate");
}

#[test]
fn an_endless_player_ends_only_when_stopped_and_fades_out() {
    let mut player = WavePlayer::new(
        WaveFile::from_samples(8_000, vec![10_000; 50]),
        PlayerOptions {
            loop_count: 0,
            ..PlayerOptions::default()
        },
    );
    let mut clock = Clock::new();
    player.start();
    for _ in 0..500 {
        assert_eq!(clock.next(&mut player, 160), Some(vec![10_000; 160]));
    }
    player.stop(clock.tick.now);
    player.stop(clock.tick.now);
    assert!(!player.is_active());
    let tail = clock.next(&mut player, 160).expect("a fade");
    assert!(tail.is_sorted_by(|a, b| a >= b) && tail[0] < 10_000, "{tail:?}");
    assert_eq!(clock.next(&mut player, 160), None);
    assert!(matches!(player.poll_event(), Some(PlayerEvent::DidStart { .. })));
    assert!(matches!(
        player.poll_event(),
        Some(PlayerEvent::DidEnd {
            reason: EndReason::Stopped,
            ..
        })
    ));
    assert!(player.poll_event().is_none());
}

#[test]
fn what_was_stopped_fades_out_under_what_is_started_at_once() {
    let samples = [vec![0; 320], vec![10_000; 1_600]].concat();
    let options = PlayerOptions {
        volume: 50,
        ..PlayerOptions::default()
    };
    let mut clock = Clock::new();
    let mut player = WavePlayer::new(WaveFile::from_samples(8_000, samples), options);
    player.start();
    for again in 0..3 {
        let last = (0..4).filter_map(|_| clock.next(&mut player, 160)).last();
        assert_eq!(last, Some(vec![5_000; 160]), "start {again}");
        // As often as one likes: only what was heard has to fade.
        for _ in 0..=again {
            player.stop(Instant::now());
            player.start();
        }
        player.set_options(options);
        let faded = clock.next(&mut player, 160).expect("it plays");
        let steps = std::iter::once(&5_000).chain(&faded).zip(&faded);
        assert!(
            steps.into_iter().all(|(a, b)| (30..=32).contains(&(a - b))),
            "{faded:?}"
        );
        assert_eq!(faded.last(), Some(&0), "the beginning of the file");
    }
    player.stop(Instant::now());
    player.start();
    player.stop(Instant::now());
    let left = clock.next(&mut player, 160).unwrap_or_default();
    assert!(
        left.iter().all(|&sample| sample == 0),
        "silence was heard: {left:?}"
    );
    assert_eq!(clock.next(&mut player, 160), None);
}

#[test]
fn a_player_that_is_one_port_of_many_still_tells_what_happens() {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(8_000)).expect("a usual rate");
    let file = WaveFile::from_samples(8_000, vec![10; 200]);
    let (mut player, mut events) = WavePlayer::new(file, PlayerOptions::default()).with_events();
    player.start();
    let begin = Instant::now();
    assert!(mixer.add_port(Box::new(player)).is_ok());
    assert!(events.poll_event().is_none());
    let counted = allocation_counter::measure(|| {
        for n in 0..3 {
            mixer.tick(begin + n * Duration::from_millis(20));
        }
    });
    assert_eq!(counted.count_total, 0);
    assert!(matches!(events.poll_event(), Some(PlayerEvent::DidStart { at }) if at == begin));
    let at_end = begin + Duration::from_millis(20);
    assert!(
        matches!(events.poll_event(), Some(PlayerEvent::DidEnd { at, reason: EndReason::Finished }) if at == at_end)
    );
    assert!(events.poll_event().is_none());
}

#[test]
fn an_empty_endless_file_ends_instead_of_hanging() {
    let options = PlayerOptions {
        loop_count: 0,
        ..PlayerOptions::default()
    };
    let mut player = WavePlayer::new(WaveFile::from_samples(8_000, vec![]), options);
    player.start();
    assert_eq!(Clock::new().next(&mut player, 160), None);
    assert!(!player.is_active());
}

#[test]
fn a_player_of_a_path_reads_it_when_started_and_tells_what_failed() {
    let folder = Folder::new("path");
    let path = folder.file("late.wav");
    let mut player = WavePlayer::from_path(&path, 8_000, PlayerOptions::default());
    let mut clock = Clock::new();
    let mut run = |player: &mut WavePlayer| {
        player.start();
        let deadline = Instant::now() + Duration::from_secs(5);
        while player.is_active() && Instant::now() < deadline {
            clock.next(player, 160);
            std::thread::sleep(Duration::from_millis(1));
        }
        std::iter::from_fn(|| player.poll_event()).collect::<Vec<_>>()
    };
    let events = run(&mut player);
    let failed = |e: &PlayerEvent| matches!(e, PlayerEvent::DidFail { error, .. } if matches!(**error, WaveError::Missing { .. }));
    assert!(matches!(&events[..], [event] if failed(event)), "{events:?}");
    let pcm = bytes_of(spec(1, 8_000, 16, SampleFormat::Int), |w| {
        w.write_sample(1_i16).expect("memory");
    });
    fs::write(&path, pcm).expect("the folder is writable");
    let events = run(&mut player);
    assert!(
        matches!(
            &events[..],
            [PlayerEvent::DidStart { .. }, PlayerEvent::DidEnd { .. }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_recording_holds_what_was_heard_and_says_so() {
    let folder = Folder::new("record");
    let path = folder.file("deep/er/take.wav");
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(8_000)).expect("a usual rate");
    let mut player = WavePlayer::new(
        WaveFile::from_samples(8_000, (0..1600).collect::<Vec<i16>>()),
        PlayerOptions {
            pause_time: Duration::from_millis(20),
            initial_play: false,
            ..PlayerOptions::default()
        },
    );
    player.start();
    let (port, recording) = WaveRecorder::start(&path, 8_000).expect("writable");
    let (voice, ear) = (
        mixer.add_port(Box::new(player)).expect("a"),
        mixer.add_port(Box::new(port)).expect("b"),
    );
    let hall = mixer.add_bridge().expect("one");
    mixer.join(hall, voice).expect("voice");
    mixer.join(hall, ear).expect("ear");
    let now = Instant::now();
    for _ in 0..11 {
        mixer.tick(now);
    }
    recording.pause();
    mixer.tick(now);
    recording.resume();
    mixer.tick(now);
    assert!(recording.is_active());
    let summary = recording.finish().expect("the disk is fine");
    assert_eq!((summary.samples, summary.overruns), (12 * 160, 0));
    assert_eq!(summary.duration(), Duration::from_millis(240));
    let mut reader = WavReader::open(&path).expect("a wave file");
    let samples: Vec<i16> = reader.samples().map(|s| s.expect("whole")).collect();
    assert_eq!(samples[160..1760], (0..1600).collect::<Vec<i16>>());
}

#[test]
fn the_file_is_valid_while_the_recording_still_runs() {
    let folder = Folder::new("crash");
    let path = folder.file("take.wav");
    let (mut port, recording) = WaveRecorder::start(&path, 8_000).expect("writable");
    assert_eq!(WavReader::open(&path).expect("valid from the start").len(), 0);
    let clock = Clock::new();
    for _ in 0..60 {
        port.consume(&clock.tick, &[7; 160]);
    }
    let deadline = Instant::now() + Duration::from_secs(5);
    let saved = || WavReader::open(&path).map_or(0, |reader| reader.len());
    while saved() < 8_000 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(saved() >= 8_000, "a second is on the disk: {}", saved());
    assert!(recording.is_active());
    drop(port);
    let summary = recording.finish().expect("closed by the drop of its port");
    assert_eq!(summary.samples, 9_600);
}

#[test]
fn samples_that_the_disk_is_too_slow_for_are_counted() {
    let folder = Folder::new("overrun");
    let (mut port, recording) = WaveRecorder::start(folder.file("take.wav"), 8_000).expect("writable");
    let clock = Clock::new();
    // Ten times what the ring holds, at once: the writer cannot have kept up between two of its naps.
    port.consume(&clock.tick, &vec![7; 160_000]);
    let lost = recording.overruns();
    let summary = recording.finish().expect("the rest was written");
    assert_eq!(summary.overruns, lost);
    assert_eq!((summary.samples, lost), (16_000, 144_000));
}

#[test]
fn a_path_that_cannot_be_written_is_refused_and_leaves_nothing() {
    let folder = Folder::new("refused");
    let blocker = folder.file("blocker");
    fs::write(&blocker, "a file, not a folder").expect("writable");
    let under = WaveRecorder::start(blocker.join("take.wav"), 8_000);
    assert!(matches!(under, Err(RecordError::Folder { .. })), "{under:?}");
    let onto = WaveRecorder::start(&folder.0, 8_000);
    assert!(matches!(onto, Err(RecordError::Open { .. })), "{onto:?}");
    for nameless in ["", "/", ".."] {
        for start in [WaveRecorder::start, WaveRecorder::start_aside] {
            let refused = start(nameless, 8_000).map(drop);
            assert!(
                matches!(refused, Err(RecordError::Open { .. })),
                "{nameless}: {refused:?}"
            );
        }
    }
    #[cfg(unix)]
    for device in ["/dev/full", "/dev/null"] {
        let link = folder.file("device.wav");
        std::os::unix::fs::symlink(device, &link).expect("links are made");
        let result = WaveRecorder::start(&link, 8_000);
        assert!(matches!(result, Err(RecordError::Open { .. })), "{result:?}");
        fs::remove_file(&link).expect("what was there before is left alone");
    }
    for rate in [0, 7_999, 2_000_000_000, u32::MAX] {
        let absurd = WaveRecorder::start(folder.file("absurd.wav"), rate);
        assert!(matches!(absurd, Err(RecordError::Rate { .. })), "{absurd:?}");
    }
    assert_eq!(fs::read_dir(&folder.0).expect("readable").count(), 1);
}

/// A pause so short that it is no sample: the tick must end all the same.
#[test]
fn an_empty_file_that_is_played_without_end_ends() {
    let empty = WaveFile::from_samples(8_000, Vec::new());
    for pause in [0, 1, 100, 999] {
        let options = PlayerOptions {
            loop_count: 0,
            pause_time: Duration::from_micros(pause),
            ..PlayerOptions::default()
        };
        let mut player = WavePlayer::new(empty.clone(), options);
        player.start();
        let mut frame = [0; 160];
        for _ in 0..20 {
            let _ = player.produce(&Clock::new().tick, &mut frame);
        }
    }
}

proptest! {
    #[test]
    fn a_damaged_file_is_refused_or_played_but_never_panics(
        bits in prop::sample::select(vec![8_u16, 16, 24, 32]),
        channels in 1..4_u16,
        damage in prop::collection::vec((0..120_usize, any::<u8>()), 0..6),
        cut in 0..200_usize,
    ) {
        let mut bytes = bytes_of(spec(channels, 8_000, bits, SampleFormat::Int), |w| {
            for i in 0..24 {
                w.write_sample(i % 100).expect("in range");
            }
        });
        for (at, byte) in damage {
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(100)));
        if let Ok(file) = read(&bytes, 16_000) {
            prop_assert!(file.samples().len() <= 24 * 16 * 4);
        }
    }
}
