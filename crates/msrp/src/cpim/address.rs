//! Who sent a message, or gets it.

use super::CpimError;
use super::escape::{escape, unescape};
use std::fmt;
use std::str::FromStr;

/// A URI with an optional name (RFC 3862 §4.1): `Alice <sip:alice@a.test>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    name: Option<String>,
    uri: String,
}

impl Address {
    /// An address without a name. Characters that no URI has are left out.
    pub fn new(uri: &str) -> Self {
        Self {
            name: None,
            uri: clean_uri(uri),
        }
    }

    /// The address with a name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The URI.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl FromStr for Address {
    type Err = CpimError;

    fn from_str(text: &str) -> Result<Self, CpimError> {
        let bad = CpimError::Address;
        let (name, uri) = text
            .trim()
            .strip_suffix('>')
            .and_then(|text| text.rsplit_once('<'))
            .ok_or(bad)?;
        if uri.is_empty() || uri.contains(is_in_no_uri) {
            return Err(bad);
        }
        let name = name.trim();
        let name = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'))
            .unwrap_or(name);
        Ok(Self {
            name: (!name.is_empty()).then(|| unescape(name).into_owned()),
            uri: uri.to_owned(),
        })
    }
}

impl fmt::Display for Address {
    /// The name is quoted always: a quoted one may have any character.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "\"{}\" ", escape(name).replace('"', "\\\""))?;
        }
        write!(f, "<{}>", self.uri)
    }
}

/// A URI without the characters that no URI has.
pub(super) fn clean_uri(uri: &str) -> String {
    uri.replace(is_in_no_uri, "")
}

fn is_in_no_uri(character: char) -> bool {
    character.is_control() || "<> \"\\".contains(character)
}
