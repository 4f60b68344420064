//! The grammar that challenges and answers share: a scheme and a list of `name=value` (RFC 7616 §3, RFC 3261 §25).

use crate::UnknownAlgorithm;
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// The longest header value that is read, in bytes. Default 8192: twice what the longest real one needs, and
/// below every stack's own header limit.
pub const MAX_HEADER_BYTES: usize = 8192;

/// The most parameters of one challenge or answer. Default 32: RFC 7616 defines 13.
pub const MAX_PARAMS: usize = 32;

/// Why a header value of the peer could not be used.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The value is longer than [`MAX_HEADER_BYTES`].
    #[error("{len} bytes, more than {MAX_HEADER_BYTES}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// More than [`MAX_PARAMS`] parameters.
    #[error("more than {MAX_PARAMS} parameters")]
    TooManyParams,
    /// The text does not follow the grammar.
    #[error("syntax error at byte {offset}")]
    Syntax {
        /// Where, in bytes from the start of the value.
        offset: usize,
    },
    /// The scheme is not `Digest`.
    #[error("scheme {0:?} is not Digest")]
    NotDigest(String),
    /// A parameter that must be there is not.
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter is there twice.
    #[error("parameter {0} is there twice")]
    Duplicate(String),
    /// A parameter has a value that it cannot have.
    #[error("parameter {name} has the bad value {value:?}")]
    BadValue {
        /// The parameter.
        name: &'static str,
        /// What it was.
        value: String,
    },
    /// An algorithm that this crate does not know.
    #[error(transparent)]
    UnknownAlgorithm(#[from] UnknownAlgorithm),
}

/// One scheme with its parameters, in order.
pub(crate) struct Scheme<'a> {
    name: &'a str,
    params: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Scheme<'a> {
    /// Splits a header value into its one or more schemes.
    pub(crate) fn split(value: &'a str) -> Result<Vec<Self>, ParseError> {
        if value.len() > MAX_HEADER_BYTES {
            return Err(ParseError::TooLong { len: value.len() });
        }
        let mut cursor = Cursor { text: value, at: 0 };
        let mut schemes: Vec<Self> = Vec::new();
        cursor.skip_separators();
        while !cursor.is_at_end() {
            let token = cursor.token()?;
            cursor.skip_space();
            if cursor.eat(b'=') {
                let Some(scheme) = schemes.last_mut() else {
                    return Err(cursor.error());
                };
                cursor.skip_space();
                scheme.push(token, cursor.value()?)?;
            } else {
                schemes.push(Self {
                    name: token,
                    params: Vec::new(),
                });
            }
            cursor.skip_separators();
        }
        Ok(schemes)
    }

    /// The name of the scheme, for errors.
    pub(crate) fn name_text(&self) -> String {
        self.name.to_owned()
    }

    /// Refuses schemes other than Digest.
    pub(crate) fn expect_digest(&self) -> Result<(), ParseError> {
        if self.name.eq_ignore_ascii_case("Digest") {
            Ok(())
        } else {
            Err(ParseError::NotDigest(self.name.to_owned()))
        }
    }

    /// The value of a parameter.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }

    /// The value of a parameter that must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<&str, ParseError> {
        self.param(name).ok_or(ParseError::Missing(name))
    }

    fn push(&mut self, name: &'a str, value: Cow<'a, str>) -> Result<(), ParseError> {
        if self.params.len() == MAX_PARAMS {
            return Err(ParseError::TooManyParams);
        }
        if self.param(name).is_some() {
            return Err(ParseError::Duplicate(name.to_owned()));
        }
        self.params.push((name, value));
        Ok(())
    }
}

/// Writes `text` as a quoted-string. Control characters, which no quoted-string may hold, become spaces.
pub(crate) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                f.write_char('\\')?;
                f.write_char(c)?;
            }
            c if c.is_control() => f.write_char(' ')?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Reads `true` or `false` in any case; anything else counts as false (RFC 7616 §3.3).
pub(crate) fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn error(&self) -> ParseError {
        ParseError::Syntax { offset: self.at }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_while(&mut self, skip: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&skip) {
            self.at += 1;
        }
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    }

    fn skip_separators(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','));
    }

    fn token(&mut self) -> Result<&'a str, ParseError> {
        let start = self.at;
        self.skip_while(is_token);
        if self.at == start {
            return Err(self.error());
        }
        Ok(&self.text[start..self.at])
    }

    /// A quoted-string, or a run of anything up to the next separator: peers leave quotes away.
    fn value(&mut self) -> Result<Cow<'a, str>, ParseError> {
        if self.eat(b'"') {
            return self.quoted_rest();
        }
        let start = self.at;
        self.skip_while(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'"'));
        Ok(Cow::Borrowed(&self.text[start..self.at]))
    }

    fn quoted_rest(&mut self) -> Result<Cow<'a, str>, ParseError> {
        let start = self.at;
        self.skip_while(|byte| byte != b'"' && byte != b'\\');
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(&self.text[start..self.at - 1]));
        }
        let mut text = self.text[start..self.at].to_owned();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(Cow::Owned(text));
                }
                '\\' => match chars.next() {
                    Some((_, escaped)) => text.push(escaped),
                    None => break,
                },
                c => text.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.error())
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}
