//! Both header sections of a body, and the lines they are made of.

use super::{CpimError, CpimLimits};

/// Reads header fields from the beginning of bytes, as long as the limits allow.
pub(super) struct Head<'a> {
    bytes: &'a [u8],
    /// Where the next line begins.
    at: usize,
    fields: usize,
    limits: &'a CpimLimits,
}

impl<'a> Head<'a> {
    pub(super) fn new(bytes: &'a [u8], limits: &'a CpimLimits) -> Self {
        Self {
            bytes,
            at: 0,
            fields: 0,
            limits,
        }
    }

    /// Where the content begins, when both sections are read.
    pub(super) fn len(&self) -> usize {
        self.at
    }

    /// The header fields of a message up to the empty line: each in one line (RFC 3862 §2.2).
    pub(super) fn message<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, CpimError> {
        self.section(false, read)
    }

    /// The header fields of MIME up to the empty line: a line that begins with a blank goes on with the one before (§2.4, RFC
    /// 5322 §2.2.3). They come as they are, with the line breaks inside.
    pub(super) fn mime<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, CpimError> {
        self.section(true, read)
    }

    fn section<T>(&mut self, is_folded: bool, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, CpimError> {
        let mut fields = Vec::new();
        loop {
            let start = self.at;
            self.skip_line()?;
            if self.at == start + 2 {
                return Ok(fields);
            }
            while is_folded && matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
                self.skip_line()?;
            }
            let at = self.at;
            let text = str::from_utf8(&self.bytes[start..at - 2]).map_err(|_| CpimError::NotText { at })?;
            fields.push(read(text).ok_or(CpimError::Header { at })?);
            self.fields += 1;
            if self.fields > self.limits.headers {
                return Err(CpimError::TooMany(self.limits.headers));
            }
        }
    }

    fn skip_line(&mut self) -> Result<(), CpimError> {
        let end = memchr::memmem::find(&self.bytes[self.at..], b"\r\n");
        self.at += end.ok_or(CpimError::NoEnd)? + 2;
        if self.at > self.limits.head_bytes {
            return Err(CpimError::TooLong(self.limits.head_bytes));
        }
        Ok(())
    }
}
