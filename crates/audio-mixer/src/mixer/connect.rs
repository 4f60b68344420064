//! Who hears whom: single connections, bridges, and bridges in bridges.

use super::entry::Entry;
use super::{AudioMixer, Bridged, MixerError};
use crate::bridge::{AudioBridge, BridgeError, BridgeId};
use crate::gain::Gain;
use crate::port::AudioPort;
use crate::slot::Slot;

impl<P: AudioPort> AudioMixer<P> {
    /// Lets `to` hear `from` at `gain`, whether bridges let it hear `from` as well or not: nobody is heard twice. Connecting
    /// again changes the gain. A slot may be connected to itself, as for an echo test.
    pub fn connect(&mut self, from: Slot, to: Slot, gain: Gain) -> Result<(), MixerError> {
        self.set_source(from, to, gain, false)
    }

    /// Does the same for what `to` shall hear whatever its own gain is, and even while what it hears is muted: music for who is
    /// on hold. Where bridges let it hear `from` as well, it hears it twice.
    pub fn announce(&mut self, from: Slot, to: Slot, gain: Gain) -> Result<(), MixerError> {
        self.set_source(from, to, gain, true)
    }

    fn set_source(&mut self, from: Slot, to: Slot, gain: Gain, announced: bool) -> Result<(), MixerError> {
        self.known(from)?;
        self.change(to, |entry| entry.hear(from.index(), gain, announced))
    }

    /// Lets `by` hear what `of` hears, gains and mutes of `of` included, and beside it only what it is
    /// [connected](Self::connect) to itself: a recorder that keeps both sides of a call. Whom it is connected to and `of` hears as well, it
    /// hears twice; its own bridges do not count meanwhile. It ends with either port, and glides in and out.
    ///
    /// # Errors
    /// [`MixerError::OverhearsItself`] if both are the same, and as [`connect`](Self::connect).
    pub fn overhear(&mut self, by: Slot, of: Slot) -> Result<(), MixerError> {
        self.known(of)?;
        if by == of {
            return Err(MixerError::OverhearsItself(by));
        }
        self.change(by, |entry| entry.overhears = Some(of.index()))
    }

    /// Ends what [`connect`](Self::connect) or [`announce`](Self::announce) began.
    pub fn disconnect(&mut self, from: Slot, to: Slot) -> Result<(), MixerError> {
        self.known(from)?;
        let entry = self.known_mut(to)?;
        let mut sources = entry.sources.iter_mut();
        let source = sources
            .find(|s| s.from == from.index() && s.gain.is_some())
            .ok_or(MixerError::NotConnected { from, to })?;
        source.gain = None;
        self.unsettled = true;
        Ok(())
    }

    /// The gain of a connection made by [`connect`](Self::connect) or [`announce`](Self::announce).
    pub fn connection(&self, from: Slot, to: Slot) -> Option<Gain> {
        self.entry(from)?;
        let mut sources = self.entry(to)?.sources.iter();
        sources.find_map(|s| s.gain.filter(|_| s.from == from.index()))
    }

    /// A new bridge without members.
    pub fn add_bridge(&mut self) -> Result<BridgeId, MixerError> {
        let bridge = Some(AudioBridge::default());
        let vacant = self.bridges.iter().position(|bridged| bridged.bridge.is_none());
        let index = vacant.unwrap_or(self.bridges.len());
        if index == self.config.max_bridges {
            return Err(MixerError::TooManyBridges {
                max: self.config.max_bridges,
            });
        }
        if vacant.is_some() {
            self.bridges[index].bridge = bridge;
        } else {
            self.bridges.push(Bridged {
                generation: 0,
                bridge,
                has_departed: false,
            });
        }
        Ok(BridgeId {
            mixer: self.id,
            index: index as u32,
            generation: self.bridges[index].generation,
        })
    }

    /// Removes a bridge. Its members stop hearing each other; bridges nested in it stand alone again.
    pub fn remove_bridge(&mut self, id: BridgeId) -> Result<(), BridgeError> {
        self.known_bridge(id)?;
        for bridge in self
            .bridges
            .iter_mut()
            .filter_map(|bridged| bridged.bridge.as_mut())
        {
            bridge.parents.retain(|&parent| parent != id);
        }
        for entry in self.places.iter_mut().filter_map(|place| place.entry.as_mut()) {
            entry.bridges.retain(|&bridge| bridge != id);
        }
        let bridged = &mut self.bridges[id.index as usize];
        bridged.bridge = None;
        bridged.generation += 1;
        self.reseat_all();
        Ok(())
    }

    /// A bridge, to look at.
    pub fn bridge(&self, id: BridgeId) -> Option<&AudioBridge> {
        let bridged = self.bridges.get(id.index as usize)?;
        bridged
            .bridge
            .as_ref()
            .filter(|_| bridged.generation == id.generation && self.id == id.mixer)
    }

