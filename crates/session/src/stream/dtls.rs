//! What session descriptions say of DTLS-SRTP (RFC 5763): who we are, who begins, whom we expect.

use super::security::{SecurityError, is_dtls};
use offhook_rtp_media::dtls::{
    CertificateFingerprint, DtlsCertificate, DtlsParameters, DtlsRole, FingerprintHash,
};
use offhook_sdp::attribute::{Fingerprint, HashFunction, Setup};
use offhook_sdp::{Attribute, Media, SessionDescription};

/// The hash function of our fingerprint: the one that all have (RFC 8122 §5).
const HASH: FingerprintHash = FingerprintHash::Sha256;

/// Our side of the handshake to come.
#[derive(Clone, Debug)]
pub(super) struct Dtls {
    certificate: DtlsCertificate,
}

impl Dtls {
    pub(super) fn new(certificate: DtlsCertificate) -> Self {
        Self { certificate }
    }

    /// Makes a section of ours one that offers a handshake, in which the answer chooses who begins (RFC 5763 §5). Both flows
    /// may share a port, so that one handshake does for both (RFC 5764 §3).
    pub(super) fn offer(&self, section: Media) -> Media {
        self.with_lines(section, Setup::ActPass)
            .with_attribute(Attribute::new("rtcp-mux"))
    }

    /// Makes a section of ours the answer to an offer. Who began before begins again; else we, unless the offerer wants to.
    pub(super) fn answer(&self, offered: &Remote, before: Option<DtlsRole>, section: Media) -> Media {
        let wish = match before {
            Some(DtlsRole::Server) => Setup::Passive,
            Some(DtlsRole::Client) | None => Setup::Active,
        };
        self.with_lines(section, offered.setup.answered_with(wish))
    }

    /// Whether a section of ours has the lines of a handshake.
    pub(super) fn is_offered_in(section: &Media) -> bool {
        section.attributes.all::<Fingerprint>().next().is_some()
    }

    /// What an offer and its answer agree on.
    pub(super) fn agree(
        &self,
        local: &Media,
        remote: Remote,
        is_offerer: bool,
    ) -> Result<DtlsParameters, SecurityError> {
        let ours = local.attributes.get::<Setup>()?.unwrap_or(Setup::ActPass);
        let answer = if is_offerer { remote.setup } else { ours };
        let role = match (answer, is_offerer) {
            (Setup::Active, true) | (Setup::Passive, false) => DtlsRole::Server,
            (Setup::Passive, true) | (Setup::Active, false) => DtlsRole::Client,
            _ => return Err(SecurityError::NoRole),
        };
        Ok(DtlsParameters {
            role,
            certificate: self.certificate.clone(),
            fingerprints: remote.fingerprints,
        })
    }

    fn with_lines(&self, section: Media, setup: Setup) -> Media {
        let ours = self.certificate.fingerprint(HASH);
        let fingerprint = Fingerprint {
            hash: HashFunction::Sha256,
            digest: ours.digest,
        };
        section
            .with_attribute(Attribute::from(&fingerprint))
            .with_attribute(Attribute::from(&setup))
    }
}

/// What the other side says of its handshake.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    fingerprints: Vec<CertificateFingerprint>,
    setup: Setup,
}

impl Remote {
    /// What a section says, or the session for all its sections (RFC 8122 §5, RFC 5763 §5); none when it offers no handshake.
    pub(super) fn read(section: &Media, session: &SessionDescription) -> Result<Option<Self>, SecurityError> {
        let here = fingerprints(section.attributes.all());
        let named = if here.is_empty() {
            fingerprints(session.attributes.all())
        } else {
            here
        };
        if named.is_empty() {
            return if is_dtls(section) {
                Err(SecurityError::NoFingerprint)
            } else {
                Ok(None)
            };
        }
        let setup = match section.attributes.get::<Setup>()? {
            Some(setup) => setup,
            // Whoever says nothing opens (RFC 4145 §4).
            None => session.attributes.get::<Setup>()?.unwrap_or(Setup::Active),
        };
        if setup == Setup::HoldConn {
            return Err(SecurityError::NoRole);
        }
        Ok(Some(Self {
            fingerprints: named,
            setup,
        }))
    }
}

/// Those made with functions that are good enough; a line that cannot be read is passed over, the next may do.
fn fingerprints<E>(lines: impl Iterator<Item = Result<Fingerprint, E>>) -> Vec<CertificateFingerprint> {
    let usable = |line: Fingerprint| {
        let hash = FingerprintHash::from_name(line.hash.as_str())?;
        Some(CertificateFingerprint {
            hash,
            digest: line.digest,
        })
    };
    lines.flatten().filter_map(usable).collect()
}
