//! Recordings of two sides, recordings begun anew, and recordings whose file goes away.

mod folder;
mod recorded;

use folder::Folder;
use hound::WavReader;
use offhook_audio_mixer::{
    AudioMixer, AudioPort, Gain, MixerConfig, RecordError, RecorderEvent, Recording, SamplesPlayer, Summary,
    TickLength, WaveRecorder,
};
use recorded::{samples_of, tick};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Both channels of a recording.
fn channels_of(path: &Path) -> (Vec<i16>, Vec<i16>) {
    let mut reader = WavReader::open(path).expect("a wave file");
    assert_eq!(reader.spec().channels, 2);
    let samples: Vec<i16> = reader.samples().map(|s| s.expect("whole")).collect();
    samples.chunks(2).map(|pair| (pair[0], pair[1])).unzip()
}

/// The other tests here name their files by absolute paths.
#[test]
fn a_program_may_change_its_folder_while_it_records() {
    let (folder, before) = (
        Folder::new("moved"),
        std::env::current_dir().expect("there is one"),
    );
    std::env::set_current_dir(&folder.0).expect("it was made");
    let started = WaveRecorder::start("talk/here.wav", 8_000);
    std::env::set_current_dir(before).expect("it was there");
    let (mut recorder, recording) = started.expect("writable");
    let due = folder
        .0
        .canonicalize()
        .expect("it is there")
        .join("talk/here.wav");
    assert_eq!(recording.path().canonicalize().expect("it is there"), due);
    recorder.consume(&tick(0), &[5; 160]);
    let summary = recording.finish().expect("the file is still there");
    assert_eq!((summary.samples, summary.path.is_absolute()), (160, true));
}

#[test]
fn a_stereo_recording_keeps_both_sides_in_step_whoever_is_connected() {
    let folder = Folder::new("stereo");
    let path = folder.file("talk.wav");
    let (mut me, mut they, recording) = WaveRecorder::start_stereo(&path, 8_000).expect("writable");
    let (mut left, mut right) = (Vec::new(), Vec::new());
    // Neither, me alone, both, they alone, a pause, both, me alone to the end: 10 ticks each.
    let plan = [
        (false, false),
        (true, false),
        (true, true),
        (false, true),
        (true, true),
        (true, true),
        (true, false),
    ];
    for index in 0..70 {
        let (i_am, they_are) = plan[index / 10];
        let paused = index / 10 == 4;
        if paused {
            recording.pause();
        } else {
            recording.resume();
        }
        let (mine, theirs) = (100 + index as i16, -100 - index as i16);
        if they_are && index % 2 == 0 {
            they.consume(&tick(index as u64), &[theirs; 160]);
        }
        if i_am {
            me.consume(&tick(index as u64), &[mine; 160]);
        }
        if they_are && index % 2 == 1 {
            they.consume(&tick(index as u64), &[theirs; 160]);
        }
        if !paused && (i_am || they_are) {
            left.extend([if i_am { mine } else { 0 }; 160]);
            right.extend([if they_are { theirs } else { 0 }; 160]);
        }
    }
    drop((me, they));
    let summary = recording.finish().expect("the disk is fine");
    assert_eq!(
        (summary.channels, summary.samples, summary.overruns),
        (2, 50 * 160, 0)
    );
    let (heard_left, heard_right) = channels_of(&path);
    assert!(heard_left == left, "the left channel");
    assert!(heard_right == right, "the right channel");
}

