//! The `o=` line: whose description this is, and which version of it.

use crate::Text;
use crate::connection::address_type;
use std::fmt;
use std::net::IpAddr;

/// The originator of a description (RFC 8866 §5.2).
///
/// `username`, `session_id` and the address name the session; `session_version` says which state of it this is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Login name, or `-` where there is none. Holds no space.
    pub username: Text,
    /// Together with the rest, unique for the session. An NTP timestamp or a random number below 2^62.
    pub session_id: u64,
    /// Grows by one with each change of the description (RFC 3264 §8).
    pub session_version: u64,
    /// `IN`, the internet.
    pub net_type: Text,
    /// `IP4` or `IP6`.
    pub address_type: Text,
    /// The creator's address or host name. It says nothing about where media goes.
    pub address: Text,
}

impl Origin {
    /// An origin without a user name, in its first version.
    pub fn new(session_id: u64, address: IpAddr) -> Self {
        Self {
            username: Text::from_static("-"),
            session_id,
            session_version: session_id,
            net_type: Text::from_static("IN"),
            address_type: address_type(address),
            address: Text::from(format_args!("{address}")),
        }
    }

    /// True when both name the same session, in whatever version.
    pub fn same_session(&self, other: &Self) -> bool {
        self.session_id == other.session_id
            && self.username == other.username
            && self.net_type == other.net_type
            && self.address_type == other.address_type
            && self.address == other.address
    }
}

impl fmt::Display for Origin {
    /// Writes the value of the line; an empty user name as `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let username = if self.username.is_empty() {
            "-"
        } else {
            &self.username
        };
        write!(
            f,
            "{username} {} {} {} {} {}",
            self.session_id, self.session_version, self.net_type, self.address_type, self.address
        )
    }
}
