//! `a=file-selector`: which file is offered or asked for (RFC 5547 §6).

use super::fingerprint::HashFunction;
use super::lex::{decimal, hex_bytes, hex_digit, is_token, write_hex};
use super::typed::typed_attribute;
use crate::Text;
use std::fmt::{self, Write};

/// What is known of a file (RFC 5547 §6). Without any of it: "I can transfer files" (RFC 5547 §8.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileSelector {
    /// `name:`, without its percent-encoding. It is the peer's word: never use it as a path before its separators
    /// are taken out.
    pub name: Option<String>,
    /// `type:`: a media type; values of parameters stand in quotes, as in `text/plain;charset="utf-8"`.
    pub media_type: Option<Text>,
    /// `size:` in bytes.
    pub size: Option<u64>,
    /// `hash:` of the whole file; at most [`FileSelector::MAX_HASHES`], with different functions.
    pub hashes: Vec<FileHash>,
}

/// A digest of a whole file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileHash {
    /// What it was made with: SHA-1 in practice.
    pub hash: HashFunction,
    /// The digest, of the length that the function gives; at most [`FileHash::MAX_LEN`] bytes.
    pub digest: Vec<u8>,
}

impl FileHash {
    /// The longest digest that is read, in bytes.
    pub const MAX_LEN: usize = 128;
}

impl FileSelector {
    /// Hashes at most: one for each function there is.
    pub const MAX_HASHES: usize = 8;

    /// True when nothing is selected: a statement of capability.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True when the file that `self` asks for may be the one that `other` describes: nothing said by both differs.
    ///
    /// Types are compared without parameters. A file without a hash to compare may still be another one.
    pub fn may_be(&self, other: &Self) -> bool {
        let kind = |selector: &Self| {
            let kind = selector.media_type.as_deref()?.split(';').next()?;
            Some(kind.to_ascii_lowercase())
        };
        let hashes_agree = self.hashes.iter().all(|own| {
            other
                .hashes
                .iter()
                .all(|their| own.hash != their.hash || own.digest == their.digest)
        });
        agree(self.name.as_ref(), other.name.as_ref())
            && agree(self.size, other.size)
            && agree(kind(self), kind(other))
            && hashes_agree
    }

    fn read(value: &str) -> Option<Self> {
        let mut selector = Self::default();
        let mut rest = value;
        while !rest.is_empty() {
            let (name, after) = rest.split_once(':')?;
            rest = match name {
                "name" => {
                    let (text, after) = after.strip_prefix('"')?.split_once('"')?;
                    once(&mut selector.name, decode_name(text)?)?;
                    after
                }
                "size" => {
                    let (word, after) = word(after);
                    once(&mut selector.size, decimal(word)?)?;
                    after
                }
                "type" => {
                    let (text, after) = media_type(after)?;
                    once(&mut selector.media_type, text.into())?;
                    after
                }
                "hash" => {
                    let (word, after) = word(after);
                    selector.push_hash(word)?;
                    after
                }
                _ => return None,
            };
            if !(rest.is_empty() || rest.starts_with(' ')) {
                return None;
            }
            rest = rest.trim_start();
        }
        Some(selector)
    }

    fn push_hash(&mut self, word: &str) -> Option<()> {
        let (hash, digest) = word.split_once(':').filter(|(hash, _)| is_token(hash))?;
        let hash = HashFunction::from(hash);
        let digest = (digest.len() < 3 * FileHash::MAX_LEN)
            .then(|| hex_bytes(digest))
            .flatten()?;
        let fits = hash.digest_len().is_none_or(|len| len == digest.len());
        if !fits || self.hashes.len() == Self::MAX_HASHES {
            return None;
        }
        self.hashes.push(FileHash { hash, digest });
        Some(())
    }
}

typed_attribute!(FileSelector, "file-selector");

impl fmt::Display for FileSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        if let Some(name) = &self.name {
            f.write_str("name:\"")?;
            encode_name(f, name)?;
            f.write_char('"')?;
            space = " ";
        }
        if let Some(media_type) = &self.media_type {
            write!(f, "{space}type:{media_type}")?;
            space = " ";
        }
        if let Some(size) = self.size {
            write!(f, "{space}size:{size}")?;
            space = " ";
        }
        for FileHash { hash, digest } in &self.hashes {
            write!(f, "{space}hash:{hash}:")?;
            write_hex(f, digest)?;
            space = " ";
        }
        Ok(())
    }
}

fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

/// What stands before the next space, and the rest with that space.
fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(' ').unwrap_or(text.len()))
}

