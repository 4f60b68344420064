//! Devices that are plugged in and pulled out.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What changed among the devices of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicesChange {
    /// Names that were not there before.
    pub added: Vec<String>,
    /// Names that are not there any more.
    pub removed: Vec<String>,
}

/// Looks again and again which devices the system has, and tells what changed. Ends when it is dropped.
pub struct DeviceWatcher {
    changes: Receiver<DevicesChange>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DeviceWatcher {
    /// How often to look: soon enough for somebody who plugs in a headset, and listing costs some milliseconds.
    pub const INTERVAL: Duration = Duration::from_secs(2);

    /// Watches the system's sound cards.
    ///
    /// # Errors
    /// When the system gives no thread.
    #[cfg(feature = "device")]
    pub fn start() -> std::io::Result<Self> {
        Self::of(|| super::card::device_names().ok(), Self::INTERVAL)
    }

    /// Watches whatever `list` lists; `None` is a list that cannot be had now, and changes nothing.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn of(
        mut list: impl FnMut() -> Option<Vec<String>> + Send + 'static,
        interval: Duration,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let (told, changes) = mpsc::channel();
        let thread = thread::Builder::new().name("offhook-devices".into());
        let thread = thread.spawn(move || {
            let mut known = list().unwrap_or_default();
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let Some(present) = list() else { continue };
                let without = |names: &[String], others: &[String]| -> Vec<String> {
                    names
                        .iter()
                        .filter(|name| !others.contains(name))
                        .cloned()
                        .collect()
                };
                let change = DevicesChange {
                    added: without(&present, &known),
                    removed: without(&known, &present),
                };
                known = present;
                if !(change.added.is_empty() && change.removed.is_empty()) && told.send(change).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            changes,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// What changed, oldest first.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<DevicesChange> {
        self.changes.try_recv().ok()
    }
}

impl Drop for DeviceWatcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the thread that watches the sound devices panicked");
        }
    }
}

impl fmt::Debug for DeviceWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceWatcher").finish_non_exhaustive()
    }
}
