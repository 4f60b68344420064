//! Where a port sits in its mixer.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names one port of one mixer: another mixer refuses it. A slot is never valid again once its port has been removed, even if
/// a later port takes the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub(crate) mixer: MixerId,
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Slot {
    /// The place in the mixer, from 0. Places are reused; slots are not.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}", self.index)
    }
}

/// Tells the mixers of a program apart, so that none takes the names that another gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MixerId(u32);

impl MixerId {
    /// One that no other mixer has.
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
