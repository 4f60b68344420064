//! Request line and status line (RFC 3261 §7.1, §7.2).

use std::ops::Range;

use super::{ParseErrorKind, Policy, lex};
use crate::message::StatusCode;

/// The first line of a message, as ranges of it.
#[derive(Clone, Debug)]
pub(crate) enum StartLine {
    Request {
        method: Range<usize>,
        uri: Range<usize>,
    },
    Status {
        status: StatusCode,
        reason: Range<usize>,
    },
}

const VERSION: &[u8] = b"SIP/2.0";

/// Reads the line in `range`. Exactly one space stands between the parts of a request line: RFC 4475 §3.1.2.8
/// to §3.1.2.10 show what accepting more leads to.
pub(crate) fn read(
    bytes: &[u8],
    range: Range<usize>,
    policy: Policy,
) -> Result<StartLine, (usize, ParseErrorKind)> {
    let bad = (range.start, ParseErrorKind::BadStartLine);
    let line = &bytes[range.clone()];
    let space = memchr::memchr(b' ', line).ok_or(bad)?;
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        return read_status(bytes, range, space, policy);
    }
    if !lex::is_token(&line[..space]) {
        return Err(bad);
    }
    let uri = space + 1;
    let uri_end = uri + memchr::memchr(b' ', &line[uri..]).ok_or(bad)?;
    if uri_end == uri || line[uri..uri_end].contains(&b'\t') {
        return Err(bad);
    }
    let version = &line[uri_end + 1..];
    if version != VERSION && !version.eq_ignore_ascii_case(VERSION) {
        let other = (range.start + uri_end + 1, ParseErrorKind::UnsupportedVersion);
        return Err(if is_version(version) { other } else { bad });
    }
    Ok(StartLine::Request {
        method: range.start..range.start + space,
        uri: range.start + uri..range.start + uri_end,
    })
}

fn read_status(
    bytes: &[u8],
    range: Range<usize>,
    space: usize,
    policy: Policy,
) -> Result<StartLine, (usize, ParseErrorKind)> {
    let line = &bytes[range.clone()];
    if !line[..space].eq_ignore_ascii_case(VERSION) {
        let kind = if is_version(&line[..space]) {
            ParseErrorKind::UnsupportedVersion
        } else {
            ParseErrorKind::BadStartLine
        };
        return Err((range.start, kind));
    }
    let code = space + 1;
    let digits = line[code..].iter().take_while(|b| b.is_ascii_digit()).count();
    let bad = (range.start + code, ParseErrorKind::BadStatus);
    if digits != 3 {
        return Err(bad);
    }
    let number = line[code..code + 3]
        .iter()
        .fold(0, |n, digit| n * 10 + u16::from(digit - b'0'));
    let status = StatusCode::new(number).ok_or(bad)?;
    let reason = match line.get(code + 3) {
        None if policy == Policy::Lenient => code + 3,
        Some(b' ') => code + 4,
        _ => return Err(bad),
    };
    Ok(StartLine::Status {
        status,
        reason: range.start + reason..range.end,
    })
}

/// `"SIP" "/" 1*DIGIT "." 1*DIGIT`
fn is_version(text: &[u8]) -> bool {
    let Some((b"SIP/" | b"sip/", number)) = text.split_at_checked(4) else {
        return false;
    };
    let mut parts = number.split(|&b| b == b'.');
    let digits =
        |part: Option<&[u8]>| part.is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit));
    digits(parts.next()) && digits(parts.next()) && parts.next().is_none()
}

/// The method of a request whose first line is broken behind it; `None` for what looks like a response.
pub(crate) fn method_of_broken(bytes: &[u8], line: Range<usize>) -> Option<Range<usize>> {
    let text = &bytes[line.clone()];
    let end = text.iter().position(|&b| lex::is_ws(b))?;
    (lex::is_token(&text[..end])).then_some(line.start..line.start + end)
}
