//! Mixes any number of wave files, of any rates and channels, in real time to a sound device, or as fast as it will go to a
//! wave file of 16-bit mono at 48 kHz.
//!
//! A device is given as much as it takes, whenever it takes it: files wait. With `--live` a thread ticks steadily as for a
//! telephone, in step with the device; what it does not take in time is lost, and if that is more than a hundredth, the program
//! fails.
//!
//! `cargo run -p offhook-audio-mixer --example mix_files -- mix.wav first.wav second.wav ...`
//!
//! `cargo run -p offhook-audio-mixer --features device --example mix_files -- --device default first.wav second.wav ...`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program for the terminal"
)]

use hound::{SampleFormat, WavSpec, WavWriter};
use offhook_audio_mixer::{
    AudioMixer, AudioPort, BridgeId, ClockReading, DeviceChoice, DeviceError, DeviceEvent, DeviceOptions,
    DeviceSource, MixerConfig, MixerThread, OpenDevice, OpenPair, PlayerOptions, Role, SamplesRecorder, Tick,
    WaveFile, WavePlayer,
};
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// An enum of the ports that a program uses keeps their types, so that they can be asked for their results.
enum Port {
    Player(WavePlayer),
    Recorder(SamplesRecorder),
    Device(Box<dyn AudioPort>),
}

impl AudioPort for Port {
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Player(player) => player.sample_rate(),
            Self::Recorder(recorder) => recorder.sample_rate(),
            Self::Device(device) => device.sample_rate(),
        }
    }
    fn role(&self) -> Role {
        match self {
            Self::Player(player) => player.role(),
            Self::Recorder(recorder) => recorder.role(),
            Self::Device(device) => device.role(),
        }
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> offhook_audio_mixer::Produced {
        match self {
            Self::Player(player) => player.produce(tick, frame),
            Self::Recorder(recorder) => recorder.produce(tick, frame),
            Self::Device(device) => device.produce(tick, frame),
        }
    }
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        match self {
            Self::Player(_) => {}
            Self::Recorder(recorder) => recorder.consume(tick, frame),
            Self::Device(device) => device.consume(tick, frame),
        }
    }
    fn clock(&self) -> Option<ClockReading> {
        match self {
            Self::Device(device) => device.clock(),
            Self::Player(_) | Self::Recorder(_) => None,
        }
    }
}

const USAGE: &str =
    "usage: mix_files OUTPUT.wav INPUT.wav ...; or mix_files [--live] --device NAME INPUT.wav ...
The name is `default`, or one of those that the example `devices` lists.";

fn main() -> ExitCode {
    match mix() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mix_files: {error}");
            ExitCode::FAILURE
        }
    }
}

fn mix() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{USAGE}");
        return Ok(());
    }
    let live = words.first().is_some_and(|word| word == "--live");
    words.drain(..usize::from(live));
    let to_device = words.first().is_some_and(|word| word == "--device");
    words.drain(..usize::from(to_device));
    let [name, inputs @ ..] = &words[..] else {
        return Err(USAGE.into());
    };
    if inputs.is_empty() || (live && !to_device) {
        return Err(USAGE.into());
    }
    if to_device {
        return play(name, inputs, live);
    }
    to_file(Path::new(name), inputs)
}

/// Whether both are the same file, by whatever name or link. To look at a pipe would be to wait for it.
fn is_same(one: &Path, other: &Path) -> bool {
    one.is_file() && other.is_file() && same_file::is_same_file(one, other).unwrap_or(false)
}

/// A mixer with a player for each file in one bridge, and how many samples the longest has.
fn players(inputs: &[OsString]) -> Result<(AudioMixer<Port>, BridgeId, usize), Box<dyn Error>> {
    let config = MixerConfig::default();
    let mut mixer = AudioMixer::new(config)?;
    let hall = mixer.add_bridge()?;
    // A joining port glides in over its first tick. The files wait for it, so that all of them is heard.
    let options = PlayerOptions {
        pause_time: config.tick.duration(),
        initial_play: false,
        ..PlayerOptions::default()
    };
    let mut longest = 0;
    for path in inputs {
        let file = WaveFile::load(path, config.sample_rate)?;
        if !file.missing().is_zero() {
            let (path, missing) = (Path::new(path).display(), file.missing().as_secs_f64());
            eprintln!("mix_files: {path} was cut off, {missing:.2} s are missing of it: the rest is mixed");
        }
        longest = longest.max(file.samples().len());
        let mut player = WavePlayer::new(file, options);
        player.start();
        let slot = mixer.add_port(Port::Player(player))?;
        mixer.join(hall, slot)?;
    }
    Ok((mixer, hall, longest))
}

