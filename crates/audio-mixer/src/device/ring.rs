//! The rings between the sound card's callbacks and the mixer's tick: mono samples, no lock, no allocation.
//!
//! The card and the mixer have clocks of their own, and the card's blocks are of any size. Both rings start to flow only when
//! they hold a block of either side, and no less than [`START`], so that a late tick or callback finds something. What drifts apart is brought together by [`Slide`]s of one sample each; what a stop or
//! a stall takes away is dropped or waited for. Both are counted.

#[cfg(feature = "device")]
use super::choice::Direction;
use super::fade::Fade;
use super::slide::{Pace, Slide};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    /// Mixed and not yet taken by the loudspeaker, as of the last tick or call of the card. No loss: a program that has all the
    /// time, as a player of files, ticks when this is little.
    pub output_waiting: u64,
    /// Left out or put in, without a click, because the card's clock is not the mixer's. No loss.
    pub input_corrected: u64,
    /// The same towards the loudspeaker.
    pub output_corrected: u64,
    /// Glitches that the card itself reported.
    pub glitches: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) input: Flow,
    pub(super) output: Flow,
    pub(super) glitches: AtomicU64,
}

/// What both ends of one ring know.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The longest run that was put in at once.
    block: AtomicUsize,
    over: AtomicU64,
    under: AtomicU64,
    corrected: AtomicU64,
    waiting: AtomicU64,
    /// How often the card asked for or brought sound, be it silence.
    #[cfg(feature = "device")]
    calls: AtomicU64,
}

impl Flow {
    /// How often the card called.
    #[cfg(feature = "device")]
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

impl Counters {
    #[cfg(feature = "device")]
    pub(super) fn flow(&self, direction: Direction) -> &Flow {
        match direction {
            Direction::Input => &self.input,
            Direction::Output => &self.output,
        }
    }

    pub(super) fn stats(&self) -> DeviceStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeviceStats {
            input_overruns: count(&self.input.over),
            input_underruns: count(&self.input.under),
            output_overruns: count(&self.output.over),
            output_underruns: count(&self.output.under),
            output_waiting: count(&self.output.waiting),
            input_corrected: count(&self.input.corrected),
            output_corrected: count(&self.output.corrected),
            glitches: count(&self.glitches),
        }
    }
}

/// The end of a ring that sound goes into.
pub(super) struct Inlet {
    ring: Producer<i16>,
    counters: Arc<Counters>,
    side: fn(&Counters) -> &Flow,
}

/// The end of a ring that sound comes out of.
pub(super) struct Outlet {
    ring: Consumer<i16>,
    counters: Arc<Counters>,
    side: fn(&Counters) -> &Flow,
    /// Fill at which the ring begins to flow, if no block is longer.
    start: usize,
    flows: bool,
    /// The ring ran dry within this run.
    dry: bool,
    missed: u64,
    pace: Pace,
    slide: Slide,
    fade: Fade,
}

/// A ring for sound at `rate` hertz.
pub(super) fn ring(rate: u32, counters: &Arc<Counters>, side: fn(&Counters) -> &Flow) -> (Inlet, Outlet) {
    let samples = |time: Duration| (u128::from(rate) * time.as_millis() / 1000) as usize;
    let (inlet, consumer) = inlet(samples(CAPACITY), counters, side);
    let outlet = Outlet {
        ring: consumer,
        counters: Arc::clone(counters),
        side,
        start: samples(START),
        flows: false,
        dry: false,
        missed: 0,
        pace: Pace::new(rate),
        slide: Slide::new(rate),
        fade: Fade::new(rate),
    };
    (inlet, outlet)
}

/// A ring whose other end is read as fast as it will go.
pub(super) fn inlet(
    room: usize,
    counters: &Arc<Counters>,
    side: fn(&Counters) -> &Flow,
) -> (Inlet, Consumer<i16>) {
    let (ring, samples) = RingBuffer::new(room);
    let counters = Arc::clone(counters);
    (Inlet { ring, counters, side }, samples)
}

impl Inlet {
    /// Puts samples in; what finds no room is lost and counted.
    pub(super) fn push(&mut self, samples: &[i16]) {
        self.begin(samples.len());
        let (_, lost) = self.ring.push_partial_slice(samples);
        self.count_lost(lost.len());
        let waiting = self.ring.buffer().capacity() - self.ring.slots();
        let flow = (self.side)(&self.counters);
        flow.waiting.store(waiting as u64, Ordering::Relaxed);
    }

    /// Called before a run of [`push_one`](Self::push_one) of `samples`.
    pub(super) fn begin(&self, samples: usize) {
        (self.side)(&self.counters)
            .block
            .fetch_max(samples, Ordering::Relaxed);
    }

