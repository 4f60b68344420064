//! SIP and SIPS URIs (RFC 3261 §19.1).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};

use super::{Host, Uri, UriError, escape, host_end, unescape};
use crate::header::Params;
use crate::message::Method;
use crate::parse::lex;

/// `sip:user:password@host:port;params?headers`, kept as text with its parts marked.
///
/// ```
/// use offhook_sip_core::SipUri;
/// let uri: SipUri = "sip:alice:pw@a.test:5070;transport=tcp;lr?subject=x".parse().unwrap();
/// assert_eq!((uri.user(), uri.host_str(), uri.port()), (Some("alice"), "a.test", Some(5070)));
/// assert_eq!(uri.transport(), Some("tcp"));
/// assert!(uri.lr());
/// let plain = SipUri::new("b.test".parse().unwrap()).with_user("bob").with_port(5080);
/// assert_eq!(plain.to_string(), "sip:bob@b.test:5080");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SipUri {
    raw: Bytes,
    parts: Parts,
}

/// Where the parts of a URI stand in its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Parts {
    /// Where the user ends; at the scheme's colon + 1 where there is none.
    user_end: u16,
    host: u16,
    host_end: u16,
    params: u16,
    /// Where the parameters end and `?` or nothing follows.
    params_end: u16,
    port: Option<u16>,
    secure: bool,
}

impl SipUri {
    /// `sip:host`.
    pub fn new(host: Host) -> Self {
        Self::build(false, b"", &host.into_bytes(), None, b"", b"")
    }

    /// `sip:user@host:port` with the user escaped as needed; without one where `user` is empty.
    pub(crate) fn of_user(user: &str, host: Host, port: Option<u16>) -> Self {
        let user = escape::escape_user(user);
        Self::build(false, user.as_bytes(), &host.into_bytes(), port, b"", b"")
    }

    /// Reads a URI, keeping `raw` as its storage.
    ///
    /// # Errors
    /// Where it is no URI of RFC 3261 §25.1. Tolerated beyond it: what [`Uri::deviation`] names.
    pub fn parse(raw: Bytes) -> Result<Self, UriError> {
        if !super::is_sip(&raw) {
            return Err(UriError::NoScheme);
        }
        let parts = Parts::find(&raw)?;
        Ok(Self { raw, parts })
    }

    /// Text whose parts have been found.
    pub(super) fn from_checked(raw: Bytes, parts: Parts) -> Self {
        Self { raw, parts }
    }

    /// The first byte that only [`Policy::Lenient`](crate::Policy::Lenient) lets pass.
    pub(super) fn deviation(&self) -> Option<UriError> {
        let (host, host_end) = (usize::from(self.parts.host), usize::from(self.parts.host_end));
        let hash = memchr::memchr(b'#', &self.raw[..host]);
        let offset = hash.or_else(|| memchr::memchr(b'_', &self.raw[host..host_end]).map(|at| host + at))?;
        let byte = self.raw[offset];
        Some(UriError::Unexpected { offset, byte })
    }

    /// `sip` or `sips` as it is spelt.
    pub fn scheme(&self) -> &str {
        lex::ascii(&self.raw[..self.start() - 1])
    }

    /// Whether it is a SIPS URI: every hop must be TLS.
    pub fn is_secure(&self) -> bool {
        self.parts.secure
    }

    /// The user part, escapes kept.
    pub fn user(&self) -> Option<&str> {
        let user = &self.raw[self.start()..self.parts.user_end.into()];
        (!user.is_empty()).then(|| lex::ascii(user))
    }

