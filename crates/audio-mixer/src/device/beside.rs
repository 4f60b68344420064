//! A sound card alone, or beside files.

use super::card::{AudioDevice, DeviceHandle};
use super::choice::{DeviceError, DeviceEvent, DeviceOptions, Direction};
use super::lasting::{DeviceSource, LastingDevice, LastingEvent, LastingHandle};
use super::ring::{Counters, DeviceStats};
use crate::mixer::TickLength;
use crate::port::{AudioPort, Role};
use std::sync::Arc;

/// What keeps a card open.
#[derive(Debug)]
pub(super) enum OpenCard {
    /// Its loss is the loss of the device.
    Alone(DeviceHandle),
    /// Its loss is that of one direction.
    Beside(Beside),
}

#[derive(Debug)]
pub(super) struct Beside {
    handle: LastingHandle<Reopened>,
    direction: Direction,
    counters: Arc<Counters>,
    /// That it is there was told: at first that goes without saying.
    found: bool,
}

type Placed = (Option<Box<dyn AudioPort>>, Option<OpenCard>);

impl OpenCard {
    /// Decides what the loss of a card will mean, by what the files beside it do.
    pub(super) fn place(
        card: Option<(AudioDevice, DeviceHandle)>,
        options: &DeviceOptions,
        files: Role,
        rate: u32,
    ) -> Result<Placed, DeviceError> {
        let Some((port, handle)) = card else {
            return Ok((None, None));
        };
        if files == Role::NONE {
            return Ok((Some(Box::new(port)), Some(Self::Alone(handle))));
        }
        let direction = if files.producer {
            Direction::Output
        } else {
            Direction::Input
        };
        let counters = handle.counters();
        let source = Reopened {
            first: Some((port, handle)),
            options: DeviceOptions {
                sample_rate: rate,
                ..options.clone()
            },
            counters: Arc::clone(&counters),
        };
        // A card of another rate is refused below, so nothing is resampled and the length of a tick does not matter.
        let (port, handle) =
            LastingDevice::start(source, rate, TickLength::Ms10).map_err(|_| DeviceError::NoCommonRate)?;
        let beside = Beside {
            handle,
            direction,
            counters,
            found: false,
        };
        Ok((Some(Box::new(port)), Some(Self::Beside(beside))))
    }

    pub(super) fn poll_event(&mut self) -> Option<DeviceEvent> {
        match self {
            Self::Alone(handle) => handle.poll_event(),
            Self::Beside(beside) => beside.poll_event(),
        }
    }

    pub(super) fn stats(&self) -> DeviceStats {
        match self {
            Self::Alone(handle) => handle.stats(),
            Self::Beside(beside) => beside.counters.stats(),
        }
    }
}

impl Beside {
    fn poll_event(&mut self) -> Option<DeviceEvent> {
        loop {
            return Some(match self.handle.poll_event()? {
                LastingEvent::Found if !std::mem::replace(&mut self.found, true) => continue,
                LastingEvent::Found | LastingEvent::Resumed(_) => DeviceEvent::Resumed(self.direction),
                LastingEvent::Lost(cause) => DeviceEvent::Interrupted(cause),
                LastingEvent::Rerouted(direction) => DeviceEvent::Rerouted(direction),
            });
        }
    }
}

/// Gives the card that was opened first, and opens it again.
struct Reopened {
    first: Option<(AudioDevice, DeviceHandle)>,
    options: DeviceOptions,
    counters: Arc<Counters>,
}

impl DeviceSource for Reopened {
    type Open = DeviceHandle;

    fn open(&mut self) -> Result<(Box<dyn AudioPort>, DeviceHandle), DeviceError> {
        let (port, handle) = match self.first.take() {
            Some(first) => first,
            None => AudioDevice::open_counting(&self.options, &self.counters)?,
        };
        if port.sample_rate() != self.options.sample_rate {
            return Err(DeviceError::NoCommonRate);
        }
        Ok((Box::new(port), handle))
    }
}
