//! Whom a certificate names (RFC 5922 §7.1, §7.2).

use crate::{Host, SipUri};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The SIP domains that a certificate names, in lower case. The common name does not count: RFC 5922 §7.1 lets it, and
/// nobody has issued such certificates for long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Identities(Vec<String>);

impl Identities {
    pub(super) fn of(certificate: &EndEntityCert<'_>) -> Self {
        let domains: Vec<String> = certificate.valid_uri_names().filter_map(sip_domain).collect();
        if !domains.is_empty() {
            return Self(domains);
        }
        let names = certificate.valid_dns_names().map(normal);
        Self(names.collect())
    }

    /// Whether the whole name is among them; nothing stands for anything else, `*` neither.
    pub(super) fn contain(&self, name: &str) -> bool {
        let name = normal(name);
        self.0.contains(&name)
    }

    pub(super) fn into_names(self) -> Vec<String> {
        self.0
    }
}

/// The SIP domains that a certificate in DER names, in lower case (RFC 5922 §7.1): its SIP URIs, or else its DNS names.
/// `None` for what is no certificate. Whether it is to be believed is another question.
pub fn certified_domains(certificate: &[u8]) -> Option<Vec<String>> {
    let certificate = CertificateDer::from(certificate);
    let certificate = EndEntityCert::try_from(&certificate).ok()?;
    Some(Identities::of(&certificate).into_names())
}

/// The domain of `sip:example.com`; a URI with a user names that user only, and `sips:` is not among what RFC 5922
/// allows.
fn sip_domain(uri: &str) -> Option<String> {
    let uri: SipUri = uri.parse().ok()?;
    if uri.is_secure() || uri.user().is_some() {
        return None;
    }
    match uri.host() {
        Host::Name(name) => Some(normal(std::str::from_utf8(&name).ok()?)),
        Host::V4(address) => Some(address.to_string()),
        Host::V6(address) => Some(address.to_string()),
    }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType, string::Ia5String};

    fn identities(names: &[&str]) -> Vec<String> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "common.test");
        params.subject_alt_names = names
            .iter()
            .map(|name| {
                let text = |text: &str| Ia5String::try_from(text).expect("ASCII");
                match name.strip_prefix("dns ") {
                    Some(name) => SanType::DnsName(text(name)),
                    None => SanType::URI(text(name)),
                }
            })
            .collect();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let parsed = EndEntityCert::try_from(certificate.der()).expect("a certificate");
        Identities::of(&parsed).into_names()
    }

    #[test]
    fn sip_uris_come_first_and_names_count_only_without_them() {
        assert_eq!(identities(&["dns B.test", "SIP:Example.COM"]), ["example.com"]);
        assert_eq!(identities(&["dns B.test", "dns c.test"]), ["b.test", "c.test"]);
        assert_eq!(
            identities(&["sip:a.test", "sip:b.test:5061"]),
            ["a.test", "b.test"]
        );
    }

    #[test]
    fn users_other_schemes_and_the_common_name_are_no_domains() {
        for name in ["sip:alice@a.test", "sips:a.test", "https://a.test", "im:a.test"] {
            assert_eq!(identities(&[name, "dns b.test"]), ["b.test"], "{name}");
        }
        assert!(identities(&[]).is_empty());
    }

    #[test]
    fn names_are_compared_whole_and_without_case() {
        let of = |name: &str| Identities(vec![normal(name)]);
        assert!(of("a.test").contain("A.Test."));
        assert!(!of("a.test").contain("x.a.test"));
        assert!(!of("x.a.test").contain("a.test"));
        assert!(!of("*.a.test").contain("x.a.test"));
        assert!(!of(".a.test").contain("x.a.test"));
    }
}
