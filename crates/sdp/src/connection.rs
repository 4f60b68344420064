//! The `c=` line: where media goes.

use crate::Text;
use std::fmt;
use std::net::IpAddr;

/// Connection data of a session or of one media (RFC 8866 §5.7).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// `IN`, the internet.
    pub net_type: Text,
    /// `IP4` or `IP6`.
    pub address_type: Text,
    /// An address or a host name; a multicast address may carry `/ttl` and `/count`.
    pub address: Text,
}

impl Connection {
    /// The connection data of a unicast address.
    pub fn new(address: IpAddr) -> Self {
        Self {
            net_type: Text::from_static("IN"),
            address_type: address_type(address),
            address: Text::from(format_args!("{address}")),
        }
    }

    /// The connection data of a host name or of an address in IP4's notation, as the documents' `SDPConnection`.
    pub fn named(address: impl Into<Text>) -> Self {
        Self {
            net_type: Text::from_static("IN"),
            address_type: Text::from_static("IP4"),
            address: address.into(),
        }
    }

    /// The address, without a multicast suffix. `None` for a host name, which has to be looked up.
    pub fn ip(&self) -> Option<IpAddr> {
        let address = self.address.split('/').next()?;
        address.parse().ok()
    }

    /// True for `0.0.0.0` and `::`: "send nothing", the hold of RFC 2543 (RFC 3264 §8.4).
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }
}

impl From<IpAddr> for Connection {
    fn from(address: IpAddr) -> Self {
        Self::new(address)
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.net_type, self.address_type, self.address)
    }
}

pub(crate) fn address_type(address: IpAddr) -> Text {
    Text::from_static(if address.is_ipv4() { "IP4" } else { "IP6" })
}
