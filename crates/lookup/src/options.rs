//! What a lookup may use, and how long it may take.

use offhook_sansio::Transport;
use std::time::Duration;

/// Options of a lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupOptions {
    /// The transports that can be used, the preferred first. Default TLS, TCP, UDP: privacy before speed.
    pub transports: Vec<Transport>,
    /// Which address families are asked for. Default [`IpPreference::V4First`].
    pub ip: IpPreference,
    /// How long one query may take. Default 3 s.
    pub query_timeout: Duration,
    /// How long all may take together. Default 15 s; what was found by then is the result.
    pub lifetime: Duration,
    /// What a lying name server cannot exceed.
    pub limits: Limits,
}

impl Default for LookupOptions {
    fn default() -> Self {
        Self {
            transports: vec![Transport::Tls, Transport::Tcp, Transport::Udp],
            ip: IpPreference::default(),
            query_timeout: Duration::from_secs(3),
            lifetime: Duration::from_secs(15),
            limits: Limits::default(),
        }
    }
}

/// Which address families are asked for, and whose addresses come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpPreference {
    /// IPv4 only.
    V4Only,
    /// IPv6 only.
    V6Only,
    /// Both, IPv4 first: the default, because a dead IPv6 path costs a UDP request its whole 32 seconds.
    #[default]
    V4First,
    /// Both, IPv6 first (RFC 7984).
    V6First,
}

/// The most that is taken from answers. What exceeds it is dropped, the preferred kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records of one answer. Default 32: the largest providers list about ten.
    pub records: usize,
    /// Queries of one lookup. Default 64: 3 transports of 10 hosts in 2 families.
    pub queries: usize,
    /// Targets of the result. Default 32: nobody waits for more attempts.
    pub targets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            records: 32,
            queries: 64,
            targets: 32,
        }
    }
}
