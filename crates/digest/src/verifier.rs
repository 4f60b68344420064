//! The server: makes challenges and judges answers.

use crate::calculate::{Inputs, Protection, Signed, equal_in_constant_time, request_digest};
use crate::{Algorithm, Challenge, ParseError, QopOptions, Response, Secret, Username};
use offhook_sansio::Entropy;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// How a [`Verifier`] asks and how much it remembers.
#[derive(Clone, Debug)]
pub struct VerifierConfig {
    /// The protection space.
    pub realm: String,
    /// The algorithms to offer, best first (RFC 8760 §2.3). Default SHA-256 and MD5: the first for those who
    /// can, the second because most SIP phones can do no other.
    pub algorithms: Vec<Algorithm>,
    /// The qualities of protection to offer. Default `auth`.
    pub qop: QopOptions,
    /// How long a nonce is good. Default 5 minutes: longer than a registration's refresh with its retries takes,
    /// short enough that a recorded answer is soon worthless.
    pub nonce_lifetime: Duration,
    /// How many nonces are remembered; the oldest is forgotten first, and its owner merely asked again. Default
    /// 10,000: about 1 MB.
    pub max_nonces: usize,
    /// Whether answers without `qop`, in the form of RFC 2069, are taken; their replay can be noticed only by
    /// letting each nonce serve once. Default false.
    pub accept_without_qop: bool,
}

impl VerifierConfig {
    /// The defaults for a realm.
    pub fn new(realm: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            qop: QopOptions::AUTH,
            nonce_lifetime: Duration::from_mins(5),
            max_nonces: 10_000,
            accept_without_qop: false,
        }
    }
}

/// Why an answer was not accepted.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The header value cannot be read: a 400, not a new challenge.
    #[error("bad answer: {0}")]
    Malformed(#[from] ParseError),
    /// The answer is for another realm: it is for another server, look at the next one.
    #[error("the answer is for realm {0:?}")]
    OtherRealm(String),
    /// An algorithm or quality of protection that was not offered.
    #[error("the answer uses what was not offered")]
    NotOffered,
    /// The answer signs another URI than the request's.
    #[error("the answer signs {0:?}")]
    OtherUri(String),
    /// The nonce is unknown, too old, or was used with this count before: challenge again with `stale`.
    #[error("the nonce is stale")]
    Stale,
    /// No such user, or a wrong password. The two are not told apart on purpose.
    #[error("wrong user name or password")]
    Wrong,
}

