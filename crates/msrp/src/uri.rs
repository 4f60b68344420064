//! MSRP URIs and paths of them (RFC 4975 §6).

use offhook_sansio::Entropy;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The port that MSRP recommends (RFC 4975 §15.4). No default on the wire: URIs in SDP name their port.
pub const RECOMMENDED_PORT: u16 = 2855;

/// The URI of a session at an MSRP device, or of a relay: `msrp://host:port/session-id;tcp` (RFC 4975 §6).
///
/// `==` compares the parts as they are written; [`is_equivalent`](Self::is_equivalent) is the comparison of RFC 4975 §6.1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MsrpUri {
    secure: bool,
    user: Option<Box<str>>,
    host: Box<str>,
    port: Option<u16>,
    session_id: Option<Box<str>>,
    transport: Box<str>,
    parameters: Vec<(Box<str>, Option<Box<str>>)>,
}

impl MsrpUri {
    /// The longest URI that is read, in bytes. 1024: a session id of 80 random bits takes 20, so this is ample.
    pub const MAX_LEN: usize = 1024;

    /// A URI for a new session at this address, with a session id of 80 random bits (RFC 4975 §14.1 asks for them,
    /// because who knows the URI may take the session).
    pub fn new_session(address: SocketAddr, secure: bool, entropy: &mut Entropy) -> Self {
        let host = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self {
            secure,
            user: None,
            host: host.into(),
            port: Some(address.port()),
            session_id: Some(entropy.hex(20).into()),
            transport: "tcp".into(),
            parameters: Vec::new(),
        }
    }

    /// True for `msrps`: the connection is protected by TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The user part, which says for whose account the session is valid.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The host as written: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host as an address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self
            .host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(v6) => v6.parse().ok().map(IpAddr::V6),
            None => self.host.parse().ok().map(IpAddr::V4),
        }
    }

    /// The port. Always there when the host is an address.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Host and port as an address, when the host is one.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.ip()?, self.port?))
    }

    /// The session at the host; absent in the URI of a relay.
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// The transport parameter, `tcp` in all that is deployed.
    pub fn transport(&self) -> &str {
        &self.transport
    }

    /// The parameters after the transport, in order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.parameters
            .iter()
            .map(|(name, value)| (&**name, value.as_deref()))
    }

    /// The same URI with another port: what an acceptor does once it knows where it listens.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same URI with or without TLS.
    #[must_use]
    pub fn with_secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// The same URI for another session.
    ///
    /// # Errors
    /// When the text has characters that a session id may not have.
    pub fn with_session_id(mut self, id: &str) -> Result<Self, UriError> {
        check(id, is_session_char, UriError::SessionId)?;
        self.session_id = Some(id.into());
        Ok(self)
    }

    /// The same URI with a user part.
    ///
    /// # Errors
    /// When the text has characters that a user part may not have; a password is refused (RFC 4975 §6).
    pub fn with_user(mut self, user: &str) -> Result<Self, UriError> {
        check(user, is_user_char, UriError::User)?;
        self.user = Some(user.into());
        Ok(self)
    }

    /// True when both URIs name the same session by the rules of RFC 4975 §6.1: the user part and further parameters
    /// do not count, the host counts in any case, an absent port or session id equals only an absent one.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.secure == other.secure
            && self.port == other.port
            && self.session_id == other.session_id
            && self.transport.eq_ignore_ascii_case(&other.transport)
            && (same_host(&self.host, &other.host) || self.ip().is_some_and(|ip| other.ip() == Some(ip)))
    }
}

impl FromStr for MsrpUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > Self::MAX_LEN {
            return Err(UriError::TooLong(text.len()));
        }
        let (scheme, rest) = text.split_once("://").ok_or(UriError::Scheme)?;
        let secure = if scheme.eq_ignore_ascii_case("msrps") {
            true
        } else if scheme.eq_ignore_ascii_case("msrp") {
            false
        } else {
            return Err(UriError::Scheme);
        };
        // A user part may hold what ends all the others.
        let authority = rest.split('/').next().unwrap_or_default();
        let behind_user = authority.find('@').unwrap_or(0);
        let end = rest[behind_user..].find(';').ok_or(UriError::Transport)? + behind_user;
        let (resource, parameters) = (&rest[..end], &rest[end + 1..]);
        let (authority, session_id) = match resource.split_once('/') {
            Some((authority, id)) => {
                check(id, is_session_char, UriError::SessionId)?;
                (authority, Some(id.into()))
            }
            None => (resource, None),
        };
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host_port)) => {
                check(user, is_user_char, UriError::User)?;
                (Some(user.into()), host_port)
            }
            None => (None, authority),
        };
        let (host, port) = split_host_port(host_port)?;
        let mut parameters = parameters.split(';');
        let transport = parameters.next().unwrap_or_default();
        check(
            transport,
            |byte| byte.is_ascii_alphanumeric(),
            UriError::Transport,
        )?;
        let uri = Self {
            secure,
            user,
            host: host.into(),
            port,
            session_id,
            transport: transport.into(),
            parameters: parameters.map(parameter).collect::<Result<_, _>>()?,
        };
        if uri.port.is_none() && uri.ip().is_some() {
            return Err(UriError::AddressWithoutPort);
        }
        Ok(uri)
    }
}

