//! The id by which a notification names a message.

use super::CpimError;
use super::header::is_token_character;
use std::fmt;
use std::str::FromStr;

/// The id of a message in its header field `Message-ID` (RFC 5438 §6.3): a token (§10). Who makes one takes at least 64
/// random bits, for nobody who saw some of them may guess the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(Box<str>);

impl MessageId {
    /// It as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MessageId {
    type Err = CpimError;

    /// # Errors
    /// When the text is empty, or has white space, control characters or separators: `( ) < > @ , ; : \ " / [ ] ? = { }`.
    fn from_str(text: &str) -> Result<Self, CpimError> {
        let is_taken =
            |found: char| is_token_character(found) && !found.is_whitespace() && !found.is_control();
        if text.is_empty() || !text.chars().all(is_taken) {
            return Err(CpimError::MessageId);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
