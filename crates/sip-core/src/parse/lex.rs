//! Byte classes and the cursor that all value parsers walk with (RFC 3261 §25.1).

use std::ops::Range;

use crate::header::HeaderError;

const TOKEN: u16 = 1;
const USER: u16 = 2;
const PASSWORD: u16 = 4;
const PARAM: u16 = 8;
const HOST: u16 = 16;
const URIC: u16 = 32;
const URI_HEADER: u16 = 64;
const VALUE: u16 = 128;
/// All but `%`, behind which an escape must be looked at.
const UNESCAPED: u16 = 256;
/// All but `=`, behind which the value of a parameter stands.
const UNASSIGNED: u16 = 512;

static CLASS: [u16; 256] = classes();

const fn classes() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = TOKEN | USER | PASSWORD | PARAM | HOST | URIC | URI_HEADER;
        }
        // gen-value = token / host / quoted-string, and the '/', '@' and other marks that vendors put there.
        if !matches!(
            byte as u8,
            0..=b' ' | 0x7f | b';' | b',' | b'"' | b'<' | b'>' | b'?'
        ) {
            table[byte] |= VALUE;
        }
        if byte as u8 != b'%' {
            table[byte] |= UNESCAPED;
        }
        if byte as u8 != b'=' {
            table[byte] |= UNASSIGNED;
        }
        byte += 1;
    }
    mark(&mut table, b"-.!%*_+`'~", TOKEN);
    // mark = "-_.!~*'()"; escapes are checked where they stand.
    mark(
        &mut table,
        b"-_.!~*'()%",
        USER | PASSWORD | PARAM | URIC | URI_HEADER,
    );
    // Handsets send service codes such as *31#: '#' in a user part is harmless and common.
    mark(&mut table, b"&=+$,;?/#", USER);
    mark(&mut table, b"&=+$,", PASSWORD);
    mark(&mut table, b"[]/:&+$", PARAM);
    mark(&mut table, b"[]/?:+$", URI_HEADER);
    // RFC 3261's hostname has no '_', the names that administrators choose do.
    mark(&mut table, b"-._", HOST);
    mark(&mut table, b";/?:@&=+$,[]#", URIC);
    table
}

const fn mark(table: &mut [u16; 256], bytes: &[u8], class: u16) {
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] |= class;
        i += 1;
    }
}

#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASS[byte as usize] & TOKEN != 0
}

#[inline]
pub(crate) fn is_user_byte(byte: u8) -> bool {
    CLASS[byte as usize] & USER != 0
}

#[inline]
pub(crate) fn is_password_byte(byte: u8) -> bool {
    CLASS[byte as usize] & PASSWORD != 0
}

#[inline]
pub(crate) fn is_uri_param_byte(byte: u8) -> bool {
    CLASS[byte as usize] & PARAM != 0
}

#[inline]
pub(crate) fn is_uri_header_byte(byte: u8) -> bool {
    CLASS[byte as usize] & URI_HEADER != 0
}

#[inline]
pub(crate) fn is_uric_byte(byte: u8) -> bool {
    CLASS[byte as usize] & URIC != 0
}

#[inline]
pub(crate) fn is_ws(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether `text` is a non-empty RFC 3261 token.
#[inline]
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&b| is_token_byte(b))
}

/// How many token bytes stand at the start of `text`.
#[inline]
pub(crate) fn token_len(text: &[u8]) -> usize {
    span(text, TOKEN)
}

/// How many bytes that a host name may have stand at the start of `text`.
#[inline]
pub(crate) fn host_name_len(text: &[u8]) -> usize {
    span(text, HOST)
}

/// How many bytes of a user part, none of them `%`, stand at the start of `text`.
#[inline]
pub(crate) fn plain_user_len(text: &[u8]) -> usize {
    span(text, USER | UNESCAPED)
}

/// How many bytes of a URI parameter's name or value, none of them `%`, stand at the start of `text`.
#[inline]
pub(crate) fn plain_uri_param_len(text: &[u8]) -> usize {
    span(text, PARAM | UNESCAPED)
}

/// How many bytes that are in all of `classes` stand at the start of `text`. Four are tested at a time, since most pass.
#[inline]
fn span(text: &[u8], classes: u16) -> usize {
    let mut len = 0;
    while let Some([a, b, c, d]) = text[len..].first_chunk()
        && CLASS[*a as usize] & CLASS[*b as usize] & CLASS[*c as usize] & CLASS[*d as usize] & classes
            == classes
    {
        len += 4;
    }
    while len < text.len() && CLASS[text[len] as usize] & classes == classes {
        len += 1;
    }
    len
}

