//! Equality of SIP URIs (RFC 3261 §19.1.4).

use super::escape::escaped_byte;
use super::{SipUri, params, unescape};
use crate::parse::lex;

/// Parameters that must be in both URIs or in neither.
const SIGNIFICANT: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];

impl SipUri {
    /// Equality of RFC 3261 §19.1.4: user and password compare with case, all else without; a `transport`,
    /// `user`, `ttl`, `method` or `maddr` parameter in one only makes them differ, as do other parameters in
    /// both with different values; all headers must match in any order. Not transitive, so no `Eq`.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.is_secure() == other.is_secure()
            && same_text(self.userinfo(), other.userinfo(), false)
            && self.host() == other.host()
            && self.port() == other.port()
            && same_params(self, other)
            && same_headers(self, other)
    }
}

fn same_params(a: &SipUri, b: &SipUri) -> bool {
    SIGNIFICANT
        .iter()
        .all(|name| a.param(name).is_some() == b.param(name).is_some())
        && shared_params_agree(a, b)
        && shared_params_agree(b, a)
}

/// Whether each parameter of `a` that `b` has too has its value there. A name that stands there twice, which it
/// must not, has two.
fn shared_params_agree(a: &SipUri, b: &SipUri) -> bool {
    params::iter(a.params_bytes()).all(|(name, value)| {
        let mut others = params::iter(b.params_bytes())
            .filter(|(n, _)| params::same_name(n, name))
            .peekable();
        others.peek().is_none() || others.any(|(_, v)| same_text(v.as_bytes(), value.as_bytes(), true))
    })
}

fn same_headers(a: &SipUri, b: &SipUri) -> bool {
    let has = |uri: &SipUri, name: &str, value: &str| {
        uri.headers().any(|(n, v)| {
            same_text(n.as_bytes(), name.as_bytes(), true)
                && unescape(v.as_bytes()) == unescape(value.as_bytes())
        })
    };
    a.headers().count() == b.headers().count()
        && a.headers().all(|(name, value)| has(b, name, value))
        && b.headers().all(|(name, value)| has(a, name, value))
}

/// Compares text in which `%HH` equals the byte it stands for, unless that byte is a reserved one: `%3B` and
/// `;` differ (RFC 3261 §19.1.4, RFC 2396 §2.2).
fn same_text(a: &[u8], b: &[u8], any_case: bool) -> bool {
    let fold =
        |(byte, escaped): (u8, bool)| (if any_case { byte.to_ascii_lowercase() } else { byte }, escaped);
    units(a).map(fold).eq(units(b).map(fold))
}

/// The bytes of `text` with escapes resolved; `true` marks an escaped reserved byte.
fn units(text: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let mut pos = 0;
    std::iter::from_fn(move || {
        let rest = text.get(pos..)?;
        if let Some(byte) = escaped_byte(rest) {
            pos += 3;
            return Some((byte, !lex::is_token_byte(byte)));
        }
        pos += 1;
        rest.first().map(|&byte| (byte, false))
    })
}
