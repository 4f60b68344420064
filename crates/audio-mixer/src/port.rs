//! What the mixer mixes: anything that gives or takes one tick of mono sound at a time.

use crate::pace::ClockReading;
use std::time::{Duration, Instant};

/// One beat of the mixer's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// When the tick is due. The mixer reads no clock: this is what its driver passed to
    /// [`AudioMixer::tick`](crate::AudioMixer::tick).
    pub now: Instant,
    /// Number of this tick, from 0, without gaps.
    pub index: u64,
    /// How much sound one tick carries: 10 or 20 ms.
    pub duration: Duration,
}

/// What [`AudioPort::produce`] left in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Produced {
    /// The whole frame was written.
    Audio,
    /// There is nothing to hear; what is in the frame does not matter. Silent ports cost almost nothing.
    Silence,
    /// There should have been sound, but it is late or lost. The frame must be left as it was: the mixer fades what it heard
    /// last out, is silent for as long as this lasts, lets the sound fade in when it comes back, and counts
    /// ([`AudioMixer::missing_ticks`](crate::AudioMixer::missing_ticks)).
    Missing,
}

/// Which ways sound flows through a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Role {
    /// The port gives sound: [`AudioPort::produce`] is called each tick.
    pub producer: bool,
    /// The port takes sound: [`AudioPort::consume`] is called each tick in which it is connected to something.
    pub consumer: bool,
}

impl Role {
    /// Gives and takes, as a telephone does.
    pub const BOTH: Self = Self {
        producer: true,
        consumer: true,
    };
    /// Only gives, as a wave player does.
    pub const PRODUCER: Self = Self {
        producer: true,
        consumer: false,
    };
    /// Only takes, as a recorder does.
    pub const CONSUMER: Self = Self {
        producer: false,
        consumer: true,
    };
    /// Neither, as a muted device.
    pub const NONE: Self = Self {
        producer: false,
        consumer: false,
    };
}

/// Something that produces and/or consumes sound in step with a mixer (`IAudioPort` in the SIP SIMPLE documents).
///
/// Frames are signed 16-bit mono and hold exactly one tick at the port's own [`sample_rate`](Self::sample_rate);
/// the mixer resamples at the edge. `produce` and `consume` run on the mixer's thread: they must not allocate,
/// lock, log or wait.
///
/// The mixer reads `sample_rate` and `role` when the port is added. A port that changes one of them later must be
/// announced with [`AudioMixer::port_did_change`](crate::AudioMixer::port_did_change).
pub trait AudioPort: Send {
    /// Samples a second of the frames this port gives and takes, in hertz.
    fn sample_rate(&self) -> u32;

    /// Which ways sound flows. Default: both.
    fn role(&self) -> Role {
        Role::BOTH
    }

    /// Writes the port's sound of this tick into `frame`. Default: silence.
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        let _ = (tick, frame);
        Produced::Silence
    }

    /// Takes what this port is to hear in this tick. Default: drops it.
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        let _ = (tick, frame);
    }

    /// Whether nothing will come of the port any more, and nobody wants what it takes: a recorder whose file is closed, a voice that
    /// hung up. The mixer lets such a port leave by itself, at the end of the first tick in which it gives
    /// [`Produced::Silence`], or in which what it said has faded out behind [`Produced::Missing`]; then
    /// [`AudioMixer::take_departed`](crate::AudioMixer::take_departed) gives it back. A port around another passes this on.
    /// Default: never.
    fn is_over(&self) -> bool {
        false
    }

    /// How far the port's own clock is, if it has one: a sound card. A port around another passes this on. Default: none, as the
    /// port goes by the mixer's clock.
    fn clock(&self) -> Option<ClockReading> {
        None
    }
}

impl<T: AudioPort + ?Sized> AudioPort for Box<T> {
    fn sample_rate(&self) -> u32 {
        (**self).sample_rate()
    }
    fn role(&self) -> Role {
        (**self).role()
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        (**self).produce(tick, frame)
    }
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        (**self).consume(tick, frame);
    }
    fn is_over(&self) -> bool {
        (**self).is_over()
    }
    fn clock(&self) -> Option<ClockReading> {
        (**self).clock()
    }
}
