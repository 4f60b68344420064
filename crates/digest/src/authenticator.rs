//! The client: challenges in, answers out.

use crate::calculate::{Inputs, Protection, Signed, equal_in_constant_time, request_digest, user_hash};
use crate::params::Scheme;
use crate::response::nonce_count;
use crate::{Challenge, Credentials, ParseError, Qop, Response, Username};
use offhook_sansio::Entropy;

/// The most protection spaces that one authenticator remembers. Default 8: a request that passes more proxies
/// which all want a password is not answered further.
const MAX_SPACES: usize = 8;

/// How many answers in a row may be refused as merely stale before the server is not believed. Default 3.
const MAX_STALE: u8 = 3;

/// Who asks for the password, which decides the header fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protects {
    /// 401: `WWW-Authenticate`, answered in `Authorization`.
    Server,
    /// 407: `Proxy-Authenticate`, answered in `Proxy-Authorization`.
    Proxy,
}

/// A header value to add to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which header it goes into.
    pub protects: Protects,
    /// The value.
    pub value: String,
}

/// Why there is no sense in sending the request again.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeRefused {
    /// The response had no challenge at all.
    #[error("no challenge")]
    NoChallenge,
    /// No challenge could be understood; this is what was wrong with the last one.
    #[error("no usable challenge: {0}")]
    Unusable(#[from] ParseError),
    /// The credentials are not for this realm, or their stored hash not for this algorithm.
    #[error("no credentials for realm {realm:?}")]
    NoCredentials {
        /// The realm that was asked for.
        realm: String,
    },
    /// The answer was refused: the user name or the password is wrong.
    #[error("the answer for realm {realm:?} was refused")]
    Rejected {
        /// The realm that refused it.
        realm: String,
    },
    /// More protection spaces than an authenticator remembers.
    #[error("too many protection spaces")]
    TooManyRealms,
}

/// Why a server has not proved that it knows the secret.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefused {
    /// It did not try: there is no `rspauth`.
    #[error("no rspauth")]
    Missing,
    /// The value cannot be read.
    #[error("no usable proof: {0}")]
    Unusable(#[from] ParseError),
    /// It does not know the secret, or answers another request.
    #[error("the server does not know the secret")]
    Wrong,
}

/// Answers the challenges of one user's requests (RFC 7616 §3.4, RFC 3261 §22.2 and §22.3).
///
/// Keep one for as long as requests go to the same servers: it remembers their nonces, counts their use, and so
/// the next request carries its answer at once. Of several challenges for one realm it takes the strongest
/// algorithm, and the topmost among equals: RFC 8760 §2.4 lets local policy go before the server's order, and a
/// server cannot thereby talk it down to MD5. With `auth` and `auth-int` both offered it takes `auth`, which
/// survives intermediaries that rewrite bodies.
///
/// After a refused answer it does not try again unless the server says `stale=true`, and that only three times
/// in a row. Tell it with [`handle_success`](Self::handle_success) when a request went through.
#[derive(Debug)]
pub struct Authenticator {
    credentials: Credentials,
    entropy: Entropy,
    spaces: Vec<Space>,
}

#[derive(Debug)]
struct Space {
    protects: Protects,
    challenge: Challenge,
    /// One for the life of the nonce, so that both readings of `-sess` give the same A1.
    cnonce: String,
    uses: u32,
    /// An answer is out and no success was seen since.
    unconfirmed: bool,
    stale_in_a_row: u8,
}

impl Authenticator {
    /// An authenticator that knows no server yet.
    pub fn new(credentials: Credentials, entropy: Entropy) -> Self {
        Self {
            credentials,
            entropy,
            spaces: Vec::new(),
        }
    }

    /// Whose requests these are.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Takes the header values of one kind from a 401 or 407. `Ok` means: send the request again, with the
    /// [`answers`](Self::answers).
    ///
    /// # Errors
    /// Says why there is no sense in sending it again.
    pub fn handle_challenges<'v>(
        &mut self,
        protects: Protects,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Result<(), ChallengeRefused> {
        let mut best: Vec<Challenge> = Vec::new();
        let mut refused = ChallengeRefused::NoChallenge;
        for value in values {
            match Challenge::parse_all(value) {
                Ok(challenges) => {
                    for challenge in challenges {
                        match challenge {
                            Ok(challenge) => self.consider(challenge, &mut best, &mut refused),
                            Err(error) => refused = error.into(),
                        }
                    }
                }
                Err(error) => refused = error.into(),
            }
        }
        if best.is_empty() {
            return Err(refused);
        }
        best.into_iter()
            .try_for_each(|challenge| self.remember(protects, challenge))
    }

