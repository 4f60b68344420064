//! A port that works on a thread of its own, a little before each tick.
//!
//! The tick and the thread meet at rings: neither waits for the other. What the port produces in a tick is made before the
//! tick is due, for the thread knows from the last one when that will be; what the port consumes goes to it at once. So a port
//! that allocates, locks or computes for long costs the tick two copies and a wake-up.

use super::clock::MixerThread;
use super::commanded::{Command, PortHandle, Told};
use crate::pace::ClockReading;
use crate::port::{AudioPort, Produced, Role, Tick};
use rtrb::{Consumer, Producer, RingBuffer};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A port around another that works on a thread of its own: a [`VoiceProcessor`](crate::VoiceProcessor) around a sound card,
/// or whatever else has no place in a tick.
///
/// It is for mixers that tick in real time: one that is stepped by hand drives the port itself, without a thread. What the
/// port gives is as much older as it is made sooner ([`LEAD`](Self::LEAD)); what it takes is not delayed but by the wake-up of
/// the thread. If the thread is late, the sound of the tick is [`Produced::Missing`]: the mixer fades and counts.
/// The thread runs as a [`MixerThread`] does, at the priority that the system gives by itself.
///
/// The port's rate is read once: a port that changes it is put in anew. Its role may change by a command
/// ([`PortHandle::call`]), and is announced as that of any port. When this is dropped, the thread ends and the port is dropped
/// by it. If the port panics, the thread ends as well: the sound fades out, [`has_panicked`](Self::has_panicked) says so, and this
/// leaves the mixer, as it does when the port itself [is over](AudioPort::is_over).
pub struct ThreadedPort {
    rate: u32,
    told: Arc<Told>,
    /// `None` once the thread is to end.
    orders: Option<Producer<Order>>,
    heard: Producer<i16>,
    made: Consumer<Made>,
    samples: Consumer<i16>,
    clock: Option<ClockReading>,
    begun: bool,
    /// The port was over when it made what was taken last.
    has_heard_last: bool,
    lost: u64,
    thread: Option<JoinHandle<()>>,
}

/// What a tick wants of the thread.
#[derive(Clone, Copy)]
enum Order {
    /// So many samples were wanted of the port in this tick: the next tick will want them again.
    Produced(Tick, usize),
    /// So many samples are in the ring for the port to take.
    Consume(Tick, usize),
}

/// What the port produced for a tick; the samples are in the other ring.
#[derive(Clone, Copy)]
struct Made {
    index: u64,
    produced: Produced,
    len: usize,
    clock: Option<ClockReading>,
    /// Nothing comes behind it.
    is_last: bool,
}

impl ThreadedPort {
    /// How long before a tick its sound is made: the thread may wake up so late. A canceller needs a third of a millisecond.
    pub const LEAD: Duration = Duration::from_millis(5);

    /// So far the thread goes on when no tick comes, so that a mixer that was held up finds what it makes up for.
    pub const AHEAD: Duration = MixerThread::<Box<dyn AudioPort>>::CATCH_UP;

