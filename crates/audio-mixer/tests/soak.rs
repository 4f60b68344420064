//! An hour in stepped time, with ports that come and go: nothing drifts, clicks or leaks.
//!
//! Two of the sixty minutes run in the gate; `OFFHOOK_SOAK_MINUTES=60 cargo test -p offhook-audio-mixer --test soak` runs them all.

use offhook_audio_mixer::{
    AudioMixer, AudioPort, Gain, MixerConfig, Produced, Role, Slot, SlotsChange, Tick,
};
use std::f64::consts::TAU;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MIXER_RATE: u32 = 16_000;

/// A tone that a listener knows.
struct Tone {
    rate: u32,
    hz: f64,
    amplitude: f64,
    /// Samples said so far.
    said: u64,
    role: Role,
}

impl Tone {
    fn new(rate: u32, hz: f64, amplitude: f64) -> Self {
        Self {
            rate,
            hz,
            amplitude,
            said: 0,
            role: Role::PRODUCER,
        }
    }

    fn at(&self, sample: u64) -> f64 {
        // The tones repeat each second, so that an hour costs no precision.
        let part = (sample % u64::from(self.rate)) as f64 / f64::from(self.rate);
        self.amplitude * (TAU * self.hz * part).sin()
    }
}

/// Listens for what should not be there.
struct Judge {
    rate: u32,
    /// The greatest step from sample to sample that was heard.
    steepest: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
    last: i16,
    /// Correlation with the reference over the last second: `[sine, cosine]`.
    phase: [f64; 2],
    reference: f64,
    phases: Vec<f64>,
}

impl Judge {
    fn listen(&mut self, frame: &[i16]) {
        let mut steepest = 0;
        for &sample in frame {
            let heard = self.heard.fetch_add(1, Ordering::Relaxed);
            if heard > 0 {
                steepest = steepest.max(sample.abs_diff(self.last));
            }
            self.last = sample;
            let angle = TAU * self.reference * (heard % u64::from(self.rate)) as f64 / f64::from(self.rate);
            self.phase[0] += f64::from(sample) * angle.sin();
            self.phase[1] += f64::from(sample) * angle.cos();
            if (heard + 1).is_multiple_of(u64::from(self.rate)) {
                let [sine, cosine] = std::mem::take(&mut self.phase);
                if self.phases.len() < self.phases.capacity() {
                    self.phases.push(cosine.atan2(sine));
                }
            }
        }
        self.steepest.fetch_max(steepest.into(), Ordering::Relaxed);
    }
}

enum Port {
    Tone(Tone),
    Judge(Box<Judge>),
}

impl AudioPort for Port {
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Tone(tone) => tone.rate,
            Self::Judge(judge) => judge.rate,
        }
    }
    fn role(&self) -> Role {
        match self {
            Self::Tone(tone) => tone.role,
            Self::Judge(_) => Role::CONSUMER,
        }
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        let Self::Tone(tone) = self else {
            return Produced::Silence;
        };
        for sample in frame.iter_mut() {
            *sample = tone.at(tone.said) as i16;
            tone.said += 1;
        }
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        if let Self::Judge(judge) = self {
            judge.listen(frame);
        }
    }
}

/// The same numbers in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

const GUESTS: usize = 12;

/// Of guests, in hertz.
const RATES: [u32; 5] = [8_000, 16_000, 24_000, 44_100, 48_000];

struct Soak {
    mixer: AudioMixer<Port>,
    hall: offhook_audio_mixer::BridgeId,
    guests: Vec<Slot>,
    dice: Dice,
    comings: u64,
}

impl Soak {
    /// Somebody comes, goes, is muted, changes role, rate or volume: four times a second.
    fn disturb(&mut self) {
        let dice = &mut self.dice;
        if self.guests.len() < GUESTS && dice.roll(3) > 0 {
            let rate = RATES[dice.roll(5) as usize];
            let tone = Tone::new(rate, (100 + 20 * dice.roll(10)) as f64, 400.0);
            let slot = self.mixer.add_port(Port::Tone(tone)).expect("room for a guest");
            self.mixer.join(self.hall, slot).expect("both exist");
            self.guests.push(slot);
            self.comings += 1;
            return;
        }
        if self.guests.is_empty() {
            return;
        }
        let at = dice.roll(self.guests.len() as u64) as usize;
        let slot = self.guests[at];
        match dice.roll(7) {
            0 | 1 => {
                self.guests.swap_remove(at);
                assert!(self.mixer.remove_port(slot).is_some());
            }
            2 => {
                let muted = self.mixer.input_muted(slot).expect("it is there");
                self.mixer.set_input_muted(slot, !muted).expect("it is there");
            }
            3 => {
                let gain = Gain::from_percent(dice.roll(100) as u16);
                self.mixer.set_input_gain(slot, gain).expect("it is there");
            }
            4 => {
                self.change(slot, |tone| tone.role.producer = !tone.role.producer);
            }
            5 => {
                let rate = RATES[dice.roll(5) as usize];
                self.change(slot, |tone| tone.rate = rate);
            }
            _ => {
                let is_member = self
                    .mixer
                    .bridge(self.hall)
                    .is_some_and(|hall| hall.contains(slot));
                if is_member {
                    self.mixer.leave(self.hall, slot).expect("a member");
                } else {
                    self.mixer.join(self.hall, slot).expect("both exist");
                }
            }
        }
    }