    /// Says that a request with answers went through: the answers were right.
    pub fn handle_success(&mut self) {
        for space in &mut self.spaces {
            space.unconfirmed = false;
            space.stale_in_a_row = 0;
        }
    }

    /// Judges the `Authentication-Info` of the response to the request that was answered last: whether the server knows the
    /// secret as well (RFC 7616 §3.5). `request` is that request, with the body of the response.
    ///
    /// # Errors
    /// When the value cannot be read, proves nothing, or proves that the server does not know the secret.
    pub fn check_proof(&self, value: &str, request: &Signed<'_>) -> Result<(), ProofRefused> {
        let proof = Proof::parse(value)?;
        let is_right = |space: &Space| space.proof(&self.credentials, &proof, request);
        if self.spaces.iter().any(is_right) {
            Ok(())
        } else {
            Err(ProofRefused::Wrong)
        }
    }

    /// The header values for a request, one for each protection space that is known. Each call uses each nonce
    /// once more.
    pub fn answers(&mut self, request: &Signed<'_>) -> Vec<Answer> {
        let credentials = &self.credentials;
        self.spaces
            .iter_mut()
            .map(|space| Answer {
                protects: space.protects,
                value: space.answer(credentials, request).to_string(),
            })
            .collect()
    }

    fn consider(&self, challenge: Challenge, best: &mut Vec<Challenge>, refused: &mut ChallengeRefused) {
        if !self.credentials.answers(&challenge.realm, challenge.algorithm) {
            *refused = ChallengeRefused::NoCredentials {
                realm: challenge.realm,
            };
            return;
        }
        match best.iter_mut().find(|known| known.realm == challenge.realm) {
            Some(known) if known.algorithm < challenge.algorithm => *known = challenge,
            Some(_) => {}
            None => best.push(challenge),
        }
    }

    fn remember(&mut self, protects: Protects, challenge: Challenge) -> Result<(), ChallengeRefused> {
        let fresh = Space {
            protects,
            challenge,
            cnonce: self.entropy.hex(32),
            uses: 0,
            unconfirmed: false,
            stale_in_a_row: 0,
        };
        let same_space =
            |space: &Space| space.protects == protects && space.challenge.realm == fresh.challenge.realm;
        if let Some(index) = self.spaces.iter().position(same_space) {
            return self.spaces[index].renew(fresh);
        }
        if self.spaces.len() == MAX_SPACES {
            return Err(ChallengeRefused::TooManyRealms);
        }
        self.spaces.push(fresh);
        Ok(())
    }
}

impl Space {
    fn renew(&mut self, fresh: Self) -> Result<(), ChallengeRefused> {
        let same_nonce = self.challenge.nonce == fresh.challenge.nonce;
        let stale = fresh.challenge.stale && !same_nonce;
        if self.unconfirmed && (!stale || self.stale_in_a_row == MAX_STALE) {
            return Err(ChallengeRefused::Rejected {
                realm: fresh.challenge.realm,
            });
        }
        let stale_in_a_row = self.stale_in_a_row + u8::from(self.unconfirmed);
        let uses = if same_nonce { self.uses } else { 0 };
        *self = Self {
            uses,
            stale_in_a_row,
            ..fresh
        };
        Ok(())
    }

