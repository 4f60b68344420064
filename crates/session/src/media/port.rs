//! The ports of the engine's mixer: the far ends of calls, and what is attached to them.

use offhook_audio_mixer::{AudioPort, ClockReading, Produced, Role, Tick};
use offhook_rtp_media::{AudioTransport, Playout};

/// One port of the mixer. An enum, so that a tick reaches RTP without a virtual call.
pub(super) enum MediaPort {
    /// The remote party: what it says comes from the jitter buffer, what it hears goes to the encoder.
    Remote(Box<AudioTransport>),
    /// A wave file, a device, or anything of the application's.
    Attached(Box<dyn AudioPort>),
}

impl AudioPort for MediaPort {
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Remote(transport) => transport.sample_rate(),
            Self::Attached(port) => port.sample_rate(),
        }
    }

    fn role(&self) -> Role {
        match self {
            Self::Remote(_) => Role::BOTH,
            Self::Attached(port) => port.role(),
        }
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        match self {
            Self::Remote(transport) => match transport.read(tick.now, frame) {
                Playout::Voice | Playout::Concealed => Produced::Audio,
                Playout::Silence => Produced::Silence,
            },
            Self::Attached(port) => port.produce(tick, frame),
        }
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        match self {
            Self::Remote(transport) => transport.write(tick.now, frame),
            Self::Attached(port) => port.consume(tick, frame),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Remote(_) => false,
            Self::Attached(port) => port.is_over(),
        }
    }

    fn clock(&self) -> Option<ClockReading> {
        match self {
            Self::Remote(_) => None,
            Self::Attached(port) => port.clock(),
        }
    }
}
