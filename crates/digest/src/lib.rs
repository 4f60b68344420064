//! HTTP digest authentication, client and server, for SIP, MSRP relays, TURN and XCAP.
//!
//! A leaf of the workspace: it knows only `offhook-sansio` (for randomness and the idea that time is passed in),
//! and no protocol that carries its header fields. It takes and gives header *values*; the caller names the
//! header (`WWW-Authenticate` or `Proxy-Authenticate`, and their answers).
//!
//! - [`Challenge`] and [`Response`] are the two header values as types: they parse and print.
//! - [`Authenticator`] is the client: challenges in, answers out, never the same failing answer twice.
//! - [`Verifier`] is the server: it makes challenges and judges answers, with bounded memory.
//!
//! # What is here
//!
//! | RFC | | |
//! |---|---|---|
//! | 7616 | yes | MD5, SHA-256, SHA-512-256 and their `-sess` forms, `auth`, `auth-int`, `userhash`, `username*` |
//! | 7616 §3.5 | partly | `Authentication-Info` is made by [`Verifier::authentication_info`] and judged by [`Authenticator::check_proof`]; `nextnonce` is not used |
//! | 8760 | yes | several challenges for one realm; the client takes the strongest, see [`Authenticator`] |
//! | 3261 §22 | yes | the rules by which a user agent answers 401 and 407 |
//! | 2617, 2069 | yes | challenges without `qop` are answered; a server accepts such answers only if told to |
//!
//! # Example
//!
//! ```
//! use offhook_digest::{Authenticator, Credentials, Protects, Signed, Verifier, VerifierConfig};
//! use offhook_sansio::Entropy;
//! use std::time::Instant;
//!
//! let now = Instant::now();
//! let mut server = Verifier::new(VerifierConfig::new("biloxi.com"), Entropy::from_number(1));
//! let mut client = Authenticator::new(Credentials::new("bob", "zanzibar"), Entropy::from_number(2));
//!
//! let challenges = server.challenges(now, false);
//! client.handle_challenges(Protects::Server, challenges.iter().map(String::as_str))?;
//!
//! let request = Signed { method: "REGISTER", uri: "sip:biloxi.com", body: b"" };
//! let answers = client.answers(&request);
//! let user = server.verify(now, &answers[0].value, &request, |user| {
//!     user.is("bob").then(|| "zanzibar".into())
//! })?;
//! assert_eq!(user, "bob");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod algorithm;
mod authenticator;
mod calculate;
mod challenge;
mod credentials;
mod params;
mod response;
mod verifier;

pub use algorithm::{Algorithm, Qop, QopOptions, UnknownAlgorithm};
pub use authenticator::{Answer, Authenticator, ChallengeRefused, ProofRefused, Protects};
pub use calculate::Signed;
pub use challenge::Challenge;
pub use credentials::{Credentials, Secret};
pub use params::{MAX_HEADER_BYTES, MAX_PARAMS, ParseError};
pub use response::{Response, Username};
pub use verifier::{Verifier, VerifierConfig, VerifyError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