/// Plays to a device.
fn play(name: &OsStr, inputs: &[OsString], live: bool) -> Result<(), Box<dyn Error>> {
    let (mut mixer, hall, longest) = players(inputs)?;
    let rate = mixer.config().sample_rate;
    let output = match name.to_str() {
        Some("default") => DeviceChoice::Default,
        Some(name) => DeviceChoice::Named(name.to_owned()),
        None => return Err("no device has such a name".into()),
    };
    let mut options = DeviceOptions {
        sample_rate: rate,
        input: DeviceChoice::Off,
        output,
    };
    let (device, mut open) = options.open()?;
    let slot = mixer.add_port(Port::Device(device))?;
    mixer.join(hall, slot)?;
    mixer.set_clock(Some(slot))?;
    if live {
        play_live(mixer, longest, &mut open)
    } else {
        play_whole(mixer, longest, &mut open)
    }
}

/// Fails if the device did.
fn look_at(open: &mut OpenPair) -> Result<(), DeviceError> {
    match open.poll_event() {
        Some(DeviceEvent::Failed(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Ticks when the device has taken what was mixed, until it has taken all.
fn play_whole(
    mut mixer: AudioMixer<Port>,
    longest: usize,
    open: &mut OpenPair,
) -> Result<(), Box<dyn Error>> {
    let (frame, rate) = (mixer.frame_len(), mixer.config().sample_rate);
    let (mut mixed, mut taken) = (0, Instant::now());
    let whole = frame + longest;
    loop {
        look_at(open)?;
        // Some more than two blocks of a slow device, and less than its ring holds.
        let before = open.stats().output_waiting as usize;
        if mixed < whole && before + frame <= rate as usize * 15 / 100 {
            mixer.tick(Instant::now());
            mixed += frame;
            continue;
        }
        if mixed >= whole && before == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        if (open.stats().output_waiting as usize) < before {
            taken = Instant::now();
        }
        if taken.elapsed() > PATIENCE {
            return Err(format!("the device takes nothing any more after {mixed} of {whole} samples").into());
        }
    }
    // What the system holds is played as well.
    std::thread::sleep(Duration::from_millis(500));
    let stats = open.stats();
    println!(
        "{:.2} s played as the device took it; {} samples lost, {} late, {} glitches",
        longest as f64 / f64::from(rate),
        stats.output_overruns,
        stats.output_underruns,
        stats.glitches
    );
    Ok(())
}

/// In real time: a thread ticks while the device plays.
fn play_live(mixer: AudioMixer<Port>, longest: usize, open: &mut OpenPair) -> Result<(), Box<dyn Error>> {
    let (frame, rate) = (mixer.frame_len(), mixer.config().sample_rate);
    let length = Duration::from_secs_f64(longest as f64 / f64::from(rate));
    let thread = MixerThread::start(mixer)?;
    // What is in the rings is played as well.
    let end = Instant::now() + length + Duration::from_millis(500);
    while Instant::now() < end {
        look_at(open)?;
        std::thread::sleep(Duration::from_millis(50));
    }
    let (stats, skipped) = (open.stats(), thread.skipped_ticks());
    println!(
        "{:.2} s played, {skipped} ticks skipped, {} samples lost, {} late, {} corrected, {} glitches",
        length.as_secs_f64(),
        stats.output_overruns,
        stats.output_underruns,
        stats.output_corrected,
        stats.glitches
    );
    match thread.followed_speed() {
        Some(speed) => println!("by the card's clock, {:+.0} ppm", (speed - 1.0) * 1e6),
        None => println!("by the system's clock"),
    }
    drop(thread.stop()?);
    let lost = stats.output_overruns + skipped * frame as u64;
    if lost * 100 > longest as u64 {
        return Err(format!("{lost} of {longest} samples were lost; without --live the files wait").into());
    }
    Ok(())
}

/// How long a device may take nothing before it is taken to be broken: a slow one wakes up every two seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time is what its driver says it is: this mixer runs as fast as it can.
fn to_file(output: &Path, inputs: &[OsString]) -> Result<(), Box<dyn Error>> {
    if inputs.iter().any(|input| is_same(Path::new(input), output)) {
        let output = output.display();
        return Err(format!("{output} is an input as well: it would be overwritten").into());
    }
    if output.exists() && !output.is_file() {
        return Err(format!("{} is no ordinary file: name another", output.display()).into());
    }
    let (mut mixer, hall, longest) = players(inputs)?;
    let (glide, rate) = (mixer.frame_len(), mixer.config().sample_rate);
    let recorder = SamplesRecorder::new(rate, glide + longest);
    let ear = mixer.add_port(Port::Recorder(recorder))?;
    mixer.join(hall, ear)?;

    let now = Instant::now();
    for _ in 0..(glide + longest).div_ceil(mixer.frame_len()) {
        mixer.tick(now);
    }

    if let Some(Port::Recorder(recorder)) = mixer.remove_port(ear) {
        write(output, rate, &recorder.samples()[glide..])
            .map_err(|error| format!("cannot write {}: {error}", output.display()))?;
    }
    println!("{}: {:.2} s", output.display(), longest as f64 / f64::from(rate));
    Ok(())
}

/// Beside it first: what had the name before is there until all is written.
fn write(output: &Path, rate: u32, samples: &[i16]) -> Result<(), hound::Error> {
    let mut part = output.as_os_str().to_owned();
    part.push(".part");
    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let written = WavWriter::create(&part, spec).and_then(|mut writer| {
        samples
            .iter()
            .try_for_each(|&sample| writer.write_sample(sample))?;
        writer.finalize()?;
        Ok(fs::rename(&part, output)?)
    });
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_not_written_over_by_whatever_name_it_goes() {
        let folder = std::env::temp_dir().join(format!("offhook-mix-files-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder is writable");
        let file = |name: &str| folder.join(name);
        let input = file("input.wav");
        let spec = WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let mut writer = WavWriter::create(&input, spec).expect("writable");
        (0..8_000).for_each(|n| writer.write_sample(n as i16).expect("writable"));
        writer.finalize().expect("writable");
        let before = fs::read(&input).expect("it was written");
        fs::hard_link(&input, file("hard.wav")).expect("one file system");
        let mut same = vec![
            input.clone(),
            file("hard.wav"),
            folder.join(".").join("input.wav"),
        ];
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&input, file("soft.wav")).expect("links are known");
            same.push(file("soft.wav"));
        }
        for output in same {
            let refused = to_file(&output, &[input.clone().into()]).map_err(|error| error.to_string());
            assert!(
                refused
                    .as_ref()
                    .is_err_and(|error| error.contains("is an input as well")),
                "{}: {refused:?}",
                output.display()
            );
            assert!(
                fs::read(&input).is_ok_and(|now| now == before),
                "nothing was written"
            );
        }
        for output in [folder.clone(), folder.join("no such folder").join("output.wav")] {
            let refused = to_file(&output, &[input.clone().into()]).map_err(|error| error.to_string());
            let name = output.display().to_string();
            assert!(
                refused.as_ref().is_err_and(|error| error.contains(&name)),
                "{refused:?}"
            );
        }
        to_file(&file("output.wav"), &[input.into()]).expect("two files");
        let mixed = WaveFile::load(file("output.wav"), 8_000).expect("it was mixed");
        assert_eq!(mixed.samples().len(), 8_000);
        fs::remove_dir_all(&folder).expect("it was made");
    }
    /// A pipe would be waited for.
    #[test]
    #[cfg(unix)]
    fn what_is_no_file_is_named_and_refused() {
        let folder = std::env::temp_dir().join(format!("offhook-mix-refused-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("the temporary folder is writable");
        let (input, pipe) = (folder.join("input.wav"), folder.join("pipe.wav"));
        write(&input, 8_000, &[1; 800]).expect("writable");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo is there").success());
        for (output, input, named) in [
            (&folder, &input, &folder),
            (
                &folder.join("none").join("output.wav"),
                &input,
                &folder.join("none"),
            ),
            (&pipe, &input, &pipe),
            (&folder.join("output.wav"), &pipe, &pipe),
        ] {
            let refused = to_file(output, &[input.into()]).map_err(|error| error.to_string());
            let name = named.display().to_string();
            assert!(
                refused.as_ref().is_err_and(|error| error.contains(&name)),
                "{refused:?}"
            );
        }
        fs::remove_dir_all(&folder).expect("it was made");
    }
}
