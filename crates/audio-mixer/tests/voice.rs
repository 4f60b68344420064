//! Echoes of simulated rooms, with and without somebody who speaks in them.
#![cfg(feature = "voice")]
#![expect(clippy::print_stdout, reason = "the figures of docs/decisions/0004")]

use offhook_audio_mixer::{
    AudioMixer, AudioPort, Gain, MixerConfig, NullDevice, Produced, Role, SamplesPlayer, Tick, TickLength,
    VoiceOptions, VoiceProcessor,
};
use std::f32::consts::{PI, TAU};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Noise between -0.5 and 0.5, the same for the same seed.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    }
}

/// Something like speech: pulses through two formants that change five times a second, with pauses.
fn speech(rate: u32, seconds: usize, seed: u64) -> Vec<i16> {
    let (mut random, hz) = (noise(seed), rate as f32);
    let (mut before, mut last, mut phase, mut loudness) = ([0.0_f32; 2], [0.0_f32; 2], 0.0, 0.0);
    let (mut target, mut pitch, mut formants) = (1.0, 120.0, [500.0, 1500.0]);
    let sound: Vec<f32> = (0..rate as usize * seconds)
        .map(|n| {
            if n.is_multiple_of(rate as usize / 5) {
                let dice = random() + 0.5;
                target = if dice < 0.3 { 0.0 } else { 0.3 + dice };
                pitch = 160.0 + 120.0 * random();
                formants = [600.0 + 600.0 * random(), 1700.0 + 1600.0 * random()];
            }
            loudness += (target - loudness) * (100.0 / hz);
            phase += pitch / hz;
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase -= pulse;
            let breath = pulse + 0.05 * random();
            let voice: f32 = (0..2)
                .map(|k| {
                    let (angle, radius) = (TAU * formants[k] / hz, (-PI * 90.0 / hz).exp());
                    let next = breath + 2.0 * radius * angle.cos() * last[k] - radius * radius * before[k];
                    (before[k], last[k]) = (last[k], next);
                    next * angle.sin()
                })
                .sum();
            voice * loudness
        })
        .collect();
    let power = sound.iter().map(|s| s * s).sum::<f32>() / sound.len() as f32;
    let scale = 2_600.0 / power.sqrt();
    sound
        .iter()
        .map(|s| (s * scale).clamp(-29_000.0, 29_000.0) as i16)
        .collect()
}

/// A loudspeaker and a microphone in a room whose echo dies away by 60 dB over its length, 10 dB below what is played and
/// 60 ms later; and somebody who speaks there.
struct Room {
    rate: u32,
    /// The reflections: how many samples late, and how strong.
    echo: Vec<(usize, f32)>,
    /// All that was played so far.
    played: Vec<f32>,
    speaker: SamplesPlayer,
    hiss: Box<dyn FnMut() -> f32 + Send>,
}

impl Room {
    fn new(rate: u32, tail: Duration, speaker: Vec<i16>) -> Self {
        let len = rate as f32 * tail.as_secs_f32();
        let mut random = noise(77);
        let mut echo: Vec<(usize, f32)> = (0..200)
            .map(|n| {
                let part = if n == 0 { 0.0 } else { random() + 0.5 };
                let strength = if n == 0 { 0.5 } else { random() };
                ((part * len) as usize, strength * (-6.9 * part).exp())
            })
            .collect();
        let strength = echo.iter().map(|(_, h)| h * h).sum::<f32>().sqrt();
        for (_, h) in &mut echo {
            *h *= 0.3 / strength;
        }
        Self {
            rate,
            echo,
            played: Vec::new(),
            speaker: SamplesPlayer::new(rate, speaker),
            hiss: Box::new(noise(5)),
        }
    }
}

impl AudioPort for Room {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::BOTH
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        if self.speaker.produce(tick, frame) == Produced::Silence {
            frame.fill(0);
        }
        let (now, card) = (self.played.len(), self.rate as usize * 40 / 1000);
        for (n, sample) in frame.iter_mut().enumerate() {
            let heard = self.echo.iter().filter_map(|&(late, strength)| {
                let at = (now + n).checked_sub(frame_len(self.rate) + card + late)?;
                Some(strength * self.played.get(at)?)
            });
            *sample = (f32::from(*sample) + heard.sum::<f32>() + 12.0 * (self.hiss)()) as i16;
        }
        Produced::Audio
    }

    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        self.played.extend(frame.iter().map(|&sample| f32::from(sample)));
    }
}

fn frame_len(rate: u32) -> usize {
    rate as usize / 50
}