/// Where `byte` first stands. Names, addresses and lines are short: by the time that a call of `memchr` has chosen its
/// way, most of them have been searched.
#[inline]
pub(crate) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<16>();
    for (index, block) in blocks.iter().enumerate() {
        // Without an early end the compiler compares all of them at once.
        if block.iter().fold(0, |hits, &b| hits | u8::from(b == byte)) != 0 {
            return Some(index * 16 + first_of(block, byte));
        }
    }
    let found = rest.iter().position(|&b| b == byte)?;
    Some(blocks.len() * 16 + found)
}

/// Where `byte`, which is in `block`, first stands there.
#[inline]
fn first_of(block: &[u8; 16], byte: u8) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let ([low, high], []) = block.as_chunks::<8>() else {
        return 0;
    };
    // The lowest byte that is zero in `differs` is the first hit; above it, borrows may show more.
    let hits = |half: &[u8; 8]| {
        let differs = u64::from_le_bytes(*half) ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs & (ONES << 7)
    };
    match hits(low) {
        0 => 8 + hits(high).trailing_zeros() as usize / 8,
        hits => hits.trailing_zeros() as usize / 8,
    }
}

/// Whether `text` has white space, another control character or DEL.
#[inline]
pub(crate) fn has_invisible(text: &[u8]) -> bool {
    // Without an early end the compiler tests many bytes at once.
    let invisible = |b: u8| u8::from(b <= b' ') | u8::from(b == 0x7f);
    text.iter().fold(0, |found, &b| found | invisible(b)) != 0
}

/// The range of `text` without white space at both ends, shifted by `base`.
#[inline]
pub(crate) fn trim(text: &[u8]) -> Range<usize> {
    let mut start = 0;
    let mut end = text.len();
    // As almost all stand behind a colon: one space before, none behind.
    if let [b' ', first, .., last] = text
        && !is_ws(*first)
        && !is_ws(*last)
    {
        return 1..end;
    }
    while start < end && is_ws(text[start]) {
        start += 1;
    }
    while end > start && is_ws(text[end - 1]) {
        end -= 1;
    }
    start..end
}

/// `text` without white space at both ends.
#[inline]
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    &text[trim(text)]
}

/// Where the first value of a comma list ends: at a comma outside quotes and angle brackets, or at the end.
pub(crate) fn list_element_end(text: &[u8]) -> usize {
    if memchr::memchr(b',', text).is_none() {
        return text.len();
    }
    let mut pos = 0;
    let mut bracketed = false;
    while pos < text.len() {
        match text[pos] {
            b'"' => match quoted_end(text, pos) {
                Some(end) => {
                    pos = end;
                    continue;
                }
                None => return text.len(),
            },
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            b',' if !bracketed => return pos,
            _ => {}
        }
        pos += 1;
    }
    text.len()
}

/// Where the quoted string that opens at `start` ends (behind its closing quote).
pub(crate) fn quoted_end(text: &[u8], start: usize) -> Option<usize> {
    let mut pos = start + 1;
    while pos < text.len() {
        match text[pos] {
            b'"' => return Some(pos + 1),
            b'\\' => pos += 2,
            _ => pos += 1,
        }
    }
    None
}

