//! Lists the sound devices, then plays one ring on the default one.
//!
//! `cargo run -p offhook-audio-mixer --features device --example devices`
#![expect(clippy::print_stdout, reason = "it is a program for the terminal")]

use offhook_audio_mixer::{
    AudioDevice, AudioMixer, AudioPort, Cadence, DeviceChoice, DeviceOptions, MixerConfig, TonePlayer,
    devices,
};
use std::error::Error;
use std::thread;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    for device in devices()? {
        println!(
            "{} (input: {} {:?}, output: {} {:?})",
            device.name, device.input, device.input_rates, device.output, device.output_rates
        );
    }

    let options = DeviceOptions {
        input: DeviceChoice::Off,
        ..DeviceOptions::default()
    };
    let (card, mut handle) = AudioDevice::open(&options)?;
    let mut bell = TonePlayer::new(card.sample_rate());
    bell.play(Cadence::ringback());
    let config = MixerConfig::at_rate(card.sample_rate());
    let mut mixer: AudioMixer = AudioMixer::new(config)?;
    let hall = mixer.add_bridge()?;
    for port in [Box::new(card) as Box<dyn AudioPort>, Box::new(bell)] {
        let slot = mixer.add_port(port)?;
        mixer.join(hall, slot)?;
    }

    let start = Instant::now();
    for n in 0..75 {
        let due = start + n * config.tick.duration();
        thread::sleep(due.saturating_duration_since(Instant::now()));
        mixer.tick(due);
        while let Some(event) = handle.poll_event() {
            println!("{event:?}");
        }
    }
    println!("{:?}", handle.stats());
    Ok(())
}
