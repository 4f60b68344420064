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

/// A device that is open in one direction, while files have the other one.
#[derive(Debug)]
pub(super) struct Beside<S = Reopened> {
    handle: LastingHandle<S>,
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
        let (port, beside) = Beside::start(source, rate, direction, counters)?;
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

impl<S: DeviceSource> Beside<S> {
    /// A source that gives a device of another rate than this is refused.
    fn start(
        source: S,
        rate: u32,
        direction: Direction,
        counters: Arc<Counters>,
    ) -> Result<(LastingDevice, Self), DeviceError> {
        // Nothing is resampled, so the length of a tick does not matter.
        let (port, handle) =
            LastingDevice::start(source, rate, TickLength::Ms10).map_err(|_| DeviceError::NoCommonRate)?;
        let beside = Self {
            handle,
            direction,
            counters,
            found: false,
        };
        Ok((port, beside))
    }

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
#[derive(Debug)]
pub(super) struct Reopened {
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

#[cfg(test)]
mod tests {
    use super::super::choice::DeviceChoice;
    use super::super::simulated::{Shared, Socket, World};
    use super::*;
    use crate::port::{Produced, Tick};
    use std::thread;
    use std::time::{Duration, Instant};

    /// A simulated card beside a file that has the other direction.
    struct Bench {
        world: Shared,
        card: LastingDevice,
        beside: Beside<Socket>,
        ticks: u64,
    }

    impl Bench {
        fn new(direction: Direction) -> Self {
            let (socket, world) = Socket::new(true, 16_000);
            let (card, beside) =
                Beside::start(socket, 16_000, direction, Arc::default()).expect("a usual rate");
            Self {
                world,
                card,
                beside,
                ticks: 0,
            }
        }

        fn set(&self, change: impl FnOnce(&mut World)) {
            change(&mut self.world.lock().expect("no test panicked"));
        }

        /// Ticks until the card is heard, or not any more.
        fn tick_until_heard(&mut self, heard: bool) {
            self.tick_until("what the card says does not change", |_, produced| {
                ((produced == Produced::Audio) == heard).then_some(())
            });
        }

        fn next_event(&mut self) -> DeviceEvent {
            self.tick_until("nothing is told", |beside, _| beside.poll_event())
        }

        fn tick_until<T>(
            &mut self,
            what: &str,
            mut look: impl FnMut(&mut Beside<Socket>, Produced) -> Option<T>,
        ) -> T {
            let patience = Instant::now() + Duration::from_secs(30);
            loop {
                let tick = Tick {
                    now: Instant::now(),
                    index: self.ticks,
                    duration: Duration::from_millis(10),
                };
                self.ticks += 1;
                let produced = self.card.produce(&tick, &mut [0; 160]);
                if let Some(seen) = look(&mut self.beside, produced) {
                    return seen;
                }
                assert!(Instant::now() < patience, "{what}");
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    #[test]
    fn a_card_that_goes_interrupts_its_direction_alone_until_it_is_back() {
        let direction = Direction::Input;
        let mut bench = Bench::new(direction);
        bench.tick_until_heard(true);
        assert_eq!(bench.beside.poll_event(), None, "it goes without saying");
        bench.set(|world| world.plugged = false);
        let lost = DeviceEvent::Interrupted(DeviceError::Lost { direction });
        assert_eq!(bench.next_event(), lost);
        bench.tick_until_heard(false);
        bench.set(|world| world.plugged = true);
        // That it is not there yet when it is tried again may be told before.
        let resumed = DeviceEvent::Resumed(direction);
        while bench.next_event() != resumed {}
        bench.tick_until_heard(true);
        bench.set(|world| world.moved = Some(direction));
        assert_eq!(bench.next_event(), DeviceEvent::Rerouted(direction));
    }

    fn silent_card(sample_rate: u32) -> DeviceOptions {
        DeviceOptions {
            sample_rate,
            input: DeviceChoice::Off,
            output: DeviceChoice::Off,
        }
    }

    #[test]
    fn a_card_that_comes_back_at_another_rate_than_the_files_is_refused() {
        let options = silent_card(16_000);
        let first = AudioDevice::open(&options).expect("nothing to fail");
        let counters = first.1.counters();
        let mut source = Reopened {
            first: Some(first),
            options,
            counters,
        };
        for time in ["first", "second"] {
            assert!(source.open().is_ok(), "the {time} time");
        }
        source.first = AudioDevice::open(&silent_card(48_000)).ok();
        assert_eq!(source.open().map(drop), Err(DeviceError::NoCommonRate));
    }

    #[test]
    fn the_loss_of_a_card_alone_is_the_loss_of_the_device() {
        let open = |files| {
            let options = silent_card(8_000);
            let card = AudioDevice::open(&options).expect("nothing to fail");
            let (port, card) = OpenCard::place(Some(card), &options, files, 8_000).expect("its own rate");
            assert_eq!(port.map(|port| port.sample_rate()), Some(8_000));
            card.expect("there is one")
        };
        assert!(matches!(open(Role::NONE), OpenCard::Alone(_)));
        for (files, direction) in [
            (Role::PRODUCER, Direction::Output),
            (Role::CONSUMER, Direction::Input),
        ] {
            let card = open(files);
            assert!(matches!(&card, OpenCard::Beside(beside) if beside.direction == direction));
            assert_eq!(card.stats(), DeviceStats::default());
        }
    }
}