/// A walk over one header value that knows its offset, for errors.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a [u8],
    pos: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, pos: 0 }
    }

    #[inline]
    pub(crate) fn at(text: &'a [u8], pos: usize) -> Self {
        Self { text, pos }
    }

    #[inline]
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    #[inline]
    pub(crate) fn slice(&self, range: Range<usize>) -> &'a [u8] {
        &self.text[range]
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.text[self.pos..]
    }

    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        self.pos += count;
    }

    #[inline]
    pub(crate) fn skip_ws(&mut self) {
        while self.peek().is_some_and(is_ws) {
            self.pos += 1;
        }
    }

    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.pos += usize::from(hit);
        hit
    }

    #[inline]
    pub(crate) fn is_end(&self) -> bool {
        self.pos >= self.text.len()
    }

    /// The error for whatever stands here.
    pub(crate) fn unexpected(&self) -> HeaderError {
        match self.peek() {
            Some(byte) => HeaderError::Unexpected {
                offset: self.pos,
                byte,
            },
            None => HeaderError::Truncated { offset: self.pos },
        }
    }

    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), HeaderError> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    #[inline]
    pub(crate) fn expect_end(&mut self) -> Result<(), HeaderError> {
        self.skip_ws();
        if self.is_end() {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    #[inline]
    pub(crate) fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> Range<usize> {
        let start = self.pos;
        let rest = &self.text[start.min(self.text.len())..];
        self.pos += rest.iter().position(|&b| !accept(b)).unwrap_or(rest.len());
        start..self.pos
    }

    #[inline]
    pub(crate) fn token(&mut self) -> Result<Range<usize>, HeaderError> {
        self.take_span(TOKEN)
    }

    /// The value of a parameter where it is not quoted.
    #[inline]
    pub(crate) fn plain_value(&mut self) -> Result<Range<usize>, HeaderError> {
        self.take_span(VALUE)
    }

    /// The name of a parameter, in text that has been checked.
    #[inline]
    pub(crate) fn checked_name(&mut self) -> Range<usize> {
        self.take_span(VALUE | UNASSIGNED).unwrap_or(self.pos..self.pos)
    }

    /// The value of a parameter where it is not quoted, perhaps empty, in text that has been checked.
    #[inline]
    pub(crate) fn checked_value(&mut self) -> Range<usize> {
        self.take_span(VALUE).unwrap_or(self.pos..self.pos)
    }

    #[inline]
    fn take_span(&mut self, class: u16) -> Result<Range<usize>, HeaderError> {
        let start = self.pos;
        let len = self.text.get(start..).map_or(0, |rest| span(rest, class));
        if len == 0 {
            return Err(self.unexpected());
        }
        self.pos += len;
        Ok(start..self.pos)
    }

    /// A quoted string with its quotes.
    pub(crate) fn quoted(&mut self) -> Result<Range<usize>, HeaderError> {
        let start = self.pos;
        if self.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        match quoted_end(self.text, start) {
            Some(end) => {
                self.pos = end;
                Ok(start..end)
            }
            None => Err(HeaderError::UnclosedQuote { offset: start }),
        }
    }

    /// Tokens with white space between them: what a display name without quotes is.
    #[inline]
    pub(crate) fn tokens(&mut self) -> Range<usize> {
        let start = self.pos;
        loop {
            self.skip_ws();
            if self.take_span(TOKEN).is_err() {
                return start..self.pos;
            }
        }
    }

    /// `1*DIGIT` that fits `T`.
    #[inline]
    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Result<T, HeaderError> {
        let start = self.pos;
        let mut value: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value
                .checked_mul(10)
                .and_then(|v| v.checked_add(u64::from(digit - b'0')))
                .ok_or(HeaderError::OutOfRange { offset: start })?;
            self.pos += 1;
        }
        if self.pos == start {
            return Err(self.unexpected());
        }
        T::try_from(value).map_err(|_| HeaderError::OutOfRange { offset: start })
    }
}

/// `text` as `1*DIGIT` and nothing else.
#[inline]
pub(crate) fn number<T: TryFrom<u64>>(text: &[u8]) -> Result<T, HeaderError> {
    let mut cursor = Cursor::new(text);
    cursor.skip_ws();
    let value = cursor.number()?;
    cursor.expect_end()?;
    Ok(value)
}

/// Bytes that a grammar limited to ASCII, as text.
#[inline]
pub(crate) fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn find_gives_the_first_of_several_wherever_it_stands() {
        for len in 0..40 {
            let text = vec![b'a'; len];
            assert_eq!(find(&text, b':'), None, "{len}");
            for at in 0..len {
                let mut text = text.clone();
                text[at..].fill(b':');
                assert_eq!(find(&text, b':'), Some(at), "{at} of {len}");
                // Neighbours in value: a borrow must not make one of them a hit.
                text[at..].fill(b';');
                text[len - 1] = b':';
                assert_eq!(find(&text, b':'), Some(len - 1), "{at} of {len}");
            }
        }
        assert_eq!(find(b"\x80\x00\xff\x01\x00aaaaaa", 0), Some(1));
        assert_eq!(find(b"\x80\x01\x81\xff", 0), None);
    }

    #[test]
    fn spans_end_at_the_first_byte_that_lacks_one_of_the_classes() {
        for len in 0..12 {
            let mut text = vec![b'a'; len];
            assert_eq!(plain_user_len(&text), len);
            text.extend_from_slice(b"%41bcdef");
            assert_eq!(plain_user_len(&text), len);
            text[len] = b'@';
            assert_eq!(plain_user_len(&text), len);
            text[len] = b'<';
            assert_eq!(token_len(&text), len);
        }
    }

    #[test]
    fn white_space_at_both_ends_goes() {
        for (text, want) in [
            ("", ""),
            (" ", ""),
            ("  ", ""),
            (" a", "a"),
            ("a", "a"),
            (" ab", "ab"),
            ("  ab", "ab"),
            (" ab\t", "ab"),
            ("\ta b \t", "a b"),
        ] {
            assert_eq!(trimmed(text.as_bytes()), want.as_bytes(), "{text:?}");
        }
    }
}
