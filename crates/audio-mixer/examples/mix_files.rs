//! Mixes any number of wave files, of any rates and channels, to one of 16-bit mono at 48 kHz.
//!
//! `cargo run -p offhook-audio-mixer --example mix_files -- mix.wav first.wav second.wav ...`
#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use hound::{SampleFormat, WavSpec, WavWriter};
use offhook_audio_mixer::{
    AudioMixer, AudioPort, MixerConfig, PlayerOptions, Role, SamplesRecorder, Tick, WaveFile, WavePlayer,
};
use std::error::Error;
use std::time::Instant;

/// An enum of the ports that a program uses keeps their types, so that they can be asked for their results.
enum Port {
    Player(WavePlayer),
    Recorder(SamplesRecorder),
}

impl AudioPort for Port {
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Player(player) => player.sample_rate(),
            Self::Recorder(recorder) => recorder.sample_rate(),
        }
    }
    fn role(&self) -> Role {
        match self {
            Self::Player(player) => player.role(),
            Self::Recorder(recorder) => recorder.role(),
        }
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> offhook_audio_mixer::Produced {
        match self {
            Self::Player(player) => player.produce(tick, frame),
            Self::Recorder(recorder) => recorder.produce(tick, frame),
        }
    }
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if let Self::Recorder(recorder) = self {
            recorder.consume(tick, frame);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args_os().skip(1);
    let (Some(output), inputs) = (paths.next(), paths) else {
        return Err("usage: mix_files OUTPUT.wav INPUT.wav ...".into());
    };

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
    let glide = mixer.frame_len();
    let recorder = SamplesRecorder::new(config.sample_rate, glide + longest);
    let ear = mixer.add_port(Port::Recorder(recorder))?;
    mixer.join(hall, ear)?;

    // Time is what its driver says it is: this mixer runs as fast as it can.
    let now = Instant::now();
    for _ in 0..(glide + longest).div_ceil(mixer.frame_len()) {
        mixer.tick(now);
    }

    let spec = WavSpec {
        channels: 1,
        sample_rate: config.sample_rate,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(&output, spec)?;
    if let Some(Port::Recorder(recorder)) = mixer.remove_port(ear) {
        for &sample in recorder.samples().iter().skip(glide) {
            writer.write_sample(sample)?;
        }
    }
    writer.finalize()?;
    println!(
        "{}: {:.2} s",
        output.display(),
        longest as f64 / f64::from(config.sample_rate)
    );
    Ok(())
}