    /// Puts one sample in.
    pub(super) fn push_one(&mut self, sample: i16) {
        if self.ring.push(sample).is_err() {
            self.count_lost(1);
        }
    }

    /// Whether the next sample would be lost.
    pub(super) fn is_full(&self) -> bool {
        self.ring.is_full()
    }

    /// Whether nobody takes anything out any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// The card called.
    #[cfg(feature = "device")]
    pub(super) fn count_callback(&self) {
        let flow = (self.side)(&self.counters);
        flow.calls.fetch_add(1, Ordering::Relaxed);
    }

    fn count_lost(&self, samples: usize) {
        if samples > 0 {
            let flow = (self.side)(&self.counters);
            flow.over.fetch_add(samples as u64, Ordering::Relaxed);
        }
    }
}

impl Outlet {
    /// Takes samples out. What is missing becomes silence; returns whether there was anything.
    pub(super) fn pull(&mut self, samples: &mut [i16]) -> bool {
        self.begin(samples.len());
        let flowed = self.flows;
        for sample in samples.iter_mut() {
            *sample = self.pull_one();
        }
        self.end(samples.len());
        flowed && (self.flows || samples.iter().any(|&sample| sample != 0))
    }

    /// Takes one sample out; if there is none, what was last heard fades to silence.
    pub(super) fn pull_one(&mut self) -> i16 {
        let ring = &mut self.ring;
        let sample = if self.flows {
            self.slide.next(|| ring.pop().ok())
        } else {
            None
        };
        if let Some(sample) = sample {
            return self.fade.sound(sample);
        }
        self.dry |= self.flows;
        self.flows = false;
        self.missed += u64::from(self.dry);
        self.fade.missing()
    }

    /// The card called.
    #[cfg(feature = "device")]
    pub(super) fn count_callback(&self) {
        let flow = (self.side)(&self.counters);
        flow.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// After a run of [`pull_one`](Self::pull_one) of `samples`: counts what was missing, and how the clocks drift. After a
    /// gap the ring fills up again first, so that one gap does not follow another.
    pub(super) fn end(&mut self, samples: usize) {
        let flow = (self.side)(&self.counters);
        if self.missed > 0 {
            flow.under.fetch_add(self.missed, Ordering::Relaxed);
        }
        self.missed = 0;
        self.dry = false;
        flow.waiting.store(self.ring.slots() as u64, Ordering::Relaxed);
        if !self.flows {
            self.pace.reset();
            return;
        }
        self.pace.observe(self.ring.slots(), samples);
        if self.slide.is_idle()
            && let Some(correction) = self.pace.correction()
        {
            self.slide.begin(correction);
            flow.corrected.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets the ring flow if it holds enough: called before a run of [`pull_one`](Self::pull_one) of `samples`. When a block
    /// of each side is there, the run leaves enough for the time until the next block, whenever that comes.
    pub(super) fn begin(&mut self, samples: usize) {
        let block = (self.side)(&self.counters).block.load(Ordering::Relaxed);
        let enough = (samples + block).clamp(self.start, self.ring.buffer().capacity());
        self.flows |= self.ring.slots() >= enough;
    }
}

/// Room of a ring: beyond this, delay would be worse than loss.
const CAPACITY: Duration = Duration::from_millis(200);

/// Least fill of a ring before it flows: two ticks.
const START: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixer::TickLength;
    use crate::pace::{DeviceClock, TickClock};
    use std::time::Instant;

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
        assert!(outlet.pull(&mut frame) && frame[32..] == [5; 128], "it fades in");
        assert!(outlet.pull(&mut frame) && frame == [5; 160]);
        assert!(outlet.pull(&mut frame), "the end fades");
        assert!(frame.is_sorted_by(|a, b| a >= b) && frame[0] == 4 && frame[32..] == [0; 128]);
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
        assert_eq!(counters.input.waiting.load(Ordering::Relaxed), 1_600);
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
        inlet.begin(160);
        (0..320).for_each(|i| inlet.push_one(i));
        outlet.begin(160);
        assert!((0..320).all(|i| outlet.pull_one() == i));
        assert_eq!(outlet.pull_one(), 309, "the end fades");
        outlet.end(321);
        assert_eq!(counters.stats().input_underruns, 1);
    }

    /// An hour of a card whose clock is wrong by `ppm`, in blocks that are no part of a tick: what the ring lost.
    fn an_hour(ppm: i64, block: usize) -> DeviceStats {
        const RATE: u32 = 8_000;
        let (mut inlet, mut outlet, counters) = input_ring();
        let (samples, mut frame) = (vec![1000; block], [0; 160]);
        let mut owed = 0_i64;
        for _ in 0..3600 * 50 {
            // In millionths of a sample.
            owed += i64::from(RATE / 50) * (1_000_000 + ppm);
            while owed >= block as i64 * 1_000_000 {
                owed -= block as i64 * 1_000_000;
                inlet.push(&samples);
            }
            outlet.pull(&mut frame);
        }
        counters.stats()
    }

    /// A sound server's periods may be longer than two ticks: here every phase between them and the ticks.
    #[test]
    fn long_blocks_lose_nothing_from_the_start() {
        for (put_in, taken) in [(160, 341), (341, 160), (160, 600), (700, 160), (341, 341)] {
            for phase in 0..put_in.max(taken) {
                let (mut inlet, mut outlet, counters) = input_ring();
                let (block, mut frame) = (vec![1000; put_in], vec![0; taken]);
                for time in 0..8_000 {
                    if time % put_in == 0 {
                        inlet.push(&block);
                    }
                    if time % taken == phase % taken {
                        outlet.pull(&mut frame);
                    }
                }
                let stats = counters.stats();
                let lost = stats.input_overruns + stats.input_underruns;
                assert_eq!(lost, 0, "{put_in} in, {taken} out, {phase} later: {stats:?}");
                assert_eq!(frame, vec![1000; taken], "it flows");
            }
        }
    }

    /// A card that brings what it has: now nothing, now one sample, now more than a tick.
    #[test]
    fn short_and_empty_blocks_are_taken_as_they_come() {
        let (mut inlet, mut outlet, counters) = input_ring();
        let (mut frame, mut brought, mut n) = ([0; 160], 0, 0_i16);
        for tick in 0..500_usize {
            while brought < (tick + 1) * 160 {
                let block = [0, 1, 7, 0, 33, 171, 2][brought % 7].min((tick + 1) * 160 - brought);
                inlet.begin(block);
                for _ in 0..block.max(usize::from(brought % 7 == 0 || brought % 7 == 3)) {
                    n = (n + 1) % 1_000;
                    inlet.push_one(n);
                    brought += 1;
                }
            }
            outlet.pull(&mut frame);
            // An empty pull is none.
            outlet.pull(&mut []);
            if tick > 10 {
                let steps = frame.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 1_000);
                assert!(steps, "tick {tick}: {frame:?}");
            }
        }
        let stats = counters.stats();
        assert_eq!(stats.input_overruns + stats.input_underruns, 0, "{stats:?}");
    }

