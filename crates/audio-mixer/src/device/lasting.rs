//! A device that may go and come back while the mixer runs.

use super::card::{AudioDevice, DeviceError, DeviceEvent, DeviceHandle, DeviceOptions, Direction};
use super::edge::Edge;
use crate::mixer::{MixerError, TickLength};
use crate::port::{AudioPort, Produced, Role, Tick};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Opens a device, again and again: sound cards by [`DeviceOptions`], or whatever else comes and goes.
pub trait DeviceSource: Send + 'static {
    /// What keeps an opened device open, and tells of its loss. It stays on the thread that opened it.
    type Open: OpenDevice;

    /// Opens the device. May block: it is called on a thread of its own.
    ///
    /// # Errors
    /// When the device is not there or cannot be used now. It will be tried again.
    fn open(&mut self) -> Result<(Box<dyn AudioPort>, Self::Open), DeviceError>;
}

/// A device that is open until this is dropped.
pub trait OpenDevice: Send + 'static {
    /// Why the device works no more, once it does not.
    fn poll_loss(&mut self) -> Option<DeviceError>;

    /// A number that grows as long as the device works.
    fn progress(&self) -> u64;
}

impl DeviceSource for DeviceOptions {
    type Open = DeviceHandle;

    fn open(&mut self) -> Result<(Box<dyn AudioPort>, DeviceHandle), DeviceError> {
        let (port, handle) = AudioDevice::open(self)?;
        Ok((Box::new(port), handle))
    }
}

impl OpenDevice for DeviceHandle {
    fn poll_loss(&mut self) -> Option<DeviceError> {
        std::iter::from_fn(|| self.poll_event()).find_map(|event| match event {
            DeviceEvent::Failed(error) => Some(error),
            DeviceEvent::Rerouted(_) => None,
        })
    }

    fn progress(&self) -> u64 {
        self.callbacks()
    }
}

/// What happened to a [`LastingDevice`].
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastingEvent {
    /// The device is there, for the first time or again.
    Found,
    /// The device is gone, or was not there to begin with: silence takes its place.
    Lost(DeviceError),
}

/// A device as a port that is always there: while the device is not, it says nothing and swallows what it hears, as
/// [`NullDevice`](crate::NullDevice) does, and it comes back by itself when the device does.
///
/// Its rate and role never change, so nothing has to be announced to the mixer; a card of another rate is resampled.
/// Cards are opened and closed on a thread of its own, which ends with the [`LastingHandle`].
pub struct LastingDevice {
    rate: u32,
    arriving: Consumer<Option<Edge>>,
    leaving: Producer<Edge>,
    device: Option<Edge>,
}

/// The application's end of a [`LastingDevice`]. When it is dropped the device is closed and the port is silent from then on.
pub struct LastingHandle {
    events: Receiver<LastingEvent>,
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl LastingDevice {
    /// How long after a loss, or a vain attempt, the device is tried again.
    pub const RETRY: Duration = Duration::from_secs(2);

    /// A device that makes no progress for so long is lost, although nobody said so.
    pub const STALL: Duration = Duration::from_secs(3);

    /// A port at `rate` hertz, for a mixer with ticks of `tick`, of a device that `source` opens.
    ///
    /// Returns at once; whether the device is there is told by the first event.
    ///
    /// # Errors
    /// [`MixerError::PortRate`] for a rate that no mixer with such ticks takes.
    pub fn start(
        source: impl DeviceSource,
        rate: u32,
        tick: TickLength,
    ) -> Result<(Self, LastingHandle), MixerError> {
        let (port, keeper, events) = Self::apart(source, rate, tick)?;
        let (stop, stopped) = mpsc::channel();
        let told = keeper.events.clone();
        let thread = thread::Builder::new().name("offhook-device".into());
        let keeper = thread.spawn(move || keeper.run(&stopped));
        if let Err(error) = &keeper {
            let cause = DeviceError::System {
                direction: Direction::Output,
                message: format!("no thread to open it: {error}"),
            };
            let _ = told.send(LastingEvent::Lost(cause));
        }
        let handle = LastingHandle {
            events,
            stop: Some(stop),
            keeper: keeper.ok(),
        };
        Ok((port, handle))
    }

    fn apart<S: DeviceSource>(
        source: S,
        rate: u32,
        tick: TickLength,
    ) -> Result<(Self, Keeper<S>, Receiver<LastingEvent>), MixerError> {
        let refused = MixerError::PortRate {
            rate,
            tick: tick.duration(),
        };
        let frame_len = tick.samples(rate).ok_or(refused)?;
        let (arrivals, arriving) = RingBuffer::new(2);
        let (leaving, left) = RingBuffer::new(2);
        let (events, polled) = mpsc::channel();
        let port = Self {
            rate,
            arriving,
            leaving,
            device: None,
        };
        let keeper = Keeper {
            source,
            frame_len,
            tick,
            open: None,
            retry_at: None,
            told: None,
            arrivals,
            left,
            events,
        };
        Ok((port, keeper, polled))
    }

    /// Takes what the keeper sent. Devices that go are closed by the keeper, not here.
    fn exchange(&mut self) {
        while self.device.is_none() || self.leaving.slots() > 0 {
            let Ok(arrived) = self.arriving.pop() else { return };
            if let Some(old) = std::mem::replace(&mut self.device, arrived) {
                // There is room: this is the only one that fills the ring.
                let _ = self.leaving.push(old);
            }
        }
    }
}

impl AudioPort for LastingDevice {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role::BOTH
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        self.exchange();
        let device = self.device.as_mut();
        device.map_or(Produced::Silence, |device| device.produce(tick, frame))
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if let Some(device) = &mut self.device {
            device.consume(tick, frame);
        }
    }
}

