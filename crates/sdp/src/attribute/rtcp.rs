//! `a=rtcp`.

use super::lex::decimal;
use super::typed::typed_attribute;
use crate::Connection;
use std::fmt;

/// Where RTCP is received when not on the port above the media's (RFC 3605 §2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rtcp {
    /// The port.
    pub port: u16,
    /// The address, when not that of the media.
    pub connection: Option<Connection>,
}

impl Rtcp {
    fn read(value: &str) -> Option<Self> {
        let mut parts = value.split_ascii_whitespace();
        let port = parts.next().and_then(decimal)?;
        let connection = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(net_type), Some(address_type), Some(address), None) => Some(Connection {
                net_type: net_type.into(),
                address_type: address_type.into(),
                address: address.into(),
            }),
            _ => return None,
        };
        Some(Self { port, connection })
    }
}

typed_attribute!(Rtcp, "rtcp");

impl fmt::Display for Rtcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.port)?;
        match &self.connection {
            Some(connection) => write!(f, " {connection}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_rfc_are_read_and_written_back() {
        for value in [
            "53020",
            "53020 IN IP4 126.16.64.4",
            "53020 IN IP6 2001:2345:6789:ABCD::1",
        ] {
            assert_eq!(value.parse::<Rtcp>().unwrap().to_string(), value);
        }
        for value in ["", "x", "70000", "53020 IN", "53020 IN IP4 1.2.3.4 more"] {
            assert!(value.parse::<Rtcp>().is_err(), "{value}");
        }
    }
}
