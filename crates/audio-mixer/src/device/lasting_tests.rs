//! A simulated device that is pulled out, stalls and comes back.

use super::super::simulated::{Shared, Socket, World};
use super::*;

/// A port at 16 kHz and its keeper, in stepped time.
struct Bench {
    world: Shared,
    port: LastingDevice,
    keeper: Keeper<Socket>,
    events: Receiver<LastingEvent>,
    now: Instant,
    ticks: u64,
}

impl Bench {
    fn new(plugged: bool, rate: u32) -> Self {
        let (socket, world) = Socket::new(plugged, rate);
        let (told, events) = mpsc::channel();
        let tell = Box::new(move |event| told.send(event).expect("the bench listens"));
        let (port, keeper) =
            LastingDevice::apart(socket, 16_000, TickLength::Ms20, tell).expect("a usual rate");
        Self {
            world,
            port,
            keeper,
            events,
            now: Instant::now(),
            ticks: 0,
        }
    }

    fn set(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().expect("no test panicked"));
    }

    /// Runs for a time; returns the events, and what was heard in the last tick.
    fn run(&mut self, time: Duration) -> (Vec<LastingEvent>, i16) {
        let mut frame = [0; 320];
        for _ in 0..time.as_millis() / 20 {
            self.now += Duration::from_millis(20);
            self.ticks += 1;
            if self.ticks.is_multiple_of(5) {
                self.keeper.look(self.now);
            }
            let tick = Tick {
                now: self.now,
                index: self.ticks,
                duration: Duration::from_millis(20),
            };
            if self.port.produce(&tick, &mut frame) == Produced::Silence {
                frame.fill(0);
            }
            self.port.consume(&tick, &frame);
        }
        (self.events.try_iter().collect(), frame[319])
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn lost() -> LastingEvent {
    LastingEvent::Lost(DeviceError::Lost {
        direction: Direction::Input,
    })
}

fn absent() -> LastingEvent {
    LastingEvent::Lost(DeviceError::NoDefault {
        direction: Direction::Input,
    })
}

#[test]
fn a_device_that_is_pulled_out_falls_silent_and_comes_back() {
    let mut bench = Bench::new(true, 16_000);
    assert_eq!(bench.run(SECOND), (vec![LastingEvent::Found], 1000));
    bench.set(|world| world.plugged = false);
    assert_eq!(bench.run(SECOND), (vec![lost()], 0));
    assert_eq!(bench.run(20 * SECOND), (vec![absent()], 0), "told once");
    bench.set(|world| world.plugged = true);
    assert_eq!(bench.run(3 * SECOND), (vec![LastingEvent::Found], 1000));
}

#[test]
fn a_device_that_is_not_there_at_first_is_found_later() {
    let mut bench = Bench::new(false, 16_000);
    assert_eq!(bench.run(5 * SECOND), (vec![absent()], 0));
    bench.set(|world| world.busy = true);
    let busy = DeviceError::Busy {
        direction: Direction::Input,
    };
    assert_eq!(bench.run(5 * SECOND), (vec![LastingEvent::Lost(busy)], 0));
    bench.set(|world| (world.plugged, world.busy) = (true, false));
    assert_eq!(bench.run(3 * SECOND), (vec![LastingEvent::Found], 1000));
}

#[test]
fn a_device_that_stops_calling_is_opened_anew_and_which_direction_of_it_did_is_told() {
    let mut bench = Bench::new(true, 16_000);
    bench.run(SECOND);
    for (times, direction) in [(2, Direction::Input), (3, Direction::Output)] {
        bench.set(|world| world.stalled = Some(direction));
        let lost = LastingEvent::Lost(DeviceError::Lost { direction });
        assert_eq!(bench.run(4 * SECOND), (vec![lost], 0));
        bench.set(|world| world.stalled = None);
        assert_eq!(bench.run(3 * SECOND), (vec![LastingEvent::Found], 1000));
        bench.set(|world| assert_eq!((world.opened, world.open_now), (times, 1)));
    }
}

#[test]
fn a_device_of_another_rate_is_resampled() {
    let mut bench = Bench::new(true, 44_100);
    let (events, heard) = bench.run(SECOND);
    assert_eq!(events, [LastingEvent::Found]);
    assert!((999..=1001).contains(&heard), "{heard}");
    bench.set(|world| {
        // The device came with the fifth tick.
        assert_eq!(world.played, 46 * 882);
        world.plugged = false;
    });
    assert_eq!(bench.run(SECOND).1, 0);
    bench.set(|world| (world.plugged, world.rate) = (true, 48_000));
    let (events, heard) = bench.run(3 * SECOND);
    assert_eq!(events, [LastingEvent::Found]);
    assert!((999..=1001).contains(&heard), "{heard}");
}

#[test]
fn another_device_takes_the_place_of_the_first() {
    let mut bench = Bench::new(true, 16_000);
    bench.run(SECOND);
    let (socket, other) = Socket::new(true, 48_000);
    bench.keeper.change(socket);
    assert_eq!(bench.world.lock().expect("no test panicked").open_now, 0);
    let (events, heard) = bench.run(SECOND);
    assert_eq!(events, [LastingEvent::Found]);
    assert!((999..=1001).contains(&heard), "{heard}");
    assert_eq!(other.lock().expect("no test panicked").open_now, 1);
}

#[test]
fn a_device_that_the_system_moves_goes_on_and_says_so() {
    let mut bench = Bench::new(true, 16_000);
    bench.run(SECOND);
    bench.set(|world| world.moved = Some(Direction::Input));
    let moved = LastingEvent::Rerouted(Direction::Input);
    assert_eq!(bench.run(SECOND), (vec![moved], 1000));
}

#[test]
fn a_muted_device_gives_up_its_role() {
    let mut bench = Bench::new(true, 16_000);
    bench.port.set_input_muted(true);
    assert_eq!(bench.port.role(), Role::CONSUMER);
    bench.port.set_output_muted(true);
    assert_eq!(bench.port.role(), Role::NONE);
    assert!(bench.port.input_muted() && bench.port.output_muted());
    let port = bench.port.with_mutes(false, true);
    assert_eq!(port.role(), Role::PRODUCER);
}

#[test]
fn a_mixer_that_stands_still_does_not_pile_up_devices() {
    let mut bench = Bench::new(true, 16_000);
    for n in 0..100 {
        bench.set(|world| world.plugged = n % 2 == 0);
        bench.now += 3 * SECOND;
        bench.keeper.look(bench.now);
    }
    bench.set(|world| assert_eq!((world.opened, world.open_now), (1, 0)));
    bench.set(|world| world.plugged = true);
    assert_eq!(bench.run(3 * SECOND).1, 1000);
}

#[test]
fn the_device_is_closed_when_its_handle_goes() {
    let (socket, world) = Socket::new(true, 16_000);
    let (_port, mut handle) = LastingDevice::start(socket, 16_000, TickLength::Ms20).expect("a usual rate");
    let patience = Instant::now() + 30 * SECOND;
    while handle.poll_event() != Some(LastingEvent::Found) {
        assert!(Instant::now() < patience, "the device was never found");
        thread::sleep(Duration::from_millis(5));
    }
    drop(handle);
    assert_eq!(world.lock().expect("no test panicked").open_now, 0);
}

#[test]
fn a_rate_that_no_mixer_takes_is_refused() {
    let (socket, _) = Socket::new(true, 16_000);
    let refused = LastingDevice::start(socket, 11_025, TickLength::Ms20).map(|_| ());
    assert!(matches!(refused, Err(MixerError::PortRate { rate: 11_025, .. })));
}

#[test]
fn a_tick_in_which_the_device_comes_or_goes_neither_allocates_nor_frees() {
    let mut bench = Bench::new(true, 44_100);
    let tick = Tick {
        now: bench.now,
        index: 0,
        duration: Duration::from_millis(20),
    };
    let mut frame = [0; 320];
    for plugged in [true, false, true] {
        bench.set(|world| world.plugged = plugged);
        bench.now += 3 * SECOND;
        bench.keeper.look(bench.now);
        let counted = allocation_counter::measure(|| {
            bench.port.produce(&tick, &mut frame);
            bench.port.consume(&tick, &frame);
        });
        assert_eq!(bench.port.device.is_some(), plugged);
        assert_eq!(
            (counted.count_total, counted.count_current),
            (0, 0),
            "plugged: {plugged}"
        );
    }
}

/// A mixer asks who is muted for nothing.
#[test]
fn a_loudspeaker_plays_while_its_microphone_is_muted() {
    let mut bench = Bench::new(true, 16_000);
    bench.port.set_input_muted(true);
    let listen = |bench: &mut Bench| {
        bench.keeper.look(bench.now);
        for index in 0..5 {
            let tick = Tick {
                now: bench.now,
                index,
                duration: Duration::from_millis(20),
            };
            bench.port.consume(&tick, &[0; 320]);
        }
    };
    listen(&mut bench);
    listen(&mut bench);
    bench.set(|world| assert_eq!((world.opened, world.played), (1, 10 * 320)));
    bench.set(|world| world.plugged = false);
    listen(&mut bench);
    bench.set(|world| assert_eq!((world.open_now, world.played), (0, 10 * 320)));
}

#[test]
fn a_microphone_that_is_taken_away_is_missing_once_so_that_it_fades_out() {
    let mut bench = Bench::new(true, 16_000);
    bench.run(SECOND);
    bench.set(|world| world.plugged = false);
    bench.keeper.look(bench.now);
    let tick = Tick {
        now: bench.now,
        index: 0,
        duration: Duration::from_millis(20),
    };
    let mut frame = [7; 320];
    assert_eq!(bench.port.produce(&tick, &mut frame), Produced::Missing);
    assert_eq!(frame, [7; 320], "left as it was");
    assert_eq!(bench.port.produce(&tick, &mut frame), Produced::Silence);
}