    fn answer(&mut self, credentials: &Credentials, request: &Signed<'_>) -> Response {
        self.uses = self.uses.saturating_add(1);
        self.unconfirmed = true;
        let qop = self.qop();
        let challenge = &self.challenge;
        let inputs = Inputs {
            algorithm: challenge.algorithm,
            username: credentials.username(),
            realm: &challenge.realm,
            secret: credentials.secret(),
            nonce: &challenge.nonce,
            protection: qop.map(|qop| Protection {
                qop,
                cnonce: &self.cnonce,
                nc: self.uses,
            }),
            session_cnonce: &self.cnonce,
        };
        let with_cnonce = qop.is_some() || challenge.algorithm.is_session();
        Response {
            response: request_digest(&inputs, request),
            username: username(credentials, challenge),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: request.uri.to_owned(),
            algorithm: Some(challenge.algorithm),
            cnonce: with_cnonce.then(|| self.cnonce.clone()),
            opaque: challenge.opaque.clone(),
            qop,
            nc: qop.map(|_| self.uses),
        }
    }
}

impl Space {
    /// Whether a server that answers the request that went out last here proves that it knows the secret.
    fn proof(&self, credentials: &Credentials, proof: &Proof, request: &Signed<'_>) -> bool {
        let challenge = &self.challenge;
        if proof
            .cnonce
            .as_deref()
            .is_some_and(|cnonce| cnonce != self.cnonce)
            || proof.nc.is_some_and(|nc| nc != self.uses)
        {
            return false;
        }
        let inputs = Inputs {
            algorithm: challenge.algorithm,
            username: credentials.username(),
            realm: &challenge.realm,
            secret: credentials.secret(),
            nonce: &challenge.nonce,
            protection: self.qop().map(|qop| Protection {
                qop,
                cnonce: &self.cnonce,
                nc: self.uses,
            }),
            session_cnonce: &self.cnonce,
        };
        // The same as the answer's, with nothing in the place of the method.
        let signed = Signed {
            method: "",
            ..*request
        };
        let want = request_digest(&inputs, &signed);
        equal_in_constant_time(want.as_bytes(), proof.rspauth.to_ascii_lowercase().as_bytes())
    }

    fn qop(&self) -> Option<Qop> {
        match (self.challenge.qop.auth, self.challenge.qop.auth_int) {
            (true, _) => Some(Qop::Auth),
            (false, true) => Some(Qop::AuthInt),
            (false, false) => None,
        }
    }
}

/// What is read of `Authentication-Info`.
struct Proof {
    rspauth: String,
    cnonce: Option<String>,
    nc: Option<u32>,
}

impl Proof {
    fn parse(value: &str) -> Result<Self, ProofRefused> {
        // A list of parameters without the name of a scheme.
        let value = format!("Digest {value}");
        let schemes = Scheme::split(&value)?;
        let scheme = schemes.first().ok_or(ProofRefused::Missing)?;
        Ok(Self {
            rspauth: scheme.param("rspauth").ok_or(ProofRefused::Missing)?.to_owned(),
            cnonce: scheme.param("cnonce").map(str::to_owned),
            nc: scheme.param("nc").map(nonce_count).transpose()?,
        })
    }
}