/// Ticks have no whole frames of most of these rates.
#[test]
fn a_recording_has_the_rate_it_was_asked_for_whatever_the_ticks_are() {
    let folder = Folder::new("rates");
    let path = folder.file("take.wav");
    let phase = |i: u32| std::f64::consts::TAU * 400.0 * f64::from(i) / 16_000.0;
    let tone: Vec<i16> = (0..32_000).map(|i| (10_000.0 * phase(i).sin()) as i16).collect();
    for rate in [8_000, 8_001, 11_025, 12_345, 22_050, 44_100, 191_999] {
        for tick in [TickLength::Ms10, TickLength::Ms20] {
            let config = MixerConfig::at_rate(16_000).with_tick(tick);
            let mut mixer: AudioMixer = AudioMixer::new(config).expect("a usual rate");
            let (port, recording) = WaveRecorder::start(&path, rate).expect("writable");
            let voice = Box::new(SamplesPlayer::new(16_000, tone.clone()));
            let voice = mixer.add_port(voice).expect("a usual rate");
            let ear = mixer.add_port(Box::new(port)).expect("any rate");
            mixer.connect(voice, ear, Gain::UNITY).expect("both exist");
            let now = Instant::now();
            for _ in 0..Duration::from_secs(1).as_millis() / tick.duration().as_millis() {
                mixer.tick(now);
            }
            let summary = recording.finish().expect("the disk is fine");
            assert_eq!((summary.sample_rate, summary.samples), (rate, rate.into()));
            assert_eq!(summary.overruns, 0);
            let reader = WavReader::open(&path).expect("a wave file");
            assert_eq!((reader.spec().sample_rate, reader.duration()), (rate, rate));
            let heard = samples_of(&path);
            let half = &heard[heard.len() / 4..heard.len() * 3 / 4];
            let waves = half.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            assert!((199..=201).contains(&waves), "{rate} Hz, {tick:?}: {waves} waves");
            let peak = half.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0);
            assert!((9_900..=10_100).contains(&peak), "{rate} Hz, {tick:?}: {peak}");
        }
    }
}

#[test]
fn both_sides_of_an_odd_rate_are_as_long() {
    let folder = Folder::new("odd-sides");
    let path = folder.file("talk.wav");
    let (mut me, mut they, recording) = WaveRecorder::start_stereo(&path, 11_025).expect("writable");
    let frame = vec![5_000; me.sample_rate() as usize / 50];
    for index in 0..20 {
        me.consume(&tick(index), &frame);
        if index < 10 {
            they.consume(&tick(index), &frame);
        }
    }
    drop((me, they));
    let summary = recording.finish().expect("the disk is fine");
    assert_eq!((summary.samples, summary.channels), (11_025 * 2 / 5, 2));
    let (left, right) = channels_of(&path);
    assert!(left[100..4_300].iter().all(|s| s.abs_diff(5_000) < 10));
    assert!(right[100..2_100].iter().all(|s| s.abs_diff(5_000) < 10));
    assert!(right[2_400..].iter().all(|s| s.abs() < 10));
}

