//! Hosts: names and addresses (RFC 3261 §25.1 `host`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use bytes::Bytes;

use super::UriError;
use crate::parse::lex;

/// The host of a URI or Via. Names compare without regard to case.
#[derive(Clone, Debug)]
pub enum Host {
    /// A domain or host name.
    Name(Bytes),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// Text that a parser has already checked.
    pub(crate) fn from_checked(text: Bytes) -> Self {
        let ascii = lex::ascii(&text);
        if let Some(inner) = ascii.strip_prefix('[') {
            if let Ok(address) = inner.trim_end_matches(']').parse() {
                return Self::V6(address);
            }
        } else if ascii.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && let Ok(address) = ascii.parse()
        {
            return Self::V4(address);
        }
        Self::Name(text)
    }

    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// The name, unless it is an address.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(lex::ascii(name)),
            _ => None,
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Name(name) => name,
            address => Bytes::from(address.to_string()),
        }
    }

    /// The host as it stands in a message.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Name(name) => name.clone(),
            _ => Bytes::from(self.to_string()),
        }
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            _ => self.ip().is_some() && self.ip() == other.ip(),
        }
    }
}

impl Eq for Host {}

impl std::hash::Hash for Host {
    fn hash<S: std::hash::Hasher>(&self, state: &mut S) {
        match self {
            Self::Name(name) => name.to_ascii_lowercase().hash(state),
            _ => self.ip().hash(state),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(lex::ascii(name)),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl FromStr for Host {
    type Err = UriError;

    /// A name or an address; IPv6 with or without brackets.
    fn from_str(text: &str) -> Result<Self, UriError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::V6(address));
        }
        match host_end(text.as_bytes()) {
            Some(end) if end == text.len() => Ok(Self::from_checked(Bytes::copy_from_slice(text.as_bytes()))),
            _ => Err(UriError::BadHost { offset: 0 }),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

/// How long the host at the start of `text` is; `None` where there is none.
pub(crate) fn host_end(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'[') {
        let end = memchr::memchr(b']', text)?;
        lex::ascii(&text[1..end]).parse::<Ipv6Addr>().ok()?;
        return Some(end + 1);
    }
    let end = lex::host_name_len(text);
    (end > 0).then_some(end)
}
