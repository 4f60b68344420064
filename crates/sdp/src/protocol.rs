//! The protocol of an `m=` line.

use crate::attribute::tokens;

tokens! {
    /// What a stream is transported by (RFC 8866 §5.14). An answer uses the offer's.
    Protocol {
        /// `RTP/AVP`: RTP in the clear (RFC 3551); peers that may encrypt add `a=crypto`.
        RtpAvp = "RTP/AVP",
        /// `RTP/AVPF`: with early feedback (RFC 4585).
        RtpAvpf = "RTP/AVPF",
        /// `RTP/SAVP`: SRTP, keys in `a=crypto` (RFC 3711, RFC 4568).
        RtpSavp = "RTP/SAVP",
        /// `RTP/SAVPF`: SRTP with early feedback (RFC 5124).
        RtpSavpf = "RTP/SAVPF",
        /// `UDP/TLS/RTP/SAVP`: SRTP, keys by DTLS (RFC 5764 §9).
        UdpTlsRtpSavp = "UDP/TLS/RTP/SAVP",
        /// `UDP/TLS/RTP/SAVPF`: the same with early feedback: what browsers offer.
        UdpTlsRtpSavpf = "UDP/TLS/RTP/SAVPF",
        /// `TCP/MSRP`: message sessions (RFC 4975 §8.1).
        TcpMsrp = "TCP/MSRP",
        /// `TCP/TLS/MSRP`: message sessions over TLS.
        TcpTlsMsrp = "TCP/TLS/MSRP",
        /// `TCP`: bytes of an application, as of a shared screen (RFC 4145 §3).
        Tcp = "TCP",
        /// `TCP/TLS`: the same over TLS (RFC 8122 §4).
        TcpTls = "TCP/TLS",
        /// `udptl`: fax (RFC 7345 names it).
        Udptl = "udptl",
    }
}

impl Protocol {
    /// True for RTP of any profile: the formats are payload types.
    pub fn is_rtp(&self) -> bool {
        matches!(self, Self::RtpAvp | Self::RtpAvpf) || self.is_srtp()
    }

    /// True when RTP must be encrypted. `RTP/AVP` may be all the same, when `a=crypto` was agreed on.
    pub fn is_srtp(&self) -> bool {
        matches!(self, Self::RtpSavp | Self::RtpSavpf) || self.is_dtls_srtp()
    }

    /// True when the keys of SRTP come by DTLS.
    pub fn is_dtls_srtp(&self) -> bool {
        matches!(self, Self::UdpTlsRtpSavp | Self::UdpTlsRtpSavpf)
    }

    /// True when receivers may send feedback early (RFC 4585 §3).
    pub fn has_early_feedback(&self) -> bool {
        matches!(self, Self::RtpAvpf | Self::RtpSavpf | Self::UdpTlsRtpSavpf)
    }

    /// True for MSRP, with TLS or without.
    pub fn is_msrp(&self) -> bool {
        matches!(self, Self::TcpMsrp | Self::TcpTlsMsrp)
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol::{self, RtpAvp, RtpSavp, TcpTlsMsrp, UdpTlsRtpSavpf};

    #[test]
    fn profiles_are_told_apart_by_what_they_demand() {
        let demands = |protocol: &Protocol| {
            [
                protocol.is_rtp(),
                protocol.is_srtp(),
                protocol.is_dtls_srtp(),
                protocol.has_early_feedback(),
                protocol.is_msrp(),
            ]
        };
        for (token, protocol, expected) in [
            ("RTP/AVP", RtpAvp, [true, false, false, false, false]),
            ("rtp/savp", RtpSavp, [true, true, false, false, false]),
            (
                "UDP/TLS/RTP/SAVPF",
                UdpTlsRtpSavpf,
                [true, true, true, true, false],
            ),
            ("TCP/TLS/MSRP", TcpTlsMsrp, [false, false, false, false, true]),
            ("SCTP", Protocol::Other("SCTP".into()), [false; 5]),
        ] {
            assert_eq!(Protocol::from(token), protocol);
            assert_eq!(demands(&protocol), expected, "{token}");
        }
    }
}
