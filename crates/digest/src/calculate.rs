//! The request-digest (RFC 7616 §3.4.1).

use crate::{Algorithm, Qop, Secret};

/// The parts of a request that an answer signs.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The request method, as in the request line.
    pub method: &'a str,
    /// The Request-URI, byte by byte as in the request line.
    pub uri: &'a str,
    /// The body, signed by `auth-int` only.
    pub body: &'a [u8],
}

/// The values besides the request that go into the hash.
pub(crate) struct Inputs<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) username: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) secret: &'a Secret,
    pub(crate) nonce: &'a str,
    /// `None` for the form of RFC 2069.
    pub(crate) protection: Option<Protection<'a>>,
    /// The `cnonce` where `protection` is absent but a `-sess` algorithm needs one.
    pub(crate) session_cnonce: &'a str,
}

/// The values that come with a `qop`.
pub(crate) struct Protection<'a> {
    pub(crate) qop: Qop,
    pub(crate) cnonce: &'a str,
    pub(crate) nc: u32,
}

/// The value of the `response` parameter.
pub(crate) fn request_digest(inputs: &Inputs<'_>, request: &Signed<'_>) -> String {
    let algorithm = inputs.algorithm;
    let nonce = inputs.nonce.as_bytes();
    let mut ha1 = inputs.secret.ha1(algorithm, inputs.username, inputs.realm);
    if algorithm.is_session() {
        let cnonce = inputs
            .protection
            .as_ref()
            .map_or(inputs.session_cnonce, |protection| protection.cnonce);
        ha1 = algorithm.hash(&[ha1.as_bytes(), nonce, cnonce.as_bytes()]);
    }
    let (method, uri) = (request.method.as_bytes(), request.uri.as_bytes());
    let ha2 = match &inputs.protection {
        Some(Protection {
            qop: Qop::AuthInt, ..
        }) => algorithm.hash(&[method, uri, algorithm.hash(&[request.body]).as_bytes()]),
        _ => algorithm.hash(&[method, uri]),
    };
    match &inputs.protection {
        Some(protection) => algorithm.hash(&[
            ha1.as_bytes(),
            nonce,
            format!("{:08x}", protection.nc).as_bytes(),
            protection.cnonce.as_bytes(),
            protection.qop.as_str().as_bytes(),
            ha2.as_bytes(),
        ]),
        None => algorithm.hash(&[ha1.as_bytes(), nonce, ha2.as_bytes()]),
    }
}

/// The hash that stands for a user name where `userhash=true` (RFC 7616 §3.4.4).
pub(crate) fn user_hash(algorithm: Algorithm, username: &str, realm: &str) -> String {
    algorithm.hash(&[username.as_bytes(), realm.as_bytes()])
}

/// Compares without telling by its duration how much is equal.
pub(crate) fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let difference = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(inputs: &Inputs<'_>, uri: &str, body: &[u8], want: &str) {
        let request = Signed {
            method: "GET",
            uri,
            body,
        };
        assert_eq!(request_digest(inputs, &request), want);
    }

    fn mufasa(algorithm: Algorithm, qop: Option<Qop>, secret: &Secret) -> Inputs<'_> {
        Inputs {
            algorithm,
            username: "Mufasa",
            realm: "http-auth@example.org",
            secret,
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            protection: qop.map(|qop| Protection {
                qop,
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                nc: 1,
            }),
            session_cnonce: "",
        }
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let secret = Secret::from("Circle of Life");
        let uri = "/dir/index.html";
        check(
            &mufasa(Algorithm::Md5, Some(Qop::Auth), &secret),
            uri,
            b"",
            "8ca523f5e9506fed4657c9700eebdbec",
        );
        check(
            &mufasa(Algorithm::Sha256, Some(Qop::Auth), &secret),
            uri,
            b"",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        );
    }

    #[test]
    fn the_sha_512_256_example_comes_out_as_corrected_by_erratum_4897() {
        let secret = Secret::from("Secret, or not?");
        let username = "J\u{e4}s\u{f8}n Doe";
        let inputs = Inputs {
            algorithm: Algorithm::Sha512_256,
            username,
            realm: "api@example.org",
            secret: &secret,
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            protection: Some(Protection {
                qop: Qop::Auth,
                cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
                nc: 1,
            }),
            session_cnonce: "",
        };
        check(
            &inputs,
            "/doe.json",
            b"",
            "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
        );
        assert_eq!(
            user_hash(Algorithm::Sha512_256, username, "api@example.org"),
            "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        );
    }

    #[test]
    fn the_example_of_rfc_2617_comes_out_with_and_without_qop() {
        let secret = Secret::from("Circle Of Life");
        let mut inputs = Inputs {
            realm: "testrealm@host.com",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            protection: Some(Protection {
                qop: Qop::Auth,
                cnonce: "0a4f113b",
                nc: 1,
            }),
            ..mufasa(Algorithm::Md5, None, &secret)
        };
        check(
            &inputs,
            "/dir/index.html",
            b"",
            "6629fae49393a05397450978507c4ef1",
        );
        // RFC 2069 form; the value is that of RFC 2069 erratum 749.
        inputs.protection = None;
        check(
            &inputs,
            "/dir/index.html",
            b"",
            "670fd8c2df070c60b045671b8b24ff02",
        );
    }

    #[test]
    fn auth_int_and_sess_change_the_hash_as_the_rfc_says() {
        let secret = Secret::from("pw");
        let md5 = |parts: &[&[u8]]| Algorithm::Md5.hash(parts);
        let inputs = mufasa(Algorithm::Md5Sess, Some(Qop::AuthInt), &secret);
        let ha1 = md5(&[b"Mufasa:http-auth@example.org:pw"]);
        let cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let a1 = md5(&[ha1.as_bytes(), inputs.nonce.as_bytes(), cnonce]);
        let a2 = md5(&[b"GET:/", md5(&[b"body"]).as_bytes()]);
        let want = md5(&[
            a1.as_bytes(),
            inputs.nonce.as_bytes(),
            b"00000001",
            cnonce,
            b"auth-int",
            a2.as_bytes(),
        ]);
        check(&inputs, "/", b"body", &want);
    }

    #[test]
    fn comparison_sees_every_byte() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abd"));
        assert!(!equal_in_constant_time(b"abc", b"ab"));
    }
}
