//! The device that rings, beside the one that calls are spoken and heard through.

use crate::Error;
use offhook_audio_mixer::{DeviceChoice, DeviceMixer, DeviceOptions, LastingEvent, MixerConfig};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::mpsc;

/// Events of the device that wait for the application; later ones are dropped.
const EVENTS: usize = 16;

/// Which device alerts, and the mixer on it while somebody has it.
pub(crate) struct Alert {
    sample_rate: u32,
    state: Mutex<State>,
    events: mpsc::Sender<LastingEvent>,
}

struct State {
    choice: DeviceChoice,
    open: Weak<DeviceMixer>,
}

impl Alert {
    pub(crate) fn new(choice: DeviceChoice, sample_rate: u32) -> (Self, mpsc::Receiver<LastingEvent>) {
        let (events, told) = mpsc::channel(EVENTS);
        let state = Mutex::new(State {
            choice,
            open: Weak::new(),
        });
        let alert = Self {
            sample_rate,
            state,
            events,
        };
        (alert, told)
    }

    /// The mixer on the device: the one that somebody has, or a new one.
    pub(crate) fn mixer(&self) -> Result<Arc<DeviceMixer>, Error> {
        let mut state = self.lock();
        if let Some(open) = state.open.upgrade() {
            return Ok(open);
        }
        let events = self.events.clone();
        // Who does not ask for events misses those that find no room.
        let tell = move |event| drop(events.try_send(event));
        let config = MixerConfig::at_rate(self.sample_rate);
        let open = Arc::new(DeviceMixer::start(self.options(&state.choice), config, tell)?);
        state.open = Arc::downgrade(&open);
        Ok(open)
    }

    pub(crate) fn set_device(&self, choice: DeviceChoice) {
        let mut state = self.lock();
        if let Some(open) = state.open.upgrade() {
            open.set_sound_devices(self.options(&choice));
        }
        state.choice = choice;
    }

    fn options(&self, choice: &DeviceChoice) -> DeviceOptions {
        DeviceOptions {
            sample_rate: self.sample_rate,
            input: DeviceChoice::Off,
            output: choice.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
