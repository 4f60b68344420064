//! Who the user is.

use crate::Algorithm;
use std::fmt;

/// A password, or what a server stores in its place. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password itself.
    Password(String),
    /// `H(username:realm:password)` in lower-case hexadecimal, made with this hash; of no use for other hashes.
    Ha1 {
        /// The algorithm whose hash was used; the `-sess` form of the same hash is equal here.
        algorithm: Algorithm,
        /// The hash in lower-case hexadecimal.
        hash: String,
    },
}

impl Secret {
    /// The secret's own part of A1, before a `-sess` algorithm binds it to a nonce.
    pub(crate) fn ha1(&self, algorithm: Algorithm, username: &str, realm: &str) -> String {
        match self {
            Self::Password(password) => {
                algorithm.hash(&[username.as_bytes(), realm.as_bytes(), password.as_bytes()])
            }
            Self::Ha1 { hash, .. } => hash.clone(),
        }
    }

    /// True when the secret can sign with this algorithm.
    pub(crate) fn serves(&self, wanted: Algorithm) -> bool {
        let family = |algorithm| match algorithm {
            Algorithm::Md5 | Algorithm::Md5Sess => 0,
            Algorithm::Sha256 | Algorithm::Sha256Sess => 1,
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => 2,
        };
        match self {
            Self::Password(_) => true,
            Self::Ha1 { algorithm, .. } => family(*algorithm) == family(wanted),
        }
    }
}

impl From<&str> for Secret {
    fn from(password: &str) -> Self {
        Self::Password(password.to_owned())
    }
}

impl From<String> for Secret {
    fn from(password: String) -> Self {
        Self::Password(password)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A user name with its secret, for one realm or for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    secret: Secret,
    realm: Option<String>,
}

impl Credentials {
    /// Credentials that are given to whoever asks. A password is never sent, but a hash of it can be tried
    /// against a dictionary: name the [`realm`](Self::for_realm) where it is known.
    pub fn new(username: impl Into<String>, secret: impl Into<Secret>) -> Self {
        Self {
            username: username.into(),
            secret: secret.into(),
            realm: None,
        }
    }

    /// Limits the credentials to challenges of this realm.
    #[must_use]
    pub fn for_realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// The user name.
    pub fn username(&self) -> &str {
        &self.username
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// True when a challenge with this realm and algorithm can be answered.
    pub(crate) fn answers(&self, realm: &str, algorithm: Algorithm) -> bool {
        self.realm.as_deref().is_none_or(|own| own == realm) && self.secret.serves(algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_password() {
        let text = format!("{:?}", Credentials::new("alice", "wonderland"));
        assert!(text.contains("alice") && !text.contains("wonderland"), "{text}");
    }

    #[test]
    fn a_stored_hash_serves_only_its_own_algorithm() {
        let secret = Secret::Ha1 {
            algorithm: Algorithm::Sha256,
            hash: "00".to_owned(),
        };
        assert!(secret.serves(Algorithm::Sha256Sess));
        assert!(!secret.serves(Algorithm::Md5));
    }
}
