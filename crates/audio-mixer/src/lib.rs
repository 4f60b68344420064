//! A real-time audio mixer: ports, bridges, wave files, sound devices, one clock.
//!
//! This crate lies beside the protocol crates of Offhook and knows none of them: no SIP, no RTP, no codec. What it mixes
//! are [`AudioPort`]s, and whoever owns a codec or a socket makes a port of it.
//!
//! # The real-time contract
//!
//! [`AudioMixer`] is a plain value: no thread, no clock. Its driver calls [`AudioMixer::tick`] once every 10 or 20 ms and
//! commands it in between; [`MixerThread`] is such a driver. A tick, and with it every [`AudioPort::produce`] and
//! [`AudioPort::consume`], allocates nothing, locks nothing, touches no file and logs nothing. Files and sound cards meet the
//! tick at memory or at lock-free rings; a port that cannot keep this, as the library behind a `VoiceProcessor`, works on a
//! thread of its own behind a [`ThreadedPort`].
//!
//! ```
//! use offhook_audio_mixer::{AudioMixer, MixerConfig, SamplesPlayer, SamplesRecorder};
//! use std::time::Instant;
//!
//! let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(16_000))?;
//! let voice = mixer.add_port(Box::new(SamplesPlayer::new(8_000, vec![1000; 8_000])))?;
//! let ear = mixer.add_port(Box::new(SamplesRecorder::new(16_000, 16_000)))?;
//! let hall = mixer.add_bridge()?;
//! mixer.join(hall, voice)?;
//! mixer.join(hall, ear)?;
//!
//! let start = Instant::now();
//! for n in 0..10 {
//!     mixer.tick(start + n * mixer.config().tick.duration());
//! }
//! assert_eq!(mixer.level(voice).map(|level| level.peak()), Some(1000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Standards
//!
//! | document | covered |
//! |---|---|
//! | RFC 3551 §4.2, packets of 20 ms | yes: the default tick |
//! | ITU-T G.711, in wave files | yes: read; not written |
//! | ITU-T Q.23 and Q.24, DTMF as sound | yes: [`Tone::dtmf`] |
//! | ITU-T E.180, call progress tones | partly: those of Europe and North America |
//!
//! # Features
//!
//! `voice`, on by default, adds `VoiceProcessor`: echo cancellation, noise suppression and gain control.
//!
//! `device` adds sound cards: `AudioDevice` (on Linux it needs ALSA's headers to build). Without it there are [`FileDevice`]
//! and [`NullDevice`]. [`LastingDevice`] survives that a device goes away.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod bridge;
mod device;
mod file;
mod gain;
mod lease;
mod level;
mod memory;
mod mixer;
mod pace;
mod port;
mod resample;
mod slot;
mod tone;
#[cfg(feature = "voice")]
mod voice;

pub use bridge::{AudioBridge, BridgeError, BridgeId};
#[cfg(feature = "device")]
pub use device::{AudioDevice, DeviceHandle, device_names};
pub use device::{
    DeviceChoice, DeviceError, DeviceEvent, DeviceInfo, DeviceMixer, DeviceMixerError, DeviceOptions,
    DeviceSource, DeviceStats, DeviceWatcher, DevicesChange, Direction, FileDevice, FileHandle, KNOWS_CARDS,
    LastingDevice, LastingEvent, LastingHandle, MixerGone, MixerThread, NullDevice, OpenDevice, OpenPair,
    PortGone, PortHandle, ThreadedPort, devices,
};
pub use file::{
    EndReason, MAX_SAMPLES, PlayerEvent, PlayerEvents, PlayerOptions, RecordError, RecorderEvent, Recording,
    Summary, WaveError, WaveFile, WavePlayer, WaveRecorder,
};
pub use gain::Gain;
pub use lease::{Lease, Leased};
pub use level::Level;
pub use memory::{SamplesPlayer, SamplesRecorder};
pub use mixer::{
    AudioMixer, MAX_PORT_RATE, MAX_PORTS, MAX_RATE, MIN_RATE, MixerConfig, MixerError, SlotsChange,
    TickLength,
};
pub use pace::{ClockReading, DeviceClock, TickClock};
pub use port::{AudioPort, Produced, Role, Tick};
pub use slot::Slot;
pub use tone::{Burst, Cadence, Tone, TonePlayer};
#[cfg(feature = "voice")]
pub use voice::{VoiceOptions, VoiceProcessor};