    fn change(&mut self, guest: Slot, change: impl FnOnce(&mut Tone)) {
        let Some(Port::Tone(tone)) = self.mixer.port_mut(guest) else {
            panic!("a guest")
        };
        change(tone);
        self.mixer.port_did_change(guest).expect("a usual rate");
    }
}

fn minutes() -> u64 {
    let asked = std::env::var("OFFHOOK_SOAK_MINUTES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(2)
}

#[test]
fn an_hour_of_coming_and_going_neither_drifts_nor_clicks_nor_leaks() {
    let (minutes, reference) = (minutes(), 50.0);
    let mut mixer = AudioMixer::new(MixerConfig::at_rate(MIXER_RATE)).expect("a usual rate");
    let hall = mixer.add_bridge().expect("one");
    let (steepest, heard) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let judge = Judge {
        rate: 48_000,
        steepest: Arc::clone(&steepest),
        heard: Arc::clone(&heard),
        last: 0,
        phase: [0.0; 2],
        reference,
        phases: Vec::with_capacity(4_000),
    };
    let ear = mixer.add_port(Port::Judge(Box::new(judge))).expect("room");
    // Both edges resample: 44.1 kHz in, 16 kHz mixed, 48 kHz out.
    let bell = mixer
        .add_port(Port::Tone(Tone::new(44_100, reference, 2_000.0)))
        .expect("room");
    mixer.join(hall, ear).expect("both exist");
    mixer.join(hall, bell).expect("both exist");
    let mut soak = Soak {
        mixer,
        hall,
        guests: Vec::with_capacity(GUESTS),
        dice: Dice(0x5EED),
        comings: 0,
    };
    let (start, mut held) = (Instant::now(), Vec::new());
    for minute in 0..minutes {
        let counted = allocation_counter::measure(|| {
            for tick in 0..3_000 {
                if tick % 12 == 0 {
                    soak.disturb();
                }
                soak.mixer
                    .tick(start + Duration::from_secs(minute * 60) + Duration::from_millis(tick * 20));
            }
            // Everybody leaves, so that minutes can be compared.
            for slot in soak.guests.drain(..) {
                drop(soak.mixer.remove_port(slot));
            }
            soak.mixer.tick(start);
        });
        held.push(counted.bytes_current);
    }
    assert!(soak.comings > minutes * 60, "only {} came", soak.comings);
    let late: i64 = held.iter().skip(held.len() / 2).sum();
    // A port that left keeps its place's memory until the place is used again: that swings, and does not grow.
    assert!(late.abs() < 2_000_000, "a leak: {held:?}");
    assert_eq!(
        heard.load(Ordering::Relaxed),
        minutes * 3_001 * 960,
        "not a sample more or less"
    );
    // All tones at once, each at its steepest, at 48 kHz; and what a glide of one tick adds.
    let tones = GUESTS as f64 * 400.0 * TAU * 280.0 / 48_000.0 + 2_000.0 * TAU * reference / 48_000.0;
    let steepest = steepest.load(Ordering::Relaxed) as f64;
    assert!(
        steepest < tones + 40.0,
        "a click: {steepest}, {tones} would be all tones together"
    );
    let Some(Port::Judge(judge)) = soak.mixer.remove_port(ear) else {
        panic!("the judge")
    };
    let drifted = judge.phases[2..]
        .iter()
        .map(|phase| (phase - judge.phases[2]).abs());
    // The bell is exact; what remains are those guests that were at the same tone for a while. None is at 50 Hz.
    let most = drifted.fold(0.0, f64::max);
    assert!(most < 0.05, "the bell drifted by {most} of {TAU}");
}

#[test]
fn roles_that_change_say_what_changed() {
    let mut mixer = AudioMixer::new(MixerConfig::at_rate(MIXER_RATE)).expect("a usual rate");
    let slot = mixer
        .add_port(Port::Tone(Tone::new(16_000, 100.0, 400.0)))
        .expect("room");
    let Some(Port::Tone(tone)) = mixer.port_mut(slot) else {
        panic!("it is there")
    };
    tone.role = Role::NONE;
    let change = mixer.port_did_change(slot).expect("it is there");
    let due = SlotsChange {
        old_consumer_slot: None,
        new_consumer_slot: None,
        old_producer_slot: Some(slot),
        new_producer_slot: None,
        rate_changed: false,
    };
    assert_eq!(change, due);
    assert!(change.producer_slot_changed() && !change.consumer_slot_changed());
}
