//! A room of voices and ears that tests put together.

#![allow(dead_code, reason = "each test uses some of it")]

use offhook_audio_mixer::{
    AudioMixer, AudioPort, MixerConfig, Produced, Role, SamplesRecorder, Slot, SlotsChange, Tick,
};
use std::f64::consts::TAU;
use std::time::Instant;

pub(crate) const RATE: u32 = 16_000;

/// A voice or an ear, as a test needs it.
pub(crate) enum Port {
    Sine {
        hz: f64,
        rate: u32,
        played: usize,
        role: Role,
    },
    Ear(SamplesRecorder),
}

impl AudioPort for Port {
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Sine { rate, .. } => *rate,
            Self::Ear(ear) => ear.sample_rate(),
        }
    }
    fn role(&self) -> Role {
        match self {
            Self::Sine { role, .. } => *role,
            Self::Ear(ear) => ear.role(),
        }
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        let Self::Sine { hz, rate, played, .. } = self else {
            return Produced::Silence;
        };
        for sample in frame {
            let phase = TAU * *hz * *played as f64 / f64::from(*rate);
            *sample = (AMPLITUDE * phase.sin()).round() as i16;
            *played += 1;
        }
        Produced::Audio
    }
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if let Self::Ear(ear) = self {
            ear.consume(tick, frame);
        }
    }
}

pub(crate) const AMPLITUDE: f64 = 8_000.0;

pub(crate) struct Room {
    pub(crate) mixer: AudioMixer<Port>,
    pub(crate) now: Instant,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            mixer: AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate"),
            now: Instant::now(),
        }
    }

    pub(crate) fn sine(&mut self, hz: f64) -> Slot {
        let port = Port::Sine {
            hz,
            rate: RATE,
            played: 0,
            role: Role::BOTH,
        };
        self.mixer.add_port(port).expect("a usual rate")
    }

    pub(crate) fn ear(&mut self) -> Slot {
        let ear = SamplesRecorder::new(RATE, 100_000);
        self.mixer.add_port(Port::Ear(ear)).expect("a usual rate")
    }

    /// Lets a sine announce another rate and role.
    pub(crate) fn change(&mut self, sine: Slot, new_rate: u32, new_role: Role) -> SlotsChange {
        if let Some(Port::Sine { rate, role, .. }) = self.mixer.port_mut(sine) {
            (*rate, *role) = (new_rate, new_role);
        }
        self.mixer.port_did_change(sine).expect("a usual rate")
    }

    pub(crate) fn ticks(&mut self, n: usize) {
        for _ in 0..n {
            self.mixer.tick(self.now);
        }
    }

    pub(crate) fn heard(&self, ear: Slot) -> &[i16] {
        match self.mixer.port(ear) {
            Some(Port::Ear(ear)) => ear.samples(),
            _ => &[],
        }
    }
}

/// The largest step from one sample to the next.
pub(crate) fn steepest(samples: &[i16]) -> i32 {
    let steps = samples
        .windows(2)
        .map(|w| (i32::from(w[1]) - i32::from(w[0])).abs());
    steps.max().unwrap_or(0)
}

/// The largest step that a 307 Hz sine takes by itself, and a little more for the glide.
pub(crate) const SMOOTH: i32 = (AMPLITUDE * TAU * 307.0 / RATE as f64 * 1.1) as i32 + 60;

pub(crate) fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0)
}
