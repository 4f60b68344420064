//! The value of `Authorization` and `Proxy-Authorization`.

use crate::calculate::user_hash;
use crate::params::{Scheme, is_true, write_quoted};
use crate::{Algorithm, ParseError, Qop};
use std::fmt;
use std::str::FromStr;

/// The user name of an answer: plain, or hashed (RFC 7616 §3.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Username {
    /// The name itself.
    Plain(String),
    /// A hash over name and realm.
    Hashed {
        /// The hash in hexadecimal.
        hash: String,
        /// The hash's algorithm.
        algorithm: Algorithm,
        /// The hash's realm.
        realm: String,
    },
}

impl Username {
    /// True when this is the name of `candidate`.
    pub fn is(&self, candidate: &str) -> bool {
        match self {
            Self::Plain(name) => name == candidate,
            Self::Hashed {
                hash,
                algorithm,
                realm,
            } => hash.eq_ignore_ascii_case(&user_hash(*algorithm, candidate, realm)),
        }
    }
}

/// An answer to a challenge (RFC 7616 §3.4), as it stands in the header. What is in it is not verified:
/// [`Verifier`](crate::Verifier) does that.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// Who says to be asking.
    pub username: Username,
    /// The realm of the challenge.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The Request-URI that was signed.
    pub uri: String,
    /// The hash, in hexadecimal.
    pub response: String,
    /// The algorithm of the challenge, if named.
    pub algorithm: Option<Algorithm>,
    /// The client's own nonce.
    pub cnonce: Option<String>,
    /// The `opaque` of the challenge.
    pub opaque: Option<String>,
    /// The chosen quality of protection; `None` in the form of RFC 2069.
    pub qop: Option<Qop>,
    /// How often this nonce was used, counting this time.
    pub nc: Option<u32>,
}

impl Response {
    /// Reads a header value.
    pub fn parse(value: &str) -> Result<Self, ParseError> {
        let schemes = Scheme::split(value)?;
        let Some(scheme) = schemes.first() else {
            return Err(ParseError::Syntax { offset: 0 });
        };
        scheme.expect_digest()?;
        let algorithm = scheme.param("algorithm").map(str::parse).transpose()?;
        let realm = scheme.required("realm")?.to_owned();
        Ok(Self {
            username: username(scheme, algorithm, &realm)?,
            realm,
            nonce: scheme.required("nonce")?.to_owned(),
            uri: scheme.required("uri")?.to_owned(),
            response: scheme.required("response")?.to_owned(),
            algorithm,
            cnonce: scheme.param("cnonce").map(str::to_owned),
            opaque: scheme.param("opaque").map(str::to_owned),
            qop: scheme.param("qop").map(qop).transpose()?,
            nc: scheme.param("nc").map(nonce_count).transpose()?,
        })
    }
}

impl FromStr for Response {
    type Err = ParseError;

    fn from_str(value: &str) -> Result<Self, ParseError> {
        Self::parse(value)
    }
}

impl fmt::Debug for Response {
    /// Leaves out the hash, which a dictionary could be tried against.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("nonce", &self.nonce)
            .field("uri", &self.uri)
            .field("nc", &self.nc)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Response {
    /// Writes the header value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest username=")?;
        match &self.username {
            Username::Plain(name) => write_quoted(f, name)?,
            Username::Hashed { hash, .. } => write_quoted(f, hash)?,
        }
        for (name, value) in [
            ("realm", Some(&self.realm)),
            ("nonce", Some(&self.nonce)),
            ("uri", Some(&self.uri)),
            ("response", Some(&self.response)),
            ("cnonce", self.cnonce.as_ref()),
            ("opaque", self.opaque.as_ref()),
        ] {
            if let Some(value) = value {
                write!(f, ", {name}=")?;
                write_quoted(f, value)?;
            }
        }
        if let Some(algorithm) = self.algorithm {
            write!(f, ", algorithm={algorithm}")?;
        }
        if let Some(qop) = self.qop {
            write!(f, ", qop={qop}")?;
        }
        if let Some(nc) = self.nc {
            write!(f, ", nc={nc:08x}")?;
        }
        if let Username::Hashed { .. } = self.username {
            f.write_str(", userhash=true")?;
        }
        Ok(())
    }
}