impl fmt::Display for MsrpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "msrps://" } else { "msrp://" })?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(id) = &self.session_id {
            write!(f, "/{id}")?;
        }
        write!(f, ";{}", self.transport)?;
        for (name, value) in &self.parameters {
            write!(f, ";{name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// The text is not an MSRP URI, or not a path of them.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// The scheme is neither `msrp` nor `msrps`.
    #[error("the scheme is neither msrp nor msrps")]
    Scheme,
    /// Longer than [`MsrpUri::MAX_LEN`].
    #[error("{0} bytes, at most {max} are read", max = MsrpUri::MAX_LEN)]
    TooLong(usize),
    /// The user part is empty, has a password, or characters that must be escaped.
    #[error("bad user part")]
    User,
    /// The host is empty or has characters that no host has.
    #[error("bad host")]
    Host,
    /// The port is not a number from 1 to 65535 (0 is read as well, for "any").
    #[error("bad port")]
    Port,
    /// An IP address without a port (RFC 4975 §6).
    #[error("an IP address needs a port")]
    AddressWithoutPort,
    /// The session id is empty or has characters that it may not have.
    #[error("bad session id")]
    SessionId,
    /// No transport parameter (RFC 4975 §6), or not a word.
    #[error("no transport parameter")]
    Transport,
    /// A parameter is not `token` or `token=token`.
    #[error("bad parameter")]
    Parameter,
    /// A path without a URI.
    #[error("a path needs a URI")]
    EmptyPath,
    /// A path with more URIs than [`MsrpPath::MAX_HOPS`].
    #[error("more than {max} URIs in a path", max = MsrpPath::MAX_HOPS)]
    TooManyHops,
}

/// The way to an end: relays first, the end itself last (RFC 4975 §5.2). The value of To-Path, From-Path, Use-Path and
/// of the SDP attribute `path`. Has at least one URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MsrpPath(Vec<MsrpUri>);

impl MsrpPath {
    /// The most URIs in a path. 16: one relay on each side is what is deployed.
    pub const MAX_HOPS: usize = 16;

    /// A path of relays and, last, the end.
    ///
    /// # Errors
    /// When there is no URI, or more than [`MAX_HOPS`](Self::MAX_HOPS).
    pub fn new(uris: impl IntoIterator<Item = MsrpUri>) -> Result<Self, UriError> {
        let uris: Vec<_> = uris.into_iter().take(Self::MAX_HOPS + 1).collect();
        match uris.len() {
            0 => Err(UriError::EmptyPath),
            hops if hops > Self::MAX_HOPS => Err(UriError::TooManyHops),
            _ => Ok(Self(uris)),
        }
    }

    /// The URI that is visited first: whom to connect to.
    pub fn first(&self) -> &MsrpUri {
        &self.0[0]
    }

    /// The end itself.
    pub fn last(&self) -> &MsrpUri {
        &self.0[self.0.len() - 1]
    }

    /// All URIs, first to last.
    pub fn uris(&self) -> &[MsrpUri] {
        &self.0
    }

    /// True when both have the same URIs in the same order, each by [`MsrpUri::is_equivalent`].
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a.is_equivalent(b))
    }
}

impl From<MsrpUri> for MsrpPath {
    fn from(uri: MsrpUri) -> Self {
        Self(vec![uri])
    }
}

impl FromStr for MsrpPath {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let mut uris = Vec::new();
        for word in text.split_ascii_whitespace() {
            if uris.len() == Self::MAX_HOPS {
                return Err(UriError::TooManyHops);
            }
            uris.push(word.parse()?);
        }
        Self::new(uris)
    }
}

impl fmt::Display for MsrpPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, uri) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            uri.fmt(f)?;
        }
        Ok(())
    }
}

fn check(text: &str, allowed: impl Fn(u8) -> bool, error: UriError) -> Result<(), UriError> {
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(error);
    }
    Ok(())
}

fn split_host_port(text: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, port) = if text.starts_with('[') {
        let end = text.find(']').ok_or(UriError::Host)? + 1;
        let (host, rest) = text.split_at(end);
        let address = &host[1..end - 1];
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(UriError::Host);
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(UriError::Host),
        }
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        check(
            host,
            |byte| is_unreserved(byte) || is_sub_delim(byte) || byte == b'%',
            UriError::Host,
        )?;
        (host, port)
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| UriError::Port)?)
        }
        Some(_) => return Err(UriError::Port),
        None => None,
    };
    Ok((host, port))
}

fn parameter(text: &str) -> Result<(Box<str>, Option<Box<str>>), UriError> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    for token in std::iter::once(name).chain(value) {
        check(token, is_parameter_char, UriError::Parameter)?;
    }
    Ok((name.into(), value.map(Into::into)))
}

/// Hosts as case-insensitive text, with needless escapes undone (RFC 3986 §6.2.2.2).
fn same_host(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
        || ((a.contains('%') || b.contains('%')) && unescape(a).eq_ignore_ascii_case(&unescape(b)))
}

fn unescape(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|byte| is_unreserved(*byte));
        plain.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    plain
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn is_sub_delim(byte: u8) -> bool {
    b"!$&'()*+,=".contains(&byte)
}

fn is_user_char(byte: u8) -> bool {
    is_unreserved(byte) || is_sub_delim(byte) || b";%".contains(&byte)
}

fn is_session_char(byte: u8) -> bool {
    is_unreserved(byte) || b"+=/".contains(&byte)
}

/// `token` without the marks that would end a parameter.
fn is_parameter_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte)
}

#[cfg(test)]
mod tests;
