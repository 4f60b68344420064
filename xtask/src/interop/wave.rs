//! Tones: written to wave files for one side to play, measured in what the other side recorded.

use super::disagreement::{Disagreement, holds};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use offhook_testkit::audio::{dbfs, tone_level};
use std::f64::consts::{SQRT_2, TAU};
use std::path::Path;

/// A sine, by its frequency. Whole periods fit in [`WINDOW_SECONDS`], so two tones do not leak into each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tone {
    pub(super) hertz: f64,
}

/// What the program under test plays.
pub(super) const OURS: Tone = Tone { hertz: 440.0 };
/// What the peer plays.
pub(super) const THEIRS: Tone = Tone { hertz: 660.0 };

/// Peak of the tones that are played, of full scale: loud, and far from clipping.
const PEAK: f64 = 0.25;
const WINDOW_SECONDS: f64 = 0.05;
/// A window holds the tone when it is hardly louder than the tone alone, in dB: 0.5 is a tenth of the power.
const PURE_DB: f64 = 0.5;
/// Below this a window counts as silent, in dBFS.
const SILENT_DB: f64 = -50.0;
/// How far a codec and a resampler may move the level, in dB.
const LEVEL_TOLERANCE_DB: f64 = 3.0;
/// How far below the right tone the wrong one must stay, in dB.
const SEPARATION_DB: f64 = 30.0;
/// For each second of the tone, how many seconds may be missing in the middle of it.
const MOST_GAPS: f64 = 0.05;

/// What was heard in a recording.
#[derive(Debug)]
pub(super) struct Heard {
    /// Seconds of windows that hold the tone.
    pub(super) seconds: f64,
    /// Seconds of windows without it, between the first and the last that hold it.
    pub(super) gaps: f64,
    /// Median level in those windows, in dBFS.
    pub(super) level_db: f64,
    /// The strongest window of the other tone, in dBFS.
    pub(super) other_db: f64,
}

/// Writes a wave file: 16 bits, one channel.
pub(super) fn write_tone(path: &Path, tone: Tone, rate: u32, seconds: u32) -> Result<(), Disagreement> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let complain = |error: hound::Error| Disagreement::wave(path, &error);
    let mut writer = WavWriter::create(path, spec).map_err(complain)?;
    for index in 0..rate * seconds {
        let phase = TAU * tone.hertz * f64::from(index) / f64::from(rate);
        let sample = (phase.sin() * PEAK * f64::from(i16::MAX)).round() as i16;
        writer.write_sample(sample).map_err(complain)?;
    }
    writer.finalize().map_err(complain)
}

/// Fails unless the recording holds one tone for that long, at the level that was sent, without gaps or the other tone.
pub(super) fn check_recording(
    path: &Path,
    tone: Tone,
    other: Tone,
    least_seconds: f64,
) -> Result<(), Disagreement> {
    check_held_recording(path, tone, other, least_seconds, 0.0)
}

/// The same for a call that was held for a while, in which the tone paused for up to so many seconds.
pub(super) fn check_held_recording(
    path: &Path,
    tone: Tone,
    other: Tone,
    least_seconds: f64,
    pause_seconds: f64,
) -> Result<(), Disagreement> {
    let (samples, rate) = read_mono(path)?;
    let heard = measure(&samples, rate, tone, other);
    judge(&heard, least_seconds, pause_seconds).map_err(|error| Disagreement::wave(path, &error))
}

fn judge(heard: &Heard, least_seconds: f64, pause_seconds: f64) -> Result<(), Disagreement> {
    let Heard {
        seconds,
        gaps,
        level_db,
        other_db,
    } = heard;
    let sent_db = sent_db();
    holds(
        "tone",
        *seconds >= least_seconds,
        &format_args!("{least_seconds:.2} s of it"),
        &format_args!("{seconds:.2} s"),
    )?;
    holds(
        "level of the tone",
        (level_db - sent_db).abs() <= LEVEL_TOLERANCE_DB,
        &format_args!("{sent_db:.1} dB"),
        &format_args!("{level_db:.1} dB"),
    )?;
    holds(
        "level of the other tone",
        level_db - other_db >= SEPARATION_DB,
        &format_args!("{SEPARATION_DB} dB below {level_db:.1} dB"),
        &format_args!("{other_db:.1} dB"),
    )?;
    let most_gaps = pause_seconds + MOST_GAPS * seconds;
    holds(
        "gaps in the tone",
        *gaps <= most_gaps,
        &format_args!("{most_gaps:.2} s at most"),
        &format_args!("{gaps:.2} s"),
    )
}

