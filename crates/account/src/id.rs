//! What names an account.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The SIP address that an account is, in the form `user@domain`. The domain is kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId {
    text: String,
    at: usize,
}

impl AccountId {
    /// The domain of accounts without a provider: nobody owns it (RFC 6762 §3).
    pub const LOCAL_DOMAIN: &'static str = "local";

    /// An id from its parts.
    ///
    /// # Errors
    /// When they do not make a SIP address.
    pub fn new(username: &str, domain: &str) -> Result<Self, InvalidAccountId> {
        let text = format!("{username}@{}", domain.to_ascii_lowercase());
        let invalid = || InvalidAccountId(text.clone());
        if username.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(invalid());
        }
        // What the SIP grammar takes as a whole can stand in a From header field.
        let uri: offhook_sip_core::SipUri = format!("sip:{text}").parse().map_err(|_| invalid())?;
        if uri.user() != Some(username) || uri.host_str() != &text[username.len() + 1..] {
            return Err(invalid());
        }
        let at = username.len();
        Ok(Self { text, at })
    }

    /// The part before the `@`.
    pub fn username(&self) -> &str {
        &self.text[..self.at]
    }

    /// The part behind the `@`.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The whole.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for an account without a provider.
    pub fn is_local(&self) -> bool {
        self.domain() == Self::LOCAL_DOMAIN
    }
}

/// The text is not of the form `user@domain`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an account: expected user@domain")]
pub struct InvalidAccountId(pub String);

impl FromStr for AccountId {
    type Err = InvalidAccountId;

    /// Reads `user@domain`, with or without `sip:` before it.
    fn from_str(text: &str) -> Result<Self, InvalidAccountId> {
        let bare = text.strip_prefix("sip:").unwrap_or(text);
        match bare.rsplit_once('@') {
            Some((username, domain)) => Self::new(username, domain),
            None => Err(InvalidAccountId(text.to_owned())),
        }
    }
}

impl TryFrom<String> for AccountId {
    type Error = InvalidAccountId;

    fn try_from(text: String) -> Result<Self, InvalidAccountId> {
        text.parse()
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.text
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_user_at_a_domain_and_nothing_else() {
        for (text, expected) in [
            ("alice@Example.COM", Some(("alice", "example.com"))),
            ("sip:alice@example.com", Some(("alice", "example.com"))),
            ("+4930@192.0.2.1", Some(("+4930", "192.0.2.1"))),
            ("alice", None),
            ("@example.com", None),
            ("alice@", None),
            ("a@b@example.com", None),
            ("alice@example.com:5060", None),
            ("alice@example.com;transport=tcp", None),
            ("alice:secret@example.com", None),
            ("al ice@example.com", None),
            ("alice@exa\r\nmple.com", None),
        ] {
            let id: Result<AccountId, _> = text.parse();
            let parts = id.as_ref().ok().map(|id| (id.username(), id.domain()));
            assert_eq!(parts, expected, "{text:?}");
        }
    }
}