    /// The user part with its escapes resolved.
    pub fn user_unescaped(&self) -> Option<Cow<'_, [u8]>> {
        self.user().map(|user| unescape(user.as_bytes()))
    }

    /// The password, escapes kept. RFC 3261 §19.1.1 recommends against having one.
    pub fn password(&self) -> Option<&str> {
        let (end, host) = (usize::from(self.parts.user_end), usize::from(self.parts.host));
        (host > end + 1).then(|| lex::ascii(&self.raw[end + 1..host - 1]))
    }

    /// The host.
    pub fn host(&self) -> Host {
        Host::from_checked(
            self.raw
                .slice(usize::from(self.parts.host)..self.parts.host_end.into()),
        )
    }

    /// The host as it is spelt, IPv6 in brackets.
    pub fn host_str(&self) -> &str {
        lex::ascii(self.host_bytes())
    }

    /// The port, where one is given.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }

    /// The URI parameters.
    pub fn params(&self) -> Params {
        Params::from_checked(
            self.raw
                .slice(usize::from(self.parts.params)..self.parts.params_end.into()),
        )
    }

    /// One URI parameter's value, escapes kept; empty for one without value.
    pub fn param(&self, name: &str) -> Option<&str> {
        super::params::find(self.params_bytes(), name)
    }

    /// `transport`: `udp`, `tcp`, `tls`, `sctp`, `ws`; compare without regard to case.
    pub fn transport(&self) -> Option<&str> {
        self.param("transport")
    }

    /// `lr`: this proxy does loose routing.
    pub fn lr(&self) -> bool {
        self.param("lr").is_some()
    }

    /// `maddr`: the address to send to instead of the host.
    pub fn maddr(&self) -> Option<&str> {
        self.param("maddr")
    }

    /// `method`: of the request that the URI asks for.
    pub fn method(&self) -> Option<Method> {
        Method::new(self.param("method")?)
    }

    /// `ttl`: for a multicast `maddr`.
    pub fn ttl(&self) -> Option<u8> {
        self.param("ttl")?.parse().ok()
    }

    /// `user=phone`: the user part is a telephone number.
    pub fn is_phone(&self) -> bool {
        self.param("user")
            .is_some_and(|kind| kind.eq_ignore_ascii_case("phone"))
    }

    /// The headers part behind `?`, escapes kept; empty where there is none.
    pub fn headers_str(&self) -> &str {
        lex::ascii(
            self.raw
                .get(usize::from(self.parts.params_end) + 1..)
                .unwrap_or_default(),
        )
    }

    /// Name and value of each header that the URI asks for, escapes kept.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers_str()
            .split('&')
            .filter_map(|header| header.split_once('='))
    }

    /// The whole text.
    pub fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        lex::ascii(&self.raw)
    }

    /// The same as SIPS (`true`) or SIP URI.
    #[must_use]
    pub fn with_secure(&self, secure: bool) -> Self {
        Self::build(
            secure,
            self.userinfo(),
            self.host_bytes(),
            self.parts.port,
            self.params_bytes(),
            self.tail(),
        )
    }

    /// The same with this user, escaped as needed; without one where `user` is empty. The password goes.
    #[must_use]
    pub fn with_user(&self, user: &str) -> Self {
        let user = escape::escape_user(user);
        Self::build(
            self.parts.secure,
            user.as_bytes(),
            self.host_bytes(),
            self.parts.port,
            self.params_bytes(),
            self.tail(),
        )
    }

    /// The same at this host.
    #[must_use]
    pub fn with_host(&self, host: &Host) -> Self {
        let host = host.to_bytes();
        Self::build(
            self.parts.secure,
            self.userinfo(),
            &host,
            self.parts.port,
            self.params_bytes(),
            self.tail(),
        )
    }

    /// The same with this port, or with none.
    #[must_use]
    pub fn with_port(&self, port: impl Into<Option<u16>>) -> Self {
        let host = self.host_bytes();
        Self::build(
            self.parts.secure,
            self.userinfo(),
            host,
            port.into(),
            self.params_bytes(),
            self.tail(),
        )
    }

    /// The same with this parameter set; the value is escaped as needed.
    #[must_use]
    pub fn with_param(&self, name: &str, value: &str) -> Self {
        let value = escape::escape(value.as_bytes(), |b| lex::is_uri_param_byte(b) && b != b'%');
        self.with_params(|params| params.put(name, Some(value.as_bytes())))
    }

    /// The same with this parameter, without value (`lr`, `ob`, `gr`).
    #[must_use]
    pub fn with_flag(&self, name: &str) -> Self {
        self.with_params(|params| params.set_flag(name))
    }

    /// The same without this parameter.
    #[must_use]
    pub fn without_param(&self, name: &str) -> Self {
        self.with_params(|params| {
            params.remove(name);
        })
    }

    /// The same without headers, as a request line must have it (RFC 3261 §19.1.1).
    #[must_use]
    pub fn without_headers(&self) -> Self {
        let mut uri = self.clone();
        uri.raw.truncate(uri.parts.params_end.into());
        uri
    }

    fn with_params(&self, change: impl FnOnce(&mut Params)) -> Self {
        let mut params = self.params();
        change(&mut params);
        let params = params.as_bytes();
        Self::build(
            self.parts.secure,
            self.userinfo(),
            self.host_bytes(),
            self.parts.port,
            params,
            self.tail(),
        )
    }

    fn build(
        secure: bool,
        userinfo: &[u8],
        host: &[u8],
        port: Option<u16>,
        params: &[u8],
        tail: &[u8],
    ) -> Self {
        let mut raw = BytesMut::with_capacity(userinfo.len() + host.len() + params.len() + tail.len() + 16);
        raw.extend_from_slice(if secure { b"sips:" } else { b"sip:" });
        let start = raw.len();
        let colon = memchr::memchr(b':', userinfo).unwrap_or(userinfo.len());
        raw.extend_from_slice(userinfo);
        if !userinfo.is_empty() {
            raw.extend_from_slice(b"@");
        }
        let host_start = raw.len();
        raw.extend_from_slice(host);
        let host_end = raw.len();
        if let Some(port) = port {
            raw.extend_from_slice(b":");
            crate::header::write_number(&mut raw, u64::from(port));
        }
        let params_start = raw.len();
        raw.extend_from_slice(params);
        let params_end = raw.len();
        raw.extend_from_slice(tail);
        let parts = Parts {
            user_end: (start + colon) as u16,
            host: host_start as u16,
            host_end: host_end as u16,
            params: params_start as u16,
            params_end: params_end as u16,
            port,
            secure,
        };
        Self {
            raw: raw.freeze(),
            parts,
        }
    }

    fn start(&self) -> usize {
        4 + usize::from(self.parts.secure)
    }

    /// User and password without the `@`.
    pub(super) fn userinfo(&self) -> &[u8] {
        let end = usize::from(self.parts.host).saturating_sub(1).max(self.start());
        &self.raw[self.start()..end]
    }

    fn host_bytes(&self) -> &[u8] {
        &self.raw[self.parts.host.into()..self.parts.host_end.into()]
    }

    pub(super) fn params_bytes(&self) -> &[u8] {
        &self.raw[self.parts.params.into()..self.parts.params_end.into()]
    }

    /// `?headers`, or nothing.
    fn tail(&self) -> &[u8] {
        &self.raw[self.parts.params_end.into()..]
    }
}