    /// Lets `port` work on a thread of its own, [`LEAD`](Self::LEAD) before each tick.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(port: impl AudioPort + 'static) -> io::Result<Self> {
        Self::start_commanded(port).map(|(port, _)| port)
    }

    /// The same, with a handle to command the port by.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_commanded<P: AudioPort + 'static>(port: P) -> io::Result<(Self, PortHandle<P>)> {
        let (mut this, mut worker) = Self::apart(port);
        let (commands, inbox) = mpsc::channel();
        let run = move || {
            loop {
                // Asked before the work, so that what was ordered before the end is done.
                let over = worker.is_over();
                let due = worker.work(Instant::now());
                worker.obey(&inbox);
                match due {
                    _ if over => return,
                    Some(due) => thread::park_timeout(due.saturating_duration_since(Instant::now())),
                    // Whether the port is over is to be told, although no tick wants anything of it.
                    None => thread::park_timeout(LOOK),
                }
            }
        };
        let thread = thread::Builder::new().name("offhook-port".into()).spawn(run)?;
        let handle = PortHandle::new(commands, thread.thread().clone());
        this.thread = Some(thread);
        Ok((this, handle))
    }

    /// The tick's end and the thread's.
    fn apart<P: AudioPort>(port: P) -> (Self, Worker<P>) {
        let (rate, told) = (port.sample_rate(), Arc::new(Told::of(&port)));
        let most = Self::AHEAD + 2 * LONGEST;
        let room = (u128::from(rate) * most.as_millis() / 1000) as usize;
        let (orders, ordered) = RingBuffer::new(2 * MOST_TICKS);
        let (heard, hearing) = RingBuffer::new(room);
        let (making, made) = RingBuffer::new(MOST_TICKS);
        let (sounding, samples) = RingBuffer::new(room);
        let this = Self {
            rate,
            told: Arc::clone(&told),
            orders: Some(orders),
            heard,
            made,
            samples,
            clock: None,
            begun: false,
            has_heard_last: false,
            lost: 0,
            thread: None,
        };
        let worker = Worker {
            port,
            told,
            orders: ordered,
            heard: hearing,
            made: making,
            samples: sounding,
            frame: vec![0; room],
            next: None,
        };
        (this, worker)
    }

    /// Frames that did not reach the port because its thread stood still for [`AHEAD`](Self::AHEAD).
    pub fn lost_frames(&self) -> u64 {
        self.lost
    }

    /// Whether the port, or a command for it, panicked: nothing will come of it any more.
    pub fn has_panicked(&self) -> bool {
        self.made.is_abandoned()
    }

    fn order(&mut self, order: Order) {
        if let Some(orders) = &mut self.orders
            && orders.push(order).is_err()
        {
            self.lost += 1;
        }
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl AudioPort for ThreadedPort {
    fn sample_rate(&self) -> u32 {
        self.rate
    }

    fn role(&self) -> Role {
        self.told.role()
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        // Before the thread began, nothing is late.
        let mut produced = if self.begun {
            Produced::Missing
        } else {
            Produced::Silence
        };
        while let Ok(&made) = self.made.peek()
            && made.index <= tick.index
        {
            let _ = self.made.pop();
            (self.begun, self.clock, self.has_heard_last) = (true, made.clock, made.is_last);
            let is_due = made.index == tick.index;
            if is_due && made.len == frame.len() && self.samples.pop_entire_slice(frame).is_ok() {
                produced = made.produced;
            } else if let Ok(late) = self.samples.read_chunk(made.len) {
                late.commit_all();
                if is_due && made.produced != Produced::Audio {
                    produced = made.produced;
                }
            }
        }
        self.order(Order::Produced(*tick, frame.len()));
        produced
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if self.heard.push_entire_slice(frame).is_ok() {
            self.order(Order::Consume(*tick, frame.len()));
        } else {
            self.lost += 1;
        }
    }

    /// What was made before is heard first.
    fn is_over(&self) -> bool {
        if self.told.role().producer {
            self.has_heard_last || (self.has_panicked() && self.made.is_empty())
        } else {
            self.told.is_over() || self.has_panicked()
        }
    }

    fn clock(&self) -> Option<ClockReading> {
        self.clock
    }
}

impl Drop for ThreadedPort {
    fn drop(&mut self) {
        drop(self.orders.take());
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        if thread.join().is_err() {
            tracing::warn!("the thread of a port panicked");
        }
    }
}

impl fmt::Debug for ThreadedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadedPort")
            .field("rate", &self.rate)
            .field("role", &self.told.role())
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}

/// What the thread does, without the thread.
struct Worker<P> {
    port: P,
    told: Arc<Told>,
    orders: Consumer<Order>,
    heard: Consumer<i16>,
    made: Producer<Made>,
    samples: Producer<i16>,
    frame: Vec<i16>,
    next: Option<Next>,
}

/// What is to be made next.
#[derive(Clone, Copy)]
struct Next {
    tick: Tick,
    len: usize,
    /// When it is made.
    due: Instant,
    /// The time of the last tick that is not made any more unless a tick comes.
    until: Instant,
}

impl<P: AudioPort> Worker<P> {
    fn is_over(&self) -> bool {
        self.orders.is_abandoned()
    }

