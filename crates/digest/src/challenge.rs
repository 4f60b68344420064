//! The value of `WWW-Authenticate` and `Proxy-Authenticate`.

use crate::params::{Scheme, is_true, write_quoted};
use crate::{Algorithm, ParseError, Qop, QopOptions};
use std::fmt;
use std::str::FromStr;

/// A Digest challenge (RFC 7616 §3.3). Unknown parameters are ignored, as the RFC wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The protection space, shown to users.
    pub realm: String,
    /// The server's data to be signed.
    pub nonce: String,
    /// The server's data to be returned untouched.
    pub opaque: Option<String>,
    /// The hash; MD5 where the challenge names none.
    pub algorithm: Algorithm,
    /// The qualities of protection; none at all for a server of RFC 2069.
    pub qop: QopOptions,
    /// True when the last answer was right and only its nonce too old.
    pub stale: bool,
    /// The URIs of the protection space, as text; `None` where the challenge has no `domain`.
    pub domain: Option<String>,
    /// True when the server says `charset=UTF-8`, the only value that there is.
    pub charset_utf8: bool,
    /// True when the server can read hashed user names.
    pub userhash: bool,
}

impl Challenge {
    /// A plain challenge: MD5, `auth`.
    pub fn new(realm: impl Into<String>, nonce: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            nonce: nonce.into(),
            opaque: None,
            algorithm: Algorithm::Md5,
            qop: QopOptions::AUTH,
            stale: false,
            domain: None,
            charset_utf8: false,
            userhash: false,
        }
    }

    /// Reads a header value that holds exactly one challenge.
    pub fn parse(value: &str) -> Result<Self, ParseError> {
        let schemes = Scheme::split(value)?;
        match schemes.as_slice() {
            [] => Err(ParseError::Syntax { offset: 0 }),
            [one] => Self::from_scheme(one),
            [_, second, ..] => Err(ParseError::Duplicate(second.name_text())),
        }
    }

    /// Reads a header value that may hold several challenges, each with its own verdict, so that one of another
    /// scheme or with an unknown algorithm does not hide the others.
    pub fn parse_all(value: &str) -> Result<Vec<Result<Self, ParseError>>, ParseError> {
        Ok(Scheme::split(value)?.iter().map(Self::from_scheme).collect())
    }

    fn from_scheme(scheme: &Scheme<'_>) -> Result<Self, ParseError> {
        scheme.expect_digest()?;
        Ok(Self {
            realm: scheme.required("realm")?.to_owned(),
            nonce: scheme.required("nonce")?.to_owned(),
            opaque: scheme.param("opaque").map(str::to_owned),
            algorithm: match scheme.param("algorithm") {
                Some(name) => name.parse()?,
                None => Algorithm::Md5,
            },
            qop: match scheme.param("qop") {
                Some(options) => qop_options(options)?,
                None => QopOptions::default(),
            },
            stale: is_true(scheme.param("stale")),
            domain: scheme.param("domain").map(str::to_owned),
            charset_utf8: scheme
                .param("charset")
                .is_some_and(|name| name.eq_ignore_ascii_case("UTF-8")),
            userhash: is_true(scheme.param("userhash")),
        })
    }
}

impl FromStr for Challenge {
    type Err = ParseError;

    fn from_str(value: &str) -> Result<Self, ParseError> {
        Self::parse(value)
    }
}

impl fmt::Display for Challenge {
    /// Writes the header value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest realm=")?;
        write_quoted(f, &self.realm)?;
        f.write_str(", nonce=")?;
        write_quoted(f, &self.nonce)?;
        if let Some(opaque) = &self.opaque {
            f.write_str(", opaque=")?;
            write_quoted(f, opaque)?;
        }
        if let Some(domain) = &self.domain {
            f.write_str(", domain=")?;
            write_quoted(f, domain)?;
        }
        write!(f, ", algorithm={}", self.algorithm)?;
        if !self.qop.is_empty() {
            write!(f, ", qop=\"{}\"", self.qop)?;
        }
        if self.stale {
            f.write_str(", stale=true")?;
        }
        if self.charset_utf8 {
            f.write_str(", charset=UTF-8")?;
        }
        if self.userhash {
            f.write_str(", userhash=true")?;
        }
        Ok(())
    }
}

