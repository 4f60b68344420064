//! An adaptive jitter buffer on media time: it has no clock, its caller says how many ticks have passed.
//!
//! Packets go [in](JitterBuffer::insert) with the tick at which they arrived and come [out](JitterBuffer::pull)
//! when the player needs the next one. The delay in between follows the network: a histogram of transit times
//! says how much 97 % of the packets need, and [`JitterBuffer::advice`] asks the player to play a little faster
//! or slower until the real delay is near it. Since both are measured against the caller's clock, a sender whose
//! clock drifts is followed the same way.
//!
//! Playing faster or slower means to take out or repeat one period of the voice (2.5 to 12.5 ms), blended at the joint,
//! where two neighbouring periods are alike, or anything in silence. `docs/jitter.md` shows what comes of it over several
//! kinds of network, beside other buffers; `tests/jitter_table` checks it.
//!
//! Memory is bounded by [`JitterConfig::capacity`], delay by [`JitterConfig::max_delay`].

mod buffer;
mod delay;

use crate::ids::PayloadType;
use crate::time::{duration_to_ticks, ticks_to_duration};
use buffer::{Place, Slots};
use delay::DelayEstimator;
use std::time::Duration;

/// Pulls over which the least delay is watched before the player is asked to change its speed: 160 ms of 20 ms
/// packets, so that speech changes by 6 % at most.
const WATCHED_PULLS: u32 = 8;

/// The same where the delay is more than [`FAR`] over the target, so that speech becomes faster by a sixth, by a third at most:
/// what a stall left behind is gone in two seconds.
const HURRIED_PULLS: u32 = 2;

/// Delay over the target from which on the player hurries.
const FAR: Duration = Duration::from_millis(40);

/// What the delay may differ from the target by before that is made up for.
const TOLERANCE: Duration = Duration::from_millis(5);

/// How often players come by as a rule, and how late they may be: of shorter packets several wait in turn.
const USUAL_TICK: Duration = Duration::from_millis(20);

/// Longest time an empty buffer is covered by concealment before playout pauses. By then it has faded out.
const LONGEST_HOLD: Duration = Duration::from_millis(100);

/// Delay over the target beyond which packets are dropped instead of being played faster.
const EXCESS: Duration = Duration::from_millis(200);

/// Bounds of a jitter buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// Least delay kept over the fastest packet. Default 10 ms: what systems that are not real-time are late by now and then.
    pub min_delay: Duration,
    /// Delay to begin with. Default 40 ms: one packet may come late by two before anything is known.
    pub initial_delay: Duration,
    /// Most delay the buffer grows to. Default 400 ms, beyond which ITU-T G.114 calls a conversation
    /// unacceptable.
    pub max_delay: Duration,
    /// Packets held at most. Default 64: 1.28 s of 20 ms packets.
    pub capacity: usize,
    /// Longest payload held, in octets. Default 4096: 20 ms of linear audio of two channels at 48 kHz are 3840, all else fits in
    /// an Ethernet frame.
    pub max_payload: usize,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self {
            min_delay: Duration::from_millis(10),
            initial_delay: Duration::from_millis(40),
            max_delay: Duration::from_millis(400),
            capacity: 64,
            max_payload: 4096,
        }
    }
}

/// What became of a packet that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It waits to be played.
    Held,
    /// It was there already.
    Duplicate,
    /// Its turn is over.
    Late,
    /// It is longer than [`JitterConfig::max_payload`].
    Oversize,
}

/// What a packet that waits holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Which codec made it: any that was agreed may come at any time (RFC 3264 §6.1).
    pub payload_type: PayloadType,
    /// What that codec made.
    pub payload: &'a [u8],
}

/// What to play next.
#[derive(Debug, PartialEq, Eq)]
pub enum Pull<'a> {
    /// This packet. Say [`JitterBuffer::played`] with its length once it is decoded.
    Packet(Packet<'a>),
    /// A packet is lost: make up this many ticks. When the packet right behind the lost one is here, it comes along, as it
    /// may hold redundancy.
    Lost {
        /// Ticks to make up.
        ticks: i64,
        /// The next packet.
        next: Option<Packet<'a>>,
    },
    /// Nothing has come in time: make up what is needed now and say [`JitterBuffer::held`].
    Underrun,
    /// Nothing is being said, or the buffer fills: play silence for what is needed now.
    Silence,
}

/// Which way the player should bend its speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Play on.
    Keep,
    /// Play faster: there is more delay than needed.
    Faster {
        /// Ticks that may be taken out at most.
        most: i64,
    },
    /// Play slower: there is too little.
    Slower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits until the first packet is old enough.
    Filling,
    /// Packets are pulled; `next` is the timestamp that is due.
    Playing { next: i64 },
}

