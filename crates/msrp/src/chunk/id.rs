//! Transaction identifiers (RFC 4975 §7.1).

use offhook_sansio::Entropy;
use std::fmt;
use std::str::FromStr;

/// The identifier of a request, which its response and its end-line repeat: 4 to 32 characters of `ident` (RFC 4975 §9).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId {
    len: u8,
    text: [u8; TransactionId::MAX_LEN],
}

impl TransactionId {
    /// The longest identifier that is read. Ours have at most 31, which every reader of the grammar takes.
    pub const MAX_LEN: usize = 32;
    const MIN_LEN: usize = 4;

    /// Reads an identifier.
    ///
    /// # Errors
    /// When it is too short, too long, or has characters that `ident` does not have.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadIdent> {
        if !is_ident(bytes) {
            return Err(BadIdent);
        }
        let mut text = [0; Self::MAX_LEN];
        text[..bytes.len()].copy_from_slice(bytes);
        Ok(Self {
            len: bytes.len() as u8,
            text,
        })
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The identifier as bytes, all of them ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

impl FromStr for TransactionId {
    type Err = BadIdent;

    fn from_str(text: &str) -> Result<Self, BadIdent> {
        Self::from_bytes(text.as_bytes())
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionId({self})")
    }
}

/// The text is not an `ident`: a letter or digit, then 3 to 31 letters, digits or `.-+%=` (RFC 4975 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an ident of 4 to 32 characters")]
pub struct BadIdent;

fn is_ident(bytes: &[u8]) -> bool {
    (TransactionId::MIN_LEN..=TransactionId::MAX_LEN).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-+%=".contains(byte))
}

/// Makes identifiers: 64 random bits that are drawn once, and a number that grows.
///
/// The number says when a transaction was opened, and so finds it again without a hash table; the random bits keep the
/// identifiers of sessions that share a connection apart.
#[derive(Debug)]
pub struct TransactionIds {
    entropy: Entropy,
    prefix: [u8; PREFIX_LEN],
    next: u64,
}

const PREFIX_LEN: usize = 16;

impl TransactionIds {
    /// Draws the random bits.
    pub fn new(mut entropy: Entropy) -> Self {
        let prefix = draw(&mut entropy);
        Self {
            entropy,
            prefix,
            next: 0,
        }
    }

    /// A new identifier. The numbers of identifiers grow by one.
    pub fn next_id(&mut self) -> TransactionId {
        let number = self.next;
        self.next += 1;
        let mut text = [0; TransactionId::MAX_LEN];
        text[..PREFIX_LEN].copy_from_slice(&self.prefix);
        let mut len = PREFIX_LEN;
        let digits = (16 - (number | 1).leading_zeros() / 4).min(15);
        for digit in (0..digits).rev() {
            text[len] = HEX[(number >> (digit * 4)) as usize & 15];
            len += 1;
        }
        TransactionId { len: len as u8, text }
    }

    /// Draws new random bits: a body was found to contain the old ones.
    pub fn renew(&mut self) {
        self.prefix = draw(&mut self.entropy);
    }

    /// The number inside an identifier that was made here, as far as one can tell from its text.
    pub fn number_of(id: &TransactionId) -> Option<u64> {
        u64::from_str_radix(id.as_str().get(PREFIX_LEN..)?, 16).ok()
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn draw(entropy: &mut Entropy) -> [u8; PREFIX_LEN] {
    let bits = entropy.u64();
    std::array::from_fn(|place| HEX[(bits >> (place * 4)) as usize & 15])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_those_of_the_grammar() {
        for (text, good) in [
            ("abcd", true),
            ("a.-+%=", true),
            ("12345678901234567890123456789012", true),
            ("123456789012345678901234567890123", false),
            ("abc", false),
            ("-bcd", false),
            ("ab d", false),
            ("ab\u{e9}d", false),
        ] {
            assert_eq!(text.parse::<TransactionId>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn made_identifiers_are_valid_distinct_and_carry_their_number() {
        let mut ids = TransactionIds::new(Entropy::from_number(1));
        for expected in 0..300 {
            let id = ids.next_id();
            assert_eq!(TransactionIds::number_of(&id), Some(expected));
            assert_eq!(id.as_str().parse(), Ok(id));
        }
        ids.next = u64::MAX >> 4;
        assert_eq!(ids.next_id().as_bytes().len(), 31);
        let before = ids.next_id();
        ids.renew();
        assert_ne!(
            before.as_bytes()[..PREFIX_LEN],
            ids.next_id().as_bytes()[..PREFIX_LEN]
        );
    }
}
