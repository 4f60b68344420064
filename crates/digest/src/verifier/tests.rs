use super::*;
use crate::{Authenticator, Credentials, Protects};

const REQUEST: Signed<'_> = Signed {
    method: "REGISTER",
    uri: "sip:biloxi.com",
    body: b"body",
};

struct Fixture {
    now: Instant,
    server: Verifier,
    client: Authenticator,
}

fn fixture(adapt: impl FnOnce(&mut VerifierConfig)) -> Fixture {
    let mut config = VerifierConfig::new("biloxi.com");
    adapt(&mut config);
    Fixture {
        now: Instant::now(),
        server: Verifier::new(config, Entropy::from_number(1)),
        client: Authenticator::new(Credentials::new("bob", "zanzibar"), Entropy::from_number(2)),
    }
}

impl Fixture {
    fn answer(&mut self) -> String {
        self.client.answers(&REQUEST).remove(0).value
    }

    fn challenge(&mut self) {
        let challenges = self.server.challenges(self.now, false);
        self.client
            .handle_challenges(Protects::Server, challenges.iter().map(String::as_str))
            .expect("answerable");
    }

    fn verify(&mut self, value: &str) -> Result<String, VerifyError> {
        self.verify_request(value, &REQUEST)
    }

    fn verify_request(&mut self, value: &str, request: &Signed<'_>) -> Result<String, VerifyError> {
        self.server.verify(self.now, value, request, |user| {
            user.is("bob").then(|| "zanzibar".into())
        })
    }
}

#[test]
fn every_algorithm_and_protection_passes_between_client_and_server() {
    for algorithm in Algorithm::ALL {
        for qop in [
            QopOptions::AUTH,
            QopOptions {
                auth: false,
                auth_int: true,
            },
            QopOptions::default(),
        ] {
            let mut f = fixture(|config| {
                config.algorithms = vec![algorithm];
                config.qop = qop;
                config.accept_without_qop = qop.is_empty();
            });
            f.challenge();
            let value = f.answer();
            assert_eq!(f.verify(&value), Ok("bob".to_owned()), "{algorithm} {qop}");
        }
    }
}

#[test]
fn the_second_request_needs_no_new_challenge() {
    let mut f = fixture(|_| {});
    f.challenge();
    for _ in 0..5 {
        let value = f.answer();
        assert!(f.verify(&value).is_ok());
    }
    assert_eq!(f.server.nonce_count(), 1);
}

#[test]
fn an_answer_serves_once() {
    let mut f = fixture(|_| {});
    f.challenge();
    let value = f.answer();
    assert!(f.verify(&value).is_ok());
    assert_eq!(f.verify(&value), Err(VerifyError::Stale));
}

#[test]
fn an_answer_without_qop_serves_once() {
    let mut f = fixture(|config| {
        config.qop = QopOptions::default();
        config.accept_without_qop = true;
    });
    f.challenge();
    let value = f.answer();
    assert!(f.verify(&value).is_ok());
    assert_eq!(f.verify(&value), Err(VerifyError::Stale));
}

#[test]
fn answers_may_arrive_out_of_order() {
    let mut f = fixture(|_| {});
    f.challenge();
    let (first, second) = (f.answer(), f.answer());
    assert!(f.verify(&second).is_ok());
    assert!(f.verify(&first).is_ok());
    assert_eq!(f.verify(&first), Err(VerifyError::Stale));
}

#[test]
fn an_old_nonce_is_stale_and_forgotten() {
    let mut f = fixture(|_| {});
    f.challenge();
    let value = f.answer();
    f.now += Duration::from_secs(301);
    assert_eq!(f.verify(&value), Err(VerifyError::Stale));
    assert_eq!(f.server.nonce_count(), 0);
}

#[test]
fn the_table_of_nonces_is_bounded_and_forgets_the_oldest_first() {
    let mut f = fixture(|config| config.max_nonces = 3);
    f.challenge();
    let value = f.answer();
    for _ in 0..2 {
        let _ = f.server.challenges(f.now, false);
    }
    assert_eq!(f.server.nonce_count(), 3);
    let _ = f.server.challenges(f.now, false);
    assert_eq!(f.server.nonce_count(), 3);
    assert_eq!(f.verify(&value), Err(VerifyError::Stale));
}

