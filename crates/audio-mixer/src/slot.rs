//! Where a port sits in its mixer.

use std::fmt;

/// Names one port of one mixer. A slot is never valid again once its port has been removed, even if a later port takes
/// the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
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
