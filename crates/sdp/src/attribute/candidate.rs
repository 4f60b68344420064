//! `a=candidate` and `a=remote-candidates` (RFC 8839 §5.1, §5.2; RFC 6544 for TCP).

use super::lex::{decimal, is_ice, is_token, is_visible, write_words};
use super::typed::{tokens, typed_attribute};
use crate::Text;
use std::fmt;
use std::net::IpAddr;

/// A transport address at which the author may be reached (RFC 8839 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// 1 to 32 letters, digits, `+` and `/`: the same for candidates of one base, server and type.
    pub foundation: Text,
    /// 1 for RTP, 2 for RTCP; up to 256.
    pub component: u16,
    /// What it is reached over.
    pub transport: CandidateTransport,
    /// 1 to 2^31 - 1: larger is tried first.
    pub priority: u32,
    /// An address, or a host name (as of mDNS): RFC 8839 has receivers ignore candidates with a name.
    pub address: Text,
    /// The port; 9 for TCP candidates that only connect (RFC 6544 §4.5).
    pub port: u16,
    /// How it was found.
    pub kind: CandidateKind,
    /// Where it was seen from; host candidates have none.
    pub related: Option<RelatedAddress>,
    /// Who connects, for TCP (RFC 6544 §4.5).
    pub tcp_type: Option<TcpType>,
    /// Further pairs of name and value, at most [`Candidate::MAX_EXTENSIONS`]. Unknown ones are ignored.
    pub extensions: Vec<(Text, Text)>,
}

tokens! {
    /// What a candidate is reached over.
    CandidateTransport {
        /// UDP.
        Udp = "UDP",
        /// TCP (RFC 6544).
        Tcp = "TCP",
    }
}

tokens! {
    /// How a candidate was found.
    CandidateKind {
        /// On a network interface.
        Host = "host",
        /// By asking a server: the outside of a NAT.
        ServerReflexive = "srflx",
        /// By a check of the peer.
        PeerReflexive = "prflx",
        /// On a relay.
        Relayed = "relay",
    }
}

/// Which end connects (RFC 6544 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TcpType {
    /// The author connects.
    Active,
    /// The author waits.
    Passive,
    /// Both connect at once.
    SimultaneousOpen,
}

impl TcpType {
    /// The value of `tcptype`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }

    fn read(value: &str) -> Option<Self> {
        [Self::Active, Self::Passive, Self::SimultaneousOpen]
            .into_iter()
            .find(|tcp_type| tcp_type.as_str() == value)
    }
}

/// The base of a reflexive candidate, or the mapped address of a relayed one (`raddr`, `rport`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelatedAddress {
    /// The address; `0.0.0.0` or `::` when kept private.
    pub address: Text,
    /// The port; 9 when kept private.
    pub port: u16,
}

impl Candidate {
    /// Extensions in one line at most. The RFC sets no limit; browsers write three.
    pub const MAX_EXTENSIONS: usize = 32;

    /// The address; `None` for a host name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.parse().ok()
    }

    fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let mut candidate = Self {
            foundation: words.next().filter(|word| is_ice(word, 1, 32))?.into(),
            component: component(words.next()?)?,
            transport: words.next().filter(|word| is_token(word))?.into(),
            priority: words
                .next()
                .and_then(decimal)
                .filter(|priority| (1..1 << 31).contains(priority))?,
            address: words.next().filter(|word| is_visible(word))?.into(),
            port: words.next().and_then(decimal)?,
            kind: match (words.next()?, words.next()?) {
                ("typ", kind) if is_token(kind) => kind.into(),
                _ => return None,
            },
            related: None,
            tcp_type: None,
            extensions: Vec::new(),
        };
        while let Some(name) = words.next() {
            let value = words.next().unwrap_or_default(); // a value may be empty
            candidate.extension(name, value, &mut words)?;
        }
        Some(candidate)
    }

    fn extension<'a>(
        &mut self,
        name: &'a str,
        value: &'a str,
        words: &mut impl Iterator<Item = &'a str>,
    ) -> Option<()> {
        match name {
            "raddr" if self.related.is_none() => {
                self.related = Some(RelatedAddress {
                    address: Some(value).filter(|value| is_visible(value))?.into(),
                    port: match (words.next()?, words.next()?) {
                        ("rport", port) => decimal(port)?,
                        _ => return None,
                    },
                });
            }
            "raddr" | "rport" => return None,
            "tcptype" if self.tcp_type.is_none() => self.tcp_type = Some(TcpType::read(value)?),
            _ if self.extensions.len() == Self::MAX_EXTENSIONS => return None,
            _ => self.extensions.push((name.into(), value.into())),
        }
        Some(())
    }
}

