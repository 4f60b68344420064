//! `a=extmap`: extensions of the RTP header (RFC 8285 §5).

use super::lex::{decimal, is_visible};
use super::typed::typed_attribute;
use crate::{Direction, Text};
use std::fmt;

/// What a header extension's identifier stands for (RFC 8285 §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExtMap {
    /// 1 to 14 in one-byte headers, 1 to 256 in two-byte headers; 4096 to 4351 offer what the answer has to number
    /// (RFC 8285 §7).
    pub id: u16,
    /// Which way it is used; `None` as the section says.
    pub direction: Option<Direction>,
    /// Which extension it is.
    pub uri: Text,
    /// The extension's own parameters.
    pub parameters: Option<Text>,
}

impl ExtMap {
    fn read(value: &str) -> Option<Self> {
        let (entry, rest) = value.split_once(' ')?;
        let (id, direction) = match entry.split_once('/') {
            Some((id, direction)) => (id, Some(direction.parse().ok()?)),
            None => (entry, None),
        };
        let rest = rest.trim();
        let (uri, parameters) = match rest.split_once(' ') {
            Some((uri, parameters)) => (uri, Some(parameters.trim().into())),
            None => (rest, None),
        };
        Some(Self {
            id: decimal(id).filter(|id| matches!(id, 1..=256 | 4096..=4351))?,
            direction,
            uri: Some(uri)
                .filter(|uri| is_visible(uri) && uri.contains(':'))?
                .into(),
            parameters,
        })
    }
}

typed_attribute!(ExtMap, "extmap");

impl fmt::Display for ExtMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(direction) = self.direction {
            write!(f, "/{direction}")?;
        }
        write!(f, " {}", self.uri)?;
        match &self.parameters {
            Some(parameters) => write!(f, " {parameters}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read_and_written_back() {
        // RFC 8285 §5, §7
        for value in [
            "1 http://example.com/082005/ext.htm#ttime",
            "2/sendrecv http://example.com/082005/ext.htm#xmeta short",
            "4096 urn:gps-string",
            "1 urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on",
        ] {
            assert_eq!(value.parse::<ExtMap>().unwrap().to_string(), value);
        }
    }

    #[test]
    fn identifiers_out_of_range_and_missing_parts_are_malformed() {
        for value in [
            "",
            "1",
            "1 ",
            "0 urn:x",
            "257 urn:x",
            "4095 urn:x",
            "4352 urn:x",
            "1/both urn:x",
            "1 x",
        ] {
            assert!(value.parse::<ExtMap>().is_err(), "{value}");
        }
    }
}
