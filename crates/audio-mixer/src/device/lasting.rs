//! A device that may go and come back while the mixer runs.

use super::choice::{DeviceError, DeviceEvent, DeviceOptions, Direction};
use super::edge::Edge;
use crate::mixer::{MixerError, TickLength};
use crate::pace::ClockReading;
use crate::port::{AudioPort, Produced, Role, Tick};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fmt;
use std::sync::Mutex;
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
    /// What happened to the device: that it works no more, or that the system moved it.
    fn poll_event(&mut self) -> Option<DeviceEvent>;

    /// A number that grows as long as the device works.
    fn progress(&self) -> u64;

    /// Which direction stands still, when the device makes no progress. Default: the output.
    fn waits_for(&self) -> Direction {
        Direction::Output
    }
}

/// What happened to a [`LastingDevice`].
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastingEvent {
    /// The device is there, for the first time or again.
    Found,
    /// The device is gone, or was not there to begin with, or only one direction of it is, which the cause names then: silence
    /// takes its place.
    Lost(DeviceError),
    /// A direction that was lost alone is there again.
    Resumed(Direction),
    /// The system moved the sound to another device; it goes on ([`DeviceEvent::Rerouted`] says which systems tell).
    Rerouted(Direction),
}

/// A device as a port that is always there: while the device is not, it says nothing and swallows what it hears, as
/// [`NullDevice`](crate::NullDevice) does, and it comes back by itself when the device does.
///
/// Its rate never changes, and its role only when it is muted; a card of another rate is resampled. How loud it is, either
/// way, is up to the mixer's [`set_input_gain`](crate::AudioMixer::set_input_gain) and
/// [`set_output_gain`](crate::AudioMixer::set_output_gain).
/// Cards are opened and closed on a thread of its own, which ends with the [`LastingHandle`].
pub struct LastingDevice {
    rate: u32,
    arriving: Consumer<Option<Edge>>,
    leaving: Producer<Edge>,
    device: Option<Edge>,
    /// The device was heard in the last tick.
    speaks: bool,
    input_muted: bool,
    output_muted: bool,
}

/// The application's end of a [`LastingDevice`]. When it is dropped the device is closed, and the port is silent and leaves its mixer
/// by itself.
pub struct LastingHandle<S = DeviceOptions> {
    /// `None` when they are told. Never locked: it lets threads share the handle.
    events: Option<Mutex<Receiver<LastingEvent>>>,
    orders: Option<Sender<S>>,
    keeper: Option<JoinHandle<()>>,
}

impl LastingDevice {
    /// How long after a loss, or a vain attempt, the device is tried again.
    pub const RETRY: Duration = Duration::from_secs(2);

    /// A device that makes no progress for so long is lost, although nobody said so. A card that reports errors it may get over
    /// is lost sooner if it does not: after 2.5 seconds.
    pub const STALL: Duration = Duration::from_secs(3);

    /// A port at `rate` hertz, for a mixer with ticks of `tick`, of a device that `source` opens.
    ///
    /// Returns at once; whether the device is there is told by the first event.
    ///
    /// # Errors
    /// [`MixerError::PortRate`] for a rate that no mixer with such ticks takes.
    pub fn start<S: DeviceSource>(
        source: S,
        rate: u32,
        tick: TickLength,
    ) -> Result<(Self, LastingHandle<S>), MixerError> {
        let (events, polled) = mpsc::channel();
        // An application that dropped its handle does not want to know.
        let tell = move |event| drop(events.send(event));
        let (port, mut handle) = Self::start_telling(source, rate, tick, tell)?;
        handle.events = Some(Mutex::new(polled));
        Ok((port, handle))
    }

    /// The same, with events that are not polled but told: `tell` is called on the device's own thread, and may block it.
    ///
    /// # Errors
    /// [`MixerError::PortRate`] for a rate that no mixer with such ticks takes.
    pub fn start_telling<S: DeviceSource>(
        source: S,
        rate: u32,
        tick: TickLength,
        tell: impl FnMut(LastingEvent) + Send + 'static,
    ) -> Result<(Self, LastingHandle<S>), MixerError> {
        let (port, keeper) = Self::apart(source, rate, tick, Box::new(tell))?;
        let (orders, ordered) = mpsc::channel();
        let thread = thread::Builder::new().name("offhook-device".into());
        let keeper = thread.spawn(move || keeper.run(&ordered));
        if let Err(error) = &keeper {
            tracing::warn!(%error, "no thread to open a sound device");
        }
        let handle = LastingHandle {
            events: None,
            orders: Some(orders),
            keeper: keeper.ok(),
        };
        Ok((port, handle))
    }

    fn apart<S: DeviceSource>(
        source: S,
        rate: u32,
        tick: TickLength,
        tell: Tell,
    ) -> Result<(Self, Keeper<S>), MixerError> {
        let refused = MixerError::PortRate {
            rate,
            tick: tick.duration(),
        };
        let frame_len = tick.samples_of_port(rate).ok_or(refused)?;
        let (arrivals, arriving) = RingBuffer::new(2);
        let (leaving, left) = RingBuffer::new(2);
        let port = Self {
            rate,
            arriving,
            leaving,
            device: None,
            speaks: false,
            input_muted: false,
            output_muted: false,
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
            tell,
        };
        Ok((port, keeper))
    }

    /// The same device muted from the start.
    #[must_use]
    pub fn with_mutes(self, input_muted: bool, output_muted: bool) -> Self {
        Self {
            input_muted,
            output_muted,
            ..self
        }
    }

