//! A device for tests that is pulled out, stalls, moves and comes back.

use super::choice::{DeviceError, DeviceEvent, Direction};
use super::lasting::{DeviceSource, OpenDevice};
use crate::port::{AudioPort, Produced, Tick};
use std::sync::{Arc, Mutex};

/// What the simulated device does, told by the test.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) plugged: bool,
    pub(super) rate: u32,
    /// The direction that stands still.
    pub(super) stalled: Option<Direction>,
    pub(super) busy: bool,
    pub(super) moved: Option<Direction>,
    progress: u64,
    pub(super) opened: u32,
    pub(super) open_now: u32,
    pub(super) played: u64,
}

/// The device and the test hold it.
pub(super) type Shared = Arc<Mutex<World>>;

/// Where it is plugged in.
pub(super) struct Socket(Shared);
/// What keeps it open.
pub(super) struct Plug(Shared);
struct Sound(Shared);

impl Socket {
    /// A device of that rate, and what it does.
    pub(super) fn new(plugged: bool, rate: u32) -> (Self, Shared) {
        let world = World {
            plugged,
            rate,
            ..World::default()
        };
        let world = Arc::new(Mutex::new(world));
        (Self(Arc::clone(&world)), world)
    }
}

impl DeviceSource for Socket {
    type Open = Plug;

    fn open(&mut self) -> Result<(Box<dyn AudioPort>, Plug), DeviceError> {
        let mut world = self.0.lock().expect("no test panicked");
        let direction = Direction::Input;
        if world.busy {
            return Err(DeviceError::Busy { direction });
        }
        if !world.plugged {
            return Err(DeviceError::NoDefault { direction });
        }
        world.opened += 1;
        world.open_now += 1;
        Ok((Box::new(Sound(Arc::clone(&self.0))), Plug(Arc::clone(&self.0))))
    }
}

impl OpenDevice for Plug {
    fn poll_event(&mut self) -> Option<DeviceEvent> {
        let direction = Direction::Input;
        let mut world = self.0.lock().expect("no test panicked");
        if let Some(direction) = world.moved.take() {
            return Some(DeviceEvent::Rerouted(direction));
        }
        (!world.plugged).then_some(DeviceEvent::Failed(DeviceError::Lost { direction }))
    }

    fn progress(&self) -> u64 {
        let mut world = self.0.lock().expect("no test panicked");
        world.progress += u64::from(world.stalled.is_none());
        world.progress
    }

    fn waits_for(&self) -> Direction {
        let world = self.0.lock().expect("no test panicked");
        world.stalled.unwrap_or(Direction::Output)
    }
}

impl Drop for Plug {
    fn drop(&mut self) {
        self.0.lock().expect("no test panicked").open_now -= 1;
    }
}

impl AudioPort for Sound {
    fn sample_rate(&self) -> u32 {
        self.0.lock().expect("no test panicked").rate
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        frame.fill(1000);
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, frame: &[i16]) {
        self.0.lock().expect("no test panicked").played += frame.len() as u64;
    }
}
