//! A header field of the content.

/// A MIME header field (RFC 3862 §2.4), kept as it is on the wire: it is part of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MimeField {
    /// Folded or not, without the last line break.
    text: String,
    /// Unfolded, without blanks around.
    value: String,
}

impl MimeField {
    /// Reads a header field, folded or not.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(':')?;
        if name.trim_end().is_empty() || name.starts_with([' ', '\t']) {
            return None;
        }
        Some(Self {
            text: text.to_owned(),
            value: value.replace("\r\n", "").trim_matches([' ', '\t']).to_owned(),
        })
    }

    /// A header field in one line. `None` when nothing is left of the name without the characters that no name has.
    pub(super) fn new(name: &str, value: &str) -> Option<Self> {
        let is_in_name = |found: &char| found.is_ascii_graphic() && *found != ':';
        let name: String = name.chars().filter(is_in_name).collect();
        let value = value.replace(|found: char| found.is_control(), " ");
        Self::parse(&format!("{name}: {}", value.trim_matches(' ')))
    }

    /// As on the wire, without the last line break.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// True when it has this name, in any case.
    pub(super) fn is(&self, name: &str) -> bool {
        let own = self.text.split(':').next().unwrap_or_default();
        own.trim_end().eq_ignore_ascii_case(name)
    }

    /// The value.
    pub(super) fn value(&self) -> &str {
        &self.value
    }
}