/// Judges the answers of clients (RFC 7616 §3.4.6, RFC 3261 §22).
///
/// It remembers the nonces that it gave out, so that an answer can be used once only: a bounded table, as
/// [`VerifierConfig`] says. Time is passed in.
#[derive(Debug)]
pub struct Verifier {
    config: VerifierConfig,
    entropy: Entropy,
    opaque: String,
    nonces: HashMap<String, Nonce>,
    /// The same nonces in the order of their making.
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Nonce {
    made: Instant,
    highest: u32,
    /// Bit `n` says that the count `highest - n` was seen: datagrams come out of order.
    seen: u64,
}

impl Verifier {
    /// A verifier that has given out no nonce yet.
    pub fn new(config: VerifierConfig, mut entropy: Entropy) -> Self {
        let opaque = entropy.hex(16);
        Self {
            config,
            entropy,
            opaque,
            nonces: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The header values for a 401 or 407, one for each algorithm. `stale` says that the password was right and
    /// only the nonce was not.
    pub fn challenges(&mut self, now: Instant, stale: bool) -> Vec<String> {
        self.forget_old(now);
        let nonce = self.entropy.hex(32);
        self.order.push_back(nonce.clone());
        self.nonces.insert(
            nonce.clone(),
            Nonce {
                made: now,
                highest: 0,
                seen: 0,
            },
        );
        self.config
            .algorithms
            .iter()
            .map(|algorithm| {
                Challenge {
                    opaque: Some(self.opaque.clone()),
                    algorithm: *algorithm,
                    qop: self.config.qop,
                    stale,
                    ..Challenge::new(self.config.realm.as_str(), nonce.as_str())
                }
                .to_string()
            })
            .collect()
    }

    /// Judges one `Authorization` value and gives the user's name. `secret_of` finds the secret of a user. A client
    /// that hashes its name is refused here, since the hash does not say the name: see
    /// [`verify_named`](Self::verify_named).
    ///
    /// # Errors
    /// Says what was wrong; [`VerifyError::Stale`] wants `challenges(now, true)`.
    pub fn verify(
        &mut self,
        now: Instant,
        value: &str,
        request: &Signed<'_>,
        secret_of: impl FnOnce(&Username) -> Option<Secret>,
    ) -> Result<String, VerifyError> {
        self.verify_named(now, value, request, |username| {
            let Username::Plain(name) = username else {
                return None;
            };
            secret_of(username).map(|secret| (name.clone(), secret))
        })
    }

    /// Like [`verify`](Self::verify), for servers that let clients hash their name: `find` gives the user's name
    /// with the secret.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_named(
        &mut self,
        now: Instant,
        value: &str,
        request: &Signed<'_>,
        find: impl FnOnce(&Username) -> Option<(String, Secret)>,
    ) -> Result<String, VerifyError> {
        let response = Response::parse(value)?;
        if response.realm != self.config.realm {
            return Err(VerifyError::OtherRealm(response.realm));
        }
        let algorithm = response.algorithm.unwrap_or(Algorithm::Md5);
        let protection = self.offered(algorithm, &response)?;
        if response.uri != request.uri {
            return Err(VerifyError::OtherUri(response.uri));
        }
        let (name, secret) = find(&response.username).ok_or(VerifyError::Wrong)?;
        if !secret.serves(algorithm) {
            return Err(VerifyError::Wrong);
        }
        let nc = protection.as_ref().map(|protection| protection.nc);
        let inputs = Inputs {
            algorithm,
            username: &name,
            realm: &self.config.realm,
            secret: &secret,
            nonce: &response.nonce,
            protection,
            session_cnonce: response.cnonce.as_deref().unwrap_or_default(),
        };
        let want = request_digest(&inputs, request);
        let got = response.response.to_ascii_lowercase();
        if !equal_in_constant_time(want.as_bytes(), got.as_bytes()) {
            return Err(VerifyError::Wrong);
        }
        self.use_nonce(now, &response.nonce, nc)?;
        Ok(name)
    }

    /// The value of `Authentication-Info` for an answer that was accepted: the proof that the server knows the secret as
    /// well (RFC 7616 §3.5). `name` is what [`verify`](Self::verify) gave, `uri` what the answer signed.
    ///
    /// # Errors
    /// When the answer has no `qop`: then there is nothing to prove it with.
    pub fn authentication_info(
        &self,
        value: &str,
        name: &str,
        secret: &Secret,
        uri: &str,
    ) -> Result<String, VerifyError> {
        let response = Response::parse(value)?;
        let algorithm = response.algorithm.unwrap_or(Algorithm::Md5);
        let protection = self
            .offered(algorithm, &response)?
            .ok_or(ParseError::Missing("qop"))?;
        let (cnonce, nc, qop) = (
            protection.cnonce.replace(['"', '\\'], ""),
            protection.nc,
            protection.qop,
        );
        let inputs = Inputs {
            algorithm,
            username: name,
            realm: &self.config.realm,
            secret,
            nonce: &response.nonce,
            protection: Some(protection),
            session_cnonce: "",
        };
        // The same as the answer's, with nothing in the place of the method.
        let proof = Signed {
            method: "",
            uri,
            body: b"",
        };
        let rspauth = request_digest(&inputs, &proof);
        Ok(format!(
            "rspauth=\"{rspauth}\", cnonce=\"{cnonce}\", nc={nc:08x}, qop={}",
            qop.as_str()
        ))
    }

    /// How many nonces are remembered now.
    pub fn nonce_count(&self) -> usize {
        self.nonces.len()
    }

    fn offered<'r>(
        &self,
        algorithm: Algorithm,
        response: &'r Response,
    ) -> Result<Option<Protection<'r>>, VerifyError> {
        if !self.config.algorithms.contains(&algorithm) {
            return Err(VerifyError::NotOffered);
        }
        let Some(qop) = response.qop else {
            return if self.config.accept_without_qop {
                Ok(None)
            } else {
                Err(VerifyError::NotOffered)
            };
        };
        if !self.config.qop.contains(qop) {
            return Err(VerifyError::NotOffered);
        }
        Ok(Some(Protection {
            qop,
            cnonce: response.cnonce.as_deref().ok_or(ParseError::Missing("cnonce"))?,
            nc: response.nc.ok_or(ParseError::Missing("nc"))?,
        }))
    }

    /// Without a count the nonce serves once.
    fn use_nonce(&mut self, now: Instant, nonce: &str, count: Option<u32>) -> Result<(), VerifyError> {
        self.forget_old(now);
        let known = self.nonces.get_mut(nonce).ok_or(VerifyError::Stale)?;
        if known.take(count.unwrap_or(1)) {
            Ok(())
        } else {
            Err(VerifyError::Stale)
        }
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front() {
            let made = self.nonces.get(oldest).map(|nonce| nonce.made);
            let expired =
                made.is_none_or(|made| now.saturating_duration_since(made) > self.config.nonce_lifetime);
            if !expired && self.nonces.len() < self.config.max_nonces.max(1) {
                break;
            }
            self.nonces.remove(oldest);
            self.order.pop_front();
        }
    }
}

impl Nonce {
    /// Marks a count as used; false when it was used before or is too far behind to know.
    fn take(&mut self, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let behind = self.highest - count;
        let Some(bit) = 1_u64.checked_shl(behind) else {
            return false;
        };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests;