impl Parts {
    /// Finds and checks them in `text`, which begins with `sip:` or `sips:`.
    #[inline]
    pub(super) fn find(text: &[u8]) -> Result<Self, UriError> {
        if text.len() > usize::from(u16::MAX) {
            return Err(UriError::TooLong { len: text.len() });
        }
        let secure = text[3] != b':';
        let start = 4 + usize::from(secure);
        let (user_end, host) = read_userinfo(text, start)?;
        let host_end = host + host_end(&text[host..]).ok_or(UriError::BadHost { offset: host })?;
        let (port, params) = read_port(text, host_end)?;
        let params_end = check_params(text, params)?;
        check_headers(text, params_end)?;
        Ok(Self {
            user_end: user_end as u16,
            host: host as u16,
            host_end: host_end as u16,
            params: params as u16,
            params_end: params_end as u16,
            port,
            secure,
        })
    }
}

/// Reads `user[:password]@`, if it is there, and says where the user ends and the host begins.
#[inline]
fn read_userinfo(text: &[u8], start: usize) -> Result<(usize, usize), UriError> {
    // Most often a user without password and escapes, or a host name and no user at all.
    let end = start + lex::plain_user_len(&text[start..]);
    match text.get(end) {
        Some(b'@') if end > start => return Ok((end, end + 1)),
        None => return Ok((start, start)),
        _ => {}
    }
    match memchr::memchr(b'@', &text[start..]) {
        Some(at) => Ok((check_userinfo(text, start, start + at)?, start + at + 1)),
        None => Ok((start, start)),
    }
}

