//! `a=rtcp-xr`: extended reports that are wished for (RFC 3611 §5.1).

use super::lex::write_separated;
use super::typed::typed_attribute;
use crate::Text;
use std::fmt;

/// The extended reports that a party wishes to be sent, as words like `voip-metrics` or `rcvr-rtt=all:10000`. Without any it
/// says that it knows of them and wants none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RtcpXr(pub Vec<Text>);

impl RtcpXr {
    /// The metrics of a voice call (RFC 3611 §4.7).
    pub const VOIP_METRICS: &'static str = "voip-metrics";

    /// A wish for the metrics of a voice call.
    pub fn voip_metrics() -> Self {
        Self(vec![Text::from_static(Self::VOIP_METRICS)])
    }

    /// Whether this report is wished for, whatever its parameters are.
    pub fn wants(&self, report: &str) -> bool {
        self.0
            .iter()
            .any(|format| format.split('=').next().is_some_and(|name| name == report))
    }

    fn read(value: &str) -> Option<Self> {
        let formats = value.split(' ').filter(|format| !format.is_empty());
        let word = |format: &str| {
            format
                .bytes()
                .all(|byte| byte.is_ascii_graphic())
                .then(|| format.into())
        };
        formats.map(word).collect::<Option<_>>().map(Self)
    }
}

typed_attribute!(RtcpXr, "rtcp-xr");

impl fmt::Display for RtcpXr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_separated(f, ' ', &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3611 §5.1 are of this form.
    #[test]
    fn reports_are_told_by_name_without_their_parameters() {
        let xr: RtcpXr = "pkt-loss-rle=200 rcvr-rtt=all:10000 voip-metrics"
            .parse()
            .unwrap();
        assert!(xr.wants(RtcpXr::VOIP_METRICS) && xr.wants("rcvr-rtt") && !xr.wants("rcvr"));
        assert_eq!(xr.to_string(), "pkt-loss-rle=200 rcvr-rtt=all:10000 voip-metrics");
        assert_eq!("".parse(), Ok(RtcpXr::default()));
        assert_eq!(RtcpXr::voip_metrics().to_string(), "voip-metrics");
    }
}