/// What comes out of the room while `far` is played in it.
fn heard(room: Room, far: &[i16], options: VoiceOptions) -> Vec<i16> {
    let len = frame_len(room.rate);
    let mut device = VoiceProcessor::new(room, TickLength::Ms20, options).expect("a usual rate");
    let mut out = Vec::with_capacity(far.len());
    for (index, played) in far.chunks_exact(len).enumerate() {
        let mut frame = vec![0; len];
        device.produce(&tick(index as u64), &mut frame);
        out.extend(frame);
        device.consume(&tick(index as u64), played);
    }
    out
}

fn tick(index: u64) -> Tick {
    let duration = Duration::from_millis(20);
    Tick {
        now: Instant::now(),
        index,
        duration,
    }
}

fn power(samples: &[i16]) -> f32 {
    samples.iter().map(|&s| f32::from(s).powi(2)).sum::<f32>() / samples.len() as f32 + 1e-3
}

fn db(ratio: f32) -> f32 {
    10.0 * ratio.log10()
}

const ONLY_ECHO: VoiceOptions = VoiceOptions {
    tail_length: Duration::from_millis(50),
    noise_suppression: false,
    gain_control: false,
};

/// How much weaker the echo is after the canceller, in dB, from the sixth second on.
fn enhancement(rate: u32, tail: Duration, options: VoiceOptions) -> f32 {
    enhancement_in(|| Room::new(rate, tail, Vec::new()), options)
}

/// The same in any room.
fn enhancement_in(room: impl Fn() -> Room, options: VoiceOptions) -> f32 {
    let rate = room().rate;
    let far = speech(rate, 16, 3);
    let (before, after) = (
        heard(room(), &far, VoiceOptions::OFF),
        heard(room(), &far, options),
    );
    let from = rate as usize * 6;
    db(power(&before[from..]) / power(&after[from..]))
}

/// A room, and what was measured in it (`docs/decisions/0004-echo-canceller.md`).
struct Measured {
    rate: u32,
    /// Length of the echo in ms.
    tail: u64,
    /// How much weaker the echo is, in dB.
    erle: f32,
    /// What the far end's voice does to a near one: how like it stays to what comes out where it speaks alone, 0 to 1.
    likeness: f32,
}

/// Below the measured figures, in dB, before a test fails: other processors round otherwise.
const MARGIN: f32 = 3.0;

/// How much weaker a near voice may become while the far end speaks, in dB: a terminal that both can speak through at the same
/// time takes no more away (ITU-T P.340 §8.1, type 1).
const FULL_DUPLEX: f32 = 3.0;

const ROOMS: [Measured; 7] = [
    measured(16_000, 50, 27.4, 0.97),
    measured(16_000, 100, 42.2, 0.97),
    measured(16_000, 200, 36.5, 0.97),
    measured(48_000, 50, 49.7, 0.94),
    measured(48_000, 100, 51.4, 0.81),
    measured(48_000, 200, 28.3, 0.93),
    measured(8_000, 100, 25.8, 0.88),
];

const fn measured(rate: u32, tail: u64, erle: f32, likeness: f32) -> Measured {
    Measured {
        rate,
        tail,
        erle,
        likeness,
    }
}