/// Unknown tokens in the list are ignored; a list of nothing but unknown ones cannot be answered.
fn qop_options(list: &str) -> Result<QopOptions, ParseError> {
    let known = |qop| {
        list.split(',')
            .any(|token| Qop::from_token(token.trim()) == Some(qop))
    };
    let options = QopOptions {
        auth: known(Qop::Auth),
        auth_int: known(Qop::AuthInt),
    };
    if options.is_empty() && !list.trim().is_empty() {
        return Err(ParseError::BadValue {
            name: "qop",
            value: list.to_owned(),
        });
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn everything_a_challenge_can_say_is_read() {
        let challenge = Challenge::parse(
            "digest Realm = \"a \\\"quoted\\\" r\\\\ealm\",\r\n nonce=\"abc=\", opaque=\"\", qop=\"auth-int , auth,x\", \
             algorithm=sha-256, stale=TRUE, domain=\"/a /b\", charset=utf-8, userhash=true, new-thing=7",
        )
        .expect("valid");
        assert_eq!(challenge.realm, "a \"quoted\" r\\ealm");
        assert_eq!(challenge.nonce, "abc=");
        assert_eq!(challenge.opaque.as_deref(), Some(""));
        assert_eq!(challenge.qop, QopOptions::BOTH);
        assert_eq!(challenge.algorithm, Algorithm::Sha256);
        assert!(challenge.stale && challenge.charset_utf8 && challenge.userhash);
        assert_eq!(challenge.domain.as_deref(), Some("/a /b"));
    }

    #[test]
    fn bad_challenges_are_refused_with_the_reason() {
        let check = |value: &str, want: ParseError| assert_eq!(Challenge::parse(value), Err(want), "{value}");
        check("", ParseError::Syntax { offset: 0 });
        check("realm=\"x\"", ParseError::Syntax { offset: 6 });
        check("Basic realm=\"x\"", ParseError::NotDigest("Basic".to_owned()));
        check("Digest nonce=\"x\"", ParseError::Missing("realm"));
        check("Digest realm=\"x\"", ParseError::Missing("nonce"));
        check("Digest realm=\"x", ParseError::Syntax { offset: 15 });
        check("Digest realm=\"x\\", ParseError::Syntax { offset: 16 });
        check(
            "Digest realm=\"x\", realm=\"y\", nonce=\"z\"",
            ParseError::Duplicate("realm".to_owned()),
        );
        check(
            "Digest realm=\"x\", nonce=\"z\", algorithm=SHA-1",
            crate::UnknownAlgorithm("SHA-1".to_owned()).into(),
        );
        check(
            "Digest realm=\"x\", nonce=\"z\", qop=\"none\"",
            ParseError::BadValue {
                name: "qop",
                value: "none".to_owned(),
            },
        );
        check(&"x".repeat(9000), ParseError::TooLong { len: 9000 });
        let many = (0..40).map(|n| format!(", p{n}=1")).collect::<Vec<_>>().concat();
        check(&format!("Digest realm=\"x\"{many}"), ParseError::TooManyParams);
    }

    #[test]
    fn several_challenges_in_one_value_are_judged_apart() {
        let all = Challenge::parse_all(
            "Digest realm=\"a\", nonce=\"1\", algorithm=SHA-256, Basic realm=\"a\", Digest realm=\"a\", nonce=\"1\"",
        )
        .expect("grammar");
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].as_ref().map(|c| c.algorithm), Ok(Algorithm::Sha256));
        assert_eq!(all[1], Err(ParseError::NotDigest("Basic".to_owned())));
        assert_eq!(all[2].as_ref().map(|c| c.algorithm), Ok(Algorithm::Md5));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(value in "\\PC*") {
            let _ = Challenge::parse_all(&value);
        }

        #[test]
        fn what_is_written_is_read_back(
            realm in "[ -~äß€]{0,20}", nonce in "[ -~]{0,20}", opaque in proptest::option::of("[ -~]{0,9}"),
            algorithm in 0_usize..6, auth: bool, auth_int: bool, stale: bool, charset_utf8: bool, userhash: bool,
        ) {
            let challenge = Challenge {
                realm, nonce, opaque, stale, charset_utf8, userhash,
                algorithm: Algorithm::ALL[algorithm],
                qop: QopOptions { auth, auth_int },
                domain: None,
            };
            prop_assert_eq!(Challenge::parse(&challenge.to_string()), Ok(challenge));
        }
    }
}
