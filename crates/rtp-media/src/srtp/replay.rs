//! Which packets of a source were received: what a replay is told by, and where a roll-over is seen.

use super::SrtpError;

/// Packets behind the newest one that may still come, each once (RFC 3711 §3.3.2 asks for at least 64). 128 are 2.5 s of
/// audio: what comes later is too late to be heard.
pub const REPLAY_WINDOW: u64 = 128;

/// The highest index of an RTP packet under one master key (RFC 3711 §9.2).
pub(super) const LAST_RTP_INDEX: u64 = (1 << 48) - 1;

/// The indices seen of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplayWindow {
    highest: u64,
    /// Bit n: the packet `highest - n` was received.
    seen: u128,
}

impl ReplayWindow {
    /// After the first packet.
    pub(super) fn new(index: u64) -> Self {
        Self {
            highest: index,
            seen: 1,
        }
    }

    /// Before the first packet under another master key: the roll-over counter goes on (RFC 3711 §3.3.1), and nothing was seen.
    pub(super) fn rekeyed(self) -> Self {
        Self { seen: 0, ..self }
    }

    /// The index that a sequence number stands for (RFC 3711 §3.3.1): the nearest to the highest.
    pub(super) fn estimate(&self, sequence: u16) -> Result<u64, SrtpError> {
        let (roll_over, last) = (self.highest >> 16, self.highest as u16);
        let roll_over = if last < 0x8000 {
            if sequence > last && sequence - last > 0x8000 {
                roll_over.checked_sub(1).ok_or(SrtpError::Replayed)?
            } else {
                roll_over
            }
        } else if last - 0x8000 > sequence {
            roll_over + 1
        } else {
            roll_over
        };
        let index = roll_over << 16 | u64::from(sequence);
        if index > LAST_RTP_INDEX {
            return Err(SrtpError::KeyExhausted);
        }
        Ok(index)
    }

    /// Refuses an index that was seen, or is too old to know.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        let Some(behind) = self.highest.checked_sub(index) else {
            return Ok(());
        };
        if behind >= REPLAY_WINDOW || self.seen >> behind & 1 == 1 {
            return Err(SrtpError::Replayed);
        }
        Ok(())
    }

    /// Notes a packet that was authenticated.
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            let ahead = index - self.highest;
            self.seen = if ahead < REPLAY_WINDOW {
                self.seen << ahead
            } else {
                0
            };
            self.seen |= 1;
            self.highest = index;
        } else {
            self.seen |= 1u128 << (self.highest - index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_index_is_taken_once_and_old_ones_never() {
        let mut window = ReplayWindow::new(1000);
        for index in [1001, 1003, 1002, 900] {
            assert_eq!(window.check(index), Ok(()), "{index}");
            window.accept(index);
            assert_eq!(window.check(index), Err(SrtpError::Replayed), "{index}");
        }
        assert_eq!(window.check(1003 - REPLAY_WINDOW), Err(SrtpError::Replayed));
        assert_eq!(window.check(1003 - REPLAY_WINDOW + 1), Ok(()));
        window.accept(5000);
        assert_eq!(window.check(1003), Err(SrtpError::Replayed));
        assert_eq!(window.check(4999), Ok(()));
    }

    #[test]
    fn the_roll_over_is_seen_in_order_late_and_after_loss() {
        let window = ReplayWindow::new(0xffff);
        assert_eq!(window.estimate(0), Ok(0x1_0000));
        assert_eq!(window.estimate(0xfffe), Ok(0xfffe));
        assert_eq!(window.estimate(0x7ffe), Ok(0x1_7ffe));
        let window = ReplayWindow::new(0x1_0005);
        assert_eq!(window.estimate(0xfff0), Ok(0xfff0));
        assert_eq!(window.estimate(0x7fff), Ok(0x1_7fff));
        assert_eq!(ReplayWindow::new(5).estimate(0xfff0), Err(SrtpError::Replayed));
    }

    #[test]
    fn the_last_roll_over_ends_the_key() {
        let window = ReplayWindow::new(LAST_RTP_INDEX);
        assert_eq!(window.estimate(0), Err(SrtpError::KeyExhausted));
        assert_eq!(window.estimate(0xffff), Ok(LAST_RTP_INDEX));
    }

    proptest! {
        #[test]
        fn any_order_agrees_with_a_set(steps in proptest::collection::vec(0u64..400, 1..300)) {
            let mut window = ReplayWindow::new(0);
            let (mut highest, mut seen) = (0, std::collections::HashSet::from([0]));
            for index in steps {
                let fresh = index + REPLAY_WINDOW > highest && !seen.contains(&index);
                prop_assert_eq!(window.check(index).is_ok(), fresh);
                if fresh {
                    window.accept(index);
                    seen.insert(index);
                    highest = highest.max(index);
                }
            }
        }

        #[test]
        fn the_estimate_is_the_nearest_index(highest in 0x1_0000u64..1 << 40, step in -0x7fffi64..0x8000) {
            let index = highest.saturating_add_signed(step);
            prop_assert_eq!(ReplayWindow::new(highest).estimate(index as u16), Ok(index));
        }
    }
}
