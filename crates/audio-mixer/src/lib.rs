//! A real-time audio mixer: ports, bridges, wave files, sound devices, one clock.

mod bridge;
mod gain;
mod level;
mod memory;
mod mixer;
mod port;
mod resample;
mod slot;

pub use bridge::{AudioBridge, BridgeError, BridgeId};
pub use gain::Gain;
pub use level::Level;
pub use memory::{SamplesPlayer, SamplesRecorder};
pub use mixer::{
    AudioMixer, MAX_PORT_RATE, MAX_PORTS, MAX_RATE, MIN_RATE, MixerConfig, MixerError, SlotsChange,
    TickLength,
};
pub use port::{AudioPort, Produced, Role, Tick};
pub use slot::Slot;
