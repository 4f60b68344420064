//! CSeq numbers of a dialog, one row for each direction (RFC 3261 §12.2).

/// The numbers that were used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    local: u32,
    remote: Option<u32>,
}

/// A request has a lower number than one before it: answered with 500 (RFC 3261 §12.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CSeq {got} after {last}")]
pub struct OutOfOrder {
    /// The number of the request.
    pub got: u32,
    /// The highest number before it.
    pub last: u32,
}

impl Sequence {
    /// `local` is the number that we used last, `remote` the peer's.
    pub fn new(local: u32, remote: Option<u32>) -> Self {
        Self { local, remote }
    }

    /// The number that we used last.
    pub fn local(&self) -> u32 {
        self.local
    }

    /// The number that the peer used last.
    pub fn remote(&self) -> Option<u32> {
        self.remote
    }

    /// The number for our next request.
    pub fn next_local(&mut self) -> u32 {
        self.local = self.local.wrapping_add(1) & 0x7fff_ffff;
        self.local
    }

    /// Takes the number of the peer's next request.
    pub fn take_remote(&mut self, number: u32) -> Result<(), OutOfOrder> {
        match self.remote {
            Some(last) if number <= last => Err(OutOfOrder { got: number, last }),
            _ => {
                self.remote = Some(number);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_may_leave_gaps_but_not_go_back() {
        let mut sequence = Sequence::new(1, None);
        assert_eq!(sequence.take_remote(5), Ok(()));
        assert_eq!(sequence.take_remote(9), Ok(()));
        assert_eq!(sequence.take_remote(9), Err(OutOfOrder { got: 9, last: 9 }));
        assert_eq!(sequence.take_remote(6), Err(OutOfOrder { got: 6, last: 9 }));
    }

    #[test]
    fn our_own_numbers_follow_one_another_below_2_to_the_31() {
        let mut sequence = Sequence::new(7, None);
        assert_eq!((sequence.next_local(), sequence.next_local()), (8, 9));
        assert_eq!(Sequence::new(0x7fff_ffff, None).next_local(), 0);
    }
}
