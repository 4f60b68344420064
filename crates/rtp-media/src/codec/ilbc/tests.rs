//! Against ffmpeg's decoder, and by what is heard.

use super::codebook::Codebook;
use super::filter::{HighPass, ORDER, synthesise};
use super::frame::Frame;
use super::mode::SUB_BLOCK;
use super::tables::MEAN_FREQUENCIES;
use super::{IlbcMode, decoder, encoder, excitation, lsf};
use crate::codec::CodecError;

const MODES: [IlbcMode; 2] = [IlbcMode::Ms20, IlbcMode::Ms30];

fn noise(seed: &mut u32) -> f32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*seed >> 16) as f32 / 32_768.0 - 1.0
}

/// What resembles speech: vowels with a gliding voice, a hiss, a pause, and again.
fn speech(samples: usize) -> Vec<i16> {
    let (mut seed, mut phase) = (1, 0.0);
    let mut resonances = [[0.0_f32; 2]; 3];
    let sample = |n: usize| {
        let time = n as f32 / 8000.0;
        phase += (120.0 + 40.0 * (time * 5.0).sin()) / 8000.0;
        let pulse = if phase >= 1.0 { 60.0 } else { 0.0 };
        phase -= f32::from(u8::from(phase >= 1.0));
        let hiss = noise(&mut seed);
        let (voice, breath, formants) = match n / 960 % 5 {
            0 => (1.0, 0.5, [700.0, 1200.0, 2500.0]),
            1 => (1.0, 0.5, [300.0, 2100.0, 2900.0]),
            2 => (0.0, 12.0, [1800.0, 2600.0, 3400.0]),
            3 => (0.6, 0.3, [400.0, 800.0, 2400.0]),
            _ => (0.0, 0.1, [500.0, 1500.0, 2500.0]),
        };
        let mut sample = voice * pulse + breath * hiss;
        for (memory, formant) in resonances.iter_mut().zip(formants) {
            let turn = 2.0 * (std::f32::consts::TAU * formant / 8000.0).cos();
            let rung = sample + 0.95 * turn * memory[0] - 0.9025 * memory[1];
            *memory = [rung, memory[0]];
            sample = rung * 0.5;
        }
        (sample * 250.0) as i16
    };
    (0..samples).map(sample).collect()
}

fn encoded(mode: IlbcMode, pcm: &[i16]) -> Vec<u8> {
    let mut encoder = encoder(mode);
    let mut payload = [0; 50];
    pcm.chunks_exact(mode.samples())
        .flat_map(|frame| {
            let len = encoder.encode(frame, &mut payload).unwrap();
            payload[..len].to_vec()
        })
        .collect()
}

/// What a decoder without enhancer hears, as ffmpeg's is.
fn plainly(mode: IlbcMode, payload: &[u8]) -> Vec<i16> {
    let (mut frequencies, mut codebook) = (MEAN_FREQUENCIES, Codebook::EMPTY);
    let (mut memory, mut high_pass) = ([0.0; ORDER], HighPass::HEARD);
    let mut heard = Vec::new();
    for octets in payload.chunks_exact(mode.octets()) {
        let frame = Frame::read(mode, octets).unwrap();
        let sets = frame.frequencies.map(lsf::dequantize);
        let filters = lsf::interpolate(mode, &frequencies, &sets);
        frequencies = lsf::last_set(mode, &sets);
        let mut excitation = excitation::decode(mode, &frame, &filters, &mut codebook);
        let blocks = excitation[..mode.samples()].chunks_mut(SUB_BLOCK);
        for (block, filter) in blocks.zip(&filters) {
            synthesise(filter, &mut memory, block);
            heard.extend(block.iter().map(|sample| high_pass.next(*sample).round() as i16));
        }
    }
    heard
}

/// The source as it would be without coding: through the filters of both ends, and late.
fn uncoded(pcm: &[i16], delay: usize) -> Vec<f32> {
    let (mut captured, mut heard) = (HighPass::CAPTURED, HighPass::HEARD);
    let passed = pcm
        .iter()
        .map(|sample| heard.next(captured.next(f32::from(*sample))));
    std::iter::repeat_n(0.0, delay)
        .chain(passed)
        .take(pcm.len())
        .collect()
}

/// Mean and least ratio of signal to difference over segments of 20 ms in which there is sound, in decibels.
fn likeness(wanted: &[f32], heard: &[i16]) -> (f32, f32) {
    let ratios: Vec<f32> = wanted
        .chunks_exact(160)
        .zip(heard.chunks_exact(160))
        .filter_map(|(wanted, heard)| {
            let power: f32 = wanted.iter().map(|sample| sample * sample).sum();
            let apart: f32 = wanted
                .iter()
                .zip(heard)
                .map(|(a, b)| (a - f32::from(*b)).powi(2))
                .sum();
            (power > 160.0 * 100.0 * 100.0).then(|| 10.0 * (power / apart.max(1.0)).log10())
        })
        .collect();
    let least = ratios.iter().copied().fold(f32::INFINITY, f32::min);
    (ratios.iter().sum::<f32>() / ratios.len() as f32, least)
}