    /// Adds a slot to a bridge: from the next tick on it hears all others and all others hear it. `false` if it was a
    /// member already: a bridge is a set.
    pub fn join(&mut self, id: BridgeId, slot: Slot) -> Result<bool, BridgeError> {
        self.known_member(slot)?;
        let bridge = self.bridge_mut(id)?;
        if bridge.members.contains(&slot) {
            return Ok(false);
        }
        bridge.members.push(slot);
        if let Some(entry) = self.entry_mut(slot) {
            entry.bridges.push(id);
        }
        self.reseat(slot);
        Ok(true)
    }

    /// Removes a slot from a bridge.
    pub fn leave(&mut self, id: BridgeId, slot: Slot) -> Result<(), BridgeError> {
        self.known_member(slot)?;
        let members = &mut self.bridge_mut(id)?.members;
        let at = members
            .iter()
            .position(|&member| member == slot)
            .ok_or(BridgeError::NotAMember { bridge: id, slot })?;
        members.swap_remove(at);
        if let Some(entry) = self.entry_mut(slot) {
            entry.bridges.retain(|&bridge| bridge != id);
        }
        self.reseat(slot);
        Ok(())
    }

    /// Puts one bridge into another: members of both hear each other as if they were in one. A bridge may be in several: its
    /// members hear those of all of them, who do not hear each other by it. `false` if it was there already. All ports are seated anew:
    /// the cost grows with the ports times the bridges.
    pub fn nest(&mut self, child: BridgeId, parent: BridgeId) -> Result<bool, BridgeError> {
        self.known_bridge(parent)?;
        let nested = self.known_bridge(child)?;
        if nested.parents.contains(&parent) {
            return Ok(false);
        }
        if self.is_within(parent, child) {
            return Err(BridgeError::Cycle { child, parent });
        }
        self.bridge_mut(child)?.parents.push(parent);
        self.reseat_all();
        Ok(true)
    }

    /// Takes a bridge out of one that it was nested in.
    pub fn unnest(&mut self, child: BridgeId, parent: BridgeId) -> Result<(), BridgeError> {
        self.known_bridge(parent)?;
        let parents = &mut self.bridge_mut(child)?.parents;
        let at = parents
            .iter()
            .position(|&other| other == parent)
            .ok_or(BridgeError::NotNested { child, parent })?;
        parents.remove(at);
        self.reseat_all();
        Ok(())
    }

    pub(super) fn bridge_mut(&mut self, id: BridgeId) -> Result<&mut AudioBridge, BridgeError> {
        let unknown = BridgeError::unknown(id, self.id);
        let bridged = self.bridges.get_mut(id.index as usize).ok_or(unknown)?;
        let bridge = bridged
            .bridge
            .as_mut()
            .filter(|_| bridged.generation == id.generation && self.id == id.mixer);
        bridge.ok_or(unknown)
    }

    fn known_bridge(&self, id: BridgeId) -> Result<&AudioBridge, BridgeError> {
        self.bridge(id).ok_or(BridgeError::unknown(id, self.id))
    }

    fn known_member(&self, slot: Slot) -> Result<&Entry<P>, BridgeError> {
        self.entry(slot).ok_or(BridgeError::unknown_slot(slot, self.id))
    }

    fn parents(&self, id: BridgeId) -> &[BridgeId] {
        self.bridge(id).map_or(&[], AudioBridge::parents)
    }

    /// Whether a bridge is another one, or is nested in it, by whatever way.
    fn is_within(&self, id: BridgeId, other: BridgeId) -> bool {
        id == other || self.outward(vec![id]).any(|outer| outer == other)
    }

    /// These bridges and all around them, each at least once.
    fn outward(&self, mut ahead: Vec<BridgeId>) -> impl Iterator<Item = BridgeId> {
        let mut seen = vec![false; self.bridges.len()];
        for id in &ahead {
            seen[id.index as usize] = true;
        }
        std::iter::from_fn(move || {
            let id = ahead.pop()?;
            for &parent in self.parents(id) {
                if !std::mem::replace(&mut seen[parent.index as usize], true) {
                    ahead.push(parent);
                }
            }
            Some(id)
        })
    }

    /// Seats a slot by the outermost bridges around those that it is a member of.
    fn reseat(&mut self, slot: Slot) {
        let Some(entry) = self.entry(slot) else { return };
        let around = self.outward(entry.bridges.clone());
        let outermost = around.filter(|&id| self.parents(id).is_empty());
        let mut halls: Vec<u32> = outermost.map(|id| id.index).collect();
        halls.sort_unstable();
        halls.dedup();
        self.reseat_at(slot.index(), &halls);
    }

    /// Seats a place by outermost bridges, which are sorted; the change glides through the next tick.
    pub(super) fn reseat_at(&mut self, place: usize, halls: &[u32]) {
        if !std::mem::replace(&mut self.moved, true) {
            self.before.copy_seats(&self.cells);
        }
        self.cells.seat(place, halls);
        self.unsettled = true;
    }

    fn reseat_all(&mut self) {
        for index in 0..self.places.len() {
            self.reseat(self.slot_at(index as u32));
        }
    }
}
