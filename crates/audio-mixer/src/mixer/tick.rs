//! One tick: everybody speaks, the sums are made, everybody hears.

use super::cell::Cells;
use super::entry::Source;
use super::voices::Voice;
use super::{AudioMixer, kernel};
use crate::gain::{Gain, Ramp};
use crate::port::{AudioPort, Tick};
use std::time::Instant;

impl<P: AudioPort> AudioMixer<P> {
    /// Mixes one tick: asks each producer for its frame, then gives each connected consumer what it hears.
    ///
    /// Call once every [`TickLength`](crate::TickLength); `now` is only passed on to the ports. Allocates nothing,
    /// locks nothing, logs nothing.
    pub fn tick(&mut self, now: Instant) -> Tick {
        let tick = Tick {
            now,
            index: self.ticks,
            duration: self.config.tick.duration(),
        };
        self.ticks += 1;
        self.gather(&tick);
        self.cells.add_up(&self.voices);
        if self.moved {
            self.before.add_up(&self.voices);
        } else {
            self.cells.prepare();
        }
        self.hand_out(&tick);
        if self.unsettled {
            self.settle();
        }
        self.let_go();
        tick
    }

    fn gather(&mut self, tick: &Tick) {
        for (index, place) in self.places.iter_mut().enumerate() {
            let Some(entry) = &mut place.entry else { continue };
            let before = self.voices.level(index);
            let level = entry.produce(tick, self.voices.frame_mut(index), before);
            self.voices.set_level(index, level);
            if level.is_none() && entry.is_over() {
                self.over.push(index as u32);
            }
        }
    }

    fn hand_out(&mut self, tick: &Tick) {
        for index in 0..self.places.len() {
            let Some(entry) = self.places[index].entry.as_mut().filter(|e| e.listens()) else {
                continue;
            };
            let (of, was) = (entry.overhears, entry.overheard);
            if of.or(was).is_some() {
                self.overhear_now(index, of, was);
                self.give(index, tick);
                continue;
            }
            let joined = self.cells.has(index) || (self.moved && self.before.has(index));
            if !joined && entry.sources.is_empty() {
                continue;
            }
            let own = self.voices.get(index);
            let at_unity = entry.output.ramp.steady_gain() == Some(Gain::UNITY);
            let plain = at_unity && entry.sources.is_empty() && !entry.enters;
            if plain && !self.moved {
                if let Some(heard) = self.cells.heard(index, own, &mut self.heard) {
                    entry.consume(tick, heard);
                } else {
                    self.heard.fill(0);
                    entry.consume(tick, &self.heard);
                }
                continue;
            }
            self.add_up(index);
            self.give(index, tick);
        }
    }

    /// Makes the sum of what a place hears that overhears another one, or did in the last tick.
    fn overhear_now(&mut self, index: usize, of: Option<usize>, was: Option<usize>) {
        if of != was {
            self.add_up_by(index, was);
            std::mem::swap(&mut self.sum, &mut self.turned);
        }
        self.add_up_by(index, of);
        if of != was {
            kernel::cross(&mut self.sum, &self.turned);
        }
    }

    /// Makes the sum of what a place hears by the ears of another one, or by its own.
    fn add_up_by(&mut self, index: usize, of: Option<usize>) {
        self.add_up(of.unwrap_or(index));
        if of.is_some() {
            self.add_sources(index, false, |_| true);
        }
    }

    /// Makes the sum of all that a place hears.
    fn add_up(&mut self, index: usize) {
        let own = self.voices.get(index);
        set_around(&mut self.sum, self.cells.said_around(index), own);
        if self.moved {
            set_around(&mut self.was, self.before.said_around(index), own);
            kernel::cross(&mut self.sum, &self.was);
        }
        self.add_sources(index, true, |source| !source.announced);
        let ramp = self.places[index].entry.as_ref().map(|entry| entry.output.ramp);
        if let Some(ramp) = ramp.filter(|ramp| ramp.steady_gain() != Some(Gain::UNITY)) {
            kernel::scale_sum(&mut self.sum, ramp);
        }
        self.add_sources(index, true, |source| source.announced);
    }

    /// Adds the chosen ones of those that a place hears by itself. By its own ears it may hear them by its bridges as well.
    fn add_sources(&mut self, index: usize, by_own_ears: bool, chosen: impl Fn(&Source) -> bool) {
        let Some(entry) = &self.places[index].entry else {
            return;
        };
        for source in entry.sources.iter().filter(|source| chosen(source)) {
            let Some(voice) = self.voices.get(source.from) else {
                continue;
            };
            let may_be_joined = by_own_ears && !source.announced;
            let is_joined = |cells: &Cells| may_be_joined && cells.are_joined(source.from, index);
            let joined = is_joined(&self.cells);
            let were_joined = if self.moved {
                is_joined(&self.before)
            } else {
                joined
            };
            add_source(&mut self.sum, voice, source, [were_joined, joined]);
        }
    }

    /// Hands the sum to a place.
    fn give(&mut self, index: usize, tick: &Tick) {
        kernel::limit_all(&self.sum, &mut self.heard);
        if let Some(entry) = &mut self.places[index].entry {
            if std::mem::take(&mut entry.enters) {
                kernel::glide(&mut self.heard, Ramp::fade_in(Gain::UNITY));
            }
            entry.consume(tick, &self.heard);
        }
    }

    /// Glides have arrived, and what was leaving has left.
    fn settle(&mut self) {
        (self.unsettled, self.moved) = (false, false);
        for (index, place) in self.places.iter_mut().enumerate() {
            let Some(entry) = &mut place.entry else { continue };
            entry.settle();
            // The entry itself stays until a command: a tick frees no memory.
            if entry.port.is_none() && !place.vacant {
                entry.sources.clear();
                place.vacant = true;
                self.littered = true;
                self.cells.seat(index, &[]);
                self.voices.set_level(index, None);
                self.free.push(index as u32);
            }
        }
    }
}

/// Sets `sum` to what is said around somebody, less what he says himself.
fn set_around(sum: &mut [i32], said: &[i32], own: Option<Voice<'_>>) {
    match own {
        _ if said.is_empty() => sum.fill(0),
        None => sum.copy_from_slice(said),
        Some(own) => kernel::without(said, own.samples, sum),
    }
}

/// Lets a voice be heard at the gain of a connection. Whom a bridge lets hear it anyway, before and now, hears it at that gain
/// instead: the sum has it at unity already.
fn add_source(sum: &mut [i32], voice: Voice<'_>, source: &Source, joined: [bool; 2]) {
    if let (Some(gain), true, true) = (source.gain, source.was == source.gain, joined[0] == joined[1]) {
        if joined[1] {
            kernel::take_away(sum, voice.samples);
        }
        return kernel::accumulate_scaled(sum, voice.samples, gain);
    }
    let more = |gain: Option<Gain>, joined: bool| {
        gain.map_or(0.0, |gain| gain.factor() - if joined { 1.0 } else { 0.0 })
    };
    kernel::accumulate_gliding(
        sum,
        voice.samples,
        more(source.was, joined[0]),
        more(source.gain, joined[1]),
    );
}
