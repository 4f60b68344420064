//! Sets of slots that all hear each other.

use crate::slot::{MixerId, Slot};
use std::fmt;
use thiserror::Error;

/// Names one bridge of one mixer: another mixer refuses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgeId {
    pub(crate) mixer: MixerId,
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl fmt::Display for BridgeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bridge {}", self.index)
    }
}

/// A set of slots in full mesh: every producer is heard by every consumer, and nobody hears itself. Whoever is reached by
/// several bridges is heard once.
///
/// The set lives in its mixer: [`AudioMixer::join`](crate::AudioMixer::join) and
/// [`leave`](crate::AudioMixer::leave) change it, [`AudioMixer::bridge`](crate::AudioMixer::bridge) shows it. A port that
/// leaves the mixer leaves its bridges by itself. A bridge may be put into others with
/// [`nest`](crate::AudioMixer::nest): its members and those of each of them then hear each other as if they were in one.
///
/// Cost is linear: the mixer sums once and gives each member the sum without its own part.
#[derive(Clone, Debug, Default)]
pub struct AudioBridge {
    pub(crate) members: Vec<Slot>,
    pub(crate) parents: Vec<BridgeId>,
}

impl AudioBridge {
    /// The members, in no particular order; without those of nested bridges.
    pub fn members(&self) -> &[Slot] {
        &self.members
    }

    /// Whether the slot is a member itself.
    pub fn contains(&self, slot: Slot) -> bool {
        self.members.contains(&slot)
    }

    /// The bridges that this one is nested in.
    pub fn parents(&self) -> &[BridgeId] {
        &self.parents
    }
}

/// Why a bridge was not changed. All of these are mistakes of the caller.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BridgeError {
    /// The mixer has no such bridge (any more).
    #[error("the mixer has no {0}")]
    NoBridge(BridgeId),
    /// The mixer has no such slot (any more).
    #[error("the mixer has no {0}")]
    NoSlot(Slot),
    /// The bridge is one of another mixer.
    #[error("{0} is one of another mixer")]
    ForeignBridge(BridgeId),
    /// The slot is one of another mixer.
    #[error("{0} is one of another mixer")]
    ForeignSlot(Slot),
    /// The slot to remove is not in the bridge.
    #[error("{slot} is not a member of {bridge}")]
    NotAMember {
        /// The bridge.
        bridge: BridgeId,
        /// The stranger.
        slot: Slot,
    },
    /// The bridge is not nested there.
    #[error("{child} is not nested in {parent}")]
    NotNested {
        /// The bridge to take out.
        child: BridgeId,
        /// Where it is not.
        parent: BridgeId,
    },
    /// Nesting would make a bridge part of itself.
    #[error("{child} contains {parent}: nesting it there would make a cycle")]
    Cycle {
        /// The bridge to nest.
        child: BridgeId,
        /// Where it should have gone.
        parent: BridgeId,
    },
}

impl BridgeError {
    /// Why a mixer does not know a bridge.
    pub(crate) fn unknown(id: BridgeId, mixer: MixerId) -> Self {
        if id.mixer == mixer {
            Self::NoBridge(id)
        } else {
            Self::ForeignBridge(id)
        }
    }

    /// Why a mixer does not know a slot.
    pub(crate) fn unknown_slot(slot: Slot, mixer: MixerId) -> Self {
        if slot.mixer == mixer {
            Self::NoSlot(slot)
        } else {
            Self::ForeignSlot(slot)
        }
    }
}