#[test]
fn what_is_wrong_is_refused_with_its_reason() {
    let mut f = fixture(|config| config.qop = QopOptions::BOTH);
    f.challenge();
    let good = f.answer();
    let mut check = |value: String, want: VerifyError| assert_eq!(f.verify(&value), Err(want), "{value}");
    check(good.replace("\"bob\"", "\"eve\""), VerifyError::Wrong);
    check(good.replace("nc=00000001", "nc=00000002"), VerifyError::Wrong);
    check(
        good.replace("realm=\"biloxi.com\"", "realm=\"x\""),
        VerifyError::OtherRealm("x".to_owned()),
    );
    check(
        good.replace("sip:biloxi.com", "sip:other"),
        VerifyError::OtherUri("sip:other".to_owned()),
    );
    check(good.replace("SHA-256", "SHA-512-256"), VerifyError::NotOffered);
    check(good.replace(", qop=auth", ""), VerifyError::NotOffered);
    check(
        good.replace(", nc=00000001", ""),
        ParseError::Missing("nc").into(),
    );
    check("Digest".to_owned(), ParseError::Missing("realm").into());
    check(
        good.replace("Digest", "Basic"),
        ParseError::NotDigest("Basic".to_owned()).into(),
    );
    assert!(f.verify(&good).is_ok());
}

#[test]
fn an_answer_does_not_serve_another_method() {
    let mut f = fixture(|_| {});
    f.challenge();
    let value = f.answer();
    let other = Signed {
        method: "INVITE",
        ..REQUEST
    };
    assert_eq!(f.verify_request(&value, &other), Err(VerifyError::Wrong));
}

#[test]
fn auth_int_notices_a_changed_body() {
    let mut f = fixture(|config| {
        config.qop = QopOptions {
            auth: false,
            auth_int: true,
        }
    });
    f.challenge();
    let value = f.answer();
    let changed = Signed {
        body: b"other",
        ..REQUEST
    };
    assert_eq!(f.verify_request(&value, &changed), Err(VerifyError::Wrong));
    assert!(f.verify(&value).is_ok());
}

#[test]
fn a_stored_hash_serves_in_place_of_the_password() {
    let mut f = fixture(|config| config.algorithms = vec![Algorithm::Md5]);
    f.challenge();
    let value = f.answer();
    let stored = Secret::Ha1 {
        algorithm: Algorithm::Md5,
        hash: Algorithm::Md5.hash(&[b"bob", b"biloxi.com", b"zanzibar"]),
    };
    assert_eq!(
        f.server.verify(f.now, &value, &REQUEST, |_| Some(stored)),
        Ok("bob".to_owned())
    );
}

#[test]
fn a_hashed_name_is_found_by_verify_named_only() {
    let mut f = fixture(|_| {});
    let challenge = f.server.challenges(f.now, false).remove(0) + ", userhash=true";
    f.client
        .handle_challenges(Protects::Server, [challenge.as_str()])
        .expect("answerable");
    let value = f.answer();
    assert_eq!(f.verify(&value), Err(VerifyError::Wrong));
    let found = f.server.verify_named(f.now, &value, &REQUEST, |user| {
        user.is("bob").then(|| ("bob".to_owned(), "zanzibar".into()))
    });
    assert_eq!(found, Ok("bob".to_owned()));
}

#[test]
fn the_server_proves_that_it_knows_the_password() {
    let mut fixture = fixture(|config| config.algorithms = vec![Algorithm::Md5]);
    fixture.challenge();
    let value = fixture.answer();
    assert_eq!(fixture.verify(&value), Ok("bob".to_owned()));
    let secret = Secret::from("zanzibar");
    let info = fixture
        .server
        .authentication_info(&value, "bob", &secret, REQUEST.uri)
        .unwrap();
    let answer = Response::parse(&value).unwrap();
    let md5 = |text: String| Algorithm::Md5.hash(&[text.as_bytes()]);
    let (ha1, ha2) = (
        md5("bob:biloxi.com:zanzibar".to_owned()),
        md5(":sip:biloxi.com".to_owned()),
    );
    let cnonce = answer.cnonce.unwrap();
    let rspauth = md5(format!("{ha1}:{}:00000001:{cnonce}:auth:{ha2}", answer.nonce));
    assert_eq!(
        info,
        format!("rspauth=\"{rspauth}\", cnonce=\"{cnonce}\", nc=00000001, qop=auth")
    );
}
