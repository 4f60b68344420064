//! What wave files may hold, and what is wrong with others.

mod folder;
mod wave;

use folder::Folder;
use hound::SampleFormat;
use offhook_audio_mixer::{
    AudioPort, EndReason, MAX_SAMPLES, PlayerEvent, PlayerOptions, Tick, WaveError, WaveFile, WavePlayer,
};
use std::io::{Cursor, Read};
use std::time::{Duration, Instant};
use wave::{bytes_of, read, spec};

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
    assert_eq!(file.missing(), Duration::from_secs(51) / 8_000);
    assert_eq!(read(&pcm, 8_000).expect("whole").missing(), Duration::ZERO);
    let mut player = WavePlayer::new(file, PlayerOptions::default());
    player.start();
    let tick = Tick {
        now: Instant::now(),
        index: 0,
        duration: Duration::from_millis(20),
    };
    let _ = player.produce(&tick, &mut [0; 160]);
    let events: Vec<_> = std::iter::from_fn(|| player.poll_event()).collect();
    assert!(
        matches!(events[..], [PlayerEvent::DidStart { .. }, PlayerEvent::DidEnd {
            reason: EndReason::CutOff { missing }, ..
        }] if missing == Duration::from_micros(6_375)),
        "{events:?}"
    );
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
        let file = read(&bytes, 8_000).expect("playable");
        assert_eq!(
            (file.samples(), file.missing()),
            (&[200, -200][..], Duration::ZERO)
        );
    }
}

/// A file that is as long as its header says, and nowhere in memory.
fn silence(channels: u16, rate: u32, bits: u16, frames: u64) -> impl Read {
    let frame = u64::from(channels) * u64::from(bits / 8);
    let tag: u16 = if bits == 64 { 3 } else { 1 };
    let mut format = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
    format.extend(rate.to_le_bytes());
    format.extend([0; 6]);
    format.extend(bits.to_le_bytes());
    let data = frame * frames;
    let head = head(b"RIFF", &format, u32::try_from(data).unwrap_or(u32::MAX));
    Cursor::new(head).chain(std::io::repeat(0).take(data))
}

#[test]
fn what_counts_is_how_long_a_file_sounds() {
    // 120 MB, and five seconds.
    let choir = WaveFile::read("choir.wav", silence(64, 48_000, 64, 240_000), 8_000).expect("it is short");
    assert_eq!(choir.samples().len(), 40_000);
    assert_eq!(choir.missing(), Duration::ZERO);

    let limit = MAX_SAMPLES as u64;
    let whole =
        WaveFile::read("hour.wav", silence(1, 8_000, 16, limit), 8_000).expect("just as long as may be");
    assert_eq!(whole.samples().len(), MAX_SAMPLES);
    let long = WaveFile::read("long.wav", silence(1, 8_000, 16, limit + 1), 8_000);
    let error = long.expect_err("a sample too many");
    assert!(matches!(error, WaveError::TooLong { limit, .. } if limit == Duration::from_hours(1)));
    assert_eq!(
        error.to_string(),
        "long.wav is longer than 3600s, the most that is kept in memory at the mixer's rate: cut it"
    );
}

/// Written by a program that was killed, or that cannot go back, before it told any length.
#[test]
fn a_file_without_lengths_plays_what_follows_its_header() {
    let whole = bytes_of(spec(1, 8_000, 16, SampleFormat::Int), |w| {
        (0..100_i16).for_each(|i| w.write_sample(i).expect("memory"));
    });
    let (riff, data) = (4..8, 40..44);
    let told = |riff_length: u32, data_length: u32| {
        let mut bytes = whole.clone();
        bytes[riff.clone()].copy_from_slice(&riff_length.to_le_bytes());
        bytes[data.clone()].copy_from_slice(&data_length.to_le_bytes());
        let file = read(&bytes, 8_000).expect("a wave file");
        assert!(file.missing().is_zero());
        file.samples().len()
    };
    for riff_length in [0, 36, u32::MAX] {
        assert_eq!(told(riff_length, 0), 100, "{riff_length}");
    }
    assert_eq!(told(236, 0), 0, "the file goes on with something else");
}