typed_attribute!(Candidate, "candidate");

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.transport,
            self.priority,
            self.address,
            self.port,
            self.kind
        )?;
        if let Some(related) = &self.related {
            write!(f, " raddr {} rport {}", related.address, related.port)?;
        }
        if let Some(tcp_type) = self.tcp_type {
            write!(f, " tcptype {}", tcp_type.as_str())?;
        }
        self.extensions
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

/// `a=remote-candidates`: which of the peer's candidates were chosen, one for each component (RFC 8839 §5.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteCandidates(pub Vec<RemoteCandidate>);

/// One entry of [`RemoteCandidates`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteCandidate {
    /// 1 for RTP, 2 for RTCP; up to 256.
    pub component: u16,
    /// The address.
    pub address: Text,
    /// The port.
    pub port: u16,
}

impl RemoteCandidates {
    /// Entries at most: there are that many components.
    pub const MAX_LEN: usize = 256;

    fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let mut list = Vec::new();
        while let Some(word) = words.next() {
            list.push(RemoteCandidate {
                component: component(word)?,
                address: words.next().filter(|word| is_visible(word))?.into(),
                port: words.next().and_then(decimal)?,
            });
        }
        (1..=Self::MAX_LEN).contains(&list.len()).then_some(Self(list))
    }
}

typed_attribute!(RemoteCandidates, "remote-candidates");

impl fmt::Display for RemoteCandidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_words(f, &self.0)
    }
}

impl fmt::Display for RemoteCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.component, self.address, self.port)
    }
}

fn component(word: &str) -> Option<u16> {
    decimal(word).filter(|component| (1..=256).contains(component))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_of_the_rfcs_and_of_peers_are_read_and_written_back() {
        for value in [
            "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
            "Hc000020a 2 UDP 2130706430 192.0.2.10 50027 typ host",
            "Rc6336407 1 UDP 16777215 198.51.100.7 49152 typ relay raddr 203.0.113.5 rport 61000",
            "1 1 TCP 2128609279 10.0.1.1 9 typ host tcptype active", // RFC 6544 appendix
            "2 1 TCP 2124414975 10.0.1.1 8998 typ host tcptype passive",
            "0 1 UDP 2122252543 2fd4f6e5-2f9f.local 51472 typ host generation 0 network-cost 999",
            "1 1 UDP 1 2001:db8::1 9 typ new raddr :: rport 9 ufrag x",
        ] {
            assert_eq!(value.parse::<Candidate>().unwrap().to_string(), value);
        }
    }

    #[test]
    fn tokens_are_read_in_any_case_and_names_are_no_addresses() {
        let candidate: Candidate = "1 1 udp 5 host.local 9 typ HOST".parse().unwrap();
        assert_eq!(candidate.transport, CandidateTransport::Udp);
        assert_eq!(candidate.kind, CandidateKind::Host);
        assert_eq!(candidate.ip(), None);
    }

    #[test]
    fn broken_candidates_are_malformed() {
        for value in [
            "",
            "1 1 UDP 5 192.0.2.3 9",
            "1 1 UDP 5 192.0.2.3 9 typ",
            "1 1 UDP 5 192.0.2.3 9 type host",
            "1 0 UDP 5 192.0.2.3 9 typ host",
            "1 257 UDP 5 192.0.2.3 9 typ host",
            "1 1 UDP 0 192.0.2.3 9 typ host",
            "1 1 UDP 2147483648 192.0.2.3 9 typ host",
            "1 1 UDP 5 192.0.2.3 65536 typ host",
            "1 1 UDP 5 192.0.2.3 -1 typ host",
            "a:b 1 UDP 5 192.0.2.3 9 typ host",
            "123456789012345678901234567890123 1 UDP 5 192.0.2.3 9 typ host",
            "1 1 UDP 5 192.0.2.3 9 typ srflx raddr 10.0.0.1",
            "1 1 UDP 5 192.0.2.3 9 typ srflx rport 1",
            "1 1 UDP 5 192.0.2.3 9 typ srflx raddr 10.0.0.1 rport x",
            "1 1 TCP 5 192.0.2.3 9 typ host tcptype lazy",
        ] {
            assert!(value.parse::<Candidate>().is_err(), "{value}");
        }
        let many = format!("1 1 UDP 5 192.0.2.3 9 typ host{}", " x y".repeat(33));
        assert!(many.parse::<Candidate>().is_err());
    }

    #[test]
    fn remote_candidates_stand_in_one_line_or_in_several() {
        let both = "1 192.0.2.3 45664 2 192.0.2.3 45665";
        let list: RemoteCandidates = both.parse().unwrap();
        assert_eq!((list.0.len(), list.0[1].port), (2, 45_665));
        assert_eq!(list.to_string(), both);
        for value in ["", "1", "1 192.0.2.3", "1 192.0.2.3 x", "0 192.0.2.3 5"] {
            assert!(value.parse::<RemoteCandidates>().is_err(), "{value}");
        }
    }
}