fn decoded(mode: IlbcMode, coded: &[u8]) -> Vec<i16> {
    let mut decoder = decoder();
    let mut heard = vec![0; coded.len() / mode.octets() * mode.samples()];
    for (payload, pcm) in coded.chunks(mode.octets()).zip(heard.chunks_mut(mode.samples())) {
        assert_eq!(decoder.decode(payload, pcm), Ok(mode.samples()));
    }
    heard
}

/// What a decoder hears when each `every`-th frame does not come.
fn with_loss(mode: IlbcMode, coded: &[u8], every: usize) -> Vec<i16> {
    let mut decoder = decoder();
    let mut heard = vec![0; coded.len() / mode.octets() * mode.samples()];
    let frames = coded.chunks(mode.octets()).zip(heard.chunks_mut(mode.samples()));
    for (number, (payload, pcm)) in frames.enumerate() {
        if number % every == every - 1 {
            decoder.conceal(pcm);
        } else {
            decoder.decode(payload, pcm).unwrap();
        }
    }
    heard
}

fn steepest(pcm: &[i16]) -> i32 {
    let step = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
    pcm.windows(2).map(step).max().unwrap()
}

fn loudest(pcm: &[i16]) -> u16 {
    pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap()
}

fn tone(hertz: f32, samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|n| ((n as f32 * hertz / 8000.0 * std::f32::consts::TAU).sin() * 8000.0) as i16)
        .collect()
}

#[test]
fn ffmpeg_hears_the_same() {
    for (mode, coded, theirs) in [
        (
            IlbcMode::Ms20,
            include_bytes!("reference/speech20.lbc").as_slice(),
            include_bytes!("reference/speech20.s16").as_slice(),
        ),
        (
            IlbcMode::Ms30,
            include_bytes!("reference/speech30.lbc").as_slice(),
            include_bytes!("reference/speech30.s16").as_slice(),
        ),
    ] {
        let (head, coded) = coded.split_at(9);
        assert_eq!(head, format!("#!iLBC{}\n", mode.ms()).as_bytes());
        let (theirs, _) = theirs.as_chunks::<2>();
        let theirs: Vec<f32> = theirs
            .iter()
            .map(|pair| f32::from(i16::from_le_bytes(*pair)))
            .collect();
        // See the note beside the files: it begins with a burst.
        let begin = 480;
        let (mean, least) = likeness(&theirs[begin..], &plainly(mode, coded)[begin..]);
        assert!(mean > 33.0 && least > 20.0, "{mode:?}: {mean} {least}");
    }
}

#[test]
fn a_voice_and_tones_come_through() {
    for mode in MODES {
        for (pcm, enough) in [
            (speech(24_000), 13.0),
            (tone(200.0, 12_000), 30.0),
            (tone(440.0, 12_000), 28.0),
            (tone(1000.0, 12_000), 20.0),
            (tone(2500.0, 12_000), 18.0),
        ] {
            let coded = encoded(mode, &pcm);
            let (mean, _) = likeness(&uncoded(&pcm, 0), &plainly(mode, &coded));
            assert!(mean > enough, "{mode:?}: {mean}, not {enough}");
            // The enhancer may change a twentieth of the power: 13 dB.
            let (mean, _) = likeness(&uncoded(&pcm, mode.delay()), &decoded(mode, &coded));
            assert!(mean > enough.min(18.0) - 2.0, "{mode:?}, enhanced: {mean}");
        }
    }
}

#[test]
fn silence_stays_silent() {
    for mode in MODES {
        let mut pcm = speech(4800);
        pcm.extend([0; 4800]);
        let heard = decoded(mode, &encoded(mode, &pcm));
        assert!(loudest(&heard[7200..]) <= 2, "{mode:?}");
        assert!(
            loudest(&decoded(mode, &encoded(mode, &[0; 4800]))) <= 2,
            "{mode:?}"
        );
    }
}

#[test]
fn a_tenth_lost_clicks_nowhere_and_spoils_nothing_after() {
    for mode in MODES {
        for pcm in [speech(24_000), tone(300.0, 24_000)] {
            let coded = encoded(mode, &pcm);
            let (whole, lossy) = (decoded(mode, &coded), with_loss(mode, &coded, 10));
            let (steps, steps_of_whole) = (steepest(&lossy), steepest(&whole));
            assert!(
                steps * 10 < steps_of_whole * 12,
                "{mode:?}: {steps} of {steps_of_whole}"
            );
            // Of ten frames, the last is lost and the first two hear of it; all others are as they would be.
            let whole: Vec<f32> = whole.into_iter().map(f32::from).collect();
            let ten = mode.samples() * 10;
            for (wanted, heard) in whole.chunks_exact(ten).zip(lossy.chunks_exact(ten)) {
                let sound = mode.samples() * 3..mode.samples() * 9;
                let (mean, _) = likeness(&wanted[sound.clone()], &heard[sound]);
                assert!(mean.is_nan() || mean > 20.0, "{mode:?}: {mean}");
            }
        }
    }
}