/// Prints the table of the decision:
/// `cargo test -p offhook-audio-mixer --test voice rooms -- --nocapture`
#[test]
fn the_echo_of_rooms_is_taken_away_and_who_speaks_against_it_is_still_heard() {
    println!("| rate, Hz | room, ms | echo weaker by, dB | near voice: likeness | its level, dB |");
    println!("|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for due in ROOMS {
        let (rate, tail) = (due.rate, Duration::from_millis(due.tail));
        let enhancement = enhancement(rate, tail, ONLY_ECHO);
        let (like, level) = double_talk(rate, tail);
        let row = format!(
            "| {rate} | {} | {enhancement:.1} | {like:.2} | {level:+.1} |",
            due.tail
        );
        println!("{row}");
        let heard = like > due.likeness - 0.04 && (-FULL_DUPLEX..1.0).contains(&level);
        if enhancement < due.erle - MARGIN || !heard {
            wrong.push(row);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How like a near voice that speaks against the far end is to the same alone, and how much louder it is, in dB.
fn double_talk(rate: u32, tail: Duration) -> (f32, f32) {
    let mut near = speech(rate, 16, 11);
    near[..8 * rate as usize].fill(0);
    let far = speech(rate, 16, 3);
    let silence = vec![0; far.len()];
    let out = |far: &[i16]| heard(Room::new(rate, tail, near.clone()), far, ONLY_ECHO);
    let (alone, against) = (out(&silence), out(&far));
    let from = 9 * rate as usize;
    let pairs = alone[from..].iter().zip(&against[from..]);
    let (xy, xx, yy) = pairs.fold((0.0, 0.0, 0.0), |(xy, xx, yy), (&x, &y)| {
        let (x, y) = (f32::from(x), f32::from(y));
        (xy + x * y, xx + x * x, yy + y * y)
    });
    (xy / (xx * yy).sqrt(), db(yy / xx))
}

#[test]
fn a_tail_length_of_zero_leaves_the_echo_alone() {
    let none = VoiceOptions {
        tail_length: Duration::ZERO,
        ..ONLY_ECHO
    };
    assert_eq!(none, VoiceOptions::OFF);
    let enhancement = enhancement(16_000, Duration::from_millis(50), none);
    assert!(enhancement.abs() < 0.1, "{enhancement} dB");
}

/// A wall that is 40 ms away is modelled by a filter of 50 ms, and not by one of 20 ms.
#[test]
fn the_filter_is_as_long_as_the_tail() {
    for (rate, short, long) in [(16_000, 25.0, 42.7), (48_000, 30.7, 45.2)] {
        let room = || {
            let mut room = Room::new(rate, SECOND / 50, Vec::new());
            room.echo = vec![(0, 0.2), (rate as usize * 40 / 1000, 0.2)];
            room
        };
        let weaker = [20, 50].map(|tail| {
            let options = VoiceOptions {
                tail_length: Duration::from_millis(tail),
                ..ONLY_ECHO
            };
            enhancement_in(room, options)
        });
        println!("{rate} Hz, a wall at 40 ms: {weaker:.1?} dB weaker by filters of 20 and 50 ms");
        assert!((weaker[0] - short).abs() < MARGIN, "{rate} Hz: {} dB", weaker[0]);
        assert!((weaker[1] - long).abs() < MARGIN, "{rate} Hz: {} dB", weaker[1]);
    }
}

#[test]
fn a_tail_of_any_length_is_taken() {
    for (tail, least) in [(1, 15.0), (200, 15.0), (100_000, 15.0)] {
        let options = VoiceOptions {
            tail_length: Duration::from_millis(tail),
            ..ONLY_ECHO
        };
        let weaker = enhancement(16_000, SECOND / 5, options);
        assert!(weaker > least, "{tail} ms: {weaker} dB");
    }
}

#[test]
fn steady_noise_is_suppressed_and_a_faint_voice_raised() {
    let rate = 16_000;
    let silence = vec![0; 10 * rate as usize];
    let mut random = noise(9);
    let hum: Vec<i16> = silence.iter().map(|_| (2_000.0 * random()) as i16).collect();
    let quiet = VoiceOptions {
        noise_suppression: true,
        ..VoiceOptions::OFF
    };
    let run = |near: &[i16], options| heard(Room::new(rate, SECOND / 20, near.to_vec()), &silence, options);
    let last = 8 * rate as usize..;
    let less = db(power(&hum[last.clone()]) / power(&run(&hum, quiet)[last.clone()]));
    assert!(less > 8.0, "noise is only {less} dB less");
    let faint: Vec<i16> = speech(rate, 10, 3).iter().map(|s| s / 20).collect();
    let louder = VoiceOptions {
        gain_control: true,
        ..VoiceOptions::OFF
    };
    let more = db(power(&run(&faint, louder)[last.clone()]) / power(&faint[last]));
    assert!(more > 6.0, "a faint voice is only {more} dB louder");
}

#[test]
fn a_device_that_falls_silent_and_comes_back_is_still_processed() {
    /// Gives sound for 2 seconds in every 3.
    struct Flaky;
    impl AudioPort for Flaky {
        fn sample_rate(&self) -> u32 {
            16_000
        }
        fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
            frame.fill(500);
            if tick.index % 150 < 100 {
                Produced::Audio
            } else {
                Produced::Silence
            }
        }
    }
    let mut device =
        VoiceProcessor::new(Flaky, TickLength::Ms20, VoiceOptions::default()).expect("a usual rate");
    let mut frame = [0; 320];
    for index in 0..450 {
        let due = if index % 150 < 100 {
            Produced::Audio
        } else {
            Produced::Silence
        };
        assert_eq!(device.produce(&tick(index), &mut frame), due);
        device.consume(&tick(index), &frame);
    }
    device.set_options(VoiceOptions::OFF);
    for index in 450..456 {
        assert_eq!(device.produce(&tick(index), &mut frame), Produced::Audio);
    }
    assert_eq!(frame, [500; 320], "nothing is done when all is off");
    assert!(VoiceProcessor::new(NullDevice::new(11_025), TickLength::Ms20, VoiceOptions::OFF).is_err());
}

#[test]
fn a_room_in_a_mixer_does_not_send_the_caller_its_own_voice_back() {
    let rate = 16_000;
    let far = speech(rate, 12, 3);
    let level = |options| {
        let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(rate)).expect("a usual rate");
        let room = Room::new(rate, SECOND / 20, Vec::new());
        let device = VoiceProcessor::new(room, TickLength::Ms20, options).expect("a usual rate");
        let device = mixer.add_port(Box::new(device)).expect("its own rate");
        let caller = mixer
            .add_port(Box::new(SamplesPlayer::new(rate, far.clone())))
            .expect("its own rate");
        mixer.connect(caller, device, Gain::UNITY).expect("both exist");
        let peaks = (0..600).map(|_| {
            mixer.tick(Instant::now());
            mixer.level(device).map_or(0, |level| u64::from(level.peak()))
        });
        peaks.skip(300).sum::<u64>() / 300
    };
    let (echo, rest) = (level(VoiceOptions::OFF), level(ONLY_ECHO));
    assert!(rest * 5 < echo, "{rest} of {echo}");
}

#[test]
fn what_is_done_to_a_voice_changes_without_a_click() {
    /// A sine, at its port's rate.
    struct Sine(u32, usize);
    impl AudioPort for Sine {
        fn sample_rate(&self) -> u32 {
            self.0
        }
        fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
            for sample in frame {
                *sample = (8_000.0 * (TAU * 307.0 * self.1 as f32 / self.0 as f32).sin()) as i16;
                self.1 += 1;
            }
            Produced::Audio
        }
    }
    let quiet = VoiceOptions {
        noise_suppression: false,
        gain_control: false,
        ..VoiceOptions::default()
    };
    let longer = VoiceOptions {
        tail_length: Duration::from_millis(120),
        ..quiet
    };
    for rate in [8_000, 16_000, 44_100, 48_000] {
        let processor = VoiceProcessor::new(Sine(rate, 0), TickLength::Ms20, VoiceOptions::OFF);
        let mut processor = processor.expect("a usual rate");
        let mut heard = Vec::new();
        for (turn, options) in [VoiceOptions::OFF, quiet, longer, VoiceOptions::OFF, quiet]
            .iter()
            .enumerate()
        {
            processor.set_options(*options);
            for n in 0..50 {
                let mut frame = vec![0; frame_len(rate)];
                processor.produce(&tick(50 * turn as u64 + n), &mut frame);
                processor.consume(&tick(50 * turn as u64 + n), &vec![0; frame_len(rate)]);
                heard.extend(frame);
            }
        }
        let steps = heard
            .windows(2)
            .map(|w| (i32::from(w[1]) - i32::from(w[0])).abs());
        let own = 8_000.0 * TAU * 307.0 / rate as f32;
        let steepest = steps.max().unwrap_or(0);
        assert!(
            (steepest as f32) < 1.3 * own + 60.0,
            "{rate}: a step of {steepest}, its own are {own}"
        );
    }
}

/// While it is muted nobody asks the microphone, and the loudspeaker goes on: the canceller is shown both or none.
#[test]
fn a_microphone_that_was_muted_by_its_role_sends_no_echo_back() {
    let (rate, far) = (16_000, speech(16_000, 24, 3));
    let level = |is_muted: fn(u64) -> bool| {
        let room = Room::new(rate, SECOND / 20, Vec::new());
        let mut device = VoiceProcessor::new(room, TickLength::Ms20, ONLY_ECHO).expect("a usual rate");
        let mut rest = Vec::new();
        for (index, frame) in far.chunks_exact(frame_len(rate)).enumerate() {
            let mut heard = vec![0; frame_len(rate)];
            if !is_muted(index as u64) {
                device.produce(&tick(index as u64), &mut heard);
            }
            device.consume(&tick(index as u64), frame);
            rest.push(heard);
        }
        // Two seconds, from half a second behind the mute on.
        power(&rest[825..925].concat())
    };
    let (untouched, muted) = (level(|_| false), level(|index| (500..800).contains(&index)));
    assert!(db(muted / untouched) < 10.0, "{} dB more", db(muted / untouched));
}
