//! Mixes any number of wave files, of any rates and channels, in real time to a sound device, or as fast as it will go to a
//! wave file of 16-bit mono at 48 kHz.
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
    AudioMixer, AudioPort, BridgeId, ClockReading, DeviceChoice, DeviceOptions, DeviceSource, MixerConfig,
    MixerThread, PlayerOptions, Role, SamplesRecorder, Tick, WaveFile, WavePlayer,
};
use std::error::Error;
use std::ffi::{OsStr, OsString};
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
    let mut words = std::env::args_os().skip(1);
    match (words.next(), words) {
        (Some(flag), mut rest) if flag == "--device" => {
            let name = rest.next().ok_or("which device? `default`, or a name")?;
            to_device(&name, rest)
        }
        (Some(output), inputs) => to_file(Path::new(&output), inputs),
        (None, _) => Err("usage: mix_files OUTPUT.wav INPUT.wav ...; or --device NAME INPUT.wav ...".into()),
    }
}

/// A mixer with a player for each file in one bridge, and how many samples the longest has.
fn players(
    inputs: impl Iterator<Item = OsString>,
) -> Result<(AudioMixer<Port>, BridgeId, usize), Box<dyn Error>> {
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
        let file = WaveFile::load(&path, config.sample_rate)?;
        longest = longest.max(file.samples().len());
        let mut player = WavePlayer::new(file, options);
        player.start();
        let slot = mixer.add_port(Port::Player(player))?;
        mixer.join(hall, slot)?;
    }
    Ok((mixer, hall, longest))
}

/// In real time: a thread ticks while the device plays.
fn to_device(name: &OsStr, inputs: impl Iterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
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
    let (device, open) = options.open()?;
    let slot = mixer.add_port(Port::Device(device))?;
    mixer.join(hall, slot)?;
    mixer.set_clock(Some(slot))?;
    let length = Duration::from_secs_f64(longest as f64 / f64::from(rate));
    let thread = MixerThread::start(mixer)?;
    // What is in the rings is played as well.
    std::thread::sleep(length + Duration::from_millis(500));
    let stats = open.stats();
    println!(
        "{:.2} s played, {} ticks skipped, {} samples missing, {} corrected",
        length.as_secs_f64(),
        thread.skipped_ticks(),
        stats.output_underruns + stats.output_overruns,
        stats.output_corrected
    );
    match thread.followed_speed() {
        Some(speed) => println!("by the card's clock, {:+.0} ppm", (speed - 1.0) * 1e6),
        None => println!("by the system's clock"),
    }
    drop((thread.stop()?, open));
    Ok(())
}

/// Time is what its driver says it is: this mixer runs as fast as it can.
fn to_file(output: &Path, inputs: impl Iterator<Item = OsString>) -> Result<(), Box<dyn Error>> {
    let (mut mixer, hall, longest) = players(inputs)?;
    let (glide, rate) = (mixer.frame_len(), mixer.config().sample_rate);
    let recorder = SamplesRecorder::new(rate, glide + longest);
    let ear = mixer.add_port(Port::Recorder(recorder))?;
    mixer.join(hall, ear)?;

    let now = Instant::now();
    for _ in 0..(glide + longest).div_ceil(mixer.frame_len()) {
        mixer.tick(now);
    }

    let spec = WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(output, spec)?;
    if let Some(Port::Recorder(recorder)) = mixer.remove_port(ear) {
        for &sample in recorder.samples().iter().skip(glide) {
            writer.write_sample(sample)?;
        }
    }
    writer.finalize()?;
    println!("{}: {:.2} s", output.display(), longest as f64 / f64::from(rate));
    Ok(())
}
