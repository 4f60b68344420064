//! From types to text.

use crate::{Bandwidth, Media, SessionDescription};
use std::fmt::{self, Write};

impl fmt::Display for SessionDescription {
    /// Writes the whole description, each line ended by CRLF (RFC 8866 §5, §9).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v=0\r\no={}\r\n", self.origin)?;
        line(f, "s=", if self.name.is_empty() { "-" } else { &self.name })?;
        information(f, self.info.as_deref())?;
        optional(f, "u=", self.uri.as_deref())?;
        for email in &self.emails {
            line(f, "e=", email)?;
        }
        for phone in &self.phones {
            line(f, "p=", phone)?;
        }
        if let Some(connection) = &self.connection {
            write!(f, "c={connection}\r\n")?;
        }
        bandwidths(f, &self.bandwidths)?;
        for timing in std::iter::once(&self.timing).chain(&self.more_timings) {
            write!(f, "t={timing}\r\n")?;
            for repeat in &timing.repeats {
                write!(f, "r={repeat}\r\n")?;
            }
        }
        for (at, zone) in self.zones.iter().enumerate() {
            write!(f, "{}{zone}", if at == 0 { "z=" } else { " " })?;
        }
        if !self.zones.is_empty() {
            f.write_str("\r\n")?;
        }
        optional(f, "k=", self.key.as_deref())?;
        f.write_str(self.attributes.as_str())?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for Media {
    /// Writes the section: its `m=` line and the lines that belong to it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind, self.port)?;
        if self.port_count > 1 {
            write!(f, "/{}", self.port_count)?;
        }
        f.write_char(' ')?;
        f.write_str(&self.protocol)?;
        if !self.formats.is_empty() {
            write!(f, " {}", self.formats)?;
        }
        f.write_str("\r\n")?;
        information(f, self.info.as_deref())?;
        for connection in self.connection.iter().chain(&self.more_connections) {
            write!(f, "c={connection}\r\n")?;
        }
        bandwidths(f, &self.bandwidths)?;
        optional(f, "k=", self.key.as_deref())?;
        f.write_str(self.attributes.as_str())
    }
}

fn line(f: &mut fmt::Formatter<'_>, field: &str, value: &str) -> fmt::Result {
    f.write_str(field)?;
    f.write_str(value)?;
    f.write_str("\r\n")
}

fn optional(f: &mut fmt::Formatter<'_>, field: &str, value: Option<&str>) -> fmt::Result {
    value.map_or(Ok(()), |value| line(f, field, value))
}

/// An empty text is no line: the RFC wants at least one byte in it.
fn information(f: &mut fmt::Formatter<'_>, value: Option<&str>) -> fmt::Result {
    optional(f, "i=", value.filter(|value| !value.is_empty()))
}

fn bandwidths(f: &mut fmt::Formatter<'_>, list: &[Bandwidth]) -> fmt::Result {
    list.iter()
        .try_for_each(|bandwidth| write!(f, "b={bandwidth}\r\n"))
}