/// A media type up to the space that is not inside quotes, and the rest.
fn media_type(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = text.find(|letter| {
        quoted ^= letter == '"';
        letter == ' ' && !quoted
    });
    let (media_type, rest) = text.split_at(end.unwrap_or(text.len()));
    let (kind, subtype) = media_type.split(';').next()?.split_once('/')?;
    let closed = media_type.matches('"').count() % 2 == 0;
    (is_token(kind) && is_token(subtype) && closed).then_some((media_type, rest))
}

/// Takes percent-encoding away. A percent sign that encodes nothing stays, for peers that do not encode; what is no
/// UTF-8 then is no name.
fn decode_name(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let encoded = match after {
            [high, low, ..] if *byte == b'%' => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = encoded {
            bytes.push(high << 4 | low);
            rest = &after[2..];
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok().filter(|name| !name.is_empty())
}

/// Encodes what the syntax does not allow, and what separates directories (RFC 5547 §6).
fn encode_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    name.chars().try_for_each(|letter| match letter {
        '"' | '%' | '/' | '\\' | '\0'..='\x1f' | '\x7f' => write!(f, "%{:02X}", u32::from(letter)),
        _ => f.write_char(letter),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_read_and_written_back() {
        let value = "name:\"My cool picture.jpg\" type:image/jpeg size:32349 \
                     hash:sha-1:72:24:5F:E8:65:3D:DA:F3:71:36:2F:86:D4:71:91:3E:E4:A2:CE:2E";
        let selector: FileSelector = value.parse().unwrap();
        assert_eq!(selector.name.as_deref(), Some("My cool picture.jpg"));
        assert_eq!(
            (selector.size, selector.hashes[0].digest.len()),
            (Some(32_349), 20)
        );
        assert_eq!(selector.to_string(), value);
    }

    #[test]
    fn names_are_percent_encoded_where_they_must_be() {
        for (name, encoded) in [
            ("a \"b\".txt", "a %22b%22.txt"),
            ("../etc/passwd", "..%2Fetc%2Fpasswd"),
            ("50% off\r\n", "50%25 off%0D%0A"),
            ("f\u{e4}n.txt", "f\u{e4}n.txt"),
        ] {
            let selector = FileSelector {
                name: Some(name.to_owned()),
                ..FileSelector::default()
            };
            assert_eq!(selector.to_string(), format!("name:\"{encoded}\""));
            assert_eq!(selector.to_string().parse(), Ok(selector));
        }
        let sloppy: FileSelector = "name:\"100%.txt\"".parse().unwrap();
        assert_eq!(sloppy.name.as_deref(), Some("100%.txt"));
    }

    #[test]
    fn parameters_of_types_may_hold_spaces() {
        let value = "type:text/plain;charset=\"utf 8\";x=\"y\" size:1";
        let selector: FileSelector = value.parse().unwrap();
        assert_eq!(
            selector.media_type.as_deref(),
            Some("text/plain;charset=\"utf 8\";x=\"y\"")
        );
        assert_eq!(selector.to_string(), value);
    }

    #[test]
    fn a_selector_of_nothing_states_a_capability() {
        let selector: FileSelector = "".parse().unwrap();
        assert!(selector.is_empty());
        assert_eq!(
            crate::Attribute::from(&selector),
            crate::Attribute::new("file-selector")
        );
    }

    #[test]
    fn broken_selectors_are_malformed() {
        for value in [
            "x".to_owned(),
            "name:picture.jpg".to_owned(),
            "name:\"".to_owned(),
            "name:\"\"".to_owned(),
            "name:\"%FF\"".to_owned(),
            "name:\"a\"size:1".to_owned(),
            "size:".to_owned(),
            "size:-1".to_owned(),
            "size:1 size:2".to_owned(),
            "type:image".to_owned(),
            "type:a/b;c=\"".to_owned(),
            "hash:sha-1:AB".to_owned(),
            "hash:AB".to_owned(),
            "color:red".to_owned(),
            ["hash:new:AB"; 9].join(" "),
            format!("hash:new:{}", ["AB"; 129].join(":")),
        ] {
            assert!(value.parse::<FileSelector>().is_err(), "{value}");
        }
    }

    #[test]
    fn selectors_agree_when_nothing_differs() {
        let file: FileSelector = "name:\"a\" type:image/jpeg size:5".parse().unwrap();
        for (wanted, agrees) in [
            ("", true),
            ("size:5", true),
            ("type:IMAGE/jpeg;x=\"y\"", true),
            ("size:6", false),
        ] {
            assert_eq!(
                wanted.parse::<FileSelector>().unwrap().may_be(&file),
                agrees,
                "{wanted}"
            );
        }
        let of = |digest: &str| format!("hash:new:{digest}").parse::<FileSelector>().unwrap();
        assert!(of("AB").may_be(&of("AB")) && !of("AB").may_be(&of("AC")));
    }
}
