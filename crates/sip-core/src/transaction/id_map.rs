//! Maps by transaction id.

use super::TransactionId;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by [`TransactionId`]. Ids are numbers that we count up, so nobody can choose them to collide, and hashing need
/// not be the costly one that keyed hashes of what a peer sends must be.
pub(crate) type IdMap<V> = HashMap<TransactionId, V, BuildHasherDefault<IdHasher>>;

/// Spreads a counted number over all bits.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write_u64(&mut self, id: u64) {
        // 2^64 divided by the golden ratio: neighbours end far apart, also in the upper bits, which the map uses too.
        self.0 = (self.0 ^ id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    /// Not for ids, but right for whatever else is hashed.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn neighbours_differ_in_the_lower_and_in_the_upper_bits() {
        let hash = |id| {
            let mut hasher = IdHasher::default();
            hasher.write_u64(id);
            hasher.finish()
        };
        let lower: HashSet<u64> = (0..1024).map(|id| hash(id) % 1024).collect();
        assert_eq!(lower.len(), 1024);
        let upper: HashSet<u64> = (0..128).map(|id| hash(id) >> 57).collect();
        assert!(upper.len() > 64, "{}", upper.len());
    }

    #[test]
    fn bytes_are_told_apart() {
        let hash = |bytes: &[u8]| {
            let mut hasher = IdHasher::default();
            hasher.write(bytes);
            hasher.finish()
        };
        assert_ne!(hash(b"ab"), hash(b"ba"));
    }
}
