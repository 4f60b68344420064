//! One tick: everybody speaks, the sums are made, everybody hears.

use super::{AudioMixer, kernel};
use crate::gain::Gain;
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
        for (id, bridged) in self.bridges.iter_mut().enumerate() {
            bridged.group.add_up(id, &self.places, &self.voices);
        }
        self.hand_out(&tick);
        if self.unsettled {
            self.settle();
        }
        tick
    }

    fn gather(&mut self, tick: &Tick) {
        for (index, place) in self.places.iter_mut().enumerate() {
            let Some(entry) = &mut place.entry else { continue };
            let before = self.voices.level(index);
            let level = entry.produce(tick, self.voices.frame_mut(index), before);
            self.voices.set_level(index, level);
        }
    }

    fn hand_out(&mut self, tick: &Tick) {
        for (index, place) in self.places.iter_mut().enumerate() {
            let Some(entry) = place.entry.as_mut().filter(|e| e.listens()) else {
                continue;
            };
            let own = self.voices.get(index);
            let plain = entry.output.ramp.steady_gain() == Some(Gain::UNITY) && entry.sources.is_empty();
            if let [one] = entry.memberships[..]
                && plain
                && one.ramp.steady_gain().is_some()
            {
                if let Some(heard) = self.bridges[one.group].group.heard(own, &mut self.heard) {
                    entry.consume(tick, heard);
                } else {
                    self.heard.fill(0);
                    entry.consume(tick, &self.heard);
                }
                continue;
            }
            self.sum.fill(0);
            for membership in &entry.memberships {
                let group = &self.bridges[membership.group].group;
                group.add_heard(membership, own, &mut self.sum);
            }
            for source in &entry.sources {
                let Some(voice) = self.voices.get(source.from) else {
                    continue;
                };
                match source.ramp.steady_gain() {
                    Some(gain) => kernel::accumulate_scaled(&mut self.sum, voice.samples, gain),
                    None => kernel::accumulate_gliding(&mut self.sum, voice.samples, source.ramp),
                }
            }
            if entry.output.ramp.steady_gain() != Some(Gain::UNITY) {
                kernel::scale_sum(&mut self.sum, entry.output.ramp);
            }
            kernel::limit_all(&self.sum, &mut self.heard);
            entry.consume(tick, &self.heard);
        }
    }

    /// Glides have arrived, and what was leaving has left.
    fn settle(&mut self) {
        self.unsettled = false;
        for (index, place) in self.places.iter_mut().enumerate() {
            let Some(entry) = &mut place.entry else { continue };
            entry.settle();
            // The entry itself stays until its place is used again: a tick frees no memory.
            if entry.port.is_none() && !place.vacant {
                entry.memberships.clear();
                entry.sources.clear();
                place.vacant = true;
                self.voices.set_level(index, None);
                self.free.push(index as u32);
            }
        }
        for (id, bridged) in self.bridges.iter_mut().enumerate() {
            let places = &self.places;
            bridged.group.members.retain(|&place| {
                let entry = places[place].entry.as_ref();
                entry.is_some_and(|e| e.membership(id).is_some())
            });
        }
    }
}
