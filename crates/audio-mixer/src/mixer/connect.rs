//! Who hears whom: single connections, bridges, and bridges in bridges.

use super::entry::{Membership, Source};
use super::group::Group;
use super::{AudioMixer, Bridged, MixerError};
use crate::bridge::{AudioBridge, BridgeError, BridgeId};
use crate::gain::{Gain, Ramp};
use crate::port::AudioPort;
use crate::slot::Slot;

impl<P: AudioPort> AudioMixer<P> {
    /// Lets `to` hear `from` at `gain`, besides what it hears by bridges. Connecting again changes the gain. A slot may
    /// be connected to itself, as for an echo test.
    pub fn connect(&mut self, from: Slot, to: Slot, gain: Gain) -> Result<(), MixerError> {
        self.entry(from).ok_or(MixerError::NoSlot(from))?;
        self.change(to, |entry| {
            if let Some(source) = entry.sources.iter_mut().find(|s| s.from == from.index()) {
                source.leaving = false;
                source.ramp.aim(gain);
            } else {
                entry.sources.push(Source {
                    from: from.index(),
                    ramp: Ramp::fade_in(gain),
                    leaving: false,
                });
            }
        })
    }

    /// Ends what [`connect`](Self::connect) began.
    pub fn disconnect(&mut self, from: Slot, to: Slot) -> Result<(), MixerError> {
        self.entry(from).ok_or(MixerError::NoSlot(from))?;
        let entry = self.entry_mut(to).ok_or(MixerError::NoSlot(to))?;
        let mut sources = entry.sources.iter_mut();
        let source = sources
            .find(|s| s.from == from.index() && !s.leaving)
            .ok_or(MixerError::NotConnected { from, to })?;
        source.leaving = true;
        source.ramp.aim(Gain::SILENT);
        self.unsettled = true;
        Ok(())
    }

    /// The gain of a connection made by [`connect`](Self::connect).
    pub fn connection(&self, from: Slot, to: Slot) -> Option<Gain> {
        self.entry(from)?;
        let mut sources = self.entry(to)?.sources.iter();
        let source = sources.find(|s| s.from == from.index() && !s.leaving)?;
        Some(source.ramp.target())
    }

    /// A new bridge without members.
    pub fn add_bridge(&mut self) -> Result<BridgeId, MixerError> {
        let bridge = Some(AudioBridge {
            members: Vec::new(),
            parent: None,
        });
        let vacant = |b: &Bridged| b.bridge.is_none() && b.group.members.is_empty();
        let index = if let Some(index) = self.bridges.iter().position(vacant) {
            self.bridges[index].bridge = bridge;
            index
        } else if self.bridges.len() < self.config.max_bridges {
            self.bridges.push(Bridged {
                generation: 0,
                bridge,
                group: Group::new(self.frame_len),
            });
            self.bridges.len() - 1
        } else {
            return Err(MixerError::TooManyBridges {
                max: self.config.max_bridges,
            });
        };
        Ok(BridgeId {
            index: index as u32,
            generation: self.bridges[index].generation,
        })
    }

    /// Removes a bridge. Its members stop hearing each other; bridges nested in it stand alone again.
    pub fn remove_bridge(&mut self, id: BridgeId) -> Result<(), BridgeError> {
        self.bridge(id).ok_or(BridgeError::NoBridge(id))?;
        self.regroup(|mixer| {
            for bridged in &mut mixer.bridges {
                if let Some(bridge) = bridged.bridge.as_mut().filter(|b| b.parent == Some(id)) {
                    bridge.parent = None;
                }
            }
            let bridged = &mut mixer.bridges[id.index as usize];
            bridged.bridge = None;
            bridged.generation += 1;
        });
        Ok(())
    }

    /// A bridge, to look at.
    pub fn bridge(&self, id: BridgeId) -> Option<&AudioBridge> {
        let bridged = self.bridges.get(id.index as usize)?;
        bridged
            .bridge
            .as_ref()
            .filter(|_| bridged.generation == id.generation)
    }

    /// Adds a slot to a bridge: from the next tick on it hears all others and all others hear it. `false` if it was a
    /// member already: a bridge is a set.
    pub fn join(&mut self, id: BridgeId, slot: Slot) -> Result<bool, BridgeError> {
        self.entry(slot).ok_or(BridgeError::NoSlot(slot))?;
        let bridge = self.bridge_mut(id)?;
        if bridge.members.contains(&slot) {
            return Ok(false);
        }
        bridge.members.push(slot);
        let group = self.root(id).index as usize;
        self.enter(slot, group);
        Ok(true)
    }