    /// Does what is to be done by now; gives when there will be more. `None`: when a tick comes.
    fn work(&mut self, now: Instant) -> Option<Instant> {
        let due = self.catch_up(now);
        self.told.tell(&self.port);
        due
    }

    fn catch_up(&mut self, now: Instant) -> Option<Instant> {
        while let Ok(order) = self.orders.pop() {
            match order {
                Order::Consume(tick, len) => self.consume(&tick, len),
                Order::Produced(tick, len) => self.plan(&tick, len),
            }
        }
        loop {
            let next = self.next.filter(|next| next.tick.now < next.until)?;
            if now < next.due {
                return Some(next.due);
            }
            self.make();
        }
    }

    fn obey(&mut self, inbox: &Receiver<Command<P>>) {
        for command in inbox.try_iter() {
            command(&mut self.port, &self.told);
        }
    }

    fn consume(&mut self, tick: &Tick, len: usize) {
        if let Some(frame) = self.frame.get_mut(..len)
            && self.heard.pop_entire_slice(frame).is_ok()
        {
            self.port.consume(tick, frame);
        }
    }

    /// A tick came, so it is known when the next ones will.
    fn plan(&mut self, tick: &Tick, len: usize) {
        // What comes too late is made all the same: otherwise the port's sound would be older from now on.
        for _ in 0..MOST_TICKS {
            if self.next.is_none_or(|next| next.tick.index > tick.index) {
                break;
            }
            self.make();
        }
        let made_until = self.next.map_or(0, |next| next.tick.index);
        let index = made_until.max(tick.index + 1);
        let after = u32::try_from(index - tick.index).unwrap_or(u32::MAX);
        let at = tick.now + tick.duration * after;
        self.next = Some(Next {
            tick: Tick {
                now: at,
                index,
                duration: tick.duration,
            },
            len,
            due: at.checked_sub(ThreadedPort::LEAD).unwrap_or(at),
            until: tick.now + ThreadedPort::AHEAD + tick.duration,
        });
    }

    /// Makes what is to be made next.
    fn make(&mut self) {
        let Some(next) = &mut self.next else { return };
        let mut made = Made {
            index: next.tick.index,
            produced: Produced::Missing,
            len: 0,
            clock: None,
            is_last: false,
        };
        if let Some(frame) = self.frame.get_mut(..next.len) {
            made.produced = self.port.produce(&next.tick, frame);
            if made.produced == Produced::Audio && !self.made.is_full() {
                match self.samples.push_entire_slice(frame) {
                    Ok(()) => made.len = next.len,
                    Err(_) => made.produced = Produced::Missing,
                }
            }
        }
        (made.clock, made.is_last) = (self.port.clock(), self.port.is_over());
        // A full ring means that no tick comes.
        let _ = self.made.push(made);
        next.tick.index += 1;
        next.tick.now += next.tick.duration;
        next.due += next.tick.duration;
    }
}

/// How often a port is looked at that no tick asks for anything.
const LOOK: Duration = Duration::from_millis(100);

/// The longest tick there is.
const LONGEST: Duration = Duration::from_millis(20);