/// Checks `user[:password]` in `start..at` and says where the user ends.
fn check_userinfo(text: &[u8], start: usize, at: usize) -> Result<usize, UriError> {
    let user_end = memchr::memchr(b':', &text[start..at]).map_or(at, |colon| start + colon);
    if user_end == start {
        return Err(UriError::Missing { offset: start });
    }
    escape::check(text, start..user_end, lex::is_user_byte)?;
    if user_end < at {
        escape::check(text, user_end + 1..at, lex::is_password_byte)?;
    }
    Ok(user_end)
}

/// The port behind the host, and where it ends.
fn read_port(text: &[u8], host_end: usize) -> Result<(Option<u16>, usize), UriError> {
    if text.get(host_end) != Some(&b':') {
        return Ok((None, host_end));
    }
    let start = host_end + 1;
    let digits = text[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    let port = lex::number(&text[start..start + digits]).map_err(|_| UriError::BadPort { offset: start })?;
    Ok((Some(port), start + digits))
}

/// Checks `*(";" name ["=" value])` from `start` and says where it ends.
pub(super) fn check_params(text: &[u8], start: usize) -> Result<usize, UriError> {
    let mut pos = start;
    while text.get(pos) == Some(&b';') {
        let name = pos + 1;
        pos = uri_param_end(text, name)?;
        if pos == name {
            return Err(UriError::Missing { offset: name });
        }
        if text.get(pos) == Some(&b'=') {
            pos = uri_param_end(text, pos + 1)?;
        }
    }
    match text.get(pos) {
        None | Some(b'?') => Ok(pos),
        Some(&byte) => Err(UriError::Unexpected { offset: pos, byte }),
    }
}

/// Where the name or value of a parameter ends that begins at `start`. Escapes in it are checked.
#[inline]
fn uri_param_end(text: &[u8], start: usize) -> Result<usize, UriError> {
    let end = start + lex::plain_uri_param_len(&text[start..]);
    if text.get(end) != Some(&b'%') {
        return Ok(end);
    }
    let rest = text[end..].iter().take_while(|&&b| lex::is_uri_param_byte(b));
    let last = end + rest.count();
    escape::check(text, end..last, |_| true)?;
    Ok(last)
}

/// Checks `"?" name "=" value *("&" name "=" value)` from `start` to the end.
fn check_headers(text: &[u8], start: usize) -> Result<(), UriError> {
    if start == text.len() {
        return Ok(());
    }
    let mut offset = start + 1;
    for header in text[offset..].split(|&b| b == b'&') {
        let Some(equals) = memchr::memchr(b'=', header) else {
            return Err(UriError::Missing {
                offset: offset + header.len(),
            });
        };
        if equals == 0 {
            return Err(UriError::Missing { offset });
        }
        escape::check(text, offset..offset + equals, lex::is_uri_header_byte)?;
        escape::check(
            text,
            offset + equals + 1..offset + header.len(),
            lex::is_uri_header_byte,
        )?;
        offset += header.len() + 1;
    }
    Ok(())
}

impl FromStr for SipUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl TryFrom<Uri> for SipUri {
    type Error = UriError;

    /// # Errors
    /// [`UriError::NoScheme`] for a URI of another scheme.
    fn try_from(uri: Uri) -> Result<Self, UriError> {
        match uri {
            Uri::Sip(uri) => Ok(uri),
            _ => Err(UriError::NoScheme),
        }
    }
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
