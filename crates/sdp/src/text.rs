//! The strings that a description is made of.

use std::fmt;
use std::ops::Deref;

/// A piece of one line: never holds CR, LF or NUL, so that no value can start a line of its own.
///
/// Reads as a `str`. Up to [`Text::INLINE`] bytes are kept in place: most names and values of a description are
/// that short, and a parse therefore allocates little more than its lists. Built from a longer or unclean string
/// it allocates once; CR, LF and NUL become spaces.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; Text::INLINE] },
    Static(&'static str),
    Heap(Box<str>),
}

impl Text {
    /// Bytes that need no allocation: what makes a `Text` as large as a `String`.
    pub const INLINE: usize = 22;

    /// A text known at compile time, kept by reference.
    ///
    /// # Panics
    /// When the text holds CR, LF or NUL; in a `const` that is a compile error.
    pub const fn from_static(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(
                !breaks_line(bytes[at]),
                "CR, LF or NUL in a text of a session description"
            );
            at += 1;
        }
        Self(Repr::Static(text))
    }

    /// The text as a string slice.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Inline { len, bytes } => str_of(&bytes[..usize::from(*len)]),
            Repr::Static(text) => text,
            Repr::Heap(text) => text,
        }
    }

    /// The first bytes of a text, which are a `str` and known to be clean.
    ///
    /// Where the text goes on for long enough, a whole place is copied: a copy of known size is a few instructions,
    /// one of any size is a call. What lies behind `len` is never read.
    pub(crate) fn from_prefix(text: &[u8], len: usize) -> Self {
        debug_assert!(!text[..len].iter().copied().any(breaks_line));
        if len > Self::INLINE {
            return Self(Repr::Heap(str_of(&text[..len]).into()));
        }
        let bytes = text.first_chunk().copied().unwrap_or_else(|| {
            let mut bytes = [0; Self::INLINE];
            bytes[..len].copy_from_slice(&text[..len]);
            bytes
        });
        let len = len as u8;
        Self(Repr::Inline { len, bytes })
    }

    /// A text from a slice that is known to be clean.
    pub(crate) fn from_clean(text: &str) -> Self {
        Self::from_prefix(text.as_bytes(), text.len())
    }
}

/// Bytes of a `str`, cut out between characters.
pub(crate) fn str_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// What may not stand inside a line (RFC 8866 §9, `byte-string`).
pub(crate) const fn breaks_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

/// Where `byte` first stands. Lines and words are short: most are searched, eight bytes at a time, before `memchr` would
/// have chosen its way.
#[inline]
pub(crate) fn find(text: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let (blocks, rest) = text.as_chunks::<8>();
    for (index, block) in blocks.iter().enumerate() {
        // The lowest byte that is zero is the first hit; above it, borrows may show more.
        let differs = u64::from_le_bytes(*block) ^ (ONES * u64::from(byte));
        let hits = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
        if hits != 0 {
            return Some(index * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|other| *other == byte)?;
    Some(blocks.len() * 8 + found)
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        if text.bytes().any(breaks_line) {
            Self::from_clean(&text.replace(['\r', '\n', '\0'], " "))
        } else {
            Self::from_clean(text)
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        if text.len() > Self::INLINE && !text.bytes().any(breaks_line) {
            Self(Repr::Heap(text.into_boxed_str()))
        } else {
            Self::from(text.as_str())
        }
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<fmt::Arguments<'_>> for Text {
    fn from(text: fmt::Arguments<'_>) -> Self {
        Self::from(text.to_string())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Repr::Static(""))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_reads_back_whatever_its_length() {
        for len in (0..=23).chain([500]) {
            let text: String = (b'a'..=b'z').cycle().take(len).map(char::from).collect();
            assert_eq!(Text::from(text.as_str()), text.as_str());
            assert_eq!(Text::from(text.clone()), text.as_str());
            for after in ["", "\r\na=b", "\r\na=a longer line than the place"] {
                assert_eq!(
                    Text::from_prefix(format!("{text}{after}").as_bytes(), len),
                    text.as_str()
                );
            }
        }
        assert_eq!(Text::from_static("audio"), Text::from("audio"));
    }

    #[test]
    fn find_gives_the_first_of_several_wherever_it_stands() {
        for len in 0..20 {
            assert_eq!(find(&vec![b'a'; len], b' '), None, "{len}");
            for at in 0..len {
                let mut text = vec![b'a'; len];
                text[at..].fill(b' ');
                assert_eq!(find(&text, b' '), Some(at), "{at} of {len}");
                // A neighbour in value that a borrow from a hit below would make a hit.
                text[at..].fill(b'!');
                text[len - 1] = b' ';
                assert_eq!(find(&text, b' '), Some(len - 1), "{at} of {len}");
            }
        }
    }

    #[test]
    fn no_text_can_start_a_line_of_its_own() {
        assert_eq!(Text::from("a\r\nm=audio 9"), "a  m=audio 9");
        let long = format!("{}\n\0", "y".repeat(40));
        assert!(Text::from(long).ends_with("y  "));
    }

    #[test]
    fn a_text_is_no_larger_than_a_string() {
        assert_eq!(size_of::<Text>(), size_of::<String>());
        assert_eq!(size_of::<Option<Text>>(), size_of::<Text>());
    }
}
