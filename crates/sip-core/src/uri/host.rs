//! Hosts: names and addresses (RFC 3261 §25.1 `host`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use bytes::{Bytes, BytesMut};

use super::UriError;
use crate::header::write_number;
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
        Self::address_in(&text).map_or(Self::Name(text), Self::from)
    }

    /// The address that checked text is, unless it is a name.
    pub(crate) fn address_in(text: &[u8]) -> Option<IpAddr> {
        let ascii = lex::ascii(text);
        if let Some(inner) = ascii.strip_prefix('[') {
            return inner.trim_end_matches(']').parse().ok().map(IpAddr::V6);
        }
        // A name is told by its first letter most often.
        let is_numeric = text.first().is_some_and(u8::is_ascii_digit);
        is_numeric.then(|| ascii.parse().ok().map(IpAddr::V4))?
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
            address => address.to_bytes(),
        }
    }

    /// The host as it stands in a message.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Name(name) => name.clone(),
            Self::V4(address) => dotted(*address),
            Self::V6(_) => Bytes::from(self.to_string()),
        }
    }
}

/// An IPv4 address as text. It stands in each Contact of ours, and is written without the formatter for that.
fn dotted(address: Ipv4Addr) -> Bytes {
    let mut text = BytesMut::with_capacity("255.255.255.255".len());
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.extend_from_slice(b".");
        }
        write_number(&mut text, u64::from(octet));
    }
    text.freeze()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_the_standard_library_writes_them() {
        for text in ["0.0.0.0", "192.0.2.10", "255.255.255.255", "9.99.100.1"] {
            let address: Ipv4Addr = text.parse().unwrap();
            assert_eq!(Host::V4(address).to_bytes(), text);
        }
        let v6 = Host::V6("2001:db8::1".parse().unwrap());
        assert_eq!(v6.to_bytes(), "[2001:db8::1]");
    }

    #[test]
    fn a_name_that_begins_with_a_digit_is_no_address() {
        for name in ["3com.test", "1.2.3", "1.2.3.4.test", "a.test", "01.2.3.4"] {
            assert_eq!(Host::address_in(name.as_bytes()), None, "{name}");
        }
        assert_eq!(Host::address_in(b"[::1]"), Some("::1".parse().unwrap()));
        assert_eq!(Host::address_in(b"1.2.3.4"), Some("1.2.3.4".parse().unwrap()));
    }
}
