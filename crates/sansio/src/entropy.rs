//! The randomness a core is given.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt;
use std::time::Duration;

/// A seeded, cryptographically strong generator handed to a core by its driver.
///
/// A driver seeds it from the operating system; a test seeds it with a number, and then the same seed gives the
/// same tags, branches, SSRCs and waits: the same bytes on the wire.
pub struct Entropy {
    rng: StdRng,
}

impl Entropy {
    /// A generator from 32 bytes of the operating system's randomness.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self {
            rng: StdRng::from_seed(seed),
        }
    }

    /// A generator for tests and simulations.
    pub fn from_number(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
        }
    }

    /// An independent generator for a child core.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Self::from_seed(seed)
    }

    /// Fills a buffer with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// 64 random bits.
    pub fn u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `bound`, evenly spread. Zero when `bound` is zero.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A duration in `low..=high`, evenly spread in whole milliseconds.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        let span = high.saturating_sub(low).as_millis() as u32;
        low + Duration::from_millis(u64::from(self.below(span.saturating_add(1))))
    }

    /// `len` lower-case hexadecimal digits, four random bits each: tags, branches, Call-IDs, nonces.
    pub fn hex(&mut self, len: usize) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(len);
        let mut bits = 0;
        for place in 0..len {
            if place % 16 == 0 {
                bits = self.u64();
            }
            text.push(char::from(DIGITS[(bits & 15) as usize]));
            bits >>= 4;
        }
        text
    }
}

impl fmt::Debug for Entropy {
    /// Shows nothing of the state: what follows from it is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_text() {
        assert_eq!(Entropy::from_number(7).hex(40), Entropy::from_number(7).hex(40));
        assert_ne!(Entropy::from_number(7).hex(40), Entropy::from_number(8).hex(40));
        assert_eq!(Entropy::from_number(7).hex(33).len(), 33);
    }

    #[test]
    fn numbers_and_durations_stay_in_their_range() {
        let mut entropy = Entropy::from_number(1);
        let (low, high) = (Duration::from_millis(2100), Duration::from_secs(4));
        for _ in 0..1000 {
            assert!(entropy.below(10) < 10);
            assert!((low..=high).contains(&entropy.duration(low, high)));
        }
        assert_eq!(entropy.below(0), 0);
    }
}
