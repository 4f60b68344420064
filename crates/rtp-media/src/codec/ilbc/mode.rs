//! The two lengths of iLBC's frames.

/// How long iLBC's frames are: both sides of a stream use the same (RFC 3952 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IlbcMode {
    /// 20 ms in 38 octets, 15.2 kbit/s.
    Ms20,
    /// 30 ms in 50 octets, 13.33 kbit/s: what holds where the peer says nothing.
    Ms30,
}

/// Samples of a sub-block.
pub(super) const SUB_BLOCK: usize = 40;

/// Samples of the longer frame.
pub(super) const LONGEST: usize = 240;

/// Sub-blocks of the longer frame.
pub(super) const MOST_SUB_BLOCKS: usize = 6;

impl IlbcMode {
    /// Milliseconds of a frame.
    pub const fn ms(self) -> u32 {
        match self {
            Self::Ms20 => 20,
            Self::Ms30 => 30,
        }
    }

    /// What says so in `a=fmtp` (RFC 3952 §5).
    pub(crate) const fn fmtp(self) -> &'static str {
        match self {
            Self::Ms20 => "mode=20",
            Self::Ms30 => "mode=30",
        }
    }

    /// Octets of a frame (§3.8).
    pub(super) const fn octets(self) -> usize {
        match self {
            Self::Ms20 => 38,
            Self::Ms30 => 50,
        }
    }

    /// Samples of a frame.
    pub(super) const fn samples(self) -> usize {
        self.sub_blocks() * SUB_BLOCK
    }

    pub(super) const fn sub_blocks(self) -> usize {
        match self {
            Self::Ms20 => 4,
            Self::Ms30 => 6,
        }
    }

    /// Samples of the start state (§3.5.1).
    pub(super) const fn state(self) -> usize {
        match self {
            Self::Ms20 => 57,
            Self::Ms30 => 58,
        }
    }

    /// Samples by which the enhancer's output comes late (§4.6).
    pub(super) const fn delay(self) -> usize {
        match self {
            Self::Ms20 => SUB_BLOCK,
            Self::Ms30 => 2 * SUB_BLOCK,
        }
    }

    /// The mode whose frames fill a payload. Below 190 ms no length fits both.
    pub(super) fn of_payload(len: usize) -> Option<Self> {
        [Self::Ms20, Self::Ms30]
            .into_iter()
            .find(|mode| len > 0 && len.is_multiple_of(mode.octets()))
    }
}