fn username(scheme: &Scheme<'_>, algorithm: Option<Algorithm>, realm: &str) -> Result<Username, ParseError> {
    if let Some(extended) = scheme.param("username*") {
        return extended_value(extended)
            .map(Username::Plain)
            .ok_or_else(|| ParseError::BadValue {
                name: "username*",
                value: extended.to_owned(),
            });
    }
    let name = scheme.required("username")?.to_owned();
    if is_true(scheme.param("userhash")) {
        return Ok(Username::Hashed {
            hash: name,
            algorithm: algorithm.unwrap_or(Algorithm::Md5),
            realm: realm.to_owned(),
        });
    }
    Ok(Username::Plain(name))
}

fn qop(value: &str) -> Result<Qop, ParseError> {
    Qop::from_token(value).ok_or_else(|| ParseError::BadValue {
        name: "qop",
        value: value.to_owned(),
    })
}

/// Eight hexadecimal digits; fewer are taken, a sign is not.
pub(crate) fn nonce_count(value: &str) -> Result<u32, ParseError> {
    if value.bytes().all(|byte| byte.is_ascii_hexdigit())
        && let Ok(count) = u32::from_str_radix(value, 16)
    {
        return Ok(count);
    }
    Err(ParseError::BadValue {
        name: "nc",
        value: value.to_owned(),
    })
}

/// `UTF-8''J%C3%A4s%C3%B8n` of RFC 5987 §3.2.1.
fn extended_value(text: &str) -> Option<String> {
    let mut parts = text.splitn(3, '\'');
    if !parts.next()?.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let mut encoded = parts.nth(1)?.bytes();
    let mut bytes = Vec::new();
    while let Some(byte) = encoded.next() {
        if byte == b'%' {
            let high = char::from(encoded.next()?).to_digit(16)?;
            let low = char::from(encoded.next()?).to_digit(16)?;
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_header_of_rfc_7616_section_3_9_1_is_read() {
        let response = Response::parse(
            "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
             algorithm=MD5, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=0000000a, \
             cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
             response=\"8ca523f5e9506fed4657c9700eebdbec\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
        )
        .expect("valid");
        assert!(response.username.is("Mufasa"));
        assert_eq!(response.nc, Some(10));
        assert_eq!(response.qop, Some(Qop::Auth));
        assert_eq!(Response::parse(&response.to_string()), Ok(response));
    }

    #[test]
    fn names_may_be_extended_or_hashed() {
        let rest = "realm=\"api@example.org\", nonce=\"n\", uri=\"/\", response=\"r\", algorithm=SHA-512-256";
        let extended = format!("Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, {rest}");
        assert!(
            Response::parse(&extended)
                .expect("valid")
                .username
                .is("J\u{e4}s\u{f8}n Doe")
        );
        let hashed = format!(
            "Digest username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\", {rest}, userhash=true"
        );
        let username = Response::parse(&hashed).expect("valid").username;
        assert!(username.is("J\u{e4}s\u{f8}n Doe") && !username.is("Jason Doe"));
    }

    #[test]
    fn bad_values_are_refused() {
        let check = |tail: &str, name: &'static str| {
            let value = format!("Digest realm=\"r\", nonce=\"n\", uri=\"/\", response=\"r\", {tail}");
            let got = Response::parse(&value);
            assert!(
                matches!(&got, Err(ParseError::BadValue { name: bad, .. } | ParseError::Missing(bad)) if *bad == name),
                "{got:?}"
            );
        };
        check("username=\"a\", nc=+0000001", "nc");
        check("username=\"a\", nc=100000000", "nc");
        check("username=\"a\", qop=other", "qop");
        check("username*=latin1''x", "username*");
        check("username*=UTF-8''%C3", "username*");
        check("username*=UTF-8''%c", "username*");
        check("nc=00000001", "username");
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(value in "\\PC*") {
            let _ = Response::parse(&value);
            let _ = Response::parse(&format!("Digest username*={value}"));
        }
    }
}
