//! The formats of an `m=` line.

use crate::Text;
use std::fmt;

/// The formats of a section, in order of preference (RFC 8866 §5.14): payload types for RTP, otherwise what the protocol
/// defines, often `*`.
///
/// They are kept as they stand in the line: words with one space between them.
///
/// ```
/// let mut formats: offhook_sdp::Formats = ["0", "8"].into_iter().collect();
/// formats.push("101");
/// assert_eq!(formats.to_string(), "0 8 101");
/// assert!(formats.contains("8") && !formats.contains("1"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Formats {
    words: Text,
}

impl Formats {
    /// No format.
    pub fn new() -> Self {
        Self::default()
    }

    /// Words that have one space between them.
    pub(crate) fn from_tidy(words: Text) -> Self {
        Self { words }
    }

    /// Adds a format behind the others. Several words are several formats, none is none.
    pub fn push(&mut self, format: &str) {
        *self = self.iter().chain([format]).collect();
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        words(&self.words)
    }

    /// True when the format is among them.
    pub fn contains(&self, format: &str) -> bool {
        self.iter().any(|other| other == format)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<S: AsRef<str>> FromIterator<S> for Formats {
    fn from_iter<I: IntoIterator<Item = S>>(formats: I) -> Self {
        let mut list = String::new();
        for format in formats {
            for word in words(&Text::from(format.as_ref())) {
                if !list.is_empty() {
                    list.push(' ');
                }
                list.push_str(word);
            }
        }
        Self { words: list.into() }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|word| !word.is_empty())
}

impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_word_by_word() {
        let mut formats = Formats::new();
        for word in ["0", "", "8 101", "\r\n", "9\0"] {
            formats.push(word);
        }
        assert_eq!(formats.iter().collect::<Vec<_>>(), ["0", "8", "101", "9"]);
        assert_eq!(formats.len(), 4);
        formats.clear();
        assert!(formats.is_empty());
    }
}
