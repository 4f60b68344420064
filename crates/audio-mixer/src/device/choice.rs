//! Which device, and what may be wrong with it.

use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Which way sound flows through a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the microphone.
    Input,
    /// To the loudspeaker.
    Output,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Output => "output",
        })
    }
}

/// A device that the system has.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// What [`DeviceChoice::Named`] takes.
    pub name: String,
    /// Whether it has a microphone.
    pub input: bool,
    /// Whether it has a loudspeaker.
    pub output: bool,
    /// The usual rates of its microphone in hertz, ascending; empty while another program has it.
    pub input_rates: Vec<u32>,
    /// The usual rates of its loudspeaker in hertz, likewise.
    pub output_rates: Vec<u32>,
}

/// Which device to open for one direction.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// What the system calls its default.
    #[default]
    Default,
    /// The device of this name, as in [`DeviceInfo::name`].
    Named(String),
    /// A file or a pipe instead of a sound card: see [`FileDevice`](crate::FileDevice).
    File(PathBuf),
    /// None.
    Off,
}

/// What to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceOptions {
    /// The rate to ask for, in hertz: the mixer's, so that nothing is resampled. A device that does not know it is opened at
    /// another usual rate. Default 48000.
    pub sample_rate: u32,
    /// The microphone.
    pub input: DeviceChoice,
    /// The loudspeaker.
    pub output: DeviceChoice,
}

impl Default for DeviceOptions {
    fn default() -> Self {
        Self {
            sample_rate: 48_000,
            input: DeviceChoice::Default,
            output: DeviceChoice::Default,
        }
    }
}

#[cfg(feature = "device")]
impl DeviceChoice {
    /// The error of a device that is not there.
    pub(super) fn absent(&self, direction: Direction) -> DeviceError {
        match self {
            DeviceChoice::Named(name) => DeviceError::NotFound {
                direction,
                name: name.clone(),
            },
            _ => DeviceError::NoDefault { direction },
        }
    }
}

impl DeviceOptions {
    /// The choice for a direction.
    pub fn choice(&self, direction: Direction) -> &DeviceChoice {
        match direction {
            Direction::Input => &self.input,
            Direction::Output => &self.output,
        }
    }
}

/// Why a device was not opened, or was lost.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// The system has no default device for this direction.
    #[error("there is no default {direction} device: connect one, or use the null device")]
    NoDefault {
        /// The direction.
        direction: Direction,
    },
    /// This program knows no sound cards: the crate was built without its feature `device`.
    #[error(
        "this program was built without sound cards and cannot open {device:?} as its {direction}: use a file, a pipe or null"
    )]
    NoCards {
        /// The direction.
        direction: Direction,
        /// The name of the device, or `default`.
        device: String,
    },
    /// There is no device of that name.
    #[error("there is no {direction} device named {name:?}: list the devices to see their names")]
    NotFound {
        /// The direction.
        direction: Direction,
        /// The name.
        name: String,
    },
    /// The device is there, but another program has it.
    #[error("the {direction} device is busy: close the program that uses it")]
    Busy {
        /// The direction.
        direction: Direction,
    },
    /// The system does not let this program use the device.
    #[error("the system does not permit to use the {direction} device")]
    NotPermitted {
        /// The direction.
        direction: Direction,
    },
    /// Input and output have no rate and sample format in common with this crate.
    #[error("the devices offer no usual sample rate in 16 or 32 bits")]
    NoCommonRate,
    /// The device was taken away.
    #[error("the {direction} device is gone")]
    Lost {
        /// The direction.
        direction: Direction,
    },
    /// Anything else that the system says.
    #[error("the {direction} device failed: {message}")]
    System {
        /// The direction.
        direction: Direction,
        /// What the system said.
        message: String,
    },
}

/// What happened to an open device.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceEvent {
    /// The device works no more: drop it and open another one, or leave that to a `LastingDevice`.
    Failed(DeviceError),
    /// The direction that the cause names works no more. The other one goes on; nothing is to be done.
    Interrupted(DeviceError),
    /// A direction that was interrupted works again.
    Resumed(Direction),
    /// The system moved the stream to another device; it goes on.
    ///
    /// Only systems that tell it to the program that plays: macOS and iOS do. On Linux sound goes through ALSA, whose plugins for
    /// sound servers, as that of PulseAudio, keep such a move to themselves: the stream goes on, nothing is told, and what the
    /// move costs is counted ([`DeviceStats`](crate::DeviceStats)). Windows does not move a stream: it fails, and is opened anew.
    Rerouted(Direction),
}