    /// Removes a slot from a bridge.
    pub fn leave(&mut self, id: BridgeId, slot: Slot) -> Result<(), BridgeError> {
        self.entry(slot).ok_or(BridgeError::NoSlot(slot))?;
        let members = &mut self.bridge_mut(id)?.members;
        let at = members
            .iter()
            .position(|&member| member == slot)
            .ok_or(BridgeError::NotAMember { bridge: id, slot })?;
        members.swap_remove(at);
        let group = self.root(id).index as usize;
        if !self.groups_of(slot).any(|other| other == group) {
            self.exit(slot, group);
        }
        Ok(())
    }

    /// Puts one bridge into another: members of both hear each other as if they were in one.
    pub fn nest(&mut self, child: BridgeId, parent: BridgeId) -> Result<(), BridgeError> {
        self.bridge(parent).ok_or(BridgeError::NoBridge(parent))?;
        if let Some(parent) = self.bridge(child).ok_or(BridgeError::NoBridge(child))?.parent {
            return Err(BridgeError::AlreadyNested { child, parent });
        }
        if self.root(parent) == child {
            return Err(BridgeError::Cycle { child, parent });
        }
        self.regroup(|mixer| mixer.set_parent(child, Some(parent)));
        Ok(())
    }

    /// Takes a bridge out of the one it was nested in. Does nothing if it stands alone.
    pub fn unnest(&mut self, child: BridgeId) -> Result<(), BridgeError> {
        self.bridge(child).ok_or(BridgeError::NoBridge(child))?;
        self.regroup(|mixer| mixer.set_parent(child, None));
        Ok(())
    }

    fn bridge_mut(&mut self, id: BridgeId) -> Result<&mut AudioBridge, BridgeError> {
        let bridged = self
            .bridges
            .get_mut(id.index as usize)
            .ok_or(BridgeError::NoBridge(id))?;
        let bridge = bridged
            .bridge
            .as_mut()
            .filter(|_| bridged.generation == id.generation);
        bridge.ok_or(BridgeError::NoBridge(id))
    }

    fn set_parent(&mut self, child: BridgeId, parent: Option<BridgeId>) {
        if let Ok(bridge) = self.bridge_mut(child) {
            bridge.parent = parent;
        }
    }

    /// The outermost bridge around this one, whose group mixes for all of them.
    fn root(&self, id: BridgeId) -> BridgeId {
        let mut id = id;
        while let Some(parent) = self.bridge(id).and_then(AudioBridge::parent) {
            id = parent;
        }
        id
    }

    /// The groups in which a slot should be by its bridges.
    fn groups_of(&self, slot: Slot) -> impl Iterator<Item = usize> {
        let bridges = self.bridges.iter().enumerate();
        bridges
            .filter(move |(_, b)| b.bridge.as_ref().is_some_and(|b| b.contains(slot)))
            .map(|(index, b)| BridgeId {
                index: index as u32,
                generation: b.generation,
            })
            .map(|id| self.root(id).index as usize)
    }

    /// Changes the tree of bridges, then moves each slot to the groups in which it now belongs.
    fn regroup(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        for index in 0..self.places.len() {
            let slot = Slot {
                index: index as u32,
                generation: self.places[index].generation,
            };
            let Some(entry) = self.entry(slot) else { continue };
            let target: Vec<usize> = self.groups_of(slot).collect();
            let stale = |m: &&Membership| !m.leaving && !target.contains(&m.group);
            let stale: Vec<usize> = entry.memberships.iter().filter(stale).map(|m| m.group).collect();
            for group in stale {
                self.exit(slot, group);
            }
            for group in target {
                self.enter(slot, group);
            }
        }
    }

    fn enter(&mut self, slot: Slot, group: usize) {
        let Some(entry) = self.entry_mut(slot) else { return };
        if let Some(membership) = entry.memberships.iter_mut().find(|m| m.group == group) {
            membership.leaving = false;
            membership.ramp.aim(Gain::UNITY);
        } else {
            entry.memberships.push(Membership {
                group,
                ramp: Ramp::fade_in(Gain::UNITY),
                leaving: false,
            });
            self.bridges[group].group.members.push(slot.index());
        }
        self.unsettled = true;
    }

    fn exit(&mut self, slot: Slot, group: usize) {
        let Some(entry) = self.entry_mut(slot) else { return };
        if let Some(membership) = entry.memberships.iter_mut().find(|m| m.group == group) {
            membership.leaving = true;
            membership.ramp.aim(Gain::SILENT);
            self.unsettled = true;
        }
    }
}
