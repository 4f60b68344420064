//! Wave files, played and recorded.

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use offhook_audio_mixer::{
    AudioMixer, AudioPort, EndReason, MixerConfig, PlayerEvent, PlayerOptions, Produced, RecordError, Tick,
    WaveError, WaveFile, WavePlayer, WaveRecorder,
};
use proptest::prelude::*;
use std::fs;
use std::io::Cursor;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("offhook-wave-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder is writable");
        Self(path)
    }
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn spec(channels: u16, sample_rate: u32, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
    WavSpec {
        channels,
        sample_rate,
        bits_per_sample,
        sample_format,
    }
}

fn bytes_of(spec: WavSpec, write: impl FnOnce(&mut WavWriter<Cursor<&mut Vec<u8>>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = WavWriter::new(Cursor::new(&mut bytes), spec).expect("memory");
    write(&mut writer);
    writer.finalize().expect("memory");
    bytes
}

fn read(bytes: &[u8], rate: u32) -> Result<WaveFile, WaveError> {
    WaveFile::read("test.wav", bytes, rate)
}

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
fn every_sample_format_comes_out_as_the_same_sound() {
    let pcm = |bits: u16| {
        bytes_of(spec(1, 8_000, bits, SampleFormat::Int), |w| {
            for part in [0.0, 0.5, -0.5, -1.0] {
                let full = f64::from(1_u32 << (bits - 1));
                w.write_sample((part * full) as i32).expect("in range");
            }
        })
    };
    for bits in [8, 16, 24, 32] {
        let file = read(&pcm(bits), 8_000).expect("a usual format");
        assert_eq!(file.samples(), [0, 16_384, -16_384, i16::MIN], "{bits} bits");
    }
    let float = bytes_of(spec(1, 8_000, 32, SampleFormat::Float), |w| {
        for part in [0.0_f32, 0.5, -0.5, -1.0, 7.0, f32::NAN] {
            w.write_sample(part).expect("any float");
        }
    });
    let file = read(&float, 8_000).expect("a usual format");
    assert_eq!(file.samples(), [0, 16_384, -16_384, i16::MIN, i16::MAX, 0]);
}

#[test]
fn a_law_and_mu_law_files_are_expanded() {
    let header = |tag: u8| {
        let mut bytes = b"RIFF\x2a\0\0\0WAVEfmt \x12\0\0\0".to_vec();
        bytes.extend([tag, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0, 0, 0]);
        bytes.extend(b"LIST\x03\0\0\0abc\0data\x02\0\0\0");
        bytes
    };
    let mut mu = header(7);
    mu.extend([0x80, 0x00, 0x55]);
    assert_eq!(
        read(&mu, 8_000).expect("µ-law").samples(),
        [32_124, -32_124],
        "and no byte past the end"
    );
    let mut a = header(6);
    a.extend([0xAA, 0xD5]);
    assert_eq!(read(&a, 8_000).expect("A-law").samples(), [32_256, 8]);
}

/// The head of a wave file, up to the samples; the format is given without its length.
fn head(magic: &[u8], format: &[u8], data_len: u32) -> Vec<u8> {
    let length = |len: usize| (len as u32).to_le_bytes();
    let lengths = (length(format.len()), data_len.to_le_bytes());
    [
        magic,
        &[0xFF; 4],
        b"WAVE",
        b"ds64\x1c\0\0\0",
        &[0xFF; 8],
        &6_u64.to_le_bytes(),
        &[0; 12],
        b"fmt ",
        &lengths.0,
        format,
        b"data",
        &lengths.1,
    ]
    .concat()
}

/// The format of mono at 8 kHz.
fn format(tag: u16, bits: u16) -> Vec<u8> {
    let align = bits / 8;
    let mut format = Vec::new();
    format.extend(tag.to_le_bytes());
    format.extend(1_u16.to_le_bytes());
    format.extend(8_000_u32.to_le_bytes());
    format.extend((8_000 * u32::from(align)).to_le_bytes());
    format.extend(align.to_le_bytes());
    format.extend(bits.to_le_bytes());
    format
}

/// The same by way of a sub-format.
fn extensible(tag: u16, bits: u16) -> Vec<u8> {
    let mut format = format(0xFFFE, bits);
    format.extend([22, 0]);
    format.extend(bits.to_le_bytes());
    format.extend([4, 0, 0, 0]);
    format.extend(tag.to_le_bytes());
    format.extend(b"\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71");
    format
}

#[test]
fn a_file_of_64_bit_lengths_is_read_by_them() {
    let mut file = head(b"RF64", &format(1, 16), u32::MAX);
    file.extend([1, 0, 2, 0, 3, 0, b'n', b'o']);
    assert_eq!(read(&file, 8_000).expect("RF64").samples(), [1, 2, 3]);
    file[..4].copy_from_slice(b"BW64");
    assert_eq!(read(&file, 8_000).expect("BW64").samples(), [1, 2, 3]);
    file[..4].copy_from_slice(b"RF65");
    assert!(matches!(read(&file, 8_000), Err(WaveError::NotAWave { .. })));
}

#[test]
fn a_sub_format_stands_for_the_format() {
    for (tag, bits, bytes, due) in [
        (1, 16, vec![0, 0x40], 0x4000),
        (1, 24, vec![0, 0, 0x40], 0x4000),
        (6, 8, vec![0xAA], 32_256),
        (7, 8, vec![0x80], 32_124),
        (3, 64, 0.5_f64.to_le_bytes().to_vec(), 16_384),
    ] {
        for format in [extensible(tag, bits), format(tag, bits)] {
            let mut file = head(b"RIFF", &format, bytes.len() as u32);
            file.extend(&bytes);
            let sound = read(&file, 8_000);
            assert_eq!(
                sound.expect("a usual format").samples(),
                [due],
                "tag {tag}, {bits} bits"
            );
        }
    }
    let mut strange = extensible(1, 16);
    strange[30] = 7;
    let file = [head(b"RIFF", &strange, 2), vec![0, 0]].concat();
    assert!(matches!(read(&file, 8_000), Err(WaveError::Unsupported { .. })));
    let short = [head(b"RIFF", &extensible(1, 16)[..20], 2), vec![0, 0]].concat();
    assert!(matches!(read(&short, 8_000), Err(WaveError::Damaged { .. })));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let folder = Folder::new("pipe");
    let path = folder.file("pipe.wav");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo is there").success());
    assert!(matches!(
        WaveFile::load(&path, 8_000),
        Err(WaveError::Special { .. })
    ));
}

#[test]
fn channels_are_mixed_to_their_mean() {
    let stereo = bytes_of(spec(2, 8_000, 16, SampleFormat::Int), |w| {
        for sample in [100_i16, 300, -1000, 1000, i16::MAX, i16::MAX] {
            w.write_sample(sample).expect("memory");
        }
    });
    assert_eq!(
        read(&stereo, 8_000).expect("stereo").samples(),
        [200, 0, i16::MAX]
    );
}

#[test]
fn any_rate_is_brought_to_the_mixers_without_delay_or_loss_of_length() {
    for rate in [8_000_u32, 11_025, 22_050, 44_100, 8_009, 96_000] {
        let wave = |i: u32, rate: u32| {
            (8000.0 * (std::f32::consts::TAU * 440.0 * i as f32 / rate as f32).sin()) as i16
        };
        let bytes = bytes_of(spec(1, rate, 16, SampleFormat::Int), |w| {
            for i in 0..rate / 2 {
                w.write_sample(wave(i, rate)).expect("memory");
            }
        });
        let file = read(&bytes, 48_000).expect("a usual file");
        assert!(
            file.samples().len().abs_diff(24_000) <= 6,
            "{rate}: {}",
            file.samples().len()
        );
        let middle = file.samples().iter().zip(0_u32..).skip(2000).take(20_000);
        let worst = middle.map(|(&s, i)| s.abs_diff(wave(i, 48_000))).max();
        assert!(worst < Some(250), "{rate} Hz: off by {worst:?}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_apart() {
    let folder = Folder::new("wrong");
    let missing = WaveFile::load(folder.file("none.wav"), 8_000);
    assert!(
        matches!(&missing, Err(WaveError::Missing { path }) if path.ends_with("none.wav")),
        "{missing:?}"
    );
    assert!(matches!(
        WaveFile::load(&folder.0, 8_000),
        Err(WaveError::System { .. })
    ));
    assert!(matches!(
        read(b"ID3\x03 not this kind of file", 8_000),
        Err(WaveError::NotAWave { .. })
    ));
    assert!(matches!(read(b"", 8_000), Err(WaveError::NotAWave { .. })));
    let pcm = bytes_of(spec(1, 8_000, 16, SampleFormat::Int), |w| {
        w.write_sample(1_i16).expect("memory");
    });
    assert!(matches!(read(&pcm[..30], 8_000), Err(WaveError::Damaged { .. })));
    let mut adpcm = pcm.clone();
    adpcm[20] = 2;
    assert!(matches!(read(&adpcm, 8_000), Err(WaveError::Unsupported { .. })));
    let message = missing.map_err(|e| e.to_string()).expect_err("it is missing");
    assert!(message.contains("none.wav does not exist"), "{message}");
}

/// Headers that no recorder writes: each is an error, and none is believed so far as to fill the memory.
#[test]
fn headers_without_sense_are_refused() {
    let pcm = bytes_of(spec(1, 8_000, 16, SampleFormat::Int), |w| {
        (0..100).for_each(|n| w.write_sample(n as i16).expect("memory"));
    });
    let with = |at: usize, bytes: &[u8]| {
        let mut file = pcm.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let law = |channels: u16, rate: u32| {
        let mut file = with(20, &6_u16.to_le_bytes());
        file[22..24].copy_from_slice(&channels.to_le_bytes());
        file[24..28].copy_from_slice(&rate.to_le_bytes());
        file[32..36].copy_from_slice(&[1, 0, 8, 0]);
        file
    };
    for (what, file) in [
        ("zero channels", with(22, &0_u16.to_le_bytes())),
        ("zero channels of A-law", law(0, 8_000)),
        ("a rate of zero", with(24, &0_u32.to_le_bytes())),
        ("a rate of zero, A-law", law(1, 0)),
        (
            "four thousand million samples a second",
            with(24, &u32::MAX.to_le_bytes()),
        ),
        ("the same in A-law", law(1, u32::MAX)),
        ("zero bits", with(34, &0_u16.to_le_bytes())),
        ("sixty thousand bits", with(34, &60_000_u16.to_le_bytes())),
    ] {
        let result = read(&file, 48_000);
        assert!(
            matches!(
                result,
                Err(WaveError::Damaged { .. } | WaveError::Unsupported { .. })
            ),
            "{what}: {result:?}"
        );
    }
    // More samples than there are: what is there is played.
    let claims = read(&with(40, &u32::MAX.to_le_bytes()), 8_000).map(|file| file.samples().len());
    assert!(
        matches!(claims, Ok(100) | Err(WaveError::Damaged { .. })),
        "{claims:?}"
    );
    // Many channels are mixed, not refused.
    let crowd = read(&law(200, 8_000), 8_000).map(|file| file.samples().len());
    assert!(matches!(crowd, Ok(0..=2)), "{crowd:?}");
}

#[test]
fn a_file_that_was_cut_off_is_played_as_far_as_it_goes() {
    let pcm = bytes_of(spec(1, 8_000, 16, SampleFormat::Int), |w| {
        (0..100_i16).for_each(|i| w.write_sample(i).expect("memory"));
    });
    let file = read(&pcm[..pcm.len() - 101], 8_000).expect("still a wave file");
    assert_eq!(file.samples().len(), 49);
}

#[test]
fn a_player_loops_with_pauses_counted_in_samples() {
    let file = WaveFile::from_samples(8_000, vec![10; 200]);
    let options = PlayerOptions {
        volume: 50,
        loop_count: 2,
        pause_time: Duration::from_millis(10),
        initial_play: false,
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

/// Of streams that were written without going back to the header (ffmpeg's are), and with chunks of an odd length before the
/// samples, which RIFF pads.
#[test]
fn files_of_unknown_length_and_with_padded_chunks_are_played() {
    let bytes = bytes_of(spec(2, 8_000, 16, SampleFormat::Int), |w| {
        for sample in [100, 300, -100, -300] {
            w.write_sample(sample).expect("in range");
        }
    });
    let unknown = [&bytes[..40], &[0xff; 4], &bytes[44..]].concat();
    let odd = [&bytes[..], &[7]].concat();
    let padded = [&bytes[..36], b"LIST\x03\0\0\0abc\0", &bytes[36..]].concat();
    for bytes in [bytes, unknown, odd, padded] {
        assert_eq!(read(&bytes, 8_000).expect("playable").samples(), [200, -200]);
    }
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