/// Measures a recording window by window.
fn measure(samples: &[i16], rate: u32, tone: Tone, other: Tone) -> Heard {
    let window = (f64::from(rate) * WINDOW_SECONDS) as usize;
    let mut holding = Vec::new();
    let mut levels = Vec::new();
    let mut others = Vec::new();
    for samples in samples.chunks_exact(window) {
        let whole = dbfs(samples);
        let in_tone = tone_level(samples, rate, tone.hertz);
        others.push(tone_level(samples, rate, other.hertz));
        let holds_tone = whole > SILENT_DB && in_tone >= whole - PURE_DB;
        holding.push(holds_tone);
        if holds_tone {
            levels.push(in_tone);
        }
    }
    levels.sort_by(f64::total_cmp);
    let first = holding.iter().position(|holds| *holds).unwrap_or(0);
    let end = holding
        .iter()
        .rposition(|holds| *holds)
        .map_or(0, |last| last + 1);
    let between = end.saturating_sub(first);
    // A window in which the tone begins or ends at once is full of all others.
    let edges = [first.checked_sub(1), Some(end)];
    let other_db = others
        .iter()
        .enumerate()
        .filter(|(place, _)| !edges.contains(&Some(*place)));
    let other_db = other_db
        .map(|(_, level)| *level)
        .fold(f64::NEG_INFINITY, f64::max);
    Heard {
        seconds: levels.len() as f64 * WINDOW_SECONDS,
        gaps: (between - levels.len()) as f64 * WINDOW_SECONDS,
        level_db: levels.get(levels.len() / 2).copied().unwrap_or(f64::NEG_INFINITY),
        other_db,
    }
}

/// The level that a tone is played at.
fn sent_db() -> f64 {
    20.0 * (PEAK / SQRT_2).log10()
}

/// All samples of 16 bits; several channels become their mean.
fn read_mono(path: &Path) -> Result<(Vec<i16>, u32), Disagreement> {
    let complain = |error: hound::Error| Disagreement::wave(path, &error);
    let reader = WavReader::open(path).map_err(complain)?;
    let spec = reader.spec();
    let samples: Vec<i16> = reader
        .into_samples()
        .collect::<Result<_, _>>()
        .map_err(complain)?;
    let channels = usize::from(spec.channels);
    let mono = samples
        .chunks_exact(channels)
        .map(|frame| (frame.iter().copied().map(i32::from).sum::<i32>() / channels as i32) as i16)
        .collect();
    Ok((mono, spec.sample_rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    fn sine(tone: Tone, peak: f64, seconds: f64) -> Vec<i16> {
        (0..(seconds * f64::from(RATE)) as u32)
            .map(|index| (TAU * tone.hertz * f64::from(index) / f64::from(RATE)).sin())
            .map(|sample| (sample * peak * f64::from(i16::MAX)) as i16)
            .collect()
    }

    fn complaint(samples: &[i16]) -> Option<String> {
        let heard = measure(samples, RATE, THEIRS, OURS);
        judge(&heard, 1.0, 0.0).err().map(|error| error.to_string())
    }

    fn check(samples: &[i16], begins_with: &str) {
        let complaint = complaint(samples).expect("a complaint");
        assert!(complaint.starts_with(begins_with), "{complaint}");
    }

    #[test]
    fn the_right_tone_passes_also_after_silence() {
        assert_eq!(complaint(&sine(THEIRS, PEAK, 1.5)), None);
        let late = [vec![0; 4_000], sine(THEIRS, PEAK, 1.5), vec![0; 4_000]].concat();
        assert_eq!(complaint(&late), None);
    }

    #[test]
    fn silence_the_wrong_tone_and_noise_are_not_the_tone() {
        check(&vec![0; 16_000], "tone:");
        check(&[], "tone:");
        check(&sine(OURS, PEAK, 2.0), "tone:");
        let mut state = 1_u32;
        let noise: Vec<i16> = (0..16_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 17) as i16 - 0x2000
            })
            .collect();
        check(&noise, "tone:");
    }

    #[test]
    fn too_short_too_quiet_or_too_loud_is_found() {
        check(&sine(THEIRS, PEAK, 0.8), "tone:");
        check(&sine(THEIRS, PEAK / 2.0, 2.0), "level of the tone:");
        check(&sine(THEIRS, PEAK * 2.0, 2.0), "level of the tone:");
    }

    #[test]
    fn an_echo_of_the_other_tone_is_found() {
        let mixed: Vec<i16> = sine(THEIRS, PEAK, 2.0)
            .iter()
            .zip(sine(OURS, PEAK / 20.0, 2.0))
            .map(|(theirs, ours)| theirs + ours)
            .collect();
        check(&mixed, "level of the other tone:");
    }

    #[test]
    fn missing_packets_are_found_as_gaps() {
        let mut holey = sine(THEIRS, PEAK, 4.0);
        for hole in holey.chunks_mut(4_000) {
            hole[..800].fill(0);
        }
        check(&holey, "gaps in the tone:");
    }

    #[test]
    fn a_pause_is_allowed_only_where_a_call_was_held() {
        let held = [sine(THEIRS, PEAK, 1.0), vec![0; 8_000], sine(THEIRS, PEAK, 1.0)].concat();
        let heard = measure(&held, RATE, THEIRS, OURS);
        assert!(judge(&heard, 1.9, 0.0).is_err());
        assert!(judge(&heard, 1.9, 0.8).is_err());
        judge(&heard, 1.9, 1.0).unwrap();
    }

    #[test]
    fn a_written_tone_is_measured_as_itself() {
        let folder = std::env::temp_dir().join(format!("offhook-wave-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("tone.wav");
        write_tone(&path, OURS, 48_000, 2).unwrap();
        check_recording(&path, OURS, THEIRS, 1.9).unwrap();
        assert!(check_recording(&path, THEIRS, OURS, 1.9).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
