//! Whether the server is whom we want (RFC 5922 §7.3).

use super::identity::Identities;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};

/// id-kp-sipDomain (RFC 5924 §3), 1.3.6.1.5.5.7.3.20.
const SIP_DOMAIN: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x14];

/// Which certificates of servers are believed.
#[derive(Debug)]
pub(super) enum Verifier {
    /// A chain to one of these, and the name by the rules of SIP: no wildcard.
    Sip(RootCertStore, WebPkiSupportedAlgorithms),
    /// A chain to one of these, and the name by the rules of HTTPS (RFC 6455 §10.6, RFC 2818 §3.1), for WebSocket.
    Https(RootCertStore, WebPkiSupportedAlgorithms),
    /// All, because somebody asked for it.
    Off(WebPkiSupportedAlgorithms),
}

impl Verifier {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        match self {
            Self::Sip(_, algorithms) | Self::Https(_, algorithms) | Self::Off(algorithms) => algorithms,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (roots, is_sip) = match self {
            Self::Sip(roots, _) => (roots, true),
            Self::Https(roots, _) => (roots, false),
            Self::Off(_) => return Ok(ServerCertVerified::assertion()),
        };
        let certificate = EndEntityCert::try_from(end_entity).map_err(of_webpki)?;
        let chain = |usage: KeyUsage| {
            let algorithms = self.algorithms().all;
            certificate
                .verify_for_usage(algorithms, &roots.roots, intermediates, now, usage, None, None)
                .map(drop)
        };
        match chain(KeyUsage::server_auth()) {
            Err(webpki::Error::RequiredEkuNotFoundContext(_)) if is_sip => {
                chain(KeyUsage::required(SIP_DOMAIN))
            }
            checked => checked,
        }
        .map_err(of_webpki)?;
        verify_name(&certificate, server_name, is_sip)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}

fn verify_name(certificate: &EndEntityCert<'_>, wanted: &ServerName<'_>, is_sip: bool) -> Result<(), Error> {
    let identities = Identities::of(certificate);
    let is_named = match wanted {
        ServerName::DnsName(name) if is_sip => identities.contain(name.as_ref()),
        // An address is no name of a domain: certificates have a field of its own for it.
        _ => {
            certificate.verify_is_valid_for_subject_name(wanted).is_ok()
                || (is_sip && identities.contain(&wanted.to_str()))
        }
    };
    if is_named {
        return Ok(());
    }
    Err(Error::InvalidCertificate(
        CertificateError::NotValidForNameContext {
            expected: wanted.to_owned(),
            presented: identities.into_names(),
        },
    ))
}

fn of_webpki(error: webpki::Error) -> Error {
    use webpki::Error as Webpki;
    Error::InvalidCertificate(match error {
        // The second: by somebody with the name of one whom we trust.
        Webpki::UnknownIssuer | Webpki::InvalidSignatureForPublicKey | Webpki::CaUsedAsEndEntity => {
            CertificateError::UnknownIssuer
        }
        Webpki::CertExpired { .. } => CertificateError::Expired,
        Webpki::CertNotValidYet { .. } => CertificateError::NotValidYet,
        Webpki::BadDer | Webpki::BadDerTime => CertificateError::BadEncoding,
        other => CertificateError::Other(rustls::OtherError(std::sync::Arc::new(other))),
    })
}
