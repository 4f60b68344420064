//! Writes heads and end-lines.

use super::{ByteRange, Continuation, Method, StatusCode, TransactionId};
use bytes::BytesMut;
use std::fmt::Write as _;

/// Writes one chunk's head in order: start line, paths, header fields, and at last either an end-line or the begin of a
/// body. Bodies are appended by the caller, then [`write_end_line`] ends the chunk.
///
/// ```
/// use bytes::BytesMut;
/// use offhook_msrp::chunk::{ByteRange, Continuation, HeadWriter, Method, write_end_line};
///
/// let id = "a786hjs2".parse()?;
/// let mut out = BytesMut::new();
/// HeadWriter::request(&mut out, &id, &Method::Send, "msrp://b.test:1/x;tcp", "msrp://a.test:1/y;tcp")?
///     .field("Message-ID", "87652491")?
///     .byte_range(ByteRange::whole(3))
///     .content_type("text/plain")?;
/// out.extend_from_slice(b"Hi!");
/// write_end_line(&mut out, &id, true, Continuation::Last);
/// assert!(out.ends_with(b"Content-Type: text/plain\r\n\r\nHi!\r\n-------a786hjs2$\r\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a head is finished by `end` or `content_type`"]
pub struct HeadWriter<'a> {
    out: &'a mut BytesMut,
    id: TransactionId,
}

impl<'a> HeadWriter<'a> {
    /// Begins a request. The paths are texts of URIs, as a [`MsrpPath`](crate::MsrpPath) prints.
    ///
    /// # Errors
    /// When the method or a path has line breaks.
    pub fn request(
        out: &'a mut BytesMut,
        id: &TransactionId,
        method: &Method,
        to_path: &str,
        from_path: &str,
    ) -> Result<Self, BadField> {
        for value in [method.as_str(), to_path, from_path] {
            check_value(value)?;
        }
        put(out, &[b"MSRP ", id.as_bytes(), b" ", method.as_str().as_bytes()]);
        Ok(Self { out, id: *id }.paths(to_path, from_path))
    }

    /// Begins a response (RFC 4975 §7.2).
    ///
    /// # Errors
    /// When a path has line breaks.
    pub fn response(
        out: &'a mut BytesMut,
        id: &TransactionId,
        status: StatusCode,
        to_path: &str,
        from_path: &str,
    ) -> Result<Self, BadField> {
        for value in [to_path, from_path] {
            check_value(value)?;
        }
        put(out, &[b"MSRP ", id.as_bytes(), b" "]);
        push_number(out, u64::from(status.code()));
        if !status.comment().is_empty() {
            put(out, &[b" ", status.comment().as_bytes()]);
        }
        Ok(Self { out, id: *id }.paths(to_path, from_path))
    }

    fn paths(self, to_path: &str, from_path: &str) -> Self {
        put(
            self.out,
            &[
                b"\r\nTo-Path: ",
                to_path.as_bytes(),
                b"\r\nFrom-Path: ",
                from_path.as_bytes(),
                b"\r\n",
            ],
        );
        self
    }

    /// Adds a header field.
    ///
    /// # Errors
    /// When the name is no name or the value has line breaks or other control characters.
    pub fn field(self, name: &str, value: &str) -> Result<Self, BadField> {
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(BadField);
        }
        check_value(value)?;
        put(self.out, &[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        Ok(self)
    }

    /// Adds Byte-Range.
    pub fn byte_range(self, range: ByteRange) -> Self {
        let out = &mut *self.out;
        out.extend_from_slice(b"Byte-Range: ");
        push_number(out, range.start);
        out.extend_from_slice(b"-");
        push_number_or_star(out, range.end);
        out.extend_from_slice(b"/");
        push_number_or_star(out, range.total);
        out.extend_from_slice(b"\r\n");
        self
    }

    /// Ends a chunk that has no body.
    pub fn end(self, flag: Continuation) {
        write_end_line(self.out, &self.id, false, flag);
    }

    /// Adds Content-Type, which is the last header field, and begins the body.
    ///
    /// # Errors
    /// When the type has line breaks or other control characters.
    pub fn content_type(self, content_type: &str) -> Result<(), BadField> {
        check_value(content_type)?;
        put(
            self.out,
            &[b"Content-Type: ", content_type.as_bytes(), b"\r\n\r\n"],
        );
        Ok(())
    }
}

/// Writes an end-line: seven hyphens, the identifier and the flag, after a CRLF if a body precedes it.
pub fn write_end_line(out: &mut BytesMut, id: &TransactionId, after_body: bool, flag: Continuation) {
    let line_break: &[u8] = if after_body { b"\r\n" } else { b"" };
    put(
        out,
        &[line_break, b"-------", id.as_bytes(), &[flag.as_byte()], b"\r\n"],
    );
}

/// A header field cannot be written: its name is no name, or its value would break the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a header field with characters that it may not have")]
pub struct BadField;

pub(crate) fn check_value(value: &str) -> Result<(), BadField> {
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(BadField);
    }
    Ok(())
}

fn put(out: &mut BytesMut, parts: &[&[u8]]) {
    out.reserve(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn push_number(out: &mut BytesMut, number: u64) {
    // Writing to memory does not fail.
    let _ = write!(out, "{number}");
}

fn push_number_or_star(out: &mut BytesMut, number: Option<u64>) {
    match number {
        Some(number) => push_number(out, number),
        None => out.extend_from_slice(b"*"),
    }
}