#[test]
fn a_side_that_is_never_connected_does_not_hold_the_file_up() {
    let folder = Folder::new("one-sided");
    let path = folder.file("talk.wav");
    let (mut me, mut they, mut recording) = WaveRecorder::start_stereo(&path, 8_000).expect("writable");
    let mut index = 0;
    let mut speak = |port: &mut WaveRecorder, ticks| {
        for _ in 0..ticks {
            port.consume(&tick(index), &[7; 160]);
            index += 1;
        }
    };
    speak(&mut me, 90);
    let deadline = Instant::now() + Duration::from_secs(5);
    let saved = || WavReader::open(&path).map_or(0, |reader| reader.duration());
    while saved() < 8_000 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(saved() >= 8_000, "a second is on the disk: {}", saved());
    speak(&mut they, 20);
    drop((me, they));
    let deadline = Instant::now() + Duration::from_secs(5);
    let event = loop {
        if let Some(event) = recording.poll_event() {
            break event;
        }
        assert!(Instant::now() < deadline, "the end is never told");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(
        matches!(event, RecorderEvent::DidEnd(Summary { samples: 17_600, .. })),
        "{event:?}"
    );
    let (left, right) = channels_of(&path);
    assert!(left[..14_400].iter().all(|&s| s == 7) && left[14_400..].iter().all(|&s| s == 0));
    assert!(right[..14_400].iter().all(|&s| s == 0) && right[14_400..].iter().all(|&s| s == 7));
    assert!(recording.poll_event().is_none(), "told once");
    assert!(recording.finish().is_ok());
}

#[test]
fn a_second_recording_to_the_same_file_overwrites_the_first() {
    let folder = Folder::new("again");
    let path = folder.file("take.wav");
    for (value, ticks) in [(5, 20), (9, 3)] {
        let (mut port, recording) = WaveRecorder::start(&path, 8_000).expect("writable");
        (0..ticks).for_each(|_| port.consume(&tick(0), &[value; 160]));
        recording.finish().expect("the disk is fine");
        let mut reader = WavReader::open(&path).expect("a wave file");
        let samples: Vec<i16> = reader.samples().map(|s| s.expect("whole")).collect();
        assert_eq!(samples, vec![value; ticks * 160]);
    }
}

#[test]
fn a_file_that_is_removed_while_it_is_recorded_to_is_told() {
    let folder = Folder::new("removed");
    let path = folder.file("take.wav");
    let (mut port, mut recording) = WaveRecorder::start(&path, 8_000).expect("writable");
    fs::remove_file(&path).expect("it is there");
    (0..60).for_each(|_| port.consume(&tick(0), &[7; 160]));
    let deadline = Instant::now() + Duration::from_secs(5);
    let event = loop {
        if let Some(event) = recording.poll_event() {
            break event;
        }
        assert!(Instant::now() < deadline, "the loss is never told");
        std::thread::sleep(Duration::from_millis(5));
    };
    let RecorderEvent::DidFail(error) = event else {
        panic!("{event:?}")
    };
    let RecordError::Write { source, .. } = &*error else {
        panic!("{error}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    assert!(!recording.is_active());
    port.consume(&tick(0), &[7; 160]);
}

/// Records so many ticks of `level` aside.
fn aside(path: &Path, level: i16, ticks: u64) -> Recording {
    let (mut port, recording) = WaveRecorder::start_aside(path, 8_000).expect("writable");
    for index in 0..ticks {
        port.consume(&tick(index), &[level; 160]);
    }
    recording
}

#[test]
fn an_older_file_stands_until_a_recording_beside_it_is_complete() {
    let folder = Folder::new("aside");
    let (path, part) = (folder.file("take.wav"), folder.file("take.wav.part"));
    aside(&path, 5, 1).finish().expect("writable");
    assert_eq!(samples_of(&path), [5; 160]);
    aside(&path, 6, 1).discard();
    assert_eq!(samples_of(&path), [5; 160], "it was not wanted");
    aside(&path, 6, 0).finish().expect("writable");
    assert_eq!(samples_of(&path), [5; 160], "nothing was heard");
    let recording = aside(&path, 6, 2);
    assert_eq!((recording.path(), part.exists()), (path.as_path(), true));
    assert_eq!(samples_of(&path), [5; 160], "it goes on");
    let summary = recording.finish().expect("writable");
    assert_eq!((summary.path.as_path(), summary.samples), (path.as_path(), 320));
    assert_eq!(samples_of(&path), [6; 320]);
    let recording = aside(&path, 7, 1);
    fs::remove_file(&part).expect("it is there");
    recording.finish().expect_err("it was removed");
    assert_eq!(samples_of(&path), [6; 320], "it broke off");
    assert!(!part.exists());
    let empty = folder.file("empty.wav");
    aside(&empty, 0, 0).finish().expect("writable");
    assert_eq!(samples_of(&empty), [0; 0], "nobody has the name");
}

#[test]
fn two_recordings_do_not_share_a_file() {
    let folder = Folder::new("shared");
    let path = folder.file("take.wav");
    let (port, recording) = WaveRecorder::start(&path, 8_000).expect("writable");
    let refused = WaveRecorder::start(&path, 8_000)
        .map(drop)
        .expect_err("it is in use");
    assert!(refused.to_string().contains("another recording"), "{refused}");
    drop(port);
    recording.finish().expect("writable");
    WaveRecorder::start(&path, 8_000).expect("it is free again");
}

/// A call that never stood drops its ports before anybody says that its recording is not wanted.
#[test]
fn what_is_discarded_after_its_port_is_gone_replaces_nothing() {
    let folder = std::env::temp_dir().join(format!("offhook-aside-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("there is room");
    let path = folder.join("call.wav");
    for older in [None, Some("older")] {
        if let Some(older) = older {
            fs::write(&path, older).expect("there is room");
        }
        let (port, recording) = WaveRecorder::start_aside(&path, 8_000).expect("writable");
        drop(port);
        std::thread::sleep(Duration::from_millis(150));
        recording.discard();
        assert_eq!(fs::read_to_string(&path).ok().as_deref(), older);
        assert_eq!(
            fs::read_dir(&folder).expect("there").count(),
            usize::from(older.is_some())
        );
    }
    // Nobody is there to say so.
    let (port, recording) = WaveRecorder::start_aside(folder.join("left.wav"), 8_000).expect("writable");
    drop((port, recording));
    let until = Instant::now() + Duration::from_secs(30);
    while !folder.join("left.wav").exists() {
        assert!(Instant::now() < until, "it gets its name");
        std::thread::sleep(Duration::from_millis(5));
    }
    fs::remove_dir_all(&folder).expect("ours");
}