impl fmt::Debug for LastingDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastingDevice")
            .field("rate", &self.rate)
            .field("present", &self.device.is_some())
            .finish_non_exhaustive()
    }
}

impl LastingHandle {
    /// What happened, oldest first.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<LastingEvent> {
        self.events.try_recv().ok()
    }
}

impl Drop for LastingHandle {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.keeper.take().is_some_and(|keeper| keeper.join().is_err()) {
            tracing::warn!("the thread of the sound device panicked");
        }
    }
}

impl fmt::Debug for LastingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastingHandle").finish_non_exhaustive()
    }
}

/// Opens, watches and closes the device.
struct Keeper<S: DeviceSource> {
    source: S,
    frame_len: usize,
    tick: TickLength,
    open: Option<Watched<S::Open>>,
    /// `None`: at once.
    retry_at: Option<Instant>,
    /// The loss last told: the same vain attempt is not told twice.
    told: Option<DeviceError>,
    arrivals: Producer<Option<Edge>>,
    left: Consumer<Edge>,
    events: Sender<LastingEvent>,
}

struct Watched<O> {
    device: O,
    progress: u64,
    since: Instant,
}

impl<S: DeviceSource> Keeper<S> {
    fn run(mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            self.look(Instant::now());
        }
        // The port may outlive this: it shall not pull at a device that is closed.
        let _ = self.arrivals.push(None);
    }

    fn look(&mut self, now: Instant) {
        while self.left.pop().is_ok() {}
        if let Some(cause) = self.open.as_mut().and_then(|open| open.loss(now)) {
            self.open = None;
            let _ = self.arrivals.push(None);
            self.lost(cause, now);
        }
        // A mixer that stands still has not yet seen the last loss: a new device would only fill its rings.
        let due = self.retry_at.is_none_or(|at| now >= at);
        let seen = self.arrivals.slots() == self.arrivals.buffer().capacity();
        if self.open.is_none() && due && seen {
            self.open(now);
        }
    }

    fn open(&mut self, now: Instant) {
        let opened = self.source.open().and_then(|(port, device)| {
            let edge = Edge::new(port, self.tick, self.frame_len).ok_or(DeviceError::NoCommonRate)?;
            Ok((edge, device))
        });
        match opened {
            Ok((edge, device)) => {
                let _ = self.arrivals.push(Some(edge));
                self.open = Some(Watched {
                    progress: device.progress(),
                    device,
                    since: now,
                });
                self.told = None;
                let _ = self.events.send(LastingEvent::Found);
            }
            Err(cause) => self.lost(cause, now),
        }
    }

    fn lost(&mut self, cause: DeviceError, now: Instant) {
        self.retry_at = Some(now + LastingDevice::RETRY);
        if self.told.as_ref() != Some(&cause) {
            // An application that dropped its handle does not want to know.
            let _ = self.events.send(LastingEvent::Lost(cause.clone()));
            self.told = Some(cause);
        }
    }
}

impl<O: OpenDevice> Watched<O> {
    fn loss(&mut self, now: Instant) -> Option<DeviceError> {
        let progress = self.device.progress();
        if progress != self.progress {
            (self.progress, self.since) = (progress, now);
        }
        let stalled = now.saturating_duration_since(self.since) >= LastingDevice::STALL;
        let stalled = stalled.then_some(DeviceError::Lost {
            direction: Direction::Output,
        });
        self.device.poll_loss().or(stalled)
    }
}

/// How often the device is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
#[path = "lasting_tests.rs"]
mod tests;
