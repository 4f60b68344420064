//! The frame size of iLBC.

/// How long iLBC's frames are (RFC 3952 §5). Both sides use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum IlbcMode {
    /// 20 ms, 15.2 kbit/s.
    Ms20 = 20,
    /// 30 ms, 13.33 kbit/s: what holds where nothing is said.
    Ms30 = 30,
}

impl IlbcMode {
    /// Reads `mode=`; nonsense counts as nothing.
    pub(super) fn read(mode: Option<&str>) -> Self {
        match mode {
            Some("20") => Self::Ms20,
            _ => Self::Ms30,
        }
    }

    /// What both use: the mode of the lower bandwidth (RFC 3952 §5).
    #[must_use]
    pub fn agreed_with(self, other: Self) -> Self {
        self.max(other)
    }
}

#[cfg(test)]
mod tests {
    use super::IlbcMode::{Ms20, Ms30};
    use crate::RtpFormat;

    #[test]
    fn the_lower_bandwidth_wins() {
        let mode = |fmtp: &'static str| {
            let format = RtpFormat::new(97, "iLBC", 8000, 1);
            format.with_fmtp(fmtp).ilbc_mode()
        };
        assert_eq!(mode("mode=20"), Some(Ms20));
        assert_eq!(mode("mode=30"), Some(Ms30));
        assert_eq!(mode("mode=25"), Some(Ms30));
        assert_eq!(RtpFormat::new(97, "ilbc", 8000, 1).ilbc_mode(), Some(Ms30));
        assert_eq!(RtpFormat::pcmu().ilbc_mode(), None);
        for (offer, answer, agreed) in [
            (Ms20, Ms20, Ms20),
            (Ms20, Ms30, Ms30),
            (Ms30, Ms20, Ms30),
            (Ms30, Ms30, Ms30),
        ] {
            assert_eq!(offer.agreed_with(answer), agreed);
        }
    }
}