    /// What is corrected in the second half of an hour, by a mixer that goes by the system's clock or by the card's.
    fn corrected(ppm: i64, block: usize, follows: bool) -> u64 {
        const RATE: u32 = 8_000;
        let counters = Arc::new(Counters::default());
        let (mut inlet, mut outlet) = ring(RATE, &counters, |c| &c.output);
        let begin = Instant::now();
        let card = DeviceClock::new(RATE, begin);
        let mut clock = TickClock::new(TickLength::Ms20, begin);
        let period =
            Duration::from_nanos((block as f64 * 1e9 / f64::from(RATE) / (1.0 + ppm as f64 / 1e6)) as u64);
        let (mut called, frame, mut half) = (begin, [1_000; 160], 0);
        while clock.due() < begin + Duration::from_hours(1) {
            while called + period <= clock.due() {
                called += period;
                outlet.begin(block);
                (0..block).for_each(|_| {
                    outlet.pull_one();
                });
                outlet.end(block);
                card.advance(called, block);
            }
            inlet.push(&frame);
            clock.advance(card.read().filter(|_| follows));
            if clock.due() < begin + Duration::from_mins(30) {
                half = counters.stats().output_corrected;
            }
        }
        let stats = counters.stats();
        assert_eq!(
            stats.output_overruns + stats.output_underruns,
            0,
            "{ppm} ppm: {stats:?}"
        );
        stats.output_corrected - half
    }

    #[test]
    fn a_mixer_that_follows_its_card_has_nothing_to_correct() {
        for (ppm, block) in [(300, 80), (-300, 171)] {
            assert!(
                corrected(ppm, block, false) > 4_000,
                "{ppm} ppm by the system's clock"
            );
            assert_eq!(corrected(ppm, block, true), 0, "{ppm} ppm by the card's clock");
        }
    }

    #[test]
    fn an_hour_of_drift_loses_nothing() {
        for ppm in [-200, -50, 0, 50, 200] {
            for block in [7, 80, 171] {
                let stats = an_hour(ppm, block);
                let lost = stats.input_overruns + stats.input_underruns;
                assert_eq!(lost, 0, "{ppm} ppm in blocks of {block}: {stats:?}");
                let drifted = (3600 * 8_000 * ppm.unsigned_abs() / 1_000_000) as f64;
                let corrected = stats.input_corrected as f64;
                assert!(
                    (corrected - drifted).abs() < 400.0,
                    "{ppm} ppm in blocks of {block}: {corrected} of {drifted} samples"
                );
            }
        }
    }
}
