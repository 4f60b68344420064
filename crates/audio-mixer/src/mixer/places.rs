//! Who comes and who goes.

use super::entry::Entry;
use super::{AudioMixer, MAX_PORTS, MixerError};
use crate::port::AudioPort;
use crate::slot::Slot;

/// A place for a port; the generation grows each time it is vacated.
pub(super) struct Slotted<P> {
    pub(super) generation: u32,
    /// On the free list; the entry, if there is one, is what an earlier port left.
    pub(super) vacant: bool,
    pub(super) entry: Option<Entry<P>>,
}

impl<P: AudioPort> AudioMixer<P> {
    /// Puts a port in. It hears nothing and is heard by nobody until it is connected. A refused port is dropped.
    pub fn add_port(&mut self, port: P) -> Result<Slot, MixerError> {
        self.departed.clear();
        let max = self.config.max_ports.min(MAX_PORTS);
        if self.ports >= max {
            return Err(MixerError::TooManyPorts { max });
        }
        let edge = self.edge_of(&port)?;
        let entry = Some(Entry::new(port, edge));
        let index = if let Some(index) = self.free.pop() {
            let place = &mut self.places[index as usize];
            place.entry = entry;
            place.vacant = false;
            index
        } else {
            self.places.push(Slotted {
                generation: 0,
                vacant: false,
                entry,
            });
            self.make_room();
            self.places.len() as u32 - 1
        };
        self.voices.set_level(index as usize, None);
        self.ports += 1;
        Ok(self.slot_at(index))
    }

    /// Lets a tick do without memory of its own, however many of the ports leave in it.
    fn make_room(&mut self) {
        let places = self.places.len();
        self.voices.resize(places);
        self.cells.resize(places);
        self.before.resize(places);
        self.free.reserve(places);
        self.over.reserve(places);
        self.gone.reserve(places);
        self.departed.reserve(places);
    }

    /// Takes a port out, with its connections and memberships, and gives it back. What it said last fades out within
    /// one tick, and keeps its place until then: between two ticks, at most [`MixerConfig::max_ports`](super::MixerConfig::max_ports)
    /// places beside those of the ports that are there. `None` if the slot is gone already: taken out, or
    /// [left by itself](Self::take_departed).
    pub fn remove_port(&mut self, slot: Slot) -> Option<P> {
        self.departed.clear();
        let port = self.depart(slot)?;
        self.forget_departed();
        self.reseat_at(slot.index(), &[]);
        self.clear_away();
        let mut entries = self.places.iter().filter_map(|place| place.entry.as_ref());
        let is_overheard = entries.any(|entry| entry.overheard == Some(slot.index()));
        if self.voices.get(slot.index()).is_none() && !is_overheard {
            self.vacate(slot.index());
        }
        Some(port)
    }

    /// Gives back a port that left by itself, because it [is over](AudioPort::is_over), and where it was; in no particular order. Its
    /// slot, its connections and its memberships were gone with the tick in which it left.
    ///
    /// A tick frees no memory, so what left waits here: take it, to keep or to drop it, where commands are carried out, and call
    /// this until it gives `None`, behind each tick: then the mixer frees what it had for them, too.
    /// [`MixerThread`](crate::MixerThread) does so. What is not taken is dropped by the next
    /// [`add_port`](Self::add_port) or [`remove_port`](Self::remove_port).
    pub fn take_departed(&mut self) -> Option<(Slot, P)> {
        let departed = self.departed.pop();
        if departed.is_none() && std::mem::take(&mut self.littered) {
            self.clear_away();
        }
        departed
    }

    /// Frees what ports left that have faded out: a tick frees no memory.
    fn clear_away(&mut self) {
        for place in &mut self.places {
            place.entry.take_if(|_| place.vacant);
        }
    }

    /// Lets the ports leave that are over. They have nothing to fade out, but keep their seats for a tick: who overheard one of
    /// them hears by its ears once more, ever softer.
    pub(super) fn let_go(&mut self) {
        if self.over.is_empty() {
            return;
        }
        for turn in 0..self.over.len() {
            let slot = self.slot_at(self.over[turn]);
            let port = self.depart(slot);
            self.departed.extend(port.map(|port| (slot, port)));
        }
        self.over.clear();
        self.forget_departed();
    }

    /// Takes a port from its place. What else knows its slot is to [forget](Self::forget_departed) it, and what is left of it is
    /// tidied up behind the next tick. Neither allocates nor frees memory.
    fn depart(&mut self, slot: Slot) -> Option<P> {
        let port = self.entry_mut(slot)?.port.take()?;
        self.places[slot.index()].generation += 1;
        self.ports -= 1;
        self.unsettled = true;
        Some(port)
    }

    /// Parts those that departed from their bridges and from who heard them, however many they are, in one go.
    fn forget_departed(&mut self) {
        self.gone.clear();
        let is_gone = |place: &Slotted<P>| place.entry.as_ref().is_none_or(|entry| entry.port.is_none());
        self.gone.extend(self.places.iter().map(is_gone));
        for place in 0..self.places.len() {
            let Some(entry) = &mut self.places[place].entry else {
                continue;
            };
            entry.lose(|of| self.gone[of]);
            if entry.port.is_some() {
                continue;
            }
            for id in entry.bridges.drain(..) {
                // Of another generation, it has no members any more.
                self.bridges[id.index as usize].has_departed = true;
            }
        }
        for bridged in self.bridges.iter_mut().filter(|bridged| bridged.has_departed) {
            bridged.has_departed = false;
            if let Some(bridge) = &mut bridged.bridge {
                bridge.members.retain(|member| !self.gone[member.index()]);
            }
        }
    }

    /// Whoever said nothing has nothing to fade out: the place is free at once, and whoever comes next is a stranger there.
    fn vacate(&mut self, index: usize) {
        for entry in self.places.iter_mut().filter_map(|place| place.entry.as_mut()) {
            entry.forget(index);
        }
        self.before.seat(index, &[]);
        let place = &mut self.places[index];
        (place.entry, place.vacant) = (None, true);
        self.free.push(index as u32);
    }
}
