//! Sound devices as ports.
//!
//! [`NullDevice`] is always there. With the feature `device` there is also `AudioDevice`, a sound card, and `LastingDevice`,
//! one that may go and come back.

#[cfg(feature = "device")]
mod card;
#[cfg(feature = "device")]
mod edge;
#[cfg(feature = "device")]
mod lasting;
mod null;
#[cfg(feature = "device")]
mod ring;
#[cfg(feature = "device")]
mod slide;

#[cfg(feature = "device")]
pub use card::{
    AudioDevice, DeviceChoice, DeviceError, DeviceEvent, DeviceHandle, DeviceInfo, DeviceOptions, Direction,
    devices,
};
#[cfg(feature = "device")]
pub use lasting::{DeviceSource, LastingDevice, LastingEvent, LastingHandle, OpenDevice};
pub use null::NullDevice;
#[cfg(feature = "device")]
pub use ring::DeviceStats;