/// The buffer of one source. See the [module](self).
#[derive(Debug)]
pub struct JitterBuffer {
    config: JitterConfig,
    clock_rate: u32,
    slots: Slots,
    delay: DelayEstimator,
    state: State,
    /// The sequence number that is due, once anything was played.
    due: Option<u64>,
    /// The highest sequence number held.
    newest: u64,
    /// Ticks made up while the buffer was empty.
    held: i64,
    /// Ticks of the last packet.
    packet_ticks: i64,
    /// Least delay of the pulls watched, and how many they are.
    least_delay: i64,
    watched: u32,
    dropped: u64,
}

impl JitterBuffer {
    /// A buffer for a payload clock of `clock_rate` ticks per second and packets of about `packet` and
    /// `payload` octets. A capacity below 4 is taken as 4.
    pub fn new(config: JitterConfig, clock_rate: u32, packet: Duration, payload: usize) -> Self {
        Self {
            config,
            clock_rate,
            slots: Slots::new(config.capacity.max(4), payload.min(config.max_payload)),
            delay: DelayEstimator::new(
                clock_rate,
                config.min_delay,
                config.initial_delay,
                config.max_delay,
            ),
            state: State::Filling,
            due: None,
            newest: 0,
            held: 0,
            packet_ticks: duration_to_ticks(packet, clock_rate).max(1),
            least_delay: i64::MAX,
            watched: 0,
            dropped: 0,
        }
    }

    /// Puts a packet in, at its arrival. Sequence number and timestamp are extended, the arrival is in ticks of
    /// the same clock since any epoch.
    pub fn insert(&mut self, arrival: i64, sequence: u64, timestamp: i64, packet: Packet<'_>) -> Inserted {
        let Packet {
            payload_type,
            payload,
        } = packet;
        if payload.len() > self.config.max_payload {
            return Inserted::Oversize;
        }
        self.delay.observe(arrival.saturating_sub(timestamp));
        if self.due.is_some_and(|due| sequence < due) {
            return Inserted::Late;
        }
        let floor = self
            .due
            .or_else(|| self.slots.first().map(|first| first.sequence));
        if let Some(floor) = floor {
            if sequence.saturating_sub(floor) >= self.slots.capacity() {
                // Too far ahead to be a gap: what was is over.
                self.dropped += self.slots.clear() as u64;
                self.pause();
                self.due = Some(sequence);
            } else if !self.is_empty() && sequence + self.slots.capacity() <= self.newest {
                return Inserted::Late;
            }
        }
        if self.slots.place_of(sequence).is_some() {
            return Inserted::Duplicate;
        }
        self.newest = if self.slots.len() == 0 {
            sequence
        } else {
            self.newest.max(sequence)
        };
        let place = Place {
            sequence,
            timestamp,
            payload_type,
        };
        self.slots.put(place, payload);
        Inserted::Held
    }

