//! Draws a picture of the embedded tune against a slightly damaged copy, and writes the tune as a wave file.
//!
//! `cargo run -p offhook-testkit --example picture -- picture.svg tune.wav`

use hound::{SampleFormat, WavSpec, WavWriter};
use offhook_testkit::audio::{Track, picture, tune};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(svg), Some(wav)) = (arguments.next(), arguments.next()) else {
        return Err("usage: picture PICTURE.svg TUNE.wav".into());
    };
    let source = tune(RATE, 8.0);
    let noise = |i: usize| (i * 7919 % 61) as i16 - 30;
    let mut damaged = vec![0; RATE as usize / 5];
    damaged.extend(source.iter().enumerate().map(|(i, s)| s - s / 20 + noise(i)));
    let narrow = tune(8_000, 8.0);
    let mut lossy = narrow.clone();
    for lost in lossy.chunks_mut(160).skip(20).step_by(40) {
        lost.fill(0);
    }
    let left = Track {
        title: "with noise and 5 % softer",
        rate: RATE,
        source: &source,
        recording: &damaged,
    };
    let right = Track {
        title: "with one packet in forty lost",
        rate: 8_000,
        source: &narrow,
        recording: &lossy,
    };
    picture(&svg, "The tune and two damaged copies", &left, &right)?;
    let spec = WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut writer = WavWriter::create(&wav, spec)?;
    for sample in source {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(())
}

const RATE: u32 = 16_000;
