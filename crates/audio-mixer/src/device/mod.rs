//! Sound devices as ports, and the clock of a mixer that has none.
//!
//! [`NullDevice`] and [`FileDevice`] are always there, and [`LastingDevice`], one that may go and come back. The feature `device`
//! adds `AudioDevice`, a sound card.

#[cfg(feature = "device")]
mod beside;
#[cfg(feature = "device")]
mod card;
mod choice;
mod clock;
mod commanded;
#[cfg(feature = "device")]
mod doubt;
mod edge;
mod fade;
mod file;
mod lasting;
mod null;
mod ring;
#[cfg(feature = "device")]
mod rounds;
#[cfg(test)]
mod simulated;
mod slide;
mod source;
mod station;
mod threaded;
mod watch;

#[cfg(feature = "device")]
pub use card::{AudioDevice, DeviceHandle, device_names, devices};
pub use choice::{DeviceChoice, DeviceError, DeviceEvent, DeviceInfo, DeviceOptions, Direction};
pub use clock::{MixerGone, MixerThread};
pub use commanded::{PortGone, PortHandle};
pub use file::{FileDevice, FileHandle};
pub use lasting::{DeviceSource, LastingDevice, LastingEvent, LastingHandle, OpenDevice};
pub use null::NullDevice;
pub use ring::DeviceStats;
pub use source::OpenPair;
pub use station::{DeviceMixer, DeviceMixerError};
pub use threaded::ThreadedPort;
pub use watch::{DeviceWatcher, DevicesChange};

/// Whether this was built with the feature `device`: without it no sound card is known, whatever the system has.
pub const KNOWS_CARDS: bool = cfg!(feature = "device");

/// Lists the devices of the system. This was built without the feature `device` and knows of none.
///
/// # Errors
/// Never; with the feature the system may refuse.
#[cfg(not(feature = "device"))]
pub fn devices() -> Result<Vec<DeviceInfo>, DeviceError> {
    Ok(Vec::new())
}
