//! The rings between the sound card's callbacks and the mixer's tick: mono samples, no lock, no allocation.
//!
//! The card and the mixer have clocks of their own. Both rings start to flow only when they hold [`START`], so that a late
//! tick or callback finds something; what drifts apart is dropped or waited for, and counted.

use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What went wrong between the card's clock and the mixer's, in samples, since the device was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DeviceStats {
    /// Heard by the microphone and lost because the mixer was too slow.
    pub input_overruns: u64,
    /// Missing from the microphone when the mixer wanted them.
    pub input_underruns: u64,
    /// Mixed and lost because the loudspeaker was too slow.
    pub output_overruns: u64,
    /// Missing when the loudspeaker wanted them.
    pub output_underruns: u64,
    /// Glitches that the card itself reported.
    pub glitches: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) input: Losses,
    pub(super) output: Losses,
    pub(super) glitches: AtomicU64,
}

/// Losses of one ring.
#[derive(Debug, Default)]
pub(super) struct Losses {
    over: AtomicU64,
    under: AtomicU64,
}

impl Counters {
    pub(super) fn stats(&self) -> DeviceStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeviceStats {
            input_overruns: count(&self.input.over),
            input_underruns: count(&self.input.under),
            output_overruns: count(&self.output.over),
            output_underruns: count(&self.output.under),
            glitches: count(&self.glitches),
        }
    }
}

/// The end of a ring that sound goes into.
pub(super) struct Inlet {
    ring: Producer<i16>,
    counters: Arc<Counters>,
    side: fn(&Counters) -> &Losses,
}

/// The end of a ring that sound comes out of.
pub(super) struct Outlet {
    ring: Consumer<i16>,
    counters: Arc<Counters>,
    side: fn(&Counters) -> &Losses,
    /// Fill at which the ring begins to flow.
    start: usize,
    flows: bool,
}

/// A ring for sound at `rate` hertz.
pub(super) fn ring(rate: u32, counters: &Arc<Counters>, side: fn(&Counters) -> &Losses) -> (Inlet, Outlet) {
    let samples = |time: Duration| (u128::from(rate) * time.as_millis() / 1000) as usize;
    let (producer, consumer) = RingBuffer::new(samples(CAPACITY));
    let inlet = Inlet {
        ring: producer,
        counters: Arc::clone(counters),
        side,
    };
    let outlet = Outlet {
        ring: consumer,
        counters: Arc::clone(counters),
        side,
        start: samples(START),
        flows: false,
    };
    (inlet, outlet)
}

impl Inlet {
    /// Puts samples in; what finds no room is lost and counted.
    pub(super) fn push(&mut self, samples: &[i16]) {
        let (_, lost) = self.ring.push_partial_slice(samples);
        self.count_lost(lost.len());
    }

    /// Puts one sample in.
    pub(super) fn push_one(&mut self, sample: i16) {
        if self.ring.push(sample).is_err() {
            self.count_lost(1);
        }
    }

    fn count_lost(&self, samples: usize) {
        if samples > 0 {
            let losses = (self.side)(&self.counters);
            losses.over.fetch_add(samples as u64, Ordering::Relaxed);
        }
    }
}

impl Outlet {
    /// Takes samples out. What is missing becomes silence; returns whether there was anything.
    pub(super) fn pull(&mut self, samples: &mut [i16]) -> bool {
        self.flows |= self.ring.slots() >= self.start;
        if !self.flows {
            samples.fill(0);
            return false;
        }
        let (got, missing) = self.ring.pop_partial_slice(samples);
        missing.fill(0);
        let (got, missing) = (got.len(), missing.len());
        self.count_missing(missing);
        got > 0
    }

    /// Takes one sample out; silence if there is none.
    pub(super) fn pull_one(&mut self) -> i16 {
        if !self.flows {
            return 0;
        }
        self.ring.pop().unwrap_or_else(|_| {
            self.count_missing(1);
            0
        })
    }

    /// Lets the ring flow if it holds enough: called before a run of [`pull_one`](Self::pull_one).
    pub(super) fn begin(&mut self) {
        self.flows |= self.ring.slots() >= self.start;
    }

    /// After a gap the ring fills up again first, so that one gap does not follow another.
    fn count_missing(&mut self, samples: usize) {
        if samples > 0 {
            self.flows = false;
            let losses = (self.side)(&self.counters);
            losses.under.fetch_add(samples as u64, Ordering::Relaxed);
        }
    }
}

/// Room of a ring: beyond this, delay would be worse than loss.
const CAPACITY: Duration = Duration::from_millis(200);

/// Fill of a ring before it flows: two ticks.
const START: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    fn input_ring() -> (Inlet, Outlet, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let (inlet, outlet) = ring(8_000, &counters, |c| &c.input);
        (inlet, outlet, counters)
    }

    #[test]
    fn a_ring_flows_from_two_ticks_on_and_again_after_a_gap() {
        let (mut inlet, mut outlet, counters) = input_ring();
        let mut frame = [1; 160];
        inlet.push(&[5; 160]);
        assert!(!outlet.pull(&mut frame), "one tick is not enough to start");
        inlet.push(&[5; 160]);
        assert!(outlet.pull(&mut frame) && frame == [5; 160]);
        assert!(outlet.pull(&mut frame) && frame == [5; 160]);
        assert!(!outlet.pull(&mut frame) && frame == [0; 160]);
        assert_eq!(counters.stats().input_underruns, 160);
        inlet.push(&[6; 160]);
        assert!(!outlet.pull(&mut frame), "it fills up first");
        assert_eq!(counters.stats().input_underruns, 160, "which is no loss");
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (mut inlet, _outlet, counters) = input_ring();
        inlet.push(&[1; 2000]);
        inlet.push_one(1);
        let stats = DeviceStats {
            input_overruns: 401,
            ..DeviceStats::default()
        };
        assert_eq!(counters.stats(), stats);
    }

    #[test]
    fn single_samples_flow_as_frames_do() {
        let (mut inlet, mut outlet, counters) = input_ring();
        assert_eq!(outlet.pull_one(), 0);
        (0..320).for_each(|i| inlet.push_one(i));
        outlet.begin();
        assert!((0..320).all(|i| outlet.pull_one() == i));
        assert_eq!(outlet.pull_one(), 0);
        assert_eq!(counters.stats().input_underruns, 1);
    }
}
