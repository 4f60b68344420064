//! Header fields: the multimap that keeps them as they came, and a type for each that has structure
//! (RFC 3261 §20 and the RFCs named in each file).

mod map;
mod name;
mod typed;
mod typed_all;

mod address;
mod auth;
mod basic;
mod cseq;
mod date;
mod event;
mod info_uri;
mod media;
mod params;
mod rack;
mod reason;
mod replaces;
mod tally;
mod text;
mod timestamp;
mod timing;
mod token_params;
mod tokens;
mod via;

pub use address::{
    Contact, Diversion, From, HistoryInfo, NameAddr, PAssertedIdentity, PAssociatedUri, PPreferredIdentity,
    Path, RecordRoute, ReferTo, ReferredBy, ReplyTo, Route, ServiceRoute, To,
};
pub use auth::{
    AuthText, AuthenticationInfo, Authorization, ProxyAuthenticate, ProxyAuthorization, WwwAuthenticate,
};
pub use basic::{
    CallId, ContentLength, Expires, FlowTimer, InReplyTo, MaxBreadth, MaxForwards, MinExpires, RSeq,
};
pub use cseq::CSeq;
pub use date::Date;
pub use event::{Event, SubscriptionState, Substate};
pub use info_uri::{AlertInfo, CallInfo, ErrorInfo};
pub use map::{Field, Headers};
pub use media::{Accept, ContentDisposition, ContentType, MediaType};
pub use name::HeaderName;
pub use params::Params;
pub use rack::RAck;
pub use reason::{Reason, Warning};
pub use replaces::{Join, Replaces, TargetDialog};
pub use text::{
    ContentId, ContentTransferEncoding, Organization, Priority, Server, SipEtag, SipIfMatch, Subject,
    UserAgent,
};
pub use timestamp::{MimeVersion, Timestamp};
pub use timing::{MinSe, Refresher, RetryAfter, SessionExpires};
pub use token_params::{
    AcceptContact, AcceptEncoding, AcceptLanguage, AnswerMode, InfoPackage, RecvInfo, ReferSub, RejectContact,
};
pub use tokens::{
    Allow, AllowEvents, ContentEncoding, ContentLanguage, Privacy, ProxyRequire, RequestDisposition, Require,
    Supported, Unsupported,
};
pub use typed::{HeaderError, HeaderValue, TypedHeader};
pub use typed_all::TypedAll;
pub use via::{Via, ViaTransport};

pub(crate) use map::{Entry, Place};
pub(crate) use name::{lookup, lookup_usual};
pub(crate) use tally::Tally;

use std::borrow::Cow;

use bytes::BytesMut;

/// Appends `value` in decimal.
pub(crate) fn write_number(out: &mut BytesMut, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `text` as a quoted string (RFC 3261 §25.1).
pub fn quote(text: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(b"\"");
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.extend_from_slice(b"\\");
        }
        out.extend_from_slice(&[byte]);
    }
    out.extend_from_slice(b"\"");
}

/// The text of a quoted string without quotes and escapes; anything else as it is.
pub fn unquote(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return Cow::Borrowed(text);
    };
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(if byte == b'\\' {
            *bytes.next().unwrap_or(&b'\\')
        } else {
            byte
        });
    }
    Cow::Owned(plain)
}

/// `qvalue` in thousandths (RFC 3261 §25.1): `0.7` is 700.
pub(crate) fn q_thousandths(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    let mut value = match whole {
        b"0" => 0,
        b"1" => 1000,
        _ => return None,
    };
    let mut unit = 100;
    for digit in fraction {
        if !digit.is_ascii_digit() || unit == 0 {
            return None;
        }
        value += u16::from(digit - b'0') * unit;
        unit /= 10;
    }
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests;
