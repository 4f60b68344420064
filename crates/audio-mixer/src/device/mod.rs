//! Sound devices as ports.
//!
//! [`NullDevice`] is always there. With the feature `device` there is also `AudioDevice`, a sound card.

#[cfg(feature = "device")]
mod card;
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
pub use null::NullDevice;
#[cfg(feature = "device")]
pub use ring::DeviceStats;