    /// What to play next, for a player at tick `now`.
    pub fn pull(&mut self, now: i64) -> Pull<'_> {
        self.drop_excess(now);
        let State::Playing { next } = self.state else {
            return self.pull_filling(now);
        };
        let Some(first) = self.slots.first_from(self.due.unwrap_or(0)) else {
            if self.held >= duration_to_ticks(LONGEST_HOLD, self.clock_rate) {
                self.pause();
                return Pull::Silence;
            }
            return Pull::Underrun;
        };
        let gap = first.timestamp - next - self.held;
        // Less than half a packet missing: rounding of what was made up, or a sender that counts oddly.
        if gap * 2 < self.packet_ticks {
            return self.play(now, first);
        }
        let follows = self.due == Some(first.sequence);
        if follows || gap > i64::from(self.clock_rate) {
            // Nothing was lost: the sender was silent. The packet waits for its time.
            if self.is_ripe(now, first) || gap > i64::from(self.clock_rate) {
                return self.play(now, first);
            }
            return Pull::Silence;
        }
        let ticks = gap.min(self.packet_ticks);
        self.state = State::Playing { next: next + ticks };
        let only_one_lost = self.due.is_some_and(|due| due + 1 == first.sequence);
        let next = (only_one_lost && gap <= self.packet_ticks).then(|| self.packet(first));
        Pull::Lost { ticks, next }
    }

    /// Says how many ticks the payload of the last [`Pull::Packet`] lasts.
    pub fn played(&mut self, ticks: i64) {
        if let State::Playing { next } = &mut self.state {
            *next += ticks;
        }
        if ticks > 0 {
            self.packet_ticks = ticks;
        }
    }

    /// Says how many ticks were made up after [`Pull::Underrun`].
    pub fn held(&mut self, ticks: i64) {
        self.held += ticks;
    }

    /// Which way to bend the speed of the packet just pulled, which is heard `offset` ticks after the moment at which it was
    /// pulled, since the one before filled these. Say [`bent`](Self::bent) after having done so.
    pub fn advice(&self, offset: i64) -> Advice {
        let ticks = |duration| duration_to_ticks(duration, self.clock_rate);
        let over = self.least_delay.saturating_sub(self.delay.target());
        let watched = if over > ticks(FAR) {
            HURRIED_PULLS
        } else {
            WATCHED_PULLS
        };
        if self.watched < watched {
            Advice::Keep
        } else if over > self.packet_ticks.max(ticks(USUAL_TICK)) + ticks(TOLERANCE) {
            Advice::Faster { most: i64::MAX }
        } else if over >= 0 && offset > ticks(TOLERANCE) {
            // The packets behind are not needed any earlier for that.
            Advice::Faster { most: offset }
        } else if over < -ticks(TOLERANCE) {
            Advice::Slower
        } else {
            Advice::Keep
        }
    }

    /// Says that the player followed the advice: the delay is watched anew.
    pub fn bent(&mut self) {
        self.watch_anew();
    }

    /// Forgets everything that waits, for a new source or after a jump in its numbers.
    pub fn reset(&mut self) {
        self.dropped += self.slots.clear() as u64;
        self.delay.forget_transits();
        self.due = None;
        self.pause();
    }

    /// Packets that wait.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when no packet waits.
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// The delay the network asks for at present.
    pub fn target_delay(&self) -> Duration {
        self.delay.target_duration()
    }

    /// The delay of the packet that waits longest, if it were played at tick `now`.
    pub fn delay(&self, now: i64) -> Duration {
        let delay = self
            .slots
            .first()
            .map_or(0, |first| self.delay.delay_at(now, first.timestamp));
        ticks_to_duration(delay, self.clock_rate)
    }

    /// Packets that were held and then thrown away unplayed, because there were too many or by a reset.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn pull_filling(&mut self, now: i64) -> Pull<'_> {
        match self.slots.first() {
            Some(first) if self.is_ripe(now, first) => self.play(now, first),
            _ => Pull::Silence,
        }
    }

    /// True when a packet has waited for as long as the network asks. A player comes by only once per tick, so that it
    /// begins up to a tick later than that: between the bounds at which [`advice`](Self::advice) would bend its speed.
    fn is_ripe(&self, now: i64, first: Place) -> bool {
        self.delay.delay_at(now, first.timestamp) >= self.delay.target()
    }

    fn play(&mut self, now: i64, first: Place) -> Pull<'_> {
        self.least_delay = self.least_delay.min(self.delay.delay_at(now, first.timestamp));
        self.watched += 1;
        if self.watched > 2 * WATCHED_PULLS {
            // Nothing to bend, or no way to: an old minimum must not hide what comes.
            self.watch_anew();
        }
        self.held = 0;
        self.due = Some(first.sequence + 1);
        self.state = State::Playing {
            next: first.timestamp,
        };
        self.slots.take(first.sequence);
        Pull::Packet(self.packet(first))
    }

    fn packet(&self, place: Place) -> Packet<'_> {
        Packet {
            payload_type: place.payload_type,
            payload: self.slots.payload(place.sequence),
        }
    }

    /// Catches up after a stall: bending speed would take too long.
    fn drop_excess(&mut self, now: i64) {
        let most = (self.delay.target() + duration_to_ticks(EXCESS, self.clock_rate))
            .min(duration_to_ticks(self.config.max_delay, self.clock_rate));
        while self.slots.len() > 1
            && let Some(first) = self.slots.first()
            && self.delay.delay_at(now, first.timestamp) > most + self.packet_ticks
        {
            self.slots.take(first.sequence);
            self.due = Some(first.sequence + 1);
            self.dropped += 1;
            self.watch_anew();
            if let State::Playing { next } = &mut self.state {
                *next = first.timestamp + self.packet_ticks;
            }
        }
    }

    fn pause(&mut self) {
        self.state = State::Filling;
        self.held = 0;
        self.watch_anew();
    }

    fn watch_anew(&mut self) {
        self.least_delay = i64::MAX;
        self.watched = 0;
    }
}

#[cfg(test)]
mod tests;