fn username(credentials: &Credentials, challenge: &Challenge) -> Username {
    if !challenge.userhash {
        return Username::Plain(credentials.username().to_owned());
    }
    Username::Hashed {
        hash: user_hash(challenge.algorithm, credentials.username(), &challenge.realm),
        algorithm: challenge.algorithm,
        realm: challenge.realm.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    const REGISTER: Signed<'_> = Signed {
        method: "REGISTER",
        uri: "sip:biloxi.com",
        body: b"",
    };

    fn bob() -> Authenticator {
        Authenticator::new(Credentials::new("bob", "zanzibar"), Entropy::from_number(1))
    }

    fn answer(client: &mut Authenticator) -> Response {
        Response::parse(&client.answers(&REGISTER)[0].value).expect("our own answer parses")
    }

    #[test]
    fn the_strongest_of_several_challenges_is_answered() {
        let mut client = bob();
        let values = [
            "Digest realm=\"r\", nonce=\"a\", algorithm=MD5, qop=\"auth\"",
            "Digest realm=\"r\", nonce=\"b\", algorithm=SHA-256, qop=\"auth\"",
            "Digest realm=\"r\", nonce=\"c\", algorithm=FUTURE, qop=\"auth\"",
            "Basic realm=\"r\"",
        ];
        assert_eq!(client.handle_challenges(Protects::Server, values), Ok(()));
        let answers = client.answers(&REGISTER);
        assert_eq!(answers.len(), 1);
        let response = Response::parse(&answers[0].value).expect("valid");
        assert_eq!(
            (response.algorithm, response.nonce.as_str()),
            (Some(Algorithm::Sha256), "b")
        );
    }

    #[test]
    fn each_realm_and_each_proxy_gets_its_own_answer() {
        let mut client = bob();
        client
            .handle_challenges(
                Protects::Proxy,
                ["Digest realm=\"a\", nonce=\"1\", Digest realm=\"b\", nonce=\"2\""],
            )
            .expect("answerable");
        client
            .handle_challenges(Protects::Server, ["Digest realm=\"a\", nonce=\"3\""])
            .expect("answerable");
        let protects: Vec<_> = client
            .answers(&REGISTER)
            .iter()
            .map(|answer| answer.protects)
            .collect();
        assert_eq!(protects, [Protects::Proxy, Protects::Proxy, Protects::Server]);
    }

    #[test]
    fn the_nonce_count_grows_with_each_request_and_starts_again_with_a_new_nonce() {
        let mut client = bob();
        let first = ["Digest realm=\"r\", nonce=\"a\", qop=\"auth\""];
        client
            .handle_challenges(Protects::Server, first)
            .expect("answerable");
        assert_eq!(answer(&mut client).nc, Some(1));
        client.handle_success();
        assert_eq!(answer(&mut client).nc, Some(2));
        client.handle_success();
        let next = ["Digest realm=\"r\", nonce=\"b\", qop=\"auth\""];
        client
            .handle_challenges(Protects::Server, next)
            .expect("answerable");
        assert_eq!(answer(&mut client).nc, Some(1));
    }

    #[test]
    fn a_refused_password_is_not_tried_again_even_with_a_new_nonce() {
        let mut client = bob();
        client
            .handle_challenges(Protects::Server, ["Digest realm=\"r\", nonce=\"a\""])
            .expect("answerable");
        let _ = answer(&mut client);
        assert_eq!(
            client.handle_challenges(Protects::Server, ["Digest realm=\"r\", nonce=\"b\""]),
            Err(ChallengeRefused::Rejected {
                realm: "r".to_owned()
            })
        );
    }

    #[test]
    fn a_stale_nonce_is_replaced_but_not_for_ever() {
        let mut client = bob();
        let mut answered = 0;
        for nonce in 0..10 {
            let value = format!("Digest realm=\"r\", nonce=\"{nonce}\", stale=true");
            if client
                .handle_challenges(Protects::Server, [value.as_str()])
                .is_err()
            {
                break;
            }
            let _ = answer(&mut client);
            answered += 1;
        }
        assert_eq!(answered, 1 + usize::from(MAX_STALE));
    }

    #[test]
    fn the_same_nonce_called_stale_is_a_lie() {
        let mut client = bob();
        let value = ["Digest realm=\"r\", nonce=\"a\", stale=true"];
        client
            .handle_challenges(Protects::Server, value)
            .expect("answerable");
        let _ = answer(&mut client);
        assert!(client.handle_challenges(Protects::Server, value).is_err());
    }

    #[test]
    fn another_realm_than_ours_is_not_answered() {
        let mut client = Authenticator::new(
            Credentials::new("bob", "zanzibar").for_realm("biloxi.com"),
            Entropy::from_number(1),
        );
        assert_eq!(
            client.handle_challenges(Protects::Server, ["Digest realm=\"evil\", nonce=\"a\""]),
            Err(ChallengeRefused::NoCredentials {
                realm: "evil".to_owned()
            })
        );
        assert_eq!(
            client.handle_challenges(Protects::Server, []),
            Err(ChallengeRefused::NoChallenge)
        );
        assert!(client.answers(&REGISTER).is_empty());
    }

    #[test]
    fn auth_int_is_taken_only_where_auth_is_not_offered_and_no_qop_means_rfc_2069() {
        let qop = |options: &str| {
            let mut client = bob();
            let value = format!("Digest realm=\"r\", nonce=\"a\"{options}");
            client
                .handle_challenges(Protects::Server, [value.as_str()])
                .expect("answerable");
            let response = answer(&mut client);
            (response.qop, response.nc, response.cnonce.is_some())
        };
        assert_eq!(qop(", qop=\"auth-int,auth\""), (Some(Qop::Auth), Some(1), true));
        assert_eq!(qop(", qop=\"auth-int\""), (Some(Qop::AuthInt), Some(1), true));
        assert_eq!(qop(""), (None, None, false));
        assert_eq!(qop(", algorithm=MD5-sess"), (None, None, true));
    }

    #[test]
    fn protection_spaces_are_bounded() {
        let mut client = bob();
        let value = (0..20)
            .map(|n| format!("Digest realm=\"{n}\", nonce=\"a\", "))
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(
            client.handle_challenges(Protects::Proxy, [value.as_str()]),
            Err(ChallengeRefused::TooManyRealms)
        );
        assert_eq!(client.answers(&REGISTER).len(), MAX_SPACES);
    }

    /// A server that knows `secret` answers Bob's request, and Bob judges its proof after a change on the way.
    fn prove(
        secret: &str,
        algorithm: Algorithm,
        change: impl FnOnce(String) -> String,
    ) -> Result<(), ProofRefused> {
        let now = std::time::Instant::now();
        let mut config = crate::VerifierConfig::new("r");
        config.algorithms = vec![algorithm];
        let mut server = crate::Verifier::new(config, Entropy::from_number(7));
        let mut client = bob();
        let challenges = server.challenges(now, false);
        client
            .handle_challenges(Protects::Server, challenges.iter().map(String::as_str))
            .expect("answerable");
        let _ = client.answers(&REGISTER);
        let answer = client.answers(&REGISTER).remove(0).value;
        let proof = server.authentication_info(&answer, "bob", &secret.into(), REGISTER.uri);
        client.check_proof(&change(proof.expect("there is a qop")), &REGISTER)
    }

    #[test]
    fn a_server_proves_that_it_knows_the_secret() {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Md5Sess] {
            assert_eq!(
                prove("zanzibar", algorithm, |proof| proof),
                Ok(()),
                "{algorithm:?}"
            );
            assert_eq!(prove("guess", algorithm, |proof| proof), Err(ProofRefused::Wrong));
        }
        let check = |change: fn(String) -> String| prove("zanzibar", Algorithm::Md5, change);
        assert_eq!(
            check(|proof| proof.replace("nc=00000002", "nc=00000001")),
            Err(ProofRefused::Wrong)
        );
        assert_eq!(
            check(|proof| proof.replace("cnonce=\"", "cnonce=\"0")),
            Err(ProofRefused::Wrong)
        );
        assert_eq!(
            check(|proof| proof.replace("rspauth", "other")),
            Err(ProofRefused::Missing)
        );
        assert_eq!(
            check(|_| "nextnonce=\"abc\"".to_owned()),
            Err(ProofRefused::Missing)
        );
        assert!(matches!(
            check(|_| "rspauth".to_owned()),
            Err(ProofRefused::Missing | ProofRefused::Unusable(_))
        ));
        assert!(matches!(
            check(|proof| proof.replace("nc=00000002", "nc=x")),
            Err(ProofRefused::Unusable(_))
        ));
    }

    #[test]
    fn the_proof_of_rfc_4976_comes_out() {
        // As in the example of RFC 2617: one hash with the method, one with nothing in its place.
        let mut client = bob();
        client
            .handle_challenges(
                Protects::Server,
                ["Digest realm=\"r\", nonce=\"a\", qop=\"auth\""],
            )
            .expect("answerable");
        let answer = answer(&mut client);
        let md5 = |parts: &[&str]| {
            Algorithm::Md5.hash(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>())
        };
        let cnonce = answer.cnonce.expect("with qop");
        let (ha1, ha2) = (md5(&["bob", "r", "zanzibar"]), md5(&["", REGISTER.uri]));
        let proof = md5(&[&ha1, "a", "00000001", &cnonce, "auth", &ha2]);
        let value = format!("rspauth=\"{proof}\", cnonce=\"{cnonce}\", nc=00000001, qop=auth");
        assert_eq!(client.check_proof(&value, &REGISTER), Ok(()));
    }
}