#[test]
fn a_lost_tone_goes_on_and_fades() {
    for mode in MODES {
        let coded = encoded(mode, &tone(300.0, 4800));
        let mut decoder = decoder();
        let mut heard = vec![0; 4800];
        for (payload, pcm) in coded.chunks(mode.octets()).zip(heard.chunks_mut(mode.samples())) {
            decoder.decode(payload, pcm).unwrap();
        }
        // In pieces of 2.5 ms, as a jitter buffer may want them.
        let mut made_up = vec![0; 1600];
        made_up.chunks_mut(20).for_each(|pcm| decoder.conceal(pcm));
        let end = &heard[4640..];
        let joint = [end, &made_up].concat();
        assert!(
            loudest(&made_up[..160]) > 6000,
            "{mode:?}: {}",
            loudest(&made_up[..160])
        );
        assert!(
            loudest(&made_up[1200..]) < 100,
            "{mode:?}: {}",
            loudest(&made_up[1200..])
        );
        let (steps, steps_before) = (steepest(&joint), steepest(end));
        assert!(
            steps * 10 < steps_before * 12,
            "{mode:?}: {steps} of {steps_before}"
        );
    }
    let mut nothing = [7; 480];
    decoder().conceal(&mut nothing);
    assert_eq!(nothing, [0; 480]);
}

#[test]
fn an_empty_frame_is_one_that_is_lost() {
    let coded = encoded(IlbcMode::Ms20, &speech(1600));
    let [mut one, mut other] = [decoder(), decoder()];
    let (mut pcm, mut made_up) = ([0; 1600], [0; 160]);
    for decoder in [&mut one, &mut other] {
        assert_eq!(decoder.decode(&coded, &mut pcm), Ok(1600));
    }
    let mut empty = [0x55; 38];
    empty[37] |= 1;
    assert_eq!(one.decode(&empty, &mut pcm[..160]), Ok(160));
    other.conceal(&mut made_up);
    assert_eq!(pcm[..160], made_up);
}

#[test]
fn any_bits_are_decoded_and_what_comes_after_is_heard() {
    let mut seed = 1;
    for mode in MODES {
        let mut decoder = decoder();
        let mut pcm = [0; 240];
        for _ in 0..2000 {
            let octets: [u8; 50] = std::array::from_fn(|_| (noise(&mut seed) * 128.0) as i8 as u8);
            let decoded = decoder.decode(&octets[..mode.octets()], &mut pcm);
            assert_eq!(decoded, Ok(mode.samples()));
        }
        let source = speech(9600);
        let coded = encoded(mode, &source);
        let mut heard = vec![0; 9600];
        for (payload, pcm) in coded.chunks(mode.octets()).zip(heard.chunks_mut(mode.samples())) {
            decoder.decode(payload, pcm).unwrap();
        }
        let (mean, _) = likeness(&uncoded(&source, mode.delay())[4800..], &heard[4800..]);
        assert!(mean > 8.0, "{mode:?}: {mean}");
    }
}

#[test]
fn frames_come_several_in_a_packet_and_of_both_modes() {
    let pcm = speech(960);
    let mut heard = [0; 960];
    let mut decoder = decoder();
    for mode in MODES {
        let mut payload = [0; 240];
        let len = encoder(mode).encode(&pcm, &mut payload).unwrap();
        assert_eq!(len, 120 / mode.ms() as usize * mode.octets());
        assert_eq!(payload[..len], encoded(mode, &pcm));
        decoder.restart();
        assert_eq!(decoder.decode(&payload[..len], &mut heard), Ok(960));
        assert_eq!(heard[..], decoded(mode, &payload[..len]));
    }
}

#[test]
fn what_is_no_frame_is_refused() {
    let mut pcm = [0; 480];
    for len in [0, 1, 37, 39, 49, 51, 75, 88] {
        let refused = decoder().decode(&[0; 100][..len], &mut pcm);
        assert_eq!(refused, Err(CodecError::Payload { len }));
    }
    let short = CodecError::BufferTooSmall { need: 320, have: 160 };
    assert_eq!(decoder().decode(&[0; 76], &mut pcm[..160]), Err(short));
    for mode in MODES {
        for samples in [0, 80, mode.samples() + 80] {
            let refused = encoder(mode).encode(&[0; 480][..samples], &mut [0; 100]);
            assert_eq!(refused, Err(CodecError::Frame { samples }));
        }
        let need = mode.octets();
        let short = CodecError::BufferTooSmall { need, have: 20 };
        assert_eq!(
            encoder(mode).encode(&vec![0; mode.samples()], &mut [0; 20]),
            Err(short)
        );
    }
}
