//! Finding one URI parameter in checked text (RFC 3261 §19.1.1).

use super::unescape;
use crate::parse::lex;

/// The value of `name` in `;a=1;b`, empty for one without value.
pub(super) fn find<'a>(params: &'a [u8], name: &str) -> Option<&'a str> {
    iter(params)
        .find(|(n, _)| same_name(n, name))
        .map(|(_, value)| value)
}

/// Name and value of each.
pub(super) fn iter(params: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    lex::ascii(params)
        .split(';')
        .skip(1)
        .map(|param| param.split_once('=').unwrap_or((param, "")))
}

/// Names compare without case and with escapes resolved: `%6C%72` is `lr` (RFC 4475 §3.1.1.3).
pub(super) fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
        || ((a.contains('%') || b.contains('%'))
            && unescape(a.as_bytes()).eq_ignore_ascii_case(&unescape(b.as_bytes())))
}
