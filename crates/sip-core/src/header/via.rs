//! Via (RFC 3261 §20.42, RFC 3581 for `rport`).

use std::net::IpAddr;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use offhook_sansio::Transport;

use super::{HeaderError, HeaderName, HeaderValue, Params, TypedHeader, write_number};
use crate::parse::lex::{self, Cursor};
use crate::uri::{Host, host_end};

/// One hop that the request took, and where its response goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Via {
    /// Name and version before the transport where they are not `SIP/2.0`, as in a message of another version
    /// that must be answered with 505.
    protocol: Bytes,
    /// The transport that the sender used.
    pub transport: ViaTransport,
    host: Bytes,
    port: Option<u16>,
    /// All parameters.
    pub params: Params,
}

/// The transport token of a [`Via`]; tokens that this crate cannot send by are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ViaTransport {
    /// One that this SDK knows.
    Known(Transport),
    /// Any other token (`SCTP`, `TLS-SCTP`, ...), as it was spelt.
    Other(Bytes),
}

impl Via {
    /// What every branch made by RFC 3261 begins with (§8.1.1.7).
    pub const MAGIC_COOKIE: &'static str = "z9hG4bK";

    /// A Via for a request to be sent: `branch` and an empty `rport` (RFC 3581 §3).
    pub fn new(transport: Transport, sent_by: &Host, port: Option<u16>, branch: &str) -> Self {
        let mut params = Params::new();
        params.set("branch", branch);
        params.set_flag("rport");
        Self {
            protocol: Bytes::new(),
            transport: ViaTransport::Known(transport),
            host: sent_by.to_bytes(),
            port,
            params,
        }
    }

    /// The host of sent-by.
    pub fn host(&self) -> Host {
        Host::from_checked(self.host.clone())
    }

    /// The host of sent-by as it is spelt, IPv6 in brackets.
    pub fn host_str(&self) -> &str {
        lex::ascii(&self.host)
    }

    /// The port of sent-by; where it is absent the transport's default holds.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// `branch`: names the transaction.
    pub fn branch(&self) -> Option<&str> {
        self.params.get_str("branch")
    }

    /// Whether `branch` begins with the cookie of RFC 3261, so that it alone names the transaction.
    pub fn has_rfc3261_branch(&self) -> bool {
        self.rfc3261_branch().is_some()
    }

    /// That branch.
    pub(crate) fn rfc3261_branch(&self) -> Option<&[u8]> {
        let cookie = Self::MAGIC_COOKIE.as_bytes();
        self.params.get("branch").filter(|branch| {
            branch.len() > cookie.len() && branch[..cookie.len()].eq_ignore_ascii_case(cookie)
        })
    }

    /// `received`: the address the request came from; brackets around IPv6 are tolerated.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.get_str("received")?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// `rport`: absent, asked for (`Some(None)`), or filled in (RFC 3581).
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.params.get("rport")?;
        Some(lex::number(value).ok())
    }

    /// `maddr`: the multicast address the request was sent to.
    pub fn maddr(&self) -> Option<&str> {
        self.params.get_str("maddr")
    }

    /// `ttl`: the time-to-live it was multicast with.
    pub fn ttl(&self) -> Option<u8> {
        lex::number(self.params.get("ttl")?).ok()
    }

    /// What a server notes on the top Via (RFC 3261 §18.2.1, RFC 3581 §4): the source address in `received`
    /// where sent-by names another host or `rport` was asked for, and the source port in `rport` where it
    /// was asked for. Says whether anything changed.
    pub fn note_source(&mut self, source: std::net::SocketAddr) -> bool {
        let asked = self.rport().is_some();
        let same_host = Host::address_in(&self.host) == Some(source.ip());
        if asked {
            self.params.set("rport", source.port().to_string());
        }
        if asked || !same_host {
            self.params.set("received", source.ip().to_string());
        }
        asked || !same_host
    }
}

impl ViaTransport {
    /// The token.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(transport) => transport.as_str(),
            Self::Other(token) => lex::ascii(token),
        }
    }

    /// The transport, if it is one of ours.
    pub fn known(&self) -> Option<Transport> {
        match self {
            Self::Known(transport) => Some(*transport),
            Self::Other(_) => None,
        }
    }

    fn from_wire(value: HeaderValue<'_>, token: Range<usize>) -> Self {
        match &value[token.clone()] {
            b"UDP" => Self::Known(Transport::Udp),
            b"TCP" => Self::Known(Transport::Tcp),
            b"TLS" => Self::Known(Transport::Tls),
            b"WS" => Self::Known(Transport::Ws),
            b"WSS" => Self::Known(Transport::Wss),
            _ => Self::Other(value.slice(token)),
        }
    }
}

impl TypedHeader for Via {
    const NAME: HeaderName<'static> = HeaderName::Via;
    const LIST: bool = true;

    fn parse(value: HeaderValue<'_>) -> Result<Self, HeaderError> {
        let mut cursor = Cursor::new(value.as_slice());
        let mut protocol = Bytes::new();
        if value.starts_with(b"SIP/2.0/") {
            cursor.advance(8);
        } else {
            protocol = sent_protocol(value, &mut cursor)?;
        }
        let token = cursor.token()?;
        let transport = ViaTransport::from_wire(value, token);
        if !cursor.peek().is_some_and(lex::is_ws) {
            return Err(cursor.unexpected());
        }
        cursor.skip_ws();
        let start = cursor.pos();
        let len = host_end(cursor.rest()).ok_or_else(|| cursor.unexpected())?;
        if value.is_strict()
            && let Some(at) = memchr::memchr(b'_', &value[start..start + len])
        {
            return Err(Cursor::at(value.as_slice(), start + at).unexpected());
        }
        cursor.advance(len);
        cursor.skip_ws();
        let port = if cursor.eat(b':') {
            cursor.skip_ws();
            Some(cursor.number()?)
        } else {
            None
        };
        let params = Params::parse_rest(value, &mut cursor)?;
        Ok(Self {
            protocol,
            transport,
            host: value.slice(start..start + len),
            port,
            params,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        if self.protocol.is_empty() {
            out.extend_from_slice(b"SIP/2.0");
        } else {
            out.extend_from_slice(&self.protocol);
        }
        out.extend_from_slice(b"/");
        out.extend_from_slice(self.transport.as_str().as_bytes());
        out.extend_from_slice(b" ");
        out.extend_from_slice(&self.host);
        if let Some(port) = self.port {
            out.extend_from_slice(b":");
            write_number(out, u64::from(port));
        }
        self.params.write(out);
    }
}

/// `protocol-name SLASH protocol-version SLASH`, where white space may stand around each slash. Gives name and
/// version, or nothing where they are the usual ones.
fn sent_protocol(value: HeaderValue<'_>, cursor: &mut Cursor<'_>) -> Result<Bytes, HeaderError> {
    let name = cursor.token()?;
    cursor.skip_ws();
    cursor.expect(b'/')?;
    cursor.skip_ws();
    let version = cursor.token()?;
    cursor.skip_ws();
    cursor.expect(b'/')?;
    cursor.skip_ws();
    if cursor.slice(name.clone()).eq_ignore_ascii_case(b"SIP") && cursor.slice(version.clone()) == b"2.0" {
        return Ok(Bytes::new());
    }
    Ok(value.slice(name.start..version.end))
}