/// The most ticks that a thread goes on alone, of the shortest, and some.
const MOST_TICKS: usize = ThreadedPort::AHEAD.as_millis() as usize / 10 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;
    const TICK: Duration = Duration::from_millis(20);

    /// Numbers its frames, and adds the number that it heard last, a thousandfold.
    #[derive(Default)]
    struct Counting {
        produced: i16,
        heard: i16,
    }

    impl AudioPort for Counting {
        fn sample_rate(&self) -> u32 {
            RATE
        }
        fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
            self.produced += 1;
            frame.fill(1_000 * self.heard + self.produced);
            Produced::Audio
        }
        fn consume(&mut self, _: &Tick, frame: &[i16]) {
            self.heard = frame[0];
        }
    }

    /// A port and its thread's work, in a time of their own.
    struct Pair {
        port: ThreadedPort,
        worker: Worker<Counting>,
        start: Instant,
        index: u64,
    }

    impl Pair {
        fn new() -> Self {
            let (port, worker) = ThreadedPort::apart(Counting::default());
            let start = Instant::now() + Duration::from_mins(1);
            Self {
                port,
                worker,
                start,
                index: 0,
            }
        }

        fn at(&self, index: u64) -> Instant {
            self.start + TICK * index as u32
        }

        /// One tick, in which `says` is heard; what was produced.
        fn tick(&mut self, says: i16) -> (Produced, i16) {
            let tick = Tick {
                now: self.at(self.index),
                index: self.index,
                duration: TICK,
            };
            self.index += 1;
            let mut frame = [0; 160];
            let produced = self.port.produce(&tick, &mut frame);
            self.port.consume(&tick, &[says; 160]);
            (produced, frame[159])
        }

        /// The thread runs until the next tick is due.
        fn work(&mut self) {
            let until = self.at(self.index);
            let mut due = self.worker.work(self.at(self.index - 1));
            while let Some(now) = due.filter(|&due| due < until) {
                due = self.worker.work(now);
            }
        }
    }

    #[test]
    fn a_tick_finds_what_was_made_after_the_last_one_was_heard() {
        let mut pair = Pair::new();
        assert_eq!(pair.tick(1), (Produced::Silence, 0), "the thread has not begun");
        for n in 1..30 {
            pair.work();
            assert_eq!(pair.tick(n + 1), (Produced::Audio, 1_000 * n + n));
        }
        assert_eq!(pair.port.lost_frames(), 0);
    }

    #[test]
    fn sound_is_made_a_lead_before_its_tick() {
        let mut pair = Pair::new();
        pair.tick(1);
        let due = pair.worker.work(pair.at(0)).expect("a tick will come");
        assert_eq!(due + ThreadedPort::LEAD, pair.at(1));
        assert_eq!(pair.worker.port.produced, 0);
        pair.worker.work(due);
        assert_eq!(pair.worker.port.produced, 1);
    }

    #[test]
    fn what_a_late_thread_makes_is_missing_once_and_delays_nothing() {
        let mut pair = Pair::new();
        pair.tick(1);
        pair.work();
        assert_eq!(pair.tick(2), (Produced::Audio, 1_001));
        for _ in 0..3 {
            assert_eq!(pair.tick(3).0, Produced::Missing);
        }
        pair.work();
        assert_eq!(
            pair.tick(4),
            (Produced::Audio, 3_005),
            "the fifth, not the second"
        );
        pair.work();
        assert_eq!(pair.tick(5), (Produced::Audio, 4_006));
    }

    #[test]
    fn a_mixer_that_was_held_up_finds_what_it_makes_up_for() {
        let mut pair = Pair::new();
        pair.tick(1);
        pair.work();
        // For half a second no tick comes; then those of the last 200 ms come at once.
        let mut due = Some(pair.at(0));
        while let Some(now) = due.filter(|&due| due < pair.at(25)) {
            due = pair.worker.work(now);
        }
        assert_eq!(due, None, "it does not go on for ever");
        for n in 1..=10 {
            assert_eq!(pair.tick(2), (Produced::Audio, 1_000 + n));
        }
        assert_eq!(pair.tick(2).0, Produced::Missing);
    }

    #[test]
    fn a_thread_that_stands_still_is_counted_and_goes_on() {
        let mut pair = Pair::new();
        pair.tick(1);
        pair.work();
        for _ in 0..100 {
            pair.tick(2);
        }
        assert!(pair.port.lost_frames() > 0);
        for _ in 0..5 {
            pair.work();
            pair.tick(3);
        }
        pair.work();
        assert_eq!(pair.tick(4).0, Produced::Audio);
        assert_eq!(pair.worker.port.heard, 3);
    }

    #[test]
    fn the_thread_ends_with_the_port() {
        struct Told(mpsc::Sender<thread::ThreadId>);
        impl AudioPort for Told {
            fn sample_rate(&self) -> u32 {
                RATE
            }
        }
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send(thread::current().id());
            }
        }
        let (tell, told) = mpsc::channel();
        drop(ThreadedPort::start(Told(tell)).expect("a thread"));
        assert_ne!(told.try_recv().expect("it was dropped"), thread::current().id());
    }
}