    /// Mutes the microphone: the port is no producer any more. Announce it with
    /// [`AudioMixer::port_did_change`](crate::AudioMixer::port_did_change).
    pub fn set_input_muted(&mut self, muted: bool) {
        self.input_muted = muted;
    }

    /// Whether the microphone is muted.
    pub fn input_muted(&self) -> bool {
        self.input_muted
    }

    /// Whether the loudspeaker is muted.
    pub fn output_muted(&self) -> bool {
        self.output_muted
    }

    /// Mutes the loudspeaker: the port is no consumer any more. Announce it as well.
    pub fn set_output_muted(&mut self, muted: bool) {
        self.output_muted = muted;
    }

    /// Takes what the keeper sent; whether a device was taken away. Devices that go are closed by the keeper, not here.
    fn exchange(&mut self) -> bool {
        let mut has_lost = false;
        while self.device.is_none() || self.leaving.slots() > 0 {
            let Ok(arrived) = self.arriving.pop() else { break };
            if let Some(old) = std::mem::replace(&mut self.device, arrived) {
                // There is room: this is the only one that fills the ring.
                let _ = self.leaving.push(old);
                has_lost = true;
            }
        }
        has_lost
    }
}

impl AudioPort for LastingDevice {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        Role {
            producer: !self.input_muted,
            consumer: !self.output_muted,
        }
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        if self.exchange() && std::mem::take(&mut self.speaks) {
            // The mixer lets it fade out.
            return Produced::Missing;
        }
        let device = self.device.as_mut();
        let produced = device.map_or(Produced::Silence, |device| device.produce(tick, frame));
        self.speaks = produced == Produced::Audio;
        produced
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        // Of one whose microphone is muted nothing else is called.
        self.exchange();
        if let Some(device) = &mut self.device {
            device.consume(tick, frame);
        }
    }

    fn is_over(&self) -> bool {
        self.arriving.is_abandoned()
    }

    fn clock(&self) -> Option<ClockReading> {
        self.device.as_ref()?.clock()
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

impl<S> LastingHandle<S> {
    /// Closes the device and opens another one in its place, now and from now on (`set_sound_devices` of the SIP SIMPLE
    /// documents). Returns at once; the next event tells how it went.
    pub fn set_sound_devices(&self, source: S) {
        if let Some(orders) = &self.orders {
            // A thread that could not be started said so.
            let _ = orders.send(source);
        }
    }

    /// What happened, oldest first; nothing if the events are told instead.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<LastingEvent> {
        self.events.as_mut()?.get_mut().ok()?.try_recv().ok()
    }
}

impl<S> Drop for LastingHandle<S> {
    fn drop(&mut self) {
        drop(self.orders.take());
        if self.keeper.take().is_some_and(|keeper| keeper.join().is_err()) {
            tracing::warn!("the thread of the sound device panicked");
        }
    }
}

impl<S> fmt::Debug for LastingHandle<S> {
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
    tell: Tell,
}

type Tell = Box<dyn FnMut(LastingEvent) + Send>;

struct Watched<O> {
    device: O,
    progress: u64,
    since: Instant,
}

impl<S: DeviceSource> Keeper<S> {
    fn run(mut self, orders: &Receiver<S>) {
        loop {
            match orders.recv_timeout(LOOK) {
                Ok(source) => self.change(source),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look(Instant::now());
        }
        // The port may outlive this: it shall not pull at a device that is closed.
        let _ = self.arrivals.push(None);
    }

    fn change(&mut self, source: S) {
        self.source = source;
        self.retry_at = None;
        self.told = None;
        if self.open.take().is_some() {
            let _ = self.arrivals.push(None);
        }
    }

    fn look(&mut self, now: Instant) {
        while self.left.pop().is_ok() {}
        while let Some(event) = self.open.as_mut().and_then(|open| open.event(now)) {
            match event {
                DeviceEvent::Rerouted(direction) => (self.tell)(LastingEvent::Rerouted(direction)),
                DeviceEvent::Resumed(direction) => (self.tell)(LastingEvent::Resumed(direction)),
                DeviceEvent::Interrupted(cause) => (self.tell)(LastingEvent::Lost(cause)),
                DeviceEvent::Failed(cause) => {
                    self.open = None;
                    let _ = self.arrivals.push(None);
                    self.lost(cause, now);
                }
            }
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
                (self.tell)(LastingEvent::Found);
            }
            Err(cause) => self.lost(cause, now),
        }
    }

    fn lost(&mut self, cause: DeviceError, now: Instant) {
        self.retry_at = Some(now + LastingDevice::RETRY);
        if self.told.as_ref() != Some(&cause) {
            (self.tell)(LastingEvent::Lost(cause.clone()));
            self.told = Some(cause);
        }
    }
}

impl<O: OpenDevice> Watched<O> {
    fn event(&mut self, now: Instant) -> Option<DeviceEvent> {
        let progress = self.device.progress();
        if progress != self.progress {
            (self.progress, self.since) = (progress, now);
        }
        let stalled = now.saturating_duration_since(self.since) >= LastingDevice::STALL;
        self.device.poll_event().or_else(|| {
            let direction = self.device.waits_for();
            stalled.then_some(DeviceEvent::Failed(DeviceError::Lost { direction }))
        })
    }
}

/// How often the device is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
#[path = "lasting_tests.rs"]
mod tests;
